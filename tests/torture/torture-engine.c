/* SPDX-License-Identifier: Apache-2.0 */
/* No memory, at each point of each operation: refused or finished, never half of it, and with
 * memory again everything goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "fake.h"
#include "plans.h"
#include "torture.h"

struct place {
	struct fake_world world;
	struct fake fake;
};

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	if (!place)
		return -1;
	fake_world_init(&place->world, 2);
	fake_init(&place->fake, &place->world, 0);
	*state = place;
	return fake_start(&place->fake);
}

static int teardown(void **state)
{
	struct place *place = *state;

	fake_fini(&place->fake);
	free(place);
	return 0;
}

static void settle(struct fake *fake)
{
	dv_engine_retry(fake->engine);
	assert_true(dv_engine_idle(fake->engine));
	assert_true(fake_consistent(fake));
}

typedef int (*operation)(struct fake *fake);

/* Let each allocation fail, alone or with all that follow, until the operation needs no more. */
static unsigned long torture(struct fake *fake, operation before, operation op, bool onward)
{
	for (unsigned long nth = 1; nth < 100000; nth++) {
		unsigned long failed;
		int r;

		if (before)
			assert_int_equal(before(fake), 0);
		torture_arm(nth, onward);
		r = op(fake);
		failed = torture_disarm();
		if (!failed) {
			assert_int_equal(r, 0);
			settle(fake);
			return nth;
		}
		if (r != 0 && r != -ENOMEM)
			fail_msg("%lu: %d %s", nth, r, fake->err.msg);
		settle(fake);
	}
	fail();
	return 0;
}

static int take(struct fake *fake)
{
	struct dv_lease_request request = fake_slice("a");

	return fake_take(fake, &request, &fake_alice);
}

/* If it went well although something failed, it is given back. */
static int without(struct fake *fake)
{
	return dv_engine_lease(fake->engine, "a") ? fake_release(fake, "a", &fake_alice) : 0;
}

static int with(struct fake *fake)
{
	return dv_engine_lease(fake->engine, "a") ? 0 : take(fake);
}

static int give_back(struct fake *fake)
{
	return fake_release(fake, "a", &fake_alice);
}

static int fail_and_undo(struct fake *fake)
{
	int r;

	fake->fail_step = 1;
	r = take(fake);
	fake->fail_step = 0;
	return r == -EIO ? 0 : r;
}

static int look(struct fake *fake)
{
	return dv_engine_set_gpus(fake->engine, fake->world->gpus, fake->world->gpu_count, NULL);
}

/* One that could not start is started again; the error must be said. */
static int restart(struct fake *fake)
{
	int r;

	fake_kill(fake);
	r = fake_start(fake);
	if (r < 0 && (!fake->err.code || !fake->err.msg[0]))
		return -EPROTO;
	if (r < 0) {
		fake_kill(fake);
		(void)torture_disarm();
		if (fake_start(fake) < 0)
			return -EPROTO;
	}
	return r < 0 ? r : fake->r;
}

static void test_take(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, without, take, onward) > 2);
}

static void test_release(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, with, give_back, onward) > 2);
}

static void test_undo(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, without, fail_and_undo, onward) > 2);
}

/* Made once, so that what is tortured is the engine. */
static struct dv_plan wanted;

static int apply(struct fake *fake)
{
	const struct dv_apply how = {.plan = &wanted, .fleet_text = "version: 1\n"};
	int r;

	fake->r = 1;
	fake->err = (struct dv_error){0};
	r = dv_engine_apply(fake->engine, &how, &fake_alice, fake_done, fake, &fake->err);
	return r < 0 ? r : fake->r;
}

static int unapplied(struct fake *fake)
{
	const struct dv_leases *leases = dv_engine_leases(fake->engine);

	while (leases->len)
		if (fake_release(fake, leases->items[0].name, &fake_alice) < 0)
			return -EPROTO;
	plan_begin(&wanted, fake, "lab");
	plan_slice(&wanted, "GPU-1", "old");
	if (plan_apply(&wanted, fake, &fake_alice, false) != 0)
		return -EPROTO;
	plan_begin(&wanted, fake, "lab");
	plan_end(&wanted, fake, "old");
	plan_partition(&wanted, "CPU-0/p0+2", "a");
	plan_slice(&wanted, "GPU-1", "b");
	return 0;
}

static int apply_and_forget(struct fake *fake)
{
	int r = apply(fake);

	(void)torture_disarm();
	dv_plan_fini(&wanted);
	return r;
}

static void test_apply(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, unapplied, apply_and_forget, onward) > 4);
}

static void test_set_gpus(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, NULL, look, onward) > 1);
}

static void test_recover(void **state)
{
	struct fake *fake = &((struct place *)*state)->fake;

	for (int onward = 0; onward < 2; onward++)
		assert_true(torture(fake, with, restart, onward) > 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_take),  TEST(test_release),  TEST(test_undo),
		TEST(test_apply), TEST(test_set_gpus), TEST(test_recover),
	};

	return cmocka_run_group_tests_name("torture/engine", tests, NULL, NULL);
}
