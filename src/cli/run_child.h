/* SPDX-License-Identifier: Apache-2.0 */
/* A process made for a lease: it stands still until it was put where it belongs, then gets the
 * lease's environment and CPUs and goes on. The caller reaps it. */
#pragma once

#include <signal.h>
#include <sys/types.h>

#include "api/api.h"
#include "cli/run_mounts.h"

/* What it becomes: the program `command`, or with NULL what `body` does. */
struct dv_child_spec {
	const struct dv_api_grant *grant;
	char **command;
	int (*body)(void *arg); /* its result is the exit status */
	void *arg;
	const sigset_t *mask;		/* signals that are blocked in it */
	const char *cuda_dir;		/* where it finds the CUDA driver, or NULL */
	const char *driver_dir;		/* without one: where a simulated machine's is, or NULL */
	const struct dv_mounts *mounts; /* of its own; NULL: the machine's */
};

struct dv_child {
	pid_t pid;
	int go_fd;     /* written once: go on; closed: end */
	int failed_fd; /* what went wrong before the command ran */
};

/* Exit statuses of a shell for a command that could not be run. */
enum { DV_CHILD_NOT_RUN = 126, DV_CHILD_NOT_FOUND = 127 };

/* Make it; it waits. The spec is used until dv_child_go. */
int dv_child_start(const struct dv_child_spec *spec, struct dv_child *ret_child,
		   struct dv_error *err) DV_MUST_CHECK;

/* Let it go on, and wait until the command runs (or `body` begins). On failure the process has
 * ended, and the record says why; *ret_status is then 126, 127, or 0 when it was not the command's
 * fault. */
int dv_child_go(struct dv_child *child, const char *name, int *ret_status,
		struct dv_error *err) DV_MUST_CHECK;

/* End a process that still waits, or reap one that failed; also closes what dv_child_go left. */
void dv_child_end(struct dv_child *child);
