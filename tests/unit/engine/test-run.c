/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that fail, undos that fail, stores that are full, and whose turn it is. */
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

static void take(struct fake *fake, const char *name)
{
	struct dv_lease_request request = fake_slice(name);

	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
}

static enum dv_lease_state state_of(const struct fake *fake, const char *name)
{
	const struct dv_lease *lease = dv_engine_lease(fake->engine, name);

	assert_non_null(lease);
	return lease->state;
}

static void no_open_operation(struct fake *fake)
{
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};

	assert_int_equal(dv_store_ops_open(fake->store, &ops, NULL), 0);
	assert_int_equal(ops.len, 0);
	assert_true(dv_engine_idle(fake->engine));
}

static void last_audit(struct fake *fake, const char *verb, const char *text)
{
	struct dv_audits audits = {0};

	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 1, &audits, NULL), 0);
	assert_int_equal(audits.len, 1);
	assert_string_equal(audits.items[0].verb, verb);
	assert_non_null(strstr(audits.items[0].text, text));
	dv_vec_fini(&audits);
}

static void test_take_fails(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	for (int half_done = 0; half_done < 2; half_done++) {
		fake->log[0] = '\0';
		fake->half_done = half_done;
		fake->fail_step = 1;
		assert_int_equal(fake_take(fake, &request, &fake_alice), -EIO);
		assert_string_equal(fake->err.msg, "the device says no");
		assert_non_null(strstr(fake->log, "-slice.create"));
		assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
		assert_int_equal(fake->world->thing_count, 0);
		assert_int_equal(fake->world->owner[0], -1);
		no_open_operation(fake);
		last_audit(fake, "take", "undone: the device says no");
	}
	take(fake, "a");
}

static void test_step_cannot_begin(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	fake->refuse_step = true;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EIO);
	/* Neither could its undo. */
	assert_int_equal(state_of(fake, "a"), DV_LEASE_BROKEN);
	fake->refuse_step = false;
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
}

static void test_release_fails(void **state)
{
	struct fake *fake = fake_of_state(state);

	take(fake, "a");
	for (int half_done = 0; half_done < 2; half_done++) {
		fake->half_done = half_done;
		fake->fail_step = 1;
		assert_int_equal(fake_release(fake, "a", &fake_alice), -EIO);
		assert_int_equal(state_of(fake, "a"), DV_LEASE_READY);
		assert_true(fake_consistent(fake));
		no_open_operation(fake);
	}
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
}

/* The undo fails too: broken, quarantined, and released when it works again. */
static void test_broken(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");
	char why[192];
	size_t count;

	fake->fail_step = 1;
	fake->fail_undo = true;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EIO);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_BROKEN);
	no_open_operation(fake);
	last_audit(fake, "take", "failed: the device says no");
	assert_non_null(strstr(dv_engine_gpus(fake->engine, &count)[0].quarantine, "lease 'a'"));
	assert_int_equal(dv_store_quarantine_get(fake->store, "CPU-0", why, sizeof(why), NULL), 0);
	assert_non_null(strstr(why, "slice.create"));
	/* Nothing new goes there. */
	request = fake_slice("b");
	(void)dv_copy(request.gpu, sizeof(request.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "S11");
	/* A release that fails leaves it broken, without trying to make it again. */
	fake->log[0] = '\0';
	fake->fail_step = 1;
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EIO);
	assert_string_equal(fake->log, "+slice.destroy CPU-0/s1\n");
	assert_int_equal(state_of(fake, "a"), DV_LEASE_BROKEN);
	/* After a restart it still is, and nothing is done to it. */
	fake_kill(fake);
	assert_int_equal(fake_start(fake), 0);
	assert_string_equal(fake->log, "");
	assert_int_equal(state_of(fake, "a"), DV_LEASE_BROKEN);
	assert_true(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	/* It goes well: the quarantine ends. */
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_false(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	assert_int_equal(dv_store_quarantine_get(fake->store, "CPU-0", why, sizeof(why), NULL), 0);
	assert_string_equal(why, "");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
}

/* Two are broken: the quarantine lasts until the second is released. */
static void test_two_broken(void **state)
{
	struct fake *fake = fake_of_state(state);
	size_t count;

	take(fake, "a");
	take(fake, "b");
	fake->fail_undo = true;
	fake->fail_step = 1;
	fake->fail_steps = 1;
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EIO);
	assert_int_equal(fake_release(fake, "b", &fake_alice), -EIO);
	assert_int_equal(state_of(fake, "b"), DV_LEASE_BROKEN);
	fake->fail_undo = false;
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_true(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	assert_false(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
}

/* A step that may still be going on is not undone beside itself. */
static void test_timed_out(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");
	size_t count;

	fake->fail_step = 1;
	fake->fail_code = -ETIMEDOUT;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -ETIMEDOUT);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n");
	assert_int_equal(state_of(fake, "a"), DV_LEASE_BROKEN);
	assert_true(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	no_open_operation(fake);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
}

/* The store is full before anything was done: nothing is done. */
static void test_full_at_begin(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	fake->fail_commit = 1;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EFBIG);
	assert_string_equal(fake->log, "");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	assert_int_equal(fake->world->owner[0], -1);
	no_open_operation(fake);
	take(fake, "a");
	fake->fail_commit = 1;
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EFBIG);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_READY);
}

