/* SPDX-License-Identifier: Apache-2.0 */
/* Fleets on MIG GPUs: profiles by need, places by the grid, steps in a legal order. */
#include "plan/diff.h"
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/units.h"
#include "world.h"

static struct world world;
static struct dv_plan plan;

static int tear_down(void **state)
{
	dv_plan_fini(&plan);
	memset(&plan, 0, sizeof(plan));
	world_fini(&world);
	return 0;
}

static void replan(void)
{
	dv_plan_fini(&plan);
	world_plan(&world, &plan);
}

/* Where it is: a part's slices within its partition, or "/c" is not in its node. */
static bool part_of(const struct dv_assignment *a, unsigned *ret_start, unsigned *ret_size)
{
	const char *at = strstr(a->node, "/c");

	return at && sscanf(at, "/c%u+%u", ret_start, ret_size) == 2;
}

static void check_two_apart(const struct dv_assignment *a, const struct dv_assignment *b)
{
	unsigned a_start, a_size, b_start, b_size;

	if (a->start == b->start && a->size == b->size && part_of(a, &a_start, &a_size) &&
	    part_of(b, &b_start, &b_size))
		assert_true(a_start + a_size <= b_start || b_start + b_size <= a_start);
	else
		assert_true(a->start + a->size <= b->start || b->start + b->size <= a->start);
}

/* The layout that `plan` leaves on a GPU is legal: no two of its assignments overlap. */
static void check_apart(void)
{
	for (size_t i = 0; i < plan.assignments.len; i++)
		for (size_t j = 0; j < i; j++) {
			const struct dv_assignment *a = &plan.assignments.items[i];
			const struct dv_assignment *b = &plan.assignments.items[j];

			if (strcmp(a->gpu, b->gpu) == 0)
				check_two_apart(a, b);
		}
}

static unsigned steps_of(const char *op)
{
	unsigned count = 0;

	for (size_t i = 0; i < plan.steps.len; i++)
		count += strcmp(plan.steps.items[i].op, op) == 0;
	return count;
}

static void test_smallest_that_serves(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world,
		    "tenants:\n"
		    "  - {name: a, needs: {memory: 9GiB, isolation: hardware}}\n"
		    "  - {name: b, method: mig, needs: {memory: 15GiB}}\n"
		    "  - {name: c, method: mig, needs: {compute: 20%}}\n"
		    "  - {name: d, method: mig, needs: {memory: 9GiB}, profile: 1g.10gb+me}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	check_apart();
	assert_string_equal(plan_of(&plan, "a")->profile, "1g.10gb");
	assert_int_equal(plan_of(&plan, "a")->isolation, DV_ISOLATION_HARDWARE);
	/* Two slices of memory with one of compute are enough. */
	assert_string_equal(plan_of(&plan, "b")->profile, "1g.20gb");
	assert_string_equal(plan_of(&plan, "c")->profile, "2g.20gb");
	assert_string_equal(plan_of(&plan, "d")->profile, "1g.10gb+me");
	assert_int_equal(plan_of(&plan, "c")->compute_mpct, 32 * 100000 / 132);
	assert_int_equal(plan_of(&plan, "c")->compute_slices, 2);
	assert_int_equal(steps_of("mig.enable"), 0);
	assert_int_equal(steps_of("mig.create"), 4);
}

/* What nvidia-smi cannot do in this order: 19,19,14,9. */
static void test_where_the_driver_dead_ends(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 2, method: mig, profile: 1g.10gb}\n"
			    "  - {name: b, method: mig, profile: 2g.20gb}\n"
			    "  - {name: c, method: mig, profile: 3g.40gb}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	check_apart();
	assert_true(plan.bound_proven);
	assert_int_equal(plan.bound_gpus, 1);
}

static void test_mode_is_turned_on_once(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_OFF);
	world_mig(&world, "GPU-2", DV_MIG_OFF);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 3, method: mig, profile: 1g.10gb}\n");
	replan();
	assert_int_equal(steps_of("mig.enable"), 1);
	assert_string_equal(plan.steps.items[0].op, "mig.enable");
	assert_string_equal(plan.steps.items[0].undo, "mig.disable");
	assert_int_equal(steps_of("mig.create"), 3);
	for (size_t i = 1; i < plan.steps.len; i++)
		assert_int_equal(plan.steps.items[i].needs[0], 1);
	assert_int_equal(plan.gpus_used, 1);
	world_apply(&world, &plan, NULL);
}

static void test_exact_place(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 2g.20gb, start: 4}\n"
			    "  - {name: b, count: 4, method: mig, profile: 1g.10gb}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	check_apart();
	assert_int_equal(plan_of(&plan, "a")->start, 4);
}

