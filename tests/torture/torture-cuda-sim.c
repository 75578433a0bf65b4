/* SPDX-License-Identifier: Apache-2.0 */
/* A program on the simulated CUDA driver whose own allocations fail: each in turn, alone and with
 * all that follow. Every call works or says that there is not enough memory, and at the end the
 * device has as much free as before. The library of the argument's directory is not used: that of
 * DIVVY_TEST_DRIVER is, with torture_arm and torture_disarm inside; MACHINE_DIR is the machine's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/gpu/cuda-load.h"

#define MIB ((size_t)1 << 20)

enum { NONE_FAILED = 42, ALLOCATIONS_MOST = 2000 };

static struct cuda cu;
static unsigned long nth;
static bool onward;
static unsigned refused;

static void expect(bool holds, const char *what, int got, int line)
{
	if (holds)
		return;
	(void)fprintf(stderr, "line %d: %s: %d when allocation %lu%s fails\n", line, what, got, nth,
		      onward ? " and all that follow" : "");
	_exit(1);
}

#define CHECK(what) expect(what, #what, 0, __LINE__)

static bool works(enum dv_cu_result r, const char *what, int line)
{
	expect(r == DV_CUDA_SUCCESS || r == DV_CUDA_ERROR_OUT_OF_MEMORY, what, (int)r, line);
	refused += r == DV_CUDA_ERROR_OUT_OF_MEMORY;
	return r == DV_CUDA_SUCCESS;
}

#define WORKS(call) works(call, #call, __LINE__)
#define GOES(call)                                                                                 \
	do {                                                                                       \
		enum dv_cu_result got_ = (call);                                                   \
		expect(got_ == DV_CUDA_SUCCESS, #call, (int)got_, __LINE__);                       \
	} while (0)

static size_t free_bytes(void)
{
	size_t bytes = 0, total;

	GOES(cu.cuMemGetInfo_v2(&bytes, &total));
	return bytes;
}

static void memory(void)
{
	const struct dv_cu_alloc_prop prop = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					      .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	struct dv_cu_array_2d flat = {
		.width = 100, .height = 10, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 1};
	struct dv_cu_array *array;
	dv_cu_ptr pointers[40], at = 0;
	unsigned long long handle;
	unsigned count = 0;
	void *pinned;

	for (int i = 0; i < 40; i++)
		count += WORKS(cu.cuMemAlloc_v2(&pointers[count], i % 2 ? 4096 : 2 * MIB));
	while (count)
		GOES(cu.cuMemFree_v2(pointers[--count]));
	if (WORKS(cu.cuMemHostAlloc(&pinned, 8192, 0)))
		GOES(cu.cuMemFreeHost(pinned));
	if (WORKS(cu.cuArrayCreate_v2(&array, &flat)))
		GOES(cu.cuArrayDestroy(array));
	if (!WORKS(cu.cuMemCreate(&handle, 2 * MIB, &prop, 0)))
		return;
	if (WORKS(cu.cuMemAddressReserve(&at, 2 * MIB, 0, 0, 0))) {
		if (WORKS(cu.cuMemMap(at, 2 * MIB, 0, handle, 0)))
			GOES(cu.cuMemUnmap(at, 2 * MIB));
		/* What could not be mapped can be freed, and was left as it was. */
		GOES(cu.cuMemAddressFree(at, 2 * MIB));
	}
	GOES(cu.cuMemRelease(handle));
}

