/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* What a slice is given at least when its size is not said. */
#define LEAST_MEMORY_BYTES (256 * DV_MIB)
enum { LEAST_MPCT = 1000 };

static enum dv_method method_of(const struct dv_tenant *tenant)
{
	if (tenant->gpus)
		return DV_METHOD_PASSTHROUGH;
	if (tenant->method != DV_METHOD_NONE)
		return tenant->method;
	switch (tenant->needs.isolation) {
	case DV_ISOLATION_DEDICATED:
		return DV_METHOD_PASSTHROUGH;
	case DV_ISOLATION_HARDWARE:
		return DV_METHOD_MIG;
	case DV_ISOLATION_NONE:
	case DV_ISOLATION_MEMORY:
	case DV_ISOLATION_COUNT:
		break;
	}
	return DV_METHOD_SLICE;
}

/* The least n for which n units of a whole hold `part` of it; more than there are when none do. */
static uint64_t units_for(uint64_t units, uint64_t part, uint64_t whole)
{
	if (whole == 0 || part > whole)
		return units + 1;
	return (uint64_t)(((unsigned __int128)part * units + whole - 1) / whole);
}

unsigned dv_want_units(const struct dv_want *want, const struct dv_gpu *gpu)
{
	const struct dv_needs *needs = &want->tenant->needs;
	uint64_t by_memory = 1, by_share = 1;

	if (needs->memory_bytes)
		by_memory = units_for(gpu->compute_units, needs->memory_bytes, gpu->memory_bytes);
	if (needs->compute_mpct)
		by_share = units_for(gpu->compute_units, needs->compute_mpct, DV_MPCT_WHOLE);
	return (unsigned)DV_MAX(DV_MAX(by_memory, by_share), 1);
}

static int gpu_index(const struct dv_plan_input *input, const char *uuid)
{
	for (size_t i = 0; i < input->gpu_count; i++)
		if (strcmp(input->gpus[i].uuid, uuid) == 0)
			return (int)i;
	return -1;
}

static void refuse(struct dv_want *want, const char *rule, const char *reason)
{
	if (want->rule[0])
		return;
	(void)dv_copy(want->rule, sizeof(want->rule), rule);
	(void)dv_copy(want->reason, sizeof(want->reason), reason);
}

static bool ours(const struct dv_plan_input *input, const struct dv_lease *lease)
{
	return lease->fleet[0] && strcmp(lease->fleet, input->fleet->name) == 0;
}

/* A larger profile than is needed is not what is wanted. */
static bool mig_as_wanted(const struct dv_room *room, const struct dv_want *want)
{
	const struct dv_place *place = &want->standing_place;

	/* One that is not there is made anew, wherever that is best. */
	return place->start >= 0 && !want->standing->missing &&
	       dv_plan_mig_serves(room, want, (unsigned)place->profile) &&
	       place->part_size == dv_mig_part_slices(want->tenant->profile, NULL) &&
	       (want->tenant->start < 0 || place->start == want->tenant->start) &&
	       (unsigned)place->size == dv_plan_mig_cells(room, want);
}

/* Is a slice where it is wanted: in a partition of that profile, or in none? */
static bool inner_as_wanted(const struct dv_want *want, const struct dv_node *node)
{
	const struct dv_tenant *tenant = want->tenant;

	if (!dv_want_is_inner(want))
		return !node->has_partition;
	return want->standing_place.start >= 0 && !want->standing->missing &&
	       strcmp(want->standing->profile, tenant->profile) == 0 &&
	       (tenant->start < 0 || want->standing_place.start == tenant->start);
}

