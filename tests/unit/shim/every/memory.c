/* SPDX-License-Identifier: Apache-2.0 */
/* What makes, gives back and shows memory. */
#include "every.h"

/* --- what is looked at --- */

/* The call charges that, its undoing gives it back, and a byte less than that is not enough. */
static void charges(const struct every_row *row)
{
	every_begin();
	if (row->prepare)
		row->prepare();
	DOES(row->call(row));
	every_charged(row->bytes);
	row->undo();
	every_charged(0);
	fake_set_limit(every.fake, every.base + row->bytes - 1);
	CHECK(row->call(row) == OOM);
	/* What a pool took for it goes in the stream's order. */
	DOES(CU(cuCtxSynchronize)());
	every_charged(0);
	fake_set_limit(every.fake, every.base + row->bytes);
	DOES(row->call(row));
	every_charged(row->bytes);
}

/* The call gives back what was made before it. */
static void frees(const struct every_row *row)
{
	every_begin();
	row->prepare();
	every_charged(row->bytes);
	DOES(row->call(row));
	every_charged(0);
}

/* After the call it stays charged, though what was known to hold it is gone; until it is undone. */
static void holds(const struct every_row *row)
{
	every_begin();
	row->prepare();
	DOES(row->call(row));
	DOES(CU(cuMemRelease)(every.handle));
	if (row->undo) {
		if (every.ptr)
			DOES(CU(cuMemUnmap)(every.ptr, PHYSICAL));
		usleep(2000);
		every_charged(PHYSICAL);
		row->undo();
		every_charged(0);
	} else {
		usleep(2000);
		every_charged(PHYSICAL);
	}
}

static void pins(const struct every_row *row)
{
	every_begin();
	DOES(row->call(row));
	CHECK(every_stats().counters.host_bytes == SIZE);
	row->undo();
	CHECK(every_stats().counters.host_bytes == 0);
	every_charged(0);
}

static void unpins(const struct every_row *row)
{
	every_begin();
	row->prepare();
	CHECK(every_stats().counters.host_bytes == SIZE);
	DOES(row->call(row));
	CHECK(every_stats().counters.host_bytes == 0);
}

/* What a pool kept has gone without our seeing it; the call is a point at which we look. */
static void look_unseen(const struct every_row *row)
{
	struct dv_cu_pool *pool;

	DOES(CU(cuMemAllocAsync)(&every.ptr, SIZE, every.stream));
	every_charged(POOL_STEP);
	DOES(DRIVER(cuDeviceGetMemPool)(&pool, 0));
	DOES(DRIVER(cuMemFreeAsync)(every.ptr, every.stream));
	DOES(DRIVER(cuStreamSynchronize)(every.stream));
	DOES(DRIVER(cuMemPoolTrimTo)(pool, 0));
	every.pool = pool;
	usleep(2000);
	CHECK(every_stats().used == every.base + POOL_STEP);
	DOES(row->call(row));
	every_charged(0);
}

static void looks(const struct every_row *row)
{
	every_begin();
	look_unseen(row);
}

/* The same of what a graph holds, which came without our seeing it. */
static void looks_at_graphs(const struct every_row *row)
{
	struct dv_cu_alloc_node alloc = {.pool = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
						  .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}},
					 .bytes = PHYSICAL};
	struct dv_cu_node *node;

	every_begin();
	DOES(CU(cuGraphCreate)(&every.graph, 0));
	DOES(CU(cuGraphAddMemAllocNode)(&node, every.graph, NULL, 0, &alloc));
	DOES(CU(cuGraphInstantiateWithFlags)(&every.exec, every.graph, 0));
	DOES(DRIVER(cuGraphLaunch)(every.exec, every.stream));
	DOES(DRIVER(cuStreamSynchronize)(every.stream));
	usleep(2000);
	CHECK(every_stats().used == every.base);
	DOES(row->call(row));
	every_charged(PHYSICAL);
}

static size_t node_bytes = PHYSICAL;

/* A node that is larger than the slice is refused; one that fits is charged when it runs. */
static void adds_memory(const struct every_row *row)
{
	every.limit_bytes = 2 * (uint64_t)PHYSICAL;
	every_begin();
	DOES(CU(cuGraphCreate)(&every.graph, 0));
	node_bytes = every.limit_bytes + 1;
	CHECK(row->call(row) == OOM);
	node_bytes = PHYSICAL;
	DOES(row->call(row));
	DOES(CU(cuGraphInstantiateWithFlags)(&every.exec, every.graph, 0));
	fake_grant(every.fake, ENDLESS, 0);
	DOES(CU(cuGraphLaunch)(every.exec, every.stream));
	every_charged(PHYSICAL);
}

