/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are made beside the event loop: a fleet of thousands takes longer than others should wait.
 * One thread makes them one after the other, from copies of what there was when it was asked; it
 * shares nothing else. All functions here are for the loop's thread, and answers come there. */
#pragma once

#include <systemd/sd-event.h>

#include "model/fleet.h"
#include "plan/plan.h"

struct dv_planner;

enum { DV_PLANNER_WAITING_MOST = 16 };

struct dv_planner_question {
	const char *file; /* what the fleet is called in messages */
	const char *text; /* of the fleet */
	const struct dv_gpu *gpus;
	size_t gpu_count;
	const struct dv_leases *leases;
	uid_t uid;
	bool admin, defragment;
	const char *state;
};

struct dv_planner_answer {
	int r; /* 0, or the negative code, then `err` says why and the rest is empty */
	struct dv_error err;
	struct dv_plan plan; /* with its source */
	char *document;	     /* the same, divvy/plan/1; may be taken */
};

typedef void (*dv_planner_done_fn)(void *arg, struct dv_planner_answer *answer);

int dv_planner_new(sd_event *event, struct dv_planner **ret, struct dv_error *err) DV_MUST_CHECK;
/* Waits for the plan that is being made; nobody is answered any more, `drop` gets their `arg`. */
void dv_planner_free(struct dv_planner *planner);
DV_DEFINE_FREEP(struct dv_planner, dv_planner_free)

/* The question is only read during the call. `done` is called once, from the loop; `drop` instead
 * when the planner is freed before. -EBUSY (rule S19) when too many wait. */
int dv_planner_ask(struct dv_planner *planner, const struct dv_planner_question *question,
		   dv_planner_done_fn done, void (*drop)(void *arg), void *arg,
		   struct dv_error *err) DV_MUST_CHECK;
