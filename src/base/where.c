/* SPDX-License-Identifier: Apache-2.0 */
#include "base/where.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static const char *const installed[DV_WHERE_COUNT] = {
	[DV_WHERE_DATA] = DV_DATA_DIR,
	[DV_WHERE_DIVVYD] = DV_BIN_DIR "/divvyd",
	[DV_WHERE_WORKER] = DV_LIBEXEC_DIR "/divvy-worker",
	[DV_WHERE_OPENCL_LAYER] = DV_LIB_DIR "/libdivvy-opencl.so",
	[DV_WHERE_CUDA_LAYER] = DV_LIB_DIR "/libdivvy-cuda.so",
	[DV_WHERE_NVML_LAYER] = DV_LIB_DIR "/libdivvy-nvml.so",
	[DV_WHERE_DIVVY] = DV_BIN_DIR "/divvy",
	[DV_WHERE_BURN] = DV_LIBEXEC_DIR "/divvy-burn",
	[DV_WHERE_BURN_CUDA] = DV_LIBEXEC_DIR "/divvy-burn-cuda",
	[DV_WHERE_SIM] = DV_LIBEXEC_DIR "/divvy-sim",
	[DV_WHERE_SIM_NVML] = DV_LIB_DIR "/sim/libnvidia-ml.so.1",
	[DV_WHERE_SIM_NVML_OLD] = DV_LIB_DIR "/sim/old/libnvidia-ml.so.1",
	[DV_WHERE_SIM_CUDA] = DV_LIB_DIR "/sim/libcuda.so.1",
};

static const char *const built[DV_WHERE_COUNT] = {
	[DV_WHERE_DATA] = DV_SOURCE_DIR "/data",
	[DV_WHERE_DIVVYD] = DV_BUILD_DIR "/src/daemon/divvyd",
	[DV_WHERE_WORKER] = DV_BUILD_DIR "/src/worker/divvy-worker",
	[DV_WHERE_OPENCL_LAYER] = DV_BUILD_DIR "/src/shim/opencl/libdivvy-opencl.so",
	[DV_WHERE_CUDA_LAYER] = DV_BUILD_DIR "/src/shim/cuda/libdivvy-cuda.so",
	[DV_WHERE_NVML_LAYER] = DV_BUILD_DIR "/src/shim/nvml/libdivvy-nvml.so",
	[DV_WHERE_DIVVY] = DV_BUILD_DIR "/src/cli/divvy",
	[DV_WHERE_BURN] = DV_BUILD_DIR "/src/bench/divvy-burn",
	[DV_WHERE_BURN_CUDA] = DV_BUILD_DIR "/src/bench/divvy-burn-cuda",
	[DV_WHERE_SIM] = DV_BUILD_DIR "/src/sim/divvy-sim",
	[DV_WHERE_SIM_NVML] = DV_BUILD_DIR "/src/sim/libnvidia-ml.so.1",
	[DV_WHERE_SIM_NVML_OLD] = DV_BUILD_DIR "/src/sim/old/libnvidia-ml.so.1",
	[DV_WHERE_SIM_CUDA] = DV_BUILD_DIR "/src/sim/libcuda.so.1",
};

static bool runs_from_build(void)
{
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n < 0)
		return false;
	exe[n] = '\0';
	return strncmp(exe, DV_BUILD_DIR "/", strlen(DV_BUILD_DIR "/")) == 0;
}

const char *dv_where(enum dv_where what)
{
	return runs_from_build() ? built[what] : installed[what];
}
