/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/mig.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/grid-repartition.h"

/* "NVIDIA 580.95.05": the first number in it. */
static unsigned driver_of(const struct dv_gpu *gpu)
{
	const char *text = gpu->driver;

	while (*text && !isdigit((unsigned char)*text))
		text++;
	return (unsigned)strtoul(text, NULL, 10);
}

int dv_plan_mig_grid(const struct dv_gpu *gpu, struct dv_grid **ret, struct dv_error *err)
{
	dv_autofree struct dv_grid_source *source = malloc(sizeof(*source));
	dv_autofree struct dv_grid *grid = malloc(sizeof(*grid));

	*ret = NULL;
	if (!source || !grid)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	if (dv_grid_source_of_gpu(&gpu->mig, driver_of(gpu), source, NULL) < 0 ||
	    dv_grid_make(source, grid, NULL) < 0)
		return 0;
	*ret = take_ptr(grid);
	return 0;
}

static bool has_lease(const struct dv_room *room, const struct dv_mig_instance *instance,
		      const struct dv_leases *leases)
{
	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		const char *profile;
		struct dv_node node;

		(void)dv_mig_part_slices(lease->profile, &profile);
		if (strcmp(lease->gpu_uuid, room->gpu->uuid) == 0 &&
		    dv_node_parse(lease->node, &node, NULL) == 0 && node.has_partition &&
		    node.start == instance->start && node.size == instance->size &&
		    (!instance->profile[0] || !profile[0] ||
		     strcmp(instance->profile, profile) == 0))
			return true;
	}
	return false;
}

static void block(struct dv_room *room, int profile, unsigned start, unsigned size)
{
	int place = profile < 0 ? -1 : dv_grid_place_at(room->grid, (unsigned)profile, start);
	uint64_t cells = ((UINT64_C(1) << size) - 1) << start;

	if (place >= 0 && dv_grid_fits(room->grid, &room->cells, (unsigned)place))
		dv_grid_take(room->grid, &room->cells, (unsigned)place);
	else
		dv_grid_block(&room->cells, (uint32_t)cells);
}

void dv_plan_mig_block(struct dv_room *room, const struct dv_leases *leases)
{
	const struct dv_mig *mig = &room->gpu->mig;

	for (unsigned i = 0; i < mig->instance_count; i++) {
		const struct dv_mig_instance *instance = &mig->instances[i];

		if (has_lease(room, instance, leases)) {
			dv_plan_part_block(room, instance, leases);
			continue;
		}
		room->strangers++;
		if (room->grid)
			block(room, dv_grid_find_id(room->grid, instance->profile_id),
			      instance->start, instance->size);
	}
}

void dv_plan_mig_add(struct dv_room *room, const struct dv_lease *lease, uid_t owner)
{
	struct dv_place place = {0};
	const char *whole;
	struct dv_node node;

	room->migs++;
	if (!room->grid || dv_node_parse(lease->node, &node, NULL) < 0)
		return;
	(void)dv_mig_part_slices(lease->profile, &whole);
	if (node.has_part && lease->uid == owner &&
	    dv_plan_part_standing(room, &node, lease->profile, &place))
		dv_plan_part_add(room, &place);
	else
		block(room, dv_grid_find(room->grid, whole), node.start, node.size);
	if (node.has_part && lease->uid != owner)
		dv_plan_part_close(room, &node);
}

const struct dv_mig_profile *dv_plan_mig_profile(const struct dv_room *room, int profile)
{
	return room->grid && profile >= 0 && (unsigned)profile < room->grid->profile_count
		       ? dv_mig_find_id(&room->gpu->mig, room->grid->profiles[profile].id)
		       : NULL;
}

uint32_t dv_plan_mig_share(const struct dv_gpu *gpu, const struct dv_mig_profile *profile)
{
	uint32_t whole = gpu->compute_units;

	/* A driver does not say how many there are, but how many its largest profile has. */
	for (unsigned i = 0; !gpu->compute_units && i < gpu->mig.profile_count; i++)
		whole = DV_MAX(whole, gpu->mig.profiles[i].multiprocessors);
	if (!whole || profile->multiprocessors > whole)
		return 0;
	return (uint32_t)((uint64_t)profile->multiprocessors * DV_MPCT_WHOLE / whole);
}

static bool is_special(const char *name)
{
	return strpbrk(name, "+-") != NULL;
}

/* slices: of a part of it; 0: all. */
static bool gives_enough(const struct dv_room *room, const struct dv_needs *needs,
			 const struct dv_mig_profile *profile, unsigned slices)
{
	uint32_t share = dv_plan_mig_share(room->gpu, profile);

	/* Where SMs are not known, compute slices of all of them say as much. */
	if (!share && room->gpu->mig.compute_slices)
		share = profile->compute_slices * DV_MPCT_WHOLE / room->gpu->mig.compute_slices;
	if (slices)
		share = share / profile->compute_slices * slices;
	return (uint64_t)profile->memory_mib * DV_MIB >= needs->memory_bytes &&
	       share >= needs->compute_mpct;
}

