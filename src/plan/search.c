/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "plan/inside.h"

/* Beyond these a search would not come to an end; the nodes bound the time. */
enum { WANTS_MOST = 16, ROOMS_MOST = 16, NODES_MOST = 200000 };

/* Depth first, in two phases. First each standing lease is kept or not: kept ones always stand side
 * by side. Then the others are placed, the largest first; a partition begins at the lowest unit of
 * a run of free ones, which loses nothing, since what borders the runs is settled by then. */
struct search {
	const struct dv_task *task;
	bool repack; /* moving costs nothing */
	unsigned nodes;
	unsigned lifted;       /* of what stands: not kept where it is */
	struct dv_score score; /* so far */
	struct dv_place places[WANTS_MOST];
	unsigned next[WANTS_MOST]; /* from where dv_room_fits finds the places behind that one */
	struct dv_room *rooms;
	uint16_t may[ROOMS_MOST]; /* of each GPU: bit i: want i may be there */
	struct dv_packing *best;
};
static_assert(WANTS_MOST <= 16, "a bit for each want");

static bool spent(const struct search *search)
{
	return search->nodes >= NODES_MOST;
}

static unsigned gpus_used(const struct search *search)
{
	unsigned used = 0;

	for (size_t g = 0; g < search->task->rooms.len; g++)
		used += search->rooms[g].ours > 0;
	return used;
}

/* Nothing that is still to come makes the score less. */
static bool hopeless(struct search *search)
{
	search->score.gpus = gpus_used(search);
	return dv_score_compare(&search->score, &search->best->score) >= 0;
}

static void take_best(struct search *search)
{
	const struct dv_task *task = search->task;

	search->best->score = search->score;
	memcpy(search->best->places, search->places,
	       task->wants.len * sizeof(*search->best->places));
	memcpy(search->best->rooms, search->rooms, task->rooms.len * sizeof(*search->best->rooms));
}

/* Two GPUs that nothing tells apart, no tenant that names one of them either: trying one of them is
 * enough. */
static bool alike(const struct search *search, size_t one, size_t other)
{
	const struct dv_room *a = &search->rooms[one], *b = &search->rooms[other];

	return !a->ours && !b->ours && dv_room_empty(a) && dv_room_empty(b) &&
	       a->gpu->kind == b->gpu->kind && a->gpu->memory_bytes == b->gpu->memory_bytes &&
	       a->gpu->compute_units == b->gpu->compute_units && a->grid == b->grid &&
	       a->gpu->mig.mode == b->gpu->mig.mode && search->may[one] == search->may[other];
}

static bool tried_already(const struct search *search, size_t room)
{
	for (size_t g = 0; g < room; g++)
		if (alike(search, g, room))
			return true;
	return false;
}

/* Is some part of the tenant of want i placed, or dropped, by now? */
static bool some_part(const struct search *search, unsigned i, bool placed)
{
	const struct dv_want *wants = search->task->wants.items;

	for (size_t j = i - wants[i].part;
	     j < search->task->wants.len && wants[j].tenant == wants[i].tenant; j++)
		if (j != i && (placed ? search->places[j].gpu >= 0 : search->places[j].gpu == -2))
			return true;
	return false;
}

/* The want before this one, if nothing tells the two apart: then this one need not be tried before
 * the place of that one, which would be the same with the names exchanged. -1: there is none. */
static int twin(const struct search *search, size_t n)
{
	const struct dv_task *task = search->task;
	const struct dv_want *want = &task->wants.items[task->order.items[n]], *before;

	if (n == 0 || want->tenant->gpus)
		return -1;
	before = &task->wants.items[task->order.items[n - 1]];
	if (before->tenant->gpus || before->keepable || want->keepable || before->rule[0] ||
	    search->places[task->order.items[n - 1]].gpu < 0 || want->method != before->method ||
	    want->memory_bytes != before->memory_bytes ||
	    want->compute_mpct != before->compute_mpct ||
	    want->tenant->kind != before->tenant->kind ||
	    want->tenant->start != before->tenant->start ||
	    want->tenant->own != before->tenant->own ||
	    want->tenant->needs.isolation != before->tenant->needs.isolation ||
	    strcmp(want->tenant->profile, before->tenant->profile) != 0)
		return -1;
	for (size_t g = 0; g < task->rooms.len; g++)
		if ((search->may[g] >> task->order.items[n] & 1) !=
		    (search->may[g] >> task->order.items[n - 1] & 1))
			return -1;
	return (int)task->order.items[n - 1];
}

static void place_rest(struct search *search, size_t n);

static void place_on(struct search *search, size_t n, size_t room, unsigned from)
{
	unsigned i = search->task->order.items[n];
	const struct dv_want *want = &search->task->wants.items[i];
	struct dv_place place;

	while (dv_room_fits(&search->rooms[room], want, from, &place, &from)) {
		place.gpu = (int)room;
		search->places[i] = place;
		/* Behind it in the same run of units, or beside it in the same partition, there may
		 * be room for the next. */
		search->next[i] = want->method == DV_METHOD_PARTITION
					  ? (unsigned)(place.start + place.size)
				  : place.part_size || place.sliced ? from - 1
								    : from;
		dv_room_take(&search->rooms[room], want, &place);
		place_rest(search, n + 1);
		dv_room_give(&search->rooms[room], want, &place);
		search->places[i].gpu = -1;
		if (place.start < 0)
			break;
	}
}

/* The tenant goes nowhere; -2 tells its other parts. */
static void place_nowhere(struct search *search, size_t n)
{
	unsigned i = search->task->order.items[n];

	search->places[i] = (struct dv_place){.gpu = -2, .start = -1, .size = -1};
	search->score.unplaced++;
	place_rest(search, n + 1);
	search->score.unplaced--;
	search->places[i].gpu = -1;
}

