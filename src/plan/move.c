/* SPDX-License-Identifier: Apache-2.0 */
/* Room by moving: what the fleet allows to move makes way for what found no place. One tenant after
 * the other, each by the fewest moves; what this plan itself has placed makes way for nothing. */
#include <string.h>

#include "plan/inside.h"
#include "plan/mig.h"

enum { WAY_MOST = 32, TRIES_MOST = 20000, TRIES_OF_ONE = 1000 };

/* Who makes way for one want at one place. */
struct way {
	unsigned count, cost; /* cost: tenants that stand and move */
	unsigned wants[WAY_MOST];
	struct dv_place old[WAY_MOST], place; /* where they were; what for */
};

struct mover {
	const struct dv_task *task;
	struct dv_packing *packing;
	unsigned moves; /* left */
	unsigned tries; /* left */
};

bool dv_want_movable(const struct dv_task *task, const struct dv_want *want)
{
	if (!task->moves || !want->keepable || want->tenant->move == DV_MOVE_NEVER)
		return false;
	return !want->running || task->move_running || want->tenant->move == DV_MOVE_RUNNING;
}

/* Does what want `j` has stand in the way of `want` at `place`? */
static bool in_the_way(const struct mover *mover, unsigned j, const struct dv_want *want,
		       const struct dv_place *place)
{
	const struct dv_want *other = &mover->task->wants.items[j];
	const struct dv_place *at = &mover->packing->places[j];

	if (at->gpu != place->gpu)
		return false;
	if (place->start < 0 ||
	    (dv_want_on_mig(want) ? !dv_want_on_mig(other) : want->method != other->method))
		return true;
	return at->start < place->start + place->size && place->start < at->start + at->size;
}

/* Add want `j` to those that make way; false: it must stay, or there are too many. */
static bool add_to_way(const struct mover *mover, unsigned j, struct way *way)
{
	const struct dv_want *other = &mover->task->wants.items[j];

	if (way->count == WAY_MOST || other->tenant->gpus > 1)
		return false;
	if (mover->packing->places[j].keep) {
		if (!dv_want_movable(mover->task, other) || way->cost == mover->moves)
			return false;
		way->cost++;
	}
	way->wants[way->count++] = j;
	return true;
}

/* Slices make way until there is room for one more: one alone if that is enough. */
static bool find_slices(const struct mover *mover, const struct dv_want *want, struct way *way)
{
	const struct dv_room *room = &mover->packing->rooms[way->place.gpu];
	struct dv_room less = *room;
	struct dv_place any;
	unsigned next;

	for (int several = 0; several <= 1; several++)
		for (unsigned j = 0; j < mover->task->wants.len; j++) {
			const struct dv_place *at = &mover->packing->places[j];

			if (at->gpu != way->place.gpu || !add_to_way(mover, j, way))
				continue;
			dv_room_give(&less, &mover->task->wants.items[j], at);
			if (dv_room_fits(&less, want, 0, &any, &next))
				return true;
			if (several)
				continue;
			less = *room;
			way->count = way->cost = 0;
		}
	return false;
}

static bool find_way(const struct mover *mover, const struct dv_want *want, struct way *way)
{
	if (want->method == DV_METHOD_SLICE && mover->packing->rooms[way->place.gpu].slices)
		return find_slices(mover, want, way);
	for (unsigned j = 0; j < mover->task->wants.len; j++)
		if (in_the_way(mover, j, want, &way->place) && !add_to_way(mover, j, way))
			return false;
	return true;
}

static void take(struct mover *mover, unsigned i, const struct dv_place *place)
{
	mover->packing->places[i] = *place;
	dv_room_take(&mover->packing->rooms[place->gpu], &mover->task->wants.items[i], place);
}

static void give(struct mover *mover, unsigned i)
{
	struct dv_place *place = &mover->packing->places[i];

	if (place->gpu >= 0)
		dv_room_give(&mover->packing->rooms[place->gpu], &mover->task->wants.items[i],
			     place);
	*place = (struct dv_place){.gpu = -1, .start = -1, .size = -1};
}

/* Is the very place free, or, of what has no place of its own, the GPU? */
static bool fits(const struct dv_room *room, const struct dv_want *want,
		 const struct dv_place *place)
{
	struct dv_place any;
	unsigned next;

	if (want->method == DV_METHOD_MIG)
		return !room->wholes && !room->slices && !room->others &&
		       dv_plan_mig_free(room, place);
	if (place->start >= 0)
		return dv_room_free(room, want, place);
	return dv_room_fits(room, want, 0, &any, &next);
}

static void undo(struct mover *mover, unsigned i, const struct way *way)
{
	give(mover, i);
	for (unsigned k = 0; k < way->count; k++)
		give(mover, way->wants[k]);
	for (unsigned k = 0; k < way->count; k++)
		take(mover, way->wants[k], &way->old[k]);
}

