#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# machine-conformance.sh DIVVY-SIM NVML-CONFORMANCE MACHINE: as on a real driver, on a simulated one.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" new "$dir" "$3"
"$2" "$dir/libnvidia-ml.so.1"