/* --- the calls --- */

#define CALL(name, symbol, args)                                                                   \
	static enum dv_cu_result name(const struct every_row *row)                                 \
	{                                                                                          \
		return THIS(symbol) args;                                                          \
	}
#define STEP(name, call)                                                                           \
	static void name(void)                                                                     \
	{                                                                                          \
		DOES(call);                                                                        \
	}

static uint32_t narrow, narrow_pitch, narrow_free, narrow_total;
static size_t pitch, wide_free, wide_total;
static char mine[SIZE] __attribute__((aligned(4096)));
static const struct dv_cu_alloc_prop of_device = {
	.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
	.handle_types = DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
	.location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
static const struct dv_cu_pool_props pool_of_device = {
	.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED, .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
static const struct dv_cu_array_2d flat = {
	.width = 1024, .height = 1024, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 1};
static const struct dv_cu_array_2d_v1 old_flat = {1024, 1024, DV_CU_AD_FORMAT_FLOAT, 1};
static const struct dv_cu_array_3d deep = {
	.width = 1024, .height = 1024, .depth = 2, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 1};
static const struct dv_cu_array_3d_v1 old_deep = {1024, 1024, 2, DV_CU_AD_FORMAT_FLOAT, 1, 0};
static struct dv_cu_location here = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0};

CALL(alloc, cuMemAlloc_v2, (&every.ptr, SIZE))
CALL(alloc_old, cuMemAlloc, (&narrow, SIZE))
CALL(alloc_pitch, cuMemAllocPitch_v2, (&every.ptr, &pitch, 100, 8, 4))
CALL(alloc_pitch_old, cuMemAllocPitch, (&narrow, &narrow_pitch, 100, 8, 4))
CALL(alloc_managed, cuMemAllocManaged, (&every.ptr, SIZE, DV_CU_MEM_ATTACH_GLOBAL))
CALL(free_any, cuMemFree_v2, (every.ptr))
CALL(free_old, cuMemFree, (narrow))
STEP(make, CU(cuMemAlloc_v2)(&every.ptr, SIZE))
STEP(make_old, CU(cuMemAlloc)(&narrow, SIZE))
STEP(unmake, CU(cuMemFree_v2)(every.ptr))
STEP(unmake_old, CU(cuMemFree)(narrow))

CALL(pin, cuMemHostAlloc, (&every.host, SIZE, 0))
CALL(pin_2, cuMemAllocHost_v2, (&every.host, SIZE))
CALL(pin_old, cuMemAllocHost, (&every.host, SIZE))
CALL(pin_mine, cuMemHostRegister_v2, (mine, SIZE, 0))
CALL(unpin, cuMemFreeHost, (every.host))
CALL(unpin_mine, cuMemHostUnregister, (mine))
STEP(make_pinned, CU(cuMemHostAlloc)(&every.host, SIZE, 0))
STEP(make_mine_pinned, CU(cuMemHostRegister_v2)(mine, SIZE, 0))
STEP(unmake_pinned, CU(cuMemFreeHost)(every.host))
STEP(unmake_mine_pinned, CU(cuMemHostUnregister)(mine))

CALL(create, cuMemCreate, (&every.handle, PHYSICAL, &of_device, 0))
CALL(release, cuMemRelease, (every.handle))
CALL(map, cuMemMap, (every.ptr, PHYSICAL, 0, every.handle, 0))
CALL(unmap, cuMemUnmap, (every.ptr, PHYSICAL))
CALL(retain, cuMemRetainAllocationHandle, (&every.again, (void *)(uintptr_t)every.ptr))
CALL(export_it, cuMemExportToShareableHandle,
     (&(int){0}, every.handle, DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0))
STEP(make_physical, CU(cuMemCreate)(&every.handle, PHYSICAL, &of_device, 0))
STEP(unmake_physical, CU(cuMemRelease)(every.handle))
STEP(release_again, CU(cuMemRelease)(every.again))

static void make_room(void)
{
	make_physical();
	DOES(CU(cuMemAddressReserve)(&every.ptr, PHYSICAL, 0, 0, 0));
}

static void make_mapped(void)
{
	make_room();
	DOES(CU(cuMemMap)(every.ptr, PHYSICAL, 0, every.handle, 0));
}

static void make_only_mapped(void)
{
	make_mapped();
	unmake_physical();
}

static enum dv_cu_result map_array(const struct every_row *row)
{
	struct dv_cu_array_map what = {.operation = DV_CU_MEM_OPERATION_TYPE_MAP,
				       .handle = every.handle};

	return THIS(cuMemMapArrayAsync)(&what, 1, NULL);
}

/* A mapping holds it until it is unmapped, not longer. */
static void maps(const struct every_row *row)
{
	every_begin();
	make_room();
	DOES(row->call(row));
	unmake_physical();
	usleep(2000);
	every_charged(PHYSICAL);
	DOES(CU(cuMemUnmap)(every.ptr, PHYSICAL));
	every_charged(0);
}

CALL(alloc_async, cuMemAllocAsync, (&every.ptr, SIZE, NULL))
CALL(alloc_from, cuMemAllocFromPoolAsync, (&every.ptr, SIZE, every.pool, NULL))
CALL(free_async, cuMemFreeAsync, (every.ptr, NULL))
CALL(pool_destroy, cuMemPoolDestroy, (every.pool))
CALL(pool_trim, cuMemPoolTrimTo, (every.pool, 0))
CALL(pool_set, cuMemPoolSetAttribute,
     (every.pool, DV_CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &(uint64_t){0}))
CALL(pool_create, cuMemPoolCreate, (&every.pool, &pool_of_device))
CALL(pool_default, cuMemGetDefaultMemPool, (&every.pool, &here, DV_CU_MEM_ALLOCATION_TYPE_PINNED))
CALL(pool_current, cuMemGetMemPool, (&every.pool, &here, DV_CU_MEM_ALLOCATION_TYPE_PINNED))
CALL(pool_import, cuMemPoolImportFromShareableHandle, (&every.pool, NULL, 1, 0))
STEP(make_pool, CU(cuMemPoolCreate)(&every.pool, &pool_of_device))

static void unmake_pooled(void)
{
	struct dv_cu_pool *pool = every.pool;

	if (!pool)
		DOES(CU(cuDeviceGetMemPool)(&pool, 0));
	DOES(CU(cuMemFree_v2)(every.ptr));
	DOES(CU(cuMemPoolTrimTo)(pool, 0));
}

/* It keeps its memory: what it is charged goes with it. */
static void make_pool_and_use_it(void)
{
	make_pool();
	DOES(CU(cuMemAllocFromPoolAsync)(&every.ptr, SIZE, every.pool, every.stream));
	DOES(DRIVER(cuMemFreeAsync)(every.ptr, every.stream));
	DOES(DRIVER(cuStreamSynchronize)(every.stream));
}

/* Memory of the device's pools is charged, of another process's not. */
static void gives_pool(const struct every_row *row)
{
	every_begin();
	DOES(row->call(row));
	DOES(CU(cuMemAllocFromPoolAsync)(&every.ptr, SIZE, every.pool, every.stream));
	usleep(2000);
	every_charged(row->bytes);
}

CALL(array, cuArrayCreate_v2, (&every.array, &flat))
CALL(array_old, cuArrayCreate, (&every.array, &old_flat))
CALL(array_3d, cuArray3DCreate_v2, (&every.array, &deep))
CALL(array_3d_old, cuArray3DCreate, (&every.array, &old_deep))
CALL(mipmap, cuMipmappedArrayCreate, (&every.mipmap, &deep, 1))
CALL(array_destroy, cuArrayDestroy, (every.array))
CALL(mipmap_destroy, cuMipmappedArrayDestroy, (every.mipmap))
STEP(make_array, CU(cuArrayCreate_v2)(&every.array, &flat))
STEP(make_mipmap, CU(cuMipmappedArrayCreate)(&every.mipmap, &deep, 1))
STEP(unmake_array, CU(cuArrayDestroy)(every.array))
STEP(unmake_mipmap, CU(cuMipmappedArrayDestroy)(every.mipmap))

/* --- graphs --- */

static struct dv_cu_node_params memory_node(void)
{
	return (struct dv_cu_node_params){
		.type = DV_CU_GRAPH_NODE_TYPE_MEM_ALLOC,
		.alloc = {.pool = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
				   .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}},
			  .bytes = node_bytes}};
}