/* The step was done, that cannot be recorded, its undo can. */
static void test_full_at_end(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	fake->fail_commit = 2;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EFBIG);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	assert_int_equal(fake->world->thing_count, 0);
	no_open_operation(fake);
}

/* Nothing can be recorded any more: it stalls, says so, and goes on when there is room. */
static void test_stalled_take(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a"), other = fake_slice("b");

	take(fake, "x");
	fake->answers = 0;
	fake->fail_commit = 2;
	fake->fail_commits = 1000;
	(void)dv_copy(request.gpu, sizeof(request.gpu), "CPU-0");
	(void)dv_copy(other.gpu, sizeof(other.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EFBIG);
	assert_int_equal(fake->answers, 1);
	assert_true(fake->err.fix[0]);
	assert_true(dv_engine_stalled(fake->engine));
	assert_int_equal(state_of(fake, "a"), DV_LEASE_PENDING);
	/* Its GPU is kept; who asks for it is told why, at once. */
	assert_int_equal(fake_take(fake, &other, &fake_alice), -EFBIG);
	assert_non_null(strstr(fake->err.msg, "earlier change"));
	assert_int_equal(fake_release(fake, "x", &fake_alice), -EFBIG);
	fake->answers = 0;
	fake->fail_commit = fake->fail_commits = 0;
	dv_engine_retry(fake->engine);
	assert_false(dv_engine_stalled(fake->engine));
	assert_int_equal(fake->answers, 0); /* answered once, above */
	assert_null(dv_engine_lease(fake->engine, "a"));
	no_open_operation(fake);
	assert_int_equal(fake_take(fake, &other, &fake_alice), 0);
}

static void test_stalled_release(void **state)
{
	struct fake *fake = fake_of_state(state);

	take(fake, "a");
	fake->fail_commit = 2;
	fake->fail_commits = 1000;
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EFBIG);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_RELEASING);
	fake->fail_commit = fake->fail_commits = 0;
	dv_engine_retry(fake->engine);
	assert_null(dv_engine_lease(fake->engine, "a"));
	no_open_operation(fake);
	last_audit(fake, "release", "done");
}

/* A stalled operation whose divvyd is killed is finished by the next one. */
static void test_stalled_then_killed(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("a");

	fake->fail_commit = 2;
	fake->fail_commits = 1000;
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EFBIG);
	fake_kill(fake);
	fake->fail_commit = fake->fail_commits = 0;
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(fake->r, 0);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	no_open_operation(fake);
	last_audit(fake, "take", "after a restart: undone");
}

struct answer {
	unsigned count, turn;
	int r;
	char rule[24], node[DV_NODE_SIZE];
};

static unsigned turn;

static void answered(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	struct answer *answer = arg;

	answer->count++;
	answer->turn = ++turn;
	answer->r = r;
	(void)dv_copy(answer->node, sizeof(answer->node), lease ? lease->node : "");
	(void)dv_copy(answer->rule, sizeof(answer->rule), err ? err->rule : "");
}

static void ask(struct fake *fake, const char *name, const char *gpu, struct answer *answer)
{
	struct dv_lease_request request = fake_slice(name);

	(void)dv_copy(request.gpu, sizeof(request.gpu), gpu);
	assert_int_equal(
		dv_engine_take(fake->engine, &request, &fake_alice, answered, answer, NULL), 0);
}

static void give_back(struct fake *fake, const char *name, struct answer *answer)
{
	assert_int_equal(dv_engine_release(fake->engine, name, &fake_alice, answered, answer, NULL),
			 0);
}

