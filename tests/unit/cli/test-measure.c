/* SPDX-License-Identifier: Apache-2.0 */
/* What a command is said to have got: of its own time, not of what its lease did before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/run_measure.h"

enum { BEGUN_MS = 5000 };

static uint32_t got(const struct dv_measure *measure)
{
	uint32_t mpct = UINT32_MAX;

	assert_true(dv_measure_got(measure, &mpct));
	return mpct;
}

static void look(struct dv_measure *measure, uint64_t ran_ms, uint32_t window_ms, uint32_t mpct)
{
	struct dv_lease lease = {.window_ms = window_ms, .got_mpct = mpct, .pid_count = 1};

	dv_measure_add(measure, &lease, (BEGUN_MS + ran_ms) * DV_NS_PER_MS);
}

static struct dv_measure begun(void)
{
	return (struct dv_measure){.begun_ns = BEGUN_MS * DV_NS_PER_MS};
}

/* A lease that was idle for a minute before: that is not the command's. */
static void test_idle_before(void **state)
{
	struct dv_measure measure = begun();

	look(&measure, 100, 60100, 160);
	look(&measure, 300, 60300, 480);
	look(&measure, 1500, 1400, 90000);
	look(&measure, 2500, 2200, 90000);
	assert_int_equal(got(&measure), 90000);
}

/* Of a short one only such looks are there: what was had in them was its own. */
static void test_short(void **state)
{
	struct dv_measure measure = begun();

	look(&measure, 100, 60100, 160);
	assert_int_equal(got(&measure), 96160);
	look(&measure, 200, 60200, 160);
	assert_int_equal(got(&measure), 48160);
	/* Another process of the lease was busy before: no more than all of it. */
	look(&measure, 300, 1300, 90000);
	assert_int_equal(got(&measure), 100000);
}

/* A long window says more than a short one. */
static void test_weight(void **state)
{
	struct dv_measure measure = begun();

	look(&measure, 300, 250, 0);
	look(&measure, 2000, 1750, 80000);
	assert_int_equal(got(&measure), 70000);
}

static void test_nobody(void **state)
{
	struct dv_measure measure = begun();
	struct dv_lease lease = {.window_ms = 100, .got_mpct = 100};
	uint32_t mpct;

	dv_measure_add(&measure, &lease, (BEGUN_MS + 1000) * DV_NS_PER_MS);
	assert_int_equal(measure.samples, 1);
	assert_false(dv_measure_got(&measure, &mpct));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_before),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
