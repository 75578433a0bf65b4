/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of every kind, and copies. */
#include "cuda-conformance.h"

enum { MIB = 1 << 20, WORDS = 4096 };

static size_t free_bytes(void)
{
	size_t bytes = 0, total = 0;

	OK(cu.cuMemGetInfo_v2(&bytes, &total));
	return bytes;
}

static void out_of_memory(void)
{
	size_t bytes = 0, total = 0;
	dv_cu_ptr ptr = 77, small = 0;

	OK(cu.cuMemGetInfo_v2(&bytes, &total));
	IS(cu.cuMemAlloc_v2(&ptr, total + MIB), ERROR_OUT_OF_MEMORY);
	IS(cu.cuMemAlloc_v2(&ptr, (size_t)1 << 50), ERROR_OUT_OF_MEMORY);
	/* It is no state: the next one succeeds. */
	OK(cu.cuMemAlloc_v2(&small, 4096));
	OK(cu.cuMemFree_v2(small));
}

static void addresses(void)
{
	dv_cu_ptr ptr = 0, base = 0;
	size_t size = 0, pitch = 0;
	uint32_t type = 0;
	int ordinal = -1;

	OK(cu.cuMemAlloc_v2(&ptr, 5000));
	CHECK(ptr % 256 == 0);
	OK(cu.cuMemGetAddressRange_v2(&base, &size, ptr + 100));
	CHECK(base == ptr && size >= 5000);
	saw_number("memory.range-of-5000", (double)size);
	OK(cu.cuPointerGetAttribute(&type, DV_CU_POINTER_ATTRIBUTE_MEMORY_TYPE, ptr));
	CHECK(type == DV_CU_MEMORYTYPE_DEVICE);
	OK(cu.cuPointerGetAttribute(&ordinal, DV_CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, ptr));
	CHECK(ordinal == 0);
	IS(cu.cuPointerGetAttribute(&type, DV_CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (uintptr_t)&type),
	   ERROR_INVALID_VALUE);
	OK(cu.cuMemFree_v2(ptr));
	OK(cu.cuMemAllocPitch_v2(&ptr, &pitch, 1000, 10, 4));
	CHECK(pitch >= 1000 && pitch % 32 == 0);
	OK(cu.cuMemFree_v2(ptr));
	saw_number("memory.pitch-of-1000", (double)pitch);
}

static void host(void)
{
	void *pinned = NULL, *own = aligned_alloc(4096, 8192);
	uint32_t flags = 0, type = 0;
	dv_cu_ptr ptr = 0;

	OK(cu.cuMemHostAlloc(&pinned, 8192, DV_CU_MEMHOSTALLOC_PORTABLE));
	OK(cu.cuMemHostGetFlags(&flags, pinned));
	CHECK(flags & DV_CU_MEMHOSTALLOC_PORTABLE);
	OK(cu.cuMemHostGetDevicePointer_v2(&ptr, pinned, 0));
	OK(cu.cuPointerGetAttribute(&type, DV_CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (uintptr_t)pinned));
	CHECK(type == DV_CU_MEMORYTYPE_HOST);
	OK(cu.cuMemFreeHost(pinned));
	IS(cu.cuMemHostUnregister(own), ERROR_HOST_MEMORY_NOT_REGISTERED);
	OK(cu.cuMemHostRegister_v2(own, 8192, 0));
	IS(cu.cuMemHostRegister_v2(own, 8192, 0), ERROR_HOST_MEMORY_ALREADY_REGISTERED);
	OK(cu.cuMemHostUnregister(own));
	free(own);
}

static void managed(void)
{
	struct dv_cu_location here = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0};
	dv_cu_ptr ptr = 0;
	bool is = false;

	IS(cu.cuMemAllocManaged(&ptr, 4096, 0), ERROR_INVALID_VALUE);
	OK(cu.cuMemAllocManaged(&ptr, WORDS * sizeof(uint32_t), DV_CU_MEM_ATTACH_GLOBAL));
	OK(cu.cuPointerGetAttribute(&is, DV_CU_POINTER_ATTRIBUTE_IS_MANAGED, ptr));
	CHECK(is);
	*(uint32_t *)(uintptr_t)ptr = 7; /* the host may use it */
	launch_on(NULL, fill, ptr, 21, WORDS);
	OK(cu.cuCtxSynchronize());
	CHECK(*(uint32_t *)(uintptr_t)ptr == 21);
	if (cu.cuMemPrefetchAsync_v2)
		(void)cu.cuMemPrefetchAsync_v2(ptr, 4096, here, 0, NULL);
	OK(cu.cuMemFree_v2(ptr));
}

