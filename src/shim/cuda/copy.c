/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills: gated like launches where divvyd says so, else only counted. Their cost goes by
 * what moves where, and how much. */
#include "shim/cuda/pass.h"

enum what { HOST, DEVICE, ARRAY, FILL, MANY };

static uint64_t key_of(enum what from, enum what to, uint64_t bytes)
{
	/* No address of a function is so small. */
	return dv_cuda_key(16 + (uint64_t)from * 8 + to, bytes);
}

static inline bool are_gated(void)
{
	return dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_COPIES;
}

static inline enum dv_cu_result count(enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_shim_count(&dv_shim_pages.counters->copies, 1);
	return result;
}

/* Both entry points of an asynchronous copy, and of one that returns when it has ended. */
#define ASYNC(symbol, key, params, args)                                                           \
	DV_CUDA_API symbol params COPY(stream, key, dv_cuda.symbol args, dv_cuda_end)              \
	DV_CUDA_API symbol##_ptsz params COPY(dv_cuda_own_stream(stream), key,                     \
					      dv_cuda.symbol##_ptsz args, dv_cuda_end)
#define SYNC(symbol, key, params, args)                                                            \
	DV_CUDA_API symbol params COPY(NULL, key, dv_cuda.symbol args, dv_cuda_end_ended)          \
	DV_CUDA_API symbol##_ptds params COPY(dv_cuda_own_stream(NULL), key,                       \
					      dv_cuda.symbol##_ptds args, dv_cuda_end_ended)
/* One that may return before it has ended though it takes no stream. */
#define ENQUEUED(symbol, key, params, args)                                                        \
	DV_CUDA_API symbol params COPY(NULL, key, dv_cuda.symbol args, dv_cuda_end)                \
	DV_CUDA_API symbol##_ptds params COPY(dv_cuda_own_stream(NULL), key,                       \
					      dv_cuda.symbol##_ptds args, dv_cuda_end)

#define COPY(stream_, key_, call, end)                                                             \
	{                                                                                          \
		struct dv_cuda_pass pass;                                                          \
		enum dv_cu_result r;                                                               \
                                                                                                   \
		dv_cuda_init();                                                                    \
		if (!are_gated())                                                                  \
			return count(call);                                                        \
		r = dv_cuda_begin(&pass, stream_, key_);                                           \
		return r == DV_CUDA_SUCCESS ? count(end(&pass, call)) : r;                         \
	}

static uint64_t bytes_2d(const struct dv_cu_copy_2d *copy)
{
	return copy ? (uint64_t)copy->width * copy->height : 0;
}

static uint64_t bytes_3d(const struct dv_cu_copy_3d *copy)
{
	return copy ? (uint64_t)copy->width * copy->height * copy->depth : 0;
}

static uint64_t bytes_peer(const struct dv_cu_copy_3d_peer *copy)
{
	return copy ? (uint64_t)copy->width * copy->height * copy->depth : 0;
}

static uint64_t bytes_many(const size_t *sizes, size_t n)
{
	uint64_t bytes = 0;

	for (size_t i = 0; sizes && i < n; i++)
		bytes += sizes[i];
	return bytes;
}

/* clang-format off */
ASYNC(cuMemcpyAsync, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, dv_cu_ptr from, size_t size, struct dv_cu_stream *stream),
	(to, from, size, stream))
ASYNC(cuMemcpyPeerAsync, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, struct dv_cu_context *to_context, dv_cu_ptr from,
	 struct dv_cu_context *from_context, size_t size, struct dv_cu_stream *stream),
	(to, to_context, from, from_context, size, stream))
ASYNC(cuMemcpyHtoDAsync_v2, key_of(HOST, DEVICE, size),
	(dv_cu_ptr to, const void *from, size_t size, struct dv_cu_stream *stream),
	(to, from, size, stream))
ASYNC(cuMemcpyDtoHAsync_v2, key_of(DEVICE, HOST, size),
	(void *to, dv_cu_ptr from, size_t size, struct dv_cu_stream *stream),
	(to, from, size, stream))
ASYNC(cuMemcpyDtoDAsync_v2, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, dv_cu_ptr from, size_t size, struct dv_cu_stream *stream),
	(to, from, size, stream))
ASYNC(cuMemcpyHtoAAsync_v2, key_of(HOST, ARRAY, size),
	(struct dv_cu_array *to, size_t offset, const void *from, size_t size,
	 struct dv_cu_stream *stream),
	(to, offset, from, size, stream))
ASYNC(cuMemcpyAtoHAsync_v2, key_of(ARRAY, HOST, size),
	(void *to, struct dv_cu_array *from, size_t offset, size_t size,
	 struct dv_cu_stream *stream),
	(to, from, offset, size, stream))
