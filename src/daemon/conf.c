/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/conf.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"
#include "model/units.h"
#include "model/yaml.h"

enum {
	LEASES_DEFAULT = 64,
	LINGER_MOST_MS = 20,
	HOLD_MOST_MS = 60000,
	LOOK_DEFAULT_MS = 30000,
	UNLEASED_DEFAULT_MS = 5000,
	LOOK_LEAST_MS = 100,
	LOOK_MOST_MS = 3600000,
};

/* A map of the file that is being read into `config`. */
struct section {
	const struct dv_yaml *doc;
	const struct dv_yaml_node *map;
	struct dv_config *config;
	struct dv_error *err;
};

void dv_config_init(struct dv_config *config)
{
	*config = (struct dv_config){
		.group = "divvy",
		.cpu = {.enabled = true},
		.quota = {.leases = LEASES_DEFAULT},
		.sched = dv_sched_defaults,
		.mig_look_ns = LOOK_DEFAULT_MS * DV_NS_PER_MS,
		.unleased_look_ns = UNLEASED_DEFAULT_MS * DV_NS_PER_MS,
		.stop_unenforced = true,
	};
}

void dv_config_fini(struct dv_config *config)
{
	dv_vec_fini(&config->quotas);
}

/* Go into the map of that key; 1 when it is there, 0 when not. */
static int enter(const struct section *from, const char *key, const char *const *keys,
		 struct section *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(from->map, key);

	if (!node)
		return 0;
	if (node->type != DV_YAML_MAP)
		return dv_yaml_fail(from->doc, node, "F06", from->err,
				    "'%s' is not a list of keys with values", key);
	*ret = *from;
	ret->map = node;
	if (keys && dv_yaml_only_keys(from->doc, node, keys, from->err) < 0)
		return -EBADMSG;
	return 1;
}

static int get_bool(const struct section *in, const char *key, bool *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, key);

	return node ? dv_yaml_bool(in->doc, node, ret, in->err) : 0;
}

static int get_number(const struct section *in, const char *key, uint64_t most, unsigned *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, key);
	uint64_t value = *ret;
	int r = node ? dv_yaml_u64(in->doc, node, 1, most, &value, in->err) : 0;

	if (r < 0)
		return r;
	*ret = (unsigned)value;
	return 0;
}

static int get_size(const struct section *in, const char *key, uint64_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, key);
	struct dv_error why = {0};
	char text[64];
	int r;

	if (!node)
		return 0;
	r = dv_yaml_text(in->doc, node, text, sizeof(text), in->err);
	if (r == 0 && dv_size_parse(text, ret, &why) < 0)
		r = dv_yaml_fail(in->doc, node, "F07", in->err, "%s: %s", key, why.msg);
	return r;
}

static int get_time(const struct section *in, const char *key, uint64_t least_ns, uint64_t most_ns,
		    uint64_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, key);
	char text[64], least[32], most[32];
	struct dv_error why = {0};
	uint64_t ns = 0;
	int r;

	if (!node)
		return 0;
	r = dv_yaml_text(in->doc, node, text, sizeof(text), in->err);
	if (r < 0)
		return r;
	if (dv_time_parse(text, &ns, &why) < 0)
		return dv_yaml_fail(in->doc, node, "F07", in->err, "%s: %s", key, why.msg);
	if (ns < least_ns || ns > most_ns)
		return dv_yaml_fail(in->doc, node, "F07", in->err, "%s must be from %s to %s", key,
				    dv_time_print(least_ns, least, sizeof(least)),
				    dv_time_print(most_ns, most, sizeof(most)));
	*ret = ns;
	return 0;
}

