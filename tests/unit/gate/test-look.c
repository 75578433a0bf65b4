/* SPDX-License-Identifier: Apache-2.0 */
/* Those who only look: they see their own tenant, and are none of its clients. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "fake.h"

enum { A = 1, B = 2 };

static struct fake_gate fake;

static int setup(void **state)
{
	fake_gate_init(&fake, 0);
	return 0;
}

static int teardown(void **state)
{
	fake_gate_fini(&fake);
	return 0;
}

static struct dv_msg ask(struct fake_client *client, enum dv_msg_type type, uint64_t a)
{
	struct dv_msg msg = fake_msg(type, a, 0, 0);

	msg.serial = ++client->serial;
	fake_send(client->fd, &msg);
	assert_true(fake_recv(client->fd, &msg, NULL));
	assert_int_equal(msg.type, type);
	assert_int_equal(msg.serial, client->serial);
	return msg;
}

static void look_at(int64_t id, struct fake_client *ret)
{
	fake_attach_as(&fake, id, DV_LAYER_NVML, getpid(), ret);
}

static void test_no_client(void **state)
{
	struct fake_client looker, client;
	struct dv_gate_stats stats;

	fake_open(&fake, A, 1000, false);
	look_at(A, &looker);
	assert_int_equal(fake_grant(&looker).memory_limit_bytes, 1000);
	assert_string_equal((const char *)looker.grant->device, "GPU-of-the-test");
	fake_attach(&fake, A, 0, &client);
	fake_await_clients(&fake, A, 1);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.client_listed, 1);
	assert_int_equal(stats.hellos, 1);
	/* It sees what the others hold. */
	assert_true(fake_reserve(&client, 300));
	assert_int_equal(fake_grant(&looker).memory_used_bytes, 300);
	fake_detach(&client);
	fake_await_clients(&fake, A, 0);
	fake_detach(&looker);
	fake_close(&fake, A);
}

/* Whatever else it says ends it: nobody has a turn or memory without being seen. */
static void test_says_nothing_else(void **state)
{
	static const enum dv_msg_type types[] = {DV_MSG_RESERVE, DV_MSG_RELEASE, DV_MSG_WANT,
						 DV_MSG_DRAINED, DV_MSG_HELLO,	 DV_MSG_WELCOME};
	struct fake_client looker;
	struct dv_gate_stats stats;
	struct dv_msg msg;
	int fd;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	for (size_t i = 0; i < DV_ARRAY_LEN(types); i++) {
		look_at(A, &looker);
		msg = fake_msg(types[i], 1, 0, 0);
		fake_send(looker.fd, &msg);
		assert_false(fake_recv(looker.fd, &msg, NULL));
		assert_false(fake_grant(&looker).flags & DV_GRANT_HELD);
		fake_detach(&looker);
	}
	/* Nor does it hold anything already. */
	fd = fake_connect(&fake, A);
	msg = fake_msg(DV_MSG_HELLO, DV_LAYER_NVML, 1, 5);
	fake_send(fd, &msg);
	assert_false(fake_recv(fd, &msg, NULL));
	close(fd);
	fake_stats(&fake, A, &stats);
	assert_int_equal(stats.memory_used_bytes, 0);
	assert_int_equal(stats.faults, DV_ARRAY_LEN(types) + 1);
	assert_false(stats.holding);
	fake_close(&fake, A);
}

/* However many look, there is room for those that compute. */
static void test_too_many(void **state)
{
	static int fds[DV_LOOKERS_PER_LEASE_MOST];
	struct fake_client client;
	struct dv_msg msg;
	int fd;

	fake_open(&fake, A, 1000, false);
	for (size_t i = 0; i <= DV_ARRAY_LEN(fds); i++) {
		int pages[2] = {-1, -1};

		fd = fake_connect(&fake, A);
		assert_true(fd >= 0);
		msg = fake_msg(DV_MSG_HELLO, DV_LAYER_NVML, 1, 0);
		fake_send(fd, &msg);
		assert_true(fake_recv(fd, &msg, pages));
		if (i == DV_ARRAY_LEN(fds))
			break;
		assert_int_equal(msg.type, DV_MSG_WELCOME);
		close(pages[0]);
		close(pages[1]);
		fds[i] = fd;
	}
	assert_int_equal(msg.type, DV_MSG_REFUSED);
	assert_int_equal(msg.a, DV_REFUSAL_FULL);
	close(fd);
	fake_attach(&fake, A, 0, &client);
	fake_await_clients(&fake, A, 1);
	fake_detach(&client);
	/* One that goes makes room for another. */
	close(fds[0]);
	for (int i = 0; i < 500; i++) {
		int pages[2] = {-1, -1};

		fd = fake_connect(&fake, A);
		msg = fake_msg(DV_MSG_HELLO, DV_LAYER_NVML, 1, 0);
		fake_send(fd, &msg);
		assert_true(fake_recv(fd, &msg, pages));
		close(fd);
		if (msg.type == DV_MSG_WELCOME) {
			close(pages[0]);
			close(pages[1]);
			break;
		}
		(void)usleep(10000);
	}
	assert_int_equal(msg.type, DV_MSG_WELCOME);
	for (size_t i = 1; i < DV_ARRAY_LEN(fds); i++)
		close(fds[i]);
	fake_close(&fake, A);
}

