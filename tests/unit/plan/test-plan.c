/* SPDX-License-Identifier: Apache-2.0 */
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

/* There must be one. */
static const struct dv_step *step_for(const char *tenant, const char *op)
{
	size_t i = 0;

	while (i < plan.steps.len && (strcmp(plan.steps.items[i].tenant, tenant) != 0 ||
				      strcmp(plan.steps.items[i].op, op) != 0))
		i++;
	assert_true(i < plan.steps.len);
	return &plan.steps.items[i];
}

static bool needs(const struct dv_step *step, const struct dv_step *before)
{
	for (unsigned i = 0; i < step->need_count; i++) {
		const struct dv_step *one = &plan.steps.items[step->needs[i] - 1];

		if (one == before || needs(one, before))
			return true;
	}
	return false;
}

static void test_slices(void **state)
{
	const struct dv_assignment *a;

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 2GiB, compute: 25%}}\n"
			    "  - {name: b, count: 2, policy: fixed-share,\n"
			    "     needs: {memory: 1GiB, compute: 10%}}\n");
	replan();
	assert_int_equal(plan.assignments.len, 3);
	assert_int_equal(plan.steps.len, 3);
	assert_int_equal(plan.gpus_used, 1);
	assert_int_equal(plan.bound_gpus, 1);
	assert_true(plan.bound_proven);
	assert_true(plan.waste_memory_bytes == 4 * DV_GIB);
	assert_int_equal(plan.waste_mpct, 55000);
	a = plan_of(&plan, "b-1");
	assert_int_equal(a->method, DV_METHOD_SLICE);
	assert_int_equal(a->policy, DV_POLICY_FIXED_SHARE);
	assert_true(a->has_policy);
	assert_int_equal(a->compute_mpct, 10000);
	assert_string_equal(a->node, "");
	assert_int_equal(a->isolation, DV_ISOLATION_MEMORY);
	assert_int_equal(a->derived_count, 0);
	assert_string_equal(plan.steps.items[0].op, "slice.create");
	assert_string_equal(plan.steps.items[0].undo, "slice.destroy");
	world_apply(&world, &plan, NULL);
	/* What stands as wanted stays. */
	replan();
	assert_int_equal(plan.kept, 3);
	assert_int_equal(plan.steps.len, 0);
}

static void test_partitions(void **state)
{
	const struct dv_assignment *a;

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_fleet(&world, "defaults: {method: partition}\n"
			    "tenants:\n"
			    "  - {name: small, needs: {compute: 20%}}\n"
			    "  - {name: large, needs: {compute: 50%, memory: 1GiB}}\n"
			    "  - {name: unsaid}\n");
	replan();
	assert_int_equal(plan.assignments.len, 3);
	a = plan_of(&plan, "large");
	assert_int_equal(a->size, 2);
	assert_string_equal(a->node, "CPU-1/p0+2");
	assert_int_equal(a->compute_mpct, 50000);
	assert_true(a->memory_bytes == DV_GIB);
	a = plan_of(&plan, "small");
	assert_int_equal(a->size, 1); /* 20 % of 4, rounded up */
	assert_true(a->memory_bytes == 2 * DV_GIB);
	assert_false(a->has_policy);
	/* No cgroup can be made here, so its CPUs are kept by its good will alone. */
	assert_int_equal(a->isolates.compute, DV_HOLD_COOPERATIVE);
	assert_int_equal(a->isolates.quota, DV_HOLD_COOPERATIVE);
	assert_int_equal(a->isolates.bandwidth, DV_HOLD_NONE);
	assert_string_equal(step_for("large", "partition.create")->node, "CPU-1/p0+2");
	assert_int_equal(plan.waste_mpct, 0);
	world_apply(&world, &plan, NULL);
	replan();
	assert_int_equal(plan.kept, 3);
}

