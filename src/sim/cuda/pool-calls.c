/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in the order of a stream; see calls.h. */
#include <string.h>

#include "sim/cuda/calls.h"
#include "sim/cuda/capture.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

/* The memory is the stream's from now on: nothing else has that address. */
static enum dv_cu_result allocate(struct dv_cu_stream *stream, struct dv_cu_pool *pool, size_t size,
				  dv_cu_ptr *ret)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC};
	struct dv_cu_node *node = NULL;

	DV_NEED(ret && size);
	DV_TRY(dv_cu_failed());
	params.alloc.bytes = size;
	params.alloc.pool.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED;
	params.alloc.pool.location.type = DV_CU_MEM_LOCATION_TYPE_DEVICE;
	params.alloc.pool.location.id = dv_cu_ordinal(pool->device);
	DV_TRY(dv_cu_capture_node(stream, &params, &node));
	if (!node)
		return dv_cu_pool_take(pool, size, ret);
	*ret = node->address;
	return DV_CUDA_SUCCESS;
}

static void act_free(struct dv_cu_op *op)
{
	struct dv_cu_block *block;
	dv_cu_ptr ptr;

	memcpy(&ptr, op->data, sizeof(ptr));
	(void)pthread_mutex_lock(&dv_cu_lock);
	block = dv_cu_block_at(ptr, 0);
	if (block && block->base == ptr && block->use == DV_CU_USE_POOL)
		dv_cu_pool_give(block);
	else if (block && block->base == ptr && block->use == DV_CU_USE_GRAPH)
		dv_cu_graph_memory_free(block);
	else if (block && block->base == ptr)
		dv_cu_release(block);
	(void)pthread_mutex_unlock(&dv_cu_lock);
}

enum dv_cu_result DV_PTSZ(cuMemAllocAsync)(dv_cu_ptr *dptr, size_t bytesize,
					   struct dv_cu_stream *stream)
{
	struct dv_cu_pool *pool;

	DV_CALL_ON_STREAM(stream);
	pool = dv_cu_pool_of(stream->context->device);
	return pool ? allocate(stream, pool, bytesize, dptr) : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result DV_PTSZ(cuMemAllocFromPoolAsync)(dv_cu_ptr *dptr, size_t bytesize,
						   struct dv_cu_pool *pool,
						   struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(dv_cu_is(pool, DV_CU_POOL) && !pool->gone && pool->device->contexts);
	return allocate(stream, pool, bytesize, dptr);
}

enum dv_cu_result DV_PTSZ(cuMemFreeAsync)(dv_cu_ptr dptr, struct dv_cu_stream *stream)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_MEM_FREE,
					   .free = {.ptr = dptr}};
	struct dv_cu_node *node = NULL;
	const struct dv_cu_block *block;
	struct dv_cu_op *op;

	DV_CALL_ON_STREAM(stream);
	if (!dptr)
		return DV_CUDA_SUCCESS;
	DV_TRY(dv_cu_failed());
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(block && block->base == dptr &&
		(block->use == DV_CU_USE_POOL || block->use == DV_CU_USE_DEVICE ||
		 block->use == DV_CU_USE_GRAPH));
	DV_TRY(dv_cu_capture_node(stream, &params, &node));
	if (node)
		return DV_CUDA_SUCCESS;
	op = dv_cu_op_new(stream, sizeof(dptr));
	if (!op)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(op->data, &dptr, sizeof(dptr));
	op->act = act_free;
	return dv_cu_submit(op);
}

/* --- managed memory goes to a device, or back --- */

static enum dv_cu_result prefetch(struct dv_cu_stream *stream, dv_cu_ptr at, size_t count, int to)
{
	struct dv_cu_block *block = dv_cu_block_at(at, count);
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_EMPTY};

	DV_NEED(block && count && block->use == DV_CU_USE_MANAGED && to < dv_cu_device_count);
	if (to >= 0 && !block->charged && dv_cu_devices[to].contexts) {
		uint64_t bytes = dv_cu_round(block->size, DV_CU_PAGE);

		/* What does not fit stays where it is. */
		block->device = &dv_cu_devices[to];
		if (dv_cu_charge(block->device, bytes) == DV_CUDA_SUCCESS)
			block->charged = bytes;
	} else if (to < 0 && block->charged) {
		dv_cu_refund(block->device, block->charged);
		block->charged = 0;
	}
	block->prefetched = to;
	return dv_cu_do(stream, &params, false);
}

enum dv_cu_result DV_PTSZ(cuMemPrefetchAsync)(dv_cu_ptr dev_ptr, size_t count, int dst_device,
					      struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(dst_device >= -1);
	return prefetch(stream, dev_ptr, count, dst_device);
}

enum dv_cu_result DV_PTSZ(cuMemPrefetchAsync_v2)(dv_cu_ptr dev_ptr, size_t count,
						 struct dv_cu_location location, uint32_t flags,
						 struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(!flags && location.type != DV_CU_MEM_LOCATION_TYPE_NONE);
	return prefetch(stream, dev_ptr, count,
			location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE ? location.id : -1);
}
