/* SPDX-License-Identifier: Apache-2.0 */
/* Turns on a shared node, by the messages and pages of real clients. */
#include <linux/futex.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"

#define MS DV_NS_PER_MS
#define HELD DV_GRANT_HELD
#define ENDLESS DV_GRANT_ENDLESS

enum { A = 1, B = 2, C = 3 };

static struct fake_gate fake;

static int setup(void **state)
{
	fake.hold_timeout_ns = 0;
	fake_gate_init(&fake, 0);
	return 0;
}

static int setup_short_hold(void **state)
{
	fake.hold_timeout_ns = 100 * MS;
	fake_gate_init(&fake, 0);
	return 0;
}

static int setup_waited_for(void **state)
{
	fake.hold_timeout_ns = 0;
	fake.away_waits = true;
	fake_gate_init(&fake, 0);
	fake.away_waits = false;
	return 0;
}

static int teardown(void **state)
{
	fake_gate_fini(&fake);
	return 0;
}

static void two_tenants(struct fake_client *a, struct fake_client *b)
{
	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 50);
	fake_attach(&fake, A, 0, a);
	fake_attach(&fake, B, 0, b);
}

static void test_alone(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a;
	struct dv_grant grant;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_attach(&fake, A, 0, &a);
	grant = fake_grant(&a);
	assert_int_equal(grant.flags, DV_GRANT_GATED);
	assert_int_equal(grant.linger_ns, dv_sched_defaults.linger_ns);
	assert_int_equal(grant.inflight_ns, dv_sched_defaults.quantum_ns / 4);
	assert_int_equal(grant.compute_mpct, 50000);
	fake_want(&a);
	grant = fake_await(&a, HELD, HELD);
	assert_int_equal(grant.flags, DV_GRANT_GATED | HELD | ENDLESS);
	assert_int_equal(grant.epoch % 2, 0);
	assert_true(grant.server_ns <= dv_now_ns());
	fake_drained(&a, false);
	fake_want(&a);
	assert_true(fake_await(&a, HELD, HELD).epoch >= grant.epoch);
	/* What the first hand-back left can be told from the second grant by its epoch. */
	for (int i = 0; i < 20000 && fake_grant(&a).epoch == grant.epoch; i++)
		(void)usleep(100);
	assert_int_equal(fake_grant(&a).epoch, grant.epoch + 2);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.sched.grants, 2);
	fake_detach(&a);
}

/* Every page of a tenant that is gated says it, from the greeting on: divvyd may be killed at any
 * moment. */
