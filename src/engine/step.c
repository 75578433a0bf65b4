/* SPDX-License-Identifier: Apache-2.0 */
/* What each step does to a lease, and how store and memory change together. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

static const struct dv_step_kind kinds[] = {
	{"slice.create", "slice.destroy", DV_METHOD_SLICE, true},
	{"slice.destroy", "slice.create", DV_METHOD_SLICE, false},
	{"whole.create", "whole.destroy", DV_METHOD_PASSTHROUGH, true},
	{"whole.destroy", "whole.create", DV_METHOD_PASSTHROUGH, false},
	{"partition.create", "partition.destroy", DV_METHOD_PARTITION, true},
	{"partition.destroy", "partition.create", DV_METHOD_PARTITION, false},
	{"mig.create", "mig.destroy", DV_METHOD_MIG, true},
	{"mig.destroy", "mig.create", DV_METHOD_MIG, false},
	{"mig.ci_create", "mig.ci_destroy", DV_METHOD_MIG, true, .of_part = true},
	{"mig.ci_destroy", "mig.ci_create", DV_METHOD_MIG, false, .of_part = true},
	{"mig.enable", "mig.disable", DV_METHOD_MIG, true, .of_gpu = true},
	{"mig.disable", "mig.enable", DV_METHOD_MIG, false, .of_gpu = true},
};

const struct dv_step_kind *dv_engine_step_kind(const char *op)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].op, op) == 0)
			return &kinds[i];
	return NULL;
}

static const struct dv_step_kind *kind_of(enum dv_method method, bool makes, bool of_part)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(kinds); i++)
		if (kinds[i].method == method && kinds[i].makes == makes && !kinds[i].of_gpu &&
		    kinds[i].of_part == of_part)
			return &kinds[i];
	return NULL;
}

void dv_engine_step_of(const struct dv_gpu *gpu, const struct dv_lease *lease, bool makes,
		       unsigned id, struct dv_step *ret)
{
	struct dv_node node = {0};
	bool known = dv_node_parse(lease->node, &node, NULL) == 0;
	const struct dv_step_kind *kind = kind_of(lease->method, makes, known && node.has_part);
	struct dv_step step = {.id = id, .start = -1, .size = -1, .lease = *lease};

	(void)dv_copy(step.op, sizeof(step.op), kind ? kind->op : "");
	(void)dv_copy(step.undo, sizeof(step.undo), kind ? kind->undo : "");
	(void)dv_copy(step.gpu, sizeof(step.gpu), gpu->id);
	(void)dv_copy(step.gpu_uuid, sizeof(step.gpu_uuid), gpu->uuid);
	(void)dv_copy(step.node, sizeof(step.node), lease->node);
	(void)dv_copy(step.tenant, sizeof(step.tenant), lease->name);
	(void)dv_copy(step.profile, sizeof(step.profile), lease->profile);
	if (known && node.has_partition) {
		step.start = (int)node.start;
		step.size = (int)node.size;
	}
	*ret = step;
}

void dv_engine_step_of_gpu(const struct dv_gpu *gpu, const char *op, unsigned id,
			   struct dv_step *ret)
{
	const struct dv_step_kind *kind = dv_engine_step_kind(op);
	struct dv_step step = {.id = id, .start = -1, .size = -1};

	step.lease.method = kind ? kind->method : DV_METHOD_NONE;
	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.undo, sizeof(step.undo), kind ? kind->undo : "");
	(void)dv_copy(step.gpu, sizeof(step.gpu), gpu->id);
	(void)dv_copy(step.gpu_uuid, sizeof(step.gpu_uuid), gpu->uuid);
	(void)dv_copy(step.node, sizeof(step.node), gpu->uuid);
	*ret = step;
}

/* The one place where a lease comes to stand beside others. */
static int write_lease_add(struct dv_engine *engine, const struct dv_lease *lease,
			   enum dv_lease_state state, struct dv_error *err)
{
	ssize_t gpu = dv_engine_find_gpu(engine, lease->gpu_uuid);
	struct dv_lease added = *lease;
	int r;

