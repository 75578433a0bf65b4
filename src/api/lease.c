/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"
#include "api/document.h"
#include "model/units.h"

static void pids_put(struct dv_api_out *out, const struct dv_lease *lease)
{
	json_t *pids = json_array();

	for (unsigned i = 0; i < lease->pid_count && i < DV_LEASE_PIDS_MOST; i++)
		dv_api_append(out, pids, json_integer(lease->pids[i]));
	dv_api_put_json(out, "pids", pids);
	dv_api_put_int(out, "pid_count", lease->pid_count);
}

static void users_put(struct dv_api_out *out, const struct dv_lease *lease)
{
	json_t *users = json_array();

	for (unsigned i = 0; i < lease->user_count && i < DV_LEASE_USERS_MOST; i++) {
		const struct dv_lease_user *user = &lease->users[i];
		struct dv_api_out one = dv_api_begin();

		dv_api_put_int(&one, "pid", user->pid);
		dv_api_put_opt(&one, "command", user->command);
		dv_api_put_bool(&one, "member", user->member);
		dv_api_append(out, users, dv_api_done(&one));
	}
	dv_api_put_json(out, "users", users);
	dv_api_put_int(out, "user_count", lease->user_count);
}

static void time_put(struct dv_api_out *out, const struct dv_lease *lease)
{
	if (!lease->window_ms)
		return;
	dv_api_put_scaled(out, "wanted_pct", lease->compute_mpct, 1000);
	dv_api_put_scaled(out, "got_pct", lease->got_mpct, 1000);
	dv_api_put_int(out, "window_ms", lease->window_ms);
	dv_api_put_scaled(out, "wait_p99_ms", lease->wait_p99_ns, 1000000);
}

json_t *dv_api_lease_put(const struct dv_lease *lease)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_int(&out, "id", lease->id);
	dv_api_put_text(&out, "name", lease->name);
	dv_api_put_opt(&out, "fleet", lease->fleet);
	dv_api_put_int(&out, "uid", lease->uid);
	dv_api_put_text(&out, "kind", dv_kind_name(lease->kind));
	dv_api_put_text(&out, "method", dv_method_name(lease->method));
	dv_api_put_text(&out, "policy", dv_policy_name(lease->policy));
	dv_api_put_text(&out, "state", dv_lease_state_name(lease->state));
	dv_api_put_text(&out, "gpu", lease->gpu_uuid);
	dv_api_put_text(&out, "node", lease->node);
	dv_api_put_opt(&out, "profile", lease->profile);
	if (lease->missing)
		dv_api_put_bool(&out, "missing", true);
	dv_api_put_memory(&out, "memory", lease->memory_bytes);
	dv_api_put_scaled(&out, "compute_pct", lease->compute_mpct, 1000);
	dv_api_put_bool(&out, "ephemeral", lease->ephemeral);
	if (lease->launcher)
		dv_api_put_int(&out, "launcher", lease->launcher);
	dv_api_put_int(&out, "created_s", lease->created_s);
	dv_api_put_memory(&out, "memory_used", lease->memory_used_bytes);
	if (lease->memory_seen_bytes)
		dv_api_put_memory(&out, "memory_seen", lease->memory_seen_bytes);
	time_put(&out, lease);
	pids_put(&out, lease);
	users_put(&out, lease);
	return dv_api_done(&out);
}

void dv_api_put_leases(struct dv_api_out *out, const struct dv_lease *leases, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		dv_api_append(out, list, dv_api_lease_put(&leases[i]));
	dv_api_put_json(out, "leases", list);
}

int dv_api_leases_encode(const struct dv_lease *leases, size_t count, char **ret_text,
			 struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/leases/1");
	dv_api_put_leases(&out, leases, count);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int pids_get(const struct dv_api_in *in, struct dv_lease *lease)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "pids", DV_LEASE_PIDS_MOST, &list);
	size_t count = json_array_size(list);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		const json_t *pid = json_array_get(list, i);

		if (!json_is_integer(pid) || json_integer_value(pid) <= 0 ||
		    json_integer_value(pid) > INT32_MAX)
			return dv_error_set(in->err, in->code, "\"pids\" has an item that is none");
		lease->pids[i] = (pid_t)json_integer_value(pid);
	}
	lease->pid_count = (unsigned)count;
	r = dv_api_get_unsigned(in, "pid_count", UINT32_MAX, &lease->pid_count);
	/* Only a full list may leave some out. */
	if (r == 0 && lease->pid_count != count &&
	    (lease->pid_count < count || count < DV_LEASE_PIDS_MOST))
		return dv_error_set(in->err, in->code,
				    "\"pid_count\" does not fit the pids listed");
	return r;
}

static int user_get(const struct dv_api_in *from, const json_t *value, struct dv_lease_user *ret)
{
	struct dv_api_in in;
	int64_t pid = 0;
	int r = dv_api_enter(from, value, "a user", &in);

	r = r < 0 ? r : dv_api_get_int(&in, "pid", 1, INT32_MAX, &pid);
	r = r < 0 ? r : dv_api_get_text(&in, "command", ret->command, sizeof(ret->command));
	ret->pid = (pid_t)pid;
	return r < 0 ? r : dv_api_get_bool(&in, "member", &ret->member);
}

