/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* Of more tenants it is not looked for what would make room: they say the same. */
enum { SUGGESTED_MOST = 8, EXPLAINED_MOST = 64 };

static void task_finip(struct dv_task *task)
{
	dv_vec_fini(&task->wants);
	dv_vec_fini(&task->rooms);
	dv_vec_fini(&task->order);
	dv_vec_fini(&task->gone);
	for (size_t i = 0; i < task->grids.len; i++)
		free(task->grids.items[i]);
	dv_vec_fini(&task->grids);
}

/* The best packing that is found; the first of equals. */
static int pack(const struct dv_task *task, struct dv_packing *best, bool *ret_most,
		struct dv_error *err)
{
	dv_cleanup(dv_packing_fini) struct dv_packing other = {0};
	int r = dv_packing_init(&other, task, err);

	if (r < 0)
		return r;
	dv_pack_best_fit(task, best);
	r = dv_pack_batch(task, &other, ret_most, err);
	if (r < 0)
		return r;
	if (dv_score_compare(&other.score, &best->score) < 0)
		dv_packing_copy(task, &other, best);
	*ret_most = dv_pack_search(task, false, best) || *ret_most;
	return 0;
}

/* The least part of a GPU that a partition for this want takes, in thousandths of a percent. */
static unsigned mig_cells(const struct dv_task *task, const struct dv_want *want)
{
	unsigned least = 0, slices = dv_mig_part_slices(want->tenant->profile, NULL);

	for (size_t g = 0; g < task->rooms.len; g++) {
		const struct dv_room *room = &task->rooms.items[g];
		unsigned cells = dv_plan_mig_cells(room, want);

		if (cells)
			cells = cells * DV_MPCT_WHOLE / room->grid->cells;
		/* Others may have the rest of the partition. */
		if (slices && room->gpu->mig.compute_slices)
			cells = cells * slices / room->gpu->mig.compute_slices;
		if (cells && (!least || cells < least))
			least = cells;
	}
	return least;
}

/* What cannot be undercut whatever is moved: one division for each GPU, memory, shares. */
static unsigned least_gpus(const struct dv_task *task, const struct dv_packing *packing)
{
	uint64_t memory = 0, mpct = 0, most_memory = 1;
	unsigned wholes = 0, partitions = 0, slices, cells = 0;

	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		if (packing->places[i].gpu < 0)
			continue;
		if (want->method == DV_METHOD_PASSTHROUGH)
			wholes++;
		else if (want->method == DV_METHOD_PARTITION)
			partitions = 1; /* at least: sizes differ from device to device */
		else if (want->method == DV_METHOD_MIG)
			cells += mig_cells(task, want);
		else if (dv_want_is_inner(want))
			cells += (unsigned)((uint64_t)mig_cells(task, want) * want->compute_mpct /
					    DV_MPCT_WHOLE);
		else if (want->method == DV_METHOD_SLICE) {
			memory += want->memory_bytes;
			mpct += want->compute_mpct;
		}
	}
	for (size_t g = 0; g < task->rooms.len; g++)
		most_memory = DV_MAX(most_memory, task->rooms.items[g].gpu->memory_bytes);
	slices = (unsigned)DV_MAX((memory + most_memory - 1) / most_memory,
				  (mpct + DV_MPCT_WHOLE - 1) / DV_MPCT_WHOLE);
	return wholes + partitions + slices + (cells + DV_MPCT_WHOLE - 1) / DV_MPCT_WHOLE;
}

/* The fewest GPUs that would do if nothing stood yet. *ret_any: for whichever tenants, as many as
 * are placed. */
static int bound(const struct dv_task *task, const struct dv_packing *packing, struct dv_plan *plan,
		 bool *ret_any, struct dv_error *err)
{
	dv_cleanup(dv_packing_fini) struct dv_packing fewest = {0};
	unsigned least = 0;
	bool exact = false;
	int r = dv_packing_init(&fewest, task, err);

	if (r < 0)
		return r;
	dv_packing_copy(task, packing, &fewest);
	*ret_any = true;
	/* Where moves are not allowed, more might be placed from nothing: that is no bound. */
	if (dv_pack_search(task, true, &fewest) &&
	    fewest.score.unplaced == packing->score.unplaced) {
		plan->bound_gpus = fewest.score.gpus;
		plan->bound_proven = true;
		return 0;
	}
	r = dv_pack_least(task, packing, &least, &exact, err);
	if (r < 0)
		return r;
	plan->bound_gpus = least ? least : least_gpus(task, packing);
	plan->bound_proven = exact || plan->bound_gpus == packing->score.gpus;
	/* Where it holds for these tenants alone, others might do with fewer. */
	*ret_any = least || !dv_pack_open(task, packing);
	return 0;
}

