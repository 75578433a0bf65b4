/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the catalogue fails in turn: said so, nothing kept, nothing lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "catalog/catalog.h"
#include "torture.h"

static const char *const files[] = {
	"sources: {s: {what: S}, t: {what: T, where: u}}\n",
	"gpu: x\nname: NVIDIA X\nalso: [NVIDIA XL, NVIDIA XS]\nnotes: [n]\nsources: [s, t]\n"
	"pci:\n  - {id: \"10de:2330\", name: X, subsystems: [\"10de:0001\", \"10de:0002\"]}\n"
	"mig:\n  grid: 8\n  compute_slices: 7\n  profiles:\n"
	"    - {name: 1g.5gb, shape: 1g, compute_slices: 1, size: 1, starts: [0, 1], most: 2,"
	" sources: [s]}\n"
	"    - {name: 7g.40gb, shape: 7g, compute_slices: 7, size: 8, starts: [0], most: 1,"
	" sources: [t]}\n",
	"vgpu_series:\n  - {series: Q, licence: l, use: u}\n",
	"vgpu_board: B\nname: B\ngpus: [x]\nsources: [s]\ntypes:\n"
	"  - {name: B-1Q, series: Q, memory_mib: 1024, most: 4, sources: [s]}\n"
	"  - {name: B-4Q, series: Q, memory_mib: 4096, most: 1, sources: [s]}\n",
	("compute_instances:\n  - of: 2\n    profiles:\n"
	 "      - {name: 1c, id: 0, size: 1, starts: [0, 1], most: 2}\nsources: [s]\n"),
};

/* What a file adds must be gone when adding it fails. */
static bool holds(const struct dv_catalog *c, size_t count)
{
	return (dv_catalog_source(c, "t") != NULL) == (count > 0) &&
	       (dv_catalog_gpu(c, 0) != NULL) == (count > 1) &&
	       (dv_catalog_series(c, 'Q') != NULL) == (count > 2) &&
	       (dv_catalog_board(c, 0) != NULL) == (count > 3) &&
	       (dv_catalog_ci(c, 2) != NULL) == (count > 4);
}

static int read_all(void *arg)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	const struct dv_cat_gpu *gpu = NULL;
	struct dv_error err = {0};
	int r = dv_catalog_new(&catalog, &err);
	size_t i = 0;

	if (r < 0)
		return r == -ENOMEM && !catalog ? r : -EPROTO;
	for (; r == 0 && i < DV_ARRAY_LEN(files); i++)
		r = dv_catalog_add(catalog, files[i], strlen(files[i]), "x", &err);
	if (r < 0)
		return r == -ENOMEM && err.code == -ENOMEM && err.msg[0] && holds(catalog, i - 1)
			       ? r
			       : -EPROTO;
	r = dv_catalog_seal(catalog, &err);
	if (r == 0)
		r = dv_catalog_find(catalog, "XL", &gpu, NULL, &err);
	return r < 0 ? r : holds(catalog, i) && gpu ? 0 : -EPROTO;
}

static void test_read(void **state)
{
	/* Rows, their lists and the documents: well over one for each file. */
	assert_true(torture_run("catalog", read_all, NULL) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};

	return cmocka_run_group_tests_name("torture/catalog", tests, NULL, NULL);
}
