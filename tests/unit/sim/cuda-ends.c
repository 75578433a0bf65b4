/* SPDX-License-Identifier: Apache-2.0 */
/* What is left in the simulated driver of contexts, captures and calls that ended badly: nothing.
 * The library is the only argument. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/gpu/cuda-load.h"

enum { MIB = 1 << 20, ROUNDS = 200, THREADS = 3 };

static struct cuda cu;

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);   \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)
#define IS(call, expected) CHECK((call) == DV_CUDA_##expected)
#define OK(call) IS(call, SUCCESS)

static size_t free_bytes(void)
{
	size_t bytes = 0, total = 0;

	OK(cu.cuMemGetInfo_v2(&bytes, &total));
	return bytes;
}

static struct dv_cu_function *spin(void)
{
	struct dv_cu_function *function = NULL;
	struct dv_cu_module *module = NULL;

	OK(cu.cuModuleLoadData(&module, cuda_kernels));
	OK(cu.cuModuleGetFunction(&function, module, "dv_spin"));
	return function;
}

static void launch(struct dv_cu_function *function, struct dv_cu_stream *stream,
		   unsigned long long ns)
{
	void *params[] = {&ns};

	OK(cu.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

/* Memory of a pool is the device's: it outlives the context in which it was asked for. */
static void memory_of_pools(void)
{
	struct dv_cu_context *first = NULL, *second = NULL, *of = NULL;
	dv_cu_ptr ptr = 0;

	OK(cu.cuCtxCreate_v2(&first, 0, 0));
	OK(cu.cuCtxCreate_v2(&second, 0, 0));
	OK(cu.cuMemAllocAsync(&ptr, MIB, NULL));
	OK(cu.cuPointerGetAttribute(&of, DV_CU_POINTER_ATTRIBUTE_CONTEXT, ptr));
	CHECK(!of);
	OK(cu.cuCtxDestroy_v2(second));
	OK(cu.cuCtxSetCurrent(first));
	OK(cu.cuMemsetD8_v2(ptr, 1, MIB));
	OK(cu.cuMemFree_v2(ptr));
	IS(cu.cuMemFree_v2(ptr), ERROR_INVALID_VALUE);
	OK(cu.cuCtxDestroy_v2(first));
}

/* What is retained works, whoever releases it meanwhile and waits for its work. */
static void *use_primary(void *nothing)
{
	struct dv_cu_context *context = NULL;
	struct dv_cu_stream *stream = NULL;

	for (int i = 0; i < ROUNDS; i++) {
		OK(cu.cuDevicePrimaryCtxRetain(&context, 0));
		OK(cu.cuCtxSetCurrent(context));
		OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
		launch(spin(), stream, 20000);
		OK(cu.cuStreamSynchronize(stream));
		launch(spin(), stream, 50000); /* is not waited for but by the end of the context */
		OK(cu.cuDevicePrimaryCtxRelease_v2(0));
	}
	return nothing;
}

static void primary_of_many(void)
{
	pthread_t threads[THREADS];
	uint32_t flags = 0;
	int active = 1;

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, use_primary, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	OK(cu.cuDevicePrimaryCtxGetState(0, &flags, &active));
	CHECK(!active);
	IS(cu.cuDevicePrimaryCtxRelease_v2(0), ERROR_INVALID_CONTEXT);
}

/* While some capture goes on, nobody may allocate; when its stream is gone, it does not. */
static void captures(void)
{
	struct dv_cu_context *context = NULL, *second = NULL;
	struct dv_cu_stream *stream = NULL;
	dv_cu_ptr ptr = 0;

	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_GLOBAL));
	IS(cu.cuMemAlloc_v2(&ptr, MIB), ERROR_STREAM_CAPTURE_UNSUPPORTED);
	OK(cu.cuStreamDestroy_v2(stream));
	OK(cu.cuMemAlloc_v2(&ptr, MIB));
	OK(cu.cuCtxCreate_v2(&second, 0, 0));
	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_GLOBAL));
	OK(cu.cuCtxDestroy_v2(second));
	OK(cu.cuCtxSetCurrent(context));
	OK(cu.cuMemAlloc_v2(&ptr, MIB));
	OK(cu.cuCtxDestroy_v2(context));
}

/* Into a graph of the program's: a capture that cannot begin has not, and the graph is not
 * destroyed under one that has. */
static void captures_to_graph(void)
{
	struct dv_cu_graph *graph = NULL, *other = NULL, *ended = NULL;
	struct dv_cu_node *node = NULL, *stranger = NULL;
	enum dv_cu_capture_status status;
	struct dv_cu_context *context = NULL;
	struct dv_cu_stream *stream = NULL;
	size_t count = 0;

	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuGraphCreate(&graph, 0));
	OK(cu.cuGraphCreate(&other, 0));
	OK(cu.cuGraphAddEmptyNode(&node, graph, NULL, 0));
	OK(cu.cuGraphAddEmptyNode(&stranger, other, NULL, 0));
	IS(cu.cuStreamBeginCaptureToGraph(stream, graph, &stranger, NULL, 1,
					  DV_CU_STREAM_CAPTURE_MODE_GLOBAL),
	   ERROR_INVALID_VALUE);
	OK(cu.cuStreamIsCapturing(stream, &status));
	CHECK(status == DV_CU_STREAM_CAPTURE_STATUS_NONE);
	OK(cu.cuStreamBeginCaptureToGraph(stream, graph, &node, NULL, 1,
					  DV_CU_STREAM_CAPTURE_MODE_GLOBAL));
	IS(cu.cuGraphDestroy(graph), ERROR_INVALID_VALUE);
	IS(cu.cuGraphDestroyNode(node), ERROR_INVALID_VALUE);
	OK(cu.cuGraphDestroyNode(stranger));
	launch(spin(), stream, 1000);
	OK(cu.cuStreamEndCapture(stream, &ended));
	CHECK(ended == graph);
	OK(cu.cuGraphGetNodes(graph, NULL, &count));
	CHECK(count == 2);
	OK(cu.cuGraphDestroyNode(node));
	OK(cu.cuGraphDestroy(graph));
	OK(cu.cuGraphDestroy(other));
	OK(cu.cuStreamDestroy_v2(stream));
	OK(cu.cuCtxDestroy_v2(context));
}

