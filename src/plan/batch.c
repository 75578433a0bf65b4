/* SPDX-License-Identifier: Apache-2.0 */
/* Many tenants at once: what a search of every packing is too slow for. Partitions and whole GPUs
 * are one batch, which the engine of batches places on the fewest GPUs and proves it; an exact
 * place or a GPU that a tenant names is part of the batch's question. Slices are put together to
 * fill GPUs first, then each such filling asks for a GPU as a whole tenant does. */
#include <stdlib.h>
#include <string.h>

#include "model/units.h"
#include "plan/grid-batch.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* Wants that nothing tells apart, as one request; of slices, fillings of so many each. */
struct group {
	const struct dv_want *want; /* the first of them */
	unsigned next;		    /* number of the next want, or bin, that is to be placed */
	uint64_t memory_bytes;	    /* of slices: what the fullest filling takes */
	unsigned slices;	    /* of slices: in a filling */
};

/* Some slices that fill a GPU. */
struct bin {
	const struct dv_want *want; /* the first of them */
	unsigned slices;
	uint64_t memory_bytes;
	uint32_t mpct;
	unsigned request;
};

struct batch_task {
	const struct dv_task *task;
	struct dv_packing *packing;
	bool with_slices;
	struct dv_batch_input input;
	struct dv_batch_request requests[DV_BATCH_REQUESTS_MOST];
	struct group groups[DV_BATCH_REQUESTS_MOST];
	struct dv_batch_gpu *gpus;
	unsigned *rooms; /* numbers of the rooms that the GPUs are */
	struct bin *bins;
	unsigned bin_count;
	unsigned *bin_of; /* of each want: its bin's number + 1, or 0 */
	const struct dv_grid *grids[DV_BATCH_GRIDS_MOST]; /* of each kind of GPU */
	struct dv_grid *owned[DV_BATCH_GRIDS_MOST];	  /* those that were made here */
	const struct dv_grid *bases[DV_BATCH_GRIDS_MOST]; /* the rooms' own */
	bool exact;	     /* the smallest profile is never worse than a larger one */
	bool sliced, uneven; /* there are slices to place; not such as can only be filled one way */
};

static void batch_free(struct batch_task *batch)
{
	if (!batch)
		return;
	for (unsigned k = 0; k < DV_BATCH_GRIDS_MOST; k++)
		free(batch->owned[k]);
	free(batch->gpus);
	free(batch->rooms);
	free(batch->bins);
	free(batch->bin_of);
	free(batch);
}

DV_DEFINE_FREEP(struct batch_task, batch_free)

static bool is_open(const struct batch_task *batch, size_t i)
{
	return !batch->task->wants.items[i].rule[0] && batch->packing->places[i].gpu < 0;
}

/* May the two be on the same GPUs? */
static bool same_gpus(const struct dv_want *a, const struct dv_want *b)
{
	return a->method == b->method && a->tenant->kind == b->tenant->kind &&
	       a->tenant->needs.isolation == b->tenant->needs.isolation &&
	       strcmp(a->tenant->gpu, b->tenant->gpu) == 0;
}

static bool alike(const struct dv_want *a, const struct dv_want *b)
{
	return same_gpus(a, b) &&
	       (a->method == DV_METHOD_SLICE ||
		(a->memory_bytes == b->memory_bytes && a->compute_mpct == b->compute_mpct &&
		 a->tenant->start == b->tenant->start &&
		 strcmp(a->tenant->profile, b->tenant->profile) == 0));
}

/* ---- requests ---- */

/* The request for a want, or for a filling of so many slices; made when it is the first of it. -1:
 * there are too many. */
static int request_of(struct batch_task *batch, const struct dv_want *want, unsigned slices)
{
	unsigned r = 0;

	while (r < batch->input.request_count &&
	       (batch->groups[r].slices != slices || !alike(batch->groups[r].want, want)))
		r++;
	if (r == DV_BATCH_REQUESTS_MOST)
		return -1;
	if (r == batch->input.request_count) {
		batch->groups[r] = (struct group){.want = want, .slices = slices};
		/* Each tenant that is left out counts the same. */
		batch->requests[r] = (struct dv_batch_request){.value = DV_MAX(slices, 1)};
		if (want->method == DV_METHOD_MIG && want->tenant->start >= 0)
			batch->requests[r].starts = UINT32_C(1) << want->tenant->start;
		batch->input.request_count++;
	}
	batch->requests[r].count++;
	return (int)r;
}

