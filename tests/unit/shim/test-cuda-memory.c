/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA shim's memory limit, of every family of allocations, and what it shows. */
#include <errno.h>

#include "cuda-program.h"

#define OOM DV_CUDA_ERROR_OUT_OF_MEMORY
#define OK DV_CUDA_SUCCESS

static void direct(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 4096});
	dv_cu_ptr a, b, c;
	size_t pitch;

	CHECK(CU(cuMemAlloc_v2)(&a, 4095) == OK);
	CHECK(CU(cuMemAlloc_v2)(&b, 2) == OOM);
	CHECK(CU(cuMemAlloc_v2)(&b, 1) == OK);
	CHECK(CU(cuMemAlloc_v2)(&c, 1) == OOM && CU(cuMemAllocManaged)(&c, 1, 1) == OOM);
	CHECK(CU(cuMemFree_v2)(a) == OK);
	CHECK(fake_wait(fake, used_is, 1));
	CHECK(CU(cuMemAllocManaged)(&c, 4095, 1) == OK);
	CHECK(CU(cuMemFree_v2)(c) == OK && CU(cuMemFree_v2)(b) == OK);
	/* What the driver refuses changes nothing. */
	CHECK(CU(cuMemFree_v2)(12345) != OK);
	CHECK(fake_wait(fake, used_is, 0));
	/* A pitch is what the driver makes of it: 512 for each row of 100. */
	CHECK(CU(cuMemAllocPitch_v2)(&a, &pitch, 100, 8, 4) == OK && pitch == FAKE_PITCH);
	CHECK(fake_wait(fake, used_is, 4096));
	CHECK(CU(cuMemFree_v2)(a) == OK);
	CHECK(CU(cuMemAllocPitch_v2)(&a, &pitch, 100, 9, 4) == OOM);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(gpu().device_bytes == 0 && gpu().live == 0);
	CHECK(CU(cuMemAllocPitch_v2)(&a, &pitch, SIZE_MAX / 2, SIZE_MAX / 2, 4) == OOM);
	CHECK(stats_of(fake).counters.held_bytes == 0 && stats_of(fake).counters.denied == 5);
}

static void with_their_context(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	struct dv_cu_context *first, *second, *primary;
	dv_cu_ptr p;

	CHECK(CU(cuCtxGetCurrent)(&first) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 100) == OK);
	CHECK(CU(cuCtxCreate_v4)(&second, NULL, 0, 0) == OK);
	for (int i = 0; i < 9; i++)
		CHECK(CU(cuMemAlloc_v2)(&p, 100) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 1) == OOM);
	CHECK(CU(cuCtxDestroy_v2)(second) == OK);
	CHECK(fake_wait(fake, used_is, 100));
	CHECK(CU(cuCtxDestroy_v2)(second) != OK);
	/* The primary one is there while somebody holds it. */
	CHECK(CU(cuDevicePrimaryCtxRetain)(&primary, 0) == OK);
	CHECK(CU(cuDevicePrimaryCtxRetain)(&primary, 0) == OK);
	CHECK(CU(cuCtxSetCurrent)(primary) == OK && CU(cuMemAlloc_v2)(&p, 900) == OK);
	CHECK(CU(cuDevicePrimaryCtxRelease_v2)(0) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 1) == OOM);
	CHECK(CU(cuDevicePrimaryCtxRelease_v2)(0) == OK);
	CHECK(fake_wait(fake, used_is, 100));
	CHECK(CU(cuDevicePrimaryCtxRetain)(&primary, 0) == OK);
	CHECK(CU(cuCtxSetCurrent)(primary) == OK && CU(cuMemAlloc_v2)(&p, 900) == OK);
	CHECK(CU(cuDevicePrimaryCtxReset_v2)(0) == OK);
	CHECK(fake_wait(fake, used_is, 100));
	CHECK(CU(cuCtxSetCurrent)(first) == OK && CU(cuCtxDestroy_v2)(first) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(gpu().live == 0);
}

