/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t units(enum dv_method method, uint32_t mpct, uint32_t of)
{
	const struct dv_lease lease = {.method = method, .compute_mpct = mpct};

	return dv_lease_compute_units(&lease, of);
}

static void test_a_slice_is_shown_its_share_rounded_up(void **state)
{
	assert_int_equal(units(DV_METHOD_SLICE, 50000, 2), 1);
	assert_int_equal(units(DV_METHOD_SLICE, 50001, 2), 2);
	assert_int_equal(units(DV_METHOD_SLICE, 100000, 2), 2);
	assert_int_equal(units(DV_METHOD_SLICE, 1, 128), 1);
	assert_int_equal(units(DV_METHOD_SLICE, 25000, 132), 33);
	assert_int_equal(units(DV_METHOD_SLICE, 99999, UINT32_MAX), UINT32_MAX - 42949);
}

static void test_others_are_shown_what_they_have(void **state)
{
	assert_int_equal(units(DV_METHOD_PARTITION, 50000, 2), 2);
	assert_int_equal(units(DV_METHOD_PASSTHROUGH, 0, 8), 8);
	assert_int_equal(units(DV_METHOD_SLICE, 0, 8), 8); /* no share of its own */
}

static void test_every_state_has_a_name_of_its_own(void **state)
{
	for (int s = 0; s < DV_LEASE_STATE_COUNT; s++) {
		enum dv_lease_state back = DV_LEASE_STATE_COUNT;

		assert_int_equal(dv_lease_state_parse(dv_lease_state_name(s), &back, NULL), 0);
		assert_int_equal(back, s);
	}
}

static void test_who_is_in_it(void **state)
{
	struct dv_lease lease = {.state = DV_LEASE_READY};
	char text[64], small[9];

	assert_false(dv_lease_in_use(&lease));
	assert_string_equal(dv_lease_users_print(&lease, text, sizeof(text)), "");
	lease.user_count = 2;
	lease.users[0] = (struct dv_lease_user){.pid = 12, .command = "sleep"};
	lease.users[1] = (struct dv_lease_user){.pid = 13, .member = true};
	lease.pid_count = 2;
	lease.pids[0] = 12; /* the same process */
	lease.pids[1] = 14;
	assert_true(dv_lease_in_use(&lease));
	assert_string_equal(dv_lease_users_print(&lease, text, sizeof(text)),
			    "pid 12 sleep, 13, 14");
	lease.user_count = DV_LEASE_USERS_MOST + 1;
	assert_string_equal(dv_lease_users_print(&lease, text, sizeof(text)),
			    "pid 12 sleep, 13, 0 and 7 more");
	assert_string_equal(dv_lease_users_print(&lease, small, sizeof(small)), "pid 12 s");
	lease = (struct dv_lease){.state = DV_LEASE_UNENFORCED};
	assert_true(dv_lease_in_use(&lease));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slice_is_shown_its_share_rounded_up),
		cmocka_unit_test(test_others_are_shown_what_they_have),
		cmocka_unit_test(test_who_is_in_it),
		cmocka_unit_test(test_every_state_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests_name("model/lease", tests, NULL, NULL);
}
