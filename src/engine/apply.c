/* SPDX-License-Identifier: Apache-2.0 */
/* A fleet's plan as one operation of many steps. It was made from a state, perhaps long ago and by
 * whoever wrote the document: every step is held against what is now before the first is done. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "engine/internal.h"
#include "model/tree.h"

enum { STEPS_MOST = 2 * DV_TENANTS_MOST };

static int refuse_plan(struct dv_error *err, const char *what)
{
	dv_error_rule(err, -EINVAL, "F12", "the plan contradicts itself: %s", what);
	return dv_error_fix(err, -EINVAL, "make the plan again");
}

static int stale(struct dv_error *err, const char *what)
{
	dv_error_rule(err, -ESTALE, "S12", "the machine changed since the plan was made%s%s",
		      what[0] ? ": " : "", what);
	return dv_error_fix(err, -ESTALE, "make the plan again, and look at it");
}

static int check_placed(const struct dv_plan *plan, struct dv_error *err)
{
	const struct dv_unplaced *first = plan->unplaced.items;
	int code;

	if (plan->unplaced.len == 0)
		return 0;
	code = dv_unplaced_is_gpu(first) ? -EBUSY : -ENOSPC;
	if (dv_unplaced_is_gpu(first))
		dv_error_rule(err, code, first->rule_count ? first->rules[0] : "M05", "%s: %.250s",
			      first->tenant, first->reason);
	else
		dv_error_rule(err, code, first->rule_count ? first->rules[0] : "G01",
			      "%zu of the tenants cannot be placed; '%s': %.200s",
			      dv_plan_unplaced_tenants(plan), first->tenant, first->reason);
	return dv_error_fix(err, code,
			    "%s%s`divvy plan FILE` says why of each; nothing was changed",
			    first->fix, first->fix[0] ? "; " : "");
}

/* Each step is known, numbered upwards, and needs only earlier ones: then their order will do. */
static int check_steps(const struct dv_plan *plan, struct dv_error *err)
{
	unsigned last = 0;

	if (plan->steps.len > STEPS_MOST)
		return dv_error_set(err, -E2BIG, "a plan of more than %u steps",
				    (unsigned)STEPS_MOST);
	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *step = &plan->steps.items[i];

		if (!dv_engine_step_kind(step->op)) {
			dv_error_rule(err, -EOPNOTSUPP, "G09", "divvy cannot do the step '%s' yet",
				      step->op);
			return dv_error_fix(err, -EOPNOTSUPP,
					    "ask for slice, partition or passthrough");
		}
		if (step->id <= last)
			return refuse_plan(err, "its steps are not in order");
		last = step->id;
		for (unsigned n = 0; n < step->need_count && n < DV_ARRAY_LEN(step->needs); n++)
			if (step->needs[n] >= step->id)
				return refuse_plan(err, "a step needs a later one");
	}
	return 0;
}

static int check_apply(struct dv_engine *engine, const struct dv_apply *apply,
		       const struct dv_identity *who, struct dv_error *err)
{
	const struct dv_plan *plan = apply->plan;
	int r = dv_engine_check_allowed(engine, who, "apply", plan->fleet, err);

	if (r == 0)
		r = dv_engine_check_name(plan->fleet, err);
	if (r == 0)
		r = check_placed(plan, err);
	if (r == 0)
		r = check_steps(plan, err);
	return r < 0 ? r : dv_engine_may_queue(engine, err);
}

static int copy_plan(struct dv_op *op, const struct dv_apply *apply)
{
	const struct dv_plan *plan = apply->plan;

	op->consent = apply->consent;
	op->fleet_text = strdup(apply->fleet_text);
	op->plan.steps.items = calloc(plan->steps.len + 1, sizeof(*plan->steps.items));
	if (!op->fleet_text || !op->plan.steps.items)
		return -ENOMEM;
	op->plan.steps.len = op->plan.steps.cap = plan->steps.len;
	for (size_t i = 0; i < plan->steps.len; i++)
		op->plan.steps.items[i] = plan->steps.items[i];
	(void)dv_copy(op->plan.fleet, sizeof(op->plan.fleet), plan->fleet);
	(void)dv_copy(op->plan.state, sizeof(op->plan.state), plan->state);
	(void)dv_copy(op->journal.fleet, sizeof(op->journal.fleet), plan->fleet);
	return 0;
}