static void graphs(struct dv_cu_stream *stream, struct dv_cu_function *spin)
{
	struct dv_cu_alloc_node alloc = {.pool = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
						  .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}},
					 .bytes = 4 * MIB};
	struct dv_cu_node *made = NULL, *freed = NULL;
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_exec *exec = NULL;
	uint64_t ns = 1000, used = 1;
	void *params[] = {&ns};
	bool whole;

	if (!WORKS(cu.cuGraphCreate(&graph, 0)))
		return;
	whole = WORKS(cu.cuGraphAddMemAllocNode(&made, graph, NULL, 0, &alloc)) &&
		WORKS(cu.cuGraphAddMemFreeNode(&freed, graph, &made, 1, alloc.ret));
	if (whole && WORKS(cu.cuGraphInstantiateWithFlags(&exec, graph, 0))) {
		for (int i = 0; i < 2; i++)
			(void)WORKS(cu.cuGraphLaunch(exec, stream));
		GOES(cu.cuStreamSynchronize(stream));
		GOES(cu.cuDeviceGetGraphMemAttribute(0, DV_CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT,
						     &used));
		CHECK(used == 0);
		GOES(cu.cuGraphExecDestroy(exec));
	}
	GOES(cu.cuGraphDestroy(graph));
	GOES(cu.cuDeviceGraphMemTrim(0));
	if (!WORKS(cu.cuStreamBeginCapture_v2(stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED)))
		return;
	whole = WORKS(cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
	graph = NULL;
	if (whole)
		GOES(cu.cuStreamEndCapture(stream, &graph));
	else
		CHECK(cu.cuStreamEndCapture(stream, &graph) ==
		      DV_CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
	if (graph)
		GOES(cu.cuGraphDestroy(graph));
}

static void work(struct dv_cu_function *spin)
{
	struct dv_cu_stream *stream = NULL;
	struct dv_cu_event *event = NULL;
	uint64_t ns = 1000;
	void *params[] = {&ns};
	dv_cu_ptr pooled;

	if (!WORKS(cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING)))
		return;
	for (int i = 0; i < 5; i++)
		(void)WORKS(cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
	if (WORKS(cu.cuEventCreate(&event, 0))) {
		(void)WORKS(cu.cuEventRecord(event, stream));
		GOES(cu.cuEventSynchronize(event));
		GOES(cu.cuEventDestroy_v2(event));
	}
	if (WORKS(cu.cuMemAllocAsync(&pooled, 4096, stream)))
		GOES(cu.cuMemFree_v2(pooled));
	graphs(stream, spin);
	GOES(cu.cuStreamSynchronize(stream));
	GOES(cu.cuStreamDestroy_v2(stream));
}

static void use(void)
{
	static const struct {
		uint32_t magic;
		uint16_t version, head_size;
		uint64_t size;
	} unnamed = {0xba55ed50u, 1, 16, 0};
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;
	struct dv_cu_function *spin = NULL;
	dv_cu_ptr ptr = 0;
	size_t size;

	if (!WORKS(cu.cuCtxCreate_v2(&context, 0, 0)))
		return;
	memory();
	if (WORKS(cu.cuModuleLoadData(&module, &unnamed))) {
		for (int i = 0; i < 2; i++)
			if (WORKS(cu.cuModuleGetGlobal_v2(&ptr, &size, module, "v")))
				CHECK(ptr != 0);
		GOES(cu.cuModuleUnload(module));
	}
	if (WORKS(cu.cuModuleLoadData(&module, "divvy-sim-kernel name=spin args=8 ns=arg0\n"))) {
		GOES(cu.cuModuleGetFunction(&spin, module, "spin"));
		work(spin);
	}
	GOES(cu.cuCtxDestroy_v2(context));
}

static void program(void)
{
	void *library = cuda_load(getenv("DIVVY_TEST_DRIVER"), &cu);
	void (*arm)(unsigned long, bool);
	unsigned long (*disarm)(void);
	struct dv_cu_context *watching = NULL;
	size_t before;

	CHECK(library);
	arm = (void (*)(unsigned long, bool))dlsym(library, "torture_arm");
	disarm = (unsigned long (*)(void))dlsym(library, "torture_disarm");
	GOES(cu.cuInit(0));
	GOES(cu.cuCtxCreate_v2(&watching, 0, 0));
	before = free_bytes();
	arm(nth, onward);
	use();
	GOES(cu.cuCtxSetCurrent(watching));
	CHECK(free_bytes() == before);
	if (disarm() == 0) {
		CHECK(!refused);
		_exit(NONE_FAILED);
	}
	refused = 0;
	use();
	GOES(cu.cuCtxSetCurrent(watching));
	CHECK(!refused && free_bytes() == before);
}

static void test_each(void **state)
{
	int status = 0;
	pid_t pid;

	for (nth = 1; nth < ALLOCATIONS_MOST; nth++) {
		(void)fflush(NULL);
		pid = fork();
		if (pid == 0) {
			(void)alarm(20);
			program();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFSIGNALED(status))
			print_error("signal %d when allocation %lu%s fails\n", WTERMSIG(status),
				    nth, onward ? " and all that follow" : "");
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == NONE_FAILED)
			break;
		assert_int_equal(WEXITSTATUS(status), 0);
	}
	assert_int_equal(WEXITSTATUS(status), NONE_FAILED);
	print_message("%lu allocations\n", nth - 1);
	assert_true(nth > 50);
}

static void test_one(void **state)
{
	onward = false;
	test_each(state);
}

static void test_all(void **state)
{
	onward = true;
	test_each(state);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_all),
	};

	if (!getenv("MACHINE_DIR") || !getenv("DIVVY_TEST_DRIVER"))
		return 2;
	(void)setenv("DIVVY_SIM_MACHINE", getenv("MACHINE_DIR"), 1);
	return cmocka_run_group_tests_name("torture/cuda-sim", tests, NULL, NULL);
}
