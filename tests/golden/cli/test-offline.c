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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_of_topics),
		cmocka_unit_test(test_explain),
	};

	if (argc < 2 || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	directory = argv[1];
	return cmocka_run_group_tests_name("golden/cli-offline", tests, NULL, NULL);
}
