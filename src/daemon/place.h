/* SPDX-License-Identifier: Apache-2.0 */
/* Where this divvyd lives on disk: its run directory with the lock that makes it the only one
 * there, its socket and the directory of the leases' sockets; its state directory. Owns the
 * descriptors and, while it holds the lock, the socket's name. */
#pragma once

#include "base/error.h"
#include "daemon/conf.h"
#include "daemon/options.h"

struct dv_place {
	char run_dir[96], state_dir[192];
	char socket[108];	/* <run_dir>/divvyd.sock */
	char leases_dir[104];	/* <run_dir>/leases: the leases' sockets */
	char cache_dir[224];	/* <state_dir>/cache: compiled kernels, a directory for each user */
	char worker_cache[240]; /* <cache_dir>/worker: the worker's */
	char store[224];	/* <state_dir>/state.db */
	int leases_fd;
	int lock_fd;
	bool listening;
	bool state_in_run; /* the state directory could not be made; it is the run directory */
};

/* Make the directories and take the lock. 1: another divvyd has it; nothing is held then. -EPERM
 * with rule S03 for a directory that cannot be trusted. */
int dv_place_open(const struct dv_daemon_options *options, struct dv_place *ret,
		  struct dv_error *err) DV_MUST_CHECK;
void dv_place_fini(struct dv_place *place);

/* Make the socket, for whom the configuration says. Returns a listening descriptor. */
int dv_place_listen(struct dv_place *place, const struct dv_config *config,
		    struct dv_error *err) DV_MUST_CHECK;

/* Take the socket's name away so that nobody new can connect; false (and it is back) when somebody
 * has just done so and waits at `listen_fd`. */
bool dv_place_retire(struct dv_place *place, int listen_fd);

/* The directory for a user's compiled kernels, made if needed: the user's own, closed to others. */
int dv_place_cache(const struct dv_place *place, uid_t uid, gid_t gid, char *buf, size_t size,
		   struct dv_error *err) DV_MUST_CHECK;
