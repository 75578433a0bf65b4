/* SPDX-License-Identifier: Apache-2.0 */
/* Pinned memory of the host: counted for itself, never against the slice of the device. */
#include "shim/core/map.h"
#include "shim/cuda/inside.h"

static pthread_mutex_t lock;
static struct dv_shim_map map;

void dv_cuda_host_init(void)
{
	pthread_mutex_init(&lock, NULL);
	map = (struct dv_shim_map){0};
}

/* What can't be noted is not counted; nothing depends on it. */
static enum dv_cu_result pinned(enum dv_cu_result result, void *address, uint64_t bytes)
{
	const struct dv_shim_map_entry entry = {.address = (uintptr_t)address, .bytes = bytes};
	bool noted;
	DV_SHIM_KEEP;

	if (result != DV_CUDA_SUCCESS || !address)
		return result;
	pthread_mutex_lock(&lock);
	noted = dv_shim_map_put(&map, &entry) == 0;
	pthread_mutex_unlock(&lock);
	if (noted)
		dv_shim_count(&dv_shim_pages.counters->host_bytes, bytes);
	return result;
}

/* Before the driver's call: at once after that another thread may get the same address. */
static bool take(void *address, struct dv_shim_map_entry *ret)
{
	bool found;
	DV_SHIM_KEEP;

	dv_cuda_init();
	pthread_mutex_lock(&lock);
	found = dv_shim_map_take(&map, address, ret);
	pthread_mutex_unlock(&lock);
	return found;
}

static enum dv_cu_result unpinned(enum dv_cu_result result, bool found,
				  const struct dv_shim_map_entry *entry)
{
	DV_SHIM_KEEP;

	if (!found)
		return result;
	if (result == DV_CUDA_SUCCESS) {
		dv_shim_uncount(&dv_shim_pages.counters->host_bytes, entry->bytes);
		return result;
	}
	/* It stays. */
	pthread_mutex_lock(&lock);
	dv_shim_map_return(&map, entry);
	pthread_mutex_unlock(&lock);
	return result;
}

DV_CUDA_API cuMemHostAlloc(void **ret, size_t size, uint32_t flags)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemHostAlloc(ret, size, flags);
	return pinned(r, r == DV_CUDA_SUCCESS ? *ret : NULL, size);
}

DV_CUDA_API cuMemAllocHost_v2(void **ret, size_t size)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemAllocHost_v2(ret, size);
	return pinned(r, r == DV_CUDA_SUCCESS ? *ret : NULL, size);
}

DV_CUDA_API cuMemAllocHost(void **ret, uint32_t size)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemAllocHost(ret, size);
	return pinned(r, r == DV_CUDA_SUCCESS ? *ret : NULL, size);
}

DV_CUDA_API cuMemFreeHost(void *address)
{
	struct dv_shim_map_entry entry;
	bool found = take(address, &entry);

	return unpinned(dv_cuda.cuMemFreeHost(address), found, &entry);
}

DV_CUDA_API cuMemHostRegister_v2(void *address, size_t size, uint32_t flags)
{
	dv_cuda_init();
	return pinned(dv_cuda.cuMemHostRegister_v2(address, size, flags), address, size);
}

DV_CUDA_API cuMemHostRegister(void *address, size_t size, uint32_t flags)
{
	dv_cuda_init();
	return pinned(dv_cuda.cuMemHostRegister(address, size, flags), address, size);
}

DV_CUDA_API cuMemHostUnregister(void *address)
{
	struct dv_shim_map_entry entry;
	bool found = take(address, &entry);

	return unpinned(dv_cuda.cuMemHostUnregister(address), found, &entry);
}
