/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are wrong: told where and why, nothing kept of them. */
#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/catalog/load.h"

#define GPU "gpu: x\nname: X\nsources: [s]\n"
#define MIG GPU "mig:\n  grid: 8\n  compute_slices: 7\n  profiles:\n"
#define ROW "name: 1g.10gb, shape: 1g, compute_slices: 1, size: 1, most: 1, sources: [s]"
#define BOARD "vgpu_board: B\nname: B\nsources: [s]\ntypes:\n"

static int add(struct dv_catalog *catalog, const char *text, struct dv_error *err)
{
	return dv_catalog_add(catalog, text, strlen(text), "x.yaml", err);
}

static void test_wrong_files(void **state)
{
	const struct {
		const char *text, *rule;
		int line;
		const char *says;
	} wrong[] = {
		{"", "F01", 0, ""},
		{"- a\n", "F06", 1, "must be a map"},
		{"name: X\n", "F10", 1, "what the file is about"},
		{"gpu: [x\n", "F01", 0, ""},
		{"gpu: x\ngpu: y\n", "F02", 2, ""},
		{"gpu: x\nname: X\n", "F10", 0, "'sources' is missing"},
		{"gpu: x\nname: X\nsources: []\n", "F10", 3, "'sources' is empty"},
		{"gpu: x\nname: X\nsources: s\n", "F06", 3, "list"},
		{"gpu: x\nname: [X]\nsources: [s]\n", "F06", 2, "'name'"},
		{"gpu: \"\"\nname: X\nsources: [s]\n", "F06", 1, "'gpu'"},
		{"gpu: x\nname: \"a\\u0007b\"\nsources: [s]\n", "F01", 2, "control"},
		{GPU "memroy_mib: 3\n", "F05", 4, "memroy_mib"},
		{GPU "memory_mib: lots\n", "F06", 4, ""},
		{GPU "memory_mib: -1\n", "F06", 4, ""},
		{GPU "passthrough: perhaps\n", "F06", 4, ""},
		{GPU "class: gaming\n", "F11", 4, "'gaming'"},
		{GPU "pci: {}\n", "F06", 4, "'pci'"},
		{GPU "pci: [a]\n", "F06", 4, "must be a map"},
		{GPU "pci:\n  - {name: X}\n", "F06", 0, "10de:2330"},
		{GPU "pci:\n  - {id: \"10de:233\"}\n", "F06", 5, "10de:2330"},
		{GPU "pci:\n  - {id: \"10DE:2330\"}\n", "F06", 5, "10de:2330"},
		{GPU "pci:\n  - {id: \"10de:2330\", subsystems: [x]}\n", "F06", 5, "10de:2330"},
		{GPU "mig: 7\n", "F06", 4, "'mig'"},
		{GPU "mig: {grid: 8}\n", "F10", 4, "'profiles'"},
		{GPU "mig: {grid: 65, profiles: []}\n", "F07", 4, ""},
		{GPU "mig: {grid: 8, placements: guessed, profiles: []}\n", "F11", 4, "'guessed'"},
		{MIG "    - {" ROW "}\n    - {" ROW "}\n", "F09", 9, "there twice"},
		{MIG "    - {" ROW ", starts: [0, 0]}\n", "F07", 8, ""},
		{MIG "    - {" ROW ", starts: [8]}\n", "F07", 8, ""},
		{MIG "    - {" ROW ", starts: [0, 1, 2, 3, 4, 5, 6, 7, 8]}\n", "F07", 8, "no room"},
		{MIG "    - {" ROW ", starts: 0}\n", "F06", 8, "list"},
		{MIG "    - {" ROW ", starts: [0]}\n", "F12", 5, "grid of 1 units, not 8"},
		{MIG "    - {" ROW ", engines: [1]}\n", "F06", 8, "'engines'"},
		{MIG "    - {" ROW ", engines: {print: 1}}\n", "F05", 8, "print"},
		{MIG "    - {name: 1g, shape: 1g, most: 1, sources: [s]}\n", "F10", 8,
		 "compute_slices"},
		{MIG "    - {name: 9g, shape: 9g, compute_slices: 9, most: 1, sources: [s]}\n",
		 "F12", 8, "the GPU has 7"},
		{MIG "    - {name: 1g, shape: 1g, compute_slices: 1, most: 2, size: 8, starts: [0],"
		     " sources: [s]}\n",
		 "F12", 8, "only 1 places"},
		{MIG "    - {name: 1g, shape: 1g, compute_slices: 1, most: 1, starts: [0],"
		     " sources: [s]}\n",
		 "F10", 8, "'size'"},
		{BOARD "  - {name: B-1Q, series: Q, most: 1, sources: [s]}\n", "F10", 5,
		 "memory_mib"},
		{BOARD "  - {name: B-1Q, series: q, memory_mib: 1, most: 1, sources: [s]}\n", "F11",
		 5, "capital"},
		{BOARD "  - {name: B-1Q, series: Q, memory_mib: 1, most: 0, sources: [s]}\n", "F10",
		 5, "'most'"},
		{BOARD "  - {name: B-1Q, series: Q, memory_mib: 1, most: 1, sources: [s]}\n"
		       "  - {name: b-1q, series: Q, memory_mib: 1, most: 1, sources: [s]}\n",
		 "F09", 6, "there twice"},
		{"sources: [a]\n", "F06", 1, "map"},
		{"sources: {a: b}\n", "F06", 1, "map"},
		{"sources: {a: {where: b}}\n", "F10", 1, "'what'"},
		{"vgpu_series:\n  - {series: A, licence: L}\n", "F10", 2, "'use'"},
		{"compute_instances:\n  - {profiles: []}\n", "F10", 2, "'of'"},
		{"compute_instances:\n  - {of: 2, profiles: [{name: 1c, id: 0, size: 1, starts: "
		 "[0, 2],"
		 " most: 1}]}\n",
		 "F07", 2, ""},
		{"compute_instances:\n  - {of: 2, profiles: [{name: 1c, id: 0, size: 1, starts: "
		 "[0],"
		 " most: 2}]}\n",
		 "F12", 2, "its 1 places"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(wrong); i++) {
		struct dv_catalog *catalog = NULL;
		struct dv_error err = {0};

		assert_int_equal(dv_catalog_new(&catalog, &err), 0);
		if (add(catalog, wrong[i].text, &err) != -EBADMSG)
			fail_msg("taken: %s", wrong[i].text);
		if (strcmp(err.rule, wrong[i].rule) != 0 && wrong[i].rule[0])
			fail_msg("rule %s, wanted %s: %s", err.rule, wrong[i].rule, err.msg);
		if (wrong[i].line && err.line != wrong[i].line)
			fail_msg("line %d, wanted %d: %s", err.line, wrong[i].line, err.msg);
		if (!strstr(err.msg, wrong[i].says))
			fail_msg("says \"%s\", wanted \"%s\"", err.msg, wrong[i].says);
		assert_string_equal(err.file, "x.yaml");
		assert_null(dv_catalog_gpu(catalog, 0));
		assert_null(dv_catalog_board(catalog, 0));
		assert_null(dv_catalog_series(catalog, 'A'));
		assert_null(dv_catalog_source(catalog, "a"));
		assert_null(dv_catalog_ci(catalog, 2));
		dv_catalog_free(catalog);
	}
}

static void test_unknown_stays_unknown(void **state)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};
	const struct dv_cat_gpu *gpu;

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	assert_int_equal(add(catalog, MIG "    - {" ROW ", engines: {copy: 0}}\n", &err), 0);
	gpu = dv_catalog_gpu(catalog, 0);
	assert_int_equal(gpu->memory_mib, DV_CAT_UNKNOWN);
	assert_int_equal(gpu->multiprocessors, DV_CAT_UNKNOWN);
	assert_int_equal(gpu->passthrough, DV_CAT_OPEN);
	assert_int_equal(gpu->mig.most, DV_CAT_UNKNOWN);
	assert_int_equal(gpu->mig.places, DV_CAT_NO_PLACES);
	assert_int_equal(gpu->mig.confidence, DV_CAT_LOW);
	assert_int_equal(gpu->mig.profiles.items[0].id, DV_CAT_UNKNOWN);
	assert_int_equal(gpu->mig.profiles.items[0].engines.copy, 0); /* none, and that is known */
	assert_int_equal(gpu->mig.profiles.items[0].engines.decode, DV_CAT_UNKNOWN);
	assert_null(gpu->chip);
	dv_catalog_free(catalog);
}

