#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-format 14 over whole files; another version would disagree with itself.
set -eu
cd "$(dirname "$0")/../.."
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
clang-format --version | grep -q 'version 14\.' || { echo "needs clang-format 14: $(clang-format --version)"; exit 77; }
git ls-files --cached --others --exclude-standard -- '*.c' '*.h' | while read -r f; do
	[ ! -e "$f" ] || echo "$f"
done | xargs clang-format --dry-run -Werror
