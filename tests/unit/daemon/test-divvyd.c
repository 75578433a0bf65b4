/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd as a process: leases, restarts, two at once, clients of all kinds. Uses the CPU device;
 * where there is none (no OpenCL), what needs a lease is skipped. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <time.h>

#include <cmocka.h>

#include "api/api.h"
#include "running.h"

enum { ROOM = 256 << 10 };

static char buf[ROOM];

static int setup(void **state)
{
	struct spawned *s = calloc(1, sizeof(*s));

	*state = s;
	return s && spawned_dirs(s) ? 0 : -1;
}

static int teardown(void **state)
{
	spawned_fini(*state);
	free(*state);
	return 0;
}

static void start(struct spawned *s)
{
	char said[2048];

	assert_true(spawned_start(s, NULL, said, sizeof(said)));
	if (strcmp(said, "ready\n") != 0)
		fail_msg("divvyd said: %s", said);
}

/* Start it, and see that there is a device to lease. */
static void start_with_device(struct spawned *s)
{
	struct dv_gpus gpus = {0};
	bool ok;

	start(s);
	assert_int_equal(spawned_ask(s, "GET", "/v1/gpus", "", buf, ROOM), 200);
	assert_int_equal(dv_api_gpus_decode(buf, &gpus, NULL), 0);
	ok = gpus.len && dv_gpu_method(&gpus.items[0], DV_METHOD_SLICE) &&
	     dv_gpu_method(&gpus.items[0], DV_METHOD_SLICE)->ok;
	dv_vec_fini(&gpus);
	if (!ok)
		skip();
}

static int take(const struct spawned *s, const char *members, struct dv_api_grant *ret)
{
	char body[512];
	int status;

	(void)snprintf(body, sizeof(body), "{\"schema\":\"divvy/request/1\",%s}", members);
	status = spawned_ask(s, "POST", "/v1/leases", body, buf, ROOM);
	if (status == 201)
		assert_int_equal(dv_api_grant_decode(buf, ret, NULL), 0);
	return status;
}

static size_t leases(const struct spawned *s, struct dv_lease *ret_first)
{
	struct dv_leases list = {0};
	size_t count;

	assert_int_equal(spawned_ask(s, "GET", "/v1/leases", "", buf, ROOM), 200);
	assert_int_equal(dv_api_leases_decode(buf, &list, NULL), 0);
	count = list.len;
	if (count && ret_first)
		*ret_first = list.items[0];
	dv_vec_fini(&list);
	return count;
}

static struct dv_error error_of(void)
{
	struct dv_error error = {0};

	if (dv_api_error_decode(buf, &error, NULL) < 0)
		fail_msg("not an error document: %s", buf);
	return error;
}

