/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of stream-ordered memory: charged with what the driver says that they keep, whether it is
 * in use or not. Looked at again whenever they may have shrunk. */
#include "shim/cuda/inside.h"

struct pool {
	struct dv_cu_pool *handle;
	uint64_t charged;
	bool refused;	     /* a step: it may hold that still */
	bool free_of_charge; /* the host's, or another process's */
};

/* Held over calls of the driver that allocate: these never wait for the program. */
static pthread_mutex_t lock;
static struct pool *pools;
static size_t count, room;
static uint32_t any; /* atomic */

void dv_cuda_pools_init(void)
{
	pthread_mutex_init(&lock, NULL);
	pools = NULL;
	count = room = 0;
	any = 0;
}

/* With the lock. */
static struct pool *find(const struct dv_cu_pool *handle)
{
	for (size_t i = 0; i < count; i++)
		if (pools[i].handle == handle)
			return &pools[i];
	return NULL;
}

/* With the lock. NULL: no memory. */
static struct pool *know(struct dv_cu_pool *handle, bool free_of_charge)
{
	struct pool *pool = find(handle), *more;

	if (pool)
		return pool;
	if (count == room) {
		more = reallocarray(pools, room ? room * 2 : 8, sizeof(*pools));
		if (!more)
			return NULL;
		pools = more;
		room = room ? room * 2 : 8;
	}
	pools[count] = (struct pool){.handle = handle, .free_of_charge = free_of_charge};
	__atomic_store_n(&any, 1, __ATOMIC_RELEASE);
	return &pools[count++];
}

static bool read_pool(const struct pool *pool, uint32_t attribute, uint64_t *ret)
{
	return dv_cuda.cuMemPoolGetAttribute(pool->handle, attribute, ret) == DV_CUDA_SUCCESS;
}

/* With the lock: give back what it no longer keeps. False: the driver can't say. */
static bool look_at(struct pool *pool)
{
	uint64_t reserved;

	if (pool->free_of_charge)
		return true;
	if (!read_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved))
		return false;
	if (reserved < pool->charged) {
		dv_shim_release(pool->charged - reserved);
		pool->charged = reserved;
	}
	return true;
}

void dv_cuda_pools_look(void)
{
	DV_SHIM_KEEP;

	/* Whoever holds the lock looks himself. */
	if (!__atomic_load_n(&any, __ATOMIC_ACQUIRE) || pthread_mutex_trylock(&lock) != 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (pools[i].charged)
			(void)look_at(&pools[i]);
	pthread_mutex_unlock(&lock);
}

bool dv_cuda_pools_recall(void)
{
	uint64_t freed = 0;
	DV_SHIM_KEEP;

	if (!__atomic_load_n(&any, __ATOMIC_ACQUIRE) || pthread_mutex_trylock(&lock) != 0)
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t before = pools[i].charged;

		if (!pools[i].refused || !before ||
		    dv_cuda.cuMemPoolTrimTo(pools[i].handle, 0) != DV_CUDA_SUCCESS ||
		    !look_at(&pools[i]))
			continue;
		freed += before - pools[i].charged;
		pools[i].refused = before == pools[i].charged;
	}
	pthread_mutex_unlock(&lock);
	return freed;
}

bool dv_cuda_device_of(struct dv_cu_stream *stream, int *ret)
{
	struct dv_cu_context *context = NULL, *current = NULL, *popped;
	bool pushed = false, known;

	(void)dv_cuda.cuCtxGetCurrent(&current);
	if (!dv_cuda_is_default_stream(stream) &&
	    dv_cuda.cuStreamGetCtx(stream, &context) == DV_CUDA_SUCCESS && context != current)
		pushed = dv_cuda.cuCtxPushCurrent_v2(context) == DV_CUDA_SUCCESS;
	known = dv_cuda.cuCtxGetDevice(ret) == DV_CUDA_SUCCESS;
	if (pushed)
		(void)dv_cuda.cuCtxPopCurrent_v2(&popped);
	return known;
}

struct request {
	struct dv_cu_pool *pool;
	dv_cu_ptr *ret;
	size_t size;
	struct dv_cu_stream *stream;
	/* The program's call. */
	dv_cuMemAllocAsync_fn *from_device;
	dv_cuMemAllocFromPoolAsync_fn *from_pool;
	dv_cuMemFreeAsync_fn *give_back;
};

static enum dv_cu_result call(const struct request *request)
{
	if (request->from_pool)
		return request->from_pool(request->ret, request->size, request->pool,
					  request->stream);
	if (request->from_device)
		return request->from_device(request->ret, request->size, request->stream);
	return DV_CUDA_ERROR_NOT_SUPPORTED;
}

/* With the lock: have so much reserved, if need be from what our pools keep unused. */
static enum dv_cu_result reserve(uint64_t bytes)
{
	uint64_t freed = 0;