bool dv_plan_mig_serves(const struct dv_room *room, const struct dv_want *want, unsigned profile)
{
	const struct dv_mig_profile *is = dv_plan_mig_profile(room, (int)profile);
	const struct dv_tenant *tenant = want->tenant;
	const char *name;
	unsigned slices = dv_mig_part_slices(tenant->profile, &name);

	if (!is || (name[0] && strcmp(is->name, name) != 0))
		return false;
	/* Of a slice: its share is one of the partition's time. */
	if (dv_want_is_inner(want))
		return (uint64_t)is->memory_mib * DV_MIB >= want->memory_bytes;
	if ((!name[0] && is_special(is->name)) || (slices && !dv_plan_part_can(is, slices)))
		return false;
	return gives_enough(room, &tenant->needs, is, slices);
}

unsigned dv_plan_mig_cells(const struct dv_room *room, const struct dv_want *want)
{
	unsigned least = 0;

	for (unsigned p = 0; room->grid && p < room->grid->profile_count; p++) {
		unsigned size = room->grid->profiles[p].size;

		if ((!least || size < least) && dv_plan_mig_serves(room, want, p))
			least = size;
	}
	return least;
}

static bool may_be(const struct dv_room *room, const struct dv_want *want, unsigned place)
{
	const struct dv_grid_place *at = &room->grid->places[place];
	const struct dv_part part = {dv_mig_part_slices(want->tenant->profile, NULL), place};

	if ((want->tenant->start >= 0 && at->start != want->tenant->start) ||
	    !dv_plan_mig_serves(room, want, at->profile))
		return false;
	if (dv_want_is_inner(want))
		return dv_plan_inner_fits(room, want, place);
	return part.slices ? dv_plan_part_fits(room, &part) >= 0
			   : dv_grid_fits(room->grid, &room->cells, place);
}

/* The fewest cells with which the want still fits somewhere; 0: nowhere. */
static unsigned fitting_cells(const struct dv_room *room, const struct dv_want *want)
{
	unsigned least = 0;

	for (unsigned i = 0; i < room->grid->place_count; i++) {
		unsigned size = room->grid->profiles[room->grid->places[i].profile].size;

		if ((!least || size < least) && may_be(room, want, i))
			least = size;
	}
	return least;
}

bool dv_plan_mig_fits(const struct dv_room *room, const struct dv_want *want, unsigned from,
		      struct dv_place *ret_place, unsigned *ret_next)
{
	struct dv_part part = {.slices = dv_mig_part_slices(want->tenant->profile, NULL)};
	unsigned cells = room->grid ? fitting_cells(room, want) : 0;

	for (unsigned i = from; cells && i < room->grid->place_count; i++) {
		const struct dv_grid_place *at = &room->grid->places[i];

		if (room->grid->profiles[at->profile].size != cells || !may_be(room, want, i))
			continue;
		*ret_place = (struct dv_place){.start = at->start,
					       .size = (int)cells,
					       .profile = at->profile,
					       .sliced = dv_want_is_inner(want)};
		part.place = i;
		if (part.slices) {
			ret_place->part_size = part.slices;
			ret_place->part_start = (unsigned)dv_plan_part_fits(room, &part);
		}
		*ret_next = i + 1;
		return true;
	}
	return false;
}

static unsigned number_of(const struct dv_room *room, const struct dv_place *place)
{
	return (unsigned)dv_grid_place_at(room->grid, (unsigned)place->profile,
					  (unsigned)place->start);
}

bool dv_plan_mig_free(const struct dv_room *room, const struct dv_place *place)
{
	return place->part_size ? dv_plan_part_free(room, place)
				: dv_grid_fits(room->grid, &room->cells, number_of(room, place));
}

void dv_plan_mig_take(struct dv_room *room, const struct dv_place *place)
{
	room->migs++;
	if (place->part_size)
		dv_plan_part_take(room, place);
	else
		dv_grid_take(room->grid, &room->cells, number_of(room, place));
}

void dv_plan_mig_give(struct dv_room *room, const struct dv_place *place)
{
	room->migs--;
	if (place->part_size)
		dv_plan_part_give(room, place);
	else
		dv_grid_give(room->grid, &room->cells, number_of(room, place));
}

unsigned dv_plan_mig_loss(const struct dv_room *room, const struct dv_place *place)
{
	enum { PARTS_WEIGH_LESS = 128 };
	struct dv_grid_state after = room->cells;
	unsigned number = number_of(room, place), loss = 0;

	if (dv_grid_fits(room->grid, &after, number)) {
		dv_grid_take(room->grid, &after, number);
		loss = dv_grid_openness(room->grid, &room->cells) -
		       dv_grid_openness(room->grid, &after);
	}
	return loss * PARTS_WEIGH_LESS + (place->part_size ? dv_plan_part_loss(room, place) : 0);
}

