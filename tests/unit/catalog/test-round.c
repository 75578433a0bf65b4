/* SPDX-License-Identifier: Apache-2.0 */
/* Rows made at random, written as a file, read back: the same row. What was left out comes back as
 * unknown. */
#include "base/macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "catalog/catalog.h"
#include "tests/unit/catalog/random.h"

enum { PROFILES_MOST = 6, TYPES_MOST = 6, PCI_MOST = 4 };

/* A number that is sometimes not known. */
static uint32_t some(struct chance *c, uint32_t end)
{
	return chance_one_in(c, 3) ? DV_CAT_UNKNOWN : chance_below(c, end);
}

static enum dv_cat_known some_known(struct chance *c)
{
	return (enum dv_cat_known)chance_below(c, 3);
}

static void put_u32(struct dv_buf *buf, const char *key, uint32_t value, const char *end)
{
	if (value != DV_CAT_UNKNOWN)
		dv_buf_addf(buf, "%s: %u%s", key, value, end);
}

static void put_known(struct dv_buf *buf, const char *key, enum dv_cat_known known)
{
	if (known != DV_CAT_OPEN)
		dv_buf_addf(buf, "%s: %s\n", key, known == DV_CAT_YES ? "true" : "false");
}

struct made_profile {
	char name[32];
	uint32_t id, driver_enum, compute_slices, size, most, memory_mib, multiprocessors;
	uint32_t engines[5];
	unsigned start_count;
	uint8_t starts[DV_CAT_GRID_MOST];
	bool note;
};

struct made_gpu {
	uint32_t memory_mib, multiprocessors;
	enum dv_cat_known passthrough, vgpu, reset_to_toggle, mode_survives_reboot;
	enum dv_cat_class class;
	bool has_mig, chip;
	uint32_t grid, most;
	enum dv_cat_places places;
	enum dv_cat_confidence confidence;
	unsigned profile_count, pci_count;
	struct made_profile profiles[PROFILES_MOST];
	uint16_t pci[PCI_MOST];
	unsigned subsystems[PCI_MOST];
};

static const char *const engine_keys[] = {"copy", "decode", "encode", "jpeg", "optical_flow"};

/* Places from the left, with gaps, none over the edge. */
static void make_starts(struct chance *c, struct made_profile *p, uint32_t grid)
{
	uint32_t next = 0;

	p->start_count = 0;
	while (next + p->size <= grid) {
		next += chance_below(c, 3);
		if (next + p->size > grid)
			break;
		p->starts[p->start_count++] = (uint8_t)next;
		next += p->size;
	}
}

static void make_profile(struct chance *c, struct made_profile *p, unsigned n, uint32_t grid)
{
	(void)snprintf(p->name, sizeof(p->name), "%ug.%ugb", n + 1, chance_below(c, 100));
	p->id = some(c, 65536);
	p->driver_enum = some(c, 20);
	p->compute_slices = 1 + chance_below(c, 7);
	p->memory_mib = some(c, 300000);
	p->multiprocessors = some(c, 200);
	p->note = chance_one_in(c, 4);
	for (size_t i = 0; i < DV_ARRAY_LEN(p->engines); i++)
		p->engines[i] = some(c, 16);
	p->size = 1 + chance_below(c, grid);
	make_starts(c, p, grid);
	p->most = p->start_count ? 1 + chance_below(c, p->start_count) : 1 + chance_below(c, 7);
}

