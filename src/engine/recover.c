/* SPDX-License-Identifier: Apache-2.0 */
/* After a start: what a crash left is undone or finished, what stands is made again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"

/* While recovery is prepared; nothing of the engine changes before all of it could be. */
struct recovery {
	struct dv_journal_ops open; /* as the store has them */
	struct dv_op *first, **last;
	unsigned count;
	bool *fresh; /* beside each GPU: owned since now */
	bool *lost;  /* beside each GPU: another divvyd owns it now */
	bool any_lost;
};

static void recovery_fini(struct recovery *recovery)
{
	while (recovery->first) {
		struct dv_op *op = recovery->first;

		recovery->first = op->next;
		dv_engine_op_free(op);
	}
	dv_journal_ops_fini(&recovery->open);
	free(recovery->fresh);
	free(recovery->lost);
}

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to go on where divvyd ended");
}

static bool is_lost(const struct dv_engine *engine, const struct recovery *recovery,
		    const char *uuid)
{
	ssize_t i = dv_engine_find_gpu(engine, uuid);

	return i >= 0 && recovery->lost[i];
}

static bool is_needed(const struct dv_engine *engine, const struct recovery *recovery,
		      const char *uuid)
{
	if (dv_engine_has_lease_on(engine, uuid))
		return true;
	for (size_t i = 0; i < recovery->open.len; i++) {
		const struct dv_journal_op *op = &recovery->open.items[i];

		for (size_t j = 0; j < op->steps.len; j++)
			if (strcmp(op->steps.items[j].step.gpu_uuid, uuid) == 0)
				return true;
	}
	return false;
}

/* Own what is needed and there; what another divvyd took meanwhile is lost. */
static int own_all(struct dv_engine *engine, struct recovery *recovery, struct dv_error *err)
{
	for (size_t i = 0; i < engine->gpus.len; i++) {
		const struct dv_gpu_note *note = &engine->notes.items[i];
		struct dv_error why = {0};
		int r;

		if (note->owned || note->gone ||
		    !is_needed(engine, recovery, engine->gpus.items[i].uuid))
			continue;
		r = dv_engine_own(engine, i, &why);
		if (r < 0 && r != -EBUSY) {
			if (err && !err->code)
				*err = why;
			return r;
		}
		recovery->fresh[i] = r == 0;
		recovery->lost[i] = r < 0;
		recovery->any_lost = recovery->any_lost || r < 0;
	}
	return 0;
}

static int write_lost_leases(struct dv_engine *engine, const struct recovery *recovery,
			     struct dv_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < engine->leases.len; i++) {
		const struct dv_lease *lease = &engine->leases.items[i];
		const struct dv_identity who = {.uid = lease->uid};

		if (!is_lost(engine, recovery, lease->gpu_uuid))
			continue;
		r = dv_store_lease_remove(engine->store, lease->id, err);
		if (r == 0)
			r = dv_engine_audit(engine, &who, "lost", lease->name,
					    "another divvyd owns the device since divvyd ended",
					    err);
	}
	return r;
}

/* Of a device in quarantine no lease is left whose release would end that, and what is on it is no
 * concern of ours any more. */
static int write_lost_quarantines(struct dv_engine *engine, const struct recovery *recovery,
				  struct dv_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < engine->gpus.len; i++)
		if (recovery->lost[i] && engine->gpus.items[i].quarantine[0])
			r = dv_store_quarantine_remove(engine->store, engine->gpus.items[i].uuid,
						       err);
	return r;
}

static int write_lost_steps(struct dv_engine *engine, const struct recovery *recovery,
			    struct dv_error *err)
{
	int r = 0;

	for (size_t i = 0; i < recovery->open.len; i++) {
		struct dv_journal_op *op = &recovery->open.items[i];

		for (size_t j = 0; r == 0 && j < op->steps.len; j++)
			if (is_lost(engine, recovery, op->steps.items[j].step.gpu_uuid))
				r = dv_store_op_step(engine->store, op->id, (unsigned)j,
						     DV_JOURNAL_UNDONE, err);
	}
	return r;
}

