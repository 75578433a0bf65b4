/* SPDX-License-Identifier: Apache-2.0 */
/* Plans: where a fleet's tenants would go. */
#include <string.h>

#include "daemon/daemon.h"
#include "model/fleet.h"
#include "plan/plan.h"

static void fleet_finip(struct dv_fleet *fleet)
{
	dv_fleet_fini(fleet);
}

/* The plan for today's state; the caller's to free. The text becomes the plan's. */
static int plan_wish(const struct dv_daemon *daemon, const struct dv_request *request,
		     struct dv_api_wish *wish, struct dv_plan *ret, struct dv_error *err)
{
	dv_cleanup(fleet_finip) struct dv_fleet fleet = {0};
	const char *file = wish->file[0] ? wish->file : "fleet";
	struct dv_plan_input input = {.fleet = &fleet, .uid = request->who.uid};
	char state[17];
	int r = dv_fleet_parse(wish->text, strlen(wish->text), file, &fleet, err);

	if (r < 0)
		return r;
	dv_engine_state(daemon->engine, state);
	input.gpus = dv_engine_gpus(daemon->engine, &input.gpu_count);
	input.leases = dv_engine_leases(daemon->engine);
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
