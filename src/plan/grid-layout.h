/* SPDX-License-Identifier: Apache-2.0 */
/* Every layout that a GPU of a grid can have, numbered, with the way from one to the next: what
 * turns placement into look-ups. Owned by the caller; constant once made. Only grids of at most
 * DV_LAYOUT_PLACES_MOST places and DV_LAYOUTS_MOST layouts have such a set; all of the catalogue
 * do. */
#pragma once

#include <stdint.h>

#include "plan/grid.h"

enum { DV_LAYOUT_PLACES_MOST = 64, DV_LAYOUTS_MOST = 4096, DV_LAYOUT_NONE = UINT16_MAX };

struct dv_layouts {
	unsigned count;	      /* number 0 is the empty one */
	unsigned place_count; /* of the grid */
	uint64_t *places;     /* of each layout: bit i is place i of the grid */
	struct dv_grid_state *states;
	/* [layout * place_count + place]: the layout without the place where it has it, with it
	 * where it has not; DV_LAYOUT_NONE where it may not be. */
	uint16_t *edges;
};

/* Make the set of the layouts around `blocked` cells, which belong to somebody else. 1: there are
 * too many, *ret is untouched; -ENOMEM. */
int dv_layouts_make(const struct dv_grid *grid, uint32_t blocked, struct dv_layouts *ret,
		    struct dv_error *err) DV_MUST_CHECK;
void dv_layouts_fini(struct dv_layouts *layouts);

static inline uint16_t dv_layout_edge(const struct dv_layouts *layouts, unsigned layout,
				      unsigned place)
{
	return layouts->edges[layout * layouts->place_count + place];
}
