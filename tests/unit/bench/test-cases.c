/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static const struct dv_bench_case *find_before(const struct dv_bench_case *cases, size_t before,
					       const char *name)
{
	for (size_t i = 0; i < before; i++)
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	return NULL;
}

static void test_every_case_can_be_run(void **state)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	assert_true(count > 20);
	for (size_t i = 0; i < count; i++) {
		const struct dv_bench_case *c = &cases[i];

		assert_non_null(c->what);
		assert_in_range(c->tenant_count, 1, DV_CASE_TENANTS_MOST);
		assert_true(c->for_ns > 0);
		assert_null(find_before(cases, i, c->name));
		for (unsigned t = 0; t < c->tenant_count; t++) {
			assert_non_null(c->tenants[t].role);
			assert_true(c->tenants[t].inflight >= 1);
		}
	}
}

static void test_a_baseline_ran_before_and_is_alike(void **state)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	for (size_t i = 0; i < count; i++) {
		const struct dv_bench_case *base;

		if (!cases[i].baseline)
			continue;
		base = find_before(cases, i, cases[i].baseline);
		assert_true(base && base->measure == cases[i].measure);
		/* The first tenant does the same work, so that the two can be compared. */
		assert_true(base && base->tenants[0].kernel_ns == cases[i].tenants[0].kernel_ns);
		assert_true(base && base->tenants[0].inflight == cases[i].tenants[0].inflight);
	}
}

/* A pause that is a multiple of the neighbour's kernel would make the middle latency luck. */
static void test_light_tenants_pause_alike_and_unevenly(void **state)
{
	const struct dv_bench_tenant *first = NULL;
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	for (size_t i = 0; i < count; i++) {
		const struct dv_bench_tenant *light = &cases[i].tenants[0];

		if (strncmp(cases[i].name, "noisy/", 6) != 0)
			continue;
		first = first ? first : light;
		assert_true(light->think_jitter_ns > 0);
		assert_true(light->think_jitter_ns <= light->think_ns);
		assert_true(light->think_ns == first->think_ns &&
			    light->think_jitter_ns == first->think_jitter_ns);
	}
	assert_true(first != NULL);
}

static void test_shares_never_exceed_the_device(void **state)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	for (size_t i = 0; i < count; i++) {
		uint32_t sum = 0;

		for (unsigned t = 0; t < cases[i].tenant_count; t++)
			sum += cases[i].tenants[t].compute_mpct;
		assert_true(sum <= 100000);
		if (cases[i].measure == DV_MEASURE_SHARE)
			assert_int_equal(sum, 100000);
	}
}

static void test_quick_keeps_its_baselines_and_its_time(void **state)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	for (size_t i = 0; i < count; i++) {
		const struct dv_bench_case *base;

		if (!cases[i].quick || !cases[i].baseline)
			continue;
		base = find_before(cases, i, cases[i].baseline);
		assert_true(base && base->quick);
	}
}

static void test_chosen_by_prefix(void **state)
{
	const struct dv_bench_case c = {.name = "share/70:30/1ms/sync"};
	const char *const share[] = {"noisy/", "share/"}, *const noisy[] = {"noisy/"};

	assert_true(dv_bench_case_chosen(&c, share, 2));
	assert_false(dv_bench_case_chosen(&c, noisy, 1));
	assert_true(dv_bench_case_chosen(&c, NULL, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case_can_be_run),
		cmocka_unit_test(test_a_baseline_ran_before_and_is_alike),
		cmocka_unit_test(test_light_tenants_pause_alike_and_unevenly),
		cmocka_unit_test(test_shares_never_exceed_the_device),
		cmocka_unit_test(test_quick_keeps_its_baselines_and_its_time),
		cmocka_unit_test(test_chosen_by_prefix),
	};

	return cmocka_run_group_tests_name("bench/cases", tests, NULL, NULL);
}
