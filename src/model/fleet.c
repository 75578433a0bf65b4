/* SPDX-License-Identifier: Apache-2.0 */
#include "model/fleet.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "model/fleet-read.h"
#include "model/gpu.h"
#include "model/word.h"
#include "model/yaml-document.h"

static const char *const mig_wishes[DV_MIG_WISH_COUNT] = {"on", "off"};

const char *dv_mig_wish_name(enum dv_mig_wish wish)
{
	return wish > DV_MIG_WISH_NONE && wish < DV_MIG_WISH_COUNT ? mig_wishes[wish - 1] : "";
}

static const char *const moves[] = {
	[DV_MOVE_IDLE] = "idle",
	[DV_MOVE_NEVER] = "never",
	[DV_MOVE_RUNNING] = "running",
	NULL,
};

const char *dv_move_name(enum dv_move move)
{
	return (unsigned)move < DV_MOVE_COUNT ? moves[move] : "unknown";
}

int dv_move_parse(const char *name, enum dv_move *ret, struct dv_error *err)
{
	int i = dv_word_parse("word for move", moves, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_move)i;
	return 0;
}

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to read a fleet file");
}

static int too_many(const struct dv_yaml *doc, const struct dv_yaml_node *node, const char *what,
		    unsigned most, struct dv_error *err)
{
	struct dv_yaml_place place = {dv_yaml_file(doc), node->line, node->column};

	return dv_yaml_fail_at(place, -E2BIG, "F14", err, "more than the limit of %u %s", most,
			       what);
}

static const struct dv_yaml_node *want_list(const struct dv_yaml *doc,
					    const struct dv_yaml_node *node, const char *of,
					    struct dv_error *err)
{
	if (node->type == DV_YAML_LIST)
		return node;
	(void)dv_yaml_fail(doc, node, "F06", err, "wanted a list of %s, each beginning with '-'",
			   of);
	return NULL;
}

static int read_match(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      struct dv_gpu_rule *rule, struct dv_error *err)
{
	static const char *const keys[] = {"model", "index", "uuid", "address", NULL};
	static const char uuid_chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
	static const char address_chars[] = "0123456789abcdefABCDEF:.";
	const struct dv_yaml_node *node;
	uint64_t index;
	int r = dv_yaml_only_keys(doc, map, keys, err);

	if (r == 0 && (node = dv_yaml_get(map, "model")))
		r = dv_fleet_read_ascii(doc, node, NULL, rule->model, sizeof(rule->model), err);
	if (r == 0 && (node = dv_yaml_get(map, "index"))) {
		r = dv_yaml_u64(doc, node, 0, DV_GPUS_MOST - 1, &index, err);
		rule->index = r == 0 ? (int)index : -1;
	}
	if (r == 0 && (node = dv_yaml_get(map, "uuid")))
		r = dv_fleet_read_ascii(doc, node, uuid_chars, rule->uuid, sizeof(rule->uuid), err);
	if (r == 0 && (node = dv_yaml_get(map, "address")))
		r = dv_fleet_read_ascii(doc, node, address_chars, rule->address,
					sizeof(rule->address), err);
	return r;
}

static int read_methods(const struct dv_yaml *doc, const struct dv_yaml_node *node, uint32_t *ret,
			struct dv_error *err)
{
	const struct dv_yaml_node *list = want_list(doc, node, "methods", err);
	uint32_t methods = 0;

	if (!list)
		return -EBADMSG;
	if (!list->count)
		return dv_yaml_fail(doc, node, "F06", err,
				    "the list is empty; leave 'methods' out to allow every method");
	for (const struct dv_yaml_node *item = list->first; item; item = item->next) {
		enum dv_method method;
		int r = dv_fleet_read_method(doc, item, &method, err);

		if (r < 0)
			return r;
		methods |= UINT32_C(1) << method;
	}
	*ret = methods;
	return 0;
}

