/* SPDX-License-Identifier: Apache-2.0 */
/* A program that computes on a simulated machine, for the test beside it: told what to do by its
 * arguments, it says what it got on its standard output. Not more than a line each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/gpu/cuda-load.h"

static struct cuda cu;
static struct dv_cu_function *spin, *fill, *add;

static double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int say(const char *what, enum dv_cu_result result)
{
	(void)printf("%s %d\n", what, (int)result);
	(void)fflush(stdout);
	return 0;
}

static void start(int device)
{
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;

	if (cu.cuInit(0) != DV_CUDA_SUCCESS ||
	    cu.cuDevicePrimaryCtxRetain(&context, device) != DV_CUDA_SUCCESS ||
	    cu.cuCtxSetCurrent(context) != DV_CUDA_SUCCESS ||
	    cu.cuModuleLoadData(&module, cuda_kernels) != DV_CUDA_SUCCESS ||
	    cu.cuModuleGetFunction(&spin, module, "dv_spin") != DV_CUDA_SUCCESS ||
	    cu.cuModuleGetFunction(&fill, module, "dv_fill") != DV_CUDA_SUCCESS ||
	    cu.cuModuleGetFunction(&add, module, "dv_add") != DV_CUDA_SUCCESS)
		exit(9);
}

static void launch(unsigned long long ns)
{
	void *params[] = {&ns};

	if (cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, NULL, params, NULL) != DV_CUDA_SUCCESS)
		exit(8);
}

/* Kernels of that length for that time, a few in flight; says how much was done. */
static int busy(unsigned long long ns, double for_ms)
{
	struct dv_cu_event *events[4] = {NULL};
	double begin = now_ms();
	unsigned long long done = 0;

	for (int i = 0; i < 4; i++)
		if (cu.cuEventCreate(&events[i], DV_CU_EVENT_DISABLE_TIMING) != DV_CUDA_SUCCESS)
			return 7;
	for (unsigned i = 0; now_ms() - begin < for_ms; i++) {
		struct dv_cu_event *event = events[i % 4];

		if (i >= 4) {
			(void)cu.cuEventSynchronize(event);
			done++;
		}
		launch(ns);
		(void)cu.cuEventRecord(event, NULL);
	}
	(void)printf("%.3f\n", (double)(done * ns) / 1e6 / (now_ms() - begin));
	return 0;
}

static int hold(size_t bytes)
{
	dv_cu_ptr ptr = 0;
	char line[16];

	(void)say("alloc", cu.cuMemAlloc_v2(&ptr, bytes));
	(void)!fgets(line, sizeof(line), stdin); /* until it is told to end */
	return 0;
}

static int devices(void)
{
	enum dv_cu_result result = cu.cuInit(0);
	int count = 0;

	if (result != DV_CUDA_SUCCESS)
		return say("init", result);
	(void)cu.cuDeviceGetCount(&count);
	(void)printf("%d", count);
	for (int i = 0; i < count; i++) {
		char name[128] = "";
		size_t bytes = 0;
		int sms = 0;

		(void)cu.cuDeviceGetName(name, sizeof(name), i);
		(void)cu.cuDeviceTotalMem_v2(&bytes, i);
		(void)cu.cuDeviceGetAttribute(&sms, DV_CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, i);
		(void)printf(" | %s %zu %d", name, bytes >> 20, sms);
	}
	(void)printf("\n");
	return 0;
}

static void wait_for_line(void *nothing)
{
	char line[16];

	(void)!fgets(line, sizeof(line), stdin);
}

/* Memory and an event for another process, which adds 1 to each word after the event: that comes
 * when we are told so. */
static int share(void)
{
	struct dv_cu_ipc_memory memory;
	struct dv_cu_ipc_event event;
	struct dv_cu_event *signal = NULL;
	uint32_t value = 0, words[1024];
	dv_cu_ptr ptr = 0;

	if (cu.cuMemAlloc_v2(&ptr, 4 << 20) != DV_CUDA_SUCCESS ||
	    cu.cuEventCreate(&signal, DV_CU_EVENT_INTERPROCESS | DV_CU_EVENT_DISABLE_TIMING) !=
		    DV_CUDA_SUCCESS ||
	    cu.cuIpcGetMemHandle(&memory, ptr) != DV_CUDA_SUCCESS ||
	    cu.cuIpcGetEventHandle(&event, signal) != DV_CUDA_SUCCESS)
		return 5;
	if (cu.cuLaunchHostFunc(NULL, wait_for_line, NULL) != DV_CUDA_SUCCESS ||
	    cu.cuMemsetD32Async(ptr, 41, 1024, NULL) != DV_CUDA_SUCCESS ||
	    cu.cuEventRecord(signal, NULL) != DV_CUDA_SUCCESS)
		return 5;
	for (size_t i = 0; i < sizeof(memory); i++)
		(void)printf("%02x", (uint8_t)memory.reserved[i]);
	for (size_t i = 0; i < sizeof(event); i++)
		(void)printf("%02x", (uint8_t)event.reserved[i]);
	(void)printf("\n");
	(void)fflush(stdout);
	if (cu.cuEventSynchronize(signal) != DV_CUDA_SUCCESS)
		return 5;
	wait_for_line(NULL);
	if (cu.cuMemcpyDtoH_v2(words, ptr, sizeof(words)) != DV_CUDA_SUCCESS)
		return 5;
	for (size_t i = 0; i < 1024; i++)
		value += words[i] == 42;
	(void)printf("%u\n", value);
	return 0;
}

