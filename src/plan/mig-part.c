/* SPDX-License-Identifier: Apache-2.0 */
/* Compute instances inside a partition: which of its compute slices are whose. Where they may begin
 * within one is what its driver or the catalogue says. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "plan/mig.h"

bool dv_want_is_part(const struct dv_want *want)
{
	return want->method == DV_METHOD_MIG && dv_mig_part_slices(want->tenant->profile, NULL);
}

static unsigned bits_of(unsigned start, unsigned size)
{
	return ((1u << size) - 1) << start;
}

bool dv_plan_part_can(const struct dv_mig_profile *profile, unsigned slices)
{
	return profile && slices < profile->compute_slices && slices < DV_MIG_PARTS_MOST &&
	       profile->parts[slices];
}

static const struct dv_host *host_at(const struct dv_room *room, unsigned place)
{
	const struct dv_grid_place *at = &room->grid->places[place];
	const struct dv_host *host = &room->hosts[at->start];

	return host->profile == at->profile + 1 && !host->slices ? host : NULL;
}

static unsigned used_of(const struct dv_host *host)
{
	return host ? (unsigned)(host->taken | host->foreign) : 0;
}

static const struct dv_mig_profile *profile_of(const struct dv_room *room, unsigned place)
{
	return dv_plan_mig_profile(room, room->grid->places[place].profile);
}

static bool is_free(const struct dv_mig_profile *profile, unsigned taken, unsigned start,
		    unsigned size)
{
	return profile->parts[size] >> start & 1 && start + size <= profile->compute_slices &&
	       !(taken & bits_of(start, size));
}

/* In how many places parts of any size could still begin. */
static unsigned openness(const struct dv_mig_profile *profile, unsigned taken)
{
	unsigned open = 0;

	for (unsigned size = 1; size < DV_MIG_PARTS_MOST; size++)
		for (unsigned start = 0; start < DV_MIG_PARTS_MOST; start++)
			open += is_free(profile, taken, start, size);
	return open;
}

int dv_plan_part_start(const struct dv_mig_profile *profile, unsigned taken, unsigned slices)
{
	unsigned most = 0;
	int best = -1;

	for (unsigned start = 0; start < DV_MIG_PARTS_MOST; start++) {
		unsigned left;

		if (!is_free(profile, taken, start, slices))
			continue;
		left = openness(profile, taken | bits_of(start, slices));
		if (best < 0 || left > most) {
			best = (int)start;
			most = left;
		}
	}
	return best;
}

int dv_plan_part_fits(const struct dv_room *room, const struct dv_part *part)
{
	const struct dv_host *host = host_at(room, part->place);

	if (!host && !dv_grid_fits(room->grid, &room->cells, part->place))
		return -1;
	return dv_plan_part_start(profile_of(room, part->place), used_of(host), part->slices);
}

static unsigned number_of(const struct dv_room *room, const struct dv_place *place)
{
	return (unsigned)dv_grid_place_at(room->grid, (unsigned)place->profile,
					  (unsigned)place->start);
}

bool dv_plan_part_free(const struct dv_room *room, const struct dv_place *place)
{
	unsigned number = number_of(room, place);
	const struct dv_host *host = host_at(room, number);

	if (!host && !dv_grid_fits(room->grid, &room->cells, number))
		return false;
	return is_free(profile_of(room, number), used_of(host), place->part_start,
		       place->part_size);
}

void dv_plan_part_take(struct dv_room *room, const struct dv_place *place)
{
	struct dv_host *host = &room->hosts[place->start];

	if (!host->profile) {
		dv_grid_take(room->grid, &room->cells, number_of(room, place));
		host->profile = (uint8_t)(place->profile + 1);
	}
	host->taken |= (uint8_t)bits_of(place->part_start, place->part_size);
}

void dv_plan_part_give(struct dv_room *room, const struct dv_place *place)
{
	struct dv_host *host = &room->hosts[place->start];

	host->taken &= (uint8_t)~bits_of(place->part_start, place->part_size);
	if (used_of(host))
		return;
	host->profile = 0;
	dv_grid_give(room->grid, &room->cells, number_of(room, place));
}

unsigned dv_plan_part_loss(const struct dv_room *room, const struct dv_place *place)
{
	enum { NEW_PARTITION = 64 };
	unsigned number = number_of(room, place);
	const struct dv_mig_profile *profile = profile_of(room, number);
	const struct dv_host *host = host_at(room, number);
	unsigned taken = used_of(host);

	return openness(profile, taken) -
	       openness(profile, taken | bits_of(place->part_start, place->part_size)) +
	       (host ? 0 : NEW_PARTITION);
}

bool dv_plan_part_standing(const struct dv_room *room, const struct dv_node *node,
			   const char *profile, struct dv_place *ret)
{
	const char *whole;
	unsigned slices = dv_mig_part_slices(profile, &whole);
	int number = dv_grid_find(room->grid, whole);

	if (number < 0 || slices != node->part_size ||
	    node->size != room->grid->profiles[number].size ||
	    dv_grid_place_at(room->grid, (unsigned)number, node->start) < 0 ||
	    !is_free(dv_plan_mig_profile(room, number), 0, node->part_start, slices))
		return false;
	ret->start = (int)node->start;
	ret->size = (int)node->size;
	ret->profile = number;
	ret->part_start = node->part_start;
	ret->part_size = slices;
	return true;
}

