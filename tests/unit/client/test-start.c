/* SPDX-License-Identifier: Apache-2.0 */
/* libdivvy starts the user's own divvyd: the first use, two first uses at once, a divvyd that is
 * broken, a place that cannot be trusted. As root these tests play an ordinary user, so that the
 * machine's own divvyd is left alone. */
#include "divvy/divvy.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"

enum { NOBODY = 65534, CLIENTS = 4 };

struct place {
	char top[32], runtime[64], home[64], run[96];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	if (temporary_make(p->top, sizeof(p->top), "strt") < 0 || chmod(p->top, 0755) < 0)
		return -1;
	(void)snprintf(p->runtime, sizeof(p->runtime), "%s/runtime", p->top);
	(void)snprintf(p->home, sizeof(p->home), "%s/home", p->top);
	(void)snprintf(p->run, sizeof(p->run), "%s/divvy", p->runtime);
	*state = p;
	if (mkdir(p->runtime, 0700) < 0 || mkdir(p->home, 0700) < 0)
		return -1;
	if (geteuid() != 0)
		return 0;
	return chown(p->runtime, NOBODY, NOBODY) < 0 || chown(p->home, NOBODY, NOBODY) < 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	(void)temporary_remove(p->top);
	free(p);
	return 0;
}

/* In a child: become the user. */
static void become_user(const struct place *p)
{
	if (geteuid() == 0 && (setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		_exit(90);
	(void)setenv("XDG_RUNTIME_DIR", p->runtime, 1);
	(void)setenv("HOME", p->home, 1);
	(void)unsetenv("XDG_STATE_HOME");
}

/* The pid of the divvyd that was reached, 0 for none. */
static long ask(struct divvy_error *error)
{
	struct divvy_client *client = NULL;
	const char *at;
	char *answer = NULL;
	long pid = 0;

	if (divvy_connect(NULL, 0, &client, error) < 0)
		return 0;
	/* Answers while GPUs are still looked for. */
	if (divvy_call(client, "GET", "/v1/status", NULL, &answer, error) == 0) {
		at = strstr(answer, "\"pid\":");
		pid = at ? strtol(at + 6, NULL, 10) : 0;
		divvy_free(answer);
	}
	divvy_close(client);
	return pid;
}

/* Is the machine's own divvyd running? Then it is that one that everybody reaches. */
static bool system_is_up(void)
{
	struct divvy_client *client = NULL;

	if (divvy_connect("/run/divvy/divvyd.sock", DIVVY_CONNECT_NO_START, &client, NULL) < 0)
		return false;
	divvy_close(client);
	return true;
}

static void test_first_uses_at_once(void **state)
{
	struct place *p = *state;
	long pids[CLIENTS] = {0};
	int ends[2];

	if (system_is_up())
		skip();
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < CLIENTS; i++) {
		pid_t child = fork();

		if (child == 0) {
			struct divvy_error error = {0};
			long pid;

			become_user(p);
			pid = ask(&error);
			if (!pid)
				(void)fprintf(stderr, "%s\n", error.message);
			_exit(write(ends[1], &pid, sizeof(pid)) != (ssize_t)sizeof(pid));
		}
		assert_true(child > 0);
	}
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(read(ends[0], &pids[i], sizeof(pids[i])), sizeof(pids[i]));
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(waitpid(-1, NULL, 0) > 0, 1);
	/* One divvyd, and all of them reached it. */
	assert_true(pids[0] > 1);
	for (int i = 1; i < CLIENTS; i++)
		assert_int_equal(pids[i], pids[0]);
	assert_int_equal(kill((pid_t)pids[0], SIGTERM), 0);
	for (int i = 0; i < 2000 && kill((pid_t)pids[0], 0) == 0; i++) {
		char path[160];

		(void)snprintf(path, sizeof(path), "%s/divvyd.sock", p->run);
		if (access(path, F_OK) < 0)
			break;
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	close(ends[0]);
	close(ends[1]);
}

/* Run `prepare` and then ask, as the user; the error comes back. */
static struct divvy_error fails_after(const struct place *p, void (*prepare)(const struct place *))
{
	struct divvy_error error = {0};
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		become_user(p);
		prepare(p);
		if (ask(&error))
			error = (struct divvy_error){0};
		_exit(write(ends[1], &error, sizeof(error)) != (ssize_t)sizeof(error));
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &error, sizeof(error)), sizeof(error));
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return error;
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(91);
	close(fd);
}