	if (gpu < 0)
		return dv_error_set(err, -ENODEV, "GPU %s is not there any more", lease->gpu_uuid);
	r = dv_tree_may_claim(&engine->gpus.items[gpu], &engine->leases, lease, err);
	if (r < 0)
		return r;
	if (dv_vec_reserve(&engine->leases) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for another lease");
	added.state = state;
	return dv_store_lease_add(engine->store, &added, err);
}

static bool has_other_broken(const struct dv_engine *engine, const struct dv_lease *lease)
{
	for (size_t i = 0; i < engine->leases.len; i++) {
		const struct dv_lease *other = &engine->leases.items[i];

		if (other->id != lease->id && other->state == DV_LEASE_BROKEN &&
		    strcmp(other->gpu_uuid, lease->gpu_uuid) == 0)
			return true;
	}
	return false;
}

/* Was it broken when the step was planned, and the last such on its GPU? It is mended when it is
 * gone, or was made again since the operation that was to end it is undone. */
static bool ends_quarantine(const struct dv_engine *engine, const struct dv_lease *lease,
			    const struct dv_change *change)
{
	bool stands = change->lease == DV_CHANGE_STATE && change->lease_state == DV_LEASE_READY;

	return (stands || change->lease == DV_CHANGE_REMOVE) && lease->state == DV_LEASE_BROKEN &&
	       !has_other_broken(engine, lease);
}

static int write_lease(struct dv_engine *engine, const struct dv_lease *lease,
		       const struct dv_change *change, struct dv_error *err)
{
	/* Dropped while an operation was at work on it, since its GPU is another divvyd's now. */
	if (change->lease != DV_CHANGE_ADD && !dv_engine_find_lease(engine, lease->id))
		return 0;
	switch (change->lease) {
	case DV_CHANGE_ADD:
		return write_lease_add(engine, lease, change->lease_state, err);
	case DV_CHANGE_STATE:
		return dv_store_lease_set_state(engine->store, lease->id, change->lease_state, err);
	case DV_CHANGE_REMOVE:
		return dv_store_lease_remove(engine->store, lease->id, err);
	case DV_CHANGE_NONE:
		break;
	}
	return 0;
}

int dv_engine_write_end(struct dv_engine *engine, struct dv_op *op, const char *outcome,
			struct dv_error *err)
{
	const char *subject = op->name[0] ? op->name : op->journal.fleet;
	char text[256];
	int r = 0;

	if (op->journal.id == 0)
		return 0;
	if (op->verb == DV_OP_APPLY && strcmp(outcome, "done") == 0 && !op->recovered)
		r = dv_store_fleet_put(engine->store, op->journal.fleet, op->journal.uid,
				       op->fleet_text, err);
	if (r == 0)
		r = dv_store_op_end(engine->store, op->journal.id, outcome, err);
	if (r < 0)
		return r;
	(void)snprintf(text, sizeof(text), "%s%s", op->recovered ? "after a restart: " : "",
		       outcome);
	return dv_engine_audit(engine, &op->who, op->journal.verb, subject, text, err);
}

int dv_engine_change_write(struct dv_engine *engine, struct dv_op *op, size_t seq,
			   const struct dv_change *change, struct dv_error *err)
{
	const struct dv_step *step = &op->journal.steps.items[seq].step;
	const struct dv_identity tenant = {.uid = step->lease.uid};
	int r = write_lease(engine, &step->lease, change, err);

	if (r == 0 && op->journal.id)
		r = dv_store_op_step(engine->store, op->journal.id, (unsigned)seq,
				     change->step_state, err);
	if (r == 0 && change->quarantine)
		r = dv_store_quarantine_put(engine->store, step->gpu_uuid, change->quarantine, err);
	if (r == 0 && change->quarantine)
		r = dv_engine_audit(engine, &op->who, "quarantine", step->gpu_uuid,
				    change->quarantine, err);
	if (r == 0 && change->lost)
		r = dv_engine_audit(engine, &tenant, "lost", step->lease.name, change->lost, err);
	if (r == 0 && ends_quarantine(engine, &step->lease, change))
		r = dv_store_quarantine_remove(engine->store, step->gpu_uuid, err);
	if (r == 0 && change->ends)
		r = dv_engine_write_end(engine, op, "done", err);
	return r;
}

static void keep_quarantine(struct dv_engine *engine, const struct dv_step *step,
			    const struct dv_change *change)
{
	ssize_t i = dv_engine_find_gpu(engine, step->gpu_uuid);

	if (i < 0 || engine->notes.items[i].gone)
		return;
	if (change->quarantine)
		(void)dv_copy(engine->gpus.items[i].quarantine,
			      sizeof(engine->gpus.items[i].quarantine), change->quarantine);
	else if (ends_quarantine(engine, &step->lease, change))
		engine->gpus.items[i].quarantine[0] = '\0';
}

void dv_engine_change_keep(struct dv_engine *engine, struct dv_op *op, size_t seq,
			   const struct dv_change *change)
{
	struct dv_journal_step *entry = &op->journal.steps.items[seq];
	struct dv_lease *lease, added = entry->step.lease;

	entry->state = change->step_state;
	keep_quarantine(engine, &entry->step, change);
	dv_engine_mig_keep(engine, &entry->step, change->step_state);
	switch (change->lease) {
	case DV_CHANGE_ADD:
		added.state = change->lease_state;
		dv_engine_put_lease(engine, &added);
		break;
	case DV_CHANGE_STATE:
		lease = dv_engine_find_lease(engine, added.id);
		if (lease)
			lease->state = change->lease_state;
		break;
	case DV_CHANGE_REMOVE:
		dv_engine_drop_lease(engine, added.id);
		break;
	case DV_CHANGE_NONE:
		break;
	}
}

int dv_engine_change(struct dv_engine *engine, struct dv_op *op, size_t seq,
		     const struct dv_change *change, struct dv_error *err)
{
	int r = dv_store_begin(engine->store, err);

	if (r < 0)
		return r;
	r = dv_engine_change_write(engine, op, seq, change, err);
	if (r < 0) {
		dv_store_rollback(engine->store);
		return r;
	}
	r = dv_store_commit(engine->store, err);
	if (r == 0)
		dv_engine_change_keep(engine, op, seq, change);
	return r;
}
