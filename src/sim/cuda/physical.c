/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual memory management: addresses are reserved, physical memory is created, and one is mapped
 * to the other. Physical memory is a file without a name, so that other processes can have it; it
 * is there until its last handle, its last mapping and everybody else's are gone. */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "sim/cuda/memory.h"

struct reserved {
	dv_cu_ptr base;
	size_t size;
};

static DV_VEC(struct reserved) reservations;
static DV_VEC(struct dv_cu_physical *) all;
static unsigned long long next_handle = 0x1000;

static struct dv_cu_physical *find(unsigned long long handle)
{
	for (size_t i = 0; i < all.len; i++)
		if (all.items[i]->handle == handle && all.items[i]->handles)
			return all.items[i];
	return NULL;
}

static void end(struct dv_cu_physical *physical)
{
	if (physical->handles || physical->maps)
		return;
	if (physical->device && physical->device->tenant >= 0 &&
	    !dv_share_drop(dv_cu_share, physical->device->tenant, physical->inode) &&
	    physical->charged)
		dv_cu_refund(physical->device, physical->charged);
	for (size_t i = 0; i < all.len; i++)
		if (all.items[i] == physical) {
			dv_vec_remove(&all, i);
			break;
		}
	dv_closep(&physical->fd);
	free(physical);
}

void dv_cu_physical_unmapped(struct dv_cu_physical *physical)
{
	physical->maps--;
	end(physical);
}

/* The last context is gone: nothing is charged any more, handles stay until they are released. */
void dv_cu_physical_end(struct dv_cu_device *device)
{
	for (size_t i = 0; i < all.len; i++)
		if (all.items[i]->device == device) {
			dv_cu_refund(device, all.items[i]->charged);
			all.items[i]->charged = 0;
		}
}

static struct dv_cu_physical *make(int fd, size_t size, const struct dv_cu_alloc_prop *prop)
{
	struct dv_cu_physical *physical = calloc(1, sizeof(*physical));
	struct stat st;

	if (!physical || fd < 0 || fstat(fd, &st) < 0 || dv_vec_push(&all, physical) < 0) {
		free(physical);
		return NULL;
	}
	physical->handle = next_handle++;
	physical->prop = *prop;
	physical->size = size;
	physical->handles = 1;
	physical->inode = (uint64_t)st.st_ino;
	physical->fd = fd;
	return physical;
}

static bool is_sound(const struct dv_cu_alloc_prop *prop)
{
	return prop && prop->type == DV_CU_MEM_ALLOCATION_TYPE_PINNED &&
	       !(prop->handle_types & ~(uint32_t)DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) &&
	       prop->location.type >= DV_CU_MEM_LOCATION_TYPE_DEVICE &&
	       prop->location.type <= DV_CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
}

enum dv_cu_result cuMemGetAllocationGranularity(size_t *granularity,
						const struct dv_cu_alloc_prop *prop,
						uint32_t option)
{
	DV_CALL();
	DV_NEED(granularity && is_sound(prop) && option <= DV_CU_MEM_ALLOC_GRANULARITY_RECOMMENDED);
	*granularity = DV_CU_PAGE;
	return DV_CUDA_SUCCESS;
}

