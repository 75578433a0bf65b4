#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How many instructions a launch costs in the layer while the grant is endless, the driver's own few
# included: counted, so that it does not depend on the machine's speed. Locked ones count as one.
#   launch-cost.sh PROGRAM MOST
set -eu
command -v valgrind >/dev/null || { echo "skipped: no valgrind"; exit 77; }
out=$(mktemp)
trap 'rm -f "$out"' EXIT
count() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" >"$out" 2>&1 ||
		{ if grep -q "$3" "$out"; then echo "skipped: a sanitizer build"; exit 77; fi; cat "$out"; exit 1; }
	sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$out"
}
few=$(count "$1" 1000 Sanitizer)
many=$(count "$1" 101000 Sanitizer)
each=$(((many - few) / 100000))
echo "$each instructions a launch, at most $2"
[ "$each" -ge 10 ] || { echo "too few: this did not count launches"; exit 1; }
[ "$each" -le "$2" ]