int dv_engine_apply(struct dv_engine *engine, const struct dv_apply *apply,
		    const struct dv_identity *who, dv_engine_done_fn done, void *arg,
		    struct dv_error *err)
{
	dv_cleanup(dv_engine_op_freep) struct dv_op *op = NULL;
	int r = check_apply(engine, apply, who, err);

	if (r < 0)
		return r;
	op = dv_engine_op_new(DV_OP_APPLY, who, done, arg);
	if (!op || copy_plan(op, apply) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	dv_engine_queue_take(engine, take_ptr(op));
	dv_engine_pump(engine);
	return 0;
}

/* Whose fleet it is: theirs who applied it first. */
static int find_owner(struct dv_engine *engine, const struct dv_op *op, uid_t *ret_uid,
		      struct dv_error *err)
{
	dv_autofree char *text = NULL;
	uid_t uid = op->who.uid;
	struct dv_error why = {0};
	int r = dv_store_fleet_get(engine->store, op->plan.fleet, &uid, &text, &why);

	if (r < 0 && r != -ENOENT) {
		if (err && !err->code)
			*err = why;
		return r;
	}
	if (uid != op->who.uid && !op->who.admin) {
		(void)dv_engine_audit(engine, &op->who, "refused", op->plan.fleet,
				      "apply: the fleet is another user's", NULL);
		dv_error_rule(err, -EPERM, "S15", "fleet '%s' is user %u's", op->plan.fleet, uid);
		return dv_error_fix(err, -EPERM, "give your fleet another name");
	}
	*ret_uid = uid;
	return 0;
}

/* What the steps make of the leases, tried on a copy. */
struct trial {
	struct dv_engine *engine;
	struct dv_op *op;
	uid_t uid;
	struct dv_leases leases;
	int64_t next_id; /* of those that are made; the true ones are reserved later */
	unsigned made, disturbed;
	char whom[DV_NAME_SIZE], by[128]; /* the last one, and who is in it */
};

static struct dv_lease *trial_lease(struct trial *trial, const char *name)
{
	for (size_t i = 0; i < trial->leases.len; i++)
		if (strcmp(trial->leases.items[i].name, name) == 0)
			return &trial->leases.items[i];
	return NULL;
}

/* Is somebody disturbed when this lease ends? By what was said of it, or what is seen now. */
static bool is_running(const struct trial *trial, const struct dv_lease *lease, char *by,
		       size_t size)
{
	const struct dv_engine *engine = trial->engine;

	by[0] = '\0';
	return (engine->ops->in_use && engine->ops->in_use(engine->data, lease, by, size)) ||
	       dv_lease_in_use(lease);
}

static void disturb(struct trial *trial, const struct dv_lease *lease, const char *by)
{
	trial->disturbed++;
	(void)dv_copy(trial->whom, sizeof(trial->whom), lease->name);
	(void)dv_copy(trial->by, sizeof(trial->by), by);
}

static int not_the_fleets(const struct dv_lease *lease, const char *fleet, struct dv_error *err)
{
	dv_error_rule(err, -EPERM, "S10", "lease '%s' was not made by fleet '%s'", lease->name,
		      fleet);
	return dv_error_fix(err, -EPERM,
			    "an apply ends only what an earlier one of that name made; `divvy "
			    "release %s` is for its owner",
			    lease->name);
}

/* The step's lease becomes the one that is, as it is. */
static int try_end(struct trial *trial, struct dv_step *step, struct dv_error *err)
{
	const struct dv_step_kind *kind = dv_engine_step_kind(step->op);
	struct dv_lease *lease = trial_lease(trial, step->lease.name);
	ssize_t gpu = lease ? dv_engine_find_gpu(trial->engine, lease->gpu_uuid) : -1;
	unsigned id = step->id;
	char by[sizeof(trial->by)];
	int r;

	if (gpu < 0 || lease->method != kind->method ||
	    strcmp(lease->gpu_uuid, step->gpu_uuid) != 0)
		return stale(err, "a lease that it ends is not there any more");
	if (strcmp(lease->fleet, trial->op->plan.fleet) != 0 || lease->uid != trial->uid)
		return not_the_fleets(lease, trial->op->plan.fleet, err);
	r = dv_engine_check_held(trial->engine, (size_t)gpu, err);
	if (r == 0)
		r = dv_engine_mig_may_end(&trial->leases, &trial->engine->gpus.items[gpu], lease,
					  err);
	if (r < 0)
		return r;
	if (is_running(trial, lease, by, sizeof(by)) || step->disturb_count)
		disturb(trial, lease, by);
	dv_engine_step_of(&trial->engine->gpus.items[gpu], lease, false, id, step);
	dv_vec_remove(&trial->leases, (size_t)(lease - trial->leases.items));
	return 0;
}

/* Where the plan wants the lease; of a slice its parent, until it has its id. */
static int place(struct trial *trial, const struct dv_step *step, struct dv_lease *lease,
		 struct dv_error *err)
{
	struct dv_node node;
	int r;

