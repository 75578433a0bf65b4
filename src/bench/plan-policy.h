/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to place requests that come one after the other on GPUs of one grid: the planner's own, and
 * those it is measured against. Each sees the same requests. */
#pragma once

#include "plan/grid-online.h"
#include "plan/grid.h"

enum dv_policy_kind {
	DV_BENCH_FIRST_FIT,   /* first GPU, lowest start */
	DV_BENCH_ROUND_ROBIN, /* next GPU, lowest start */
	DV_BENCH_BF_BI,	      /* best fit: least free cells; best index: most options stay */
	DV_BENCH_WF_BI,	      /* worst fit: most free cells; best index */
	DV_BENCH_MFI, /* least increase of fragmentation: options lost though cells are free */
	DV_BENCH_DRIVER_ORDER, /* first GPU, the start that drivers were seen to take */
	DV_BENCH_REPACK,       /* everything may move at each arrival: a ceiling, no policy */
	DV_BENCH_DIVVY,	       /* plan/grid-online.h */
	DV_BENCH_DIVVY_MOVE1,  /* the same with at most one move at each arrival */
	DV_BENCH_POLICY_COUNT
};

const char *dv_bench_policy_name(enum dv_policy_kind kind);

/* One place that a policy gave; where it is may change by moves. */
struct dv_bench_held {
	unsigned profile, gpu, start;
};

struct dv_bench_policy;

/* For `gpu_count` empty GPUs; the grid has to live on. -ENOMEM. */
int dv_bench_policy_new(enum dv_policy_kind kind, const struct dv_grid *grid, unsigned gpu_count,
			struct dv_bench_policy **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_bench_policy_free(struct dv_bench_policy *policy);
DV_DEFINE_FREEP(struct dv_bench_policy, dv_bench_policy_free)

/* Place one; *ret_held is its number until it ends. 1: refused; -ENOMEM. */
int dv_bench_policy_arrive(struct dv_bench_policy *policy, unsigned profile, size_t *ret_held,
			   struct dv_error *err) DV_MUST_CHECK;
void dv_bench_policy_end(struct dv_bench_policy *policy, size_t held);
/* Where it is now; of repack nothing is known. */
void dv_bench_policy_where(const struct dv_bench_policy *policy, size_t held,
			   struct dv_bench_held *ret);
/* Moves so far. */
unsigned long dv_bench_policy_moves(const struct dv_bench_policy *policy);
