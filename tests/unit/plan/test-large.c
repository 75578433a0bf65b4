/* SPDX-License-Identifier: Apache-2.0 */
/* Fleets too large to be searched through: best fit has to do, in reasonable time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/units.h"
#include "random.h"
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

static void add_gpus(unsigned count)
{
	char uuid[16];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%u", i);
		world_gpu(&world, uuid, 80 * DV_GIB);
	}
}

static void replan(void)
{
	dv_plan_fini(&plan);
	world_plan(&world, &plan);
}

/* Sizes that fill GPUs exactly: as few are used as can be, and that is known without a search. */
static void test_fills_gpus(void **state)
{
	add_gpus(60);
	world_fleet(&world, "tenants:\n"
			    "  - {name: half, count: 60, needs: {memory: 40GiB, compute: 50%}}\n"
			    "  - {name: tenth, count: 100, needs: {memory: 8GiB, compute: 10%}}\n"
			    "  - {name: whole, count: 5, gpus: 1}\n");
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.gpus_used, 45);
	assert_int_equal(plan.bound_gpus, 45);
	assert_true(plan.bound_proven);
	assert_int_equal(plan.waste_memory_bytes, 0);
	world_apply(&world, &plan, NULL);
	replan();
	assert_int_equal(plan.kept, 165);
	assert_int_equal(plan.steps.len, 0);
}

static void test_bound_is_honest(void **state)
{
	add_gpus(40);
	world_fleet(&world, "tenants:\n"
			    "  - {name: big, count: 30, needs: {memory: 48GiB, compute: 50%}}\n");
	replan();
	assert_int_equal(plan.gpus_used, 30); /* two do not fit on one, and all are alike */
	assert_int_equal(plan.bound_gpus, 30);
	assert_true(plan.bound_proven);
	world_fleet(&world, "tenants:\n"
			    "  - {name: big, count: 15, needs: {memory: 48GiB, compute: 50%}}\n"
			    "  - {name: less, count: 15, needs: {memory: 44GiB, compute: 50%}}\n");
	replan();
	assert_int_equal(plan.gpus_used, 30);
	assert_int_equal(plan.bound, DV_BOUND_LOWER);
	assert_int_equal(plan.bound_gpus, 18); /* by memory alone; more is not known */
	assert_false(plan.bound_proven);
}

/* A grown fleet: what stands stays, what is gone is unmade, the new finds room. */
static void test_grows(void **state)
{
	char text[8192];
	size_t len = 0;

	random_start("plan/large");
	add_gpus(40);
	len += (size_t)snprintf(text, sizeof(text), "tenants:\n");
	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"  - {name: t%d, needs: {memory: %uGiB, compute: %u%%}}\n",
					i, 1 + random_below(30), 1 + random_below(30));
	world_fleet(&world, text);
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	world_apply(&world, &plan, random_below);
	(void)snprintf(text + len, sizeof(text) - len,
		       "  - {name: new, count: 20, needs: {memory: 4GiB, compute: 5%%}}\n");
	memcpy(strstr(text, "t0,"), "tx,", 3);
	world_fleet(&world, text);
	replan();
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.kept, 99);
	assert_int_equal(plan.steps.len, 22);
	world_apply(&world, &plan, random_below);
}

/* More steps on one GPU than a step can name as needed: it needs the last, which needs the rest. */
static void test_many_before_one(void **state)
{
	char text[2048] = "tenants:\n  - {name: w, gpus: 1}\n", name[16], node[32];

	add_gpus(1);
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(name, sizeof(name), "old%u", i);
		(void)snprintf(node, sizeof(node), "GPU-0/s%u", 100 + i);
		world_lease(&world, name, "lab", node, DV_GIB, 1000);
	}
	world_fleet(&world, text);
	replan();
	assert_int_equal(plan.steps.len, 31);
	world_apply(&world, &plan, random_below);
	assert_int_equal(world.leases.len, 1);
}

static void test_too_many(void **state)
{
	struct dv_plan_input input = {.fleet = &world.fleet, .leases = &world.leases};
	struct dv_error err = {0};

	world_fleet(&world, "tenants:\n  - {name: a, count: 5000}\n");
	assert_int_equal(dv_plan_make(&input, &plan, &err), -E2BIG);
	assert_non_null(strstr(err.msg, "4096"));
}

#define CASE(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_fills_gpus),	    CASE(test_bound_is_honest), CASE(test_grows),
		CASE(test_many_before_one), CASE(test_too_many),
	};

	return cmocka_run_group_tests_name("plan/large", tests, NULL, NULL);
}
