/* SPDX-License-Identifier: Apache-2.0 */
/* A lease for whoever asks: what can be refused at once, and what is decided when its turn comes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"
#include "model/units.h"

static int contradiction(struct dv_error *err, const char *what, const char *fix)
{
	dv_error_rule(err, -EINVAL, "F12", "%s", what);
	return dv_error_fix(err, -EINVAL, "%s", fix);
}

static int check_sizes(const struct dv_lease_request *request, struct dv_error *err)
{
	if (request->compute_mpct > DV_MPCT_WHOLE) {
		dv_error_rule(err, -EINVAL, "F07", "a share over 100%% was asked for");
		return dv_error_fix(err, -EINVAL, "ask for more than 0%% and at most 100%%");
	}
	if (request->compute_units && request->method != DV_METHOD_PARTITION)
		return contradiction(err, "a number of CPUs goes with method partition only",
				     "give a share, or method partition");
	if (request->method == DV_METHOD_PASSTHROUGH &&
	    (request->memory_bytes || request->compute_mpct))
		return contradiction(err, "a whole GPU comes with all of its memory and time",
				     "leave out memory and compute, or ask for a slice");
	if (request->method != DV_METHOD_SLICE && request->policy != DV_POLICY_BEST_EFFORT)
		return contradiction(err,
				     "a policy goes with method slice only: it says how time "
				     "is shared",
				     "leave policy out, or ask for a slice");
	return 0;
}

static int check_request(struct dv_engine *engine, const struct dv_lease_request *request,
			 const struct dv_identity *who, struct dv_error *err)
{
	int r = dv_engine_check_allowed(engine, who, "take", request->name, err);

	if (r == 0 && request->name[0])
		r = dv_engine_check_name(request->name, err);
	if (r == 0)
		r = dv_engine_check_method(request->method, request->kind, err);
	if (r == 0)
		r = check_sizes(request, err);
	return r < 0 ? r : dv_engine_may_queue(engine, err);
}

int dv_engine_take(struct dv_engine *engine, const struct dv_lease_request *request,
		   const struct dv_identity *who, dv_engine_done_fn done, void *arg,
		   struct dv_error *err)
{
	struct dv_lease_request wanted = *request;
	struct dv_op *op;
	int r;

	if (wanted.method == DV_METHOD_NONE)
		wanted.method = DV_METHOD_SLICE;
	r = check_request(engine, &wanted, who, err);
	if (r < 0)
		return r;
	op = dv_engine_op_new(DV_OP_TAKE, who, done, arg);
	if (!op)
		return dv_error_set(err, -ENOMEM, "no memory for the request");
	op->request = wanted;
	dv_engine_queue_take(engine, op);
	dv_engine_pump(engine);
	return 0;
}

bool dv_engine_name_taken(const struct dv_engine *engine, const char *name)
{
	if (dv_engine_lease(engine, name))
		return true;
	for (const struct dv_op *op = engine->first; op; op = op->next) {
		for (size_t i = 0; i < op->journal.steps.len; i++)
			if (strcmp(op->journal.steps.items[i].step.lease.name, name) == 0)
				return true;
	}
	return false;
}

static int choose_name(const struct dv_engine *engine, struct dv_lease *lease, struct dv_error *err)
{
	if (lease->name[0] && !dv_engine_name_taken(engine, lease->name))
		return 0;
	if (lease->name[0]) {
		dv_error_rule(err, -EEXIST, "S13", "there is a lease '%s' already", lease->name);
		return dv_error_fix(err, -EEXIST, "choose another name, or `divvy release %s`",
				    lease->name);
	}
	/* There are fewer leases than that, so one of the names is free. */
	for (unsigned i = 1; i <= 2 * DV_LEASES_MOST; i++) {
		(void)snprintf(lease->name, sizeof(lease->name), "%s-%u",
			       lease->ephemeral ? "run" : "lease", i);
		if (!dv_engine_name_taken(engine, lease->name))
			return 0;
	}
	return dv_error_set(err, -EEXIST, "no name is free for another lease");
}

int dv_engine_sign_lease(struct dv_engine *engine, const struct dv_identity *who,
			 struct dv_lease *lease, struct dv_error *err)
{
	unsigned char bytes[16];
	int r = engine->ops->random(engine->data, bytes, sizeof(bytes));

	if (r < 0)
		return dv_error_errno(err, -r, "random bytes for a lease");
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void)snprintf(lease->nonce + 2 * i, 3, "%02x", bytes[i]);
	lease->uid = who->uid;
	lease->created_s = engine->ops->now_s(engine->data);
	if (lease->ephemeral) {
		lease->launcher = who->pid;
		lease->launcher_start = who->pid_start;
	}
	return 0;
}

/* Everything that is decided on one GPU before anything is written. */
static int try_gpu(struct dv_engine *engine, struct dv_op *op, size_t gpu, struct dv_lease *ret,
		   struct dv_error *err)
{
	struct dv_lease lease;
	int r = dv_engine_claim(engine, gpu, &op->request, &lease, err);

	if (r == 0)
		r = choose_name(engine, &lease, err);
	if (r == 0)
		r = dv_engine_sign_lease(engine, &op->who, &lease, err);
	if (r == 0)
		r = dv_engine_check_quota(engine, &engine->leases, lease.uid, &lease, err);
	if (r == 0)
		r = dv_engine_own(engine, gpu, err);
	if (r == 0)
		*ret = lease;
	return r;
}

