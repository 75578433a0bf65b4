#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A library that is loaded into tenants' processes exports what it hooks and needs nothing but libc:
#   exports.sh LIBRARY name ...
# NEEDED_TOO, CALLS_TOO: patterns of what this one may need and call beside.
set -eu
lib=$1
shift
want=$(printf '%s\n' "$@" | sort)
got=$(nm -D --defined-only "$lib" | awk '{print $3}' | sort)
[ "$got" = "$want" ] || { echo "$lib exports: $got; wanted: $want"; exit 1; }
for need in $(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
	case $need in
	libc.so.*|ld-linux*) ;;
	libasan.so.*|libubsan.so.*|libtsan.so.*|libclang_rt*) echo "skipped: a sanitizer build"; exit 77 ;;
	*) echo "$need" | grep -qxE "${NEEDED_TOO:-none}" || { echo "$lib needs $need"; exit 1; } ;;
	esac
done
# Nothing runs before the first call: no constructor but the compiler's own.
init=$(readelf -dW "$lib" | awk '/INIT_ARRAYSZ/ {print $3}')
[ "${init:-0}" -le 8 ] || { echo "$lib has constructors: $init bytes of INIT_ARRAY"; exit 1; }
readelf -dW "$lib" | grep -q NODELETE || { echo "$lib may be unloaded"; exit 1; }
# Never ends, signals or prints for its host.
bad=$(nm -D --undefined-only "$lib" | awk '{print $2}' |
	grep -E '^(exit|_exit|abort|raise|kill|signal|sigaction|umask|printf|puts|fprintf|perror|syslog|dlopen|system)(@|$)' |
	grep -vE "^(${CALLS_TOO:-none})(@|$)" || true)
[ -z "$bad" ] || { echo "$lib calls $bad"; exit 1; }
