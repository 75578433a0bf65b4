/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mig-parted.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/mig-parted-read.h"
#include "model/yaml.h"

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to read a mig-parted file");
}

static const struct dv_yaml_node *want(const struct dv_yaml *doc, const struct dv_yaml_node *node,
				       enum dv_yaml_type type, const char *what,
				       struct dv_error *err)
{
	if (node->type == type)
		return node;
	(void)dv_yaml_fail(doc, node, "F06", err, "wanted %s", what);
	return NULL;
}

/* Sixteen bits each: device before vendor. */
static bool read_pair(const char **text, uint16_t *ret_device, uint16_t *ret_vendor)
{
	char *end;
	unsigned long value;

	if ((*text)[0] != '0' || ((*text)[1] | 0x20) != 'x' || !isxdigit((unsigned char)(*text)[2]))
		return false;
	errno = 0;
	value = strtoul(*text, &end, 16);
	if (errno || value > UINT32_MAX)
		return false;
	*ret_device = (uint16_t)(value >> 16);
	*ret_vendor = (uint16_t)value;
	*text = end;
	return true;
}

static int read_filter(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		       struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	struct dv_mig_parted_filter filter = {0};
	char text[64];
	const char *at = text;
	bool good;
	int r = dv_yaml_text(doc, node, text, sizeof(text), err);

	if (r < 0)
		return r;
	good = read_pair(&at, &filter.id.device, &filter.id.vendor);
	if (good && *at == ':') {
		at++;
		filter.board = true;
		good = read_pair(&at, &filter.id.subdevice, &filter.id.subvendor);
	}
	if (!good || *at)
		return dv_error_fix(
			err,
			dv_yaml_fail(doc, node, "F06", err,
				     "'%.32s' is not a PCI device and vendor", text),
			"write it as in \"0x20B010DE\": device, then vendor; `divvy gpus "
			"--json` has them as pci_id");
	return dv_vec_push(&entry->filters, filter) < 0 ? no_memory(err) : 0;
}

static int read_filters(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	int r = 0;

	if (node->type == DV_YAML_SCALAR)
		return node->text[0] || node->plain ? read_filter(doc, node, entry, err) : 0;
	if (!want(doc, node, DV_YAML_LIST, "a PCI device id, or a list of them", err))
		return -EBADMSG;
	for (const struct dv_yaml_node *item = node->first; item && r == 0; item = item->next)
		r = read_filter(doc, item, entry, err);
	return r;
}

static int read_devices(const struct dv_yaml *doc, const struct dv_yaml_node *node,
			struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	uint64_t index;
	unsigned device;
	int r = 0;

	entry->all = node->type == DV_YAML_SCALAR && strcmp(node->text, "all") == 0;
	if (entry->all)
		return 0;
	if (node->type != DV_YAML_LIST)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, node, "F06", err,
						 "wanted 'all', or a list of GPUs' numbers"),
				    "write 'devices: all', or as in 'devices: [0, 1]'");
	for (const struct dv_yaml_node *item = node->first; item && r == 0; item = item->next) {
		r = dv_yaml_u64(doc, item, 0, DV_GPUS_MOST - 1, &index, err);
		device = r == 0 ? (unsigned)index : 0;
		if (r == 0 && dv_vec_push(&entry->devices, device) < 0)
			r = no_memory(err);
	}
	return r;
}

/* "7" of "7g", and past it; 0: none. */
static unsigned read_number(const char **text)
{
	unsigned value = 0, digits = 0;

	for (; isdigit((unsigned char)**text) && digits < 4; (*text)++, digits++)
		value = value * 10 + (unsigned)(**text - '0');
	return digits < 4 ? value : 0;
}

static bool skip(const char **text, const char *word)
{
	if (strncmp(*text, word, strlen(word)) != 0)
		return false;
	*text += strlen(word);
	return true;
}

/* [1c.]1g.5gb[+me][-me][+gfx]: what it has besides, by names; of a compute instance that is all of
 * its GPU instance the size is left out, as the driver does. */
static bool read_profile(const char *text, char ret[DV_PROFILE_SIZE])
{
	const char *at = text, *whole = text;
	unsigned slices = read_number(&at), compute = 0;

	if (slices && skip(&at, "c.")) {
		compute = slices;
		whole = at;
		slices = read_number(&at);
	}
	if (!slices || compute > slices || !skip(&at, "g.") || !read_number(&at) ||
	    !skip(&at, "gb"))
		return false;
	while (*at == '+' || *at == '-')
		for (at++; isalnum((unsigned char)*at) || *at == '.' || *at == ','; at++)
			;
	if (*at || strchr("+-.,", at[-1]))
		return false;
	return dv_copy(ret, DV_PROFILE_SIZE, compute == slices ? whole : text);
}

