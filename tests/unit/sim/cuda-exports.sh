#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The simulated CUDA driver exports the calls of the list, all of them and nothing else, under the driver's own
# name, and needs nothing but libc:
#   cuda-exports.sh LIBRARY CUDA-NAMES
set -eu
lib=$1
wanted=$("$2" | LC_ALL=C sort)
got=$(nm -D --defined-only "$lib" | awk '{print $3}' | LC_ALL=C sort)
[ "$got" = "$wanted" ] || {
	echo "exported and wanted differ: $(printf '%s\n%s\n' "$got" "$wanted" | LC_ALL=C sort | uniq -u)"
	exit 1
}
readelf -d "$lib" | grep -q 'SONAME.*\[libcuda\.so\.1\]' || { echo "its SONAME is not libcuda.so.1"; exit 1; }
for needed in $(readelf -d "$lib" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p'); do
	case $needed in
	libc.so.6 | libm.so.6 | ld-linux* | libasan* | libclang_rt* | libubsan* | libtsan* | libgcc_s* | libpthread* | libdl*) ;;
	*) echo "needs $needed"; exit 1 ;;
	esac
done