/* The most that a GPU which the slice may have to itself has of memory. */
static uint64_t memory_most(const struct batch_task *batch, const struct dv_want *want)
{
	uint64_t most = 0;

	for (size_t g = 0; g < batch->task->rooms.len; g++) {
		const struct dv_room *room = &batch->packing->rooms[g];

		if (dv_room_may(room, want) && dv_room_empty(room))
			most = DV_MAX(most, room->gpu->memory_bytes);
	}
	return most;
}

/* First fit: the wants come with the largest first. */
static void put_in_bin(struct batch_task *batch, unsigned i)
{
	const struct dv_want *want = &batch->task->wants.items[i];
	uint64_t most = memory_most(batch, want);
	unsigned b = 0;
	struct bin *bin;

	while (b < batch->bin_count && (!alike(batch->bins[b].want, want) ||
					batch->bins[b].memory_bytes + want->memory_bytes > most ||
					batch->bins[b].mpct + want->compute_mpct > DV_MPCT_WHOLE))
		b++;
	bin = &batch->bins[b];
	if (b == batch->bin_count) {
		batch->bin_count++;
		bin->want = want;
	}
	bin->slices++;
	bin->memory_bytes += want->memory_bytes;
	bin->mpct += want->compute_mpct;
	batch->bin_of[i] = b + 1;
}

/* Are all slices of one size and may be on the same GPUs, and can a GPU only be filled in one way?
 * Then it is enough to ask for fillings. */
static bool is_even(const struct batch_task *batch)
{
	const struct dv_want *first = batch->bin_count ? batch->bins[0].want : NULL;
	uint64_t most = first ? memory_most(batch, first) : 0;

	for (size_t i = 0; first && i < batch->task->wants.len; i++) {
		const struct dv_want *want = &batch->task->wants.items[i];

		if (batch->bin_of[i] &&
		    (!alike(want, first) || want->memory_bytes != first->memory_bytes ||
		     want->compute_mpct != first->compute_mpct))
			return false;
	}
	for (size_t g = 0; first && g < batch->task->rooms.len; g++) {
		const struct dv_room *room = &batch->packing->rooms[g];

		if (dv_room_may(room, first) &&
		    (room->slices || (dv_room_empty(room) && room->gpu->memory_bytes != most)))
			return false;
	}
	return true;
}

static bool read_bins(struct batch_task *batch)
{
	for (unsigned b = 0; b < batch->bin_count; b++) {
		struct bin *bin = &batch->bins[b];
		int request = request_of(batch, bin->want, bin->slices);

		if (request < 0)
			return false;
		bin->request = (unsigned)request;
		batch->groups[request].memory_bytes =
			DV_MAX(batch->groups[request].memory_bytes, bin->memory_bytes);
	}
	batch->uneven = !is_even(batch);
	return true;
}

static bool read_requests(struct batch_task *batch)
{
	const struct dv_task *task = batch->task;

	for (size_t n = 0; n < task->order.len; n++) {
		unsigned i = task->order.items[n];
		const struct dv_want *want = &task->wants.items[i];

		if (!is_open(batch, i) || want->method == DV_METHOD_PARTITION)
			continue;
		/* Several of them share a partition: a batch knows no such thing. */
		if (dv_want_is_beside(want))
			continue;
		batch->sliced = batch->sliced || want->method == DV_METHOD_SLICE;
		if (want->method == DV_METHOD_SLICE && batch->with_slices)
			put_in_bin(batch, i);
		else if (want->method != DV_METHOD_SLICE && request_of(batch, want, 0) < 0)
			return false;
	}
	return read_bins(batch) && batch->input.request_count > 0;
}

/* ---- GPUs ---- */

static bool can_start(const struct dv_grid *grid, const struct dv_want *want, unsigned profile)
{
	return want->tenant->start < 0 ||
	       dv_grid_place_at(grid, profile, (unsigned)want->tenant->start) >= 0;
}

/* Wherever an instance of `large` is, one of `small` could be instead, and use up no more. */
static bool replaces(const struct dv_grid *grid, unsigned small, unsigned large)
{
	const struct dv_grid_profile *s = &grid->profiles[small], *l = &grid->profiles[large];

	if (s->size > l->size || (l->starts & ~s->starts))
		return false;
	for (unsigned i = 0; i < grid->limit_count; i++)
		if (grid->limits[i].use[small] > grid->limits[i].use[large])
			return false;
	return true;
}

