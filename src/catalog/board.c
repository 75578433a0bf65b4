/* SPDX-License-Identifier: Apache-2.0 */
/* Files of data/vgpu, and the compute instances of data/gpus. */
#include <string.h>
#include <strings.h>

#include "catalog/rows.h"

static const char *const limits[DV_CAT_LIMIT_COUNT] = {
	[DV_CAT_LIMIT_MEMORY] = "memory",
	[DV_CAT_LIMIT_BOARD] = "board",
	[DV_CAT_LIMIT_PLACES] = "places",
	[DV_CAT_LIMIT_PARTITIONS] = "partitions",
};

const char *dv_cat_limit_name(enum dv_cat_limit limit)
{
	return (unsigned)limit < DV_CAT_LIMIT_COUNT ? limits[limit] : "unknown";
}

static int no_memory(const struct dv_cat_file *file)
{
	return dv_error_set(file->err, -ENOMEM, "no memory for the catalogue");
}

void dv_cat_board_fini(struct dv_cat_board *board)
{
	for (size_t i = 0; i < board->types.len; i++)
		dv_vec_fini(&board->types.items[i].sources);
	dv_vec_fini(&board->types);
	dv_vec_fini(&board->gpus);
	dv_vec_fini(&board->sources);
}

void dv_cat_ci_set_fini(struct dv_cat_ci_set *set)
{
	dv_vec_fini(&set->profiles);
}

static int read_letter(const struct dv_cat_file *file, const struct dv_yaml_node *map, char *ret)
{
	const char *text = NULL;
	int r = dv_cat_read_text(file, map, "series", &text, true);

	if (r < 0)
		return r;
	if (text[1] || *text < 'A' || *text > 'Z')
		return dv_yaml_fail(file->doc, dv_yaml_get(map, "series"), "F11", file->err,
				    "'series' must be one capital letter");
	*ret = *text;
	return 0;
}

static int read_type_values(const struct dv_cat_file *file, const struct dv_yaml_node *node,
			    struct dv_cat_vgpu *t)
{
	const struct {
		const char *key;
		uint32_t most, *ret;
		bool needed;
	} numbers[] = {
		{"memory_mib", DV_CAT_UNKNOWN - 1, &t->memory_mib, true},
		{"most", 4096, &t->most, true},
		{"most_mixed", 4096, &t->most_mixed, false},
		{"partition", DV_CAT_GRID_MOST, &t->partition, false},
	};
	int r = dv_cat_read_text(file, node, "name", &t->name, true);

	if (r == 0)
		r = read_letter(file, node, &t->series);
	if (r == 0)
		r = dv_cat_read_text(file, node, "attribute", &t->attribute, false);
	if (r == 0)
		r = dv_cat_read_text(file, node, "note", &t->note, false);
	for (size_t i = 0; i < DV_ARRAY_LEN(numbers) && r == 0; i++) {
		r = dv_cat_read_u32(file, node, numbers[i].key, numbers[i].most, numbers[i].ret);
		if (r == 0 && numbers[i].needed &&
		    (*numbers[i].ret == DV_CAT_UNKNOWN || *numbers[i].ret == 0))
			r = dv_yaml_fail(file->doc, node, "F10", file->err,
					 "'%s' needs '%s' of 1 or more", t->name, numbers[i].key);
	}
	if (t->partition == DV_CAT_UNKNOWN)
		t->partition = 0;
	return r;
}

static int read_type(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		     struct dv_cat_board *board)
{
	static const char *const keys[] = {"name",	 "series", "partition", "attribute",
					   "memory_mib", "exact",  "most",	"most_mixed",
					   "sources",	 "note",   NULL};
	struct dv_cat_vgpu t = {0};
	enum dv_cat_known exact = DV_CAT_OPEN;
	int r = dv_yaml_only_keys(file->doc, node, keys, file->err);

	if (r == 0)
		r = read_type_values(file, node, &t);
	if (r == 0)
		r = dv_cat_read_known(file, node, "exact", &exact);
	if (r == 0)
		r = dv_cat_read_texts(file, node, "sources", true, &t.sources);
	for (size_t i = 0; i < board->types.len && r == 0; i++)
		if (strcasecmp(board->types.items[i].name, t.name) == 0)
			r = dv_yaml_fail(file->doc, node, "F09", file->err,
					 "type '%s' is there twice", t.name);
	t.exact = exact == DV_CAT_YES;
	if (r == 0 && dv_vec_push(&board->types, t) < 0)
		r = no_memory(file);
	if (r < 0)
		dv_vec_fini(&t.sources);
	return r;
}

