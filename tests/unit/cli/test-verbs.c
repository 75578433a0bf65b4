/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs ask of divvyd and what they make of its answers; how it looks is in
 * tests/golden/cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "cli/cli.h"
#include "fake-divvyd.h"

static void assert_asked(const char *wanted)
{
	assert_string_equal(fake_divvyd_asked(), wanted);
}

static void test_nobody_there(void **state)
{
	struct fake_run run;

	fake_divvyd(NULL, 0);
	FAKE_RUN(&run, "--socket", "/x.sock", "leases");
	assert_int_equal(run.status, 5);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "divvy: nobody answers at /x.sock\n"
				     "  fix: systemctl start divvyd\n");
	fake_run_fini(&run);
}

/* --json hands divvyd's documents on as they are, also members that this divvy does not know. */
static void test_json_is_passed_on(void **state)
{
	const struct fake_answer answers[] = {
		{"GET", "/v1/status", "{\"schema\": \"divvy/status/1\", \"new\": 1}", {0}},
		{"GET", "/v1/gpus", "{\"a\": 2}", {0}},
		{"GET", "/v1/leases", "{\"a\": 3}\n", {0}},
		{"GET", "/v1/log?after=5&most=7", "{\"a\": 4}", {0}},
		{"DELETE", "/v1/leases/x-1", "{\"a\": 5}", {0}},
	};
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "status", "--json");
	assert_string_equal(run.out, "{\"schema\": \"divvy/status/1\", \"new\": 1}\n");
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json");
	assert_string_equal(run.out, "{\"schema\": \"divvy/status/1\", \"new\": 1}\n");
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json", "gpus");
	assert_string_equal(run.out, "{\"a\": 2}\n");
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json", "leases");
	assert_string_equal(run.out, "{\"a\": 3}\n");
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json", "log", "-n7", "--after", "5");
	assert_string_equal(run.out, "{\"a\": 4}\n");
	fake_run_fini(&run);
	FAKE_RUN(&run, "--json", "release", "x-1");
	assert_string_equal(run.out, "{\"a\": 5}\n");
	assert_string_equal(run.err, "");
	assert_int_equal(run.status, 0);
	fake_run_fini(&run);
}

static void test_refusal_comes_through(void **state)
{
	const struct fake_answer answers[] = {
		{"DELETE",
		 "/v1/leases/x",
		 NULL,
		 {.code = -ENOENT,
		  .rule = "S09",
		  .message = "no lease is called 'x'",
		  .fix = "divvy leases"}},
	};
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "release", "x");
	assert_int_equal(run.status, 3);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "divvy: no lease is called 'x'\n"
				     "  fix: divvy leases\n"
				     "  rule: S09 (divvy explain S09)\n");
	fake_run_fini(&run);
}

/* A name goes into a path: nothing but a name may. */
static void test_names_are_checked(void **state)
{
	static const char *const bad[] = {"a/b", "..", "a b", "x?y", "é"};
	struct fake_run run;

	fake_divvyd(NULL, 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		FAKE_RUN(&run, "release", bad[i]);
		assert_int_equal(run.status, 2);
		assert_non_null(strstr(run.err, "F08"));
		fake_run_fini(&run);
	}
}

static void test_numbers_are_checked(void **state)
{
	static const char *const bad[] = {"x", "3x", "-1", "+1", "1001", "99999999999999999999"};
	struct fake_run run;

	fake_divvyd(NULL, 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		FAKE_RUN(&run, "log", "--lines", bad[i]);
		assert_int_equal(run.status, 2);
		assert_non_null(strstr(run.err, "is no number from 0 to 1000"));
		fake_run_fini(&run);
	}
}

/* The planner's bench asks nobody, and shows the least that has to end. */
static void test_bench_plan(void **state)
{
	struct fake_run run;

	fake_divvyd(NULL, 0);
	FAKE_RUN(&run, "bench", "plan/repartition/add-one", "plan/repartition/remove-one");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "plan/repartition/add-one     destroyed_pct  16.8056  %"));
	assert_non_null(strstr(run.out, "plan/repartition/remove-one  destroyed_pct  29.4904  %"));
	fake_run_fini(&run);
	FAKE_RUN(&run, "bench", "--json", "--runs", "1", "plan/batch/16-gpus");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "divvy/bench/1"));
	assert_non_null(strstr(run.out, "gap_pct"));
	fake_run_fini(&run);
	assert_asked("");
}

/* Wrong usage is refused before anything is asked: it says what is allowed, and ends with 2. */
static void test_wrong_usage(void **state)
{
	static const struct {
		const char *words[5], *says;
	} cases[] = {
		{{"--socket=", "status"}, "option '--socket' needs a value (PATH), not an empty"},
		{{"plan", "-o", "", "x"}, "option '--out' needs a value (PLAN), not an empty"},
		{{"profiles", ""}, "'profiles' was given an empty word; it takes [GPU|MODEL]"},
		{{"gpus", ""}, "it takes [GPU]"},
		{{"release", ""}, "it takes NAME"},
		{{"explain", "time", ""}, "it takes [TOPIC|RULE]"},
		{{"top", "--once", "--every", "1s"},
		 "--every goes with the live screen, and --once"},
		{{"top", "--json", "--every", "1s"}, "and --json prints one page"},
		{{"top", "--every", "10ms"}, "fix: write 100ms or more"},
		{{"bench", "nosuch"}, "no case begins with 'nosuch'"},
		{{"bench", "--list", "nosuch"}, "fix: `divvy bench --list` lists them"},
		{{"bench", "gate/", "shaer/"}, "no case begins with 'shaer/'"},
		{{"bench", "--quick", "share/50:30:20/mixed"}, "no case of --quick begins with"},
		{{"bench", "plan/", "share/"}, "cases of the planner (plan/) run alone"},
		{{"bench", "plan/nosuch"}, "fix: `divvy bench --list plan/` lists them"},
		{{"bench", "--quick", "plan/online/uniform"}, "no case of --quick begins with"},
		{{"bench", "--runs", "17"}, "'17' is no number from 1 to 16"},
		{{"bench", "--list", "--runs", "2"}, "nothing for --runs"},
		{{"bench", "--list", "-o", "x"}, "nothing for --out"},
		{{"export", "--format", "yaml"}, "fix: write divvy or mig-parted"},
	};

	fake_divvyd(NULL, 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		struct fake_run run;

		fake_run(&run, cases[i].words);
		assert_int_equal(run.status, 2);
		if (!strstr(run.err[0] ? run.err : run.out, cases[i].says))
			fail_msg("'%s' is not in: %s%s", cases[i].says, run.out, run.err);
		fake_run_fini(&run);
	}
	assert_asked("");
}

