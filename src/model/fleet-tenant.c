/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fleet-read.h"

#include <string.h>

#include "base/str.h"
#include "model/mig.h"
#include "model/units.h"
#include "model/word.h"

enum { START_MOST = 4096 };

/* Say at that node what a parser of words or units said. */
static int refuse(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		  const struct dv_error *why, struct dv_error *err)
{
	int r = dv_yaml_fail(doc, node, why->rule, err, "%s", why->msg);

	return dv_error_fix(err, r, "%s", why->fix);
}

/* Read a text and turn it into a value; what the parser refuses is said at the node. */
#define DEFINE_READ(what, type, parse)                                                             \
	static int read_##what(const struct dv_yaml *doc, const struct dv_yaml_node *node,         \
			       type *ret, struct dv_error *err)                                    \
	{                                                                                          \
		struct dv_error why = {0};                                                         \
		char text[64];                                                                     \
		int r = dv_yaml_text(doc, node, text, sizeof(text), err);                          \
                                                                                                   \
		if (r < 0)                                                                         \
			return r;                                                                  \
		return parse(text, ret, &why) < 0 ? refuse(doc, node, &why, err) : 0;              \
	}

DEFINE_READ(kind, enum dv_kind, dv_kind_parse)
DEFINE_READ(policy, enum dv_policy, dv_policy_parse)
DEFINE_READ(isolation, enum dv_isolation, dv_isolation_parse)
DEFINE_READ(move, enum dv_move, dv_move_parse)
DEFINE_READ(size, uint64_t, dv_size_parse)
DEFINE_READ(share, uint32_t, dv_share_parse)
DEFINE_READ(time, uint64_t, dv_time_parse)

int dv_fleet_read_method(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			 enum dv_method *ret, struct dv_error *err)
{
	const char *words[DV_METHOD_COUNT + 1] = {0};
	struct dv_error why = {0};
	enum dv_method method;
	char text[64], allowed[160];
	size_t n = 0;
	int r = dv_yaml_text(doc, node, text, sizeof(text), err);

	if (r < 0)
		return r;
	for (int m = DV_METHOD_NONE + 1; m < DV_METHOD_COUNT; m++)
		if (!dv_method_advice_only((enum dv_method)m))
			words[n++] = dv_method_name((enum dv_method)m);
	if (dv_method_parse(text, &method, NULL) == 0 && dv_method_advice_only(method))
		return dv_yaml_fail(doc, node, "F11", err,
				    "method '%s' is advice only, divvy does not set it up; "
				    "allowed: %s",
				    text, dv_word_list(words, allowed, sizeof(allowed)));
	if (dv_word_parse("method", words, text, &why) < 0)
		return refuse(doc, node, &why, err);
	return dv_method_parse(text, ret, err);
}

int dv_fleet_read_name(const struct dv_yaml *doc, const struct dv_yaml_node *node, char *buf,
		       size_t size, struct dv_error *err)
{
	char text[256];
	int r = dv_yaml_text(doc, node, text, sizeof(text), err);

	if (r < 0)
		return r;
	if (!dv_is_name(text, size - 1))
		return dv_yaml_fail(doc, node, "F08", err,
				    "name '%.64s' is not allowed: 1 to %zu letters, digits, '.', "
				    "'_' and '-', not beginning with '.' or '-'",
				    text, size - 1);
	(void)dv_copy(buf, size, text);
	return 0;
}

int dv_fleet_read_ascii(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			const char *chars, char *buf, size_t size, struct dv_error *err)
{
	int r = dv_yaml_text(doc, node, buf, size, err);

	if (r < 0)
		return r;
	if (!buf[0])
		return dv_yaml_fail(doc, node, "F08", err,
				    "the text is empty; leave the key out instead");
	for (const char *s = buf; *s; s++)
		if (*s < ' ' || *s > '~' || (chars && !strchr(chars, *s)))
			return dv_yaml_fail(doc, node, "F08", err, "'%s' is not allowed: only %s",
					    buf, chars ? chars : "printable ASCII characters");
	return 0;
}

