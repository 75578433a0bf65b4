/* SPDX-License-Identifier: Apache-2.0 */
/* Plans on a MIG GPU: a mode is a step without a lease, and is undone like any other; partitions
 * that were lost are made again. */
#include "engine/engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "place.h"
#include "plans.h"

static int setup(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	struct dv_gpu *gpu;

	if (!place)
		return -1;
	fake_world_init(&place->world, 2);
	gpu = &place->world.gpus[1];
	gpu->mig.mode = DV_MIG_OFF;
	gpu->mig.cells = gpu->memory_slices = 8;
	gpu->methods[gpu->method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_MIG, .ok = true};
	fake_init(&place->fake, &place->world, 0);
	*state = place;
	return fake_start(&place->fake);
}

static void plan_two(struct fake *fake, struct dv_plan *plan)
{
	struct dv_step *step;

	plan_begin(plan, fake, "lab");
	plan_mode(plan, "GPU-1", true);
	step = plan_mig(plan, "GPU-1/p0+4", "a");
	(void)dv_copy(step->lease.profile, sizeof(step->lease.profile), "3g.40gb");
	step = plan_mig(plan, "GPU-1/p6+1", "b");
	(void)dv_copy(step->lease.profile, sizeof(step->lease.profile), "1g.10gb");
}

static const struct dv_mig *mig_of(const struct fake *fake)
{
	size_t count;

	return &dv_engine_gpus(fake->engine, &count)[1].mig;
}

static void test_mode_then_partitions(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_string_equal(fake->log, "+mig.enable GPU-1\n+mig.create GPU-1/p0+4\n"
				       "+mig.create GPU-1/p6+1\n");
	assert_string_equal(dv_engine_lease(fake->engine, "b")->profile, "1g.10gb");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 2);
	/* What the steps did is known before the next probe. */
	assert_int_equal(mig_of(fake)->mode, DV_MIG_ON);
	assert_int_equal(mig_of(fake)->instance_count, 2);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(mig_of(fake)->instance_count, 1);
	assert_int_equal(mig_of(fake)->mode, DV_MIG_ON);
}

static void test_undone_with_the_mode(void **state)
{
	struct fake *fake = fake_of_state(state);
	char before[17], after[17];
	struct dv_plan plan;

	dv_engine_state(fake->engine, before);
	plan_two(fake, &plan);
	fake->fail_step = 3;
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EIO);
	assert_non_null(strstr(fake->err.fix, "is undone"));
	assert_string_equal(fake->log, "+mig.enable GPU-1\n+mig.create GPU-1/p0+4\n"
				       "+mig.create GPU-1/p6+1\n-mig.create GPU-1/p6+1\n"
				       "-mig.create GPU-1/p0+4\n-mig.enable GPU-1\n");
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
	dv_engine_state(fake->engine, after);
	assert_string_equal(before, after);
}

/* Two compute instances of one partition. */
static void plan_parts(struct fake *fake, struct dv_plan *plan)
{
	struct dv_step *step;

	plan_begin(plan, fake, "lab");
	plan_mode(plan, "GPU-1", true);
	step = plan_part(plan, "GPU-1/p0+4/c0+1", "a");
	(void)dv_copy(step->lease.profile, sizeof(step->lease.profile), "1c.3g.40gb");
	step = plan_part(plan, "GPU-1/p0+4/c1+2", "b");
	(void)dv_copy(step->lease.profile, sizeof(step->lease.profile), "2c.3g.40gb");
}

static void test_parts(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	plan_parts(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_string_equal(fake->log, "+mig.enable GPU-1\n+mig.ci_create GPU-1/p0+4/c0+1\n"
				       "+mig.ci_create GPU-1/p0+4/c1+2\n");
	assert_int_equal(mig_of(fake)->instance_count, 1);
	assert_string_equal(mig_of(fake)->instances[0].profile, "3g.40gb");
	/* The partition that they are in goes with the last of them. */
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(mig_of(fake)->instance_count, 1);
	/* One that somebody took is made again, beside the other. */
	plan_begin(&plan, fake, "lab");
	(void)dv_copy(plan_part(&plan, "GPU-1/p0+4/c0+1", "a")->lease.profile, DV_PROFILE_SIZE,
		      "1c.3g.40gb");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_int_equal(mig->compute_count, 2);
	mig->compute_count = 1;
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "+mig.ci_create GPU-1/p0+4/c0+1\n");
	assert_int_equal(mig->compute_count, 2);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	assert_int_equal(mig_of(fake)->instance_count, 0);
	assert_int_equal(mig->instance_count, 0);
}

