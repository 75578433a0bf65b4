/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA shim's gate of launches, against the fake driver and grants of the fake divvyd. */
#include "cuda-program.h"

#define OK DV_CUDA_SUCCESS
#define LEGACY ((struct dv_cu_stream *)1)
#define OWN ((struct dv_cu_stream *)2)

enum {
	NOT_HELD = DV_GRANT_GATED,
	HELD = DV_GRANT_GATED | DV_GRANT_HELD,
	ENDLESS = DV_GRANT_GATED | DV_GRANT_HELD | DV_GRANT_ENDLESS,
};

static struct dv_cu_context *context; /* of the test that has several threads of its own */

/* A call in a thread of its own, which may wait there. */
struct call {
	pthread_t thread;
	struct dv_cu_context *context;
	enum dv_cu_result (*run)(void);
	enum dv_cu_result result;
	bool ended;
};

static void *run_call(void *arg)
{
	struct call *call = arg;

	CHECK(CU(cuCtxSetCurrent)(call->context) == OK);
	call->result = call->run();
	__atomic_store_n(&call->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void start(struct call *call, enum dv_cu_result (*run)(void))
{
	*call = (struct call){.run = run};
	CHECK(CU(cuCtxGetCurrent)(&call->context) == OK);
	CHECK(pthread_create(&call->thread, NULL, run_call, call) == 0);
}

static bool has_ended(struct call *call)
{
	return __atomic_load_n(&call->ended, __ATOMIC_ACQUIRE);
}

static enum dv_cu_result join(struct call *call)
{
	CHECK(pthread_join(call->thread, NULL) == 0);
	return call->result;
}

static struct dv_cu_stream *new_stream(uint32_t flags)
{
	struct dv_cu_stream *stream;

	CHECK(CU(cuStreamCreate)(&stream, flags) == OK);
	return stream;
}

static struct dv_cu_function *kernel; /* of the calls below */
static struct dv_cu_stream *stream_of_calls;
static struct dv_cu_exec *graph_of_calls;

static enum dv_cu_result call_launch(void)
{
	return launch(kernel, stream_of_calls);
}

static enum dv_cu_result call_ptsz(void)
{
	return CU_OWN(cuLaunchKernel)(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
}

static enum dv_cu_result call_ex(void)
{
	const struct dv_cu_launch config = {.grid_x = 1, .stream = stream_of_calls};

	return CU(cuLaunchKernelEx)(&config, kernel, NULL, NULL);
}

static enum dv_cu_result call_ex_ptsz(void)
{
	const struct dv_cu_launch config = {.grid_x = 1};

	return CU_OWN(cuLaunchKernelEx)(&config, kernel, NULL, NULL);
}

static enum dv_cu_result call_cooperative(void)
{
	return CU(cuLaunchCooperativeKernel)(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL);
}

static enum dv_cu_result call_cooperative_ptsz(void)
{
	return CU_OWN(cuLaunchCooperativeKernel)(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL);
}

static enum dv_cu_result call_many(void)
{
	struct dv_cu_launch_params params = {.function = kernel, .stream = stream_of_calls};

	return CU(cuLaunchCooperativeKernelMultiDevice)(&params, 1, 0);
}

static enum dv_cu_result call_plain(void)
{
	return CU(cuLaunch)(kernel);
}

static enum dv_cu_result call_grid(void)
{
	return CU(cuLaunchGrid)(kernel, 2, 2);
}

static enum dv_cu_result call_grid_async(void)
{
	return CU(cuLaunchGridAsync)(kernel, 2, 2, stream_of_calls);
}

static enum dv_cu_result call_graph(void)
{
	return CU(cuGraphLaunch)(graph_of_calls, stream_of_calls);
}

static enum dv_cu_result call_graph_ptsz(void)
{
	return CU_OWN(cuGraphLaunch)(graph_of_calls, NULL);
}

static enum dv_cu_result call_upload(void)
{
	return CU(cuGraphUpload)(graph_of_calls, stream_of_calls);
}

static enum dv_cu_result call_upload_ptsz(void)
{
	return CU_OWN(cuGraphUpload)(graph_of_calls, NULL);
}

static enum dv_cu_result call_fill(void)
{
	return CU(cuMemsetD8Async)(0x1000, 0, 1000, stream_of_calls);
}

static enum dv_cu_result call_fill_ptsz(void)
{
	return CU_OWN(cuMemsetD8Async)(0x1000, 0, 1000, NULL);
}

static enum dv_cu_result call_copy(void)
{
	char buf[1000];

	return CU(cuMemcpyDtoH_v2)(buf, 0x1000, sizeof(buf));
}

static void make_graph(void)
{
	struct dv_cu_stream *stream = new_stream(0);
	struct dv_cu_graph *graph;

	CHECK(CU(cuStreamBeginCapture_v2)(stream, 0) == OK);
	CHECK(CU(cuStreamEndCapture)(stream, &graph) == OK);
	CHECK(CU(cuGraphInstantiateWithFlags)(&graph_of_calls, graph, 0) == OK);
	CHECK(CU(cuStreamDestroy_v2)(stream) == OK);
}

/* Nothing is kept, and nothing is asked of the driver beside, while the grant is endless. */
static void free_way(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});

	kernel = FAKE(fake_cuda_kernel)(0);
	for (int i = 0; i < 200; i++)
		CHECK(launch(kernel, i % 2 ? NULL : OWN) == OK);
	CHECK(CU(cuCtxSynchronize)() == OK);
	CHECK(gpu().launches == 200 && gpu().events_live == 0);
	CHECK(stats_of(fake).counters.launches == 200 && stats_of(fake).counters.gated == 0);
	CHECK(stats_of(fake).wants == 0);
}

/* Not held: the caller waits, one wish is sent; the grant sets it going, and when it has long ended
 * the device is handed back. Every entry point does so. */
static void every_launch_waits(void)
{
	static enum dv_cu_result (*const calls[])(void) = {
		call_launch,	 call_ptsz,	   call_ex,
		call_ex_ptsz,	 call_cooperative, call_cooperative_ptsz,
		call_many,	 call_plain,	   call_grid,
		call_grid_async, call_graph,	   call_graph_ptsz,
		call_upload,	 call_upload_ptsz, call_fill,
		call_fill_ptsz,	 call_copy};
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = MS, .more_flags = DV_GRANT_COPIES});
	struct call call;

	make_graph();
	kernel = FAKE(fake_cuda_kernel)(100 * US);
	stream_of_calls = new_stream(DV_CU_STREAM_NON_BLOCKING);
	for (uint64_t i = 0; i < DV_ARRAY_LEN(calls); i++) {
		start(&call, calls[i]);
		CHECK(fake_wait(fake, wants_are, i + 1));
		usleep(2000);
		CHECK(!has_ended(&call) && gpu().launches == i);
		fake_grant(fake, HELD, now_ns() + 100000 * MS);
		CHECK(join(&call) == OK);
		CHECK(gpu().launches == i + 1);
		CHECK(fake_wait(fake, drained_are, i + 1));
		CHECK(now_ns() >= gpu().busy_until);
	}
	CHECK(stats_of(fake).counters.gated == DV_ARRAY_LEN(calls));
	CHECK(stats_of(fake).counters.launches == DV_ARRAY_LEN(calls) - 5);
	CHECK(stats_of(fake).counters.copies == 3);
	CHECK(stats_of(fake).counters.inflight == 0);
}

