/* SPDX-License-Identifier: Apache-2.0 */
/* A plan is carried out whole, or not at all, and touches nothing that is not its fleet's. */
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

static void refused(struct fake *fake, struct dv_plan *plan, int code, const char *rule)
{
	size_t leases = dv_engine_leases(fake->engine)->len;
	char before[17], after[17];

	dv_engine_state(fake->engine, before);
	fake->log[0] = '\0';
	assert_int_equal(plan_apply(plan, fake, &fake_alice, false), code);
	assert_string_equal(fake->err.rule, rule);
	assert_true(fake->err.msg[0] && fake->err.fix[0]);
	assert_string_equal(fake->log, "");
	assert_int_equal(dv_engine_leases(fake->engine)->len, leases);
	dv_engine_state(fake->engine, after);
	assert_string_equal(before, after);
	assert_true(dv_engine_idle(fake->engine));
}

/* Two slices on one device, two partitions on another. */
static void apply_first(struct fake *fake)
{
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a");
	plan_slice(&plan, "GPU-1", "b");
	plan_partition(&plan, "CPU-0/p0+2", "c");
	plan_partition(&plan, "CPU-0/p2+4", "d");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_non_null(dv_engine_lease(fake->engine, "d"));
}

static void fleet_is(struct fake *fake, const char *name, uid_t uid)
{
	dv_autofree char *text = NULL;
	uid_t is = 0;

	assert_int_equal(dv_store_fleet_get(fake->store, name, &is, &text, NULL), 0);
	assert_int_equal(is, uid);
	assert_string_equal(text, "version: 1\n");
}

static void test_makes(void **state)
{
	struct fake *fake = fake_of_state(state);
	const struct dv_lease *lease;

	apply_first(fake);
	assert_string_equal(fake->log, "+slice.create GPU-1/s1\n+slice.create GPU-1/s2\n"
				       "+partition.create CPU-0/p0+2\n"
				       "+partition.create CPU-0/p2+4\n");
	lease = dv_engine_lease(fake->engine, "b");
	assert_string_equal(lease->fleet, "lab");
	assert_int_equal(lease->uid, 1000);
	assert_int_equal(lease->memory_bytes, DV_GIB);
	assert_int_equal(lease->state, DV_LEASE_READY);
	assert_int_equal(strlen(lease->nonce), 32);
	assert_false(lease->ephemeral);
	assert_string_not_equal(lease->nonce, dv_engine_lease(fake->engine, "a")->nonce);
	fleet_is(fake, "lab", 1000);
}

static void test_nothing_to_do(void **state)
{
	struct fake *fake = fake_of_state(state);
	dv_cleanup(dv_journal_ops_fini) struct dv_journal_ops ops = {0};
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	fleet_is(fake, "lab", 1000);
	assert_int_equal(dv_store_ops_open(fake->store, &ops, NULL), 0);
	assert_int_equal(ops.len, 0);
}

/* What an earlier apply made is changed: ended, kept, made anew under the same name. */
static void test_changes(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;
	int64_t kept;

	apply_first(fake);
	kept = dv_engine_lease(fake->engine, "a")->id;
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "c");
	plan_end(&plan, fake, "d");
	plan_end(&plan, fake, "b");
	plan_whole(&plan, "CPU-0", "b");
	plan_slice(&plan, "GPU-1", "e");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 3);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->id, kept);
	assert_string_equal(dv_engine_lease(fake->engine, "b")->node, "CPU-0");
	assert_non_null(dv_engine_lease(fake->engine, "e"));
}

static void test_stale(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("x");
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a");
	assert_int_equal(fake_take(fake, &request, &fake_bob), 0);
	refused(fake, &plan, -ESTALE, "S12");
	/* Made for this state, yet it speaks of what is not there. */
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "nobody");
	refused(fake, &plan, -ESTALE, "S12");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-9", "a");
	refused(fake, &plan, -ESTALE, "S12");
}

static void test_not_the_fleets(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("run-by-alice");
	struct dv_plan plan;

	(void)dv_copy(request.gpu, sizeof(request.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 0);
	apply_first(fake);
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "run-by-alice");
	refused(fake, &plan, -EPERM, "S10");
	plan_begin(&plan, fake, "other");
	plan_end(&plan, fake, "a");
	refused(fake, &plan, -EPERM, "S10");
	/* A name that somebody has. */
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "run-by-alice");
	refused(fake, &plan, -EEXIST, "S13");
}

