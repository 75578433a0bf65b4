/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: where a fleet's tenants would go, and putting them there. */
#include <string.h>

#include "daemon/daemon.h"
#include "model/fleet.h"
#include "plan/plan.h"

static void fleet_finip(struct dv_fleet *fleet)
{
	dv_fleet_fini(fleet);
}

static void leases_finip(struct dv_leases *leases)
{
	dv_vec_fini(leases);
}

/* The plan for today's state; the caller's to free. The text becomes the plan's. */
static int plan_wish(const struct dv_daemon *daemon, const struct dv_request *request,
		     struct dv_api_wish *wish, struct dv_plan *ret, struct dv_error *err)
{
	dv_cleanup(fleet_finip) struct dv_fleet fleet = {0};
	dv_cleanup(leases_finip) struct dv_leases leases = {0};
	const char *file = wish->file[0] ? wish->file : "fleet";
	struct dv_plan_input input = {.fleet = &fleet, .uid = request->who.uid};
	char state[17];
	int r = dv_fleet_parse(wish->text, strlen(wish->text), file, &fleet, err);

	/* With who is in them now. */
	r = r < 0 ? r : dv_observe_leases(daemon, NULL, &leases, err);
	if (r < 0)
		return r;
	dv_engine_state(daemon->engine, state);
	input.gpus = dv_engine_gpus(daemon->engine, &input.gpu_count);
	input.leases = &leases;
	input.state = state;
	r = dv_plan_make(&input, ret, err);
	if (r < 0)
		return r;
	(void)dv_copy(ret->file, sizeof(ret->file), file);
	ret->source = take_ptr(wish->text);
	return 0;
}

void dv_handle_plan(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	dv_cleanup(dv_api_wish_finip) struct dv_api_wish wish = {0};
	struct dv_error err = {0};
	struct dv_plan plan = {0};
	char *text = NULL;
	int r = dv_api_wish_decode(request->body, request->body_len, &wish, &err);

	r = r < 0 ? r : plan_wish(daemon, request, &wish, &plan, &err);
	if (r == 0) {
		r = dv_api_plan_encode(&plan, &text, &err);
		dv_plan_fini(&plan);
	}
	if (r < 0)
		dv_request_fail(request, &err);
	else
		dv_request_answer(request, 200, text);
}

struct apply_job {
	struct dv_daemon *daemon;
	struct dv_request *request;
	char *answer; /* the plan that is carried out, as a document */
};

static void apply_job_freep(struct apply_job **job)
{
	if (*job)
		free((*job)->answer);
	free(*job);
}

static void applied(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	dv_cleanup(apply_job_freep) struct apply_job *job = arg;

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

static int apply(struct dv_daemon *daemon, struct dv_request *request, struct dv_error *err)
{
	dv_cleanup(dv_api_wish_finip) struct dv_api_wish wish = {0};
	dv_cleanup(apply_job_freep) struct apply_job *job = calloc(1, sizeof(*job));
	struct dv_apply order = {0};
	struct dv_plan plan = {0};
	int r;

	if (!job)
		return dv_error_set(err, -ENOMEM, "no memory to apply a fleet");
	*job = (struct apply_job){.daemon = daemon, .request = request};
	r = dv_api_wish_decode(request->body, request->body_len, &wish, err);
	r = r < 0 ? r : plan_wish(daemon, request, &wish, &plan, err);
	if (r < 0)
		return r;
	order = (struct dv_apply){
		.plan = &plan, .fleet_text = plan.source, .consent = wish.consent};
	r = check_state(&wish, &plan, err);
	r = r < 0 ? r : dv_api_plan_encode(&plan, &job->answer, err);
	r = r < 0 ? r : dv_engine_apply(daemon->engine, &order, &request->who, applied, job, err);
	/* From here on the job is the engine's. */
	if (r == 0)
		(void)take_ptr(job);
	dv_plan_fini(&plan);
	return r;
}

void dv_handle_apply(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (apply(daemon, request, &err) < 0)
		dv_request_fail(request, &err);
}