bool dv_plan_mig_standing(const struct dv_room *room, const struct dv_lease *lease,
			  struct dv_place *ret)
{
	int profile = room->grid ? dv_grid_find(room->grid, lease->profile) : -1;
	struct dv_node node;

	if (room->grid && dv_node_parse(lease->node, &node, NULL) == 0 && node.has_part)
		return dv_plan_part_standing(room, &node, lease->profile, ret);
	if (profile < 0 || dv_node_parse(lease->node, &node, NULL) < 0 || !node.has_partition ||
	    node.size != room->grid->profiles[profile].size ||
	    dv_grid_place_at(room->grid, (unsigned)profile, node.start) < 0)
		return false;
	ret->start = (int)node.start;
	ret->size = (int)node.size;
	ret->profile = profile;
	return true;
}

void dv_plan_mig_list(const struct dv_grid *grid, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned p = 0; p < grid->profile_count && len < size; p++)
		len += (size_t)snprintf(buf + len, size - len, "%s%s", p ? ", " : "",
					grid->profiles[p].name);
}

static const char *forbids_profile(const struct dv_room *room, const struct dv_tenant *tenant,
				   char *buf, size_t size)
{
	const char *name;
	unsigned slices = dv_mig_part_slices(tenant->profile, &name);
	int profile = dv_grid_find(room->grid, name);
	const struct dv_mig_profile *is;
	uint32_t part;
	char names[160], memory[32], share[32];

	if (profile < 0) {
		dv_plan_mig_list(room->grid, names, sizeof(names));
		(void)snprintf(buf, size, "GPU %s has no profile '%s'; it has %s", room->gpu->id,
			       name, names);
		return "M01";
	}
	if (slices && !dv_plan_part_can(dv_plan_mig_profile(room, profile), slices))
		return dv_plan_part_forbids(room, tenant->profile, buf, size);
	if (tenant->start >= 0 &&
	    dv_grid_place_at(room->grid, (unsigned)profile, (unsigned)tenant->start) < 0) {
		size_t len = (size_t)snprintf(buf, size, "%s on GPU %s cannot start at %d, only at",
					      tenant->profile, room->gpu->id, tenant->start);

		for (unsigned c = 0; c < room->grid->cells && len < size; c++)
			if (room->grid->profiles[profile].starts >> c & 1)
				len += (size_t)snprintf(buf + len, size - len, " %u", c);
		return "M04";
	}
	is = dv_plan_mig_profile(room, profile);
	(void)dv_size_print(is ? (uint64_t)is->memory_mib * DV_MIB : 0, memory, sizeof(memory));
	part = is ? dv_plan_mig_share(room->gpu, is) : 0;
	if (slices && is)
		part = part / is->compute_slices * slices;
	(void)dv_share_print(part, share, sizeof(share));
	(void)snprintf(buf, size, "%s on GPU %s has %s and %s of compute: less than is asked for",
		       tenant->profile, room->gpu->id, memory, share);
	return "M04";
}

const char *dv_plan_mig_forbids(const struct dv_room *room, const struct dv_want *want, char *buf,
				size_t size)
{
	if (!room->grid) {
		(void)snprintf(buf, size,
			       "where partitions may be on GPU %s is not known: neither its driver "
			       "nor the catalogue says it",
			       room->gpu->id);
		return "M03";
	}
	for (unsigned i = 0; i < room->grid->place_count; i++)
		if ((want->tenant->start < 0 ||
		     room->grid->places[i].start == want->tenant->start) &&
		    dv_plan_mig_serves(room, want, room->grid->places[i].profile))
			return NULL;
	if (want->tenant->profile[0])
		return forbids_profile(room, want->tenant, buf, size);
	(void)snprintf(buf, size, "no partition of GPU %s has that much memory and compute",
		       room->gpu->id);
	return "M04";
}

unsigned dv_plan_mig_free_cells(const struct dv_room *room)
{
	if (!room->grid)
		return 0;
	return (unsigned)__builtin_popcount(dv_grid_whole(room->grid) & ~room->cells.cells);
}

unsigned dv_plan_mig_stranded(const struct dv_room *room)
{
	uint32_t reachable = 0, left;

	if (!room->grid)
		return 0;
	for (unsigned i = 0; i < room->grid->place_count; i++)
		if (dv_grid_fits(room->grid, &room->cells, i))
			reachable |= room->grid->places[i].cells;
	left = dv_grid_whole(room->grid) & ~room->cells.cells & ~reachable;
	return (unsigned)__builtin_popcount(left);
}
