/* SPDX-License-Identifier: Apache-2.0 */
/* Copies and fills; see calls.h. Those that are not asynchronous wait for their end; so do copies
 * from and to memory of the host that the driver does not know. */
#include "sim/cuda/calls.h"
#include "sim/cuda/graph.h"
#include "sim/cuda/memory.h"

static enum dv_cu_result copy_3d(struct dv_cu_stream *stream, const struct dv_cu_copy_3d *copy,
				 bool wait)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMCPY};
	bool pageable;

	DV_NEED(copy);
	pageable = (copy->src_type == DV_CU_MEMORYTYPE_HOST &&
		    !dv_cu_block_at((uintptr_t)copy->src_host, 0)) ||
		   (copy->dst_type == DV_CU_MEMORYTYPE_HOST &&
		    !dv_cu_block_at((uintptr_t)copy->dst_host, 0));
	params.copy.copy = *copy;
	return dv_cu_do(stream, &params, wait || pageable);
}

static enum dv_cu_result copy_2d(struct dv_cu_stream *stream, const struct dv_cu_copy_2d *copy,
				 bool wait)
{
	struct dv_cu_copy_3d all;

	DV_NEED(copy);
	all = (struct dv_cu_copy_3d){.src_x = copy->src_x,
				     .src_y = copy->src_y,
				     .src_type = copy->src_type,
				     .src_host = copy->src_host,
				     .src_device = copy->src_device,
				     .src_array = copy->src_array,
				     .src_pitch = copy->src_pitch,
				     .dst_x = copy->dst_x,
				     .dst_y = copy->dst_y,
				     .dst_type = copy->dst_type,
				     .dst_host = copy->dst_host,
				     .dst_device = copy->dst_device,
				     .dst_array = copy->dst_array,
				     .dst_pitch = copy->dst_pitch,
				     .width = copy->width,
				     .height = copy->height,
				     .depth = 1};
	return copy_3d(stream, &all, wait);
}

/* Other contexts' memory is as near as one's own. */
static enum dv_cu_result copy_peer(struct dv_cu_stream *stream,
				   const struct dv_cu_copy_3d_peer *copy, bool wait)
{
	struct dv_cu_copy_3d all;

	DV_NEED(copy);
	memcpy(&all, copy, sizeof(all));
	all.reserved0 = all.reserved1 = NULL;
	return copy_3d(stream, &all, wait);
}

/* One of: memory of the device, memory of the host, an array and how far into it. */
struct end {
	uint32_t type;
	dv_cu_ptr ptr;
	struct dv_cu_array *array;
};

#define DEVICE(at) ((struct end){DV_CU_MEMORYTYPE_DEVICE, (at), NULL})
#define HOST(at) ((struct end){DV_CU_MEMORYTYPE_HOST, (uintptr_t)(at), NULL})
#define ANY(at) ((struct end){DV_CU_MEMORYTYPE_UNIFIED, (at), NULL})
#define ARRAY(it, offset) ((struct end){DV_CU_MEMORYTYPE_ARRAY, (offset), (it)})

static enum dv_cu_result linear(struct dv_cu_stream *stream, struct end to, struct end from,
				size_t bytes, bool wait)
{
	struct dv_cu_copy_3d copy = {.src_type = from.type,
				     .dst_type = to.type,
				     .src_array = from.array,
				     .dst_array = to.array,
				     .src_device = from.ptr,
				     .dst_device = to.ptr,
				     .src_host = (const void *)(uintptr_t)from.ptr,
				     .dst_host = (void *)(uintptr_t)to.ptr,
				     .width = bytes,
				     .height = 1,
				     .depth = 1};

	if (from.array)
		copy.src_x = from.ptr;
	if (to.array)
		copy.dst_x = to.ptr;
	return copy_3d(stream, &copy, wait);
}

/* --- at once --- */

#define DV_CALL_NOW(stream)                                                                        \
	struct dv_cu_stream *stream = NULL;                                                        \
	DV_CALL_ON_STREAM(stream)

