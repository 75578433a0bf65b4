/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of moves: of a tenant that changes its place, why and whom that interrupts; of one
 * that found none, what would make room for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/inside.h"

bool dv_plan_is_moved(const struct dv_want *want, const struct dv_place *place)
{
	return want->keepable && place->gpu >= 0 && !place->keep;
}

static bool overlap(const struct dv_place *a, const struct dv_place *b)
{
	if (a->gpu != b->gpu)
		return false;
	return a->start < 0 || b->start < 0 ||
	       (a->start < b->start + b->size && b->start < a->start + a->size);
}

/* For whom want `i` made way: who is where it was, or just on its GPU; NULL: nobody now. */
static const char *for_whom(const struct dv_task *task, const struct dv_place *places, size_t i)
{
	const struct dv_place *old = &task->wants.items[i].standing_place;
	const char *near = NULL;

	for (size_t j = 0; j < task->wants.len; j++) {
		const struct dv_want *other = &task->wants.items[j];

		if (j == i || places[j].gpu != old->gpu || places[j].keep)
			continue;
		if (overlap(&places[j], old))
			return other->name;
		if (!near && !task->input->defragment)
			near = other->name;
	}
	return near;
}

static const char *purpose(const struct dv_task *task, const struct dv_place *places, size_t i,
			   char *buf, size_t size)
{
	const char *whom = for_whom(task, places, i);

	if (whom)
		(void)snprintf(buf, size, "to make room for '%s'", whom);
	else
		(void)snprintf(buf, size, "%s",
			       task->input->defragment ? "to leave more room in one piece"
						       : "to make room for others");
	return buf;
}

void dv_plan_say_moved(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		       char *buf, size_t size)
{
	const struct dv_want *want = &task->wants.items[i];
	const struct dv_place *old = &want->standing_place;
	char by[64] = "", at[32] = "", why[DV_NAME_SIZE + 32];
	const char *interrupted = "nobody uses it";

	if (old->start >= 0)
		(void)snprintf(at, sizeof(at), " at %d", old->start);
	if (want->running)
		interrupted = *dv_lease_users_print(want->standing, by, sizeof(by))
				      ? by
				      : "whoever uses it";
	(void)purpose(task, packing->places, i, why, sizeof(why));
	if (want->method == DV_METHOD_SLICE && packing->places[i].gpu == old->gpu &&
	    packing->places[i].start == old->start)
		(void)snprintf(buf, size, "is made anew, smaller, %s; %s%s", why,
			       want->running ? "interrupts " : "", interrupted);
	else
		(void)snprintf(buf, size, "moves from GPU %s%s %s; %s%s",
			       task->rooms.items[old->gpu].gpu->id, at, why,
			       want->running ? "interrupts " : "", interrupted);
}

/* Who moves in `anew`, to the first of them by name: how many. */
static unsigned movers(const struct dv_task *task, const struct dv_packing *anew,
		       const char **ret_first)
{
	unsigned count = 0;

	for (size_t i = 0; i < task->wants.len; i++)
		if (dv_plan_is_moved(&task->wants.items[i], &anew->places[i]) && !count++)
			*ret_first = task->wants.items[i].name;
	return count;
}

/* Would want `i` have a place if more were moved? */
static bool helps(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		  bool running, struct dv_packing *anew)
{
	struct dv_task more = *task;

	more.moves = task->moves + DV_MOVES_SUGGESTED;
	more.move_running = running;
	dv_packing_copy(task, packing, anew);
	return dv_pack_move_for(&more, anew, (unsigned)i);
}

int dv_plan_suggest_moves(const struct dv_task *task, const struct dv_packing *packing, size_t i,
			  struct dv_unplaced *to, struct dv_error *err)
{
	struct dv_packing anew = {0};
	const char *first = "";
	unsigned count;
	int r = dv_packing_init(&anew, task, err);

	if (r < 0)
		return r;
	for (int running = 0; running <= 1; running++) {
		if (!helps(task, packing, i, running, &anew))
			continue;
		count = movers(task, &anew, &first);
		(void)snprintf(to->fix, sizeof(to->fix),
			       "let the fleet say 'moves: %u'%s: '%.64s'%s would make room", count,
			       running ? ", and 'move: running' of whom that interrupts" : "",
			       first, count > 1 ? " and others" : "");
		break;
	}
	dv_packing_fini(&anew);
	return 0;
}
