/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: memory that streams allocate and free in their order, and that stays with the pool until
 * something waits for the device. */
#include <string.h>

#include "sim/cuda/memory.h"

static DV_VEC(struct dv_cu_pool *) pools;

static struct dv_cu_pool *new_pool(struct dv_cu_device *device)
{
	struct dv_cu_pool *pool = dv_cu_new(DV_CU_POOL, sizeof(*pool));

	if (!pool || dv_vec_push(&pools, pool) < 0) {
		dv_cu_free(pool);
		return NULL;
	}
	pool->device = device;
	pool->options[0] = pool->options[1] = pool->options[2] = 1;
	pool->access[dv_cu_ordinal(device)] = DV_CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	return pool;
}

static struct dv_cu_pool *default_of(struct dv_cu_device *device)
{
	if (!device->pool_default) {
		device->pool_default = new_pool(device);
		if (device->pool_default)
			device->pool_default->is_default = true;
	}
	return device->pool_default;
}

struct dv_cu_pool *dv_cu_pool_of(struct dv_cu_device *device)
{
	return device->pool ? device->pool : default_of(device);
}

void dv_cu_pool_trim(struct dv_cu_pool *pool, uint64_t keep)
{
	uint64_t wanted = dv_cu_round(DV_MAX(pool->used, keep), DV_CU_PAGE);

	if (pool->used > 0 && wanted < pool->reserved)
		wanted = DV_MIN(pool->reserved,
				dv_cu_round(DV_MAX(pool->used, keep), DV_CU_POOL_STEP));
	if (wanted >= pool->reserved)
		return;
	dv_cu_refund(pool->device, pool->reserved - wanted);
	pool->reserved = wanted;
}

void dv_cu_pools_trim(const struct dv_cu_device *device)
{
	for (size_t i = 0; i < pools.len; i++)
		if (pools.items[i]->device == device)
			dv_cu_pool_trim(pools.items[i], pools.items[i]->threshold);
}

static void forget(struct dv_cu_pool *pool)
{
	for (size_t i = 0; i < pools.len; i++)
		if (pools.items[i] == pool) {
			dv_vec_remove(&pools, i);
			break;
		}
	if (pool->device->pool == pool)
		pool->device->pool = NULL;
	if (pool->device->pool_default == pool)
		pool->device->pool_default = NULL;
	dv_cu_free(pool);
}

/* Its context is gone, and with it all memory; handles of pools live on. */
void dv_cu_pools_end(struct dv_cu_device *device)
{
	for (size_t i = 0; i < pools.len; i++)
		if (pools.items[i]->device == device) {
			pools.items[i]->used = 0;
			dv_cu_pool_trim(pools.items[i], 0);
		}
}

/* In steps; where a step does not fit, what is needed. */
static enum dv_cu_result grow(struct dv_cu_pool *pool, uint64_t needed)
{
	uint64_t step = dv_cu_round(needed, DV_CU_POOL_STEP);