static void test_another_users_fleet(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	apply_first(fake);
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "e");
	assert_int_equal(plan_apply(&plan, fake, &fake_bob, true), -EPERM);
	assert_string_equal(fake->err.rule, "S15");
	/* An admin changes it for its owner. */
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a");
	plan_slice(&plan, "GPU-1", "e");
	assert_int_equal(plan_apply(&plan, fake, &fake_root, false), 0);
	assert_int_equal(dv_engine_lease(fake->engine, "e")->uid, 1000);
	fleet_is(fake, "lab", 1000);
}

static void test_consent(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	apply_first(fake);
	dv_engine_lease_seen(fake->engine, dv_engine_lease(fake->engine, "a")->id, DV_LEASE_ACTIVE);
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a"); /* it runs, whatever the plan says */
	refused(fake, &plan, -EBUSY, "S14");
	assert_non_null(strstr(fake->err.msg, "'a'"));
	/* Somebody came between the plan and now. */
	fake->in_use = "b";
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "b");
	refused(fake, &plan, -EBUSY, "S14");
	assert_non_null(strstr(fake->err.msg, "'b', used by pid 12 sleep"));
	fake->in_use = NULL;
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "b")->disturb_count = 1;
	refused(fake, &plan, -EBUSY, "S14");
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, true), 0);
}

static void test_bad_plans(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_unplaced unplaced = {.tenant = "big", .rule_count = 1, .rules = {"G01"}};
	struct dv_plan plan;

	plan_begin(&plan, fake, "a/b");
	refused(fake, &plan, -EINVAL, "F08");
	plan_begin(&plan, fake, "lab");
	assert_int_equal(dv_vec_push(&plan.unplaced, unplaced), 0);
	refused(fake, &plan, -ENOSPC, "G01");
	plan_begin(&plan, fake, "lab");
	(void)dv_copy(plan_slice(&plan, "GPU-1", "a")->op, 32, "mig.create");
	refused(fake, &plan, -EOPNOTSUPP, "G09");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a")->id = 2;
	plan_slice(&plan, "GPU-1", "b");
	refused(fake, &plan, -EINVAL, "F12");
	plan_begin(&plan, fake, "lab");
	struct dv_step *step = plan_slice(&plan, "GPU-1", "a");

	step->needs[0] = 1;
	step->need_count = 1;
	refused(fake, &plan, -EINVAL, "F12");
	plan_begin(&plan, fake, "lab");
	(void)dv_copy(plan_slice(&plan, "GPU-1", "a")->lease.node, DV_NODE_SIZE, "CPU-0");
	refused(fake, &plan, -EINVAL, "F12");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "../a");
	refused(fake, &plan, -EINVAL, "F08");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a")->lease.kind = DV_KIND_VM;
	refused(fake, &plan, -EOPNOTSUPP, "G06");
	plan_begin(&plan, fake, "lab");
	plan_partition(&plan, "GPU-1/p0+2", "a");
	refused(fake, &plan, -EOPNOTSUPP, "G09");
}

/* Steps that each could be, but not together. */
static void test_does_not_fit(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_partition(&plan, "CPU-0/p0+4", "a");
	plan_partition(&plan, "CPU-0/p3+2", "b");
	refused(fake, &plan, -EBUSY, "S01");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a");
	plan_partition(&plan, "CPU-0/p3+2", "b");
	refused(fake, &plan, -EBUSY, "S02");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a")->lease.memory_bytes = 5 * DV_GIB;
	plan_slice(&plan, "CPU-0", "b")->lease.memory_bytes = 5 * DV_GIB;
	refused(fake, &plan, -ENOSPC, "G01");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a");
	plan_slice(&plan, "GPU-1", "a");
	refused(fake, &plan, -EEXIST, "S13");
	/* In the wrong order: the old one is ended only after the new one was to be. */
	apply_first(fake);
	plan_begin(&plan, fake, "lab");
	plan_partition(&plan, "CPU-0/p0+3", "e");
	plan_end(&plan, fake, "c");
	refused(fake, &plan, -EBUSY, "S01");
}

static void test_quota(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	apply_first(fake);
	fake->quota.leases = 4;
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "e");
	refused(fake, &plan, -EDQUOT, "S08");
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "e");
	plan_end(&plan, fake, "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	/* Over it already: getting less is always allowed. */
	fake->quota.leases = 1;
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "b");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
}

