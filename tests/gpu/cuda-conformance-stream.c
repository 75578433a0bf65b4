/* SPDX-License-Identifier: Apache-2.0 */
/* Streams, events, capture and graphs. */
#include "cuda-conformance.h"

enum { WORDS = 4096, MS = 1000000 };

static void stop(void *user)
{
	__atomic_add_fetch((int *)user, 1, __ATOMIC_SEQ_CST);
}

static void order(void)
{
	struct dv_cu_stream *one = NULL, *two = NULL;
	dv_cu_ptr ptr = 0;
	int called = 0;
	double begin;

	OK(cu.cuMemAlloc_v2(&ptr, WORDS * sizeof(uint32_t)));
	OK(cu.cuStreamCreate(&one, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamCreateWithPriority(&two, DV_CU_STREAM_NON_BLOCKING, -1));
	IS(cu.cuStreamQuery(one), SUCCESS);
	begin = now_ms();
	spin_for(one, 20 * MS);
	launch_on(one, fill, ptr, 1, WORDS);
	launch_on(one, add, ptr, 2, WORDS);
	OK(cu.cuLaunchHostFunc(one, stop, &called));
	CHECK(now_ms() - begin < 15); /* all of it was only submitted */
	IS(cu.cuStreamQuery(one), ERROR_NOT_READY);
	OK(cu.cuStreamSynchronize(one));
	CHECK(now_ms() - begin >= 19);
	CHECK(__atomic_load_n(&called, __ATOMIC_SEQ_CST) == 1);
	IS(cu.cuStreamQuery(one), SUCCESS);
	CHECK(holds(ptr, 3, WORDS));
	spin_for(two, 5 * MS);
	OK(cu.cuStreamDestroy_v2(two)); /* what it has to do is done nevertheless */
	OK(cu.cuCtxSynchronize());
	OK(cu.cuStreamDestroy_v2(one));
	OK(cu.cuMemFree_v2(ptr));
}

/* The legacy stream waits for streams that block, and they for it. */
static void legacy(void)
{
	struct dv_cu_stream *blocking = NULL;

	OK(cu.cuStreamCreate(&blocking, DV_CU_STREAM_DEFAULT));
	spin_for(blocking, 10 * MS);
	spin_for(NULL, 1 * MS);
	OK(cu.cuStreamSynchronize(NULL));
	IS(cu.cuStreamQuery(blocking), SUCCESS);
	spin_for(NULL, 10 * MS);
	spin_for(blocking, 1 * MS);
	IS(cu.cuStreamQuery(blocking), ERROR_NOT_READY);
	OK(cu.cuStreamSynchronize(blocking));
	IS(cu.cuStreamQuery(NULL), SUCCESS);
	OK(cu.cuStreamDestroy_v2(blocking));
}

void part_streams(void)
{
	struct dv_cu_context *of = NULL;
	struct dv_cu_stream *stream = NULL;
	uint32_t flags = 99;
	int priority = 99;

	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamGetFlags(stream, &flags));
	CHECK(flags == DV_CU_STREAM_NON_BLOCKING);
	OK(cu.cuStreamGetPriority(stream, &priority));
	CHECK(priority == 0);
	OK(cu.cuStreamGetCtx(stream, &of));
	CHECK(of == context);
	OK(cu.cuStreamDestroy_v2(stream));
	order();
	legacy();
}

