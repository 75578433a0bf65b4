/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/memory.h"

#include <string.h>
#include <sys/mman.h>

#include "sim/cuda/capture.h"

enum { HOST_PAGE = 4096 };

/* By address. */
static DV_VEC(struct dv_cu_block *) blocks;
static uint64_t next_id = 1;

/* --- what is where --- */

/* The first whose begin is behind that address. */
static size_t place_after(dv_cu_ptr ptr)
{
	size_t low = 0, high = blocks.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (blocks.items[middle]->base <= ptr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct dv_cu_block *dv_cu_block_at(dv_cu_ptr ptr, size_t len)
{
	size_t at = place_after(ptr);
	struct dv_cu_block *block = at ? blocks.items[at - 1] : NULL;

	if (!block || ptr - block->base >= block->size || len > block->size - (ptr - block->base))
		return NULL;
	return block;
}

struct dv_cu_block *dv_cu_block_from(dv_cu_ptr ptr)
{
	size_t at = place_after(ptr);

	if (at && blocks.items[at - 1]->base == ptr)
		at--;
	return at < blocks.len ? blocks.items[at] : NULL;
}

struct dv_cu_block *dv_cu_block_add(const struct dv_cu_block *block)
{
	struct dv_cu_block *copy = malloc(sizeof(*copy));
	size_t at = place_after(block->base);

	if (!copy || dv_vec_reserve(&blocks) < 0) {
		free(copy);
		return NULL;
	}
	*copy = *block;
	copy->id = next_id++;
	memmove(&blocks.items[at + 1], &blocks.items[at],
		(blocks.len - at) * sizeof(*blocks.items));
	blocks.items[at] = copy;
	blocks.len++;
	return copy;
}

void dv_cu_block_remove(struct dv_cu_block *block)
{
	dv_vec_remove(&blocks, place_after(block->base) - 1);
	free(block);
}

dv_cu_ptr dv_cu_map(size_t size)
{
	void *base;

	if (size > (UINT64_C(1) << 46))
		return 0;
	base = mmap(NULL, dv_cu_round(size, HOST_PAGE), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return base == MAP_FAILED ? 0 : (dv_cu_ptr)(uintptr_t)base;
}

void dv_cu_unmap(dv_cu_ptr base, size_t size)
{
	(void)munmap((void *)(uintptr_t)base, dv_cu_round(size, HOST_PAGE));
}

/* --- charging --- */

/* Small ones share pages: only a page more, or less, is charged. */
static enum dv_cu_result charge_small(struct dv_cu_device *device, size_t size)
{
	uint64_t before = dv_cu_round(device->small_bytes, DV_CU_PAGE);
	uint64_t after = dv_cu_round(device->small_bytes + size, DV_CU_PAGE);

	if (after > before)
		DV_TRY(dv_cu_charge(device, after - before));
	device->small_bytes += size;
	return DV_CUDA_SUCCESS;
}

static void refund_small(struct dv_cu_device *device, size_t size)
{
	uint64_t before = dv_cu_round(device->small_bytes, DV_CU_PAGE), after;

	device->small_bytes -= size;
	after = dv_cu_round(device->small_bytes, DV_CU_PAGE);
	if (before > after)
		dv_cu_refund(device, before - after);
}

enum dv_cu_result dv_cu_allocate(struct dv_cu_context *context, size_t size, enum dv_cu_use use,
				 dv_cu_ptr *ret)
{
	struct dv_cu_block block = {.use = use,
				    .size = dv_cu_round(size, DV_CU_GRAIN),
				    .device = context->device,
				    .context = context,
				    .fd = -1,
				    .small = size < DV_CU_SMALL,
				    .readable = true,
				    .writable = true};

	if (block.small) {
		DV_TRY(charge_small(block.device, block.size));
	} else {
		block.charged = dv_cu_round(size, DV_CU_PAGE);
		DV_TRY(dv_cu_charge(block.device, block.charged));
	}
	block.base = dv_cu_map(block.size);
	if (block.base && dv_cu_block_add(&block)) {
		*ret = block.base;
		return DV_CUDA_SUCCESS;
	}
	if (block.base)
		dv_cu_unmap(block.base, block.size);
	if (block.small)
		refund_small(block.device, block.size);
	else
		dv_cu_refund(block.device, block.charged);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

void dv_cu_release(struct dv_cu_block *block)
{
	bool shared = block->inode && block->device->tenant >= 0 &&
		      dv_share_drop(dv_cu_share, block->device->tenant, block->inode);

	if (block->use == DV_CU_USE_GRAPH && block->live)
		block->device->graph_used -= DV_MIN(block->device->graph_used, block->size);
	if (block->small)
		refund_small(block->device, block->size);
	else if (block->charged && !shared)
		dv_cu_refund(block->device, block->charged);
	if (block->use != DV_CU_USE_REGISTERED)
		dv_cu_unmap(block->base, block->size);
	dv_closep(&block->fd);
	dv_cu_block_remove(block);
}

void dv_cu_memory_end_context(struct dv_cu_context *context)
{
	for (size_t i = blocks.len; i-- > 0;) {
		struct dv_cu_block *block = blocks.items[i];

		if (block->context == context)
			dv_cu_release(block);
	}
}

void dv_cu_memory_end(struct dv_cu_device *device)
{
	for (size_t i = blocks.len; i-- > 0;) {
		struct dv_cu_block *block = blocks.items[i];

		if (block->device == device && block->use == DV_CU_USE_POOL)
			dv_cu_pool_give(block);
	}
	dv_cu_pools_end(device);
	dv_cu_refund(device, device->graph_reserved);
	device->graph_reserved = device->graph_used = 0;
	dv_cu_physical_end(device);
}

enum dv_cu_result dv_cu_synchronize(struct dv_cu_context *context)
{
	DV_TRY(dv_cu_capture_forbids(context));
	DV_TRY(dv_cu_wait_context(context));
	dv_cu_pools_trim(context->device);
	return dv_cu_failed();
}

/* --- the calls --- */

enum dv_cu_result cuMemGetInfo_v2(size_t *free, size_t *total)
{
	DV_CALL_IN_CONTEXT(context);
	uint64_t used = dv_share_used(dv_cu_share, &context->device->place);

	DV_NEED(free && total);
	*total = context->device->capacity;
	*free = used < *total ? *total - used : 0;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemAlloc_v2(dv_cu_ptr *dptr, size_t bytesize)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(dptr && bytesize);
	DV_TRY(dv_cu_capture_unsafe());
	return dv_cu_allocate(context, bytesize, DV_CU_USE_DEVICE, dptr);
}

enum dv_cu_result cuMemAllocPitch_v2(dv_cu_ptr *dptr, size_t *pitch, size_t width_in_bytes,
				     size_t height, uint32_t element_size_bytes)
{
	size_t bytes, row = dv_cu_round(width_in_bytes, DV_CU_GRAIN);

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(dptr && pitch && width_in_bytes && height &&
		(element_size_bytes == 4 || element_size_bytes == 8 || element_size_bytes == 16));
	DV_TRY(dv_cu_capture_unsafe());
	if (__builtin_mul_overflow(row, height, &bytes))
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	DV_TRY(dv_cu_allocate(context, bytes, DV_CU_USE_DEVICE, dptr));
	*pitch = row;
	return DV_CUDA_SUCCESS;
}

/* Memory of the host's, known to the driver and not charged. */
static enum dv_cu_result add_host(struct dv_cu_context *context, dv_cu_ptr base, size_t size,
				  enum dv_cu_use use, uint32_t flags)
{
	struct dv_cu_block block = {.base = base,
				    .size = size,
				    .use = use,
				    .device = context->device,
				    .context = context,
				    .flags = flags,
				    .fd = -1,
				    .readable = true,
				    .writable = true,
				    .preferred = -2,
				    .prefetched = -2};

	return dv_cu_block_add(&block) ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

static enum dv_cu_result allocate_host(struct dv_cu_context *context, size_t size,
				       enum dv_cu_use use, uint32_t flags, dv_cu_ptr *ret)
{
	dv_cu_ptr base = dv_cu_map(size);
	enum dv_cu_result result = base ? add_host(context, base, size, use, flags)
					: DV_CUDA_ERROR_OUT_OF_MEMORY;

	if (result == DV_CUDA_SUCCESS)
		*ret = base;
	else if (base)
		dv_cu_unmap(base, size);
	return result;
}

/* Charged when it goes to the device: it need not be there. */
enum dv_cu_result cuMemAllocManaged(dv_cu_ptr *dptr, size_t bytesize, uint32_t flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(dptr && bytesize &&
		(flags == DV_CU_MEM_ATTACH_GLOBAL || flags == DV_CU_MEM_ATTACH_HOST));
	DV_TRY(dv_cu_capture_unsafe());
	return allocate_host(context, bytesize, DV_CU_USE_MANAGED, flags, dptr);
}

enum dv_cu_result cuMemFree_v2(dv_cu_ptr dptr)
{
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	if (!dptr)
		return DV_CUDA_SUCCESS;
	DV_TRY(dv_cu_capture_unsafe());
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(block && block->base == dptr &&
		(block->use <= DV_CU_USE_MANAGED || block->use == DV_CU_USE_POOL ||
		 block->use == DV_CU_USE_GRAPH));
	/* It ends when nothing uses it any more. */
	(void)dv_cu_wait_context(block->context ? block->context : context);
	block = dv_cu_block_at(dptr, 0);
	DV_NEED(block && block->base == dptr);
	if (block->use == DV_CU_USE_POOL)
		dv_cu_pool_give(block);
	else if (block->use == DV_CU_USE_GRAPH)
		dv_cu_graph_memory_free(block);
	else
		dv_cu_release(block);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemGetAddressRange_v2(dv_cu_ptr *pbase, size_t *psize, dv_cu_ptr dptr)
{
	const struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	block = dv_cu_block_at(dptr, 0);
	if (!block || block->use == DV_CU_USE_REGISTERED || block->use == DV_CU_USE_ARRAY)
		return DV_CUDA_ERROR_NOT_FOUND;
	if (pbase)
		*pbase = block->base;
	if (psize)
		*psize = block->size;
	return DV_CUDA_SUCCESS;
}

/* --- memory of the host --- */

enum dv_cu_result cuMemAllocHost_v2(void **pp, size_t bytesize)
{
	dv_cu_ptr base = 0;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pp && bytesize);
	DV_TRY(dv_cu_capture_unsafe());
	DV_TRY(allocate_host(context, bytesize, DV_CU_USE_HOST, DV_CU_MEMHOSTALLOC_DEVICEMAP,
			     &base));
	*pp = (void *)(uintptr_t)base;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemHostAlloc(void **pp, size_t bytesize, uint32_t flags)
{
	dv_cu_ptr base = 0;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pp && bytesize && flags <= 7);
	DV_TRY(dv_cu_capture_unsafe());
	/* With unified addresses everything is mapped. */
	DV_TRY(allocate_host(context, bytesize, DV_CU_USE_HOST,
			     flags | DV_CU_MEMHOSTALLOC_DEVICEMAP, &base));
	*pp = (void *)(uintptr_t)base;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemFreeHost(void *p)
{
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	DV_TRY(dv_cu_capture_unsafe());
	block = dv_cu_block_at((uintptr_t)p, 0);
	DV_NEED(block && block->base == (uintptr_t)p && block->use == DV_CU_USE_HOST);
	(void)dv_cu_wait_context(context);
	block = dv_cu_block_at((uintptr_t)p, 0);
	DV_NEED(block);
	dv_cu_release(block);
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result register_host(void *p, size_t bytesize, uint32_t flags)
{
	dv_cu_ptr base = (uintptr_t)p;
	const struct dv_cu_block *next;
	struct dv_cu_context *context = dv_cu_current();

	if (!context)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	DV_NEED(p && bytesize && flags <= 15);
	next = dv_cu_block_from(base);
	if (dv_cu_block_at(base, 0) || (next && next->base < base + bytesize))
		return DV_CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
	return add_host(context, base, bytesize, DV_CU_USE_REGISTERED, flags);
}

enum dv_cu_result cuMemHostRegister(void *p, size_t bytesize, uint32_t flags)
{
	DV_CALL();
	return register_host(p, bytesize, flags);
}

enum dv_cu_result cuMemHostRegister_v2(void *p, size_t bytesize, uint32_t flags)
{
	DV_CALL();
	return register_host(p, bytesize, flags);
}

enum dv_cu_result cuMemHostUnregister(void *p)
{
	struct dv_cu_block *block;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(p);
	block = dv_cu_block_at((uintptr_t)p, 0);
	if (!block || block->base != (uintptr_t)p || block->use != DV_CU_USE_REGISTERED)
		return DV_CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
	dv_cu_release(block);
	return DV_CUDA_SUCCESS;
}

static const struct dv_cu_block *host_block(const void *p)
{
	const struct dv_cu_block *block = dv_cu_block_at((uintptr_t)p, 0);

	return block && (block->use == DV_CU_USE_HOST || block->use == DV_CU_USE_REGISTERED) ? block
											     : NULL;
}

enum dv_cu_result cuMemHostGetDevicePointer_v2(dv_cu_ptr *pdptr, void *p, uint32_t flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pdptr && !flags && host_block(p));
	*pdptr = (uintptr_t)p;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemHostGetFlags(uint32_t *flags, void *p)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(flags && host_block(p));
	*flags = host_block(p)->flags;
	return DV_CUDA_SUCCESS;
}
