/* SPDX-License-Identifier: Apache-2.0 */
/* Many requests at once: the fewest GPUs that hold them all, from whatever is on the GPUs now.
 * Pure; the result's vector is the caller's.
 *
 * GPUs of the same grid and state are alike, so the problem is how many GPUs of each class take
 * which set of instances: an integer program over the maximal sets. Its linear relaxation is solved
 * by an own simplex, whose prices prove a lower bound; branch and bound closes the gap. What is on
 * the GPUs stays where it is. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/vec.h"
#include "plan/grid.h"

enum {
	DV_BATCH_GRIDS_MOST = 64,
	DV_BATCH_REQUESTS_MOST = 64,
	DV_BATCH_COUNT_MOST = 1 << 20, /* instances asked for, and GPUs */
	DV_BATCH_CLASSES_MOST = 1024,  /* of GPUs: grid and state */
};

/* So many instances of one kind. */
struct dv_batch_request {
	unsigned count;
	int profile[DV_BATCH_GRIDS_MOST]; /* its number in each grid; -1: not on such a GPU */
	uint32_t starts;   /* bit c: it may begin at cell c; 0: wherever its profile may */
	unsigned priority; /* higher ones are placed first where not all fit */
	unsigned value;	   /* of one, among those of its priority; 0: its cells */
};

/* Does using it count as opening one? */
enum dv_batch_cost {
	DV_BATCH_COST_IF_EMPTY, /* if nothing is on it */
	DV_BATCH_COST_ONE,	/* whatever is on it */
	DV_BATCH_COST_NONE,	/* it is in use in any case */
};

struct dv_batch_gpu {
	unsigned grid;
	struct dv_grid_state state;
	enum dv_batch_cost cost;
};

struct dv_batch_input {
	const struct dv_grid *const *grids;
	unsigned grid_count;
	const struct dv_batch_gpu *gpus;
	unsigned gpu_count;
	const struct dv_batch_request *requests;
	unsigned request_count;
};

/* One instance that is to be made. */
struct dv_batch_item {
	unsigned request, gpu, start;
};

enum dv_batch_bound {
	DV_BATCH_PROVEN, /* no plan places more value, or the same on fewer GPUs */
	DV_BATCH_VALUE, /* no plan places more value; `least` is proven, `opened` may be above it */
	DV_BATCH_GAP,	/* neither is proven */
};

struct dv_batch {
	struct {
		DV_VEC(struct dv_batch_item);
	} items;			       /* by request, then GPU, then start */
	unsigned left[DV_BATCH_REQUESTS_MOST]; /* of each request: instances without a place */
	unsigned opened;		       /* GPUs that are used and count */
	unsigned least;			       /* no plan that places as much opens fewer */
	enum dv_batch_bound bound;
};

/* Place the requests. The same grid may be there several times, so that requests tell GPUs apart.
 * Where not all fit, the most value is placed, higher priorities first; what is
 * left is in `left`. The same input gives the same result. -EINVAL for numbers that are not there;
 * -E2BIG over a limit, or for a grid with too many sets; -ENOMEM. */
int dv_batch_make(const struct dv_batch_input *input, struct dv_batch *ret,
		  struct dv_error *err) DV_MUST_CHECK;
void dv_batch_fini(struct dv_batch *batch);

/* Can so many of each profile be on `gpu_count` empty GPUs of the grid? 0: yes; 1: no. Exact up to
 * the search's limit, which says no. -ENOMEM; -E2BIG. */
int dv_batch_fits(const struct dv_grid *grid, const unsigned *counts, unsigned gpu_count,
		  struct dv_error *err) DV_MUST_CHECK;
