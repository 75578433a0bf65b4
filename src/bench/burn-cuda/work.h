/* SPDX-License-Identifier: Apache-2.0 */
/* What divvy-burn-cuda does besides launching for a while. Each fills in its part of the record. */
#pragma once

#include "bench/burn-cuda/device.h"
#include "bench/cuda-record.h"

/* cost.c: what a call of cuLaunchKernel costs through the layer and below it, until `end_ns`; in
 * turn, some hundreds of each at a time. `refused`: launches of nothing, which the driver refuses
 * at once. */
int burn_cuda_cost(struct burn_cuda *cuda, bool refused, uint64_t end_ns,
		   struct dv_cuda_record *ret, struct dv_error *err) DV_MUST_CHECK;

/* memory.c: allocate by one way, and look what is missing then and when all was given back.
 * -EINVAL: no such way. */
int burn_cuda_memory(struct burn_cuda *cuda, const char *way, struct dv_cuda_record *ret,
		     struct dv_error *err) DV_MUST_CHECK;

/* start.c: start `count` processes of this program, at once or one after the other; each begins to
 * use the driver (and makes a context). `times`: from the start of each to its being ready, in ns.
 */
int burn_cuda_start(unsigned count, bool apart, bool contexts, uint64_t *times,
		    struct dv_error *err) DV_MUST_CHECK;
/* In such a process: what it does and says. */
int burn_cuda_start_one(const char *said_fd, const char *at, bool context,
			struct dv_error *err) DV_MUST_CHECK;
