/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/facts.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"

static int add_file(struct dv_catalog *catalog, const char *path, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	size_t len = 0;
	int r = dv_file_read(path, DV_CATALOG_FILE_MOST, &text, &len, err);

	return r < 0 ? r : dv_catalog_add(catalog, text, len, path, err);
}

static int add_folder(struct dv_catalog *catalog, const char *directory, const char *folder,
		      struct dv_error *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, folder);
	dir = opendir(path);
	if (!dir)
		return dv_error_errno(err, errno, "%s", path);
	while (r == 0 && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len < 6 || strcmp(entry->d_name + len - 5, ".yaml") != 0)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s/%s", directory, folder, entry->d_name) <
		    (int)sizeof(path))
			r = add_file(catalog, path, err);
	}
	closedir(dir);
	return r;
}

int dv_facts_load(const char *directory, struct dv_catalog **ret_catalog, struct dv_error *err)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	int r = dv_catalog_new(&catalog, err);

	if (r == 0)
		r = add_folder(catalog, directory, "gpus", err);
	if (r == 0)
		r = add_folder(catalog, directory, "vgpu", err);
	if (r == 0)
		r = dv_catalog_seal(catalog, err);
	if (r == 0)
		*ret_catalog = take_ptr(catalog);
	return r;
}
