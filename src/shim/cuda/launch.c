/* SPDX-License-Identifier: Apache-2.0 */
/* Launches: what puts work on the device's processors. A graph is one command. */
#include "shim/cuda/pass.h"

static uint64_t key_of(const struct dv_cu_function *function, uint64_t blocks, uint64_t threads)
{
	return dv_cuda_key((uint64_t)(uintptr_t)function, blocks * (threads ? threads : 1));
}

/* One launch on `stream`, by `call`. */
#define LAUNCH(stream, key, call)                                                                  \
	do {                                                                                       \
		struct dv_cuda_pass pass;                                                          \
		enum dv_cu_result result_ = dv_cuda_begin(&pass, stream, key);                     \
                                                                                                   \
		if (result_ == DV_CUDA_SUCCESS)                                                    \
			result_ = dv_cuda_count_launch(dv_cuda_end(&pass, call));                  \
		return result_;                                                                    \
	} while (0)

#define KEY(f) key_of(f, (uint64_t)grid_x *grid_y *grid_z, (uint64_t)block_x *block_y *block_z)

DV_CUDA_API cuLaunchKernel(struct dv_cu_function *f, uint32_t grid_x, uint32_t grid_y,
			   uint32_t grid_z, uint32_t block_x, uint32_t block_y, uint32_t block_z,
			   uint32_t shared_bytes, struct dv_cu_stream *stream, void **params,
			   void **extra)
{
	LAUNCH(stream, KEY(f),
	       dv_cuda.cuLaunchKernel(f, grid_x, grid_y, grid_z, block_x, block_y, block_z,
				      shared_bytes, stream, params, extra));
}

DV_CUDA_API cuLaunchKernel_ptsz(struct dv_cu_function *f, uint32_t grid_x, uint32_t grid_y,
				uint32_t grid_z, uint32_t block_x, uint32_t block_y,
				uint32_t block_z, uint32_t shared_bytes,
				struct dv_cu_stream *stream, void **params, void **extra)
{
	LAUNCH(dv_cuda_own_stream(stream), KEY(f),
	       dv_cuda.cuLaunchKernel_ptsz(f, grid_x, grid_y, grid_z, block_x, block_y, block_z,
					   shared_bytes, stream, params, extra));
}

DV_CUDA_API cuLaunchCooperativeKernel(struct dv_cu_function *f, uint32_t grid_x, uint32_t grid_y,
				      uint32_t grid_z, uint32_t block_x, uint32_t block_y,
				      uint32_t block_z, uint32_t shared_bytes,
				      struct dv_cu_stream *stream, void **params)
{
	LAUNCH(stream, KEY(f),
	       dv_cuda.cuLaunchCooperativeKernel(f, grid_x, grid_y, grid_z, block_x, block_y,
						 block_z, shared_bytes, stream, params));
}

DV_CUDA_API cuLaunchCooperativeKernel_ptsz(struct dv_cu_function *f, uint32_t grid_x,
					   uint32_t grid_y, uint32_t grid_z, uint32_t block_x,
					   uint32_t block_y, uint32_t block_z,
					   uint32_t shared_bytes, struct dv_cu_stream *stream,
					   void **params)
{
	LAUNCH(dv_cuda_own_stream(stream), KEY(f),
	       dv_cuda.cuLaunchCooperativeKernel_ptsz(f, grid_x, grid_y, grid_z, block_x, block_y,
						      block_z, shared_bytes, stream, params));
}

/* No configuration is the driver's to refuse. */
static struct dv_cu_stream *stream_of(const struct dv_cu_launch *launch)
{
	return launch ? launch->stream : NULL;
}

static uint64_t launch_key(const struct dv_cu_launch *launch, const struct dv_cu_function *f)
{
	return launch ? key_of(f, (uint64_t)launch->grid_x * launch->grid_y * launch->grid_z,
			       (uint64_t)launch->block_x * launch->block_y * launch->block_z)
		      : 0;
}

