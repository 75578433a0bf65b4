/* SPDX-License-Identifier: Apache-2.0 */
/* What the command prints, byte for byte: argv[1] is the directory of the files compared with,
 * argv[2] stands for the root of the machine. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compare.h"

static void screens(const char *name)
{
	const struct fake_answer answers[] = {
		{"GET", "/v1/status", fake_status(), {0}},
		{"GET", "/v1/gpus", fake_gpus(), {0}},
		{"GET", "/v1/leases", fake_leases(), {0}},
		{"GET", "/v1/log?after=0&most=50", fake_log(), {0}},
		{"POST", "/v1/plan", fake_plan(), {0}},
		{"GET", "/v1/gpus/0/holders", fake_who(), {0}},
		{"DELETE", "/v1/leases/notebook", "{}", {0}},
	};
	const struct fake_answer standing[] = {{"POST", "/v1/plan", fake_plan_stands(), {0}},
					       {"GET", "/v1/leases", fake_leases(), {0}},
					       {"GET", "/v1/status", fake_status(), {0}}};
	const struct fake_answer free_device[] = {{"GET", "/v1/status", fake_status_free(), {0}}};
	struct dv_buf page = {0};

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	ADD_RUN(&page);
	ADD_RUN(&page, "leases");
	ADD_RUN(&page, "top", "--once");
	ADD_RUN(&page, "top", "--json");
	ADD_RUN(&page, "gpus");
	ADD_RUN(&page, "gpus", "0");
	ADD_RUN(&page, "gpus", "h100");
	ADD_RUN(&page, "who", "0");
	ADD_RUN(&page, "log");
	ADD_RUN(&page, "release", "notebook");
	ADD_RUN(&page, "plan", "lab.yaml");
	fake_divvyd(standing, DV_ARRAY_LEN(standing));
	ADD_RUN(&page, "plan", "lab.yaml");
	ADD_RUN(&page, "diff", "lab.yaml");
	ADD_RUN(&page, "assert", "lab.yaml");
	ADD_RUN(&page, "export");
	ADD_RUN(&page, "export", "--fleet", "lab");
	ADD_RUN(&page, "export", "--format", "mig-parted");
	fake_divvyd(free_device, DV_ARRAY_LEN(free_device));
	ADD_RUN(&page, "status");
	finish(name, &page);
}

static void test_screens(void **state)
{
	screens("screens.txt");
}

static void test_screens_in_ascii(void **state)
{
	assert_non_null(setlocale(LC_CTYPE, "C"));
	screens("screens-ascii.txt");
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
}

static void test_help(void **state)
{
	struct dv_buf page = {0};

	ADD_RUN(&page, "--help");
	for (size_t i = 0; dv_verbs[i]; i++)
		ADD_RUN(&page, dv_verbs[i]->name, "--help");
	finish("help.txt", &page);
}

/* Files of mig-parted where a fleet file could be. */
static void test_parted(void **state)
{
	const struct fake_answer answers[] = {{"GET", "/v1/status", fake_status_mig(), {0}},
					      {"POST", "/v1/plan", fake_plan_stands(), {0}},
					      {"POST", "/v1/apply", fake_plan_stands(), {0}},
					      {"GET", "/v1/leases", fake_leases(), {0}}};
	struct dv_buf page = {0};

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	ADD_RUN(&page, "plan", "parted.yaml");
	ADD_RUN(&page, "diff", "parted.yaml", "--json");
	ADD_RUN(&page, "apply", "parted.yaml", "--config", "halfs");
	ADD_RUN(&page, "plan", "lab.yaml", "-c", "half");
	ADD_RUN(&page, "assert", "lab.yaml", "-c", "half");
	ADD_RUN(&page, "diff", "parted.yaml", "-c", "half");
	ADD_RUN(&page, "diff", "parted.yaml", "-c", "half", "--json");
	ADD_RUN(&page, "assert", "parted.yaml", "-c", "half");
	ADD_RUN(&page, "assert", "parted.yaml", "-c", "as-it-is");
	ADD_RUN(&page, "apply", "parted.yaml", "-c", "as-it-is");
	ADD_RUN(&page, "apply", "parted.yaml", "-c", "one-only");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "none-of-it");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "of-another");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "parts");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "too-many");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "number-nine");
	ADD_RUN(&page, "plan", "parted.yaml", "-c", "other-model");
	ADD_RUN(&page, "export", "--format", "mig-parted");
	ADD_RUN(&page, "export", "--format", "mig-parted", "-c", "today", "--json");
	ADD_RUN(&page, "export", "--format", "mig-parted", "--fleet", "lab");
	ADD_RUN(&page, "export", "--config", "today");
	ADD_RUN(&page, "export", "--format", "parted");
	finish("parted.txt", &page);
}

static void test_errors(void **state)
{
	const struct fake_answer answers[] = {
		{"DELETE",
		 "/v1/leases/theirs",
		 NULL,
		 {.code = -EPERM,
		  .rule = "S10",
		  .message = "the lease 'theirs' is user alice's",
		  .fix = "ask alice, or an administrator: sudo divvy release theirs"}},
		{"GET", "/v1/gpus", fake_gpus(), {0}},
		{"GET", "/v1/leases", "{}", {0}},
		{"GET", "/v1/status", "{\"schema\": \"divvy/leases/1\"}", {0}},
	};
	struct dv_buf page = {0};

	fake_divvyd(NULL, 0);
	ADD_RUN(&page, "leases");
	ADD_RUN(&page, "--json", "leases");
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	ADD_RUN(&page, "statsu");
	ADD_RUN(&page, "frobnicate");
	ADD_RUN(&page, "--jsn");
	ADD_RUN(&page, "leases", "--jsno");
	ADD_RUN(&page, "leases", "now");
	ADD_RUN(&page, "release");
	ADD_RUN(&page, "release", "../x");
	ADD_RUN(&page, "release", "theirs");
	ADD_RUN(&page, "release", "theirs", "--json");
	ADD_RUN(&page, "gpus", "rtx");
	ADD_RUN(&page, "who", "0/../x");
	ADD_RUN(&page, "log", "--lines", "many");
	ADD_RUN(&page, "status");
	ADD_RUN(&page, "--machine", "two h100", "status");
	ADD_RUN(&page, "--machine", "dgx-h100", "--socket", "/s", "status");
	finish("errors.txt", &page);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_screens), cmocka_unit_test(test_screens_in_ascii),
		cmocka_unit_test(test_help),	cmocka_unit_test(test_parted),
		cmocka_unit_test(test_errors),
	};

	if (argc < 3 || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	directory = argv[1];
	fake_set_root(argv[2]);
	/* Files are named as a user would. */
	if (chdir(directory) < 0)
		return 1;
	return cmocka_run_group_tests_name("golden/cli", tests, NULL, NULL);
}