static void test_refusals(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 5g.50gb}\n"
			    "  - {name: b, method: mig, profile: 2g.20gb, start: 1}\n"
			    "  - {name: c, method: mig, needs: {memory: 200GiB}}\n"
			    "  - {name: d, count: 3, method: mig, profile: 3g.40gb}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "M01");
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "1g.10gb, "));
	assert_string_equal(unplaced_of(&plan, "b")->rules[0], "M04");
	assert_non_null(strstr(unplaced_of(&plan, "b")->reason, "only at 0 2 4"));
	assert_string_equal(unplaced_of(&plan, "c")->rules[0], "M04");
	assert_int_equal(plan.unplaced.len, 4);
	assert_int_equal(plan.assignments.len, 2);
}

static void check_said(const char *tenant, const char *reason, const char *fix)
{
	const struct dv_unplaced *u = unplaced_of(&plan, tenant);

	assert_non_null(u);
	if (!strstr(u->reason, reason))
		fail_msg("%s: '%s' does not say '%s'", tenant, u->reason, reason);
	if (!strstr(u->fix, fix))
		fail_msg("%s: '%s' does not say '%s'", tenant, u->fix, fix);
}

/* Each refusal says what binds and what would help. */
static void test_ways_out(void **state)
{
	struct dv_gpu *gpu;
	struct dv_lease *lease;

	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 5g.50gb}\n"
			    "  - {name: b, method: mig, profile: 2g.20gb, start: 1}\n"
			    "  - {name: c, method: mig, needs: {memory: 200GiB}}\n"
			    "  - {name: d, method: mig, profile: 1g.10gb, needs: {memory: 30GiB}}\n"
			    "  - {name: e, method: mig, profile: 1g.10gb, gpu: GPU-9}\n"
			    "  - {name: f, count: 2, method: mig, profile: 1g.10gb+me}\n");
	replan();
	check_said("a", "it has 1g.10gb", "the nearest here is '4g.40gb'");
	check_said("b", "only at 0 2 4", "with one of 0 2 4, or leave it out");
	check_said("c", "that much memory", "the largest, '7g.80gb', has 81152MiB");
	check_said("d", "has 9856MiB and 12", "'3g.40gb' has it");
	check_said("e", "names none", "name one of this machine's: 0");
	check_said("f-1", "limit of it is reached: instances of 1g.10gb+me, 1 at most",
		   "'1g.10gb' fits now");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 2, method: mig, profile: 7g.80gb}\n");
	replan();
	check_said("a-1", "7g.80gb needs 8 memory slices of a GPU, and none is free", "");
	world_fleet(&world, "tenants: []\n");
	/* Who is in the way is named. */
	gpu = &world.gpus.items[0];
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "1g.10gb", .profile_id = 19, .start = 1, .size = 1};
	lease = world_lease(&world, "other", "", "GPU-1/p5+1", 9856 * DV_MIB, 0);
	lease->method = DV_METHOD_MIG;
	lease->pid_count = 1;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1g.10gb");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 3g.40gb}\n"
			    "  - {name: b, method: mig, profile: 1g.10gb, start: 5}\n");
	replan();
	check_said("a", "6 memory slices are free on GPU 0, but not together",
		   "would have to end: the partition at 1 that no lease stands for; or take less: "
		   "'2g.20gb' fits now");
	check_said("b", "on GPU 0 by 'other' (in use)", "is free on GPU 0; or leave 'start' out");
}

/* Of GPUs to name: those where it could be. */
static void test_gpus_to_name(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_mig(&world, "GPU-2", DV_MIG_ON);
	world_mig(&world, "GPU-3", DV_MIG_ON);
	world_gpu(&world, "GPU-4", 8 * DV_GIB);
	world_cpu(&world, "CPU-5", 8 * DV_GIB, 4);
	world_fleet(&world, "gpus:\n"
			    "  - {match: {index: 0}, methods: [mig]}\n"
			    "  - {match: {index: 2}, methods: [slice]}\n"
			    "  - {match: {index: 3}}\n"
			    "  - {match: {index: 4}}\n"
			    "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb, gpu: 1}\n"
			    "  - {name: b, method: mig, profile: 9g.99gb, gpu: 1}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S18");
	assert_string_equal(unplaced_of(&plan, "a")->fix, "name one of this machine's: 0");
	assert_string_equal(unplaced_of(&plan, "b")->fix, "");
}

static void fill_up(struct dv_gpu *gpu, unsigned profile_id, unsigned start, unsigned size)
{
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile_id = profile_id, .start = (uint8_t)start, .size = (uint8_t)size};
}

/* More GPUs than are looked at to say why: those with the most free have the say. */
static void test_reason_of_many(void **state)
{
	char uuid[16];

	for (unsigned g = 0; g < 66; g++) {
		struct dv_gpu *gpu;

		(void)snprintf(uuid, sizeof(uuid), "GPU-%u", g);
		gpu = world_mig(&world, uuid, DV_MIG_ON);
		if (g < 65) {
			fill_up(gpu, 0, 0, 8);
			continue;
		}
		fill_up(gpu, 19, 1, 1);
		fill_up(gpu, 19, 5, 1);
	}
	world_fleet(&world, "tenants: [{name: a, method: mig, profile: 3g.40gb}]\n");
	replan();
	check_said("a", "6 memory slices are free on GPU 65, but not together",
		   "on GPU 65 these would have to end: the partition at 1");
}

