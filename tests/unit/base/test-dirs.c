/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dirs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cmocka.h>

#include "../temporary.h"

/* What dirs.c believes the user to be: these tests run as root and as a user alike. */
static uid_t user = 1234;

uid_t geteuid(void)
{
	return user;
}

static void test_root_is_fixed(void **state)
{
	char buf[128];

	user = 0;
	setenv("XDG_RUNTIME_DIR", "/nowhere", 1);
	setenv("XDG_STATE_HOME", "/nowhere", 1);
	assert_int_equal(dv_dirs_run(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/run/divvy");
	assert_int_equal(dv_dirs_state(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/var/lib/divvy");
}

static void test_runtime_dir_must_be_mine(void **state)
{
	char dir[48], buf[128], want[160];
	struct stat st;

	assert_int_equal(temporary_make(dir, sizeof(dir), "dirs"), 0);
	assert_int_equal(stat(dir, &st), 0);
	user = st.st_uid ? st.st_uid : 1234;
	setenv("XDG_RUNTIME_DIR", dir, 1);
	assert_int_equal(dv_dirs_run(buf, sizeof(buf), NULL), 0);
	if (st.st_uid)
		(void)snprintf(want, sizeof(want), "%s/divvy", dir);
	else
		(void)snprintf(want, sizeof(want), "/tmp/divvy-1234");
	assert_string_equal(buf, want);
	(void)rmdir(dir);
	/* Gone, relative, unset: the fallback. */
	user = 1234;
	assert_int_equal(dv_dirs_run(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/tmp/divvy-1234");
	setenv("XDG_RUNTIME_DIR", ".", 1);
	assert_int_equal(dv_dirs_run(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/tmp/divvy-1234");
}

static void test_state(void **state)
{
	char buf[128];

	user = 1234;
	unsetenv("XDG_RUNTIME_DIR");
	setenv("XDG_STATE_HOME", "/s", 1);
	setenv("HOME", "/h", 1);
	assert_int_equal(dv_dirs_state(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/s/divvy");
	setenv("XDG_STATE_HOME", "relative", 1);
	assert_int_equal(dv_dirs_state(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/h/.local/state/divvy");
	unsetenv("HOME");
	assert_int_equal(dv_dirs_state(buf, sizeof(buf), NULL), 0);
	assert_string_equal(buf, "/tmp/divvy-1234");
}

static void test_too_long(void **state)
{
	char buf[8] = "before";
	struct dv_error err = {0};

	user = 1234;
	setenv("HOME", "/a-long-home", 1);
	assert_int_equal(dv_dirs_state(buf, sizeof(buf), &err), -E2BIG);
	assert_string_equal(buf, "before");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_is_fixed),
		cmocka_unit_test(test_runtime_dir_must_be_mine),
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("base/dirs", tests, NULL, NULL);
}
