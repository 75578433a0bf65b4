/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/facts.h"

#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "base/limits.h"

static int add(void *arg, const char *text, size_t len, const char *path, struct dv_error *err)
{
	return dv_catalog_add(arg, text, len, path, err);
}

int dv_facts_load(const char *directory, struct dv_catalog **ret_catalog, struct dv_error *err)
{
	static const char *const folders[] = {"gpus", "vgpu"};
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	int r = dv_catalog_new(&catalog, err);

	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(folders); i++) {
		char path[PATH_MAX];

		(void)snprintf(path, sizeof(path), "%s/%s", directory, folders[i]);
		r = dv_file_each(path, ".yaml", DV_CATALOG_FILE_MOST, add, catalog, err);
	}
	if (r == 0)
		r = dv_catalog_seal(catalog, err);
	if (r == 0)
		*ret_catalog = take_ptr(catalog);
	return r;
}
