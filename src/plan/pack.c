/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

int dv_packing_init(struct dv_packing *packing, const struct dv_task *task, struct dv_error *err)
{
	packing->places = calloc(task->wants.len + 1, sizeof(*packing->places));
	packing->rooms = calloc(task->rooms.len + 1, sizeof(*packing->rooms));
	if (!packing->places || !packing->rooms) {
		dv_packing_fini(packing);
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	return 0;
}

void dv_packing_fini(struct dv_packing *packing)
{
	free(packing->places);
	free(packing->rooms);
	packing->places = NULL;
	packing->rooms = NULL;
}

void dv_packing_copy(const struct dv_task *task, const struct dv_packing *from,
		     struct dv_packing *to)
{
	if (task->wants.len)
		memcpy(to->places, from->places, task->wants.len * sizeof(*to->places));
	if (task->rooms.len)
		memcpy(to->rooms, from->rooms, task->rooms.len * sizeof(*to->rooms));
	to->score = from->score;
}

int dv_score_compare(const struct dv_score *a, const struct dv_score *b)
{
	if (a->unplaced != b->unplaced)
		return a->unplaced < b->unplaced ? -1 : 1;
	if (a->disturbed != b->disturbed)
		return a->disturbed < b->disturbed ? -1 : 1;
	if (a->moved != b->moved)
		return a->moved < b->moved ? -1 : 1;
	return a->gpus < b->gpus ? -1 : a->gpus > b->gpus;
}

/* How well a place fits; less is better, the first member that differs decides. */
struct fit {
	bool foreign;	/* nothing of this fleet is on the GPU yet */
	bool untouched; /* nothing at all is */
	uint64_t left;	/* what would be left over */
};

static bool better(const struct fit *a, const struct fit *b)
{
	if (a->foreign != b->foreign)
		return !a->foreign;
	if (a->untouched != b->untouched)
		return !a->untouched;
	return a->left < b->left;
}

/* What is left beside a slice: memory and share, each in thousandths of a percent. */
static uint64_t left_beside(const struct dv_room *room, const struct dv_want *want)
{
	uint64_t memory = room->memory_left - want->memory_bytes;

	return (uint64_t)((unsigned __int128)memory * DV_MPCT_WHOLE / room->gpu->memory_bytes) +
	       room->mpct_left - want->compute_mpct;
}

/* What a place costs, by the measure of its method; `next` as dv_room_fits gave it. */
static uint64_t left_with(const struct dv_room *room, const struct dv_want *want,
			  const struct dv_place *place, unsigned next)
{
	if (dv_want_is_inner(want))
		return dv_plan_inner_loss(room, want, place);
	if (want->method == DV_METHOD_SLICE)
		return left_beside(room, want);
	if (want->method == DV_METHOD_PASSTHROUGH)
		return room->gpu->memory_bytes;
	if (want->method == DV_METHOD_MIG)
		return dv_plan_mig_loss(room, place);
	return next - (unsigned)place->start; /* the run of units that is broken up */
}

/* The best place on this GPU; false: none. */
static bool place_in(const struct dv_room *room, const struct dv_want *want,
		     struct dv_place *ret_place, struct fit *ret_fit)
{
	struct fit fit = {.foreign = room->ours == 0, .untouched = dv_room_empty(room)};
	struct dv_place place;
	unsigned next = 0;

	if (!dv_room_may(room, want) || !dv_room_fits(room, want, 0, &place, &next))
		return false;
	fit.left = left_with(room, want, &place, next);
	*ret_place = place;
	while (place.start >= 0 && dv_room_fits(room, want, next, &place, &next)) {
		uint64_t left = left_with(room, want, &place, next);

		if (left < fit.left) {
			fit.left = left;
			*ret_place = place;
		}
	}
	*ret_fit = fit;
	return true;
}

struct dv_place dv_pack_place(const struct dv_packing *packing, size_t rooms,
			      const struct dv_want *want)
{
	struct dv_place best = {.gpu = -1, .start = -1, .size = -1}, place;
	struct fit best_fit = {0}, fit;

	for (size_t g = 0; g < rooms; g++) {
		if (!place_in(&packing->rooms[g], want, &place, &fit))
			continue;
		if (best.gpu >= 0 && !better(&fit, &best_fit))
			continue;
		best = place;
		best.gpu = (int)g;
		best_fit = fit;
	}
	return best;
}

static void put(struct dv_packing *packing, const struct dv_want *want, size_t i,
		const struct dv_place *place)
{
	packing->places[i] = *place;
	if (place->gpu >= 0)
		dv_room_take(&packing->rooms[place->gpu], want, place);
}

static void take_back(struct dv_packing *packing, const struct dv_want *want, size_t i)
{
	struct dv_place *place = &packing->places[i];

	if (place->gpu >= 0)
		dv_room_give(&packing->rooms[place->gpu], want, place);
	*place = (struct dv_place){.gpu = -1, .start = -1, .size = -1};
}

static void place_standing(const struct dv_task *task, bool keep, struct dv_packing *packing)
{
	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];
		struct dv_place place = {.gpu = -1, .start = -1, .size = -1};

		if (want->keepable && keep)
			place = want->standing_place;
		put(packing, want, i, &place);
	}
}

