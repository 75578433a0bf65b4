#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# libdivvy exports what its header declares, and nothing else.
set -eu
lib=$1 header=$2
nm -D --defined-only "$lib" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort >"$3.have"
grep -o 'divvy_[a-z_]*(' "$header" | tr -d '(' | sort -u >"$3.want"
diff "$3.want" "$3.have"