/* Is the lease what the tenant wants now? What is not said is as it is. */
static bool as_wanted(const struct dv_task *task, const struct dv_want *want)
{
	const struct dv_plan_input *input = task->input;
	const struct dv_room *room = &task->rooms.items[want->standing_gpu];
	const struct dv_lease *lease = want->standing;
	const struct dv_tenant *tenant = want->tenant;
	struct dv_node node;

	if (lease->method != want->method || lease->kind != tenant->kind ||
	    dv_node_parse(lease->node, &node, NULL) < 0)
		return false;
	if (want->method == DV_METHOD_PASSTHROUGH)
		return input->gpus[want->standing_gpu].memory_bytes >= tenant->needs.memory_bytes;
	if (want->method == DV_METHOD_MIG)
		return mig_as_wanted(room, want);
	if (tenant->needs.memory_bytes && lease->memory_bytes != tenant->needs.memory_bytes)
		return false;
	if (want->method == DV_METHOD_PARTITION)
		return node.size == dv_want_units(want, &input->gpus[want->standing_gpu]);
	return want->method == DV_METHOD_SLICE && inner_as_wanted(want, &node) &&
	       lease->policy == tenant->policy &&
	       (!tenant->needs.compute_mpct || lease->compute_mpct == tenant->needs.compute_mpct);
}

/* Where a standing lease is. */
static struct dv_place standing_place(const struct dv_task *task, const struct dv_want *want)
{
	struct dv_place place = {.gpu = want->standing_gpu, .start = -1, .size = -1, .keep = true};
	struct dv_node node;

	if (dv_want_on_mig(want))
		(void)dv_plan_mig_standing(&task->rooms.items[place.gpu], want->standing, &place);
	place.sliced = dv_want_is_inner(want);
	if (want->method == DV_METHOD_PARTITION &&
	    dv_node_parse(want->standing->node, &node, NULL) == 0) {
		place.start = (int)node.start;
		place.size = (int)node.size;
	}
	return place;
}

/* What already has this name: the fleet's own lease, or somebody's who is in the way. */
static void find_standing(const struct dv_task *task, struct dv_want *want)
{
	const struct dv_plan_input *input = task->input;
	const struct dv_lease *found = NULL;
	char reason[sizeof(want->reason)];

	for (size_t i = 0; i < input->leases->len && !found; i++)
		if (strcmp(input->leases->items[i].name, want->name) == 0)
			found = &input->leases->items[i];
	if (!found)
		return;
	if (!ours(input, found)) {
		(void)snprintf(reason, sizeof(reason),
			       "the name '%s' is taken by a lease that is not this fleet's",
			       want->name);
		refuse(want, "S13", reason);
		return;
	}
	if (found->state == DV_LEASE_RELEASING || found->state == DV_LEASE_BROKEN) {
		(void)snprintf(reason, sizeof(reason), "its lease of before is %s on %s",
			       found->state == DV_LEASE_BROKEN ? "broken" : "being released",
			       found->node);
		refuse(want, "S01", reason);
		return;
	}
	want->standing_gpu = gpu_index(input, found->gpu_uuid);
	if (want->standing_gpu < 0) {
		(void)snprintf(reason, sizeof(reason), "its lease is on GPU %s, which is gone",
			       found->gpu_uuid);
		refuse(want, "S18", reason);
		return;
	}
	want->standing = found;
	want->running = dv_lease_in_use(found);
	want->standing_place = standing_place(task, want);
	want->keepable = as_wanted(task, want);
}

static void size_want(struct dv_want *want)
{
	const struct dv_needs *needs = &want->tenant->needs;

	want->memory_said = needs->memory_bytes != 0;
	want->compute_said = needs->compute_mpct != 0;
	want->memory_bytes = needs->memory_bytes;
	want->compute_mpct = needs->compute_mpct;
	if (want->method == DV_METHOD_SLICE && !want->memory_said)
		want->memory_bytes = LEAST_MEMORY_BYTES;
	if (want->method == DV_METHOD_SLICE && !want->compute_said)
		want->compute_mpct = LEAST_MPCT;
}

static bool used_before(const struct dv_task *task, const char *name)
{
	for (size_t i = 0; i < task->input->fleet->tenants.len; i++)
		if (strcmp(task->input->fleet->tenants.items[i].name, name) == 0)
			return true;
	return false;
}

static void name_want(const struct dv_task *task, struct dv_want *want)
{
	if (want->part == 0) {
		(void)dv_copy(want->name, sizeof(want->name), want->tenant->name);
		return;
	}
	if (snprintf(want->name, sizeof(want->name), "%s.%u", want->tenant->name, want->part) >=
	    (int)sizeof(want->name))
		refuse(want, "F08", "its name is too long to be numbered, one lease for each GPU");
	else if (used_before(task, want->name))
		refuse(want, "S13", "another tenant has the name of one of its leases");
}

