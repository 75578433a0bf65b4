/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays: reserved by what their description needs at least, settled by what the driver says that
 * they take, where it can. One whose memory is mapped later costs nothing by itself. */
#include "shim/cuda/inside.h"

struct made {
	enum dv_cu_result result;
	uintptr_t handle;
	uint64_t reserved, takes; /* 0: not known */
	dv_cuArrayDestroy_fn *destroy_array;
	dv_cuMipmappedArrayDestroy_fn *destroy_mipmap;
};

static uint64_t multiply(uint64_t a, uint64_t b)
{
	uint64_t c;

	return __builtin_mul_overflow(a, b, &c) ? UINT64_MAX : c;
}

static uint64_t element_bytes(uint32_t format, uint32_t channels)
{
	switch (format) {
	case DV_CU_AD_FORMAT_UNSIGNED_INT8:
	case DV_CU_AD_FORMAT_SIGNED_INT8:
		return channels;
	case DV_CU_AD_FORMAT_UNSIGNED_INT16:
	case DV_CU_AD_FORMAT_SIGNED_INT16:
	case DV_CU_AD_FORMAT_HALF:
		return (uint64_t)2 * channels;
	default: /* 32 bits; what is packed closer is corrected by the driver, if by anybody */
		return (uint64_t)4 * channels;
	}
}

static uint64_t level_bytes(const struct dv_cu_array_3d *array)
{
	uint64_t elements = multiply(array->width, DV_MAX(array->height, (size_t)1));

	elements = multiply(elements, DV_MAX(array->depth, (size_t)1));
	return multiply(elements, element_bytes(array->format, array->channels));
}

static uint64_t cost(const struct dv_cu_array_3d *array, uint32_t levels)
{
	const uint32_t layers = DV_CUDA_ARRAY3D_LAYERED | DV_CUDA_ARRAY3D_CUBEMAP;
	struct dv_cu_array_3d level;
	uint64_t bytes = 0, more;

	if (!array || array->flags & (DV_CUDA_ARRAY3D_SPARSE | DV_CUDA_ARRAY3D_DEFERRED_MAPPING))
		return 0;
	level = *array;
	for (uint32_t i = 0; i < levels && i < 64; i++) {
		more = level_bytes(&level);
		if (__builtin_add_overflow(bytes, more, &bytes))
			return UINT64_MAX;
		if (level.width <= 1 && level.height <= 1 && level.depth <= 1)
			break;
		level.width = DV_MAX(level.width / 2, (size_t)1);
		level.height /= level.height > 1 ? 2 : 1;
		if (!(level.flags & layers) && level.depth > 1)
			level.depth /= 2;
	}
	return bytes;
}

static void destroy(const struct made *made)
{
	if (made->destroy_array)
		(void)made->destroy_array((struct dv_cu_array *)made->handle);
	else
		(void)made->destroy_mipmap((struct dv_cu_mipmap *)made->handle);
}

static enum dv_cu_result settle(const struct made *made)
{
	uint64_t bytes = made->takes ? made->takes : made->reserved;

