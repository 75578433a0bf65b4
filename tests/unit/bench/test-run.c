/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Cases of which each needs divvyd, where there is none: no kernel has to be calibrated first. */
static const char *const prefixes[] = {"memory/exact", "gate/launch/uncontended"};

static unsigned told;

static void tell(void *arg, const struct dv_bench_case *c, unsigned at, unsigned of,
		 const struct dv_result *results, size_t count)
{
	assert_ptr_equal(arg, prefixes);
	assert_int_equal(of, 2);
	if (!results)
		return;
	told++;
	assert_int_equal(at, told);
	assert_int_equal(count, 1);
	assert_string_equal(results->name, c->name);
}

static void test_a_case_that_fails_says_why_and_the_others_go_on(void **state)
{
	struct dv_bench_options o = {
		.prefixes = prefixes, .prefix_count = 2, .progress = tell, .arg = (void *)prefixes};
	struct dv_bench bench = {0};
	struct dv_bench_env env;

	assert_int_equal(dv_bench_env_init(&env, "/nonexistent/divvyd.sock", 1, NULL), 0);
	assert_int_equal(dv_bench_run(&env, &o, &bench, NULL), 0);
	assert_int_equal(told, 2);
	assert_int_equal(bench.results.len, 2);
	for (size_t i = 0; i < bench.results.len; i++) {
		assert_string_equal(bench.results.items[i].skipped, "");
		/* `divvy` could not reach divvyd: its exit status and its words. */
		assert_non_null(strstr(bench.results.items[i].failed, "ended with 5: divvy: "));
	}
	dv_vec_fini(&bench.results);
	dv_bench_env_fini(&env);
	assert_int_equal(access(env.dir, F_OK), -1);
}

/* What is to stop does not go on with the next case. */
static void test_stopped(void **state)
{
	struct dv_bench_options o = {.prefixes = prefixes, .prefix_count = 2};
	struct dv_bench bench = {0};
	struct dv_bench_env env;
	struct dv_error err = {0};
	int ends[2];

	assert_int_equal(dv_bench_env_init(&env, "/nonexistent/divvyd.sock", 1, NULL), 0);
	assert_int_equal(pipe(ends), 0);
	env.stop_fd = ends[0];
	assert_false(dv_bench_stopped(&env));
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_true(dv_bench_stopped(&env));
	assert_int_equal(dv_bench_run(&env, &o, &bench, &err), -EIO);
	assert_non_null(strstr(err.msg, "interrupted in gate/launch/uncontended"));
	assert_true(bench.results.len <= 1);
	close(ends[0]);
	close(ends[1]);
	dv_vec_fini(&bench.results);
	dv_bench_env_fini(&env);
}

static void test_no_such_case(void **state)
{
	static const char *const none[] = {"nothing/"};
	struct dv_bench_options o = {.prefixes = none, .prefix_count = 1};
	struct dv_bench_env env = {0};
	struct dv_bench bench = {0};

	assert_int_equal(dv_bench_run(&env, &o, &bench, NULL), -EINVAL);
	assert_int_equal(bench.results.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_case_that_fails_says_why_and_the_others_go_on),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_no_such_case),
	};

	return cmocka_run_group_tests_name("bench/run", tests, NULL, NULL);
}