static void keep_lost(struct dv_engine *engine, struct recovery *recovery)
{
	for (size_t i = 0; i < engine->gpus.len; i++)
		if (recovery->lost[i])
			engine->gpus.items[i].quarantine[0] = '\0';
	for (size_t i = engine->leases.len; i > 0; i--)
		if (is_lost(engine, recovery, engine->leases.items[i - 1].gpu_uuid))
			dv_engine_drop_lease(engine, engine->leases.items[i - 1].id);
	for (size_t i = 0; i < recovery->open.len; i++) {
		struct dv_journal_op *op = &recovery->open.items[i];

		for (size_t j = 0; j < op->steps.len; j++)
			if (is_lost(engine, recovery, op->steps.items[j].step.gpu_uuid))
				op->steps.items[j].state = DV_JOURNAL_UNDONE;
	}
}

/* Let go of what stood on devices that are another's now: two owners are worse than none. */
static int drop_lost(struct dv_engine *engine, struct recovery *recovery, struct dv_error *err)
{
	int r = recovery->any_lost ? dv_store_begin(engine->store, err) : 1;

	if (r != 0)
		return r < 0 ? r : 0;
	r = write_lost_leases(engine, recovery, err);
	if (r == 0)
		r = write_lost_quarantines(engine, recovery, err);
	if (r == 0)
		r = write_lost_steps(engine, recovery, err);
	if (r < 0) {
		dv_store_rollback(engine->store);
		return r;
	}
	r = dv_store_commit(engine->store, err);
	if (r == 0)
		keep_lost(engine, recovery);
	return r;
}

static void append(struct recovery *recovery, struct dv_op *op)
{
	op->recovered = true;
	*recovery->last = op;
	recovery->last = &op->next;
	recovery->count++;
}

static int verb_of(const struct dv_journal_op *journal, enum dv_op_verb *ret, struct dv_error *err)
{
	static const enum dv_op_verb verbs[] = {DV_OP_TAKE, DV_OP_RELEASE, DV_OP_APPLY};
	static const char *const words[] = {"take", "release", "apply"};

	for (size_t i = 0; i < journal->steps.len; i++)
		if (!dv_engine_step_kind(journal->steps.items[i].step.op))
			return dv_error_fix(
				err,
				dv_error_rule(err, -EUCLEAN, "S07",
					      "state file: unknown step '%s' in the journal",
					      journal->steps.items[i].step.op),
				"use the divvy that wrote it, or another state directory");
	for (size_t i = 0; i < DV_ARRAY_LEN(words); i++) {
		if (strcmp(journal->verb, words[i]) == 0) {
			*ret = verbs[i];
			return 0;
		}
	}
	return dv_error_fix(err,
			    dv_error_rule(err, -EUCLEAN, "S07",
					  "state file: unknown operation '%s'", journal->verb),
			    "use the divvy that wrote it, or another state directory");
}

/* A release goes on; everything else goes back. */
static int resume(struct recovery *recovery, struct dv_journal_op *journal, struct dv_error *err)
{
	const struct dv_identity who = {.uid = journal->uid};
	enum dv_op_verb verb = DV_OP_TAKE;
	struct dv_op *op;
	int r = verb_of(journal, &verb, err);

	if (r < 0)
		return r;
	op = dv_engine_op_new(verb, &who, NULL, NULL);
	if (!op)
		return no_memory(err);
	op->journal = *journal;
	memset(&journal->steps, 0, sizeof(journal->steps));
	op->start = DV_OP_UNDO;
	op->at = op->journal.steps.len;
	if (verb == DV_OP_RELEASE && op->at == 1 &&
	    op->journal.steps.items[0].state == DV_JOURNAL_BEGUN) {
		op->start = DV_OP_FORWARD;
		op->at = 0;
	}
	if (verb != DV_OP_APPLY && op->journal.steps.len)
		(void)dv_copy(op->name, sizeof(op->name),
			      op->journal.steps.items[0].step.lease.name);
	append(recovery, op);
	return 0;
}

