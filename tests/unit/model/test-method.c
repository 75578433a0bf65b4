/* SPDX-License-Identifier: Apache-2.0 */
#include "model/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/lease.h"

/* Every value has a name of its own that parses back; a name that is none leaves *ret alone. */
#define CHECK_WORDS(type, prefix, count)                                                           \
	do {                                                                                       \
		enum type value, again;                                                            \
		struct dv_error err = {0};                                                         \
		for (int i = 0; i < (count); i++) {                                                \
			const char *name = prefix##_name((enum type)i);                            \
			assert_non_null(name);                                                     \
			assert_string_not_equal(name, "unknown");                                  \
			assert_int_equal(prefix##_parse(name, &value, &err), 0);                   \
			assert_int_equal(value, i);                                                \
		}                                                                                  \
		again = value;                                                                     \
		assert_int_equal(prefix##_parse("nonsense!", &value, &err), -EINVAL);              \
		assert_int_equal(value, again);                                                    \
		assert_string_equal(err.rule, "F11");                                              \
		assert_non_null(strstr(err.msg, prefix##_name((enum type)((count)-1))));           \
		assert_string_equal(prefix##_name((enum type)(count)), "unknown");                 \
		assert_string_equal(prefix##_name((enum type) - 1), "unknown");                    \
	} while (0)

static void test_words(void **state)
{
	CHECK_WORDS(dv_method, dv_method, DV_METHOD_COUNT);
	CHECK_WORDS(dv_kind, dv_kind, DV_KIND_COUNT);
	CHECK_WORDS(dv_division, dv_division, DV_DIVISION_COUNT);
	CHECK_WORDS(dv_policy, dv_policy, DV_POLICY_COUNT);
	CHECK_WORDS(dv_isolation, dv_isolation, DV_ISOLATION_COUNT);
	CHECK_WORDS(dv_hold, dv_hold, DV_HOLD_COUNT);
	CHECK_WORDS(dv_lease_state, dv_lease_state, DV_LEASE_STATE_COUNT);
}

static enum dv_hold weakest(struct dv_isolates by)
{
	return DV_MIN(DV_MIN(DV_MIN(by.memory, by.quota), DV_MIN(by.compute, by.bandwidth)),
		      by.fault);
}

/* The word never says more than the five details do. */
static void test_isolation_is_not_overstated(void **state)
{
	for (int m = 0; m < DV_METHOD_COUNT; m++)
		for (int cpu = 0; cpu < 2; cpu++) {
			struct dv_isolates by = dv_method_isolates((enum dv_method)m, cpu);
			enum dv_isolation word = dv_method_isolation((enum dv_method)m, cpu);

			if (word >= DV_ISOLATION_MEMORY)
				assert_true(by.memory >= DV_HOLD_ENFORCED);
			if (word == DV_ISOLATION_HARDWARE)
				assert_int_equal(weakest(by), DV_HOLD_HARDWARE);
			if (cpu)
				assert_true(by.bandwidth <= DV_HOLD_COOPERATIVE);
			if (word == DV_ISOLATION_NONE)
				assert_int_equal(by.memory, DV_HOLD_NONE);
		}
}

static void test_isolation_of_methods(void **state)
{
	struct dv_isolates by = dv_method_isolates(DV_METHOD_SLICE, false);

	assert_int_equal(by.quota, DV_HOLD_COOPERATIVE);
	assert_int_equal(by.compute, DV_HOLD_COOPERATIVE);
	assert_int_equal(by.bandwidth, DV_HOLD_NONE);
	assert_int_equal(dv_method_isolation(DV_METHOD_SLICE, false), DV_ISOLATION_MEMORY);
	assert_int_equal(dv_method_isolation(DV_METHOD_SLICE, true), DV_ISOLATION_MEMORY);
	assert_int_equal(dv_method_isolation(DV_METHOD_PARTITION, true), DV_ISOLATION_MEMORY);
	assert_int_equal(dv_method_isolates(DV_METHOD_PARTITION, true).compute, DV_HOLD_ENFORCED);
	assert_int_equal(dv_method_isolation(DV_METHOD_MIG, false), DV_ISOLATION_HARDWARE);
	assert_int_equal(dv_method_isolation(DV_METHOD_PASSTHROUGH, true), DV_ISOLATION_DEDICATED);
	/* A method that a device does not have holds nothing there. */
	assert_int_equal(dv_method_isolation(DV_METHOD_MIG, true), DV_ISOLATION_NONE);
	assert_int_equal(dv_method_isolation(DV_METHOD_PARTITION, false), DV_ISOLATION_NONE);
	assert_int_equal(dv_method_isolation(DV_METHOD_COUNT, false), DV_ISOLATION_NONE);
}

static void test_divisions(void **state)
{
	assert_int_equal(dv_method_division(DV_METHOD_PASSTHROUGH), DV_DIVISION_WHOLE);
	assert_int_equal(dv_method_division(DV_METHOD_SLICE), DV_DIVISION_SLICES);
	assert_int_equal(dv_method_division(DV_METHOD_VGPU_MIG), DV_DIVISION_MIG);
	assert_int_equal(dv_method_division(DV_METHOD_PARTITION), DV_DIVISION_PARTITIONS);
	assert_int_equal(dv_method_division(DV_METHOD_MPS), DV_DIVISION_NONE);
	assert_int_equal(dv_method_division(DV_METHOD_NONE), DV_DIVISION_NONE);
	assert_int_equal(dv_method_division(DV_METHOD_COUNT), DV_DIVISION_NONE);
}

/* Of a compute instance that is a part of a partition only the compute is its own. */
static void test_parts_hold_less(void **state)
{
	struct dv_isolates by = dv_method_isolates_as(DV_METHOD_MIG, false, "1c.3g.40gb");

	assert_int_equal(by.compute, DV_HOLD_HARDWARE);
	assert_int_equal(by.memory, DV_HOLD_ENFORCED);
	assert_int_equal(by.quota, DV_HOLD_NONE);
	assert_int_equal(by.bandwidth, DV_HOLD_NONE);
	assert_int_equal(by.fault, DV_HOLD_NONE);
	assert_int_equal(dv_method_isolation_as(DV_METHOD_MIG, false, "1c.3g.40gb"),
			 DV_ISOLATION_MEMORY);
	assert_int_equal(dv_method_isolation_as(DV_METHOD_MIG, false, "3g.40gb"),
			 DV_ISOLATION_HARDWARE);
	assert_int_equal(dv_method_isolation_as(DV_METHOD_MIG, false, ""), DV_ISOLATION_HARDWARE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_hold_less),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_isolation_is_not_overstated),
		cmocka_unit_test(test_isolation_of_methods),
		cmocka_unit_test(test_divisions),
	};

	return cmocka_run_group_tests_name("model/method", tests, NULL, NULL);
}