static void break_state(const struct place *p)
{
	char dir[160];

	(void)snprintf(dir, sizeof(dir), "%s/.local", p->home);
	(void)mkdir(dir, 0700);
	(void)snprintf(dir, sizeof(dir), "%s/.local/state", p->home);
	(void)mkdir(dir, 0700);
	(void)snprintf(dir, sizeof(dir), "%s/.local/state/divvy", p->home);
	(void)mkdir(dir, 0700);
	write_file(dir, "state.db", "this is no database, but it is long enough to be one");
}

/* What divvyd had to say comes back whole: rule, cause and way out. */
static void test_broken_state(void **state)
{
	struct divvy_error error;

	if (system_is_up())
		skip();
	error = fails_after(*state, break_state);
	assert_string_equal(error.rule, "S07");
	assert_string_equal(error.name, "bad-state");
	assert_int_equal(error.exit_status, 3);
	assert_non_null(strstr(error.message, "state.db"));
}

static void open_run_dir(const struct place *p)
{
	(void)mkdir(p->run, 0700);
	(void)chmod(p->run, 0777);
}

static void test_open_run_dir(void **state)
{
	struct divvy_error error;

	if (system_is_up())
		skip();
	error = fails_after(*state, open_run_dir);
	assert_string_equal(error.rule, "S03");
	assert_int_equal(error.exit_status, 3);
}

static void link_run_dir(const struct place *p)
{
	assert_int_equal(symlink("/tmp", p->run), 0);
}

static void test_linked_run_dir(void **state)
{
	struct divvy_error error;

	if (system_is_up())
		skip();
	error = fails_after(*state, link_run_dir);
	assert_string_equal(error.rule, "S03");
}

static void test_no_start(void **state)
{
	struct place *p = *state;
	int status = -1;
	pid_t child;

	if (system_is_up())
		skip();
	child = fork();
	if (child == 0) {
		struct divvy_client *client = NULL;
		struct divvy_error error = {0};

		become_user(p);
		_exit(divvy_connect(NULL, DIVVY_CONNECT_NO_START, &client, &error) ==
					      -ECONNREFUSED &&
				      error.exit_status == 5 && access(p->run, F_OK) < 0
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* In a child: the user's own divvyd, which reads its configuration from a pipe. */
static void ask_slow(const struct place *p, const char *pipe_path)
{
	const char *const options[] = {"--config", pipe_path, NULL};
	struct divvy_client *client = NULL;
	struct divvy_error error = {0};
	char *answer = NULL;
	int r;

	become_user(p);
	r = divvy_connect_private(p->run, options, &client, &error);
	if (r == 0)
		r = divvy_call(client, "GET", "/v1/leases", NULL, &answer, &error);
	if (r < 0)
		(void)fprintf(stderr, "%s\n", error.message);
	divvy_free(answer);
	divvy_close(client);
	_exit(r < 0);
}

/* The same: end it. */
static void end_divvyd(const struct place *p)
{
	struct divvy_client *client = NULL;
	char path[160], *answer = NULL;
	const char *at;

	(void)snprintf(path, sizeof(path), "%s/divvyd.sock", p->run);
	become_user(p);
	if (divvy_connect(path, 0, &client, NULL) < 0 ||
	    divvy_call(client, "GET", "/v1/status", NULL, &answer, NULL) < 0)
		_exit(1);
	at = strstr(answer, "\"pid\":");
	if (!at || kill((pid_t)strtol(at + 6, NULL, 10), SIGTERM) < 0)
		_exit(2);
	divvy_free(answer);
	divvy_close(client);
	for (int i = 0; i < 2000 && access(path, F_OK) == 0; i++)
		(void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	_exit(access(path, F_OK) == 0);
}

/* On a busy machine it may need longer than one waits for a divvyd that is not there: whoever
 * started it, and whoever comes second, wait while it lives. */
static void test_slow_start(void **state)
{
	static const char config[] = "version: 1\ndevices: {cpu: {enabled: false}}\n";
	struct place *p = *state;
	char path[96];
	int fd, status = -1;
	pid_t child;

	(void)snprintf(path, sizeof(path), "%s/config", p->top);
	assert_int_equal(mkfifo(path, 0644), 0);
	for (int i = 0; i < 2; i++) {
		child = fork();
		if (child == 0)
			ask_slow(p, path);
		assert_true(child > 0);
	}
	(void)nanosleep(&(struct timespec){.tv_sec = 6}, NULL);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, config, strlen(config)), strlen(config));
	close(fd);
	for (int i = 0; i < 2; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	child = fork();
	if (child == 0)
		end_divvyd(p);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_first_uses_at_once), T(test_broken_state), T(test_open_run_dir),
		T(test_linked_run_dir),	    T(test_no_start),	  T(test_slow_start),
	};

	return cmocka_run_group_tests_name("client/start", tests, NULL, NULL);
}
