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

#include <cmocka.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/cli.h"
#include "fake-divvyd.h"

enum { DOCUMENT_MOST = 1 << 20 };

static const char *directory;

static void compare(const char *name, const char *text)
{
	dv_autofree char *wanted = NULL;
	struct dv_error err = {0};
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (getenv("DV_TEST_REGENERATE")) {
		if (dv_file_write(path, text, strlen(text), 0644, &err) < 0)
			fail_msg("%s", err.msg);
		return;
	}
	if (dv_file_read(path, DOCUMENT_MOST, &wanted, NULL, &err) < 0)
		fail_msg("%s (DV_TEST_REGENERATE=1 makes it)", err.msg);
	if (strcmp(wanted, text) != 0)
		fail_msg("%s is different now:\n%s", path, text);
}

/* Every printed line fits on a terminal of 80 columns; messages in a file do not wrap, documents
 * neither. */
static void check_columns(const char *text)
{
	dv_autofree char *copy = strdup(text);
	char *save = NULL;

	assert_non_null(copy);
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (dv_out_width(line) > DV_OUT_COLUMNS)
			fail_msg("wider than a terminal: %s", line);
}

static void add_run(struct dv_buf *page, const char *const *words)
{
	struct fake_run run;

	dv_buf_add(page, "$ divvy");
	for (size_t i = 0; words[i]; i++)
		dv_buf_addf(page, " %s", words[i]);
	fake_run(&run, words);
	if (*run.out != '{')
		check_columns(run.out);
	dv_buf_addf(page, "\n%s%s%s[%d]\n\n", run.out, *run.err ? "--- standard error\n" : "",
		    run.err, run.status);
	fake_run_fini(&run);
}

#define ADD_RUN(page, ...) add_run(page, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void finish(const char *name, struct dv_buf *page)
{
	dv_autofree char *text = NULL;

	assert_int_equal(dv_buf_take(page, &text), 0);
	compare(name, text);
}

static void screens(const char *name)
{
	const struct fake_answer answers[] = {
		{"GET", "/v1/status", fake_status(), {0}},
		{"GET", "/v1/gpus", fake_gpus(), {0}},
		{"GET", "/v1/leases", fake_leases(), {0}},
		{"GET", "/v1/log?after=0&most=50", fake_log(), {0}},
		{"DELETE", "/v1/leases/notebook", "{}", {0}},
	};
	const struct fake_answer free_device[] = {{"GET", "/v1/status", fake_status_free(), {0}}};
	struct dv_buf page = {0};

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	ADD_RUN(&page);
	ADD_RUN(&page, "leases");
	ADD_RUN(&page, "gpus");
	ADD_RUN(&page, "gpus", "0");
	ADD_RUN(&page, "gpus", "h100");
	ADD_RUN(&page, "log");
	ADD_RUN(&page, "release", "notebook");
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
	ADD_RUN(&page, "log", "--lines", "many");
	ADD_RUN(&page, "status");
	ADD_RUN(&page, "--machine", "two-h100", "status");
	finish("errors.txt", &page);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_screens),
		cmocka_unit_test(test_screens_in_ascii),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_errors),
	};

	if (argc < 3 || !setlocale(LC_CTYPE, "C.UTF-8"))
		return 77;
	directory = argv[1];
	fake_set_root(argv[2]);
	return cmocka_run_group_tests_name("golden/cli", tests, NULL, NULL);
}