ASYNC(cuMemcpy2DAsync_v2, key_of(ARRAY, DEVICE, bytes_2d(copy)),
	(const struct dv_cu_copy_2d *copy, struct dv_cu_stream *stream), (copy, stream))
ASYNC(cuMemcpy3DAsync_v2, key_of(ARRAY, DEVICE, bytes_3d(copy)),
	(const struct dv_cu_copy_3d *copy, struct dv_cu_stream *stream), (copy, stream))
ASYNC(cuMemcpy3DPeerAsync, key_of(ARRAY, DEVICE, bytes_peer(copy)),
	(const struct dv_cu_copy_3d_peer *copy, struct dv_cu_stream *stream), (copy, stream))
ASYNC(cuMemcpyBatchAsync, key_of(MANY, DEVICE, bytes_many(sizes, n)),
	(dv_cu_ptr *to, dv_cu_ptr *from, size_t *sizes, size_t n,
	 struct dv_cu_copy_attributes *attributes, size_t *indexes, size_t attribute_count,
	 size_t *ret_fail, struct dv_cu_stream *stream),
	(to, from, sizes, n, attributes, indexes, attribute_count, ret_fail, stream))
ASYNC(cuMemcpyBatchAsync_v2, key_of(MANY, DEVICE, bytes_many(sizes, n)),
	(dv_cu_ptr *to, dv_cu_ptr *from, size_t *sizes, size_t n,
	 struct dv_cu_copy_attributes *attributes, size_t *indexes, size_t attribute_count,
	 struct dv_cu_stream *stream),
	(to, from, sizes, n, attributes, indexes, attribute_count, stream))
ASYNC(cuMemcpy3DBatchAsync, key_of(MANY, ARRAY, n),
	(size_t n, struct dv_cu_copy_3d_op *copies, size_t *ret_fail, unsigned long long flags,
	 struct dv_cu_stream *stream),
	(n, copies, ret_fail, flags, stream))
ASYNC(cuMemcpy3DBatchAsync_v2, key_of(MANY, ARRAY, n),
	(size_t n, struct dv_cu_copy_3d_op *copies, unsigned long long flags,
	 struct dv_cu_stream *stream),
	(n, copies, flags, stream))
ASYNC(cuMemBatchDecompressAsync, key_of(MANY, FILL, n),
	(struct dv_cu_decompress *params, size_t n, uint32_t flags, size_t *ret_fail,
	 struct dv_cu_stream *stream),
	(params, n, flags, ret_fail, stream))
ASYNC(cuMemPrefetchBatchAsync, key_of(MANY, HOST, bytes_many(sizes, n)),
	(dv_cu_ptr *addresses, size_t *sizes, size_t n, struct dv_cu_location *locations,
	 size_t *indexes, size_t location_count, unsigned long long flags,
	 struct dv_cu_stream *stream),
	(addresses, sizes, n, locations, indexes, location_count, flags, stream))
ASYNC(cuMemDiscardBatchAsync, key_of(MANY, HOST, 0),
	(dv_cu_ptr *addresses, size_t *sizes, size_t n, unsigned long long flags,
	 struct dv_cu_stream *stream),
	(addresses, sizes, n, flags, stream))
ASYNC(cuMemDiscardAndPrefetchBatchAsync, key_of(MANY, HOST, bytes_many(sizes, n)),
	(dv_cu_ptr *addresses, size_t *sizes, size_t n, struct dv_cu_location *locations,
	 size_t *indexes, size_t location_count, unsigned long long flags,
	 struct dv_cu_stream *stream),
	(addresses, sizes, n, locations, indexes, location_count, flags, stream))
ASYNC(cuMemPrefetchAsync, key_of(MANY, ARRAY, size),
	(dv_cu_ptr address, size_t size, int device, struct dv_cu_stream *stream),
	(address, size, device, stream))
ASYNC(cuMemPrefetchAsync_v2, key_of(MANY, ARRAY, size),
	(dv_cu_ptr address, size_t size, struct dv_cu_location location, uint32_t flags,
	 struct dv_cu_stream *stream),
	(address, size, location, flags, stream))
ASYNC(cuMemsetD8Async, key_of(FILL, DEVICE, n),
	(dv_cu_ptr to, uint8_t value, size_t n, struct dv_cu_stream *stream),
	(to, value, n, stream))
ASYNC(cuMemsetD16Async, key_of(FILL, DEVICE, 2 * (uint64_t)n),
	(dv_cu_ptr to, uint16_t value, size_t n, struct dv_cu_stream *stream),
	(to, value, n, stream))
ASYNC(cuMemsetD32Async, key_of(FILL, DEVICE, 4 * (uint64_t)n),
	(dv_cu_ptr to, uint32_t value, size_t n, struct dv_cu_stream *stream),
	(to, value, n, stream))
