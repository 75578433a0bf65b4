/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set_once(void **state)
{
	struct dv_error err = {0};

	assert_int_equal(dv_error_set(&err, -EINVAL, "first %d", 1), -EINVAL);
	assert_int_equal(dv_error_rule(&err, -EBUSY, "S01", "second"), -EBUSY);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "first 1");
	assert_string_equal(err.rule, "");
}

static void test_prefix_keeps_message(void **state)
{
	struct dv_error err = {0};
	int r = dv_error_set(&err, -ENOSPC, "no room");

	assert_int_equal(dv_error_prefix(&err, r, "gpu %u", 3), -ENOSPC);
	assert_string_equal(err.msg, "gpu 3: no room");
}

static void test_null_record(void **state)
{
	assert_int_equal(dv_error_set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(dv_error_rule(NULL, -EBUSY, "S01", "x"), -EBUSY);
	assert_int_equal(dv_error_prefix(NULL, -EIO, "x"), -EIO);
	assert_int_equal(dv_error_errno(NULL, EACCES, "x"), -EPERM);
}

static void test_classes(void **state)
{
	assert_int_equal(dv_error_class(-EBUSY)->exit_status, 3);
	assert_int_equal(dv_error_class(-ECONNREFUSED)->exit_status, 5);
	assert_int_equal(dv_error_class(-EBADMSG)->http_status, 400);
	/* An unlisted code is a plain failure, never a crash. */
	assert_string_equal(dv_error_class(-12345)->name, "failed");
	assert_int_equal(dv_error_class_by_name("stale")->code, -ESTALE);
	assert_null(dv_error_class_by_name("nonsense"));
}

/* Whatever the code: a refusal by a rule is no plain failure, and wrong usage stays wrong usage. */
static void test_exit_of_a_rule(void **state)
{
	static const struct {
		int code;
		const char *rule;
		int status;
	} rows[] = {
		{-ENOENT, "S09", 3},	   {-ENOENT, "", 1},   {-ENODEV, "S18", 3},
		{-EEXIST, "S13", 3},	   {-EEXIST, "", 1},   {-EBUSY, "S01", 3},
		{-EUCLEAN, "S06", 3},	   {-EIO, "", 1},      {-EINVAL, "F07", 2},
		{-EBADMSG, "F01", 2},	   {-E2BIG, "F14", 2}, {-EOPNOTSUPP, "M02", 3},
		{-ECONNREFUSED, "S03", 5},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(rows); i++) {
		struct dv_error err = {0};

		(void)dv_error_rule(&err, rows[i].code, rows[i].rule, "x");
		if (dv_error_exit(&err) != rows[i].status)
			fail_msg("%s with rule '%s': %d", dv_error_class(rows[i].code)->name,
				 rows[i].rule, dv_error_exit(&err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_once),       cmocka_unit_test(test_prefix_keeps_message),
		cmocka_unit_test(test_null_record),    cmocka_unit_test(test_classes),
		cmocka_unit_test(test_exit_of_a_rule),
	};

	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