static void arrays(void)
{
	struct dv_cu_array_2d is = {
		.width = 300, .height = 20, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 2};
	struct dv_cu_array_2d got = {0};
	struct dv_cu_array_memory needs = {0};
	struct dv_cu_array *array = NULL;
	char row[300 * 8], back[300 * 8];

	OK(cu.cuArrayCreate_v2(&array, &is));
	OK(cu.cuArrayGetDescriptor_v2(&got, array));
	CHECK(got.width == 300 && got.height == 20 && got.channels == 2);
	if (cu.cuArrayGetMemoryRequirements(&needs, array, 0) == DV_CUDA_SUCCESS)
		saw_number("memory.array-bytes", (double)needs.size);
	memset(row, 0x5a, sizeof(row));
	OK(cu.cuMemcpyHtoA_v2(array, 0, row, sizeof(row)));
	memset(back, 0, sizeof(back));
	OK(cu.cuMemcpyAtoH_v2(back, array, 0, sizeof(back)));
	CHECK(memcmp(row, back, sizeof(row)) == 0);
	OK(cu.cuArrayDestroy(array));
	is.channels = 3;
	IS(cu.cuArrayCreate_v2(&array, &is), ERROR_INVALID_VALUE);
}

void part_memory(void)
{
	size_t before = free_bytes(), after;
	dv_cu_ptr ptr = 0;

	OK(cu.cuMemAlloc_v2(&ptr, 64 * MIB));
	after = free_bytes();
	CHECK(before - after == 64 * (size_t)MIB);
	launch_on(NULL, fill, ptr, 0xabcd, WORDS);
	CHECK(holds(ptr, 0xabcd, WORDS));
	OK(cu.cuMemFree_v2(ptr));
	CHECK(free_bytes() == before);
	IS(cu.cuMemFree_v2(ptr), ERROR_INVALID_VALUE);
	out_of_memory();
	addresses();
	host();
	managed();
	arrays();
}

/* --- virtual memory management --- */

static void map_and_use(dv_cu_ptr at, size_t size, unsigned long long handle)
{
	struct dv_cu_access access = {.location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0},
				      .flags = DV_CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	unsigned long long again = 0;

	OK(cu.cuMemMap(at, size, 0, handle, 0));
	OK(cu.cuMemSetAccess(at, size, &access, 1));
	launch_on(NULL, fill, at, 99, WORDS);
	CHECK(holds(at, 99, WORDS));
	OK(cu.cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)at));
	saw_number("physical.retained-is-same", again == handle);
	OK(cu.cuMemRelease(again));
}

