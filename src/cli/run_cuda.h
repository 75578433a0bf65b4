/* SPDX-License-Identifier: Apache-2.0 */
/* Where the programs of a tenant find the CUDA driver and NVML: a directory in which divvy's
 * libraries have their names, and the driver's stand beside them under the names by which those
 * need them. It lies below the tenant's cache, is the same for all its leases of one GPU, and
 * stays. In it is noted, too, what a context takes of the GPU's memory: that counts for each one
 * that a program makes. */
#pragma once

#include "api/api.h"
#include "base/error.h"
#include "cli/run_mounts.h"

/* Names in it: what our libraries need, and what a context takes. */
#define DV_CUDA_NEEDED "libcuda-divvy-real.so"
#define DV_NVML_NEEDED "libnvidia-ml-divvy-real.so"
#define DV_CUDA_NOTE "context-bytes"

/* Where the loader finds the driver's library `name`, in PATH_MAX bytes; in a process of its own.
 * -ENOENT with rule G03. */
int dv_cuda_find(const char *name, char *buf, struct dv_error *err) DV_MUST_CHECK;

/* Whose directory a command gets, and where; "" for a lease that is not about CUDA. */
struct dv_cuda_place {
	char layer[256];
	char dir[320];
	struct dv_mounts mounts;
};

/* Find the driver as a program would, in a process of its own, and make the directory. -ENOENT with
 * rule G03 when there is no driver. */
int dv_cuda_place_make(const struct dv_api_grant *grant, struct dv_cuda_place *ret,
		       struct dv_error *err) DV_MUST_CHECK;

/* In the tenant's new process: look there first. A positive errno, or 0. */
int dv_cuda_place_enter(const char *dir);

/* What a context was measured to take; 0: not known. */
uint64_t dv_cuda_place_context(const struct dv_cuda_place *place);

/* Load the driver by its name, make one call, say how it went on `said_fd`, and stay until
 * `hold_fd` is closed. For a process that was started anew: only that looks into the directory.
 * Measures, too, what a context takes, if that is not noted in `dir`. */
#define DV_CUDA_PROBE "probe-cuda" /* divvy's first word then */
enum { DV_CUDA_SAID_NOTHING_THERE = 'n', DV_CUDA_SAID_DONE = 'y' };
int dv_cuda_probe_main(const char *said_fd, const char *hold_fd, const char *dir);