/* One GPU, one operation: the later ones wait, in order; another GPU is not held up. */
static void test_turns(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0}, b = {0}, c = {0}, d = {0};

	turn = 0;
	fake->later = true;
	ask(fake, "a", "CPU-0", &a);
	ask(fake, "b", "CPU-0", &b);
	ask(fake, "c", "GPU-1", &c);
	ask(fake, "d", "CPU-0", &d);
	assert_int_equal(fake->pending_count, 2);
	assert_string_equal(fake->log, "+slice.create CPU-0/s1\n+slice.create GPU-1/s2\n");
	assert_false(dv_engine_idle(fake->engine));
	fake_answer(fake, 0, true);
	assert_int_equal(a.count, 1);
	assert_int_equal(fake->pending_count, 2);
	assert_string_equal(fake->pending[1].step.tenant, "b");
	fake_answer(fake, 1, false); /* b fails: it is undone before d begins */
	assert_true(fake->pending[1].undo);
	fake_answer(fake, 1, true);
	assert_int_equal(b.r, -EIO);
	assert_string_equal(fake->pending[1].step.tenant, "d");
	fake_answer(fake, 1, true);
	fake_answer(fake, 0, true);
	assert_true(a.r == 0 && c.r == 0 && d.r == 0);
	assert_true(a.turn < b.turn && b.turn < d.turn && d.turn < c.turn);
	assert_true(a.count == 1 && b.count == 1 && c.count == 1 && d.count == 1);
}

/* Whoever takes any GPU waits for one that an operation has, if no other will do. */
static void test_any_waits(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request whole = {
		.name = "w", .gpu = "CPU-0", .method = DV_METHOD_PASSTHROUGH};
	struct answer a = {0}, b = {0};

	assert_int_equal(fake_take(fake, &whole, &fake_alice), 0);
	(void)dv_copy(whole.name, sizeof(whole.name), "v");
	(void)dv_copy(whole.gpu, sizeof(whole.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &whole, &fake_alice), 0);
	fake->later = true;
	give_back(fake, "v", &a);
	ask(fake, "s", "", &b);
	assert_int_equal(b.count, 0);
	fake_answer(fake, 0, true);
	assert_int_equal(a.r, 0);
	fake_answer(fake, 0, true);
	assert_int_equal(b.count, 1);
	assert_int_equal(b.r, 0);
	assert_string_equal(b.node, "GPU-1/s3");
}

/* Two releases of one lease: the second finds nothing. */
static void test_released_twice(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0}, b = {0};

	take(fake, "a");
	fake->later = true;
	give_back(fake, "a", &a);
	give_back(fake, "a", &b);
	fake_answer(fake, 0, true);
	assert_int_equal(a.r, 0);
	assert_string_equal(a.node, "CPU-0/s1"); /* what was released is told */
	assert_int_equal(b.r, -ENOENT);
	assert_string_equal(b.rule, "S09");
}

static void give_back_id(struct fake *fake, int64_t id, struct answer *answer)
{
	assert_int_equal(
		dv_engine_release_id(fake->engine, id, &fake_alice, answered, answer, NULL), 0);
}

/* By its id one lease alone is released: not another that got its name while that waited. */
static void test_released_by_id(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0}, again = {0}, late = {0}, second = {0};
	struct dv_error err = {0};
	int64_t id;

	take(fake, "a");
	id = dv_engine_lease(fake->engine, "a")->id;
	fake->later = true;
	give_back(fake, "a", &a);
	ask(fake, "a", "CPU-0", &again);
	give_back_id(fake, id, &late);
	fake_answer(fake, 0, true);
	fake_answer(fake, 0, true);
	assert_true(a.count && a.r == 0 && again.count && again.r == 0);
	assert_true(late.count && late.r == -ENOENT);
	assert_string_equal(late.rule, "S09");
	assert_int_not_equal(dv_engine_lease(fake->engine, "a")->id, id);
	assert_int_equal(dv_engine_release_id(fake->engine, id, &fake_alice, answered, &late, &err),
			 -ENOENT);
	assert_string_equal(err.rule, "S09");
	give_back_id(fake, dv_engine_lease(fake->engine, "a")->id, &second);
	fake_answer(fake, 0, true);
	assert_int_equal(second.r, 0);
	assert_null(dv_engine_lease(fake->engine, "a"));
}

/* A release waits for a lease that ends meanwhile; another of that name comes on another GPU, where
 * a later operation is at work already: it waits on. */
