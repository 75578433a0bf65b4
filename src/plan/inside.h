/* SPDX-License-Identifier: Apache-2.0 */
/* What the planner's parts say to each other. All pointers are borrowed from the input; the vectors
 * of struct dv_task are its own. */
#pragma once

#include "plan/grid.h"
#include "plan/plan.h"

enum { DV_UNIT_WORDS = DV_CPUS_MOST / 64 };

/* Where a want goes. */
struct dv_place {
	int gpu;	 /* number in the input, -1: nowhere */
	int start, size; /* of a partition, else -1 */
	int profile;	 /* of MIG: its number in the room's grid */
	/* Of a compute instance that is a part of it: compute slices within; size 0: all of it. */
	unsigned part_start, part_size;
	bool sliced; /* of a slice: one of those that share the partition */
	bool keep;
};

/* One lease that is to be: of a tenant, or one of the whole GPUs of a tenant. */
struct dv_want {
	const struct dv_tenant *tenant;
	unsigned part; /* 0, 1, ... of the tenant's whole GPUs */
	char name[DV_NAME_SIZE];
	enum dv_method method;
	uint64_t memory_bytes; /* what it takes of a GPU at least */
	uint32_t compute_mpct;
	bool memory_said, compute_said;
	uint64_t weight;		 /* for the order: how much of a GPU it takes */
	const struct dv_lease *standing; /* what the fleet made under this name, or NULL */
	int standing_gpu;		 /* of it: number in the input, or -1 */
	struct dv_place standing_place;
	bool keepable;		 /* it stands as wanted */
	bool firm;		 /* so does all of its tenant: it has a place, there or elsewhere */
	bool running;		 /* somebody uses it */
	char rule[DV_RULE_SIZE]; /* refused wherever it would go, by this rule; "" : not */
	char reason[256];
};

/* A MIG partition that is divided: into compute instances, or into slices. */
struct dv_host {
	uint8_t profile; /* its number in the grid plus 1; 0: none */
	uint8_t taken;	 /* bits of the compute slices that are somebody's */
	uint8_t foreign; /* bits of those that no lease here stands for: they stay */
	/* Of slices: how many, and what they leave of its memory and its time. */
	uint16_t slices;
	uint32_t mpct_left;
	uint64_t memory_left;
};

/* What is left of one GPU. */
struct dv_room {
	const struct dv_gpu *gpu;
	uint32_t methods; /* bits of those that may be used here, and that can be planned */
	bool allowed;	  /* by the fleet's rules */
	enum dv_mig_wish mig_wish;
	bool closed; /* nothing new: quarantined, another divvyd's, or a lease is unreadable */
	unsigned wholes, slices, partitions, migs, others; /* leases, by how they divide it */
	unsigned strangers; /* MIG instances with something no lease stands for: they stay */
	unsigned ours;	    /* of these, placed by this plan */
	uint64_t memory_left;
	uint32_t mpct_left;
	unsigned units; /* CPUs it can be partitioned into */
	uint64_t taken[DV_UNIT_WORDS];
	const struct dv_grid *grid; /* of MIG: where partitions may be; NULL: not known */
	struct dv_grid_state cells; /* and what is taken of it */
	struct dv_host hosts[DV_GRID_CELLS_MOST]; /* by where they start */
	/* Slices of each of the fleet's own profiles. */
	uint16_t own[DV_SLICE_PROFILES_MOST];
};

/* How good a packing is: less is better, the first member that differs decides. */
struct dv_score {
	unsigned unplaced, disturbed, moved, gpus;
};

struct dv_task {
	const struct dv_plan_input *input;
	uid_t owner;	   /* of what is made */
	unsigned moves;	   /* so many of what stands as wanted may move */
	bool move_running; /* also what is in use; only to see what would help */
	DV_VEC(struct dv_want) wants;
	DV_VEC(struct dv_room) rooms; /* as they are without the fleet's own leases */
	DV_VEC(unsigned) order;	      /* of wants: the largest first */
	DV_VEC(const struct dv_lease *)
	gone;				/* leases of the fleet that no tenant is for any more */
	DV_VEC(struct dv_grid *) grids; /* owned; one for all GPUs that are alike */
};

