/* SPDX-License-Identifier: Apache-2.0 */
/* A grid: a GPU that is divided into intervals of equal cells (MIG partitions, vGPU types of mixed
 * size). Which profiles there are, where each may start, and what limits them besides the cells is
 * data: from the catalogue, or from what a driver says. Plain data without pointers, constant once
 * made; a grid may be read by many threads.
 *
 * Whatever the placements do not imply is a counted limit: so many of a profile at once, compute
 * slices, engines, two profiles that exclude each other. The state of a GPU is the set of cells
 * taken and what is used of each limit: the engine's whole knowledge of what may still be made. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct dv_cat_mig;
struct dv_mig;

enum {
	DV_GRID_CELLS_MOST = 32,
	DV_GRID_PROFILES_MOST = 32,
	DV_GRID_PLACES_MOST = 512, /* starts of all profiles together */
	DV_GRID_LIMITS_MOST = 23,
	DV_GRID_PAIRS_MOST = 16,
	DV_GRID_NAME_SIZE = 48,
	DV_GRID_TOTAL_MOST = 127, /* of any limit */
};

enum dv_grid_engine {
	DV_GRID_DECODE,
	DV_GRID_ENCODE,
	DV_GRID_JPEG,
	DV_GRID_OPTICAL_FLOW,
	DV_GRID_ENGINE_COUNT
};

/* A way to cut an instance. */
struct dv_grid_profile {
	char name[DV_GRID_NAME_SIZE];
	uint32_t id;	 /* the driver's */
	uint32_t size;	 /* cells */
	uint32_t starts; /* bit c: an instance may begin at cell c */
	uint32_t most;	 /* instances at once on one GPU; 0: nothing said */
	uint32_t compute_slices;
	uint32_t engines[DV_GRID_ENGINE_COUNT];
};

/* What a grid is made from. A total that is 0 is not a limit. */
struct dv_grid_source {
	uint32_t cells;
	uint32_t compute_slices;
	uint32_t engines[DV_GRID_ENGINE_COUNT];
	uint32_t most; /* instances at once of all profiles together; 0: nothing said */
	unsigned profile_count;
	struct dv_grid_profile profiles[DV_GRID_PROFILES_MOST];
	/* Profiles (by number) that are never on a GPU together; of the first there is at most one.
	 */
	unsigned pair_count;
	struct {
		uint8_t first, second;
	} pairs[DV_GRID_PAIRS_MOST];
};

/* What a limit counts: it says why something does not fit. */
enum dv_grid_limit_kind {
	DV_GRID_LIMIT_COMPUTE,	 /* compute slices */
	DV_GRID_LIMIT_ENGINES,	 /* `which` is an enum dv_grid_engine */
	DV_GRID_LIMIT_PROFILE,	 /* instances of profile `which` */
	DV_GRID_LIMIT_INSTANCES, /* instances of all profiles */
	DV_GRID_LIMIT_PAIR,	 /* `which` is the number of the pair */
};

struct dv_grid_limit {
	enum dv_grid_limit_kind kind;
	uint8_t which;
	uint8_t total;
	uint8_t use[DV_GRID_PROFILES_MOST]; /* of an instance of each profile */
};

/* An interval where an instance of a profile may be. */
struct dv_grid_place {
	uint8_t profile, start;
	uint32_t cells; /* bits of those it takes */
};

struct dv_grid {
	uint32_t cells;
	unsigned profile_count;
	struct dv_grid_profile profiles[DV_GRID_PROFILES_MOST];
	unsigned limit_count; /* only limits that the placements do not imply */
	struct dv_grid_limit limits[DV_GRID_LIMITS_MOST];
	/* By profile, then start; those of profile p are first_place[p] .. first_place[p + 1] - 1.
	 */
	unsigned place_count;
	struct dv_grid_place places[DV_GRID_PLACES_MOST];
	uint16_t first_place[DV_GRID_PROFILES_MOST + 1];
};

/* What is on one GPU. Start with all zero. */
struct dv_grid_state {
	uint32_t cells; /* bits of those taken */
	uint8_t used[DV_GRID_LIMITS_MOST];
	uint8_t zero; /* keeps the record free of holes: states are compared as bytes */
};

/* Fill *ret from the catalogue. Totals of engines are those of the profile that has most of them:
 * the one that takes the whole GPU; a total that contradicts how many of a profile there can be is
 * none. `driver` is the driver's first number, 0: unknown, taken for a
 * new one. Before 510 the two halves of a GPU could not have unlike compute (MIG User Guide,
 * "4g.20gb and 3g.20gb together from R510"): then such profiles exclude each other.
 * -EOPNOTSUPP with rule M03 when the catalogue does not know the places; -E2BIG. */
int dv_grid_source_of(const struct dv_cat_mig *mig, unsigned driver, struct dv_grid_source *ret,
		      struct dv_error *err) DV_MUST_CHECK;

/* The same from what the GPU's driver says; profiles without places are left out. */
int dv_grid_source_of_gpu(const struct dv_mig *mig, unsigned driver, struct dv_grid_source *ret,
			  struct dv_error *err) DV_MUST_CHECK;

/* Make the grid. -EINVAL when a profile does not lie within the cells, has no place or no size, or
 * the first of a pair can be there twice; -E2BIG. */
int dv_grid_make(const struct dv_grid_source *source, struct dv_grid *ret,
		 struct dv_error *err) DV_MUST_CHECK;

/* The number of the profile of that name, or of that driver's id; -1: none. */
int dv_grid_find(const struct dv_grid *grid, const char *name);
int dv_grid_find_id(const struct dv_grid *grid, uint32_t id);

/* The number of the place of `profile` at `start`; -1: it may not stand there. */
int dv_grid_place_at(const struct dv_grid *grid, unsigned profile, unsigned start);

/* Where an instance of the profile may begin now: bit c for cell c. */
uint32_t dv_grid_starts(const struct dv_grid *grid, const struct dv_grid_state *state,
			unsigned profile);
/* May place number `place` be taken? */
bool dv_grid_fits(const struct dv_grid *grid, const struct dv_grid_state *state, unsigned place);

/* Take a place that fits, give back one that was taken. */
void dv_grid_take(const struct dv_grid *grid, struct dv_grid_state *state, unsigned place);
void dv_grid_give(const struct dv_grid *grid, struct dv_grid_state *state, unsigned place);

/* Take cells of an instance that the grid does not know (a newer driver's profile). */
void dv_grid_block(struct dv_grid_state *state, uint32_t cells);

/* Do so many of each profile respect the limits, leaving the cells aside? */
bool dv_grid_counts_fit(const struct dv_grid *grid, const uint8_t *counts);

bool dv_grid_state_same(const struct dv_grid_state *a, const struct dv_grid_state *b);

/* All cells of the grid, as bits. */
uint32_t dv_grid_whole(const struct dv_grid *grid);
/* How many instances of the profile can still be made, if nothing else is. */
unsigned dv_grid_room(const struct dv_grid *grid, const struct dv_grid_state *state,
		      unsigned profile);