/* Instances that no lease stands for are somebody's. */
static void test_strangers_stay(void **state)
{
	struct dv_gpu *gpu = world_mig(&world, "GPU-1", DV_MIG_ON);

	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "3g.40gb", .profile_id = 9, .start = 0, .size = 4};
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 2, method: mig, profile: 3g.40gb}\n"
			    "  - {name: b, needs: {isolation: dedicated}}\n");
	replan();
	assert_int_equal(plan.assignments.len, 1);
	assert_int_equal(plan.assignments.items[0].start, 4);
	assert_non_null(unplaced_of(&plan, "b"));
	assert_int_equal(steps_of("mig.destroy"), 0);
}

/* To add one, only what must go goes: here nothing; and what stands keeps its place. */
static void test_what_stands_is_kept(void **state)
{
	struct dv_lease *lease;

	world_mig(&world, "GPU-1", DV_MIG_ON);
	lease = world_lease(&world, "a", "lab", "GPU-1/p5+1", 9856 * DV_MIB, 0);
	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1g.10gb");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n"
			    "  - {name: b, method: mig, profile: 3g.40gb}\n");
	replan();
	assert_int_equal(plan.kept, 1);
	assert_int_equal(plan.steps.len, 1);
	assert_int_equal(plan_of(&plan, "b")->start, 0);
	world_apply(&world, &plan, NULL);
}

static void test_moves_when_it_must(void **state)
{
	struct dv_lease *lease;

	world_mig(&world, "GPU-1", DV_MIG_ON);
	lease = world_lease(&world, "a", "lab", "GPU-1/p1+1", 9856 * DV_MIB, 0);
	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1g.10gb");
	/* Nobody moves without being asked; what would help is said. */
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n"
			    "  - {name: b, method: mig, profile: 4g.40gb}\n");
	replan();
	assert_int_equal(plan.kept, 1);
	assert_string_equal(plan.unplaced.items[0].fix,
			    "let the fleet say 'moves: 1': 'a' would make room");
	/* Not while it is in use, nor if it says never. */
	world_fleet(&world, "moves: 1\n"
			    "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb, move: never}\n"
			    "  - {name: b, method: mig, profile: 4g.40gb}\n");
	replan();
	assert_int_equal(plan.kept, 1);
	assert_string_equal(plan.unplaced.items[0].fix, "take less: '3g.40gb' fits now");
	world_fleet(&world, "moves: 1\n"
			    "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n"
			    "  - {name: b, method: mig, profile: 4g.40gb}\n");
	world.leases.items[0].pid_count = 1;
	replan();
	assert_int_equal(plan.kept, 1);
	assert_non_null(strstr(plan.unplaced.items[0].fix, "'move: running'"));
	/* Unless it says that it may. */
	world_fleet(&world, "moves: 1\n"
			    "defaults: {move: running}\n"
			    "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n"
			    "  - {name: b, method: mig, profile: 4g.40gb}\n");
	world.leases.items[0].pids[0] = 77;
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.steps.items[0].disturb_count, 1);
	assert_string_equal(plan_of(&plan, "a")->reason,
			    "moves from GPU 0 at 1 to make room for 'b'; interrupts pid 77");
	world.leases.items[0].pid_count = 0;
	replan();
	assert_string_equal(plan_of(&plan, "a")->reason,
			    "moves from GPU 0 at 1 to make room for 'b'; nobody uses it");
	assert_string_equal(plan_of(&plan, "a")->from, "GPU-1/p1+1");
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.kept, 0);
	assert_int_equal(plan.steps.len, 3);
	assert_string_equal(plan.steps.items[0].op, "mig.destroy");
	assert_string_equal(plan.steps.items[0].profile, "1g.10gb");
	assert_int_equal(plan_of(&plan, "b")->start, 0);
	assert_true(plan_of(&plan, "a")->start >= 4);
	world_apply(&world, &plan, NULL);
}

/* Fifty-six on eight GPUs: beyond what is searched through, and still none is lost. */
static void test_eight_times_seven(void **state)
{
	char uuid[16];

	for (int i = 0; i < 8; i++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%d", i);
		world_mig(&world, uuid, DV_MIG_ON);
	}
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 56, method: mig, profile: 1g.10gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 56);
	assert_int_equal(plan.gpus_used, 8);
	assert_int_equal(plan.bound_gpus, 8);
	assert_true(plan.bound_proven);
	check_apart();
	world_apply(&world, &plan, NULL);
}

/* Many of unlike size, on the fewest GPUs, where taking the largest first needs one more; and what
 * binds is said of those that are left out. */
