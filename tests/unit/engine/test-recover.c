/* SPDX-License-Identifier: Apache-2.0 */
/* kill -9 and start again: the old or the new state, and nothing left over. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/units.h"
#include "place.h"
#include "plans.h"

static struct dv_lease_request request_of(enum dv_method method, const char *name)
{
	struct dv_lease_request request = {.gpu = "CPU-0", .method = method};

	(void)dv_copy(request.name, sizeof(request.name), name);
	if (method == DV_METHOD_PARTITION)
		request.compute_units = 2;
	return request;
}

static void restart(struct fake *fake)
{
	fake_kill(fake);
	fake->answers = 0;
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(fake->answers, 1);
	assert_true(dv_engine_idle(fake->engine));
}

static void test_before_recovery(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request request = fake_slice("a");
	struct dv_engine *engine = fake->engine;

	assert_int_equal(dv_engine_recover(engine, fake_done, fake, NULL), -EINVAL);
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
}

/* What stands is made again, with the id, node and nonce that it had. */
static void test_stands(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");
	struct dv_lease was;

	b.ephemeral = true;
	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	assert_int_equal(fake_take(fake, &b, &fake_bob), 0);
	was = fake->lease;
	dv_engine_lease_seen(fake->engine, was.id, DV_LEASE_ACTIVE);
	restart(fake);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n+slice.create CPU-0/s2\n");
	const struct dv_lease *is = dv_engine_lease(fake->engine, "b");

	assert_non_null(is);
	assert_int_equal(is->id, was.id);
	assert_string_equal(is->node, was.node);
	assert_string_equal(is->nonce, was.nonce);
	assert_int_equal(is->launcher_start, 78);
	assert_int_equal(is->state, DV_LEASE_READY);
	assert_int_equal(fake->world->owner[0], 0);
}

static void test_launcher_gone(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");

	b.ephemeral = true;
	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	assert_int_equal(fake_take(fake, &b, &fake_bob), 0);
	fake->launchers_gone = true;
	restart(fake);
	assert_non_null(dv_engine_lease(fake->engine, "a"));
	assert_null(dv_engine_lease(fake->engine, "b"));
	assert_non_null(strstr(fake->log, "+slice.destroy CPU-0/s2"));
}