/* The smallest profile that serves; of equals the one with the least compute. */
static int smallest(struct batch_task *batch, const struct dv_room *room,
		    const struct dv_want *want)
{
	const struct dv_grid_profile *profiles = room->grid->profiles;
	int best = -1;

	for (unsigned p = 0; p < room->grid->profile_count; p++) {
		if (!dv_plan_mig_serves(room, want, p) || !can_start(room->grid, want, p))
			continue;
		if (best < 0 || profiles[p].size < profiles[best].size ||
		    (profiles[p].size == profiles[best].size &&
		     profiles[p].compute_slices < profiles[best].compute_slices))
			best = (int)p;
	}
	for (unsigned p = 0; best >= 0 && p < room->grid->profile_count; p++)
		if (dv_plan_mig_serves(room, want, p) && can_start(room->grid, want, p))
			batch->exact = batch->exact && replaces(room->grid, (unsigned)best, p);
	return best;
}

/* What an instance of the request is on this GPU: a profile; the number behind the last one: the
 * whole GPU; -1: nothing. */
static int profile_on(struct batch_task *batch, const struct dv_room *room, unsigned request)
{
	const struct group *group = &batch->groups[request];
	struct dv_place place;
	unsigned next;

	if (!dv_room_may(room, group->want) || room->wholes || room->slices || room->others ||
	    room->partitions)
		return -1;
	if (group->want->method == DV_METHOD_MIG)
		return room->grid ? smallest(batch, room, group->want) : -1;
	if (!dv_room_empty(room) || room->gpu->memory_bytes < group->memory_bytes ||
	    !dv_room_fits(room, group->want, 0, &place, &next))
		return -1;
	return room->grid ? (int)room->grid->profile_count : 0;
}

/* The grid with one more profile, which takes all of it; of a GPU without one: only that. */
static int add_whole(const struct dv_grid *base, struct dv_grid **ret, struct dv_error *err)
{
	struct dv_grid *grid = calloc(1, sizeof(*grid));
	unsigned p;

	if (!grid)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	if (base)
		*grid = *base;
	else
		grid->cells = 1;
	p = grid->profile_count;
	if (p == DV_GRID_PROFILES_MOST || grid->place_count == DV_GRID_PLACES_MOST) {
		free(grid);
		return -E2BIG;
	}
	grid->profiles[p] = (struct dv_grid_profile){
		.name = "whole", .id = UINT32_MAX, .size = grid->cells, .starts = 1};
	grid->places[grid->place_count] =
		(struct dv_grid_place){.profile = (uint8_t)p, .cells = dv_grid_whole(grid)};
	grid->first_place[p] = (uint16_t)grid->place_count++;
	grid->first_place[p + 1] = (uint16_t)grid->place_count;
	grid->profile_count++;
	*ret = grid;
	return 0;
}

/* GPUs of one grid that the same requests may use are of one kind, which is the batch's word
 * "grid". -E2BIG: there are too many. */
static int kind_of(struct batch_task *batch, const struct dv_grid *base, const int *profiles,
		   unsigned *ret, struct dv_error *err)
{
	unsigned k = 0, whole = base ? base->profile_count : 0;
	bool wants_whole = !base;
	int r;

	for (; k < batch->input.grid_count; k++) {
		bool same = batch->bases[k] == base;

		for (unsigned q = 0; q < batch->input.request_count && same; q++)
			same = batch->requests[q].profile[k] == profiles[q];
		if (same) {
			*ret = k;
			return 0;
		}
	}
	if (k == DV_BATCH_GRIDS_MOST)
		return -E2BIG;
	for (unsigned q = 0; q < batch->input.request_count; q++) {
		batch->requests[q].profile[k] = profiles[q];
		wants_whole = wants_whole || profiles[q] == (int)whole;
	}
	batch->bases[k] = batch->grids[k] = base;
	if (wants_whole) {
		r = add_whole(base, &batch->owned[k], err);
		if (r < 0)
			return r;
		batch->grids[k] = batch->owned[k];
	}
	batch->input.grid_count++;
	*ret = k;
	return 0;
}

static int read_gpus(struct batch_task *batch, struct dv_error *err)
{
	const struct dv_task *task = batch->task;
	int r = 0;

	for (size_t g = 0; g < task->rooms.len && r == 0; g++) {
		const struct dv_room *room = &batch->packing->rooms[g];
		struct dv_batch_gpu *gpu = &batch->gpus[batch->input.gpu_count];
		int profiles[DV_BATCH_REQUESTS_MOST];
		bool any = false;

		for (unsigned q = 0; q < batch->input.request_count; q++) {
			profiles[q] = profile_on(batch, room, q);
			any = any || profiles[q] >= 0;
		}
		if (!any)
			continue;
		r = kind_of(batch, room->grid, profiles, &gpu->grid, err);
		gpu->state = room->cells;
		gpu->cost = room->ours ? DV_BATCH_COST_NONE : DV_BATCH_COST_ONE;
		batch->rooms[batch->input.gpu_count++] = (unsigned)g;
	}
	return r;
}

