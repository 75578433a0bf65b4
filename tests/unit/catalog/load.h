/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests: the catalogue of the source tree. */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "catalog/catalog.h"
#include "config.h"

/* Call `fn` with the text of every .yaml file of data/<folder>; returns how many there were. */
static inline size_t
each_file(const char *folder, void (*fn)(const char *name, const char *text, size_t len, void *arg),
	  void *arg)
{
	char path[512];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/data/%s", DV_SOURCE_DIR, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t n = strlen(entry->d_name), len = 0;
		dv_autofree char *text = NULL;
		struct dv_error err = {0};

		if (n < 6 || strcmp(entry->d_name + n - 5, ".yaml") != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/data/%s/%s", DV_SOURCE_DIR, folder,
			       entry->d_name);
		if (dv_file_read(path, DV_CATALOG_FILE_MOST, &text, &len, &err) < 0)
			fail_msg("%s", err.msg);
		fn(entry->d_name, text, len, arg);
		count++;
	}
	closedir(dir);
	return count;
}

static inline void add_file(const char *name, const char *text, size_t len, void *arg)
{
	struct dv_error err = {0};

	if (dv_catalog_add(arg, text, len, name, &err) < 0)
		fail_msg("%s:%d:%d: %s", name, err.line, err.column, err.msg);
}

static inline struct dv_catalog *load_catalog(void)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	(void)each_file("gpus", add_file, catalog);
	(void)each_file("vgpu", add_file, catalog);
	if (dv_catalog_seal(catalog, &err) < 0)
		fail_msg("%s", err.msg);
	return catalog;
}
