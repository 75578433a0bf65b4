#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job on any machine, in three minutes: show the device, plan and apply a fleet of five
# tenants, run them, kill one, see that the others did not notice, measure, and leave a page.
# Everything happens in a private divvyd with its own directories.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}
out=${2:-out}
mkdir -p "$out"
work=$(mktemp -d)
divvyd=
cleanup() {
	# the shell's own kill: a bare machine has no other
	for pid in $(jobs -p); do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

bold() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || bold() { printf '\n%s\n' "$*"; }
run() { echo "\$ divvy $*"; divvy "$@"; }
divvy() { "$build/src/cli/divvy" --socket "$work/run/divvyd.sock" "$@"; }
burn=$build/src/bench/divvy-burn

mkdir -p "$work/run" && mkdir -m 700 "$work/state"
"$build/src/daemon/divvyd" --run-dir "$work/run" --state-dir "$work/state" \
	--lock-dir "$work/lock" 2>"$work/divvyd.log" &
divvyd=$!
for _ in $(seq 100); do
	[ -S "$work/run/divvyd.sock" ] && break
	sleep 0.1
done
[ -S "$work/run/divvyd.sock" ] || { cat "$work/divvyd.log"; exit 1; }

bold "1. What is here"
run gpus

bold "2. What would be done for five tenants (nothing is changed)"
run plan docs/examples/demo.yaml

bold "3. Do it"
run apply docs/examples/demo.yaml
run diff docs/examples/demo.yaml && echo "as wanted"

bold "4. Run all five; each is an ordinary OpenCL program that wants the whole device"
tenants="trainer service-0 service-1 notebook-0 notebook-1"
pids=
records=
for tenant in $tenants; do
	echo "\$ divvy run --name $tenant -- divvy-burn --memory 64MiB --kernel 2ms --for 18s &"
	divvy run --name "$tenant" -- "$burn" --memory 64MiB --kernel 2ms --loops 40000 --for 18s \
		--out "$work/$tenant.record" 2>"$work/$tenant.err" &
	[ "$tenant" = notebook-1 ] || pids="$pids $!"
	records="$records $tenant=$work/$tenant.record"
done
python3 tools/demo_kill.py wait "$work/run/divvyd.sock" || { cat "$work"/*.err; exit 1; }
divvy top --once >"$work/first" # shares count from one look to the next
sleep 3
run top --once

bold "5. Kill one of them, notebook-1, and count what the others do meanwhile"
python3 tools/demo_kill.py kill "$work/run/divvyd.sock" notebook-1 "$work/kill.json"
echo "Three seconds later. notebook-1 is \"ready\", with no memory and nothing running: its lease is"
echo "the fleet's and stays for the next process. A share it still shows is from before."
run top --once
status=0
for pid in $pids; do
	wait "$pid" || status=$?
done
[ "$status" = 0 ] || { cat "$work"/*.err; exit 1; }
echo
echo "The other four ran to their end. What all did in the three seconds before and after the kill:"
python3 tools/demo_kill.py table "$work/kill.json" $records

bold "6. Give everything back"
for tenant in $tenants; do
	divvy release "$tenant"
done
run status

bold "7. Measure: a light tenant beside a heavy neighbour, what a launch costs, limits (90 s)"
run bench noisy/ gate/launch memory/ share/70:30/1ms/sync -o "$out/bench.json"
divvy report "$out/bench.json" -o "$out/bench.html"
echo
echo "The page with the plots: $(realpath "$out/bench.html")"
