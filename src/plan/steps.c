/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* What is unmade on one GPU. */
struct unmade {
	unsigned count;
	unsigned last; /* id of the last such step */
	unsigned mode; /* id of the step that changes MIG mode, or 0 */
	uint64_t memory_bytes;
	uint64_t compute_mpct;
};

static int gpu_number(const struct dv_task *task, const char *uuid)
{
	for (size_t g = 0; g < task->rooms.len; g++)
		if (strcmp(task->rooms.items[g].gpu->uuid, uuid) == 0)
			return (int)g;
	return -1;
}

static const char *prefix(enum dv_method method)
{
	return method == DV_METHOD_PASSTHROUGH ? "whole" : dv_method_name(method);
}

static void name_step(struct dv_step *step, const struct dv_gpu *gpu, bool make)
{
	const struct dv_lease *lease = &step->lease;
	bool in_partition;
	struct dv_node node;
	const char *part;

	in_partition = dv_node_parse(lease->node, &node, NULL) == 0 && node.has_partition;
	part = in_partition && node.has_part ? "ci_" : "";
	(void)snprintf(step->op, sizeof(step->op), "%s.%s%s", prefix(lease->method), part,
		       make ? "create" : "destroy");
	(void)snprintf(step->undo, sizeof(step->undo), "%s.%s%s", prefix(lease->method), part,
		       make ? "destroy" : "create");
	(void)dv_copy(step->gpu, sizeof(step->gpu), gpu->id);
	(void)dv_copy(step->gpu_uuid, sizeof(step->gpu_uuid), gpu->uuid);
	(void)dv_copy(step->node, sizeof(step->node), lease->node);
	(void)dv_copy(step->tenant, sizeof(step->tenant), lease->name);
	(void)dv_copy(step->profile, sizeof(step->profile), lease->profile);
	step->start = step->size = -1;
	if (in_partition) {
		step->start = (int)node.start;
		step->size = (int)node.size;
	}
}

static int push(struct dv_plan *plan, struct dv_step *step, struct dv_error *err)
{
	step->id = (unsigned)plan->steps.len + 1;
	if (dv_vec_push(&plan->steps, *step) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the plan's steps");
	return 0;
}

static int unmake(const struct dv_task *task, const struct dv_lease *lease, bool running,
		  struct unmade *unmade, struct dv_plan *plan, struct dv_error *err)
{
	int g = gpu_number(task, lease->gpu_uuid);
	struct dv_step step = {.lease = *lease};
	struct unmade *on = &unmade[g];
	int r;

	name_step(&step, task->rooms.items[g].gpu, false);
	if (running) {
		(void)dv_copy(step.disturbs[0], sizeof(step.disturbs[0]), lease->name);
		step.disturb_count = 1;
	}
	/* One after the other, so that who needs them all needs the last. */
	if (on->count)
		step.needs[step.need_count++] = on->last;
	r = push(plan, &step, err);
	if (r < 0)
		return r;
	on->last = (unsigned)plan->steps.len;
	on->count++;
	on->memory_bytes += lease->memory_bytes;
	on->compute_mpct += lease->compute_mpct;
	return 0;
}

static bool overlap(const struct dv_step *step, const struct dv_place *place)
{
	return step->start < place->start + place->size && place->start < step->start + step->size;
}

/* Must the step that unmakes something on this GPU come before the one that makes `want`? */
static bool in_the_way(const struct dv_step *step, const struct dv_want *want,
		       const struct dv_place *place, const struct dv_room *room,
		       const struct unmade *on)
{
	if (want->method == DV_METHOD_PASSTHROUGH || step->lease.method != want->method)
		return true;
	if (want->method == DV_METHOD_PARTITION)
		return overlap(step, place);
	/* Beside the cells there are limits of a whole GPU: unmake before making. */
	if (dv_want_on_mig(want) || dv_lease_on_mig(&step->lease))
		return true;
	/* Slices: not if there is room for the old and the new at once. */
	return room->memory_left < on->memory_bytes || room->mpct_left < on->compute_mpct;
}

/* The last step on this GPU that must come first has the ones before it in its own needs. */
static unsigned last_in_the_way(const struct dv_plan *plan, const struct dv_want *want,
				const struct dv_place *place, const struct dv_room *room,
				const struct unmade *on)
{
	unsigned last = 0;

	for (size_t i = 0; on->count && i < on->last; i++) {
		const struct dv_step *step = &plan->steps.items[i];

		if (strcmp(step->gpu_uuid, room->gpu->uuid) == 0 &&
		    in_the_way(step, want, place, room, on))
			last = step->id;
	}
	return last;
}

static unsigned step_of(const struct dv_plan *plan, const char *tenant)
{
	for (size_t i = 0; i < plan->steps.len; i++)
		if (strcmp(plan->steps.items[i].tenant, tenant) == 0)
			return plan->steps.items[i].id;
	return 0;
}

static int make(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		const struct unmade *unmade, struct dv_plan *plan, struct dv_error *err)
{
	const struct dv_want *want = &task->wants.items[i];
	const struct dv_place *place = &packing->places[i];
	const struct dv_room *room = &packing->rooms[place->gpu];
	struct dv_step step = {0};
	unsigned before, named;

	dv_plan_make_lease(task, packing, i, &step.lease);
	name_step(&step, room->gpu, true);
	before = last_in_the_way(plan, want, place, room, &unmade[place->gpu]);
	if (unmade[place->gpu].mode)
		before = unmade[place->gpu].mode;
	if (before)
		step.needs[step.need_count++] = before;
	/* Its name must be free. */
	named = want->standing ? step_of(plan, want->name) : 0;
	if (named && named != before)
		step.needs[step.need_count++] = named;
	return push(plan, &step, err);
}

/* MIG mode of a GPU, after what has to go and before what comes. */
static int change_mode(const struct dv_task *task, size_t g, const char *op, struct unmade *unmade,
		       struct dv_plan *plan, struct dv_error *err)
{
	const struct dv_gpu *gpu = task->rooms.items[g].gpu;
	struct dv_step step = {.start = -1, .size = -1};
	int r;

	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.undo, sizeof(step.undo),
		      strcmp(op, "mig.enable") == 0 ? "mig.disable" : "mig.enable");
	step.lease.method = DV_METHOD_MIG;
	step.lease.uid = task->owner;
	(void)dv_copy(step.gpu, sizeof(step.gpu), gpu->id);
	(void)dv_copy(step.gpu_uuid, sizeof(step.gpu_uuid), gpu->uuid);
	(void)dv_copy(step.node, sizeof(step.node), gpu->uuid);
	if (unmade[g].count)
		step.needs[step.need_count++] = unmade[g].last;
	r = push(plan, &step, err);
	if (r == 0)
		unmade[g].mode = (unsigned)plan->steps.len;
	return r;
}