static void test_partition_by_memory(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: partition, needs: {memory: 5GiB}}\n");
	replan();
	assert_int_equal(plan_of(&plan, "a")->size, 3); /* 2 GiB for each CPU */
}

static void test_whole(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {isolation: dedicated}}\n");
	replan();
	assert_int_equal(plan_of(&plan, "a")->method, DV_METHOD_PASSTHROUGH);
	assert_string_equal(plan_of(&plan, "a")->node, "CPU-1");
	assert_true(plan_of(&plan, "a")->memory_bytes == 8 * DV_GIB);
	assert_string_equal(plan.steps.items[0].op, "whole.create");
	assert_int_equal(plan.waste_memory_bytes, 0);
	world_apply(&world, &plan, NULL);
	replan();
	assert_int_equal(plan.kept, 1);
}

static void test_several_whole(void **state)
{
	for (int i = 0; i < 4; i++) {
		char uuid[16];

		(void)snprintf(uuid, sizeof(uuid), "GPU-%d", i);
		world_gpu(&world, uuid, 80 * DV_GIB);
	}
	world_lease(&world, "x", "", "GPU-1/s90", DV_GIB, 1000);
	world_fleet(&world, "tenants:\n"
			    "  - {name: two, gpus: 2}\n"
			    "  - {name: three, gpus: 3}\n");
	replan();
	assert_int_equal(plan.assignments.len, 2);
	assert_string_equal(unplaced_of(&plan, "three")->rules[0], "S01");
	assert_string_equal(unplaced_of(&plan, "three")->reason,
			    "it needs 3 whole GPUs, and of the 4 that it may use only 1 is free");
	world_apply(&world, &plan, NULL);
	assert_string_equal(world.leases.items[2].name, "two.1");
	replan();
	assert_int_equal(plan.kept, 2);
	/* It wants one more: the two it has stay. */
	world_fleet(&world, "tenants:\n  - {name: two, gpus: 3}\n");
	replan();
	assert_int_equal(plan.kept, 2);
	assert_int_equal(plan.steps.len, 1);
	world_apply(&world, &plan, NULL);
	/* And one more than there are: it gets none, as there is no half of a wish. */
	world_fleet(&world, "tenants:\n  - {name: two, gpus: 4}\n");
	replan();
	assert_int_equal(plan.assignments.len, 0);
	assert_int_equal(plan.unplaced.len, 1);
}

/* A GPU is divided in one way at a time; each way gets a GPU of its own. */
static void test_one_way_for_each_gpu(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_cpu(&world, "CPU-2", 8 * DV_GIB, 4);
	world_cpu(&world, "CPU-3", 8 * DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: s, count: 3, needs: {memory: 1GiB, compute: 10%}}\n"
			    "  - {name: p, count: 2, method: partition, needs: {compute: 25%}}\n"
			    "  - {name: w, needs: {isolation: dedicated}}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.gpus_used, 3);
	assert_true(plan.bound_proven);
	assert_string_equal(plan_of(&plan, "s-0")->gpu, plan_of(&plan, "s-2")->gpu);
	assert_string_equal(plan_of(&plan, "p-0")->gpu, plan_of(&plan, "p-1")->gpu);
	assert_string_not_equal(plan_of(&plan, "p-0")->gpu, plan_of(&plan, "s-0")->gpu);
	world_apply(&world, &plan, NULL);
}

