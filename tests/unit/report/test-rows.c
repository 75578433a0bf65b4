/* SPDX-License-Identifier: Apache-2.0 */
#include "report/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct dv_result results[] = {
	{.name = "noisy/alone", .metric = "p50_ms", .value = 1},
	{.name = "noisy/alone", .metric = "p99_ms", .value = 2},
	{.name = "noisy/alone", .metric = "rate_light", .value = 90},
	{.name = "noisy/slices-70:30", .metric = "p50_ms", .value = 3},
	{.name = "noisy/slices-70:30", .metric = "rate_heavy", .value = 180},
	{.name = "noisy/slices-70:30", .metric = "wanted_pct_light", .value = 70},
	{.name = "noisy/slices-70:30", .metric = "got_pct_light", .value = 6},
	{.name = "noisy/slices-70:30", .metric = "wanted_pct_heavy", .value = 30},
	{.name = "noisy/slices-70:30", .metric = "got_pct_heavy", .value = 90},
	{.name = "noisy/partition", .skipped = "no cpuset here"},
	{.name = "noisy/whole", .failed = "light ended with 1"},
	{.name = "share/50:30:20/1ms/sync",
	 .metric = "share_error_points",
	 .value = 0.5,
	 .has_goal = true,
	 .goal = 1},
	{.name = "share/50:30:20/1ms/sync", .metric = "got_pct_a", .value = 50.5},
	{.name = "share/50:30:20/1ms/sync", .metric = "got_pct_c", .value = 19.5},
	{.name = "gate/50:50/1ms",
	 .metric = "busy_pct",
	 .unit = "%",
	 .value = 96,
	 .has_baseline = true,
	 .baseline = 100},
	{.name = "gate/launch/null",
	 .metric = "launch_ns",
	 .value = 30,
	 .has_baseline = true,
	 .baseline = 10},
	{.name = "memory/buffers", .metric = "left_bytes", .value = -4096, .has_goal = true},
	{.name = "memory/exact", .failed = "a ended with 1"},
	{.name = "else/where", .metric = "x", .value = 1},
};

static struct dv_rows *rows_of_all(void)
{
	struct dv_bench bench = {.results = {.items = results, .len = DV_ARRAY_LEN(results)}};
	struct dv_rows *rows = malloc(sizeof(*rows));

	assert_true(rows != NULL);
	dv_rows_of(&bench, true, rows);
	return rows;
}

static void test_noisy_rows(void **state)
{
	dv_autofree struct dv_rows *rows = rows_of_all();

	assert_int_equal(rows->noisy_count, 4);
	assert_string_equal(rows->noisy[0].name, "alone");
	assert_true(rows->noisy[0].p99_ms == 2 && rows->noisy[0].heavy_rate == -1);
	assert_int_equal(rows->noisy[0].isolation, DV_ISOLATION_NONE);
	assert_true(rows->noisy[0].light_wanted_pct == -1 && rows->noisy[0].heavy_got_pct == -1);
	assert_true(rows->noisy[1].heavy_rate == 180);
	assert_true(rows->noisy[1].light_wanted_pct == 70 && rows->noisy[1].light_got_pct == 6 &&
		    rows->noisy[1].heavy_wanted_pct == 30 && rows->noisy[1].heavy_got_pct == 90);
	/* Never more than it holds. */
	assert_int_equal(rows->noisy[1].isolation, DV_ISOLATION_MEMORY);
	assert_int_equal(rows->noisy[1].isolates.compute, DV_HOLD_COOPERATIVE);
	assert_string_equal(rows->noisy[2].skipped, "no cpuset here");
	assert_null(rows->noisy[2].failed);
	assert_string_equal(rows->noisy[3].failed, "light ended with 1");
}

static void test_share_rows_know_what_was_wanted(void **state)
{
	dv_autofree struct dv_rows *rows = rows_of_all();

	assert_int_equal(rows->share_count, 1);
	assert_int_equal(rows->share[0].count, 3);
	assert_true(rows->share[0].wanted_pct[1] == 30 && rows->share[0].got_pct[0] == 50.5 &&
		    rows->share[0].got_pct[2] == 19.5);
	assert_true(rows->share[0].goal == 1);
}

static void test_gate_rows(void **state)
{
	dv_autofree struct dv_rows *rows = rows_of_all();

	assert_int_equal(rows->gate_count, 1);
	assert_true(rows->gate[0].baseline == 100 && rows->gate[0].value == 96);
	assert_int_equal(rows->launch_count, 1);
	assert_string_equal(rows->launch[0].name, "null");
	assert_true(rows->launch[0].has_baseline && rows->launch[0].baseline == 10);
}

static void test_memory_is_exact_or_missed(void **state)
{
	dv_autofree struct dv_rows *rows = rows_of_all();
	struct dv_cost_row row;

	assert_int_equal(rows->memory_count, 2);
	row = rows->memory[0];
	assert_true(row.value == -4096 && dv_cost_missed(&row));
	row.value = 4096;
	assert_true(dv_cost_missed(&row));
	row.value = 0;
	assert_false(dv_cost_missed(&row));
	assert_string_equal(rows->memory[1].failed, "a ended with 1");
	assert_false(dv_cost_missed(&rows->memory[1]));
}

static void test_more_rows_than_fit_are_left_out(void **state)
{
	static struct dv_result many[DV_ROWS_MOST * 2];
	struct dv_bench bench = {.results = {.items = many, .len = DV_ARRAY_LEN(many)}};
	dv_autofree struct dv_rows *rows = malloc(sizeof(*rows));

	assert_true(rows != NULL);
	for (size_t i = 0; i < DV_ARRAY_LEN(many); i++)
		(void)snprintf(many[i].name, sizeof(many[i].name), "noisy/%zu", i);
	dv_rows_of(&bench, true, rows);
	assert_int_equal(rows->noisy_count, DV_ROWS_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_noisy_rows),
		cmocka_unit_test(test_share_rows_know_what_was_wanted),
		cmocka_unit_test(test_gate_rows),
		cmocka_unit_test(test_memory_is_exact_or_missed),
		cmocka_unit_test(test_more_rows_than_fit_are_left_out),
	};

	return cmocka_run_group_tests_name("report/rows", tests, NULL, NULL);
}
