/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated driver lacks of what is hooked, made of what it has: the first versions of
 * calls, whose addresses have 32 bits, green contexts, and batches, which do nothing in their
 * stream. Only for the test that calls every hook. */
#include "abi/cuda-calls-more.h"
#include "sim/cuda/prototypes.h"

DV_CUDA_UNSIMULATED_CALLS(DV_CU_PROTOTYPE)
DV_CUDA_MORE_CALLS(DV_CU_PROTOTYPE)
DV_CUDA_MORE_PTSZ_CALLS(DV_CU_PROTOTYPE)
DV_CUDA_MORE_PTSZ_CALLS(DV_CU_PROTOTYPE_PTSZ)
DV_EXPORT enum dv_cu_result cuMemcpy3DBatchAsync_ptsz(size_t count, struct dv_cu_copy_3d_op *ops,
						      size_t *fail, unsigned long long flags,
						      struct dv_cu_stream *stream);
DV_EXPORT enum dv_cu_result cuMemcpy3DBatchAsync_v2_ptsz(size_t count, struct dv_cu_copy_3d_op *ops,
							 unsigned long long flags,
							 struct dv_cu_stream *stream);

#define F enum dv_cu_result

/* --- with 32 bits --- */

enum { SMALL = 64 };
static dv_cu_ptr small[SMALL]; /* behind the addresses 4096, 8192, ... */

static F keep(F result, dv_cu_ptr ptr, uint32_t *ret)
{
	for (uint32_t i = 0; result == DV_CUDA_SUCCESS && i < SMALL; i++)
		if (!small[i]) {
			small[i] = ptr;
			*ret = (i + 1) * 4096;
			return result;
		}
	return result == DV_CUDA_SUCCESS ? DV_CUDA_ERROR_OUT_OF_MEMORY : result;
}

F cuMemAlloc(uint32_t *dptr, uint32_t bytesize)
{
	dv_cu_ptr ptr = 0;
	F result = cuMemAlloc_v2(&ptr, bytesize);

	return keep(result, ptr, dptr);
}

F cuMemAllocPitch(uint32_t *dptr, uint32_t *pitch, uint32_t width, uint32_t height,
		  uint32_t element)
{
	dv_cu_ptr ptr = 0;
	size_t wide = 0;
	F result = cuMemAllocPitch_v2(&ptr, &wide, width, height, element);

	*pitch = (uint32_t)wide;
	return keep(result, ptr, dptr);
}

F cuMemFree(uint32_t dptr)
{
	dv_cu_ptr ptr = dptr && dptr <= SMALL * 4096 ? small[dptr / 4096 - 1] : 0;

	if (!ptr)
		return DV_CUDA_ERROR_INVALID_VALUE;
	small[dptr / 4096 - 1] = 0;
	return cuMemFree_v2(ptr);
}

F cuMemAllocHost(void **pp, uint32_t bytesize)
{
	return cuMemAllocHost_v2(pp, bytesize);
}

