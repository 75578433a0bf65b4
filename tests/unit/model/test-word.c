/* SPDX-License-Identifier: Apache-2.0 */
#include "model/word.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const words[] = {"memory", "compute", "isolation", "p99", "vm", NULL};

static void test_parse(void **state)
{
	struct dv_error err = {0};

	assert_int_equal(dv_word_parse("need", words, "p99", &err), 3);
	assert_int_equal(err.code, 0);
	assert_int_equal(dv_word_parse("need", words, "Memory", &err), -EINVAL);
	assert_string_equal(err.rule, "F11");
	assert_string_equal(err.msg, "unknown need 'Memory'; did you mean 'memory'? allowed: "
				     "memory, compute, isolation, p99, vm");
	assert_string_equal(err.fix, "write one of: memory, compute, isolation, p99, vm");
	dv_error_clear(&err);
	assert_int_equal(dv_word_parse("need", words, "", &err), -EINVAL);
	assert_string_equal(err.msg,
			    "unknown need ''; allowed: memory, compute, isolation, p99, vm");
	assert_int_equal(dv_word_parse("need", words, "zz", NULL), -EINVAL);
}

static void test_list_is_cut(void **state)
{
	char buf[11];

	assert_string_equal(dv_word_list(words, buf, sizeof(buf)), "memory, co");
	assert_string_equal(dv_word_list(words + 3, buf, sizeof(buf)), "p99, vm");
	assert_string_equal(dv_word_list(words + 5, buf, sizeof(buf)), "");
	assert_string_equal(dv_word_list(words, buf, 1), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_list_is_cut),
	};

	return cmocka_run_group_tests_name("model/word", tests, NULL, NULL);
}