static void test_division_changes(void **state)
{
	const struct dv_step *create;

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_lease(&world, "a", "lab", "CPU-1/s71", 2 * DV_GIB, 25000)->state = DV_LEASE_ACTIVE;
	world_lease(&world, "old", "lab", "CPU-1/s72", 2 * DV_GIB, 25000);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, method: partition, needs: {compute: 50%}}\n");
	replan();
	assert_int_equal(plan.steps.len, 3);
	create = step_for("a", "partition.create");
	assert_true(needs(create, step_for("a", "slice.destroy")));
	assert_true(needs(create, step_for("old", "slice.destroy")));
	/* Only who runs is disturbed. */
	assert_int_equal(step_for("a", "slice.destroy")->disturb_count, 1);
	assert_string_equal(step_for("a", "slice.destroy")->disturbs[0], "a");
	assert_int_equal(step_for("old", "slice.destroy")->disturb_count, 0);
	/* What is unmade can be made again. */
	assert_true(step_for("old", "slice.destroy")->lease.memory_bytes == 2 * DV_GIB);
	assert_string_equal(step_for("old", "slice.destroy")->lease.node, "CPU-1/s72");
	world_apply(&world, &plan, NULL);
}

static void test_changed_size(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_lease(&world, "a", "lab", "CPU-1/s71", 2 * DV_GIB, 25000);
	world_lease(&world, "b", "lab", "CPU-1/s72", 2 * DV_GIB, 25000);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 3GiB, compute: 25%}}\n"
			    "  - {name: b, needs: {memory: 2GiB}}\n");
	replan();
	assert_true(plan_of(&plan, "b")->kept);
	assert_false(plan_of(&plan, "a")->kept);
	assert_int_equal(plan.steps.len, 2);
	assert_true(needs(step_for("a", "slice.create"), step_for("a", "slice.destroy")));
	world_apply(&world, &plan, NULL);
}

/* What is not said is at least something, and an even part of what is left; one part stays. */
static void test_sizes_not_said(void **state)
{
	const struct dv_assignment *a;

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 2GiB, compute: 40%}}\n"
			    "  - {name: b, count: 2, needs: {memory: 1GiB}}\n"
			    "  - {name: c}\n");
	replan();
	a = plan_of(&plan, "b-0");
	assert_int_equal(a->compute_mpct, 15000);
	assert_int_equal(a->derived_count, 1);
	assert_string_equal(a->derived[0], "compute_pct");
	a = plan_of(&plan, "c");
	assert_true(a->memory_bytes == 2 * DV_GIB);
	assert_int_equal(a->derived_count, 2);
	assert_true(plan.waste_memory_bytes == 2 * DV_GIB);
	assert_int_equal(plan.waste_mpct, 15000);
	world_apply(&world, &plan, NULL);
	replan();
	assert_int_equal(plan.kept, 4);
	/* One more that does not fit: who did not say how much gives way, as few as need be. */
	world_fleet(&world, "moves: 9\n"
			    "tenants:\n"
			    "  - {name: a, needs: {memory: 2GiB, compute: 40%}}\n"
			    "  - {name: b, count: 2, needs: {memory: 1GiB}}\n"
			    "  - {name: c}\n"
			    "  - {name: d, needs: {memory: 3GiB, compute: 5%}}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.kept, 3);
	assert_false(plan_of(&plan, "c")->kept);
	world_apply(&world, &plan, NULL);
}

/* Where hardly anything is left, the least is what is given. */
static void test_least_sizes(void **state)
{
	world_cpu(&world, "CPU-1", DV_GIB, 4);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 512MiB, compute: 97%}}\n"
			    "  - {name: b, count: 3}\n");
	replan();
	assert_int_equal(plan.assignments.len, 3);
	assert_true(plan_of(&plan, "b-0")->memory_bytes == 256 * DV_MIB);
	assert_int_equal(plan_of(&plan, "b-0")->compute_mpct, 1000);
	assert_string_equal(unplaced_of(&plan, "b-2")->rules[0], "G01");
	world_apply(&world, &plan, NULL);
}

