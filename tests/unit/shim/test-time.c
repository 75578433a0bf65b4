/* SPDX-License-Identifier: Apache-2.0 */
/* The layer's gate of launches, against the fake driver and grants of the fake divvyd. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/macro.h"
#include "layer.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

enum {
	FREE_FLAGS = 0,
	NOT_HELD = DV_GRANT_GATED,
	HELD = DV_GRANT_GATED | DV_GRANT_HELD,
	ENDLESS = DV_GRANT_GATED | DV_GRANT_HELD | DV_GRANT_ENDLESS,
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static cl_command_queue new_queue(cl_command_queue_properties properties)
{
	cl_command_queue queue =
		cl->clCreateCommandQueue(fake_opencl_context, fake_opencl_device, properties, NULL);

	CHECK(queue);
	return queue;
}

static void launch(cl_command_queue queue, cl_kernel kernel, cl_uint num, const cl_event *events,
		   cl_event *ret)
{
	CHECK(cl->clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &(size_t){64}, NULL, num, events,
					 ret) == CL_SUCCESS);
}

static cl_int status_of(cl_event event)
{
	cl_int status = 99;

	CHECK(cl->clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status,
				 NULL) == CL_SUCCESS);
	return status;
}

static uint64_t ran(void)
{
	struct fake_opencl_stats stats;

	fake_opencl_stats(&stats);
	return stats.ran;
}

static bool wants_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->wants >= count;
}

static bool drained_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->drained >= count;
}

static struct fake_stats stats_of(struct fake *fake)
{
	struct fake_stats stats;

	fake_stats(fake, &stats);
	return stats;
}

/* Nothing kept when the grant is endless: all that was made is gone when the work is. */
static void free_way(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(0);
	struct fake_opencl_stats opencl;

	for (int i = 0; i < 200; i++)
		launch(queue, kernel, 0, NULL, NULL);
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	CHECK(ran() == 200);
	fake_opencl_stats(&opencl);
	CHECK(opencl.events_live == 0);
	CHECK(stats_of(fake).counters.launches == 200 && stats_of(fake).counters.gated == 0);
	CHECK(stats_of(fake).wants == 0);
	CHECK(cl->clReleaseCommandQueue(queue) == CL_SUCCESS);
}

/* Not held: enqueuing returns, nothing runs, one wish is sent; the grant sets it going in order. */
static void waits_for_its_turn(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(100 * US);
	struct fake_opencl_stats opencl;
	cl_event events[10];

	for (int i = 0; i < 10; i++)
		launch(queue, kernel, 0, NULL, i % 2 ? &events[i] : NULL);
	CHECK(fake_wait(fake, wants_are, 1));
	usleep(5000);
	CHECK(ran() == 0 && status_of(events[1]) == CL_QUEUED);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(cl->clWaitForEvents(1, &events[9]) == CL_SUCCESS);
	CHECK(ran() == 10);
	/* Idle for longer than the linger: handed back, though there is time left, and though it
	 * was not known how long the kernels would take. */
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(stats_of(fake).wants == 1);
	CHECK(stats_of(fake).counters.gated == 10 && stats_of(fake).counters.launches == 10);
	CHECK(stats_of(fake).counters.busy_ns >= 900 * US);
	CHECK(stats_of(fake).counters.inflight == 0);
	for (int i = 1; i < 10; i += 2)
		CHECK(cl->clReleaseEvent(events[i]) == CL_SUCCESS);
	fake_opencl_stats(&opencl);
	CHECK(opencl.events_live == 0);
	/* What was handed back is not used, whatever the page still says. */
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(fake_wait(fake, wants_are, 2));
	usleep(3000);
	CHECK(ran() == 10);
	fake_grant(fake, ENDLESS, 0);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 11);
}

/* An endless grant taken away: drained is said when the untracked work has ended, not before, even
 * though more commands are held back behind it in the same queue. */
static void taken_away(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(30 * MS);

	launch(queue, kernel, 0, NULL, NULL);
	fake_grant(fake, NOT_HELD, 0);
	launch(queue, kernel, 0, NULL, NULL);
	launch(queue, kernel, 0, NULL, NULL);
	usleep(5000);
	CHECK(stats_of(fake).drained == 0);
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(ran() == 1 && !fake_opencl_busy());
	usleep(5000);
	CHECK(ran() == 1 && stats_of(fake).drained == 1);
	fake_grant(fake, HELD, now_ns() + 1000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 3);
}

