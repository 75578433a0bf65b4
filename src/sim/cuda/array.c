/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays: memory of the device whose layout is the driver's own. */
#include <string.h>

#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

enum { ROW_GRAIN = 64, LEVELS_MOST = 20 };

struct dv_cu_array {
	struct dv_cu_array_3d is;
	struct dv_cu_device *device;
	dv_cu_ptr base; /* 0: a level of a mipmap, which has the memory */
	dv_cu_ptr at;
	size_t pitch, rows, bytes;
	struct dv_cu_mipmap *mipmap;
};

struct dv_cu_mipmap {
	struct dv_cu_array_3d is;
	struct dv_cu_device *device;
	dv_cu_ptr base;
	size_t bytes;
	uint32_t count;
	struct dv_cu_array *levels[LEVELS_MOST];
};

dv_cu_ptr dv_cu_array_memory(const struct dv_cu_array *array, size_t *ret_pitch, size_t *ret_height)
{
	*ret_pitch = array->pitch;
	*ret_height = array->rows;
	return array->at;
}

static size_t element_bytes(uint32_t format)
{
	switch (format) {
	case DV_CU_AD_FORMAT_UNSIGNED_INT8:
	case DV_CU_AD_FORMAT_SIGNED_INT8:
		return 1;
	case DV_CU_AD_FORMAT_UNSIGNED_INT16:
	case DV_CU_AD_FORMAT_SIGNED_INT16:
	case DV_CU_AD_FORMAT_HALF:
		return 2;
	case DV_CU_AD_FORMAT_UNSIGNED_INT32:
	case DV_CU_AD_FORMAT_SIGNED_INT32:
	case DV_CU_AD_FORMAT_FLOAT:
		return 4;
	default:
		return 0;
	}
}

static enum dv_cu_result lay_out(struct dv_cu_array *array)
{
	const struct dv_cu_array_3d *is = &array->is;
	size_t width = is->width * element_bytes(is->format) * is->channels;

	DV_NEED(is->width && width && is->width <= 131072 && is->height <= 65536 &&
		is->depth <= 16384 && (is->height || !is->depth || is->flags));
	DV_NEED(is->channels == 1 || is->channels == 2 || is->channels == 4);
	array->pitch = dv_cu_round(width, ROW_GRAIN);
	array->rows = DV_MAX(is->height, 1u);
	array->bytes = array->pitch * array->rows * DV_MAX(is->depth, 1u);
	return DV_CUDA_SUCCESS;
}

static bool is_deferred(const struct dv_cu_array_3d *is)
{
	return is->flags & (DV_CUDA_ARRAY3D_SPARSE | DV_CUDA_ARRAY3D_DEFERRED_MAPPING);
}

static enum dv_cu_result create(struct dv_cu_context *context, const struct dv_cu_array_3d *is,
				struct dv_cu_array **ret)
{
	struct dv_cu_array layout = {.is = *is, .device = context->device}, *array;
	enum dv_cu_result result;

	DV_TRY(lay_out(&layout));
	if (is_deferred(is))
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	array = dv_cu_new(DV_CU_ARRAY, sizeof(*array));
	if (!array)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	*array = layout;
	result = dv_cu_allocate(context, array->bytes, DV_CU_USE_ARRAY, &array->base);
	if (result != DV_CUDA_SUCCESS) {
		dv_cu_free(array);
		return result;
	}
	array->at = array->base;
	*ret = array;
	return DV_CUDA_SUCCESS;
}

static bool is_array(const struct dv_cu_array *array)
{
	return dv_cu_is(array, DV_CU_ARRAY);
}

enum dv_cu_result cuArray3DCreate_v2(struct dv_cu_array **handle,
				     const struct dv_cu_array_3d *allocate_array)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(handle && allocate_array);
	return create(context, allocate_array, handle);
}

enum dv_cu_result cuArrayCreate_v2(struct dv_cu_array **handle,
				   const struct dv_cu_array_2d *allocate_array)
{
	struct dv_cu_array_3d is;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(handle && allocate_array);
	is = (struct dv_cu_array_3d){.width = allocate_array->width,
				     .height = allocate_array->height,
				     .format = allocate_array->format,
				     .channels = allocate_array->channels};
	return create(context, &is, handle);
}

static void release_memory(dv_cu_ptr base)
{
	struct dv_cu_block *block = dv_cu_block_at(base, 0);

	if (block)
		dv_cu_release(block);
}