static void test_waits_for_another(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer x = {0}, first = {0}, y = {0}, waits = {0}, n = {0}, late = {0};
	struct dv_lease_request request = fake_slice("n");

	(void)dv_copy(request.gpu, sizeof(request.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	fake->later = true;
	ask(fake, "x", "GPU-1", &x);
	give_back(fake, "n", &first);
	ask(fake, "y", "GPU-1", &y);
	give_back(fake, "n", &waits);
	fake_answer(fake, 0, true);
	fake_answer(fake, 0, true);
	assert_true(x.count && first.count && first.r == 0 && !y.count);
	ask(fake, "n", "CPU-0", &n);
	fake_answer(fake, 1, true);
	assert_true(n.count && n.r == 0);
	give_back(fake, "n", &late);
	fake_answer(fake, 0, true);
	assert_true(y.count && !waits.count && !late.count);
	assert_int_equal(fake->pending_count, 1);
	fake_answer(fake, 0, true);
	assert_true(late.count && late.r == 0);
	assert_true(waits.count && waits.r == -ENOENT);
}

/* The name is taken while another operation with it is under way on another GPU. */
static void test_same_name_at_once(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0}, b = {0};

	fake->later = true;
	ask(fake, "a", "CPU-0", &a);
	ask(fake, "a", "GPU-1", &b);
	assert_int_equal(b.r, -EEXIST);
	assert_string_equal(b.rule, "S13");
	fake_answer(fake, 0, true);
	assert_int_equal(a.r, 0);
}

static void test_too_many_wait(void **state)
{
	struct fake *fake = fake_of_state(state);
	static struct answer answers[DV_WAITING_MOST];
	struct dv_lease_request request = fake_slice("");

	memset(answers, 0, sizeof(answers));
	fake->later = true;
	request.memory_bytes = DV_MIB;
	request.compute_mpct = 1;
	(void)dv_copy(request.gpu, sizeof(request.gpu), "CPU-0");
	for (unsigned i = 0; i < DV_WAITING_MOST; i++)
		assert_int_equal(dv_engine_take(fake->engine, &request, &fake_alice, answered,
						&answers[i], NULL),
				 0);
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "S19");
	fake->later = false;
	while (fake->pending_count)
		fake_answer(fake, 0, true);
	for (unsigned i = 0; i < DV_WAITING_MOST; i++)
		assert_true(answers[i].count == 1 && answers[i].r == 0);
	assert_true(dv_engine_idle(fake->engine));
}

/* Asking again from within an answer, and forgetting tokens that nobody knows. */
static void again(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	struct fake *fake = arg;
	struct dv_lease_request request = fake_slice("");

	if (++fake->answers < 5)
		assert_int_equal(
			dv_engine_take(fake->engine, &request, &fake_alice, again, fake, NULL), 0);
}

static void test_from_within(void **state)
{
	struct fake *fake = fake_of_state(state);

	fake->answers = 0;
	again(fake, 0, NULL, NULL);
	assert_int_equal(fake->answers, 5);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 4);
	dv_engine_step_done(fake->engine, 999999, -EIO, NULL);
	dv_engine_step_done(fake->engine, 0, 0, NULL);
	assert_true(dv_engine_idle(fake->engine));
}

/* An engine that is freed with work under way leaves it to the next one. */
static void test_freed_at_work(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0}, b = {0};

	fake->later = true;
	ask(fake, "a", "CPU-0", &a);
	ask(fake, "b", "CPU-0", &b);
	fake_kill(fake);
	fake->later = false;
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	assert_true(a.count == 0 && b.count == 0);
	no_open_operation(fake);
}

static void test_seen(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct answer a = {0};
	int64_t id;

	take(fake, "a");
	id = fake->lease.id;
	dv_engine_lease_seen(fake->engine, id, DV_LEASE_BROKEN);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_READY);
	dv_engine_lease_seen(fake->engine, id, DV_LEASE_UNENFORCED);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_UNENFORCED);
	dv_engine_lease_seen(fake->engine, id + 1, DV_LEASE_ACTIVE);
	fake->later = true;
	give_back(fake, "a", &a);
	dv_engine_lease_seen(fake->engine, id, DV_LEASE_ACTIVE);
	assert_int_equal(state_of(fake, "a"), DV_LEASE_RELEASING);
	fake_answer(fake, 0, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_take_fails),
		PLACE_TEST(test_step_cannot_begin),
		PLACE_TEST(test_release_fails),
		PLACE_TEST(test_broken),
		PLACE_TEST(test_two_broken),
		PLACE_TEST(test_timed_out),
		PLACE_TEST(test_full_at_begin),
		PLACE_TEST(test_full_at_end),
		PLACE_TEST(test_stalled_take),
		PLACE_TEST(test_stalled_release),
		PLACE_TEST(test_stalled_then_killed),
		PLACE_TEST(test_turns),
		PLACE_TEST(test_any_waits),
		PLACE_TEST(test_released_twice),
		PLACE_TEST(test_released_by_id),
		PLACE_TEST(test_waits_for_another),
		PLACE_TEST(test_same_name_at_once),
		PLACE_TEST(test_too_many_wait),
		PLACE_TEST(test_from_within),
		PLACE_TEST(test_freed_at_work),
		PLACE_TEST(test_seen),
	};

	return cmocka_run_group_tests_name("engine/run", tests, NULL, NULL);
}