/* All memory but the last `left`; pages of the device. */
static dv_cu_ptr take_all_but(size_t left)
{
	dv_cu_ptr ptr = 0;

	OK(cu.cuMemAlloc_v2(&ptr, free_bytes() - left));
	return ptr;
}

/* An image whose names cannot be read: a variable is there when it is asked for, or is not. */
static void variables(void)
{
	static const struct {
		uint32_t magic;
		uint16_t version, head_size;
		uint64_t size;
	} image = {0xba55ed50u, 1, 16, 0};
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;
	dv_cu_ptr ptr = 0, rest;
	size_t size = 0;

	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	OK(cu.cuModuleLoadData(&module, &image));
	rest = take_all_but(0);
	IS(cu.cuModuleGetGlobal_v2(&ptr, &size, module, "v"), ERROR_OUT_OF_MEMORY);
	IS(cu.cuModuleGetGlobal_v2(&ptr, &size, module, "v"), ERROR_OUT_OF_MEMORY);
	CHECK(!ptr && !size);
	OK(cu.cuMemFree_v2(rest));
	OK(cu.cuModuleGetGlobal_v2(&ptr, &size, module, "v"));
	CHECK(ptr && size);
	OK(cu.cuModuleUnload(module));
	OK(cu.cuCtxDestroy_v2(context));
}

/* A launch that has not all the memory that it needs has none of it. */
static void graph_memory(void)
{
	struct dv_cu_alloc_node alloc = {.pool = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
						  .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}},
					 .bytes = 4 * MIB};
	struct dv_cu_node *node = NULL, *stranger = NULL;
	struct dv_cu_graph *graph = NULL, *other = NULL;
	struct dv_cu_context *context = NULL;
	struct dv_cu_exec *exec = NULL;
	uint64_t used = 1;
	dv_cu_ptr rest;

	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	OK(cu.cuGraphCreate(&graph, 0));
	OK(cu.cuGraphCreate(&other, 0));
	OK(cu.cuGraphAddEmptyNode(&stranger, other, NULL, 0));
	IS(cu.cuGraphAddMemAllocNode(&node, graph, &stranger, 1, &alloc), ERROR_INVALID_VALUE);
	OK(cu.cuGraphAddMemAllocNode(&node, graph, NULL, 0, &alloc));
	OK(cu.cuGraphAddMemAllocNode(&node, graph, NULL, 0, &alloc));
	OK(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
	rest = take_all_but(6 * MIB);
	for (int i = 0; i < 3; i++) {
		IS(cu.cuGraphLaunch(exec, NULL), ERROR_OUT_OF_MEMORY);
		OK(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT,
						   &used));
		CHECK(used == 0);
	}
	OK(cu.cuDeviceGraphMemTrim(0));
	OK(cu.cuMemFree_v2(rest));
	OK(cu.cuGraphLaunch(exec, NULL));
	OK(cu.cuCtxSynchronize());
	OK(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
	CHECK(used == 8 * MIB);
	OK(cu.cuCtxDestroy_v2(context));
	/* With its context: nothing of it is left for the next one. */
	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	OK(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
	CHECK(used == 0);
	OK(cu.cuGraphExecDestroy(exec));
	OK(cu.cuGraphDestroy(graph));
	OK(cu.cuGraphDestroy(other));
	OK(cu.cuDeviceGraphMemTrim(0));
	OK(cu.cuCtxDestroy_v2(context));
}

int main(int argc, char **argv)
{
	struct dv_cu_context *context = NULL;
	size_t before;

	CHECK(argc > 1 && cuda_load(argv[1], &cu));
	OK(cu.cuInit(0));
	/* Another one, by which the rest is measured. */
	OK(cu.cuCtxCreate_v2(&context, 0, 0));
	before = free_bytes();
	memory_of_pools();
	OK(cu.cuCtxSetCurrent(context));
	primary_of_many();
	OK(cu.cuCtxSetCurrent(context));
	captures();
	OK(cu.cuCtxSetCurrent(context));
	captures_to_graph();
	OK(cu.cuCtxSetCurrent(context));
	variables();
	OK(cu.cuCtxSetCurrent(context));
	graph_memory();
	OK(cu.cuCtxSetCurrent(context));
	OK(cu.cuCtxSynchronize());
	CHECK(free_bytes() == before);
	OK(cu.cuCtxDestroy_v2(context));
	return 0;
}