DV_CUDA_API cuLaunchKernelEx(const struct dv_cu_launch *launch, struct dv_cu_function *f,
			     void **params, void **extra)
{
	LAUNCH(stream_of(launch), launch_key(launch, f),
	       dv_cuda.cuLaunchKernelEx(launch, f, params, extra));
}

DV_CUDA_API cuLaunchKernelEx_ptsz(const struct dv_cu_launch *launch, struct dv_cu_function *f,
				  void **params, void **extra)
{
	LAUNCH(dv_cuda_own_stream(stream_of(launch)), launch_key(launch, f),
	       dv_cuda.cuLaunchKernelEx_ptsz(launch, f, params, extra));
}

DV_CUDA_API cuLaunch(struct dv_cu_function *f)
{
	LAUNCH(NULL, key_of(f, 1, 1), dv_cuda.cuLaunch(f));
}

DV_CUDA_API cuLaunchGrid(struct dv_cu_function *f, int width, int height)
{
	LAUNCH(NULL, key_of(f, (uint64_t)width * (uint64_t)height, 1),
	       dv_cuda.cuLaunchGrid(f, width, height));
}

DV_CUDA_API cuLaunchGridAsync(struct dv_cu_function *f, int width, int height,
			      struct dv_cu_stream *stream)
{
	LAUNCH(stream, key_of(f, (uint64_t)width * (uint64_t)height, 1),
	       dv_cuda.cuLaunchGridAsync(f, width, height, stream));
}

/* The kernels of one call run together, on several devices: one turn for all of them, tracked on
 * the first one's stream. */
DV_CUDA_API cuLaunchCooperativeKernelMultiDevice(struct dv_cu_launch_params *launches,
						 uint32_t count, uint32_t flags)
{
	const struct dv_cu_launch_params *first = count ? launches : NULL;

	LAUNCH(first ? first->stream : NULL, first ? key_of(first->function, count, 1) : 0,
	       dv_cuda.cuLaunchCooperativeKernelMultiDevice(launches, count, flags));
}

static enum dv_cu_result launched(struct dv_cu_stream *stream, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_cuda_graphs_look(stream);
	return result;
}

/* What its memory nodes take comes into being now. */
#define GRAPH(symbol, stream_)                                                                     \
	do {                                                                                       \
		struct dv_cuda_pass pass;                                                          \
		enum dv_cu_result result_ = dv_cuda_graphs_may_run(stream_);                       \
                                                                                                   \
		if (result_ == DV_CUDA_SUCCESS)                                                    \
			result_ = dv_cuda_begin(&pass, stream_,                                    \
						dv_cuda_key((uint64_t)(uintptr_t)graph, 0));       \
		if (result_ != DV_CUDA_SUCCESS)                                                    \
			return result_;                                                            \
		result_ = dv_cuda_end(&pass, dv_cuda.symbol(graph, stream));                       \
		return dv_cuda_count_launch(launched(stream_, result_));                           \
	} while (0)

DV_CUDA_API cuGraphLaunch(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	GRAPH(cuGraphLaunch, stream);
}

DV_CUDA_API cuGraphLaunch_ptsz(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	GRAPH(cuGraphLaunch_ptsz, dv_cuda_own_stream(stream));
}

/* A little work on the device, before the first launch. */
DV_CUDA_API cuGraphUpload(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	struct dv_cuda_pass pass;
	enum dv_cu_result r = dv_cuda_begin(&pass, stream, 1);

	return r == DV_CUDA_SUCCESS ? dv_cuda_end(&pass, dv_cuda.cuGraphUpload(graph, stream)) : r;
}

DV_CUDA_API cuGraphUpload_ptsz(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	struct dv_cuda_pass pass;
	enum dv_cu_result r = dv_cuda_begin(&pass, dv_cuda_own_stream(stream), 1);

	return r == DV_CUDA_SUCCESS ? dv_cuda_end(&pass, dv_cuda.cuGraphUpload_ptsz(graph, stream))
				    : r;
}
