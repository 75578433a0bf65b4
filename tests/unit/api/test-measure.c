/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_round_trip(void **state)
{
	struct dv_bench bench = {
		.device = "a \"device\"", .date = "2026-01-02T03:04:05Z", .version = "1"};
	struct dv_result full = {.name = "share/70:30/1ms/sync",
				 .metric = "share_error_points",
				 .unit = "points",
				 .value = 0.25,
				 .has_goal = true,
				 .goal = 1,
				 .on = "simulated",
				 .has_baseline = true,
				 .baseline = -2.5,
				 .n = 3,
				 .spread = 0.125};
	struct dv_result skipped = {.name = "cuda/gate/uncontended", .skipped = "no CUDA driver"};
	struct dv_result failed = {.name = "memory/exact", .failed = "a ended with 137"};
	dv_autofree char *text = NULL;
	struct dv_bench back = {0};

	assert_int_equal(dv_vec_push(&bench.results, full), 0);
	assert_int_equal(dv_vec_push(&bench.results, skipped), 0);
	assert_int_equal(dv_vec_push(&bench.results, failed), 0);
	assert_int_equal(dv_api_bench_encode(&bench, &text, NULL), 0);
	assert_int_equal(dv_api_bench_decode(text, strlen(text), &back, NULL), 0);
	assert_string_equal(back.device, bench.device);
	assert_string_equal(back.date, bench.date);
	assert_int_equal(back.results.len, 3);
	assert_memory_equal(&back.results.items[0], &full, sizeof(full));
	assert_memory_equal(&back.results.items[1], &skipped, sizeof(skipped));
	assert_memory_equal(&back.results.items[2], &failed, sizeof(failed));
	dv_vec_fini(&bench.results);
	dv_vec_fini(&back.results);
}

static void test_wrong_documents(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{\"schema\": \"divvy/plan/1\", \"results\": []}",
		"{\"schema\": \"divvy/bench/1\", \"results\": {}}",
		"{\"schema\": \"divvy/bench/1\", \"results\": [1]}",
		"{\"schema\": \"divvy/bench/1\", \"results\": [{}]}",
		"{\"schema\": \"divvy/bench/1\", \"results\": [{\"case\": \"a\"}]}",
		"{\"schema\": \"divvy/bench/1\", \"results\": "
		"[{\"case\": \"a\", \"metric\": \"m\", \"value\": \"high\"}]}",
		"{\"schema\": \"divvy/bench/1\", \"results\": "
		"[{\"case\": \"a\", \"metric\": \"m\", \"n\": -1}]}",
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(wrong); i++) {
		struct dv_bench bench = {0};
		struct dv_error err = {0};

		assert_int_equal(dv_api_bench_decode(wrong[i], strlen(wrong[i]), &bench, &err),
				 -EBADMSG);
		assert_null(bench.results.items);
		assert_true(err.msg[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_wrong_documents),
	};

	return cmocka_run_group_tests_name("api/measure", tests, NULL, NULL);
}