static void test_processes(void **state)
{
	struct fake_client looker, one, two, other;
	struct dv_msg told;

	fake_open(&fake, A, 1000, false);
	fake_open(&fake, B, 1000, false);
	look_at(A, &looker);
	fake_attach(&fake, B, 7, &other);
	assert_int_equal(ask(&looker, DV_MSG_PROCESS, 0).a, 0);
	/* One that came by two layers is one. */
	fake_attach(&fake, A, 100, &one);
	fake_attach_as(&fake, A, DV_LAYER_CUDA, 4242, &two);
	assert_true(fake_reserve(&two, 20));
	two.counters->launches = 5;
	two.counters->copies = 2;
	one.counters->busy_ns = 99;
	told = ask(&looker, DV_MSG_PROCESS, 0);
	assert_int_equal(told.a, getpid());
	assert_int_equal(told.b, 120);
	assert_true(told.c == 4242 || told.c == (uint64_t)getpid());
	assert_int_equal(told.lately[DV_LATELY_LAUNCHES], 7);
	assert_int_equal(told.lately[DV_LATELY_EVER], 7);
	assert_int_equal(told.lately[DV_LATELY_NS], 99);
	told = ask(&looker, DV_MSG_PROCESS, told.a);
	assert_int_equal(told.a, 0);
	/* Lately is not for ever: two looks later it is what came since. */
	for (int i = 0; i < 3; i++) {
		(void)usleep(260000);
		told = ask(&looker, DV_MSG_PROCESS, 0);
	}
	assert_int_equal(told.lately[DV_LATELY_LAUNCHES], 0);
	assert_int_equal(told.lately[DV_LATELY_EVER], 7);
	/* Anyone of the tenant may ask. */
	assert_int_equal(ask(&one, DV_MSG_PROCESS, 0).b, 120);
	assert_int_equal(ask(&other, DV_MSG_PROCESS, 0).b, 7);
	assert_int_equal(ask(&looker, DV_MSG_PROCESS, UINT64_MAX).a, 0);
	fake_detach(&one);
	fake_detach(&two);
	fake_detach(&other);
	fake_detach(&looker);
	fake_close(&fake, A);
	fake_close(&fake, B);
}

/* A partition's name is known only after it was made: it is written once. */
static void test_named_later(void **state)
{
	struct fake_client before, after, last;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	look_at(A, &before);
	assert_string_equal((const char *)before.grant->device, "");
	assert_int_equal(dv_gate_name_device(fake.gate, A, "MIG-1", NULL), 0);
	assert_string_equal((const char *)before.grant->device, "MIG-1");
	look_at(A, &after);
	assert_string_equal((const char *)after.grant->device, "MIG-1");
	assert_int_equal(dv_gate_name_device(fake.gate, A, "MIG-2", NULL), 0);
	assert_string_equal((const char *)after.grant->device, "MIG-1");
	look_at(A, &last);
	assert_string_equal((const char *)last.grant->device, "MIG-2");
	assert_int_equal(dv_gate_name_device(fake.gate, B, "MIG-2", NULL), -ENOENT);
	fake_detach(&before);
	fake_detach(&after);
	fake_detach(&last);
	fake_close(&fake, A);
}

static void test_use(void **state)
{
	struct fake_client looker, beside, a, b;
	struct dv_msg told;
	uint64_t timed;

	fake_open_timed(&fake, A, DV_POLICY_BEST_EFFORT, 50);
	fake_open_timed(&fake, B, DV_POLICY_BEST_EFFORT, 50);
	look_at(A, &looker);
	look_at(B, &beside);
	told = ask(&looker, DV_MSG_USE, 0);
	assert_int_equal(told.b + told.c, 0);
	/* Alone it is endless: then only the device knows. */
	fake_attach(&fake, A, 0, &a);
	fake_attach(&fake, B, 0, &b);
	fake_want(&a);
	(void)fake_await(&a, DV_GRANT_HELD, DV_GRANT_HELD);
	(void)usleep(30000);
	told = ask(&looker, DV_MSG_USE, 0);
	assert_true(told.c >= 30 * DV_NS_PER_MS && told.c <= told.a);
	assert_true(told.a <= 1100 * DV_NS_PER_MS);
	assert_int_equal(told.b, 0);
	/* Another wants it: from now on it is measured, and it is the other's. */
	fake_want(&b);
	(void)fake_await(&a, DV_GRANT_HELD, 0);
	timed = ask(&looker, DV_MSG_USE, 0).b;
	fake_drained(&a, false);
	(void)fake_await(&b, DV_GRANT_HELD, DV_GRANT_HELD);
	(void)usleep(20000);
	told = ask(&beside, DV_MSG_USE, 0);
	assert_true(told.b + told.c >= 20 * DV_NS_PER_MS);
	told = ask(&looker, DV_MSG_USE, 0);
	assert_true(told.b >= timed);
	timed = told.b + told.c;
	(void)usleep(20000);
	told = ask(&looker, DV_MSG_USE, 0);
	assert_int_equal(told.b + told.c, timed);
	fake_detach(&a);
	fake_detach(&b);
	fake_detach(&looker);
	fake_detach(&beside);
	fake_close(&fake, A);
	fake_close(&fake, B);
}

/* Without turns the device is always the tenant's. */
static void test_use_without_turns(void **state)
{
	struct fake_client looker;
	struct dv_msg told;

	fake_open(&fake, A, 0, false);
	look_at(A, &looker);
	(void)usleep(5000);
	told = ask(&looker, DV_MSG_USE, 0);
	assert_true(told.a >= 5 * DV_NS_PER_MS);
	assert_int_equal(told.c, told.a);
	assert_int_equal(told.b, 0);
	fake_detach(&looker);
	fake_close(&fake, A);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_says_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_use_without_turns, setup, teardown),
	};

	return cmocka_run_group_tests_name("gate/look", tests, NULL, NULL);
}
