/* SPDX-License-Identifier: Apache-2.0 */
/* The whole command, without a divvyd. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct ran {
	int status;
	char *out, *err;
	size_t out_len, err_len;
};

static void run(struct ran *ran, const char *const *words)
{
	char *argv[16] = {(char *)"divvy"};
	FILE *out, *err;
	int argc = 1;

	memset(ran, 0, sizeof(*ran));
	out = open_memstream(&ran->out, &ran->out_len);
	err = open_memstream(&ran->err, &ran->err_len);
	assert_non_null(out);
	assert_non_null(err);
	for (; *words; words++)
		argv[argc++] = (char *)*words;
	ran->status = dv_cli_main(argc, argv, out, err);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(fclose(err), 0);
}

#define RUN(ran, ...) run(ran, (const char *const[]){__VA_ARGS__, NULL})

static void ran_fini(struct ran *ran)
{
	free(ran->out);
	free(ran->err);
}

static void assert_ran(struct ran *ran, int status, const char *out, const char *err)
{
	assert_int_equal(ran->status, status);
	assert_string_equal(ran->out, out);
	assert_string_equal(ran->err, err);
	ran_fini(ran);
}

static void test_version(void **state)
{
	struct ran ran;

	RUN(&ran, "--version");
	assert_ran(&ran, 0, "divvy " DIVVY_VERSION "\n", "");
	RUN(&ran, "help", "--version");
	assert_ran(&ran, 0, "divvy " DIVVY_VERSION "\n", "");
}

static void test_unknown_verb(void **state)
{
	struct ran ran;

	RUN(&ran, "hlep");
	assert_ran(&ran, 2, "",
		   "divvy: there is no verb 'hlep'; is 'help' meant?\n"
		   "  fix: divvy --help lists the verbs\n");
	RUN(&ran, "xyzzy");
	assert_ran(&ran, 2, "",
		   "divvy: there is no verb 'xyzzy'\n"
		   "  fix: divvy --help lists the verbs\n");
}

static void test_failure_as_document(void **state)
{
	struct ran ran;

	RUN(&ran, "--json", "xy\"z");
	assert_ran(&ran, 2,
		   "{\"schema\": \"divvy/error/1\", \"code\": \"invalid\", \"rule\": null, "
		   "\"message\": \"there is no verb 'xy\\\"z'\", "
		   "\"fix\": \"divvy --help lists the verbs\", "
		   "\"file\": null, \"line\": null, \"column\": null}\n",
		   "");
	/* Wrong usage that comes before --json was read. */
	RUN(&ran, "--nonsense", "--json");
	assert_int_equal(ran.status, 2);
	assert_ptr_equal(strstr(ran.out, "{\"schema\": \"divvy/error/1\""), ran.out);
	assert_string_equal(ran.err, "");
	ran_fini(&ran);
}

static void test_machine_is_refused(void **state)
{
	struct ran ran;

	RUN(&ran, "--machine", "two-h100", "help");
	assert_int_equal(ran.status, 3);
	assert_string_equal(ran.out, "");
	assert_non_null(strstr(ran.err, "two-h100"));
	assert_non_null(strstr(ran.err, "fix: "));
	ran_fini(&ran);
}

static void test_count_of_words(void **state)
{
	struct ran ran;

	RUN(&ran, "help", "a", "b");
	assert_ran(&ran, 2, "",
		   "divvy: 'help' takes at most 1: [VERB]\n  fix: divvy help --help\n");
}

static void test_full_disk(void **state)
{
	char *argv[] = {(char *)"divvy", (char *)"--help", NULL};
	dv_autofree char *text = NULL;
	size_t len = 0;
	FILE *full = fopen("/dev/full", "we"), *err = open_memstream(&text, &len);

	assert_non_null(err);
	if (!full)
		skip();
	assert_int_equal(dv_cli_main(2, argv, full, err), 1);
	assert_int_equal(fclose(err), 0);
	(void)fclose(full);
	assert_non_null(strstr(text, "No space left on device"));
}

/* Every line fits on a terminal, and every verb and option has its words. */
static void test_help_fits(void **state)
{
	struct ran ran;

	for (size_t i = 0; dv_verbs[i]; i++) {
		RUN(&ran, "help", dv_verbs[i]->name);
		assert_int_equal(ran.status, 0);
		assert_string_equal(ran.err, "");
		assert_non_null(strstr(ran.out, dv_verbs[i]->help));
		for (char *save, *line = strtok_r(ran.out, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			assert_true(dv_out_width(line) <= DV_OUT_COLUMNS);
		ran_fini(&ran);
	}
}

/* What the parser relies on. */
static void test_tables(void **state)
{
	for (size_t i = 0; dv_verbs[i]; i++) {
		const struct dv_verb *verb = dv_verbs[i];
		size_t count = 0;

		assert_true(i < DV_VERBS_MOST);
		assert_ptr_equal(dv_verb_find(verb->name), verb);
		assert_non_null(verb->run);
		for (const struct dv_option *o = verb->options; o && o->name; o++, count++)
			for (const struct dv_option *g = dv_globals; g->name; g++) {
				assert_string_not_equal(o->name, g->name);
				assert_true(!o->letter || o->letter != g->letter);
			}
		assert_true(count <= DV_OPTIONS_MOST);
	}
	assert_non_null(dv_verb_find(DV_VERB_PLAIN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_unknown_verb),
		cmocka_unit_test(test_failure_as_document),
		cmocka_unit_test(test_machine_is_refused),
		cmocka_unit_test(test_count_of_words),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_help_fits),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("cli/command", tests, NULL, NULL);
}
