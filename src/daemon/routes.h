/* SPDX-License-Identifier: Apache-2.0 */
/* The table of what divvyd answers. Constant data. */
#pragma once

#include "engine/engine.h"

struct dv_daemon;
struct dv_request;

enum dv_may {
	DV_MAY_READ, /* whoever can connect */
	DV_MAY_USE,  /* who may take leases */
};

struct dv_route {
	const char *verb, *path; /* a path's '*' stands for one word */
	enum dv_may may;
	bool needs_gpus; /* waits until GPUs were looked for */
	void (*handle)(struct dv_daemon *daemon, struct dv_request *request, const char *name);
};

/* Ends with an entry whose verb is NULL. */
extern const struct dv_route *const dv_routes;

/* Find the route and copy what its '*' stands for ("" for none). -ENOENT for a path that is none,
 * -EINVAL for a verb that it does not take. */
int dv_route_find(const char *verb, const char *path, const struct dv_route **ret, char *name,
		  size_t size, struct dv_error *err) DV_MUST_CHECK;
/* May they? -EPERM with rule S17. */
int dv_route_admit(const struct dv_route *route, const struct dv_identity *who, const char *group,
		   struct dv_error *err) DV_MUST_CHECK;
