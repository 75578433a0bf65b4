/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the engine only: operations, their queue, and the changes that store and memory make
 * together. The engine owns everything here; GPUs are found by uuid each time, since a new probe
 * moves them.
 *
 * An operation is a list of steps. Before a step is tried the store says so; nothing is done that
 * could not be recorded first. Where recording fails after the first step, the operation stalls: it
 * keeps its GPUs and goes on when the store can be written again, or after a restart. */
#pragma once

#include "engine/engine.h"

enum dv_op_verb {
	DV_OP_TAKE,
	DV_OP_RELEASE,
	DV_OP_APPLY,
	DV_OP_REOPEN, /* after a restart: make again what a standing lease has; not journalled */
};

enum dv_op_phase {
	DV_OP_WAITING,
	DV_OP_FORWARD,
	DV_OP_UNDO, /* from the step at work down to the first */
	DV_OP_OVER,
};

struct dv_op {
	struct dv_op *next; /* in the order of arrival */
	enum dv_op_verb verb;
	enum dv_op_phase phase, start; /* start: with which phase it begins */
	bool recovered;		       /* left by a crash, or made by recovery */
	bool stalled;
	bool told; /* whoever asked knows what came of it, or that it stalled */

	struct dv_journal_op journal; /* id 0: not in the store */
	size_t at;		      /* the step at work; of undo, one more than it */
	bool asked;		      /* ops->step has it */
	bool answered;
	uint64_t token;
	int answer;
	struct dv_error answer_err;

	int r; /* why it is undone, or was refused */
	struct dv_error err;
	dv_engine_done_fn done;
	void *arg;

	struct dv_identity who;
	struct dv_lease_request request; /* of a take */
	char name[DV_NAME_SIZE];	 /* of a release: the lease */
	int64_t lease_id;		 /* of a release: that lease alone, or 0 */
	char gpu_uuid[DV_UUID_SIZE];	 /* of a release or reopen */
	struct dv_plan plan;		 /* of an apply: fleet, state and steps, until it begins */
	char *fleet_text;
	bool consent;
};

/* Beside each GPU. */
struct dv_gpu_note {
	bool owned;
	bool gone;	      /* not found by the last probe */
	struct dv_op *holder; /* during a round of the queue: the first that has or wants it */
};

struct dv_gpu_vec {
	DV_VEC(struct dv_gpu);
};
struct dv_note_vec {
	DV_VEC(struct dv_gpu_note);
};

struct dv_engine {
	struct dv_store *store;
	const struct dv_engine_ops *ops;
	void *data;
	struct dv_leases leases; /* by id; as the store has them, but for what is observed */
	struct dv_gpu_vec gpus;
	struct dv_note_vec notes; /* notes.items[i] is of gpus.items[i] */
	struct dv_op *first;
	unsigned waiting;
	uint64_t last_token;
	bool recovered;
	bool report_drift;
	bool pumping, again;
	unsigned recovering; /* operations of recovery that are not over */
	int recover_r;
	struct dv_error recover_err;
	dv_engine_done_fn recover_done;
	void *recover_arg;
};

/* engine.c */
/* Index of the GPU with that uuid, or -1. */
ssize_t dv_engine_find_gpu(const struct dv_engine *engine, const char *uuid);
struct dv_lease *dv_engine_find_lease(const struct dv_engine *engine, int64_t id);
/* Put a lease in its place by id; there must be room (dv_vec_reserve). */
void dv_engine_put_lease(struct dv_engine *engine, const struct dv_lease *lease);
void dv_engine_drop_lease(struct dv_engine *engine, int64_t id);
bool dv_engine_has_lease_on(const struct dv_engine *engine, const char *uuid);
/* Own a GPU unless that is so already. */
int dv_engine_own(struct dv_engine *engine, size_t gpu, struct dv_error *err) DV_MUST_CHECK;
void dv_engine_disown(struct dv_engine *engine, size_t gpu);
/* Let go of the GPUs that no lease and no running operation needs. */
void dv_engine_disown_unused(struct dv_engine *engine);
/* Write one audit entry; what is not vital is not failed for. */
int dv_engine_audit(struct dv_engine *engine, const struct dv_identity *who, const char *verb,
		    const char *subject, const char *text, struct dv_error *err);

