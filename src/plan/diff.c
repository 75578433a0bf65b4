/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/diff.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

struct differ {
	struct dv_differences found;
	bool failed;
};

static void add(struct differ *d, const char *tenant, const char *what, const char *wanted,
		const char *actual)
{
	struct dv_difference difference = {0};

	if (strcmp(wanted, actual) == 0)
		return;
	(void)dv_copy(difference.tenant, sizeof(difference.tenant), tenant);
	(void)dv_copy(difference.what, sizeof(difference.what), what);
	(void)dv_copy(difference.wanted, sizeof(difference.wanted), wanted);
	(void)dv_copy(difference.actual, sizeof(difference.actual), actual);
	if (dv_vec_push(&d->found, difference) < 0)
		d->failed = true;
}

static const char *size_text(uint64_t bytes, char buf[32])
{
	return bytes ? dv_size_print(bytes, buf, 32) : "none of its own";
}

static const char *share_text(uint32_t mpct, char buf[32])
{
	return mpct ? dv_share_print(mpct, buf, 32) : "none of its own";
}

/* "slice, 512MiB, 40%", "slice of 3g.40gb, ...", "mig 3g.40gb": a lease in a few words. */
static const char *lease_text(enum dv_method method, const char *of, uint64_t bytes, uint32_t mpct,
			      char buf[64])
{
	char size[32], share[32];

	/* The profile says how much. */
	if (method == DV_METHOD_MIG && *of) {
		(void)snprintf(buf, 64, "%s %s", dv_method_name(method), of);
		return buf;
	}
	(void)snprintf(buf, 64, "%s%s%s%s%s%s%s", dv_method_name(method), *of ? " of " : "", of,
		       bytes ? ", " : "", bytes ? dv_size_print(bytes, size, sizeof(size)) : "",
		       mpct ? ", " : "", mpct ? dv_share_print(mpct, share, sizeof(share)) : "");
	return buf;
}

static const struct dv_lease *find(const struct dv_leases *leases, const char *fleet,
				   const char *name)
{
	for (size_t i = 0; i < leases->len; i++)
		if (strcmp(leases->items[i].name, name) == 0 &&
		    strcmp(leases->items[i].fleet, fleet) == 0)
			return &leases->items[i];
	return NULL;
}

/* "p0+4" of a node's path. */
static const char *place_of(const char *node)
{
	const char *slash = strchr(node, '/');

	return slash ? slash + 1 : "";
}

/* The same of what a slice is in: one that is to be made has no more of a path yet. */
static const char *partition_of(const char *node, char buf[32])
{
	const char *place = place_of(node), *end = strstr(place, "/s");

	if (strncmp(place, "s", 1) == 0)
		end = place;
	(void)snprintf(buf, 32, "%.*s", end ? (int)(end - place) : 31, place);
	return buf;
}

/* "0": what the plan calls the GPU that a lease of the fleet is on. */
static const char *gpu_of(const struct dv_plan *plan, const char *uuid)
{
	for (size_t i = 0; i < plan->steps.len; i++)
		if (strcmp(plan->steps.items[i].gpu_uuid, uuid) == 0)
			return plan->steps.items[i].gpu;
	for (size_t i = 0; i < plan->assignments.len; i++)
		if (strcmp(plan->assignments.items[i].gpu_uuid, uuid) == 0)
			return plan->assignments.items[i].gpu;
	return uuid;
}