static enum dv_cu_result add_alloc(const struct every_row *row)
{
	struct dv_cu_node_params params = memory_node();
	struct dv_cu_node *node;

	return THIS(cuGraphAddMemAllocNode)(&node, every.graph, NULL, 0, &params.alloc);
}

static enum dv_cu_result add_node(const struct every_row *row)
{
	struct dv_cu_node_params params = memory_node();
	struct dv_cu_node *node;

	return THIS(cuGraphAddNode)(&node, every.graph, NULL, 0, &params);
}

static enum dv_cu_result add_node_2(const struct every_row *row)
{
	struct dv_cu_node_params params = memory_node();
	struct dv_cu_node *node;

	return THIS(cuGraphAddNode_v2)(&node, every.graph, NULL, NULL, 0, &params);
}

CALL(instantiate, cuGraphInstantiate, (&(struct dv_cu_exec *){NULL}, every.graph, NULL, NULL, 0))
CALL(instantiate_flags, cuGraphInstantiateWithFlags, (&(struct dv_cu_exec *){NULL}, every.graph, 0))
CALL(instantiate_params, cuGraphInstantiateWithParams,
     (&(struct dv_cu_exec *){NULL}, every.graph, &(struct dv_cu_instantiate){0}))
CALL(exec_destroy, cuGraphExecDestroy, (every.exec))
CALL(graph_trim, cuDeviceGraphMemTrim, (0))