/* Has an open operation something to say about this lease? */
static bool is_at_work(const struct recovery *recovery, int64_t id)
{
	for (const struct dv_op *op = recovery->first; op; op = op->next) {
		for (size_t i = 0; i < op->journal.steps.len; i++) {
			const struct dv_journal_step *entry = &op->journal.steps.items[i];

			if (entry->step.lease.id == id &&
			    (entry->state == DV_JOURNAL_BEGUN || entry->state == DV_JOURNAL_DONE))
				return true;
		}
	}
	return false;
}

static int stand_again(struct dv_engine *engine, struct recovery *recovery,
		       const struct dv_lease *lease, struct dv_error *err)
{
	const struct dv_identity who = {.uid = lease->uid};
	ssize_t gpu = dv_engine_find_gpu(engine, lease->gpu_uuid);
	struct dv_journal_step entry = {.state = DV_JOURNAL_PLANNED};
	struct dv_op *op = dv_engine_op_new(DV_OP_REOPEN, &who, NULL, NULL);
	unsigned id = 1;

	if (!op)
		return no_memory(err);
	append(recovery, op);
	(void)dv_copy(op->name, sizeof(op->name), lease->name);
	(void)dv_copy(op->gpu_uuid, sizeof(op->gpu_uuid), lease->gpu_uuid);
	/* The mode may have gone with the driver, as the partitions did. */
	if (dv_lease_on_mig(lease) && engine->gpus.items[gpu].mig.mode == DV_MIG_OFF) {
		dv_engine_step_of_gpu(&engine->gpus.items[gpu], "mig.enable", id++, &entry.step);
		if (dv_vec_push(&op->journal.steps, entry) < 0)
			return no_memory(err);
	}
	dv_engine_step_of(&engine->gpus.items[gpu], lease, true, id, &entry.step);
	return dv_vec_push(&op->journal.steps, entry) < 0 ? no_memory(err) : 0;
}

static int let_go(struct recovery *recovery, const struct dv_lease *lease, struct dv_error *err)
{
	const struct dv_identity who = {.uid = lease->uid};
	struct dv_op *op = dv_engine_op_new(DV_OP_RELEASE, &who, NULL, NULL);

	if (!op)
		return no_memory(err);
	append(recovery, op);
	op->lease_id = lease->id;
	(void)dv_copy(op->name, sizeof(op->name), lease->name);
	(void)dv_copy(op->gpu_uuid, sizeof(op->gpu_uuid), lease->gpu_uuid);
	return 0;
}

bool dv_engine_is_busy(const struct dv_engine *engine, const char *uuid)
{
	for (const struct dv_op *op = engine->first; op; op = op->next) {
		if (strcmp(op->gpu_uuid, uuid) == 0)
			return true;
		for (size_t i = 0; i < op->journal.steps.len; i++)
			if (strcmp(op->journal.steps.items[i].step.gpu_uuid, uuid) == 0)
				return true;
	}
	return false;
}

/* Does the lease stand on a partition that somebody, or a reset, took away? Not while something is
 * at work on the GPU: then what the probe saw is no longer true. */
static bool is_missing(const struct dv_engine *engine, const struct dv_lease *lease, size_t gpu)
{
	const struct dv_gpu_note *note = &engine->notes.items[gpu];

	return (lease->state == DV_LEASE_READY || lease->state == DV_LEASE_ACTIVE) && note->owned &&
	       !note->gone && !engine->gpus.items[gpu].quarantine[0] &&
	       dv_engine_mig_missing(&engine->gpus.items[gpu], lease) &&
	       !dv_engine_is_busy(engine, lease->gpu_uuid);
}