/* Room is made by moving what nobody uses, not what somebody does. */
static void test_moves_the_idle(void **state)
{
	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	world_lease(&world, "busy", "lab", "GPU-1/s71", 4 * DV_GIB, 10000)->pid_count = 1;
	world_lease(&world, "idle", "lab", "GPU-2/s72", 4 * DV_GIB, 10000);
	world_fleet(&world, "moves: 2\n"
			    "defaults: {move: running}\n"
			    "tenants:\n"
			    "  - {name: busy, needs: {memory: 4GiB, compute: 10%}}\n"
			    "  - {name: idle, needs: {memory: 4GiB, compute: 10%}}\n"
			    "  - {name: big, needs: {memory: 8GiB, compute: 10%}}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_true(plan_of(&plan, "busy")->kept);
	assert_string_equal(plan_of(&plan, "idle")->gpu, "0");
	assert_string_equal(plan_of(&plan, "big")->gpu, "1");
	assert_true(needs(step_for("big", "slice.create"), step_for("idle", "slice.destroy")));
	world_apply(&world, &plan, NULL);
}

static void test_others_stay(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_lease(&world, "theirs", "other", "CPU-1/s71", 6 * DV_GIB, 50000);
	world_lease(&world, "run", "", "CPU-1/s72", DV_GIB, 10000)->uid = 77;
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 1GiB, compute: 40%}}\n"
			    "  - {name: b, needs: {memory: 1GiB, compute: 1%}}\n"
			    "  - {name: run, needs: {memory: 1MiB}}\n"
			    "  - {name: p, method: partition}\n");
	replan();
	assert_int_equal(plan.assignments.len, 1);
	assert_string_equal(unplaced_of(&plan, "b")->rules[0], "G01");
	assert_string_equal(unplaced_of(&plan, "run")->rules[0], "S13");
	assert_string_equal(unplaced_of(&plan, "p")->rules[0], "S02");
	world_apply(&world, &plan, NULL);
	assert_int_equal(world.leases.len, 3);
}

static void test_gpu_rules(void **state)
{
	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	world_gpu(&world, "GPU-3", 8 * DV_GIB);
	world_fleet(&world, "gpus:\n"
			    "  - {match: {index: 1}, methods: [passthrough]}\n"
			    "  - {match: {uuid: GPU-3}}\n"
			    "tenants:\n"
			    "  - {name: a, needs: {memory: 8GiB}}\n"
			    "  - {name: b, needs: {memory: 1GiB}}\n"
			    "  - {name: w, gpus: 1}\n");
	replan();
	assert_string_equal(plan_of(&plan, "a")->gpu, "2");
	assert_string_equal(plan_of(&plan, "w")->gpu, "1");
	assert_string_equal(unplaced_of(&plan, "b")->rules[0], "G01");
	world_fleet(&world, "gpus:\n"
			    "  - {match: {index: 7}}\n"
			    "tenants:\n"
			    "  - {name: a}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S18");
}

/* Where a tenant says it; also where the best packing would be another, and two GPUs look alike. */
static void test_named_gpu(void **state)
{
	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	(void)dv_copy(world_cpu(&world, "CPU-3", 8 * DV_GIB, 4)->product,
		      sizeof(world.gpus.items->product), "AMD EPYC 9354");
	world_fleet(&world, "tenants:\n"
			    "  - {name: free, needs: {memory: 6GiB, compute: 60%}}\n"
			    "  - {name: by-index, gpu: 1, needs: {memory: 1GiB, compute: 20%}}\n"
			    "  - {name: by-uuid, gpu: gpu-1, needs: {memory: 1GiB, compute: 10%}}\n"
			    "  - {name: by-model, gpu: EPYC, method: partition,\n"
			    "     needs: {compute: 50%}}\n"
			    "  - {name: none, gpu: H100}\n"
			    "  - {name: other-method, gpu: 1, method: partition}\n");
	replan();
	assert_string_equal(plan_of(&plan, "by-index")->gpu, "1");
	assert_string_equal(plan_of(&plan, "by-uuid")->gpu, "0");
	assert_string_equal(plan_of(&plan, "by-model")->gpu, "2");
	assert_string_equal(unplaced_of(&plan, "none")->rules[0], "S18");
	assert_string_equal(unplaced_of(&plan, "none")->reason,
			    "its 'gpu: H100' names none of this machine's GPUs");
	assert_string_equal(unplaced_of(&plan, "other-method")->rules[0], "G09");
	assert_non_null(strstr(unplaced_of(&plan, "other-method")->reason, "on GPU 1"));
	assert_int_equal(plan.assignments.len, 4);
	assert_int_equal(plan.gpus_used, 3);
	world_apply(&world, &plan, NULL);
	replan();
	assert_int_equal(plan.kept, 4);
	assert_int_equal(plan.steps.len, 0);
	/* Named elsewhere it moves, and nobody else does. */
	world_fleet(&world,
		    "tenants:\n"
		    "  - {name: free, needs: {memory: 6GiB, compute: 60%}}\n"
		    "  - {name: by-index, gpu: 0, needs: {memory: 1GiB, compute: 20%}}\n"
		    "  - {name: by-uuid, gpu: gpu-1, needs: {memory: 1GiB, compute: 10%}}\n");
	replan();
	assert_string_equal(plan_of(&plan, "by-index")->gpu, "0");
	assert_int_equal(plan.kept, 2);
}

