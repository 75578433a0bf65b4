/* SPDX-License-Identifier: Apache-2.0 */
/* What a client asks for, and the grant it gets. */
#include "api/api.h"
#include "api/document.h"
#include "model/units.h"

int dv_api_request_encode(const struct dv_lease_request *request, char **ret_text,
			  struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/request/1");
	dv_api_put_opt(&out, "name", request->name);
	dv_api_put_opt(&out, "gpu", request->gpu);
	dv_api_put_text(&out, "kind", dv_kind_name(request->kind));
	if (request->method != DV_METHOD_NONE)
		dv_api_put_text(&out, "method", dv_method_name(request->method));
	dv_api_put_text(&out, "policy", dv_policy_name(request->policy));
	if (request->memory_bytes)
		dv_api_put_int(&out, "memory_bytes", (int64_t)request->memory_bytes);
	if (request->compute_mpct)
		dv_api_put_scaled(&out, "compute_pct", request->compute_mpct, 1000);
	if (request->compute_units)
		dv_api_put_int(&out, "compute_units", request->compute_units);
	dv_api_put_bool(&out, "ephemeral", request->ephemeral);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int known_members(const struct dv_api_in *in)
{
	static const char *const known[] = {
		"schema",     "name",	      "gpu",	     "kind",	      "method",	   "policy",
		"memory_mib", "memory_bytes", "compute_pct", "compute_units", "ephemeral", NULL};
	int r = dv_api_only_members(in, known, "a request");

	if (r < 0)
		return dv_error_fix(in->err, r,
				    "it may have name, gpu, kind, method, policy, memory_mib or "
				    "memory_bytes, compute_pct, compute_units, ephemeral");
	if (json_object_get(in->obj, "memory_mib") && json_object_get(in->obj, "memory_bytes"))
		return dv_error_rule(in->err, in->code, "F12",
				     "memory_mib and memory_bytes are both given; give one");
	return 0;
}

static int request_get(const struct dv_api_in *in, struct dv_lease_request *request)
{
	int r = known_members(in);

	r = r < 0 ? r : dv_api_get_text(in, "name", request->name, sizeof(request->name));
	r = r < 0 ? r : dv_api_get_text(in, "gpu", request->gpu, sizeof(request->gpu));
	r = r < 0 ? r : dv_api_get_word(in, "kind", dv_kind_parse, &request->kind);
	r = r < 0 ? r : dv_api_get_word(in, "method", dv_method_parse, &request->method);
	r = r < 0 ? r : dv_api_get_word(in, "policy", dv_policy_parse, &request->policy);
	r = r < 0 ? r : dv_api_get_memory(in, "memory", &request->memory_bytes);
	r = r < 0 ? r : dv_api_get_share(in, "compute_pct", &request->compute_mpct);
	r = r < 0 ? r : dv_api_get_unsigned(in, "compute_units", 1u << 20, &request->compute_units);
	return r < 0 ? r : dv_api_get_bool(in, "ephemeral", &request->ephemeral);
}

int dv_api_request_decode(const char *text, size_t len, struct dv_lease_request *ret,
			  struct dv_error *err)
{
	struct dv_lease_request request = {0};
	dv_autojson json_t *root = NULL;
	int r = dv_api_load(text, len, "request", -EBADMSG, &root, err);

	r = r < 0 ? r : request_get(&(struct dv_api_in){root, -EBADMSG, err}, &request);
	if (r < 0)
		return dv_error_prefix(err, r, "request");
	if (request.name[0] && !dv_is_name(request.name, DV_NAME_MOST))
		return dv_error_fix(
			err,
			dv_error_rule(err, -EBADMSG, "F08",
				      "'%s' is no name: letters, digits, '.', '_' and '-', not "
				      "beginning with '.' or '-'",
				      request.name),
			"choose another name");
	*ret = request;
	return 0;
}

int dv_api_grant_encode(const struct dv_api_grant *grant, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/grant/1");
	dv_api_put_json(&out, "lease", dv_api_lease_put(&grant->lease));
	dv_api_put_texts(&out, "env", grant->env[0], sizeof(grant->env[0]),
			 DV_MIN(grant->env_count, (unsigned)DV_API_ENV_MOST));
	dv_api_put_texts(&out, "devices", grant->devices[0], sizeof(grant->devices[0]),
			 DV_MIN(grant->device_count, (unsigned)DV_API_DEVICES_MOST));
	dv_api_put_opt(&out, "note", grant->note);
	dv_api_put_opt(&out, "nvml", grant->nvml);
	dv_api_put_opt(&out, "cgroup", grant->cgroup);
	dv_api_put_opt(&out, "cpus", grant->cpus);
	dv_api_put_bool(&out, "gated", grant->gated);
	dv_api_put_text(&out, "unenforced", grant->stop_unenforced ? "stop" : "warn");
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int env_check(const struct dv_api_in *in, const struct dv_api_grant *grant)
{
	for (unsigned i = 0; i < grant->env_count; i++)
		if (!strchr(grant->env[i], '=') || grant->env[i][0] == '=')
			return dv_error_set(in->err, in->code, "env[%u] is not KEY=VALUE", i);
	return 0;
}

int dv_api_grant_decode(const char *text, struct dv_api_grant *ret, struct dv_error *err)
{
	dv_autofree struct dv_api_grant *grant = calloc(1, sizeof(*grant));
	dv_autojson json_t *root = NULL;
	struct dv_api_in in;
	char unenforced[8] = "stop"; /* the careful one */
	int r;

	if (!grant)
		return dv_error_set(err, -ENOMEM, "no memory for a grant");
	r = dv_api_load(text, strlen(text), "grant", -EPROTO, &root, err);
	if (r < 0)
		return r;
	in = (struct dv_api_in){root, -EPROTO, err};
	r = dv_api_lease_get(&in, json_object_get(root, "lease"), &grant->lease);
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "env", grant->env[0], sizeof(grant->env[0]),
				     DV_API_ENV_MOST, &grant->env_count);
	r = r < 0 ? r : env_check(&in, grant);
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "devices", grant->devices[0], sizeof(grant->devices[0]),
				     DV_API_DEVICES_MOST, &grant->device_count);
	r = r < 0 ? r : dv_api_get_text(&in, "note", grant->note, sizeof(grant->note));
	r = r < 0 ? r : dv_api_get_text(&in, "nvml", grant->nvml, sizeof(grant->nvml));
	r = r < 0 ? r : dv_api_get_text(&in, "cgroup", grant->cgroup, sizeof(grant->cgroup));
	r = r < 0 ? r : dv_api_get_text(&in, "cpus", grant->cpus, sizeof(grant->cpus));
	r = r < 0 ? r : dv_api_get_bool(&in, "gated", &grant->gated);
	r = r < 0 ? r : dv_api_get_text(&in, "unenforced", unenforced, sizeof(unenforced));
	if (r < 0)
		return r;
	grant->stop_unenforced = strcmp(unenforced, "warn") != 0;
	*ret = *grant;
	return 0;
}