void part_events(void)
{
	struct dv_cu_event *begin = NULL, *end = NULL, *untimed = NULL;
	struct dv_cu_stream *one = NULL, *two = NULL;
	float ms = 0;

	OK(cu.cuStreamCreate(&one, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamCreate(&two, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuEventCreate(&begin, DV_CU_EVENT_DEFAULT));
	OK(cu.cuEventCreate(&end, DV_CU_EVENT_DEFAULT));
	OK(cu.cuEventCreate(&untimed, DV_CU_EVENT_DISABLE_TIMING));
	IS(cu.cuEventQuery(begin), SUCCESS); /* never recorded */
	IS(cu.cuEventElapsedTime(&ms, begin, end), ERROR_INVALID_HANDLE);
	OK(cu.cuEventRecord(begin, one));
	spin_for(one, 10 * MS);
	OK(cu.cuEventRecord(end, one));
	IS(cu.cuEventQuery(end), ERROR_NOT_READY);
	IS(cu.cuEventElapsedTime(&ms, begin, end), ERROR_NOT_READY);
	/* Another stream waits for it. */
	OK(cu.cuStreamWaitEvent(two, end, 0));
	spin_for(two, 1 * MS);
	OK(cu.cuStreamSynchronize(two));
	IS(cu.cuEventQuery(end), SUCCESS);
	OK(cu.cuEventElapsedTime(&ms, begin, end));
	CHECK(ms > 9.9f && ms < 30);
	saw_number("events.spin-10-ms", ms);
	OK(cu.cuEventRecord(untimed, one));
	OK(cu.cuEventSynchronize(untimed));
	IS(cu.cuEventElapsedTime(&ms, begin, untimed), ERROR_INVALID_HANDLE);
	OK(cu.cuEventDestroy_v2(begin));
	OK(cu.cuEventDestroy_v2(end));
	OK(cu.cuEventDestroy_v2(untimed));
	OK(cu.cuStreamDestroy_v2(one));
	OK(cu.cuStreamDestroy_v2(two));
}

/* --- capture --- */

static enum dv_cu_capture_status status_of(struct dv_cu_stream *stream)
{
	enum dv_cu_capture_status status = DV_CU_STREAM_CAPTURE_STATUS_INVALIDATED;

	OK(cu.cuStreamIsCapturing(stream, &status));
	return status;
}

static void forbidden(struct dv_cu_stream *stream)
{
	struct dv_cu_graph *graph = (struct dv_cu_graph *)&stream;
	dv_cu_ptr ptr = 0;

	OK(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_GLOBAL));
	IS(cu.cuMemAlloc_v2(&ptr, 4096), ERROR_STREAM_CAPTURE_UNSUPPORTED);
	CHECK(status_of(stream) == DV_CU_STREAM_CAPTURE_STATUS_INVALIDATED);
	IS(cu.cuStreamEndCapture(stream, &graph), ERROR_STREAM_CAPTURE_INVALIDATED);
	CHECK(!graph && status_of(stream) == DV_CU_STREAM_CAPTURE_STATUS_NONE);
	OK(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
	IS(cu.cuStreamSynchronize(stream), ERROR_STREAM_CAPTURE_UNSUPPORTED);
	IS(cu.cuStreamEndCapture(stream, &graph), ERROR_STREAM_CAPTURE_INVALIDATED);
	OK(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
	OK(cu.cuMemAlloc_v2(&ptr, 4096)); /* relaxed: allowed */
	IS(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED),
	   ERROR_ILLEGAL_STATE);
	OK(cu.cuStreamEndCapture(stream, &graph));
	OK(cu.cuGraphDestroy(graph));
	OK(cu.cuMemFree_v2(ptr));
	IS(cu.cuStreamEndCapture(stream, &graph), ERROR_ILLEGAL_STATE);
	IS(cu.cuStreamBeginCapture_v2(NULL, DV_CU_STREAM_CAPTURE_MODE_RELAXED),
	   ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

/* A second stream takes part by an event, and must be joined again. */
static void fork_and_join(struct dv_cu_stream *one, struct dv_cu_stream *two, dv_cu_ptr ptr)
{
	struct dv_cu_event *event = NULL, *other = NULL;
	struct dv_cu_graph *graph = NULL;
	size_t count = 0;

	OK(cu.cuEventCreate(&event, DV_CU_EVENT_DISABLE_TIMING));
	OK(cu.cuEventCreate(&other, DV_CU_EVENT_DISABLE_TIMING));
	OK(cu.cuStreamBeginCapture_v2(one, DV_CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	launch_on(one, fill, ptr, 1, WORDS);
	OK(cu.cuEventRecord(event, one));
	OK(cu.cuStreamWaitEvent(two, event, 0));
	CHECK(status_of(two) == DV_CU_STREAM_CAPTURE_STATUS_ACTIVE);
	launch_on(two, add, ptr, 1, WORDS);
	IS(cu.cuStreamEndCapture(two, &graph), ERROR_STREAM_CAPTURE_UNMATCHED);
	IS(cu.cuStreamEndCapture(one, &graph), ERROR_STREAM_CAPTURE_INVALIDATED);
	OK(cu.cuStreamBeginCapture_v2(one, DV_CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	launch_on(one, fill, ptr, 1, WORDS);
	OK(cu.cuEventRecord(event, one));
	OK(cu.cuStreamWaitEvent(two, event, 0));
	launch_on(two, add, ptr, 1, WORDS);
	IS(cu.cuStreamEndCapture(one, &graph), ERROR_STREAM_CAPTURE_UNJOINED);
	OK(cu.cuStreamBeginCapture_v2(one, DV_CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	launch_on(one, fill, ptr, 1, WORDS);
	OK(cu.cuEventRecord(event, one));
	OK(cu.cuStreamWaitEvent(two, event, 0));
	launch_on(two, add, ptr, 1, WORDS);
	OK(cu.cuEventRecord(other, two));
	OK(cu.cuStreamWaitEvent(one, other, 0));
	launch_on(one, add, ptr, 5, WORDS);
	OK(cu.cuStreamEndCapture(one, &graph));
	OK(cu.cuGraphGetNodes(graph, NULL, &count));
	CHECK(count == 3);
	OK(cu.cuGraphDestroy(graph));
	OK(cu.cuEventDestroy_v2(event));
	OK(cu.cuEventDestroy_v2(other));
}

void part_capture(void)
{
	struct dv_cu_stream *one = NULL, *two = NULL;
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_exec *exec = NULL;
	struct dv_cu_event *outside = NULL;
	dv_cu_ptr ptr = 0;

	OK(cu.cuMemAlloc_v2(&ptr, WORDS * sizeof(uint32_t)));
	OK(cu.cuStreamCreate(&one, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuStreamCreate(&two, DV_CU_STREAM_NON_BLOCKING));
	OK(cu.cuMemsetD32_v2(ptr, 0, WORDS));
	CHECK(status_of(one) == DV_CU_STREAM_CAPTURE_STATUS_NONE);
	OK(cu.cuStreamBeginCapture_v2(one, DV_CU_STREAM_CAPTURE_MODE_GLOBAL));
	CHECK(status_of(one) == DV_CU_STREAM_CAPTURE_STATUS_ACTIVE);
	launch_on(one, add, ptr, 7, WORDS);
	OK(cu.cuStreamEndCapture(one, &graph));
	CHECK(holds(ptr, 0, WORDS)); /* nothing was done yet */
	OK(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
	for (int i = 0; i < 3; i++)
		OK(cu.cuGraphLaunch(exec, one));
	OK(cu.cuStreamSynchronize(one));
	CHECK(holds(ptr, 21, WORDS));
	OK(cu.cuGraphExecDestroy(exec));
	OK(cu.cuGraphDestroy(graph));
	forbidden(one);
	fork_and_join(one, two, ptr);
	/* An event of outside is none of the graph's. */
	OK(cu.cuEventCreate(&outside, DV_CU_EVENT_DISABLE_TIMING));
	OK(cu.cuEventRecord(outside, two));
	OK(cu.cuStreamBeginCapture_v2(one, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
	IS(cu.cuStreamWaitEvent(one, outside, 0), ERROR_STREAM_CAPTURE_ISOLATION);
	IS(cu.cuStreamEndCapture(one, &graph), ERROR_STREAM_CAPTURE_INVALIDATED);
	OK(cu.cuEventDestroy_v2(outside));
	OK(cu.cuStreamDestroy_v2(one));
	OK(cu.cuStreamDestroy_v2(two));
	OK(cu.cuMemFree_v2(ptr));
}

/* --- graphs --- */

static void update(struct dv_cu_exec *exec, dv_cu_ptr ptr, struct dv_cu_node *old)
{
	uint32_t value = 100, count = WORDS;
	void *params[] = {&ptr, &value, &count};
	struct dv_cu_kernel_node kernel = {.function = add,
					   .grid_x = WORDS / 256,
					   .grid_y = 1,
					   .grid_z = 1,
					   .block_x = 256,
					   .block_y = 1,
					   .block_z = 1,
					   .params = params};
	struct dv_cu_exec_update info = {0};
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_node *node = NULL;

	OK(cu.cuGraphExecKernelNodeSetParams_v2(exec, old, &kernel));
	OK(cu.cuGraphCreate(&graph, 0));
	OK(cu.cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &kernel));
	IS(cu.cuGraphExecUpdate_v2(exec, graph, &info), ERROR_GRAPH_EXEC_UPDATE_FAILURE);
	CHECK(info.result == DV_CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
	OK(cu.cuGraphDestroy(graph));
}

static void memory_nodes(struct dv_cu_stream *stream)
{
	struct dv_cu_alloc_node alloc = {.pool = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
						  .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}},
					 .bytes = 4 << 20};
	struct dv_cu_node *made = NULL, *freed = NULL;
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_exec *exec = NULL;
	uint64_t reserved = 0;

	OK(cu.cuGraphCreate(&graph, 0));
	OK(cu.cuGraphAddMemAllocNode(&made, graph, NULL, 0, &alloc));
	CHECK(alloc.ret != 0);
	OK(cu.cuGraphAddMemFreeNode(&freed, graph, &made, 1, alloc.ret));
	OK(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
	OK(cu.cuGraphLaunch(exec, stream));
	OK(cu.cuGraphLaunch(exec, stream));
	OK(cu.cuStreamSynchronize(stream));
	OK(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT,
					   &reserved));
	CHECK(reserved >= 4 << 20);
	saw_number("graphs.reserved-for-4-mib", (double)reserved);
	OK(cu.cuGraphExecDestroy(exec));
	OK(cu.cuGraphDestroy(graph));
	OK(cu.cuDeviceGraphMemTrim(0));
	OK(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT,
					   &reserved));
	CHECK(reserved == 0);
}

void part_graphs(void)
{
	uint32_t value = 3, count = WORDS, type = 99;
	dv_cu_ptr ptr = 0;
	void *params[] = {&ptr, &value, &count};
	struct dv_cu_kernel_node kernel = {.function = add,
					   .grid_x = WORDS / 256,
					   .grid_y = 1,
					   .grid_z = 1,
					   .block_x = 256,
					   .block_y = 1,
					   .block_z = 1,
					   .params = params};
	struct dv_cu_memset_node zero = {
		.value = 1, .element_size = 4, .width = WORDS, .height = 1};
	struct dv_cu_node *first = NULL, *second = NULL;
	struct dv_cu_stream *stream = NULL;
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_exec *exec = NULL;

	OK(cu.cuMemAlloc_v2(&ptr, WORDS * sizeof(uint32_t)));
	OK(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING));
	zero.dst = ptr;
	OK(cu.cuGraphCreate(&graph, 0));
	OK(cu.cuGraphAddMemsetNode(&first, graph, NULL, 0, &zero, context));
	OK(cu.cuGraphAddKernelNode_v2(&second, graph, &first, 1, &kernel));
	OK(cu.cuGraphNodeGetType(second, &type));
	CHECK(type == DV_CU_GRAPH_NODE_TYPE_KERNEL);
	OK(cu.cuGraphInstantiateWithFlags(&exec, graph, 0));
	value = 1000; /* the node has its own copy */
	OK(cu.cuGraphLaunch(exec, stream));
	OK(cu.cuStreamSynchronize(stream));
	CHECK(holds(ptr, 4, WORDS));
	update(exec, ptr, second);
	OK(cu.cuGraphLaunch(exec, stream));
	OK(cu.cuStreamSynchronize(stream));
	CHECK(holds(ptr, 101, WORDS));
	OK(cu.cuGraphExecDestroy(exec));
	OK(cu.cuGraphAddDependencies(graph, &second, &first, 1)); /* round in a circle */
	IS(cu.cuGraphInstantiateWithFlags(&exec, graph, 0), ERROR_INVALID_VALUE);
	OK(cu.cuGraphDestroy(graph));
	memory_nodes(stream);
	OK(cu.cuStreamDestroy_v2(stream));
	OK(cu.cuMemFree_v2(ptr));
}
