/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "catalog/catalog.h"
#include "model/mig.h"
#include "plan/grid.h"

enum { DRIVER_OF_UNLIKE_HALVES = 510 };

static uint32_t known(uint32_t value)
{
	return value == DV_CAT_UNKNOWN ? 0 : value;
}

static int add(const struct dv_grid_profile *profile, struct dv_grid_source *source,
	       struct dv_error *err)
{
	if (source->profile_count == DV_GRID_PROFILES_MOST)
		return dv_error_set(err, -E2BIG, "more than %d profiles", DV_GRID_PROFILES_MOST);
	source->profiles[source->profile_count++] = *profile;
	for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
		source->engines[e] = DV_MAX(source->engines[e], profile->engines[e]);
	return 0;
}

static int add_profile(const struct dv_cat_profile *from, struct dv_grid_source *source,
		       struct dv_error *err)
{
	struct dv_grid_profile profile = {
		.id = from->id,
		.size = from->size,
		.most = known(from->most),
		.compute_slices = known(from->compute_slices),
		.engines =
			{
				[DV_GRID_DECODE] = known(from->engines.decode),
				[DV_GRID_ENCODE] = known(from->engines.encode),
				[DV_GRID_JPEG] = known(from->engines.jpeg),
				[DV_GRID_OPTICAL_FLOW] = known(from->engines.optical_flow),
			},
	};
	if (!dv_copy(profile.name, sizeof(profile.name), from->name))
		return dv_error_set(err, -E2BIG, "the name of profile '%s' is too long",
				    from->name);
	for (unsigned i = 0; i < from->start_count; i++) {
		if (from->starts[i] >= DV_GRID_CELLS_MOST)
			return dv_error_set(err, -E2BIG, "profile '%s' starts at %u", from->name,
					    from->starts[i]);
		profile.starts |= UINT32_C(1) << from->starts[i];
	}
	return add(&profile, source, err);
}

/* Profiles of half the GPU with unlike compute exclude each other; the larger comes first: two of
 * it would have more compute than there is. */
static int add_unlike_halves(struct dv_grid_source *source, struct dv_error *err)
{
	for (unsigned a = 0; a < source->profile_count; a++)
		for (unsigned b = 0; b < source->profile_count; b++) {
			const struct dv_grid_profile *first = &source->profiles[a];
			const struct dv_grid_profile *second = &source->profiles[b];

			if (first->size * 2 != source->cells || second->size != first->size ||
			    first->compute_slices <= second->compute_slices)
				continue;
			if (source->pair_count == DV_GRID_PAIRS_MOST)
				return dv_error_set(err, -E2BIG, "more than %d pairs",
						    DV_GRID_PAIRS_MOST);
			source->pairs[source->pair_count].first = (uint8_t)a;
			source->pairs[source->pair_count++].second = (uint8_t)b;
		}
	return 0;
}

/* A total that forbids what the profiles' own numbers allow (7 of 1g with a decoder each, where the
 * whole GPU is said to have one) does not count instances: the engine is shared, or the source is
 * wrong. */
static void drop_contradicted(struct dv_grid_source *source)
{
	for (unsigned p = 0; p < source->profile_count; p++)
		for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
			if (source->profiles[p].most * source->profiles[p].engines[e] >
			    source->engines[e])
				source->engines[e] = 0;
}

static int no_places(struct dv_error *err, const char *fix)
{
	dv_error_rule(err, -EOPNOTSUPP, "M03",
		      "no source says where on this GPU partitions may be");
	return dv_error_fix(err, -EOPNOTSUPP, "%s", fix);
}

static int finish(struct dv_grid_source *source, unsigned driver, struct dv_grid_source *ret,
		  struct dv_error *err)
{
	int r = 0;

	drop_contradicted(source);
	if (driver && driver < DRIVER_OF_UNLIKE_HALVES)
		r = add_unlike_halves(source, err);
	if (r == 0)
		*ret = *source;
	return r;
}

int dv_grid_source_of(const struct dv_cat_mig *mig, unsigned driver, struct dv_grid_source *ret,
		      struct dv_error *err)
{
	struct dv_grid_source source = {
		.cells = mig->grid,
		.compute_slices = known(mig->compute_slices),
		.most = known(mig->most),
	};
	int r = 0;

	if (mig->places == DV_CAT_NO_PLACES || known(mig->grid) == 0)
		return no_places(err, "plan on a machine that has one: its driver says it");
	for (size_t i = 0; r == 0 && i < mig->profiles.len; i++)
		if (mig->profiles.items[i].start_count)
			r = add_profile(&mig->profiles.items[i], &source, err);
	return r < 0 ? r : finish(&source, driver, ret, err);
}

int dv_grid_source_of_gpu(const struct dv_mig *mig, unsigned driver, struct dv_grid_source *ret,
			  struct dv_error *err)
{
	struct dv_grid_source source = {.cells = mig->cells, .compute_slices = mig->compute_slices};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < mig->profile_count; i++) {
		const struct dv_mig_profile *from = &mig->profiles[i];
		struct dv_grid_profile profile = {
			.id = from->id,
			.size = from->size,
			.starts = from->starts,
			.most = from->most,
			.compute_slices = from->compute_slices,
			.engines =
				{
					[DV_GRID_DECODE] = from->engines[DV_MIG_DECODE],
					[DV_GRID_ENCODE] = from->engines[DV_MIG_ENCODE],
					[DV_GRID_JPEG] = from->engines[DV_MIG_JPEG],
					[DV_GRID_OPTICAL_FLOW] = from->engines[DV_MIG_OPTICAL_FLOW],
				},
		};

		(void)dv_copy(profile.name, sizeof(profile.name), from->name);
		if (from->starts)
			r = add(&profile, &source, err);
	}
	if (r == 0 && (source.cells == 0 || source.profile_count == 0))
		return no_places(err, "turn MIG mode on: the driver says it then");
	return r < 0 ? r : finish(&source, driver, ret, err);
}
