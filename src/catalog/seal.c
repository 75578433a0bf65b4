/* SPDX-License-Identifier: Apache-2.0 */
/* What only shows when all files are there: doubled ids, names of rows that do not exist. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "catalog/rows.h"

static int by_gpu_id(const void *a, const void *b)
{
	return strcmp(((const struct dv_cat_gpu *)a)->id, ((const struct dv_cat_gpu *)b)->id);
}

static int by_board_id(const void *a, const void *b)
{
	return strcmp(((const struct dv_cat_board *)a)->id, ((const struct dv_cat_board *)b)->id);
}

static int by_source_id(const void *a, const void *b)
{
	return strcmp(((const struct dv_cat_source *)a)->id, ((const struct dv_cat_source *)b)->id);
}

static int twice(const char *what, const char *id, struct dv_error *err)
{
	return dv_error_rule(err, -EBADMSG, "F09", "the catalogue has %s '%s' twice", what, id);
}

static int check_ids(const struct dv_catalog *c, struct dv_error *err)
{
	for (size_t i = 1; i < c->gpus.len; i++)
		if (strcasecmp(c->gpus.items[i - 1].id, c->gpus.items[i].id) == 0)
			return twice("the GPU", c->gpus.items[i].id, err);
	for (size_t i = 1; i < c->boards.len; i++)
		if (strcmp(c->boards.items[i - 1].id, c->boards.items[i].id) == 0)
			return twice("the vGPU board", c->boards.items[i].id, err);
	for (size_t i = 1; i < c->sources.len; i++)
		if (strcmp(c->sources.items[i - 1].id, c->sources.items[i].id) == 0)
			return twice("the source", c->sources.items[i].id, err);
	for (size_t i = 0; i < c->series.len; i++)
		if (dv_catalog_series(c, c->series.items[i].letter) != &c->series.items[i])
			return twice("the series", (const char[]){c->series.items[i].letter, '\0'},
				     err);
	for (size_t i = 0; i < c->ci_sets.len; i++)
		if (dv_catalog_ci(c, c->ci_sets.items[i].of) != &c->ci_sets.items[i])
			return dv_error_rule(err, -EBADMSG, "F09",
					     "compute instances of %u slices are there twice",
					     c->ci_sets.items[i].of);
	return 0;
}

/* Two rows that share a PCI id are told apart by their subsystems: both must list them, and none
 * may be in both lists. */
static bool clash(const struct dv_cat_pci *a, const struct dv_cat_pci *b)
{
	if (a->vendor != b->vendor || a->device != b->device)
		return false;
	if (!a->subsystems.len || !b->subsystems.len)
		return true;
	for (size_t i = 0; i < a->subsystems.len; i++)
		for (size_t j = 0; j < b->subsystems.len; j++)
			if (memcmp(&a->subsystems.items[i], &b->subsystems.items[j],
				   sizeof(struct dv_cat_subsystem)) == 0)
				return true;
	return false;
}

static bool gpus_clash(const struct dv_cat_gpu *a, const struct dv_cat_gpu *b)
{
	for (size_t i = 0; i < a->pci.len; i++)
		for (size_t j = 0; j < b->pci.len; j++)
			if (!(a == b && i == j) && clash(&a->pci.items[i], &b->pci.items[j]))
				return true;
	return false;
}

static int check_pci(const struct dv_catalog *c, struct dv_error *err)
{
	for (size_t i = 0; i < c->gpus.len; i++)
		for (size_t j = i; j < c->gpus.len; j++)
			if (gpus_clash(&c->gpus.items[i], &c->gpus.items[j]))
				return dv_error_rule(err, -EBADMSG, "F12",
						     "the GPUs '%s' and '%s' share a PCI id and no "
						     "subsystem tells them apart",
						     c->gpus.items[i].id, c->gpus.items[j].id);
	return 0;
}

static int check_sources(const struct dv_catalog *c, const char *row,
			 const struct dv_cat_texts *sources, struct dv_error *err)
{
	for (size_t i = 0; i < sources->len; i++)
		if (!dv_catalog_source(c, sources->items[i]))
			return dv_error_rule(err, -EBADMSG, "F11",
					     "'%s' names the source '%s', which the catalogue does "
					     "not have",
					     row, sources->items[i]);
	return 0;
}

static int check_gpu(const struct dv_catalog *c, const struct dv_cat_gpu *gpu, struct dv_error *err)
{
	int r = check_sources(c, gpu->id, &gpu->sources, err);

	for (size_t i = 0; i < gpu->mig.profiles.len && r == 0; i++)
		r = check_sources(c, gpu->id, &gpu->mig.profiles.items[i].sources, err);
	return r;
}

static int check_board(const struct dv_catalog *c, const struct dv_cat_board *board,
		       struct dv_error *err)
{
	int r = check_sources(c, board->id, &board->sources, err);

	for (size_t i = 0; i < board->gpus.len && r == 0; i++)
		if (!dv_catalog_by_id(c, board->gpus.items[i]))
			r = dv_error_rule(err, -EBADMSG, "F11",
					  "the vGPU board '%s' names the GPU '%s', which the "
					  "catalogue does not have",
					  board->id, board->gpus.items[i]);
	for (size_t i = 0; i < board->types.len && r == 0; i++) {
		const struct dv_cat_vgpu *type = &board->types.items[i];

		r = check_sources(c, type->name, &type->sources, err);
		if (r == 0 && !dv_catalog_series(c, type->series))
			r = dv_error_rule(err, -EBADMSG, "F11",
					  "'%s' is of the series '%c', which the catalogue does "
					  "not have",
					  type->name, type->series);
	}
	return r;
}

static void sort(void *items, size_t len, size_t size, int (*order)(const void *, const void *))
{
	if (len)
		qsort(items, len, size, order);
}

int dv_catalog_seal(struct dv_catalog *c, struct dv_error *err)
{
	int r;

	sort(c->gpus.items, c->gpus.len, sizeof(*c->gpus.items), by_gpu_id);
	sort(c->boards.items, c->boards.len, sizeof(*c->boards.items), by_board_id);
	sort(c->sources.items, c->sources.len, sizeof(*c->sources.items), by_source_id);
	r = check_ids(c, err);
	if (r == 0)
		r = check_pci(c, err);
	for (size_t i = 0; i < c->gpus.len && r == 0; i++)
		r = check_gpu(c, &c->gpus.items[i], err);
	for (size_t i = 0; i < c->boards.len && r == 0; i++)
		r = check_board(c, &c->boards.items[i], err);
	if (r < 0)
		return dv_error_fix(err, r,
				    "mend the files of the catalogue, or install divvy anew");
	c->sealed = true;
	return 0;
}