static int read_needs(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      struct dv_needs *needs, struct dv_error *err)
{
	static const char *const keys[] = {"memory", "compute", "isolation", "p99", NULL};
	const struct dv_yaml_node *node;
	int r = dv_yaml_only_keys(doc, map, keys, err);

	if (r == 0 && (node = dv_yaml_get(map, "memory")))
		r = read_size(doc, node, &needs->memory_bytes, err);
	if (r == 0 && (node = dv_yaml_get(map, "compute")))
		r = read_share(doc, node, &needs->compute_mpct, err);
	if (r == 0 && (node = dv_yaml_get(map, "isolation"))) {
		r = read_isolation(doc, node, &needs->isolation, err);
		needs->isolation_set = true;
	}
	if (r == 0 && (node = dv_yaml_get(map, "p99")))
		r = read_time(doc, node, &needs->p99_ns, err);
	return r;
}

static int read_number(const struct dv_yaml *doc, const struct dv_yaml_node *node, uint64_t least,
		       uint64_t most, unsigned *ret, struct dv_error *err)
{
	uint64_t value;
	int r = dv_yaml_u64(doc, node, least, most, &value, err);

	if (r == 0)
		*ret = (unsigned)value;
	return r;
}

int dv_fleet_read_defaults(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			   struct dv_fleet_defaults *ret, struct dv_error *err)
{
	static const char *const keys[] = {"kind", "method", "policy", "isolation", "move", NULL};
	struct dv_fleet_defaults defaults = *ret;
	const struct dv_yaml_node *node;
	int r = dv_yaml_only_keys(doc, map, keys, err);

	if (r == 0 && (node = dv_yaml_get(map, "kind")))
		r = read_kind(doc, node, &defaults.kind, err);
	if (r == 0 && (node = dv_yaml_get(map, "method")))
		r = dv_fleet_read_method(doc, node, &defaults.method, err);
	if (r == 0 && (node = dv_yaml_get(map, "policy"))) {
		r = read_policy(doc, node, &defaults.policy, err);
		defaults.policy_set = true;
	}
	if (r == 0 && (node = dv_yaml_get(map, "isolation"))) {
		r = read_isolation(doc, node, &defaults.isolation, err);
		defaults.isolation_set = true;
	}
	if (r == 0 && (node = dv_yaml_get(map, "move")))
		r = read_move(doc, node, &defaults.move, err);
	if (r == 0)
		*ret = defaults;
	return r;
}

/* Each key by itself. */
static int read_keys(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		     struct dv_tenant *tenant, unsigned *count, struct dv_error *err)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, "name");
	unsigned start;
	int r;

	if (!node)
		return dv_yaml_fail(doc, map, "F10", err, "a tenant needs a name");
	r = dv_fleet_read_name(doc, node, tenant->name, sizeof(tenant->name), err);
	if (r == 0 && (node = dv_yaml_get(map, "kind")))
		r = read_kind(doc, node, &tenant->kind, err);
	if (r == 0 && (node = dv_yaml_get(map, "count")))
		r = read_number(doc, node, 1, DV_TENANTS_MOST, count, err);
	if (r == 0 && (node = dv_yaml_get(map, "gpus")))
		r = read_number(doc, node, 1, DV_GPUS_MOST, &tenant->gpus, err);
	if (r == 0 && (node = dv_yaml_get(map, "needs")))
		r = read_needs(doc, node, &tenant->needs, err);
	if (r == 0 && (node = dv_yaml_get(map, "method")))
		r = dv_fleet_read_method(doc, node, &tenant->method, err);
	if (r == 0 && (node = dv_yaml_get(map, "policy"))) {
		r = read_policy(doc, node, &tenant->policy, err);
		tenant->policy_set = true;
	}
	if (r == 0 && (node = dv_yaml_get(map, "profile")))
		r = dv_fleet_read_ascii(doc, node, NULL, tenant->profile, sizeof(tenant->profile),
					err);
	if (r == 0 && (node = dv_yaml_get(map, "start"))) {
		r = read_number(doc, node, 0, START_MOST, &start, err);
		tenant->start = r == 0 ? (int)start : -1;
	}
	if (r == 0 && (node = dv_yaml_get(map, "gpu")))
		r = dv_fleet_read_ascii(doc, node, NULL, tenant->gpu, sizeof(tenant->gpu), err);
	if (r == 0 && (node = dv_yaml_get(map, "move")))
		r = read_move(doc, node, &tenant->move, err);
	return r;
}