static void test_waited_for(void **state)
{
	struct fake_client a, b;

	two_tenants(&a, &b);
	assert_int_equal(fake_grant(&a).flags, DV_GRANT_GATED | DV_GRANT_AWAY_WAITS);
	fake_want(&a);
	assert_int_equal(fake_await(&a, HELD, HELD).flags,
			 DV_GRANT_GATED | HELD | ENDLESS | DV_GRANT_AWAY_WAITS);
	fake_want(&b);
	(void)fake_await(&a, ENDLESS, 0);
	(void)fake_await(&a, HELD, 0);
	assert_int_equal(fake_grant(&a).flags, DV_GRANT_GATED | DV_GRANT_AWAY_WAITS);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_untimed_is_not_gated(void **state)
{
	struct fake_client a;

	fake_open(&fake, A, 0, false);
	fake_attach(&fake, A, 0, &a);
	assert_int_equal(fake_grant(&a).flags, 0);
	fake_want(&a);
	fake_drained(&a, true);
	assert_true(fake_reserve(&a, 1));
	assert_int_equal(fake_grant(&a).flags, 0);
	fake_detach(&a);
}

static void test_hand_over(void **state)
{
	struct dv_gate_stats stats;
	struct fake_client a, b;
	struct dv_grant grant;

	two_tenants(&a, &b);
	fake_want(&a);
	fake_await(&a, HELD | ENDLESS, HELD | ENDLESS);
	fake_want(&b);
	/* It becomes finite, then ends. */
	grant = fake_await(&a, HELD, 0);
	assert_int_equal(grant.flags, DV_GRANT_GATED);
	assert_int_equal(fake_grant(&b).flags, DV_GRANT_GATED);
	fake_drained(&a, true);
	grant = fake_await(&b, HELD, HELD);
	assert_int_equal(grant.flags & ENDLESS, 0);
	/* A turn, or two in a row where A had more than one. */
	assert_true(grant.until_ns <= dv_now_ns() + 10 * MS);
	fake_await(&b, HELD, 0);
	fake_drained(&b, false);
	fake_await(&a, HELD | ENDLESS, HELD | ENDLESS);
	fake_stats(&fake, B, &stats);
	assert_int_equal(stats.sched.grants, 1);
	assert_true(stats.wait_p99_ns > 0 && stats.wait_p50_ns <= stats.wait_p99_ns);
	assert_true(stats.sched.used_ns > 0);
	assert_false(stats.holding);
	fake_detach(&a);
	fake_detach(&b);
}

/* A message that crossed with a newer grant on its way is of no account. */
static void test_crossing(void **state)
{
	struct dv_msg msg;
	struct fake_client a, b;
	struct dv_grant grant;

	two_tenants(&a, &b);
	fake_want(&a);
	grant = fake_await(&a, HELD, HELD);
	fake_drained(&a, false);
	fake_want(&a);
	while (fake_grant(&a).epoch == grant.epoch)
		(void)usleep(100);
	/* The hand-back of the first grant, again: A holds the second. */
	msg = fake_msg(DV_MSG_DRAINED, grant.epoch, 0, 0);
	fake_send(a.fd, &msg);
	assert_true(fake_reserve(&a, 0));
	fake_want(&b);
	fake_await(&a, HELD, 0);
	(void)usleep(20000);
	assert_int_equal(fake_grant(&b).flags & HELD, 0);
	fake_drained(&a, false);
	fake_await(&b, HELD, HELD);
	/* Of one that holds nothing it is nothing, and may ask again. */
	fake_drained(&a, false);
	fake_drained(&a, true);
	fake_await(&b, HELD, 0);
	fake_drained(&b, false);
	fake_await(&a, HELD, HELD);
	fake_detach(&a);
	fake_detach(&b);
}

/* Hold for 2 ms, hand back, and say that the first command came `way_ns` after the grant; what was
 * charged for it is returned, and the least and the most that it may be. */
static uint64_t hold(struct fake_client *client, uint64_t way_ns, uint64_t *ret_whole,
		     uint64_t *ret_late)
{
	struct dv_gate_stats before, after;
	const uint32_t epoch = fake_grant(client).epoch;
	struct dv_grant grant;
	struct dv_msg msg;

	fake_stats(&fake, A, &before);
	fake_want(client);
	do
		grant = fake_await(client, HELD, HELD);
	while (grant.epoch == epoch); /* that turn was handed back */
	(void)usleep(2000);
	msg = fake_msg(DV_MSG_DRAINED, grant.epoch, 0, 0);
	msg.serial = dv_now_ns();
	*ret_whole = msg.serial - grant.server_ns;
	if (way_ns)
		msg.a |= (*ret_whole - DV_MIN(way_ns, *ret_whole - 1)) << 32;
	fake_send(client->fd, &msg);
	assert_true(fake_reserve(client, 0)); /* it was heard */
	fake_stats(&fake, A, &after);
	/* Heard late, its end is not believed. */
	*ret_late = dv_now_ns() - grant.server_ns;
	return after.sched.used_ns - before.sched.used_ns;
}

/* The way from the grant to the first command is not charged, but never more than the linger. */
static void test_the_way_is_not_charged(void **state)
{
	const uint64_t linger_ns = dv_sched_defaults.linger_ns, way_ns = linger_ns / 5;
	uint64_t whole_ns, late_ns, used_ns;
	struct fake_client a;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_attach(&fake, A, 0, &a);
	used_ns = hold(&a, 0, &whole_ns, &late_ns);
	assert_in_range(used_ns, whole_ns, DV_MAX(whole_ns, late_ns - linger_ns));
	used_ns = hold(&a, way_ns, &whole_ns, &late_ns);
	assert_in_range(used_ns, whole_ns - way_ns, DV_MAX(whole_ns - way_ns, late_ns - linger_ns));
	/* Who says that it did nothing at all. */
	used_ns = hold(&a, UINT64_MAX, &whole_ns, &late_ns);
	assert_in_range(used_ns, whole_ns - linger_ns, late_ns - linger_ns);
	fake_detach(&a);
}

/* While a tenant of the latency class is there, whoever else has the device, alone or not, puts no
 * more on it than half a millisecond's work. */
static void test_beside_latency(void **state)
{
	struct fake_client a;
	uint64_t before_ns;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_attach(&fake, A, 0, &a);
	fake_want(&a);
	before_ns = fake_await(&a, HELD | ENDLESS, HELD | ENDLESS).inflight_ns;
	assert_true(before_ns > MS / 2);
	fake_open_timed(&fake, B, DV_POLICY_LATENCY, 50);
	assert_true(fake_await(&a, HELD | ENDLESS, HELD).inflight_ns <= MS / 2);
	/* It is not lifted in time, as it is when a neighbour is quiet. */
	(void)usleep(700000);
	assert_int_equal(fake_grant(&a).flags & (HELD | ENDLESS), HELD);
	fake_close(&fake, B);
	assert_int_equal(fake_await(&a, HELD | ENDLESS, HELD | ENDLESS).inflight_ns, before_ns);
	fake_detach(&a);
}

static pid_t sleeper(const struct fake_client *client, uint32_t epoch)
{
	const struct timespec most = {10, 0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(syscall(SYS_futex, &client->grant->epoch, FUTEX_WAIT, epoch, &most, NULL, 0)
			      ? 1
			      : 0);
	return pid;
}

/* The turn was given another end while its client handed it back and went to sleep: it is woken to
 * see that. */
static void test_crossing_wakes(void **state)
{
	struct fake_client a, b;
	struct dv_grant grant;
	struct dv_msg msg;
	int status = -1;
	pid_t pid;

	two_tenants(&a, &b);
	fake_want(&a);
	grant = fake_await(&a, HELD, HELD);
	msg = fake_msg(DV_MSG_DRAINED, grant.epoch - 2, 0, 0);
	pid = sleeper(&a, grant.epoch);
	assert_true(pid > 0);
	/* It may not be asleep yet. */
	while (waitpid(pid, &status, WNOHANG) == 0) {
		fake_send(a.fd, &msg);
		(void)usleep(5000);
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(fake_grant(&a).epoch, grant.epoch);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_two_processes(void **state)
{
	struct fake_client a1, a2, b;
	struct dv_gate_stats stats;
	uint64_t until_ns;

	two_tenants(&a1, &b);
	fake_attach(&fake, A, 0, &a2);
	fake_want(&a1);
	fake_await(&a1, HELD, HELD);
	/* Who did not ask has nothing; who asks later joins the turn. */
	assert_int_equal(fake_grant(&a2).flags & HELD, 0);
	fake_want(&a2);
	fake_await(&a2, HELD | ENDLESS, HELD | ENDLESS);
	fake_want(&b);
	until_ns = fake_await(&a1, HELD, 0).server_ns;
	fake_await(&a2, HELD, 0);
	fake_drained(&a1, true);
	assert_true(fake_reserve(&a1, 0));
	(void)usleep(10000);
	assert_int_equal(fake_grant(&b).flags & HELD, 0);
	fake_drained(&a2, false);
	assert_true(fake_await(&b, HELD, HELD).server_ns >= until_ns);
	fake_await(&b, HELD, 0);
	fake_drained(&b, false);
	fake_await(&a1, HELD, HELD);
	assert_int_equal(fake_grant(&a2).flags & HELD, 0);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.sched.grants, 2);
	fake_detach(&a1);
	fake_detach(&a2);
	fake_detach(&b);
}

/* A child that takes a turn and then does nothing. */
static pid_t holder(struct fake_gate *gate, int64_t id)
{
	struct fake_client client;
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where the test fails */
		fake_attach(gate, id, 0, &client);
		fake_want(&client);
		fake_await(&client, HELD, HELD);
		(void)!write(ready[1], "x", 1);
		/* Drains when revoked, for ever. */
		for (;;) {
			fake_await(&client, HELD, 0);
			fake_drained(&client, true);
			fake_await(&client, HELD, HELD);
		}
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* The time-out is 10 s here: it is the hang-up that frees the device. */
static void test_killed_holder(void **state)
{
	struct fake_client b;
	struct dv_gate_stats stats;
	uint64_t begin_ns;
	pid_t pid;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 50);
	pid = holder(&fake, A);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	fake_attach(&fake, B, 0, &b);
	fake_want(&b);
	(void)usleep(20000);
	assert_int_equal(fake_grant(&b).flags & HELD, 0);
	begin_ns = dv_now_ns();
	end(pid);
	fake_await(&b, HELD | ENDLESS, HELD | ENDLESS);
	assert_true(dv_now_ns() - begin_ns < 5 * DV_NS_PER_S);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.sched.evictions, 0);
	assert_int_equal(stats.client_count, 0);
	fake_detach(&b);
}

static void test_stopped_holder(void **state)
{
	struct fake_client b;
	struct dv_gate_stats stats;
	pid_t pid;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 50);
	pid = holder(&fake, A);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	fake_attach(&fake, B, 0, &b);
	fake_want(&b);
	fake_await(&b, HELD, HELD);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.sched.evictions, 1);
	assert_true(stats.sched.used_ns >= 90 * MS);
	assert_int_equal(stats.client_count, 1);
	/* Nobody waits for it any more. */
	fake_drained(&b, true);
	(void)usleep(10000);
	fake_await(&b, HELD | ENDLESS, HELD | ENDLESS);
	/* Running again it drains late, and has its turns like before. */
	assert_int_equal(kill(pid, SIGCONT), 0);
	for (unsigned i = 0; stats.sched.grants < 3; i++) {
		assert_true(i < 2000);
		fake_await(&b, HELD, 0);
		fake_drained(&b, true);
		fake_await(&b, HELD, HELD);
		fake_stats(&fake, A, &stats);
	}
	end(pid);
	fake_detach(&b);
}