static int read_count(const struct dv_yaml *doc, const struct dv_yaml_node *key,
		      struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	struct dv_mig_parted_count count = {.line = key->line, .column = key->column};
	uint64_t value;
	int r;

	if (!read_profile(key->text, count.profile))
		return dv_error_fix(err,
				    dv_yaml_fail(doc, key, "F11", err,
						 "'%.40s' is no name of a MIG profile", key->text),
				    "write it as in \"1g.5gb\" or \"1g.10gb+me\"; `divvy profiles "
				    "GPU` lists them");
	r = dv_yaml_u64(doc, key->value, 0, DV_MIG_PARTED_COUNT_MOST, &value, err);
	if (r < 0 || !value)
		return r;
	count.count = (unsigned)value;
	for (size_t i = 0; i < entry->counts.len; i++)
		if (strcmp(entry->counts.items[i].profile, count.profile) == 0)
			return dv_yaml_fail(doc, key, "F02", err,
					    "profile '%s' appears twice, first in line %d",
					    count.profile, entry->counts.items[i].line);
	return dv_vec_push(&entry->counts, count) < 0 ? no_memory(err) : 0;
}

static int read_counts(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		       struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	int r = 0;

	if (!want(doc, node, DV_YAML_MAP, "profiles with their numbers; '{}' for none", err))
		return -EBADMSG;
	for (const struct dv_yaml_node *key = node->first; key && r == 0; key = key->next)
		r = read_count(doc, key, entry, err);
	if (r == 0 && !entry->enabled && entry->counts.len)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, node, "F12", err,
						 "there are mig-devices, and 'mig-enabled' is "
						 "false"),
				    "write 'mig-enabled: true', or take the mig-devices out");
	return r;
}

static int read_keys(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		     struct dv_mig_parted_entry *entry, struct dv_error *err)
{
	const struct dv_yaml_node *filter = dv_yaml_get(map, "device-filter");
	const struct dv_yaml_node *devices = dv_yaml_get(map, "devices");
	const struct dv_yaml_node *enabled = dv_yaml_get(map, "mig-enabled");
	const struct dv_yaml_node *counts = dv_yaml_get(map, "mig-devices");
	int r;

	if (!devices)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, map, "F10", err,
						 "an entry needs 'devices': of which GPUs it is"),
				    "write 'devices: all', or as in 'devices: [0, 1]'");
	if (!enabled)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, map, "F10", err,
						 "an entry needs 'mig-enabled': true or false"),
				    "write 'mig-enabled: true'");
	r = filter ? read_filters(doc, filter, entry, err) : 0;
	r = r < 0 ? r : read_devices(doc, devices, entry, err);
	r = r < 0 ? r : dv_yaml_bool(doc, enabled, &entry->enabled, err);
	if (r == 0 && entry->enabled && !counts)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, map, "F10", err,
						 "an entry with 'mig-enabled: true' needs "
						 "'mig-devices'"),
				    "write 'mig-devices: {}' for the mode alone");
	return r < 0 || !counts ? r : read_counts(doc, counts, entry, err);
}

static int read_entry(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      struct dv_mig_parted_config *config, struct dv_error *err)
{
	static const char *const keys[] = {"device-filter", "devices", "mig-enabled", "mig-devices",
					   NULL};
	dv_cleanup(dv_mig_parted_entry_fini) struct dv_mig_parted_entry entry = {
		.line = map->line, .column = map->column};
	int r = dv_yaml_only_keys(doc, map, keys, err);

	if (r == 0)
		r = read_keys(doc, map, &entry, err);
	if (r < 0)
		return r;
	if (dv_vec_push(&config->entries, entry) < 0)
		return no_memory(err);
	entry = (struct dv_mig_parted_entry){0};
	return 0;
}