static int look_at(struct dv_engine *engine, struct recovery *recovery,
		   const struct dv_lease *lease, struct dv_error *err)
{
	ssize_t gpu = dv_engine_find_gpu(engine, lease->gpu_uuid);

	/* Later, when a GPU is back, the others were looked at long ago. */
	if (engine->recovered && (gpu < 0 || !recovery->fresh[gpu]))
		return gpu >= 0 && !engine->report_drift && is_missing(engine, lease, (size_t)gpu)
			       ? stand_again(engine, recovery, lease, err)
			       : 0;
	if (is_at_work(recovery, lease->id) || lease->state == DV_LEASE_BROKEN)
		return 0;
	if (lease->state == DV_LEASE_PENDING || lease->state == DV_LEASE_RELEASING ||
	    (lease->ephemeral && !engine->ops->launcher_alive(engine->data, lease)))
		return let_go(recovery, lease, err);
	/* One whose GPU is gone stands as it is, until that is back. */
	if (gpu < 0 || engine->notes.items[gpu].gone)
		return 0;
	if (engine->report_drift && lease->missing)
		return 0;
	return stand_again(engine, recovery, lease, err);
}

/* It did not come to it: the next try begins where this one did. */
static void disown_fresh(struct dv_engine *engine, const struct recovery *recovery)
{
	for (size_t i = 0; recovery->fresh && i < engine->gpus.len; i++)
		if (recovery->fresh[i])
			dv_engine_disown(engine, i);
}

static int prepare(struct dv_engine *engine, struct recovery *recovery, struct dv_error *err)
{
	int r = 0;

	recovery->last = &recovery->first;
	recovery->fresh = calloc(engine->gpus.len + 1, sizeof(*recovery->fresh));
	recovery->lost = calloc(engine->gpus.len + 1, sizeof(*recovery->lost));
	if (!recovery->fresh || !recovery->lost)
		return no_memory(err);
	if (!engine->recovered)
		r = dv_store_ops_open(engine->store, &recovery->open, err);
	if (r == 0)
		r = own_all(engine, recovery, err);
	if (r == 0)
		r = drop_lost(engine, recovery, err);
	for (size_t i = 0; r == 0 && i < recovery->open.len; i++)
		r = resume(recovery, &recovery->open.items[i], err);
	for (size_t i = 0; r == 0 && i < engine->leases.len; i++)
		r = look_at(engine, recovery, &engine->leases.items[i], err);
	return r;
}

int dv_engine_recover(struct dv_engine *engine, dv_engine_done_fn done, void *arg,
		      struct dv_error *err)
{
	dv_cleanup(recovery_fini) struct recovery recovery = {0};
	int r;

	if (engine->recovered)
		return dv_error_set(err, -EINVAL, "recovery was done already");
	r = prepare(engine, &recovery, err);
	if (r < 0) {
		disown_fresh(engine, &recovery);
		return r;
	}
	engine->recovered = true;
	engine->first = take_ptr(recovery.first);
	engine->waiting = engine->recovering = recovery.count;
	engine->recover_done = done;
	engine->recover_arg = arg;
	if (recovery.count == 0) {
		dv_engine_disown_unused(engine);
		done(arg, 0, NULL, NULL);
		return 0;
	}
	dv_engine_pump(engine);
	return 0;
}

/* Nothing new may come beside leases that are not there yet. */
static void close_until_later(struct dv_engine *engine, const struct dv_error *why)
{
	for (size_t i = 0; i < engine->gpus.len; i++) {
		struct dv_gpu *gpu = &engine->gpus.items[i];
		const struct dv_gpu_note *note = &engine->notes.items[i];

		if (!note->owned && !note->gone && dv_engine_has_lease_on(engine, gpu->uuid))
			(void)snprintf(gpu->quarantine, sizeof(gpu->quarantine),
				       "its leases could not be brought back: %.120s", why->msg);
	}
}

void dv_engine_bring_back(struct dv_engine *engine)
{
	dv_cleanup(recovery_fini) struct recovery recovery = {0};
	struct dv_error err = {0};

	if (!engine->recovered)
		return;
	if (prepare(engine, &recovery, &err) < 0) {
		disown_fresh(engine, &recovery);
		close_until_later(engine, &err);
		return;
	}
	while (recovery.first) {
		struct dv_op *op = recovery.first;

		recovery.first = op->next;
		op->next = NULL;
		op->told = true; /* nobody waits for it */
		dv_engine_queue_take(engine, op);
	}
}