static void test_batch(void **state)
{
	char uuid[16];

	for (int i = 0; i < 10; i++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%d", i);
		world_mig(&world, uuid, DV_MIG_ON);
	}
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 6, method: mig, profile: 3g.40gb}\n"
			    "  - {name: b, count: 6, method: mig, profile: 2g.20gb}\n"
			    "  - {name: c, count: 9, method: mig, needs: {memory: 9GiB}}\n"
			    "  - {name: d, count: 3, method: mig, needs: {memory: 39GiB}}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_true(plan.bound_proven);
	assert_int_equal(plan.gpus_used, plan.bound_gpus);
	check_apart();
	world_apply(&world, &plan, NULL);
	/* As it stands it stays, and one more finds what binds. */
	world_fleet(&world, "tenants:\n"
			    "  - {name: e, count: 60, method: mig, profile: 2g.20gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 30);
	assert_int_equal(plan.unplaced.len, 30);
	/* Two slices are free on each, but a fourth 2g has no place there. */
	assert_string_equal(plan.unplaced.items[0].rules[0], "M04");
	assert_non_null(strstr(plan.unplaced.items[0].reason, "2 memory slices are free"));
	world_fleet(&world, "tenants:\n"
			    "  - {name: f, count: 11, method: mig, profile: 7g.80gb}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 1);
	assert_string_equal(plan.unplaced.items[0].rules[0], "S01");
	assert_non_null(strstr(plan.unplaced.items[0].reason, "needs 8 memory slices"));
}

/* The mode by itself: a wish of the fleet's gpus:, with nobody there. */
static void test_mode_alone(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_OFF);
	world_mig(&world, "GPU-2", DV_MIG_ON);
	world_mig(&world, "GPU-3", DV_MIG_ON);
	world_fleet(&world, "gpus:\n"
			    "  - {match: {uuid: GPU-1}, mig: on}\n"
			    "  - {match: {uuid: GPU-2}, mig: off}\n"
			    "tenants: []\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.steps.len, 2);
	assert_string_equal(plan.steps.items[0].op, "mig.enable");
	assert_string_equal(plan.steps.items[0].gpu_uuid, "GPU-1");
	assert_string_equal(plan.steps.items[0].undo, "mig.disable");
	assert_string_equal(plan.steps.items[1].op, "mig.disable");
	assert_string_equal(plan.steps.items[1].gpu_uuid, "GPU-2");
	assert_string_equal(plan.steps.items[1].undo, "mig.enable");
	/* What is so already needs no step. */
	world.gpus.items[0].mig.mode = DV_MIG_ON;
	world.gpus.items[1].mig.mode = DV_MIG_OFF;
	replan();
	assert_int_equal(plan.steps.len, 0);
}

/* Off comes after the fleet's own partitions have gone, and nobody gets new ones there. */
static void test_mode_off_after_the_last(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_lease(&world, "a", "lab", "GPU-1/p0+4", 40 * DV_GIB, 0);
	world_lease(&world, "b", "lab", "GPU-1/p6+1", 10 * DV_GIB, 0);
	for (size_t i = 0; i < 2; i++) {
		world.leases.items[i].method = DV_METHOD_MIG;
		(void)dv_copy(world.leases.items[i].profile, DV_PROFILE_SIZE,
			      i ? "1g.10gb" : "3g.40gb");
	}
	world_fleet(&world, "gpus:\n"
			    "  - mig: off\n"
			    "tenants: []\n");
	replan();
	assert_int_equal(plan.steps.len, 3);
	assert_string_equal(plan.steps.items[2].op, "mig.disable");
	assert_int_equal(plan.steps.items[2].needs[0], 2);
	world_fleet(&world, "gpus:\n"
			    "  - mig: off\n"
			    "tenants:\n"
			    "  - {name: c, method: mig, profile: 1g.10gb}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "c")->rules[0], "G09");
	assert_non_null(strstr(unplaced_of(&plan, "c")->reason, "do not allow"));
}

static const struct dv_unplaced *mode_refused(const char *rule, const char *why)
{
	const struct dv_unplaced *gpu = NULL;

	replan();
	for (size_t i = 0; i < plan.unplaced.len; i++)
		if (strncmp(plan.unplaced.items[i].tenant, "GPU ", 4) == 0)
			gpu = &plan.unplaced.items[i];
	assert_non_null(gpu);
	assert_string_equal(gpu->rules[0], rule);
	if (!strstr(gpu->reason, why))
		fail_msg("'%s' does not say '%s'", gpu->reason, why);
	assert_int_equal(steps_of("mig.enable") + steps_of("mig.disable"), 0);
	return gpu;
}

static void test_mode_that_cannot_be(void **state)
{
	struct dv_gpu *gpu = world_mig(&world, "GPU-1", DV_MIG_ON);
	struct dv_lease *lease;

	world_fleet(&world, "gpus: [{mig: off}]\ntenants: []\n");
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "3g.40gb", .profile_id = 9, .start = 0, .size = 4};
	assert_string_equal(mode_refused("M05", "1 partition that no lease stands for")->tenant,
			    "GPU 0");
	gpu->mig.instance_count = 0;
	lease = world_lease(&world, "a", "other", "GPU-1/p0+4", 40 * DV_GIB, 0);
	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "3g.40gb");
	mode_refused("S01", "1 partition of it is leased");
	world.leases.len = 0;
	(void)dv_copy(gpu->quarantine, sizeof(gpu->quarantine), "a step failed");
	mode_refused("S11", "in quarantine: a step failed");
	gpu->quarantine[0] = '\0';
	(void)dv_copy(gpu->owned_by, sizeof(gpu->owned_by), "user 7");
	mode_refused("S05", "another divvyd owns it: user 7");
	gpu->owned_by[0] = '\0';
	world_fleet(&world, "gpus: [{mig: on}]\ntenants: []\n");
	gpu->mig.mode = DV_MIG_NONE;
	gpu->methods[gpu->method_count - 1].ok = false;
	mode_refused("M02", "turned on: it has no MIG");
	gpu->mig.mode = DV_MIG_OFF;
	gpu->methods[gpu->method_count - 1].ok = true;
	world_lease(&world, "w", "", "GPU-1", 0, 0);
	mode_refused("S02", "divided in another way by 1 lease");
}