/* A tenant gets all its GPUs or none. */
static void drop_incomplete(const struct dv_task *task, struct dv_packing *packing)
{
	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		if (packing->places[i].gpu >= 0)
			continue;
		for (size_t j = i - want->part;
		     j < task->wants.len && task->wants.items[j].tenant == want->tenant; j++)
			take_back(packing, &task->wants.items[j], j);
	}
}

static void count(const struct dv_task *task, struct dv_packing *packing)
{
	struct dv_score score = {0};

	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];
		const struct dv_place *place = &packing->places[i];

		score.unplaced += place->gpu < 0 && want->part == 0;
		if (!want->keepable || place->keep)
			continue;
		score.moved++;
		score.disturbed += want->running;
	}
	for (size_t g = 0; g < task->rooms.len; g++)
		score.gpus += packing->rooms[g].ours > 0;
	packing->score = score;
}

/* With what stands as wanted, or from nothing. */
static void begin(const struct dv_task *task, bool keep, struct dv_packing *packing)
{
	if (task->rooms.len)
		memcpy(packing->rooms, task->rooms.items,
		       task->rooms.len * sizeof(*packing->rooms));
	place_standing(task, keep, packing);
}

void dv_pack_count(const struct dv_task *task, struct dv_packing *packing)
{
	drop_incomplete(task, packing);
	count(task, packing);
}

static bool is_open(const struct dv_packing *packing, const struct dv_want *want, size_t i)
{
	return !want->rule[0] && packing->places[i].gpu < 0;
}

unsigned dv_pack_open(const struct dv_task *task, const struct dv_packing *packing)
{
	unsigned open = 0;

	for (size_t i = 0; i < task->wants.len; i++)
		open += task->wants.items[i].part == 0 &&
			is_open(packing, &task->wants.items[i], i);
	return open;
}

void dv_pack_best_fit(const struct dv_task *task, struct dv_packing *packing)
{
	begin(task, true, packing);
	for (size_t n = 0; n < task->order.len; n++) {
		unsigned i = task->order.items[n];
		const struct dv_want *want = &task->wants.items[i];
		struct dv_place place;

		if (want->rule[0] || packing->places[i].gpu >= 0)
			continue;
		place = dv_pack_place(packing, task->rooms.len, want);
		put(packing, want, i, &place);
	}
	dv_pack_count(task, packing);
}

/* ---- all at once ---- */

enum { ANY_METHOD = -1 };

/* What is open, of one method or of any, by best fit. */
static void fill_open(const struct dv_task *task, int method, struct dv_packing *packing)
{
	for (size_t n = 0; n < task->order.len; n++) {
		unsigned i = task->order.items[n];
		const struct dv_want *want = &task->wants.items[i];
		struct dv_place place;

		if (!is_open(packing, want, i) ||
		    (method != ANY_METHOD && (int)want->method != method))
			continue;
		place = dv_pack_place(packing, task->rooms.len, want);
		put(packing, want, i, &place);
	}
}

/* Slices onto GPUs where the fleet has some: that takes no further GPU. */
static void fill_slices(const struct dv_task *task, struct dv_packing *packing)
{
	for (size_t n = 0; n < task->order.len; n++) {
		unsigned i = task->order.items[n];
		const struct dv_want *want = &task->wants.items[i];
		struct dv_place best = {.gpu = -1}, place;
		struct fit best_fit = {0}, fit;

		if (!is_open(packing, want, i) || want->method != DV_METHOD_SLICE ||
		    dv_want_is_inner(want))
			continue;
		for (size_t g = 0; g < task->rooms.len; g++) {
			struct dv_room *room = &packing->rooms[g];

			if (!room->ours || !room->slices || !place_in(room, want, &place, &fit) ||
			    (best.gpu >= 0 && !better(&fit, &best_fit)))
				continue;
			best = place;
			best.gpu = (int)g;
			best_fit = fit;
		}
		if (best.gpu >= 0)
			put(packing, want, i, &best);
	}
}