/* As `divvy run` leaves it when it has measured that a context takes 400 bytes. */
static struct fake *begin_measured(uint64_t limit_bytes)
{
	struct fake *fake = fake_start(&(struct fake_config){.limit_bytes = limit_bytes});
	char path[128];
	FILE *note;

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	cuda_place();
	snprintf(path, sizeof(path), "%s/context-bytes", getenv(FAKE_DIR));
	note = fopen(path, "w");
	CHECK(note && fputs("400\n", note) > 0 && fclose(note) == 0);
	cuda_open();
	CHECK(CU(cuInit)(0) == OK);
	return fake;
}

/* What was measured counts for each context, as long as it is there. */
static void contexts(void)
{
	struct fake *fake = begin_measured(1000);
	struct dv_cu_context *first, *second;

	CHECK(CU(cuCtxCreate_v2)(&first, 0, 0) == OK);
	CHECK(fake_wait(fake, used_is, 400));
	CHECK(CU(cuDevicePrimaryCtxRetain)(&second, 0) == OK);
	CHECK(CU(cuDevicePrimaryCtxRetain)(&second, 0) == OK);
	CHECK(fake_wait(fake, used_is, 800));
	CHECK(CU(cuCtxCreate_v4)(&second, NULL, 0, 0) == OOM);
	CHECK(CU(cuDevicePrimaryCtxRelease_v2)(0) == OK);
	CHECK(CU(cuCtxCreate_v4)(&second, NULL, 0, 0) == OOM);
	CHECK(CU(cuDevicePrimaryCtxRelease_v2)(0) == OK);
	CHECK(fake_wait(fake, used_is, 400));
	CHECK(CU(cuCtxCreate_v4)(&second, NULL, 0, 0) == OK);
	CHECK(CU(cuCtxDestroy_v2)(second) == OK && CU(cuCtxDestroy_v2)(first) == OK);
	CHECK(fake_wait(fake, used_is, 0));
}

static void *retain_and_release(void *failed)
{
	struct dv_cu_context *context;

	for (int i = 0; i < 3000; i++)
		if (CU(cuDevicePrimaryCtxRetain)(&context, 0) != OK ||
		    CU(cuDevicePrimaryCtxRelease_v2)(0) != OK)
			__atomic_store_n((int *)failed, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* One releases the last hold while another makes it anew: it is charged once, never twice. */
static void primary_by_many(void)
{
	struct fake *fake = begin_measured(400);
	pthread_t threads[3];
	int failed = 0;

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, retain_and_release, &failed) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(!failed);
	CHECK(fake_wait(fake, used_is, 0));
}

/* A green context makes the primary one; its memory is there as long as that. */
static void green(void)
{
	struct fake *fake = begin_measured(1000);
	struct dv_cu_green *first, *second;
	struct dv_cu_context *context;
	dv_cu_ptr p, q;

	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuGreenCtxCreate)(&first, NULL, 0, 0) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(CU(cuGreenCtxCreate)(&first, NULL, 0, 0) == OK);
	CHECK(CU(cuGreenCtxCreate)(&second, NULL, 0, 0) == OK);
	CHECK(fake_wait(fake, used_is, 400));
	CHECK(CU(cuCtxFromGreenCtx)(&context, first) == OK);
	CHECK(CU(cuCtxSetCurrent)(context) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 500) == OK && CU(cuMemAlloc_v2)(&q, 100) == OK);
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuGreenCtxDestroy)(first) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(CU(cuGreenCtxDestroy)(first) == OK);
	CHECK(gpu().device_bytes == 600);
	CHECK(CU(cuMemAlloc_v2)(&q, 1) == OOM);
	CHECK(fake_wait(fake, used_is, 1000));
	CHECK(CU(cuMemFree_v2)(p) == OK);
	CHECK(fake_wait(fake, used_is, 500));
	/* The last one: all that is left goes with the primary context. */
	CHECK(CU(cuGreenCtxDestroy)(second) == OK);
	CHECK(gpu().device_bytes == 0);
	CHECK(fake_wait(fake, used_is, 0));
	fake_set_limit(fake, 399);
	CHECK(CU(cuGreenCtxCreate)(&first, NULL, 0, 0) == OOM);
}

