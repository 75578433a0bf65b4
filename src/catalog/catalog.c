/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/catalog.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "catalog/rows.h"

int dv_catalog_new(struct dv_catalog **ret_catalog, struct dv_error *err)
{
	struct dv_catalog *catalog = calloc(1, sizeof(*catalog));

	if (!catalog)
		return dv_error_set(err, -ENOMEM, "no memory for the catalogue");
	*ret_catalog = catalog;
	return 0;
}

/* How much the catalogue holds: what to go back to when a file turns out to be wrong. */
struct mark {
	size_t docs, gpus, boards, series, sources, ci_sets;
};

static struct mark mark_of(const struct dv_catalog *c)
{
	return (struct mark){c->docs.len,   c->gpus.len,    c->boards.len,
			     c->series.len, c->sources.len, c->ci_sets.len};
}

static void cut_back(struct dv_catalog *c, struct mark to)
{
	while (c->gpus.len > to.gpus)
		dv_cat_gpu_fini(&c->gpus.items[--c->gpus.len]);
	while (c->boards.len > to.boards)
		dv_cat_board_fini(&c->boards.items[--c->boards.len]);
	while (c->ci_sets.len > to.ci_sets)
		dv_cat_ci_set_fini(&c->ci_sets.items[--c->ci_sets.len]);
	c->series.len = to.series;
	c->sources.len = to.sources;
	while (c->docs.len > to.docs)
		dv_yaml_free(c->docs.items[--c->docs.len]);
}

void dv_catalog_free(struct dv_catalog *catalog)
{
	if (!catalog)
		return;
	cut_back(catalog, (struct mark){0});
	dv_vec_fini(&catalog->docs);
	dv_vec_fini(&catalog->gpus);
	dv_vec_fini(&catalog->boards);
	dv_vec_fini(&catalog->series);
	dv_vec_fini(&catalog->sources);
	dv_vec_fini(&catalog->ci_sets);
	free(catalog);
}

static int no_memory(const struct dv_cat_file *file)
{
	return dv_error_set(file->err, -ENOMEM, "no memory for the catalogue");
}

static int add_gpu(struct dv_catalog *c, const struct dv_cat_file *file,
		   const struct dv_yaml_node *root)
{
	struct dv_cat_gpu gpu = {0};
	int r = dv_cat_read_gpu(file, root, &gpu);

	if (r < 0)
		return r;
	if (dv_vec_push(&c->gpus, gpu) < 0) {
		dv_cat_gpu_fini(&gpu);
		return no_memory(file);
	}
	return 0;
}

static int add_board(struct dv_catalog *c, const struct dv_cat_file *file,
		     const struct dv_yaml_node *root)
{
	struct dv_cat_board board = {0};
	int r = dv_cat_read_board(file, root, &board);

	if (r < 0)
		return r;
	if (dv_vec_push(&c->boards, board) < 0) {
		dv_cat_board_fini(&board);
		return no_memory(file);
	}
	return 0;
}

static int add_sources(struct dv_catalog *c, const struct dv_cat_file *file,
		       const struct dv_yaml_node *root)
{
	static const char *const outer[] = {"sources", NULL};
	static const char *const inner[] = {"what", "where", NULL};
	const struct dv_yaml_node *map = dv_yaml_get(root, "sources");
	int r = dv_yaml_only_keys(file->doc, root, outer, file->err);

	if (r == 0 && (map->type != DV_YAML_MAP || map->count > DV_CAT_ROWS_MOST))
		r = dv_yaml_fail(file->doc, map, "F06", file->err, "'sources' must be a map");
	for (const struct dv_yaml_node *key = r == 0 ? map->first : NULL; key && r == 0;
	     key = key->next) {
		struct dv_cat_source s = {.id = key->text};

		if (!key->value || key->value->type != DV_YAML_MAP)
			return dv_yaml_fail(file->doc, key, "F06", file->err,
					    "a source must be a map");
		r = dv_yaml_only_keys(file->doc, key->value, inner, file->err);
		if (r == 0)
			r = dv_cat_read_text(file, key->value, "what", &s.what, true);
		if (r == 0)
			r = dv_cat_read_text(file, key->value, "where", &s.where, false);
		if (r == 0 && dv_vec_push(&c->sources, s) < 0)
			r = no_memory(file);
	}
	return r;
}

static int add_series(struct dv_catalog *c, const struct dv_cat_file *file,
		      const struct dv_yaml_node *root)
{
	static const char *const keys[] = {"vgpu_series", "sources", NULL};
	const struct dv_yaml_node *list = NULL;
	int r = dv_yaml_only_keys(file->doc, root, keys, file->err);

	if (r == 0)
		r = dv_cat_read_maps(file, root, "vgpu_series", true, &list);
	for (const struct dv_yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
		struct dv_cat_series s = {0};

		r = dv_cat_read_series(file, n, &s);
		if (r == 0 && dv_vec_push(&c->series, s) < 0)
			r = no_memory(file);
	}
	return r;
}