/* Copies are not gated where divvyd does not say so. */
static void copies_pass(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL});

	CHECK(call_fill() == OK && call_fill_ptsz() == OK && call_copy() == OK);
	CHECK(gpu().launches == 3 && stats_of(fake).counters.copies == 3);
	CHECK(stats_of(fake).counters.gated == 0);
}

/* An endless grant taken away: drained is said when the work of every kind of stream has ended, not
 * before. */
static void taken_away(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});
	struct dv_cu_stream *streams[] = {NULL, LEGACY, OWN, new_stream(0),
					  new_stream(DV_CU_STREAM_NON_BLOCKING)};

	kernel = FAKE(fake_cuda_kernel)(10 * MS);
	for (uint64_t i = 0; i < DV_ARRAY_LEN(streams); i++) {
		CHECK(launch(kernel, streams[i]) == OK);
		fake_grant(fake, NOT_HELD, 0);
		usleep(2000);
		CHECK(stats_of(fake).drained == i);
		CHECK(fake_wait(fake, drained_are, i + 1));
		CHECK(now_ns() >= gpu().busy_until);
		fake_grant(fake, ENDLESS, 0);
	}
	/* A stream that is destroyed with work on it. */
	CHECK(launch(kernel, streams[4]) == OK && CU(cuStreamDestroy_v2)(streams[4]) == OK);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, DV_ARRAY_LEN(streams) + 1));
	CHECK(now_ns() >= gpu().busy_until);
}

static void idle_answers(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});

	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 1));
	fake_grant(fake, ENDLESS, 0);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 2));
}

