/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_json(struct dv_buf *buf, const char *wanted)
{
	char *text = NULL;

	assert_int_equal(dv_buf_take(buf, &text), 0);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_document(void **state)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/x/1");
	dv_json_array(&json, "list");
	dv_json_u64(&json, NULL, UINT64_MAX);
	dv_json_i64(&json, NULL, -5);
	dv_json_object(&json, NULL);
	dv_json_end(&json);
	dv_json_end(&json);
	dv_json_bool(&json, "yes", true);
	dv_json_text(&json, "none", NULL);
	dv_json_end(&json);
	assert_json(&buf, "{\"schema\": \"divvy/x/1\", \"list\": [18446744073709551615, -5, {}], "
			  "\"yes\": true, \"none\": null}");
}

static void test_strings(void **state)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_text(&json, NULL, "a\"b\\c\n\x01\x7f \xc3\xa9 \xff\xc3 \xed\xa0\x80");
	assert_json(&buf, "\"a\\\"b\\\\c\\u000a\\u0001\\u007f \xc3\xa9 \\ufffd\\ufffd "
			  "\\ufffd\\ufffd\\ufffd\"");
}

static void test_numbers(void **state)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_array(&json, NULL);
	dv_json_number(&json, NULL, 12.5, 3);
	dv_json_number(&json, NULL, 100, 2);
	dv_json_number(&json, NULL, -0.0001, 2);
	dv_json_number(&json, NULL, 0.30000000000000004, 6);
	dv_json_number(&json, NULL, 7, 0);
	dv_json_number(&json, NULL, NAN, 2);
	dv_json_number(&json, NULL, INFINITY, 2);
	dv_json_number(&json, NULL, 1e300, 2);
	dv_json_end(&json);
	assert_json(&buf, "[12.5, 100, 0, 0.3, 7, null, null, null]");
}

static void test_too_deep_is_a_failed_buffer(void **state)
{
	struct dv_buf buf = {0};
	struct dv_json json;
	char *text = NULL;

	dv_json_init(&json, &buf);
	for (int i = 0; i <= DV_JSON_DEPTH_MOST; i++)
		dv_json_array(&json, NULL);
	assert_int_equal(dv_buf_take(&buf, &text), -ENOMEM);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_too_deep_is_a_failed_buffer),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
