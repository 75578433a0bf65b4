/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the process has of the simulated driver. All of it is the process's own memory, at
 * the address that it has on the device; what is the device's is charged to its card. */
#pragma once

#include "sim/cuda/inside.h"

enum {
	DV_CU_PAGE = 2 << 20,	    /* of the device */
	DV_CU_SMALL = 1 << 20,	    /* smaller allocations share pages */
	DV_CU_GRAIN = 512,	    /* and begin at a multiple of it */
	DV_CU_POOL_STEP = 32 << 20, /* what a pool takes at once */
};

enum dv_cu_use {
	DV_CU_USE_DEVICE,
	DV_CU_USE_MANAGED,
	DV_CU_USE_HOST,	      /* allocated, pinned */
	DV_CU_USE_REGISTERED, /* the program's own */
	DV_CU_USE_POOL,
	DV_CU_USE_MAPPED,   /* of a physical allocation */
	DV_CU_USE_IMPORTED, /* of another process's cuMemAlloc */
	DV_CU_USE_ARRAY,
	DV_CU_USE_GLOBAL, /* of a module */
	DV_CU_USE_GRAPH,  /* of a graph's node */
};

struct dv_cu_block {
	dv_cu_ptr base;
	size_t size;
	enum dv_cu_use use;
	struct dv_cu_device *device;
	struct dv_cu_context *context; /* with which it goes; NULL: of a pool, or mapped */
	struct dv_cu_pool *pool;
	struct dv_cu_physical *physical;
	uint64_t id, charged, inode;
	uint32_t flags;
	int fd; /* of memory that was given out; -1 */
	bool small, readable, writable, sync;
	unsigned live; /* of a graph's: launches that allocated and did not free it */
	int preferred, read_mostly, accessed_by, prefetched; /* of managed memory */
};

/* Round up to a multiple of `grain`; a size that is too large stays so. */
static inline uint64_t dv_cu_round(uint64_t size, uint64_t grain)
{
	uint64_t more = grain - 1;

	return size > UINT64_MAX - more ? UINT64_MAX - more : (size + more) / grain * grain;
}

/* The block with that address in it, or NULL; `len` bytes from there on must be in it. */
struct dv_cu_block *dv_cu_block_at(dv_cu_ptr ptr, size_t len);
/* The next block at or after that address; to look at all that there are. */
struct dv_cu_block *dv_cu_block_from(dv_cu_ptr ptr);

/* Memory of the process for `size` bytes, all zero; 0: there is none. Nothing is charged. */
dv_cu_ptr dv_cu_map(size_t size);
void dv_cu_unmap(dv_cu_ptr base, size_t size);

/* Make known what is at `base`: copied, NULL when there is no memory. */
struct dv_cu_block *dv_cu_block_add(const struct dv_cu_block *block);
/* Forget it; the memory itself stays. */
void dv_cu_block_remove(struct dv_cu_block *block);

/* Allocate and charge. */
enum dv_cu_result dv_cu_allocate(struct dv_cu_context *context, size_t size, enum dv_cu_use use,
				 dv_cu_ptr *ret);
/* Refund, unmap and forget. */
void dv_cu_release(struct dv_cu_block *block);

/* What ends with a context, and with the last one of a device. */
void dv_cu_memory_end_context(struct dv_cu_context *context);
void dv_cu_memory_end(struct dv_cu_device *device);

/* Wait for all of it, and give unused memory of its pools back. STREAM_CAPTURE_UNSUPPORTED. */
enum dv_cu_result dv_cu_synchronize(struct dv_cu_context *context);

/* --- pools (pool.c) --- */

struct dv_cu_pool {
	struct dv_cu_device *device;
	bool is_default, gone;
	uint64_t threshold, used, used_most, reserved, reserved_most, most;
	int options[3]; /* reuse */
	unsigned blocks;
	uint32_t access[DV_SIM_GPUS_MOST];
};

/* Take memory of a pool, or more of the device for it; give it back. */
enum dv_cu_result dv_cu_pool_take(struct dv_cu_pool *pool, size_t size, dv_cu_ptr *ret);
void dv_cu_pool_give(struct dv_cu_block *block);
/* Unused memory over so many bytes goes back to the device. */
void dv_cu_pool_trim(struct dv_cu_pool *pool, uint64_t keep);
void dv_cu_pools_trim(const struct dv_cu_device *device);
struct dv_cu_pool *dv_cu_pool_of(struct dv_cu_device *device);
void dv_cu_pools_end(struct dv_cu_device *device);

/* --- physical allocations (physical.c) --- */

struct dv_cu_physical {
	unsigned long long handle;
	struct dv_cu_alloc_prop prop;
	struct dv_cu_device *device; /* NULL: of the host */
	size_t size;
	unsigned handles, maps;
	uint64_t charged, inode;
	int fd;
};

void dv_cu_physical_unmapped(struct dv_cu_physical *physical);
void dv_cu_physical_end(struct dv_cu_device *device);
