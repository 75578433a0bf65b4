/* SPDX-License-Identifier: Apache-2.0 */
/* What one user holds, over all devices: as much of each as nobody else can have meanwhile. */
#include <stdio.h>
#include <string.h>

#include "engine/internal.h"
#include "model/tree.h"
#include "model/units.h"

struct held {
	unsigned leases;
	uint64_t memory_bytes, mpct;
};

/* Of a partition of MIG. */
static unsigned compute_slices(const struct dv_gpu *gpu, const struct dv_lease *lease)
{
	const struct dv_mig_profile *profile = dv_mig_find(&gpu->mig, lease->profile);

	return profile ? profile->compute_slices : gpu->mig.compute_slices;
}

/* Of a slice in a MIG partition: its share of that one's. */
static uint64_t slice_mpct(const struct dv_gpu *gpu, const struct dv_lease *lease)
{
	if (!dv_lease_on_mig(lease) || !gpu->mig.compute_slices)
		return lease->compute_mpct;
	return (uint64_t)lease->compute_mpct * compute_slices(gpu, lease) / gpu->mig.compute_slices;
}

/* Parts of a MIG partition are counted with all of its memory, which they share. */
static void add(const struct dv_engine *engine, const struct dv_lease *lease, struct held *held)
{
	ssize_t i = dv_engine_find_gpu(engine, lease->gpu_uuid);
	const struct dv_gpu *gpu = i < 0 ? NULL : &engine->gpus.items[i];
	struct dv_node node;

	held->leases++;
	if (!gpu || dv_node_parse(lease->node, &node, NULL) < 0) {
		held->memory_bytes += lease->memory_bytes;
		held->mpct += lease->compute_mpct;
	} else if (node.has_slice) {
		held->memory_bytes += lease->memory_bytes;
		held->mpct += slice_mpct(gpu, lease);
	} else if (node.has_partition && gpu->mig.compute_slices && gpu->mig.cells) {
		held->memory_bytes += lease->memory_bytes
					      ? lease->memory_bytes
					      : gpu->memory_bytes / gpu->mig.cells * node.size;
		held->mpct += (uint64_t)DV_MPCT_WHOLE *
			      (node.has_part ? node.part_size : compute_slices(gpu, lease)) /
			      gpu->mig.compute_slices;
	} else if (node.has_partition && gpu->compute_units) {
		held->memory_bytes += lease->memory_bytes
					      ? lease->memory_bytes
					      : gpu->memory_bytes / gpu->compute_units * node.size;
		held->mpct += (uint64_t)DV_MPCT_WHOLE * node.size / gpu->compute_units;
	} else {
		held->memory_bytes += gpu->memory_bytes;
		held->mpct += DV_MPCT_WHOLE;
	}
}

/* What is being made counts as held. */
static void add_planned(const struct dv_engine *engine, uid_t uid, struct held *held)
{
	for (const struct dv_op *op = engine->first; op; op = op->next) {
		if (op->phase != DV_OP_FORWARD || op->verb != DV_OP_APPLY)
			continue;
		for (size_t i = 0; i < op->journal.steps.len; i++) {
			const struct dv_journal_step *entry = &op->journal.steps.items[i];

			if (entry->state == DV_JOURNAL_PLANNED && entry->step.lease.uid == uid &&
			    dv_engine_step_kind(entry->step.op)->makes && entry->step.lease.name[0])
				add(engine, &entry->step.lease, held);
		}
	}
}

static int over(struct dv_error *err, const char *what, const char *most)
{
	dv_error_rule(err, -EDQUOT, "S08", "over your quota of %s: %s", what, most);
	return dv_error_fix(err, -EDQUOT,
			    "release a lease, ask for less, or ask the administrator for more");
}

static int check_sizes(const struct dv_quota *quota, const struct held *held, struct dv_error *err)
{
	char text[32];

	if (quota->leases && held->leases > quota->leases) {
		(void)snprintf(text, sizeof(text), "%u", quota->leases);
		return over(err, "leases", text);
	}
	if (quota->memory_bytes && held->memory_bytes > quota->memory_bytes)
		return over(err, "memory", dv_size_print(quota->memory_bytes, text, sizeof(text)));
	if (quota->compute_mpct && held->mpct > quota->compute_mpct)
		return over(err, "compute",
			    dv_share_print(quota->compute_mpct, text, sizeof(text)));
	return 0;
}

int dv_engine_check_quota(const struct dv_engine *engine, const struct dv_leases *leases, uid_t uid,
			  const struct dv_lease *more, struct dv_error *err)
{
	struct dv_quota quota = {0};
	struct held held = {0};
	int r;

	engine->ops->quota(engine->data, uid, &quota);
	for (size_t i = 0; i < leases->len; i++)
		if (leases->items[i].uid == uid)
			add(engine, &leases->items[i], &held);
	add_planned(engine, uid, &held);
	if (more)
		add(engine, more, &held);
	r = check_sizes(&quota, &held, err);
	if (r < 0 || leases->len + (more != NULL) <= DV_LEASES_MOST)
		return r;
	dv_error_rule(err, -EDQUOT, "S08", "divvyd holds at most %u leases",
		      (unsigned)DV_LEASES_MOST);
	return dv_error_fix(err, -EDQUOT, "release a lease");
}
