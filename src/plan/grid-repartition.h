/* SPDX-License-Identifier: Apache-2.0 */
/* From the instances on one GPU to a wanted set of them, with the least destroyed. Pure; plain data
 * without pointers.
 *
 * The places are explicit, so nothing depends on a driver's choice. What is best, in this order:
 * the least weight destroyed; the fewest instances destroyed; the most room for what may come
 * later; the lowest starts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "plan/grid.h"

enum {
	DV_GRID_INSTANCES_MOST = DV_GRID_CELLS_MOST,
	DV_GRID_STEPS_MOST = 2 * DV_GRID_INSTANCES_MOST,
	DV_GRID_FOREIGN = -1,
};

/* An instance that is there. */
struct dv_grid_instance {
	/* Number in the grid, or DV_GRID_FOREIGN: unknown to the grid, stays where it is. */
	int profile;
	uint32_t start, size; /* cells */
	uint64_t weight;      /* what its end costs: see dv_grid_weight; at most 2^58 */
	bool pinned;	      /* may not be destroyed at all */
};

/* The usual weight: in use before priority before age. Sums over a whole GPU keep that order. */
uint64_t dv_grid_weight(bool in_use, uint16_t priority, uint64_t age_s);

/* One step. Steps are legal in their order; each needs only what is in `needs`. */
struct dv_grid_step {
	bool create;	     /* else destroy */
	uint8_t profile;     /* of what is created or destroyed */
	uint8_t start, zero; /* zero: no holes in the record */
	/* Destroy: number of the instance. Create: number of the instance that it takes the part of
	 * (same profile, destroyed in this plan), or -1 for a new one. */
	int instance;
	uint64_t needs; /* bit i: step i, earlier than this one, has to be done before */
};

struct dv_grid_change {
	uint32_t kept; /* bit i: instance i stays as it is */
	unsigned destroyed;
	uint64_t weight; /* of what is destroyed */
	unsigned step_count;
	struct dv_grid_step steps[DV_GRID_STEPS_MOST];
};

/* Make `wanted[p]` instances of each profile p out of `count` that are there; foreign ones stay
 * beside them. A destroyed instance that is wanted again is created at its new place before its own
 * end where room and limits allow it, else as soon after as they allow.
 *
 * -ENOSPC with rule M04 when the wanted ones cannot be on this GPU, whatever is destroyed, or
 * beside the pinned and foreign ones; -EINVAL when the instances overlap or are not at a place of
 * their profile; -ENOMEM. */
int dv_grid_repartition(const struct dv_grid *grid, const struct dv_grid_instance *instances,
			unsigned count, const uint8_t *wanted, struct dv_grid_change *ret,
			struct dv_error *err) DV_MUST_CHECK;

/* The state that the instances make. -EINVAL as above. */
int dv_grid_state_of(const struct dv_grid *grid, const struct dv_grid_instance *instances,
		     unsigned count, struct dv_grid_state *ret, struct dv_error *err) DV_MUST_CHECK;

/* How much room a state leaves: over all profiles, how many could still be made, weighted by size.
 * A common measure where no mix of requests is known. */
unsigned dv_grid_openness(const struct dv_grid *grid, const struct dv_grid_state *state);
