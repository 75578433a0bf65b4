/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fleet.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

/* A text that YAML could read as something else is quoted. All are printable ASCII. */
static void add_text(struct dv_buf *buf, const char *text)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";

	if (isalpha((unsigned char)text[0]) && strspn(text, safe) == strlen(text) &&
	    strcmp(text, "null") != 0) {
		dv_buf_add(buf, text);
		return;
	}
	dv_buf_add(buf, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			dv_buf_add(buf, "\\");
		dv_buf_add_n(buf, text, 1);
	}
	dv_buf_add(buf, "\"");
}

/* "key: text" in a map on one line, where there is a text. */
static void add_pair(struct dv_buf *buf, const char **separator, const char *key, const char *text)
{
	if (!text[0])
		return;
	dv_buf_addf(buf, "%s%s: ", *separator, key);
	add_text(buf, text);
	*separator = ", ";
}

static void print_gpu_rule(const struct dv_gpu_rule *rule, struct dv_buf *buf)
{
	const char *separator = "";

	dv_buf_add(buf, "  - match: {");
	add_pair(buf, &separator, "model", rule->model);
	if (rule->index >= 0) {
		dv_buf_addf(buf, "%sindex: %d", separator, rule->index);
		separator = ", ";
	}
	add_pair(buf, &separator, "uuid", rule->uuid);
	add_pair(buf, &separator, "address", rule->address);
	dv_buf_add(buf, "}\n");
	separator = "    methods: [";
	for (int m = 0; m < DV_METHOD_COUNT; m++)
		if (rule->methods & UINT32_C(1) << m) {
			dv_buf_addf(buf, "%s%s", separator, dv_method_name((enum dv_method)m));
			separator = ", ";
		}
	dv_buf_add(buf, rule->methods ? "]\n" : "");
	if (rule->mig != DV_MIG_WISH_NONE)
		dv_buf_addf(buf, "    mig: %s\n", dv_mig_wish_name(rule->mig));
}

static void print_needs(const struct dv_needs *needs, struct dv_buf *buf)
{
	const char *separator = "    needs: {";
	char text[32];

	if (needs->memory_bytes) {
		dv_buf_addf(buf, "%smemory: %s", separator,
			    dv_size_print(needs->memory_bytes, text, sizeof(text)));
		separator = ", ";
	}
	if (needs->compute_mpct) {
		dv_buf_addf(buf, "%scompute: %s", separator,
			    dv_share_print(needs->compute_mpct, text, sizeof(text)));
		separator = ", ";
	}
	if (needs->isolation_set) {
		dv_buf_addf(buf, "%sisolation: %s", separator, dv_isolation_name(needs->isolation));
		separator = ", ";
	}
	if (needs->p99_ns) {
		dv_buf_addf(buf, "%sp99: %s", separator,
			    dv_time_print(needs->p99_ns, text, sizeof(text)));
		separator = ", ";
	}
	if (separator[0] == ',')
		dv_buf_add(buf, "}\n");
}

static void print_profile(const struct dv_slice_profile *profile, struct dv_buf *buf)
{
	char memory[32], share[32];

	dv_buf_add(buf, "  - {name: ");
	add_text(buf, profile->name);
	dv_buf_addf(buf, ", memory: %s, compute: %s",
		    dv_size_print(profile->memory_bytes, memory, sizeof(memory)),
		    dv_share_print(profile->compute_mpct, share, sizeof(share)));
	if (profile->policy_set)
		dv_buf_addf(buf, ", policy: %s", dv_policy_name(profile->policy));
	if (profile->most)
		dv_buf_addf(buf, ", most: %u", profile->most);
	dv_buf_add(buf, "}\n");
}

static bool same_needs(const struct dv_needs *a, const struct dv_needs *b)
{
	return a->memory_bytes == b->memory_bytes && a->compute_mpct == b->compute_mpct &&
	       a->isolation == b->isolation && a->isolation_set == b->isolation_set &&
	       a->p99_ns == b->p99_ns;
}

