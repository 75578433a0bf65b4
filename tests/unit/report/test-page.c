/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect_self_contained(const char *html)
{
	/* Nothing is fetched and nothing runs. */
	assert_null(strstr(html, "http:"));
	assert_null(strstr(html, "https:"));
	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, "src="));
	assert_non_null(strstr(html, "</html>"));
}

static void test_bench_page(void **state)
{
	struct dv_result results[] = {
		{.name = "noisy/ungated", .metric = "p99_ms", .value = 6.5},
		{.name = "share/70:30/1ms/sync",
		 .metric = "share_error_points",
		 .value = 2.25,
		 .has_goal = true,
		 .goal = 1},
		{.name = "gate/x", .skipped = "<no device>"},
		{.name = "gate/launch/null",
		 .metric = "launch_ns",
		 .value = 30.5,
		 .has_baseline = true,
		 .baseline = 10.25},
		{.name = "memory/exact",
		 .metric = "refused_at_bytes",
		 .unit = "B",
		 .value = 12345,
		 .has_goal = true,
		 .goal = 12346},
		{.name = "memory/buffers", .failed = "it <fell>"},
	};
	struct dv_bench bench = {.device = "CPU <x>",
				 .results = {.items = results, .len = DV_ARRAY_LEN(results)}};
	dv_autofree char *html = NULL;

	assert_int_equal(dv_report_bench(&bench, &html, NULL), 0);
	expect_self_contained(html);
	assert_non_null(strstr(html, "CPU &lt;x&gt;"));
	assert_non_null(strstr(html, "2.25 (missed)"));
	assert_non_null(strstr(html, "not measured: &lt;no device&gt;"));
	assert_non_null(strstr(html, "failed: it &lt;fell&gt;"));
	assert_non_null(strstr(html, "<td class=\"n\">20.2</td>")); /* what the layer adds */
	assert_non_null(strstr(html, "12345 (missed)"));
}

static void test_empty_bench_is_a_page(void **state)
{
	struct dv_bench bench = {.device = "none"};
	dv_autofree char *html = NULL;

	assert_int_equal(dv_report_bench(&bench, &html, NULL), 0);
	expect_self_contained(html);
	assert_null(strstr(html, "<svg"));
}

static void test_plan_page(void **state)
{
	struct dv_assignment assignments[] = {
		{.tenant = "a-0", .method = DV_METHOD_SLICE, .gpu = "0", .memory_bytes = 1 << 30},
	};
	struct dv_unplaced unplaced[] = {
		{.tenant = "b&c", .rule_count = 1, .rules = {"G01"}, .reason = "no room"},
	};
	struct dv_step steps[] = {
		{.id = 1, .op = "slice.create", .tenant = "a-0", .undo = "slice.destroy"},
		{.id = 2,
		 .op = "slice.destroy",
		 .tenant = "old",
		 .disturbs = {"old"},
		 .disturb_count = 6},
	};
	struct dv_plan plan = {.fleet = "lab"};
	dv_autofree char *html = NULL;

	plan.assignments.items = assignments;
	plan.assignments.len = 1;
	plan.unplaced.items = unplaced;
	plan.unplaced.len = 1;
	plan.steps.items = steps;
	plan.steps.len = 2;
	assert_int_equal(dv_report_plan(&plan, &html, NULL), 0);
	expect_self_contained(html);
	assert_non_null(strstr(html, "1GiB"));
	assert_non_null(strstr(html, "b&amp;c"));
	assert_non_null(strstr(html, "slice.destroy"));
	assert_non_null(strstr(html, " and 2 more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bench_page),
		cmocka_unit_test(test_empty_bench_is_a_page),
		cmocka_unit_test(test_plan_page),
	};

	return cmocka_run_group_tests_name("report/page", tests, NULL, NULL);
}
