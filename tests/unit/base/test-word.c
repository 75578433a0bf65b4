/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with words and characters in base/str. */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_utf8_len(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {
		{"", 0},
		{"a", 1},
		{"\xc3\xa9", 2},
		{"\xe2\x9c\x93", 3},
		{"\xf0\x9f\x8f\xa0", 4},
		{"\x80", 0},		 /* a tail without a head */
		{"\xc3", 0},		 /* cut off */
		{"\xe2\x9c", 0},	 /* cut off */
		{"\xf0\x9f\x8f", 0},	 /* cut off */
		{"\xc0\xaf", 0},	 /* '/' made longer than it is */
		{"\xe0\x80\xaf", 0},	 /* the same */
		{"\xf0\x80\x80\xaf", 0}, /* the same */
		{"\xed\xa0\x80", 0},	 /* half of a surrogate pair */
		{"\xf4\x90\x80\x80", 0}, /* after U+10FFFF */
		{"\xff", 0},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++)
		assert_int_equal(dv_utf8_len(cases[i].text), cases[i].len);
}

static void assert_nearest(const char *word, const char *wanted)
{
	static const char *const words[] = {"status", "gpus", "leases", "release",
					    "run",    "log",  NULL};
	const char *near = dv_nearest(word, words);

	if (wanted) {
		assert_non_null(near);
		assert_string_equal(near, wanted);
	} else {
		assert_null(near);
	}
}

static void test_nearest(void **state)
{
	assert_nearest("status", "status");
	assert_nearest("statsu", "status"); /* two swapped count as one */
	assert_nearest("sttus", "status");
	assert_nearest("lease", "leases");
	assert_nearest("rlease", "release");
	assert_nearest("st", "status"); /* the beginning */
	assert_nearest("gpu", "gpus");
	assert_nearest("rum", "run");
	assert_nearest("x", NULL);
	assert_nearest("", NULL);
	assert_nearest("frobnicate", NULL);
}

static void test_nearest_long_word(void **state)
{
	char word[300];

	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_nearest(word, NULL);
	word[63] = '\0';
	assert_nearest(word, NULL);
}

static void test_versions(void **state)
{
	assert_true(dv_version_compare("525.85.05", "525.85.12") < 0);
	assert_true(dv_version_compare("580.9", "580.10") < 0);
	assert_true(dv_version_compare("580.10", "580.9.99") > 0);
	assert_int_equal(dv_version_compare("470.1", "470.1.0"), 0);
	assert_int_equal(dv_version_compare("580.95.05", "580.95.05"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_utf8_len),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_nearest_long_word),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests_name("base/word", tests, NULL, NULL);
}