/* Two slices of one partition. */
static void plan_slices(struct fake *fake, struct dv_plan *plan)
{
	plan_begin(plan, fake, "lab");
	plan_mode(plan, "GPU-1", true);
	(void)plan_inner(plan, "GPU-1/p0+4", "3g.40gb", "a");
	(void)plan_inner(plan, "GPU-1/p0+4", "3g.40gb", "b");
}

/* The partition comes with the first of them and goes with the last. */
static void test_slices(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	plan_slices(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	assert_string_equal(fake->log, "+mig.enable GPU-1\n+slice.create GPU-1/p0+4/s1\n"
				       "+slice.create GPU-1/p0+4/s2\n");
	assert_string_equal(dv_engine_lease(fake->engine, "b")->node, "GPU-1/p0+4/s2");
	assert_string_equal(dv_engine_lease(fake->engine, "b")->profile, "3g.40gb");
	assert_int_equal(mig_of(fake)->instance_count, 1);
	assert_int_equal(mig->instance_count, 1);
	/* A reset took it: it is made again for both of them. */
	mig->mode = DV_MIG_OFF;
	mig->instance_count = mig->compute_count = 0;
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_non_null(strstr(fake->log, "+slice.create GPU-1/p0+4/s1\n"));
	assert_int_equal(mig->instance_count, 1);
	assert_true(fake_consistent(fake));
	/* One that does not come to stand leaves what the others have. */
	plan_begin(&plan, fake, "lab");
	(void)plan_inner(&plan, "GPU-1/p0+4", "3g.40gb", "c");
	fake->fail_step = 1;
	fake->half_done = true;
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EIO);
	fake->half_done = false;
	assert_int_equal(mig->instance_count, 1);
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(mig->instance_count, 1);
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	assert_int_equal(mig->instance_count, 0);
	assert_int_equal(mig_of(fake)->instance_count, 0);
	assert_true(fake_consistent(fake));
}

/* Where slices can be follows from the mode. */
static void test_slices_and_the_mode(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_lease_request request = fake_slice("run");
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	plan_mode(&plan, "GPU-1", true);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	(void)dv_copy(request.gpu, sizeof(request.gpu), "GPU-1");
	assert_int_equal(fake_take(fake, &request, &fake_alice), -EOPNOTSUPP);
	assert_string_equal(fake->err.rule, "G09");
	plan_begin(&plan, fake, "lab");
	(void)plan_slice(&plan, "GPU-1", "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EOPNOTSUPP);
	/* And a GPU that has no MIG has none in a partition. */
	fake->world->gpus[1].method_count--;
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	plan_begin(&plan, fake, "lab");
	(void)plan_inner(&plan, "GPU-1/p0+4", "3g.40gb", "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EOPNOTSUPP);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 0);
}

static void start_empty(struct fake *fake)
{
	if (!dv_engine_leases(fake->engine)->len)
		return;
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	fake->world->gpus[1].mig.mode = DV_MIG_OFF;
	fake_kill(fake);
	assert_int_equal(fake_start(fake), 0);
}

static void start_full(struct fake *fake)
{
	struct dv_plan plan;

	if (dv_engine_leases(fake->engine)->len)
		return;
	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
}

static void plan_off(struct fake *fake, struct dv_plan *plan)
{
	plan_begin(plan, fake, "lab");
	plan_end(plan, fake, "a");
	plan_end(plan, fake, "b");
	plan_mode(plan, "GPU-1", false);
}

/* Killed after each event in turn: then the old or the new state, and nobody has anything else. */
static void check_killed_anywhere(struct fake *fake, unsigned instances,
				  void (*make_start)(struct fake *),
				  void (*make_plan)(struct fake *, struct dv_plan *))
{
	bool whole = false;

	for (unsigned at = 1; !whole; at++) {
		for (int before = 0; before < 2; before++) {
			struct dv_plan plan;
			size_t count;

			make_start(fake);
			make_plan(fake, &plan);
			fake->events = 0;
			fake->die_at = at;
			fake->die_before = before;
			whole = plan_apply(&plan, fake, &fake_alice, false) == 0;
			if (whole)
				break;
			fake_kill(fake);
			assert_int_equal(fake_start(fake), 0);
			count = dv_engine_leases(fake->engine)->len;
			assert_true(count == 0 || count == 2);
			assert_int_equal(mig_of(fake)->mode, count ? DV_MIG_ON : DV_MIG_OFF);
			assert_int_equal(mig_of(fake)->instance_count, count ? instances : 0);
			assert_true(fake_consistent(fake));
		}
		assert_true(at < 100);
	}
}

static void test_killed_anywhere(void **state)
{
	check_killed_anywhere(fake_of_state(state), 2, start_empty, plan_two);
}

static void test_killed_anywhere_with_slices(void **state)
{
	check_killed_anywhere(fake_of_state(state), 1, start_empty, plan_slices);
}

static void test_killed_anywhere_with_parts(void **state)
{
	check_killed_anywhere(fake_of_state(state), 1, start_empty, plan_parts);
}

/* A reset took mode and partitions: they are made again, at their places. */
static void test_brought_back(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	mig->mode = DV_MIG_OFF;
	mig->instance_count = mig->compute_count = 0;
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "+mig.enable GPU-1\n+mig.create GPU-1/p0+4\n"
				       "+mig.enable GPU-1\n+mig.create GPU-1/p6+1\n");
	assert_int_equal(mig->instance_count, 2);
	/* And nothing is done where all is there. */
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "");
	/* The same after a restart. */
	mig->mode = DV_MIG_OFF;
	mig->instance_count = mig->compute_count = 0;
	fake_kill(fake);
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(mig->instance_count, 2);
}

