/* SPDX-License-Identifier: Apache-2.0 */
/* By the names that people use. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "catalog/rows.h"

static bool is_gap(char c)
{
	return c && !isalnum((unsigned char)c);
}

static const char *skip_gap(const char *s)
{
	while (is_gap(*s))
		s++;
	return s;
}

static const char *skip_word(const char *s)
{
	while (*s && !is_gap(*s))
		s++;
	return s;
}

/* How well a text fits a name: not, the beginning of a word, whole words, all words to the end. */
enum fit { FIT_NOT, FIT_BEGINNING, FIT_WORDS, FIT_END };

static enum fit fit_here(const char *name, const char *text)
{
	bool number = text[strspn(text, "0123456789")] == '\0';

	while (*text) {
		if (is_gap(*text)) {
			text = skip_gap(text);
			if (!*text)
				break;
			if (*name && !is_gap(*name))
				return FIT_NOT;
			name = skip_gap(name);
			continue;
		}
		if (tolower((unsigned char)*text) != tolower((unsigned char)*name))
			return FIT_NOT;
		text++;
		name++;
	}
	if (*skip_gap(name) == '\0')
		return FIT_END;
	if (is_gap(*name))
		return FIT_WORDS;
	return number ? FIT_NOT : FIT_BEGINNING; /* "4" is no beginning of "4090" */
}

static enum fit fit(const char *name, const char *text)
{
	enum fit best = FIT_NOT;

	for (name = skip_gap(name); *name; name = skip_gap(skip_word(name))) {
		enum fit here = fit_here(name, text);

		best = DV_MAX(best, here);
	}
	return best;
}

/* Rank of a row: how well, then whether it is the GPU's own name. */
static int rank(const struct dv_cat_gpu *gpu, const char *text)
{
	int best = fit(gpu->name, text) * 2;

	if (best)
		best++;
	for (size_t i = 0; i < gpu->also.len; i++) {
		int also = fit(gpu->also.items[i], text) * 2;

		best = DV_MAX(best, also);
	}
	for (size_t i = 0; i < gpu->pci.len; i++) {
		int pci = gpu->pci.items[i].name ? fit(gpu->pci.items[i].name, text) * 2 : 0;

		best = DV_MAX(best, pci);
	}
	return best;
}

static const struct dv_cat_profile *by_shape(const struct dv_cat_gpu *gpu, const char *shape)
{
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		if (strcmp(gpu->mig.profiles.items[i].shape, shape) == 0)
			return &gpu->mig.profiles.items[i];
	return NULL;
}

/* Same grid and places, as far as anything is known of the places; without MIG two GPUs have
 * nothing in common that divvy goes by. */
static bool alike(const struct dv_cat_gpu *a, const struct dv_cat_gpu *b)
{
	if (!a->has_mig || !b->has_mig || a->mig.grid == DV_CAT_UNKNOWN ||
	    a->mig.grid != b->mig.grid)
		return false;
	if (!a->mig.profiles.len || !b->mig.profiles.len)
		return true;
	if (a->mig.profiles.len != b->mig.profiles.len)
		return false;
	for (size_t i = 0; i < a->mig.profiles.len; i++) {
		const struct dv_cat_profile *p = &a->mig.profiles.items[i];
		const struct dv_cat_profile *q = by_shape(b, p->shape);

		if (!q || p->size != q->size || p->start_count != q->start_count ||
		    memcmp(p->starts, q->starts, p->start_count) != 0)
			return false;
	}
	return true;
}

bool dv_cat_measured(const struct dv_cat_gpu *gpu)
{
	if (!gpu->has_mig)
		return gpu->memory_mib != DV_CAT_UNKNOWN;
	for (size_t i = 0; i < gpu->mig.profiles.len; i++)
		if (gpu->mig.profiles.items[i].memory_mib == DV_CAT_UNKNOWN)
			return false;
	return gpu->mig.profiles.len > 0;
}

enum { NAMED_MOST = 12 };