/* Do it: those in the way go, want `i` comes, and all of them find another place. false: they do
 * not, and nothing is changed. */
static bool go(struct mover *mover, unsigned i, struct way *way)
{
	const struct dv_task *task = mover->task;
	bool done;

	for (unsigned k = 0; k < way->count; k++) {
		way->old[k] = mover->packing->places[way->wants[k]];
		give(mover, way->wants[k]);
	}
	done = fits(&mover->packing->rooms[way->place.gpu], &task->wants.items[i], &way->place);
	if (done)
		take(mover, i, &way->place);
	for (unsigned k = 0; k < way->count && done; k++) {
		const struct dv_want *other = &task->wants.items[way->wants[k]];
		struct dv_place place = dv_pack_place(mover->packing, task->rooms.len, other);

		done = place.gpu >= 0;
		if (done)
			take(mover, way->wants[k], &place);
	}
	if (!done)
		undo(mover, i, way);
	return done;
}

/* Try want `i` at `place`; the way is remembered in *best when it costs less. */
static void try_place(struct mover *mover, unsigned i, const struct dv_place *place,
		      struct way *best, bool *found)
{
	struct way way = {.place = *place};

	if ((*found && best->cost == 0) || mover->tries == 0)
		return;
	mover->tries--;
	if (!find_way(mover, &mover->task->wants.items[i], &way) ||
	    (*found && way.cost >= best->cost) || !go(mover, i, &way))
		return;
	undo(mover, i, &way);
	*best = way;
	*found = true;
}

/* Every place on this GPU where the want could be, if it were free. */
static void try_gpu(struct mover *mover, unsigned i, size_t g, struct way *best, bool *found)
{
	const struct dv_want *want = &mover->task->wants.items[i];
	const struct dv_room *room = &mover->packing->rooms[g];
	struct dv_place place = {.gpu = (int)g, .start = -1, .size = -1};
	unsigned cells = want->method == DV_METHOD_MIG ? dv_plan_mig_cells(room, want) : 0;

	/* A part of a partition is put beside others; nobody makes way for it. */
	if (!dv_room_may(room, want) || dv_want_is_beside(want))
		return;
	for (unsigned n = 0; cells && n < room->grid->place_count; n++) {
		const struct dv_grid_place *at = &room->grid->places[n];

		if (room->grid->profiles[at->profile].size != cells ||
		    (want->tenant->start >= 0 && at->start != want->tenant->start) ||
		    !dv_plan_mig_serves(room, want, at->profile))
			continue;
		place = (struct dv_place){.gpu = (int)g,
					  .start = at->start,
					  .size = (int)cells,
					  .profile = at->profile};
		try_place(mover, i, &place, best, found);
	}
	if (want->method == DV_METHOD_PARTITION) {
		place.size = (int)dv_want_units(want, room->gpu);
		for (place.start = 0; place.start + place.size <= (int)room->units; place.start++)
			try_place(mover, i, &place, best, found);
	} else if (want->method != DV_METHOD_MIG) {
		try_place(mover, i, &place, best, found);
	}
}

static bool place_by_moving(struct mover *mover, unsigned i)
{
	struct way best;
	bool found = false;

	for (size_t g = 0; g < mover->task->rooms.len; g++)
		try_gpu(mover, i, g, &best, &found);
	if (!found || !go(mover, i, &best))
		return false;
	mover->moves -= best.cost;
	return true;
}

static void begin(const struct dv_task *task, struct dv_packing *packing, struct mover *mover)
{
	*mover = (struct mover){
		.task = task, .packing = packing, .moves = task->moves, .tries = TRIES_MOST};
	for (unsigned i = 0; i < task->wants.len; i++)
		if (task->wants.items[i].keepable && packing->places[i].gpu >= 0 &&
		    !packing->places[i].keep)
			mover->moves -= mover->moves > 0;
}

bool dv_pack_move_for(const struct dv_task *task, struct dv_packing *packing, unsigned i)
{
	struct mover mover;

	begin(task, packing, &mover);
	mover.tries = TRIES_OF_ONE;
	return place_by_moving(&mover, i);
}

void dv_pack_move(const struct dv_task *task, struct dv_packing *packing)
{
	struct mover mover;

	begin(task, packing, &mover);
	for (size_t n = 0; n < task->order.len; n++) {
		unsigned i = task->order.items[n];
		const struct dv_want *want = &task->wants.items[i];

		if (!want->rule[0] && packing->places[i].gpu < 0 && want->tenant->gpus <= 1)
			(void)place_by_moving(&mover, i);
	}
	dv_pack_count(task, packing);
}