/* ---- the result ---- */

static void put(struct batch_task *batch, unsigned i, unsigned room, int start, int profile)
{
	const struct dv_grid *grid = batch->packing->rooms[room].grid;
	const struct dv_want *want = &batch->task->wants.items[i];
	struct dv_place place = {.gpu = (int)room, .start = -1, .size = -1};

	if (want->method == DV_METHOD_MIG && profile >= 0) {
		place.start = start;
		place.size = (int)grid->profiles[profile].size;
		place.profile = profile;
	}
	batch->packing->places[i] = place;
	dv_room_take(&batch->packing->rooms[room], want, &place);
}

/* The next bin of the group gets this GPU. */
static void put_bin(struct batch_task *batch, unsigned request, unsigned room)
{
	unsigned b = batch->groups[request].next;

	while (batch->bins[b].request != request)
		b++;
	batch->groups[request].next = b + 1;
	for (unsigned i = 0; i < batch->task->wants.len; i++)
		if (batch->bin_of[i] == b + 1)
			put(batch, i, room, -1, -1);
}

static void put_item(struct batch_task *batch, const struct dv_batch_item *item)
{
	struct group *group = &batch->groups[item->request];
	const struct dv_task *task = batch->task;
	unsigned room = batch->rooms[item->gpu];
	int profile = batch->requests[item->request].profile[batch->gpus[item->gpu].grid];

	if (group->want->method == DV_METHOD_SLICE) {
		put_bin(batch, item->request, room);
		return;
	}
	while (!is_open(batch, group->next) || !alike(group->want, &task->wants.items[group->next]))
		group->next++;
	put(batch, group->next++, room, (int)item->start, profile);
}

static int batch_init(struct batch_task *batch, const struct dv_task *task,
		      struct dv_packing *packing, struct dv_error *err)
{
	batch->gpus = calloc(task->rooms.len + 1, sizeof(*batch->gpus));
	batch->rooms = calloc(task->rooms.len + 1, sizeof(*batch->rooms));
	batch->bins = calloc(task->wants.len + 1, sizeof(*batch->bins));
	batch->bin_of = calloc(task->wants.len + 1, sizeof(*batch->bin_of));
	if (!batch->gpus || !batch->rooms || !batch->bins || !batch->bin_of)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	batch->task = task;
	batch->packing = packing;
	batch->exact = true;
	batch->input = (struct dv_batch_input){
		.grids = batch->grids, .gpus = batch->gpus, .requests = batch->requests};
	return 0;
}

int dv_plan_batch(const struct dv_task *task, bool with_slices, struct dv_packing *packing,
		  struct dv_plan_batch *ret, struct dv_error *err)
{
	dv_cleanup(batch_freep) struct batch_task *batch = calloc(1, sizeof(*batch));
	struct dv_batch made = {0};
	int r;

	if (!batch)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	r = batch_init(batch, task, packing, err);
	if (r < 0)
		return r;
	batch->with_slices = with_slices;
	*ret = (struct dv_plan_batch){0};
	if (!read_requests(batch)) {
		/* Nothing to place, or too much of a kind. */
		if (!batch->input.request_count)
			*ret = (struct dv_plan_batch){.most = true,
						      .exact = true,
						      .valid = true,
						      .slices = batch->sliced};
		return 0;
	}
	r = read_gpus(batch, err);
	r = r < 0 ? r : dv_batch_make(&batch->input, &made, NULL);
	if (r < 0) /* too large, too odd: best fit has to do */
		return r == -ENOMEM ? dv_error_set(err, r, "no memory for the plan") : 0;
	for (size_t i = 0; i < made.items.len; i++)
		put_item(batch, &made.items.items[i]);
	ret->least = made.least;
	ret->most = batch->exact && !batch->uneven && made.bound != DV_BATCH_GAP;
	ret->exact = batch->exact && !batch->uneven && made.bound == DV_BATCH_PROVEN;
	ret->valid = batch->exact && !batch->uneven;
	ret->slices = batch->sliced && (batch->uneven || !with_slices);
	dv_batch_fini(&made);
	return 0;
}
