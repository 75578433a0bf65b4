#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A shim of a driver's library exports exactly what it hooks, takes the library's name, and needs nothing
# but libc and the library itself, which it looks for beside itself before anywhere else:
#   driver-exports.sh NAME LIBRARY HOOKS EXPORTS.SH        NAME as in "libcuda"
set -eu
name=$1
lib=$2
# shellcheck disable=SC2046
NEEDED_TOO="$name-divvy-real\.so" CALLS_TOO='dlopen' sh "$4" "$lib" $("$3")
readelf -dW "$lib" | grep -q "SONAME.*\[$name\.so\.1\]" || { echo "$lib has another name"; exit 1; }
readelf -dW "$lib" | grep -q "NEEDED.*\[$name-divvy-real\.so\]" || { echo "$lib needs no driver"; exit 1; }
readelf -dW "$lib" | grep -q '(RPATH).*\[\$ORIGIN\]' ||
	{ echo "$lib does not look beside itself first"; exit 1; }
