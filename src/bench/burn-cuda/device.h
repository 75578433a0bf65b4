/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA side of divvy-burn-cuda: one device, one stream, one kernel whose length is known. An
 * ordinary program of the driver's interface, that loads "libcuda.so.1" and knows of divvy only
 * where a case compares: in a slice the driver itself is found beside the layer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/cuda-calls.h"
#include "base/error.h"

#define CUDA_TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_PLAIN_CALLS(CUDA_TYPE)
DV_CUDA_STREAM_PTSZ_CALLS(CUDA_TYPE)
DV_CUDA_LAUNCH_PTSZ_CALLS(CUDA_TYPE)
DV_CUDA_GRAPH_PTSZ_CALLS(CUDA_TYPE)
DV_CUDA_MEMORY_PTSZ_CALLS(CUDA_TYPE)
#undef CUDA_TYPE

/* What the program calls. */
#define BURN_CUDA_CALLS(X)                                                                         \
	X(cuInit)                                                                                  \
	X(cuDeviceGetCount)                                                                        \
	X(cuDeviceGetName)                                                                         \
	X(cuCtxCreate_v2)                                                                          \
	X(cuCtxDestroy_v2)                                                                         \
	X(cuCtxSetCurrent)                                                                         \
	X(cuModuleLoadData)                                                                        \
	X(cuModuleUnload)                                                                          \
	X(cuModuleGetFunction)                                                                     \
	X(cuStreamCreate)                                                                          \
	X(cuStreamSynchronize)                                                                     \
	X(cuStreamBeginCapture_v2)                                                                 \
	X(cuStreamEndCapture)                                                                      \
	X(cuGraphInstantiate_v2)                                                                   \
	X(cuGraphLaunch)                                                                           \
	X(cuLaunchKernel)                                                                          \
	X(cuEventCreate)                                                                           \
	X(cuEventRecord)                                                                           \
	X(cuEventSynchronize)                                                                      \
	X(cuEventElapsedTime)                                                                      \
	X(cuMemGetInfo_v2)                                                                         \
	X(cuMemAlloc_v2)                                                                           \
	X(cuMemAllocPitch_v2)                                                                      \
	X(cuMemAllocManaged)                                                                       \
	X(cuMemFree_v2)                                                                            \
	X(cuMemCreate)                                                                             \
	X(cuMemRelease)                                                                            \
	X(cuMemGetAllocationGranularity)                                                           \
	X(cuMemAllocAsync)                                                                         \
	X(cuMemFreeAsync)                                                                          \
	X(cuDeviceGetDefaultMemPool)                                                               \
	X(cuMemPoolGetAttribute)                                                                   \
	X(cuMemPoolTrimTo)

enum { BURN_CUDA_INFLIGHT_MOST = 64, BURN_CUDA_GRAPH_MOST = 1024 };

struct burn_cuda {
#define MEMBER(symbol) dv_##symbol##_fn *symbol;
	BURN_CUDA_CALLS(MEMBER)
#undef MEMBER
	void *library;
	bool simulated;
	struct dv_cu_context *context;
	struct dv_cu_stream *stream;
	struct dv_cu_function *kernel;
	struct dv_cu_exec *graph; /* of `graph_kernels` */
	unsigned graph_kernels;
	struct dv_cu_event *events[BURN_CUDA_INFLIGHT_MOST];
	uint64_t kernel_ns, loops; /* the kernel's arguments */
};

/* Load the driver, whichever is found first, and begin to use it; -ENOENT: there is none. */
int burn_cuda_load(struct burn_cuda *cuda, struct dv_error *err) DV_MUST_CHECK;
/* A context, a stream and the kernel; is the driver simulated? */
int burn_cuda_open(struct burn_cuda *cuda, struct dv_error *err) DV_MUST_CHECK;
/* Whatever a call answered, in our words. */
int burn_cuda_check(enum dv_cu_result result, const char *what, struct dv_error *err) DV_MUST_CHECK;
/* The driver itself, below divvy's layer. NULL: there is no layer. */
void *burn_cuda_below(const char *symbol);

/* Make a graph of so many kernels: from now on this is what is launched. */
int burn_cuda_capture(struct burn_cuda *cuda, unsigned kernels, struct dv_error *err) DV_MUST_CHECK;
/* Put `each` launches on the stream. */
int burn_cuda_launch(struct burn_cuda *cuda, unsigned each, struct dv_error *err) DV_MUST_CHECK;
/* Put event `at` behind them, and wait for it. */
int burn_cuda_mark(struct burn_cuda *cuda, unsigned at, struct dv_error *err) DV_MUST_CHECK;
int burn_cuda_wait(struct burn_cuda *cuda, unsigned at, struct dv_error *err) DV_MUST_CHECK;
/* Wait for all. */
int burn_cuda_sync(struct burn_cuda *cuda, struct dv_error *err) DV_MUST_CHECK;
/* Find the loops of a kernel of about `kernel_ns`, and what one takes on the device's own clock. */
int burn_cuda_calibrate(struct burn_cuda *cuda, uint64_t kernel_ns, uint64_t *ret_loops,
			uint64_t *ret_real_ns, struct dv_error *err) DV_MUST_CHECK;
