/* SPDX-License-Identifier: Apache-2.0 */
/* What a request would get on one GPU: defaults filled in, a place chosen, every rule asked. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"
#include "model/units.h"

enum {
	SHARE_LEAST = 5000, /* of a slice that does not say its share */
};

static int in_quarantine(const struct dv_gpu *gpu, struct dv_error *err)
{
	char title[DV_GPU_TITLE_SIZE];

	dv_error_rule(err, -EBUSY, "S11", "%s is in quarantine: %s", dv_gpu_title(gpu, title),
		      gpu->quarantine);
	return dv_error_fix(err, -EBUSY,
			    "choose another GPU; `divvy release` of the lease that is named tries "
			    "again, and ends the quarantine when it goes well");
}

int dv_engine_check_held(const struct dv_engine *engine, size_t gpu, struct dv_error *err)
{
	const struct dv_gpu_note *note = &engine->notes.items[gpu];
	char title[DV_GPU_TITLE_SIZE];

	if (note->owned || note->gone)
		return 0;
	if (engine->gpus.items[gpu].quarantine[0])
		return in_quarantine(&engine->gpus.items[gpu], err);
	dv_error_rule(err, -EBUSY, "S05", "%s is another divvyd's by now",
		      dv_gpu_title(&engine->gpus.items[gpu], title));
	return dv_error_fix(err, -EBUSY, "choose another GPU, or stop whoever owns this one");
}

int dv_engine_check_gpu(const struct dv_gpu *gpu, enum dv_method method, enum dv_kind kind,
			struct dv_error *err)
{
	const struct dv_gpu_method *can = dv_gpu_method(gpu, method);
	char title[DV_GPU_TITLE_SIZE];

	if (gpu->quarantine[0])
		return in_quarantine(gpu, err);
	if (kind == DV_KIND_VM && gpu->kind == DV_GPU_CPU) {
		dv_error_rule(err, -EOPNOTSUPP, "G08",
			      "%s is this machine's processor: a virtual machine cannot have it",
			      dv_gpu_title(gpu, title));
		return dv_error_fix(err, -EOPNOTSUPP,
				    "ask for a GPU, or for kind process or container");
	}
	if (can && can->ok)
		return 0;
	dv_error_rule(err, -EOPNOTSUPP, can && can->rule_count ? can->rules[0] : "G09",
		      "%s cannot do %s here: %s", dv_gpu_title(gpu, title), dv_method_name(method),
		      can && can->why[0] ? can->why : "this kind of device does not have it");
	return dv_error_fix(err, -EOPNOTSUPP, "`divvy gpus %s` lists what it can do", gpu->id);
}

int dv_engine_check_mode(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 struct dv_error *err)
{
	char title[DV_GPU_TITLE_SIZE];

	if (lease->method != DV_METHOD_SLICE)
		return 0;
	if (lease->profile[0])
		return dv_engine_check_gpu(gpu, DV_METHOD_MIG, lease->kind, err);
	if (gpu->mig.mode != DV_MIG_ON)
		return 0;
	dv_error_rule(
		err, -EOPNOTSUPP, "G09",
		"%s cannot do slice here: its MIG mode is on, so a slice is one of a partition",
		dv_gpu_title(gpu, title));
	return dv_error_fix(err, -EOPNOTSUPP,
			    "let a fleet say 'method: slice' with the partition's 'profile', or "
			    "choose another GPU");
}

/* Half of what is left, so that the next one finds room too. Where nothing is left the least is
 * asked for, and the tree says who is in the way. */
static void slice_defaults(const struct dv_engine *engine, const struct dv_gpu *gpu,
			   struct dv_lease *lease)
{
	uint64_t memory;
	uint32_t mpct;

	dv_tree_left(gpu, &engine->leases, gpu->uuid, &memory, &mpct);
	if (!lease->memory_bytes)
		lease->memory_bytes = DV_MAX(memory / 2 / DV_MIB * DV_MIB, DV_MIB);
	if (!lease->compute_mpct)
		lease->compute_mpct = DV_MAX(mpct / 2, (uint32_t)SHARE_LEAST);
}