static void run_graph_that_frees(void)
{
	struct dv_cu_node_params params = memory_node();
	struct dv_cu_node *node, *freed;

	DOES(CU(cuGraphCreate)(&every.graph, 0));
	DOES(CU(cuGraphAddMemAllocNode)(&node, every.graph, NULL, 0, &params.alloc));
	DOES(CU(cuGraphAddMemFreeNode)(&freed, every.graph, &node, 1, params.alloc.ret));
	DOES(CU(cuGraphInstantiateWithFlags)(&every.exec, every.graph, 0));
	fake_grant(every.fake, ENDLESS, 0);
	DOES(CU(cuGraphLaunch)(every.exec, every.stream));
	DOES(CU(cuStreamSynchronize)(every.stream));
}

/* --- what is shown --- */

static void shows(const struct every_row *row)
{
	every.limit_bytes = 64 * MIB;
	every_begin();
	DOES(row->call(row));
	CHECK(wide_total + narrow_total == every.limit_bytes);
	CHECK(wide_free + narrow_free == every.limit_bytes - every.base);
	look_unseen(row);
}

static void shows_total(const struct every_row *row)
{
	every.limit_bytes = 64 * MIB;
	every_begin();
	DOES(row->call(row));
	CHECK(wide_total + narrow_total == every.limit_bytes);
}

CALL(info, cuMemGetInfo_v2, (&wide_free, &wide_total))
CALL(info_old, cuMemGetInfo, (&narrow_free, &narrow_total))
CALL(total, cuDeviceTotalMem_v2, (&wide_total, 0))
CALL(total_old, cuDeviceTotalMem, (&narrow_total, 0))
CALL(wait_context, cuCtxSynchronize, ())
CALL(wait_context_2, cuCtxSynchronize_v2, (every.context))
CALL(wait_stream, cuStreamSynchronize, (every.stream))

static enum dv_cu_result wait_event(const struct every_row *row)
{
	struct dv_cu_event *event;

	DOES(CU(cuEventCreate)(&event, 0));
	return THIS(cuEventSynchronize)(event);
}