	if (made->result != DV_CUDA_SUCCESS) {
		dv_shim_release(made->reserved);
		return made->result;
	}
	if (bytes > made->reserved && dv_cuda_reserve(bytes - made->reserved) != DV_CUDA_SUCCESS) {
		destroy(made);
		dv_shim_release(made->reserved);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (bytes < made->reserved)
		dv_shim_release(made->reserved - bytes);
	if (!bytes || dv_cuda_remember(made->handle, bytes))
		return made->result;
	destroy(made);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

static uint64_t takes(struct dv_cu_array *array)
{
	struct dv_cu_array_memory memory = {0};
	int device;

	if (dv_cuda.cuCtxGetDevice(&device) != DV_CUDA_SUCCESS ||
	    dv_cuda.cuArrayGetMemoryRequirements(&memory, array, device) != DV_CUDA_SUCCESS)
		return 0;
	return memory.size;
}

static enum dv_cu_result array_made(struct dv_cu_array **array, enum dv_cu_result result,
				    uint64_t reserved)
{
	struct made made = {
		.result = result, .reserved = reserved, .destroy_array = dv_cuda.cuArrayDestroy};
	DV_SHIM_KEEP;

	if (result == DV_CUDA_SUCCESS) {
		made.handle = (uintptr_t)*array;
		made.takes = reserved ? takes(*array) : 0;
	}
	return settle(&made);
}

/* Each of these calls is there for 64 bits, and for the 32 of CUDA 2. */
#define CREATE(symbol, type, ...)                                                                  \
	DV_CUDA_API symbol(struct dv_cu_array **ret, const type *array)                            \
	{                                                                                          \
		struct dv_cu_array_3d same = {0};                                                  \
		enum dv_cu_result r;                                                               \
		uint64_t bytes;                                                                    \
                                                                                                   \
		dv_cuda_init();                                                                    \
		if (array)                                                                         \
			same = (struct dv_cu_array_3d){__VA_ARGS__};                               \
		bytes = cost(&same, 1);                                                            \
		r = dv_cuda_reserve(bytes);                                                        \
		return r == DV_CUDA_SUCCESS ? array_made(ret, dv_cuda.symbol(ret, array), bytes)   \
					    : r;                                                   \
	}
#define SAME_2D                                                                                    \
	.width = array->width, .height = array->height, .format = array->format,                   \
	.channels = array->channels
#define SAME_3D SAME_2D, .depth = array->depth, .flags = array->flags

CREATE(cuArrayCreate_v2, struct dv_cu_array_2d, SAME_2D)
CREATE(cuArrayCreate, struct dv_cu_array_2d_v1, SAME_2D)
CREATE(cuArray3DCreate_v2, struct dv_cu_array_3d, SAME_3D)
CREATE(cuArray3DCreate, struct dv_cu_array_3d_v1, SAME_3D)

DV_CUDA_API cuMipmappedArrayCreate(struct dv_cu_mipmap **ret, const struct dv_cu_array_3d *array,
				   uint32_t levels)
{
	struct dv_cu_array_memory memory = {0};
	struct made made = {.reserved = cost(array, levels)};
	int device;
	DV_SHIM_KEEP;

	dv_cuda_init();
	made.destroy_mipmap = dv_cuda.cuMipmappedArrayDestroy;
	made.result = dv_cuda_reserve(made.reserved);
	if (made.result != DV_CUDA_SUCCESS)
		return made.result;
	made.result = dv_cuda.cuMipmappedArrayCreate(ret, array, levels);
	if (made.result == DV_CUDA_SUCCESS) {
		made.handle = (uintptr_t)*ret;
		if (made.reserved && dv_cuda.cuCtxGetDevice(&device) == DV_CUDA_SUCCESS &&
		    dv_cuda.cuMipmappedArrayGetMemoryRequirements(&memory, *ret, device) ==
			    DV_CUDA_SUCCESS)
			made.takes = memory.size;
	}
	return settle(&made);
}

static enum dv_cu_result gone(const struct dv_cuda_charge *charge, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_cuda_forgotten(charge);
	else
		dv_cuda_recall(charge);
	return result;
}

DV_CUDA_API cuArrayDestroy(struct dv_cu_array *array)
{
	struct dv_cuda_charge charge;

	dv_cuda_init();
	dv_cuda_forget((uintptr_t)array, &charge);
	return gone(&charge, dv_cuda.cuArrayDestroy(array));
}

DV_CUDA_API cuMipmappedArrayDestroy(struct dv_cu_mipmap *mipmap)
{
	struct dv_cuda_charge charge;

	dv_cuda_init();
	dv_cuda_forget((uintptr_t)mipmap, &charge);
	return gone(&charge, dv_cuda.cuMipmappedArrayDestroy(mipmap));
}
