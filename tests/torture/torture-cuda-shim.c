/* SPDX-License-Identifier: Apache-2.0 */
/* A program in a slice, on the simulated CUDA driver, while the shim's own allocations fail: each
 * in turn, alone and with all that follow. Every call of it works, or says that there is not enough
 * memory; when all is given back, nothing is charged any more and nothing counts as running.
 *
 * DIVVY_TEST_SHIM is the shim with torture_arm and torture_disarm inside (meson.build); the
 * argument is the driver of a machine whose directory is MACHINE_DIR. */
#include "tests/unit/shim/cuda-program.h"

#define OK DV_CUDA_SUCCESS
#define OOM DV_CUDA_ERROR_OUT_OF_MEMORY

enum {
	MANY = 80, /* more than a table or a list holds at first */
	CONTEXT_BYTES = 4096,
	NONE_FAILED = 42,
	ALLOCATIONS_MOST = 2000,
};

static unsigned long nth;
static bool onward;
static unsigned refused;

/* True: it worked. */
static bool works(enum dv_cu_result r, const char *what)
{
	if (r != OK && r != OOM)
		fprintf(stderr, "%s: %d when allocation %lu%s fails\n", what, (int)r, nth,
			onward ? " and all that follow" : "");
	CHECK(r == OK || r == OOM);
	refused += r == OOM;
	return r == OK;
}

#define WORKS(call) works(call, #call)
/* What gives back always works. */
#define GOES(call) CHECK((call) == OK)

static struct dv_cu_function *load(void)
{
	struct dv_cu_function *function = NULL;
	struct dv_cu_module *module = NULL;

	GOES(CU(cuModuleLoadData)(&module, "divvy-sim-kernel name=spin args=8 ns=arg0\n"));
	GOES(CU(cuModuleGetFunction)(&function, module, "spin"));
	return function;
}

static void spin(struct dv_cu_function *function, struct dv_cu_stream *stream)
{
	uint64_t ns = 20 * US;
	void *params[] = {&ns};

	(void)WORKS(CU(cuLaunchKernel)(function, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL));
}

static void direct(void)
{
	static char mine[8192];
	struct dv_cu_array_2d array = {
		.width = 100, .height = 10, .format = DV_CU_AD_FORMAT_FLOAT, .channels = 1};
	struct dv_cu_array *arrays[2];
	dv_cu_ptr pointers[MANY];
	size_t pitch;
	unsigned count = 0, made = 0;
	void *pinned = NULL;
	bool registered;

	for (int i = 0; i < MANY; i++)
		count += WORKS(CU(cuMemAlloc_v2)(&pointers[count], 4096));
	if (count)
		GOES(CU(cuMemFree_v2)(pointers[--count]));
	if (count + 2 < MANY) {
		count += WORKS(CU(cuMemAllocManaged)(&pointers[count], 4096, 1));
		count += WORKS(CU(cuMemAllocPitch_v2)(&pointers[count], &pitch, 100, 8, 4));
	}
	for (int i = 0; i < 2; i++)
		made += WORKS(CU(cuArrayCreate_v2)(&arrays[made], &array));
	if (!WORKS(CU(cuMemHostAlloc)(&pinned, 8192, 0)))
		pinned = NULL;
	registered = WORKS(CU(cuMemHostRegister_v2)(mine, sizeof(mine), 0));
	while (made)
		GOES(CU(cuArrayDestroy)(arrays[--made]));
	while (count)
		GOES(CU(cuMemFree_v2)(pointers[--count]));
	if (registered)
		GOES(CU(cuMemHostUnregister)(mine));
	if (pinned)
		GOES(CU(cuMemFreeHost)(pinned));
}

static void physical(void)
{
	const struct dv_cu_alloc_prop prop = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					      .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	unsigned long long handle, again;
	dv_cu_ptr at = 0;
	bool mapped;

	if (!WORKS(CU(cuMemCreate)(&handle, 2 * MIB, &prop, 0)))
		return;
	GOES(CU(cuMemAddressReserve)(&at, 2 * MIB, 0, 0, 0));
	mapped = WORKS(CU(cuMemMap)(at, 2 * MIB, 0, handle, 0));
	GOES(CU(cuMemRelease)(handle));
	if (mapped) {
		if (WORKS(CU(cuMemRetainAllocationHandle)(&again, (void *)(uintptr_t)at)))
			GOES(CU(cuMemRelease)(again));
		GOES(CU(cuMemUnmap)(at, 2 * MIB));
	}
	GOES(CU(cuMemAddressFree)(at, 2 * MIB));
}

static void pools(struct dv_cu_stream *stream)
{
	struct dv_cu_pool_props props = {.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
					 .location = {DV_CU_MEM_LOCATION_TYPE_DEVICE, 0}};
	struct dv_cu_pool *own = NULL, *of_device = NULL;
	dv_cu_ptr p;

	GOES(CU(cuDeviceGetMemPool)(&of_device, 0));
	if (WORKS(CU(cuMemAllocAsync)(&p, 4096, stream)))
		GOES(CU(cuMemFreeAsync)(p, stream));
	GOES(CU(cuMemPoolCreate)(&own, &props));
	if (WORKS(CU(cuMemAllocFromPoolAsync)(&p, 4096, own, stream)))
		GOES(CU(cuMemFreeAsync)(p, stream));
	GOES(CU(cuStreamSynchronize)(stream));
	GOES(CU(cuMemPoolDestroy)(own));
	GOES(CU(cuMemPoolTrimTo)(of_device, 0));
}