static bool shares_time(enum dv_method method)
{
	return method == DV_METHOD_NONE || method == DV_METHOD_SLICE || method == DV_METHOD_VGPU;
}

/* The vendor's scheduler has no latency class. */
static bool takes_policy(enum dv_method method, enum dv_policy policy)
{
	return shares_time(method) && !(method == DV_METHOD_VGPU && policy == DV_POLICY_LATENCY);
}

static bool takes_profile(enum dv_method method)
{
	return method == DV_METHOD_MIG || method == DV_METHOD_SLICE || method == DV_METHOD_VGPU ||
	       method == DV_METHOD_VGPU_MIG;
}

/* These policies hold a tenant to a share; of a vendor's vGPU the type has it. */
static bool needs_share(const struct dv_tenant *tenant)
{
	return tenant->method != DV_METHOD_VGPU &&
	       (tenant->policy == DV_POLICY_FIXED_SHARE || tenant->policy == DV_POLICY_LATENCY);
}

/* A default counts only where it can be meant: not the method of slices for a whole GPU. */
static void merge_defaults(const struct dv_fleet_defaults *defaults, struct dv_tenant *tenant)
{
	if (!tenant->needs.isolation_set && defaults->isolation_set) {
		tenant->needs.isolation = defaults->isolation;
		tenant->needs.isolation_set = true;
	}
	if (tenant->gpus)
		return;
	if (tenant->method == DV_METHOD_NONE)
		tenant->method = defaults->method;
	if (tenant->policy_set || !defaults->policy_set ||
	    !takes_policy(tenant->method, defaults->policy))
		return;
	tenant->policy = defaults->policy;
	tenant->policy_set = true;
	/* Left to the advisor, it may well get what has no policy. */
	if (tenant->method == DV_METHOD_NONE && needs_share(tenant) &&
	    !tenant->needs.compute_mpct) {
		tenant->policy = DV_POLICY_BEST_EFFORT;
		tenant->policy_set = false;
	}
}

/* A whole GPU has no part to be sized. */
static int check_whole(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		       const struct dv_tenant *tenant, struct dv_error *err)
{
	static const char *const parts[] = {"policy", "profile", "start"};
	const struct dv_yaml_node *needs = dv_yaml_get(map, "needs");
	const struct dv_yaml_node *node = needs ? dv_yaml_get(needs, "memory") : NULL;

	if (!node && needs)
		node = dv_yaml_get(needs, "compute");
	if (node)
		return dv_yaml_fail(doc, node, "F12", err,
				    "'gpus' asks for whole GPUs, memory and compute for a part of "
				    "one");
	for (size_t i = 0; i < DV_ARRAY_LEN(parts); i++)
		if ((node = dv_yaml_get(map, parts[i])))
			return dv_yaml_fail(doc, node, "F12", err,
					    "'gpus' asks for whole GPUs, '%s' is of a part of one",
					    parts[i]);
	if (tenant->method != DV_METHOD_NONE && tenant->method != DV_METHOD_PASSTHROUGH)
		return dv_yaml_fail(doc, dv_yaml_get(map, "method"), "F12", err,
				    "'gpus' asks for whole GPUs, method '%s' gives a part of one; "
				    "allowed with gpus: passthrough, or no method",
				    dv_method_name(tenant->method));
	return 0;
}

static int check_profile(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			 const struct dv_tenant *tenant, struct dv_error *err)
{
	const struct dv_yaml_node *profile = dv_yaml_get(map, "profile");
	const struct dv_yaml_node *start = dv_yaml_get(map, "start");
	const char *whole;

	if (start && !profile)
		return dv_yaml_fail(doc, start, "F10", err,
				    "'start' is the place of a profile; name the profile too");
	if (profile && tenant->method == DV_METHOD_SLICE &&
	    dv_mig_part_slices(tenant->profile, &whole))
		return dv_yaml_fail(doc, profile, "F12", err,
				    "a slice is one of a whole partition, not of a compute "
				    "instance: allowed here is '%s'",
				    whole);
	if (!profile || tenant->own || takes_profile(tenant->method))
		return 0;
	if (tenant->method == DV_METHOD_NONE)
		return dv_yaml_fail(
			doc, profile, "F10", err,
			"a profile needs its method: mig, slice (of a MIG partition), vgpu "
			"or vgpu-mig");
	return dv_yaml_fail(
		doc, profile, "F12", err,
		"method '%s' has no profiles; allowed with profile: mig, slice, vgpu, vgpu-mig",
		dv_method_name(tenant->method));
}

