/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the catalogue: how rows are read from a parsed file, and how they are freed. Texts of rows
 * point into the document, which the catalogue keeps. */
#pragma once

#include "catalog/catalog.h"
#include "model/yaml.h"

/* One file being read. */
struct dv_cat_file {
	const struct dv_yaml *doc;
	struct dv_error *err;
};

struct dv_catalog {
	DV_VEC(struct dv_yaml *) docs;
	DV_VEC(struct dv_cat_gpu) gpus;
	DV_VEC(struct dv_cat_board) boards;
	DV_VEC(struct dv_cat_series) series;
	DV_VEC(struct dv_cat_source) sources;
	DV_VEC(struct dv_cat_ci_set) ci_sets;
	bool sealed;
};

/* A value of a map by key. Absent: NULL, DV_CAT_UNKNOWN, DV_CAT_OPEN, an empty list; wrong type or
 * out of bounds: -EBADMSG. */
int dv_cat_read_text(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, const char **ret, bool needed);
int dv_cat_read_u32(const struct dv_cat_file *file, const struct dv_yaml_node *map, const char *key,
		    uint32_t most, uint32_t *ret);
int dv_cat_read_known(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		      const char *key, enum dv_cat_known *ret);
/* One of `words` (`count` of them); absent: `absent`. */
int dv_cat_read_word(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, const char *const *words, int count, int absent, int *ret);
int dv_cat_read_texts(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		      const char *key, bool needed, struct dv_cat_texts *ret);
/* A list of maps; *ret_list NULL when absent and not needed. */
int dv_cat_read_maps(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		     const char *key, bool needed, const struct dv_yaml_node **ret_list);
/* Where instances of `size` units may start: `starts`, ascending, apart from one another by at
 * least the size, within `grid` (DV_CAT_UNKNOWN: any). */
int dv_cat_read_starts(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       uint32_t size, uint32_t grid, uint8_t starts[DV_CAT_GRID_MOST],
		       unsigned *ret_count);
/* "10de:2330" */
int dv_cat_read_pci_id(const struct dv_cat_file *file, const struct dv_yaml_node *node,
		       uint16_t *ret_vendor, uint16_t *ret_device);

/* Whole rows. On failure nothing is left to free. */
int dv_cat_read_gpu(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		    struct dv_cat_gpu *ret_gpu);
int dv_cat_read_board(const struct dv_cat_file *file, const struct dv_yaml_node *root,
		      struct dv_cat_board *ret_board);
int dv_cat_read_series(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       struct dv_cat_series *ret_series);
int dv_cat_read_ci_set(const struct dv_cat_file *file, const struct dv_yaml_node *map,
		       struct dv_cat_ci_set *ret_set);

void dv_cat_gpu_fini(struct dv_cat_gpu *gpu);
void dv_cat_board_fini(struct dv_cat_board *board);
void dv_cat_ci_set_fini(struct dv_cat_ci_set *set);