static bool not_said(const struct dv_want *want, const struct dv_place *place, size_t g, int start)
{
	return place->gpu == (int)g && place->start == start && !place->keep &&
	       want->method == DV_METHOD_SLICE && (!want->memory_said || !want->compute_said);
}

/* Give the slices whose size was not said an even part of what is left on their GPU, or in their
 * partition, which begins at `start`, and leave as much for the next one that comes. */
static void share_out(struct dv_task *task, struct dv_packing *packing, size_t g, int start)
{
	struct dv_room *room = &packing->rooms[g];
	uint64_t *memory_left = start < 0 ? &room->memory_left : &room->hosts[start].memory_left;
	uint32_t *mpct_left = start < 0 ? &room->mpct_left : &room->hosts[start].mpct_left;
	uint64_t memory = *memory_left, memories = 1, mpct = *mpct_left, shares = 1;

	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];

		if (!not_said(want, &packing->places[i], g, start))
			continue;
		memories += !want->memory_said;
		memory += want->memory_said ? 0 : want->memory_bytes;
		shares += !want->compute_said;
		mpct += want->compute_said ? 0 : want->compute_mpct;
	}
	memory = memory / memories / DV_MIB * DV_MIB;
	mpct = mpct / shares / 1000 * 1000; /* whole percents */
	for (size_t i = 0; i < task->wants.len; i++) {
		struct dv_want *want = &task->wants.items[i];

		if (!not_said(want, &packing->places[i], g, start))
			continue;
		if (!want->memory_said && memory > want->memory_bytes) {
			*memory_left -= memory - want->memory_bytes;
			want->memory_bytes = memory;
		}
		if (!want->compute_said && mpct > want->compute_mpct) {
			*mpct_left -= (uint32_t)mpct - want->compute_mpct;
			want->compute_mpct = (uint32_t)mpct;
		}
	}
}

static void share_out_room(struct dv_task *task, struct dv_packing *packing, size_t g)
{
	const struct dv_room *room = &packing->rooms[g];

	if (!room->ours)
		return;
	share_out(task, packing, g, -1);
	for (unsigned c = 0; room->grid && c < room->grid->cells; c++)
		if (room->hosts[c].slices)
			share_out(task, packing, g, (int)c);
}

static void say_why(const struct dv_want *want, const struct dv_place *place,
		    const struct dv_gpu *gpu, char *buf, size_t size)
{
	const struct dv_tenant *tenant = want->tenant;

	if (place->keep)
		(void)snprintf(buf, size, "stands as wanted");
	else if (tenant->gpus)
		(void)snprintf(buf, size, "whole GPUs are asked for");
	else if (want->method == DV_METHOD_PARTITION)
		(void)snprintf(buf, size, "%d of %u CPU%s: what is asked for, rounded up",
			       place->size, gpu->compute_units, dv_plural(gpu->compute_units));
	else if (place->sliced)
		(void)snprintf(buf, size,
			       "the fleet names the profile: the slices of one partition share its "
			       "memory and its time, and nobody else does");
	else if (place->part_size)
		(void)snprintf(buf, size,
			       "the fleet names the profile; memory, cache and faults are shared "
			       "with the other compute instances of the partition");
	else if (tenant->profile[0])
		(void)snprintf(buf, size, "the fleet names the profile");
	else if (want->method == DV_METHOD_MIG)
		(void)snprintf(buf, size, "the smallest partition that has what is asked for");
	else if (tenant->own)
		(void)snprintf(buf, size, "the fleet's own profile says its size");
	else if (tenant->method != DV_METHOD_NONE)
		(void)snprintf(buf, size, "the fleet names the method");
	else if (want->method == DV_METHOD_PASSTHROUGH)
		(void)snprintf(buf, size, "dedicated isolation needs the whole GPU");
	else
		(void)snprintf(buf, size, "%s isolation is enough: a slice leaves room for others",
			       dv_isolation_name(tenant->needs.isolation));
}

static void say_estimated(const struct dv_want *want, struct dv_assignment *to)
{
	if (want->method != DV_METHOD_SLICE)
		return;
	if (!want->memory_said)
		(void)dv_copy(to->derived[to->derived_count++], sizeof(to->derived[0]),
			      "memory_mib");
	if (!want->compute_said)
		(void)dv_copy(to->derived[to->derived_count++], sizeof(to->derived[0]),
			      "compute_pct");
}

