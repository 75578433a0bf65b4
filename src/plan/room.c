/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "model/tree.h"
#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* What this planner can place; the rest is for those who know profiles. */
#define PLANNED                                                                                    \
	(1u << DV_METHOD_PASSTHROUGH | 1u << DV_METHOD_SLICE | 1u << DV_METHOD_PARTITION |         \
	 1u << DV_METHOD_MIG)

static void read_rules(const struct dv_fleet *fleet, struct dv_room *room)
{
	const struct dv_gpu *gpu = room->gpu;
	uint32_t by_rule = 0;

	room->allowed = fleet->gpu_rules.len == 0;
	if (room->allowed)
		by_rule = UINT32_MAX;
	for (size_t i = 0; i < fleet->gpu_rules.len && !room->allowed; i++) {
		const struct dv_gpu_rule *rule = &fleet->gpu_rules.items[i];

		if (!dv_gpu_rule_matches(rule, gpu))
			continue;
		room->allowed = true;
		by_rule = rule->methods ? rule->methods : UINT32_MAX;
		room->mig_wish = rule->mig;
		if (rule->mig == DV_MIG_WISH_OFF)
			by_rule &= ~(1u << DV_METHOD_MIG);
	}
	for (unsigned i = 0; i < gpu->method_count; i++)
		if (gpu->methods[i].ok)
			room->methods |= (1u << gpu->methods[i].method) & by_rule & PLANNED;
}

static void mark(struct dv_room *room, unsigned start, unsigned size, bool taken)
{
	for (unsigned i = start; i < start + size && i < room->units; i++) {
		if (taken)
			room->taken[i / 64] |= UINT64_C(1) << i % 64;
		else
			room->taken[i / 64] &= ~(UINT64_C(1) << i % 64);
	}
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return part < whole ? whole - part : 0;
}

/* A lease that stays whatever is planned. */
static void add_lease(struct dv_room *room, const struct dv_lease *lease, uid_t owner)
{
	struct dv_node node;

	if (dv_node_parse(lease->node, &node, NULL) < 0) {
		room->closed = true; /* nobody can say what is free */
		return;
	}
	if (lease->method == DV_METHOD_PASSTHROUGH) {
		room->wholes++;
	} else if (lease->method == DV_METHOD_MIG) {
		dv_plan_mig_add(room, lease, owner);
	} else if (dv_lease_on_mig(lease)) {
		dv_plan_inner_add(room, lease);
	} else if (node.has_partition) {
		room->partitions += lease->method == DV_METHOD_PARTITION;
		room->others += lease->method != DV_METHOD_PARTITION;
		mark(room, node.start, node.size, true);
	} else if (lease->method == DV_METHOD_SLICE) {
		room->slices++;
		room->memory_left = less(room->memory_left, lease->memory_bytes);
		room->mpct_left = (uint32_t)less(room->mpct_left, lease->compute_mpct);
	} else {
		room->others++;
	}
}

/* Leases of the fleet that may be kept, moved or ended are left out. */
static bool stays(const struct dv_task *task, const struct dv_lease *lease)
{
	for (size_t i = 0; i < task->wants.len; i++)
		if (task->wants.items[i].standing == lease)
			return false;
	for (size_t i = 0; i < task->gone.len; i++)
		if (task->gone.items[i] == lease)
			return false;
	return true;
}

static struct dv_room *room_of(struct dv_task *task, const char *uuid)
{
	for (size_t i = 0; i < task->rooms.len; i++)
		if (strcmp(task->rooms.items[i].gpu->uuid, uuid) == 0)
			return &task->rooms.items[i];
	return NULL;
}

/* What grids are made from is the same; the rest follows from it. */
static bool same_grid(const struct dv_grid *a, const struct dv_grid *b)
{
	return a->cells == b->cells && a->profile_count == b->profile_count &&
	       a->limit_count == b->limit_count &&
	       memcmp(a->profiles, b->profiles, a->profile_count * sizeof(a->profiles[0])) == 0;
}

