/* SPDX-License-Identifier: Apache-2.0 */
/* A world to plan in, for tests: GPUs, leases, a fleet; and what becomes of it when a plan is
 * carried out. The world owns its vectors. A failure anywhere fails the test. */
#pragma once

#include "plan/plan.h"

struct world {
	DV_VEC(struct dv_gpu) gpus;
	struct dv_leases leases;
	struct dv_fleet fleet;
	int64_t next_id;
	bool defragment; /* what plans are asked for */
};

void world_fini(struct world *world);

/* Add a device on which slices, partitions (of the CPU) and passthrough work; returns it, valid
 * until the next is added. */
struct dv_gpu *world_cpu(struct world *world, const char *uuid, uint64_t memory_bytes,
			 unsigned cpus);
struct dv_gpu *world_gpu(struct world *world, const char *uuid, uint64_t memory_bytes);

/* Add an H100 80 GB with MIG. */
struct dv_gpu *world_mig(struct world *world, const char *uuid, enum dv_mig_mode mode);

/* Add a lease; the method follows from the node's form and the device. "" is no fleet. */
struct dv_lease *world_lease(struct world *world, const char *name, const char *fleet,
			     const char *node, uint64_t memory_bytes, uint32_t mpct);

/* The fleet from a fleet file's text; "version: 1\nname: lab\n" goes before it. */
void world_fleet(struct world *world, const char *text);

/* Plan for user 1000, and check what every plan must hold: tenants accounted for once, ids and
 * needs in order, kept ones untouched. */
void world_plan(const struct world *world, struct dv_plan *ret);

/* Carry the plan out in an order that `choose` picks among the steps that may come next (NULL: as
 * listed). Each lease that is made is claimed by the tree's rules; at the end the whole set is
 * legal, and the fleet's leases are the plan's assignments. */
void world_apply(struct world *world, const struct dv_plan *plan, unsigned (*choose)(unsigned n));

const struct dv_assignment *plan_of(const struct dv_plan *plan, const char *tenant);
const struct dv_unplaced *unplaced_of(const struct dv_plan *plan, const char *tenant);