static void assign_mig(const struct dv_room *room, const struct dv_want *want,
		       const struct dv_place *place, struct dv_assignment *to)
{
	const struct dv_mig_profile *profile = dv_plan_mig_profile(room, place->profile);

	(void)dv_copy(to->profile, sizeof(to->profile), profile->name);
	to->memory_bytes = (uint64_t)profile->memory_mib * DV_MIB;
	to->compute_mpct = dv_plan_mig_share(room->gpu, profile);
	to->compute_slices = profile->compute_slices;
	if (place->part_size) {
		(void)dv_copy(to->profile, sizeof(to->profile), want->tenant->profile);
		to->compute_mpct = to->compute_mpct / profile->compute_slices * place->part_size;
		to->compute_slices = place->part_size;
	}
	if (place->part_size && profile->parts_derived)
		(void)dv_copy(to->derived[to->derived_count++], sizeof(to->derived[0]),
			      "compute_start");
	if (profile->memory_derived)
		(void)dv_copy(to->derived[to->derived_count++], sizeof(to->derived[0]),
			      "memory_mib");
	if (to->compute_mpct && !room->gpu->compute_units)
		(void)dv_copy(to->derived[to->derived_count++], sizeof(to->derived[0]),
			      "compute_pct");
}

static int assign(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		  struct dv_plan *plan, struct dv_error *err)
{
	const struct dv_want *want = &task->wants.items[i];
	const struct dv_place *place = &packing->places[i];
	const struct dv_gpu *gpu = task->rooms.items[place->gpu].gpu;
	struct dv_assignment to = {.method = want->method,
				   .kind = want->tenant->kind,
				   .start = place->start,
				   .size = place->size,
				   .kept = place->keep};
	struct dv_lease lease;

	dv_plan_make_lease(task, packing, i, &lease);
	(void)dv_copy(to.tenant, sizeof(to.tenant), want->tenant->name);
	(void)dv_copy(to.gpu, sizeof(to.gpu), gpu->id);
	(void)dv_copy(to.gpu_uuid, sizeof(to.gpu_uuid), gpu->uuid);
	(void)dv_copy(to.node, sizeof(to.node), lease.node);
	to.memory_bytes = lease.memory_bytes;
	to.compute_mpct = lease.compute_mpct;
	to.isolation = dv_method_isolation_as(want->method, gpu->kind == DV_GPU_CPU,
					      want->tenant->profile);
	to.isolates = place->part_size
			      ? dv_method_isolates_as(want->method, false, want->tenant->profile)
			      : dv_gpu_isolates(gpu, want->method);
	/* A partition's memory limit is kept as a slice's is: by the layer in its processes. */
	if (want->method == DV_METHOD_PARTITION && lease.memory_bytes)
		to.isolates.quota = DV_HOLD_COOPERATIVE;
	if (want->method == DV_METHOD_SLICE) {
		to.policy = lease.policy;
		to.has_policy = true;
		to.on = place->sliced ? DV_METHOD_MIG : DV_METHOD_NONE;
		(void)dv_copy(to.profile, sizeof(to.profile), lease.profile);
	} else if (want->method == DV_METHOD_MIG) {
		assign_mig(&packing->rooms[place->gpu], want, place, &to);
	} else if (want->method == DV_METHOD_PARTITION) {
		to.compute_mpct =
			(uint32_t)((uint64_t)place->size * DV_MPCT_WHOLE / gpu->compute_units);
	} else {
		to.memory_bytes = gpu->memory_bytes;
		to.compute_mpct = DV_MPCT_WHOLE;
	}
	say_estimated(want, &to);
	if (dv_plan_is_moved(want, place)) {
		(void)dv_copy(to.from, sizeof(to.from), want->standing->node);
		dv_plan_say_moved(task, packing, i, to.reason, sizeof(to.reason));
	} else {
		say_why(want, place, gpu, to.reason, sizeof(to.reason));
	}
	plan->kept += to.kept;
	if (dv_vec_push(&plan->assignments, to) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	return 0;
}

/* What nobody has on the GPUs that the fleet uses. */
static void add_waste(const struct dv_room *room, struct dv_plan *plan)
{
	unsigned free_units = 0;

	if (!room->ours || room->wholes)
		return;
	if (room->slices) {
		plan->waste_memory_bytes += room->memory_left;
		plan->waste_mpct += room->mpct_left;
		return;
	}
	if (room->grid && room->migs) {
		plan->waste_stranded_slices += dv_plan_mig_stranded(room);
		plan->waste_mpct += dv_plan_part_waste(room);
		dv_plan_inner_waste(room, &plan->waste_memory_bytes, &plan->waste_mpct);
		return;
	}
	if (!room->units)
		return;
	for (unsigned i = 0; i < room->units; i++)
		free_units += !(room->taken[i / 64] >> i % 64 & 1);
	plan->waste_memory_bytes +=
		(uint64_t)((unsigned __int128)room->gpu->memory_bytes * free_units / room->units);
	plan->waste_mpct += free_units * DV_MPCT_WHOLE / room->units;
}

/* A wish for a GPU's mode that cannot be met stands among the tenants that cannot be placed. */
static int refuse_mode(const struct dv_room *room, struct dv_plan *plan, struct dv_error *err)
{
	struct dv_unplaced unplaced = {.rule_count = 1};
	const char *rule = dv_plan_mode_forbids(room, unplaced.reason, sizeof(unplaced.reason));

	if (!rule)
		return 0;
	(void)snprintf(unplaced.tenant, sizeof(unplaced.tenant), "GPU %s", room->gpu->id);
	(void)dv_copy(unplaced.rules[0], sizeof(unplaced.rules[0]), rule);
	if (dv_vec_push(&plan->unplaced, unplaced) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	return 0;
}

static int fill(struct dv_task *task, struct dv_packing *packing, struct dv_plan *plan,
		struct dv_error *err)
{
	unsigned suggested = 0, explained = 0;
	int r = 0;

	for (size_t g = 0; g < task->rooms.len; g++)
		share_out_room(task, packing, g);
	for (size_t i = 0; i < task->wants.len && r == 0; i++) {
		struct dv_unplaced unplaced;

		if (packing->places[i].gpu >= 0) {
			r = assign(task, packing, i, plan, err);
			continue;
		}
		if (task->wants.items[i].part)
			continue;
		dv_plan_explain(task, packing, i, &unplaced);
		if (dv_want_on_mig(&task->wants.items[i]) && explained++ < EXPLAINED_MOST)
			r = dv_plan_mig_fix(task, packing, i, &unplaced, err);
		if (r == 0 && !task->wants.items[i].rule[0] && suggested++ < SUGGESTED_MOST)
			r = dv_plan_suggest_moves(task, packing, i, &unplaced, err);
		if (r == 0 && dv_vec_push(&plan->unplaced, unplaced) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	for (size_t g = 0; g < task->rooms.len && r == 0; g++) {
		add_waste(&packing->rooms[g], plan);
		r = refuse_mode(&packing->rooms[g], plan, err);
	}
	plan->gpus_used = packing->score.gpus;
	return r < 0 ? r : dv_plan_make_steps(task, packing, plan, err);
}

static int read_task(struct dv_task *task, struct dv_error *err)
{
	int r = dv_plan_read_rooms(task, err);

	if (r == 0)
		r = dv_plan_read_wants(task, err);
	if (r == 0)
		r = dv_plan_sort_wants(task, err);
	if (r == 0)
		dv_plan_fill_rooms(task);
	return r;
}

int dv_plan_make(const struct dv_plan_input *input, struct dv_plan *ret, struct dv_error *err)
{
	dv_cleanup(task_finip) struct dv_task task = {
		.input = input, .owner = input->uid, .moves = input->fleet->moves};
	dv_cleanup(dv_packing_fini) struct dv_packing packing = {0};
	dv_cleanup(dv_plan_fini) struct dv_plan plan = {0};
	bool most = false, any = false;
	int r = read_task(&task, err);

	if (r == 0)
		r = dv_packing_init(&packing, &task, err);
	if (r == 0)
		r = pack(&task, &packing, &most, err);
	if (r == 0 && input->defragment)
		r = dv_plan_defragment(&task, &packing, &plan, err);
	if (r == 0)
		r = bound(&task, &packing, &plan, &any, err);
	if (r == 0 && most)
		plan.bound = any && plan.bound_gpus == packing.score.gpus ? DV_BOUND_OPTIMAL
									  : DV_BOUND_LOWER;
	if (r == 0)
		r = fill(&task, &packing, &plan, err);
	if (r < 0)
		return r;
	(void)dv_copy(plan.fleet, sizeof(plan.fleet), input->fleet->name);
	(void)dv_copy(plan.state, sizeof(plan.state), input->state ? input->state : "");
	(void)dv_copy(plan.cost_note, sizeof(plan.cost_note),
		      "whole devices, MIG, slices and CPU partitions need no licence");
	*ret = plan;
	memset(&plan, 0, sizeof(plan));
	return 0;
}