/* A tenant gets all its GPUs or none; what stands of a refused one stays as it is. */
static void refuse_tenant(struct dv_task *task, size_t i, const char *rule, const char *reason)
{
	const struct dv_tenant *tenant = task->wants.items[i].tenant;

	for (size_t j = i - task->wants.items[i].part;
	     j < task->wants.len && task->wants.items[j].tenant == tenant; j++) {
		refuse(&task->wants.items[j], rule, reason);
		task->wants.items[j].standing = NULL;
		task->wants.items[j].keepable = false;
	}
}

static int add_tenant(struct dv_task *task, const struct dv_tenant *tenant, struct dv_error *err)
{
	unsigned parts = DV_MAX(tenant->gpus, 1);
	size_t first = task->wants.len;

	for (unsigned part = 0; part < parts; part++) {
		struct dv_want want = {.tenant = tenant, .part = part, .standing_gpu = -1};

		if (task->wants.len >= DV_LEASES_MOST)
			return dv_error_set(err, -E2BIG, "the fleet wants more than %d leases",
					    DV_LEASES_MOST);
		want.method = method_of(tenant);
		if (want.method == DV_METHOD_SLICE && tenant->kind == DV_KIND_VM)
			refuse(&want, "G06",
			       "a virtual machine cannot have a slice; ask for a "
			       "whole GPU (gpus: 1)");
		size_want(&want);
		name_want(task, &want);
		if (!want.rule[0])
			find_standing(task, &want);
		if (dv_vec_push(&task->wants, want) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	for (size_t i = first; i < task->wants.len; i++)
		if (task->wants.items[i].rule[0])
			refuse_tenant(task, i, task->wants.items[i].rule,
				      task->wants.items[i].reason);
	return 0;
}

static bool is_wanted(const struct dv_task *task, const struct dv_lease *lease)
{
	for (size_t i = 0; i < task->wants.len; i++)
		if (strcmp(task->wants.items[i].name, lease->name) == 0)
			return true;
	return false;
}

/* The fleet's leases that no tenant is for any more. */
static int find_gone(struct dv_task *task, struct dv_error *err)
{
	for (size_t i = 0; i < task->input->leases->len; i++) {
		const struct dv_lease *lease = &task->input->leases->items[i];

		if (!ours(task->input, lease))
			continue;
		if (task->input->admin)
			task->owner = lease->uid;
		else if (lease->uid != task->input->uid)
			return dv_error_fix(
				err,
				dv_error_rule(err, -EPERM, "S15",
					      "fleet '%s' is user %u's: lease '%s' is of it",
					      lease->fleet, lease->uid, lease->name),
				"give the fleet another name, or ask user %u", lease->uid);
		if (is_wanted(task, lease) || lease->state == DV_LEASE_RELEASING ||
		    lease->state == DV_LEASE_BROKEN || gpu_index(task->input, lease->gpu_uuid) < 0)
			continue;
		if (dv_vec_push(&task->gone, lease) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	return 0;
}

/* A standing lease is kept where nothing new may go, but not where the fleet no longer wants it. */
static bool may_stay(const struct dv_room *room, const struct dv_want *want)
{
	struct dv_room open = *room;

	open.closed = false;
	return dv_room_may(&open, want);
}

/* Refuse what can be nowhere on this machine, by the reason of the GPU that says most. */
static void refuse_impossible(struct dv_task *task, size_t i)
{
	struct dv_want *want = &task->wants.items[i];
	char rule[DV_RULE_SIZE] = "S18", reason[sizeof(want->reason)] = "there is no GPU";
	bool named = false;

	if (want->tenant->gpu[0])
		(void)snprintf(reason, sizeof(reason),
			       "its 'gpu: %s' names none of this machine's GPUs",
			       want->tenant->gpu);
	if (want->standing)
		want->keepable = want->keepable &&
				 may_stay(&task->rooms.items[want->standing_gpu], want);
	if (want->rule[0] || want->keepable)
		return;
	for (size_t g = 0; g < task->rooms.len; g++) {
		char text[sizeof(reason)];
		const char *why = dv_room_forbids(&task->rooms.items[g], want, text, sizeof(text));

		if (!why)
			return;
		if (!dv_room_named(&task->rooms.items[g], want))
			continue;
		/* "Not named by the fleet" says least. */
		if (!named || (strcmp(rule, "S18") == 0 && strcmp(why, "S18") != 0)) {
			(void)dv_copy(rule, sizeof(rule), why);
			(void)dv_copy(reason, sizeof(reason), text);
		}
		named = true;
	}
	refuse_tenant(task, i, rule, reason);
}

/* Whole devices first, then partitions, what shares one, then slices. */
static int rank(const struct dv_want *want)
{
	if (dv_want_is_inner(want))
		return 2;
	switch (want->method) {
	case DV_METHOD_PASSTHROUGH:
		return 0;
	case DV_METHOD_MIG:
	case DV_METHOD_PARTITION:
		return 1;
	default:
		return 3;
	}
}

/* How much of a GPU its smallest profile takes, where it takes most; parts of a partition after
 * those that have all of one. */
static uint64_t mig_weight(const struct dv_task *task, const struct dv_want *want)
{
	unsigned slices = dv_mig_part_slices(want->tenant->profile, NULL);
	uint64_t weight = 0;

	for (size_t i = 0; i < task->rooms.len; i++) {
		const struct dv_room *room = &task->rooms.items[i];
		uint64_t cells = dv_plan_mig_cells(room, want);

		if (room->grid)
			weight = DV_MAX(weight, cells * DV_MPCT_WHOLE / room->grid->cells);
	}
	return weight * (DV_MIG_PARTS_MOST + 1) + (slices ? slices : DV_MIG_PARTS_MOST);
}

static void weigh(const struct dv_task *task, struct dv_want *want)
{
	uint64_t most = 1;

	for (size_t i = 0; i < task->rooms.len; i++) {
		most = DV_MAX(most, task->rooms.items[i].gpu->memory_bytes);
		if (want->method == DV_METHOD_PARTITION && task->rooms.items[i].units)
			want->weight =
				DV_MAX(want->weight, dv_want_units(want, task->rooms.items[i].gpu));
	}
	if (want->method == DV_METHOD_PASSTHROUGH)
		want->weight = want->memory_bytes;
	else if (want->method == DV_METHOD_MIG)
		want->weight = mig_weight(task, want);
	else if (want->method == DV_METHOD_SLICE)
		want->weight = DV_MAX(
			(uint64_t)((unsigned __int128)want->memory_bytes * DV_MPCT_WHOLE / most),
			want->compute_mpct);
}

/* The largest first; as in the file. The parts of a tenant stay together. */
static int compare_wants(const void *a, const void *b, void *arg)
{
	const struct dv_task *task = arg;
	unsigned i = *(const unsigned *)a, j = *(const unsigned *)b;
	const struct dv_want *x = &task->wants.items[i], *y = &task->wants.items[j];

	if (rank(x) != rank(y))
		return rank(x) - rank(y);
	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return i < j ? -1 : i > j;
}

int dv_plan_read_wants(struct dv_task *task, struct dv_error *err)
{
	const struct dv_fleet *fleet = task->input->fleet;
	int r = 0;

	for (size_t i = 0; i < fleet->tenants.len && r == 0; i++)
		r = add_tenant(task, &fleet->tenants.items[i], err);
	return r < 0 ? r : find_gone(task, err);
}

static bool all_stands(const struct dv_task *task, size_t i)
{
	const struct dv_tenant *tenant = task->wants.items[i].tenant;
	bool all = true;

	for (size_t j = i - task->wants.items[i].part;
	     j < task->wants.len && task->wants.items[j].tenant == tenant; j++)
		all = all && task->wants.items[j].keepable;
	return all;
}

int dv_plan_sort_wants(struct dv_task *task, struct dv_error *err)
{
	for (unsigned i = 0; i < task->wants.len; i++) {
		refuse_impossible(task, i);
		weigh(task, &task->wants.items[i]);
		if (dv_vec_push(&task->order, i) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	for (size_t i = 0; i < task->wants.len; i++)
		task->wants.items[i].firm = all_stands(task, i);
	if (task->order.len)
		qsort_r(task->order.items, task->order.len, sizeof(*task->order.items),
			compare_wants, task);
	return 0;
}
