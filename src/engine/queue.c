/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is. Operations stand in the order of arrival; none begins while an earlier one has
 * or wants one of its GPUs. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"

struct dv_op *dv_engine_op_new(enum dv_op_verb verb, const struct dv_identity *who,
			       dv_engine_done_fn done, void *arg)
{
	static const char *const words[] = {"take", "release", "apply", "reopen"};
	struct dv_op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->verb = verb;
	op->start = DV_OP_FORWARD;
	op->done = done;
	op->arg = arg;
	if (who)
		op->who = *who;
	op->journal.uid = op->who.uid;
	(void)dv_copy(op->journal.verb, sizeof(op->journal.verb), words[verb]);
	return op;
}

void dv_engine_op_free(struct dv_op *op)
{
	if (!op)
		return;
	dv_vec_fini(&op->journal.steps);
	dv_plan_fini(&op->plan);
	free(op->fleet_text);
	free(op);
}

int dv_engine_may_queue(struct dv_engine *engine, struct dv_error *err)
{
	if (!engine->recovered) {
		dv_error_rule(err, -EBUSY, "S19", "divvyd has not yet looked at what stood before");
		return dv_error_fix(err, -EBUSY, "try again in a moment");
	}
	if (engine->waiting < DV_WAITING_MOST)
		return 0;
	dv_error_rule(err, -EBUSY, "S19", "%u operations are at work or waiting already",
		      engine->waiting);
	return dv_error_fix(err, -EBUSY, "try again in a moment");
}

void dv_engine_queue_take(struct dv_engine *engine, struct dv_op *op)
{
	struct dv_op **last = &engine->first;

	while (*last)
		last = &(*last)->next;
	*last = op;
	engine->waiting++;
}

void dv_engine_op_refuse(struct dv_op *op, int r, const struct dv_error *err)
{
	op->phase = DV_OP_OVER;
	op->r = r;
	op->err = *err;
}

static void hold(struct dv_engine *engine, struct dv_op *op, const char *uuid)
{
	ssize_t i = dv_engine_find_gpu(engine, uuid);

	if (i >= 0 && !engine->notes.items[i].holder)
		engine->notes.items[i].holder = op;
}

/* Nobody later in the queue gets what this one has or waits for. */
static void hold_all(struct dv_engine *engine, struct dv_op *op)
{
	hold(engine, op, op->gpu_uuid);
	for (size_t i = 0; i < op->journal.steps.len; i++)
		hold(engine, op, op->journal.steps.items[i].step.gpu_uuid);
	for (size_t i = 0; i < op->plan.steps.len; i++)
		hold(engine, op, op->plan.steps.items[i].gpu_uuid);
}

static bool is_held(const struct dv_engine *engine, const char *uuid, const struct dv_op **ret)
{
	ssize_t i = dv_engine_find_gpu(engine, uuid);

	if (i < 0 || !engine->notes.items[i].holder)
		return false;
	*ret = engine->notes.items[i].holder;
	return true;
}

/* The operation that has one of this one's GPUs, or NULL. */
static const struct dv_op *held_by(const struct dv_engine *engine, const struct dv_op *op)
{
	const struct dv_op *holder = NULL;

	if (is_held(engine, op->gpu_uuid, &holder))
		return holder;
	for (size_t i = 0; i < op->journal.steps.len; i++)
		if (is_held(engine, op->journal.steps.items[i].step.gpu_uuid, &holder))
			return holder;
	for (size_t i = 0; i < op->plan.steps.len; i++)
		if (is_held(engine, op->plan.steps.items[i].gpu_uuid, &holder))
			return holder;
	return NULL;
}

void dv_engine_refuse_stalled(struct dv_op *op, const struct dv_op *holder, const char *what)
{
	struct dv_error err = holder->err;

	dv_error_prefix(&err, holder->r, "an earlier change of the %s", what);
	dv_engine_op_refuse(op, holder->r, &err);
}

/* Returns whether the operation runs or is over now. */
static bool try_start(struct dv_engine *engine, struct dv_op *op)
{
	const struct dv_op *holder = held_by(engine, op);

	if (holder && !op->recovered && holder->stalled) {
		dv_engine_refuse_stalled(op, holder, "GPU");
		return true;
	}
	if (holder)
		return false;
	if (op->recovered && (op->journal.id || op->verb == DV_OP_REOPEN)) {
		op->phase = op->start;
		return true;
	}
	switch (op->verb) {
	case DV_OP_TAKE:
		return dv_engine_start_take(engine, op);
	case DV_OP_RELEASE:
		return dv_engine_start_release(engine, op);
	case DV_OP_APPLY:
		return dv_engine_start_apply(engine, op);
	case DV_OP_REOPEN:
		break;
	}
	return false;
}

static void tell_recovery(struct dv_engine *engine, const struct dv_op *op)
{
	if (op->r < 0 && engine->recover_r == 0) {
		engine->recover_r = op->r;
		engine->recover_err = op->err;
	}
	if (--engine->recovering == 0)
		engine->recover_done(engine->recover_arg, engine->recover_r, NULL,
				     engine->recover_r < 0 ? &engine->recover_err : NULL);
}

void dv_engine_tell(struct dv_engine *engine, struct dv_op *op, const struct dv_lease *lease)
{
	dv_engine_done_fn done = op->done;

	if (op->told)
		return;
	op->told = true;
	if (op->recovered)
		tell_recovery(engine, op);
	else
		done(op->arg, op->r, lease, op->r < 0 ? &op->err : NULL);
}

/* What a take made, or a release ended. */
static const struct dv_lease *result_of(const struct dv_engine *engine, const struct dv_op *op)
{
	if (op->r < 0 || op->recovered || op->verb == DV_OP_APPLY)
		return NULL;
	if (op->verb == DV_OP_RELEASE)
		return &op->journal.steps.items[0].step.lease;
	return dv_engine_find_lease(engine, op->journal.steps.items[0].step.lease.id);
}

static void finish(struct dv_engine *engine, struct dv_op *op)
{
	struct dv_op **at = &engine->first;

	while (*at != op)
		at = &(*at)->next;
	*at = op->next;
	engine->waiting--;
	dv_engine_disown_unused(engine);
	dv_engine_tell(engine, op, result_of(engine, op));
	dv_engine_op_free(op);
}

static bool is_active(const struct dv_op *op)
{
	return op->phase == DV_OP_FORWARD || op->phase == DV_OP_UNDO;
}

/* Go through the queue once; returns whether an operation ended, which changes who may start. */
static bool round_of(struct dv_engine *engine)
{
	for (size_t i = 0; i < engine->notes.len; i++)
		engine->notes.items[i].holder = NULL;
	/* Also a later one may have what an earlier one wants: that one found its lease, or its
	 * room, on another GPU than the one it waited for. */
	for (struct dv_op *op = engine->first; op; op = op->next)
		if (is_active(op))
			hold_all(engine, op);
	for (struct dv_op *op = engine->first; op; op = op->next) {
		if (op->phase == DV_OP_WAITING && !try_start(engine, op)) {
			hold_all(engine, op);
			continue;
		}
		dv_engine_advance(engine, op);
		if (op->phase == DV_OP_OVER) {
			finish(engine, op);
			return true;
		}
		hold_all(engine, op);
	}
	return false;
}

void dv_engine_pump(struct dv_engine *engine)
{
	if (engine->pumping) {
		engine->again = true;
		return;
	}
	engine->pumping = true;
	do {
		engine->again = false;
		if (round_of(engine))
			engine->again = true;
	} while (engine->again);
	engine->pumping = false;
}