/* A mode that is off leaves nothing to a GPU that may be used by MIG alone. */
static int read_mig(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		    struct dv_gpu_rule *rule, struct dv_error *err)
{
	struct dv_error why = {0};
	char text[64];
	int r = dv_yaml_text(doc, node, text, sizeof(text), err), word;

	if (r < 0)
		return r;
	word = dv_word_parse("MIG mode", mig_wishes, text, &why);
	if (word < 0)
		return dv_yaml_fail(doc, node, why.rule, err, "%s", why.msg);
	rule->mig = DV_MIG_WISH_NONE + 1 + word;
	if (rule->mig == DV_MIG_WISH_OFF && rule->methods == UINT32_C(1) << DV_METHOD_MIG)
		return dv_yaml_fail(doc, node, "F12", err,
				    "'mig: off' turns off what 'methods: [mig]' allows");
	return 0;
}

static int read_gpu_rule(const struct dv_yaml *doc, const struct dv_yaml_node *map,
			 struct dv_gpu_rule *ret, struct dv_error *err)
{
	static const char *const keys[] = {"match", "methods", "mig", NULL};
	struct dv_gpu_rule rule = {.index = -1, .line = map->line};
	int r = dv_yaml_only_keys(doc, map, keys, err);
	const struct dv_yaml_node *match = dv_yaml_get(map, "match");
	const struct dv_yaml_node *methods = dv_yaml_get(map, "methods");
	const struct dv_yaml_node *mig = dv_yaml_get(map, "mig");

	if (r == 0 && !match && !methods && !mig)
		r = dv_yaml_fail(doc, map, "F10", err,
				 "say which GPUs (match), or how they may be used (methods, mig)");
	if (r == 0 && match)
		r = read_match(doc, match, &rule, err);
	if (r == 0 && methods)
		r = read_methods(doc, methods, &rule.methods, err);
	if (r == 0 && mig)
		r = read_mig(doc, mig, &rule, err);
	if (r == 0)
		*ret = rule;
	return r;
}

static int read_gpu_rules(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			  struct dv_fleet *fleet, struct dv_error *err)
{
	const struct dv_yaml_node *list = want_list(doc, node, "GPUs", err);

	if (!list)
		return -EBADMSG;
	if (list->count > DV_GPUS_MOST)
		return too_many(doc, node, "entries under gpus", DV_GPUS_MOST, err);
	for (const struct dv_yaml_node *item = list->first; item; item = item->next) {
		struct dv_gpu_rule rule;
		int r = read_gpu_rule(doc, item, &rule, err);

		if (r < 0)
			return r;
		if (dv_vec_push(&fleet->gpu_rules, rule) < 0)
			return no_memory(err);
	}
	return 0;
}

/* Add the tenants that one entry stands for: itself, or name-0 to name-(count - 1). */
static int unfold(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		  struct dv_tenant *tenant, unsigned count, struct dv_fleet *fleet,
		  struct dv_error *err)
{
	char name[DV_NAME_SIZE + 16];

	if (count > DV_TENANTS_MOST - fleet->tenants.len)
		return too_many(doc, node, "tenants", DV_TENANTS_MOST, err);
	for (unsigned i = 0; i < count; i++) {
		if (count > 1) {
			(void)snprintf(name, sizeof(name), "%s-%u", tenant->group, i);
			if (!dv_copy(tenant->name, sizeof(tenant->name), name))
				return dv_yaml_fail(doc, node, "F08", err,
						    "name '%s' is longer than %d characters", name,
						    DV_NAME_MOST);
		}
		if (dv_vec_push(&fleet->tenants, *tenant) < 0)
			return no_memory(err);
	}
	return 0;
}

static int read_tenants(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			const struct dv_fleet_defaults *defaults, struct dv_fleet *fleet,
			struct dv_error *err)
{
	const struct dv_yaml_node *list = want_list(doc, node, "tenants", err);

