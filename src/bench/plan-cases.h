/* SPDX-License-Identifier: Apache-2.0 */
/* The bench of the planner: cases "plan/...". No GPU, no divvyd; only the speeds depend on the
 * machine. */
#pragma once

#include "base/error.h"
#include "model/measure.h"
#include "plan/grid.h"

enum { DV_PLAN_SEEDS_MOST = 20 };

/* The grids that the cases are about. Of the catalogue: profiles of 1, 2, 3, 4 and 7 compute slices
 * on 8 cells; `six`: and the one with one slice and two cells. */
struct dv_plan_grids {
	struct dv_grid five, six;
};

struct dv_cat_gpu;
int dv_plan_grids_of(const struct dv_cat_gpu *gpu, struct dv_plan_grids *ret,
		     struct dv_error *err) DV_MUST_CHECK;

struct dv_plan_case {
	char name[DV_BENCH_TEXT_SIZE]; /* "plan/online/uniform/1.0/divvy" */
	const char *what;
	bool quick; /* takes less than a second */
	int (*run)(const struct dv_plan_case *c, const struct dv_plan_grids *grids, unsigned seeds,
		   struct dv_bench *bench, struct dv_error *err);
	unsigned mix, load, policy, size; /* numbers of what `run` is about */
};

/* Case number i, in order; false past the last. */
bool dv_plan_case(unsigned i, struct dv_plan_case *ret);

/* Does its name begin with one of the prefixes (none: every case's does)? */
bool dv_plan_case_chosen(const struct dv_plan_case *c, const char *const *prefixes, size_t count);

/* Append the case's results; `seeds` runs of what is random, 1 to DV_PLAN_SEEDS_MOST. */
int dv_plan_case_run(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		     unsigned seeds, struct dv_bench *bench, struct dv_error *err) DV_MUST_CHECK;

/* One run of a case "plan/online/MIX/LOAD/POLICY": the same seed gives all policies the same
 * requests. */
struct dv_plan_sim_result;
bool dv_plan_case_is_online(const struct dv_plan_case *c);
int dv_plan_case_once(const struct dv_plan_case *c, const struct dv_plan_grids *grids,
		      unsigned seed, struct dv_plan_sim_result *ret,
		      struct dv_error *err) DV_MUST_CHECK;

/* The mean of the values lies within plus or minus this with 95 % (Student). */
double dv_plan_half_width(const double *values, unsigned count);
