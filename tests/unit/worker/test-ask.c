/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that crashes, hangs or ends the program is an answer. */
#include "worker/ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"

static int ask(const char *mode, unsigned deadline_ms, struct dv_opencl_device *ret,
	       struct dv_error *err)
{
	memset(err, 0, sizeof(*err));
	assert_int_equal(setenv("FAKE_OPENCL", mode, 1), 0);
	return dv_worker_ask_opencl(FAKE_OPENCL, deadline_ms, ret, err);
}

static void test_answer(void **state)
{
	struct dv_opencl_device device = {0};
	struct dv_error err;

	assert_int_equal(ask("", 60000, &device, &err), 0);
	assert_string_equal(device.driver, "3.1+test");
	assert_int_equal(err.code, 0);
	/* Nothing of the library stayed in this process. */
	assert_null(getenv("POCL_CACHE_DIR"));
}

static void test_refusal_passes_through(void **state)
{
	struct dv_opencl_device device = {.compute_units = 77};
	struct dv_error err;

	assert_int_equal(ask("no-driver", 60000, &device, &err), -ENODEV);
	assert_string_equal(err.rule, "G05");
	assert_non_null(strstr(err.fix, "apt-get install"));
	assert_int_equal(device.compute_units, 77);
}

static void test_crash(void **state)
{
	struct dv_opencl_device device = {.compute_units = 77};
	struct dv_error err;

	assert_int_equal(ask("crash", 60000, &device, &err), -EIO);
	assert_string_equal(err.rule, "G05");
	assert_non_null(strstr(err.msg, "Segmentation fault"));
	assert_true(err.fix[0]);
	assert_int_equal(ask("exit", 60000, &device, &err), -EIO);
	assert_non_null(strstr(err.msg, "ended the program"));
	assert_int_equal(device.compute_units, 77);
	assert_int_equal(dv_worker_ask_opencl(FAKE_OPENCL, 60000, &device, NULL), -EIO);
}

static void test_hang(void **state)
{
	struct dv_opencl_device device = {.compute_units = 77};
	uint64_t begun = dv_now_ns();
	struct dv_error err;

	assert_int_equal(ask("hang", 50, &device, &err), -ETIMEDOUT);
	assert_true(dv_now_ns() - begun >= 50 * DV_NS_PER_MS);
	assert_string_equal(err.rule, "G05");
	assert_non_null(strstr(err.msg, "50 ms"));
	assert_int_equal(device.compute_units, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_refusal_passes_through),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_hang),
	};

	return cmocka_run_group_tests_name("worker/ask", tests, NULL, NULL);
}
