/* SPDX-License-Identifier: Apache-2.0 */
/* Names, devices, contexts, and errors of wrong use. */
#include "cuda-conformance.h"

/* --- cuGetProcAddress --- */

static void *address(const char *name, int version, uint64_t flags)
{
	enum dv_cu_symbol_status status = DV_CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	void *function = NULL;

	OK(cu.cuGetProcAddress_v2(name, &function, version, flags, &status));
	CHECK((function != NULL) == (status == DV_CU_GET_PROC_ADDRESS_SUCCESS));
	return function;
}

void part_names(void)
{
	enum dv_cu_symbol_status status = DV_CU_GET_PROC_ADDRESS_SUCCESS;
	void *function = &status, *old, *new, *exported;
	uint64_t ptds = DV_CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;

	/* An unknown name is told by the status alone; without a status, by the result. */
	OK(cu.cuGetProcAddress_v2("cuNoSuchThing", &function, 13000, 0, &status));
	CHECK(!function && status == DV_CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	IS(cu.cuGetProcAddress_v2("cuNoSuchThing", &function, 13000, 0, NULL), ERROR_NOT_FOUND);
	OK(cu.cuGetProcAddress_v2("cuMemAllocAsync", &function, 11000, 0, &status));
	CHECK(!function && status == DV_CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
	(void)cu.cuGetProcAddress_v2("", &function, 0, 0, NULL); /* as the runtime does */
	/* One name at several versions. */
	old = address("cuStreamGetCaptureInfo", 10010, 0);
	new = address("cuStreamGetCaptureInfo", 11030, 0);
	CHECK(old && new &&old != new);
	CHECK(address("cuGetProcAddress", 11030, 0) != address("cuGetProcAddress", 12000, 0));
	CHECK(address("cuMemAlloc", 12000, 0) == address("cuMemAlloc", 3020, 0));
	/* Streams of threads. */
	new = address("cuMemcpyAsync", 7000, ptds);
	old = address("cuMemcpyAsync", 4000, 0);
	CHECK(old && new &&old != new);
	CHECK(address("cuMemcpyAsync", 7000, DV_CU_GET_PROC_ADDRESS_LEGACY_STREAM) == old);
	/* Is what is answered what is exported? */
	memcpy(&exported, &cu.cuMemAlloc_v2, sizeof(exported));
	saw_number("names.alloc-is-exported", address("cuMemAlloc", 3020, 0) == exported);
	memcpy(&exported, &cu.cuMemcpyAsync_ptsz, sizeof(exported));
	saw_number("names.copy-ptsz-is-exported", new == exported);
	memcpy(&exported, &cu.cuGetProcAddress_v2, sizeof(exported));
	saw_number("names.own-is-exported", address("cuGetProcAddress", 12000, 0) == exported);
}

/* --- devices --- */

static void unknown_device(int count)
{
	struct dv_cu_uuid uuid;
	char name[8];
	int device = -1, value;
	size_t bytes;

	IS(cu.cuDeviceGet(&device, count), ERROR_INVALID_DEVICE);
	IS(cu.cuDeviceGet(&device, -1), ERROR_INVALID_DEVICE);
	IS(cu.cuDeviceTotalMem_v2(&bytes, count), ERROR_INVALID_DEVICE);
	IS(cu.cuDeviceGetAttribute(&value, DV_CU_DEVICE_ATTRIBUTE_WARP_SIZE, count),
	   ERROR_INVALID_DEVICE);
	IS(cu.cuDeviceGetAttribute(&value, 100000, 0), ERROR_INVALID_VALUE);
	IS(cu.cuDeviceGetUuid_v2(&uuid, count), ERROR_INVALID_DEVICE);
	OK(cu.cuDeviceGetName(name, sizeof(name), 0)); /* what is too long is cut */
	CHECK(strlen(name) < sizeof(name));
}

void part_devices(void)
{
	char name[128] = "", address[32] = "";
	int count = 0, version = 0, device = -1, value = 0, again = -1;
	struct dv_cu_context *current = (struct dv_cu_context *)&count;
	size_t bytes = 0;

	OK(cu.cuDriverGetVersion(&version));
	CHECK(version >= 12000);
	OK(cu.cuDeviceGetCount(&count));
	CHECK(count >= 1);
	OK(cu.cuDeviceGet(&device, 0));
	CHECK(device == 0);
	OK(cu.cuDeviceGetName(name, sizeof(name), device));
	OK(cu.cuDeviceTotalMem_v2(&bytes, device));
	CHECK(name[0] && bytes > 1u << 30);
	OK(cu.cuDeviceGetPCIBusId(address, sizeof(address), device));
	OK(cu.cuDeviceGetByPCIBusId(&again, address));
	CHECK(again == device);
	saw_text("device.name", name);
	saw_number("device.bytes", (double)bytes);
	saw_number("driver.version", version);
	OK(cu.cuDeviceGetAttribute(&value, DV_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device));
	CHECK(value > 0);
	saw_number("device.multiprocessors", value);
	OK(cu.cuDeviceGetAttribute(&value, DV_CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
				   device));
	CHECK(value >= 5);
	OK(cu.cuDeviceGetAttribute(&value, DV_CU_DEVICE_ATTRIBUTE_WARP_SIZE, device));
	CHECK(value == 32);
	OK(cu.cuDeviceGetAttribute(&value, DV_CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, device));
	CHECK(value == 1);
	OK(cu.cuCtxGetCurrent(&current));
	CHECK(!current);
	IS(cu.cuCtxGetDevice(&device), ERROR_INVALID_CONTEXT);
	IS(cu.cuCtxSynchronize(), ERROR_INVALID_CONTEXT);
	unknown_device(count);
}

/* --- contexts --- */

static void own_context(void)
{
	struct dv_cu_context *own = NULL, *current = NULL, *popped = NULL;
	unsigned version = 0;
	int device = -1;

	OK(cu.cuCtxCreate_v2(&own, DV_CU_CTX_SCHED_AUTO, 0));
	OK(cu.cuCtxGetCurrent(&current));
	CHECK(current == own && own != context);
	OK(cu.cuCtxGetApiVersion(own, &version));
	CHECK(version >= 3010);
	OK(cu.cuCtxPopCurrent_v2(&popped));
	CHECK(popped == own);
	OK(cu.cuCtxGetCurrent(&current));
	CHECK(current == context);
	OK(cu.cuCtxPushCurrent_v2(own));
	OK(cu.cuCtxGetDevice(&device));
	CHECK(device == 0);
	OK(cu.cuCtxDestroy_v2(own));
	OK(cu.cuCtxGetCurrent(&current));
	CHECK(current == context);
}

void part_context(void)
{
	struct dv_cu_context *again = NULL;
	uint32_t flags = 99;
	int active = 9, least = 9, greatest = 9;
	size_t free_before = 0, total = 0, limit = 0;

	OK(cu.cuDevicePrimaryCtxGetState(0, &flags, &active));
	CHECK(active == 0 && flags == 0);
	OK(cu.cuDevicePrimaryCtxRetain(&context, 0));
	if (!context)
		return;
	OK(cu.cuDevicePrimaryCtxRetain(&again, 0));
	CHECK(again == context);
	OK(cu.cuDevicePrimaryCtxRelease_v2(0));
	OK(cu.cuDevicePrimaryCtxGetState(0, &flags, &active));
	CHECK(active == 1);
	IS(cu.cuMemGetInfo_v2(&free_before, &total), ERROR_INVALID_CONTEXT);
	OK(cu.cuCtxSetCurrent(context));
	OK(cu.cuMemGetInfo_v2(&free_before, &total));
	CHECK(free_before < total && free_before > 0);
	saw_number("context.used-bytes", (double)(total - free_before));
	OK(cu.cuCtxGetStreamPriorityRange(&least, &greatest));
	CHECK(least == 0 && greatest <= 0);
	OK(cu.cuCtxGetLimit(&limit, DV_CU_LIMIT_STACK_SIZE));
	CHECK(limit > 0);
	IS(cu.cuCtxGetLimit(&limit, 1000), ERROR_UNSUPPORTED_LIMIT);
	own_context();
}

/* --- errors of wrong use --- */

static void wrong_launches(void)
{
	unsigned long long ns = 1000;
	void *params[] = {&ns};

	IS(cu.cuLaunchKernel(spin, 0, 1, 1, 1, 1, 1, 0, NULL, params, NULL), ERROR_INVALID_VALUE);
	IS(cu.cuLaunchKernel(spin, 1, 1, 1, 2048, 1, 1, 0, NULL, params, NULL),
	   ERROR_INVALID_VALUE);
	IS(cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 1 << 30, NULL, params, NULL),
	   ERROR_INVALID_VALUE);
	IS(cu.cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL), ERROR_INVALID_HANDLE);
	/* Nothing of it is left over. */
	OK(cu.cuCtxSynchronize());
}

