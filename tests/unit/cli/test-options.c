/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct dv_option own[] = {
	{"memory", 'm', "SIZE", "how much"},
	{"quiet", 'q', NULL, "say less"},
	{NULL},
};
static const struct dv_option global[] = {
	{"json", 0, NULL, "print JSON"},
	{"socket", 0, "PATH", "where"},
	{NULL},
};

struct parsed {
	struct dv_given own, global;
	int first, r;
	struct dv_error err;
	char *argv[16];
};

static void parse(struct parsed *p, bool stop, const char *const *words)
{
	const struct dv_option_set sets[2] = {{own, &p->own}, {global, &p->global}};
	int argc = 0;

	memset(p, 0, sizeof(*p));
	p->first = -1;
	p->argv[argc++] = (char *)"verb";
	for (; *words; words++)
		p->argv[argc++] = (char *)*words;
	p->r = dv_options_parse(sets, argc, p->argv, stop, &p->first, &p->err);
}

#define PARSE(p, stop, ...) parse(p, stop, (const char *const[]){__VA_ARGS__, NULL})

static void test_both_tables(void **state)
{
	struct parsed p;

	PARSE(&p, false, "--memory", "8G", "word", "--json", "-q", "--socket=/x");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.own.value[0], "8G");
	assert_string_equal(p.own.value[1], "");
	assert_string_equal(p.global.value[0], "");
	assert_string_equal(p.global.value[1], "/x");
	assert_int_equal(p.first, 6);
	assert_string_equal(p.argv[p.first], "word");
}

static void test_not_given(void **state)
{
	struct parsed p;

	PARSE(&p, false, "word");
	assert_int_equal(p.r, 0);
	assert_null(p.own.value[0]);
	assert_null(p.own.value[1]);
	assert_null(p.global.value[0]);
}

static void test_last_wins_and_letters(void **state)
{
	struct parsed p;

	PARSE(&p, false, "-m1G", "-qm", "2G");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.own.value[0], "2G");
	assert_string_equal(p.own.value[1], "");
}

static void test_stops_at_the_command(void **state)
{
	struct parsed p;

	PARSE(&p, true, "-q", "ls", "--json", "-m", "x");
	assert_int_equal(p.r, 0);
	assert_int_equal(p.first, 2);
	assert_null(p.global.value[0]);
	assert_null(p.own.value[0]);

	PARSE(&p, true, "-q", "--", "--json");
	assert_int_equal(p.r, 0);
	assert_string_equal(p.argv[p.first], "--json");
	assert_null(p.global.value[0]);
}

static void assert_refused(struct parsed *p, const char *msg)
{
	assert_int_equal(p->r, -EINVAL);
	assert_string_equal(p->err.msg, msg);
	assert_int_equal(p->first, -1);
}

static void test_refusals(void **state)
{
	struct parsed p;

	PARSE(&p, false, "--memroy", "3G");
	assert_refused(&p, "there is no option '--memroy'; is '--memory' meant?");
	PARSE(&p, false, "--zebra=3");
	assert_refused(&p, "there is no option '--zebra'");
	PARSE(&p, false, "-x");
	assert_refused(&p, "there is no option '-x'");
	PARSE(&p, false, "word", "--memory");
	assert_refused(&p, "option '--memory' needs a value");
	PARSE(&p, false, "-m");
	assert_refused(&p, "option '-m' needs a value");
	PARSE(&p, false, "--memory=");
	assert_refused(&p, "option '--memory' needs a value (SIZE), not an empty one");
	PARSE(&p, false, "-m", "");
	assert_refused(&p, "option '--memory' needs a value (SIZE), not an empty one");
	PARSE(&p, false, "--quiet=yes");
	assert_refused(&p, "option '--quiet' takes no value");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_tables),
		cmocka_unit_test(test_not_given),
		cmocka_unit_test(test_last_wins_and_letters),
		cmocka_unit_test(test_stops_at_the_command),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests_name("cli/options", tests, NULL, NULL);
}
