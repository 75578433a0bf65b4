/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"

static int no_such_lease(const char *name, struct dv_error *err)
{
	dv_error_rule(err, -ENOENT, "S09", "there is no lease '%.100s'", name);
	return dv_error_fix(err, -ENOENT, "`divvy leases` lists them");
}

int dv_engine_may_release(struct dv_engine *engine, const struct dv_lease *lease,
			  const struct dv_identity *who, struct dv_error *err)
{
	if (who->admin || who->uid == lease->uid)
		return 0;
	(void)dv_engine_audit(engine, who, "refused", lease->name,
			      "release: the lease is another user's", NULL);
	dv_error_rule(err, -EPERM, "S10", "lease '%s' is user %u's, not yours", lease->name,
		      lease->uid);
	return dv_error_fix(err, -EPERM, "ask that user or an administrator to release it");
}

/* `id`: 0 where the lease was asked for by its name. */
static int release(struct dv_engine *engine, const struct dv_lease *lease, int64_t id,
		   const struct dv_identity *who, dv_engine_done_fn done, void *arg,
		   struct dv_error *err)
{
	struct dv_op *op;
	int r = dv_engine_may_release(engine, lease, who, err);

	if (r == 0)
		r = dv_engine_may_queue(engine, err);
	if (r < 0)
		return r;
	op = dv_engine_op_new(DV_OP_RELEASE, who, done, arg);
	if (!op)
		return dv_error_set(err, -ENOMEM, "no memory for the request");
	op->lease_id = id;
	(void)dv_copy(op->name, sizeof(op->name), lease->name);
	(void)dv_copy(op->gpu_uuid, sizeof(op->gpu_uuid), lease->gpu_uuid);
	dv_engine_queue_take(engine, op);
	dv_engine_pump(engine);
	return 0;
}

int dv_engine_release(struct dv_engine *engine, const char *name, const struct dv_identity *who,
		      dv_engine_done_fn done, void *arg, struct dv_error *err)
{
	const struct dv_lease *lease = dv_engine_lease(engine, name);

	return lease ? release(engine, lease, 0, who, done, arg, err) : no_such_lease(name, err);
}

int dv_engine_release_id(struct dv_engine *engine, int64_t id, const struct dv_identity *who,
			 dv_engine_done_fn done, void *arg, struct dv_error *err)
{
	const struct dv_lease *lease = dv_engine_find_lease(engine, id);
	int r;

	if (lease)
		return release(engine, lease, id, who, done, arg, err);
	r = dv_error_rule(err, -ENOENT, "S09", "the lease with id %lld is no more", (long long)id);
	return dv_error_fix(err, r, "`divvy leases` lists those that there are");
}

static const struct dv_change beginning = {.lease = DV_CHANGE_STATE,
					   .lease_state = DV_LEASE_RELEASING,
					   .step_state = DV_JOURNAL_BEGUN};

static int write_begin(struct dv_engine *engine, struct dv_op *op, struct dv_error *err)
{
	int r = dv_store_op_begin(engine->store, &op->journal, err);

	return r < 0 ? r : dv_engine_change_write(engine, op, 0, &beginning, err);
}

static int begin(struct dv_engine *engine, struct dv_op *op, struct dv_error *err)
{
	int r = dv_store_begin(engine->store, err);

	if (r < 0)
		return r;
	r = write_begin(engine, op, err);
	if (r < 0) {
		dv_store_rollback(engine->store);
		return r;
	}
	return dv_store_commit(engine->store, err);
}

static int start(struct dv_engine *engine, struct dv_op *op, size_t gpu,
		 const struct dv_lease *lease, struct dv_error *err)
{
	struct dv_journal_step entry = {.state = DV_JOURNAL_PLANNED};
	int r;

	dv_engine_step_of(&engine->gpus.items[gpu], lease, false, 1, &entry.step);
	if (dv_vec_push(&op->journal.steps, entry) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the request");
	op->journal.begun_s = engine->ops->now_s(engine->data);
	r = begin(engine, op, err);
	if (r < 0) {
		op->journal.steps.len = 0;
		op->journal.id = 0;
		return r;
	}
	op->phase = DV_OP_FORWARD;
	dv_engine_change_keep(engine, op, 0, &beginning);
	return 0;
}

/* While it waited, the lease may have ended, and another of that name may have come: that one is
 * meant too, unless an id says otherwise. */
static const struct dv_lease *meant(const struct dv_engine *engine, const struct dv_op *op)
{
	const struct dv_lease *lease = dv_engine_lease(engine, op->name);

	return lease && op->lease_id && lease->id != op->lease_id ? NULL : lease;
}

bool dv_engine_start_release(struct dv_engine *engine, struct dv_op *op)
{
	const struct dv_lease *lease = meant(engine, op);
	ssize_t gpu = lease ? dv_engine_find_gpu(engine, lease->gpu_uuid) : -1;
	struct dv_error err = {0};
	int r;

	op->stalled = false;
	if (gpu >= 0 && engine->notes.items[gpu].holder) {
		/* It is on another GPU now, where somebody is at work. */
		(void)dv_copy(op->gpu_uuid, sizeof(op->gpu_uuid), lease->gpu_uuid);
		return false;
	}
	if (gpu < 0)
		r = no_such_lease(op->name, &err);
	else
		r = op->recovered ? 0 : dv_engine_may_release(engine, lease, &op->who, &err);
	if (r == 0)
		r = dv_engine_check_held(engine, (size_t)gpu, &err);
	if (r == 0 && !op->recovered)
		r = dv_engine_mig_may_end(&engine->leases, &engine->gpus.items[gpu], lease, &err);
	if (r == 0)
		r = start(engine, op, (size_t)gpu, lease, &err);
	/* Nobody would ask again for one that recovery wants released. */
	if (r < 0 && op->recovered && gpu >= 0) {
		dv_engine_stall(engine, op, r, &err);
		return false;
	}
	if (r < 0)
		dv_engine_op_refuse(op, r, &err);
	return true;
}