static int users_get(const struct dv_api_in *in, struct dv_lease *lease)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "users", DV_LEASE_USERS_MOST, &list);
	unsigned count = (unsigned)json_array_size(list);

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = user_get(in, json_array_get(list, i), &lease->users[i]);
	lease->user_count = count;
	r = r < 0 ? r : dv_api_get_unsigned(in, "user_count", UINT32_MAX, &lease->user_count);
	if (r == 0 && (lease->user_count < count ||
		       (lease->user_count > count && count < DV_LEASE_USERS_MOST)))
		return dv_error_set(in->err, in->code,
				    "\"user_count\" does not fit the users listed");
	return r;
}

static int who_get(const struct dv_api_in *in, struct dv_lease *lease)
{
	int64_t launcher = 0;
	int r = dv_api_get_int(in, "id", 0, INT64_MAX, &lease->id);

	r = r < 0 ? r : dv_api_need_text(in, "name", lease->name, sizeof(lease->name));
	r = r < 0 ? r : dv_api_get_text(in, "fleet", lease->fleet, sizeof(lease->fleet));
	r = r < 0 ? r : dv_api_get_unsigned(in, "uid", UINT32_MAX, &lease->uid);
	r = r < 0 ? r : dv_api_get_text(in, "gpu", lease->gpu_uuid, sizeof(lease->gpu_uuid));
	r = r < 0 ? r : dv_api_get_text(in, "node", lease->node, sizeof(lease->node));
	r = r < 0 ? r : dv_api_get_text(in, "profile", lease->profile, sizeof(lease->profile));
	r = r < 0 ? r : dv_api_get_bool(in, "missing", &lease->missing);
	r = r < 0 ? r : dv_api_get_bool(in, "ephemeral", &lease->ephemeral);
	r = r < 0 ? r : dv_api_get_int(in, "launcher", 0, INT32_MAX, &launcher);
	r = r < 0 ? r : dv_api_get_int(in, "created_s", 0, INT64_MAX, &lease->created_s);
	lease->launcher = (pid_t)launcher;
	return r;
}

static int words_get(const struct dv_api_in *in, struct dv_lease *lease)
{
	int r = dv_api_get_word(in, "kind", dv_kind_parse, &lease->kind);

	r = r < 0 ? r : dv_api_get_word(in, "method", dv_method_parse, &lease->method);
	r = r < 0 ? r : dv_api_get_word(in, "policy", dv_policy_parse, &lease->policy);
	return r < 0 ? r : dv_api_get_word(in, "state", dv_lease_state_parse, &lease->state);
}

int dv_api_lease_get(const struct dv_api_in *from, const json_t *value, struct dv_lease *ret)
{
	struct dv_lease lease = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "a lease", &in);

	r = r < 0 ? r : who_get(&in, &lease);
	r = r < 0 ? r : words_get(&in, &lease);
	r = r < 0 ? r : dv_api_get_memory(&in, "memory", &lease.memory_bytes);
	r = r < 0 ? r : dv_api_get_memory(&in, "memory_used", &lease.memory_used_bytes);
	r = r < 0 ? r : dv_api_get_memory(&in, "memory_seen", &lease.memory_seen_bytes);
	r = r < 0 ? r : dv_api_get_share(&in, "compute_pct", &lease.compute_mpct);
	r = r < 0 ? r : dv_api_get_share(&in, "got_pct", &lease.got_mpct);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "window_ms", UINT32_MAX, &lease.window_ms);
	/* An hour: far beyond any wait, and exact in a double. */
	r = r < 0 ? r
		  : dv_api_get_scaled(&in, "wait_p99_ms", 1e6, UINT64_C(3600000000000),
				      &lease.wait_p99_ns);
	r = r < 0 ? r : pids_get(&in, &lease);
	r = r < 0 ? r : users_get(&in, &lease);
	if (r < 0)
		return r;
	*ret = lease;
	return 0;
}

int dv_api_get_leases(const struct dv_api_in *in, struct dv_leases *ret)
{
	const json_t *list = NULL;
	struct dv_lease lease;
	int r = dv_api_get_list(in, "leases", DV_LEASES_MOST, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = dv_api_lease_get(in, json_array_get(list, i), &lease);
		if (r < 0)
			return dv_error_prefix(in->err, r, "leases[%zu]", i);
		if (dv_vec_push(ret, lease) < 0)
			r = dv_error_set(in->err, -ENOMEM, "no memory for the list of leases");
	}
	return r;
}

int dv_api_leases_decode(const char *text, struct dv_leases *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_leases leases = {0};
	int r = dv_api_load(text, strlen(text), "leases", -EPROTO, &root, err);

	if (r < 0)
		return r;
	r = dv_api_get_leases(&(struct dv_api_in){root, -EPROTO, err}, &leases);
	if (r < 0) {
		dv_vec_fini(&leases);
		return r;
	}
	*ret = leases;
	return 0;
}