/* In this order: the GPUs without leases; the wants, with what stands; which of them can be
 * nowhere, and their order; then the leases that stay into the rooms. */
int dv_plan_read_rooms(struct dv_task *task, struct dv_error *err) DV_MUST_CHECK;
int dv_plan_read_wants(struct dv_task *task, struct dv_error *err) DV_MUST_CHECK;
int dv_plan_sort_wants(struct dv_task *task, struct dv_error *err) DV_MUST_CHECK;
void dv_plan_fill_rooms(struct dv_task *task);

/* Units of a partition of this want on that GPU; more than it has when it cannot be. */
unsigned dv_want_units(const struct dv_want *want, const struct dv_gpu *gpu);

/* room.c. May the want be here, apart from what is there already? */
bool dv_room_may(const struct dv_room *room, const struct dv_want *want);
/* Why not: a rule, and text in `buf`; NULL when it may. */
const char *dv_room_forbids(const struct dv_room *room, const struct dv_want *want, char *buf,
			    size_t size);
/* Is it one of the GPUs that the tenant names with 'gpu:'? */
bool dv_room_named(const struct dv_room *room, const struct dv_want *want);
bool dv_room_empty(const struct dv_room *room);
/* Does it fit beside what is there? Of the places there may be, the first at or after `from`, with
 * where to go on in *ret_next: of a CPU partition the lowest units of each run of free ones (its
 * end is *ret_next), of MIG each place of the grid; else there is one place, start -1, and no next.
 */
bool dv_room_fits(const struct dv_room *room, const struct dv_want *want, unsigned from,
		  struct dv_place *ret_place, unsigned *ret_next);
/* Is a standing lease's own place free? */
bool dv_room_free(const struct dv_room *room, const struct dv_want *want,
		  const struct dv_place *place);
void dv_room_take(struct dv_room *room, const struct dv_want *want, const struct dv_place *place);
void dv_room_give(struct dv_room *room, const struct dv_want *want, const struct dv_place *place);

/* pack.c and search.c: `places` has one for each want, `rooms` is a copy that ends as packed. */
struct dv_packing {
	struct dv_place *places;
	struct dv_room *rooms;
	struct dv_score score;
};
int dv_packing_init(struct dv_packing *packing, const struct dv_task *task,
		    struct dv_error *err) DV_MUST_CHECK;
void dv_packing_fini(struct dv_packing *packing);
void dv_packing_copy(const struct dv_task *task, const struct dv_packing *from,
		     struct dv_packing *to);
int dv_score_compare(const struct dv_score *a, const struct dv_score *b);
/* Best fit by size, beside the standing leases. */
void dv_pack_best_fit(const struct dv_task *task, struct dv_packing *packing);
/* A compute instance that is a part of a MIG partition. */
bool dv_want_is_part(const struct dv_want *want);
/* A slice in a MIG partition. */
bool dv_want_is_inner(const struct dv_want *want);
/* One of these, or a slice of which a GPU takes only so many: what a batch knows nothing of. */
bool dv_want_is_beside(const struct dv_want *want);
/* A MIG partition, or something in one. */
bool dv_want_on_mig(const struct dv_want *want);
/* Place what is open of `packing`, all at once, on the fewest GPUs: partitions and whole GPUs, and
 * slices too if asked for; not CPU partitions, nor what has a part of a MIG partition. What cannot
 * be asked as one batch stays open. */
struct dv_plan_batch {
	bool most;	/* proven: beside what `packing` had none places more of it */
	bool exact;	/* proven: nor as much on fewer GPUs */
	bool valid;	/* `least` is known */
	bool slices;	/* there are slices that are in none of this */
	unsigned least; /* no packing that places as much uses fewer GPUs more */
};
int dv_plan_batch(const struct dv_task *task, bool with_slices, struct dv_packing *packing,
		  struct dv_plan_batch *ret, struct dv_error *err) DV_MUST_CHECK;