static void graphs(struct dv_cu_function *function)
{
	struct dv_cu_stream *stream = NULL;
	struct dv_cu_graph *graph = NULL;
	struct dv_cu_exec *exec = NULL;
	dv_cu_ptr p;

	if (!WORKS(CU(cuStreamCreate)(&stream, DV_CU_STREAM_NON_BLOCKING)))
		return;
	GOES(CU(cuStreamBeginCapture_v2)(stream, DV_CU_STREAM_CAPTURE_MODE_RELAXED));
	GOES(CU(cuMemAllocAsync)(&p, 4096, stream));
	spin(function, stream);
	spin(function, NULL); /* beside it */
	GOES(CU(cuMemFreeAsync)(p, stream));
	GOES(CU(cuStreamEndCapture)(stream, &graph));
	GOES(CU(cuGraphInstantiateWithFlags)(&exec, graph, 0));
	(void)WORKS(CU(cuGraphLaunch)(exec, stream));
	GOES(CU(cuStreamSynchronize)(stream));
	GOES(CU(cuGraphExecDestroy)(exec));
	GOES(CU(cuGraphDestroy)(graph));
	GOES(CU(cuDeviceGraphMemTrim)(0));
	GOES(CU(cuStreamDestroy_v2)(stream));
}

static void use(struct fake *fake)
{
	struct dv_cu_stream *streams[10];
	struct dv_cu_function *function = load();
	unsigned count = 0;

	for (int i = 0; i < 10; i++)
		count += WORKS(CU(cuStreamCreate)(&streams[count], i % 2));
	fake_grant(fake, DV_GRANT_HELD, now_ns() + 100000 * MS);
	for (int i = 0; i < 60; i++)
		spin(function, count ? streams[(unsigned)i % count] : NULL);
	spin(function, (struct dv_cu_stream *)(uintptr_t)DV_CU_STREAM_PER_THREAD);
	direct();
	physical();
	if (count)
		pools(streams[0]);
	graphs(function);
	fake_grant(fake, DV_GRANT_HELD | DV_GRANT_ENDLESS, 0);
	for (int i = 0; i < 10; i++)
		spin(function, NULL);
	while (count)
		GOES(CU(cuStreamDestroy_v2)(streams[--count]));
	GOES(CU(cuCtxSynchronize)());
}

static void contexts(struct fake *fake)
{
	struct dv_cu_context *own = NULL, *primary = NULL;

	if (WORKS(CU(cuDevicePrimaryCtxRetain)(&primary, 0))) {
		GOES(CU(cuCtxSetCurrent)(primary));
		use(fake);
		GOES(CU(cuDevicePrimaryCtxRelease_v2)(0));
	}
	if (WORKS(CU(cuCtxCreate_v2)(&own, 0, 0))) {
		use(fake);
		GOES(CU(cuCtxDestroy_v2)(own));
	}
}

static bool none_runs(const struct fake_stats *stats, uint64_t nothing)
{
	return stats->counters.inflight == nothing;
}

static void note_context_bytes(void)
{
	char path[128];
	FILE *note;

	snprintf(path, sizeof(path), "%s/context-bytes", getenv(FAKE_DIR));
	note = fopen(path, "w");
	CHECK(note && fprintf(note, "%d\n", CONTEXT_BYTES) > 0 && fclose(note) == 0);
}

/* In a process of its own. */
static void program(void)
{
	void (*arm)(unsigned long, bool);
	unsigned long (*disarm)(void);
	struct fake *fake = fake_start(
		&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS, .inflight_ns = 5 * MS});

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	cuda_place();
	note_context_bytes();
	cuda_open();
	arm = (void (*)(unsigned long, bool))cuda_entry("torture_arm");
	disarm = (unsigned long (*)(void))cuda_entry("torture_disarm");
	arm(nth, onward);
	CHECK(CU(cuInit)(0) == OK);
	contexts(fake);
	CHECK(fake_wait(fake, used_is, 0));
	CHECK(fake_wait(fake, none_runs, 0));
	CHECK(stats_of(fake).counters.held_bytes == 0 && stats_of(fake).counters.host_bytes == 0);
	if (disarm() == 0) {
		CHECK(!refused);
		_exit(NONE_FAILED);
	}
	/* With memory again, everything is as before. */
	refused = 0;
	contexts(fake);
	CHECK(!refused && fake_wait(fake, used_is, 0) && fake_wait(fake, none_runs, 0));
}

/* Does so in a process and a directory of its own; its status. */
static int run_program(void)
{
	char dir[48];
	int status = -1;
	pid_t pid;

	if (temporary_make(dir, sizeof(dir), "tort") < 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		setenv(FAKE_DIR, dir, 1);
		program();
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		status = -1;
	return temporary_remove(dir) == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_each(void **state)
{
	int status = 0;

	for (nth = 1; nth < ALLOCATIONS_MOST; nth++) {
		status = run_program();
		if (status == NONE_FAILED)
			break;
		if (status != 0)
			print_error("number %lu%s\n", nth, onward ? " and all that follow" : "");
		assert_int_equal(status, 0);
	}
	assert_int_equal(status, NONE_FAILED);
	print_message("%lu allocations\n", nth - 1);
	assert_true(nth > 10);
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

	if (argc != 2 || !getenv("MACHINE_DIR"))
		return 2;
	setenv("DIVVY_TEST_DRIVER", argv[1], 1);
	setenv("DIVVY_SIM_MACHINE", getenv("MACHINE_DIR"), 1);
	return cmocka_run_group_tests_name("torture/cuda-shim", tests, NULL, NULL);
}