const struct every_row every_memory[] = {
	PLAIN(cuMemAlloc_v2, charges, alloc, NULL, unmake, SIZE),
	PLAIN(cuMemAlloc, charges, alloc_old, NULL, unmake_old, SIZE),
	PLAIN(cuMemAllocPitch_v2, charges, alloc_pitch, NULL, unmake, 4096),
	PLAIN(cuMemAllocPitch, charges, alloc_pitch_old, NULL, unmake_old, 4096),
	PLAIN(cuMemAllocManaged, charges, alloc_managed, NULL, unmake, SIZE),
	PLAIN(cuMemFree_v2, frees, free_any, make, NULL, SIZE),
	PLAIN(cuMemFree, frees, free_old, make_old, NULL, SIZE),
	PLAIN(cuMemHostAlloc, pins, pin, NULL, unmake_pinned),
	PLAIN(cuMemAllocHost_v2, pins, pin_2, NULL, unmake_pinned),
	PLAIN(cuMemAllocHost, pins, pin_old, NULL, unmake_pinned),
	PLAIN(cuMemHostRegister_v2, pins, pin_mine, NULL, unmake_mine_pinned),
	PLAIN(cuMemHostRegister, pins, pin_mine, NULL, unmake_mine_pinned),
	PLAIN(cuMemFreeHost, unpins, unpin, make_pinned),
	PLAIN(cuMemHostUnregister, unpins, unpin_mine, make_mine_pinned),
	PLAIN(cuMemCreate, charges, create, NULL, unmake_physical, PHYSICAL),
	PLAIN(cuMemRelease, frees, release, make_physical, NULL, PHYSICAL),
	PLAIN(cuMemMap, maps, map),
	PLAIN(cuMemUnmap, frees, unmap, make_only_mapped, NULL, PHYSICAL),
	PLAIN(cuMemRetainAllocationHandle, holds, retain, make_mapped, release_again),
	PLAIN(cuMemExportToShareableHandle, holds, export_it, make_physical),
	BOTH(cuMemMapArrayAsync, "_ptsz", holds, map_array, make_physical),
	BOTH(cuMemAllocAsync, "_ptsz", charges, alloc_async, NULL, unmake_pooled, POOL_STEP),
	BOTH(cuMemAllocFromPoolAsync, "_ptsz", charges, alloc_from, make_pool, unmake_pooled,
	     POOL_STEP),
	BOTH(cuMemFreeAsync, "_ptsz", frees, free_async, make, NULL, SIZE),
	PLAIN(cuMemPoolCreate, gives_pool, pool_create, NULL, NULL, POOL_STEP),
	PLAIN(cuMemGetDefaultMemPool, gives_pool, pool_default, NULL, NULL, POOL_STEP),
	PLAIN(cuMemGetMemPool, gives_pool, pool_current, NULL, NULL, POOL_STEP),
	PLAIN(cuMemPoolImportFromShareableHandle, gives_pool, pool_import),
	PLAIN(cuMemPoolDestroy, frees, pool_destroy, make_pool_and_use_it, NULL, POOL_STEP),
	PLAIN(cuMemPoolTrimTo, looks, pool_trim),
	PLAIN(cuMemPoolSetAttribute, looks, pool_set),
	PLAIN(cuArrayCreate_v2, charges, array, NULL, unmake_array, 4 * MIB),
	PLAIN(cuArrayCreate, charges, array_old, NULL, unmake_array, 4 * MIB),
	PLAIN(cuArray3DCreate_v2, charges, array_3d, NULL, unmake_array, 8 * MIB),
	PLAIN(cuArray3DCreate, charges, array_3d_old, NULL, unmake_array, 8 * MIB),
	PLAIN(cuMipmappedArrayCreate, charges, mipmap, NULL, unmake_mipmap, 8 * MIB),
	PLAIN(cuArrayDestroy, frees, array_destroy, make_array, NULL, 4 * MIB),
	PLAIN(cuMipmappedArrayDestroy, frees, mipmap_destroy, make_mipmap, NULL, 8 * MIB),
	PLAIN(cuGraphAddMemAllocNode, adds_memory, add_alloc),
	PLAIN(cuGraphAddNode, adds_memory, add_node),
	PLAIN(cuGraphAddNode_v2, adds_memory, add_node_2),
	PLAIN(cuGraphInstantiate, looks_at_graphs, instantiate),
	PLAIN(cuGraphInstantiate_v2, looks_at_graphs, instantiate),
	PLAIN(cuGraphInstantiateWithFlags, looks_at_graphs, instantiate_flags),
	BOTH(cuGraphInstantiateWithParams, "_ptsz", looks_at_graphs, instantiate_params),
	PLAIN(cuGraphExecDestroy, looks_at_graphs, exec_destroy),
	PLAIN(cuDeviceGraphMemTrim, frees, graph_trim, run_graph_that_frees, NULL, PHYSICAL),
	PLAIN(cuMemGetInfo_v2, shows, info),
	PLAIN(cuMemGetInfo, shows, info_old),
	PLAIN(cuDeviceTotalMem_v2, shows_total, total),
	PLAIN(cuDeviceTotalMem, shows_total, total_old),
	PLAIN(cuCtxSynchronize, looks, wait_context),
	PLAIN(cuCtxSynchronize_v2, looks, wait_context_2),
	BOTH(cuStreamSynchronize, "_ptsz", looks, wait_stream),
	PLAIN(cuEventSynchronize, looks, wait_event),
	{NULL},
};
