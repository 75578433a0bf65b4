/* SPDX-License-Identifier: Apache-2.0 */
#include "device/opencl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int find(const char *mode, struct dv_opencl_device *ret, struct dv_error *err)
{
	memset(err, 0, sizeof(*err));
	memset(ret, 0x5a, sizeof(*ret));
	assert_int_equal(setenv("FAKE_OPENCL", mode, 1), 0);
	return dv_opencl_find_cpu(FAKE_OPENCL, ret, err);
}

static void assert_untouched(const struct dv_opencl_device *device)
{
	struct dv_opencl_device untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	assert_memory_equal(device, &untouched, sizeof(untouched));
}

static void test_pocl_goes_first(void **state)
{
	struct dv_opencl_device device;
	struct dv_error err;

	assert_int_equal(find("", &device, &err), 0);
	assert_string_equal(device.platform, "Portable Computing Language");
	assert_string_equal(device.name, "pthread-Some CPU");
	assert_string_equal(device.driver, "3.1+test");
	assert_int_equal(device.compute_units, 12);
	assert_true(device.memory_bytes == UINT64_C(8) << 30);
	assert_int_equal(err.code, 0);
}

static void test_another_will_do(void **state)
{
	struct dv_opencl_device device;
	struct dv_error err;

	assert_int_equal(find("only-other", &device, &err), 0);
	assert_string_equal(device.platform, "Other");
}

/* Whatever is missing, rule G05 says what, and the fix how to install it. */
static void test_nothing_there(void **state)
{
	static const char *const modes[][2] = {{"no-driver", "no OpenCL driver"},
					       {"no-platform", "no OpenCL driver"},
					       {"no-cpu", "none offers the CPU"}};
	struct dv_opencl_device device;
	struct dv_error err;

	for (size_t i = 0; i < DV_ARRAY_LEN(modes); i++) {
		assert_int_equal(find(modes[i][0], &device, &err), -ENODEV);
		assert_string_equal(err.rule, "G05");
		assert_non_null(strstr(err.msg, modes[i][1]));
		assert_non_null(strstr(err.fix, "apt-get install"));
		assert_untouched(&device);
	}
	memset(&err, 0, sizeof(err));
	assert_int_equal(dv_opencl_find_cpu("libdivvy-no-such.so.9", &device, &err), -ENODEV);
	assert_string_equal(err.rule, "G05");
	assert_non_null(strstr(err.msg, "not installed"));
	assert_untouched(&device);
}

static void test_failures(void **state)
{
	struct dv_opencl_device device;
	struct dv_error err;

	assert_int_equal(find("fail", &device, &err), -EIO);
	assert_int_equal(err.domain, DV_DOMAIN_OPENCL);
	assert_int_equal(err.native, -6);
	assert_untouched(&device);
	assert_int_equal(find("no-units", &device, &err), -EIO);
	assert_int_equal(err.native, -5);
	assert_untouched(&device);
	/* A library that is no OpenCL loader. */
	memset(&err, 0, sizeof(err));
	assert_int_equal(dv_opencl_find_cpu("libm.so.6", &device, &err), -EIO);
	assert_non_null(strstr(err.msg, "libm.so.6"));
	assert_int_equal(dv_opencl_find_cpu("libm.so.6", &device, NULL), -EIO);
}

static void test_hostile_answers(void **state)
{
	struct dv_opencl_device device;
	struct dv_error err;

	assert_int_equal(find("long-text", &device, &err), 0);
	assert_int_equal(strlen(device.name), sizeof(device.name) - 1);
	assert_int_equal(strlen(device.platform), sizeof(device.platform) - 1);
	assert_int_equal(find("many", &device, &err), 0);
	assert_string_equal(device.platform, "Portable Computing Language");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pocl_goes_first), cmocka_unit_test(test_another_will_do),
		cmocka_unit_test(test_nothing_there),	cmocka_unit_test(test_failures),
		cmocka_unit_test(test_hostile_answers),
	};

	return cmocka_run_group_tests_name("device/opencl", tests, NULL, NULL);
}
