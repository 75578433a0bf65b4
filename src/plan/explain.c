/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* What the GPUs that it may be on have left, as far as it matters for this want. */
struct left {
	unsigned may;	     /* GPUs it may be on */
	unsigned whole_free; /* of these, how many nobody has a part of */
	unsigned large;	     /* of these, how many have the memory for all of it */
	unsigned open;	     /* divided by nothing, or as the want would */
	unsigned full;	     /* of these, how many take no more of its profile */
	unsigned units, run; /* most units of one GPU; longest run of free ones */
	unsigned need;	     /* units it would take of that GPU */
	uint64_t memory;     /* most that is left on one GPU */
	uint32_t mpct;
};

static unsigned longest_run(const struct dv_room *room)
{
	unsigned best = 0, run = 0;

	for (unsigned i = 0; i < room->units; i++) {
		run = room->taken[i / 64] >> i % 64 & 1 ? 0 : run + 1;
		best = DV_MAX(best, run);
	}
	return best;
}

static void look(const struct dv_room *room, const struct dv_want *want, struct left *left)
{
	bool open = !room->wholes && !room->others;

	left->may++;
	left->whole_free += dv_room_empty(room);
	left->large += dv_room_empty(room) && room->gpu->memory_bytes >= want->memory_bytes;
	if (want->method == DV_METHOD_PARTITION && room->units > left->units) {
		left->units = room->units;
		left->need = dv_want_units(want, room->gpu);
	}
	if (want->method == DV_METHOD_PARTITION && open && !room->slices) {
		left->open++;
		left->run = DV_MAX(left->run, longest_run(room));
	}
	if (want->method == DV_METHOD_SLICE && open && !room->partitions && !room->migs) {
		left->open++;
		if (want->tenant->own_most &&
		    room->own[want->tenant->own - 1] >= want->tenant->own_most) {
			left->full++;
			return;
		}
		left->memory = DV_MAX(left->memory, room->memory_left);
		left->mpct = DV_MAX(left->mpct, room->mpct_left);
	}
}

static void say(struct dv_unplaced *to, const char *rule, const char *fmt, ...) DV_PRINTF(3, 4);

static void say(struct dv_unplaced *to, const char *rule, const char *fmt, ...)
{
	va_list args;

	(void)dv_copy(to->rules[to->rule_count++], DV_RULE_SIZE, rule);
	if (to->reason[0])
		return;
	va_start(args, fmt);
	(void)vsnprintf(to->reason, sizeof(to->reason), fmt, args);
	va_end(args);
}

static void explain_slice(const struct dv_want *want, const struct left *left,
			  struct dv_unplaced *to)
{
	char wanted[32], most[32], share[32], most_share[32];

	(void)dv_size_print(want->memory_bytes, wanted, sizeof(wanted));
	(void)dv_size_print(left->memory, most, sizeof(most));
	(void)dv_share_print(want->compute_mpct, share, sizeof(share));
	(void)dv_share_print(left->mpct, most_share, sizeof(most_share));
	if (left->open == 0)
		say(to, "S02", "every GPU that it may use is divided in another way, or taken");
	else if (left->full == left->open)
		say(to, "G11", "every GPU that it may use has %u of its profile, and takes no more",
		    want->tenant->own_most);
	else if (left->memory < want->memory_bytes)
		say(to, "G01", "it needs %s of memory, and the most that is left on one GPU is %s",
		    wanted, left->memory ? most : "nothing");
	else if (left->mpct < want->compute_mpct)
		say(to, "G02",
		    "it needs %s of the time, and the most that is left on one GPU is %s", share,
		    left->mpct ? most_share : "nothing");
	else
		say(to, "G01", "no GPU has both left: %s of memory and %s of the time", wanted,
		    share);
}

static void explain_partition(const struct left *left, struct dv_unplaced *to)
{
	if (left->need > left->units)
		say(to, "S04", "it needs more than the %u CPU%s of the device", left->units,
		    dv_plural(left->units));
	else if (left->open == 0)
		say(to, "S02", "the CPU device is divided in another way, or taken");
	else if (left->run == 0)
		say(to, "S01", "it needs %u CPU%s, and none is free", left->need,
		    dv_plural(left->need));
	else
		say(to, "S01", "it needs %u CPUs side by side, and at most %u %s free", left->need,
		    left->run, left->run == 1 ? "is" : "are");
}