void part_physical(void)
{
	struct dv_cu_alloc_prop prop = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					.handle_types = DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
					.location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	size_t grain = 0, size, before;
	unsigned long long handle = 0;
	dv_cu_ptr at = 0;
	int fd = -1;

	OK(cu.cuMemGetAllocationGranularity(&grain, &prop, DV_CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	CHECK(grain >= 4096);
	saw_number("physical.granularity", (double)grain);
	size = 32 * grain;
	before = free_bytes();
	IS(cu.cuMemCreate(&handle, size + 1, &prop, 0), ERROR_INVALID_VALUE);
	OK(cu.cuMemCreate(&handle, size, &prop, 0));
	CHECK(before - free_bytes() == size);
	OK(cu.cuMemAddressReserve(&at, size, 0, 0, 0));
	CHECK(before - free_bytes() == size);
	map_and_use(at, size, handle);
	/* The mapping keeps the memory; so does nothing after it. */
	OK(cu.cuMemRelease(handle));
	CHECK(before - free_bytes() == size);
	CHECK(holds(at, 99, WORDS));
	IS(cu.cuMemRelease(handle), ERROR_INVALID_VALUE);
	OK(cu.cuMemUnmap(at, size));
	CHECK(free_bytes() == before);
	OK(cu.cuMemCreate(&handle, size, &prop, 0));
	OK(cu.cuMemExportToShareableHandle(&fd, handle, DV_CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
					   0));
	CHECK(fd >= 0);
	OK(cu.cuMemRelease(handle));
	(void)close(fd);
	OK(cu.cuMemAddressFree(at, size));
}

/* --- pools --- */

static uint64_t of_pool(struct dv_cu_pool *pool, uint32_t attribute)
{
	uint64_t value = 0;

	OK(cu.cuMemPoolGetAttribute(pool, attribute, &value));
	return value;
}

void part_pools(void)
{
	struct dv_cu_pool *pool = NULL, *again = NULL;
	struct dv_cu_stream *stream = NULL;
	dv_cu_ptr a = 0, b = 0;

	OK(cu.cuDeviceGetDefaultMemPool(&pool, 0));
	OK(cu.cuDeviceGetMemPool(&again, 0));
	CHECK(pool == again);
	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	CHECK(of_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0);
	OK(cu.cuMemAllocAsync(&a, 8 * MIB, stream));
	OK(cu.cuMemAllocAsync(&b, 4096, stream));
	CHECK(a && b && a != b);
	CHECK(of_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT) >= 8 * MIB + 4096);
	CHECK(of_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) >=
	      of_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT));
	saw_number("pools.reserved-for-8-mib",
		   (double)of_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT));
	launch_on(stream, fill, a, 5, WORDS);
	OK(cu.cuStreamSynchronize(stream));
	CHECK(holds(a, 5, WORDS));
	OK(cu.cuMemFreeAsync(a, stream));
	OK(cu.cuMemFreeAsync(b, stream));
	OK(cu.cuStreamSynchronize(stream));
	CHECK(of_pool(pool, DV_CU_MEMPOOL_ATTR_USED_MEM_CURRENT) == 0);
	OK(cu.cuMemPoolTrimTo(pool, 0));
	CHECK(of_pool(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT) == 0);
	IS(cu.cuMemAllocAsync(&a, (size_t)1 << 50, stream), ERROR_OUT_OF_MEMORY);
	IS(cu.cuMemFreeAsync(0x1234, stream), ERROR_INVALID_VALUE);
	OK(cu.cuStreamDestroy_v2(stream));
}

/* --- copies --- */

void part_copies(void)
{
	uint32_t words[64], back[64] = {0};
	struct dv_cu_copy_2d copy = {.src_type = DV_CU_MEMORYTYPE_HOST,
				     .src_host = words,
				     .src_pitch = 64,
				     .dst_type = DV_CU_MEMORYTYPE_DEVICE,
				     .dst_pitch = 128,
				     .width = 64,
				     .height = 4};
	dv_cu_ptr a = 0, b = 0;

	for (uint32_t i = 0; i < 64; i++)
		words[i] = i * 3;
	OK(cu.cuMemAlloc_v2(&a, 4 * MIB));
	OK(cu.cuMemAlloc_v2(&b, 4 * MIB));
	OK(cu.cuMemcpyHtoD_v2(a, words, sizeof(words)));
	OK(cu.cuMemcpyDtoD_v2(b, a, sizeof(words)));
	OK(cu.cuMemcpyDtoH_v2(back, b, sizeof(back)));
	CHECK(memcmp(words, back, sizeof(back)) == 0);
	OK(cu.cuMemcpy(a, b, sizeof(words)));
	OK(cu.cuMemsetD32_v2(a, 0x01020304, WORDS));
	CHECK(holds(a, 0x01020304, WORDS));
	OK(cu.cuMemsetD8_v2(a, 0x11, WORDS * 4));
	CHECK(holds(a, 0x11111111, WORDS));
	OK(cu.cuMemsetD16_v2(a, 0x2233, WORDS * 2));
	CHECK(holds(a, 0x22332233, WORDS));
	copy.dst_device = a;
	OK(cu.cuMemcpy2D_v2(&copy));
	OK(cu.cuMemcpyDtoH_v2(back, a + 128, 64));
	CHECK(memcmp(back, words + 16, 64) == 0);
	/* Past the end of what was allocated. */
	IS(cu.cuMemcpyHtoD_v2(a + 4 * MIB - 16, words, sizeof(words)), ERROR_INVALID_VALUE);
	OK(cu.cuMemFree_v2(a));
	OK(cu.cuMemFree_v2(b));
}