/* What one file cannot know of another. */
static void test_seal(void **state)
{
	static const char sources[] = "sources: {s: {what: S}}\n";
	const struct {
		const char *first, *second, *says;
	} wrong[] = {
		{GPU, "vgpu_series: []\n", "names the source 's'"},
		{GPU, GPU, "the GPU 'x' twice"},
		{sources, sources, "the source 's' twice"},
		{BOARD "  - {name: B-1Q, series: Q, memory_mib: 1, most: 1, sources: [s]}\n",
		 sources, "of the series 'Q'"},
		{"vgpu_board: B\nname: B\ngpus: [y]\nsources: [s]\ntypes: []\n", sources,
		 "names the GPU 'y'"},
		{"vgpu_series:\n  - {series: A, licence: L, use: U}\n"
		 "  - {series: A, licence: L, use: U}\n",
		 sources, "the series 'A' twice"},
		{GPU "pci: [{id: \"10de:2330\"}]\n",
		 "gpu: y\nname: Y\nsources: [s]\npci: [{id: \"10de:2330\", subsystems: "
		 "[\"10de:0001\"]}]\n",
		 "share a PCI id"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(wrong); i++) {
		struct dv_catalog *catalog = NULL;
		struct dv_error err = {0};

		assert_int_equal(dv_catalog_new(&catalog, &err), 0);
		assert_int_equal(add(catalog, wrong[i].first, &err), 0);
		assert_int_equal(add(catalog, wrong[i].second, &err), 0);
		assert_int_equal(dv_catalog_seal(catalog, &err), -EBADMSG);
		if (!strstr(err.msg, wrong[i].says))
			fail_msg("says \"%s\", wanted \"%s\"", err.msg, wrong[i].says);
		dv_catalog_free(catalog);
	}
}

static void test_sealed_is_constant(void **state)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	assert_int_equal(dv_catalog_seal(catalog, &err), 0); /* empty, and whole */
	assert_int_equal(add(catalog, GPU, &err), -EINVAL);
	assert_null(dv_catalog_gpu(catalog, 0));
	dv_catalog_free(catalog);
	dv_catalog_free(NULL);
}

