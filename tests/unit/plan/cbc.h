/* SPDX-License-Identifier: Apache-2.0 */
/* CBC, an integer programming solver that runs as a program of its own, as an oracle. Include after
 * cmocka; a failure fails the test. */
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { CBC_SKIP = 77, CBC_PATH_SIZE = 128 };

/* What it says goes nowhere. Its status, or why it could not begin. */
static inline int cbc_run(char *const *args)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0, r;

	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0),
			 0);
	r = posix_spawnp(&pid, args[0], &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return r;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Says so if not. */
static inline bool cbc_is_there(void)
{
	if (cbc_run((char *[]){"cbc", "quit", NULL}) == 0)
		return true;
	printf("skipped: no program 'cbc' here (Debian: coinor-cbc)\n");
	return false;
}

/* "Optimal - objective value 12.00000000" */
static inline long cbc_objective(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256] = "";
	const char *at;

	assert_non_null(file);
	assert_non_null(fgets(line, sizeof(line), file));
	(void)fclose(file);
	if (strncmp(line, "Optimal", 7) != 0)
		fail_msg("%s", line);
	at = strstr(line, "value ");
	assert_non_null(at);
	return (long)(strtod(at + 6, NULL) + 0.5);
}

/* Where in `dir` the model is to be written, in the LP format; CBC_PATH_SIZE characters. */
static inline const char *cbc_model(const char *dir, char *buf)
{
	(void)snprintf(buf, CBC_PATH_SIZE, "%s/model.lp", dir);
	return buf;
}

/* The least objective of that model, which is removed. */
static inline long cbc_solve(const char *dir)
{
	char model[CBC_PATH_SIZE], solution[CBC_PATH_SIZE];
	long best;

	(void)cbc_model(dir, model);
	(void)snprintf(solution, sizeof(solution), "%s/solution", dir);
	assert_int_equal(
		cbc_run((char *[]){"cbc", model, "sec", "60", "solve", "solution", solution, NULL}),
		0);
	best = cbc_objective(solution);
	(void)unlink(model);
	(void)unlink(solution);
	return best;
}
