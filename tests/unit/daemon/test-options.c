/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *const *words, struct dv_daemon_options *ret, struct dv_error *err)
{
	char *argv[16] = {(char *)"divvyd"};
	int argc = 1;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	return dv_daemon_options(argc, argv, ret, err);
}

#define PARSE(ret, err, ...) parse((const char *const[]){__VA_ARGS__, NULL}, ret, err)

static void test_all(void **state)
{
	struct dv_daemon_options o;

	assert_int_equal(PARSE(&o, NULL, "--config", "/c", "--run-dir=/r", "--state-dir", "/s",
			       "--lock-dir", "/l", "--root", "/m", "--nvml=/n", "--auto", "--idle",
			       "7", "--debug"),
			 0);
	assert_string_equal(o.config, "/c");
	assert_string_equal(o.run_dir, "/r");
	assert_string_equal(o.state_dir, "/s");
	assert_string_equal(o.lock_dir, "/l");
	assert_string_equal(o.root, "/m");
	assert_string_equal(o.nvml, "/n");
	assert_true(o.automatic);
	assert_true(o.debug);
	assert_int_equal(o.idle_s, 7);
	assert_int_equal(o.ready_fd, -1);
}

static void test_defaults(void **state)
{
	struct dv_daemon_options o;

	assert_int_equal(parse((const char *const[]){NULL}, &o, NULL), 0);
	assert_null(o.config);
	assert_null(o.run_dir);
	assert_false(o.automatic);
	assert_int_equal(o.idle_s, 30);
	assert_int_equal(PARSE(&o, NULL, "--help"), 0);
	assert_true(o.help);
	assert_int_equal(PARSE(&o, NULL, "--version"), 0);
	assert_true(o.version);
}

static void test_wrong(void **state)
{
	static const struct {
		const char *words[3], *message;
	} cases[] = {
		{{"--nonsense"}, "'--nonsense'"},
		{{"-x"}, "'-x'"},
		{{"--config"}, "value is missing"},
		{{"--run-dir", "relative"}, "absolute path"},
		{{"--idle", "soon"}, "'soon'"},
		{{"--idle", "-1"}, "'-1'"},
		{{"--idle", "99999999999999999999"}, "from 0 to 86400"},
		{{"--ready-fd", "0"}, "from 3"},
		{{"--ready-fd", "1000000"}, "not open"},
		{{"word"}, "'word'"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		struct dv_daemon_options o = {.idle_s = 4711};
		struct dv_error err = {0};

		assert_int_equal(parse(cases[i].words, &o, &err), -EINVAL);
		if (!strstr(err.msg, cases[i].message))
			fail_msg("%s: %s", cases[i].words[0], err.msg);
		assert_int_equal(o.idle_s, 4711);
	}
}

/* The help speaks of every option, and every option it speaks of is one. */
static void test_help(void **state)
{
	static const char *const names[] = {"--config",	  "--run-dir", "--state-dir", "--lock-dir",
					    "--root",	  "--nvml",    "--auto",      "--idle",
					    "--ready-fd", "--debug",   "--help",      "--version"};
	unsigned count = 0;

	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++)
		assert_non_null(strstr(dv_daemon_help, names[i]));
	for (const char *at = dv_daemon_help; (at = strstr(at, "\n  --")); at++)
		count++;
	assert_int_equal(count, DV_ARRAY_LEN(names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests_name("daemon/options", tests, NULL, NULL);
}