/* step.c */
struct dv_step_kind {
	const char *op, *undo;
	enum dv_method method;
	bool makes;   /* a lease; else it ends one */
	bool of_gpu;  /* it makes or ends a mode of the GPU instead, and no lease */
	bool of_part; /* the lease is a compute instance that is a part of a partition */
};
/* NULL: the engine does not know how to do that step. */
const struct dv_step_kind *dv_engine_step_kind(const char *op);
/* Fill in the step that makes or ends that lease. */
void dv_engine_step_of(const struct dv_gpu *gpu, const struct dv_lease *lease, bool makes,
		       unsigned id, struct dv_step *ret);

/* The same of a step that concerns a GPU alone ("mig.enable"). */
void dv_engine_step_of_gpu(const struct dv_gpu *gpu, const char *op, unsigned id,
			   struct dv_step *ret);

/* mig.c. The step came to `state`: what that means for the GPU, until the next probe. */
void dv_engine_mig_keep(struct dv_engine *engine, const struct dv_step *step,
			enum dv_journal_state state);
/* Does another lease have something in the MIG partition of this one? */
bool dv_engine_mig_shared(const struct dv_engine *engine, const struct dv_lease *lease);
/* May the lease's partition end with it? -EBUSY (rule M05) where somebody has put something into
 * it, as far as the last probe saw. Of one that others of `leases` share the partition with: 0. */
int dv_engine_mig_may_end(const struct dv_leases *leases, const struct dv_gpu *gpu,
			  const struct dv_lease *lease, struct dv_error *err) DV_MUST_CHECK;
/* Does every lease in the MIG partition of this one end by a step of the operation? */
bool dv_engine_mig_vacates(const struct dv_engine *engine, const struct dv_op *op,
			   const struct dv_lease *lease);
/* Is it a lease on a MIG partition that is not there? */
bool dv_engine_mig_missing(const struct dv_gpu *gpu, const struct dv_lease *lease);
/* Mark the leases whose partition is not there, and audit those that were not marked before. */
void dv_engine_mig_mark(struct dv_engine *engine);
/* Mode and instances, whatever their order and ids. */
uint64_t dv_engine_mig_hash(const struct dv_mig *mig);

/* What store and memory change together, and with them the journal. */
enum dv_change_lease { DV_CHANGE_NONE, DV_CHANGE_ADD, DV_CHANGE_STATE, DV_CHANGE_REMOVE };
struct dv_change {
	enum dv_change_lease lease;
	enum dv_lease_state lease_state;  /* of ADD and STATE */
	enum dv_journal_state step_state; /* of the step */
	const char *quarantine;		  /* why the step's GPU is quarantined, or NULL */
	const char *lost;		  /* why the step's lease does not return, or NULL */
	bool ends;			  /* the operation ends with it, well */
};
/* Make a change of step `seq`. On failure neither store nor memory changed. */
int dv_engine_change(struct dv_engine *engine, struct dv_op *op, size_t seq,
		     const struct dv_change *change, struct dv_error *err) DV_MUST_CHECK;
/* The same in two halves, for who has more to write in the same transaction: `write` inside it,
 * `keep` after the commit. */
int dv_engine_change_write(struct dv_engine *engine, struct dv_op *op, size_t seq,
			   const struct dv_change *change, struct dv_error *err) DV_MUST_CHECK;
void dv_engine_change_keep(struct dv_engine *engine, struct dv_op *op, size_t seq,
			   const struct dv_change *change);
/* Write that the operation ends, and what came of it. */
int dv_engine_write_end(struct dv_engine *engine, struct dv_op *op, const char *outcome,
			struct dv_error *err) DV_MUST_CHECK;

/* run.c */
/* Go on until an answer is awaited, the operation stalls, or it is over. */
void dv_engine_advance(struct dv_engine *engine, struct dv_op *op);
/* What happened, or is to happen, cannot be recorded: whoever asked is told now, the rest waits. */
void dv_engine_stall(struct dv_engine *engine, struct dv_op *op, int r, const struct dv_error *why);

/* queue.c */
struct dv_op *dv_engine_op_new(enum dv_op_verb verb, const struct dv_identity *who,
			       dv_engine_done_fn done, void *arg);
