/* SPDX-License-Identifier: Apache-2.0 */
/* What steps change of a GPU's MIG, until the next probe says it anew; and leases whose partition
 * is not there any more: a reboot, a new driver or somebody else took it. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

static void remove_instance(struct dv_mig *mig, unsigned at)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < mig->compute_count; i++)
		if (mig->computes[i].instance != mig->instances[at].id)
			mig->computes[kept++] = mig->computes[i];
	mig->compute_count = kept;
	mig->instance_count--;
	memmove(&mig->instances[at], &mig->instances[at + 1],
		(mig->instance_count - at) * sizeof(mig->instances[0]));
}

static void drop_instance(struct dv_mig *mig, const struct dv_node *node)
{
	const struct dv_mig_instance *there = dv_mig_instance_at(mig, node->start, node->size);

	if (there)
		remove_instance(mig, (unsigned)(there - mig->instances));
}

/* Its id is not known yet; nobody is handed what has no compute instance. */
static void add_instance(struct dv_mig *mig, const struct dv_node *node, const char *name)
{
	const struct dv_mig_profile *profile;
	struct dv_mig_instance *instance;
	const char *whole;

	(void)dv_mig_part_slices(name, &whole);
	profile = dv_mig_find(mig, whole);
	if (mig->instance_count == DV_MIG_INSTANCES_MOST ||
	    dv_mig_instance_at(mig, node->start, node->size))
		return;
	instance = &mig->instances[mig->instance_count++];
	*instance = (struct dv_mig_instance){.id = UINT32_MAX,
					     .profile_id = profile ? profile->id : UINT32_MAX,
					     .start = (uint8_t)node->start,
					     .size = (uint8_t)node->size};
	(void)dv_copy(instance->profile, sizeof(instance->profile), whole);
}

static bool share(const struct dv_lease *lease, const struct dv_lease *other)
{
	struct dv_node node, at;

	return dv_lease_on_mig(lease) && other->id != lease->id &&
	       dv_node_parse(lease->node, &node, NULL) == 0 &&
	       dv_node_parse(other->node, &at, NULL) == 0 &&
	       strcmp(at.gpu_uuid, node.gpu_uuid) == 0 && at.has_partition &&
	       at.start == node.start && at.size == node.size;
}

static bool is_shared(const struct dv_leases *leases, const struct dv_lease *lease)
{
	for (size_t i = 0; i < leases->len; i++)
		if (share(lease, &leases->items[i]))
			return true;
	return false;
}

bool dv_engine_mig_shared(const struct dv_engine *engine, const struct dv_lease *lease)
{
	return is_shared(&engine->leases, lease);
}

static bool ends_by(const struct dv_op *op, const struct dv_lease *lease)
{
	for (size_t i = 0; i < op->journal.steps.len; i++) {
		const struct dv_step *step = &op->journal.steps.items[i].step;

		if (step->lease.id == lease->id && !dv_engine_step_kind(step->op)->makes)
			return true;
	}
	return false;
}

bool dv_engine_mig_vacates(const struct dv_engine *engine, const struct dv_op *op,
			   const struct dv_lease *lease)
{
	if (!dv_lease_on_mig(lease) || !ends_by(op, lease))
		return false;
	for (size_t i = 0; i < engine->leases.len; i++)
		if (share(lease, &engine->leases.items[i]) &&
		    !ends_by(op, &engine->leases.items[i]))
			return false;
	return true;
}

int dv_engine_mig_may_end(const struct dv_leases *leases, const struct dv_gpu *gpu,
			  const struct dv_lease *lease, struct dv_error *err)
{
	const struct dv_mig_instance *there;
	struct dv_node node;

	if (!dv_lease_on_mig(lease) || dv_node_parse(lease->node, &node, NULL) < 0 ||
	    node.has_part || is_shared(leases, lease))
		return 0;
	there = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	if (!there || (there->profile[0] && strcmp(there->profile, lease->profile) != 0))
		return 0;
	return dv_mig_may_end(&gpu->mig, there, lease->profile, gpu->id, err);
}

static void drop_part(struct dv_mig *mig, const struct dv_node *node)
{
	const struct dv_mig_instance *there = dv_mig_instance_at(mig, node->start, node->size);
	const struct dv_mig_compute *part =
		there ? dv_mig_compute_at(mig, there->id, node->part_start, node->part_size) : NULL;

	if (part)
		mig->computes[part - mig->computes] = mig->computes[--mig->compute_count];
}

