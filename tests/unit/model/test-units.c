/* SPDX-License-Identifier: Apache-2.0 */
#include "model/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "random.h"

static void check_size(const char *text, uint64_t bytes)
{
	struct dv_error err = {0};
	uint64_t value = 0;

	assert_int_equal(dv_size_parse(text, &value, &err), 0);
	assert_int_equal(value, bytes);
}

static void refuse_size(const char *text, const char *says)
{
	struct dv_error err = {0};
	uint64_t value = 4711;

	assert_int_equal(dv_size_parse(text, &value, &err), -EINVAL);
	assert_int_equal(value, 4711);
	assert_string_equal(err.rule, "F07");
	assert_non_null(strstr(err.msg, says));
	assert_string_not_equal(err.fix, "");
	assert_int_equal(dv_size_parse(text, &value, NULL), -EINVAL);
}

static void test_size(void **state)
{
	check_size("8GiB", 8 * DV_GIB);
	check_size("8G", 8 * DV_GIB);
	check_size("512MiB", 512 * DV_MIB);
	check_size("1.5GiB", 1536 * DV_MIB);
	check_size("0.5M", 512 * DV_KIB);
	check_size("1K", DV_KIB);
	check_size("2TiB", 2048 * DV_GIB);
	check_size("4194303TiB", UINT64_C(4194303) << 40);
}

static void test_size_refused(void **state)
{
	refuse_size("8", "has no unit; write it as in 8GiB");
	refuse_size("8.5", "has no unit");
	refuse_size("", "is not a number");
	refuse_size("GiB", "is not a number");
	refuse_size("-8GiB", "is not a number");
	refuse_size("+8GiB", "is not a number");
	refuse_size(" 8GiB", "is not a number");
	refuse_size("0x8G", "unknown unit");
	refuse_size("8GB", "unknown unit");
	refuse_size("8gib", "unknown unit");
	refuse_size("8 GiB", "unknown unit");
	refuse_size("8GiB ", "unknown unit");
	refuse_size("1e3M", "unknown unit");
	refuse_size("8.GiB", "after its point");
	refuse_size("8.1234567GiB", "after its point");
	refuse_size("0GiB", "out of range");
	refuse_size("0.1GiB", "out of range");
	refuse_size("0.0001K", "out of range");
	refuse_size("4194304TiB", "out of range");
	refuse_size("99999999999999999TiB", "out of range");
	refuse_size("99999999999999999999999999999TiB", "is not a number");
}

static void test_share(void **state)
{
	static const struct {
		const char *text;
		uint32_t mpct;
	} good[] = {{"25%", 25000}, {"12.5%", 12500},	{"100%", 100000},
		    {"0.001%", 1},  {"33.333%", 33333}, {"7.250%", 7250}};
	static const char *const bad[] = {"25", "0%",	"0.0005%", "100.001%", "-1%",
					  "%",	"25 %", "25pct",   "1.2345%",  "99999999999%"};
	uint32_t value;

	for (size_t i = 0; i < DV_ARRAY_LEN(good); i++) {
		assert_int_equal(dv_share_parse(good[i].text, &value, NULL), 0);
		assert_int_equal(value, good[i].mpct);
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		struct dv_error err = {0};

		value = 5;
		assert_int_equal(dv_share_parse(bad[i], &value, &err), -EINVAL);
		assert_int_equal(value, 5);
		assert_non_null(strstr(err.msg, "%"));
	}
}

static void test_time(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {{"200ms", 200000000}, {"500us", 500000}, {"2s", 2000000000},
		    {"1.5us", 1500},	  {"7ns", 7},	     {"3600s", UINT64_C(3600000000000)}};
	static const char *const bad[] = {"200", "0s", "3600.1s", "1h", "0.1ns", "200 ms", "ms"};
	uint64_t value;

	for (size_t i = 0; i < DV_ARRAY_LEN(good); i++) {
		assert_int_equal(dv_time_parse(good[i].text, &value, NULL), 0);
		assert_int_equal(value, good[i].ns);
	}
	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		struct dv_error err = {0};

		value = 5;
		assert_int_equal(dv_time_parse(bad[i], &value, &err), -EINVAL);
		assert_int_equal(value, 5);
		assert_string_equal(err.rule, "F07");
	}
}

static void test_print(void **state)
{
	char buf[32];

	assert_string_equal(dv_size_print(8 * DV_GIB, buf, sizeof(buf)), "8GiB");
	assert_string_equal(dv_size_print(1536 * DV_MIB, buf, sizeof(buf)), "1536MiB");
	assert_string_equal(dv_size_print(1024 * DV_GIB, buf, sizeof(buf)), "1TiB");
	/* What was measured need not be whole KiB. */
	assert_string_equal(dv_size_print(1025, buf, sizeof(buf)), "1025B");
	assert_string_equal(dv_size_print(0, buf, sizeof(buf)), "0B");
	assert_string_equal(dv_share_print(25000, buf, sizeof(buf)), "25%");
	assert_string_equal(dv_share_print(12500, buf, sizeof(buf)), "12.5%");
	assert_string_equal(dv_share_print(1, buf, sizeof(buf)), "0.001%");
	assert_string_equal(dv_share_print(10010, buf, sizeof(buf)), "10.01%");
	assert_string_equal(dv_share_print(0, buf, sizeof(buf)), "0%");
	assert_string_equal(dv_time_print(200000000, buf, sizeof(buf)), "200ms");
	assert_string_equal(dv_time_print(1500000, buf, sizeof(buf)), "1500us");
	assert_string_equal(dv_time_print(7, buf, sizeof(buf)), "7ns");
	assert_string_equal(dv_time_print(0, buf, sizeof(buf)), "0ns");
	/* Too small a buffer is cut, not overrun. */
	assert_string_equal(dv_size_print(1536 * DV_MIB, buf, 4), "153");
}

/* What is printed parses to the same value. */
static void test_round_trip(void **state)
{
	random_start("model/units");
	for (int i = 0; i < 20000; i++) {
		uint64_t bytes = ((random_u64() >> (2 + random_below(60))) | DV_KIB) &
				 ~(DV_KIB - 1);
		uint32_t mpct = 1 + random_below(DV_MPCT_WHOLE);
		uint64_t ns = 1 + random_u64() % (UINT64_C(3600000000000) >> random_below(40));
		uint64_t value;
		uint32_t share;
		char buf[32];

		assert_int_equal(
			dv_size_parse(dv_size_print(bytes, buf, sizeof(buf)), &value, NULL), 0);
		assert_int_equal(value, bytes);
		assert_int_equal(
			dv_share_parse(dv_share_print(mpct, buf, sizeof(buf)), &share, NULL), 0);
		assert_int_equal(share, mpct);
		assert_int_equal(dv_time_parse(dv_time_print(ns, buf, sizeof(buf)), &value, NULL),
				 0);
		assert_int_equal(value, ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),  cmocka_unit_test(test_size_refused),
		cmocka_unit_test(test_share), cmocka_unit_test(test_time),
		cmocka_unit_test(test_print), cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests_name("model/units", tests, NULL, NULL);
}
