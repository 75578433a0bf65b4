/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs that need no divvyd print, byte for byte: argv[1] is the directory of the files
 * compared with. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"

/* The list grows with every rule, so only its form is compared. */
static void test_list_of_topics(void **state)
{
	const char *const some[] = {"Ways to divide\n  method  ", "\n  F01  ", "\n  S01  ",
				    "\n  best-effort       idle time", "explains one of them.\n"};
	struct fake_run run;

	FAKE_RUN(&run, "explain");
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	check_columns(run.out);
	for (size_t i = 0; i < DV_ARRAY_LEN(some); i++)
		if (!strstr(run.out, some[i]))
			fail_msg("%s is not in the list", some[i]);
	fake_run_fini(&run);
	FAKE_RUN(&run, "explain", "--json");
	assert_ptr_equal(strstr(run.out, "{\"schema\": \"divvy/topics/1\", \"topics\": [{"),
			 run.out);
	fake_run_fini(&run);
}

static void test_explain(void **state)
{
	struct dv_buf page = {0};

	ADD_RUN(&page, "explain", "G01");
	ADD_RUN(&page, "explain", "placement");
	ADD_RUN(&page, "explain", "time", "slicing");
	ADD_RUN(&page, "explain", "quarntine");
	ADD_RUN(&page, "explain", "quantm", "--json");
	ADD_RUN(&page, "explain", "F09", "--json");
	finish("explain.txt", &page);
}

/* The list grows with the cases, so a few are compared; its schema is its own. */
static void test_cases(void **state)
{
	struct dv_buf page = {0};

	ADD_RUN(&page, "bench", "--list", "noisy/");
	ADD_RUN(&page, "bench", "--list", "noisy/", "--json");
	ADD_RUN(&page, "bench", "--list", "plan/batch/", "plan/repartition/");
	ADD_RUN(&page, "bench", "--list", "plan/repartition/add-one", "--json");
	ADD_RUN(&page, "bench", "--list", "cuda/memory/", "cuda/start/apart");
	ADD_RUN(&page, "bench", "--list", "cuda/gate/launch/refused", "--json");
	ADD_RUN(&page, "bench", "cuda/nosuch");
	ADD_RUN(&page, "bench", "cuda/share/30:70/5us", "--quick");
	ADD_RUN(&page, "bench", "cuda/memory/", "memory/");
	ADD_RUN(&page, "bench", "nosuch");
	ADD_RUN(&page, "bench", "nosuch", "--json");
	finish("cases.txt", &page);
}

static void test_profiles(void **state)
{
	const struct fake_answer answers[] = {{"GET", "/v1/gpus", fake_gpus(), {0}}};
	struct dv_buf page = {0};

	fake_divvyd(NULL, 0);
	ADD_RUN(&page, "profiles", "H100");
	ADD_RUN(&page, "profiles", "b200");
	ADD_RUN(&page, "profiles", "RTX PRO 5000");
	ADD_RUN(&page, "profiles", "thor");
	ADD_RUN(&page, "profiles", "a100-64");
	ADD_RUN(&page, "profiles", "RTX 4090");
	ADD_RUN(&page, "profiles", "rtx3060");
	ADD_RUN(&page, "profiles", "v100");
	ADD_RUN(&page, "profiles", "l40s-1q");
	ADD_RUN(&page, "profiles", "h20-96", "--json");
	ADD_RUN(&page, "profiles", "L40S-4C", "--json");
	ADD_RUN(&page, "profiles", "H900");
	ADD_RUN(&page, "profiles", "RTX PRO");
	ADD_RUN(&page, "profiles", "0");
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	ADD_RUN(&page, "profiles", "0");
	ADD_RUN(&page, "profiles", "7");
	finish("profiles.txt", &page);
}

/* A GPU of the machine is what divvyd says it is. */
static void test_profiles_of_the_machine(void **state)
{
	const struct fake_answer answers[] = {{"GET", "/v1/gpus", fake_gpus(), {0}}};
	struct fake_run run;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "profiles", "0000:65:00.0");
	assert_int_equal(run.status, 0);
	assert_ptr_equal(strstr(run.out, "h100-80-sxm  NVIDIA H100 80GB HBM3\n"), run.out);
	assert_string_equal(fake_divvyd_asked(), "GET /v1/gpus\n");
	fake_run_fini(&run);
	/* A name is looked up in the catalogue alone. */
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	FAKE_RUN(&run, "profiles", "H100", "--json");
	assert_int_equal(run.status, 0);
	assert_string_equal(fake_divvyd_asked(), "");
	fake_run_fini(&run);
}

static void test_profiles_list_and_sources(void **state)
{
	struct fake_run run;

	FAKE_RUN(&run, "profiles");
	assert_int_equal(run.status, 0);
	check_columns(run.out);
	assert_non_null(strstr(run.out, "\nrtx4090  "));
	fake_run_fini(&run);
	FAKE_RUN(&run, "profiles", "--json");
	assert_ptr_equal(strstr(run.out, "{\"schema\": \"divvy/models/1\", \"models\": [{"),
			 run.out);
	fake_run_fini(&run);
	FAKE_RUN(&run, "profiles", "A30", "--sources");
	assert_int_equal(run.status, 0);
	assert_non_null(strstr(run.out, "\nSources\n"));
	assert_non_null(strstr(run.out, "    https://docs.nvidia.com/datacenter/tesla/"));
	fake_run_fini(&run);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_of_topics),
		cmocka_unit_test(test_explain),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_profiles),
		cmocka_unit_test(test_profiles_of_the_machine),
		cmocka_unit_test(test_profiles_list_and_sources),
	};

	if (argc < 2 || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	directory = argv[1];
	return cmocka_run_group_tests_name("golden/cli-offline", tests, NULL, NULL);
}
