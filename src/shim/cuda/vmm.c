/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory that is made, mapped and released by itself: it is there until its last handle
 * and its last mapping are gone. Who made it carries it; an importer only refers to it. */
#include "shim/core/map.h"
#include "shim/cuda/inside.h"

struct physical {
	void *charge; /* NULL: not of the device, or another's */
	uint64_t handles, mappings;
	bool kept; /* one of the mappings is not followed, or is another process's */
};

static pthread_mutex_t lock;
/* In an entry's `charge`: its struct physical. */
static struct dv_shim_map handles;  /* `bytes`: how often it is held */
static struct dv_shim_map mappings; /* by address; `bytes`: its length */

void dv_cuda_vmm_init(void)
{
	pthread_mutex_init(&lock, NULL);
	handles = mappings = (struct dv_shim_map){0};
}

/* With the lock. Returns the charge to be given back, or NULL. */
static void *drop(struct physical *physical)
{
	void *charge = physical->charge;

	if (physical->handles || physical->mappings)
		return NULL;
	free(physical);
	return charge;
}

static void give_back(void *charge)
{
	if (charge)
		dv_shim_charge_release(charge);
}

/* With the lock: one more reference by this handle. */
static bool hold(unsigned long long handle, struct physical *physical)
{
	struct dv_shim_map_entry entry;

	if (dv_shim_map_take(&handles, (void *)(uintptr_t)handle, &entry)) {
		physical = entry.charge;
		entry.bytes++;
		dv_shim_map_return(&handles, &entry);
	} else {
		entry = (struct dv_shim_map_entry){(uintptr_t)handle, 1, physical};
		if (dv_shim_map_put(&handles, &entry) < 0)
			return false;
	}
	physical->handles++;
	return true;
}

/* With the lock. NULL: not known. */
static struct physical *of_handle(unsigned long long handle)
{
	struct dv_shim_map_entry entry;

	if (!dv_shim_map_take(&handles, (void *)(uintptr_t)handle, &entry))
		return NULL;
	dv_shim_map_return(&handles, &entry);
	return entry.charge;
}

static bool add(unsigned long long handle, void *charge)
{
	struct physical *physical = calloc(1, sizeof(*physical));
	bool held = false;

	if (physical) {
		physical->charge = charge;
		pthread_mutex_lock(&lock);
		held = hold(handle, physical);
		pthread_mutex_unlock(&lock);
		if (!held)
			free(physical);
	}
	return held;
}