static int add_ci_sets(struct dv_catalog *c, const struct dv_cat_file *file,
		       const struct dv_yaml_node *root)
{
	static const char *const keys[] = {"compute_instances", "notes", "confidence", "sources",
					   NULL};
	const struct dv_yaml_node *list = NULL;
	int r = dv_yaml_only_keys(file->doc, root, keys, file->err);

	if (r == 0)
		r = dv_cat_read_maps(file, root, "compute_instances", true, &list);
	for (const struct dv_yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next) {
		struct dv_cat_ci_set set = {0};

		r = dv_cat_read_ci_set(file, n, &set);
		if (r == 0 && dv_vec_push(&c->ci_sets, set) < 0) {
			dv_cat_ci_set_fini(&set);
			r = no_memory(file);
		}
	}
	return r;
}

/* The first key says what a file is about. */
static const struct {
	const char *key;
	int (*add)(struct dv_catalog *c, const struct dv_cat_file *file,
		   const struct dv_yaml_node *root);
} kinds[] = {
	{"gpu", add_gpu},
	{"vgpu_board", add_board},
	{"vgpu_series", add_series},
	{"compute_instances", add_ci_sets},
	{"sources", add_sources}, /* last: others have that key too */
};

static int add_root(struct dv_catalog *c, const struct dv_cat_file *file)
{
	const struct dv_yaml_node *root = dv_yaml_root(file->doc);

	if (root->type != DV_YAML_MAP)
		return dv_yaml_fail(file->doc, root, "F06", file->err,
				    "a file of the catalogue must be a map");
	for (size_t i = 0; i < DV_ARRAY_LEN(kinds); i++)
		if (dv_yaml_get(root, kinds[i].key))
			return kinds[i].add(c, file, root);
	return dv_yaml_fail(file->doc, root, "F10", file->err,
			    "one of the keys gpu, vgpu_board, vgpu_series, compute_instances or "
			    "sources must say what the file is about");
}

int dv_catalog_add(struct dv_catalog *catalog, const char *text, size_t len, const char *name,
		   struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	struct mark before = mark_of(catalog);
	struct dv_cat_file file = {.err = err};
	int r;

	if (catalog->sealed)
		return dv_error_set(err, -EINVAL, "%s: the catalogue is sealed", name);
	r = dv_yaml_parse(text, len, DV_CATALOG_FILE_MOST, name, &doc, err);
	if (r < 0)
		return r;
	file.doc = doc;
	r = add_root(catalog, &file);
	if (r == 0 &&
	    (catalog->gpus.len > DV_CAT_ROWS_MOST || catalog->boards.len > DV_CAT_ROWS_MOST))
		r = dv_error_set(err, -E2BIG, "%s: more than %d rows", name, DV_CAT_ROWS_MOST);
	if (r == 0 && dv_vec_push(&catalog->docs, doc) < 0)
		r = no_memory(&file);
	if (r < 0) {
		cut_back(catalog, before);
		return r;
	}
	doc = NULL;
	return 0;
}

const struct dv_cat_gpu *dv_catalog_gpu(const struct dv_catalog *catalog, size_t i)
{
	return i < catalog->gpus.len ? &catalog->gpus.items[i] : NULL;
}

const struct dv_cat_board *dv_catalog_board(const struct dv_catalog *catalog, size_t i)
{
	return i < catalog->boards.len ? &catalog->boards.items[i] : NULL;
}

const struct dv_cat_series *dv_catalog_series(const struct dv_catalog *catalog, char letter)
{
	for (size_t i = 0; i < catalog->series.len; i++)
		if (catalog->series.items[i].letter == letter)
			return &catalog->series.items[i];
	return NULL;
}

const struct dv_cat_source *dv_catalog_source(const struct dv_catalog *catalog, const char *id)
{
	for (size_t i = 0; i < catalog->sources.len; i++)
		if (strcmp(catalog->sources.items[i].id, id) == 0)
			return &catalog->sources.items[i];
	return NULL;
}

const struct dv_cat_ci_set *dv_catalog_ci(const struct dv_catalog *catalog, uint32_t of)
{
	for (size_t i = 0; i < catalog->ci_sets.len; i++)
		if (catalog->ci_sets.items[i].of == of)
			return &catalog->ci_sets.items[i];
	return NULL;
}

const struct dv_cat_gpu *dv_catalog_by_id(const struct dv_catalog *catalog, const char *id)
{
	for (size_t i = 0; i < catalog->gpus.len; i++)
		if (strcasecmp(catalog->gpus.items[i].id, id) == 0)
			return &catalog->gpus.items[i];
	return NULL;
}

static bool lists_subsystem(const struct dv_cat_pci *pci, uint16_t vendor, uint16_t device)
{
	for (size_t i = 0; i < pci->subsystems.len; i++)
		if (pci->subsystems.items[i].vendor == vendor &&
		    pci->subsystems.items[i].device == device)
			return true;
	return false;
}

const struct dv_cat_gpu *dv_catalog_by_pci(const struct dv_catalog *catalog, uint16_t vendor,
					   uint16_t device, uint16_t subvendor, uint16_t subdevice)
{
	const struct dv_cat_gpu *found = NULL;
	size_t rows = 0;

	for (size_t i = 0; i < catalog->gpus.len; i++) {
		const struct dv_cat_gpu *gpu = &catalog->gpus.items[i];

		for (size_t j = 0; j < gpu->pci.len; j++) {
			const struct dv_cat_pci *pci = &gpu->pci.items[j];

			if (pci->vendor != vendor || pci->device != device)
				continue;
			if (lists_subsystem(pci, subvendor, subdevice))
				return gpu;
			found = gpu;
			rows++;
		}
	}
	return rows == 1 ? found : NULL;
}
