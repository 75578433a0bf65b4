/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that crashes, hangs or ends the program is an answer. */
#include "worker/ask.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
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

static void make(const char *dir, const char *name, time_t age_s)
{
	const struct timespec times[] = {{.tv_sec = time(NULL) - age_s},
					 {.tv_sec = time(NULL) - age_s}};
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool there(const char *dir, const char *name)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* What the library writes goes below divvyd's own directory, and does not stay; nor does what a
 * worker left there that was killed. */
static void test_nothing_is_left(void **state)
{
	struct dv_opencl_device device = {0};
	struct dv_error err;
	char dir[48];

	assert_int_equal(temporary_make(dir, sizeof(dir), "ask"), 0);
	make(dir, "divvy-probe-killed", 3600);
	make(dir, "divvy-probe-running", 1);
	make(dir, "else", 3600);
	assert_int_equal(setenv("POCL_CACHE_DIR", dir, 1), 0);
	assert_int_equal(ask("", 60000, &device, &err), 0);
	assert_int_equal(unsetenv("POCL_CACHE_DIR"), 0);
	assert_false(there(dir, "divvy-probe-killed"));
	assert_true(there(dir, "divvy-probe-running"));
	assert_true(there(dir, "else"));
	assert_int_equal(temporary_remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_refusal_passes_through),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_hang),
		cmocka_unit_test(test_nothing_is_left),
	};

	return cmocka_run_group_tests_name("worker/ask", tests, NULL, NULL);
}
