/* SPDX-License-Identifier: Apache-2.0 */
/* One operation, step by step: begun is recorded, the step is tried, what came of it is recorded.
 * After a failure the steps that were begun are undone, the last one first. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

void dv_engine_stall(struct dv_engine *engine, struct dv_op *op, int r, const struct dv_error *why)
{
	op->stalled = true;
	if (op->r == 0) {
		op->r = r;
		op->err = *why;
	}
	if (!op->told) {
		dv_error_prefix(&op->err, op->r, "not finished");
		dv_error_fix(&op->err, op->r,
			     "see why the state file cannot be written; divvyd goes on by itself");
	}
	dv_engine_tell(engine, op, NULL);
}

/* Let the steps before `at` be undone. */
static void turn_back(struct dv_op *op, size_t at, int r, const struct dv_error *why)
{
	op->phase = DV_OP_UNDO;
	op->at = at;
	op->answered = false;
	if (op->r == 0) {
		op->r = r;
		op->err = *why;
	}
}

/* Give the step at `seq` to whoever does it. Nothing is done on a GPU that is there and not ours:
 * it was gone, and came back as another divvyd's, or could not be owned. */
static void ask(struct dv_engine *engine, struct dv_op *op, size_t seq, bool undo)
{
	struct dv_step *step = &op->journal.steps.items[seq].step;
	ssize_t gpu = dv_engine_find_gpu(engine, step->gpu_uuid);
	struct dv_error err = {0};
	int r = 0;

	op->token = ++engine->last_token;
	op->asked = true;
	op->answered = false;
	step->alone = !dv_engine_mig_shared(engine, &step->lease);
	step->vacates = !undo && dv_engine_mig_vacates(engine, op, &step->lease);
	if (gpu < 0)
		r = dv_error_set(&err, -ENODEV, "GPU %s is not there any more", step->gpu_uuid);
	else
		r = dv_engine_check_held(engine, (size_t)gpu, &err);
	if (r == 0)
		r = engine->ops->step(engine->data, step, &engine->gpus.items[gpu], undo, op->token,
				      &err);
	if (r < 0)
		dv_engine_step_done(engine, op->token, r, &err);
}

static bool is_broken(const struct dv_journal_step *entry)
{
	return entry->step.lease.state == DV_LEASE_BROKEN;
}

/* The step is left as it is: nobody knows what it did, or its undo failed too. */
static int give_up(struct dv_engine *engine, struct dv_op *op, size_t seq, struct dv_error *err)
{
	const struct dv_journal_step *entry = &op->journal.steps.items[seq];
	struct dv_change change = {.lease = DV_CHANGE_STATE,
				   .lease_state = DV_LEASE_BROKEN,
				   .step_state = DV_JOURNAL_FAILED};
	char why[192];

	(void)snprintf(why, sizeof(why), "lease '%s': %s failed: %.64s", entry->step.lease.name,
		       entry->step.op, op->answer_err.msg);
	/* Of one that was dropped with its GPU, or is none, nothing is left to be looked after. */
	if (dv_engine_find_lease(engine, entry->step.lease.id))
		change.quarantine = why;
	else
		change.lease = DV_CHANGE_NONE;
	return dv_engine_change(engine, op, seq, &change, err);
}

static void forward_failed(struct dv_engine *engine, struct dv_op *op)
{
	bool keep = op->answer == -ETIMEDOUT || op->verb == DV_OP_REOPEN ||
		    is_broken(&op->journal.steps.items[op->at]);
	struct dv_error err = {0};
	int r = keep ? give_up(engine, op, op->at, &err) : 0;

	if (r < 0)
		dv_engine_stall(engine, op, r, &err);
	else
		turn_back(op, keep ? op->at : op->at + 1, op->answer, &op->answer_err);
}

