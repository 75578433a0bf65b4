/* SPDX-License-Identifier: Apache-2.0 */
/* The whole command, without a divvyd. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake-divvyd.h"

static void assert_ran(struct fake_run *ran, int status, const char *out, const char *err)
{
	assert_int_equal(ran->status, status);
	assert_string_equal(ran->out, out);
	assert_string_equal(ran->err, err);
	fake_run_fini(ran);
}

static void test_version(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "--version");
	assert_ran(&ran, 0, "divvy " DIVVY_VERSION "\n", "");
	FAKE_RUN(&ran, "help", "--version");
	assert_ran(&ran, 0, "divvy " DIVVY_VERSION "\n", "");
}

static void test_unknown_verb(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "hlep");
	assert_ran(&ran, 2, "",
		   "divvy: there is no verb 'hlep'; is 'help' meant?\n"
		   "  fix: divvy --help lists the verbs\n");
	FAKE_RUN(&ran, "xyzzy");
	assert_ran(&ran, 2, "",
		   "divvy: there is no verb 'xyzzy'\n"
		   "  fix: divvy --help lists the verbs\n");
}

static void test_failure_as_document(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "--json", "xy\"z");
	assert_ran(&ran, 2,
		   "{\"schema\": \"divvy/error/1\", \"code\": \"invalid\", \"rule\": null, "
		   "\"message\": \"there is no verb 'xy\\\"z'\", "
		   "\"fix\": \"divvy --help lists the verbs\", "
		   "\"file\": null, \"line\": null, \"column\": null}\n",
		   "");
	/* Wrong usage that comes before --json was read. */
	FAKE_RUN(&ran, "--nonsense", "--json");
	assert_int_equal(ran.status, 2);
	assert_ptr_equal(strstr(ran.out, "{\"schema\": \"divvy/error/1\""), ran.out);
	assert_string_equal(ran.err, "");
	fake_run_fini(&ran);
}

static void test_help_as_document(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "--json", "--help");
	assert_int_equal(ran.status, 0);
	assert_ptr_equal(
		strstr(ran.out, "{\"schema\": \"divvy/help/1\", \"version\": \"" DIVVY_VERSION),
		ran.out);
	assert_non_null(strstr(ran.out, "\"name\": \"release\""));
	fake_run_fini(&ran);
	FAKE_RUN(&ran, "help", "run", "--json");
	assert_int_equal(ran.status, 0);
	assert_non_null(strstr(ran.out, "\"name\": \"memory\", \"letter\": \"m\""));
	assert_null(strstr(ran.out, "\"name\": \"release\""));
	fake_run_fini(&ran);
}

/* A simulated machine has a divvyd of its own. Nothing is made of a name that is none. */
static void test_machine_is_refused(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "--machine", "dgx-h100", "--socket", "/s", "help");
	assert_int_equal(ran.status, 2);
	assert_string_equal(ran.out, "");
	assert_non_null(strstr(ran.err, "give one"));
	assert_non_null(strstr(ran.err, "fix: "));
	fake_run_fini(&ran);
	FAKE_RUN(&ran, "--machine", "../dgx", "status");
	assert_int_equal(ran.status, 2);
	assert_non_null(strstr(ran.err, "../dgx"));
	fake_run_fini(&ran);
	FAKE_RUN(&ran, "--machine", "..", "status");
	assert_non_null(strstr(ran.err, "F08"));
	assert_int_equal(ran.status, 2);
	fake_run_fini(&ran);
}

static void test_count_of_words(void **state)
{
	struct fake_run ran;

	FAKE_RUN(&ran, "help", "a", "b");
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
	assert_int_equal(dv_cli_main(2, argv, &(struct dv_cli_env){full, err, "/", 100}), 1);
	assert_int_equal(fclose(err), 0);
	(void)fclose(full);
	assert_non_null(strstr(text, "No space left on device"));
}

/* divvyd ends between the connection and its answer: what only reads is asked once more. */
static void test_lost_connection(void **state)
{
	const struct fake_answer answers[] = {
		{.verb = "GET", .path = "/v1/status", .document = fake_status()},
		{.verb = "DELETE", .path = "/v1/leases/a", .document = fake_leases()},
	};
	struct fake_run ran;

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	fake_divvyd_loses(1);
	FAKE_RUN(&ran, "status");
	assert_int_equal(ran.status, 0);
	assert_string_equal(ran.err, "");
	assert_string_equal(fake_divvyd_asked(), "GET /v1/status\nGET /v1/status\n");
	fake_run_fini(&ran);

	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	fake_divvyd_loses(3);
	FAKE_RUN(&ran, "status");
	assert_int_equal(ran.status, 5);
	assert_non_null(strstr(ran.err, "the connection is lost"));
	assert_string_equal(fake_divvyd_asked(), "GET /v1/status\nGET /v1/status\n");
	fake_run_fini(&ran);

	/* It may be released by now. */
	fake_divvyd(answers, DV_ARRAY_LEN(answers));
	fake_divvyd_loses(1);
	FAKE_RUN(&ran, "release", "a");
	assert_int_equal(ran.status, 5);
	assert_string_equal(fake_divvyd_asked(), "DELETE /v1/leases/a\n");
	fake_run_fini(&ran);
	fake_divvyd(NULL, 0);
	fake_divvyd_loses(0);
}

/* Every line fits on a terminal, and every verb and option has its words. */
static void test_help_fits(void **state)
{
	struct fake_run ran;

	for (size_t i = 0; dv_verbs[i]; i++) {
		FAKE_RUN(&ran, "help", dv_verbs[i]->name);
		assert_int_equal(ran.status, 0);
		assert_string_equal(ran.err, "");
		assert_non_null(strstr(ran.out, dv_verbs[i]->help));
		for (char *save, *line = strtok_r(ran.out, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			assert_true(dv_out_width(line) <= DV_OUT_COLUMNS);
		fake_run_fini(&ran);
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
		cmocka_unit_test(test_help_as_document),
		cmocka_unit_test(test_machine_is_refused),
		cmocka_unit_test(test_count_of_words),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_lost_connection),
		cmocka_unit_test(test_help_fits),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("cli/command", tests, NULL, NULL);
}
