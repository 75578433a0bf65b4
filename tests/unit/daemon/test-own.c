/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/own.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "daemon/peer.h"

static const struct dv_gpu cpu = {.id = "0", .uuid = "CPU-0123"};
static const struct dv_gpu pci = {.id = "1", .uuid = "GPU-1", .address = "0000:01:00.0"};

struct fixture {
	char top[32], dir[64];
	struct dv_root root;
	struct dv_own a, b; /* two divvyds in one process: flock is by open file */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	if (temporary_make(f->top, sizeof(f->top), "own") < 0 || chmod(f->top, 0755) < 0)
		return -1;
	(void)snprintf(f->dir, sizeof(f->dir), "%s/lock", f->top);
	*state = f;
	return dv_root_open("/", &f->root, NULL) < 0 ||
	       dv_own_init(&f->a, f->dir, &f->root, "/state/a", NULL) < 0 ||
	       dv_own_init(&f->b, f->dir, &f->root, "/state/b", NULL) < 0;
}

static void remove_all(const char *dir)
{
	/* Not through a link: it may lead anywhere. */
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	while (list && (entry = readdir(list)))
		(void)unlinkat(dirfd(list), entry->d_name, 0);
	if (list)
		closedir(list);
	(void)rmdir(dir);
	(void)unlink(dir); /* or a link */
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	dv_own_fini(&f->a);
	dv_own_fini(&f->b);
	dv_root_fini(&f->root);
	remove_all(f->dir);
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

/* A process that only lives. */
static pid_t tenant(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* What `own` leaves when it is killed: its lock is free, its files are there. */
static void killed(struct fixture *f, struct dv_own *own)
{
	for (size_t i = 0; i < own->locks.len; i++) {
		close(own->locks.items[i].fd);
		close(own->locks.items[i].list_fd);
		dv_vec_fini(&own->locks.items[i].tenants);
	}
	own->locks.len = 0;
}

static void test_tenants_outlive_their_divvyd(void **state)
{
	struct fixture *f = *state;
	pid_t pids[2] = {tenant(), tenant()};
	struct dv_error err = {0};
	char who[64], want[64];

	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_note(&f->a, &cpu, pids, 2);
	killed(f, &f->a);
	assert_int_equal(dv_own_take(&f->b, &cpu, &err), -EBUSY);
	assert_string_equal(err.rule, "S05");
	(void)snprintf(want, sizeof(want), "process %d, a tenant of user %u", (int)pids[0],
		       geteuid());
	assert_non_null(strstr(err.msg, want));
	assert_non_null(strstr(err.fix, "start that divvyd again"));
	dv_own_holder(&f->b, &cpu, who, sizeof(who));
	(void)snprintf(want, sizeof(want), "user %u, tenant %d", geteuid(), (int)pids[0]);
	assert_string_equal(who, want);
	/* Another device has nothing to do with it; the first one may come back. */
	assert_int_equal(dv_own_take(&f->b, &pci, NULL), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_note(&f->a, &cpu, pids, 2);
	/* As well when it ends in order; until the last of them is gone, waited for or not. */
	dv_own_fini(&f->a);
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), -EBUSY);
	end(pids[0]);
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), -EBUSY);
	assert_int_equal(kill(pids[1], SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pids[1], NULL, WEXITED | WNOWAIT), 0);
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), 0);
	assert_int_equal(waitpid(pids[1], NULL, 0), pids[1]);
}

static void test_tenants_that_left(void **state)
{
	struct fixture *f = *state;
	pid_t pid = tenant();

	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_note(&f->a, &cpu, &pid, 1);
	dv_own_note(&f->a, &cpu, NULL, 0);
	killed(f, &f->a);
	assert_int_equal(dv_own_take(&f->b, &cpu, NULL), 0);
	end(pid);
}

/* What somebody writes there can keep us out at most for as long as a process of his own lives. */
static void test_hostile_lists(void **state)
{
	static const char *const texts[] = {"",	       "\n\n",	    "1",
					    "1 ",      "-1 1\n",    "99999999999 1\n",
					    "1 1 1\n", "1 zz\n",    "1 ffffffffffffffffff\n",
					    "%s%n\n",  "1 1\n0 0\n"};
	struct fixture *f = *state;
	char path[160], text[96];
	struct dv_error err = {0};
	pid_t pid = tenant();
	int fd;

	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 01777), 0);
	(void)snprintf(path, sizeof(path), "%s/CPU-0123.%u.0123456789abcdef", f->dir, geteuid());
	for (size_t i = 0; i < DV_ARRAY_LEN(texts); i++) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
		dv_own_drop(&f->a, &cpu);
	}
	/* A process by another's start, a reused number, is none of it. */
	fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), "%d 1234\n", (int)pid);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_drop(&f->a, &cpu);
	/* Neither links nor pipes are looked into. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_drop(&f->a, &cpu);
	assert_int_equal(unlink(path), 0);
	/* In the way of our own list: for anybody but root somebody else's file stays. */
	dv_tenants_name("CPU-0123", "/state/a", text);
	(void)snprintf(path, sizeof(path), "%s/%.90s", f->dir, text);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, &err), -EPERM);
	assert_string_equal(err.rule, "S03");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	end(pid);
}

static void test_lists_of_users(void **state)
{
	struct fixture *f = *state;
	char path[160], text[96];
	pid_t mine = tenant(), nobodys;
	int fd;

	if (geteuid() != 0) {
		end(mine);
		skip();
	}
	nobodys = fork();
	if (nobodys == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(chmod(f->dir, 01777), 0);
	/* Nobody cannot keep others out by naming a process of root's... */
	(void)snprintf(path, sizeof(path), "%s/CPU-0123.65534.0123456789abcdef", f->dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	(void)snprintf(text, sizeof(text), "%d %llx\n", (int)mine,
		       (unsigned long long)dv_peer_start(&f->root, mine));
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchown(fd, 65534, 65534), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	dv_own_drop(&f->a, &cpu);
	/* ... but by one of its own, in a file of its own. */
	for (unsigned i = 0; i < 1000 && dv_peer_start(&f->root, nobodys) == 0; i++)
		(void)usleep(1000);
	(void)snprintf(text, sizeof(text), "%d %llx\n", (int)nobodys,
		       (unsigned long long)dv_peer_start(&f->root, nobodys));
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	for (unsigned i = 0; i < 1000 && dv_own_take(&f->a, &cpu, NULL) == 0; i++) {
		dv_own_drop(&f->a, &cpu); /* it has not become nobody yet */
		(void)usleep(1000);
	}
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), -EBUSY);
	assert_int_equal(fchown(fd, 1, 1), 0);
	assert_int_equal(dv_own_take(&f->a, &cpu, NULL), 0);
	close(fd);
	end(mine);
	end(nobodys);
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

	assert_int_equal(symlink(f->top, f->dir), 0);
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
		T(test_one_owner),
		T(test_handed_on),
		T(test_dir_is_for_all),
		T(test_killed_owner),
		T(test_traps),
		T(test_dir_is_a_link),
		T(test_dir_open_to_others),
		T(test_other_user),
		T(test_tenants_outlive_their_divvyd),
		T(test_tenants_that_left),
		T(test_hostile_lists),
		T(test_lists_of_users),
	};

	return cmocka_run_group_tests_name("daemon/own", tests, NULL, NULL);
}
