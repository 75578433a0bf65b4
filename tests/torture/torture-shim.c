/* SPDX-License-Identifier: Apache-2.0 */
/* What the shims keep of allocations, without memory for it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "shim/core/map.h"
#include "torture.h"

enum { HALF = 32 }; /* of the first table */

static struct dv_shim_map_entry entry_of(uintptr_t i)
{
	return (struct dv_shim_map_entry){.address = i * 64, .bytes = i};
}

/* One that was taken comes back, though others have filled its room meanwhile; a new one does not
 * get in, and nothing is lost. */
static void test_returned(void **state)
{
	struct dv_shim_map map = {0};
	struct dv_shim_map_entry entry, taken;
	int r;

	for (uintptr_t i = 1; i <= HALF; i++) {
		entry = entry_of(i);
		assert_int_equal(dv_shim_map_put(&map, &entry), 0);
	}
	assert_true(dv_shim_map_take(&map, (void *)(uintptr_t)64, &taken));
	entry = entry_of(HALF + 1);
	assert_int_equal(dv_shim_map_put(&map, &entry), 0);
	torture_arm(1, true);
	dv_shim_map_return(&map, &taken);
	entry = entry_of(HALF + 2);
	r = dv_shim_map_put(&map, &entry);
	assert_int_equal(torture_disarm(), 1);
	assert_int_equal(r, -ENOMEM);
	assert_int_equal(map.used, HALF + 1);
	for (uintptr_t i = 1; i <= HALF + 1; i++) {
		assert_true(dv_shim_map_take(&map, (void *)(i * 64), &entry));
		assert_int_equal(entry.bytes, i);
	}
	dv_shim_map_fini(&map);
}

static int fill(void *arg)
{
	struct dv_shim_map map = {0};
	int r = 0;

	for (uintptr_t i = 1; i <= 5 * HALF && r == 0; i++) {
		struct dv_shim_map_entry entry = entry_of(i);

		r = dv_shim_map_put(&map, &entry);
		if (map.used != i - (r < 0))
			r = -EINVAL;
	}
	dv_shim_map_fini(&map);
	return r;
}

static void test_filled(void **state)
{
	assert_true(torture_run("map", fill, NULL) >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_returned),
		cmocka_unit_test(test_filled),
	};

	return cmocka_run_group_tests_name("torture/shim", tests, NULL, NULL);
}
