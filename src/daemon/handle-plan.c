/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: where a fleet's tenants would go, and putting them there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"

/* A request while its plan is made, and of an apply until that is over. */
struct plan_job {
	struct dv_daemon *daemon;
	struct dv_request *request;
	bool apply;
	struct dv_api_wish wish; /* its text is the plan's later */
	char *answer;		 /* of an apply: the plan that is carried out, as a document */
};

static void plan_job_free(void *arg)
{
	struct plan_job *job = arg;

	if (!job)
		return;
	dv_api_wish_fini(&job->wish);
	free(job->answer);
	free(job);
}
DV_DEFINE_FREEP(struct plan_job, plan_job_free)

static void leases_finip(struct dv_leases *leases)
{
	dv_vec_fini(leases);
}

static void applied(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	dv_cleanup(plan_job_freep) struct plan_job *job = arg;

	if (r < 0)
		dv_request_fail(job->request, err);
	else
		dv_request_answer(job->request, 200, take_ptr(job->answer));
}

/* A saved plan is for one state; what it was made from gives the same plan as long as that stands.
 */
static int check_state(const struct dv_api_wish *wish, const struct dv_plan *plan,
		       struct dv_error *err)
{
	int r;

	if (!wish->state[0] || strcmp(wish->state, plan->state) == 0)
		return 0;
	r = dv_error_rule(err, -ESTALE, "S12",
			  "the machine changed since the plan was made; nothing was changed");
	return dv_error_fix(err, r, "make the plan again, look at it, and apply it");
}

/* A user's own divvyd gives leases to that user only: root may change a fleet of the user's there,
 * but not make one of its own. */
static int check_owner(const struct dv_plan *plan, struct dv_error *err)
{
	int r;

	for (size_t i = 0; i < plan->steps.len && geteuid() != 0; i++) {
		if (plan->steps.items[i].lease.uid == geteuid())
			continue;
		r = dv_error_rule(err, -EPERM, "S10",
				  "this divvyd is user %u's own and gives leases to that user only",
				  geteuid());
		return dv_error_fix(err, r, "ask the machine's divvyd, or as user %u", geteuid());
	}
	return 0;
}

static int apply(struct plan_job *job_take, struct dv_planner_answer *answer, struct dv_error *err)
{
	dv_cleanup(plan_job_freep) struct plan_job *job = job_take;
	const struct dv_apply order = {.plan = &answer->plan,
				       .fleet_text = answer->plan.source,
				       .consent = job->wish.consent};
	struct dv_daemon *daemon = job->daemon;
	int r = check_state(&job->wish, &answer->plan, err);

	r = r < 0 ? r : check_owner(&answer->plan, err);
	if (r < 0)
		return r;
	job->answer = take_ptr(answer->document);
	r = dv_engine_apply(daemon->engine, &order, &job->request->who, applied, job, err);
	/* From here on the job is the engine's. */
	if (r == 0)
		(void)take_ptr(job);
	return r;
}

static void planned(void *arg, struct dv_planner_answer *answer)
{
	dv_cleanup(plan_job_freep) struct plan_job *job = arg;
	struct dv_request *request = job->request;
	struct dv_daemon *daemon = job->daemon;
	struct dv_error err = {0};

	if (answer->r < 0)
		dv_request_fail(request, &answer->err);
	else if (!job->apply)
		dv_request_answer(request, 200, take_ptr(answer->document));
	else if (apply(take_ptr(job), answer, &err) < 0)
		dv_request_fail(request, &err);
	dv_daemon_touch(daemon);
}

/* Ask for the plan for today's state, with who is in the leases now. */
static int ask(struct dv_daemon *daemon, struct dv_request *request, bool applies,
	       struct dv_error *err)
{
	dv_cleanup(plan_job_freep) struct plan_job *job = calloc(1, sizeof(*job));
	dv_cleanup(leases_finip) struct dv_leases leases = {0};
	struct dv_planner_question question = {.leases = &leases};
	char state[17];
	int r;

	if (!job)
		return dv_error_set(err, -ENOMEM, "no memory for a plan");
	job->daemon = daemon;
	job->request = request;
	job->apply = applies;
	r = dv_api_wish_decode(request->body, request->body_len, &job->wish, err);
	r = r < 0 ? r : dv_observe_leases(daemon, NULL, &leases, err);
	if (r < 0)
		return r;
	dv_engine_state(daemon->engine, state);
	question.file = job->wish.file[0] ? job->wish.file : "fleet";
	question.text = job->wish.text;
	question.gpus = dv_engine_gpus(daemon->engine, &question.gpu_count);
	question.uid = request->who.uid;
	question.admin = request->who.admin;
	question.state = state;
	question.defragment = job->wish.defragment;
	r = dv_planner_ask(daemon->planner, &question, planned, plan_job_free, job, err);
	if (r == 0)
		(void)take_ptr(job);
	return r;
}

void dv_handle_plan(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (ask(daemon, request, false, &err) < 0)
		dv_request_fail(request, &err);
}

void dv_handle_apply(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (ask(daemon, request, true, &err) < 0)
		dv_request_fail(request, &err);
}