/* Left as it is and said, where that is wanted: at once and after a restart; until it is there. */
static void test_reported(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	dv_engine_set_drift(fake->engine, true);
	/* Somebody put another where "a" was. */
	(void)dv_copy(mig->instances[0].profile, DV_PROFILE_SIZE, "4g.40gb");
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "");
	assert_true(dv_engine_lease(fake->engine, "a")->missing);
	assert_false(dv_engine_lease(fake->engine, "b")->missing);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
	(void)dv_copy(mig->instances[0].profile, DV_PROFILE_SIZE, "3g.40gb");
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_false(dv_engine_lease(fake->engine, "a")->missing);
	mig->mode = DV_MIG_OFF;
	mig->instance_count = mig->compute_count = 0;
	fake->world->thing_count = 0;
	fake->report_drift = true;
	fake_kill(fake);
	fake->log[0] = '\0';
	assert_int_equal(fake_start(fake), 0);
	assert_int_equal(mig->instance_count, 0);
	assert_true(dv_engine_lease(fake->engine, "a")->missing);
	assert_true(dv_engine_lease(fake->engine, "b")->missing);
	/* It is given back as any other. */
	assert_int_equal(fake_release(fake, "a", &fake_alice), 0);
	assert_null(dv_engine_lease(fake->engine, "a"));
}

/* A partition that somebody cut into parts is not the one that was leased. */
static void test_cut_anew(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	mig->profiles[mig->profile_count++] =
		(struct dv_mig_profile){.name = "3g.40gb", .size = 4, .compute_slices = 3};
	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	dv_engine_set_drift(fake->engine, true);
	for (uint8_t size = 3; size > 0; size--) {
		mig->computes[0].size = size;
		assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
		assert_int_equal(dv_engine_lease(fake->engine, "a")->missing, size < 3);
		assert_false(dv_engine_lease(fake->engine, "b")->missing);
	}
	/* That part is somebody else's, and does not end with the lease; nothing is begun for that.
	 */
	fake->log[0] = '\0';
	assert_int_equal(fake_release(fake, "a", &fake_alice), -EBUSY);
	assert_string_equal(fake->err.rule, "M05");
	plan_begin(&plan, fake, "lab");
	plan_end(&plan, fake, "b");
	plan_end(&plan, fake, "a");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, true), -EBUSY);
	assert_string_equal(fake->err.rule, "M05");
	assert_string_equal(fake->log, "");
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
	/* Nor is a size that the driver does not say another. */
	mig->computes[0].size = 0;
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_false(dv_engine_lease(fake->engine, "a")->missing);
}

