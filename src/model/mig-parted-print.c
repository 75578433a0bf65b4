/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/mig-parted.h"

/* Configs in the order of the file, as many as there is room for. */
static const char *list_names(const struct dv_mig_parted *parted, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < parted->configs.len; i++) {
		const char *name = parted->configs.items[i].name;

		if (len + strlen(name) + 24 > size) {
			(void)snprintf(buf + len, size - len, " and %zu more",
				       parted->configs.len - i);
			break;
		}
		len += (size_t)snprintf(buf + len, size - len, "%s%s", i ? ", " : "", name);
	}
	return buf;
}

static int not_found(const struct dv_mig_parted *parted, const char *name, struct dv_error *err)
{
	dv_autofree const char **words = calloc(parted->configs.len + 1, sizeof(*words));
	char names[400];
	const char *near;
	int r;

	if (!words)
		return dv_error_set(err, -ENOMEM, "no memory to look for a config");
	for (size_t i = 0; i < parted->configs.len; i++)
		words[i] = parted->configs.items[i].name;
	near = dv_nearest(name, words);
	r = near ? dv_error_rule(err, -EINVAL, "F11",
				 "there is no config '%.64s' in %.120s; is '%s' meant?", name,
				 parted->file, near)
		 : dv_error_rule(err, -EINVAL, "F11", "there is no config '%.64s' in %.120s", name,
				 parted->file);
	return dv_error_fix(err, r, "it has %s", list_names(parted, names, sizeof(names)));
}

int dv_mig_parted_find(const struct dv_mig_parted *parted, const char *name,
		       const struct dv_mig_parted_config **ret, struct dv_error *err)
{
	char names[400];

	if (!name[0] && parted->configs.len == 1) {
		*ret = &parted->configs.items[0];
		return 0;
	}
	if (!name[0])
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F10",
				      "%.120s is a file of mig-parted with %zu configs, "
				      "and none is named",
				      parted->file, parted->configs.len),
			"--config NAME, with NAME one of %s",
			list_names(parted, names, sizeof(names)));
	for (size_t i = 0; i < parted->configs.len; i++)
		if (strcmp(parted->configs.items[i].name, name) == 0) {
			*ret = &parted->configs.items[i];
			return 0;
		}
	return not_found(parted, name, err);
}

/* A name that YAML could read as something else is quoted. */
static void add_name(struct dv_buf *buf, const char *name)
{
	static const char safe[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";

	if (isalpha((unsigned char)name[0]) && strspn(name, safe) == strlen(name) &&
	    strcmp(name, "null") != 0) {
		dv_buf_add(buf, name);
		return;
	}
	dv_buf_add(buf, "\"");
	for (; *name; name++) {
		if (*name == '"' || *name == '\\')
			dv_buf_add(buf, "\\");
		dv_buf_add_n(buf, name, 1);
	}
	dv_buf_add(buf, "\"");
}

static void add_filters(struct dv_buf *buf, const struct dv_mig_parted_entry *entry)
{
	dv_buf_add(buf, "device-filter: [");
	for (size_t i = 0; i < entry->filters.len; i++) {
		const struct dv_mig_parted_filter *filter = &entry->filters.items[i];

		dv_buf_addf(buf, "%s\"0x%04X%04X", i ? ", " : "", filter->id.device,
			    filter->id.vendor);
		if (filter->board)
			dv_buf_addf(buf, ":0x%04X%04X", filter->id.subdevice, filter->id.subvendor);
		dv_buf_add(buf, "\"");
	}
	dv_buf_add(buf, "]\n      ");
}

static void add_entry(struct dv_buf *buf, const struct dv_mig_parted_entry *entry)
{
	dv_buf_add(buf, "    - ");
	if (entry->filters.len)
		add_filters(buf, entry);
	dv_buf_add(buf, entry->all ? "devices: all" : "devices: [");
	for (size_t i = 0; !entry->all && i < entry->devices.len; i++)
		dv_buf_addf(buf, "%s%u", i ? ", " : "", entry->devices.items[i]);
	dv_buf_addf(buf, "%s\n      mig-enabled: %s\n", entry->all ? "" : "]",
		    entry->enabled ? "true" : "false");
	if (entry->enabled)
		dv_buf_addf(buf, "      mig-devices:%s\n", entry->counts.len ? "" : " {}");
	for (size_t i = 0; i < entry->counts.len; i++)
		dv_buf_addf(buf, "        \"%s\": %u\n", entry->counts.items[i].profile,
			    entry->counts.items[i].count);
}

int dv_mig_parted_print(const struct dv_mig_parted *parted, char **ret_text, struct dv_error *err)
{
	dv_cleanup(dv_buf_fini) struct dv_buf buf = {0};

	dv_buf_add(&buf, "version: v1\nmig-configs:\n");
	for (size_t i = 0; i < parted->configs.len; i++) {
		const struct dv_mig_parted_config *config = &parted->configs.items[i];

		dv_buf_add(&buf, i ? "\n  " : "  ");
		add_name(&buf, config->name);
		dv_buf_add(&buf, ":\n");
		for (size_t k = 0; k < config->entries.len; k++)
			add_entry(&buf, &config->entries.items[k]);
	}
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to print a mig-parted file");
	return 0;
}
