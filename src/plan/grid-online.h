/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that come one after the other: where does each go, so that what comes later finds most
 * room? For many GPUs of one grid. The object is the caller's and is used by one thread at a time;
 * the same calls in the same order give the same answers. Nothing here touches a GPU: the caller
 * asks, does, and says what it did.
 *
 * GPUs are counted by layout, so that a decision looks at each layout once, however many GPUs have
 * it. A placement costs what it takes away from later requests: for each profile, how many fewer
 * this GPU will take up (plan/grid-value.h), times how scarce room for that profile is in the whole
 * cluster. The least cost wins. Grids with too many layouts (see plan/grid-layout.h) count the free
 * places instead, and look at each GPU. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "plan/grid-repartition.h"
#include "plan/grid.h"

struct dv_online;

enum { DV_ONLINE_GPUS_MOST = 1 << 20, DV_ONLINE_MOVES_MOST = 8 };

/* Where a request goes. */
struct dv_online_choice {
	unsigned gpu, start;
	double cost; /* in cells of later requests: comparable between grids */
};

/* An instance that changes its place. The old place ends before the new one begins only where the
 * two overlap or a limit wants it. */
struct dv_online_move {
	unsigned profile;
	unsigned from_gpu, from_start;
	unsigned to_gpu, to_start;
};

struct dv_online_moves {
	unsigned count; /* to be done in their order */
	struct dv_online_move moves[DV_ONLINE_MOVES_MOST];
	double gain; /* in cells of later requests */
};

/* Make a cluster of `gpu_count` empty GPUs. The grid is copied. `mix` is how often each profile is
 * asked for, relative; NULL: alike. Takes some ms. -E2BIG over DV_ONLINE_GPUS_MOST; -ENOMEM. */
int dv_online_new(const struct dv_grid *grid, const double *mix, unsigned gpu_count,
		  struct dv_online **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_online_free(struct dv_online *online);
DV_DEFINE_FREEP(struct dv_online, dv_online_free)

/* Say what is on a GPU: foreign instances block their cells for good, pinned ones never move.
 * -EINVAL as dv_grid_state_of; -ENOMEM. */
int dv_online_set(struct dv_online *online, unsigned gpu, const struct dv_grid_instance *instances,
		  unsigned count, struct dv_error *err) DV_MUST_CHECK;

/* Where should an instance of the profile go? Changes nothing. 1: it fits nowhere. */
int dv_online_place(struct dv_online *online, unsigned profile, struct dv_online_choice *ret);

/* Say that an instance was made, or ended. false: it cannot be there, or is not; nothing changed.
 */
bool dv_online_take(struct dv_online *online, unsigned gpu, unsigned profile, unsigned start);
bool dv_online_give(struct dv_online *online, unsigned gpu, unsigned profile, unsigned start);

/* Instances that cover one of these cells of the GPU do not move. */
void dv_online_pin(struct dv_online *online, unsigned gpu, uint32_t cells);

/* Which at most `most` moves (of instances that stand in the way on one GPU, to anywhere) make room
 * for the profile, and where is it then? The cost of the choice has the moves' in it. Changes
 * nothing. 1: no such moves. */
int dv_online_make_room(struct dv_online *online, unsigned profile, unsigned most,
			struct dv_online_moves *ret_moves, struct dv_online_choice *ret_choice);

/* The single move that leaves most room for what may come. Changes nothing. 1: none gains more than
 * `least` cells of later requests (DV_ONLINE_WORTH is a good value). */
#define DV_ONLINE_WORTH 0.1
int dv_online_improve(struct dv_online *online, double least, struct dv_online_moves *ret);

/* Say that the moves were done. false: one cannot be; those before it are done. */
bool dv_online_apply(struct dv_online *online, const struct dv_online_moves *moves);

/* The mix of requests has changed. Takes some ms. -ENOMEM, with the old mix kept. */
int dv_online_learn(struct dv_online *online, const double *mix,
		    struct dv_error *err) DV_MUST_CHECK;

/* The state of a GPU. */
const struct dv_grid_state *dv_online_state(const struct dv_online *online, unsigned gpu);
