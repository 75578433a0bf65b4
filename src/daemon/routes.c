/* SPDX-License-Identifier: Apache-2.0 */
/* Which request is whose, and who may ask. One table: a path is a list of words, '*' stands for one
 * of any kind. */
#include <string.h>

#include "base/limits.h"
#include "daemon/daemon.h"
#include "daemon/routes.h"

static const struct dv_route routes[] = {
	{"GET", "/v1/status", DV_MAY_READ, true, dv_handle_status},
	{"GET", "/v1/gpus", DV_MAY_READ, true, dv_handle_gpus},
	{"GET", "/v1/gpus/*/holders", DV_MAY_USE, true, dv_handle_who},
	{"GET", "/v1/leases", DV_MAY_READ, true, dv_handle_leases},
	{"POST", "/v1/leases", DV_MAY_USE, true, dv_handle_take},
	{"GET", "/v1/leases/*", DV_MAY_READ, true, dv_handle_lease},
	{"DELETE", "/v1/leases/*", DV_MAY_USE, true, dv_handle_release},
	{"GET", "/v1/leases/*/attach", DV_MAY_USE, true, dv_handle_attach},
	{"POST", "/v1/leases/*/enter", DV_MAY_USE, true, dv_handle_enter},
	{"POST", "/v1/leases/*/unenforced", DV_MAY_USE, true, dv_handle_unenforced},
	{"POST", "/v1/plan", DV_MAY_USE, true, dv_handle_plan},
	{"POST", "/v1/apply", DV_MAY_USE, true, dv_handle_apply},
	{"GET", "/v1/log", DV_MAY_READ, false, dv_handle_log},
	{"GET", "/metrics", DV_MAY_READ, true, dv_handle_metrics},
	{0},
};

const struct dv_route *const dv_routes = routes;

/* The length of the path's next word, past its slash; 0 at the end. */
static size_t word(const char *path, const char **ret)
{
	*ret = path + 1;
	return path[0] == '/' ? strcspn(path + 1, "/") : 0;
}

/* Does the path fit the pattern? Copies the word that '*' stands for. */
static bool fits(const char *pattern, const char *path, char *name, size_t size)
{
	while (*pattern && *path) {
		const char *want, *have;
		size_t want_len = word(pattern, &want), have_len = word(path, &have);

		if (want_len == 0 || have_len == 0)
			return false;
		if (want_len == 1 && *want == '*') {
			if (have_len >= size)
				return false;
			memcpy(name, have, have_len);
			name[have_len] = '\0';
		} else if (want_len != have_len || memcmp(want, have, want_len) != 0) {
			return false;
		}
		pattern = want + want_len;
		path = have + have_len;
	}
	return !*pattern && !*path;
}

int dv_route_find(const char *verb, const char *path, const struct dv_route **ret, char *name,
		  size_t size, struct dv_error *err)
{
	const struct dv_route *other = NULL;

	name[0] = '\0';
	for (const struct dv_route *route = routes; route->verb; route++) {
		if (!fits(route->path, path, name, size))
			continue;
		other = route;
		if (strcmp(route->verb, verb) != 0)
			continue;
		*ret = route;
		return 0;
	}
	if (other)
		return dv_error_set(err, -EINVAL, "%.64s takes no %.7s", other->path, verb);
	return dv_error_set(err, -ENOENT, "there is no '%.120s' here; see docs/api.md", path);
}

int dv_route_admit(const struct dv_route *route, const struct dv_identity *who, const char *group,
		   struct dv_error *err)
{
	int r;

	if (route->may == DV_MAY_READ || who->allowed)
		return 0;
	r = dv_error_rule(err, -EPERM, "S17",
			  "user %u may look here, but take nothing: it is not a member of the "
			  "group '%s'",
			  who->uid, group);
	return dv_error_fix(err, r, "ask the administrator: adduser NAME %s, then log in again",
			    group[0] ? group : "(set socket.group in divvyd.yaml)");
}

static int identify(void *data, int fd, struct dv_identity *ret)
{
	struct dv_daemon *daemon = data;

	return dv_users_identify(&daemon->users, fd, ret, NULL);
}

static int find(struct dv_daemon *daemon, const struct dv_request *request,
		const struct dv_route **ret, char *name, size_t size, struct dv_error *err)
{
	int r = dv_route_find(request->verb, request->path, ret, name, size, err);

	return r < 0 ? r : dv_route_admit(*ret, &request->who, daemon->config.group, err);
}

static int admit(void *data, const struct dv_request *request, struct dv_error *err)
{
	const struct dv_route *route;
	char name[DV_NODE_SIZE];

	return find(data, request, &route, name, sizeof(name), err);
}

static void serve(void *data, struct dv_request *request)
{
	struct dv_daemon *daemon = data;
	const struct dv_route *route = NULL;
	struct dv_error err = {0};
	char name[DV_NODE_SIZE];

	if (find(daemon, request, &route, name, sizeof(name), &err) < 0)
		dv_request_fail(request, &err);
	else if (route->needs_gpus && !daemon->up)
		dv_daemon_wait(daemon, request);
	else
		route->handle(daemon, request, name);
}

static void over(void *data)
{
	dv_daemon_touch(data);
}

const struct dv_http_ops dv_daemon_http_ops = {
	.identify = identify,
	.admit = admit,
	.serve = serve,
	.over = over,
};
