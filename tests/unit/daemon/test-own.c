/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <cmocka.h>

static const struct dv_gpu cpu = {.id = "0", .uuid = "CPU-0123"};
static const struct dv_gpu pci = {.id = "1", .uuid = "GPU-1", .address = "0000:01:00.0"};

struct fixture {
	char top[32], dir[64];
	struct dv_own a, b; /* two divvyds in one process: flock is by open file */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	(void)snprintf(f->top, sizeof(f->top), "/tmp/dv-own-XXXXXX");
	if (!mkdtemp(f->top) || chmod(f->top, 0755) < 0)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "%s/lock", f->top);
	*state = f;
	return dv_own_init(&f->a, f->dir, NULL) < 0 || dv_own_init(&f->b, f->dir, NULL) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	dv_own_fini(&f->a);
	dv_own_fini(&f->b);
	(void)snprintf(path, sizeof(path), "%s/CPU-0123", f->dir);
	(void)unlink(path);
	(void)rmdir(f->dir);
	(void)unlink(f->dir);
	(void)rmdir(f->top);
	free(f);
	return 0;
}

static void test_one_owner(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};
	char who[64], want[64];

	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0); /* again: still ours */
	assert_int_equal(f->a.locks.len, 1);
	assert_int_equal(dv_own_take(&f->b, &cpu, &err), -EBUSY);
	assert_string_equal(err.rule, "S05");
	(void)snprintf(want, sizeof(want), "user %u, pid %d", geteuid(), (int)getpid());
	assert_non_null(strstr(err.msg, want));
	assert_true(err.fix[0]);
	dv_own_holder(&f->b, &cpu, who, sizeof(who));
	assert_string_equal(who, want);
	dv_own_holder(&f->a, &cpu, who, sizeof(who));
	assert_string_equal(who, "");
	/* Another device is free. */
	assert_int_equal(dv_own_take(&f->b, &pci, NULL), 0);
	dv_own_holder(&f->a, &pci, who, sizeof(who));
	assert_string_equal(who, want);
}

static void test_handed_on(void **state)
{
	struct fixture *f = *state;
	char who[64];

	for (unsigned i = 0; i < 20; i++) {
		struct dv_own *own = i % 2 ? &f->a : &f->b, *other = i % 2 ? &f->b : &f->a;

		assert_int_equal(dv_own_take(own, &cpu, NULL), 0);
		assert_int_equal(dv_own_take(other, &cpu, NULL), -EBUSY);
		dv_own_drop(own, &cpu);
		dv_own_holder(other, &cpu, who, sizeof(who));
		assert_string_equal(who, "");
	}
	dv_own_drop(&f->a, &cpu); /* not held: nothing happens */
}

static void test_dir_is_for_all(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(077);
	struct stat st;

	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	(void)umask(before);
	assert_int_equal(stat(f->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
}

/* kill -9: the lock goes with the process, the file stays and is no obstacle. */
static void test_killed_owner(void **state)
{
	struct fixture *f = *state;
	char byte, who[64];
	int ready[2], status;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (dv_own_take(&f->a, &cpu, NULL) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), -EBUSY);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	dv_own_holder(&f->b, &cpu, who, sizeof(who));
	assert_string_equal(who, "");
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), 0);
	close(ready[0]);
}

static void test_traps(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};
	char path[128], target[128];
	struct stat st;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/CPU-0123", f->dir);
	(void)snprintf(target, sizeof(target), "%s/target", f->top);
	/* A link to a file that is not there must not make it. */
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
	assert_int_equal(lstat(target, &st), -1);
	assert_int_equal(unlink(path), 0);
	/* Opening a pipe without a reader or writer would hang. */
	assert_int_equal(mkfifo(path, 0666), 0);
	dv_error_clear(&err);
	assert_int_equal(dv_own_take(&f->a, &cpu, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0777), 0);
	assert_true(dv_own_take(&f->a, &cpu, NULL) < 0);
	assert_int_equal(rmdir(path), 0);
}

static void test_dir_is_a_link(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};

	assert_int_equal(symlink("/tmp", f->dir), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
}

static void test_dir_open_to_others(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 0777), 0); /* not sticky */
	assert_int_equal(dv_own_take(&f->a, &cpu, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
	assert_non_null(strstr(err.fix, "chmod 1777"));
}

/* Two users; only root can play them. */
static void test_other_user(void **state)
{
	struct fixture *f = *state;
	struct dv_error err = {0};
	int status;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	/* What nobody's divvyd leaves when it is killed: its file. */
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 01777), 0);
	pid = fork();
	if (pid == 0)
		_exit(setgid(65534) < 0 || setuid(65534) < 0 || dv_own_take(&f->b, &cpu, NULL) < 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	/* And the other way round, with somebody else's live lock. */
	pid = fork();
	if (pid == 0)
		_exit(setgid(65533) < 0 || setuid(65533) < 0 ||
		      dv_own_take(&f->b, &cpu, &err) != -EBUSY || strcmp(err.rule, "S05") != 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_one_owner),	    T(test_handed_on),	T(test_dir_is_for_all),
		T(test_killed_owner),	    T(test_traps),	T(test_dir_is_a_link),
		T(test_dir_open_to_others), T(test_other_user),
	};

	return cmocka_run_group_tests_name("daemon/own", tests, NULL, NULL);
}
