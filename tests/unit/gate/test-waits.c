/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/waits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

#define T0 (100 * DV_NS_PER_S)

static void test_none(void **state)
{
	struct dv_gate_waits waits = {0};

	assert_int_equal(dv_gate_waits_quantile(&waits, 500, T0), 0);
}

/* Every length is told to an eighth, from ns to half an hour. */
static void test_precision(void **state)
{
	for (uint64_t ns = 1; ns < 1800 * DV_NS_PER_S; ns = ns * 9 / 8 + 1) {
		struct dv_gate_waits waits = {0};
		uint64_t told;

		dv_gate_waits_add(&waits, ns, T0);
		told = dv_gate_waits_quantile(&waits, 500, T0);
		assert_true(told > ns);
		assert_true(told <= ns + ns / 8 + 126);
	}
}

static void test_quantiles(void **state)
{
	struct dv_gate_waits waits = {0};

	for (unsigned i = 1; i <= 1000; i++)
		dv_gate_waits_add(&waits, i * DV_NS_PER_MS, T0 + i * DV_NS_PER_MS);
	assert_in_range(dv_gate_waits_quantile(&waits, 500, T0 + DV_NS_PER_S), 500 * DV_NS_PER_MS,
			570 * DV_NS_PER_MS);
	assert_in_range(dv_gate_waits_quantile(&waits, 990, T0 + DV_NS_PER_S), 990 * DV_NS_PER_MS,
			1120 * DV_NS_PER_MS);
	assert_in_range(dv_gate_waits_quantile(&waits, 1000, T0 + DV_NS_PER_S), 1000 * DV_NS_PER_MS,
			1130 * DV_NS_PER_MS);
}

static void test_forgets(void **state)
{
	struct dv_gate_waits waits = {0};

	dv_gate_waits_add(&waits, DV_NS_PER_S, T0);
	assert_true(dv_gate_waits_quantile(&waits, 990, T0 + 4 * DV_NS_PER_S) >= DV_NS_PER_S);
	dv_gate_waits_add(&waits, DV_NS_PER_MS, T0 + 5 * DV_NS_PER_S);
	assert_true(dv_gate_waits_quantile(&waits, 990, T0 + 9 * DV_NS_PER_S) >= DV_NS_PER_S);
	assert_in_range(dv_gate_waits_quantile(&waits, 990, T0 + 10 * DV_NS_PER_S), DV_NS_PER_MS,
			2 * DV_NS_PER_MS);
	assert_int_equal(dv_gate_waits_quantile(&waits, 990, T0 + 60 * DV_NS_PER_S), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_precision),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_forgets),
	};

	return cmocka_run_group_tests_name("gate/waits", tests, NULL, NULL);
}
