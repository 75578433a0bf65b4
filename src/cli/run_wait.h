/* SPDX-License-Identifier: Apache-2.0 */
/* The time in which a tenant's command runs: signals are handed on, orphans stay ours and are
 * reaped, and processes that go round the gate are looked for. */
#pragma once

#include <signal.h>

#include "api/api.h"
#include "cli/cli.h"
#include "cli/run_measure.h"
#include "cli/run_watch.h"

struct dv_wait {
	struct dv_cli *cli;
	const char *lease;	    /* name */
	struct dv_watch *watch;	    /* knows the command's processes; never NULL */
	bool look;		    /* for those that go round the gate */
	struct dv_measure *measure; /* what the command gets, or NULL: nobody wants to know */
	bool warn_only;		    /* say what goes round the gate, and let it */
	int signal_fd;
	sigset_t mask; /* what was blocked before: also for the command */
};

/* Block the signals that are handed on and make them readable, make orphans ours; fini undoes both.
 * The members above signal_fd are the caller's to set. */
int dv_wait_init(struct dv_wait *wait, struct dv_error *err) DV_MUST_CHECK;
void dv_wait_fini(struct dv_wait *wait);

/* The signal that came meanwhile and asks us to end, or 0; before the command is there. */
int dv_wait_pending(struct dv_wait *wait);

/* Wait for the command and for what it left behind. Returns 0 and the command's status (128+n for a
 * signal), or -EBUSY with rule G04 when the tenant was stopped. */
int dv_wait_run(struct dv_wait *wait, pid_t pid, int *ret_status,
		struct dv_error *err) DV_MUST_CHECK;
