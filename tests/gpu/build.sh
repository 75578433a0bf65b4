#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# build.sh OUT: what tests/gpu/run needs, from this checkout, with nothing but a C compiler (CC) and libc:
# the layers, the gate, the bench's programs. Prints nothing but what the compiler says.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
cc=${CC:-cc}
flags="-std=gnu17 -D_GNU_SOURCE -O2 -g -fPIC -fvisibility=hidden -fno-common -pthread -Wall -Isrc -Itests/gpu -Iinclude -I$out"
flags="$flags ${CFLAGS:-}"

# Where the bench's runner finds the programs that it starts.
cat >"$out/config.h" <<EOF
#define DV_VERSION "$(sed -n "s/^  version: '\(.*\)',/\1/p" meson.build)"
#define DV_DATA_DIR "$PWD/data"
#define DV_LIBEXEC_DIR "$out"
#define DV_LIB_DIR "$out"
#define DV_BIN_DIR "$out"
#define DV_BUILD_DIR "/nowhere"
#define DV_SOURCE_DIR "$PWD"
EOF

core="$(ls src/base/*.c src/gate/*.c src/sched/*.c) src/model/method.c src/model/mig.c src/model/units.c src/model/word.c
	$(ls src/bench/cuda-*.c) src/bench/runner.c src/bench/spawn.c src/bench/stats.c"
layers=$(ls src/shim/core/*.c src/shim/cuda/*.c src/shim/nvml/*.c)
programs="$(ls src/bench/burn-cuda/*.c tests/gpu/*.c tests/gpu/experiments/*.c) tests/e2e/cuda/tenant.c"

objects() {
	for source; do
		printf '%s/%s.o ' "$out" "$(echo "${source%.c}" | tr / _)"
	done
}

for source in $core $layers $programs; do
	printf '%s %s\n' "$source" "$(objects "$source")"
done | xargs -P "$(nproc)" -n 2 sh -c "exec $cc $flags -c \$0 -o \$1"

# The layers have the drivers' names inside, and need the drivers by names that no machine has.
layer() { # NAME SONAME NEEDED OBJECTS...
	name=$1 soname=$2 needed=$3
	shift 3
	$cc -shared -Wl,-soname,"$needed" -o "$out/needed-$name.so" "$out/src_shim_${name}_needed.o"
	$cc -shared -pthread -Wl,--version-script="src/shim/$name/exports.map" -Wl,-z,nodelete -Wl,-z,now -Wl,-Bsymbolic \
		-Wl,-soname,"$soname" -Wl,-rpath,'$ORIGIN' -Wl,--disable-new-dtags -o "$out/libdivvy-$name.so" "$@" \
		$(objects src/shim/core/*.c) -Wl,--no-as-needed "$out/needed-$name.so" -ldl
}
layer cuda libcuda.so.1 libcuda-divvy-real.so $(objects $(ls src/shim/cuda/*.c | grep -v /needed.c))
layer nvml libnvidia-ml.so.1 libnvidia-ml-divvy-real.so $(objects $(ls src/shim/nvml/*.c | grep -v /needed.c))

rm -f "$out/libcore.a"
ar rcs "$out/libcore.a" $(objects $core)
program() { # NAME SOURCES...
	name=$1
	shift
	$cc -pthread -rdynamic -o "$out/$name" $(objects "$@") "$out/libcore.a" -ldl -lm
}
program divvy-burn-cuda src/bench/burn-cuda/*.c
program gate-server tests/gpu/gate-server.c
program slice tests/gpu/slice.c
ln -sf slice "$out/divvy" # the runner starts tenants by this name
program cases tests/gpu/cases.c
program cuda-conformance tests/gpu/cuda-conformance*.c
program nvml-conformance tests/gpu/nvml-conformance.c
program tenant tests/e2e/cuda/tenant.c
for source in tests/gpu/experiments/*.c; do
	program "$(basename "${source%.c}")" "$source"
done