/* It is shown on a terminal. */
static bool is_label(const char *text)
{
	for (const char *s = text; *s; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return text[0] && strlen(text) <= DV_NAME_MOST;
}

static void config_fini(struct dv_mig_parted_config *config)
{
	for (size_t i = 0; i < config->entries.len; i++)
		dv_mig_parted_entry_fini(&config->entries.items[i]);
	dv_vec_fini(&config->entries);
}

static int read_config(const struct dv_yaml *doc, const struct dv_yaml_node *key,
		       struct dv_mig_parted *parted, struct dv_error *err)
{
	dv_cleanup(config_fini) struct dv_mig_parted_config config = {.line = key->line,
								      .column = key->column};
	int r = 0;

	if (!is_label(key->text))
		return dv_error_fix(err,
				    dv_yaml_fail(doc, key, "F08", err,
						 "the config's name is not 1 to %d printable ASCII "
						 "characters",
						 DV_NAME_MOST),
				    "choose another name");
	(void)dv_copy(config.name, sizeof(config.name), key->text);
	if (!want(doc, key->value, DV_YAML_LIST, "a list of entries, each beginning with '-'", err))
		return -EBADMSG;
	if (!key->value->count)
		return dv_yaml_fail(doc, key->value, "F10", err, "config '%s' has no entry",
				    config.name);
	for (const struct dv_yaml_node *item = key->value->first; item && r == 0; item = item->next)
		r = read_entry(doc, item, &config, err);
	if (r < 0)
		return r;
	if (dv_vec_push(&parted->configs, config) < 0)
		return no_memory(err);
	config = (struct dv_mig_parted_config){0};
	return 0;
}

static int check_version(const struct dv_yaml *doc, struct dv_error *err)
{
	const struct dv_yaml_node *root = dv_yaml_root(doc), *node = dv_yaml_get(root, "version");
	char text[32];
	int r;

	if (!node)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, root, "F10", err,
						 "a mig-parted file needs 'version: v1'"),
				    "write it before mig-configs");
	r = dv_yaml_text(doc, node, text, sizeof(text), err);
	if (r == 0 && strcmp(text, "v1") != 0)
		return dv_error_fix(err,
				    dv_yaml_fail(doc, node, "F13", err,
						 "version %.20s of mig-parted's files is not known "
						 "here; this divvy reads v1",
						 text),
				    "write 'version: v1', or use a divvy that knows this version");
	return r;
}

static int read_root(const struct dv_yaml *doc, struct dv_mig_parted *parted, struct dv_error *err)
{
	static const char *const keys[] = {"version", "mig-configs", NULL};
	const struct dv_yaml_node *root = dv_yaml_root(doc);
	const struct dv_yaml_node *configs = dv_yaml_get(root, "mig-configs");
	int r = dv_yaml_only_keys(doc, root, keys, err);

	r = r < 0 ? r : check_version(doc, err);
	if (r < 0)
		return r;
	if (!want(doc, configs, DV_YAML_MAP, "configs by their names, indented below", err))
		return -EBADMSG;
	if (!configs->count)
		return dv_yaml_fail(doc, configs, "F10", err, "there is no config in it");
	for (const struct dv_yaml_node *key = configs->first; key && r == 0; key = key->next)
		r = read_config(doc, key, parted, err);
	return r;
}

/* What to do about it, where whoever refused did not say it better. */
static int add_fix(struct dv_error *err, int r)
{
	static const struct {
		const char *rule, *fix;
	} fixes[] = {
		{"F01", "correct the file at that place: indent by blanks, the same for all of a "
			"list or map"},
		{"F02", "keep one of the two"},
		{"F03", "write it flatter; no key of such a file is so deep"},
		{"F04", "write the value out where it is wanted"},
		{"F05", "correct the key, or how far it is indented"},
		{"F06", "write there what is wanted"},
		{"F07", "write a number within the bounds"},
		{"F10", "add what is missing"},
		{"F14", "make it smaller"},
	};

	for (size_t i = 0; err && i < DV_ARRAY_LEN(fixes); i++)
		if (strcmp(fixes[i].rule, err->rule) == 0)
			return dv_error_fix(err, r, "%s", fixes[i].fix);
	return r;
}

int dv_mig_parted_parse(const char *text, size_t len, const char *file, struct dv_mig_parted *ret,
			struct dv_error *err)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	int r = dv_mig_parted_open(text, len, file, &doc, err);

	if (r == 0)
		r = read_root(doc, &parted, err);
	if (r < 0)
		return add_fix(err, r);
	(void)dv_copy(parted.file, sizeof(parted.file), file);
	*ret = parted;
	parted = (struct dv_mig_parted){0};
	return 0;
}

void dv_mig_parted_entry_fini(struct dv_mig_parted_entry *entry)
{
	dv_vec_fini(&entry->filters);
	dv_vec_fini(&entry->devices);
	dv_vec_fini(&entry->counts);
}

void dv_mig_parted_fini(struct dv_mig_parted *parted)
{
	for (size_t i = 0; i < parted->configs.len; i++)
		config_fini(&parted->configs.items[i]);
	dv_vec_fini(&parted->configs);
}
