/* SPDX-License-Identifier: Apache-2.0 */
/* Plans by hand. */
#pragma once

#include "fake.h"

/* An empty plan of that fleet for the engine's state as it is. */
void plan_begin(struct dv_plan *plan, const struct fake *fake, const char *fleet);
/* Steps that make: a slice (1 GiB, 10 %), a partition, the whole device. Returns the step. */
struct dv_step *plan_slice(struct dv_plan *plan, const char *gpu, const char *name);
/* A slice (1 GiB, 10 %) in the MIG partition at that node. */
struct dv_step *plan_inner(struct dv_plan *plan, const char *node, const char *profile,
			   const char *name);
struct dv_step *plan_partition(struct dv_plan *plan, const char *node, const char *name);
struct dv_step *plan_whole(struct dv_plan *plan, const char *gpu, const char *name);
struct dv_step *plan_mig(struct dv_plan *plan, const char *node, const char *name);
/* A compute instance that is a part of a partition. */
struct dv_step *plan_part(struct dv_plan *plan, const char *node, const char *name);
/* A step that turns MIG mode on or off. */
struct dv_step *plan_mode(struct dv_plan *plan, const char *gpu, bool on);
/* A step that ends that lease of the engine. */
struct dv_step *plan_end(struct dv_plan *plan, const struct fake *fake, const char *name);
/* Apply it, then forget it; returns what came of it, 1: not answered yet. */
int plan_apply(struct dv_plan *plan, struct fake *fake, const struct dv_identity *who,
	       bool consent);