/* Of CPU partitions, what has a part of a MIG partition, and tenants of several GPUs, a batch knows
 * only that all fit. */
static bool has_others(const struct dv_task *task, const struct dv_packing *packing)
{
	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		if (is_open(packing, want, i) &&
		    (want->part || want->method == DV_METHOD_PARTITION || dv_want_is_beside(want)))
			return true;
	}
	return false;
}

int dv_pack_batch(const struct dv_task *task, struct dv_packing *packing, bool *ret_most,
		  struct dv_error *err)
{
	struct dv_plan_batch batch = {0};
	bool other;
	int r;

	begin(task, true, packing);
	other = has_others(task, packing);
	fill_open(task, DV_METHOD_PARTITION, packing);
	fill_slices(task, packing);
	r = dv_plan_batch(task, true, packing, &batch, err);
	if (r < 0)
		return r;
	fill_open(task, ANY_METHOD, packing);
	dv_pack_count(task, packing);
	if (task->moves && dv_pack_open(task, packing)) {
		dv_pack_move(task, packing);
		batch.most = false;
	}
	*ret_most = !dv_pack_open(task, packing) || (batch.most && !batch.slices && !other);
	return 0;
}

/* What slices take at least, by the sums of their memory and their shares. */
static unsigned least_for_slices(const struct dv_task *task)
{
	uint64_t memory = 0, mpct = 0, most = 1;

	for (size_t g = 0; g < task->rooms.len; g++)
		most = DV_MAX(most, task->rooms.items[g].gpu->memory_bytes);
	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		if (want->rule[0] || want->method != DV_METHOD_SLICE || dv_want_is_inner(want))
			continue;
		memory += want->memory_bytes;
		mpct += want->compute_mpct;
	}
	return (unsigned)DV_MAX((memory + most - 1) / most,
				(mpct + DV_MPCT_WHOLE - 1) / DV_MPCT_WHOLE);
}

/* Partitions, whole GPUs and, where that says all of them, slices; what else there is in `batch`.
 */
static int repack(const struct dv_task *task, bool with_slices, struct dv_packing *packing,
		  struct dv_plan_batch *batch, struct dv_error *err)
{
	begin(task, false, packing);
	return dv_plan_batch(task, with_slices, packing, batch, err);
}

/* Wants that a batch is not asked about. */
static unsigned apart(const struct dv_task *task, bool slices)
{
	unsigned count = 0;

	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		count += !want->rule[0] &&
			 (want->method == DV_METHOD_PARTITION || dv_want_is_beside(want) ||
			  (slices && want->method == DV_METHOD_SLICE));
	}
	return count;
}

static bool wants_partition(const struct dv_task *task)
{
	for (size_t i = 0; i < task->wants.len; i++)
		if (!task->wants.items[i].rule[0] &&
		    task->wants.items[i].method == DV_METHOD_PARTITION)
			return true;
	return false;
}

int dv_pack_least(const struct dv_task *task, const struct dv_packing *packing, unsigned *ret_gpus,
		  bool *ret_exact, struct dv_error *err)
{
	struct dv_packing anew = {0};
	struct dv_plan_batch batch = {0};
	unsigned left = 0, open = dv_pack_open(task, packing), others;
	int r = dv_packing_init(&anew, task, err);

	if (r < 0)
		return r;
	r = repack(task, true, &anew, &batch, err);
	if (r == 0 && batch.slices)
		r = repack(task, false, &anew, &batch, err);
	for (size_t i = 0; i < task->wants.len; i++)
		left += is_open(&anew, &task->wants.items[i], i);
	dv_packing_fini(&anew);
	if (r < 0)
		return r;
	/* The same number of tenants: then it is these that count, whichever they are. */
	others = apart(task, batch.slices);
	if (!batch.valid || left - others != open ||
	    (open && (others || has_others(task, packing))))
		return 0;
	*ret_gpus = batch.least + (batch.slices ? least_for_slices(task) : 0) +
		    wants_partition(task);
	*ret_exact = batch.exact && !others;
	return 0;
}