void dv_engine_op_free(struct dv_op *op);
DV_DEFINE_FREEP(struct dv_op, dv_engine_op_free)
/* Refuse (rule S19) when too much waits, or before recovery. */
int dv_engine_may_queue(struct dv_engine *engine, struct dv_error *err) DV_MUST_CHECK;
/* Append, swallowing the operation. Call dv_engine_pump after. */
void dv_engine_queue_take(struct dv_engine *engine, struct dv_op *op);
/* Start what can start, advance what can advance, end what is over. */
void dv_engine_pump(struct dv_engine *engine);
/* Tell whoever asked what came of it, unless that was done already. */
void dv_engine_tell(struct dv_engine *engine, struct dv_op *op, const struct dv_lease *lease);
/* It is refused, or is over without having begun. */
void dv_engine_op_refuse(struct dv_op *op, int r, const struct dv_error *err);
/* It would have to wait for one that stalled, which has the `what`: better refused. */
void dv_engine_refuse_stalled(struct dv_op *op, const struct dv_op *holder, const char *what);

/* May this one change that lease? -EPERM, rule S10, audited. */
int dv_engine_may_release(struct dv_engine *engine, const struct dv_lease *lease,
			  const struct dv_identity *who, struct dv_error *err) DV_MUST_CHECK;
/* Is the name a lease's, or that of one that a running operation is about to make? */
bool dv_engine_name_taken(const struct dv_engine *engine, const char *name);
/* Fill in who has the lease, when, and its nonce. */
int dv_engine_sign_lease(struct dv_engine *engine, const struct dv_identity *who,
			 struct dv_lease *lease, struct dv_error *err) DV_MUST_CHECK;

/* Each tries to start a waiting operation: true when it runs or is over, false when it must wait
 * on. */
bool dv_engine_start_take(struct dv_engine *engine, struct dv_op *op);
bool dv_engine_start_release(struct dv_engine *engine, struct dv_op *op);
bool dv_engine_start_apply(struct dv_engine *engine, struct dv_op *op);

/* recover.c */
/* Is an operation at work on that GPU, or waiting for it? */
bool dv_engine_is_busy(const struct dv_engine *engine, const char *uuid);
/* Own GPUs that are back and make again what stands on them; where that cannot be, nothing new is
 * placed there until the next probe. Call dv_engine_pump after. */
void dv_engine_bring_back(struct dv_engine *engine);

/* claim.c */
/* What the request would get on that GPU: 0 with *ret filled in but for id, node's id, name and
 * nonce; else the refusal. */
int dv_engine_claim(const struct dv_engine *engine, size_t gpu,
		    const struct dv_lease_request *request, struct dv_lease *ret,
		    struct dv_error *err) DV_MUST_CHECK;

/* May a lease on that GPU be changed? Not while the GPU is there without being ours: its leases
 * could not be brought back (rule S11), or it is another divvyd's (S05). */
int dv_engine_check_held(const struct dv_engine *engine, size_t gpu,
			 struct dv_error *err) DV_MUST_CHECK;
/* May something be placed on that GPU by that method? */
int dv_engine_check_gpu(const struct dv_gpu *gpu, enum dv_method method, enum dv_kind kind,
			struct dv_error *err) DV_MUST_CHECK;
/* May a slice be there, by the GPU's MIG mode? In MIG mode it must be in a partition, and what a
 * partition needs is looked at too. Of other methods: 0. */
int dv_engine_check_mode(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 struct dv_error *err) DV_MUST_CHECK;
/* May a lease be of this kind by this method at all? */
int dv_engine_check_method(enum dv_method method, enum dv_kind kind,
			   struct dv_error *err) DV_MUST_CHECK;
/* A name for a lease or a fleet? -EINVAL, rule F08. */
int dv_engine_check_name(const char *name, struct dv_error *err) DV_MUST_CHECK;
/* May this one change anything here? -EPERM, rule S17, audited. */
int dv_engine_check_allowed(struct dv_engine *engine, const struct dv_identity *who,
			    const char *verb, const char *subject,
			    struct dv_error *err) DV_MUST_CHECK;

/* quota.c */
/* May this user hold those of `leases` that are his, and `more` (or NULL)? -EDQUOT, rule S08. */
int dv_engine_check_quota(const struct dv_engine *engine, const struct dv_leases *leases, uid_t uid,
			  const struct dv_lease *more, struct dv_error *err) DV_MUST_CHECK;