int dv_plan_make_steps(const struct dv_task *task, const struct dv_packing *packing,
		       struct dv_plan *plan, struct dv_error *err)
{
	dv_autofree struct unmade *unmade = calloc(task->rooms.len + 1, sizeof(*unmade));
	int r = 0;

	if (!unmade)
		return dv_error_set(err, -ENOMEM, "no memory for the plan's steps");
	for (size_t i = 0; i < task->gone.len && r == 0; i++)
		r = unmake(task, task->gone.items[i], dv_lease_in_use(task->gone.items[i]), unmade,
			   plan, err);
	for (size_t i = 0; i < task->wants.len && r == 0; i++)
		if (task->wants.items[i].standing && !packing->places[i].keep)
			r = unmake(task, task->wants.items[i].standing,
				   task->wants.items[i].running, unmade, plan, err);
	for (size_t g = 0; g < task->rooms.len && r == 0; g++) {
		const char *op = dv_plan_mode_step(&packing->rooms[g]);

		if (op)
			r = change_mode(task, g, op, unmade, plan, err);
	}
	for (size_t i = 0; i < task->wants.len && r == 0; i++)
		if (packing->places[i].gpu >= 0 && !packing->places[i].keep)
			r = make(task, packing, i, unmade, plan, err);
	return r;
}

/* Of the partition's memory it has none of its own. */
static void make_part(const struct dv_want *want, const struct dv_place *place,
		      struct dv_node *node, struct dv_lease *lease)
{
	node->has_part = true;
	node->part_start = place->part_start;
	node->part_size = place->part_size;
	lease->memory_bytes = 0;
	(void)dv_copy(lease->profile, sizeof(lease->profile), want->tenant->profile);
}

/* Its node is the partition, until its id is known. */
static void make_inner(const struct dv_room *room, const struct dv_place *place,
		       struct dv_node *node, struct dv_lease *lease)
{
	node->has_partition = true;
	node->start = (uint32_t)place->start;
	node->size = (uint32_t)place->size;
	(void)dv_copy(lease->profile, sizeof(lease->profile),
		      room->grid->profiles[place->profile].name);
	(void)dv_node_print(node, lease->node, sizeof(lease->node));
}

void dv_plan_make_lease(const struct dv_task *task, const struct dv_packing *packing, size_t i,
			struct dv_lease *ret)
{
	const struct dv_want *want = &task->wants.items[i];
	const struct dv_place *place = &packing->places[i];
	const struct dv_gpu *gpu = task->rooms.items[place->gpu].gpu;
	struct dv_node node = {0};

	if (place->keep) {
		*ret = *want->standing;
		return;
	}
	*ret = (struct dv_lease){
		.uid = task->owner, .kind = want->tenant->kind, .method = want->method};
	(void)dv_copy(ret->name, sizeof(ret->name), want->name);
	(void)dv_copy(ret->fleet, sizeof(ret->fleet), task->input->fleet->name);
	(void)dv_copy(ret->gpu_uuid, sizeof(ret->gpu_uuid), gpu->uuid);
	(void)dv_copy(node.gpu_uuid, sizeof(node.gpu_uuid), gpu->uuid);
	if (want->method == DV_METHOD_SLICE) {
		ret->policy = want->tenant->policy;
		ret->memory_bytes = want->memory_bytes;
		ret->compute_mpct = want->compute_mpct;
		if (place->sliced)
			make_inner(&task->rooms.items[place->gpu], place, &node, ret);
		return;
	}
	if (want->method == DV_METHOD_MIG) {
		const struct dv_mig_profile *profile =
			dv_plan_mig_profile(&task->rooms.items[place->gpu], place->profile);

		node.has_partition = true;
		node.start = (uint32_t)place->start;
		node.size = (uint32_t)place->size;
		ret->memory_bytes = (uint64_t)profile->memory_mib * DV_MIB;
		(void)dv_copy(ret->profile, sizeof(ret->profile), profile->name);
		if (place->part_size)
			make_part(want, place, &node, ret);
	}
	if (want->method == DV_METHOD_PARTITION) {
		node.has_partition = true;
		node.start = (uint32_t)place->start;
		node.size = (uint32_t)place->size;
		ret->memory_bytes = want->memory_said
					    ? want->memory_bytes
					    : (uint64_t)((unsigned __int128)gpu->memory_bytes *
							 node.size / gpu->compute_units);
	}
	(void)dv_node_print(&node, ret->node, sizeof(ret->node));
}