static const struct dv_change beginning = {
	.lease = DV_CHANGE_ADD, .lease_state = DV_LEASE_PENDING, .step_state = DV_JOURNAL_BEGUN};

/* Number the lease, and open the operation with its only step begun. */
static int write_begin(struct dv_engine *engine, struct dv_op *op, size_t gpu,
		       struct dv_lease *lease, struct dv_error *err)
{
	struct dv_node node = {0};
	int r = dv_store_lease_ids(engine->store, 1, &lease->id, err);

	if (r == 0)
		r = dv_node_parse(lease->node, &node, err);
	if (r < 0)
		return r;
	if (node.has_slice) {
		node.slice = lease->id;
		(void)dv_node_print(&node, lease->node, sizeof(lease->node));
	}
	dv_engine_step_of(&engine->gpus.items[gpu], lease, true, 1,
			  &op->journal.steps.items[0].step);
	op->journal.begun_s = lease->created_s;
	r = dv_store_op_begin(engine->store, &op->journal, err);
	return r < 0 ? r : dv_engine_change_write(engine, op, 0, &beginning, err);
}

static int begin(struct dv_engine *engine, struct dv_op *op, size_t gpu, struct dv_lease *lease,
		 struct dv_error *err)
{
	struct dv_journal_step none = {.state = DV_JOURNAL_PLANNED};
	int r;

	if (dv_vec_push(&op->journal.steps, none) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the request");
	r = dv_store_begin(engine->store, err);
	if (r < 0)
		return r;
	r = write_begin(engine, op, gpu, lease, err);
	if (r < 0) {
		dv_store_rollback(engine->store);
		return r;
	}
	r = dv_store_commit(engine->store, err);
	if (r < 0)
		return r;
	(void)dv_copy(op->name, sizeof(op->name), lease->name);
	op->phase = DV_OP_FORWARD;
	dv_engine_change_keep(engine, op, 0, &beginning);
	return 0;
}

struct choice {
	unsigned matched, tried;
	const struct dv_op *holder;
	struct dv_error told; /* the refusal of the GPU that comes nearest; of the first, if none */
	bool lacks;	      /* that GPU only has not enough left */
	bool room;	      /* it has the memory, only its time is given away */
	uint64_t left;	      /* what it has left, bytes or share */
};

/* Who asks for too much wants to hear where the most could be had, not what the first GPU has. */
static void note_refusal(const struct dv_engine *engine, struct choice *choice, size_t gpu,
			 const struct dv_error *err)
{
	const struct dv_gpu *of = &engine->gpus.items[gpu];
	bool room = strcmp(err->rule, "G02") == 0, lacks = room || strcmp(err->rule, "G01") == 0;
	uint64_t memory = 0;
	uint32_t mpct = 0;

	if (lacks)
		dv_tree_left(of, &engine->leases, of->uuid, &memory, &mpct);
	memory = room ? mpct : memory;
	if (choice->tried++ &&
	    (choice->lacks > lacks || choice->room > room ||
	     (choice->lacks == lacks && choice->room == room && choice->left >= memory)))
		return;
	choice->told = *err;
	choice->lacks = lacks;
	choice->room = room;
	choice->left = memory;
}

static void refuse(struct dv_op *op, struct choice *choice)
{
	struct dv_error err = choice->told;

	if (choice->matched == 0) {
		if (op->request.gpu[0])
			dv_error_rule(&err, -ENODEV, "S18", "there is no GPU called '%.60s'",
				      op->request.gpu);
		else
			dv_error_rule(&err, -ENODEV, "S18", "there is no GPU here");
		dv_error_fix(&err, -ENODEV, "`divvy gpus` lists what was found");
	} else if (choice->tried == 0 && choice->holder) {
		dv_engine_refuse_stalled(op, choice->holder, "GPU");
		return;
	} else if (choice->tried > 1) {
		dv_error_prefix(&err, err.code, "none of %u GPUs will do; the %s", choice->tried,
				choice->lacks ? "nearest" : "first");
	}
	dv_engine_op_refuse(op, err.code, &err);
}

bool dv_engine_start_take(struct dv_engine *engine, struct dv_op *op)
{
	struct choice choice = {0};
	bool wait = false;

	for (size_t i = 0; i < engine->gpus.len; i++) {
		const struct dv_op *holder = engine->notes.items[i].holder;
		struct dv_error err = {0};
		struct dv_lease lease;
		int r;

		if (op->request.gpu[0] && !dv_gpu_matches(&engine->gpus.items[i], op->request.gpu))
			continue;
		choice.matched++;
		if (holder) {
			choice.holder = holder;
			wait = wait || !holder->stalled;
			continue;
		}
		r = try_gpu(engine, op, i, &lease, &err);
		if (r == 0) {
			r = begin(engine, op, i, &lease, &err);
			if (r == 0)
				return true;
			dv_engine_op_refuse(op, r, &err);
			return true;
		}
		note_refusal(engine, &choice, i, &err);
	}
	if (wait)
		return false;
	refuse(op, &choice);
	return true;
}
