/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated machine on disk: a directory with
 *   machine            the facts, as they were when it was made
 *   state, lock        what changes; each change under the lock, by replacing the file
 *   root/              what /proc, /sys and /dev would show of it (sim/tree.h)
 *   libnvidia-ml.so.1  a link to the library that answers for it
 *   libcuda.so.1       a link to libcuda.so.<driver>, and that to the library that computes for it
 *   cuda, cuda-alive   what the processes that compute share (sim/cuda/share.h)
 * Many processes may use one at once. */
#pragma once

#include "sim/driver.h"

enum { DV_SIM_PATH_SIZE = 512 };

struct dv_sim_keep {
	char dir[DV_SIM_PATH_SIZE];
	int lock; /* descriptor; -1: not locked */
	uint64_t live_hash;
};

/* Where the links of a machine's directory lead. */
struct dv_sim_libraries {
	const char *nvml, *cuda;
};

/* The directory of the machine that a library belongs to: said by a variable, else where the
 * library was loaded from (by the path that was used, so a link in a machine's directory leads to
 * that machine). `inside` is anything in the library. */
bool dv_sim_keep_find(const void *inside, char *buf, size_t size);

/* Make the directory (which must not hold a machine yet) with the machine after its first boot.
 * -EEXIST, -EINVAL, -E2BIG, errors of the file system. */
int dv_sim_keep_make(const char *dir, const struct dv_sim_machine *machine,
		     const struct dv_sim_libraries *libraries, struct dv_error *err) DV_MUST_CHECK;

/* Read a machine's facts. -ENOENT; -EPROTO when it was made by another build. */
int dv_sim_keep_read_machine(const char *dir, struct dv_sim_machine *ret,
			     struct dv_error *err) DV_MUST_CHECK;

/* Lock it and read its state; dv_sim_keep_end lets it go, and with `changed` keeps the new state:
 * `seen` is what it was. A process that dies between them leaves the old state. Real processes that
 * compute are among the holders between them, and never in the file. */
int dv_sim_keep_begin(const char *dir, struct dv_sim_keep *ret, struct dv_sim_state *ret_state,
		      struct dv_error *err) DV_MUST_CHECK;
int dv_sim_keep_end(struct dv_sim_keep *keep, const struct dv_sim_machine *machine,
		    const struct dv_sim_state *seen, const struct dv_sim_state *state,
		    struct dv_error *err) DV_MUST_CHECK;
