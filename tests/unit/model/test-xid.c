/* SPDX-License-Identifier: Apache-2.0 */
#include "model/xid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_classes(void **state)
{
	assert_int_equal(dv_xid_class(31), DV_XID_APPLICATION);
	assert_int_equal(dv_xid_class(48), DV_XID_MEMORY);
	assert_int_equal(dv_xid_class(79), DV_XID_GPU);
	assert_string_equal(dv_xid_text(79), "GPU has fallen off the bus");
	/* A newer driver's is not guessed. */
	assert_int_equal(dv_xid_class(4711), DV_XID_UNKNOWN);
	assert_string_equal(dv_xid_text(4711), "");
	assert_string_equal(dv_xid_class_name(DV_XID_MEMORY), "memory");
	assert_string_equal(dv_xid_class_name((enum dv_xid_class)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_classes)};

	return cmocka_run_group_tests_name("model/xid", tests, NULL, NULL);
}