/* Over all devices together, so it may be more than 100 %. */
static int get_compute(const struct section *in, uint32_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, "compute");
	struct dv_error why = {0};
	unsigned long percent;
	char text[64], *end;
	int r;

	if (!node)
		return 0;
	r = dv_yaml_text(in->doc, node, text, sizeof(text), in->err);
	if (r < 0)
		return r;
	percent = strtoul(text, &end, 10);
	if (text[0] >= '1' && text[0] <= '9' && strcmp(end, "%") == 0 && percent > 100 &&
	    percent <= 100ul * DV_GPUS_MOST && percent <= UINT32_MAX / 1000) {
		*ret = (uint32_t)percent * 1000;
		return 0;
	}
	if (dv_share_parse(text, ret, &why) < 0)
		return dv_yaml_fail(in->doc, node, "F07", in->err, "compute: %s", why.msg);
	return 0;
}

/* One of two words. */
static int get_choice(const struct section *in, const char *key, const char *no, const char *yes,
		      bool *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(in->map, key);
	char text[64];
	int r;

	if (!node)
		return 0;
	r = dv_yaml_text(in->doc, node, text, sizeof(text), in->err);
	if (r < 0)
		return r;
	if (strcmp(text, no) != 0 && strcmp(text, yes) != 0)
		return dv_yaml_fail(in->doc, node, "F11", in->err, "%s is %s or %s, not '%s'", key,
				    no, yes, text);
	*ret = strcmp(text, yes) == 0;
	return 0;
}

static int read_socket(const struct section *top)
{
	static const char *const keys[] = {"group", "others", NULL};
	const struct dv_yaml_node *group;
	struct section in = {0};
	int r = enter(top, "socket", keys, &in);

	if (r <= 0)
		return r;
	group = dv_yaml_get(in.map, "group");
	r = group ? dv_yaml_text(in.doc, group, top->config->group, sizeof(top->config->group),
				 in.err)
		  : 0;
	return r < 0 ? r : get_choice(&in, "others", "none", "read", &top->config->others_read);
}

static int read_devices(const struct section *top)
{
	static const char *const keys[] = {"cpu", NULL};
	static const char *const cpu_keys[] = {"enabled", "memory", "compute_units", NULL};
	struct dv_cpu_config *cpu = &top->config->cpu;
	struct section devices = {0}, in = {0};
	int r = enter(top, "devices", keys, &devices);

	if (r > 0)
		r = enter(&devices, "cpu", cpu_keys, &in);
	if (r <= 0)
		return r;
	r = get_bool(&in, "enabled", &cpu->enabled);
	r = r < 0 ? r : get_size(&in, "memory", &cpu->memory_bytes);
	return r < 0 ? r : get_number(&in, "compute_units", DV_CPUS_MOST, &cpu->compute_units);
}

static const char *const quota_keys[] = {"leases", "memory", "compute", NULL};

static int read_quota(const struct section *in, struct dv_quota *quota)
{
	int r = get_number(in, "leases", DV_LEASES_MOST, &quota->leases);

	r = r < 0 ? r : get_size(in, "memory", &quota->memory_bytes);
	return r < 0 ? r : get_compute(in, &quota->compute_mpct);
}