static void check_said_missing(const struct fake *fake, const char *lease, const char *text)
{
	struct dv_audits audits = {0};
	bool said = false;

	assert_int_equal(dv_store_audits(fake->store, NULL, 0, 100, &audits, NULL), 0);
	for (size_t i = 0; i < audits.len; i++)
		said |= strcmp(audits.items[i].verb, "missing") == 0 &&
			strcmp(audits.items[i].subject, lease) == 0 &&
			strstr(audits.items[i].text, text);
	dv_vec_fini(&audits);
	assert_true(said);
}

/* What cannot be made again is said, and nothing new comes beside it. */
static void test_cannot_come_back(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;
	size_t count;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	mig->instance_count = mig->compute_count = 1;
	fake->world->thing_count = 1;
	fake->fail_step = 1;
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_int_equal(dv_engine_lease(fake->engine, "b")->state, DV_LEASE_BROKEN);
	assert_int_equal(dv_engine_lease(fake->engine, "a")->state, DV_LEASE_READY);
	assert_non_null(strstr(dv_engine_gpus(fake->engine, &count)[1].quarantine, "'b'"));
	check_said_missing(fake, "b", "it is made again");
	/* Nor does what is lost there after that, and nobody says that it does. */
	mig->instance_count = mig->compute_count = 0;
	fake->log[0] = '\0';
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_string_equal(fake->log, "");
	assert_true(dv_engine_lease(fake->engine, "a")->missing);
	check_said_missing(fake, "a", "left so: the GPU is quarantined");
	/* Its release ends that. */
	assert_int_equal(fake_release(fake, "b", &fake_alice), 0);
	assert_string_equal(dv_engine_gpus(fake->engine, &count)[1].quarantine, "");
}

/* A plan that anybody may have written: what has a small place, by its node, is no large one. */
static void test_place_of_a_profile(void **state)
{
	static const struct {
		const char *node, *profile, *says;
	} slices[] = {
		{"GPU-1/p0+1", "3g.40gb", "cannot be"},
		{"GPU-1/p2+4", "3g.40gb", "cannot be"},
		{"GPU-1/p0+4", "1c.3g.40gb", "compute instance"},
		{"GPU-1/p4+4", "3g.40gb", NULL},
	};
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	mig->mode = DV_MIG_ON;
	mig->profiles[mig->profile_count++] = (struct dv_mig_profile){.name = "3g.40gb",
								      .size = 4,
								      .starts = 0x11,
								      .compute_slices = 3,
								      .memory_mib = 40320};
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(slices); i++) {
		plan_begin(&plan, fake, "lab");
		plan_inner(&plan, slices[i].node, slices[i].profile, "a");
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false),
				 slices[i].says ? -EINVAL : 0);
		if (slices[i].says)
			assert_non_null(strstr(fake->err.msg, slices[i].says));
	}
	plan_begin(&plan, fake, "hall");
	(void)dv_copy(plan_mig(&plan, "GPU-1/p0+1", "b")->lease.profile, DV_PROFILE_SIZE,
		      "3g.40gb");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EINVAL);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 1);
}

static void test_no_mode_under_others(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	plan_begin(&plan, fake, "hall");
	plan_mode(&plan, "GPU-1", false);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, true), -ESTALE);
	assert_string_equal(fake->err.rule, "S12");
	assert_int_equal(mig_of(fake)->mode, DV_MIG_ON);
}

/* After a reboot that took the mode, and with drift only reported, two fleets have leases there and
 * nothing else: each makes its own again, the first of them the mode. Never is it turned off. */