void part_wrong(void)
{
	struct dv_cu_module *module = NULL;
	struct dv_cu_stream *stream = NULL;
	const char *text = NULL;
	dv_cu_ptr ptr = 0;
	char buf[16];

	wrong_launches();
	IS(cu.cuMemAlloc_v2(&ptr, 0), ERROR_INVALID_VALUE);
	IS(cu.cuMemAlloc_v2(NULL, 64), ERROR_INVALID_VALUE);
	IS(cu.cuMemFree_v2(0x1234), ERROR_INVALID_VALUE);
	OK(cu.cuMemFree_v2(0));
	IS(cu.cuMemcpyDtoH_v2(buf, 0x1234, sizeof(buf)), ERROR_INVALID_VALUE);
	IS(cu.cuStreamCreate(&stream, 77), ERROR_INVALID_VALUE);
	IS(cu.cuModuleLoadData(&module, "this is no image at all"), ERROR_INVALID_IMAGE);
	IS(cu.cuModuleLoad(&module, "/no/such/file"), ERROR_FILE_NOT_FOUND);
	OK(cu.cuGetErrorName(DV_CUDA_ERROR_OUT_OF_MEMORY, &text));
	CHECK(text && strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY") == 0);
	OK(cu.cuGetErrorString(DV_CUDA_ERROR_OUT_OF_MEMORY, &text));
	CHECK(text && strcmp(text, "out of memory") == 0);
	IS(cu.cuGetErrorName((enum dv_cu_result)54321, &text), ERROR_INVALID_VALUE);
	CHECK(!text);
}