void dv_plan_part_add(struct dv_room *room, const struct dv_place *place)
{
	/* Somebody else's is in the same partition, or in its place: then it takes no more. */
	if (dv_plan_part_free(room, place))
		dv_plan_part_take(room, place);
	else
		dv_grid_block(&room->cells, room->grid->places[number_of(room, place)].cells);
}

static bool stands_for(const struct dv_lease *lease, const struct dv_room *room,
		       const struct dv_mig_instance *instance, const struct dv_mig_compute *compute)
{
	struct dv_node node;

	return strcmp(lease->gpu_uuid, room->gpu->uuid) == 0 &&
	       dv_node_parse(lease->node, &node, NULL) == 0 && node.has_partition &&
	       node.start == instance->start && node.size == instance->size &&
	       (!node.has_part ||
		(node.part_start == compute->start && node.part_size == compute->size));
}

/* The compute slices of it that are nobody's here. */
static unsigned foreign_in(const struct dv_room *room, const struct dv_mig_instance *instance,
			   const struct dv_leases *leases)
{
	const struct dv_mig *mig = &room->gpu->mig;
	unsigned foreign = 0;

	for (unsigned i = 0; i < mig->compute_count; i++) {
		const struct dv_mig_compute *compute = &mig->computes[i];
		bool ours = compute->instance != instance->id;

		for (size_t k = 0; k < leases->len && !ours; k++)
			ours = stands_for(&leases->items[k], room, instance, compute);
		if (!ours)
			foreign |= bits_of(compute->start, compute->size);
	}
	return foreign;
}

void dv_plan_part_block(struct dv_room *room, const struct dv_mig_instance *instance,
			const struct dv_leases *leases)
{
	unsigned foreign = foreign_in(room, instance, leases);
	int profile = room->grid ? dv_grid_find_id(room->grid, instance->profile_id) : -1;
	int place = profile < 0 ? -1
				: dv_grid_place_at(room->grid, (unsigned)profile, instance->start);

	room->strangers += foreign != 0;
	if (!foreign || place < 0 || !dv_grid_fits(room->grid, &room->cells, (unsigned)place))
		return;
	dv_grid_take(room->grid, &room->cells, (unsigned)place);
	room->hosts[instance->start] = (struct dv_host){
		.profile = (uint8_t)(profile + 1),
		.foreign =
			(uint8_t)(foreign &
				  bits_of(0, profile_of(room, (unsigned)place)->compute_slices))};
}

void dv_plan_part_close(struct dv_room *room, const struct dv_node *node)
{
	struct dv_host *host = node->start < room->grid->cells ? &room->hosts[node->start] : NULL;

	if (host && host->profile)
		host->foreign = (uint8_t)bits_of(
			0, dv_plan_mig_profile(room, host->profile - 1)->compute_slices);
}

uint32_t dv_plan_part_waste(const struct dv_room *room)
{
	uint32_t waste = 0;

	for (unsigned i = 0; room->grid && i < room->grid->cells; i++) {
		const struct dv_host *host = &room->hosts[i];
		const struct dv_mig_profile *profile;

		if (!host->profile || host->slices)
			continue;
		profile = dv_plan_mig_profile(room, host->profile - 1);
		waste += dv_plan_mig_share(room->gpu, profile) / profile->compute_slices *
			 (profile->compute_slices - (unsigned)__builtin_popcount(used_of(host)));
	}
	return waste;
}

const char *dv_plan_part_forbids(const struct dv_room *room, const char *name, char *buf,
				 size_t size)
{
	const char *whole;
	unsigned slices = dv_mig_part_slices(name, &whole);
	const struct dv_mig_profile *profile =
		dv_plan_mig_profile(room, dv_grid_find(room->grid, whole));
	bool any = false;
	size_t len;

	if (slices == profile->compute_slices) {
		(void)snprintf(buf, size, "a compute instance of %u slice%s is all of %s: say '%s'",
			       slices, dv_plural(slices), whole, whole);
		return "M01";
	}
	for (unsigned i = 1; i < DV_MIG_PARTS_MOST; i++)
		any |= dv_plan_part_can(profile, i);
	if (!any && profile->compute_slices > 1) {
		(void)snprintf(buf, size,
			       "which compute instances %s of GPU %s has is not known: neither its "
			       "driver nor the catalogue says it",
			       whole, room->gpu->id);
		return "M03";
	}
	len = (size_t)snprintf(buf, size, "%s of GPU %s has no compute instance of %u slice%s%s",
			       whole, room->gpu->id, slices, dv_plural(slices),
			       any ? "; it has" : "");
	for (unsigned i = 1; i < DV_MIG_PARTS_MOST && len < size; i++)
		if (dv_plan_part_can(profile, i))
			len += (size_t)snprintf(buf + len, size - len, " %uc.%s", i, whole);
	return "M01";
}