/* GPUs that are alike have one grid. */
static int find_grid(struct dv_task *task, struct dv_room *room, struct dv_error *err)
{
	struct dv_grid *grid = NULL;
	int r = room->gpu->mig.profile_count ? dv_plan_mig_grid(room->gpu, &grid, err) : 0;

	if (r < 0 || !grid)
		return r;
	for (size_t i = 0; i < task->grids.len && !room->grid; i++)
		if (same_grid(task->grids.items[i], grid))
			room->grid = task->grids.items[i];
	if (room->grid) {
		free(grid);
		return 0;
	}
	room->grid = grid;
	if (dv_vec_push(&task->grids, grid) == 0)
		return 0;
	free(grid);
	return dv_error_set(err, -ENOMEM, "no memory for the plan");
}

int dv_plan_read_rooms(struct dv_task *task, struct dv_error *err)
{
	const struct dv_plan_input *input = task->input;
	int r;

	for (size_t i = 0; i < input->gpu_count; i++) {
		const struct dv_gpu *gpu = &input->gpus[i];
		struct dv_room room = {.gpu = gpu,
				       .closed = gpu->quarantine[0] || gpu->owned_by[0],
				       .memory_left = gpu->memory_bytes,
				       .mpct_left = DV_MPCT_WHOLE};

		if (gpu->kind == DV_GPU_CPU)
			room.units = DV_MIN(gpu->compute_units, DV_CPUS_MOST);
		read_rules(input->fleet, &room);
		r = find_grid(task, &room, err);
		if (r < 0)
			return r;
		dv_plan_mig_block(&room, input->leases);
		if (dv_vec_push(&task->rooms, room) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	return 0;
}

void dv_plan_fill_rooms(struct dv_task *task)
{
	const struct dv_leases *leases = task->input->leases;

	for (size_t i = 0; i < leases->len; i++) {
		struct dv_room *room = room_of(task, leases->items[i].gpu_uuid);

		if (room && stays(task, &leases->items[i]))
			add_lease(room, &leases->items[i], task->owner);
	}
}

bool dv_room_empty(const struct dv_room *room)
{
	return !room->wholes && !room->slices && !room->partitions && !room->migs &&
	       !room->others && !room->strangers;
}

static bool holds_enough(const struct dv_room *room, const struct dv_want *want)
{
	return dv_method_isolation_as(want->method, room->gpu->kind == DV_GPU_CPU,
				      want->tenant->profile) >= want->tenant->needs.isolation;
}

/* The method that is lacking, NONE where nothing is: of a slice in a partition that of either. */
static enum dv_method lacks(const struct dv_room *room, const struct dv_want *want)
{
	if ((unsigned)want->method >= DV_METHOD_COUNT || !(room->methods & 1u << want->method))
		return want->method;
	return dv_want_is_inner(want) && !(room->methods & 1u << DV_METHOD_MIG) ? DV_METHOD_MIG
										: DV_METHOD_NONE;
}

static bool has_method(const struct dv_room *room, const struct dv_want *want)
{
	return lacks(room, want) == DV_METHOD_NONE;
}

/* In MIG mode there is no time of a whole GPU to be shared. */
static bool is_cut_up(const struct dv_room *room, const struct dv_want *want)
{
	return want->method == DV_METHOD_SLICE && !dv_want_is_inner(want) &&
	       room->gpu->mig.mode == DV_MIG_ON;
}

static bool is_vm_on_cpu(const struct dv_room *room, const struct dv_want *want)
{
	return room->gpu->kind == DV_GPU_CPU && want->tenant->kind == DV_KIND_VM;
}

bool dv_room_named(const struct dv_room *room, const struct dv_want *want)
{
	return !want->tenant->gpu[0] || dv_gpu_matches(room->gpu, want->tenant->gpu);
}

bool dv_room_may(const struct dv_room *room, const struct dv_want *want)
{
	return room->allowed && !room->closed && has_method(room, want) && !is_cut_up(room, want) &&
	       holds_enough(room, want) && !is_vm_on_cpu(room, want) && dv_room_named(room, want);
}

/* Why the method is not to be had, in the words of whoever knows. */
static const char *method_why(const struct dv_room *room, const struct dv_want *want)
{
	const enum dv_method method = lacks(room, want);
	const struct dv_gpu_method *can = dv_gpu_method(room->gpu, method);

	if (!can)
		return "it has no such method";
	if (!can->ok)
		return can->why;
	return PLANNED & 1u << method ? "the fleet's 'gpus:' do not allow this method there"
				      : "this divvy cannot plan it yet";
}

const char *dv_room_forbids(const struct dv_room *room, const struct dv_want *want, char *buf,
			    size_t size)
{
	const struct dv_gpu *gpu = room->gpu;
	const struct dv_needs *needs = &want->tenant->needs;
	bool cpu = gpu->kind == DV_GPU_CPU;

	if (!dv_room_named(room, want)) {
		(void)snprintf(buf, size, "its 'gpu: %s' does not name GPU %s", want->tenant->gpu,
			       gpu->id);
		return "S18";
	}
	if (!room->allowed) {
		(void)snprintf(buf, size, "the fleet's 'gpus:' do not name GPU %s", gpu->id);
		return "S18";
	}
	if (is_vm_on_cpu(room, want)) {
		(void)snprintf(buf, size, "a virtual machine cannot have the CPU device");
		return "G08";
	}
	if (!has_method(room, want) && want->tenant->method == DV_METHOD_NONE &&
	    needs->isolation == DV_ISOLATION_HARDWARE) {
		(void)snprintf(buf, size,
			       "hardware isolation needs mig, and GPU %s: %.100s; a whole GPU "
			       "holds more (isolation: dedicated)",
			       gpu->id, method_why(room, want));
		return "G10";
	}
	if (!has_method(room, want)) {
		const enum dv_method method = lacks(room, want);
		const struct dv_gpu_method *can = dv_gpu_method(gpu, method);

		(void)snprintf(buf, size, "%s cannot be had on GPU %s: %.180s",
			       dv_method_name(method), gpu->id, method_why(room, want));
		/* Here an update helps, and nothing else does. */
		if (can && can->rule_count && strcmp(can->rules[0], "M07") == 0)
			return "M07";
		return "G09";
	}
	if (is_cut_up(room, want)) {
		(void)snprintf(buf, size,
			       "slice cannot be had on GPU %s: its MIG mode is on; 'profile' asks "
			       "for a slice in a partition",
			       gpu->id);
		return "G09";
	}
	if (!holds_enough(room, want)) {
		(void)snprintf(buf, size, "%s isolation is needed, and %s on GPU %s holds %s",
			       dv_isolation_name(needs->isolation),
			       dv_mig_part_slices(want->tenant->profile, NULL)
				       ? "a compute instance that is a part of a partition"
				       : dv_method_name(want->method),
			       gpu->id,
			       dv_isolation_name(dv_method_isolation_as(want->method, cpu,
									want->tenant->profile)));
		return "G10";
	}
	if (gpu->quarantine[0]) {
		(void)snprintf(buf, size, "GPU %s is quarantined: %s", gpu->id, gpu->quarantine);
		return "S11";
	}
	if (gpu->owned_by[0]) {
		(void)snprintf(buf, size, "GPU %s is owned by another divvyd (%s)", gpu->id,
			       gpu->owned_by);
		return "S05";
	}
	if (room->closed) {
		(void)snprintf(buf, size, "GPU %s has a lease that cannot be read", gpu->id);
		return "S01";
	}
	if (dv_want_on_mig(want))
		return dv_plan_mig_forbids(room, want, buf, size);
	return NULL;
}

static bool taken(const struct dv_room *room, unsigned unit)
{
	return room->taken[unit / 64] >> unit % 64 & 1;
}

/* The first run of free units at or after `from` that is at least `need` long. */
static bool find_gap(const struct dv_room *room, unsigned need, unsigned from, unsigned *ret_start,
		     unsigned *ret_gap)
{
	unsigned start = from, end;

	for (; start < room->units; start = end) {
		while (start < room->units && taken(room, start))
			start++;
		end = start;
		while (end < room->units && !taken(room, end))
			end++;
		if (end > start && end - start >= need) {
			*ret_start = start;
			*ret_gap = end - start;
			return true;
		}
	}
	return false;
}

/* What a want takes here: a kept one what it has, even where that was not said. */
static uint64_t memory_of(const struct dv_want *want, const struct dv_place *place)
{
	return place->keep ? want->standing->memory_bytes : want->memory_bytes;
}

static uint32_t share_of(const struct dv_want *want, const struct dv_place *place)
{
	return place->keep ? want->standing->compute_mpct : want->compute_mpct;
}

/* Is the GPU as a whole, or its time, still to be had? */
static bool is_undivided(const struct dv_room *room)
{
	return !room->partitions && !room->migs && !room->strangers &&
	       room->gpu->mig.mode != DV_MIG_ON && room->mig_wish != DV_MIG_WISH_ON;
}

/* One more of its profile? */
static bool takes_own(const struct dv_room *room, const struct dv_want *want)
{
	return !want->tenant->own_most || room->own[want->tenant->own - 1] < want->tenant->own_most;
}

static bool fits_units(const struct dv_room *room, const struct dv_want *want, unsigned from,
		       struct dv_place *ret_place, unsigned *ret_next)
{
	unsigned need = dv_want_units(want, room->gpu), start, gap;

	if (!find_gap(room, need, from, &start, &gap))
		return false;
	ret_place->start = (int)start;
	ret_place->size = (int)need;
	*ret_next = start + gap;
	return true;
}

bool dv_room_fits(const struct dv_room *room, const struct dv_want *want, unsigned from,
		  struct dv_place *ret_place, unsigned *ret_next)
{
	*ret_place = (struct dv_place){.start = -1, .size = -1};
	if (room->wholes || room->others)
		return false;
	if (want->method == DV_METHOD_PASSTHROUGH)
		return from == 0 && !room->slices && is_undivided(room) &&
		       room->gpu->memory_bytes >= want->memory_bytes;
	if (want->method == DV_METHOD_SLICE && !dv_want_is_inner(want))
		return from == 0 && is_undivided(room) && takes_own(room, want) &&
		       room->memory_left >= want->memory_bytes &&
		       room->mpct_left >= want->compute_mpct;
	if (room->slices)
		return false;
	return dv_want_on_mig(want) ? dv_plan_mig_fits(room, want, from, ret_place, ret_next)
				    : fits_units(room, want, from, ret_place, ret_next);
}

bool dv_room_free(const struct dv_room *room, const struct dv_want *want,
		  const struct dv_place *place)
{
	if (room->wholes || room->others)
		return false;
	if (want->method == DV_METHOD_PASSTHROUGH)
		return !room->slices && !room->partitions && !room->migs;
	if (want->method == DV_METHOD_MIG)
		return !room->slices && dv_plan_mig_free(room, place);
	if (dv_want_is_inner(want))
		return !room->slices && dv_plan_inner_free(room, want, place);
	if (want->method == DV_METHOD_SLICE)
		return !room->partitions && !room->migs && takes_own(room, want) &&
		       room->memory_left >= memory_of(want, place) &&
		       room->mpct_left >= share_of(want, place);
	if (room->slices)
		return false;
	for (int i = place->start; i < place->start + place->size; i++)
		if ((unsigned)i >= room->units || taken(room, (unsigned)i))
			return false;
	return true;
}

void dv_room_take(struct dv_room *room, const struct dv_want *want, const struct dv_place *place)
{
	room->ours++;
	if (want->method == DV_METHOD_PASSTHROUGH) {
		room->wholes++;
	} else if (want->method == DV_METHOD_MIG) {
		dv_plan_mig_take(room, place);
	} else if (dv_want_is_inner(want)) {
		dv_plan_inner_take(room, want, place);
	} else if (want->method == DV_METHOD_PARTITION) {
		room->partitions++;
		mark(room, (unsigned)place->start, (unsigned)place->size, true);
	} else {
		room->slices++;
		if (want->tenant->own)
			room->own[want->tenant->own - 1]++;
		room->memory_left -= memory_of(want, place);
		room->mpct_left -= share_of(want, place);
	}
}

void dv_room_give(struct dv_room *room, const struct dv_want *want, const struct dv_place *place)
{
	room->ours--;
	if (want->method == DV_METHOD_PASSTHROUGH) {
		room->wholes--;
	} else if (want->method == DV_METHOD_MIG) {
		dv_plan_mig_give(room, place);
	} else if (dv_want_is_inner(want)) {
		dv_plan_inner_give(room, want, place);
	} else if (want->method == DV_METHOD_PARTITION) {
		room->partitions--;
		mark(room, (unsigned)place->start, (unsigned)place->size, false);
	} else {
		room->slices--;
		if (want->tenant->own)
			room->own[want->tenant->own - 1]--;
		room->memory_left += memory_of(want, place);
		room->mpct_left += share_of(want, place);
	}
}