static int claim_slice(const struct dv_engine *engine, const struct dv_gpu *gpu,
		       struct dv_lease *lease, struct dv_error *err)
{
	struct dv_node node = {.has_slice = true, .slice = INT64_MAX};
	int r = dv_engine_check_mode(gpu, lease, err);

	if (r < 0)
		return r;
	slice_defaults(engine, gpu, lease);
	(void)dv_copy(node.gpu_uuid, sizeof(node.gpu_uuid), gpu->uuid);
	(void)dv_node_print(&node, lease->node, sizeof(lease->node));
	return dv_tree_may_claim(gpu, &engine->leases, lease, err);
}

static uint32_t free_units(const struct dv_engine *engine, const struct dv_gpu *gpu)
{
	uint32_t units = gpu->compute_units;
	struct dv_node node;

	for (size_t i = 0; i < engine->leases.len; i++)
		if (strcmp(engine->leases.items[i].gpu_uuid, gpu->uuid) == 0 &&
		    dv_node_parse(engine->leases.items[i].node, &node, NULL) == 0 &&
		    node.has_partition)
			units -= DV_MIN(units, node.size);
	return units;
}

static uint32_t partition_size(const struct dv_engine *engine, const struct dv_gpu *gpu,
			       const struct dv_lease_request *request)
{
	uint64_t of_share = (uint64_t)gpu->compute_units * request->compute_mpct;

	if (request->compute_units)
		return request->compute_units;
	if (request->compute_mpct)
		return (uint32_t)((of_share + DV_MPCT_WHOLE - 1) / DV_MPCT_WHOLE);
	return DV_MAX((free_units(engine, gpu) + 1) / 2, 1u);
}

/* The lowest place that is free; the refusal is that of the last place that was tried. */
static int claim_partition(const struct dv_engine *engine, const struct dv_gpu *gpu,
			   const struct dv_lease_request *request, struct dv_lease *lease,
			   struct dv_error *err)
{
	struct dv_node node = {.has_partition = true, .size = partition_size(engine, gpu, request)};
	struct dv_error why = {0};
	char title[DV_GPU_TITLE_SIZE], wanted[32], whole[32];
	int r = -ENOSPC;

	lease->compute_mpct = 0;
	if (lease->memory_bytes > gpu->memory_bytes) {
		dv_error_rule(err, r, "G01", "%s has %s, not %s", dv_gpu_title(gpu, title),
			      dv_size_print(gpu->memory_bytes, whole, sizeof(whole)),
			      dv_size_print(lease->memory_bytes, wanted, sizeof(wanted)));
		return dv_error_fix(err, r, "ask for at most %s", whole);
	}
	(void)dv_copy(node.gpu_uuid, sizeof(node.gpu_uuid), gpu->uuid);
	do {
		why = (struct dv_error){0};
		(void)dv_node_print(&node, lease->node, sizeof(lease->node));
		r = dv_tree_may_claim(gpu, &engine->leases, lease, &why);
		node.start++;
	} while (r < 0 && (uint64_t)node.start + node.size <= gpu->compute_units);
	if (r < 0 && err && !err->code)
		*err = why;
	return r;
}

int dv_engine_claim(const struct dv_engine *engine, size_t gpu_at,
		    const struct dv_lease_request *request, struct dv_lease *ret,
		    struct dv_error *err)
{
	const struct dv_gpu *gpu = &engine->gpus.items[gpu_at];
	struct dv_lease lease = {
		.kind = request->kind,
		.method = request->method,
		.policy = request->policy,
		.memory_bytes = request->memory_bytes,
		.compute_mpct = request->compute_mpct,
		.ephemeral = request->ephemeral,
	};
	int r = dv_engine_check_gpu(gpu, request->method, request->kind, err);

	if (r < 0)
		return r;
	(void)dv_copy(lease.name, sizeof(lease.name), request->name);
	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), gpu->uuid);
	(void)dv_copy(lease.node, sizeof(lease.node), gpu->uuid);
	if (request->method == DV_METHOD_SLICE)
		r = claim_slice(engine, gpu, &lease, err);
	else if (request->method == DV_METHOD_PARTITION)
		r = claim_partition(engine, gpu, request, &lease, err);
	else
		r = dv_tree_may_claim(gpu, &engine->leases, &lease, err);
	if (r == 0)
		*ret = lease;
	return r;
}