/* What cannot be had now because the device is in use in another way is not said to be usable. */
static void test_gpu_in_use(void **state)
{
	static const struct {
		const char *division, *short_line, *long_line;
	} cases[] = {
		{"partitions", "can do    partition\n   not now   ", "in use as partitions"},
		{"slices", "can do    slice\n   not now   ", "in use as slices"},
		{"whole", "can do    nothing more\n   not now   ", "in use whole"},
	};
	char text[1024];

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		const struct fake_answer answers[] = {{"GET", "/v1/gpus", text, {0}}};
		struct fake_run run;

		(void)snprintf(text, sizeof(text),
			       "{\"schema\": \"divvy/gpus/1\", \"gpus\": [{\"id\": \"0\", "
			       "\"uuid\": \"CPU-1\", \"kind\": \"cpu\", \"model\": \"cpu-opencl\", "
			       "\"memory_bytes\": 1073741824, \"compute_units\": 1, "
			       "\"division\": \"%s\", \"methods\": ["
			       "{\"name\": \"passthrough\", \"ok\": true, \"rules\": []}, "
			       "{\"name\": \"slice\", \"ok\": true, \"rules\": []}, "
			       "{\"name\": \"partition\", \"ok\": true, \"rules\": []}]}]}",
			       cases[i].division);
		fake_divvyd(answers, 1);
		FAKE_RUN(&run, "gpus");
		if (!strstr(run.out, cases[i].short_line))
			fail_msg("%s: %s%s", cases[i].division, run.out, run.err);
		assert_non_null(strstr(run.out, cases[i].long_line));
		assert_non_null(strstr(run.out, "1 CPU,") ? "" : strstr(run.out, "1 CPU\n"));
		fake_run_fini(&run);
		FAKE_RUN(&run, "gpus", "0");
		if (!strstr(run.out, cases[i].long_line))
			fail_msg("%s: %s%s", cases[i].division, run.out, run.err);
		fake_run_fini(&run);
	}
}

static void test_one_gpu(void **state)
{
	const struct fake_answer answers[] = {{"GET", "/v1/gpus", fake_gpus(), {0}}};
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "gpus", "--json", "h100");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "0000:65:00.0"));
	assert_null(strstr(run.out, "cpu-opencl"));
	fake_run_fini(&run);
	FAKE_RUN(&run, "gpus", "rtx");
	assert_int_equal(run.status, 3);
	assert_string_equal(run.err, "divvy: there is no GPU called 'rtx'\n"
				     "  fix: `divvy gpus` lists what was found\n"
				     "  rule: S18 (divvy explain S18)\n");
	fake_run_fini(&run);
	assert_asked("GET /v1/gpus\nGET /v1/gpus\n");
}

static void test_no_leases(void **state)
{
	const struct fake_answer answers[] = {{"GET", "/v1/status", fake_status_free(), {0}}};
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "leases");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.out, "");
	assert_string_equal(run.err, "no leases\n");
	fake_run_fini(&run);
}

/* An answer that is not what it should be is a failure, never a crash or an empty screen. */
static void test_bad_answers(void **state)
{
	static const char *const documents[] = {"", "x", "[]", "{}",
						"{\"schema\": \"divvy/plan/1\"}"};
	static const char *const verbs[] = {"status", "gpus", "leases", "log"};

	for (size_t i = 0; i < DV_ARRAY_LEN(documents); i++) {
		const struct fake_answer answers[] = {
			{"GET", "/v1/status", documents[i], {0}},
			{"GET", "/v1/gpus", documents[i], {0}},
			{"GET", "/v1/log?after=0&most=50", documents[i], {0}},
		};

		fake_divvyd(answers, DV_ARRAY_LEN(answers));
		for (size_t j = 0; j < DV_ARRAY_LEN(verbs); j++) {
			struct fake_run run;

			FAKE_RUN(&run, verbs[j]);
			assert_int_equal(run.status, 1);
			assert_string_equal(run.out, "");
			assert_ptr_equal(strstr(run.err, "divvy: "), run.err);
			fake_run_fini(&run);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_json_is_passed_on),
		cmocka_unit_test(test_refusal_comes_through),
		cmocka_unit_test(test_names_are_checked),
		cmocka_unit_test(test_numbers_are_checked),
		cmocka_unit_test(test_bench_plan),
		cmocka_unit_test(test_wrong_usage),
		cmocka_unit_test(test_gpu_in_use),
		cmocka_unit_test(test_one_gpu),
		cmocka_unit_test(test_no_leases),
		cmocka_unit_test(test_bad_answers),
	};

	return cmocka_run_group_tests_name("cli/verbs", tests, NULL, NULL);
}