/* Two GPUs that look alike are not, once a tenant names one of them. */
static void test_named_of_two_alike(void **state)
{
	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	world_fleet(&world, "defaults: {method: passthrough}\n"
			    "tenants:\n"
			    "  - {name: first, needs: {memory: 8GiB}}\n"
			    "  - {name: named, gpu: 0}\n");
	replan();
	assert_string_equal(plan_of(&plan, "first")->gpu, "1");
	assert_string_equal(plan_of(&plan, "named")->gpu, "0");
}

/* Of the reasons that a named GPU and the others give, its own is told. */
static void test_named_but_not_allowed(void **state)
{
	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	world_fleet(&world, "gpus: [{match: {index: 0}}]\n"
			    "tenants: [{name: a, gpu: 1}]\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S18");
	assert_string_equal(unplaced_of(&plan, "a")->reason,
			    "the fleet's 'gpus:' do not name GPU 1");
}

static void test_no_gpus(void **state)
{
	world_fleet(&world, "tenants:\n  - {name: a}\n  - {name: b, gpus: 2}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 2);
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S18");
	assert_int_equal(plan.gpus_used, 0);
	assert_int_equal(plan.bound_gpus, 0);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *tenant, *rule, *words;
	} cases[] = {
		{"{name: a, kind: vm}", "G06", "virtual machine"},
		{"{name: a, kind: vm, gpus: 1}", "G08", "virtual machine"},
		{"{name: a, kind: vm, method: partition}", "G08", "virtual machine"},
		{"{name: a, needs: {isolation: hardware}}", "G10", "dedicated"},
		{"{name: a, method: mig}", "G09", "mig"},
		{"{name: a, method: slice, needs: {isolation: dedicated}}", "G10", "holds memory"},
		{"{name: a, method: partition, needs: {isolation: hardware}}", "G10",
		 "holds memory"},
		{"{name: a, needs: {memory: 9GiB}}", "G01", "8GiB"},
		{"{name: a, gpus: 2}", "S01",
		 "it needs 2 whole GPUs, and there is only 1 that it may use"},
		{"{name: a, method: passthrough, needs: {memory: 9GiB}}", "G01", "memory"},
		{"{name: a, method: partition, needs: {memory: 9GiB}}", "S04", "4 CPUs"},
	};
	char text[256];

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		const struct dv_unplaced *unplaced;

		(void)snprintf(text, sizeof(text), "tenants:\n  - %s\n", cases[i].tenant);
		world_fleet(&world, text);
		replan();
		assert_int_equal(plan.steps.len, 0);
		unplaced = unplaced_of(&plan, "a");
		assert_non_null(unplaced);
		assert_string_equal(unplaced->rules[0], cases[i].rule);
		if (!strstr(unplaced->reason, cases[i].words))
			fail_msg("%s: %s", cases[i].tenant, unplaced->reason);
	}
}