static uint32_t narrow(size_t bytes)
{
	return bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

F cuMemGetInfo(uint32_t *free, uint32_t *total)
{
	size_t wide_free = 0, wide_total = 0;
	F result = cuMemGetInfo_v2(&wide_free, &wide_total);

	*free = narrow(wide_free);
	*total = narrow(wide_total);
	return result;
}

F cuDeviceTotalMem(uint32_t *bytes, int dev)
{
	size_t wide = 0;
	F result = cuDeviceTotalMem_v2(&wide, dev);

	*bytes = narrow(wide);
	return result;
}

F cuCtxCreate(struct dv_cu_context **pctx, uint32_t flags, int dev)
{
	return cuCtxCreate_v2(pctx, flags, dev);
}

F cuArrayCreate(struct dv_cu_array **handle, const struct dv_cu_array_2d_v1 *is)
{
	const struct dv_cu_array_2d wide = {.width = is->width,
					    .height = is->height,
					    .format = is->format,
					    .channels = is->channels};

	return cuArrayCreate_v2(handle, &wide);
}

F cuArray3DCreate(struct dv_cu_array **handle, const struct dv_cu_array_3d_v1 *is)
{
	const struct dv_cu_array_3d wide = {.width = is->width,
					    .height = is->height,
					    .depth = is->depth,
					    .format = is->format,
					    .channels = is->channels,
					    .flags = is->flags};

	return cuArray3DCreate_v2(handle, &wide);
}

/* --- green contexts: a context, and a hold of the primary one --- */

F cuGreenCtxCreate(struct dv_cu_green **green, struct dv_cu_resource_desc *desc, int dev,
		   uint32_t flags)
{
	struct dv_cu_context *primary = NULL, *own = NULL;
	F result = cuDevicePrimaryCtxRetain(&primary, dev);

	if (result == DV_CUDA_SUCCESS)
		result = cuCtxCreate_v2(&own, 0, dev);
	if (result == DV_CUDA_SUCCESS)
		result = cuCtxPopCurrent_v2(NULL);
	*green = (struct dv_cu_green *)(void *)own;
	return result;
}

F cuCtxFromGreenCtx(struct dv_cu_context **context, struct dv_cu_green *green)
{
	*context = (struct dv_cu_context *)(void *)green;
	return DV_CUDA_SUCCESS;
}

F cuGreenCtxDestroy(struct dv_cu_green *green)
{
	F result = cuCtxDestroy_v2((struct dv_cu_context *)(void *)green);

	return result == DV_CUDA_SUCCESS ? cuDevicePrimaryCtxRelease_v2(0) : result;
}

F cuGreenCtxStreamCreate(struct dv_cu_stream **stream, struct dv_cu_green *green, uint32_t flags,
			 int priority)
{
	F result = cuCtxPushCurrent_v2((struct dv_cu_context *)(void *)green);

	if (result == DV_CUDA_SUCCESS)
		result = cuStreamCreateWithPriority(stream, flags, priority);
	return result == DV_CUDA_SUCCESS ? cuCtxPopCurrent_v2(NULL) : result;
}

/* --- the rest --- */

F cuMemPoolImportFromShareableHandle(struct dv_cu_pool **pool, void *handle, uint32_t type,
				     unsigned long long flags)
{
	const struct dv_cu_pool_props props = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					       .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};

	return cuMemPoolCreate(pool, &props);
}

static void nothing(void *user)
{
}

#define IN_STREAM(symbol, params)                                                                  \
	F symbol params                                                                            \
	{                                                                                          \
		return cuLaunchHostFunc(stream, nothing, NULL);                                    \
	}                                                                                          \
	F symbol##_ptsz params                                                                     \
	{                                                                                          \
		return cuLaunchHostFunc_ptsz(stream, nothing, NULL);                               \
	}

/* clang-format off */
IN_STREAM(cuMemBatchDecompressAsync, (struct dv_cu_decompress *params, size_t count, uint32_t flags,
	size_t *error_index, struct dv_cu_stream *stream))
IN_STREAM(cuMemDiscardAndPrefetchBatchAsync, (dv_cu_ptr *addresses, size_t *sizes, size_t count,
	struct dv_cu_location *locations, size_t *location_indexes, size_t location_count,
	unsigned long long flags, struct dv_cu_stream *stream))
IN_STREAM(cuMemDiscardBatchAsync, (dv_cu_ptr *addresses, size_t *sizes, size_t count,
	unsigned long long flags, struct dv_cu_stream *stream))
IN_STREAM(cuMemMapArrayAsync, (struct dv_cu_array_map *maps, uint32_t count,
	struct dv_cu_stream *stream))
IN_STREAM(cuMemPrefetchBatchAsync, (dv_cu_ptr *addresses, size_t *sizes, size_t count,
	struct dv_cu_location *locations, size_t *location_indexes, size_t location_count,
	unsigned long long flags, struct dv_cu_stream *stream))
IN_STREAM(cuMemcpy3DBatchAsync, (size_t count, struct dv_cu_copy_3d_op *ops, size_t *fail,
	unsigned long long flags, struct dv_cu_stream *stream))
IN_STREAM(cuMemcpy3DBatchAsync_v2, (size_t count, struct dv_cu_copy_3d_op *ops,
	unsigned long long flags, struct dv_cu_stream *stream))
/* clang-format on */