/* The time is over with work on the device: no more is started, and the end is told. */
static void time_over(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 50 * MS, .inflight_ns = 6 * MS});
	struct call call;

	kernel = FAKE(fake_cuda_kernel)(4 * MS);
	fake_grant(fake, HELD, now_ns() + 30 * MS);
	do {
		start(&call, call_launch);
		while (!has_ended(&call) && !stats_of(fake).drained)
			usleep(100);
	} while (!stats_of(fake).drained && join(&call) == OK);
	CHECK(stats_of(fake).drained == 1 && now_ns() >= gpu().busy_until);
	CHECK(gpu().launches > 0);
	/* divvyd is gone: what waits goes on. */
	fake_die(fake);
	CHECK(join(&call) == OK);
	/* What was launched after the hang-up is not seen there. */
	CHECK(stats_of(fake).counters.launches + 1 >= gpu().launches);
}

/* No more work at once than the bound, once the cost is known. */
static void bounded(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 10000 * MS, .inflight_ns = 3 * MS});
	unsigned over = 0;

	kernel = FAKE(fake_cuda_kernel)(MS);
	stream_of_calls = new_stream(0);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(call_launch() == OK && CU(cuStreamSynchronize)(stream_of_calls) == OK);
	for (int i = 0; i < 40; i++) {
		CHECK(call_launch() == OK);
		over += gpu().busy_until > now_ns() + 5 * MS;
	}
	/* On a busy machine one more may be let go now and then. */
	CHECK(over <= 8);
	CHECK(stats_of(fake).counters.gated > 20);
}

/* Short commands share events; and yet no end is told before the last of them has ended. */
static void groups(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 100 * US, .inflight_ns = 2 * MS});
	struct dv_cu_stream *streams[] = {NULL, new_stream(0), new_stream(1)};
	uint64_t before;

	kernel = FAKE(fake_cuda_kernel)(5 * US);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(launch(kernel, NULL) == OK);
	CHECK(fake_wait(fake, drained_are, 1));
	for (uint64_t round = 2; round < 8; round++) {
		fake_grant(fake, HELD, now_ns() + 100000 * MS);
		before = gpu().records;
		for (int i = 0; i < 300; i++)
			CHECK(launch(kernel, streams[round % 3]) == OK);
		CHECK(gpu().records < before + 150);
		CHECK(fake_wait(fake, drained_are, round));
		CHECK(now_ns() >= gpu().busy_until);
	}
	CHECK(gpu().launches == 1801 && stats_of(fake).counters.inflight == 0);
	/* Taken away, and a stream that goes, in the middle of it. */
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	for (int i = 0; i < 50; i++)
		CHECK(launch(kernel, streams[2]) == OK);
	CHECK(CU(cuStreamDestroy_v2)(streams[2]) == OK);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 8));
	CHECK(now_ns() >= gpu().busy_until && stats_of(fake).counters.inflight == 0);
}

/* A long kernel that is not known to be one holds up nobody for ever: whoever waits for a kernel
 * that waits for him is let go. */
static void no_deadlock(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 10000 * MS, .inflight_ns = 3 * MS});
	struct dv_cu_function *never = FAKE(fake_cuda_kernel)(UINT64_MAX);
	uint64_t from_ns;

	kernel = FAKE(fake_cuda_kernel)(0);
	stream_of_calls = new_stream(DV_CU_STREAM_NON_BLOCKING);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(launch(never, NULL) == OK);
	from_ns = now_ns();
	CHECK(call_launch() == OK);
	CHECK(now_ns() < from_ns + 1000 * MS);
	FAKE(fake_cuda_release)();
	CHECK(CU(cuStreamSynchronize)(stream_of_calls) == OK);
}

/* What is captured is neither gated nor tracked, and holds none of our events; what is launched
 * beside a capture is gated all the same. */