/* One is one: no "1 CPUs", no "1 whole GPUs". */
static void test_refusals_of_one(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 1);
	world_lease(&world, "x", "", "CPU-1/p0+1", 0, 0);
	world_fleet(&world, "tenants:\n"
			    "  - {name: w, gpus: 1}\n"
			    "  - {name: p, method: partition, needs: {compute: 100%}}\n"
			    "  - {name: q, method: partition, needs: {memory: 9GiB}}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "w")->reason,
			    "it needs a whole GPU, and the only one that it may use is in use");
	assert_string_equal(unplaced_of(&plan, "p")->reason, "it needs 1 CPU, and none is free");
	assert_string_equal(unplaced_of(&plan, "q")->reason,
			    "it needs more than the 1 CPU of the device");
}

static void test_refusals_of_the_device(void **state)
{
	struct dv_gpu *gpu = world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);

	world_fleet(&world, "tenants:\n  - {name: a}\n");
	(void)dv_copy(gpu->quarantine, sizeof(gpu->quarantine), "a step hung");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S11");
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "a step hung"));
	gpu->quarantine[0] = '\0';
	(void)dv_copy(gpu->owned_by, sizeof(gpu->owned_by), "user alice, pid 1");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S05");
	gpu->owned_by[0] = '\0';
	gpu->methods[1].ok = false;
	(void)dv_copy(gpu->methods[1].why, sizeof(gpu->methods[1].why), "no OpenCL driver");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "G09");
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "no OpenCL driver"));
}

/* What stands on a quarantined GPU stays; a changed one finds no new place, and is left alone. */
static void test_quarantined_stays(void **state)
{
	struct dv_gpu *gpu = world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);

	(void)dv_copy(gpu->quarantine, sizeof(gpu->quarantine), "a step hung");
	world_lease(&world, "a", "lab", "CPU-1/s71", 2 * DV_GIB, 25000);
	world_lease(&world, "b", "lab", "CPU-1/s72", 2 * DV_GIB, 25000);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, needs: {memory: 2GiB}}\n"
			    "  - {name: b, needs: {memory: 3GiB}}\n");
	replan();
	assert_true(plan_of(&plan, "a")->kept);
	assert_string_equal(unplaced_of(&plan, "b")->rules[0], "S11");
	assert_int_equal(plan.steps.len, 0);
}

static void test_states_of_what_stands(void **state)
{
	struct dv_lease *lease;

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	lease = world_lease(&world, "a", "lab", "CPU-1/s71", 2 * DV_GIB, 25000);
	world_fleet(&world, "tenants:\n  - {name: a, needs: {memory: 2GiB}}\n");
	lease->state = DV_LEASE_BROKEN;
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S01");
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "broken"));
	lease->state = DV_LEASE_RELEASING;
	replan();
	assert_non_null(strstr(unplaced_of(&plan, "a")->reason, "being released"));
	lease->state = DV_LEASE_READY;
	(void)dv_copy(lease->gpu_uuid, sizeof(lease->gpu_uuid), "GPU-gone");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S18");
	/* Broken leases of tenants that are gone are not for a plan to touch. */
	world_fleet(&world, "tenants:\n  - {name: b}\n");
	replan();
	assert_int_equal(plan.steps.len, 1);
}