	if (pool->most && pool->reserved + needed > pool->most)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (dv_cu_charge(pool->device, step) != DV_CUDA_SUCCESS) {
		dv_cu_pools_trim(pool->device);
		step = dv_cu_round(needed, DV_CU_PAGE);
		DV_TRY(dv_cu_charge(pool->device, step));
	}
	pool->reserved += step;
	pool->reserved_most = DV_MAX(pool->reserved_most, pool->reserved);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_pool_take(struct dv_cu_pool *pool, size_t size, dv_cu_ptr *ret)
{
	struct dv_cu_block block = {.use = DV_CU_USE_POOL,
				    .size = dv_cu_round(size, DV_CU_GRAIN),
				    .device = pool->device,
				    .pool = pool,
				    .fd = -1,
				    .readable = true,
				    .writable = true};

	if (block.size > pool->reserved - pool->used)
		DV_TRY(grow(pool, block.size - (pool->reserved - pool->used)));
	block.base = dv_cu_map(block.size);
	if (!block.base)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (!dv_cu_block_add(&block)) {
		dv_cu_unmap(block.base, block.size);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	pool->used += block.size;
	pool->used_most = DV_MAX(pool->used_most, pool->used);
	pool->blocks++;
	*ret = block.base;
	return DV_CUDA_SUCCESS;
}

void dv_cu_pool_give(struct dv_cu_block *block)
{
	struct dv_cu_pool *pool = block->pool;

	pool->used -= DV_MIN(pool->used, block->size);
	pool->blocks--;
	dv_cu_unmap(block->base, block->size);
	dv_cu_block_remove(block);
	if (pool->gone && !pool->blocks) {
		pool->threshold = 0;
		dv_cu_pool_trim(pool, 0);
		forget(pool);
	}
}

/* --- the calls --- */

static bool is_pool(const struct dv_cu_pool *pool)
{
	return dv_cu_is(pool, DV_CU_POOL) && !pool->gone;
}

enum dv_cu_result cuDeviceGetDefaultMemPool(struct dv_cu_pool **pool_out, int dev)
{
	struct dv_cu_device *device;

	DV_CALL();
	device = dv_cu_device_at(dev);
	if (!device)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(pool_out);
	*pool_out = default_of(device);
	return *pool_out ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result cuDeviceGetMemPool(struct dv_cu_pool **pool, int dev)
{
	struct dv_cu_device *device;

	DV_CALL();
	device = dv_cu_device_at(dev);
	if (!device)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(pool);
	*pool = dv_cu_pool_of(device);
	return *pool ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result cuDeviceSetMemPool(int dev, struct dv_cu_pool *pool)
{
	struct dv_cu_device *device;

	DV_CALL();
	device = dv_cu_device_at(dev);
	if (!device)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(is_pool(pool) && pool->device == device);
	device->pool = pool;
	return DV_CUDA_SUCCESS;
}

static struct dv_cu_device *device_of(const struct dv_cu_location *location, uint32_t type)
{
	return location && location->type == DV_CU_MEM_LOCATION_TYPE_DEVICE &&
			       type == DV_CU_MEM_ALLOCATION_TYPE_PINNED
		       ? dv_cu_device_at(location->id)
		       : NULL;
}

enum dv_cu_result cuMemGetDefaultMemPool(struct dv_cu_pool **pool_out,
					 struct dv_cu_location *location, uint32_t type)
{
	struct dv_cu_device *device;

	DV_CALL();
	device = device_of(location, type);
	DV_NEED(pool_out && device);
	*pool_out = default_of(device);
	return *pool_out ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result cuMemGetMemPool(struct dv_cu_pool **pool, struct dv_cu_location *location,
				  uint32_t type)
{
	struct dv_cu_device *device;

	DV_CALL();
	device = device_of(location, type);
	DV_NEED(pool && device);
	*pool = dv_cu_pool_of(device);
	return *pool ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

enum dv_cu_result cuMemSetMemPool(struct dv_cu_location *location, uint32_t type,
				  struct dv_cu_pool *pool)
{
	DV_CALL();
	DV_NEED(device_of(location, type) && is_pool(pool) &&
		pool->device == device_of(location, type));
	pool->device->pool = pool;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemPoolCreate(struct dv_cu_pool **pool,
				  const struct dv_cu_pool_props *pool_props)
{
	struct dv_cu_device *device;
	struct dv_cu_pool *new;

	DV_CALL();
	DV_NEED(pool && pool_props);
	device = device_of(&pool_props->location, pool_props->type);
	DV_NEED(device);
	if (pool_props->handle_types != DV_CU_MEM_HANDLE_TYPE_NONE)
		return DV_CUDA_ERROR_NOT_SUPPORTED;
	new = new_pool(device);
	if (!new)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	new->most = pool_props->most_bytes;
	*pool = new;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemPoolDestroy(struct dv_cu_pool *pool)
{
	DV_CALL();
	DV_NEED(is_pool(pool) && !pool->is_default);
	if (pool->device->pool == pool)
		pool->device->pool = NULL;
	pool->gone = true;
	if (!pool->blocks) {
		dv_cu_pool_trim(pool, 0);
		forget(pool);
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemPoolTrimTo(struct dv_cu_pool *pool, size_t min_bytes_to_keep)
{
	DV_CALL();
	DV_NEED(is_pool(pool));
	dv_cu_pool_trim(pool, min_bytes_to_keep);
	return DV_CUDA_SUCCESS;
}

/* Options are ints, amounts 64 bits wide. */
static void *attribute_of(struct dv_cu_pool *pool, uint32_t attr, size_t *ret_size)
{
	*ret_size = sizeof(uint64_t);
	switch (attr) {
	case DV_CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case DV_CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case DV_CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		*ret_size = sizeof(int);
		return &pool->options[attr - 1];
	case DV_CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		return &pool->threshold;
	case DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
		return &pool->reserved;
	case DV_CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
		return &pool->reserved_most;
	case DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
		return &pool->used;
	case DV_CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		return &pool->used_most;
	default:
		return NULL;
	}
}

enum dv_cu_result cuMemPoolGetAttribute(struct dv_cu_pool *pool, uint32_t attr, void *value)
{
	const void *attribute;
	size_t size;

	DV_CALL();
	DV_NEED(is_pool(pool) && value);
	attribute = attribute_of(pool, attr, &size);
	DV_NEED(attribute);
	memcpy(value, attribute, size);
	return DV_CUDA_SUCCESS;
}

/* The watermarks can be set to 0 only: they begin anew. */
enum dv_cu_result cuMemPoolSetAttribute(struct dv_cu_pool *pool, uint32_t attr, void *value)
{
	uint64_t amount = 0;
	void *attribute;
	size_t size;

	DV_CALL();
	DV_NEED(is_pool(pool) && value);
	attribute = attribute_of(pool, attr, &size);
	DV_NEED(attribute && attr != DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT &&
		attr != DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
	memcpy(&amount, value, size);
	if (attr == DV_CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH) {
		DV_NEED(!amount);
		amount = pool->reserved;
	} else if (attr == DV_CU_MEMPOOL_ATTR_USED_MEM_HIGH) {
		DV_NEED(!amount);
		amount = pool->used;
	}
	memcpy(attribute, &amount, size);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemPoolSetAccess(struct dv_cu_pool *pool, const struct dv_cu_access *map,
				     size_t count)
{
	DV_CALL();
	DV_NEED(is_pool(pool) && map && count);
	for (size_t i = 0; i < count; i++)
		DV_NEED(map[i].location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE &&
			dv_cu_device_at(map[i].location.id));
	for (size_t i = 0; i < count; i++)
		pool->access[map[i].location.id] = map[i].flags;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemPoolGetAccess(uint32_t *flags, struct dv_cu_pool *mem_pool,
				     struct dv_cu_location *location)
{
	DV_CALL();
	DV_NEED(flags && is_pool(mem_pool) && location &&
		location->type == DV_CU_MEM_LOCATION_TYPE_DEVICE && dv_cu_device_at(location->id));
	*flags = mem_pool->access[location->id];
	return DV_CUDA_SUCCESS;
}
