/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

enum { BUCKETS = 16384 }; /* a power of two, over twice DV_LAYOUTS_MOST */

struct table {
	uint16_t first[BUCKETS]; /* number of a layout, or DV_LAYOUT_NONE */
};

static unsigned bucket_of(uint64_t places)
{
	return (unsigned)((places * UINT64_C(0x9e3779b97f4a7c15)) >> 50) & (BUCKETS - 1);
}

/* The number of a set of places; DV_LAYOUT_NONE and where it belongs, if it is new. */
static uint16_t look_up(const struct table *table, const struct dv_layouts *layouts,
			uint64_t places, unsigned *ret_bucket)
{
	unsigned bucket = bucket_of(places);

	while (table->first[bucket] != DV_LAYOUT_NONE &&
	       layouts->places[table->first[bucket]] != places)
		bucket = (bucket + 1) & (BUCKETS - 1);
	*ret_bucket = bucket;
	return table->first[bucket];
}

/* All layouts breadth first; returns false when there are too many. */
static bool walk(const struct dv_grid *grid, uint32_t blocked, struct table *table,
		 struct dv_layouts *layouts)
{
	unsigned bucket;

	layouts->count = 1;
	layouts->places[0] = 0;
	layouts->states[0] = (struct dv_grid_state){0};
	dv_grid_block(&layouts->states[0], blocked);
	(void)look_up(table, layouts, 0, &bucket);
	table->first[bucket] = 0;
	for (unsigned at = 0; at < layouts->count; at++)
		for (unsigned i = 0; i < grid->place_count; i++) {
			uint64_t places = layouts->places[at] | UINT64_C(1) << i;

			if (!dv_grid_fits(grid, &layouts->states[at], i) ||
			    look_up(table, layouts, places, &bucket) != DV_LAYOUT_NONE)
				continue;
			if (layouts->count == DV_LAYOUTS_MOST)
				return false;
			table->first[bucket] = (uint16_t)layouts->count;
			layouts->places[layouts->count] = places;
			layouts->states[layouts->count] = layouts->states[at];
			dv_grid_take(grid, &layouts->states[layouts->count++], i);
		}
	return true;
}

static int make_edges(const struct dv_grid *grid, const struct table *table,
		      struct dv_layouts *layouts)
{
	layouts->edges =
		calloc((size_t)layouts->count * grid->place_count, sizeof(*layouts->edges));
	if (!layouts->edges)
		return -ENOMEM;
	for (unsigned at = 0; at < layouts->count; at++)
		for (unsigned i = 0; i < grid->place_count; i++) {
			uint64_t bit = UINT64_C(1) << i;
			uint16_t edge = DV_LAYOUT_NONE;
			unsigned bucket;

			if ((layouts->places[at] & bit) ||
			    dv_grid_fits(grid, &layouts->states[at], i))
				edge = look_up(table, layouts, layouts->places[at] ^ bit, &bucket);
			layouts->edges[at * grid->place_count + i] = edge;
		}
	return 0;
}

int dv_layouts_make(const struct dv_grid *grid, uint32_t blocked, struct dv_layouts *ret,
		    struct dv_error *err)
{
	dv_autofree struct table *table = NULL;
	struct dv_layouts layouts = {.place_count = grid->place_count};
	int r = 0;

	if (grid->place_count > DV_LAYOUT_PLACES_MOST)
		return 1;
	table = malloc(sizeof(*table));
	layouts.places = calloc(DV_LAYOUTS_MOST, sizeof(*layouts.places));
	layouts.states = calloc(DV_LAYOUTS_MOST, sizeof(*layouts.states));
	if (!table || !layouts.places || !layouts.states)
		r = -ENOMEM;
	if (r == 0) {
		(void)memset(table, 0xff, sizeof(*table));
		r = walk(grid, blocked, table, &layouts) ? make_edges(grid, table, &layouts) : 1;
	}
	if (r != 0)
		dv_layouts_fini(&layouts);
	if (r < 0)
		return dv_error_set(err, r, "no memory for the layouts of a GPU");
	if (r == 0)
		*ret = layouts;
	return r;
}

void dv_layouts_fini(struct dv_layouts *layouts)
{
	free(layouts->places);
	free(layouts->states);
	free(layouts->edges);
	*layouts = (struct dv_layouts){0};
}