static const char *env_of(const struct dv_api_grant *grant, const char *key)
{
	for (unsigned i = 0; i < grant->env_count; i++)
		if (strncmp(grant->env[i], key, strlen(key)) == 0)
			return grant->env[i] + strlen(key);
	return "";
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

static void test_a_lease(void **state)
{
	struct spawned *s = *state;
	struct dv_api_grant grant, again;
	struct dv_lease lease;
	struct stat st;

	start_with_device(s);
	assert_int_equal(take(s, "\"name\":\"a\",\"memory_mib\":64,\"compute_pct\":25", &grant),
			 201);
	assert_true(grant.gated);
	assert_int_equal(grant.lease.memory_bytes, 64 << 20);
	assert_int_equal(lstat(env_of(&grant, "DIVVY_LEASE_SOCKET="), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(leases(s, &lease), 1);
	assert_string_equal(lease.name, "a");
	assert_int_equal(lease.uid, geteuid());
	assert_int_equal(lease.state, DV_LEASE_READY);
	assert_int_equal(spawned_ask(s, "GET", "/v1/leases/a/attach", "", buf, ROOM), 200);
	assert_int_equal(dv_api_grant_decode(buf, &again, NULL), 0);
	assert_string_equal(env_of(&again, "DIVVY_LEASE_NONCE="),
			    env_of(&grant, "DIVVY_LEASE_NONCE="));
	/* The name is taken, the memory is not there. */
	assert_int_equal(take(s, "\"name\":\"a\",\"memory_mib\":64", &grant), 409);
	assert_string_equal(error_of().rule, "S13");
	assert_int_equal(take(s, "\"memory_mib\":999999999", &grant), 409);
	assert_string_equal(error_of().rule, "G01");
	assert_int_equal(spawned_ask(s, "DELETE", "/v1/leases/a?id=999", "", buf, ROOM), 404);
	assert_int_equal(spawned_ask(s, "DELETE", "/v1/leases/a?id=x", "", buf, ROOM), 400);
	assert_int_equal(leases(s, NULL), 1);
	assert_int_equal(spawned_ask(s, "DELETE", "/v1/leases/a", "", buf, ROOM), 200);
	assert_int_equal(spawned_ask(s, "DELETE", "/v1/leases/a", "", buf, ROOM), 404);
	assert_string_equal(error_of().rule, "S09");
	assert_int_equal(leases(s, NULL), 0);
	assert_int_equal(lstat(env_of(&again, "DIVVY_LEASE_SOCKET="), &st), -1);
	assert_int_equal(spawned_ask(s, "GET", "/v1/log?most=1", "", buf, ROOM), 200);
	assert_non_null(strstr(buf, "\"verb\":\"release\""));
	assert_int_equal(spawned_end(s, SIGTERM), 0);
}

static void test_kill_9(void **state)
{
	struct spawned *s = *state;
	struct dv_api_grant before, after;
	struct dv_lease lease;
	struct stat st;

	start_with_device(s);
	assert_int_equal(take(s, "\"name\":\"a\",\"memory_mib\":64,\"compute_pct\":25", &before),
			 201);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(spawned_end(s, i % 2 ? SIGTERM : SIGKILL),
				 i % 2 ? 0 : 128 + SIGKILL);
		start(s);
		assert_int_equal(leases(s, &lease), 1);
		assert_int_equal(lease.id, before.lease.id);
		assert_string_equal(lease.node, before.lease.node);
		assert_int_equal(spawned_ask(s, "GET", "/v1/leases/a/attach", "", buf, ROOM), 200);
		assert_int_equal(dv_api_grant_decode(buf, &after, NULL), 0);
		assert_string_equal(env_of(&after, "DIVVY_LEASE_NONCE="),
				    env_of(&before, "DIVVY_LEASE_NONCE="));
		assert_int_equal(lstat(env_of(&after, "DIVVY_LEASE_SOCKET="), &st), 0);
	}
}

/* An ephemeral lease ends with the process that took it, also when divvyd began anew meanwhile. */
static void test_launcher_dies(void **state)
{
	struct spawned *s = *state;
	char go;
	int ready[2];

	start_with_device(s);
	for (unsigned restart = 0; restart < 2; restart++) {
		assert_int_equal(pipe(ready), 0);
		pid_t pid = fork();

		if (pid == 0) {
			struct dv_api_grant grant;

			if (take(s, "\"memory_mib\":64,\"compute_pct\":5,\"ephemeral\":true",
				 &grant) != 201 ||
			    write(ready[1], "x", 1) != 1)
				_exit(1);
			pause();
			_exit(0);
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &go, 1), 1);
		close(ready[0]);
		if (restart) {
			(void)spawned_end(s, SIGKILL);
			start(s);
		}
		assert_int_equal(leases(s, NULL), 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		for (unsigned i = 0; i < 1000 && leases(s, NULL); i++)
			sleep_ms(10);
		assert_int_equal(leases(s, NULL), 0);
	}
}

/* Take or attach in a process of its own, tell on `fd`, and stay. */
static pid_t launcher(const struct spawned *s, bool takes, int fd)
{
	struct dv_api_grant grant;
	pid_t pid = fork();
	int status;

	if (pid)
		return pid;
	status = takes ? take(s,
			      "\"name\":\"e\",\"memory_mib\":64,\"compute_pct\":5,\"ephemeral\":"
			      "true",
			      &grant)
		       : spawned_ask(s, "GET", "/v1/leases/e/attach", "", buf, ROOM);
	if (status != (takes ? 201 : 200) || write(fd, "x", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

/* One that came to share an ephemeral lease keeps it when the first one ends; with `leave`, giving
 * back is only for who is the last. */
static void test_launchers_share(void **state)
{
	struct spawned *s = *state;
	struct dv_lease lease;
	pid_t first, second;
	char go, path[64];
	int ready[2];

	start_with_device(s);
	assert_int_equal(pipe(ready), 0);
	first = launcher(s, true, ready[1]);
	assert_int_equal(read(ready[0], &go, 1), 1);
	second = launcher(s, false, ready[1]);
	assert_int_equal(read(ready[0], &go, 1), 1);
	assert_int_equal(leases(s, &lease), 1);
	(void)snprintf(path, sizeof(path), "/v1/leases/e?id=%d&leave=1", (int)lease.id);
	assert_int_equal(spawned_ask(s, "DELETE", path, "", buf, ROOM), 200);
	assert_int_equal(kill(first, SIGKILL), 0);
	assert_int_equal(waitpid(first, NULL, 0), first);
	sleep_ms(100);
	assert_int_equal(leases(s, NULL), 1);
	assert_int_equal(kill(second, SIGKILL), 0);
	assert_int_equal(waitpid(second, NULL, 0), second);
	for (unsigned i = 0; i < 1000 && leases(s, NULL); i++)
		sleep_ms(10);
	assert_int_equal(leases(s, NULL), 0);
	close(ready[0]);
	close(ready[1]);
}

/* A lease that stays is in use as long as somebody runs in it, who need not use the device; nobody
 * ends it for that. */
static void test_launcher_in_a_standing_lease(void **state)
{
	struct spawned *s = *state;
	struct dv_api_grant grant;
	struct dv_lease lease;
	char go, path[96];
	int ready[2];
	pid_t pid;

	start_with_device(s);
	assert_int_equal(take(s, "\"name\":\"e\",\"memory_mib\":64,\"compute_pct\":5", &grant),
			 201);
	assert_int_equal(leases(s, &lease), 1);
	assert_int_equal(lease.state, DV_LEASE_READY);
	assert_int_equal(lease.user_count, 0);
	assert_int_equal(pipe(ready), 0);
	pid = launcher(s, false, ready[1]);
	assert_int_equal(read(ready[0], &go, 1), 1);
	assert_int_equal(leases(s, &lease), 1);
	assert_int_equal(lease.state, DV_LEASE_ACTIVE);
	assert_int_equal(lease.pid_count, 0);
	assert_int_equal(lease.user_count, 1);
	assert_int_equal(lease.users[0].pid, pid);
	assert_true(lease.users[0].command[0]);
	assert_false(lease.users[0].member);
	(void)snprintf(path, sizeof(path), "/v1/gpus/%s/holders", lease.gpu_uuid);
	assert_int_equal(spawned_ask(s, "GET", path, "", buf, ROOM), 200);
	assert_non_null(strstr(buf, "was started in the lease"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned i = 0; i < 1000 && leases(s, &lease) && lease.user_count; i++)
		sleep_ms(10);
	assert_int_equal(leases(s, &lease), 1);
	assert_int_equal(lease.state, DV_LEASE_READY);
	close(ready[0]);
	close(ready[1]);
}

static void test_second_in_one_place(void **state)
{
	static const char *const automatic[] = {"--auto", NULL};
	struct spawned *s = *state, other;
	char said[2048];

	start(s);
	other = *s;
	assert_true(spawned_start(&other, NULL, said, sizeof(said)));
	assert_string_equal(said, "taken\n");
	assert_int_equal(spawned_wait(&other), 3);
	assert_true(spawned_start(&other, automatic, said, sizeof(said)));
	assert_string_equal(said, "taken\n");
	assert_int_equal(spawned_wait(&other), 0);
	assert_int_equal(spawned_ask(s, "GET", "/v1/status", "", buf, ROOM), 200);
}

/* Two divvyds in two places: the device has one owner. */
static void test_second_elsewhere(void **state)
{
	struct spawned *s = *state, other = {0};
	struct dv_api_grant grant;

	start_with_device(s);
	assert_int_equal(take(s, "\"memory_mib\":64,\"compute_pct\":5,\"name\":\"a\"", &grant),
			 201);
	assert_true(spawned_dirs(&other));
	memcpy(other.lock, s->lock, sizeof(other.lock));
	start(&other);
	assert_int_equal(spawned_ask(&other, "GET", "/v1/gpus", "", buf, ROOM), 200);
	assert_non_null(strstr(buf, "\"owned_by\":\"user"));
	assert_int_equal(take(&other, "\"memory_mib\":64,\"compute_pct\":5", &grant), 409);
	assert_string_equal(error_of().rule, "S05");
	assert_int_equal(leases(&other, NULL), 0);
	/* Given back, it is free for the other one. */
	assert_int_equal(spawned_ask(s, "DELETE", "/v1/leases/a", "", buf, ROOM), 200);
	assert_int_equal(take(&other, "\"memory_mib\":64,\"compute_pct\":5", &grant), 201);
	spawned_fini(&other);
}

static void test_bad_requests(void **state)
{
	static const struct {
		const char *verb, *path, *body;
		int status;
	} cases[] = {
		{"GET", "/v1/nonsense", "", 404},
		{"GET", "/", "", 404},
		{"PUT", "/v1/leases", "", 400},
		{"POST", "/v1/leases", "", 400},
		{"POST", "/v1/leases", "{", 400},
		{"POST", "/v1/leases", "[]", 400},
		{"POST", "/v1/leases", "{\"schema\":\"divvy/request/1\",\"memory\":\"8GiB\"}", 400},
		{"POST", "/v1/leases", "{\"schema\":\"divvy/request/1\",\"name\":\"a/b\"}", 400},
		{"GET", "/v1/leases/none", "", 404},
		{"GET", "/v1/leases/none/attach", "", 404},
		{"DELETE", "/v1/leases/none", "", 404},
		{"DELETE", "/v1/leases/..%2f..%2fetc", "", 404},
		{"POST", "/v1/leases/none/unenforced", "{\"pid\":1}", 404},
		{"GET", "/v1/gpus/nonsense/holders", "", 404},
		{"GET", "/v1/log?most=many", "", 400},
		{"GET", "/v1/log?most=1001", "", 400},
		{"GET", "/v1/log?after=-1", "", 400},
	};
	struct spawned *s = *state;

	start(s);
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		int status = spawned_ask(s, cases[i].verb, cases[i].path, cases[i].body, buf, ROOM);

		if (status != cases[i].status)
			fail_msg("%s %s: %d: %s", cases[i].verb, cases[i].path, status, buf);
		assert_true(error_of().msg[0]);
	}
	assert_int_equal(spawned_ask(s, "GET", "/v1/status", "", buf, ROOM), 200);
}

static void test_large_body(void **state)
{
	const size_t most = 5 << 20;
	struct spawned *s = *state;
	dv_autofree char *body = malloc(most + 1);

	assert_non_null(body);
	memset(body, ' ', most);
	body[most] = '\0';
	start(s);
	assert_int_equal(spawned_ask(s, "POST", "/v1/leases", body, buf, ROOM), 413);
	assert_int_equal(error_of().code, -E2BIG);
}

static void test_broken_config(void **state)
{
	struct spawned *s = *state;
	char said[2048];
	struct dv_error error = {0};

	assert_true(spawned_config(s, "version: 1\ngate:\n  quantum: 5\n"));
	assert_true(spawned_start(s, NULL, said, sizeof(said)));
	assert_int_equal(spawned_wait(s), 2);
	assert_int_equal(dv_api_error_decode(said, &error, NULL), 0);
	assert_string_equal(error.rule, "F07");
	assert_int_equal(error.line, 3);
}

static void test_broken_state(void **state)
{
	struct spawned *s = *state;
	char said[2048], path[96];
	struct dv_error error = {0};
	int fd;

	assert_int_equal(mkdir(s->state, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/state.db", s->state);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "this is no database, but it is long enough to be one", 52), 52);
	close(fd);
	assert_true(spawned_start(s, NULL, said, sizeof(said)));
	assert_int_equal(spawned_wait(s), 3);
	assert_int_equal(dv_api_error_decode(said, &error, NULL), 0);
	assert_string_equal(error.rule, "S07");
}

static void test_idle_end(void **state)
{
	static const char *const words[] = {"--auto", "--idle", "0", NULL};
	struct spawned *s = *state;
	char said[2048];

	assert_true(spawned_start(s, words, said, sizeof(said)));
	assert_string_equal(said, "ready\n");
	assert_int_equal(spawned_wait(s), 0); /* the one that went to the background lives on */
	for (unsigned i = 0; i < 2000 && access(s->sock, F_OK) == 0; i++)
		sleep_ms(10);
	assert_int_equal(access(s->sock, F_OK), -1);
	/* And comes back. */
	start(s);
}

/* As another user: what the configuration lets it do. Only root can play it. */
static int as_nobody(const struct spawned *s, const char *verb, const char *path)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(99);
		/* 8 bits are enough to tell 200, 403 and "cannot connect" apart. */
		_exit(spawned_ask(s, verb, path, "", buf, ROOM) & 0xff);
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_other_users(void **state)
{
	struct spawned *s = *state;

	if (geteuid() != 0)
		skip();
	assert_true(spawned_config(s, "version: 1\nsocket: {group: no-such-group-here}\n"));
	start(s);
	assert_int_equal(as_nobody(s, "GET", "/v1/status"), -2 & 0xff);
	(void)spawned_end(s, SIGTERM);
	assert_true(spawned_config(s, "version: 1\nsocket: {group: no-such-group-here, "
				      "others: read}\n"));
	start(s);
	assert_int_equal(as_nobody(s, "GET", "/v1/status"), 200);
	assert_int_equal(as_nobody(s, "POST", "/v1/leases"), 403 & 0xff);
	assert_int_equal(as_nobody(s, "GET", "/v1/leases/none/attach"), 403 & 0xff);
}

/* A full disk: nothing is given that could not be written down, and it works again later. */
static _Noreturn void full_disk(struct spawned *s)
{
	struct dv_api_grant grant;
	char path[96], said[2048];
	int fd, status;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(s->state, 0700) < 0 ||
	    mount("tmpfs", s->state, "tmpfs", 0, "size=1m,mode=0700") < 0)
		_exit(77);
	if (!spawned_start(s, NULL, said, sizeof(said)) || strcmp(said, "ready\n") != 0 ||
	    spawned_ask(s, "GET", "/v1/gpus", "", buf, ROOM) != 200)
		_exit(3);
	if (!strstr(buf, "{\"name\":\"slice\",\"ok\":true"))
		_exit(77);
	(void)snprintf(path, sizeof(path), "%s/filler", s->state);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, buf, 4096) > 0)
		continue;
	close(fd);
	status = take(s, "\"memory_mib\":64,\"compute_pct\":5,\"name\":\"a\"", &grant);
	if (status != 507 || error_of().code != -EFBIG || leases(s, NULL) != 0)
		_exit(1);
	if (unlink(path) < 0 ||
	    take(s, "\"memory_mib\":64,\"compute_pct\":5,\"name\":\"a\"", &grant) != 201)
		_exit(2);
	(void)spawned_end(s, SIGKILL);
	(void)umount(s->state);
	_exit(0);
}

static void test_full_disk(void **state)
{
	int status = -1;
	pid_t pid;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		full_disk(*state);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_lease),
		T(test_kill_9),
		T(test_launcher_dies),
		T(test_launchers_share),
		T(test_launcher_in_a_standing_lease),
		T(test_second_in_one_place),
		T(test_second_elsewhere),
		T(test_bad_requests),
		T(test_large_body),
		T(test_broken_config),
		T(test_broken_state),
		T(test_idle_end),
		T(test_other_users),
		T(test_full_disk),
	};

	return cmocka_run_group_tests_name("daemon/divvyd", tests, NULL, NULL);
}