static void explain_whole(unsigned need, const struct left *left, struct dv_unplaced *to)
{
	if (left->whole_free > left->large && left->whole_free == 1)
		say(to, "G01", "the only free GPU that it may use has not the memory it needs");
	else if (left->whole_free > left->large)
		say(to, "G01", "of the %u free GPUs that it may use, too few have the memory",
		    left->whole_free);
	else if (need > left->may)
		say(to, "S01", "it needs %u whole GPU%s, and there %s only %u that it may use",
		    need, dv_plural(need), left->may == 1 ? "is" : "are", left->may);
	else if (left->may == 1)
		say(to, "S01", "it needs a whole GPU, and the only one that it may use is in use");
	else if (left->whole_free == 0)
		say(to, "S01", "it needs %u whole GPU%s, and all %u that it may use are in use",
		    need, dv_plural(need), left->may);
	else
		say(to, "S01",
		    "it needs %u whole GPU%s, and of the %u that it may use only %u %s free", need,
		    dv_plural(need), left->may, left->whole_free,
		    left->whole_free == 1 ? "is" : "are");
}

/* No other partition can be had for it; those that have slices have not enough left. */
static void explain_inner(const struct dv_want *want, uint64_t memory, uint32_t mpct,
			  struct dv_unplaced *to)
{
	char wanted[32], most[32], share[32], most_share[32];

	(void)dv_size_print(want->memory_bytes, wanted, sizeof(wanted));
	(void)dv_size_print(memory, most, sizeof(most));
	(void)dv_share_print(want->compute_mpct, share, sizeof(share));
	(void)dv_share_print(mpct, most_share, sizeof(most_share));
	say(to, memory < want->memory_bytes ? "G01" : "G02",
	    "it needs %s and %s of a %s's time; at most %s and %s are left in one that has slices, "
	    "and there is no place for another",
	    wanted, share, want->tenant->profile, memory ? most : "nothing",
	    mpct ? most_share : "nothing");
	(void)snprintf(to->fix, sizeof(to->fix),
		       "ask for less, or end a slice or a partition that is needed less");
}

/* What of the GPUs that it may be on binds. */
static void explain_mig(const struct dv_task *task, const struct dv_packing *packing,
			const struct dv_want *want, struct dv_unplaced *to)
{
	const struct dv_room *nearest = NULL;
	unsigned free_most = 0, need = 0;
	const char *whole;
	uint64_t memory;
	uint32_t mpct;

	for (size_t g = 0; g < task->rooms.len; g++) {
		const struct dv_room *room = &packing->rooms[g];
		unsigned cells = dv_plan_mig_cells(room, want), left;

		if (!dv_room_may(room, want) || !cells || room->wholes || room->slices)
			continue;
		left = dv_plan_mig_free_cells(room);
		if (!nearest || left > free_most) {
			nearest = room;
			free_most = left;
			need = cells;
		}
	}
	if (!nearest)
		say(to, "S02", "every GPU that it may use is divided in another way, or taken");
	else if (dv_want_is_inner(want) && dv_plan_inner_left(task, packing, want, &memory, &mpct))
		explain_inner(want, memory, mpct, to);
	else if (dv_mig_part_slices(want->tenant->profile, &whole))
		say(to, "S01",
		    "no partition %s that it may share has the compute slices left, and there is "
		    "no place for another",
		    whole);
	else if (free_most < need && !free_most)
		say(to, "S01", "it needs %u memory slice%s of a GPU, and none is free", need,
		    dv_plural(need));
	else if (free_most < need)
		say(to, "S01", "it needs %u memory slice%s of a GPU, and at most %u %s free on one",
		    need, dv_plural(need), free_most, free_most == 1 ? "is" : "are");
	else if (want->tenant->start >= 0)
		say(to, "S01", "the place at %d is taken on every GPU that it may use",
		    want->tenant->start);
	else
		say(to, "M04",
		    "%u memory slices are free on GPU %s, but not side by side at a place where "
		    "it may stand, or another limit of the GPU is used up",
		    free_most, nearest->gpu->id);
}

void dv_plan_explain(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		     struct dv_unplaced *ret)
{
	const struct dv_want *want = &task->wants.items[i];
	struct left left = {0};

	*ret = (struct dv_unplaced){0};
	(void)dv_copy(ret->tenant, sizeof(ret->tenant), want->tenant->name);
	if (want->rule[0]) {
		say(ret, want->rule, "%s", want->reason);
		return;
	}
	for (size_t g = 0; g < task->rooms.len; g++)
		if (dv_room_may(&packing->rooms[g], want))
			look(&packing->rooms[g], want, &left);
	if (dv_want_on_mig(want))
		explain_mig(task, packing, want, ret);
	else if (want->method == DV_METHOD_SLICE)
		explain_slice(want, &left, ret);
	else if (want->method == DV_METHOD_PARTITION)
		explain_partition(&left, ret);
	else
		explain_whole(DV_MAX(want->tenant->gpus, 1), &left, ret);
}
