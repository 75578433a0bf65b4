/* SPDX-License-Identifier: Apache-2.0 */
/* Single values out of a parsed file. */
#include <stdlib.h>
#include <string.h>

#include "catalog/rows.h"

static int fail_missing(const struct dv_cat_file *file, const struct dv_yaml_node *map,
			const char *key)
{
	return dv_yaml_fail(file->doc, map, "F10", file->err, "'%s' is missing", key);
}

/* Rows' texts reach terminals: of a sane length (control characters the reader refuses). */
static int check_text(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		      const char *key)
{
	if (node->type != DV_YAML_SCALAR || !*node->text)
		return dv_yaml_fail(file->doc, node, "F06", file->err, "'%s' must be a text", key);
	if (strnlen(node->text, DV_CAT_TEXT_MOST + 1) > DV_CAT_TEXT_MOST)
		return dv_yaml_fail(file->doc, node, "F14", file->err,
				    "'%s' is longer than %d bytes", key, DV_CAT_TEXT_MOST);
	return 0;
}

int dv_cat_read_text(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, const char **ret, bool needed)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);
	int r;

	if (!node) {
		if (needed)
			return fail_missing(file, map, key);
		*ret = NULL;
		return 0;
	}
	r = check_text(file, node, key);
	if (r < 0)
		return r;
	*ret = node->text;
	return 0;
}

int dv_cat_read_u32(const struct dv_cat_file *file, const struct dv_yaml_node *map, const char *key,
		    uint32_t most, uint32_t *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);
	uint64_t value = 0;
	int r;

	if (!node) {
		*ret = DV_CAT_UNKNOWN;
		return 0;
	}
	r = dv_yaml_u64(file->doc, node, 0, most, &value, file->err);
	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int dv_cat_read_known(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		      const char *key, enum dv_cat_known *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);
	bool value = false;
	int r;

	if (!node) {
		*ret = DV_CAT_OPEN;
		return 0;
	}
	r = dv_yaml_bool(file->doc, node, &value, file->err);
	if (r < 0)
		return r;
	*ret = value ? DV_CAT_YES : DV_CAT_NO;
	return 0;
}

int dv_cat_read_word(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, const char *const *words, int count, int absent, int *ret)
{
	const struct dv_yaml_node *node = dv_yaml_get(map, key);
	int r;

	if (!node) {
		*ret = absent;
		return 0;
	}
	r = check_text(file, node, key);
	if (r < 0)
		return r;
	for (int i = 0; i < count; i++) {
		if (strcmp(node->text, words[i]) == 0) {
			*ret = i;
			return 0;
		}
	}
	return dv_yaml_fail(file->doc, node, "F11", file->err, "'%s' is not a word for '%s'",
			    node->text, key);
}

int dv_cat_read_texts(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		      const char *key, bool needed, struct dv_cat_texts *ret)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, key);
	struct dv_cat_texts texts = {0};
	int r = 0;

	if (!list && needed)
		return fail_missing(file, map, key);
	if (list && (list->type != DV_YAML_LIST || list->count > DV_CAT_ROWS_MOST))
		return dv_yaml_fail(file->doc, list, "F06", file->err,
				    "'%s' must be a list of at most %d texts", key,
				    DV_CAT_ROWS_MOST);
	if (list && needed && !list->first)
		return dv_yaml_fail(file->doc, list, "F10", file->err, "'%s' is empty", key);
	for (const struct dv_yaml_node *n = list ? list->first : NULL; n && r == 0; n = n->next) {
		r = check_text(file, n, key);
		if (r == 0 && dv_vec_push(&texts, n->text) < 0)
			r = dv_error_set(file->err, -ENOMEM, "no memory for the catalogue");
	}
	if (r < 0) {
		dv_vec_fini(&texts);
		return r;
	}
	*ret = texts;
	return 0;
}

int dv_cat_read_maps(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, bool needed, const struct dv_yaml_node **ret_list)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, key);

	if (!list && needed)
		return fail_missing(file, map, key);
	if (list && (list->type != DV_YAML_LIST || list->count > DV_CAT_ROWS_MOST))
		return dv_yaml_fail(file->doc, list, "F06", file->err,
				    "'%s' must be a list of at most %d maps", key,
				    DV_CAT_ROWS_MOST);
	for (const struct dv_yaml_node *n = list ? list->first : NULL; n; n = n->next)
		if (n->type != DV_YAML_MAP)
			return dv_yaml_fail(file->doc, n, "F06", file->err,
					    "each of '%s' must be a map", key);
	*ret_list = list;
	return 0;
}

int dv_cat_read_starts(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       uint32_t size, uint32_t grid, uint8_t starts[DV_CAT_GRID_MOST],
		       unsigned *ret_count)
{
	const struct dv_yaml_node *list = dv_yaml_get(map, "starts");
	uint32_t wide = grid == DV_CAT_UNKNOWN ? DV_CAT_GRID_MOST : grid;
	uint64_t next = 0, start = 0;
	unsigned count = 0;
	int r;

	if (!list) {
		*ret_count = 0;
		return 0;
	}
	if (list->type != DV_YAML_LIST)
		return dv_yaml_fail(file->doc, list, "F06", file->err, "'starts' must be a list");
	if (size == 0 || size > wide)
		return dv_yaml_fail(file->doc, list, "F10", file->err,
				    "'starts' needs a 'size' of 1 to %u", wide);
	for (const struct dv_yaml_node *n = list->first; n; n = n->next) {
		if (next + size > wide)
			return dv_yaml_fail(file->doc, n, "F07", file->err,
					    "no room for this place: %u units of %u are left",
					    (unsigned)(wide > next ? wide - next : 0), wide);
		r = dv_yaml_u64(file->doc, n, next, wide - size, &start, file->err);
		if (r < 0)
			return r;
		starts[count++] = (uint8_t)start;
		next = start + size;
	}
	*ret_count = count;
	return 0;
}

static bool hex16(const char *text, uint16_t *ret)
{
	if (strspn(text, "0123456789abcdef") < 4)
		return false;
	*ret = (uint16_t)strtoul((const char[]){text[0], text[1], text[2], text[3], '\0'}, NULL,
				 16);
	return true;
}

int dv_cat_read_pci_id(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		       uint16_t *ret_vendor, uint16_t *ret_device)
{
	uint16_t vendor = 0, device = 0;

	if (!node || node->type != DV_YAML_SCALAR || strnlen(node->text, 10) != 9 ||
	    !hex16(node->text, &vendor) || node->text[4] != ':' || !hex16(node->text + 5, &device))
		return dv_yaml_fail(file->doc, node ? node : dv_yaml_root(file->doc), "F06",
				    file->err, "a PCI id is written \"10de:2330\"");
	*ret_vendor = vendor;
	*ret_device = device;
	return 0;
}