enum dv_cu_result DV_PTDS(cuMemcpy)(dv_cu_ptr dst, dv_cu_ptr src, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, ANY(dst), ANY(src), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyPeer)(dv_cu_ptr dst_device, struct dv_cu_context *dst_context,
					dv_cu_ptr src_device, struct dv_cu_context *src_context,
					size_t byte_count)
{
	DV_CALL_NOW(stream);
	if (!dv_cu_is(dst_context, DV_CU_CONTEXT) || !dv_cu_is(src_context, DV_CU_CONTEXT))
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	return linear(stream, DEVICE(dst_device), DEVICE(src_device), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyHtoD_v2)(dv_cu_ptr dst_device, const void *src_host,
					   size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, DEVICE(dst_device), HOST(src_host), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyDtoH_v2)(void *dst_host, dv_cu_ptr src_device, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, HOST(dst_host), DEVICE(src_device), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyDtoD_v2)(dv_cu_ptr dst_device, dv_cu_ptr src_device,
					   size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, DEVICE(dst_device), DEVICE(src_device), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyDtoA_v2)(struct dv_cu_array *dst_array, size_t dst_offset,
					   dv_cu_ptr src_device, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, ARRAY(dst_array, dst_offset), DEVICE(src_device), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyAtoD_v2)(dv_cu_ptr dst_device, struct dv_cu_array *src_array,
					   size_t src_offset, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, DEVICE(dst_device), ARRAY(src_array, src_offset), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyHtoA_v2)(struct dv_cu_array *dst_array, size_t dst_offset,
					   const void *src_host, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, ARRAY(dst_array, dst_offset), HOST(src_host), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyAtoH_v2)(void *dst_host, struct dv_cu_array *src_array,
					   size_t src_offset, size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, HOST(dst_host), ARRAY(src_array, src_offset), byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpyAtoA_v2)(struct dv_cu_array *dst_array, size_t dst_offset,
					   struct dv_cu_array *src_array, size_t src_offset,
					   size_t byte_count)
{
	DV_CALL_NOW(stream);
	return linear(stream, ARRAY(dst_array, dst_offset), ARRAY(src_array, src_offset),
		      byte_count, true);
}

enum dv_cu_result DV_PTDS(cuMemcpy2D_v2)(const struct dv_cu_copy_2d *copy)
{
	DV_CALL_NOW(stream);
	return copy_2d(stream, copy, true);
}

enum dv_cu_result DV_PTDS(cuMemcpy2DUnaligned_v2)(const struct dv_cu_copy_2d *copy)
{
	DV_CALL_NOW(stream);
	return copy_2d(stream, copy, true);
}

enum dv_cu_result DV_PTDS(cuMemcpy3D_v2)(const struct dv_cu_copy_3d *copy)
{
	DV_CALL_NOW(stream);
	return copy_3d(stream, copy, true);
}

enum dv_cu_result DV_PTDS(cuMemcpy3DPeer)(const struct dv_cu_copy_3d_peer *copy)
{
	DV_CALL_NOW(stream);
	return copy_peer(stream, copy, true);
}

/* --- in a stream --- */

enum dv_cu_result DV_PTSZ(cuMemcpyAsync)(dv_cu_ptr dst, dv_cu_ptr src, size_t byte_count,
					 struct dv_cu_stream *stream)
{
	bool pageable;

	DV_CALL_ON_STREAM(stream);
	pageable = !dv_cu_block_at(dst, 0) || !dv_cu_block_at(src, 0);
	return linear(stream, ANY(dst), ANY(src), byte_count, pageable);
}

enum dv_cu_result DV_PTSZ(cuMemcpyPeerAsync)(dv_cu_ptr dst_device,
					     struct dv_cu_context *dst_context,
					     dv_cu_ptr src_device,
					     struct dv_cu_context *src_context, size_t byte_count,
					     struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	if (!dv_cu_is(dst_context, DV_CU_CONTEXT) || !dv_cu_is(src_context, DV_CU_CONTEXT))
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	return linear(stream, DEVICE(dst_device), DEVICE(src_device), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpyHtoDAsync_v2)(dv_cu_ptr dst_device, const void *src_host,
						size_t byte_count, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return linear(stream, DEVICE(dst_device), HOST(src_host), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpyDtoHAsync_v2)(void *dst_host, dv_cu_ptr src_device,
						size_t byte_count, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return linear(stream, HOST(dst_host), DEVICE(src_device), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpyDtoDAsync_v2)(dv_cu_ptr dst_device, dv_cu_ptr src_device,
						size_t byte_count, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return linear(stream, DEVICE(dst_device), DEVICE(src_device), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpyHtoAAsync_v2)(struct dv_cu_array *dst_array, size_t dst_offset,
						const void *src_host, size_t byte_count,
						struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return linear(stream, ARRAY(dst_array, dst_offset), HOST(src_host), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpyAtoHAsync_v2)(void *dst_host, struct dv_cu_array *src_array,
						size_t src_offset, size_t byte_count,
						struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return linear(stream, HOST(dst_host), ARRAY(src_array, src_offset), byte_count, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpy2DAsync_v2)(const struct dv_cu_copy_2d *copy,
					      struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return copy_2d(stream, copy, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpy3DAsync_v2)(const struct dv_cu_copy_3d *copy,
					      struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return copy_3d(stream, copy, false);
}

enum dv_cu_result DV_PTSZ(cuMemcpy3DPeerAsync)(const struct dv_cu_copy_3d_peer *copy,
					       struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return copy_peer(stream, copy, false);
}

static enum dv_cu_result batch(struct dv_cu_stream *stream, const dv_cu_ptr *to,
			       const dv_cu_ptr *from, const size_t *sizes, size_t count,
			       size_t *ret_failed)
{
	DV_NEED(to && from && sizes && count);
	for (size_t i = 0; i < count; i++) {
		enum dv_cu_result result =
			linear(stream, ANY(to[i]), ANY(from[i]), sizes[i], false);

		if (result != DV_CUDA_SUCCESS) {
			if (ret_failed)
				*ret_failed = i;
			return result;
		}
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuMemcpyBatchAsync)(dv_cu_ptr *dsts, dv_cu_ptr *srcs, size_t *sizes,
					      size_t count, struct dv_cu_copy_attributes *attrs,
					      size_t *attrs_idxs, size_t num_attrs,
					      size_t *fail_idx, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(attrs && attrs_idxs && num_attrs);
	return batch(stream, dsts, srcs, sizes, count, fail_idx);
}

enum dv_cu_result DV_PTSZ(cuMemcpyBatchAsync_v2)(dv_cu_ptr *dsts, dv_cu_ptr *srcs, size_t *sizes,
						 size_t count, struct dv_cu_copy_attributes *attrs,
						 size_t *attrs_idxs, size_t num_attrs,
						 struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(attrs && attrs_idxs && num_attrs);
	return batch(stream, dsts, srcs, sizes, count, NULL);
}

/* --- fills --- */

static enum dv_cu_result fill(struct dv_cu_stream *stream, const struct dv_cu_memset_node *what,
			      bool wait)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEMSET,
					   .fill = {.fill = *what}};

	return dv_cu_do(stream, &params, wait);
}

#define FILL(bits, type, value)                                                                    \
	enum dv_cu_result DV_PTDS(cuMemsetD##bits##_v2)(dv_cu_ptr dst_device, type value,          \
							size_t n)                                  \
	{                                                                                          \
		struct dv_cu_memset_node what = {dst_device, 0, value, bits / 8, n, 1};            \
                                                                                                   \
		DV_CALL_NOW(stream);                                                               \
		return fill(stream, &what, true);                                                  \
	}                                                                                          \
	enum dv_cu_result DV_PTSZ(cuMemsetD##bits##Async)(dv_cu_ptr dst_device, type value,        \
							  size_t n, struct dv_cu_stream * stream)  \
	{                                                                                          \
		struct dv_cu_memset_node what = {dst_device, 0, value, bits / 8, n, 1};            \
                                                                                                   \
		DV_CALL_ON_STREAM(stream);                                                         \
		return fill(stream, &what, false);                                                 \
	}                                                                                          \
	enum dv_cu_result DV_PTDS(cuMemsetD2D##bits##_v2)(dv_cu_ptr dst_device, size_t dst_pitch,  \
							  type value, size_t width, size_t height) \
	{                                                                                          \
		struct dv_cu_memset_node what = {dst_device, dst_pitch, value,                     \
						 bits / 8,   width,	height};                   \
                                                                                                   \
		DV_CALL_NOW(stream);                                                               \
		return fill(stream, &what, true);                                                  \
	}                                                                                          \
	enum dv_cu_result DV_PTSZ(cuMemsetD2D##bits##Async)(                                       \
		dv_cu_ptr dst_device, size_t dst_pitch, type value, size_t width, size_t height,   \
		struct dv_cu_stream * stream)                                                      \
	{                                                                                          \
		struct dv_cu_memset_node what = {dst_device, dst_pitch, value,                     \
						 bits / 8,   width,	height};                   \
                                                                                                   \
		DV_CALL_ON_STREAM(stream);                                                         \
		return fill(stream, &what, false);                                                 \
	}

FILL(8, uint8_t, uc)
FILL(16, uint16_t, us)
FILL(32, uint32_t, ui)
