/* SPDX-License-Identifier: Apache-2.0 */
/* Many partitions at once: what a search of every packing is too slow for, the engine of batches
 * places on the fewest GPUs, and proves it. */
#include <stdlib.h>
#include <string.h>

#include "plan/grid-batch.h"
#include "plan/mig.h"

/* Wants that nothing tells apart, as one request. */
struct group {
	const struct dv_want *want; /* the first of them */
	unsigned next;		    /* number in the task of the next that is to be placed */
};

struct batch_task {
	const struct dv_task *task;
	struct dv_packing *packing;
	struct dv_batch_input input;
	struct dv_batch_request requests[DV_BATCH_REQUESTS_MOST];
	struct group groups[DV_BATCH_REQUESTS_MOST];
	struct dv_batch_gpu *gpus;
	unsigned *rooms; /* numbers of the rooms that the GPUs are */
};

static bool is_open(const struct batch_task *batch, size_t i)
{
	return !batch->task->wants.items[i].rule[0] && batch->packing->places[i].gpu < 0;
}

static bool alike(const struct dv_want *a, const struct dv_want *b)
{
	return a->memory_bytes == b->memory_bytes && a->compute_mpct == b->compute_mpct &&
	       strcmp(a->tenant->profile, b->tenant->profile) == 0;
}

/* The smallest profile that serves; of equals the one with the least compute. */
static int smallest(const struct dv_room *room, const struct dv_want *want)
{
	const struct dv_grid_profile *profiles = room->grid->profiles;
	int best = -1;

	for (unsigned p = 0; p < room->grid->profile_count; p++) {
		if (!dv_plan_mig_serves(room, want, p))
			continue;
		if (best < 0 || profiles[p].size < profiles[best].size ||
		    (profiles[p].size == profiles[best].size &&
		     profiles[p].compute_slices < profiles[best].compute_slices))
			best = (int)p;
	}
	return best;
}

static unsigned grid_of(const struct dv_task *task, const struct dv_room *room)
{
	unsigned g = 0;

	while (task->grids.items[g] != room->grid)
		g++;
	return g;
}

/* GPUs on which a partition may be; every want that is open must be free to use each of them, since
 * a batch knows no other reason than the grid's. */
static bool read_gpus(struct batch_task *batch)
{
	const struct dv_task *task = batch->task;

	for (size_t g = 0; g < task->rooms.len; g++) {
		const struct dv_room *room = &batch->packing->rooms[g];
		unsigned may = 0, open = 0;

		for (size_t i = 0; i < task->wants.len; i++) {
			if (!is_open(batch, i))
				continue;
			open++;
			may += dv_room_may(room, &task->wants.items[i]);
		}
		if (may == 0 || !room->grid || room->wholes || room->slices || room->others)
			continue;
		if (may != open)
			return false;
		batch->rooms[batch->input.gpu_count] = (unsigned)g;
		batch->gpus[batch->input.gpu_count++] =
			(struct dv_batch_gpu){.grid = grid_of(task, room), .state = room->cells};
	}
	return batch->input.gpu_count > 0;
}

static bool read_requests(struct batch_task *batch)
{
	const struct dv_task *task = batch->task;

	for (size_t n = 0; n < task->order.len; n++) {
		const struct dv_want *want = &task->wants.items[task->order.items[n]];
		unsigned r = 0;

		if (!is_open(batch, task->order.items[n]))
			continue;
		if (want->method != DV_METHOD_MIG || want->tenant->start >= 0)
			return false;
		while (r < batch->input.request_count && !alike(batch->groups[r].want, want))
			r++;
		if (r == DV_BATCH_REQUESTS_MOST)
			return false;
		if (r == batch->input.request_count)
			batch->groups[batch->input.request_count++].want = want;
		batch->requests[r].count++;
	}
	return batch->input.request_count > 0;
}

static void read_profiles(struct batch_task *batch)
{
	for (unsigned r = 0; r < batch->input.request_count; r++) {
		batch->requests[r].value = 1; /* each tenant that is left out counts the same */
		for (unsigned g = 0; g < DV_BATCH_GRIDS_MOST; g++)
			batch->requests[r].profile[g] = -1;
		for (unsigned g = 0; g < batch->input.gpu_count; g++)
			batch->requests[r].profile[batch->gpus[g].grid] = smallest(
				&batch->packing->rooms[batch->rooms[g]], batch->groups[r].want);
	}
}

/* The next want of a request's group. */
static unsigned next_of(struct batch_task *batch, unsigned request)
{
	struct group *group = &batch->groups[request];
	const struct dv_task *task = batch->task;

	while (!is_open(batch, group->next) || !alike(group->want, &task->wants.items[group->next]))
		group->next++;
	return group->next++;
}

static void put(struct batch_task *batch, const struct dv_batch_item *item)
{
	unsigned room = batch->rooms[item->gpu], i = next_of(batch, item->request);
	const struct dv_grid *grid = batch->packing->rooms[room].grid;
	int profile = batch->requests[item->request].profile[batch->gpus[item->gpu].grid];
	const struct dv_place place = {.gpu = (int)room,
				       .start = (int)item->start,
				       .size = (int)grid->profiles[profile].size,
				       .profile = profile};

	batch->packing->places[i] = place;
	dv_room_take(&batch->packing->rooms[room], &batch->task->wants.items[i], &place);
}

static int make(struct batch_task *batch, struct dv_plan_least *ret, struct dv_error *err)
{
	struct dv_batch made = {0};
	bool whole = true;
	int r;

	if (!read_gpus(batch) || !read_requests(batch))
		return 0;
	read_profiles(batch);
	r = dv_batch_make(&batch->input, &made, err);
	if (r < 0)
		return r == -ENOMEM ? r : 0; /* too large, too odd: best fit has to do */
	for (size_t i = 0; i < made.items.len; i++)
		put(batch, &made.items.items[i]);
	for (unsigned i = 0; i < batch->input.request_count; i++)
		whole = whole && !made.left[i];
	ret->gpus = made.least;
	ret->known = whole && made.bound == DV_BATCH_PROVEN;
	dv_batch_fini(&made);
	return 1;
}

int dv_pack_mig_batch(const struct dv_task *task, struct dv_packing *packing,
		      struct dv_plan_least *ret, struct dv_error *err)
{
	dv_autofree struct dv_batch_gpu *gpus = calloc(task->rooms.len + 1, sizeof(*gpus));
	dv_autofree unsigned *rooms = calloc(task->rooms.len + 1, sizeof(*rooms));
	dv_autofree struct batch_task *batch = calloc(1, sizeof(*batch));

	if (!gpus || !rooms || !batch)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	if (task->grids.len == 0 || task->grids.len > DV_BATCH_GRIDS_MOST)
		return 0;
	batch->task = task;
	batch->packing = packing;
	batch->gpus = gpus;
	batch->rooms = rooms;
	batch->input = (struct dv_batch_input){
		.grids = (const struct dv_grid *const *)task->grids.items,
		.grid_count = (unsigned)task->grids.len,
		.gpus = gpus,
		.requests = batch->requests,
	};
	return make(batch, ret, err);
}