static int fail_unknown(const struct dv_catalog *c, const char *text, struct dv_error *err)
{
	const char *ids[DV_CAT_ROWS_MOST + 1];
	const char *near;
	size_t n = DV_MIN(c->gpus.len, (size_t)DV_CAT_ROWS_MOST);
	int r = dv_error_rule(err, -EINVAL, "F15", "the catalogue has no GPU called '%.64s'", text);

	for (size_t i = 0; i < n; i++)
		ids[i] = c->gpus.items[i].id;
	ids[n] = NULL;
	near = dv_nearest(text, ids);
	if (near)
		return dv_error_fix(err, r, "did you mean '%s'? `divvy profiles` lists all", near);
	return dv_error_fix(err, r, "`divvy profiles` lists the GPUs of the catalogue");
}

/* The ids of all that rank so, as a list in words. */
static void name_all(const struct dv_catalog *c, const char *text, int want, char *buf, size_t size)
{
	size_t used = 0, more = 0, named = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < c->gpus.len; i++) {
		const struct dv_cat_gpu *gpu = &c->gpus.items[i];

		if (rank(gpu, text) != want)
			continue;
		if (named == NAMED_MOST || used + strlen(gpu->id) + 24 > size) {
			more++;
			continue;
		}
		used += (size_t)snprintf(buf + used, size - used, "%s%s", named ? ", " : "",
					 gpu->id);
		named++;
	}
	if (more)
		(void)snprintf(buf + used, size - used, " and %zu more", more);
}

int dv_catalog_find(const struct dv_catalog *c, const char *text, const struct dv_cat_gpu **ret_gpu,
		    size_t *ret_others, struct dv_error *err)
{
	const struct dv_cat_gpu *first = NULL, *measured = NULL;
	const struct dv_cat_gpu *exact = dv_catalog_by_id(c, text);
	size_t count = 0;
	bool same = true;
	int best = 0;

	text = skip_gap(text);
	for (size_t i = 0; *text && !exact && i < c->gpus.len; i++) {
		int here = rank(&c->gpus.items[i], text);

		best = DV_MAX(best, here);
	}
	for (size_t i = 0; best && i < c->gpus.len; i++) {
		const struct dv_cat_gpu *gpu = &c->gpus.items[i];

		if (rank(gpu, text) != best)
			continue;
		count++;
		if (!first)
			first = gpu;
		else
			same = same && alike(first, gpu);
		if (!measured && dv_cat_measured(gpu))
			measured = gpu;
	}
	if (!exact && !first)
		return fail_unknown(c, text, err);
	if (count > 1 && (!same || !measured)) {
		char names[256];

		name_all(c, text, best, names, sizeof(names));
		return dv_error_fix(err,
				    dv_error_rule(err, -EINVAL, "F16",
						  "'%.64s' may be several GPUs that differ: %s",
						  text, names),
				    "name one of them, for example '%s'", first->id);
	}
	*ret_gpu = exact ? exact : count > 1 ? measured : first;
	if (ret_others)
		*ret_others = count > 1 ? count - 1 : 0;
	return 0;
}

int dv_catalog_vgpu(const struct dv_catalog *c, const char *name,
		    const struct dv_cat_board **ret_board, const struct dv_cat_vgpu **ret_type,
		    struct dv_error *err)
{
	const char *names[DV_CAT_ROWS_MOST + 1];
	const char *near;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < c->boards.len; i++) {
		const struct dv_cat_board *board = &c->boards.items[i];

		for (size_t j = 0; j < board->types.len; j++) {
			if (strcasecmp(board->types.items[j].name, name) == 0) {
				*ret_board = board;
				*ret_type = &board->types.items[j];
				return 0;
			}
			if (n < DV_CAT_ROWS_MOST)
				names[n++] = board->types.items[j].name;
		}
	}
	names[n] = NULL;
	near = dv_nearest(name, names);
	r = dv_error_rule(err, -EINVAL, "F15", "the catalogue has no vGPU type '%.64s'", name);
	return near ? dv_error_fix(err, r, "did you mean '%s'?", near) : r;
}
