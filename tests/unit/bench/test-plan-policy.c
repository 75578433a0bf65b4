/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's bench: every policy follows the rules on the same requests, and divvy's own are not
 * below those they are measured against. Seeds are fixed: this is the same on every machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../catalog/load.h"
#include "bench/plan-cases.h"
#include "bench/plan-sim.h"

static struct dv_plan_grids grids;

enum { SEEDS = 3 };

static void run(double load, const double *mix, enum dv_policy_kind policy,
		struct dv_plan_sim_result *ret)
{
	struct dv_error err = {0};

	*ret = (struct dv_plan_sim_result){0};
	for (unsigned s = 0; s < SEEDS; s++) {
		struct dv_plan_sim sim = {.grid = &grids.six,
					  .gpu_count = 40,
					  .mix = mix,
					  .load = load,
					  .seed = 77 + s};
		struct dv_plan_sim_result once;

		if (dv_plan_sim_run(&sim, policy, &once, &err) < 0)
			fail_msg("%s", err.msg);
		assert_true(once.accepted > 0.3 && once.accepted <= 1);
		assert_true(once.accepted_memory > 0.3 && once.accepted_memory <= 1);
		ret->accepted += once.accepted / SEEDS;
		ret->accepted_memory += once.accepted_memory / SEEDS;
		ret->moves += once.moves / SEEDS;
	}
}

static void test_policies(void **state)
{
	static const double mix[6] = {.30, .25, .20, .10, .10, .05};
	struct dv_plan_sim_result of[DV_BENCH_POLICY_COUNT], again;

	for (unsigned p = 0; p < DV_BENCH_POLICY_COUNT; p++) {
		run(1.0, mix, (enum dv_policy_kind)p, &of[p]);
		run(1.0, mix, (enum dv_policy_kind)p, &again);
		assert_memory_equal(&of[p], &again, sizeof(again));
		if (p != DV_BENCH_DIVVY_MOVE1)
			assert_true(of[p].moves == 0);
	}
	for (unsigned p = 0; p < DV_BENCH_REPACK; p++)
		assert_true(of[p].accepted_memory < of[DV_BENCH_DIVVY].accepted_memory);
	assert_true(of[DV_BENCH_FIRST_FIT].accepted_memory < of[DV_BENCH_REPACK].accepted_memory);
	assert_true(of[DV_BENCH_WF_BI].accepted_memory < of[DV_BENCH_FIRST_FIT].accepted_memory);
	assert_true(of[DV_BENCH_DIVVY_MOVE1].accepted_memory > of[DV_BENCH_DIVVY].accepted_memory);
	assert_true(of[DV_BENCH_DIVVY_MOVE1].moves > 0 && of[DV_BENCH_DIVVY_MOVE1].moves <= 1);
}

/* Single cells go to 6, 4, 5, 0, 1, 2, 3, and two cells to 0 after two of them. */
static void test_driver_order(void **state)
{
	static const unsigned order[] = {6, 4, 5, 0, 1, 2, 3};
	dv_cleanup(dv_bench_policy_freep) struct dv_bench_policy *policy = NULL;
	size_t held[DV_ARRAY_LEN(order)], two;

	assert_int_equal(dv_bench_policy_new(DV_BENCH_DRIVER_ORDER, &grids.six, 1, &policy, NULL),
			 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(order); i++) {
		struct dv_bench_held at;

		assert_int_equal(dv_bench_policy_arrive(policy, 0, &held[i], NULL), 0);
		dv_bench_policy_where(policy, held[i], &at);
		assert_int_equal(at.start, order[i]);
	}
	assert_int_equal(dv_bench_policy_arrive(policy, 0, &two, NULL), 1);
	for (size_t i = 2; i < DV_ARRAY_LEN(order); i++)
		dv_bench_policy_end(policy, held[i]);
	for (unsigned n = 0; n < 2; n++) {
		struct dv_bench_held at;

		assert_int_equal(dv_bench_policy_arrive(policy, 2, &two, NULL), 0);
		dv_bench_policy_where(policy, two, &at);
		assert_int_equal(at.start, 2 * n);
	}
}

static double value_of(const struct dv_bench *bench, const char *metric)
{
	for (size_t i = 0; i < bench->results.len; i++)
		if (strcmp(bench->results.items[i].metric, metric) == 0)
			return bench->results.items[i].value;
	fail_msg("no metric %s", metric);
	return 0;
}

/* The cases give the figures that counting gives: least possible destruction. */
static void test_cases(void **state)
{
	static const struct {
		const char *name, *metric;
		double least, most;
	} expected[] = {
		{"plan/repartition/add-one", "destroyed_pct", 16.80, 16.81},
		{"plan/repartition/remove-one", "destroyed_pct", 29.49, 29.50},
		{"plan/repartition/any", "destroyed_pct", 60.56, 60.57},
		{"plan/batch/64-gpus", "gap_pct", 0, 0},
		{"plan/batch/10000-requests", "gap_pct", 0, 1},
	};
	unsigned found = 0, online = 0;
	struct dv_plan_case c;

	for (unsigned i = 0; dv_plan_case(i, &c); i++) {
		online += dv_plan_case_is_online(&c);
		for (size_t k = 0; k < DV_ARRAY_LEN(expected); k++) {
			struct dv_bench bench = {0};

			if (strcmp(c.name, expected[k].name) != 0)
				continue;
			found++;
			assert_int_equal(dv_plan_case_run(&c, &grids, 2, &bench, NULL), 0);
			assert_true(value_of(&bench, expected[k].metric) >= expected[k].least);
			assert_true(value_of(&bench, expected[k].metric) <= expected[k].most);
			dv_vec_fini(&bench.results);
		}
	}
	assert_int_equal(found, DV_ARRAY_LEN(expected));
	assert_int_equal(online, 4 * 3 * DV_BENCH_POLICY_COUNT);
}

static void test_half_width(void **state)
{
	static const double values[] = {1, 2, 3};

	/* s = 1, t(2) = 4.30: 4.30 / sqrt(3) */
	assert_true(dv_plan_half_width(values, 3) > 2.48 && dv_plan_half_width(values, 3) < 2.49);
	assert_true(dv_plan_half_width(values, 1) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_driver_order),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_half_width),
	};
	struct dv_catalog *catalog = load_catalog();
	struct dv_error err = {0};

	if (dv_plan_grids_of(dv_catalog_by_id(catalog, "a100-80"), &grids, &err) < 0)
		return 1;
	dv_catalog_free(catalog);
	return cmocka_run_group_tests_name("bench/plan-policy", tests, NULL, NULL);
}