/* Exact places and named GPUs of a fleet that is too large to be searched through: proven, and on
 * fewer GPUs than taking the largest first would need. */
static void test_exact_places_of_many(void **state)
{
	char uuid[16];

	for (int i = 0; i < 8; i++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%d", i);
		world_mig(&world, uuid, DV_MIG_ON);
	}
	world_fleet(&world,
		    "tenants:\n"
		    "  - {name: p, count: 3, method: mig, profile: 2g.20gb, start: 2}\n"
		    "  - {name: q, count: 2, method: mig, profile: 1g.10gb, start: 6, gpu: GPU-7}\n"
		    "  - {name: r, count: 4, method: mig, profile: 1g.10gb, gpu: GPU-5}\n"
		    "  - {name: s, count: 5, method: mig, profile: 3g.40gb}\n"
		    "  - {name: w, gpus: 1}\n"
		    "  - {name: t, count: 9, method: mig, profile: 1g.10gb}\n");
	world.gpus.items[0].mig.mode = DV_MIG_OFF;
	replan();
	/* Only one can begin at 6 on GPU-7. */
	assert_int_equal(plan.unplaced.len, 1);
	assert_string_equal(plan.unplaced.items[0].tenant, "q-1");
	assert_int_equal(plan.bound, DV_BOUND_OPTIMAL);
	assert_true(plan.bound_proven);
	for (size_t i = 0; i < plan.assignments.len; i++) {
		const struct dv_assignment *a = &plan.assignments.items[i];

		if (a->tenant[0] == 'p')
			assert_int_equal(a->start, 2);
		if (a->tenant[0] == 'r')
			assert_string_equal(a->gpu_uuid, "GPU-5");
	}
	assert_string_equal(plan_of(&plan, "w")->gpu_uuid, "GPU-0");
	world_apply(&world, &plan, NULL);
}

static const char *place_of(const char *tenant)
{
	return strchr(plan_of(&plan, tenant)->node, '/') + 1;
}

/* A lease whose partition somebody took is made anew, beside what stands there by now. */
static void test_missing(void **state)
{
	struct dv_gpu *gpu = world_mig(&world, "GPU-1", DV_MIG_ON);
	struct dv_differences differences;
	struct dv_lease *lease;

	lease = world_lease(&world, "a", "lab", "GPU-1/p0+4", 40320 * DV_MIB, 0);
	lease->method = DV_METHOD_MIG;
	lease->missing = true;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "3g.40gb");
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "4g.40gb", .profile_id = 5, .start = 0, .size = 4};
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 3g.40gb}\n");
	replan();
	assert_int_equal(plan.kept, 0);
	assert_int_equal(plan.steps.len, 2);
	assert_string_equal(plan.steps.items[0].op, "mig.destroy");
	assert_string_equal(place_of("a"), "p4+4");
	assert_int_equal(dv_diff_make(&plan, &world.leases, &differences, NULL), 0);
	assert_string_equal(differences.items[0].what, "partition");
	assert_string_equal(differences.items[0].actual, "not there");
	dv_vec_fini(&differences);
}

/* The mode went in a reboot, and with it what another fleet has: whoever wants something there
 * turns it on beside that one's places, and nobody else does. */
static void test_missing_of_others(void **state)
{
	struct dv_lease *lease;

	world_mig(&world, "GPU-1", DV_MIG_OFF);
	lease = world_lease(&world, "a", "other", "GPU-1/p0+4", 40320 * DV_MIB, 0);
	lease->method = DV_METHOD_MIG;
	lease->missing = true;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "3g.40gb");
	world_fleet(&world, "tenants:\n"
			    "  - {name: b, method: mig, profile: 3g.40gb}\n");
	replan();
	assert_int_equal(plan.steps.len, 2);
	assert_string_equal(plan.steps.items[0].op, "mig.enable");
	assert_string_equal(place_of("b"), "p4+4");
	world_fleet(&world, "tenants: []\n");
	replan();
	assert_int_equal(plan.steps.len, 0);
	world_fleet(&world, "gpus: [{mig: on}]\ntenants: []\n");
	replan();
	assert_int_equal(steps_of("mig.enable"), 1);
}