/* What is still to be made counts: nobody takes past a quota while an apply is at work. */
static void test_quota_meanwhile(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("x");
	struct dv_plan plan;

	fake->quota.leases = 2;
	fake->later = true;
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "a");
	plan_slice(&plan, "GPU-1", "b");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 1);
	(void)dv_copy(request.gpu, sizeof(request.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EDQUOT);
	/* Nor the name of one that is still to be made. */
	(void)dv_copy(request.name, sizeof(request.name), "b");
	assert_int_equal(fake_take(fake, &request, &fake_bob), -EEXIST);
	fake_answer(fake, 0, true);
	fake_answer(fake, 0, true);
	assert_int_equal(fake->r, 0);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 2);
}

/* Ends two, makes three; `steps` of its answers are awaited. */
static void change(struct fake *fake, struct dv_plan *plan)
{
	plan_begin(plan, fake, "lab");
	plan_end(plan, fake, "c");
	plan_end(plan, fake, "a");
	plan_partition(plan, "CPU-0/p0+1", "c");
	plan_slice(plan, "GPU-1", "e");
	plan_partition(plan, "CPU-0/p6+2", "f");
}

static bool is_old(struct fake *fake)
{
	const struct dv_lease *c = dv_engine_lease(fake->engine, "c");

	return dv_engine_leases(fake->engine)->len == 4 && dv_engine_lease(fake->engine, "a") &&
	       dv_engine_lease(fake->engine, "b") && c && strcmp(c->node, "CPU-0/p0+2") == 0 &&
	       dv_engine_lease(fake->engine, "d");
}

static bool is_new(struct fake *fake)
{
	const struct dv_lease *c = dv_engine_lease(fake->engine, "c");

	return dv_engine_leases(fake->engine)->len == 5 && dv_engine_lease(fake->engine, "b") &&
	       dv_engine_lease(fake->engine, "e") && c && strcmp(c->node, "CPU-0/p0+1") == 0 &&
	       dv_engine_lease(fake->engine, "d") && dv_engine_lease(fake->engine, "f");
}

static void end_all(struct fake *fake)
{
	while (dv_engine_leases(fake->engine)->len)
		assert_int_equal(fake_release(fake, dv_engine_leases(fake->engine)->items[0].name,
					      &fake_root),
				 0);
}

/* Whichever step fails, everything is as it was: ids and nonces too. */
static void test_each_step_fails(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;
	char nonce[33], before[17], after[17];

	apply_first(fake);
	(void)dv_copy(nonce, sizeof(nonce), dv_engine_lease(fake->engine, "a")->nonce);
	dv_engine_state(fake->engine, before);
	for (unsigned n = 1; n <= 10; n++) {
		fake->fail_step = (n + 1) / 2;
		fake->half_done = n % 2;
		change(fake, &plan);
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EIO);
		assert_true(is_old(fake));
		assert_true(fake_consistent(fake));
		assert_true(dv_engine_idle(fake->engine));
		assert_string_equal(dv_engine_lease(fake->engine, "a")->nonce, nonce);
		dv_engine_state(fake->engine, after);
		assert_string_equal(before, after);
	}
	change(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_true(is_new(fake));
}

/* The log says that a lease of that name is lost, and why. */
static void audited_lost(struct fake *fake, const char *name)
{
	struct dv_audits audits = {0};
	bool found = false;

	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 100, &audits, NULL), 0);
	for (size_t i = 0; i < audits.len; i++)
		found = found ||
			(strcmp(audits.items[i].verb, "lost") == 0 &&
			 strcmp(audits.items[i].subject, name) == 0 && audits.items[i].text[0]);
	dv_vec_fini(&audits);
	assert_true(found);
}