static void forward_done(struct dv_engine *engine, struct dv_op *op)
{
	const struct dv_journal_step *entry = &op->journal.steps.items[op->at];
	const struct dv_step_kind *kind = dv_engine_step_kind(entry->step.op);
	struct dv_change change = {
		.lease = kind->makes ? DV_CHANGE_STATE : DV_CHANGE_REMOVE,
		.lease_state = DV_LEASE_READY,
		.step_state = DV_JOURNAL_DONE,
		.ends = op->at + 1 == op->journal.steps.len,
	};
	struct dv_error err = {0};
	int r;

	if (op->verb == DV_OP_REOPEN || kind->of_gpu)
		change.lease = DV_CHANGE_NONE;
	r = dv_engine_change(engine, op, op->at, &change, &err);
	/* What was released is gone and does not come back: that is recorded later. */
	if (r < 0 && op->verb == DV_OP_RELEASE) {
		dv_engine_stall(engine, op, r, &err);
		return;
	}
	if (r < 0) {
		turn_back(op, op->at + 1, r, &err);
		return;
	}
	op->answered = false;
	op->at++;
	if (change.ends)
		op->phase = DV_OP_OVER;
}

static void forward(struct dv_engine *engine, struct dv_op *op)
{
	const struct dv_journal_step *entry = &op->journal.steps.items[op->at];
	const struct dv_step_kind *kind = dv_engine_step_kind(entry->step.op);
	struct dv_change change = {
		.lease = kind->makes ? DV_CHANGE_ADD : DV_CHANGE_STATE,
		.lease_state = kind->makes ? DV_LEASE_PENDING : DV_LEASE_RELEASING,
		.step_state = DV_JOURNAL_BEGUN,
	};
	struct dv_error err = {0};
	int r = 0;

	if (kind->of_gpu)
		change.lease = DV_CHANGE_NONE;
	if (op->answered) {
		if (op->answer < 0)
			forward_failed(engine, op);
		else
			forward_done(engine, op);
		return;
	}
	if (entry->state == DV_JOURNAL_PLANNED && op->verb != DV_OP_REOPEN)
		r = dv_engine_change(engine, op, op->at, &change, &err);
	if (r < 0)
		turn_back(op, op->at, r, &err);
	else
		ask(engine, op, op->at, false);
}

/* Record what the answer to an undo means. */
static void undo_answered(struct dv_engine *engine, struct dv_op *op)
{
	size_t seq = op->at - 1;
	const struct dv_journal_step *entry = &op->journal.steps.items[seq];
	const struct dv_step_kind *kind = dv_engine_step_kind(entry->step.op);
	struct dv_change change = {
		.lease = kind->makes ? DV_CHANGE_REMOVE : DV_CHANGE_STATE,
		.lease_state = DV_LEASE_READY,
		.step_state = DV_JOURNAL_UNDONE,
	};
	struct dv_error err = {0};
	int r;

	if (kind->of_gpu)
		change.lease = DV_CHANGE_NONE;
	if (op->answer < 0)
		r = give_up(engine, op, seq, &err);
	else
		r = dv_engine_change(engine, op, seq, &change, &err);
	if (r < 0) {
		dv_engine_stall(engine, op, r, &err);
		return;
	}
	if (op->answer < 0 && op->r == 0) {
		op->r = op->answer;
		op->err = op->answer_err;
	}
	op->answered = false;
	op->at--;
}

/* Nothing is left to undo: the operation ends, badly. */
static void end_undo(struct dv_engine *engine, struct dv_op *op)
{
	const char *word = "undone";
	struct dv_error err = {0};
	char outcome[256];
	int r;

	for (size_t i = 0; i < op->journal.steps.len; i++)
		if (op->journal.steps.items[i].state == DV_JOURNAL_FAILED)
			word = "failed";
	if (op->journal.steps.len > 1 && strcmp(word, "undone") == 0 && !op->err.fix[0])
		dv_error_fix(&op->err, op->err.code,
			     "all that was done before it is undone; see to the cause, then try "
			     "again");
	(void)snprintf(outcome, sizeof(outcome), "%s: %.200s", word,
		       op->err.msg[0] ? op->err.msg : "divvyd ended before it was over");
	r = dv_store_begin(engine->store, &err);
	if (r == 0) {
		r = dv_engine_write_end(engine, op, outcome, &err);
		if (r < 0)
			dv_store_rollback(engine->store);
		else
			r = dv_store_commit(engine->store, &err);
	}
	if (r < 0)
		dv_engine_stall(engine, op, r, &err);
	else
		op->phase = DV_OP_OVER;
}

/* May the lease that a step ended stand again? Nobody else was let onto the GPU or got the name
 * meanwhile, but the GPU may be gone or another's, and what the operation itself made and could not
 * undo may have the place or the name. */