/* May it change its place for others? */
bool dv_want_movable(const struct dv_task *task, const struct dv_want *want);
/* Place what is open by moving what may move, and count. */
void dv_pack_move(const struct dv_task *task, struct dv_packing *packing);
/* The same for want `i` alone, and not counted; false: it found no place. */
bool dv_pack_move_for(const struct dv_task *task, struct dv_packing *packing, unsigned i);
/* The best place as it is; its gpu is -1 where there is none. */
struct dv_place dv_pack_place(const struct dv_packing *packing, size_t rooms,
			      const struct dv_want *want);
/* A tenant gets all its GPUs or none; then the score. */
void dv_pack_count(const struct dv_task *task, struct dv_packing *packing);
/* Keep what stands, and place all others: CPU partitions by best fit, slices on GPUs
 * that have some already, all others as a batch, what is left by best fit. *ret_most: proven that
 * none places more beside what was kept. */
int dv_pack_batch(const struct dv_task *task, struct dv_packing *packing, bool *ret_most,
		  struct dv_error *err) DV_MUST_CHECK;
/* The fewest GPUs that hold as many wants as `packing` does if none stood, as a batch proves it.
 * *ret_gpus is 0 when it does not; *ret_exact: so many are enough. */
int dv_pack_least(const struct dv_task *task, const struct dv_packing *packing, unsigned *ret_gpus,
		  bool *ret_exact, struct dv_error *err) DV_MUST_CHECK;
/* Wants without a place that are not refused; parts of a tenant once. */
unsigned dv_pack_open(const struct dv_task *task, const struct dv_packing *packing);
/* Improve `packing` by looking at every other one that moves no more than is allowed; returns true
 * when all were looked at, false when there are too many. With `repack` what stands is not
 * regarded: the fewest GPUs there could be. */
bool dv_pack_search(const struct dv_task *task, bool repack, struct dv_packing *packing);

/* mig-mode.c: the step that the GPU's MIG mode takes, "mig.enable" or "mig.disable", NULL for none;
 * `room` is as packed. */
const char *dv_plan_mode_step(const struct dv_room *room);
/* Why a wish for the mode cannot be met: a rule, and text in `buf`; NULL: it is, or will be. */
const char *dv_plan_mode_forbids(const struct dv_room *room, char *buf, size_t size);

/* defragment.c: move on what may move, as long as that leaves more room; say what it frees. */
int dv_plan_defragment(const struct dv_task *task, struct dv_packing *packing, struct dv_plan *plan,
		       struct dv_error *err) DV_MUST_CHECK;

/* moved.c: does it stand, and elsewhere than where it will be? */
bool dv_plan_is_moved(const struct dv_want *want, const struct dv_place *place);
/* Why, for whom, and who is interrupted. */
void dv_plan_say_moved(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		       char *buf, size_t size);
/* Fill to->fix if want `i`, which has no place, would have one after at most so many more moves. */
enum { DV_MOVES_SUGGESTED = 8 };
int dv_plan_suggest_moves(const struct dv_task *task, const struct dv_packing *packing, size_t i,
			  struct dv_unplaced *to, struct dv_error *err) DV_MUST_CHECK;

/* explain.c: why no place was found for want number i. */
void dv_plan_explain(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		     struct dv_unplaced *ret);

/* steps.c: fill plan->steps from the packing. */
int dv_plan_make_steps(const struct dv_task *task, const struct dv_packing *packing,
		       struct dv_plan *plan, struct dv_error *err) DV_MUST_CHECK;
/* The lease that a want becomes; its node is "" for a slice that is to be made. */
void dv_plan_make_lease(const struct dv_task *task, const struct dv_packing *packing, size_t i,
			struct dv_lease *ret);