static int check_policy(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			const struct dv_tenant *tenant, struct dv_error *err)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, "policy");
	const char *policy = dv_policy_name(tenant->policy);

	if (!tenant->policy_set)
		return 0;
	if (!shares_time(tenant->method))
		return dv_yaml_fail(doc, node, "F12", err,
				    "method '%s' shares no time, so it has no policy; allowed with "
				    "policy: slice, vgpu",
				    dv_method_name(tenant->method));
	if (!takes_policy(tenant->method, tenant->policy))
		return dv_yaml_fail(doc, node, "F12", err,
				    "vgpu has no policy 'latency'; allowed: best-effort, "
				    "equal-share, fixed-share");
	if (needs_share(tenant) && !tenant->needs.compute_mpct)
		return dv_yaml_fail(doc, node ? node : map, "F10", err,
				    "policy '%s' holds a tenant to its share; say which, as in "
				    "needs: {compute: 25%%}",
				    policy);
	return 0;
}

/* The keys together. */
static int check_keys(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      const struct dv_tenant *tenant, struct dv_error *err)
{
	const struct dv_yaml_node *method = dv_yaml_get(map, "method");
	int r = tenant->gpus ? check_whole(doc, map, tenant, err) : 0;

	if (r == 0 && tenant->kind == DV_KIND_VM && tenant->method == DV_METHOD_SLICE)
		r = dv_yaml_fail(doc, method ? method : map, "G06", err,
				 "a virtual machine cannot have a slice: its programs do not run "
				 "under the gate");
	if (r == 0)
		r = check_profile(doc, map, tenant, err);
	return r == 0 ? check_policy(doc, map, tenant, err) : r;
}

int dv_fleet_read_profile(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			  struct dv_slice_profile *ret, struct dv_error *err)
{
	static const char *const keys[] = {"name", "memory", "compute", "policy", "most", NULL};
	static const char *const needed[] = {"name", "memory", "compute"};
	struct dv_slice_profile profile = {0};
	const struct dv_yaml_node *node;
	int r = dv_yaml_only_keys(doc, map, keys, err);

	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(needed); i++)
		if (!dv_yaml_get(map, needed[i]))
			r = dv_yaml_fail(doc, map, "F10", err,
					 "a profile needs a name, memory and compute, as in {name: "
					 "small, memory: 4GiB, compute: 10%%}");
	if (r < 0)
		return r;
	r = dv_fleet_read_name(doc, dv_yaml_get(map, "name"), profile.name, sizeof(profile.name),
			       err);
	if (r == 0)
		r = read_size(doc, dv_yaml_get(map, "memory"), &profile.memory_bytes, err);
	if (r == 0)
		r = read_share(doc, dv_yaml_get(map, "compute"), &profile.compute_mpct, err);
	if (r == 0 && (node = dv_yaml_get(map, "policy"))) {
		r = read_policy(doc, node, &profile.policy, err);
		profile.policy_set = true;
	}
	if (r == 0 && (node = dv_yaml_get(map, "most")))
		r = read_number(doc, node, 1, DV_LEASES_MOST, &profile.most, err);
	if (r == 0)
		*ret = profile;
	return r;
}

/* What a profile of the fleet's own says, a tenant cannot say otherwise. */
static int check_own(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		     const struct dv_tenant *tenant, const struct dv_slice_profile *profile,
		     struct dv_error *err)
{
	static const char *const sizes[] = {"memory", "compute"};
	const struct dv_yaml_node *needs = dv_yaml_get(map, "needs"), *node;