/* An idle process answers a revocation at once. */
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
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(4 * MS);

	fake_grant(fake, HELD, now_ns() + 30 * MS);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(stats_of(fake).counters.gated == 0);
	while (stats_of(fake).drained == 0) {
		launch(queue, kernel, 0, NULL, NULL);
		usleep(1000);
	}
	CHECK(stats_of(fake).counters.gated > 0);
	fake_die(fake);
	/* divvyd is gone: what was accepted does not hang. */
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	CHECK(stats_of(fake).counters.launches == ran());
}

/* The same where tenants are to wait for it: it runs when divvyd is back and has granted. A
 * program's own event waits, too, as what it sets free would run. */
static void away_waits(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 1000 * MS, .more_flags = DV_GRANT_AWAY_WAITS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(MS);
	cl_event own, event;
	cl_int r;

	fake_grant(fake, ENDLESS, 0);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 1);
	own = cl->clCreateUserEvent(fake_opencl_context, &r);
	CHECK(r == CL_SUCCESS);
	launch(queue, kernel, 1, &own, NULL);
	fake_die(fake);
	usleep(50000);
	CHECK(cl->clSetUserEventStatus(own, CL_COMPLETE) == CL_SUCCESS);
	launch(queue, kernel, 0, NULL, &event);
	CHECK(cl->clFlush(queue) == CL_SUCCESS);
	usleep(50000);
	CHECK(ran() == 1 && status_of(event) != CL_COMPLETE);
	fake_revive(fake);
	CHECK(fake_wait(fake, wants_are, 1));
	usleep(2000);
	CHECK(ran() == 1);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 3);
	CHECK(stats_of(fake).counters.passed_ungated == 0);
	CHECK(cl->clReleaseEvent(own) == CL_SUCCESS && cl->clReleaseEvent(event) == CL_SUCCESS);
}

static bool ran_are(const struct fake_stats *stats, uint64_t count)
{
	return ran() >= count;
}

/* The end of a turn is set while a command of it runs, which outlasts it: that was the last. */
static void shortened(void)
{
	struct fake *fake =
		begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = 100 * MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(50 * MS);
	cl_event event;

	launch(queue, kernel, 0, NULL, NULL);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 1);
	launch(queue, kernel, 0, NULL, &event);
	fake_grant_quietly(fake, HELD, now_ns() + 5 * MS);
	CHECK(cl->clWaitForEvents(1, &event) == CL_SUCCESS && ran() == 2);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(fake_wait(fake, drained_are, 1));
	usleep(100000);
	CHECK(ran() == 2);
	fake_grant(fake, HELD, now_ns() + 100000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 3);
	CHECK(cl->clReleaseEvent(event) == CL_SUCCESS);
}

/* A grant that is read too late, because the machine is busy, still lets one command through: not
 * more, and none when it was revoked. */
static void late_grant(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(100 * US);

	for (int i = 0; i < 3; i++)
		launch(queue, kernel, 0, NULL, NULL);
	for (uint64_t i = 1; i <= 2; i++) {
		fake_grant(fake, HELD, now_ns() - MS);
		CHECK(fake_wait(fake, ran_are, i));
		CHECK(fake_wait(fake, drained_are, i));
		usleep(3000);
		CHECK(ran() == i);
	}
	fake_grant(fake, NOT_HELD, 0);
	usleep(3000);
	CHECK(ran() == 2);
	fake_grant(fake, ENDLESS, 0);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 3);
}

/* No more work at once than the bound, once the costs are known; and a wrong bound stops nothing.
 * On a busy machine the device may stand still for a moment, and then one more is let go. */
static void bounded(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 10000 * MS, .inflight_ns = 3 * MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(MS);
	unsigned looks = 0, over = 0;

	fake_grant(fake, HELD, now_ns() + 10000 * MS);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	for (int i = 0; i < 40; i++)
		launch(queue, kernel, 0, NULL, NULL);
	while (ran() < 41) {
		looks++;
		over += stats_of(fake).counters.inflight > 4;
		usleep(200);
	}
	CHECK(looks > 20 && over <= looks / 5);
	CHECK(stats_of(fake).counters.gated > 20);
}