	if (!bytes || dv_cuda_reserve(bytes) == DV_CUDA_SUCCESS)
		return DV_CUDA_SUCCESS;
	for (size_t i = 0; i < count; i++) {
		uint64_t before = pools[i].charged;

		if (before && dv_cuda.cuMemPoolTrimTo(pools[i].handle, 0) == DV_CUDA_SUCCESS &&
		    look_at(&pools[i]))
			freed += before - pools[i].charged;
	}
	return freed ? dv_cuda_reserve(bytes) : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

/* With the lock, after the driver's call for which `reserved` was asked for: charge what the pool
 * has grown by. */
static enum dv_cu_result settle(struct pool *pool, uint64_t reserved)
{
	uint64_t now, grown;

	if (!read_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &now))
		now = pool->charged + reserved;
	grown = now > pool->charged ? now - pool->charged : 0;
	if (grown > reserved) {
		if (dv_cuda_reserve(grown - reserved) != DV_CUDA_SUCCESS) {
			pool->charged += reserved;
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
		}
	} else if (reserved > grown) {
		dv_shim_release(reserved - grown);
	}
	pool->charged += grown;
	return DV_CUDA_SUCCESS;
}

/* With the lock: the driver has taken a step for which there is no room, and gives it back when the
 * stream gets there. Charged as far as there is room, so that the steps of many pools do not add
 * up.
 */
static void hold(struct pool *pool)
{
	struct dv_grant grant;
	uint64_t now, left;

	if (!read_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &now) || now <= pool->charged)
		return;
	pool->refused = true;
	/* The answer comes after what was given back before was taken: the page is up to date. */
	(void)!dv_shim_reserve(0);
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	left = grant.memory_limit_bytes - DV_MIN(grant.memory_used_bytes, grant.memory_limit_bytes);
	left = DV_MIN(left, now - pool->charged);
	if (left && dv_shim_reserve(left) == 0)
		pool->charged += left;
}

/* With the lock. */
static enum dv_cu_result allocate(struct pool *pool, const struct request *request)
{
	uint64_t used = 0, unused, need = request->size;
	enum dv_cu_result r;

	(void)look_at(pool);
	(void)read_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used);
	unused = pool->charged > used ? pool->charged - used : 0;
	if (unused >= need)
		need = 0;
	r = reserve(need);
	if (r != DV_CUDA_SUCCESS)
		return r;
	r = call(request);
	if (settle(pool, need) == DV_CUDA_SUCCESS || r != DV_CUDA_SUCCESS)
		return r;
	/* It took more than it was asked for, and more than there is. */
	(void)request->give_back(*request->ret, request->stream);
	(void)dv_cuda.cuMemPoolTrimTo(pool->handle, 0);
	(void)look_at(pool);
	hold(pool);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

/* A pool whose size the driver can't tell: each allocation by itself. */
static enum dv_cu_result allocate_alone(const struct request *request)
{
	enum dv_cu_result r = dv_cuda_reserve(request->size);

	if (r != DV_CUDA_SUCCESS)
		return r;
	r = call(request);
	if (r != DV_CUDA_SUCCESS) {
		dv_shim_release(request->size);
		return r;
	}
	if (dv_cuda_remember((uintptr_t)*request->ret, request->size))
		return r;
	(void)request->give_back(*request->ret, request->stream);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

static enum dv_cu_result allocate_any(struct request *request, struct dv_cu_stream *stream)
{
	enum dv_cu_result r;
	struct pool *pool;
	int device;
	DV_SHIM_KEEP;