enum dv_cu_result cuArrayDestroy(struct dv_cu_array *array)
{
	DV_CALL_IN_CONTEXT(context);
	if (!is_array(array) || array->mipmap)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	(void)dv_cu_wait_context(context);
	if (!is_array(array))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	release_memory(array->base);
	dv_cu_free(array);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuArray3DGetDescriptor_v2(struct dv_cu_array_3d *array_descriptor,
					    struct dv_cu_array *array)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(array_descriptor);
	if (!is_array(array))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*array_descriptor = array->is;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuArrayGetDescriptor_v2(struct dv_cu_array_2d *array_descriptor,
					  struct dv_cu_array *array)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(array_descriptor);
	if (!is_array(array))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*array_descriptor = (struct dv_cu_array_2d){.width = array->is.width,
						    .height = array->is.height,
						    .format = array->is.format,
						    .channels = array->is.channels};
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuArrayGetMemoryRequirements(struct dv_cu_array_memory *memory_requirements,
					       struct dv_cu_array *array, int device)
{
	DV_CALL();
	DV_NEED(memory_requirements && dv_cu_device_at(device));
	if (!is_array(array))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*memory_requirements = (struct dv_cu_array_memory){
		.size = dv_cu_round(array->bytes, DV_CU_GRAIN), .alignment = DV_CU_GRAIN};
	return DV_CUDA_SUCCESS;
}

/* No array is sparse here. */
enum dv_cu_result cuArrayGetSparseProperties(struct dv_cu_array_sparse *sparse_properties,
					     struct dv_cu_array *array)
{
	DV_CALL();
	return is_array(array) ? DV_CUDA_ERROR_INVALID_VALUE : DV_CUDA_ERROR_INVALID_HANDLE;
}

/* --- mipmaps: each level half as large, all in one piece of memory --- */

static void free_levels(struct dv_cu_mipmap *mipmap)
{
	for (uint32_t i = 0; i < mipmap->count; i++)
		dv_cu_free(mipmap->levels[i]);
}

static enum dv_cu_result make_levels(struct dv_cu_mipmap *mipmap, uint32_t count)
{
	struct dv_cu_array_3d is = mipmap->is;

	for (; mipmap->count < count; mipmap->count++) {
		struct dv_cu_array *level = dv_cu_new(DV_CU_ARRAY, sizeof(*level));

		if (!level)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
		mipmap->levels[mipmap->count] = level;
		level->is = is;
		level->device = mipmap->device;
		level->mipmap = mipmap;
		level->at = mipmap->bytes; /* from its begin, until that is known */
		if (lay_out(level) != DV_CUDA_SUCCESS) {
			dv_cu_free(level);
			return DV_CUDA_ERROR_INVALID_VALUE;
		}
		mipmap->bytes += dv_cu_round(level->bytes, DV_CU_GRAIN);
		is.width = DV_MAX(is.width / 2, 1u);
		is.height /= is.height > 1 ? 2 : 1;
		is.depth /= is.depth > 1 && !is.flags ? 2 : 1;
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMipmappedArrayCreate(struct dv_cu_mipmap **handle,
					 const struct dv_cu_array_3d *mipmapped_array_desc,
					 uint32_t num_mipmap_levels)
{
	struct dv_cu_mipmap *mipmap;
	enum dv_cu_result result;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(handle && mipmapped_array_desc && num_mipmap_levels);
	if (is_deferred(mipmapped_array_desc))
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	mipmap = dv_cu_new(DV_CU_MIPMAP, sizeof(*mipmap));
	if (!mipmap)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	mipmap->is = *mipmapped_array_desc;
	mipmap->device = context->device;
	result = make_levels(mipmap, DV_MIN(num_mipmap_levels, (uint32_t)LEVELS_MOST));
	if (result == DV_CUDA_SUCCESS)
		result = dv_cu_allocate(context, mipmap->bytes, DV_CU_USE_ARRAY, &mipmap->base);
	if (result != DV_CUDA_SUCCESS) {
		free_levels(mipmap);
		dv_cu_free(mipmap);
		return result;
	}
	for (uint32_t i = 0; i < mipmap->count; i++)
		mipmap->levels[i]->at += mipmap->base;
	*handle = mipmap;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMipmappedArrayDestroy(struct dv_cu_mipmap *mipmapped_array)
{
	DV_CALL_IN_CONTEXT(context);
	if (!dv_cu_is(mipmapped_array, DV_CU_MIPMAP))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	(void)dv_cu_wait_context(context);
	if (!dv_cu_is(mipmapped_array, DV_CU_MIPMAP))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	release_memory(mipmapped_array->base);
	free_levels(mipmapped_array);
	dv_cu_free(mipmapped_array);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMipmappedArrayGetLevel(struct dv_cu_array **level_array,
					   struct dv_cu_mipmap *mipmapped_array, uint32_t level)
{
	DV_CALL_IN_CONTEXT(context);
	if (!dv_cu_is(mipmapped_array, DV_CU_MIPMAP))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_NEED(level_array && level < mipmapped_array->count);
	*level_array = mipmapped_array->levels[level];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result
cuMipmappedArrayGetMemoryRequirements(struct dv_cu_array_memory *memory_requirements,
				      struct dv_cu_mipmap *mipmap, int device)
{
	DV_CALL();
	DV_NEED(memory_requirements && dv_cu_device_at(device));
	if (!dv_cu_is(mipmap, DV_CU_MIPMAP))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*memory_requirements =
		(struct dv_cu_array_memory){.size = mipmap->bytes, .alignment = DV_CU_GRAIN};
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMipmappedArrayGetSparseProperties(struct dv_cu_array_sparse *sparse_properties,
						      struct dv_cu_mipmap *mipmap)
{
	DV_CALL();
	return dv_cu_is(mipmap, DV_CU_MIPMAP) ? DV_CUDA_ERROR_INVALID_VALUE
					      : DV_CUDA_ERROR_INVALID_HANDLE;
}