/* The last profile is the whole grid, so that its width is the row's. */
static void make_gpu(struct chance *c, struct made_gpu *g)
{
	memset(g, 0, sizeof(*g));
	g->memory_mib = some(c, 300000);
	g->multiprocessors = some(c, 200);
	g->passthrough = some_known(c);
	g->vgpu = some_known(c);
	g->class = (enum dv_cat_class)chance_below(c, DV_CAT_CLASS_COUNT);
	g->chip = chance_one_in(c, 2);
	g->pci_count = chance_below(c, PCI_MOST + 1);
	for (unsigned i = 0; i < g->pci_count; i++) {
		g->pci[i] = (uint16_t)(chance_below(c, 0x1000) * PCI_MOST + i);
		g->subsystems[i] = chance_below(c, 3);
	}
	g->has_mig = !chance_one_in(c, 4);
	if (!g->has_mig)
		return;
	g->grid = 1 + chance_below(c, DV_CAT_GRID_MOST);
	g->most = some(c, 8);
	g->reset_to_toggle = some_known(c);
	g->mode_survives_reboot = some_known(c);
	g->places = (enum dv_cat_places)chance_below(c, DV_CAT_PLACES_COUNT);
	g->confidence = (enum dv_cat_confidence)chance_below(c, DV_CAT_CONFIDENCE_COUNT);
	g->profile_count = 1 + chance_below(c, PROFILES_MOST);
	for (unsigned i = 0; i < g->profile_count; i++)
		make_profile(c, &g->profiles[i], i, g->grid);
	g->profiles[g->profile_count - 1].size = g->grid;
	g->profiles[g->profile_count - 1].start_count = 1;
	g->profiles[g->profile_count - 1].starts[0] = 0;
	g->profiles[g->profile_count - 1].most = 1;
}

static void write_profile(struct dv_buf *buf, const struct made_profile *p)
{
	bool any = false;

	dv_buf_addf(buf, "    - {name: %s, shape: %s, ", p->name, p->name);
	put_u32(buf, "id", p->id, ", ");
	put_u32(buf, "driver_enum", p->driver_enum, ", ");
	put_u32(buf, "memory_mib", p->memory_mib, ", ");
	put_u32(buf, "multiprocessors", p->multiprocessors, ", ");
	for (size_t i = 0; i < DV_ARRAY_LEN(p->engines); i++)
		any = any || p->engines[i] != DV_CAT_UNKNOWN;
	if (any) {
		dv_buf_add(buf, "engines: {");
		for (size_t i = 0; i < DV_ARRAY_LEN(p->engines); i++)
			put_u32(buf, engine_keys[i], p->engines[i], ", ");
		dv_buf_add(buf, "}, ");
	}
	if (p->start_count) {
		dv_buf_add(buf, "starts: [");
		for (unsigned i = 0; i < p->start_count; i++)
			dv_buf_addf(buf, "%u, ", p->starts[i]);
		dv_buf_add(buf, "], ");
	}
	if (p->note)
		dv_buf_add(buf, "note: \"a note: with signs\", ");
	dv_buf_addf(buf, "compute_slices: %u, size: %u, most: %u, sources: [s]}\n",
		    p->compute_slices, p->size, p->most);
}

static void write_mig(struct dv_buf *buf, const struct made_gpu *g)
{
	dv_buf_addf(buf, "mig:\n  grid: %u\n  compute_slices: 7\n", g->grid);
	put_u32(buf, "  most", g->most, "\n");
	put_known(buf, "  reset_to_toggle", g->reset_to_toggle);
	put_known(buf, "  mode_survives_reboot", g->mode_survives_reboot);
	dv_buf_addf(buf, "  placements: %s\n  confidence: %s\n  profiles:\n",
		    dv_cat_places_name(g->places), dv_cat_confidence_name(g->confidence));
	for (unsigned i = 0; i < g->profile_count; i++)
		write_profile(buf, &g->profiles[i]);
}

