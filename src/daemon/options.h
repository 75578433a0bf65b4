/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd's command line. Plain data; the texts point into argv. */
#pragma once

#include "base/error.h"

struct dv_daemon_options {
	const char *config;    /* --config, or NULL */
	const char *run_dir;   /* --run-dir, or NULL */
	const char *state_dir; /* --state-dir, or NULL */
	const char *lock_dir;  /* --lock-dir, or NULL */
	const char *root;      /* --root, or NULL */
	const char *nvml;      /* --nvml, or NULL */
	bool automatic;	       /* --auto: to the background, and end when idle */
	unsigned idle_s;       /* --idle: how long without leases until it ends */
	int ready_fd;	       /* --ready-fd, or -1 */
	bool debug;
	bool help, version; /* print that and end */
};

extern const char dv_daemon_help[];

/* -EINVAL with what is wrong. */
int dv_daemon_options(int argc, char **argv, struct dv_daemon_options *ret,
		      struct dv_error *err) DV_MUST_CHECK;
