#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The CUDA shim exports exactly what it hooks, takes the driver's name, and needs nothing but libc and
# the driver itself, which it looks for beside itself before anywhere else:
#   cuda-exports.sh LIBRARY HOOKS EXPORTS.SH
set -eu
lib=$1
# shellcheck disable=SC2046
NEEDED_TOO='libcuda-divvy-real\.so' CALLS_TOO='dlopen' sh "$3" "$lib" $("$2")
readelf -dW "$lib" | grep -q 'SONAME.*\[libcuda\.so\.1\]' || { echo "$lib has another name"; exit 1; }
readelf -dW "$lib" | grep -q 'NEEDED.*\[libcuda-divvy-real\.so\]' || { echo "$lib needs no driver"; exit 1; }
readelf -dW "$lib" | grep -q '(RPATH).*\[\$ORIGIN\]' ||
	{ echo "$lib does not look beside itself first"; exit 1; }