static bool same_wish(const struct dv_tenant *a, const struct dv_tenant *b)
{
	return strcmp(a->group, b->group) == 0 && a->kind == b->kind && a->gpus == b->gpus &&
	       same_needs(&a->needs, &b->needs) && a->method == b->method &&
	       a->policy == b->policy && a->policy_set == b->policy_set &&
	       strcmp(a->profile, b->profile) == 0 && a->own == b->own && a->start == b->start &&
	       strcmp(a->gpu, b->gpu) == 0 && a->move == b->move;
}

static bool is_number_of_group(const struct dv_tenant *tenant, size_t number)
{
	char name[DV_NAME_SIZE + 24];

	(void)snprintf(name, sizeof(name), "%s-%zu", tenant->group, number);
	return strcmp(tenant->name, name) == 0;
}

/* How many tenants from this one on are what `count` would make of one entry; 1: it stands alone.
 */
static size_t run_length(const struct dv_tenant *tenant, size_t left)
{
	size_t n = 0;

	while (n < left && is_number_of_group(&tenant[n], n) && same_wish(tenant, &tenant[n]))
		n++;
	return DV_MAX(n, (size_t)1);
}

/* `own`: its profile of the fleet's own, which says sizes and policy; or NULL. */
static void print_tenant(const struct dv_tenant *tenant, const struct dv_slice_profile *own,
			 size_t count, struct dv_buf *buf)
{
	struct dv_needs needs = tenant->needs;

	if (own)
		needs.memory_bytes = needs.compute_mpct = 0;
	dv_buf_add(buf, "  - name: ");
	add_text(buf, count > 1 ? tenant->group : tenant->name);
	dv_buf_addf(buf, "\n    kind: %s\n", dv_kind_name(tenant->kind));
	if (count > 1)
		dv_buf_addf(buf, "    count: %zu\n", count);
	if (tenant->gpus)
		dv_buf_addf(buf, "    gpus: %u\n", tenant->gpus);
	if (tenant->method != DV_METHOD_NONE)
		dv_buf_addf(buf, "    method: %s\n", dv_method_name(tenant->method));
	if (tenant->policy_set && !(own && own->policy_set))
		dv_buf_addf(buf, "    policy: %s\n", dv_policy_name(tenant->policy));
	if (own || tenant->profile[0]) {
		dv_buf_add(buf, "    profile: ");
		add_text(buf, own ? own->name : tenant->profile);
		dv_buf_add(buf, "\n");
	}
	if (tenant->start >= 0)
		dv_buf_addf(buf, "    start: %d\n", tenant->start);
	if (tenant->gpu[0]) {
		dv_buf_add(buf, "    gpu: ");
		add_text(buf, tenant->gpu);
		dv_buf_add(buf, "\n");
	}
	if (tenant->move != DV_MOVE_IDLE)
		dv_buf_addf(buf, "    move: %s\n", dv_move_name(tenant->move));
	print_needs(&needs, buf);
}

int dv_fleet_print(const struct dv_fleet *fleet, char **ret_text, struct dv_error *err)
{
	dv_cleanup(dv_buf_fini) struct dv_buf buf = {0};
	size_t count;

	dv_buf_add(&buf, "version: 1\nname: ");
	add_text(&buf, fleet->name);
	dv_buf_add(&buf, "\n");
	if (fleet->moves)
		dv_buf_addf(&buf, "moves: %u\n", fleet->moves);
	if (fleet->gpu_rules.len)
		dv_buf_add(&buf, "gpus:\n");
	for (size_t i = 0; i < fleet->gpu_rules.len; i++)
		print_gpu_rule(&fleet->gpu_rules.items[i], &buf);
	if (fleet->profiles.len)
		dv_buf_add(&buf, "profiles:\n");
	for (size_t i = 0; i < fleet->profiles.len; i++)
		print_profile(&fleet->profiles.items[i], &buf);
	dv_buf_add(&buf, fleet->tenants.len ? "tenants:\n" : "tenants: []\n");
	for (size_t i = 0; i < fleet->tenants.len; i += count) {
		const unsigned own = fleet->tenants.items[i].own;

		count = run_length(&fleet->tenants.items[i], fleet->tenants.len - i);
		print_tenant(&fleet->tenants.items[i],
			     own && own <= fleet->profiles.len ? &fleet->profiles.items[own - 1]
							       : NULL,
			     count, &buf);
	}
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to print a fleet file");
	return 0;
}
