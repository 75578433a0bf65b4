/* SPDX-License-Identifier: Apache-2.0 */
/* Launches; see calls.h. */
#include "sim/cuda/calls.h"
#include "sim/cuda/graph.h"

static enum dv_cu_result launch(struct dv_cu_stream *stream, const struct dv_cu_kernel_node *what)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_KERNEL, .kernel = *what};

	return dv_cu_do(stream, &params, false);
}

enum dv_cu_result DV_PTSZ(cuLaunchKernel)(struct dv_cu_function *f, uint32_t grid_dim_x,
					  uint32_t grid_dim_y, uint32_t grid_dim_z,
					  uint32_t block_dim_x, uint32_t block_dim_y,
					  uint32_t block_dim_z, uint32_t shared_mem_bytes,
					  struct dv_cu_stream *stream, void **kernel_params,
					  void **extra)
{
	struct dv_cu_kernel_node what = {.function = f,
					 .grid_x = grid_dim_x,
					 .grid_y = grid_dim_y,
					 .grid_z = grid_dim_z,
					 .block_x = block_dim_x,
					 .block_y = block_dim_y,
					 .block_z = block_dim_z,
					 .shared_bytes = shared_mem_bytes,
					 .params = kernel_params,
					 .extra = extra};

	DV_CALL_ON_STREAM(stream);
	return launch(stream, &what);
}

enum dv_cu_result DV_PTSZ(cuLaunchKernelEx)(const struct dv_cu_launch *config,
					    struct dv_cu_function *f, void **kernel_params,
					    void **extra)
{
	struct dv_cu_stream *stream = config ? config->stream : NULL;
	struct dv_cu_kernel_node what = {.function = f, .params = kernel_params, .extra = extra};

	DV_CALL_ON_STREAM(stream);
	DV_NEED(config && (!config->attribute_count || config->attributes));
	what.grid_x = config->grid_x;
	what.grid_y = config->grid_y;
	what.grid_z = config->grid_z;
	what.block_x = config->block_x;
	what.block_y = config->block_y;
	what.block_z = config->block_z;
	what.shared_bytes = config->shared_bytes;
	return launch(stream, &what);
}

enum dv_cu_result DV_PTSZ(cuLaunchCooperativeKernel)(
	struct dv_cu_function *f, uint32_t grid_dim_x, uint32_t grid_dim_y, uint32_t grid_dim_z,
	uint32_t block_dim_x, uint32_t block_dim_y, uint32_t block_dim_z, uint32_t shared_mem_bytes,
	struct dv_cu_stream *stream, void **kernel_params)
{
	struct dv_cu_kernel_node what = {.function = f,
					 .grid_x = grid_dim_x,
					 .grid_y = grid_dim_y,
					 .grid_z = grid_dim_z,
					 .block_x = block_dim_x,
					 .block_y = block_dim_y,
					 .block_z = block_dim_z,
					 .shared_bytes = shared_mem_bytes,
					 .params = kernel_params};
	uint64_t blocks = (uint64_t)grid_dim_x * grid_dim_y * grid_dim_z;

	DV_CALL_ON_STREAM(stream);
	/* All blocks must run at once: two of the largest for each SM. */
	if (blocks > UINT64_C(2) * (unsigned)stream->context->device->multiprocessors)
		return DV_CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
	return launch(stream, &what);
}