static const struct dv_cu_alloc_prop on_device = {
	.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
	.location = {.type = DV_CU_MEM_LOCATION_TYPE_DEVICE}};

static void physical(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 3 * MIB});
	struct dv_cu_alloc_prop on_host = on_device;
	unsigned long long a, b, again, host;
	const dv_cu_ptr at = 0x10000000;

	on_host.location.type = DV_CU_MEM_LOCATION_TYPE_HOST;
	CHECK(CU(cuMemCreate)(&a, 2 * MIB, &on_device, 0) == OK);
	CHECK(CU(cuMemCreate)(&b, 2 * MIB, &on_device, 0) == OOM);
	CHECK(CU(cuMemCreate)(&b, MIB, &on_device, 0) == OK);
	CHECK(CU(cuMemCreate)(&host, 64 * MIB, &on_host, 0) == OK);
	CHECK(CU(cuMemRelease)(host) == OK);
	CHECK(fake_wait(fake, used_is, 3 * MIB));
	/* Released, but mapped twice: still there. */
	CHECK(CU(cuMemMap)(at, 2 * MIB, 0, a, 0) == OK);
	CHECK(CU(cuMemMap)(at + 2 * MIB, 2 * MIB, 0, a, 0) == OK);
	CHECK(CU(cuMemRelease)(a) == OK);
	CHECK(CU(cuMemCreate)(&host, 1, &on_device, 0) == OOM);
	CHECK(CU(cuMemUnmap)(at, 2 * MIB) == OK);
	CHECK(CU(cuMemCreate)(&host, 1, &on_device, 0) == OOM);
	/* A handle that was got back from an address holds it too. */
	CHECK(CU(cuMemRetainAllocationHandle)(&again, (void *)(uintptr_t)(at + 2 * MIB + 5)) == OK);
	CHECK(CU(cuMemUnmap)(at + 2 * MIB, 2 * MIB) == OK);
	CHECK(CU(cuMemCreate)(&host, 1, &on_device, 0) == OOM);
	CHECK(CU(cuMemRelease)(again) == OK);
	CHECK(fake_wait(fake, used_is, MIB));
	/* One call unmaps several. */
	CHECK(CU(cuMemMap)(at, MIB, 0, b, 0) == OK && CU(cuMemMap)(at + MIB, MIB, 0, b, 0) == OK);
	CHECK(CU(cuMemRelease)(b) == OK && CU(cuMemRelease)(b) != OK);
	CHECK(fake_wait(fake, used_is, MIB));
	CHECK(CU(cuMemUnmap)(at, 2 * MIB) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(gpu().device_bytes == 0);
	/* What fails changes nothing. */
	CHECK(CU(cuMemCreate)(&a, MIB, &on_device, 0) == OK);
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemCreate)(&b, MIB, &on_device, 0) == DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemRelease)(a) == DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemMap)(at, MIB, 0, a, 0) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(fake_wait(fake, used_is, MIB));
	CHECK(CU(cuMemRelease)(a) == OK);
	CHECK(fake_wait(fake, used_is, 0));
}

/* Another process may have it for longer: it stays charged. */
static void exported(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 3 * MIB});
	unsigned long long a, b;
	int fd;

	CHECK(CU(cuMemCreate)(&a, 2 * MIB, &on_device, 0) == OK);
	CHECK(CU(cuMemCreate)(&b, MIB, &on_device, 0) == OK);
	CHECK(CU(cuMemExportToShareableHandle)(&fd, a, 1, 0) == OK);
	CHECK(CU(cuMemExportToShareableHandle)(&fd, a, 1, 0) == OK);
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemExportToShareableHandle)(&fd, b, 1, 0) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(CU(cuMemRelease)(a) == OK && CU(cuMemRelease)(b) == OK);
	CHECK(fake_wait(fake, used_is, 2 * MIB));
	CHECK(CU(cuMemCreate)(&a, MIB + 1, &on_device, 0) == OOM);
}