/* The store is full at the start: what recovery wants released is released later. */
static void test_launcher_gone_and_full(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");

	a.ephemeral = true;
	(void)dv_copy(b.gpu, sizeof(b.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	fake_kill(fake);
	fake->launchers_gone = true;
	fake->fail_commit = 2;
	fake->fail_commits = 1000;
	fake->answers = 0;
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(fake->answers, 1);
	assert_int_equal(fake->r, -EFBIG);
	assert_true(dv_engine_stalled(fake->engine));
	assert_int_equal(fake_take(fake, &b, &fake_alice), -EFBIG);
	fake->fail_commit = fake->fail_commits = 0;
	fake->answers = 0;
	dv_engine_retry(fake->engine);
	assert_int_equal(fake->answers, 0);
	assert_true(dv_engine_idle(fake->engine));
	assert_null(dv_engine_lease(fake->engine, "a"));
	assert_int_equal(fake_take(fake, &b, &fake_alice), 0);
}

/* A lease that cannot be made again is broken, not forgotten. */
static void test_cannot_stand(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");
	size_t count;

	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	assert_int_equal(fake_take(fake, &b, &fake_bob), 0);
	fake_kill(fake);
	fake->fail_step = 1;
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(fake->r, -EIO); /* of recovery */
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_BROKEN);
	assert_int_equal(dv_engine_lease(fake->engine, "b")->state, DV_LEASE_READY);
	assert_true(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_false(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
}

/* Meanwhile another divvyd owns the device: what stood there is dropped and said to be. */
static void test_device_lost(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");
	struct dv_audits audits = {0};

	(void)dv_copy(b.gpu, sizeof(b.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	assert_int_equal(fake_take(fake, &b, &fake_alice), 0);
	fake_kill(fake);
	place->world.owner[0] = 3;
	assert_int_equal(fake_start(fake), 0);
	assert_null(dv_engine_lease(fake->engine, "a"));
	assert_non_null(dv_engine_lease(fake->engine, "b"));
	assert_string_equal(fake->log, "+slice.create GPU-1/s2\n"); /* not a hand on the other */
	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 1, &audits, NULL), 0);
	assert_string_equal(audits.items[0].verb, "lost");
	assert_string_equal(audits.items[0].subject, "a");
	assert_int_equal(audits.items[0].uid, 1000);
	dv_vec_fini(&audits);
	assert_int_equal(place->world.owner[0], 3);
}

/* It was in quarantine: what is lost cannot be released, so that ends too. */
static void test_lost_in_quarantine(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = request_of(DV_METHOD_PARTITION, "a");
	struct dv_lease_request b = request_of(DV_METHOD_PARTITION, "b");
	size_t count;

	fake->fail_step = 1;
	fake->fail_undo = true;
	assert_int_equal(fake_take(fake, &a, &fake_alice), -EIO);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_BROKEN);
	fake->fail_undo = false;
	fake_kill(fake);
	place->world.owner[0] = 3;
	assert_int_equal(fake_start(fake), 0);
	assert_null(dv_engine_lease(fake->engine, "a"));
	assert_string_equal(dv_engine_gpus(fake->engine, &count)[0].quarantine, "");
	assert_int_equal(fake_take(fake, &b, &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "S05");
	place->world.owner[0] = -1;
	restart(fake);
	assert_string_equal(dv_engine_gpus(fake->engine, &count)[0].quarantine, "");
	assert_int_equal(fake_take(fake, &b, &fake_alice), 0);
}

/* Killed in the middle of a take on a device that another divvyd owns at the next start. */
static void test_lost_at_work(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = request_of(DV_METHOD_PARTITION, "a");
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};

	fake->later = true;
	assert_int_equal(fake_take(fake, &a, &fake_alice), 1);
	fake_kill(fake);
	place->world.owner[0] = 3;
	fake->later = false;
	assert_int_equal(fake_start(fake), 0);
	assert_string_equal(fake->log, "");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	assert_int_equal(dv_store_ops_open(fake->store, &ops, NULL), 0);
	assert_int_equal(ops.len, 0);
}

/* Killed between two steps of an apply that had ended the only lease of its device, and in the
 * middle of a take on another: that is over first, and the device is kept for the lease that comes
 * back. */
static void test_kept_for_its_return(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request b = request_of(DV_METHOD_PARTITION, "b");
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	fake->later = true;
	assert_int_equal(fake_take(fake, &b, &fake_bob), 1);
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a");
	plan_slice(&plan, "GPU-1", "c");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	fake->die_at = fake->events + 2; /* the step, and that it is done */
	fake_answer(fake, 1, true);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 1); /* b, that is being made */
	fake->later = false;
	restart(fake);
	assert_null(dv_engine_lease(fake->engine, "b"));
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
	assert_int_equal(place->world.owner[0], -1);
	assert_int_equal(place->world.owner[1], 0);
}

static void take_away(struct place *place, struct dv_gpu *ret_gone)
{
	*ret_gone = place->world.gpus[0];
	place->world.gpus[0] = place->world.gpus[1];
	place->world.gpu_count = 1;
}

/* Start without the first device. */
static void start_without(struct place *place, struct dv_gpu *ret_gone)
{
	fake_kill(&place->fake);
	take_away(place, ret_gone);
	assert_int_equal(fake_start(&place->fake), 0);
	assert_string_equal(place->fake.log, "");
	assert_int_equal(dv_engine_lease(place->fake.engine, "a")->state, DV_LEASE_READY);
}

static int look_again(struct place *place, const struct dv_gpu *back)
{
	place->world.gpus[0] = *back;
	place->world.gpu_count = 2;
	return dv_engine_set_gpus(place->fake.engine, place->world.gpus, 2, NULL);
}

static void test_gone_gpu(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = fake_slice("a");
	struct dv_gpu gone;
	size_t count;

	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	start_without(place, &gone);
	assert_string_equal(dv_engine_gpus(fake->engine, &count)[1].uuid, "CPU-0");
	assert_int_equal(count, 2);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
}

/* It is back: owned, and its lease is made again, once. */
static void test_gpu_is_back(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = fake_slice("a");
	struct dv_gpu gone;
	size_t count;

	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	start_without(place, &gone);
	fake->answers = 0;
	assert_int_equal(look_again(place, &gone), 0);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n");
	assert_int_equal(place->world.owner[0], 0);
	assert_int_equal(dv_engine_set_gpus(fake->engine, place->world.gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n");
	assert_int_equal(fake->answers, 0);
	assert_false(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
}

/* It is back, but another divvyd's; or it cannot be owned now, and later it can. */
static void test_gpu_is_back_badly(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = fake_slice("a"), b = fake_slice("b");
	struct dv_gpu gone;
	size_t count;

	(void)dv_copy(b.gpu, sizeof(b.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	start_without(place, &gone);
	fake->fail_own = true;
	assert_int_equal(look_again(place, &gone), 0);
	assert_non_null(strstr(dv_engine_gpus(fake->engine, &count)[0].quarantine, "brought back"));
	assert_int_equal(fake_take(fake, &b, &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "S11");
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "S11");
	fake->fail_own = false;
	place->world.owner[0] = 3;
	assert_int_equal(look_again(place, &gone), 0);
	assert_null(dv_engine_lease(fake->engine, "a"));
	assert_int_equal(place->world.owner[0], 3);
	assert_string_equal(fake->log, "");
}

/* An apply is undone by recovery while one of its devices is gone; that one comes back as another
 * divvyd's, or cannot be owned, before its turn. */
static void returns_too_late(struct place *place, bool anothers)
{
	struct fake *fake = &place->fake;
	struct dv_lease_request a = request_of(DV_METHOD_SLICE, "a");
	struct dv_gpu gone;
	struct dv_plan plan;

	assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "p");
	plan_slice(&plan, "GPU-1", "q");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	fake->later = true;
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "p");
	plan_end(&plan, fake, "q");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	fake_answer(fake, 0, true);
	fake_kill(fake);
	take_away(place, &gone);
	assert_int_equal(fake_start(fake), 0);
	place->world.owner[1] = place->world.owner[0];
	place->world.owner[0] = anothers ? 3 : -1;
	fake->fail_own = !anothers;
	assert_int_equal(look_again(place, &gone), 0);
	fake->fail_own = false;
	fake->log[0] = '\0';
	fake->later = false;
	fake_answer(fake, 0, true);
	assert_true(dv_engine_idle(fake->engine));
	assert_true(fake->r < 0);
	assert_string_equal(fake->log, ""); /* not a hand on it */
	assert_null(dv_engine_lease(fake->engine, "p"));
	assert_int_equal(dv_engine_lease(fake->engine, "q")->state, DV_LEASE_READY);
	assert_int_equal(dv_engine_lease(fake->engine, "a") != NULL, !anothers);
	assert_int_equal(place->world.owner[0], anothers ? 3 : -1);
}

static void test_returns_to_anothers(void **state)
{
	returns_too_late(*state, true);
}

static void test_returns_to_nobodys(void **state)
{
	struct place *place = *state;

	returns_too_late(place, false);
	assert_int_equal(dv_engine_set_gpus(place->fake.engine, place->world.gpus, 2, NULL), 0);
	assert_int_equal(place->world.owner[0], 0);
}

static unsigned count_lost(const struct fake *fake)
{
	struct dv_audits audits = {0};
	unsigned count = 0;

	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 100, &audits, NULL), 0);
	for (size_t i = 0; i < audits.len; i++)
		count += strcmp(audits.items[i].verb, "lost") == 0;
	dv_vec_fini(&audits);
	return count;
}

/* A lease is released while its device is gone; before that is over the device is another divvyd's.
 * Nothing is left to do, and nothing hangs. */
static void test_lost_while_released(void **state)
{
	static const int answers[] = {0, -EIO, -ETIMEDOUT};
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_lease_request a = fake_slice("a");
	struct dv_gpu gone;
	size_t count;

	for (unsigned i = 0; i < DV_ARRAY_LEN(answers); i++) {
		place->world.owner[0] = -1;
		assert_int_equal(fake_take(fake, &a, &fake_alice), 0);
		start_without(place, &gone);
		fake->later = true;
		assert_int_equal(fake_release(fake, "a", &fake_alice), 1);
		place->world.owner[0] = 3;
		assert_int_equal(look_again(place, &gone), 0);
		assert_null(dv_engine_lease(fake->engine, "a"));
		fake->log[0] = '\0';
		fake->later = false;
		fake->fail_code = answers[i];
		fake_answer(fake, 0, answers[i] == 0);
		assert_int_equal(fake->r, answers[i]);
		assert_true(dv_engine_idle(fake->engine));
		assert_string_equal(fake->log, "");
		assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
		assert_int_equal(place->world.owner[0], 3);
		assert_int_equal(count_lost(fake), i + 1);
		assert_string_equal(dv_engine_gpus(fake->engine, &count)[0].quarantine, "");
	}
}

/* The same in an apply, whose step on that device is still to come: it is undone. */
static void test_lost_before_its_step(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	struct dv_gpu gone;
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a");
	plan_slice(&plan, "GPU-1", "q");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	fake_kill(fake);
	take_away(place, &gone);
	assert_int_equal(fake_start(fake), 0);
	fake->later = true;
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "q");
	plan_end(&plan, fake, "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	place->world.owner[1] = place->world.owner[0];
	place->world.owner[0] = 3;
	assert_int_equal(look_again(place, &gone), 0);
	fake->log[0] = '\0';
	fake->later = false;
	fake_answer(fake, 0, true);
	assert_int_equal(fake->r, -EBUSY);
	assert_string_equal(fake->err.rule, "S05");
	assert_true(dv_engine_idle(fake->engine));
	assert_string_equal(fake->log, "-slice.destroy GPU-1/s2\n");
	assert_null(dv_engine_lease(fake->engine, "a"));
	assert_int_equal(dv_engine_lease(fake->engine, "q")->state, DV_LEASE_READY);
	assert_int_equal(place->world.owner[0], 3);
}

/* Do one thing, killed after event number `at` (or before it): returns whether it was killed. */
static bool run_killed(struct fake *fake, enum dv_method method, bool release, unsigned at,
		       bool before)
{
	struct dv_lease_request request = request_of(method, "a");

	fake->events = 0;
	fake->die_at = at;
	fake->die_before = before;
	if (release)
		(void)fake_release(fake, "a", &fake_alice);
	else
		(void)fake_take(fake, &request, &fake_alice);
	return fake->dead;
}

/* Recovery itself is killed too, at each event, until it comes through. */
static void recover_killed(struct fake *fake)
{
	for (unsigned at = 1; at < 100; at++) {
		int r;

		fake_kill(fake);
		r = fake_start_killed(fake, at);
		if (fake->dead)
			continue;
		assert_int_equal(r, 0);
		fake->die_at = 0;
		return;
	}
	fail();
}

static void killed_everywhere(struct place *place, enum dv_method method, bool release)
{
	struct dv_lease_request request = request_of(method, "a");
	struct fake *fake = &place->fake;
	bool killed = true;

	for (unsigned n = 2; killed; n++) {
		if (release && !dv_engine_lease(fake->engine, "a"))
			assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
		killed = run_killed(fake, method, release, n / 2, n % 2);
		recover_killed(fake);
		assert_true(fake_consistent(fake));
		assert_true(dv_engine_idle(fake->engine));
		if (!killed)
			assert_int_equal(dv_engine_lease(fake->engine, "a") != NULL, !release);
		if (dv_engine_lease(fake->engine, "a"))
			assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
		assert_int_equal(place->world.thing_count, 0);
		assert_int_equal(place->world.owner[0], -1);
	}
}

static void test_killed_everywhere(void **state)
{
	static const enum dv_method methods[] = {DV_METHOD_SLICE, DV_METHOD_PASSTHROUGH,
						 DV_METHOD_PARTITION};

	for (size_t i = 0; i < DV_ARRAY_LEN(methods); i++) {
		killed_everywhere(*state, methods[i], false);
		killed_everywhere(*state, methods[i], true);
	}
}

/* The same with a step that fails, so that undoing is killed as well. */
static void test_killed_while_undoing(void **state)
{
	struct place *place = *state;
	struct fake *fake = &place->fake;
	bool killed = true;

	for (unsigned n = 2; killed; n++) {
		fake->fail_step = 1;
		fake->half_done = true;
		killed = run_killed(fake, DV_METHOD_PARTITION, false, n / 2, n % 2);
		fake->fail_step = 0;
		recover_killed(fake);
		assert_true(fake_consistent(fake));
		assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
		assert_int_equal(place->world.thing_count, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_before_recovery),
		PLACE_TEST(test_stands),
		PLACE_TEST(test_launcher_gone),
		PLACE_TEST(test_launcher_gone_and_full),
		PLACE_TEST(test_cannot_stand),
		PLACE_TEST(test_device_lost),
		PLACE_TEST(test_lost_at_work),
		PLACE_TEST(test_kept_for_its_return),
		PLACE_TEST(test_gone_gpu),
		PLACE_TEST(test_lost_in_quarantine),
		PLACE_TEST(test_gpu_is_back),
		PLACE_TEST(test_gpu_is_back_badly),
		PLACE_TEST(test_returns_to_anothers),
		PLACE_TEST(test_returns_to_nobodys),
		PLACE_TEST(test_lost_while_released),
		PLACE_TEST(test_lost_before_its_step),
		PLACE_TEST(test_killed_everywhere),
		PLACE_TEST(test_killed_while_undoing),
	};

	return cmocka_run_group_tests_name("engine/recover", tests, NULL, NULL);
}