/* The next that is not settled already: refused, kept, or of a tenant that goes nowhere. */
static size_t next_open(const struct search *search, size_t n)
{
	const struct dv_task *task = search->task;

	for (; n < task->order.len; n++) {
		unsigned i = task->order.items[n];

		if (!task->wants.items[i].rule[0] && search->places[i].gpu == -1 &&
		    !some_part(search, i, false))
			break;
	}
	return n;
}

/* From where on this GPU places are tried: behind those of the twin, as long as they are of the
 * same size. */
static unsigned first_on(const struct search *search, size_t n, int twin, size_t room)
{
	const struct dv_want *want = &search->task->wants.items[search->task->order.items[n]];
	struct dv_place place;
	unsigned next;

	if (twin < 0 || search->places[twin].gpu != (int)room)
		return 0;
	if (dv_room_fits(&search->rooms[room], want, 0, &place, &next) &&
	    place.size != search->places[twin].size)
		return 0;
	return search->next[twin];
}

static void place_rest(struct search *search, size_t n)
{
	const struct dv_task *task = search->task;
	unsigned i;
	int before;

	search->nodes++;
	if (spent(search) || hopeless(search))
		return;
	n = next_open(search, n);
	if (n == task->order.len) {
		take_best(search);
		return;
	}
	i = task->order.items[n];
	before = twin(search, n);
	for (size_t g = before < 0 ? 0 : (size_t)search->places[before].gpu; g < task->rooms.len;
	     g++) {
		if (search->may[g] >> i & 1 && !tried_already(search, g))
			place_on(search, n, g, first_on(search, n, before, g));
	}
	if (!some_part(search, i, true) && (search->repack || !task->wants.items[i].firm))
		place_nowhere(search, n);
}

static void keep_or_not(struct search *search, size_t i);

static void keep(struct search *search, size_t i)
{
	const struct dv_want *want = &search->task->wants.items[i];
	struct dv_place place = want->standing_place;

	search->places[i] = place;
	dv_room_take(&search->rooms[place.gpu], want, &place);
	keep_or_not(search, i + 1);
	dv_room_give(&search->rooms[place.gpu], want, &place);
	search->places[i] = (struct dv_place){.gpu = -1, .start = -1, .size = -1};
}

/* It gets a place later, with those that have none yet. */
static void lift(struct search *search, size_t i)
{
	const struct dv_want *want = &search->task->wants.items[i];

	search->lifted++;
	search->score.moved += !search->repack;
	search->score.disturbed += !search->repack && want->running;
	keep_or_not(search, i + 1);
	search->lifted--;
	search->score.moved -= !search->repack;
	search->score.disturbed -= !search->repack && want->running;
}

/* A tenant that wants more GPUs than it has goes nowhere, as it gets all or none. */
static void drop(struct search *search, size_t i)
{
	const struct dv_want *wants = search->task->wants.items;
	size_t first = i - wants[i].part, end = first;
	struct dv_score score = search->score;

	search->score.unplaced++;
	for (; end < search->task->wants.len && wants[end].tenant == wants[i].tenant; end++) {
		search->score.moved += wants[end].keepable;
		search->score.disturbed += wants[end].keepable && wants[end].running;
		search->places[end].gpu = -2;
	}
	keep_or_not(search, i + 1);
	while (end-- > first)
		search->places[end].gpu = -1;
	search->score = score;
}

/* Are parts of its tenant kept, or lifted, already? */
static bool is_first(const struct search *search, size_t i)
{
	const struct dv_want *wants = search->task->wants.items;

	for (size_t j = i - wants[i].part; j < i; j++)
		if (wants[j].keepable)
			return false;
	return true;
}

/* Decide for want i, if a lease of it stands, whether that is kept. */
static void keep_or_not(struct search *search, size_t i)
{
	const struct dv_task *task = search->task;

	search->nodes++;
	if (spent(search) || hopeless(search))
		return;
	while (i < task->wants.len &&
	       (!task->wants.items[i].keepable || search->places[i].gpu == -2))
		i++;
	if (i == task->wants.len) {
		place_rest(search, 0);
		return;
	}
	keep(search, i);
	if (search->repack ||
	    (dv_want_movable(task, &task->wants.items[i]) && search->lifted < task->moves))
		lift(search, i);
	if (!search->repack && !task->wants.items[i].firm && is_first(search, i))
		drop(search, i);
}

bool dv_pack_search(const struct dv_task *task, bool repack, struct dv_packing *packing)
{
	struct dv_room rooms[ROOMS_MOST];
	struct search search = {.task = task, .repack = repack, .rooms = rooms, .best = packing};

	if (task->wants.len > WANTS_MOST || task->rooms.len > ROOMS_MOST)
		return false;
	if (task->rooms.len)
		memcpy(rooms, task->rooms.items, task->rooms.len * sizeof(*rooms));
	for (size_t i = 0; i < task->wants.len; i++) {
		search.places[i] = (struct dv_place){.gpu = -1, .start = -1, .size = -1};
		search.score.unplaced += task->wants.items[i].rule[0] && !task->wants.items[i].part;
		for (size_t g = 0; g < task->rooms.len; g++)
			if (dv_room_may(&rooms[g], &task->wants.items[i]))
				search.may[g] |= (uint16_t)(1u << i);
	}
	if (repack) {
		packing->score.disturbed = 0;
		packing->score.moved = 0;
	}
	keep_or_not(&search, 0);
	for (size_t i = 0; i < task->wants.len; i++)
		if (packing->places[i].gpu < 0)
			packing->places[i].gpu = -1;
	return !spent(&search);
}
