#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Run every fuzzer for so many seconds; what it finds is left in build-fuzz/.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz --wrap-mode=nodownload -Dfuzz=true \
	-Db_sanitize=address,undefined -Db_lundef=false
ninja -C build-fuzz
for f in build-fuzz/tests/fuzz/fuzz-*; do
	[ -x "$f" ] && [ -f "$f" ] || continue
	name=${f##*/fuzz-}
	mkdir -p "build-fuzz/corpus/$name"
	echo "== $name"
	"$f" -max_total_time="$seconds" -print_final_stats=1 -artifact_prefix=build-fuzz/ \
		"build-fuzz/corpus/$name" "tests/fuzz/corpus/$name"
done
