/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cuda-bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

#define MS DV_NS_PER_MS

static const struct dv_cuda_case *find_before(const struct dv_cuda_case *cases, size_t before,
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
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	assert_true(count > 40);
	for (size_t i = 0; i < count; i++) {
		const struct dv_cuda_case *c = &cases[i];

		assert_non_null(c->what);
		assert_true(strlen(c->name) < DV_BENCH_TEXT_SIZE);
		assert_int_equal(strncmp(c->name, "cuda/", 5), 0);
		assert_in_range(c->tenant_count, 1, DV_CUDA_TENANTS_MOST);
		assert_true(c->for_ns > 0);
		assert_null(find_before(cases, i, c->name));
		assert_ptr_equal(dv_cuda_case_named(c->name), c);
		for (unsigned t = 0; t < c->tenant_count; t++) {
			const struct dv_cuda_shape *shape = c->tenants[t].shape;

			assert_non_null(c->tenants[t].role);
			assert_true(shape->each >= 1 && shape->inflight >= 1 && shape->kernel_ns);
			/* What the program takes as --kernel has no smaller unit. */
			assert_int_equal(shape->kernel_ns % DV_NS_PER_US, 0);
			assert_true(shape->jitter_ns <= shape->think_ns);
		}
	}
}

static void test_shares_are_of_the_whole_device(void **state)
{
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		uint32_t sum = 0;

		for (unsigned t = 0; t < cases[i].tenant_count; t++)
			sum += cases[i].tenants[t].compute_mpct;
		assert_true(sum <= 100000);
		if (cases[i].measure == DV_CUDA_SHARE)
			assert_int_equal(sum, 100000);
		/* Of long kernels a second holds too few to judge it. */
		if (cases[i].measure == DV_CUDA_SHARE && cases[i].goal_in_1s > 0)
			for (unsigned t = 0; t < cases[i].tenant_count; t++)
				assert_true(cases[i].tenants[t].shape->kernel_ns <= 10 * MS);
	}
}

static void test_what_is_compared_was_measured_before(void **state)
{
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		const struct dv_cuda_case *c = &cases[i], *alone;
		const bool needs = c->measure == DV_CUDA_CAP || c->measure == DV_CUDA_THROUGHPUT ||
				   c->measure == DV_CUDA_START;

		assert_int_equal(c->paired, needs);
		if (!c->alone)
			continue;
		alone = find_before(cases, i, c->alone);
		assert_true(alone && alone->tenants[0].shape == c->tenants[0].shape);
		assert_true(alone && (alone->quick || !c->quick));
	}
}

static void test_chosen_by_prefix(void **state)
{
	const struct dv_cuda_case *c = dv_cuda_case_named("cuda/share/30:70/1ms/sync");
	const char *const share[] = {"cuda/cap/", "cuda/share/30"}, *const cap[] = {"cuda/cap/"};

	assert_non_null(c);
	assert_true(dv_cuda_case_chosen(c, share, 2));
	assert_false(dv_cuda_case_chosen(c, cap, 1));
	assert_true(dv_cuda_case_chosen(c, NULL, 0));
	assert_null(dv_cuda_case_named("cuda/nothing"));
}

/* Two tenants, kernels of 10 ms: in the first second in turn, in the second one only the first. */
static void test_the_worst_second(void **state)
{
	const struct dv_cuda_case c = {
		.tenant_count = 2,
		.tenants = {{.compute_mpct = 50000}, {.compute_mpct = 50000}},
	};
	uint64_t first[150], second[50];
	struct dv_cuda_case_result result = {.count = 2, .start_ns = 5000 * MS};
	struct dv_cuda_tenant_result *a = &result.tenants[0], *b = &result.tenants[1];

	a->ended = first;
	b->ended = second;
	for (unsigned i = 0; i < 50; i++) {
		first[i] = result.start_ns + (2 * i + 1) * 10 * MS;
		second[i] = result.start_ns + (2 * i + 2) * 10 * MS;
	}
	for (unsigned i = 50; i < 150; i++)
		first[i] = result.start_ns + (i + 51) * 10 * MS;
	a->record = (struct dv_cuda_record){
		.kernel_ns = 10 * MS, .each = 1, .count = 50, .window_ns = 1000 * MS};
	b->record = a->record;
	assert_true(dv_cuda_worst_window(&c, &result, 1000 * MS) < 0.001);
	assert_true(dv_cuda_worst_window(&c, &result, 200 * MS) < 0.001);
	/* A window of half a kernel holds one tenant's work alone. */
	assert_true(dv_cuda_worst_window(&c, &result, 5 * MS) > 49.9);
	a->record.count = 150;
	a->record.window_ns = b->record.window_ns = 2000 * MS;
	assert_true(dv_cuda_worst_window(&c, &result, 1000 * MS) > 49.9);
	/* Half of the time each, and then the first alone: three quarters of all. */
	assert_true(dv_cuda_worst_window(&c, &result, 2000 * MS) > 24.9);
	assert_true(dv_cuda_worst_window(&c, &result, 2000 * MS) < 25.1);
}

/* Nothing is started where divvyd is not to be reached: each case says so, and the next goes on. */
static void test_a_case_that_fails_says_why(void **state)
{
	static const char *const prefixes[] = {"cuda/memory/fill", "cuda/gate/launch/refused"};
	struct dv_cuda_bench_options o = {.prefixes = prefixes, .prefix_count = 2};
	struct dv_cuda_env env = {.option = "--socket", .value = "/nonexistent/divvyd.sock"};
	struct dv_bench bench = {0};

	assert_int_equal(dv_bench_env_init(&env.common, env.value, 1, NULL), 0);
	assert_int_equal(dv_cuda_bench_run(&env, &o, &bench, NULL), 0);
	assert_int_equal(bench.results.len, 2);
	for (size_t i = 0; i < bench.results.len; i++)
		assert_non_null(strstr(bench.results.items[i].failed, "ended with 5: divvy: "));
	dv_vec_fini(&bench.results);
	dv_bench_env_fini(&env.common);
	assert_int_equal(access(env.common.dir, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case_can_be_run),
		cmocka_unit_test(test_shares_are_of_the_whole_device),
		cmocka_unit_test(test_what_is_compared_was_measured_before),
		cmocka_unit_test(test_chosen_by_prefix),
		cmocka_unit_test(test_the_worst_second),
		cmocka_unit_test(test_a_case_that_fails_says_why),
	};

	return cmocka_run_group_tests_name("bench/cuda-cases", tests, NULL, NULL);
}