/* A command longer than the bound is queued behind another only shortly before that one ends. */
static void long_ones_wait(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 10000 * MS, .inflight_ns = 3 * MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(8 * MS);
	unsigned looks = 0, doubled = 0;

	fake_grant(fake, HELD, now_ns() + 10000 * MS);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	for (int i = 0; i < 20; i++)
		launch(queue, kernel, 0, NULL, NULL);
	while (ran() < 20) {
		looks++;
		doubled += stats_of(fake).counters.inflight > 1;
		usleep(200);
	}
	/* With all of the bound ahead it would be three eighths of the time. */
	CHECK(looks > 20 && doubled < looks / 5);
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
}

/* Eight kernels wait for an event that the same thread sets later: legal, so it ends, in whatever
 * way the device is handed out. */
static void own_event(const struct fake_config *config, uint32_t flags)
{
	struct fake *fake = begin(config);
	cl_command_queue queue = new_queue(0), other = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(200 * US);
	cl_event event, last;
	cl_int r;

	if (config->mode == FAKE_MANUAL)
		fake_grant(fake, flags, now_ns() + 5 * MS);
	launch(other, kernel, 0, NULL, NULL);
	event = cl->clCreateUserEvent(fake_opencl_context, &r);
	CHECK(event && r == CL_SUCCESS);
	for (int i = 0; i < 8; i++)
		launch(queue, kernel, 1, &event, i == 7 ? &last : NULL);
	/* Another queue does not wait for that event, though it is held back behind. */
	launch(other, kernel, 0, NULL, NULL);
	if (config->mode == FAKE_MANUAL) {
		usleep(8000);
		fake_grant(fake, HELD, now_ns() + 10000 * MS);
	}
	CHECK(cl->clFinish(other) == CL_SUCCESS);
	CHECK(status_of(event) == CL_SUBMITTED && ran() == 2);
	CHECK(cl->clSetUserEventStatus(event, CL_COMPLETE) == CL_SUCCESS);
	CHECK(status_of(event) == CL_COMPLETE);
	CHECK(cl->clSetUserEventStatus(event, CL_COMPLETE) == CL_INVALID_OPERATION);
	CHECK(cl->clWaitForEvents(1, &last) == CL_SUCCESS);
	CHECK(ran() == 10);
	CHECK(cl->clReleaseEvent(event) == CL_SUCCESS && cl->clReleaseEvent(last) == CL_SUCCESS);
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
}

static void own_event_free(void)
{
	own_event(&(struct fake_config){.mode = FAKE_FREE}, 0);
}

static void own_event_endless(void)
{
	own_event(&(struct fake_config){.mode = FAKE_ENDLESS}, 0);
}

static void own_event_timed(void)
{
	own_event(&(struct fake_config){.mode = FAKE_TIMED,
					.quantum_ns = 3 * MS,
					.delay_ns = MS,
					.inflight_ns = 300 * US,
					.linger_ns = 500 * US},
		  0);
}

static void own_event_manual(void)
{
	own_event(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = 10000 * MS}, HELD);
}

/* Work that waits for the program keeps the device from nobody; and when the program sets it free
 * without holding the device, it waits for its turn. */
static void parked(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(100 * US);
	cl_event event = cl->clCreateUserEvent(fake_opencl_context, NULL);

	launch(queue, kernel, 1, &event, NULL);
	launch(queue, kernel, 0, NULL, NULL);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(ran() == 0);
	CHECK(cl->clSetUserEventStatus(event, CL_COMPLETE) == CL_SUCCESS);
	CHECK(status_of(event) == CL_COMPLETE);
	CHECK(cl->clReleaseEvent(event) == CL_SUCCESS);
	CHECK(fake_wait(fake, wants_are, 1));
	usleep(5000);
	CHECK(ran() == 0);
	fake_grant(fake, HELD, now_ns() + 1000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 2);
	/* And it is counted as on the device again. */
	CHECK(fake_wait(fake, drained_are, 2));
	CHECK(stats_of(fake).counters.busy_ns > 0);
}