/* Compute instances fill one partition before there is another. */
static void test_parts(void **state)
{
	const struct dv_assignment *a;
	char of_c[DV_NODE_SIZE];

	world_mig(&world, "GPU-1", DV_MIG_OFF);
	world_mig(&world, "GPU-2", DV_MIG_OFF);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 3, method: mig, profile: 1c.3g.40gb}\n"
			    "  - {name: b, method: mig, profile: 2c.3g.40gb}\n"
			    "  - {name: c, method: mig, profile: 1c.3g.40gb, start: 4}\n");
	replan();
	check_apart();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.gpus_used, 1);
	assert_true(plan.bound_proven);
	assert_int_equal(steps_of("mig.enable"), 1);
	assert_int_equal(steps_of("mig.ci_create"), 5);
	assert_int_equal(plan.steps.len, 6);
	assert_string_equal(plan.steps.items[1].undo, "mig.ci_destroy");
	a = plan_of(&plan, "a-0");
	assert_string_equal(a->profile, "1c.3g.40gb");
	assert_int_equal(a->compute_slices, 1);
	assert_int_equal(a->memory_bytes, 40320 * DV_MIB);
	assert_int_equal(a->isolation, DV_ISOLATION_MEMORY);
	assert_int_equal(a->isolates.quota, DV_HOLD_NONE);
	assert_int_equal(a->isolates.compute, DV_HOLD_HARDWARE);
	world_apply(&world, &plan, NULL);
	assert_int_equal(world.leases.items[0].memory_bytes, 0);

	(void)dv_copy(of_c, sizeof(of_c), place_of("c"));
	/* As it stands it is kept. One that goes makes room for one that comes. */
	replan();
	assert_int_equal(plan.kept, 5);
	assert_int_equal(plan.steps.len, 0);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 3, method: mig, profile: 1c.3g.40gb}\n"
			    "  - {name: b, method: mig, profile: 2c.3g.40gb}\n"
			    "  - {name: d, method: mig, profile: 1c.3g.40gb}\n");
	replan();
	assert_int_equal(plan.kept, 4);
	assert_int_equal(steps_of("mig.ci_destroy"), 1);
	assert_int_equal(steps_of("mig.ci_create"), 1);
	assert_string_equal(place_of("d"), of_c);
	world_apply(&world, &plan, NULL);
}

/* A partition that is somebody else's, or that all of is a lease's, takes no parts. */
static void test_parts_of_others(void **state)
{
	struct dv_lease *lease;

	world_mig(&world, "GPU-1", DV_MIG_ON);
	lease = world_lease(&world, "x", "", "GPU-1/p0+4/c0+1", 0, 0);
	lease->method = DV_METHOD_MIG;
	lease->uid = 4711;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1c.3g.40gb");
	lease = world_lease(&world, "y", "", "GPU-1/p4+2/c0+1", 0, 0);
	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1c.2g.20gb");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1c.3g.40gb}\n"
			    "  - {name: b, method: mig, profile: 1c.2g.20gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 1);
	assert_string_equal(place_of("b"), "p4+2/c1+1");
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S01");
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "no partition 3g.40gb"));
	world_apply(&world, &plan, NULL);
}

/* A stranger's compute instance beside the fleet's own: it stays, and nobody is put over it. */
static void test_parts_beside_strangers(void **state)
{
	struct dv_gpu *gpu = world_mig(&world, "GPU-1", DV_MIG_ON);
	struct dv_lease *lease = world_lease(&world, "a", "lab", "GPU-1/p0+4/c0+1", 0, 0);

	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1c.3g.40gb");
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "3g.40gb", .id = 1, .profile_id = 9, .start = 0, .size = 4};
	for (uint8_t i = 0; i < 2; i++)
		gpu->mig.computes[gpu->mig.compute_count++] =
			(struct dv_mig_compute){.instance = 1, .id = i, .start = i, .size = 1};
	world_fleet(&world, "gpus: [{mig: off}]\n"
			    "tenants: [{name: b, method: mig, profile: 1c.3g.40gb}]\n");
	replan();
	/* The fleet's own ends; the partition stays, for the stranger's sake. */
	assert_string_equal(plan.unplaced.items[plan.unplaced.len - 1].rules[0], "M05");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1c.3g.40gb}\n"
			    "  - {name: b, count: 2, method: mig, profile: 1c.3g.40gb}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.kept, 1);
	check_apart();
	assert_string_equal(place_of("b-0"), "p0+4/c2+1");
	assert_memory_equal(place_of("b-1"), "p4+4/", 5);
	/* With the fleet's own gone there are but two left in it, and no whole one. */
	world_fleet(&world, "tenants:\n"
			    "  - {name: b, method: mig, profile: 3g.40gb}\n"
			    "  - {name: c, count: 3, method: mig, profile: 1c.3g.40gb}\n");
	replan();
	assert_string_equal(place_of("b"), "p4+4");
	assert_int_equal(plan.assignments.len, 3);
	check_apart();
	/* What somebody else's lease is in takes nothing, whoever else is. */
	lease = world_lease(&world, "x", "", "GPU-1/p0+4/c2+1", 0, 0);
	lease->method = DV_METHOD_MIG;
	lease->uid = 4711;
	(void)dv_copy(lease->profile, sizeof(lease->profile), "1c.3g.40gb");
	world_fleet(&world, "tenants: [{name: c, method: mig, profile: 1c.3g.40gb}]\n");
	replan();
	assert_memory_equal(place_of("c"), "p4+4/", 5);
}