static void pools(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 8 * MIB});
	struct dv_cu_pool_props props = {.location = {.type = DV_CU_MEM_LOCATION_TYPE_DEVICE}};
	struct dv_cu_pool *pool, *host;
	dv_cu_ptr a, b, c;

	/* What the pool keeps is charged, not what was asked for. */
	CHECK(CU(cuMemAllocAsync)(&a, 100, NULL) == OK);
	CHECK(fake_wait(fake, used_is, FAKE_POOL_STEP));
	CHECK(CU_OWN(cuMemAllocAsync)(&b, MIB, NULL) == OK);
	CHECK(fake_wait(fake, used_is, FAKE_POOL_STEP));
	CHECK(CU(cuMemFreeAsync)(a, NULL) == OK && CU_OWN(cuMemFreeAsync)(b, NULL) == OK);
	CHECK(fake_wait(fake, used_is, FAKE_POOL_STEP));
	/* Over the limit with the first pool's empty step: that is trimmed, and it fits. */
	CHECK(CU(cuMemPoolCreate)(&pool, &props) == OK);
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, 8 * MIB, pool, NULL) == OK);
	CHECK(fake_wait(fake, used_is, 8 * MIB));
	CHECK(CU(cuMemAllocAsync)(&b, 1, NULL) == OOM);
	CHECK(CU(cuMemAlloc_v2)(&b, 1) == OOM);
	/* Freed by the call that knows of no pool. */
	CHECK(CU(cuMemFree_v2)(a) == OK);
	CHECK(CU(cuMemPoolTrimTo)(pool, 0) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	/* The step is more than there is left: undone. */
	CHECK(CU(cuMemAlloc_v2)(&c, 7 * MIB) == OK);
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, 100, pool, NULL) == OOM);
	CHECK(fake_wait(fake, used_is, 7 * MIB));
	CHECK(CU(cuMemFree_v2)(c) == OK);
	/* The host's are free. */
	props.location.type = DV_CU_MEM_LOCATION_TYPE_HOST;
	CHECK(CU(cuMemPoolCreate)(&host, &props) == OK);
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, 64 * MIB, host, NULL) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(CU(cuMemFreeAsync)(a, NULL) == OK && CU(cuMemPoolDestroy)(host) == OK);
	CHECK(CU(cuMemGetDefaultMemPool)(&host, &props.location, 1) == OK);
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, 64 * MIB, host, NULL) == OK);
	CHECK(CU(cuMemFreeAsync)(a, NULL) == OK && CU(cuMemPoolTrimTo)(host, 0) == OK);
	CHECK(CU(cuMemGetMemPool)(&host, &props.location, 1) == OK);
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, 64 * MIB, host, NULL) == OK);
	CHECK(CU(cuMemFreeAsync)(a, NULL) == OK && CU(cuMemPoolTrimTo)(host, 0) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(CU(cuMemAllocFromPoolAsync)(&a, MIB, pool, NULL) == OK);
	CHECK(CU(cuMemFreeAsync)(a, NULL) == OK);
	CHECK(CU(cuMemPoolDestroy)(pool) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(gpu().device_bytes == 0 && gpu().live == 0);
}

/* The steps of pools that were refused stay with the device until the stream gets there. They are
 * charged as far as there is room: then no other pool takes one as well. */
static void pool_steps(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 8 * MIB});
	struct dv_cu_pool_props props = {.location = {.type = DV_CU_MEM_LOCATION_TYPE_DEVICE}};
	struct dv_cu_pool *pools[3];
	dv_cu_ptr a, b;

	for (int i = 0; i < 3; i++)
		CHECK(CU(cuMemPoolCreate)(&pools[i], &props) == OK);
	CHECK(CU(cuMemAlloc_v2)(&a, 7 * MIB) == OK);
	FAKE(fake_cuda_pend)(1);
	for (int i = 0; i < 3; i++) {
		CHECK(CU(cuMemAllocFromPoolAsync)(&b, 100, pools[i], NULL) == OOM);
		CHECK(gpu().device_bytes == 7 * MIB + FAKE_POOL_STEP);
	}
	CHECK(fake_wait(fake, used_is, 8 * MIB));
	CHECK(CU(cuMemAlloc_v2)(&b, 1) == OOM);
	/* Whoever needs it then has it. */
	FAKE(fake_cuda_pend)(0);
	CHECK(CU(cuMemAlloc_v2)(&b, MIB) == OK);
	CHECK(gpu().device_bytes == 8 * MIB);
	CHECK(fake_wait(fake, used_is, 8 * MIB));
	CHECK(CU(cuMemFree_v2)(a) == OK && CU(cuMemFree_v2)(b) == OK);
	for (int i = 0; i < 3; i++)
		CHECK(CU(cuMemPoolDestroy)(pools[i]) == OK);
	CHECK(fake_wait(fake, used_is, 0));
}

