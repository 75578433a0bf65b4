/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

int dv_engine_new(struct dv_store *store, const struct dv_engine_ops *ops, void *data,
		  struct dv_engine **ret, struct dv_error *err)
{
	dv_cleanup(dv_engine_freep) struct dv_engine *engine = calloc(1, sizeof(*engine));
	int r;

	if (!engine)
		return dv_error_set(err, -ENOMEM, "no memory for the engine");
	engine->store = store;
	engine->ops = ops;
	engine->data = data;
	r = dv_store_leases(store, &engine->leases, err);
	if (r < 0)
		return r;
	*ret = take_ptr(engine);
	return 0;
}

void dv_engine_free(struct dv_engine *engine)
{
	if (!engine)
		return;
	while (engine->first) {
		struct dv_op *op = engine->first;

		engine->first = op->next;
		dv_engine_op_free(op);
	}
	for (size_t i = 0; i < engine->gpus.len; i++)
		if (engine->notes.items[i].owned)
			engine->ops->disown(engine->data, &engine->gpus.items[i]);
	dv_vec_fini(&engine->leases);
	dv_vec_fini(&engine->gpus);
	dv_vec_fini(&engine->notes);
	free(engine);
}

ssize_t dv_engine_find_gpu(const struct dv_engine *engine, const char *uuid)
{
	for (size_t i = 0; i < engine->gpus.len; i++)
		if (strcmp(engine->gpus.items[i].uuid, uuid) == 0)
			return (ssize_t)i;
	return -1;
}

/* Where the lease with that id is, or would be. */
static size_t lease_place(const struct dv_engine *engine, int64_t id)
{
	size_t low = 0, high = engine->leases.len;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (engine->leases.items[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct dv_lease *dv_engine_find_lease(const struct dv_engine *engine, int64_t id)
{
	size_t i = lease_place(engine, id);

	return i < engine->leases.len && engine->leases.items[i].id == id ? &engine->leases.items[i]
									  : NULL;
}

static void divide(struct dv_engine *engine, const char *uuid)
{
	ssize_t i = dv_engine_find_gpu(engine, uuid);

	if (i >= 0)
		engine->gpus.items[i].division = dv_tree_division(uuid, &engine->leases);
}

void dv_engine_put_lease(struct dv_engine *engine, const struct dv_lease *lease)
{
	size_t i = lease_place(engine, lease->id);
	struct dv_lease *items = engine->leases.items;

	memmove(&items[i + 1], &items[i], (engine->leases.len - i) * sizeof(*items));
	items[i] = *lease;
	engine->leases.len++;
	divide(engine, lease->gpu_uuid);
}

void dv_engine_drop_lease(struct dv_engine *engine, int64_t id)
{
	size_t i = lease_place(engine, id);
	char uuid[DV_UUID_SIZE];

	if (i == engine->leases.len || engine->leases.items[i].id != id)
		return;
	(void)dv_copy(uuid, sizeof(uuid), engine->leases.items[i].gpu_uuid);
	dv_vec_remove(&engine->leases, i);
	divide(engine, uuid);
}

bool dv_engine_has_lease_on(const struct dv_engine *engine, const char *uuid)
{
	for (size_t i = 0; i < engine->leases.len; i++)
		if (strcmp(engine->leases.items[i].gpu_uuid, uuid) == 0)
			return true;
	return false;
}

int dv_engine_own(struct dv_engine *engine, size_t gpu, struct dv_error *err)
{
	int r = 0;

	if (!engine->notes.items[gpu].owned)
		r = engine->ops->own(engine->data, &engine->gpus.items[gpu], err);
	if (r < 0)
		return dv_error_fix(err, r, "choose another GPU, or stop whoever owns this one");
	engine->notes.items[gpu].owned = true;
	return 0;
}

/* By a lease, or by an operation: one that waits has no steps yet, unless a crash left it. */
static bool in_use(const struct dv_engine *engine, const char *uuid)
{
	if (dv_engine_has_lease_on(engine, uuid))
		return true;
	for (const struct dv_op *op = engine->first; op; op = op->next) {
		for (size_t i = 0; i < op->journal.steps.len; i++)
			if (strcmp(op->journal.steps.items[i].step.gpu_uuid, uuid) == 0)
				return true;
	}
	return false;
}

void dv_engine_disown(struct dv_engine *engine, size_t gpu)
{
	engine->ops->disown(engine->data, &engine->gpus.items[gpu]);
	engine->notes.items[gpu].owned = false;
}

void dv_engine_disown_unused(struct dv_engine *engine)
{
	for (size_t i = 0; i < engine->gpus.len; i++)
		if (engine->notes.items[i].owned && !in_use(engine, engine->gpus.items[i].uuid))
			dv_engine_disown(engine, i);
}

int dv_engine_audit(struct dv_engine *engine, const struct dv_identity *who, const char *verb,
		    const char *subject, const char *text, struct dv_error *err)
{
	struct dv_audit entry = {
		.time_s = engine->ops->now_s(engine->data), .uid = who->uid, .pid = who->pid};

	(void)dv_copy(entry.verb, sizeof(entry.verb), verb);
	(void)dv_copy(entry.subject, sizeof(entry.subject), subject);
	(void)dv_copy(entry.text, sizeof(entry.text), text);
	return dv_store_audit_add(engine->store, &entry, err);
}

const struct dv_gpu *dv_engine_gpus(const struct dv_engine *engine, size_t *ret_count)
{
	*ret_count = engine->gpus.len;
	return engine->gpus.items;
}

const struct dv_leases *dv_engine_leases(const struct dv_engine *engine)
{
	return &engine->leases;
}

const struct dv_lease *dv_engine_lease(const struct dv_engine *engine, const char *name)
{
	for (size_t i = 0; i < engine->leases.len; i++)
		if (strcmp(engine->leases.items[i].name, name) == 0)
			return &engine->leases.items[i];
	return NULL;
}

void dv_engine_lease_seen(struct dv_engine *engine, int64_t id, enum dv_lease_state state)
{
	struct dv_lease *lease = dv_engine_find_lease(engine, id);

	if (!lease ||
	    (state != DV_LEASE_READY && state != DV_LEASE_ACTIVE && state != DV_LEASE_UNENFORCED))
		return;
	/* One that is being made, ended or is broken stays what it is. */
	if (lease->state == DV_LEASE_READY || lease->state == DV_LEASE_ACTIVE ||
	    lease->state == DV_LEASE_UNENFORCED)
		lease->state = state;
}

bool dv_engine_idle(const struct dv_engine *engine)
{
	return !engine->first;
}

bool dv_engine_stalled(const struct dv_engine *engine)
{
	for (const struct dv_op *op = engine->first; op; op = op->next)
		if (op->stalled)
			return true;
	return false;
}

void dv_engine_retry(struct dv_engine *engine)
{
	dv_engine_pump(engine);
}
