/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of plan/mig-parted: GPUs and their layouts as mig-parted sees them, and one GPU on its way
 * to be a part of a fleet. All is borrowed. */
#pragma once

#include "model/tree.h"
#include "plan/grid-repartition.h"
#include "plan/mig-parted.h"

/* The MIG devices of a GPU, by profile, in the order of their names. */
struct dv_parted_layout {
	unsigned count;
	struct {
		char profile[DV_PROFILE_SIZE];
		unsigned count;
	} of[DV_MIG_INSTANCES_MOST + DV_MIG_COMPUTES_MOST];
};

/* What is there now. A partition whose compute instance is all of it goes by its profile's name;
 * where it is cut further each part is one: "1c.3g.20gb". One without any is none. What divvy has
 * just made, and no probe has seen yet, is known by its leases. */
void dv_parted_layout_of(const struct dv_gpu *gpu, const struct dv_leases *leases,
			 struct dv_parted_layout *ret);
/* Is that partition one MIG device, all of it? */
bool dv_parted_is_whole(const struct dv_gpu *gpu, const struct dv_leases *leases,
			const struct dv_mig_instance *instance);

/* Is it on now, whatever comes with the next reset? */
bool dv_parted_mode(const struct dv_mig *mig);

/* Of each GPU its number among NVIDIA's by address, -1 of any other; the caller frees. NULL: no
 * memory. */
int *dv_parted_numbers(const struct dv_gpu *gpus, size_t gpu_count);

/* Where on this GPU a lease has its partition, or its part of one. */
bool dv_parted_place_of(const struct dv_gpu *gpu, const struct dv_lease *lease,
			struct dv_node *ret);
/* Of the fleet that configs are, and may be kept or ended. */
bool dv_parted_is_ours(const struct dv_lease *lease);
bool dv_parted_is_settled(const struct dv_lease *lease);

/* One GPU on the way. */
struct dv_parted_site {
	const struct dv_parted_match *match;
	const struct dv_leases *leases;
	struct dv_fleet *fleet;
	const struct dv_gpu *gpu;
	const struct dv_mig_parted_entry *entry; /* or NULL */
	const struct dv_grid *grid;
	/* What is wanted of each profile: whole ones, parts of so many slices, and partitions that
	 * those parts fill. */
	uint8_t whole[DV_GRID_PROFILES_MOST], hosts[DV_GRID_PROFILES_MOST];
	unsigned parts[DV_GRID_PROFILES_MOST][DV_MIG_PARTS_MOST];
	/* What is there. */
	unsigned count;
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	const struct dv_lease *owners[DV_GRID_INSTANCES_MOST]; /* of each, one of them, or NULL */
};

/* mig-parted-fleet.c: a tenant for a lease that stays; for a new partition, or part of one. */
int dv_parted_keep(const struct dv_parted_site *site, const struct dv_lease *lease,
		   struct dv_error *err) DV_MUST_CHECK;
int dv_parted_make(const struct dv_parted_site *site, const char *profile, unsigned start,
		   struct dv_error *err) DV_MUST_CHECK;

/* mig-parted-parts.c: "1c.3g.40gb" is wanted. */
int dv_parted_want_part(struct dv_parted_site *site, const struct dv_mig_parted_count *count,
			struct dv_error *err) DV_MUST_CHECK;
/* How many partitions the parts fill. */
int dv_parted_count_hosts(struct dv_parted_site *site, struct dv_error *err) DV_MUST_CHECK;
/* Tenants for the parts of a profile in the partitions that begin there; those that stand stay
 * where that can be. */
int dv_parted_fill_hosts(const struct dv_parted_site *site, unsigned profile,
			 const unsigned *starts, struct dv_error *err) DV_MUST_CHECK;