/* One process of a tenant is stopped; the tenant's other one goes on. */
static void test_stopped_sibling(void **state)
{
	struct fake_client a, b;
	pid_t pid;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 50);
	pid = holder(&fake, A);
	fake_attach(&fake, A, 0, &a);
	fake_attach(&fake, B, 0, &b);
	fake_want(&a);
	fake_await(&a, HELD, HELD);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	fake_want(&b);
	fake_await(&a, HELD, 0);
	fake_drained(&a, true);
	fake_await(&b, HELD, HELD);
	fake_await(&b, HELD, 0);
	fake_drained(&b, false);
	fake_await(&a, HELD, HELD);
	end(pid);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_asker_gone(void **state)
{
	struct fake_client a, b, c;

	two_tenants(&a, &b);
	fake_open_timed(&fake, C, DV_POLICY_LATENCY, 10);
	fake_attach(&fake, C, 0, &c);
	fake_want(&a);
	fake_await(&a, HELD, HELD);
	fake_want(&c);
	assert_true(fake_reserve(&c, 0));
	fake_want(&b);
	assert_true(fake_reserve(&b, 0));
	fake_detach(&c);
	fake_await_clients(&fake, C, 0);
	fake_await(&a, HELD, 0);
	fake_drained(&a, false);
	fake_await(&b, HELD, HELD);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_lease_closed(void **state)
{
	struct fake_client a, b;

	two_tenants(&a, &b);
	fake_want(&a);
	fake_await(&a, HELD, HELD);
	fake_want(&b);
	fake_close(&fake, A);
	fake_await(&b, HELD | ENDLESS, HELD | ENDLESS);
	fake_detach(&a);
	fake_detach(&b);
}

static void test_latency_goes_first(void **state)
{
	struct fake_client a, b, c;
	struct dv_gate_stats stats;

	two_tenants(&a, &b);
	fake_open_timed(&fake, C, DV_POLICY_LATENCY, 20);
	fake_attach(&fake, C, 0, &c);
	fake_want(&a);
	fake_await(&a, HELD, HELD);
	fake_want(&b);
	assert_true(fake_reserve(&b, 0));
	fake_want(&c);
	fake_await(&a, HELD, 0);
	fake_drained(&a, true);
	fake_await(&c, HELD, HELD);
	fake_stats(&fake, B, &stats);
	assert_int_equal(stats.sched.grants, 0);
	fake_detach(&a);
	fake_detach(&b);
	fake_detach(&c);
}

static void test_got(void **state)
{
	struct fake_client a, b;
	struct dv_gate_stats stats;

	two_tenants(&a, &b);
	fake_want(&a);
	fake_await(&a, HELD, HELD);
	a.counters->launches = 5;
	(void)usleep(20000);
	fake_stats(&fake, A, &stats);
	assert_true(stats.got_mpct > 0);
	assert_true(stats.holding);
	fake_stats(&fake, B, &stats);
	assert_int_equal(stats.got_mpct, 0);
	/* Two looks that count: from then on it is known to be idle. */
	for (unsigned i = 0; i < 3; i++) {
		(void)usleep(260000);
		fake_stats(&fake, A, &stats);
	}
	assert_int_equal(stats.got_mpct, 0);
	assert_false(stats.holding);
	a.counters->launches++;
	fake_stats(&fake, A, &stats);
	assert_in_range(stats.got_mpct, 99000, 100000);
	assert_true(stats.holding);
	fake_detach(&a);
	fake_detach(&b);
}

/* Asks, hands back, asks ...: as fast as it can. */
static void *nag(void *arg)
{
	const struct fake_client *client = arg;
	struct dv_msg want = fake_msg(DV_MSG_WANT, 0, 0, 0);
	struct dv_msg drained = fake_msg(DV_MSG_DRAINED, 0, 0, 1);

	do {
		want.a = drained.a = client->grant->epoch;
		drained.serial = 1;
	} while (send(client->fd, &want, sizeof(want), MSG_NOSIGNAL) > 0 &&
		 send(client->fd, &drained, sizeof(drained), MSG_NOSIGNAL) > 0);
	return NULL;
}

static void work_by(const struct fake_client *client, uint64_t end_ns)
{
	struct dv_grant grant;

	do {
		(void)usleep(50);
		grant = fake_grant(client);
	} while (grant.flags & HELD && dv_now_ns() < end_ns &&
		 (grant.flags & ENDLESS || dv_now_ns() < grant.until_ns));
}

/* An honest client: works while it may, drains, asks again; then hangs up. */
static void work(const struct fake_client *client, uint64_t end_ns)
{
	uint32_t said = fake_grant(client).epoch;

	fake_want(client);
	while (dv_now_ns() < end_ns) {
		struct dv_grant grant = fake_grant(client);

		if (grant.epoch == said) {
			(void)usleep(50);
			continue;
		}
		if (grant.flags & HELD)
			work_by(client, end_ns);
		/* Also where that was the end of a grant that crossed with the hand-back. */
		said = fake_drained(client, true);
	}
	(void)shutdown(client->fd, SHUT_RDWR);
}

static void test_nagging(void **state)
{
	struct fake_client a, b;
	struct dv_gate_stats stats;
	pthread_t thread;

	two_tenants(&a, &b);
	assert_int_equal(pthread_create(&thread, NULL, nag, &a), 0);
	work(&b, dv_now_ns() + 500 * MS);
	fake_stats(&fake, B, &stats);
	/* Its own share at least, but for the changing of hands. */
	assert_true(stats.sched.used_ns > 150 * MS);
	(void)shutdown(a.fd, SHUT_RDWR);
	(void)pthread_join(thread, NULL);
	fake_detach(&a);
	fake_detach(&b);
}

static void *work_a_while(void *arg)
{
	work(arg, dv_now_ns() + 600 * MS);
	return NULL;
}

static void test_shares(void **state)
{
	struct dv_gate_stats stats_a, stats_b;
	struct fake_client a, b;
	pthread_t thread;
	uint64_t percent;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 70);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 30);
	fake_attach(&fake, A, 0, &a);
	fake_attach(&fake, B, 0, &b);
	assert_int_equal(pthread_create(&thread, NULL, work_a_while, &a), 0);
	work(&b, dv_now_ns() + 500 * MS);
	fake_stats(&fake, A, &stats_a);
	fake_stats(&fake, B, &stats_b);
	(void)pthread_join(thread, NULL);
	percent = stats_a.sched.used_ns * 100 / (stats_a.sched.used_ns + stats_b.sched.used_ns);
	/* What is charged is what counts, however slow this machine is; a turn is a few ms. */
	assert_in_range(percent, 60, 80);
	assert_true(stats_a.sched.grants > 5 && stats_b.sched.grants > 5);
	fake_detach(&a);
	fake_detach(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waited_for, setup_waited_for, teardown),
		cmocka_unit_test_setup_teardown(test_untimed_is_not_gated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hand_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crossing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_way_is_not_charged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_beside_latency, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crossing_wakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_holder, setup_short_hold, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_sibling, setup_short_hold, teardown),
		cmocka_unit_test_setup_teardown(test_asker_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lease_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_latency_goes_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_got, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nagging, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shares, setup, teardown),
	};

	return cmocka_run_group_tests_name("gate/turns", tests, NULL, NULL);
}