static int may_return(const struct dv_engine *engine, const struct dv_lease *lease,
		      struct dv_error *err)
{
	ssize_t gpu = dv_engine_find_gpu(engine, lease->gpu_uuid);
	int r;

	if (gpu < 0)
		return dv_error_set(err, -ENODEV, "GPU %s is not there any more", lease->gpu_uuid);
	r = dv_engine_check_held(engine, (size_t)gpu, err);
	if (r < 0)
		return r;
	if (dv_engine_lease(engine, lease->name))
		return dv_error_set(err, -EEXIST, "what was to replace '%s' has its name",
				    lease->name);
	return dv_tree_may_claim(&engine->gpus.items[gpu], &engine->leases, lease, err);
}

/* The lease that the step ended does not return. */
static void stay_ended(struct dv_engine *engine, struct dv_op *op, size_t seq, int r,
		       const struct dv_error *why)
{
	const struct dv_change change = {.step_state = DV_JOURNAL_FAILED, .lost = why->msg};
	struct dv_error err = {0};
	int written = dv_engine_change(engine, op, seq, &change, &err);

	if (written < 0) {
		dv_engine_stall(engine, op, written, &err);
		return;
	}
	if (op->r == 0) {
		op->r = r;
		op->err = *why;
	}
	op->at--;
}

static void undo_step(struct dv_engine *engine, struct dv_op *op)
{
	size_t seq = op->at - 1;
	const struct dv_journal_step *entry = &op->journal.steps.items[seq];
	const struct dv_step_kind *kind = dv_engine_step_kind(entry->step.op);
	bool there = dv_engine_find_lease(engine, entry->step.lease.id) != NULL;
	struct dv_change change = {
		.lease = there ? DV_CHANGE_STATE : DV_CHANGE_ADD,
		.lease_state = kind->makes ? DV_LEASE_RELEASING : DV_LEASE_PENDING,
		.step_state = entry->state,
	};
	const enum dv_journal_state entry_was = entry->state;
	/* A lease that the step made is there since it began, one that it ends until it is done; if
	 * not, it was dropped with its GPU. */
	bool dropped = !there && (kind->makes || entry_was == DV_JOURNAL_BEGUN);
	struct dv_error err = {0};
	int r = there || dropped || kind->of_gpu ? 0 : may_return(engine, &entry->step.lease, &err);

	if (r < 0) {
		stay_ended(engine, op, seq, r, &err);
		return;
	}
	if (kind->of_gpu)
		change = (struct dv_change){.step_state = entry->state};
	else if (dropped)
		change = (struct dv_change){.step_state = DV_JOURNAL_UNDONE};
	r = dv_engine_change(engine, op, seq, &change, &err);
	if (r < 0)
		dv_engine_stall(engine, op, r, &err);
	else if (change.step_state != entry_was)
		op->at--;
	else
		ask(engine, op, seq, true);
}

static void undo(struct dv_engine *engine, struct dv_op *op)
{
	if (op->answered) {
		undo_answered(engine, op);
		return;
	}
	while (op->at > 0) {
		enum dv_journal_state state = op->journal.steps.items[op->at - 1].state;

		if (state == DV_JOURNAL_BEGUN || state == DV_JOURNAL_DONE)
			break;
		op->at--;
	}
	if (op->at > 0)
		undo_step(engine, op);
	else
		end_undo(engine, op);
}

void dv_engine_advance(struct dv_engine *engine, struct dv_op *op)
{
	op->stalled = false;
	while (!op->asked && !op->stalled && op->phase != DV_OP_OVER) {
		if (op->phase == DV_OP_UNDO)
			undo(engine, op);
		else
			forward(engine, op);
	}
}

void dv_engine_step_done(struct dv_engine *engine, uint64_t token, int r,
			 const struct dv_error *err)
{
	for (struct dv_op *op = engine->first; op; op = op->next) {
		if (!op->asked || op->token != token)
			continue;
		op->asked = false;
		op->answered = true;
		op->answer = r;
		op->answer_err = (struct dv_error){0};
		if (r < 0 && err)
			op->answer_err = *err;
		if (r < 0 && !op->answer_err.code)
			dv_error_set(&op->answer_err, r, "a step failed without saying why");
		break;
	}
	dv_engine_pump(engine);
}