static void captures(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS, .linger_ns = MS});
	struct dv_cu_stream *captured = new_stream(0), *other = new_stream(1);
	struct dv_cu_graph *graph;
	struct call call;

	kernel = FAKE(fake_cuda_kernel)(MS);
	CHECK(launch(kernel, NULL) == OK && launch(kernel, captured) == OK);
	CHECK(CU(cuStreamBeginCapture_v2)(captured, 0) == OK);
	CHECK(launch(kernel, captured) == OK);
	CHECK(launch(kernel, other) == OK);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(now_ns() >= gpu().busy_until && gpu().launches == 3);
	/* Not held, and yet nothing waits. */
	for (int i = 0; i < 100; i++)
		CHECK(launch(kernel, captured) == OK);
	stream_of_calls = other;
	start(&call, call_launch);
	CHECK(fake_wait(fake, wants_are, 1));
	usleep(2000);
	CHECK(!has_ended(&call) && gpu().launches == 3);
	CHECK(CU(cuStreamEndCapture)(captured, &graph) == OK);
	fake_grant(fake, ENDLESS, 0);
	CHECK(join(&call) == OK && gpu().launches == 4);
	CHECK(gpu().captured_events == 0);
	CHECK(CU(cuGraphInstantiateWithFlags)(&graph_of_calls, graph, 0) == OK);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 2));
	start(&call, call_graph);
	CHECK(fake_wait(fake, wants_are, 2));
	fake_grant(fake, ENDLESS, 0);
	CHECK(join(&call) == OK && gpu().launches == 5);
	/* All closed ways are open again: nothing is tracked any more. */
	CHECK(CU(cuCtxSynchronize)() == OK);
	usleep(2000);
	for (int i = 0; i < 10; i++)
		CHECK(launch(kernel, captured) == OK);
	CHECK(stats_of(fake).counters.inflight == 0);
	/* A capture that did not begin, and one whose stream is destroyed. */
	FAKE(fake_cuda_fail)(DV_CUDA_ERROR_UNKNOWN);
	CHECK(CU(cuStreamBeginCapture_v2)(captured, 0) == DV_CUDA_ERROR_UNKNOWN);
	FAKE(fake_cuda_fail)(OK);
	CHECK(CU(cuStreamBeginCapture_v2)(captured, 0) == OK);
	CHECK(CU(cuStreamDestroy_v2)(captured) == OK);
	CHECK(launch(kernel, other) == OK);
	CHECK(stats_of(fake).counters.inflight == 0);
}

/* Contexts that go with work on the device; the answer to a revocation does not hang on them. */
static void contexts_end(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = MS, .inflight_ns = 100 * MS});
	struct dv_cu_context *second, *primary;

	kernel = FAKE(fake_cuda_kernel)(UINT64_MAX);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(CU(cuCtxCreate_v2)(&second, 0, 0) == OK);
	CHECK(launch(kernel, NULL) == OK);
	usleep(2000);
	CHECK(stats_of(fake).counters.inflight == 1);
	CHECK(CU(cuCtxDestroy_v2)(second) == OK);
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(stats_of(fake).counters.inflight == 0);
	/* And with work that was not tracked. */
	fake_grant(fake, ENDLESS, 0);
	CHECK(CU(cuDevicePrimaryCtxRetain)(&primary, 0) == OK);
	CHECK(CU(cuCtxSetCurrent)(primary) == OK);
	CHECK(launch(kernel, new_stream(1)) == OK);
	fake_grant(fake, NOT_HELD, 0);
	usleep(3000);
	CHECK(stats_of(fake).drained == 1);
	CHECK(CU(cuDevicePrimaryCtxReset_v2)(0) == OK);
	CHECK(fake_wait(fake, drained_are, 2));
}

/* One more launch; false: it went through. */
static bool waits_again(struct fake *fake, struct call *call)
{
	start(call, call_launch);
	while (!has_ended(call))
		if (stats_of(fake).wants >= 2)
			return true;
	usleep(1000);
	return false;
}

/* divvyd goes and comes back: launches go on without it, and are gated again with it. */
static void divvyd_restarts(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	struct call call;
	uint64_t launched;

	kernel = FAKE(fake_cuda_kernel)(MS);
	start(&call, call_launch);
	CHECK(fake_wait(fake, wants_are, 1));
	fake_die(fake);
	CHECK(join(&call) == OK);
	for (int i = 0; i < 10; i++)
		CHECK(call_launch() == OK);
	fake_revive(fake);
	/* Greeted, and a moment later gated. */
	for (launched = 11; !waits_again(fake, &call); launched++)
		CHECK(join(&call) == OK);
	usleep(2000);
	CHECK(!has_ended(&call) && gpu().launches == launched);
	CHECK(stats_of(fake).hellos == 2);
	CHECK(stats_of(fake).counters.passed_ungated == launched);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(join(&call) == OK);
	/* The lease ends: nothing is let through any more. */
	fake_refuse(fake, DV_REFUSAL_GONE);
	fake_die(fake);
	fake_revive(fake);
	while (call_launch() != DV_CUDA_ERROR_SYSTEM_NOT_READY)
		usleep(1000);
}

static bool clients_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->clients == count;
}

static enum dv_cu_result call_alloc(void)
{
	dv_cu_ptr p;

	return CU(cuMemAlloc_v2)(&p, 4096);
}

/* divvyd goes while a turn is held, and tenants are to wait for it: nothing is launched until it is
 * back and has granted; when it says that the lease is gone, what waits goes on. */
