/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the grid engine: grids of the catalogue, random ones, and every layout there is,
 * found without the engine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../catalog/load.h"
#include "../model/random.h"
#include "base/vec.h"
#include "plan/grid-repartition.h"
#include "plan/grid.h"

/* A layout: bit i is place i of the grid; grids with more than 64 places have no such set here. */
struct layouts {
	DV_VEC(uint64_t);
};

static inline DV_UNUSED void grid_made(const struct dv_grid_source *source, struct dv_grid *ret)
{
	struct dv_error err = {0};

	if (dv_grid_make(source, ret, &err) < 0)
		fail_msg("%s", err.msg);
}

/* The GPU's grid with those of its profiles whose shape is in `shapes`, by blanks; NULL: all. */
static inline DV_UNUSED void grid_source(const struct dv_catalog *catalog, const char *id,
					 unsigned driver, const char *shapes,
					 struct dv_grid_source *ret)
{
	const struct dv_cat_gpu *gpu = dv_catalog_by_id(catalog, id);
	struct dv_cat_mig mig;
	struct dv_error err = {0};

	assert_non_null(gpu);
	mig = gpu->mig;
	mig.profiles.items = calloc(gpu->mig.profiles.len, sizeof(*mig.profiles.items));
	assert_non_null(mig.profiles.items);
	mig.profiles.len = 0;
	for (size_t i = 0; i < gpu->mig.profiles.len; i++) {
		const struct dv_cat_profile *profile = &gpu->mig.profiles.items[i];
		char word[64], all[256];

		(void)snprintf(word, sizeof(word), " %s ", profile->shape);
		(void)snprintf(all, sizeof(all), " %s ", shapes ? shapes : profile->shape);
		if (strstr(all, word))
			mig.profiles.items[mig.profiles.len++] = *profile;
	}
	if (dv_grid_source_of(&mig, driver, ret, &err) < 0)
		fail_msg("%s: %s", id, err.msg);
	free(mig.profiles.items);
}

static inline DV_UNUSED void grid_of(const struct dv_catalog *catalog, const char *id,
				     unsigned driver, const char *shapes, struct dv_grid *ret)
{
	struct dv_grid_source source;

	grid_source(catalog, id, driver, shapes, &source);
	grid_made(&source, ret);
}

/* A grid that no GPU has. */
static inline DV_UNUSED void grid_random(unsigned cells_most, unsigned profiles_most,
					 struct dv_grid_source *ret)
{
	*ret = (struct dv_grid_source){.cells = 1 + random_below(cells_most)};
	ret->profile_count = 1 + random_below(profiles_most);
	for (unsigned p = 0; p < ret->profile_count; p++) {
		struct dv_grid_profile *profile = &ret->profiles[p];

		(void)snprintf(profile->name, sizeof(profile->name), "p%u", p);
		profile->id = 100 + p;
		profile->size = 1 + random_below(DV_MIN(ret->cells, 4));
		if (random_below(6) == 0)
			profile->size = ret->cells;
		while (!profile->starts)
			for (unsigned c = 0; c + profile->size <= ret->cells; c++)
				profile->starts |= (uint32_t)random_below(2) << c;
		profile->most = random_below(3) ? 0 : 1 + random_below(2);
		profile->compute_slices = random_below(3);
		profile->engines[random_below(DV_GRID_ENGINE_COUNT)] = random_below(3);
	}
	ret->compute_slices = random_below(2) ? 1 + random_below(6) : 0;
	ret->engines[random_below(DV_GRID_ENGINE_COUNT)] = random_below(4);
	if (ret->profile_count > 1 && ret->profiles[0].most == 1 && random_below(2)) {
		ret->pair_count = 1;
		ret->pairs[0].second = (uint8_t)(1 + random_below(ret->profile_count - 1));
	}
}

/* May these counts of each profile be together, by what the source says? The cells aside. */
static inline DV_UNUSED bool source_allows(const struct dv_grid_source *source,
					   const unsigned *counts)
{
	unsigned compute = 0, all = 0, engines[DV_GRID_ENGINE_COUNT] = {0};

	for (unsigned p = 0; p < source->profile_count; p++) {
		const struct dv_grid_profile *profile = &source->profiles[p];

		if (profile->most && counts[p] > profile->most)
			return false;
		all += counts[p];
		compute += counts[p] * profile->compute_slices;
		for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
			engines[e] += counts[p] * profile->engines[e];
	}
	if ((source->compute_slices && compute > source->compute_slices) ||
	    (source->most && all > source->most))
		return false;
	for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
		if (source->engines[e] && engines[e] > source->engines[e])
			return false;
	for (unsigned i = 0; i < source->pair_count; i++)
		if (counts[source->pairs[i].first] && counts[source->pairs[i].second])
			return false;
	return true;
}

static inline DV_UNUSED void each_layout_from(const struct dv_grid_source *source, unsigned profile,
					      unsigned start, unsigned place, uint64_t layout,
					      uint64_t cells, unsigned *counts, struct layouts *ret)
{
	if (profile == source->profile_count) {
		if (source_allows(source, counts))
			assert_int_equal(dv_vec_push(ret, layout), 0);
		return;
	}
	if (start == source->cells) {
		each_layout_from(source, profile + 1, 0, place, layout, cells, counts, ret);
		return;
	}
	if (source->profiles[profile].starts >> start & 1) {
		uint64_t mine = ((UINT64_C(1) << source->profiles[profile].size) - 1) << start;

		if (!(cells & mine)) {
			counts[profile]++;
			each_layout_from(source, profile, start + 1, place + 1,
					 layout | UINT64_C(1) << place, cells | mine, counts, ret);
			counts[profile]--;
		}
		place++;
	}
	each_layout_from(source, profile, start + 1, place, layout, cells, counts, ret);
}

/* Every layout of the source, by trying all sets of places. */
static inline DV_UNUSED void each_layout(const struct dv_grid_source *source, struct layouts *ret)
{
	unsigned counts[DV_GRID_PROFILES_MOST] = {0};

	each_layout_from(source, 0, 0, 0, 0, 0, counts, ret);
}

static inline DV_UNUSED void layout_state(const struct dv_grid *grid, uint64_t layout,
					  struct dv_grid_state *ret)
{
	*ret = (struct dv_grid_state){0};
	for (unsigned i = 0; i < grid->place_count; i++)
		if (layout >> i & 1) {
			assert_true(dv_grid_fits(grid, ret, i));
			dv_grid_take(grid, ret, i);
		}
}

static inline DV_UNUSED void layout_counts(const struct dv_grid *grid, uint64_t layout,
					   uint8_t *counts)
{
	(void)memset(counts, 0, DV_GRID_PROFILES_MOST);
	for (unsigned i = 0; i < grid->place_count; i++)
		counts[grid->places[i].profile] =
			(uint8_t)(counts[grid->places[i].profile] + (layout >> i & 1));
}

/* The layout's instances, each of weight 1; returns how many. */
static inline DV_UNUSED unsigned layout_instances(const struct dv_grid *grid, uint64_t layout,
						  struct dv_grid_instance *instances)
{
	unsigned count = 0;

	for (unsigned i = 0; i < grid->place_count; i++)
		if (layout >> i & 1)
			instances[count++] = (struct dv_grid_instance){
				.profile = grid->places[i].profile,
				.start = grid->places[i].start,
				.size = grid->profiles[grid->places[i].profile].size,
				.weight = 1,
			};
	return count;
}

#define BASE_SHAPES "1g 2g 3g 4g 7g"
