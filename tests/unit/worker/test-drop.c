/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/drop.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

/* What a process that dropped for a request still has. */
struct left {
	int r;
	uint64_t effective, permitted, inheritable;
	int no_new_privs;
	bool core;
};

static uint64_t mask_of(const char *status, const char *key)
{
	const char *line = strstr(status, key);
	uint64_t mask = UINT64_MAX;

	if (line)
		(void)sscanf(line + strlen(key), "%" SCNx64, &mask);
	return mask;
}

static struct left look(const struct dv_worker_request *request)
{
	struct left left = {.r = dv_worker_drop(request, NULL), .no_new_privs = -1};
	FILE *file = fopen("/proc/self/status", "re");
	struct rlimit limit = {1, 1};
	char status[8192] = "";

	if (file) {
		(void)!fread(status, 1, sizeof(status) - 1, file);
		(void)fclose(file);
	}
	left.effective = mask_of(status, "CapEff:");
	left.permitted = mask_of(status, "CapPrm:");
	left.inheritable = mask_of(status, "CapInh:");
	left.no_new_privs = (int)mask_of(status, "NoNewPrivs:");
	(void)getrlimit(RLIMIT_CORE, &limit);
	left.core = limit.rlim_max > 0;
	return left;
}

static struct left left_after(const struct dv_worker_request *request)
{
	struct left left = {0};
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		left = look(request);
		_exit(write(ends[1], &left, sizeof(left)) == (ssize_t)sizeof(left) ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(read(ends[0], &left, sizeof(left)), sizeof(left));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	close(ends[1]);
	return left;
}

static void check(enum dv_worker_what what, enum dv_method method, uint64_t most)
{
	struct dv_worker_request request = {.what = what, .step = {.lease = {.method = method}}};
	struct left left = left_after(&request);

	assert_int_equal(left.r, 0);
	assert_true((left.permitted & ~most) == 0);
	assert_true(left.effective == left.permitted);
	assert_true(left.inheritable == 0);
	assert_int_equal(left.no_new_privs, 1);
	assert_false(left.core);
}

static void test_nothing_needed(void **state)
{
	check(DV_WORKER_PROBE, DV_METHOD_NONE, 0);
	check(DV_WORKER_COMMIT, DV_METHOD_SLICE, 0);
	check(DV_WORKER_UNDO, DV_METHOD_PASSTHROUGH, 0);
}

static void test_only_what_is_needed(void **state)
{
	check(DV_WORKER_HOLDERS, DV_METHOD_NONE,
	      UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH);
	check(DV_WORKER_USERS, DV_METHOD_NONE,
	      UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH);
	check(DV_WORKER_END_USER, DV_METHOD_NONE,
	      UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_SYS_PTRACE |
		      UINT64_C(1) << CAP_DAC_READ_SEARCH);
	check(DV_WORKER_ENTER, DV_METHOD_PARTITION, UINT64_C(1) << CAP_SYS_NICE);
	check(DV_WORKER_COMMIT, DV_METHOD_PARTITION, UINT64_C(1) << CAP_DAC_OVERRIDE);
	check(DV_WORKER_UNDO, DV_METHOD_PARTITION, UINT64_C(1) << CAP_DAC_OVERRIDE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_needed),
		cmocka_unit_test(test_only_what_is_needed),
	};

	return cmocka_run_group_tests_name("worker/drop", tests, NULL, NULL);
}