static void write_gpu(struct dv_buf *buf, const struct made_gpu *g)
{
	dv_buf_addf(buf, "gpu: made\nname: A GPU\nsources: [s]\nclass: %s\n",
		    dv_cat_class_name(g->class));
	put_u32(buf, "memory_mib", g->memory_mib, "\n");
	put_u32(buf, "multiprocessors", g->multiprocessors, "\n");
	put_known(buf, "passthrough", g->passthrough);
	put_known(buf, "vgpu", g->vgpu);
	if (g->chip)
		dv_buf_add(buf, "chip: GX100\n");
	if (g->pci_count)
		dv_buf_add(buf, "pci:\n");
	for (unsigned i = 0; i < g->pci_count; i++) {
		dv_buf_addf(buf, "  - {id: \"10de:%04x\", subsystems: [", g->pci[i]);
		for (unsigned j = 0; j < g->subsystems[i]; j++)
			dv_buf_addf(buf, "\"10de:%04x\", ", j);
		dv_buf_add(buf, "]}\n");
	}
	if (g->has_mig)
		write_mig(buf, g);
}

static void check_profile(const struct dv_cat_profile *p, const struct made_profile *m)
{
	const uint32_t engines[] = {p->engines.copy, p->engines.decode, p->engines.encode,
				    p->engines.jpeg, p->engines.optical_flow};

	assert_string_equal(p->name, m->name);
	assert_int_equal(p->id, m->id);
	assert_int_equal(p->driver_enum, m->driver_enum);
	assert_int_equal(p->compute_slices, m->compute_slices);
	assert_int_equal(p->size, m->size);
	assert_int_equal(p->most, m->most);
	assert_int_equal(p->memory_mib, m->memory_mib);
	assert_int_equal(p->multiprocessors, m->multiprocessors);
	assert_memory_equal(engines, m->engines, sizeof(engines));
	assert_int_equal(p->start_count, m->start_count);
	if (m->start_count)
		assert_memory_equal(p->starts, m->starts, m->start_count);
	for (uint32_t at = 0; at < DV_CAT_GRID_MOST; at++)
		assert_int_equal(dv_cat_profile_fits(p, at),
				 m->start_count &&
					 memchr(m->starts, (int)at, m->start_count) != NULL);
	assert_int_equal(p->note != NULL, m->note);
}

static void check_gpu(const struct dv_cat_gpu *gpu, const struct made_gpu *g)
{
	assert_int_equal(gpu->memory_mib, g->memory_mib);
	assert_int_equal(gpu->multiprocessors, g->multiprocessors);
	assert_int_equal(gpu->passthrough, g->passthrough);
	assert_int_equal(gpu->vgpu, g->vgpu);
	assert_int_equal(gpu->class, g->class);
	assert_int_equal(gpu->chip != NULL, g->chip);
	assert_int_equal(gpu->pci.len, g->pci_count);
	for (unsigned i = 0; i < g->pci_count; i++) {
		assert_int_equal(gpu->pci.items[i].device, g->pci[i]);
		assert_int_equal(gpu->pci.items[i].subsystems.len, g->subsystems[i]);
	}
	assert_int_equal(gpu->has_mig, g->has_mig);
	if (!g->has_mig)
		return;
	assert_int_equal(gpu->mig.grid, g->grid);
	assert_int_equal(gpu->mig.most, g->most);
	assert_int_equal(gpu->mig.reset_to_toggle, g->reset_to_toggle);
	assert_int_equal(gpu->mig.mode_survives_reboot, g->mode_survives_reboot);
	assert_int_equal(gpu->mig.places, g->places);
	assert_int_equal(gpu->mig.confidence, g->confidence);
	assert_int_equal(gpu->mig.profiles.len, g->profile_count);
	for (unsigned i = 0; i < g->profile_count; i++)
		check_profile(&gpu->mig.profiles.items[i], &g->profiles[i]);
}

static struct dv_catalog *read_back(struct dv_buf *buf)
{
	struct dv_catalog *catalog = NULL;
	struct dv_error err = {0};
	dv_autofree char *text = NULL;