/* Others get it as a descriptor, never by a name. */
static int make_file(size_t size)
{
	int fd = memfd_create("divvy-sim-cuda", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, (off_t)size) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

enum dv_cu_result cuMemCreate(unsigned long long *handle, size_t size,
			      const struct dv_cu_alloc_prop *prop, unsigned long long flags)
{
	struct dv_cu_device *device = NULL;
	struct dv_cu_physical *physical;
	int fd;

	DV_CALL();
	DV_NEED(handle && size && size % DV_CU_PAGE == 0 && !flags && is_sound(prop));
	if (prop->location.type == DV_CU_MEM_LOCATION_TYPE_DEVICE) {
		device = dv_cu_device_at(prop->location.id);
		if (!device)
			return DV_CUDA_ERROR_INVALID_DEVICE;
		/* As with the driver, somebody must have a context there. */
		if (device->tenant < 0)
			return DV_CUDA_ERROR_INVALID_CONTEXT;
		DV_TRY(dv_cu_charge(device, size));
	}
	fd = make_file(size);
	physical = make(fd, size, prop);
	if (!physical) {
		if (device)
			dv_cu_refund(device, size);
		dv_closep(&fd);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	physical->device = device;
	physical->charged = device ? size : 0;
	*handle = physical->handle;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemRelease(unsigned long long handle)
{
	struct dv_cu_physical *physical;

	DV_CALL();
	physical = find(handle);
	DV_NEED(physical);
	physical->handles--;
	end(physical);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemRetainAllocationHandle(unsigned long long *handle, void *addr)
{
	const struct dv_cu_block *block;

	DV_CALL();
	block = dv_cu_block_at((uintptr_t)addr, 0);
	DV_NEED(handle && block && block->physical);
	block->physical->handles++;
	*handle = block->physical->handle;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemGetAllocationPropertiesFromHandle(struct dv_cu_alloc_prop *prop,
							 unsigned long long handle)
{
	const struct dv_cu_physical *physical;

	DV_CALL();
	physical = find(handle);
	DV_NEED(prop && physical);
	*prop = physical->prop;
	return DV_CUDA_SUCCESS;
}

/* --- addresses --- */

static struct reserved *reservation_of(dv_cu_ptr ptr, size_t size)
{
	for (size_t i = 0; i < reservations.len; i++) {
		struct reserved *is = &reservations.items[i];

		if (ptr >= is->base && ptr - is->base < is->size &&
		    size <= is->size - (ptr - is->base))
			return is;
	}
	return NULL;
}

/* More is mapped than needed, and what is not aligned given back. */
static dv_cu_ptr reserve(size_t size, size_t alignment, dv_cu_ptr wish)
{
	size_t most = size + alignment;
	dv_cu_ptr base, aligned;
	void *got = mmap((void *)(uintptr_t)wish, most, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (got == MAP_FAILED)
		return 0;
	base = (uintptr_t)got;
	aligned = dv_cu_round(base, alignment);
	if (aligned > base)
		(void)munmap(got, aligned - base);
	(void)munmap((void *)(uintptr_t)(aligned + size), base + most - aligned - size);
	return aligned;
}

enum dv_cu_result cuMemAddressReserve(dv_cu_ptr *ptr, size_t size, size_t alignment, dv_cu_ptr addr,
				      unsigned long long flags)
{
	struct reserved new = {.size = size};

	DV_CALL();
	DV_NEED(ptr && size && size % DV_CU_PAGE == 0 && size < UINT64_C(1) << 46 && !flags &&
		(alignment & (alignment - 1)) == 0 && alignment <= UINT64_C(1) << 40);
	new.base = reserve(size, DV_MAX(alignment, (size_t)DV_CU_PAGE), addr);
	if (!new.base)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (dv_vec_push(&reservations, new) < 0) {
		(void)munmap((void *)(uintptr_t) new.base, size);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	*ptr = new.base;
	return DV_CUDA_SUCCESS;
}

static bool is_mapped_in(dv_cu_ptr ptr, size_t size)
{
	const struct dv_cu_block *next = dv_cu_block_from(ptr);

	return dv_cu_block_at(ptr, 0) || (next && next->base < ptr + size);
}

enum dv_cu_result cuMemAddressFree(dv_cu_ptr ptr, size_t size)
{
	struct reserved *is;

	DV_CALL();
	is = reservation_of(ptr, size);
	DV_NEED(is && is->base == ptr && is->size == size && !is_mapped_in(ptr, size));
	(void)munmap((void *)(uintptr_t)ptr, size);
	dv_vec_remove(&reservations, (size_t)(is - reservations.items));
	return DV_CUDA_SUCCESS;
}

/* --- mapping --- */

/* Nothing is mapped there any more; the addresses stay taken. */
static void only_reserve(dv_cu_ptr base, size_t size)
{
	(void)mmap((void *)(uintptr_t)base, size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

enum dv_cu_result cuMemMap(dv_cu_ptr ptr, size_t size, size_t offset, unsigned long long handle,
			   unsigned long long flags)
{
	struct dv_cu_block block = {.base = ptr, .size = size, .use = DV_CU_USE_MAPPED, .fd = -1};
	struct dv_cu_physical *physical;

	DV_CALL();
	physical = find(handle);
	DV_NEED(physical && size && size % DV_CU_PAGE == 0 && ptr % DV_CU_PAGE == 0 && !flags);
	DV_NEED(!offset && size <= physical->size && reservation_of(ptr, size));
	DV_NEED(!is_mapped_in(ptr, size));
	block.physical = physical;
	block.device = physical->device ? physical->device : &dv_cu_devices[0];
	if (mmap((void *)(uintptr_t)ptr, size, PROT_NONE, MAP_SHARED | MAP_FIXED, physical->fd,
		 0) == MAP_FAILED)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (!dv_cu_block_add(&block)) {
		only_reserve(ptr, size);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	physical->maps++;
	return DV_CUDA_SUCCESS;
}

static void unmap(struct dv_cu_block *block)
{
	struct dv_cu_physical *physical = block->physical;

	only_reserve(block->base, block->size);
	dv_cu_block_remove(block);
	dv_cu_physical_unmapped(physical);
}

/* Only whole mappings, one or more. */
enum dv_cu_result cuMemUnmap(dv_cu_ptr ptr, size_t size)
{
	dv_cu_ptr at = ptr;

	DV_CALL();
	while (at < ptr + size) {
		const struct dv_cu_block *block = dv_cu_block_at(at, 0);

		DV_NEED(block && block->base == at && block->use == DV_CU_USE_MAPPED &&
			block->size <= ptr + size - at);
		at += block->size;
	}
	if (dv_cu_current())
		(void)dv_cu_wait_context(dv_cu_current());
	for (at = ptr; at < ptr + size;) {
		struct dv_cu_block *block = dv_cu_block_at(at, 0);

		DV_NEED(block);
		at += block->size;
		unmap(block);
	}
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result set_access(struct dv_cu_block *block, uint32_t flags)
{
	int protection = PROT_NONE;

	if (flags != DV_CU_MEM_ACCESS_FLAGS_PROT_NONE)
		protection = PROT_READ;
	if (flags == DV_CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
		protection |= PROT_WRITE;
	if (mprotect((void *)(uintptr_t)block->base, block->size, protection) < 0)
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	block->readable = protection & PROT_READ;
	block->writable = protection & PROT_WRITE;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemSetAccess(dv_cu_ptr ptr, size_t size, const struct dv_cu_access *desc,
				 size_t count)
{
	DV_CALL();
	DV_NEED(size && desc && count);
	for (size_t i = 0; i < count; i++)
		DV_NEED(desc[i].flags <= 3 && desc[i].flags != 2 &&
			(desc[i].location.type != DV_CU_MEM_LOCATION_TYPE_DEVICE ||
			 dv_cu_device_at(desc[i].location.id)));
	for (dv_cu_ptr at = ptr; at < ptr + size;) {
		struct dv_cu_block *block = dv_cu_block_at(at, 0);

		DV_NEED(block && block->base == at && block->use == DV_CU_USE_MAPPED &&
			block->size <= ptr + size - at);
		for (size_t i = 0; i < count; i++)
			DV_TRY(set_access(block, desc[i].flags));
		at += block->size;
	}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuMemGetAccess(unsigned long long *flags, const struct dv_cu_location *location,
				 dv_cu_ptr ptr)
{
	const struct dv_cu_block *block;

	DV_CALL();
	block = dv_cu_block_at(ptr, 0);
	DV_NEED(flags && location && block && block->use == DV_CU_USE_MAPPED);
	*flags = (block->readable ? 1u : 0u) | (block->writable ? 2u : 0u);
	return DV_CUDA_SUCCESS;
}

/* --- other processes --- */

enum dv_cu_result cuMemExportToShareableHandle(void *shareable_handle, unsigned long long handle,
					       uint32_t handle_type, unsigned long long flags)
{
	struct dv_cu_physical *physical;
	int fd;

	DV_CALL();
	physical = find(handle);
	DV_NEED(physical && shareable_handle && !flags);
	DV_NEED(handle_type == DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR &&
		physical->prop.handle_types & handle_type);
	if (physical->device && physical->device->tenant >= 0 && physical->charged &&
	    !dv_share_give(dv_cu_share, physical->device->tenant, physical->inode, physical->size))
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	fd = dup(physical->fd);
	if (fd < 0)
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	*(int *)shareable_handle = fd;
	return DV_CUDA_SUCCESS;
}

/* Which device it is of cannot be told by the file: the current one, as programs use it. */
enum dv_cu_result cuMemImportFromShareableHandle(unsigned long long *handle, void *os_handle,
						 uint32_t sh_handle_type)
{
	struct dv_cu_alloc_prop prop = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					.handle_types = DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
					.location = {.type = DV_CU_MEM_LOCATION_TYPE_DEVICE}};
	struct dv_cu_physical *physical;
	struct stat st;
	int fd;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(handle && sh_handle_type == DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	fd = dup((int)(intptr_t)os_handle);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0) {
		dv_closep(&fd);
		return DV_CUDA_ERROR_INVALID_VALUE;
	}
	prop.location.id = dv_cu_ordinal(context->device);
	physical = make(fd, (size_t)st.st_size, &prop);
	if (!physical) {
		dv_closep(&fd);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	physical->device = context->device;
	(void)dv_share_take(dv_cu_share, context->device->tenant, physical->inode);
	*handle = physical->handle;
	return DV_CUDA_SUCCESS;
}