/* An undo fails: the rest is undone all the same. */
static void test_undo_fails(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;
	size_t count;

	apply_first(fake);
	fake->later = true;
	change(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	for (int i = 0; i < 3; i++)
		fake_answer(fake, 0, true); /* c ended, a ended, c made */
	fake_answer(fake, 0, false);	    /* e is not */
	assert_true(fake->pending[0].undo);
	fake_answer(fake, 0, true);  /* e */
	fake_answer(fake, 0, false); /* the new c stays, broken */
	fake_answer(fake, 0, true);  /* a is back */
	/* The old c cannot come back: the new one has its place. Nothing more is asked. */
	assert_int_equal(fake->pending_count, 0);
	audited_lost(fake, "c");
	assert_int_equal(fake->r, -EIO);
	assert_int_equal(dv_engine_lease(fake->engine, "c")->state, DV_LEASE_BROKEN);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
	assert_true(dv_engine_gpus(fake->engine, &count)[0].quarantine[0]);
	fake->later = false;
	end_all(fake);
}

/* Replaced by one of its name that is there or is not, nobody knows: it stays broken, with the
 * name, and there is room for both. The old one cannot come back, and nothing hangs on that. */
static void test_name_stays_taken(void **state)
{
	static const int codes[] = {-ETIMEDOUT, -EIO};
	struct fake *fake = fake_of_state(state);

	for (size_t i = 0; i < DV_ARRAY_LEN(codes); i++) {
		struct dv_plan plan;
		int64_t was;

		plan_begin(&plan, fake, "lab");
		plan_slice(&plan, "GPU-1", "a");
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
		was = dv_engine_lease(fake->engine, "a")->id;
		plan_begin(&plan, fake, "lab");
		plan_end(&plan, fake, "a");
		plan_slice(&plan, "GPU-1", "a");
		fake->fail_step = 2;
		fake->fail_code = codes[i];
		fake->fail_undo = true;
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), codes[i]);
		fake->fail_undo = false;
		assert_true(dv_engine_idle(fake->engine));
		assert_int_equal(dv_engine_leases(fake->engine)->len, 1);
		assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_BROKEN);
		assert_true(dv_engine_lease(fake->engine, "a")->id > was);
		assert_true(fake_consistent(fake));
		audited_lost(fake, "a");
		assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	}
}

/* The same undone by recovery: it comes to its end, and says that not all went well. */
static void test_name_stays_taken_by_a_kill(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_whole(&plan, "GPU-1", "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a");
	plan_whole(&plan, "CPU-0", "a");
	fake->later = true;
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	fake_answer(fake, 0, true);
	fake_kill(fake);
	fake->later = false;
	fake->fail_undo = true;
	assert_int_equal(fake_start(fake), 0);
	fake->fail_undo = false;
	assert_int_equal(fake->r, -EIO);
	assert_true(dv_engine_idle(fake->engine));
	assert_int_equal(dv_engine_leases(fake->engine)->len, 1);
	assert_string_equal(dv_engine_lease(fake->engine, "a")->node, "CPU-0");
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_BROKEN);
	audited_lost(fake, "a");
	assert_int_equal(fake->world->owner[1], -1);
	end_all(fake);
}

/* An apply that ends a broken lease is undone, by a kill in that step or since a later one fails:
 * the lease was made again, so that nothing is broken, and nothing is in quarantine. */
static void test_broken_is_made_again(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;
	size_t count;

	apply_first(fake);
	for (int killed = 0; killed < 2; killed++) {
		fake->fail_step = 1;
		fake->fail_code = -ETIMEDOUT;
		assert_int_equal(fake_release(fake, "a", &fake_alice), -ETIMEDOUT);
		assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_BROKEN);
		assert_true(dv_engine_gpus(fake->engine, &count)[1].quarantine[0]);
		fake->fail_code = 0;
		fake->later = true;
		plan_begin(&plan, fake, "lab");
		plan_end(&plan, fake, "a");
		plan_end(&plan, fake, "c");
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
		fake->later = false;
		if (killed) {
			fake_kill(fake);
			assert_int_equal(fake_start(fake), 0);
		} else {
			fake->fail_step = 1;
			fake_answer(fake, 0, true);
			assert_int_equal(fake->r, -EIO);
		}
		assert_true(dv_engine_idle(fake->engine));
		assert_true(is_old(fake));
		assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
		assert_string_equal(dv_engine_gpus(fake->engine, &count)[1].quarantine, "");
		assert_true(fake_consistent(fake));
	}
	fake_kill(fake);
	assert_int_equal(fake_start(fake), 0);
	assert_string_equal(dv_engine_gpus(fake->engine, &count)[1].quarantine, "");
}

/* The store is full at each moment in turn. */
static void test_full(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;
	int r = -1;

	apply_first(fake);
	for (unsigned n = 1; r < 0; n++) {
		fake->fail_commit = n;
		fake->fail_commits = n % 3;
		change(fake, &plan);
		r = plan_apply(&plan, fake, &fake_alice, false);
		assert_true(r == 0 || r == -EFBIG);
		fake->fail_commit = fake->fail_commits = 0;
		dv_engine_retry(fake->engine);
		assert_true(dv_engine_idle(fake->engine));
		assert_true(r == 0 ? is_new(fake) : is_old(fake));
		assert_true(fake_consistent(fake));
		assert_true(n < 100);
	}
}

