/* SPDX-License-Identifier: Apache-2.0 */
/* How long a tenant had the device of late, by a clock of the test's own. */
#include "gate/use.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define SLOT ((uint64_t)DV_GATE_USE_SLOT_NS)
#define BEGIN (1000 * SLOT)

static struct dv_gate_use use;
static uint64_t ns[DV_GATE_USE_KINDS];

static int setup(void **state)
{
	memset(&use, 0, sizeof(use));
	use.since_ns = BEGIN;
	return 0;
}

static void test_begins_empty(void **state)
{
	assert_int_equal(dv_gate_use_sum(&use, BEGIN, ns), 0);
	assert_int_equal(dv_gate_use_sum(&use, BEGIN + 5, ns), 5);
	assert_int_equal(ns[DV_GATE_USE_TIMED] + ns[DV_GATE_USE_ENDLESS], 0);
}

static void test_adds_up(void **state)
{
	dv_gate_use_add(&use, DV_GATE_USE_TIMED, BEGIN + 10 * MS, BEGIN + 15 * MS);
	dv_gate_use_add(&use, DV_GATE_USE_ENDLESS, BEGIN + 15 * MS, BEGIN + 400 * MS);
	dv_gate_use_add(&use, DV_GATE_USE_TIMED, BEGIN + 400 * MS, BEGIN + 400 * MS);
	assert_int_equal(dv_gate_use_sum(&use, BEGIN + 500 * MS, ns), 500 * MS);
	assert_int_equal(ns[DV_GATE_USE_TIMED], 5 * MS);
	assert_int_equal(ns[DV_GATE_USE_ENDLESS], 385 * MS);
}

static void test_forgets(void **state)
{
	const uint64_t now = BEGIN + 100 * SLOT + SLOT / 2;
	const uint64_t window = 15 * SLOT + SLOT / 2;

	dv_gate_use_add(&use, DV_GATE_USE_TIMED, BEGIN, now);
	assert_int_equal(dv_gate_use_sum(&use, now, ns), window);
	assert_int_equal(ns[DV_GATE_USE_TIMED], window);
	/* Idle from then on: less with each slot, and nothing in the end. */
	assert_int_equal(dv_gate_use_sum(&use, now + 4 * SLOT, ns), window);
	assert_int_equal(ns[DV_GATE_USE_TIMED], window - 4 * SLOT);
	assert_int_equal(dv_gate_use_sum(&use, now + 16 * SLOT, ns), window);
	assert_int_equal(ns[DV_GATE_USE_TIMED], 0);
}

/* What is told late goes where it was, or nowhere: it takes nothing from what is newer. */
static void test_told_late(void **state)
{
	const uint64_t now = BEGIN + 40 * SLOT;

	dv_gate_use_add(&use, DV_GATE_USE_TIMED, now - 2 * SLOT, now);
	dv_gate_use_add(&use, DV_GATE_USE_TIMED, now - 20 * SLOT, now - 16 * SLOT);
	dv_gate_use_add(&use, DV_GATE_USE_TIMED, now - 4 * SLOT, now - 3 * SLOT);
	(void)dv_gate_use_sum(&use, now, ns);
	assert_int_equal(ns[DV_GATE_USE_TIMED], 3 * SLOT);
}

static void test_at_the_clocks_beginning(void **state)
{
	use.since_ns = 0;
	dv_gate_use_add(&use, DV_GATE_USE_TIMED, 0, 3 * MS);
	assert_int_equal(dv_gate_use_sum(&use, 10 * MS, ns), 10 * MS);
	assert_int_equal(ns[DV_GATE_USE_TIMED], 3 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_begins_empty, setup),
		cmocka_unit_test_setup(test_adds_up, setup),
		cmocka_unit_test_setup(test_forgets, setup),
		cmocka_unit_test_setup(test_told_late, setup),
		cmocka_unit_test_setup(test_at_the_clocks_beginning, setup),
	};

	return cmocka_run_group_tests_name("gate/use", tests, NULL, NULL);
}