	if (!lease->node[0])
		(void)dv_copy(lease->node, sizeof(lease->node), step->gpu_uuid);
	r = dv_node_parse(lease->node, &node, err);
	if (r < 0)
		return r;
	if (node.has_slice || strcmp(node.gpu_uuid, step->gpu_uuid) != 0)
		return refuse_plan(err, "a lease's place is not where its step says");
	if (lease->method == DV_METHOD_SLICE) {
		node.has_slice = true;
		node.slice = trial->next_id;
		(void)dv_node_print(&node, lease->node, sizeof(lease->node));
	}
	return 0;
}

/* Nobody has the name, but whom an earlier step ends. */
static bool name_is_free(struct trial *trial, const char *name)
{
	if (trial_lease(trial, name))
		return false;
	return dv_engine_lease(trial->engine, name) || !dv_engine_name_taken(trial->engine, name);
}

/* Whoever wrote the plan may say what he likes of a partition's place; where the GPU's profiles are
 * known, it is one of the profile's. A slice is one of a whole partition. */
static int check_profile(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 struct dv_error *err)
{
	const struct dv_mig_profile *profile;
	const char *whole;
	struct dv_node node;
	unsigned slices = dv_mig_part_slices(lease->profile, &whole);

	if (!dv_lease_on_mig(lease) || dv_node_parse(lease->node, &node, NULL) < 0)
		return 0;
	if (lease->method == DV_METHOD_SLICE && slices)
		return refuse_plan(err, "a slice is not one of a compute instance");
	profile = dv_mig_find(&gpu->mig, whole);
	if (profile && profile->starts &&
	    (node.size != profile->size || node.start >= 32 ||
	     !(profile->starts >> node.start & 1)))
		return refuse_plan(err, "a partition is where its profile cannot be");
	return 0;
}

static int fill_lease(struct trial *trial, const struct dv_step *step, struct dv_lease *ret,
		      struct dv_error *err)
{
	struct dv_identity owner = trial->op->who;
	struct dv_lease lease = {
		.id = trial->next_id,
		.kind = step->lease.kind,
		.method = dv_engine_step_kind(step->op)->method,
		.policy = step->lease.policy,
		.memory_bytes = step->lease.memory_bytes,
		.compute_mpct = step->lease.compute_mpct,
	};
	int r = dv_engine_check_name(step->lease.name, err);

	if (r < 0)
		return r;
	owner.uid = trial->uid;
	(void)dv_copy(lease.name, sizeof(lease.name), step->lease.name);
	(void)dv_copy(lease.fleet, sizeof(lease.fleet), trial->op->plan.fleet);
	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), step->gpu_uuid);
	(void)dv_copy(lease.node, sizeof(lease.node), step->lease.node);
	(void)dv_copy(lease.profile, sizeof(lease.profile), step->lease.profile);
	r = place(trial, step, &lease, err);
	if (r == 0)
		r = dv_engine_sign_lease(trial->engine, &owner, &lease, err);
	if (r == 0)
		*ret = lease;
	return r;
}

