/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/load.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

static bool is_yaml(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

static int add_file(struct dv_catalog *catalog, const char *path, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	size_t len = 0;
	int r = dv_file_read(path, DV_CATALOG_FILE_MOST, &text, &len, err);

	return r < 0 ? r : dv_catalog_add(catalog, text, len, path, err);
}

static int load_gpus(const char *data, struct dv_catalog *catalog, struct dv_error *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/gpus", data);
	dir = opendir(path);
	if (!dir)
		return dv_error_errno(err, errno, "%s", path);
	while (r == 0 && (entry = readdir(dir)))
		if (is_yaml(entry->d_name) && snprintf(path, sizeof(path), "%s/gpus/%s", data,
						       entry->d_name) < (int)sizeof(path))
			r = add_file(catalog, path, err);
	(void)closedir(dir);
	return r < 0 ? r : dv_catalog_seal(catalog, err);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int not_there(const char *data, const char *name, struct dv_error *err)
{
	char path[PATH_MAX], all[256] = "";
	struct dirent *entry;
	DV_VEC(char *) names = {0};
	DIR *dir;
	int r = dv_error_set(err, -ENOENT, "there is no simulated machine '%.64s'", name);

	(void)snprintf(path, sizeof(path), "%s/machines", data);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		char *copy = is_yaml(entry->d_name)
				     ? strndup(entry->d_name, strlen(entry->d_name) - 5)
				     : NULL;

		if (copy && dv_vec_push(&names, copy) < 0)
			free(copy);
	}
	if (dir)
		(void)closedir(dir);
	if (names.len)
		qsort(names.items, names.len, sizeof(*names.items), compare);
	for (size_t i = 0; i < names.len; i++) {
		size_t len = strlen(all);

		(void)snprintf(all + len, sizeof(all) - len, " %s", names.items[i]);
		free(names.items[i]);
	}
	dv_vec_fini(&names);
	return dv_error_fix(err, r, "name one of%s, or a file ending in .yaml", all);
}

int dv_sim_load(const char *data, const char *name, struct dv_sim_machine *ret,
		struct dv_error *err)
{
	bool is_path = strchr(name, '/') || is_yaml(name);
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	dv_autofree char *text = NULL;
	char path[PATH_MAX];
	size_t len = 0;
	int r;

	if (!is_path && !dv_is_name(name, DV_NAME_MOST))
		return not_there(data, name, err);
	if (is_path)
		(void)snprintf(path, sizeof(path), "%s", name);
	else
		(void)snprintf(path, sizeof(path), "%s/machines/%s.yaml", data, name);
	if (!is_path && access(path, F_OK) < 0)
		return not_there(data, name, err);
	r = dv_file_read(path, DV_FILE_MOST, &text, &len, err);
	if (r == 0)
		r = dv_catalog_new(&catalog, err);
	if (r == 0)
		r = load_gpus(data, catalog, err);
	return r < 0 ? r : dv_sim_machine_parse(text, len, path, catalog, ret, err);
}
