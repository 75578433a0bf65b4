/* SPDX-License-Identifier: Apache-2.0 */
/* How `divvy profiles` shows what the catalogue says: as a page or as a document. Marks of doubt
 * are always shown: '~' before what is derived or inferred, '?' for what is not known. */
#pragma once

#include "catalog/catalog.h"
#include "cli/output.h"

/* What to show; members that are not wanted are NULL. */
struct dv_profiles {
	const struct dv_catalog *catalog;
	const char *asked;	      /* what was asked for, or NULL: the list of all GPUs */
	const struct dv_cat_gpu *gpu; /* with its profiles and all its boards */
	const char *driver; /* whose list of partitions it is ("nvidia 580.95.05"), or NULL: the
			       catalogue's */
	size_t others;	    /* GPUs that were meant as well and are divided alike */
	const struct dv_cat_board *board; /* one board, when there is no GPU */
	const struct dv_cat_vgpu *type;	  /* only this type of the board */
	bool sources;			  /* where each fact comes from */
};

/* A GPU of this machine with the partitions that its driver tells, and all else as the catalogue's
 * row has it (NULL: there is none). `ret` borrows from both, and is freed by
 * dv_profiles_driver_fini. -ENOMEM. */
struct dv_gpu;
int dv_profiles_of_driver(const struct dv_gpu *gpu, const struct dv_cat_gpu *row,
			  struct dv_cat_gpu *ret, struct dv_error *err) DV_MUST_CHECK;
void dv_profiles_driver_fini(struct dv_cat_gpu *gpu);

/* Is that board one of those to show? */
bool dv_profiles_has(const struct dv_profiles *p, const struct dv_cat_board *board);

/* The sources of all that is shown, each once: at most DV_PROFILES_SOURCES_MOST. */
enum { DV_PROFILES_SOURCES_MOST = 64 };
struct dv_profiles_sources {
	const struct dv_cat_source *items[DV_PROFILES_SOURCES_MOST];
	size_t len;
};
void dv_profiles_sources(const struct dv_profiles *p, struct dv_profiles_sources *ret);

int dv_profiles_print(struct dv_out *out, const struct dv_profiles *p,
		      struct dv_error *err) DV_MUST_CHECK;

/* The document divvy/profiles/1 or divvy/models/1; the caller frees. */
int dv_profiles_json(const struct dv_profiles *p, char **ret_text,
		     struct dv_error *err) DV_MUST_CHECK;