	dv_cuda_init();
	if (dv_cuda_any_capture() && dv_cuda_is_captured(stream)) {
		dv_cuda_graphs_allocate();
		return call(request);
	}
	if (!request->from_pool &&
	    (!dv_cuda_device_of(stream, &device) ||
	     dv_cuda.cuDeviceGetMemPool(&request->pool, device) != DV_CUDA_SUCCESS))
		return allocate_alone(request);
	pthread_mutex_lock(&lock);
	pool = know(request->pool, false);
	if (!pool)
		r = DV_CUDA_ERROR_OUT_OF_MEMORY;
	else if (pool->free_of_charge)
		r = call(request);
	else if (look_at(pool))
		r = allocate(pool, request);
	else
		r = allocate_alone(request);
	pthread_mutex_unlock(&lock);
	return r;
}

DV_CUDA_API cuMemAllocAsync(dv_cu_ptr *ret, size_t size, struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return allocate_any(&(struct request){.ret = ret,
					      .size = size,
					      .stream = stream,
					      .from_device = dv_cuda.cuMemAllocAsync,
					      .give_back = dv_cuda.cuMemFreeAsync},
			    stream);
}

DV_CUDA_API cuMemAllocAsync_ptsz(dv_cu_ptr *ret, size_t size, struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return allocate_any(&(struct request){.ret = ret,
					      .size = size,
					      .stream = stream,
					      .from_device = dv_cuda.cuMemAllocAsync_ptsz,
					      .give_back = dv_cuda.cuMemFreeAsync_ptsz},
			    dv_cuda_own_stream(stream));
}

DV_CUDA_API cuMemAllocFromPoolAsync(dv_cu_ptr *ret, size_t size, struct dv_cu_pool *pool,
				    struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return allocate_any(&(struct request){.pool = pool,
					      .ret = ret,
					      .size = size,
					      .stream = stream,
					      .from_pool = dv_cuda.cuMemAllocFromPoolAsync,
					      .give_back = dv_cuda.cuMemFreeAsync},
			    stream);
}

DV_CUDA_API cuMemAllocFromPoolAsync_ptsz(dv_cu_ptr *ret, size_t size, struct dv_cu_pool *pool,
					 struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return allocate_any(&(struct request){.pool = pool,
					      .ret = ret,
					      .size = size,
					      .stream = stream,
					      .from_pool = dv_cuda.cuMemAllocFromPoolAsync_ptsz,
					      .give_back = dv_cuda.cuMemFreeAsync_ptsz},
			    dv_cuda_own_stream(stream));
}

static enum dv_cu_result freed(const struct dv_cuda_charge *charge, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_cuda_forgotten(charge);
	else
		dv_cuda_recall(charge);
	dv_cuda_pools_look();
	return result;
}

DV_CUDA_API cuMemFreeAsync(dv_cu_ptr address, struct dv_cu_stream *stream)
{
	struct dv_cuda_charge charge;

	dv_cuda_init();
	dv_cuda_forget((uintptr_t)address, &charge);
	return freed(&charge, dv_cuda.cuMemFreeAsync(address, stream));
}

DV_CUDA_API cuMemFreeAsync_ptsz(dv_cu_ptr address, struct dv_cu_stream *stream)
{
	struct dv_cuda_charge charge;

	dv_cuda_init();
	dv_cuda_forget((uintptr_t)address, &charge);
	return freed(&charge, dv_cuda.cuMemFreeAsync_ptsz(address, stream));
}

/* Note what kind of pool it is; one that can't be noted is taken for the device's. */
static enum dv_cu_result noted(struct dv_cu_pool **pool, bool free_of_charge,
			       enum dv_cu_result result)
{
	DV_SHIM_KEEP;

	if (result != DV_CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&lock);
	(void)know(*pool, free_of_charge);
	pthread_mutex_unlock(&lock);
	return result;
}

DV_CUDA_API cuMemPoolCreate(struct dv_cu_pool **ret, const struct dv_cu_pool_props *props)
{
	bool of_host = props && props->location.type != DV_CU_MEM_LOCATION_TYPE_DEVICE;

	dv_cuda_init();
	return noted(ret, of_host, dv_cuda.cuMemPoolCreate(ret, props));
}

DV_CUDA_API cuMemPoolImportFromShareableHandle(struct dv_cu_pool **ret, void *handle, uint32_t type,
					       unsigned long long flags)
{
	dv_cuda_init();
	return noted(ret, true,
		     dv_cuda.cuMemPoolImportFromShareableHandle(ret, handle, type, flags));
}

DV_CUDA_API cuMemGetDefaultMemPool(struct dv_cu_pool **ret, struct dv_cu_location *location,
				   uint32_t type)
{
	bool of_host = location && location->type != DV_CU_MEM_LOCATION_TYPE_DEVICE;

	dv_cuda_init();
	return noted(ret, of_host, dv_cuda.cuMemGetDefaultMemPool(ret, location, type));
}

DV_CUDA_API cuMemGetMemPool(struct dv_cu_pool **ret, struct dv_cu_location *location, uint32_t type)
{
	bool of_host = location && location->type != DV_CU_MEM_LOCATION_TYPE_DEVICE;

	dv_cuda_init();
	return noted(ret, of_host, dv_cuda.cuMemGetMemPool(ret, location, type));
}

DV_CUDA_API cuMemPoolTrimTo(struct dv_cu_pool *pool, size_t keep)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemPoolTrimTo(pool, keep);
	dv_cuda_pools_look();
	return r;
}

DV_CUDA_API cuMemPoolSetAttribute(struct dv_cu_pool *pool, uint32_t attribute, void *value)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemPoolSetAttribute(pool, attribute, value);
	dv_cuda_pools_look();
	return r;
}

/* What is in use when a pool is destroyed stays, and nobody can say how much of it is still there:
 * it is charged until the process ends. */
DV_CUDA_API cuMemPoolDestroy(struct dv_cu_pool *handle)
{
	uint64_t used = 0;
	enum dv_cu_result r;
	struct pool *pool;
	DV_SHIM_KEEP;

	dv_cuda_init();
	pthread_mutex_lock(&lock);
	pool = find(handle);
	if (pool && pool->charged)
		(void)read_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used);
	r = dv_cuda.cuMemPoolDestroy(handle);
	if (pool && r == DV_CUDA_SUCCESS) {
		dv_shim_release(pool->charged - DV_MIN(used, pool->charged));
		*pool = pools[--count];
	}
	pthread_mutex_unlock(&lock);
	return r;
}