static void test_fleet_of_another_user(void **state)
{
	struct dv_plan_input input = {.fleet = &world.fleet, .leases = &world.leases, .uid = 5};
	struct dv_error err = {0};

	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_lease(&world, "a", "lab", "CPU-1/s71", 2 * DV_GIB, 25000);
	world_fleet(&world, "tenants:\n  - {name: a}\n");
	input.gpus = world.gpus.items;
	input.gpu_count = 1;
	plan.kept = 77;
	assert_int_equal(dv_plan_make(&input, &plan, &err), -EPERM);
	assert_string_equal(err.rule, "S15");
	assert_int_equal(plan.kept, 77); /* untouched */
	plan.kept = 0;
	/* root plans it for its owner, and a fleet that nobody has yet for itself. */
	world_fleet(&world, "tenants:\n  - {name: b}\n");
	input.admin = true;
	assert_int_equal(dv_plan_make(&input, &plan, NULL), 0);
	assert_int_equal(plan.steps.len, 2);
	assert_int_equal(plan.steps.items[1].lease.uid, world.leases.items[0].uid);
	dv_plan_fini(&plan);
	world.leases.len = 0;
	assert_int_equal(dv_plan_make(&input, &plan, NULL), 0);
	assert_int_equal(plan.steps.len, 1);
	assert_int_equal(plan.steps.items[0].lease.uid, 5);
}

static void test_names(void **state)
{
	char text[512];

	world_gpu(&world, "GPU-1", 8 * DV_GIB);
	world_gpu(&world, "GPU-2", 8 * DV_GIB);
	world_fleet(&world, "tenants:\n"
			    "  - {name: a, gpus: 2}\n"
			    "  - {name: a.1, needs: {memory: 1GiB}}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "a")->rules[0], "S13");
	assert_non_null(plan_of(&plan, "a.1"));
	(void)snprintf(text, sizeof(text), "tenants:\n  - {name: %0*d, gpus: 2}\n", DV_NAME_MOST,
		       1);
	world_fleet(&world, text);
	replan();
	assert_string_equal(plan.unplaced.items[0].rules[0], "F08");
}

/* Two that trade places: both are unmade before either is made. */
static void test_cycle(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 4);
	world_lease(&world, "a", "lab", "CPU-1/p0+1", 0, 0);
	world_lease(&world, "b", "lab", "CPU-1/p1+3", 0, 0);
	world_fleet(&world, "defaults: {method: partition}\n"
			    "tenants:\n"
			    "  - {name: a, needs: {compute: 75%}}\n"
			    "  - {name: b, needs: {compute: 25%}}\n");
	replan();
	assert_int_equal(plan.steps.len, 4);
	assert_string_equal(plan.steps.items[0].op, "partition.destroy");
	assert_string_equal(plan.steps.items[1].op, "partition.destroy");
	assert_true(needs(step_for("a", "partition.create"), step_for("b", "partition.destroy")));
	world_apply(&world, &plan, NULL);
}

static void test_partition_fragments(void **state)
{
	world_cpu(&world, "CPU-1", 8 * DV_GIB, 8);
	world_lease(&world, "x", "", "CPU-1/p2+1", 0, 0);
	world_lease(&world, "mine", "lab", "CPU-1/p5+1", 0, 0);
	world_fleet(&world, "defaults: {method: partition}\n"
			    "tenants:\n"
			    "  - {name: mine, needs: {compute: 12.5%}}\n"
			    "  - {name: pair, needs: {compute: 25%}}\n");
	replan();
	/* The tightest runs of two: before x, between the two, behind. */
	assert_true(plan_of(&plan, "mine")->kept);
	assert_string_equal(plan_of(&plan, "pair")->node, "CPU-1/p0+2");
	world_fleet(&world, "moves: 1\n"
			    "defaults: {method: partition}\n"
			    "tenants:\n"
			    "  - {name: mine, needs: {compute: 12.5%}}\n"
			    "  - {name: four, needs: {compute: 50%}}\n");
	replan();
	/* Four side by side there are only when mine moves. */
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan_of(&plan, "four")->start, 3);
	assert_false(plan_of(&plan, "mine")->kept);
	world_apply(&world, &plan, NULL);
	world_fleet(&world, "defaults: {method: partition}\n"
			    "tenants:\n"
			    "  - {name: six, needs: {compute: 75%}}\n");
	replan();
	assert_string_equal(unplaced_of(&plan, "six")->rules[0], "S01");
	assert_non_null(strstr(unplaced_of(&plan, "six")->reason, "at most 5"));
}