static void test_parts_refused(void **state)
{
	const struct {
		const char *tenant, *rule, *says;
	} cases[] = {
		{"{name: a, method: mig, profile: 1c.5g.50gb}", "M01", "no profile '5g.50gb'"},
		{"{name: a, method: mig, profile: 3c.3g.40gb}", "M01", "say '3g.40gb'"},
		{"{name: a, method: mig, profile: 3c.4g.40gb}", "M01",
		 "it has 1c.4g.40gb 2c.4g.40gb"},
		{"{name: a, method: mig, profile: 1c.1g.20gb}", "M01", "say '1g.20gb'"},
		{"{name: a, method: mig, profile: 1c.3g.40gb, start: 2}", "M04", "only at 0 4"},
		{"{name: a, method: mig, profile: 1c.3g.40gb, needs: {isolation: hardware}}", "G10",
		 "a part of a partition on GPU 0 holds memory"},
		{"{name: a, method: mig, profile: 1c.3g.40gb, needs: {compute: 20%}}", "M04",
		 "15.151% of compute: less than is asked for"},
	};

	world_mig(&world, "GPU-1", DV_MIG_ON);
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		char text[160];

		(void)snprintf(text, sizeof(text), "tenants:\n  - %s\n", cases[i].tenant);
		world_fleet(&world, text);
		replan();
		assert_int_equal(plan.assignments.len, 0);
		assert_string_equal(plan.unplaced.items[0].rules[0], cases[i].rule);
		if (!strstr(plan.unplaced.items[0].reason, cases[i].says))
			fail_msg("%s", plan.unplaced.items[0].reason);
	}
	for (unsigned i = 0; i < world.gpus.items[0].mig.profile_count; i++)
		memset(world.gpus.items[0].mig.profiles[i].parts, 0, DV_MIG_PARTS_MOST);
	world_fleet(&world, "tenants:\n  - {name: a, method: mig, profile: 1c.3g.40gb}\n");
	replan();
	assert_string_equal(plan.unplaced.items[0].rules[0], "M03");
}

/* Seven of one slice and the ways between, on a partition that is the whole GPU. */
static void test_parts_fit(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1c.7g.80gb}\n"
			    "  - {name: b, count: 2, method: mig, profile: 2c.7g.80gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 3);
	world_apply(&world, &plan, NULL);
	/* What stands left the most room. */
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1c.7g.80gb}\n"
			    "  - {name: b, count: 2, method: mig, profile: 2c.7g.80gb}\n"
			    "  - {name: c, method: mig, profile: 2c.7g.80gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 4);
	assert_int_equal(plan.kept, 3);
	world_apply(&world, &plan, NULL);
	world_fleet(&world, "tenants:\n"
			    "  - {name: d, count: 8, method: mig, profile: 1c.7g.80gb}\n");
	replan();
	assert_int_equal(plan.assignments.len, 7);
	assert_int_equal(plan.unplaced.len, 1);
	world_apply(&world, &plan, NULL);
}

/* Parts of partitions beside many others: those are a batch, and what is said of it holds. */
static void test_parts_beside_many(void **state)
{
	char uuid[16];

	for (int i = 0; i < 6; i++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%d", i);
		world_mig(&world, uuid, DV_MIG_ON);
	}
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, count: 5, method: mig, profile: 3g.40gb}\n"
			    "  - {name: b, count: 6, method: mig, profile: 2g.20gb}\n"
			    "  - {name: c, count: 5, method: mig, needs: {memory: 9GiB}}\n"
			    "  - {name: p, count: 3, method: mig, profile: 1c.3g.40gb}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_not_equal(plan.bound, DV_BOUND_HEURISTIC);
	/* 5 * 4 + 6 * 2 + 5 cells, the parts' partition aside. */
	assert_true(plan.bound_gpus >= 5);
	assert_true(plan.gpus_used <= 6);
	world_apply(&world, &plan, NULL);
}

static void stands(const char *name, const char *node, const char *profile)
{
	struct dv_lease *lease = world_lease(&world, name, "lab", node, 9856 * DV_MIB, 0);

	lease->method = DV_METHOD_MIG;
	(void)dv_copy(lease->profile, sizeof(lease->profile), profile);
}