static int try_make(struct trial *trial, struct dv_step *step, struct dv_error *err)
{
	struct dv_engine *engine = trial->engine;
	ssize_t gpu = dv_engine_find_gpu(engine, step->gpu_uuid);
	struct dv_lease lease;
	int r;

	if (gpu < 0)
		return stale(err, "a GPU of the plan is not there any more");
	r = fill_lease(trial, step, &lease, err);
	if (r == 0)
		r = check_profile(&engine->gpus.items[gpu], &lease, err);
	if (r == 0)
		r = dv_engine_check_method(lease.method, lease.kind, err);
	if (r == 0)
		r = dv_engine_check_gpu(&engine->gpus.items[gpu], lease.method, lease.kind, err);
	if (r == 0)
		r = dv_engine_check_mode(&engine->gpus.items[gpu], &lease, err);
	if (r < 0)
		return r;
	if (!name_is_free(trial, lease.name)) {
		dv_error_rule(err, -EEXIST, "S13", "there is a lease '%s' already", lease.name);
		return dv_error_fix(err, -EEXIST,
				    "choose another name in the fleet, or release that lease");
	}
	r = dv_tree_may_claim(&engine->gpus.items[gpu], &trial->leases, &lease, err);
	if (r == 0)
		r = dv_engine_own(engine, (size_t)gpu, err);
	if (r < 0)
		return r;
	dv_engine_step_of(&engine->gpus.items[gpu], &lease, true, step->id, step);
	if (dv_vec_push(&trial->leases, lease) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to try the plan");
	trial->next_id++;
	trial->made++;
	return 0;
}

/* A mode changes only where nobody is. Who is there by a lease whose partition is not, as after a
 * reboot, is not disturbed when the mode comes on. */
static bool keeps_mode(const struct dv_gpu *gpu, const struct dv_lease *lease, bool on)
{
	return strcmp(lease->gpu_uuid, gpu->uuid) == 0 &&
	       !(on && dv_engine_mig_missing(gpu, lease));
}

static int try_gpu(struct trial *trial, struct dv_step *step, struct dv_error *err)
{
	struct dv_engine *engine = trial->engine;
	const struct dv_step_kind *kind = dv_engine_step_kind(step->op);
	ssize_t i = dv_engine_find_gpu(engine, step->gpu_uuid);
	int r;

	if (i < 0)
		return stale(err, "a GPU of the plan is not there any more");
	for (size_t n = 0; n < trial->leases.len; n++)
		if (keeps_mode(&engine->gpus.items[i], &trial->leases.items[n], kind->makes))
			return stale(err, "somebody has a part of a GPU whose mode it changes");
	r = dv_engine_check_gpu(&engine->gpus.items[i], kind->method, DV_KIND_PROCESS, err);
	if (r == 0)
		r = dv_engine_own(engine, (size_t)i, err);
	if (r == 0)
		dv_engine_step_of_gpu(&engine->gpus.items[i], kind->op, step->id, step);
	return r;
}

static int try_one(struct trial *trial, struct dv_step *step, struct dv_error *err)
{
	const struct dv_step_kind *kind = dv_engine_step_kind(step->op);

	if (kind->of_gpu)
		return try_gpu(trial, step, err);
	return kind->makes ? try_make(trial, step, err) : try_end(trial, step, err);
}

static int begin_trial(struct trial *trial, struct dv_error *err)
{
	const struct dv_leases *leases = &trial->engine->leases;

	for (size_t i = 0; i < leases->len; i++) {
		if (dv_vec_push(&trial->leases, leases->items[i]) < 0)
			return dv_error_set(err, -ENOMEM, "no memory to try the plan");
		trial->next_id = DV_MAX(trial->next_id, leases->items[i].id + 1);
	}
	return 0;
}

static int try_steps(struct trial *trial, struct dv_error *err)
{
	struct dv_plan *plan = &trial->op->plan;
	int r = begin_trial(trial, err);

	for (size_t i = 0; r == 0 && i < plan->steps.len; i++) {
		struct dv_step *step = &plan->steps.items[i];

		r = try_one(trial, step, err);
	}
	if (r == 0 && trial->made)
		r = dv_engine_check_quota(trial->engine, &trial->leases, trial->uid, NULL, err);
	if (r < 0 || !trial->disturbed || trial->op->consent)
		return r;
	if (trial->disturbed == 1)
		dv_error_rule(err, -EBUSY, "S14", "'%s'%s%s is running and would be disturbed",
			      trial->whom, trial->by[0] ? ", used by " : "", trial->by);
	else
		dv_error_rule(err, -EBUSY, "S14",
			      "%u running tenants would be disturbed, '%s'%s%s among them",
			      trial->disturbed, trial->whom, trial->by[0] ? ", used by " : "",
			      trial->by);
	return dv_error_fix(err, -EBUSY, "agree with them, then apply with --yes");
}

/* Give what is made its true id, and the journal its steps. */
static int number(struct trial *trial, struct dv_error *err)
{
	struct dv_op *op = trial->op;
	int64_t id = 0;
	int r = 0;

	if (trial->made)
		r = dv_store_lease_ids(trial->engine->store, trial->made, &id, err);
	for (size_t i = 0; r == 0 && i < op->plan.steps.len; i++) {
		struct dv_journal_step entry = {.step = op->plan.steps.items[i]};
		const struct dv_step_kind *kind = dv_engine_step_kind(entry.step.op);
		struct dv_lease *lease = &entry.step.lease;
		struct dv_node node = {0};

		if (kind->makes && !kind->of_gpu)
			lease->id = id++;
		r = kind->of_gpu ? 0 : dv_node_parse(lease->node, &node, err);
		if (r == 0 && node.has_slice) {
			node.slice = lease->id;
			(void)dv_node_print(&node, lease->node, sizeof(lease->node));
			(void)dv_copy(entry.step.node, sizeof(entry.step.node), lease->node);
		}
		if (r == 0 && dv_vec_push(&op->journal.steps, entry) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	return r;
}

static int write_begin(struct trial *trial, struct dv_error *err)
{
	struct dv_engine *engine = trial->engine;
	struct dv_op *op = trial->op;
	int r = number(trial, err);

	op->journal.uid = trial->uid;
	op->journal.begun_s = engine->ops->now_s(engine->data);
	if (r == 0)
		r = dv_store_op_begin(engine->store, &op->journal, err);
	/* Nothing to do is done already. */
	if (r == 0 && op->journal.steps.len == 0)
		r = dv_engine_write_end(engine, op, "done", err);
	return r;
}

static int begin(struct trial *trial, struct dv_error *err)
{
	struct dv_op *op = trial->op;
	int r = dv_store_begin(trial->engine->store, err);

	if (r < 0)
		return r;
	r = write_begin(trial, err);
	if (r < 0) {
		dv_store_rollback(trial->engine->store);
		return r;
	}
	r = dv_store_commit(trial->engine->store, err);
	if (r == 0) {
		op->phase = op->journal.steps.len ? DV_OP_FORWARD : DV_OP_OVER;
		dv_vec_fini(&op->plan.steps);
	}
	return r;
}

/* Two applies of one fleet, on different GPUs, would both believe it to be theirs. */
static const struct dv_op *at_work_on(const struct dv_engine *engine, const char *fleet)
{
	for (const struct dv_op *op = engine->first; op; op = op->next)
		if (op->verb == DV_OP_APPLY && op->journal.id &&
		    strcmp(op->journal.fleet, fleet) == 0)
			return op;
	return NULL;
}

bool dv_engine_start_apply(struct dv_engine *engine, struct dv_op *op)
{
	struct trial trial = {.engine = engine, .op = op, .next_id = 1};
	const struct dv_op *earlier = at_work_on(engine, op->journal.fleet);
	struct dv_error err = {0};
	char state[17];
	int r = 0;

	if (earlier && !earlier->stalled)
		return false;
	if (earlier) {
		dv_engine_refuse_stalled(op, earlier, "fleet");
		return true;
	}
	dv_engine_state(engine, state);
	if (strcmp(state, op->plan.state) != 0)
		r = stale(&err, "");
	if (r == 0)
		r = find_owner(engine, op, &trial.uid, &err);
	if (r == 0)
		r = try_steps(&trial, &err);
	if (r == 0)
		r = begin(&trial, &err);
	dv_vec_fini(&trial.leases);
	if (r < 0)
		dv_engine_op_refuse(op, r, &err);
	return true;
}