static void arrays(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 8192});
	struct dv_cu_array_2d two = {
		.width = 100, .height = 10, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 1};
	struct dv_cu_array_3d three = {.width = 64,
				       .height = 8,
				       .depth = 4,
				       .format = DV_CU_AD_FORMAT_UNSIGNED_INT8,
				       .channels = 2};
	struct dv_cu_mipmap *mipmap;
	struct dv_cu_array *a, *b;

	/* 4,000 bytes at least, 4,096 with the driver's padding. */
	CHECK(CU(cuArrayCreate_v2)(&a, &two) == OK);
	CHECK(fake_wait(fake, used_is, 4096));
	CHECK(CU(cuArray3DCreate_v2)(&b, &three) == OK);
	CHECK(fake_wait(fake, used_is, 8192));
	CHECK(CU(cuMipmappedArrayCreate)(&mipmap, &three, 3) == OOM);
	CHECK(CU(cuArrayDestroy)(a) == OK);
	/* 4,096 + 1,024 + 128 is what it needs, but the driver says that it took less. */
	CHECK(CU(cuMipmappedArrayCreate)(&mipmap, &three, 3) == OOM);
	CHECK(CU(cuArrayDestroy)(b) == OK);
	CHECK(CU(cuMipmappedArrayCreate)(&mipmap, &three, 3) == OK);
	CHECK(fake_wait(fake, used_is, 4096));
	CHECK(CU(cuMipmappedArrayDestroy)(mipmap) == OK);
	/* Mapped later. */
	three.flags = DV_CUDA_ARRAY3D_SPARSE;
	three.width = 60;
	CHECK(CU(cuArray3DCreate_v2)(&a, &three) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(CU(cuArrayDestroy)(a) == OK);
	three = (struct dv_cu_array_3d){.width = SIZE_MAX / 2, .height = 4, .channels = 4};
	CHECK(CU(cuArray3DCreate_v2)(&a, &three) == OOM);
	CHECK(fake_wait(fake, used_is, 0));
}

static void graphs(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 3 * MIB});
	struct dv_cu_alloc_node node = {.bytes = 2 * MIB};
	struct dv_cu_stream *stream;
	struct dv_cu_graph *graph;
	struct dv_cu_exec *exec;
	dv_cu_ptr p;

	CHECK(CU(cuStreamCreate)(&stream, 0) == OK);
	CHECK(CU(cuStreamBeginCapture_v2)(stream, 0) == OK);
	/* Asked for in a capture: it is the graph's. */
	CHECK(CU(cuMemAllocAsync)(&p, MIB, stream) == OK && p == 0x1234);
	CHECK(CU(cuStreamEndCapture)(stream, &graph) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(CU(cuGraphAddMemAllocNode)(NULL, graph, NULL, 0, &node) == OK);
	CHECK(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0) == OK);
	CHECK(CU(cuGraphLaunch)(exec, stream) == OK);
	CHECK(fake_wait(fake, used_is, 2 * MIB));
	/* The second launch takes too much; the third is refused while that is so, and then runs,
	 * as what the graphs keep can be trimmed. */
	CHECK(CU(cuGraphLaunch)(exec, stream) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 2 * MIB) == OOM);
	CHECK(CU(cuGraphLaunch)(exec, stream) == OK);
	CHECK(fake_wait(fake, used_is, 2 * MIB));
	CHECK(CU(cuDeviceGraphMemTrim)(0) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	node.bytes = 3 * MIB + 1;
	CHECK(CU(cuGraphAddMemAllocNode)(NULL, graph, NULL, 0, &node) == OOM);
	CHECK(CU(cuGraphExecDestroy)(exec) == OK);
}