	if (!list)
		return -EBADMSG;
	for (const struct dv_yaml_node *item = list->first; item; item = item->next) {
		struct dv_tenant tenant;
		unsigned count;
		int r = dv_fleet_read_tenant(doc, item, defaults, &tenant, &count, err);

		if (r == 0)
			r = unfold(doc, item, &tenant, count, fleet, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_profiles(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			 struct dv_fleet *fleet, struct dv_error *err)
{
	const struct dv_yaml_node *list = want_list(doc, node, "profiles", err);

	if (!list)
		return -EBADMSG;
	if (list->count > DV_SLICE_PROFILES_MOST)
		return too_many(doc, node, "profiles", DV_SLICE_PROFILES_MOST, err);
	for (const struct dv_yaml_node *item = list->first; item; item = item->next) {
		struct dv_slice_profile profile;
		int r = dv_fleet_read_profile(doc, item, &profile, err);

		for (size_t i = 0; r == 0 && i < fleet->profiles.len; i++)
			if (strcmp(fleet->profiles.items[i].name, profile.name) == 0)
				r = dv_yaml_fail(doc, item, "F09", err,
						 "there is a profile '%s' already", profile.name);
		if (r < 0)
			return r;
		if (dv_vec_push(&fleet->profiles, profile) < 0)
			return no_memory(err);
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct dv_tenant *m = *(struct dv_tenant *const *)a;
	const struct dv_tenant *n = *(struct dv_tenant *const *)b;
	int order = strcmp(m->name, n->name);

	/* Both are items of one array: in the order of the file. */
	return order ? order : (m > n) - (m < n);
}

static int refuse_doubled(const char *file, const struct dv_fleet *fleet, struct dv_error *err)
{
	const struct dv_tenant **sorted, *first = NULL, *again = NULL;
	dv_autofree void *room = reallocarray(NULL, fleet->tenants.len + 1, sizeof(*sorted));
	struct dv_yaml_place place;

	if (!room)
		return no_memory(err);
	sorted = room;
	for (size_t i = 0; i < fleet->tenants.len; i++)
		sorted[i] = &fleet->tenants.items[i];
	qsort(sorted, fleet->tenants.len, sizeof(*sorted), compare_names);
	for (size_t i = 1; i < fleet->tenants.len; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
		    (!again || sorted[i] < again)) {
			first = sorted[i - 1];
			again = sorted[i];
		}
	if (!again)
		return 0;
	place = (struct dv_yaml_place){file, again->line, again->column};
	return dv_yaml_fail_at(place, -EBADMSG, "F09", err,
			       "name '%s' is used twice, first by the tenant in line %d (count "
			       "makes name-0, name-1, ...)",
			       again->name, first->line);
}

static int check_version(const struct dv_yaml *doc, const struct dv_yaml_node *root,
			 struct dv_error *err)
{
	const struct dv_yaml_node *node = dv_yaml_get(root, "version");
	uint64_t version;
	int r;

	if (!node)
		return dv_yaml_fail(doc, root, "F10", err, "a fleet file begins with 'version: 1'");
	r = dv_yaml_u64(doc, node, 0, UINT64_MAX, &version, err);
	if (r < 0)
		return r;
	if (version != 1)
		return dv_yaml_fail(doc, node, "F13", err,
				    "version %.20s is not known here; this divvy reads version 1",
				    node->text);
	return 0;
}

static int read_root(const struct dv_yaml *doc, struct dv_fleet *fleet, struct dv_error *err)
{
	static const char *const keys[] = {"version",  "name",	"defaults", "gpus",
					   "profiles", "moves", "tenants",  NULL};
	const struct dv_yaml_node *root = dv_yaml_root(doc), *name, *tenants, *node;
	struct dv_fleet_defaults defaults = {0};
	int r = dv_yaml_only_keys(doc, root, keys, err);

	if (r == 0)
		r = check_version(doc, root, err);
	if (r < 0)
		return r;
	name = dv_yaml_get(root, "name");
	if (!name)
		return dv_yaml_fail(doc, root, "F10", err,
				    "a fleet needs a name, as in 'name: lab'");
	tenants = dv_yaml_get(root, "tenants");
	if (!tenants)
		return dv_yaml_fail(doc, root, "F10", err,
				    "a fleet needs tenants ('tenants: []' for none)");
	r = dv_fleet_read_name(doc, name, fleet->name, sizeof(fleet->name), err);
	if (r == 0 && (node = dv_yaml_get(root, "defaults")))
		r = dv_fleet_read_defaults(doc, node, &defaults, err);
	if (r == 0 && (node = dv_yaml_get(root, "gpus")))
		r = read_gpu_rules(doc, node, fleet, err);
	if (r == 0 && (node = dv_yaml_get(root, "moves"))) {
		uint64_t most = 0;

		r = dv_yaml_u64(doc, node, 0, DV_TENANTS_MOST, &most, err);
		fleet->moves = (unsigned)most;
	}
	if (r == 0 && (node = dv_yaml_get(root, "profiles")))
		r = read_profiles(doc, node, fleet, err);
	defaults.profiles = fleet->profiles.items;
	defaults.profile_count = fleet->profiles.len;
	if (r == 0)
		r = read_tenants(doc, tenants, &defaults, fleet, err);
	return r == 0 ? refuse_doubled(dv_yaml_file(doc), fleet, err) : r;
}

/* What to do about it, where whoever refused did not say it better. */
static int add_fix(struct dv_error *err, int r)
{
	static const struct {
		const char *rule, *fix;
	} fixes[] = {
		{"F01", "correct the file at that place"},
		{"F02", "keep one of the two"},
		{"F03", "write it flatter; no key of a fleet is so deep"},
		{"F04", "write the value out where it is wanted"},
		{"F05", "correct the key, or take it out"},
		{"F06", "write there what is wanted"},
		{"F07", "write a number within the bounds"},
		{"F08", "choose another name"},
		{"F09", "give each tenant a name of its own"},
		{"F10", "add what is missing"},
		{"F11", "write one of the allowed words"},
		{"F12", "take out one of the two"},
		{"F13", "write 'version: 1', or use a divvy that knows this version"},
		{"F14", "make it smaller, or divide the fleet among several files"},
		{"G06", "use passthrough, mig, vgpu or sriov, or kind: container"},
	};

	for (size_t i = 0; err && i < DV_ARRAY_LEN(fixes); i++)
		if (strcmp(fixes[i].rule, err->rule) == 0)
			return dv_error_fix(err, r, "%s", fixes[i].fix);
	return r;
}

int dv_fleet_parse(const char *text, size_t len, const char *file, struct dv_fleet *ret_fleet,
		   struct dv_error *err)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0};
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	int r = dv_yaml_parse(text, len, DV_FILE_MOST, file, &doc, err);

	if (r == 0)
		r = read_root(doc, &fleet, err);
	if (r < 0)
		return add_fix(err, r);
	(void)dv_copy(fleet.file, sizeof(fleet.file), file);
	*ret_fleet = fleet;
	fleet = (struct dv_fleet){0};
	return 0;
}

void dv_fleet_fini(struct dv_fleet *fleet)
{
	dv_vec_fini(&fleet->gpu_rules);
	dv_vec_fini(&fleet->profiles);
	dv_vec_fini(&fleet->tenants);
}

bool dv_gpu_rule_matches(const struct dv_gpu_rule *rule, const struct dv_gpu *gpu)
{
	char index[16];

	(void)snprintf(index, sizeof(index), "%d", rule->index);
	return (!rule->model[0] || dv_gpu_is_model(gpu, rule->model)) &&
	       (rule->index < 0 || strcmp(gpu->id, index) == 0) &&
	       (!rule->uuid[0] || strcasecmp(gpu->uuid, rule->uuid) == 0) &&
	       (!rule->address[0] || strcasecmp(gpu->address, rule->address) == 0);
}