	for (size_t i = 0; needs && i < DV_ARRAY_LEN(sizes); i++)
		if ((node = dv_yaml_get(needs, sizes[i])))
			return dv_yaml_fail(doc, node, "F12", err,
					    "the profile '%s' says it already: leave '%s' out",
					    profile->name, sizes[i]);
	if (profile->policy_set && (node = dv_yaml_get(map, "policy")))
		return dv_yaml_fail(doc, node, "F12", err,
				    "the profile '%s' has the policy %s: leave 'policy' out",
				    profile->name, dv_policy_name(profile->policy));
	if ((node = dv_yaml_get(map, "start")))
		return dv_yaml_fail(doc, node, "F12", err,
				    "'start' is the place of a partition, and '%s' is a slice",
				    profile->name);
	if (tenant->method != DV_METHOD_SLICE && tenant->method != DV_METHOD_NONE)
		return dv_yaml_fail(doc, dv_yaml_get(map, "profile"), "F12", err,
				    "'%s' is a profile of slices, not of method '%s'",
				    profile->name, dv_method_name(tenant->method));
	return 0;
}

/* Without a method a profile can only be one of the fleet's own. */
static int check_own_name(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			  const struct dv_fleet_defaults *defaults, const struct dv_tenant *tenant,
			  struct dv_error *err)
{
	const char *words[DV_SLICE_PROFILES_MOST + 1] = {NULL};
	struct dv_error why = {0};
	int r;

	if (!tenant->profile[0] || tenant->gpus || tenant->method != DV_METHOD_NONE ||
	    !defaults->profile_count)
		return 0;
	for (size_t i = 0; i < DV_MIN(defaults->profile_count, (size_t)DV_SLICE_PROFILES_MOST); i++)
		words[i] = defaults->profiles[i].name;
	(void)!dv_word_parse("profile", words, tenant->profile, &why);
	r = dv_yaml_fail(doc, dv_yaml_get(map, "profile"), "F11", err, "%s", why.msg);
	return dv_error_fix(err, r, "%s, or add the method of a GPU's profile", why.fix);
}

/* A profile of the fleet's own goes before one of MIG that is called the same. */
static int take_own(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		    const struct dv_fleet_defaults *defaults, struct dv_tenant *tenant,
		    struct dv_error *err)
{
	const struct dv_slice_profile *profile = NULL;
	int r;

	for (size_t i = 0; tenant->profile[0] && i < defaults->profile_count; i++)
		if (strcmp(defaults->profiles[i].name, tenant->profile) == 0)
			profile = &defaults->profiles[i];
	if (!profile || tenant->gpus)
		return 0;
	r = check_own(doc, map, tenant, profile, err);
	if (r < 0)
		return r;
	tenant->own = (unsigned)(profile - defaults->profiles) + 1;
	tenant->own_most = profile->most;
	tenant->profile[0] = '\0';
	tenant->method = DV_METHOD_SLICE;
	tenant->needs.memory_bytes = profile->memory_bytes;
	tenant->needs.compute_mpct = profile->compute_mpct;
	if (profile->policy_set) {
		tenant->policy = profile->policy;
		tenant->policy_set = true;
	}
	return 0;
}

int dv_fleet_read_tenant(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			 const struct dv_fleet_defaults *defaults, struct dv_tenant *ret_tenant,
			 unsigned *ret_count, struct dv_error *err)
{
	static const char *const keys[] = {"name",   "kind",	"count", "gpus", "needs", "method",
					   "policy", "profile", "start", "gpu",	 "move",  NULL};
	struct dv_tenant tenant = {.kind = defaults->kind,
				   .move = defaults->move,
				   .start = -1,
				   .line = node->line,
				   .column = node->column};
	unsigned count = 1;
	int r = dv_yaml_only_keys(doc, node, keys, err);

	if (r == 0)
		r = read_keys(doc, node, &tenant, &count, err);
	if (r < 0)
		return r;
	r = take_own(doc, node, defaults, &tenant, err);
	if (r < 0)
		return r;
	merge_defaults(defaults, &tenant);
	r = check_own_name(doc, node, defaults, &tenant, err);
	if (r < 0)
		return r;
	r = check_keys(doc, node, &tenant, err);
	if (r < 0)
		return r;
	(void)dv_copy(tenant.group, sizeof(tenant.group), tenant.name);
	*ret_tenant = tenant;
	*ret_count = count;
	return 0;
}