static void of_the_host(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 100});
	static char mine[4096];
	void *a, *b;

	CHECK(CU(cuMemHostAlloc)(&a, 1000, 0) == OK && CU(cuMemAllocHost_v2)(&b, 500) == OK);
	CHECK(CU(cuMemHostRegister_v2)(mine, sizeof(mine), 0) == OK);
	CHECK(stats_of(fake).counters.host_bytes == 1500 + sizeof(mine));
	CHECK(stats_of(fake).used == 0);
	/* What the driver does not give back stays counted, and can be given back later. */
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemHostUnregister)(mine) == DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemFreeHost)(a) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(stats_of(fake).counters.host_bytes == 1500 + sizeof(mine));
	CHECK(CU(cuMemHostUnregister)(mine) == OK);
	CHECK(CU(cuMemFreeHost)(a) == OK && CU(cuMemFreeHost)(b) == OK);
	CHECK(stats_of(fake).counters.host_bytes == 0);
}

/* Each family with a driver that refuses: its error, and nothing stays charged. */
static void driver_fails(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 100 * MIB});
	struct dv_cu_array_3d three = {.width = 64, .height = 1, .format = 32, .channels = 1};
	struct dv_cu_mipmap *mipmap;
	struct dv_cu_stream *stream;
	struct dv_cu_array *array;
	unsigned long long handle;
	size_t pitch;
	dv_cu_ptr p;
	void *host;

	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
#define FAILS(call) CHECK((call) == DV_CUDA_ERROR_UNKNOWN)
	FAILS(CU(cuMemAlloc_v2)(&p, 10));
	FAILS(CU(cuMemAllocManaged)(&p, 10, 0));
	FAILS(CU(cuMemAllocPitch_v2)(&p, &pitch, 10, 10, 4));
	FAILS(CU(cuMemAllocAsync)(&p, 10, NULL));
	FAILS(CU(cuMemCreate)(&handle, 10, &on_device, 0));
	FAILS(CU(cuArray3DCreate_v2)(&array, &three));
	FAILS(CU(cuMipmappedArrayCreate)(&mipmap, &three, 2));
	FAILS(CU(cuMemHostAlloc)(&host, 10, 0));
	FAILS(CU(cuStreamCreate)(&stream, 0));
	FAILS(launch(FAKE(fake_cuda_kernel)(0), NULL));
#undef FAILS
	FAKE(fake_cuda_fail)(OK);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(stats_of(fake).counters.allocs == 0 && stats_of(fake).counters.denied == 0);
	CHECK(stats_of(fake).counters.host_bytes == 0 && stats_of(fake).counters.launches == 0);
	/* Freeing what the driver then does not free leaves it charged. */
	CHECK(CU(cuMemAlloc_v2)(&p, 10) == OK);
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuMemFree_v2)(p) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(fake_wait(fake, used_is, 10));
	CHECK(CU(cuMemFree_v2)(p) == OK);
	CHECK(fake_wait(fake, used_is, 0));
	/* More than the device has, though the slice would allow it. */
	fake_set_limit(fake, FAKE_TOTAL * 2);
	CHECK(CU(cuMemAlloc_v2)(&p, FAKE_TOTAL + 1) == OOM);
	CHECK(fake_wait(fake, used_is, 0));
}

