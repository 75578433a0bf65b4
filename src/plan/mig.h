/* SPDX-License-Identifier: Apache-2.0 */
/* MIG in the planner: which profiles serve a want, and where they may be on one GPU. The grid is
 * what the GPU's driver says; nothing of a width or of a profile is in code. */
#pragma once

#include "model/tree.h"
#include "plan/grid.h"
#include "plan/inside.h"

/* Make the grid of a GPU that says where its partitions may be, into *ret, the caller's; NULL when
 * it does not. -ENOMEM. */
int dv_plan_mig_grid(const struct dv_gpu *gpu, struct dv_grid **ret,
		     struct dv_error *err) DV_MUST_CHECK;

/* Instances that no lease stands for are somebody's: they stay. */
void dv_plan_mig_block(struct dv_room *room, const struct dv_leases *leases);
/* A lease's partition is in the way, whatever is planned; one that `owner` has compute instances in
 * can take more of his. */
void dv_plan_mig_add(struct dv_room *room, const struct dv_lease *lease, uid_t owner);

/* Does that profile of the room's grid give what is needed? By name if the tenant names one, else
 * by memory and compute; profiles with a special outfit (+me, -me, +gfx) only by name. */
bool dv_plan_mig_serves(const struct dv_room *room, const struct dv_want *want, unsigned profile);
/* The fewest cells that a profile which serves has; 0: none serves. */
unsigned dv_plan_mig_cells(const struct dv_room *room, const struct dv_want *want);

/* The first place at or after number `from` of the grid's places where the want fits now: only with
 * the smallest profiles that still fit somewhere. *ret_next is where to go on. */
bool dv_plan_mig_fits(const struct dv_room *room, const struct dv_want *want, unsigned from,
		      struct dv_place *ret_place, unsigned *ret_next);
/* Is the place free, and may it be there? */
bool dv_plan_mig_free(const struct dv_room *room, const struct dv_place *place);
void dv_plan_mig_take(struct dv_room *room, const struct dv_place *place);
void dv_plan_mig_give(struct dv_room *room, const struct dv_place *place);
/* How much of the room for later the place would cost. */
unsigned dv_plan_mig_loss(const struct dv_room *room, const struct dv_place *place);

/* The place of a standing lease; false when its GPU has none such. */
bool dv_plan_mig_standing(const struct dv_room *room, const struct dv_lease *lease,
			  struct dv_place *ret);

/* What the driver says of a profile of the room's grid. */
const struct dv_mig_profile *dv_plan_mig_profile(const struct dv_room *room, int profile);
/* Its SMs of all SMs (or of those of the largest profile, where that is all that is known), in
 * thousandths of a percent; 0: not known. */
uint32_t dv_plan_mig_share(const struct dv_gpu *gpu, const struct dv_mig_profile *profile);

/* mig-part.c: compute instances that are a part of a partition ("1c.3g.40gb"). They are put into
 * the partitions of that profile that are divided already, before another is made. */
struct dv_part {
	unsigned slices;
	unsigned place; /* number of the partition's place in the grid */
};
/* May an instance of that profile be divided into such parts? */
bool dv_plan_part_can(const struct dv_mig_profile *profile, unsigned slices);
/* Where a part of so many slices would leave most room beside those slices that are taken, -1:
 * nowhere; and the same in that partition of the room. */
int dv_plan_part_start(const struct dv_mig_profile *profile, unsigned taken, unsigned slices);
int dv_plan_part_fits(const struct dv_room *room, const struct dv_part *part);
bool dv_plan_part_free(const struct dv_room *room, const struct dv_place *place);
/* Of an instance that leases stand for: compute instances within that are nobody's here stay, and
 * so does it. */
void dv_plan_part_block(struct dv_room *room, const struct dv_mig_instance *instance,
			const struct dv_leases *leases);
/* That partition takes no more. */
void dv_plan_part_close(struct dv_room *room, const struct dv_node *node);
void dv_plan_part_take(struct dv_room *room, const struct dv_place *place);
void dv_plan_part_give(struct dv_room *room, const struct dv_place *place);
/* How many places of parts would be lost; of a part that needs a new partition, more. */
unsigned dv_plan_part_loss(const struct dv_room *room, const struct dv_place *place);
/* Is there such a partition, and may the part be there? */
bool dv_plan_part_standing(const struct dv_room *room, const struct dv_node *node,
			   const char *profile, struct dv_place *ret);
/* A lease's part, which stays. */
void dv_plan_part_add(struct dv_room *room, const struct dv_place *place);
/* What of divided partitions nobody has, in thousandths of a percent of the GPU. */
uint32_t dv_plan_part_waste(const struct dv_room *room);
/* Why a partition of that profile cannot be divided so. */
const char *dv_plan_part_forbids(const struct dv_room *room, const char *name, char *buf,
				 size_t size);

/* mig-slice.c: slices that share a partition. They are put where some are already, before another
 * partition is made. */
/* Is there room for one more in the partition at that place of the grid, made already or not? */
bool dv_plan_inner_fits(const struct dv_room *room, const struct dv_want *want, unsigned place);
/* Is that place free for it; of one that is kept, for what it has. */
bool dv_plan_inner_free(const struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place);
void dv_plan_inner_take(struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place);
void dv_plan_inner_give(struct dv_room *room, const struct dv_want *want,
			const struct dv_place *place);
/* What it would cost: of the grid, if the partition is new, then what is left in the partition. */
uint64_t dv_plan_inner_loss(const struct dv_room *room, const struct dv_want *want,
			    const struct dv_place *place);
/* A lease's slice, which stays. */
void dv_plan_inner_add(struct dv_room *room, const struct dv_lease *lease);
/* The most that one partition which has slices, and that the want may be in, still has left.
 * Returns false where there is none such. */
bool dv_plan_inner_left(const struct dv_task *task, const struct dv_packing *packing,
			const struct dv_want *want, uint64_t *ret_memory, uint32_t *ret_mpct);
/* What of their partitions' memory nobody has; and of the GPU's compute, in thousandths of a
 * percent. */
void dv_plan_inner_waste(const struct dv_room *room, uint64_t *ret_memory, uint32_t *ret_mpct);

/* mig-fix.c: of want `i`, which has no partition: say in to->reason what binds, if it was not
 * refused wherever it would go, and in to->fix what would make it fit. */
int dv_plan_mig_fix(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		    struct dv_unplaced *to, struct dv_error *err) DV_MUST_CHECK;

/* Why no profile of this GPU serves: a rule, and text in `buf`; NULL: one does. */
const char *dv_plan_mig_forbids(const struct dv_room *room, const struct dv_want *want, char *buf,
				size_t size);

/* "1g.10gb, 2g.20gb, ...": its profiles, cut to `size`. */
void dv_plan_mig_list(const struct dv_grid *grid, char *buf, size_t size);

/* Cells that nothing stands on. */
unsigned dv_plan_mig_free_cells(const struct dv_room *room);
/* Cells of the room that no instance can be on any more. */
unsigned dv_plan_mig_stranded(const struct dv_room *room);
