/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver that are hooked and not simulated: green contexts, sparse arrays,
 * batches on memory, and arrays of the 32-bit ABI of CUDA 2. As abi/cuda-calls.h, and compared with
 * the vendor's header and library by the same test. Declarations only. */
#pragma once

#include "abi/cuda-graph.h"

struct dv_cu_green;
struct dv_cu_resource_desc;
struct dv_cu_decompress;

enum {
	DV_CU_MEM_OPERATION_TYPE_MAP = 1,
	DV_CU_MEM_OPERATION_TYPE_UNMAP = 2,
};

/* A piece of an array and the memory behind it. */
struct dv_cu_array_map {
	uint32_t resource_type;
	void *resource;
	uint32_t subresource_type;
	union {
		uint32_t sparse[8];
		struct {
			uint32_t layer;
			unsigned long long offset, size;
		} tail;
	} subresource;
	uint32_t operation, handle_type;
	unsigned long long handle;
	unsigned long long offset;
	uint32_t devices, flags, reserved[2];
};
static_assert(sizeof(struct dv_cu_array_map) == 96, "");
static_assert(offsetof(struct dv_cu_array_map, operation) == 56, "");
static_assert(offsetof(struct dv_cu_array_map, handle) == 64, "");

struct dv_cu_array_2d_v1 {
	uint32_t width, height, format, channels;
};
static_assert(sizeof(struct dv_cu_array_2d_v1) == 16, "");

struct dv_cu_array_3d_v1 {
	uint32_t width, height, depth, format, channels, flags;
};
static_assert(sizeof(struct dv_cu_array_3d_v1) == 24, "");

/* clang-format off */
#define DV_CUDA_MORE_CALLS(X) \
	X(cuArrayCreate, cuArrayCreate, 2000, (struct dv_cu_array **handle, const struct dv_cu_array_2d_v1 *allocate_array)) \
	X(cuArray3DCreate, cuArray3DCreate, 2000, (struct dv_cu_array **handle, const struct dv_cu_array_3d_v1 *allocate_array)) \
	X(cuCtxFromGreenCtx, cuCtxFromGreenCtx, 12040, (struct dv_cu_context **context, struct dv_cu_green *green)) \
	X(cuGreenCtxCreate, cuGreenCtxCreate, 12040, (struct dv_cu_green **green, struct dv_cu_resource_desc *desc, int dev, uint32_t flags)) \
	X(cuGreenCtxDestroy, cuGreenCtxDestroy, 12040, (struct dv_cu_green *green)) \
	X(cuGreenCtxStreamCreate, cuGreenCtxStreamCreate, 12050, (struct dv_cu_stream **stream, struct dv_cu_green *green, uint32_t flags, int priority))

#define DV_CUDA_MORE_PTSZ_CALLS(X) \
	X(cuMemBatchDecompressAsync, cuMemBatchDecompressAsync, 12060, (struct dv_cu_decompress *params, size_t count, uint32_t flags, size_t *error_index, struct dv_cu_stream *stream)) \
	X(cuMemDiscardAndPrefetchBatchAsync, cuMemDiscardAndPrefetchBatchAsync, 13000, (dv_cu_ptr *addresses, size_t *sizes, size_t count, struct dv_cu_location *locations, size_t *location_indexes, size_t location_count, unsigned long long flags, struct dv_cu_stream *stream)) \
	X(cuMemDiscardBatchAsync, cuMemDiscardBatchAsync, 13000, (dv_cu_ptr *addresses, size_t *sizes, size_t count, unsigned long long flags, struct dv_cu_stream *stream)) \
	X(cuMemMapArrayAsync, cuMemMapArrayAsync, 11010, (struct dv_cu_array_map *maps, uint32_t count, struct dv_cu_stream *stream)) \
	X(cuMemPrefetchBatchAsync, cuMemPrefetchBatchAsync, 13000, (dv_cu_ptr *addresses, size_t *sizes, size_t count, struct dv_cu_location *locations, size_t *location_indexes, size_t location_count, unsigned long long flags, struct dv_cu_stream *stream))
/* clang-format on */