static int use_shared(const char *text)
{
	struct dv_cu_ipc_memory memory;
	struct dv_cu_ipc_event event;
	uint8_t bytes[sizeof(memory) + sizeof(event)];
	uint32_t one = 1, count = 1024;
	struct dv_cu_event *signal = NULL;
	dv_cu_ptr ptr = 0;
	void *params[] = {&ptr, &one, &count};

	for (size_t i = 0; i < sizeof(bytes); i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			return 4;
	memcpy(&memory, bytes, sizeof(memory));
	memcpy(&event, bytes + sizeof(memory), sizeof(event));
	if (cu.cuIpcOpenMemHandle_v2(&ptr, memory, DV_CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS) !=
		    DV_CUDA_SUCCESS ||
	    cu.cuIpcOpenEventHandle(&signal, event) != DV_CUDA_SUCCESS)
		return 4;
	if (cu.cuStreamWaitEvent(NULL, signal, 0) != DV_CUDA_SUCCESS ||
	    cu.cuLaunchKernel(add, 4, 1, 1, 256, 1, 1, 0, NULL, params, NULL) != DV_CUDA_SUCCESS)
		return 4;
	(void)printf("submitted\n");
	(void)fflush(stdout);
	if (cu.cuCtxSynchronize() != DV_CUDA_SUCCESS)
		return 4;
	(void)printf("done\n");
	return cu.cuIpcCloseMemHandle(ptr) == DV_CUDA_SUCCESS ? 0 : 4;
}

/* The same memory, kept until it is told to end. */
static int keep_shared(const char *text)
{
	struct dv_cu_ipc_memory memory;
	dv_cu_ptr ptr = 0;
	char line[16];

	for (size_t i = 0; i < sizeof(memory); i++)
		if (sscanf(text + 2 * i, "%2hhx", (uint8_t *)&memory.reserved[i]) != 1)
			return 4;
	(void)say("open",
		  cu.cuIpcOpenMemHandle_v2(&ptr, memory, DV_CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
	(void)!fgets(line, sizeof(line), stdin);
	return 0;
}

/* Images of our own: what they may say, and what their kernels do. */
static int images(void)
{
	static const char image[] = "divvy-sim-kernel name=copy do=copy args=8,8,4 ns=1000\n"
				    "divvy-sim-kernel name=check do=check args=8,4,4,8\n";
	static const char *const wrong[] = {
		"divvy-sim-kernel ns=5 name=late", "divvy-sim-kernel name=odd do=dance ",
		"divvy-sim-kernel name=odd args=8,,4", "divvy-sim-kernel name=odd ns=argx  "};
	struct dv_cu_function *copy = NULL, *check = NULL;
	struct dv_cu_module *module = NULL;
	uint32_t value = 7, count = 1024, differ = 99;
	dv_cu_ptr a = 0, b = 0, ret = 0;
	void *copying[] = {&b, &a, &count}, *checking[] = {&b, &value, &count, &ret};
	struct dv_cu_launch launching = {
		.grid_x = 1, .grid_y = 1, .grid_z = 1, .block_x = 1, .block_y = 1, .block_z = 1};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (cu.cuModuleLoadData(&module, wrong[i]) != DV_CUDA_ERROR_INVALID_IMAGE)
			return 3;
	if (cu.cuModuleLoadData(&module, image) != DV_CUDA_SUCCESS ||
	    cu.cuModuleGetFunction(&copy, module, "copy") != DV_CUDA_SUCCESS ||
	    cu.cuModuleGetFunction(&check, module, "check") != DV_CUDA_SUCCESS ||
	    cu.cuMemAlloc_v2(&a, 4096) != DV_CUDA_SUCCESS ||
	    cu.cuMemAlloc_v2(&b, 4096) != DV_CUDA_SUCCESS ||
	    cu.cuMemAlloc_v2(&ret, 4) != DV_CUDA_SUCCESS ||
	    cu.cuMemsetD32_v2(a, 7, 1000) != DV_CUDA_SUCCESS ||
	    cu.cuLaunchKernelEx(&launching, copy, copying, NULL) != DV_CUDA_SUCCESS ||
	    cu.cuLaunchKernelEx(&launching, check, checking, NULL) != DV_CUDA_SUCCESS ||
	    cu.cuMemcpyDtoH_v2(&differ, ret, sizeof(differ)) != DV_CUDA_SUCCESS)
		return 3;
	(void)printf("%u\n", differ); /* the last 24 words were never set */
	return 0;
}

/* A kernel writes where nothing is: from then on nothing works. */
static int illegal(void)
{
	dv_cu_ptr at = 4096, ptr = 0;
	uint32_t value = 1, count = 16;
	void *params[] = {&at, &value, &count};
	enum dv_cu_result launched =
		cu.cuLaunchKernel(fill, 1, 1, 1, 16, 1, 1, 0, NULL, params, NULL);
	enum dv_cu_result waited = cu.cuCtxSynchronize(), after = cu.cuMemAlloc_v2(&ptr, 4096);

	(void)printf("%d %d %d\n", (int)launched, (int)waited, (int)after);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3 || !cuda_load(argv[1], &cu))
		return 2;
	if (strcmp(argv[2], "devices") == 0)
		return devices();
	start(0);
	if (argc > 4 && strcmp(argv[2], "busy") == 0)
		return busy(strtoull(argv[3], NULL, 10), strtod(argv[4], NULL));
	if (argc > 3 && strcmp(argv[2], "hold") == 0)
		return hold(strtoull(argv[3], NULL, 10));
	if (strcmp(argv[2], "share") == 0)
		return share();
	if (argc > 3 && strcmp(argv[2], "use") == 0)
		return use_shared(argv[3]);
	if (argc > 3 && strcmp(argv[2], "keep") == 0)
		return keep_shared(argv[3]);
	if (strcmp(argv[2], "images") == 0)
		return images();
	if (strcmp(argv[2], "illegal") == 0)
		return illegal();
	return 2;
}
