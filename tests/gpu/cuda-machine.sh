#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cuda-machine.sh DIVVY-SIM MACHINE PROGRAM [ARGUMENT]: run a program on the CUDA driver of a simulated machine,
# whose directory is MACHINE_DIR. There always is a driver, and a device: nothing is skipped.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$1" new "$dir" "$2"
shift 2
program=$1
shift
status=0
MACHINE_DIR=$dir LD_LIBRARY_PATH=$dir "$program" "$dir/libcuda.so.1" "$@" || status=$?
[ "$status" -ne 77 ] || { echo "skipped, though the machine has it all"; status=1; }
exit "$status"