DV_CUDA_API cuMemCreate(unsigned long long *ret, size_t size, const struct dv_cu_alloc_prop *prop,
			unsigned long long flags)
{
	bool on_device = prop && prop->location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE;
	enum dv_cu_result r = DV_CUDA_SUCCESS;
	void *charge;
	DV_SHIM_KEEP;

	dv_cuda_init();
	if (!on_device)
		return dv_cuda.cuMemCreate(ret, size, prop, flags);
	r = dv_cuda_reserve(size);
	if (r != DV_CUDA_SUCCESS)
		return r;
	r = dv_cuda.cuMemCreate(ret, size, prop, flags);
	if (r != DV_CUDA_SUCCESS) {
		dv_shim_release(size);
		return r;
	}
	charge = dv_shim_charge_pack(size);
	if (add(*ret, charge))
		return r;
	(void)dv_cuda.cuMemRelease(*ret);
	dv_shim_charge_release(charge);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

/* With the lock: as it was before its handle was taken. */
static void recall(const struct dv_shim_map_entry *taken)
{
	struct dv_shim_map_entry entry = *taken, other;

	entry.bytes = 1;
	if (dv_shim_map_take(&handles, (void *)taken->address, &other))
		entry.bytes += other.bytes;
	dv_shim_map_return(&handles, &entry);
}

DV_CUDA_API cuMemRelease(unsigned long long handle)
{
	struct dv_shim_map_entry entry;
	struct physical *physical = NULL;
	void *charge = NULL;
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	/* Before the driver may give the handle's number to somebody else. */
	pthread_mutex_lock(&lock);
	if (dv_shim_map_take(&handles, (void *)(uintptr_t)handle, &entry)) {
		physical = entry.charge;
		if (--entry.bytes)
			dv_shim_map_return(&handles, &entry);
	}
	pthread_mutex_unlock(&lock);
	r = dv_cuda.cuMemRelease(handle);
	if (!physical)
		return r;
	pthread_mutex_lock(&lock);
	if (r == DV_CUDA_SUCCESS) {
		physical->handles--;
		charge = drop(physical);
	} else {
		recall(&entry);
	}
	pthread_mutex_unlock(&lock);
	give_back(charge);
	return r;
}

DV_CUDA_API cuMemMap(dv_cu_ptr address, size_t size, size_t offset, unsigned long long handle,
		     unsigned long long flags)
{
	struct dv_shim_map_entry entry = {.address = (uintptr_t)address, .bytes = size};
	struct physical *physical;
	enum dv_cu_result r;
	bool noted = true;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuMemMap(address, size, offset, handle, flags);
	if (r != DV_CUDA_SUCCESS)
		return r;
	pthread_mutex_lock(&lock);
	physical = of_handle(handle);
	if (physical) {
		entry.charge = physical;
		noted = dv_shim_map_put(&mappings, &entry) == 0;
		physical->mappings += noted;
	}
	pthread_mutex_unlock(&lock);
	if (noted)
		return r;
	(void)dv_cuda.cuMemUnmap(address, size);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

/* With the lock: a mapping that begins in this range, out of the map. */
static struct physical *take_mapping(dv_cu_ptr address, size_t size)
{
	struct dv_shim_map_entry entry;

	if (dv_shim_map_take(&mappings, (void *)(uintptr_t)address, &entry))
		return entry.charge;
	for (size_t i = 0; i < mappings.size; i++) {
		uintptr_t at = mappings.entries[i].address;

		if (at && at - (uintptr_t)address < size &&
		    dv_shim_map_take(&mappings, (void *)at, &entry))
			return entry.charge;
	}
	return NULL;
}

/* One call may end several mappings. */
DV_CUDA_API cuMemUnmap(dv_cu_ptr address, size_t size)
{
	struct physical *physical;
	enum dv_cu_result r;
	void *charge;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuMemUnmap(address, size);
	while (r == DV_CUDA_SUCCESS) {
		charge = NULL;
		pthread_mutex_lock(&lock);
		physical = take_mapping(address, size);
		if (physical) {
			physical->mappings--;
			charge = drop(physical);
		}
		pthread_mutex_unlock(&lock);
		if (!physical)
			break;
		give_back(charge);
	}
	return r;
}

DV_CUDA_API cuMemRetainAllocationHandle(unsigned long long *ret, void *address)
{
	struct physical *physical = NULL;
	enum dv_cu_result r;
	bool held = true;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuMemRetainAllocationHandle(ret, address);
	if (r != DV_CUDA_SUCCESS)
		return r;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < mappings.size && !physical; i++)
		if (mappings.entries[i].address &&
		    (uintptr_t)address - mappings.entries[i].address < mappings.entries[i].bytes)
			physical = mappings.entries[i].charge;
	if (physical)
		held = hold(*ret, physical);
	pthread_mutex_unlock(&lock);
	if (held)
		return r;
	(void)dv_cuda.cuMemRelease(*ret);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

/* With the lock: it is charged until the process ends, as nobody tells when it is gone. */
static void keep(unsigned long long handle)
{
	struct physical *physical = of_handle(handle);

	if (physical && !physical->kept)
		physical->mappings++;
	if (physical)
		physical->kept = true;
}

/* Whoever gets it may have it for longer than we have. */
DV_CUDA_API cuMemExportToShareableHandle(void *ret, unsigned long long handle, uint32_t type,
					 unsigned long long flags)
{
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	r = dv_cuda.cuMemExportToShareableHandle(ret, handle, type, flags);
	if (r != DV_CUDA_SUCCESS)
		return r;
	pthread_mutex_lock(&lock);
	keep(handle);
	pthread_mutex_unlock(&lock);
	return r;
}

/* What is behind a sparse array stays there as long as that maps it, and which pieces of which
 * arrays do is not followed. */
static void keep_mapped(const struct dv_cu_array_map *maps, uint32_t count)
{
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; maps && i < count; i++)
		if (maps[i].operation == DV_CU_MEM_OPERATION_TYPE_MAP)
			keep(maps[i].handle);
	pthread_mutex_unlock(&lock);
}

DV_CUDA_API cuMemMapArrayAsync(struct dv_cu_array_map *maps, uint32_t count,
			       struct dv_cu_stream *stream)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemMapArrayAsync(maps, count, stream);
	if (r == DV_CUDA_SUCCESS)
		keep_mapped(maps, count);
	return r;
}

DV_CUDA_API cuMemMapArrayAsync_ptsz(struct dv_cu_array_map *maps, uint32_t count,
				    struct dv_cu_stream *stream)
{
	enum dv_cu_result r;

	dv_cuda_init();
	r = dv_cuda.cuMemMapArrayAsync_ptsz(maps, count, stream);
	if (r == DV_CUDA_SUCCESS)
		keep_mapped(maps, count);
	return r;
}