/* A failed event fails the commands that wait for it; nothing is left behind. */
static void failed_event(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(0);
	cl_event event = cl->clCreateUserEvent(fake_opencl_context, NULL), last;
	struct fake_opencl_stats opencl;

	launch(queue, kernel, 1, &event, &last);
	CHECK(cl->clSetUserEventStatus(event, -5) == CL_SUCCESS);
	fake_grant(fake, HELD, now_ns() + 1000 * MS);
	CHECK(cl->clWaitForEvents(1, &last) == CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 0);
	CHECK(fake_wait(fake, drained_are, 1));
	CHECK(cl->clReleaseEvent(event) == CL_SUCCESS && cl->clReleaseEvent(last) == CL_SUCCESS);
	usleep(2000);
	fake_opencl_stats(&opencl);
	CHECK(opencl.events_live == 0);
	/* A call that the driver refuses leaves nothing behind either. */
	CHECK(cl->clEnqueueNDRangeKernel(queue, NULL, 1, NULL, NULL, NULL, 0, NULL, NULL) ==
	      CL_INVALID_KERNEL);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(cl->clEnqueueNDRangeKernel(queue, NULL, 1, NULL, NULL, NULL, 0, NULL, NULL) ==
	      CL_INVALID_KERNEL);
	CHECK(cl->clEnqueueNDRangeKernel(queue, kernel, 1, NULL, NULL, NULL, 1, NULL, NULL) ==
	      CL_INVALID_EVENT_WAIT_LIST);
	CHECK(stats_of(fake).counters.inflight == 0);
}

/* Long wait lists, and out of order. */
static void wait_lists(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_TIMED,
							.quantum_ns = 2 * MS,
							.delay_ns = 500 * US,
							.linger_ns = 500 * US});
	cl_command_queue queue = new_queue(CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE);
	cl_kernel kernel = fake_opencl_kernel(50 * US);
	cl_event events[39], last;

	for (cl_uint i = 0; i < 39; i++)
		launch(queue, kernel, i, i ? events : NULL, &events[i]);
	launch(queue, kernel, 39, events, &last);
	CHECK(cl->clWaitForEvents(1, &last) == CL_SUCCESS);
	CHECK(ran() == 40);
	CHECK(stats_of(fake).counters.passed_ungated == 0);
}

static void *launches(void *arg)
{
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(20 * US);

	for (int i = 0; i < 300; i++) {
		cl_event event = NULL;

		launch(i % 3 ? queue : arg, kernel, 0, NULL, i % 7 ? NULL : &event);
		if (event && i % 2)
			CHECK(cl->clWaitForEvents(1, &event) == CL_SUCCESS);
		if (event)
			CHECK(cl->clReleaseEvent(event) == CL_SUCCESS);
		if (i % 50 == 49)
			CHECK(cl->clFinish(queue) == CL_SUCCESS);
	}
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	CHECK(cl->clReleaseCommandQueue(queue) == CL_SUCCESS);
	return NULL;
}

/* Threads, a queue that they share, and grants that come, change and go at any moment. */
static void storm(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 300 * US, .inflight_ns = 500 * US});
	static const uint32_t flags[] = {NOT_HELD, HELD,    ENDLESS,   HELD,
					 NOT_HELD, ENDLESS, FREE_FLAGS};
	cl_command_queue shared = new_queue(0);
	struct fake_opencl_stats opencl;
	pthread_t threads[3];
	uint64_t turns = 0;

	for (int i = 0; i < 3; i++)
		CHECK(pthread_create(&threads[i], NULL, launches, shared) == 0);
	while (ran() < 900) {
		fake_grant(fake, flags[turns % 7], now_ns() + 700 * US);
		usleep((useconds_t)(turns++ % 5 * 300));
	}
	fake_grant(fake, ENDLESS, 0);
	for (int i = 0; i < 3; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(cl->clFinish(shared) == CL_SUCCESS);
	CHECK(ran() == 900 && stats_of(fake).counters.launches == 900);
	fake_grant(fake, NOT_HELD, 0);
	CHECK(fake_wait(fake, drained_are, 1));
	usleep(3000);
	fake_opencl_stats(&opencl);
	CHECK(opencl.events_live == 0 && opencl.queues_live == 1);
	CHECK(stats_of(fake).counters.inflight == 0);
}

/* Nothing of this process is on the device between its saying so and its next grant. */
static void never_unheld(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_ENDLESS, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(300 * US);
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, launches, queue) == 0);
	for (int round = 0; round < 25; round++) {
		uint64_t drained = stats_of(fake).drained;

		fake_grant(fake, NOT_HELD, 0);
		CHECK(fake_wait(fake, drained_are, drained + 1));
		for (int i = 0; i < 10; i++) {
			CHECK(!fake_opencl_busy());
			usleep(100);
		}
		fake_grant(fake, round % 2 ? ENDLESS : HELD, now_ns() + 3 * MS);
		launch(queue, kernel, 0, NULL, NULL);
		usleep(2000);
	}
	fake_grant(fake, FREE_FLAGS, 0);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void *reads(void *arg)
{
	cl_mem mem = cl->clCreateBuffer(fake_opencl_context, 0, 64, NULL, NULL);
	char to[64];

	CHECK(cl->clEnqueueReadBuffer(arg, mem, CL_TRUE, 0, 64, to, 0, NULL, NULL) == CL_SUCCESS);
	return NULL;
}

