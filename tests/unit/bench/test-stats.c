/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stats.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_percentile_is_nearest_rank(void **state)
{
	uint64_t values[100];

	for (unsigned i = 0; i < 100; i++)
		values[i] = (i * 37) % 100 + 1; /* 1 to 100, shuffled */
	dv_stats_sort(values, 100);
	assert_int_equal(dv_stats_percentile(values, 100, 50), 50);
	assert_int_equal(dv_stats_percentile(values, 100, 99), 99);
	assert_int_equal(dv_stats_percentile(values, 100, 100), 100);
	assert_int_equal(dv_stats_percentile(values, 100, 0), 1);
	assert_int_equal(dv_stats_percentile(values, 1, 99), 1);
	assert_int_equal(dv_stats_percentile(NULL, 0, 50), 0);
}

static void test_median_and_spread(void **state)
{
	const double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};

	assert_float_equal(dv_stats_median(odd, 3), 2, 1e-6);
	assert_float_equal(dv_stats_median(even, 4), 2.5, 1e-6);
	assert_float_equal(dv_stats_spread(odd, 3), 2, 1e-6);
	assert_float_equal(dv_stats_spread(odd, 1), 0, 1e-6);
	assert_float_equal(dv_stats_median(NULL, 0), 0, 1e-6);
}

static void test_share_error_is_the_worst_in_points(void **state)
{
	const double wanted[] = {50, 30, 20}, exact[] = {5, 3, 2}, off[] = {45, 30, 25};
	const double none[] = {0, 0, 0};

	assert_float_equal(dv_stats_share_error(exact, wanted, 3), 0, 1e-6);
	assert_float_equal(dv_stats_share_error(off, wanted, 3), 5, 1e-6);
	/* Nothing done is no share kept. */
	assert_float_equal(dv_stats_share_error(none, wanted, 3), 100, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentile_is_nearest_rank),
		cmocka_unit_test(test_median_and_spread),
		cmocka_unit_test(test_share_error_is_the_worst_in_points),
	};

	return cmocka_run_group_tests_name("bench/stats", tests, NULL, NULL);
}
