/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the catalogue's files from a directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/file.h"
#include "cli/facts.h"
#include "config.h"

static void test_own(void **state)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_facts_load(DV_SOURCE_DIR "/data", &catalog, &err), 0);
	assert_non_null(dv_catalog_by_id(catalog, "h100-80-sxm"));
	assert_non_null(dv_catalog_board(catalog, 50));
	dv_catalog_free(catalog);
}

static char dir[48];

static void put(const char *name, const char *text)
{
	struct dv_error err = {0};
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!text)
		assert_int_equal(mkdir(path, 0700), 0);
	else
		assert_int_equal(dv_file_write(path, text, strlen(text), 0600, &err), 0);
}

static void drop(const char *name)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(remove(path), 0);
}

static void assert_refused(int code, const char *says)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_facts_load(dir, &catalog, &err), code);
	assert_null(catalog);
	if (!strstr(err.msg, says))
		fail_msg("says \"%s\", wanted \"%s\"", err.msg, says);
}

static void test_wrong(void **state)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(temporary_make(dir, sizeof(dir), "facts"), 0);
	assert_refused(-ENOENT, "gpus");
	put("gpus", NULL);
	assert_refused(-ENOENT, "vgpu");
	put("vgpu", NULL);
	put("gpus/README", "not a row");
	put("gpus/a.yaml", "gpu: a\nname: A\nsources: [s]\n");
	assert_refused(-EBADMSG, "names the source 's'");
	put("gpus/sources.yaml", "sources: {s: {what: S}}\n");
	put("vgpu/b.yaml", "vgpu_board: B\nname: B\ngpus: [z]\nsources: [s]\ntypes: []\n");
	assert_refused(-EBADMSG, "names the GPU 'z'");
	put("vgpu/b.yaml", "vgpu_board: B\nnam: B\n");
	assert_refused(-EBADMSG, "/vgpu/b.yaml:2:1: ");
	drop("vgpu/b.yaml");
	assert_int_equal(dv_facts_load(dir, &catalog, &err), 0);
	assert_string_equal(dv_catalog_gpu(catalog, 0)->id, "a");
	dv_catalog_free(catalog);
	drop("gpus/README");
	drop("gpus/a.yaml");
	drop("gpus/sources.yaml");
	drop("gpus");
	drop("vgpu");
	assert_int_equal(remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_wrong),
	};

	return cmocka_run_group_tests_name("cli/facts", tests, NULL, NULL);
}
