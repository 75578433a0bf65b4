/* SPDX-License-Identifier: Apache-2.0 */
/* The client is one for each process, so each test of it runs in its own: in_process() forks and
 * asserts that the child ended well. CHECK ends the child at once, with the place. */
#pragma once

#include "../temporary.h"
#include "fake-divvyd.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static inline bool ended_well(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The thread sanitizer can't follow threads of a fork's child, nor descriptors closed by number,
 * and has a thread of its own. */
#ifdef __SANITIZE_THREAD__
#define NOT_UNDER_TSAN()                                                                           \
	do {                                                                                       \
		fprintf(stderr, "skipped under the thread sanitizer: %s\n", __func__);             \
		return;                                                                            \
	} while (0)
#else
#define NOT_UNDER_TSAN() (void)0
#endif

static inline bool in_process(void (*test)(void))
{
	char dir[48];
	bool well;
	pid_t pid;

	if (temporary_make(dir, sizeof(dir), "proc") < 0)
		return false;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		setenv(FAKE_DIR, dir, 1);
		test();
		_exit(0);
	}
	well = pid > 0 && ended_well(pid);
	/* The process may have been killed with what it had there. */
	return temporary_remove(dir) == 0 && well;
}