/* A name, or the number itself. */
static bool find_id(const char *name, bool group, uint32_t *ret)
{
	const struct passwd *pw = group ? NULL : getpwnam(name);
	const struct group *gr = group ? getgrnam(name) : NULL;
	unsigned long number;
	char *end;

	if (pw || gr) {
		*ret = pw ? pw->pw_uid : gr->gr_gid;
		return true;
	}
	number = strtoul(name, &end, 10);
	if (name[0] < '0' || name[0] > '9' || *end || number >= UINT32_MAX)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static int read_one(const struct section *list, const struct dv_yaml_node *key, bool group)
{
	struct dv_config_quota entry = {.group = group, .quota = list->config->quota};
	struct section in = {0};
	int r;

	if (!find_id(key->text, group, &entry.id))
		return dv_yaml_fail(list->doc, key, "F11", list->err, "there is no %s '%.60s'",
				    group ? "group" : "user", key->text);
	if (list->config->quotas.len >= DV_CONFIG_QUOTAS_MOST)
		return dv_yaml_fail(list->doc, key, "F14", list->err, "more than %d quotas",
				    DV_CONFIG_QUOTAS_MOST);
	r = enter(list, key->text, quota_keys, &in);
	if (r <= 0)
		return r;
	r = read_quota(&in, &entry.quota);
	if (r < 0)
		return r;
	if (dv_vec_push(&list->config->quotas, entry) < 0)
		return dv_error_set(list->err, -ENOMEM, "no memory for quotas");
	return 0;
}

static int read_list(const struct section *quotas, const char *key, bool group)
{
	struct section list;
	int r = enter(quotas, key, NULL, &list);

	if (r <= 0)
		return r;
	for (const struct dv_yaml_node *name = list.map->first; name; name = name->next) {
		r = read_one(&list, name, group);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_quotas(const struct section *top)
{
	static const char *const keys[] = {"default", "users", "groups", NULL};
	struct section quotas = {0}, in = {0};
	int r = enter(top, "quotas", keys, &quotas);

	if (r <= 0)
		return r;
	r = enter(&quotas, "default", quota_keys, &in);
	/* First, as the others begin from it. */
	if (r > 0)
		r = read_quota(&in, &top->config->quota);
	r = r < 0 ? r : read_list(&quotas, "users", false);
	return r < 0 ? r : read_list(&quotas, "groups", true);
}

static int read_gate(const struct section *top)
{
	static const char *const keys[] = {"quantum", "linger", "hold_timeout",
					   "copies",  "away",	NULL};
	struct dv_sched_config *sched = &top->config->sched;
	struct section in = {0};
	int r = enter(top, "gate", keys, &in);

	if (r <= 0)
		return r;
	r = get_time(&in, "quantum", DV_NS_PER_MS, 20 * DV_NS_PER_MS, &sched->quantum_ns);
	r = r < 0 ? r
		  : get_time(&in, "linger", DV_NS_PER_US, LINGER_MOST_MS * DV_NS_PER_MS,
			     &sched->linger_ns);
	r = r < 0 ? r
		  : get_time(&in, "hold_timeout", DV_NS_PER_MS, HOLD_MOST_MS * DV_NS_PER_MS,
			     &sched->hold_timeout_ns);
	if (r < 0)
		return r;
	sched->idle_forget_ns = 5 * sched->quantum_ns;
	r = get_bool(&in, "copies", &top->config->gate_copies);
	return r < 0 ? r : get_choice(&in, "away", "run", "wait", &top->config->away_waits);
}

static int read_mig(const struct section *top)
{
	static const char *const keys[] = {"drift", "look", NULL};
	struct section in = {0};
	int r = enter(top, "mig", keys, &in);

	if (r <= 0)
		return r;
	r = get_choice(&in, "drift", "restore", "report", &top->config->report_drift);
	return r < 0 ? r
		     : get_time(&in, "look", LOOK_LEAST_MS * DV_NS_PER_MS,
				LOOK_MOST_MS * DV_NS_PER_MS, &top->config->mig_look_ns);
}

static int read_unleased(const struct section *top)
{
	static const char *const keys[] = {"action", "look", NULL};
	struct section in = {0};
	int r = enter(top, "unleased", keys, &in);

	if (r <= 0)
		return r;
	r = get_choice(&in, "action", "report", "stop", &top->config->end_unleased);
	return r < 0 ? r
		     : get_time(&in, "look", LOOK_LEAST_MS * DV_NS_PER_MS,
				LOOK_MOST_MS * DV_NS_PER_MS, &top->config->unleased_look_ns);
}

static int read_version(const struct section *top)
{
	const struct dv_yaml_node *node = dv_yaml_get(top->map, "version");
	uint64_t version = 0;
	int r;

	if (!node)
		return dv_yaml_fail(top->doc, top->map, "F10", top->err, "'version: 1' is missing");
	r = dv_yaml_u64(top->doc, node, 0, UINT32_MAX, &version, top->err);
	if (r == 0 && version != 1)
		r = dv_yaml_fail(top->doc, node, "F13", top->err,
				 "this divvyd reads version 1, not %u", (unsigned)version);
	return r;
}

static int read_top(const struct section *top)
{
	static const char *const keys[] = {"version", "socket",	  "devices",	"quotas", "gate",
					   "mig",     "unleased", "unenforced", NULL};
	int r;

	if (top->map->type != DV_YAML_MAP)
		return dv_yaml_fail(top->doc, top->map, "F06", top->err,
				    "the file is not a list of keys with values");
	r = dv_yaml_only_keys(top->doc, top->map, keys, top->err);
	r = r < 0 ? r : read_version(top);
	r = r < 0 ? r : read_socket(top);
	r = r < 0 ? r : read_devices(top);
	r = r < 0 ? r : read_quotas(top);
	r = r < 0 ? r : read_gate(top);
	r = r < 0 ? r : read_mig(top);
	r = r < 0 ? r : read_unleased(top);
	return r < 0 ? r
		     : get_choice(top, "unenforced", "warn", "stop", &top->config->stop_unenforced);
}

static void resolve_group(struct dv_config *config)
{
	const struct group *group = config->group[0] ? getgrnam(config->group) : NULL;

	config->has_gid = group != NULL;
	config->gid = group ? group->gr_gid : 0;
}

int dv_config_parse(const char *text, size_t len, const char *file, struct dv_config *ret,
		    struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	struct dv_config config;
	struct section top = {.config = &config, .err = err};
	int r = dv_yaml_parse(text, len, DV_FILE_MOST, file, &doc, err);

	if (r < 0)
		return r;
	dv_config_init(&config);
	top.doc = doc;
	top.map = dv_yaml_root(doc);
	r = read_top(&top);
	if (r < 0) {
		dv_config_fini(&config);
		return r;
	}
	resolve_group(&config);
	*ret = config;
	return 0;
}

int dv_config_read(const char *path, struct dv_config *ret, struct dv_error *err)
{
	const char *file = path ? path : DV_CONFIG_FILE;
	dv_autofree char *text = NULL;
	size_t len = 0;
	int r;

	if (!path && access(file, F_OK) < 0) {
		dv_config_init(ret);
		resolve_group(ret);
		return 0;
	}
	r = dv_file_read(file, DV_FILE_MOST, &text, &len, err);
	return r < 0 ? r : dv_config_parse(text, len, file, ret, err);
}

static uint64_t generous(uint64_t a, uint64_t b)
{
	/* 0 is no limit. */
	return !a || !b ? 0 : DV_MAX(a, b);
}

static void widen(struct dv_quota *quota, const struct dv_quota *by)
{
	quota->leases = (unsigned)generous(quota->leases, by->leases);
	quota->memory_bytes = generous(quota->memory_bytes, by->memory_bytes);
	quota->compute_mpct = (uint32_t)generous(quota->compute_mpct, by->compute_mpct);
}

static bool is_in(gid_t gid, const gid_t *groups, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

void dv_config_quota_of(const struct dv_config *config, uid_t uid, const gid_t *groups,
			unsigned group_count, struct dv_quota *ret)
{
	struct dv_quota quota = config->quota;
	bool found = false;

	for (size_t i = 0; i < config->quotas.len; i++) {
		const struct dv_config_quota *entry = &config->quotas.items[i];

		if (!entry->group && entry->id == uid) {
			*ret = entry->quota;
			return;
		}
		if (!entry->group || !is_in(entry->id, groups, group_count))
			continue;
		if (found)
			widen(&quota, &entry->quota);
		else
			quota = entry->quota;
		found = true;
	}
	*ret = quota;
}