static void shown(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 10 * MIB});
	size_t available, total;
	dv_cu_ptr p;

	CHECK(CU(cuMemAlloc_v2)(&p, 3 * MIB) == OK);
	CHECK(fake_wait(fake, used_is, 3 * MIB));
	CHECK(CU(cuMemGetInfo_v2)(&available, &total) == OK);
	CHECK(available == 7 * MIB && total == 10 * MIB);
	CHECK(CU(cuDeviceTotalMem_v2)(&total, 0) == OK && total == 10 * MIB);
	CHECK(CU(cuDeviceTotalMem_v2)(&total, 3) == DV_CUDA_ERROR_INVALID_DEVICE);
}

static void shown_without_limit(void)
{
	begin(&(struct fake_config){.mode = FAKE_ENDLESS});
	size_t available, total;

	CHECK(CU(cuMemGetInfo_v2)(&available, &total) == OK);
	CHECK(available == FAKE_TOTAL && total == FAKE_TOTAL);
}

/* A child that uses CUDA is a client of its own, and gives back nothing of its parent's. */
static void forked(void)
{
	struct fake *fake = begin_without_context(&(struct fake_config){.limit_bytes = 1000});
	struct dv_cu_context *context;
	dv_cu_ptr p, q;
	pid_t pid;

	CHECK(CU(cuCtxCreate_v2)(&context, 0, 0) == OK && CU(cuMemAlloc_v2)(&p, 600) == OK);
	pid = fork();
	if (pid == 0) {
		CHECK(CU(cuMemAlloc_v2)(&q, 401) == OOM);
		CHECK(CU(cuMemAlloc_v2)(&q, 400) == OK);
		(void)CU(cuMemFree_v2)(p);
		CHECK(CU(cuMemAlloc_v2)(&q, 1) == OOM);
		_exit(0);
	}
	CHECK(ended_well(pid));
	CHECK(fake_wait(fake, used_is, 600));
	CHECK(CU(cuMemFree_v2)(p) == OK);
	CHECK(fake_wait(fake, used_is, 0));
}

static void without_lease(void)
{
	struct dv_cu_context *context;
	dv_cu_ptr p;

	unsetenv("DIVVY_LEASE_SOCKET");
	cuda_place();
	cuda_open();
	errno = 5;
	CHECK(CU(cuInit)(0) == DV_CUDA_ERROR_NOT_PERMITTED);
	/* One that goes on all the same gets nothing. */
	CHECK(CU(cuCtxCreate_v2)(&context, 0, 0) == OK);
	CHECK(CU(cuMemAlloc_v2)(&p, 1) == OOM);
	CHECK(launch(FAKE(fake_cuda_kernel)(0), NULL) == DV_CUDA_ERROR_SYSTEM_NOT_READY);
	CHECK(errno == 5);
}

TEST(direct)
TEST(with_their_context)
TEST(contexts)
TEST(primary_by_many)
TEST(green)
TEST(physical)
TEST(exported)
TEST(pools)
TEST(pool_steps)
TEST(arrays)
TEST(graphs)
TEST(of_the_host)
TEST(driver_fails)
TEST(shown)
TEST(shown_without_limit)
TEST(without_lease)

static void test_forked(void **state)
{
	NOT_UNDER_TSAN();
	assert_true(in_process(forked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_with_their_context),
		cmocka_unit_test(test_contexts),
		cmocka_unit_test(test_primary_by_many),
		cmocka_unit_test(test_green),
		cmocka_unit_test(test_physical),
		cmocka_unit_test(test_exported),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_pool_steps),
		cmocka_unit_test(test_arrays),
		cmocka_unit_test(test_graphs),
		cmocka_unit_test(test_of_the_host),
		cmocka_unit_test(test_driver_fails),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_shown_without_limit),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_without_lease),
	};

	return cmocka_run_group_tests_name("shim/cuda-memory", tests, NULL, NULL);
}
