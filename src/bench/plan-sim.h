/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come and go, for policies to be measured on. Pure but for the decisions' time: the
 * same seed gives the same requests, whatever the policy.
 *
 * One request arrives in each slot; it stays 1 to L slots, evenly; L is such that on average the
 * wanted cells are `load` times those of the GPUs. The run lasts six times the slots that fill the
 * GPUs; the second half is counted. */
#pragma once

#include <stdint.h>

#include "bench/plan-policy.h"

struct dv_plan_sim {
	const struct dv_grid *grid;
	unsigned gpu_count;
	const double *mix; /* how often each profile is wanted; sums to 1 */
	double load;
	uint64_t seed;
};

struct dv_plan_sim_result {
	double accepted, accepted_memory; /* parts of 1: by count, and by cells */
	double moves;			  /* for each arrival */
};

int dv_plan_sim_run(const struct dv_plan_sim *sim, enum dv_policy_kind policy,
		    struct dv_plan_sim_result *ret, struct dv_error *err) DV_MUST_CHECK;
