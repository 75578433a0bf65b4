/* SPDX-License-Identifier: Apache-2.0 */
#include "model/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"memory", "compute", "isolation", "p99", "vm"};

static const char *nearest(const char *text)
{
	return dv_word_nearest(text, words, DV_ARRAY_LEN(words));
}

static void test_nearest(void **state)
{
	assert_string_equal(nearest("memry"), "memory");
	assert_string_equal(nearest("memroy"), "memory");
	assert_string_equal(nearest("memoryy"), "memory");
	assert_string_equal(nearest("izolation"), "isolation");
	assert_string_equal(nearest("comqutte"), "compute");
	assert_string_equal(nearest("p9"), "p99");
	assert_null(nearest("gpu"));
	assert_null(nearest("x"));
	assert_null(nearest(""));
	/* A word of two letters has no typing errors that are told from other words. */
	assert_null(nearest("ws"));
}

static void test_long_text_is_near_nothing(void **state)
{
	char text[4096];

	memset(text, 'm', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_null(nearest(text));
}

static void test_parse(void **state)
{
	struct dv_error err = {0};

	assert_int_equal(dv_word_parse("need", words, 5, "p99", &err), 3);
	assert_int_equal(err.code, 0);
	assert_int_equal(dv_word_parse("need", words, 5, "Memory", &err), -EINVAL);
	assert_string_equal(err.rule, "F11");
	assert_string_equal(err.msg, "unknown need 'Memory'; did you mean 'memory'? allowed: "
				     "memory, compute, isolation, p99, vm");
	assert_string_equal(err.fix, "write one of: memory, compute, isolation, p99, vm");
	dv_error_clear(&err);
	assert_int_equal(dv_word_parse("need", words, 5, "", &err), -EINVAL);
	assert_string_equal(err.msg,
			    "unknown need ''; allowed: memory, compute, isolation, p99, vm");
	assert_int_equal(dv_word_parse("need", words, 5, "zz", NULL), -EINVAL);
}

static void test_list_is_cut(void **state)
{
	char buf[11];

	assert_string_equal(dv_word_list(words, 2, buf, sizeof(buf)), "memory, co");
	assert_string_equal(dv_word_list(words, 0, buf, sizeof(buf)), "");
	assert_string_equal(dv_word_list(words, 5, buf, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_long_text_is_near_nothing),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_list_is_cut),
	};

	return cmocka_run_group_tests_name("model/word", tests, NULL, NULL);
}
