/* SPDX-License-Identifier: Apache-2.0 */
#include "plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

void plan_begin(struct dv_plan *plan, const struct fake *fake, const char *fleet)
{
	*plan = (struct dv_plan){0};
	(void)dv_copy(plan->fleet, sizeof(plan->fleet), fleet);
	dv_engine_state(fake->engine, plan->state);
}

static struct dv_step *add(struct dv_plan *plan, const char *op, const char *node, const char *name,
			   enum dv_method method)
{
	struct dv_step step = {.id = (unsigned)plan->steps.len + 1, .start = -1, .size = -1};

	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)snprintf(step.gpu_uuid, sizeof(step.gpu_uuid), "%.*s", (int)strcspn(node, "/"), node);
	(void)dv_copy(step.tenant, sizeof(step.tenant), name);
	(void)dv_copy(step.lease.name, sizeof(step.lease.name), name);
	(void)dv_copy(step.lease.gpu_uuid, sizeof(step.lease.gpu_uuid), step.gpu_uuid);
	step.lease.method = method;
	if (method != DV_METHOD_SLICE)
		(void)dv_copy(step.lease.node, sizeof(step.lease.node), node);
	if (dv_vec_push(&plan->steps, step) < 0)
		abort();
	return &plan->steps.items[plan->steps.len - 1];
}

struct dv_step *plan_slice(struct dv_plan *plan, const char *gpu, const char *name)
{
	struct dv_step *step = add(plan, "slice.create", gpu, name, DV_METHOD_SLICE);

	step->lease.memory_bytes = DV_GIB;
	step->lease.compute_mpct = 10000;
	return step;
}

struct dv_step *plan_inner(struct dv_plan *plan, const char *node, const char *profile,
			   const char *name)
{
	struct dv_step *step = plan_slice(plan, node, name);

	(void)dv_copy(step->lease.node, sizeof(step->lease.node), node);
	(void)dv_copy(step->lease.profile, sizeof(step->lease.profile), profile);
	return step;
}

struct dv_step *plan_partition(struct dv_plan *plan, const char *node, const char *name)
{
	return add(plan, "partition.create", node, name, DV_METHOD_PARTITION);
}

struct dv_step *plan_whole(struct dv_plan *plan, const char *gpu, const char *name)
{
	return add(plan, "whole.create", gpu, name, DV_METHOD_PASSTHROUGH);
}

struct dv_step *plan_mig(struct dv_plan *plan, const char *node, const char *name)
{
	return add(plan, "mig.create", node, name, DV_METHOD_MIG);
}

struct dv_step *plan_part(struct dv_plan *plan, const char *node, const char *name)
{
	return add(plan, "mig.ci_create", node, name, DV_METHOD_MIG);
}

struct dv_step *plan_mode(struct dv_plan *plan, const char *gpu, bool on)
{
	return add(plan, on ? "mig.enable" : "mig.disable", gpu, "", DV_METHOD_MIG);
}

struct dv_step *plan_end(struct dv_plan *plan, const struct fake *fake, const char *name)
{
	const struct dv_lease *lease = dv_engine_lease(fake->engine, name);
	const char *op = "slice.destroy";
	struct dv_step *step;

	if (!lease)
		return add(plan, op, "CPU-0", name, DV_METHOD_SLICE);
	if (lease->method == DV_METHOD_PASSTHROUGH)
		op = "whole.destroy";
	else if (lease->method == DV_METHOD_PARTITION)
		op = "partition.destroy";
	else if (lease->method == DV_METHOD_MIG)
		op = "mig.destroy";
	step = add(plan, op, lease->node, name, lease->method);
	step->lease = *lease;
	return step;
}

int plan_apply(struct dv_plan *plan, struct fake *fake, const struct dv_identity *who, bool consent)
{
	const struct dv_apply apply = {
		.plan = plan, .fleet_text = "version: 1\n", .consent = consent};
	int r;

	fake->err = (struct dv_error){0};
	fake->r = 1;
	r = dv_engine_apply(fake->engine, &apply, who, fake_done, fake, &fake->err);
	dv_plan_fini(plan);
	return r < 0 ? r : fake->r;
}