static int read_board(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		      struct dv_cat_board *board)
{
	static const char *const keys[] = {"vgpu_board", "name",    "gpus", "pci",
					   "types",	 "sources", NULL};
	const struct dv_yaml_node *list = NULL;
	struct dv_cat_texts pci = {0};
	int r = dv_yaml_only_keys(file->doc, root, keys, file->err);

	if (r == 0)
		r = dv_cat_read_text(file, root, "vgpu_board", &board->id, true);
	if (r == 0)
		r = dv_cat_read_text(file, root, "name", &board->name, true);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "gpus", false, &board->gpus);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "sources", true, &board->sources);
	if (r == 0)
		r = dv_cat_read_texts(file, root, "pci", false, &pci);
	dv_vec_fini(&pci); /* for readers of the file: divvy goes by `gpus` */
	if (r == 0)
		r = dv_cat_read_maps(file, root, "types", true, &list);
	for (const struct dv_yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next)
		r = read_type(file, n, board);
	return r;
}

int dv_cat_read_board(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		      struct dv_cat_board *ret_board)
{
	struct dv_cat_board board = {0};
	int r = read_board(file, root, &board);

	if (r < 0) {
		dv_cat_board_fini(&board);
		return r;
	}
	*ret_board = board;
	return 0;
}

int dv_cat_read_series(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       struct dv_cat_series *ret_series)
{
	static const char *const keys[] = {"series", "licence", "use", NULL};
	struct dv_cat_series s = {0};
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r == 0)
		r = read_letter(file, map, &s.letter);
	if (r == 0)
		r = dv_cat_read_text(file, map, "licence", &s.licence, true);
	if (r == 0)
		r = dv_cat_read_text(file, map, "use", &s.use, true);
	if (r == 0)
		*ret_series = s;
	return r;
}

static int read_ci(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		   struct dv_cat_ci_set *set)
{
	static const char *const keys[] = {"name", "id", "size", "starts", "most", NULL};
	struct dv_cat_ci ci = {0};
	int r = dv_yaml_only_keys(file->doc, node, keys, file->err);

	if (r == 0)
		r = dv_cat_read_text(file, node, "name", &ci.name, true);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "id", 65535, &ci.id);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "size", DV_CAT_GRID_MOST, &ci.size);
	if (r == 0)
		r = dv_cat_read_u32(file, node, "most", DV_CAT_GRID_MOST, &ci.most);
	if (r == 0)
		r = dv_cat_read_starts(file, node, ci.size, set->of, ci.starts, &ci.start_count);
	if (r == 0 && (ci.most == DV_CAT_UNKNOWN || ci.most > ci.start_count))
		r = dv_yaml_fail(file->doc, node, "F12", file->err,
				 "'%s' needs 'most', not over its %u places", ci.name,
				 ci.start_count);
	if (r == 0 && dv_vec_push(&set->profiles, ci) < 0)
		r = no_memory(file);
	return r;
}

int dv_cat_read_ci_set(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       struct dv_cat_ci_set *ret_set)
{
	static const char *const keys[] = {"of", "profiles", NULL};
	const struct dv_yaml_node *list = NULL;
	struct dv_cat_ci_set set = {0};
	int r = dv_yaml_only_keys(file->doc, map, keys, file->err);

	if (r == 0)
		r = dv_cat_read_u32(file, map, "of", DV_CAT_GRID_MOST, &set.of);
	if (r == 0 && (set.of == DV_CAT_UNKNOWN || set.of == 0))
		r = dv_yaml_fail(file->doc, map, "F10", file->err, "'of' is missing");
	if (r == 0)
		r = dv_cat_read_maps(file, map, "profiles", true, &list);
	for (const struct dv_yaml_node *n = r == 0 ? list->first : NULL; n && r == 0; n = n->next)
		r = read_ci(file, n, &set);
	if (r < 0) {
		dv_cat_ci_set_fini(&set);
		return r;
	}
	*ret_set = set;
	return 0;
}
