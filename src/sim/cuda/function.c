/* SPDX-License-Identifier: Apache-2.0 */
/* Functions and kernels: what is asked of them, and the old way to launch. */
#include <string.h>

#include "sim/cuda/graph.h"

static struct dv_cu_function *function_of(struct dv_cu_kernel *kernel)
{
	return (struct dv_cu_function *)kernel;
}

static bool is_function(const struct dv_cu_function *function)
{
	return dv_cu_is(function, DV_CU_FUNCTION);
}

#define DV_CALL_OF(function)                                                                       \
	DV_CALL();                                                                                 \
	if (!is_function(function))                                                                \
	return DV_CUDA_ERROR_INVALID_HANDLE

static enum dv_cu_result get_attribute(const struct dv_cu_function *function, uint32_t attribute,
				       int *ret)
{
	DV_NEED(ret && attribute <= DV_CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE);
	switch (attribute) {
	case DV_CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
		*ret = 1024;
		break;
	case DV_CU_FUNC_ATTRIBUTE_NUM_REGS:
		*ret = 32;
		break;
	case DV_CU_FUNC_ATTRIBUTE_PTX_VERSION:
	case DV_CU_FUNC_ATTRIBUTE_BINARY_VERSION:
		*ret = dv_cu_devices[0].major * 10 + dv_cu_devices[0].minor;
		break;
	case DV_CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		*ret = function->dynamic_shared;
		break;
	case DV_CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		*ret = function->carveout;
		break;
	default:
		*ret = 0;
	}
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result set_attribute(struct dv_cu_function *function, uint32_t attribute,
				       int value)
{
	switch (attribute) {
	case DV_CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		DV_NEED(value >= 0 && value <= 232448);
		function->dynamic_shared = value;
		return DV_CUDA_SUCCESS;
	case DV_CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		DV_NEED(value >= -1 && value <= 100);
		function->carveout = value;
		return DV_CUDA_SUCCESS;
	case DV_CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
	case DV_CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
		return DV_CUDA_SUCCESS;
	default:
		return DV_CUDA_ERROR_INVALID_VALUE;
	}
}

static enum dv_cu_result param_info(const struct dv_cu_function *function, size_t index,
				    size_t *ret_offset, size_t *ret_size)
{
	DV_NEED(ret_offset && index < function->argument_count);
	*ret_offset = function->offsets[index];
	if (ret_size)
		*ret_size = function->sizes[index];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncGetAttribute(int *pi, uint32_t attrib, struct dv_cu_function *hfunc)
{
	DV_CALL_OF(hfunc);
	return get_attribute(hfunc, attrib, pi);
}

enum dv_cu_result cuFuncSetAttribute(struct dv_cu_function *hfunc, uint32_t attrib, int value)
{
	DV_CALL_OF(hfunc);
	return set_attribute(hfunc, attrib, value);
}

enum dv_cu_result cuFuncSetCacheConfig(struct dv_cu_function *hfunc, uint32_t config)
{
	DV_CALL_OF(hfunc);
	DV_NEED(config <= 3);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncSetSharedMemConfig(struct dv_cu_function *hfunc, uint32_t config)
{
	DV_CALL_OF(hfunc);
	DV_NEED(config <= 2);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncGetModule(struct dv_cu_module **hmod, struct dv_cu_function *hfunc)
{
	DV_CALL_OF(hfunc);
	DV_NEED(hmod);
	*hmod = hfunc->module;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncGetName(const char **name, struct dv_cu_function *hfunc)
{
	DV_CALL_OF(hfunc);
	DV_NEED(name);
	*name = hfunc->name;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncGetParamInfo(struct dv_cu_function *func, size_t param_index,
				     size_t *param_offset, size_t *param_size)
{
	DV_CALL_OF(func);
	return param_info(func, param_index, param_offset, param_size);
}

enum dv_cu_result cuFuncIsLoaded(uint32_t *state, struct dv_cu_function *function)
{
	DV_CALL_OF(function);
	DV_NEED(state);
	*state = DV_CU_FUNCTION_LOADING_STATE_LOADED;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncLoad(struct dv_cu_function *function)
{
	DV_CALL_OF(function);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuKernelGetAttribute(int *pi, uint32_t attrib, struct dv_cu_kernel *kernel,
				       int dev)
{
	DV_CALL_OF(function_of(kernel));
	return dv_cu_device_at(dev) ? get_attribute(function_of(kernel), attrib, pi)
				    : DV_CUDA_ERROR_INVALID_DEVICE;
}

enum dv_cu_result cuKernelSetAttribute(uint32_t attrib, int val, struct dv_cu_kernel *kernel,
				       int dev)
{
	DV_CALL_OF(function_of(kernel));
	return dv_cu_device_at(dev) ? set_attribute(function_of(kernel), attrib, val)
				    : DV_CUDA_ERROR_INVALID_DEVICE;
}

enum dv_cu_result cuKernelSetCacheConfig(struct dv_cu_kernel *kernel, uint32_t config, int dev)
{
	DV_CALL_OF(function_of(kernel));
	DV_NEED(config <= 3);
	return dv_cu_device_at(dev) ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_DEVICE;
}

enum dv_cu_result cuKernelGetName(const char **name, struct dv_cu_kernel *hfunc)
{
	DV_CALL_OF(function_of(hfunc));
	DV_NEED(name);
	*name = function_of(hfunc)->name;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuKernelGetParamInfo(struct dv_cu_kernel *kernel, size_t param_index,
				       size_t *param_offset, size_t *param_size)
{
	DV_CALL_OF(function_of(kernel));
	return param_info(function_of(kernel), param_index, param_offset, param_size);
}

/* --- how much fits --- */

enum { THREADS_OF_SM = 2048, SHARED_OF_SM = 233472, SHARED_OF_BLOCK = 49152 };

static int blocks_of(int block_size, size_t shared)
{
	int blocks = THREADS_OF_SM / DV_MAX(block_size, 1);

	if (shared)
		blocks = (int)DV_MIN((size_t)blocks, SHARED_OF_SM / (shared + 1024));
	return DV_MIN(blocks, 32);
}

static enum dv_cu_result active_blocks(int *ret, const struct dv_cu_function *function,
				       int block_size, size_t shared)
{
	DV_NEED(ret && block_size > 0 && block_size <= 1024);
	*ret = (int)shared > function->dynamic_shared ? 0 : blocks_of(block_size, shared);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *num_blocks,
							      struct dv_cu_function *func,
							      int block_size,
							      size_t dynamic_smem_size)
{
	DV_CALL_OF(func);
	return active_blocks(num_blocks, func, block_size, dynamic_smem_size);
}

enum dv_cu_result cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *num_blocks,
								       struct dv_cu_function *func,
								       int block_size,
								       size_t dynamic_smem_size,
								       uint32_t flags)
{
	DV_CALL_OF(func);
	DV_NEED(flags <= 1);
	return active_blocks(num_blocks, func, block_size, dynamic_smem_size);
}

static enum dv_cu_result potential(int *ret_grid, int *ret_block, int limit)
{
	DV_NEED(ret_grid && ret_block && limit >= 0);
	*ret_block = limit && limit < 1024 ? limit : 1024;
	*ret_grid = dv_cu_devices[0].multiprocessors * blocks_of(*ret_block, 0);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result
cuOccupancyMaxPotentialBlockSize(int *min_grid_size, int *block_size, struct dv_cu_function *func,
				 dv_cu_occupancy_fn *block_size_to_dynamic_smem_size,
				 size_t dynamic_smem_size, int block_size_limit)
{
	DV_CALL_OF(func);
	return potential(min_grid_size, block_size, block_size_limit);
}

enum dv_cu_result cuOccupancyMaxPotentialBlockSizeWithFlags(
	int *min_grid_size, int *block_size, struct dv_cu_function *func,
	dv_cu_occupancy_fn *block_size_to_dynamic_smem_size, size_t dynamic_smem_size,
	int block_size_limit, uint32_t flags)
{
	DV_CALL_OF(func);
	DV_NEED(flags <= 1);
	return potential(min_grid_size, block_size, block_size_limit);
}

enum dv_cu_result cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamic_smem_size,
							  struct dv_cu_function *func,
							  int num_blocks, int block_size)
{
	DV_CALL_OF(func);
	DV_NEED(dynamic_smem_size && num_blocks > 0 && block_size > 0 && block_size <= 1024);
	*dynamic_smem_size =
		DV_MIN((size_t)SHARED_OF_BLOCK, (size_t)SHARED_OF_SM / (unsigned)num_blocks - 1024);
	return DV_CUDA_SUCCESS;
}

/* --- the old way: a function has its block's shape and its arguments set --- */

enum dv_cu_result cuFuncSetBlockShape(struct dv_cu_function *hfunc, int x, int y, int z)
{
	DV_CALL_OF(hfunc);
	DV_NEED(x > 0 && y > 0 && z > 0);
	hfunc->block[0] = x;
	hfunc->block[1] = y;
	hfunc->block[2] = z;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuFuncSetSharedSize(struct dv_cu_function *hfunc, uint32_t bytes)
{
	DV_CALL_OF(hfunc);
	DV_NEED(bytes <= SHARED_OF_BLOCK);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuParamSetSize(struct dv_cu_function *hfunc, uint32_t numbytes)
{
	DV_CALL_OF(hfunc);
	DV_NEED(numbytes <= sizeof(hfunc->params));
	hfunc->params_size = numbytes;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result set_param(struct dv_cu_function *function, int offset, const void *from,
				   size_t size)
{
	DV_NEED(from && offset >= 0 && (size_t)offset <= sizeof(function->params) &&
		size <= sizeof(function->params) - (size_t)offset);
	memcpy(function->params + offset, from, size);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuParamSeti(struct dv_cu_function *hfunc, int offset, uint32_t value)
{
	DV_CALL_OF(hfunc);
	return set_param(hfunc, offset, &value, sizeof(value));
}

enum dv_cu_result cuParamSetf(struct dv_cu_function *hfunc, int offset, float value)
{
	DV_CALL_OF(hfunc);
	return set_param(hfunc, offset, &value, sizeof(value));
}

enum dv_cu_result cuParamSetv(struct dv_cu_function *hfunc, int offset, void *ptr,
			      uint32_t numbytes)
{
	DV_CALL_OF(hfunc);
	return set_param(hfunc, offset, ptr, numbytes);
}

static enum dv_cu_result launch_old(struct dv_cu_function *function, int width, int height,
				    struct dv_cu_stream *stream)
{
	size_t size = function->params_size;
	void *extra[] = {(void *)DV_CU_LAUNCH_PARAM_BUFFER_POINTER, function->params,
			 (void *)DV_CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			 (void *)DV_CU_LAUNCH_PARAM_END};
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_KERNEL,
					   .kernel = {.function = function,
						      .grid_x = (uint32_t)width,
						      .grid_y = (uint32_t)height,
						      .grid_z = 1,
						      .block_x = (uint32_t)function->block[0],
						      .block_y = (uint32_t)function->block[1],
						      .block_z = (uint32_t)function->block[2],
						      .extra = extra}};

	DV_NEED(width > 0 && height > 0);
	DV_TRY(dv_cu_stream_of(stream, false, &stream));
	return dv_cu_do(stream, &params, false);
}

enum dv_cu_result cuLaunch(struct dv_cu_function *f)
{
	DV_CALL_OF(f);
	return launch_old(f, 1, 1, NULL);
}

enum dv_cu_result cuLaunchGrid(struct dv_cu_function *f, int grid_width, int grid_height)
{
	DV_CALL_OF(f);
	return launch_old(f, grid_width, grid_height, NULL);
}

enum dv_cu_result cuLaunchGridAsync(struct dv_cu_function *f, int grid_width, int grid_height,
				    struct dv_cu_stream *stream)
{
	DV_CALL_OF(f);
	return launch_old(f, grid_width, grid_height, stream);
}

/* --- on several devices at once; each has a stream of its own --- */

enum dv_cu_result cuLaunchCooperativeKernelMultiDevice(struct dv_cu_launch_params *list,
						       uint32_t num_devices, uint32_t flags)
{
	DV_CALL();
	DV_NEED(list && num_devices && num_devices <= (unsigned)dv_cu_device_count && flags <= 3);
	for (uint32_t i = 0; i < num_devices; i++) {
		struct dv_cu_stream *stream;
		struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_KERNEL,
						   .kernel = {.function = list[i].function,
							      .grid_x = list[i].grid_x,
							      .grid_y = list[i].grid_y,
							      .grid_z = list[i].grid_z,
							      .block_x = list[i].block_x,
							      .block_y = list[i].block_y,
							      .block_z = list[i].block_z,
							      .shared_bytes = list[i].shared_bytes,
							      .params = list[i].params}};

		DV_NEED((uintptr_t)list[i].stream > DV_CU_STREAM_PER_THREAD);
		DV_TRY(dv_cu_stream_of(list[i].stream, false, &stream));
		DV_TRY(dv_cu_do(stream, &params, false));
	}
	return DV_CUDA_SUCCESS;
}