/* kill -9 after and before each event, and in each recovery from it: the old or the new. */
static void test_killed(void **state)
{
	struct fake *fake = fake_of_state(state);
	bool killed = true;

	apply_first(fake);
	for (unsigned n = 2; killed; n++) {
		unsigned at = 1;
		struct dv_plan plan;

		fake->events = 0;
		fake->die_at = n / 2;
		fake->die_before = n % 2;
		change(fake, &plan);
		(void)plan_apply(&plan, fake, &fake_alice, false);
		killed = fake->dead;
		do {
			fake_kill(fake);
			(void)fake_start_killed(fake, at++);
		} while (fake->dead);
		fake->die_at = 0;
		assert_true(dv_engine_idle(fake->engine));
		assert_true(is_old(fake) || is_new(fake));
		assert_true(killed || is_new(fake));
		assert_true(fake_consistent(fake));
		if (is_new(fake)) {
			end_all(fake);
			apply_first(fake);
		}
	}
}

/* An apply waits for its GPUs, all of them; what comes later waits for it. */
static void test_turns(void **state)
{
	struct fake *fake = fake_of_state(state);
	static const char *const order[] = {"x", "a", "b", "y"};
	struct dv_lease_request request = fake_slice("x");
	struct dv_plan plan;

	fake->later = true;
	(void)dv_copy(request.gpu, sizeof(request.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &request, &fake_alice), 1);
	/* Of the state that will be then. */
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a");
	plan_slice(&plan, "GPU-1", "b");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	request = fake_slice("y");
	(void)dv_copy(request.gpu, sizeof(request.gpu), "CPU-0");
	assert_int_equal(fake_take(fake, &request, &fake_bob), 1);
	assert_int_equal(fake->pending_count, 1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fake->pending_count, 1);
		assert_string_equal(fake->pending[0].step.tenant, order[i]);
		fake_answer(fake, 0, true);
	}
	assert_int_equal(dv_engine_leases(fake->engine)->len, 4);
}

/* Two applies of one fleet, on different GPUs: the second one comes too late. */
static void test_same_fleet_at_once(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	fake->later = true;
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "CPU-0", "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 1);
	plan_begin(&plan, fake, "lab");
	plan_slice(&plan, "GPU-1", "b");
	assert_int_equal(plan_apply(&plan, fake, &fake_bob, false), 1);
	assert_int_equal(fake->pending_count, 1);
	fake_answer(fake, 0, true);
	assert_int_equal(fake->r, -EPERM);
	assert_string_equal(fake->err.rule, "S15");
	fleet_is(fake, "lab", 1000);
}

/* The first one stalled: the second is refused, as whatever else would have to wait for it. */
static void test_same_fleet_stalled(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	apply_first(fake);
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "a");
	plan_end(&plan, fake, "b");
	fake->fail_commit = 3;
	fake->fail_commits = 1000;
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EFBIG);
	assert_true(dv_engine_stalled(fake->engine));
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "c");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EFBIG);
	assert_non_null(strstr(fake->err.msg, "fleet"));
	assert_true(fake->err.fix[0]);
	fake->fail_commit = fake->fail_commits = 0;
	dv_engine_retry(fake->engine);
	assert_true(dv_engine_idle(fake->engine));
	assert_true(is_old(fake));
}

static void test_not_allowed(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_identity stranger = fake_bob;
	struct dv_plan plan;

	stranger.allowed = false;
	plan_begin(&plan, fake, "lab");
	assert_int_equal(plan_apply(&plan, fake, &stranger, true), -EPERM);
	assert_string_equal(fake->err.rule, "S17");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACE_TEST(test_makes),
		PLACE_TEST(test_nothing_to_do),
		PLACE_TEST(test_changes),
		PLACE_TEST(test_stale),
		PLACE_TEST(test_not_the_fleets),
		PLACE_TEST(test_another_users_fleet),
		PLACE_TEST(test_consent),
		PLACE_TEST(test_bad_plans),
		PLACE_TEST(test_does_not_fit),
		PLACE_TEST(test_quota),
		PLACE_TEST(test_quota_meanwhile),
		PLACE_TEST(test_each_step_fails),
		PLACE_TEST(test_undo_fails),
		PLACE_TEST(test_name_stays_taken),
		PLACE_TEST(test_name_stays_taken_by_a_kill),
		PLACE_TEST(test_broken_is_made_again),
		PLACE_TEST(test_full),
		PLACE_TEST(test_killed),
		PLACE_TEST(test_turns),
		PLACE_TEST(test_same_fleet_at_once),
		PLACE_TEST(test_same_fleet_stalled),
		PLACE_TEST(test_not_allowed),
	};

	return cmocka_run_group_tests_name("engine/apply", tests, NULL, NULL);
}