/* The fleet's own profiles: sizes with a name, and so many of one on a GPU. */
static void test_own_profiles(void **state)
{
	unsigned on[2] = {0};

	world_gpu(&world, "GPU-1", 24 * DV_GIB);
	world_gpu(&world, "GPU-2", 24 * DV_GIB);
	world_fleet(&world,
		    "profiles:\n"
		    "  - {name: small, memory: 2GiB, compute: 5%, policy: fixed-share, most: 3}\n"
		    "  - {name: large, memory: 8GiB, compute: 30%}\n"
		    "tenants:\n"
		    "  - {name: a, count: 5, profile: small}\n"
		    "  - {name: b, profile: large, policy: latency}\n"
		    "  - {name: c, method: slice, needs: {memory: 1GiB, compute: 5%}}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	for (size_t i = 0; i < plan.assignments.len; i++) {
		const struct dv_assignment *a = &plan.assignments.items[i];

		if (a->tenant[0] != 'a')
			continue;
		on[a->gpu[0] - '0']++;
		assert_int_equal(a->memory_bytes, 2 * DV_GIB);
		assert_int_equal(a->compute_mpct, 5000);
		assert_int_equal(a->policy, DV_POLICY_FIXED_SHARE);
		assert_int_equal(a->derived_count, 0);
	}
	assert_true(on[0] <= 3 && on[1] <= 3 && on[0] + on[1] == 5);
	assert_int_equal(plan_of(&plan, "b")->policy, DV_POLICY_LATENCY);
	world_apply(&world, &plan, NULL);
	/* Those that stand count; two more than there may be are left out and told why. */
	world_fleet(&world,
		    "profiles:\n"
		    "  - {name: small, memory: 2GiB, compute: 5%, policy: fixed-share, most: 3}\n"
		    "tenants:\n"
		    "  - {name: a, count: 8, profile: small}\n");
	replan();
	assert_int_equal(plan.kept, 5);
	assert_int_equal(plan.unplaced.len, 2);
	assert_string_equal(plan.unplaced.items[0].rules[0], "G11");
	assert_non_null(strstr(plan.unplaced.items[0].reason, "has 3 of its profile"));
	/* Many at once: the same. */
	world_fleet(&world, "profiles:\n"
			    "  - {name: tiny, memory: 256MiB, compute: 1%, most: 30}\n"
			    "tenants:\n"
			    "  - {name: t, count: 70, profile: tiny}\n");
	replan();
	assert_int_equal(plan.assignments.len, 60);
	assert_int_equal(plan.unplaced.len, 10);
	world_apply(&world, &plan, NULL);
}

#define CASE(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_slices),
		CASE(test_own_profiles),
		CASE(test_partitions),
		CASE(test_partition_by_memory),
		CASE(test_whole),
		CASE(test_several_whole),
		CASE(test_one_way_for_each_gpu),
		CASE(test_division_changes),
		CASE(test_changed_size),
		CASE(test_sizes_not_said),
		CASE(test_least_sizes),
		CASE(test_moves_the_idle),
		CASE(test_others_stay),
		CASE(test_gpu_rules),
		CASE(test_named_gpu),
		CASE(test_named_of_two_alike),
		CASE(test_named_but_not_allowed),
		CASE(test_no_gpus),
		CASE(test_refusals),
		CASE(test_refusals_of_one),
		CASE(test_refusals_of_the_device),
		CASE(test_quarantined_stays),
		CASE(test_states_of_what_stands),
		CASE(test_fleet_of_another_user),
		CASE(test_names),
		CASE(test_cycle),
		CASE(test_partition_fragments),
	};

	return cmocka_run_group_tests_name("plan/plan", tests, NULL, NULL);
}