static void divvyd_is_waited_for(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 1000 * MS, .more_flags = DV_GRANT_AWAY_WAITS});
	struct call call, alloc;

	kernel = FAKE(fake_cuda_kernel)(MS);
	fake_grant(fake, ENDLESS, 0);
	CHECK(call_launch() == OK && CU(cuCtxSynchronize)() == OK);
	for (int i = 0; i < 2; i++) {
		fake_die(fake);
		usleep(50000); /* until the hang-up is seen */
		start(&call, call_launch);
		start(&alloc, call_alloc);
		usleep(100000);
		CHECK(!has_ended(&call) && !has_ended(&alloc));
		CHECK(gpu().launches == 1u + (unsigned)i);
		fake_revive(fake);
		CHECK(fake_wait(fake, wants_are, 1u + (unsigned)i));
		usleep(2000);
		CHECK(!has_ended(&call));
		fake_grant(fake, HELD, now_ns() + 100000 * MS);
		CHECK(join(&call) == OK && join(&alloc) == OK);
	}
	CHECK(stats_of(fake).counters.passed_ungated == 0);
	fake_refuse(fake, DV_REFUSAL_GONE);
	fake_die(fake);
	usleep(50000);
	start(&call, call_launch);
	usleep(20000);
	CHECK(!has_ended(&call));
	fake_revive(fake);
	CHECK(join(&call) == OK);
	CHECK(call_launch() == DV_CUDA_ERROR_SYSTEM_NOT_READY);
	CHECK(fake_wait(fake, clients_are, 0));
}

enum { HAMMERS = 6, BLOWS = 150 };

static void *hammer(void *arg)
{
	struct dv_cu_stream *stream;

	CHECK(CU(cuCtxSetCurrent)(__atomic_load_n(&context, __ATOMIC_ACQUIRE)) == OK);
	stream = new_stream((uint32_t)(uintptr_t)arg % 2);
	for (int i = 0; i < BLOWS; i++) {
		CHECK(launch(kernel, i % 5 ? stream : OWN) == OK);
		if (i % 40 == 0)
			CHECK(CU(cuStreamSynchronize)(stream) == OK);
	}
	CHECK(CU(cuStreamDestroy_v2)(stream) == OK);
	return NULL;
}

/* Threads, streams of each kind, a device that comes and goes: everything is launched once. */
static void many_threads(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_TIMED,
							.quantum_ns = 2 * MS,
							.delay_ns = 300 * US,
							.inflight_ns = 500 * US,
							.linger_ns = 100 * US});
	pthread_t threads[HAMMERS];

	kernel = FAKE(fake_cuda_kernel)(20 * US);
	CHECK(CU(cuCtxGetCurrent)(&context) == OK);
	for (uintptr_t i = 0; i < HAMMERS; i++)
		CHECK(pthread_create(&threads[i], NULL, hammer, (void *)i) == 0);
	for (int i = 0; i < HAMMERS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(gpu().launches == HAMMERS * BLOWS);
	CHECK(CU(cuCtxSynchronize)() == OK);
	CHECK(stats_of(fake).counters.launches == HAMMERS * BLOWS);
	CHECK(stats_of(fake).drained > 1);
}

/* The child of a process with work held back is a client of its own. */
static void forked(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	struct call call;
	pid_t pid;

	kernel = FAKE(fake_cuda_kernel)(0);
	start(&call, call_launch);
	CHECK(fake_wait(fake, wants_are, 1));
	pid = fork();
	if (pid == 0) {
		CHECK(call_launch() == OK);
		_exit(0);
	}
	CHECK(fake_wait(fake, wants_are, 2));
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(ended_well(pid));
	CHECK(join(&call) == OK);
}

TEST(free_way)
TEST(every_launch_waits)
TEST(copies_pass)
TEST(taken_away)
TEST(idle_answers)
TEST(time_over)
TEST(bounded)
TEST(groups)
TEST(no_deadlock)
TEST(captures)
TEST(contexts_end)
TEST(divvyd_restarts)
TEST(divvyd_is_waited_for)
TEST(many_threads)

static void test_forked(void **state)
{
	NOT_UNDER_TSAN();
	assert_true(in_process(forked));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_way),
		cmocka_unit_test(test_every_launch_waits),
		cmocka_unit_test(test_copies_pass),
		cmocka_unit_test(test_taken_away),
		cmocka_unit_test(test_idle_answers),
		cmocka_unit_test(test_time_over),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_no_deadlock),
		cmocka_unit_test(test_captures),
		cmocka_unit_test(test_contexts_end),
		cmocka_unit_test(test_divvyd_restarts),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_forked),
		cmocka_unit_test(test_divvyd_is_waited_for),
	};

	return cmocka_run_group_tests_name("shim/cuda-time", tests, NULL, NULL);
}
