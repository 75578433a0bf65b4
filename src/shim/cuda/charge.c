/* SPDX-License-Identifier: Apache-2.0 */
/* What each allocation was charged, by its address or handle: reserved before it is made, given
 * back when it is gone. Most allocations belong to a context and go with it. */
#include <errno.h>

#include "shim/core/map.h"
#include "shim/cuda/inside.h"

/* In an entry's `bytes`: the context. */
static pthread_mutex_t lock;
static struct dv_shim_map map;

void dv_cuda_charge_init(void)
{
	pthread_mutex_init(&lock, NULL);
	map = (struct dv_shim_map){0};
}

enum dv_cu_result dv_cuda_reserve(uint64_t bytes)
{
	int r = dv_shim_reserve(bytes);

	if (r == -ENOSPC && dv_cuda_pools_recall())
		r = dv_shim_reserve(bytes);
	return r == 0 ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

bool dv_cuda_remember(uintptr_t address, uint64_t bytes)
{
	struct dv_cu_context *context = NULL;

	(void)dv_cuda.cuCtxGetCurrent(&context);
	return dv_cuda_remember_of(context, address, bytes);
}

bool dv_cuda_remember_of(struct dv_cu_context *context, uintptr_t address, uint64_t bytes)
{
	struct dv_shim_map_entry entry = {.address = address,
					  .bytes = (uint64_t)(uintptr_t)context};
	int r;
	DV_SHIM_KEEP;

	entry.charge = dv_shim_charge_pack(bytes);
	pthread_mutex_lock(&lock);
	r = dv_shim_map_put(&map, &entry);
	pthread_mutex_unlock(&lock);
	if (r < 0)
		dv_shim_charge_release(entry.charge);
	return r == 0;
}

void dv_cuda_forget(uintptr_t address, struct dv_cuda_charge *ret)
{
	struct dv_shim_map_entry entry = {0};
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	if (!dv_shim_map_take(&map, (void *)address, &entry))
		entry.charge = NULL;
	pthread_mutex_unlock(&lock);
	*ret = (struct dv_cuda_charge){address, entry.bytes, entry.charge};
}

void dv_cuda_forgotten(const struct dv_cuda_charge *charge)
{
	if (charge->charge)
		dv_shim_charge_release(charge->charge);
}

void dv_cuda_recall(const struct dv_cuda_charge *charge)
{
	const struct dv_shim_map_entry entry = {charge->address, charge->context, charge->charge};
	DV_SHIM_KEEP;

	if (!charge->charge)
		return;
	pthread_mutex_lock(&lock);
	dv_shim_map_return(&map, &entry);
	pthread_mutex_unlock(&lock);
}

/* With the lock: one entry of the context's. */
static bool take_one(const struct dv_cu_context *context, struct dv_shim_map_entry *ret)
{
	for (size_t i = 0; i < map.size; i++)
		if (map.entries[i].address && map.entries[i].bytes == (uint64_t)(uintptr_t)context)
			return dv_shim_map_take(&map, (void *)map.entries[i].address, ret);
	return false;
}

void dv_cuda_charge_context_gone(struct dv_cu_context *context)
{
	struct dv_shim_map_entry entry;
	bool found;
	DV_SHIM_KEEP;

	do {
		pthread_mutex_lock(&lock);
		found = take_one(context, &entry);
		pthread_mutex_unlock(&lock);
		if (found)
			dv_shim_charge_release(entry.charge);
	} while (found);
}

void dv_cuda_charge_context_becomes(struct dv_cu_context *context, struct dv_cu_context *other)
{
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < map.size; i++)
		if (map.entries[i].address && map.entries[i].bytes == (uint64_t)(uintptr_t)context)
			map.entries[i].bytes = (uint64_t)(uintptr_t)other;
	pthread_mutex_unlock(&lock);
}