static void compare(struct differ *d, const struct dv_plan *plan, const struct dv_assignment *a,
		    const struct dv_lease *lease)
{
	char wanted[64], actual[64], place[32], was[32];

	if (!lease) {
		add(d, a->tenant, "lease",
		    lease_text(a->method, a->profile, a->memory_bytes, a->compute_mpct, wanted),
		    "none");
		return;
	}
	if (lease->missing)
		add(d, a->tenant, "partition", lease->profile, "not there");
	add(d, a->tenant, "method", dv_method_name(a->method), dv_method_name(lease->method));
	add(d, a->tenant, "kind", dv_kind_name(a->kind), dv_kind_name(lease->kind));
	if (strcmp(a->gpu_uuid, lease->gpu_uuid) != 0)
		add(d, a->tenant, "gpu", a->gpu, gpu_of(plan, lease->gpu_uuid));
	if (a->method == DV_METHOD_MIG && lease->method == DV_METHOD_MIG) {
		add(d, a->tenant, "profile", a->profile, lease->profile);
		if (strcmp(a->gpu_uuid, lease->gpu_uuid) == 0)
			add(d, a->tenant, "place", place_of(a->node), place_of(lease->node));
		return;
	}
	if (a->profile[0] || dv_lease_on_mig(lease)) {
		add(d, a->tenant, "profile", a->profile, lease->profile);
		if (strcmp(a->gpu_uuid, lease->gpu_uuid) == 0)
			add(d, a->tenant, "place", partition_of(a->node, place),
			    partition_of(lease->node, was));
	}
	add(d, a->tenant, "memory", size_text(a->memory_bytes, wanted),
	    size_text(lease->memory_bytes, actual));
	if (a->method == DV_METHOD_SLICE)
		add(d, a->tenant, "compute", share_text(a->compute_mpct, wanted),
		    share_text(lease->compute_mpct, actual));
	if (a->has_policy)
		add(d, a->tenant, "policy", dv_policy_name(a->policy),
		    dv_policy_name(lease->policy));
}

/* The mode of a GPU that the plan changes, or cannot change as it is wanted. */
static void compare_modes(struct differ *d, const struct dv_plan *plan)
{
	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *step = &plan->steps.items[i];
		bool on = strcmp(step->op, "mig.enable") == 0;
		char name[DV_NAME_SIZE];

		if (!on && strcmp(step->op, "mig.disable") != 0)
			continue;
		(void)snprintf(name, sizeof(name), "GPU %s", step->gpu);
		add(d, name, "mig mode", on ? "on" : "off", on ? "off" : "on");
	}
}

static bool is_wanted(const struct dv_plan *plan, const char *tenant)
{
	for (size_t i = 0; i < plan->assignments.len; i++)
		if (strcmp(plan->assignments.items[i].tenant, tenant) == 0)
			return true;
	for (size_t i = 0; i < plan->unplaced.len; i++)
		if (strcmp(plan->unplaced.items[i].tenant, tenant) == 0)
			return true;
	return false;
}

static void unwanted(struct differ *d, const struct dv_plan *plan, const struct dv_leases *leases)
{
	char text[64];

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];

		if (strcmp(lease->fleet, plan->fleet) == 0 && !is_wanted(plan, lease->name))
			add(d, lease->name, "lease", "none",
			    lease_text(lease->method, lease->profile, lease->memory_bytes,
				       lease->compute_mpct, text));
	}
}

int dv_diff_make(const struct dv_plan *plan, const struct dv_leases *leases,
		 struct dv_differences *ret, struct dv_error *err)
{
	struct differ d = {0};

	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *a = &plan->assignments.items[i];

		if (!a->kept)
			compare(&d, plan, a, find(leases, plan->fleet, a->tenant));
	}
	for (size_t i = 0; i < plan->unplaced.len; i++) {
		const struct dv_unplaced *u = &plan->unplaced.items[i];

		if (dv_unplaced_is_gpu(u))
			add(&d, u->tenant, "mig mode", u->reason, "not so");
		else if (!find(leases, plan->fleet, u->tenant))
			add(&d, u->tenant, "lease", u->reason, "none");
	}
	compare_modes(&d, plan);
	unwanted(&d, plan, leases);
	if (d.failed) {
		dv_vec_fini(&d.found);
		return dv_error_set(err, -ENOMEM, "no memory for the differences");
	}
	*ret = d.found;
	return 0;
}
