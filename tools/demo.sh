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
	jobs -p | xargs -r kill 2>/dev/null || true
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
start=$(python3 -c 'import time; print(time.monotonic_ns() + 8 * 10**9)')
for tenant in trainer service-0 service-1 notebook-0 notebook-1; do
	seconds=12s
	divvy run --name "$tenant" -- "$burn" --kernel 2ms --loops 40000 --for "$seconds" \
		--start "$start" --out "$work/$tenant.record" 2>"$work/$tenant.err" &
	eval "pid_${tenant//-/_}=$!"
done
sleep 12
run top --once

bold "5. Kill one (notebook-1) in the middle"
victim=$(divvy --json leases | python3 -c 'import json,sys
print([l["pids"][0] for l in json.load(sys.stdin)["leases"] if l["name"] == "notebook-1"][0])')
kill -9 "$victim"
sleep 3
run top --once
status=0
for tenant in trainer service_0 service_1 notebook_0; do
	eval "wait \$pid_$tenant" || status=$?
done
[ "$status" = 0 ] && echo "The other four ran to their end as if nothing had happened." ||
	{ cat "$work"/*.err; exit 1; }

bold "6. Give everything back"
for tenant in trainer service-0 service-1 notebook-0 notebook-1; do
	divvy release "$tenant"
done
run status

bold "7. Measure: a light tenant beside a heavy neighbour, by each way of sharing"
run bench noisy/ gate/ungated/1ms gate/50:50/1ms share/70:30/1ms/sync -o "$out/bench.json"
divvy report "$out/bench.json" -o "$out/bench.html"
echo
echo "The page with the plots: $(realpath "$out/bench.html")"