static void test_mode_beside_missing(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_mig *mig = &fake->world->gpus[1].mig;
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	plan_begin(&plan, fake, "hall");
	(void)dv_copy(plan_mig(&plan, "GPU-1/p4+1", "c")->lease.profile, DV_PROFILE_SIZE,
		      "1g.10gb");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	fake->report_drift = true;
	dv_engine_set_drift(fake->engine, true);
	mig->mode = DV_MIG_OFF;
	mig->instance_count = mig->compute_count = 0;
	fake->world->thing_count = 0;
	assert_int_equal(dv_engine_set_gpus(fake->engine, fake->world->gpus, 2, NULL), 0);
	assert_true(dv_engine_lease(fake->engine, "a")->missing);

	plan_begin(&plan, fake, "hall");
	plan_end(&plan, fake, "c");
	plan_mode(&plan, "GPU-1", true);
	(void)dv_copy(plan_mig(&plan, "GPU-1/p4+1", "c")->lease.profile, DV_PROFILE_SIZE,
		      "1g.10gb");
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, true), 0);
	assert_int_equal(mig->mode, DV_MIG_ON);
	assert_int_equal(mig->instance_count, 1);
	assert_int_equal(dv_engine_leases(fake->engine)->len, 3);
	assert_true(dv_engine_lease(fake->engine, "a")->missing);
	assert_false(dv_engine_lease(fake->engine, "c")->missing);
	/* Off it goes only without them. */
	plan_begin(&plan, fake, "hall");
	plan_end(&plan, fake, "c");
	plan_mode(&plan, "GPU-1", false);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, true), -ESTALE);
	assert_string_equal(fake->err.rule, "S12");
}

/* Everything ends and the mode goes off; where that fails the partitions are there again. */
static void test_off_and_undone(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_plan plan;

	plan_two(fake, &plan);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), 0);
	for (int fails = 1; fails >= 0; fails--) {
		plan_off(fake, &plan);
		fake->log[0] = '\0';
		fake->fail_step = fails ? 3 : 0;
		assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), fails ? -EIO : 0);
		assert_non_null(strstr(fake->log, "+mig.disable GPU-1\n"));
		assert_int_equal(mig_of(fake)->mode, fails ? DV_MIG_ON : DV_MIG_OFF);
		assert_int_equal(mig_of(fake)->instance_count, fails ? 2 : 0);
		assert_int_equal(dv_engine_leases(fake->engine)->len, fails ? 2 : 0);
		if (fails)
			assert_non_null(strstr(fake->log, "-mig.disable GPU-1\n"));
	}
	assert_true(fake_consistent(fake));
}

/* Killed anywhere on the way to off: all of it stands, or none. */
static void test_off_killed_anywhere(void **state)
{
	check_killed_anywhere(fake_of_state(state), 2, start_full, plan_off);
}

/* A mode that cannot be is told of its GPU. */
static void test_mode_that_cannot_be(void **state)
{
	struct fake *fake = fake_of_state(state);
	struct dv_unplaced unplaced = {.tenant = "GPU 1",
				       .rule_count = 1,
				       .rules = {"M05"},
				       .reason = "its MIG mode cannot be turned off: ..."};
	struct dv_plan plan;

	plan_begin(&plan, fake, "lab");
	assert_int_equal(dv_vec_push(&plan.unplaced, unplaced), 0);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -EBUSY);
	assert_string_equal(fake->err.rule, "M05");
	assert_non_null(strstr(fake->err.msg, "GPU 1: its MIG mode"));
	/* Among tenants it is not counted as one of them. */
	plan_begin(&plan, fake, "lab");
	assert_int_equal(dv_vec_push(&plan.unplaced, ((struct dv_unplaced){.tenant = "a"})), 0);
	assert_int_equal(dv_vec_push(&plan.unplaced, unplaced), 0);
	assert_int_equal(plan_apply(&plan, fake, &fake_alice, false), -ENOSPC);
	assert_non_null(strstr(fake->err.msg, "1 of the tenants cannot be placed; 'a'"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mode_then_partitions, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_undone_with_the_mode, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_killed_anywhere, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_killed_anywhere_with_slices, setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(test_slices, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_slices_and_the_mode, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_killed_anywhere_with_parts, setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_brought_back, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_reported, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_cut_anew, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_cannot_come_back, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_place_of_a_profile, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_no_mode_under_others, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_mode_beside_missing, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_off_and_undone, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_off_killed_anywhere, setup, place_teardown),
		cmocka_unit_test_setup_teardown(test_mode_that_cannot_be, setup, place_teardown),
	};

	return cmocka_run_group_tests_name("engine/mig", tests, NULL, NULL);
}