	assert_int_equal(dv_buf_take(buf, &text), 0);
	assert_int_equal(dv_catalog_new(&catalog, &err), 0);
	if (dv_catalog_add(catalog, text, strlen(text), "made", &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	/* The rows keep their texts when ours is gone. */
	memset(text, 'x', strlen(text));
	return catalog;
}

static void test_gpus(void **state)
{
	struct chance c = chance_begin(42);
	struct made_gpu g;

	for (int i = 0; i < 500; i++) {
		struct dv_buf buf = {0};
		struct dv_catalog *catalog;

		make_gpu(&c, &g);
		write_gpu(&buf, &g);
		catalog = read_back(&buf);
		check_gpu(dv_catalog_gpu(catalog, 0), &g);
		dv_catalog_free(catalog);
	}
}

struct made_type {
	uint32_t memory_mib, most, most_mixed, partition;
	bool exact, attribute;
	char series;
};

static void write_type(struct dv_buf *buf, const struct made_type *t, unsigned n)
{
	dv_buf_addf(buf, "  - {name: B-%u%c, series: %c, memory_mib: %u, most: %u, exact: %s, ", n,
		    t->series, t->series, t->memory_mib, t->most, t->exact ? "true" : "false");
	put_u32(buf, "most_mixed", t->most_mixed, ", ");
	if (t->partition)
		dv_buf_addf(buf, "partition: %u, ", t->partition);
	if (t->attribute)
		dv_buf_add(buf, "attribute: gfx, ");
	dv_buf_add(buf, "sources: [s]}\n");
}

static void check_type(const struct dv_cat_board *board, const struct dv_cat_vgpu *v,
		       const struct made_type *t)
{
	enum dv_cat_limit limit = DV_CAT_LIMIT_COUNT;

	assert_int_equal(v->memory_mib, t->memory_mib);
	assert_int_equal(v->most, t->most);
	assert_int_equal(v->most_mixed, t->most_mixed);
	assert_int_equal(v->partition, t->partition);
	assert_int_equal(v->exact, t->exact);
	assert_int_equal(v->attribute != NULL, t->attribute);
	assert_int_equal(v->series, t->series);
	/* With sizes side by side never more than without. */
	assert_int_equal(dv_cat_vgpu_most(board, v, false, &limit), t->most);
	assert_int_equal(limit == DV_CAT_LIMIT_PARTITIONS, t->partition != 0);
	if (!t->partition && t->most_mixed == DV_CAT_UNKNOWN)
		assert_int_equal(dv_cat_vgpu_most(board, v, true, &limit), DV_CAT_UNKNOWN);
	else
		assert_true(dv_cat_vgpu_most(board, v, true, &limit) <= t->most);
}

static void test_boards(void **state)
{
	struct chance c = chance_begin(43);

	for (int i = 0; i < 300; i++) {
		struct made_type types[TYPES_MOST];
		unsigned count = 1 + chance_below(&c, TYPES_MOST);
		struct dv_buf buf = {0};
		struct dv_catalog *catalog;
		const struct dv_cat_board *board;

		dv_buf_add(&buf, "vgpu_board: B\nname: A board\nsources: [s]\ntypes:\n");
		for (unsigned n = 0; n < count; n++) {
			types[n] = (struct made_type){
				.memory_mib = 1 + chance_below(&c, 200000),
				.most = 1 + chance_below(&c, 48),
				.most_mixed = some(&c, 48),
				.partition = chance_one_in(&c, 2) ? chance_below(&c, 8) : 0,
				.exact = chance_one_in(&c, 2),
				.attribute = chance_one_in(&c, 3),
				.series = (char)('A' + chance_below(&c, 26)),
			};
			write_type(&buf, &types[n], n);
		}
		catalog = read_back(&buf);
		board = dv_catalog_board(catalog, 0);
		assert_int_equal(board->types.len, count);
		for (unsigned n = 0; n < count; n++)
			check_type(board, &board->types.items[n], &types[n]);
		dv_catalog_free(catalog);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpus),
		cmocka_unit_test(test_boards),
	};

	return cmocka_run_group_tests_name("catalog/round", tests, NULL, NULL);
}
