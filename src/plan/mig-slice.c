/* SPDX-License-Identifier: Apache-2.0 */
/* Slices inside a MIG partition: its memory and its time are divided as a whole GPU's are. The
 * partition is there as long as one of them is, and has one compute instance, which is all of it.
 */
#include <string.h>

#include "model/tree.h"
#include "model/units.h"
#include "plan/mig.h"

bool dv_want_is_inner(const struct dv_want *want)
{
	return want->method == DV_METHOD_SLICE && want->tenant->profile[0];
}

bool dv_want_is_beside(const struct dv_want *want)
{
	return dv_want_is_part(want) || dv_want_is_inner(want) || want->tenant->own_most;
}

bool dv_want_on_mig(const struct dv_want *want)
{
	return want->method == DV_METHOD_MIG || dv_want_is_inner(want);
}

static uint64_t memory_of(const struct dv_room *room, unsigned profile)
{
	const struct dv_mig_profile *is = dv_plan_mig_profile(room, (int)profile);

	return is ? (uint64_t)is->memory_mib * DV_MIB : 0;
}

/* The partition at that place as it is, or as it would be. */
static bool host_at(const struct dv_room *room, unsigned place, struct dv_host *ret)
{
	const struct dv_grid_place *at = &room->grid->places[place];

	*ret = room->hosts[at->start];
	if (ret->profile)
		return ret->profile == at->profile + 1 && ret->slices;
	*ret = (struct dv_host){.mpct_left = DV_MPCT_WHOLE,
				.memory_left = memory_of(room, at->profile)};
	return dv_grid_fits(room->grid, &room->cells, place);
}

bool dv_plan_inner_fits(const struct dv_room *room, const struct dv_want *want, unsigned place)
{
	struct dv_host host;

	return host_at(room, place, &host) && host.memory_left >= want->memory_bytes &&
	       host.mpct_left >= want->compute_mpct;
}

static unsigned number_of(const struct dv_room *room, const struct dv_place *place)
{
	return (unsigned)dv_grid_place_at(room->grid, (unsigned)place->profile,
					  (unsigned)place->start);
}

static uint64_t memory_taken(const struct dv_want *want, const struct dv_place *place)
{
	return place->keep ? want->standing->memory_bytes : want->memory_bytes;
}

static uint32_t share_taken(const struct dv_want *want, const struct dv_place *place)
{
	return place->keep ? want->standing->compute_mpct : want->compute_mpct;
}

bool dv_plan_inner_free(const struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place)
{
	struct dv_host host;

	return host_at(room, number_of(room, place), &host) &&
	       host.memory_left >= memory_taken(want, place) &&
	       host.mpct_left >= share_taken(want, place);
}

static uint64_t less(uint64_t whole, uint64_t part)
{
	return part < whole ? whole - part : 0;
}

static void take(struct dv_room *room, unsigned place, uint64_t memory, uint32_t mpct)
{
	const struct dv_grid_place *at = &room->grid->places[place];
	struct dv_host *host = &room->hosts[at->start];

	if (!host->profile) {
		dv_grid_take(room->grid, &room->cells, place);
		host->profile = (uint8_t)(at->profile + 1);
		host->memory_left = memory_of(room, at->profile);
		host->mpct_left = DV_MPCT_WHOLE;
	}
	host->slices++;
	host->memory_left = less(host->memory_left, memory);
	host->mpct_left = (uint32_t)less(host->mpct_left, mpct);
}

void dv_plan_inner_take(struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place)
{
	room->migs++;
	take(room, number_of(room, place), memory_taken(want, place), share_taken(want, place));
}

void dv_plan_inner_give(struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place)
{
	struct dv_host *host = &room->hosts[place->start];

	room->migs--;
	host->memory_left += memory_taken(want, place);
	host->mpct_left += share_taken(want, place);
	if (--host->slices)
		return;
	host->profile = 0;
	dv_grid_give(room->grid, &room->cells, number_of(room, place));
}

uint64_t dv_plan_inner_loss(const struct dv_room *room, const struct dv_want *want,
			    const struct dv_place *place)
{
	/* Of memory and time, in thousandths of a percent each. */
	enum { GRID_WEIGHS_MORE = 4 * DV_MPCT_WHOLE };
	uint64_t all = memory_of(room, (unsigned)place->profile), left, loss = 0;
	struct dv_host host;

	(void)host_at(room, number_of(room, place), &host);
	if (!host.profile)
		loss = (uint64_t)(1 + dv_plan_mig_loss(room, place)) * GRID_WEIGHS_MORE;
	left = less(host.memory_left, want->memory_bytes);
	return loss + (uint64_t)((unsigned __int128)left * DV_MPCT_WHOLE / DV_MAX(all, 1)) +
	       less(host.mpct_left, want->compute_mpct);
}

void dv_plan_inner_add(struct dv_room *room, const struct dv_lease *lease)
{
	int profile = room->grid ? dv_grid_find(room->grid, lease->profile) : -1, place;
	struct dv_node node;
	struct dv_host host;

	room->migs++;
	if (!room->grid || dv_node_parse(lease->node, &node, NULL) < 0)
		return;
	place = profile < 0 ? -1 : dv_grid_place_at(room->grid, (unsigned)profile, node.start);
	/* One that the grid does not have, or whose partition went and cannot be there now, is in
	 * the way, and takes no more. */
	if (place >= 0 && host_at(room, (unsigned)place, &host))
		take(room, (unsigned)place, lease->memory_bytes, lease->compute_mpct);
	else if (node.size < 32)
		dv_grid_block(&room->cells, ((UINT32_C(1) << node.size) - 1) << node.start);
}

bool dv_plan_inner_left(const struct dv_task *task, const struct dv_packing *packing,
			const struct dv_want *want, uint64_t *ret_memory, uint32_t *ret_mpct)
{
	bool any = false;

	*ret_memory = *ret_mpct = 0;
	for (size_t g = 0; g < task->rooms.len; g++) {
		const struct dv_room *room = &packing->rooms[g];

		for (unsigned i = 0; room->grid && i < room->grid->cells; i++) {
			const struct dv_host *host = &room->hosts[i];

			if (!host->slices || !dv_room_may(room, want) ||
			    strcmp(room->grid->profiles[host->profile - 1].name,
				   want->tenant->profile) != 0)
				continue;
			*ret_memory = DV_MAX(*ret_memory, host->memory_left);
			*ret_mpct = DV_MAX(*ret_mpct, host->mpct_left);
			any = true;
		}
	}
	return any;
}

void dv_plan_inner_waste(const struct dv_room *room, uint64_t *ret_memory, uint32_t *ret_mpct)
{
	for (unsigned i = 0; room->grid && i < room->grid->cells; i++) {
		const struct dv_host *host = &room->hosts[i];
		const struct dv_mig_profile *is;

		if (!host->slices)
			continue;
		is = dv_plan_mig_profile(room, host->profile - 1);
		*ret_memory += host->memory_left;
		*ret_mpct += (uint32_t)((uint64_t)dv_plan_mig_share(room->gpu, is) *
					host->mpct_left / DV_MPCT_WHOLE);
	}
}