/* Transfers are gated where the grant says so: a blocking one waits, and keeps nobody else. */
static void copies(void)
{
	struct fake *fake = begin(&(struct fake_config){
		.mode = FAKE_MANUAL, .linger_ns = 10000 * MS, .more_flags = DV_GRANT_COPIES});
	cl_command_queue queue = new_queue(0), other = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(0);
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, reads, queue) == 0);
	CHECK(fake_wait(fake, wants_are, 1));
	launch(other, kernel, 0, NULL, NULL);
	CHECK(stats_of(fake).counters.gated == 2);
	CHECK(pthread_tryjoin_np(thread, NULL) != 0);
	fake_grant(fake, HELD, now_ns() + 10000 * MS);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(cl->clFinish(other) == CL_SUCCESS && ran() == 1);
	(void)reads(queue);
	fake_grant(fake, ENDLESS, 0);
	(void)reads(queue);
	CHECK(stats_of(fake).counters.copies == 3);
	CHECK(stats_of(fake).counters.gated == 2);
}

/* Without that flag a transfer is only counted. */
static void copies_pass(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL});
	cl_command_queue queue = new_queue(0);

	(void)reads(queue);
	CHECK(stats_of(fake).counters.copies == 1 && stats_of(fake).counters.gated == 0);
	CHECK(stats_of(fake).wants == 0);
}

/* The child of a fork starts with an empty gate and its own grant. */
static void fork_gate(void)
{
	struct fake *fake = begin(&(struct fake_config){.mode = FAKE_MANUAL, .linger_ns = MS});
	cl_command_queue queue = new_queue(0);
	cl_kernel kernel = fake_opencl_kernel(0);
	pid_t pid;

	NOT_UNDER_TSAN();
	launch(queue, kernel, 0, NULL, NULL);
	CHECK(fake_wait(fake, wants_are, 1));
	pid = fork();
	if (pid == 0) {
		/* The driver's thread is not here: only what the layer itself does is tested. */
		alarm(10);
		launch(queue, kernel, 0, NULL, NULL);
		_exit(0);
	}
	CHECK(ended_well(pid));
	CHECK(stats_of(fake).hellos == 2);
	fake_grant(fake, HELD, now_ns() + 1000 * MS);
	CHECK(cl->clFinish(queue) == CL_SUCCESS && ran() == 1);
}

#define TEST(f)                                                                                    \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		assert_true(in_process(f));                                                        \
	}

TEST(free_way)
TEST(waits_for_its_turn)
TEST(taken_away)
TEST(idle_answers)
TEST(time_over)
TEST(away_waits)
TEST(late_grant)
TEST(shortened)
TEST(bounded)
TEST(long_ones_wait)
TEST(own_event_free)
TEST(own_event_endless)
TEST(own_event_timed)
TEST(own_event_manual)
TEST(parked)
TEST(failed_event)
TEST(wait_lists)
TEST(storm)
TEST(never_unheld)
TEST(copies)
TEST(copies_pass)
TEST(fork_gate)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_way),	cmocka_unit_test(test_waits_for_its_turn),
		cmocka_unit_test(test_taken_away),	cmocka_unit_test(test_idle_answers),
		cmocka_unit_test(test_time_over),	cmocka_unit_test(test_away_waits),
		cmocka_unit_test(test_bounded),		cmocka_unit_test(test_long_ones_wait),
		cmocka_unit_test(test_own_event_free),	cmocka_unit_test(test_own_event_endless),
		cmocka_unit_test(test_own_event_timed), cmocka_unit_test(test_own_event_manual),
		cmocka_unit_test(test_parked),		cmocka_unit_test(test_failed_event),
		cmocka_unit_test(test_wait_lists),	cmocka_unit_test(test_storm),
		cmocka_unit_test(test_never_unheld),	cmocka_unit_test(test_fork_gate),
		cmocka_unit_test(test_late_grant),	cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_copies),		cmocka_unit_test(test_copies_pass),
	};

	return cmocka_run_group_tests_name("shim/time", tests, NULL, NULL);
}
