/* SPDX-License-Identifier: Apache-2.0 */
/* A plan: where each tenant goes, and the steps from today's state. Plain data; the vectors are
 * the plan's. What a document divvy/plan/1 holds. */
#pragma once

#include "base/vec.h"
#include "model/gpu.h"
#include "model/lease.h"

struct dv_assignment {
	char tenant[DV_NAME_SIZE];
	enum dv_method method;
	enum dv_method on; /* the method of the parent node of a slice, or NONE */
	enum dv_kind kind;
	char gpu[16], gpu_uuid[DV_UUID_SIZE];
	char profile[DV_PROFILE_SIZE]; /* or "" */
	int start, size;	       /* -1: none */
	char node[DV_NODE_SIZE];       /* "" of a slice that is still to be made */
	uint64_t memory_bytes;
	uint32_t compute_mpct;	 /* 0: unknown */
	unsigned compute_slices; /* 0: none */
	enum dv_policy policy;
	bool has_policy;
	bool kept;		 /* stands already as wanted */
	char from[DV_NODE_SIZE]; /* stood as wanted at this node, and moves; or "" */
	enum dv_isolation isolation;
	struct dv_isolates isolates;
	char derived[4][32]; /* what was estimated */
	unsigned derived_count;
	char reason[192];
};

/* A tenant, or a GPU whose MIG mode cannot be as the fleet wants it: see dv_unplaced_is_gpu. */
struct dv_unplaced {
	char tenant[DV_NAME_SIZE]; /* of a GPU "GPU 0": no tenant has a blank in its name */
	unsigned rule_count;
	char rules[DV_GPU_RULES_MOST][DV_RULE_SIZE];
	char reason[256];
	char fix[256]; /* what would make it fit, or "" */
};

bool dv_unplaced_is_gpu(const struct dv_unplaced *unplaced);

/* "mig.enable", "slice.create", ... readers accept others. */
struct dv_step {
	unsigned id; /* 1, 2, ... */
	char op[32];
	char gpu[16], gpu_uuid[DV_UUID_SIZE];
	char node[DV_NODE_SIZE];
	char profile[DV_PROFILE_SIZE];
	int start, size; /* -1: none */
	char tenant[DV_NAME_SIZE];
	char disturbs[4][DV_NAME_SIZE];
	unsigned disturb_count; /* may be greater than 4; that many are named */
	unsigned needs[8];	/* ids of the steps that must be done before */
	unsigned need_count;
	char undo[32]; /* op that reverses it, or "" */
	/* Nobody else has anything in the lease's partition: it comes, or goes, with the lease.
	 * Told to whoever does the step, at that time. */
	bool alone;
	/* The same for all that the operation still ends there, this one perhaps the first of
	 * them: where the partition could not go with the last, none is to go. */
	bool vacates;
	/* What the step makes; of a destroy, what it must be able to make again. */
	struct dv_lease lease;
};

/* Of a profile, so many could be made if nothing else were: before and after a defragmentation. */
struct dv_freed {
	char profile[DV_PROFILE_SIZE];
	uint32_t before, after;
};

/* What is known of how good a plan is. */
enum dv_bound {
	DV_BOUND_HEURISTIC, /* whether more tenants could be placed is not known */
	DV_BOUND_LOWER,	    /* nobody more can be placed; fewer GPUs might do, or would if nothing
			     * stood yet */
	DV_BOUND_OPTIMAL,   /* nobody more can be placed, and fewer GPUs do not do */
	DV_BOUND_COUNT
};

const char *dv_bound_name(enum dv_bound bound);
int dv_bound_parse(const char *name, enum dv_bound *ret, struct dv_error *err) DV_MUST_CHECK;

struct dv_plan {
	char fleet[DV_NAME_SIZE];
	char file[192];	     /* the fleet's, for messages, or "" */
	char *source;	     /* the fleet file as it was planned, owned; NULL: not known */
	char state[17];	     /* hash of what was observed, hex */
	unsigned bound_gpus; /* no plan of the same tenants takes fewer, whatever were moved */
	bool bound_proven;   /* and there is one that takes so many */
	enum dv_bound bound;
	DV_VEC(struct dv_assignment) assignments;
	DV_VEC(struct dv_unplaced) unplaced;
	DV_VEC(struct dv_step) steps;
	bool defragments; /* it was asked for: */
	DV_VEC(struct dv_freed) freed;
	unsigned kept, gpus_used;
	uint64_t waste_memory_bytes;
	uint32_t waste_mpct;
	unsigned waste_stranded_slices;
	char cost_note[192];
};

void dv_plan_fini(struct dv_plan *plan);
/* The tenants without a place: `unplaced` but for GPUs. */
size_t dv_plan_unplaced_tenants(const struct dv_plan *plan);
