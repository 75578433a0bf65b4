/* SPDX-License-Identifier: Apache-2.0 */
/* What to move so that a profile fits, or so that most can be made later; and why something does
 * not fit and what would make it fit. Pure; nobody moves anything because of it without being
 * asked. GPUs of one grid; pointers are borrowed for the call. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "plan/grid-online.h"
#include "plan/grid-repartition.h"

enum { DV_DEFRAGMENT_MOVES_MOST = 256 };

/* What is on one GPU. */
struct dv_grid_gpu {
	const struct dv_grid_instance *instances;
	unsigned count;
};

struct dv_defragment_wish {
	int profile;	   /* that is to fit; -1: whatever may come */
	const double *mix; /* how often each profile is asked for; NULL: alike */
	unsigned most;	   /* moves */
};

struct dv_defragment {
	unsigned count; /* of moves, to be done in their order */
	struct dv_online_move moves[DV_DEFRAGMENT_MOVES_MOST];
	bool fits; /* the wanted profile fits, at `choice`, once they are done */
	struct dv_online_choice choice;
	/* How many of each profile could be made on all GPUs, if nothing else were: what it frees.
	 */
	uint64_t room_before[DV_GRID_PROFILES_MOST], room_after[DV_GRID_PROFILES_MOST];
};

/* Find at most `wish->most` moves: those that make room for one instance of the profile, fewest
 * first (of at most DV_ONLINE_MOVES_MOST); for whatever may come, one after the other the move that
 * gains most. Pinned instances stay. Without a move that helps there are none, and `fits` says
 * whether the profile fits anyway. -EINVAL as dv_grid_state_of; -ENOMEM. */
int dv_grid_defragment(const struct dv_grid *grid, const struct dv_grid_gpu *gpus,
		       unsigned gpu_count, const struct dv_defragment_wish *wish,
		       struct dv_defragment *ret, struct dv_error *err) DV_MUST_CHECK;

/* What binds. */
enum dv_grid_why_kind {
	DV_GRID_WHY_FITS,	/* nothing: it fits */
	DV_GRID_WHY_NO_GPU,	/* there is no GPU of this grid */
	DV_GRID_WHY_LIMIT,	/* cells would be free: a limit is used up (see `limit`) */
	DV_GRID_WHY_FRAGMENTED, /* enough cells are free on a GPU, but not at a place of it */
	DV_GRID_WHY_CELLS,	/* no GPU has as many free cells */
};

struct dv_grid_why {
	enum dv_grid_why_kind kind;
	unsigned limit; /* number in the grid, for LIMIT */
	unsigned gpu;	/* the one that is nearest to it */
	unsigned free;	/* cells free there */
	int instead;	/* the largest profile that fits somewhere now, or -1 */
	uint32_t end;	/* bits of instances of `gpu` whose end would make it fit, the least weight;
			 * 0: none that are not pinned or foreign */
	unsigned end_start; /* where it would stand then */
	char text[256];	    /* one line: what binds */
	char fix[256];	    /* one line: what would make it fit */
};

/* Why an instance of the profile fits on none of the GPUs. -EINVAL as dv_grid_state_of. */
int dv_grid_explain(const struct dv_grid *grid, const struct dv_grid_gpu *gpus, unsigned gpu_count,
		    unsigned profile, struct dv_grid_why *ret, struct dv_error *err) DV_MUST_CHECK;