ASYNC(cuMemsetD2D8Async, key_of(FILL, ARRAY, (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint8_t value, size_t width, size_t height,
	 struct dv_cu_stream *stream),
	(to, pitch, value, width, height, stream))
ASYNC(cuMemsetD2D16Async, key_of(FILL, ARRAY, 2 * (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint16_t value, size_t width, size_t height,
	 struct dv_cu_stream *stream),
	(to, pitch, value, width, height, stream))
ASYNC(cuMemsetD2D32Async, key_of(FILL, ARRAY, 4 * (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint32_t value, size_t width, size_t height,
	 struct dv_cu_stream *stream),
	(to, pitch, value, width, height, stream))

SYNC(cuMemcpyDtoH_v2, key_of(DEVICE, HOST, size),
	(void *to, dv_cu_ptr from, size_t size), (to, from, size))
SYNC(cuMemcpyAtoH_v2, key_of(ARRAY, HOST, size),
	(void *to, struct dv_cu_array *from, size_t offset, size_t size),
	(to, from, offset, size))

/* Small ones from the host, and those within the device, return at once. */
ENQUEUED(cuMemcpy, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, dv_cu_ptr from, size_t size), (to, from, size))
ENQUEUED(cuMemcpyPeer, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, struct dv_cu_context *to_context, dv_cu_ptr from,
	 struct dv_cu_context *from_context, size_t size),
	(to, to_context, from, from_context, size))
ENQUEUED(cuMemcpyHtoD_v2, key_of(HOST, DEVICE, size),
	(dv_cu_ptr to, const void *from, size_t size), (to, from, size))
ENQUEUED(cuMemcpyDtoD_v2, key_of(DEVICE, DEVICE, size),
	(dv_cu_ptr to, dv_cu_ptr from, size_t size), (to, from, size))
ENQUEUED(cuMemcpyHtoA_v2, key_of(HOST, ARRAY, size),
	(struct dv_cu_array *to, size_t offset, const void *from, size_t size),
	(to, offset, from, size))
ENQUEUED(cuMemcpyAtoA_v2, key_of(ARRAY, ARRAY, size),
	(struct dv_cu_array *to, size_t to_offset, struct dv_cu_array *from, size_t from_offset,
	 size_t size),
	(to, to_offset, from, from_offset, size))
ENQUEUED(cuMemcpyAtoD_v2, key_of(ARRAY, DEVICE, size),
	(dv_cu_ptr to, struct dv_cu_array *from, size_t offset, size_t size),
	(to, from, offset, size))
ENQUEUED(cuMemcpyDtoA_v2, key_of(DEVICE, ARRAY, size),
	(struct dv_cu_array *to, size_t offset, dv_cu_ptr from, size_t size),
	(to, offset, from, size))
ENQUEUED(cuMemcpy2D_v2, key_of(ARRAY, DEVICE, bytes_2d(copy)),
	(const struct dv_cu_copy_2d *copy), (copy))
ENQUEUED(cuMemcpy2DUnaligned_v2, key_of(ARRAY, DEVICE, bytes_2d(copy)),
	(const struct dv_cu_copy_2d *copy), (copy))
ENQUEUED(cuMemcpy3D_v2, key_of(ARRAY, DEVICE, bytes_3d(copy)),
	(const struct dv_cu_copy_3d *copy), (copy))
ENQUEUED(cuMemcpy3DPeer, key_of(ARRAY, DEVICE, bytes_peer(copy)),
	(const struct dv_cu_copy_3d_peer *copy), (copy))
ENQUEUED(cuMemsetD8_v2, key_of(FILL, DEVICE, n),
	(dv_cu_ptr to, uint8_t value, size_t n), (to, value, n))
ENQUEUED(cuMemsetD16_v2, key_of(FILL, DEVICE, 2 * (uint64_t)n),
	(dv_cu_ptr to, uint16_t value, size_t n), (to, value, n))
ENQUEUED(cuMemsetD32_v2, key_of(FILL, DEVICE, 4 * (uint64_t)n),
	(dv_cu_ptr to, uint32_t value, size_t n), (to, value, n))
ENQUEUED(cuMemsetD2D8_v2, key_of(FILL, ARRAY, (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint8_t value, size_t width, size_t height),
	(to, pitch, value, width, height))
ENQUEUED(cuMemsetD2D16_v2, key_of(FILL, ARRAY, 2 * (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint16_t value, size_t width, size_t height),
	(to, pitch, value, width, height))
ENQUEUED(cuMemsetD2D32_v2, key_of(FILL, ARRAY, 4 * (uint64_t)width * height),
	(dv_cu_ptr to, size_t pitch, uint32_t value, size_t width, size_t height),
	(to, pitch, value, width, height))
/* clang-format on */