/* A file that is refused late leaves what was there before. */
static void test_refused_file_leaves_nothing(void **state)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};

	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	assert_int_equal(add(catalog, "sources: {s: {what: S}}\n", &err), 0);
	assert_int_equal(add(catalog, GPU, &err), 0);
	assert_int_equal(add(catalog, "sources: {t: {what: T}, u: {what: []}}\n", &err), -EBADMSG);
	assert_non_null(dv_catalog_source(catalog, "s"));
	assert_null(dv_catalog_source(catalog, "t"));
	dv_error_clear(&err);
	assert_int_equal(dv_catalog_seal(catalog, &err), 0);
	assert_string_equal(dv_catalog_by_id(catalog, "X")->id, "x");
	dv_catalog_free(catalog);
}

/* Real files with a few bytes changed: taken or refused, and what is taken holds together. */
struct mutation {
	uint32_t x;
	unsigned taken, refused;
};

static uint32_t next(struct mutation *m)
{
	m->x = m->x * 1664525u + 1013904223u;
	return m->x >> 8;
}

static void check_taken(const struct dv_cat_gpu *gpu)
{
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		const struct dv_cat_profile *p = &gpu->mig.profiles.items[i];

		assert_true(p->start_count <= DV_CAT_GRID_MOST);
		for (unsigned j = 0; j < p->start_count; j++)
			assert_true(p->starts[j] + p->size <= gpu->mig.grid);
		assert_true(!p->start_count || p->most <= p->start_count);
	}
}

static void mutate(const char *name, const char *text, size_t len, void *arg)
{
	static const char bytes[] = "0123456789[]{},:-\"' \n\tgx&*!#|>%\x80";
	struct mutation *m = arg;

	if (next(m) % 3)
		return; /* a third of the files in each round */
	for (int round = 0; round < 2; round++) {
		dv_autofree char *copy = malloc(len + 1);
		struct dv_catalog *catalog = NULL;
		struct dv_error err = {0};
		size_t size = len;

		assert_non_null(copy);
		memcpy(copy, text, len + 1);
		for (unsigned n = 1 + next(m) % 4; n; n--)
			copy[next(m) % len] = bytes[next(m) % (sizeof(bytes) - 1)];
		if (next(m) % 4 == 0)
			size = next(m) % len;
		copy[size] = '\0';
		assert_int_equal(dv_catalog_new(&catalog, &err), 0);
		if (dv_catalog_add(catalog, copy, size, name, &err) < 0) {
			m->refused++;
			assert_true(err.code < 0 && err.msg[0]);
			assert_null(dv_catalog_gpu(catalog, 0));
		} else {
			m->taken++;
			if (dv_catalog_gpu(catalog, 0))
				check_taken(dv_catalog_gpu(catalog, 0));
			assert_true(dv_catalog_seal(catalog, &err) <= 0);
		}
		dv_catalog_free(catalog);
	}
}

static void test_mutations(void **state)
{
	const char *given = getenv("DV_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 7u;
	struct mutation m = {.x = seed};

	print_message("seed %u\n", seed);
	for (int i = 0; i < 4; i++) {
		(void)each_file("gpus", mutate, &m);
		(void)each_file("vgpu", mutate, &m);
	}
	/* Both happen, or the test looks at nothing. */
	assert_true(m.taken > 10 && m.refused > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrong_files),
		cmocka_unit_test(test_unknown_stays_unknown),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_sealed_is_constant),
		cmocka_unit_test(test_refused_file_leaves_nothing),
		cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests_name("catalog/parse", tests, NULL, NULL);
}
