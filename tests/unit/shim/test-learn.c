/* SPDX-License-Identifier: Apache-2.0 */
/* What the gate learns of how long commands take, from ends that are asked for now and then. */
#include "shim/core/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "process.h"

#define MS UINT64_C(1000000)

enum { KEY = 7 };

static void open_none(void *token)
{
	CHECK(!token);
}

static void nothing(void)
{
}

static const struct dv_shim_gate_ops ops = {
	.callers_wait = true, .open = open_none, .mark = nothing, .flush = nothing};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A turn of its own, long enough for all. */
static struct fake *begin(void)
{
	struct fake *fake = fake_start(&(struct fake_config){
		.mode = FAKE_MANUAL, .inflight_ns = MS, .linger_ns = 10000 * MS});

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	dv_shim_gate_init(&ops);
	dv_shim_on_change(dv_shim_gate_changed);
	dv_shim_init(DV_LAYER_CUDA);
	CHECK(dv_shim_attach() == DV_SHIM_ATTACHED);
	fake_grant(fake, DV_GRANT_GATED | DV_GRANT_HELD, now_ns() + 20000 * MS);
	while (!(dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_HELD))
		usleep(100);
	return fake;
}

/* One command that is seen to end like that; returns what had been expected of it. */
static uint64_t command(unsigned sleep_us, enum dv_shim_seen seen)
{
	struct dv_shim_ticket *ticket = NULL;
	uint64_t expected_ns;

	CHECK(dv_shim_gate_enter(KEY, &ticket) == DV_SHIM_GO);
	dv_shim_gate_leave();
	expected_ns = dv_shim_gate_expects(ticket);
	usleep(sleep_us);
	dv_shim_gate_done_as(ticket, seen);
	return expected_ns;
}

static void learns(void)
{
	struct fake *fake = begin();
	uint64_t before_ns, then_ns;

	CHECK(command(20000, DV_SHIM_SEEN_BEHIND) > 1000 * MS);
	/* Of one of which nothing else is known. */
	before_ns = command(1000, DV_SHIM_SEEN_BEHIND);
	CHECK(before_ns >= 20 * MS && before_ns < 1000 * MS);
	CHECK(command(1000, DV_SHIM_SEEN_ENDED) == before_ns);
	/* Seen late again and again it is taken for shorter, however late. */
	for (int i = 0; i < 10; i++) {
		then_ns = command(40000, DV_SHIM_SEEN_ENDED);
		CHECK(then_ns < before_ns);
		before_ns = then_ns;
	}
	/* And for longer as soon as it is seen to run longer. */
	(void)command(200000, DV_SHIM_SEEN_ENDING);
	CHECK(command(0, DV_SHIM_SEEN_BEHIND) > before_ns);
	fake_stop(fake);
}

static void test_learns(void **state)
{
	assert_true(in_process(learns));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_learns)};

	return cmocka_run_group_tests_name("shim/learn", tests, NULL, NULL);
}