static uint32_t freed(const char *profile, bool after)
{
	for (size_t i = 0; i < plan.freed.len; i++)
		if (strcmp(plan.freed.items[i].profile, profile) == 0)
			return after ? plan.freed.items[i].after : plan.freed.items[i].before;
	return UINT32_MAX;
}

/* Two small ones in the middle of two GPUs; asked for, one of them moves, and that is said. */
static void test_defragment(void **state)
{
	static const char text[] = "tenants:\n"
				   "  - {name: a, method: mig, profile: 1g.10gb}\n"
				   "  - {name: b, method: mig, profile: 1g.10gb}\n";

	world_mig(&world, "GPU-1", DV_MIG_ON);
	world_mig(&world, "GPU-2", DV_MIG_ON);
	stands("a", "GPU-1/p1+1", "1g.10gb");
	stands("b", "GPU-2/p1+1", "1g.10gb");
	world_fleet(&world, text);
	replan();
	assert_int_equal(plan.steps.len, 0);
	assert_false(plan.defragments);
	world.defragment = true;
	replan();
	assert_true(plan.defragments);
	assert_true(plan.steps.len > 0);
	assert_int_equal(freed("7g.80gb", false), 0);
	assert_int_equal(freed("7g.80gb", true), 1);
	for (size_t i = 0; i < plan.assignments.len; i++)
		if (!plan.assignments.items[i].kept)
			assert_non_null(strstr(plan.assignments.items[i].reason,
					       "to leave more room in one piece; nobody uses it"));
	assert_int_equal(plan.gpus_used, 1);
	world_apply(&world, &plan, NULL);
	/* Once is enough. */
	replan();
	assert_int_equal(plan.steps.len, 0);
	assert_int_equal(plan.freed.len, 0);
}

/* What is in use, has an exact place, or is not to move, stays; so does what is somebody else's. */
static void test_defragment_leaves_alone(void **state)
{
	struct dv_gpu *gpu;

	world_mig(&world, "GPU-1", DV_MIG_ON);
	gpu = world_mig(&world, "GPU-2", DV_MIG_ON);
	gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
		.profile = "1g.10gb", .profile_id = 19, .start = 1, .size = 1};
	world.defragment = true;
	stands("a", "GPU-1/p1+1", "1g.10gb");
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb, start: 1}\n");
	replan();
	assert_int_equal(plan.steps.len, 0);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb, move: never}\n");
	replan();
	assert_int_equal(plan.steps.len, 0);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n");
	world.leases.items[0].pid_count = 1;
	replan();
	assert_int_equal(plan.steps.len, 0);
	world.leases.items[0].pid_count = 0;
	replan();
	assert_int_equal(plan.steps.len, 2);
	/* A number that the fleet says is a limit here too. */
	world_fleet(&world, "moves: 1\n"
			    "tenants:\n"
			    "  - {name: a, method: mig, profile: 1g.10gb}\n");
	replan();
	assert_int_equal(plan.steps.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_mode_alone, tear_down),
		cmocka_unit_test_teardown(test_mode_off_after_the_last, tear_down),
		cmocka_unit_test_teardown(test_mode_that_cannot_be, tear_down),
		cmocka_unit_test_teardown(test_smallest_that_serves, tear_down),
		cmocka_unit_test_teardown(test_where_the_driver_dead_ends, tear_down),
		cmocka_unit_test_teardown(test_mode_is_turned_on_once, tear_down),
		cmocka_unit_test_teardown(test_exact_place, tear_down),
		cmocka_unit_test_teardown(test_refusals, tear_down),
		cmocka_unit_test_teardown(test_ways_out, tear_down),
		cmocka_unit_test_teardown(test_gpus_to_name, tear_down),
		cmocka_unit_test_teardown(test_reason_of_many, tear_down),
		cmocka_unit_test_teardown(test_strangers_stay, tear_down),
		cmocka_unit_test_teardown(test_what_stands_is_kept, tear_down),
		cmocka_unit_test_teardown(test_moves_when_it_must, tear_down),
		cmocka_unit_test_teardown(test_eight_times_seven, tear_down),
		cmocka_unit_test_teardown(test_batch, tear_down),
		cmocka_unit_test_teardown(test_exact_places_of_many, tear_down),
		cmocka_unit_test_teardown(test_missing, tear_down),
		cmocka_unit_test_teardown(test_missing_of_others, tear_down),
		cmocka_unit_test_teardown(test_parts_beside_many, tear_down),
		cmocka_unit_test_teardown(test_defragment, tear_down),
		cmocka_unit_test_teardown(test_defragment_leaves_alone, tear_down),
		cmocka_unit_test_teardown(test_parts, tear_down),
		cmocka_unit_test_teardown(test_parts_of_others, tear_down),
		cmocka_unit_test_teardown(test_parts_beside_strangers, tear_down),
		cmocka_unit_test_teardown(test_parts_refused, tear_down),
		cmocka_unit_test_teardown(test_parts_fit, tear_down),
	};

	return cmocka_run_group_tests_name("plan/mig", tests, NULL, NULL);
}