void dv_engine_mig_keep(struct dv_engine *engine, const struct dv_step *step,
			enum dv_journal_state state)
{
	const struct dv_step_kind *kind = dv_engine_step_kind(step->op);
	ssize_t gpu = dv_engine_find_gpu(engine, step->gpu_uuid);
	bool makes = state == DV_JOURNAL_DONE ? kind->makes : !kind->makes;
	struct dv_node node;
	struct dv_mig *mig;

	if ((kind->method != DV_METHOD_MIG && !dv_lease_on_mig(&step->lease)) || gpu < 0 ||
	    (state != DV_JOURNAL_DONE && state != DV_JOURNAL_UNDONE))
		return;
	mig = &engine->gpus.items[gpu].mig;
	if (kind->of_gpu) {
		mig->mode = makes ? DV_MIG_ON : DV_MIG_OFF;
		return;
	}
	if (dv_node_parse(step->lease.node, &node, NULL) < 0)
		return;
	if (makes)
		add_instance(mig, &node, step->lease.profile);
	else if (!dv_engine_mig_shared(engine, &step->lease))
		drop_instance(mig, &node);
	else if (node.has_part)
		drop_part(mig, &node);
}

bool dv_engine_mig_missing(const struct dv_gpu *gpu, const struct dv_lease *lease)
{
	const struct dv_mig_instance *there;
	const char *profile;
	struct dv_node node;

	if (!dv_lease_on_mig(lease) || dv_node_parse(lease->node, &node, NULL) < 0)
		return false;
	there = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	(void)dv_mig_part_slices(lease->profile, &profile);
	/* Another in its place is not it. */
	if (!there || (there->profile[0] && strcmp(there->profile, profile) != 0))
		return true;
	return node.has_part
		       ? !dv_mig_compute_at(&gpu->mig, there->id, node.part_start, node.part_size)
		       : !dv_mig_compute_whole(&gpu->mig, there, profile);
}

void dv_engine_set_drift(struct dv_engine *engine, bool report)
{
	engine->report_drift = report;
}

static void audit_missing(struct dv_engine *engine, const struct dv_lease *lease,
			  const struct dv_gpu *gpu)
{
	const struct dv_identity who = {.uid = lease->uid};
	const char *place = strchr(lease->node, '/');
	const char *then = "it is made again";
	char text[256];

	if (engine->report_drift)
		then = "left so (mig: drift: report)";
	else if (gpu->quarantine[0])
		then = "left so: the GPU is quarantined";
	(void)snprintf(text, sizeof(text), "its %s at %.40s of GPU %s is not there: %s",
		       lease->profile, place ? place + 1 : "?", gpu->id, then);
	(void)dv_engine_audit(engine, &who, "missing", lease->name, text, NULL);
}

void dv_engine_mig_mark(struct dv_engine *engine)
{
	for (size_t i = 0; i < engine->leases.len; i++) {
		struct dv_lease *lease = &engine->leases.items[i];
		ssize_t at = dv_engine_find_gpu(engine, lease->gpu_uuid);
		const struct dv_gpu *gpu = at < 0 ? NULL : &engine->gpus.items[at];
		bool missing;

		/* While something is at work there, what the probe saw is no longer true. */
		if (!gpu || engine->notes.items[at].gone || gpu->owned_by[0] ||
		    dv_engine_is_busy(engine, lease->gpu_uuid))
			continue;
		missing = (lease->state == DV_LEASE_READY || lease->state == DV_LEASE_ACTIVE) &&
			  dv_engine_mig_missing(gpu, lease);
		if (missing && !lease->missing)
			audit_missing(engine, lease, gpu);
		lease->missing = missing;
	}
}

uint64_t dv_engine_mig_hash(const struct dv_mig *mig)
{
	uint64_t sum = mig->mode;

	/* In whatever order the driver tells them. */
	for (unsigned i = 0; i < mig->instance_count; i++) {
		const struct dv_mig_instance *instance = &mig->instances[i];
		const uint32_t words[] = {instance->profile_id, instance->start, instance->size};

		sum += dv_hash(DV_HASH_INIT, words, sizeof(words));
	}
	return sum;
}
