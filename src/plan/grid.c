/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid.h"

#include <string.h>

#include "base/macro.h"

uint32_t dv_grid_whole(const struct dv_grid *grid)
{
	return grid->cells == 32 ? UINT32_MAX : (UINT32_C(1) << grid->cells) - 1;
}

static uint32_t interval(unsigned start, unsigned size)
{
	uint32_t ones = size >= 32 ? UINT32_MAX : (UINT32_C(1) << size) - 1;

	return ones << start;
}

/* ---- making ---- */

static int check_profile(const struct dv_grid_source *source, unsigned p, struct dv_error *err)
{
	const struct dv_grid_profile *profile = &source->profiles[p];
	uint32_t size = profile->size;
	uint32_t may;

	if (size == 0 || size > source->cells)
		return dv_error_set(err, -EINVAL, "profile '%s' takes %u of %u cells",
				    profile->name, size, source->cells);
	may = interval(0, source->cells - size + 1);
	if (profile->starts == 0)
		return dv_error_set(err, -EINVAL, "profile '%s' has no place", profile->name);
	if (profile->starts & ~may)
		return dv_error_set(err, -EINVAL, "a place of profile '%s' is outside the GPU",
				    profile->name);
	if (profile->compute_slices > DV_GRID_TOTAL_MOST)
		return dv_error_set(err, -E2BIG, "profile '%s' has too many compute slices",
				    profile->name);
	for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
		if (profile->engines[e] > DV_GRID_TOTAL_MOST)
			return dv_error_set(err, -E2BIG, "profile '%s' has too many engines",
					    profile->name);
	return 0;
}

static int make_places(struct dv_grid *grid, struct dv_error *err)
{
	for (unsigned p = 0; p < grid->profile_count; p++) {
		const struct dv_grid_profile *profile = &grid->profiles[p];

		grid->first_place[p] = (uint16_t)grid->place_count;
		for (unsigned c = 0; c < grid->cells; c++) {
			if (!(profile->starts >> c & 1))
				continue;
			if (grid->place_count == DV_GRID_PLACES_MOST)
				return dv_error_set(err, -E2BIG, "more than %d places",
						    DV_GRID_PLACES_MOST);
			grid->places[grid->place_count++] = (struct dv_grid_place){
				.profile = (uint8_t)p,
				.start = (uint8_t)c,
				.cells = interval(c, profile->size),
			};
		}
	}
	grid->first_place[grid->profile_count] = (uint16_t)grid->place_count;
	return 0;
}

/* The most that instances can use of a limit while they do not overlap. */
static unsigned greatest_use(const struct dv_grid *grid, const uint8_t *use)
{
	unsigned best[DV_GRID_CELLS_MOST + 1] = {0}; /* from that cell on */

	for (unsigned c = grid->cells; c-- > 0;) {
		best[c] = best[c + 1];
		for (unsigned p = 0; p < grid->profile_count; p++)
			if (grid->profiles[p].starts >> c & 1)
				best[c] =
					DV_MAX(best[c], use[p] + best[c + grid->profiles[p].size]);
	}
	return best[0];
}

/* Is there nothing that can be beside an instance of the profile? */
static bool is_alone(const struct dv_grid *grid, unsigned profile)
{
	for (unsigned i = grid->first_place[profile]; i < grid->first_place[profile + 1]; i++)
		for (unsigned k = 0; k < grid->place_count; k++)
			if (!(grid->places[i].cells & grid->places[k].cells))
				return false;
	return true;
}

/* Keep a limit that can bind and is not there yet. What a profile uses that is alone anyway does
 * not matter. */
static int add_limit(struct dv_grid *grid, struct dv_grid_limit *limit, struct dv_error *err)
{
	for (unsigned p = 0; p < grid->profile_count; p++)
		if (limit->use[p] <= limit->total && is_alone(grid, p))
			limit->use[p] = 0;
	if (limit->total == 0 || greatest_use(grid, limit->use) <= limit->total)
		return 0;
	for (unsigned i = 0; i < grid->limit_count; i++)
		if (grid->limits[i].total == limit->total &&
		    memcmp(grid->limits[i].use, limit->use, sizeof(limit->use)) == 0)
			return 0;
	if (grid->limit_count == DV_GRID_LIMITS_MOST)
		return dv_error_set(err, -E2BIG, "more than %d limits besides the cells",
				    DV_GRID_LIMITS_MOST);
	grid->limits[grid->limit_count++] = *limit;
	return 0;
}

static int add_totals(struct dv_grid *grid, const struct dv_grid_source *source,
		      struct dv_error *err)
{
	struct dv_grid_limit limit = {.kind = DV_GRID_LIMIT_COMPUTE,
				      .total = (uint8_t)source->compute_slices};
	int r;

	for (unsigned p = 0; p < grid->profile_count; p++)
		limit.use[p] = (uint8_t)grid->profiles[p].compute_slices;
	r = add_limit(grid, &limit, err);
	limit = (struct dv_grid_limit){.kind = DV_GRID_LIMIT_INSTANCES,
				       .total = (uint8_t)source->most};
	(void)memset(limit.use, 1, grid->profile_count);
	if (r == 0)
		r = add_limit(grid, &limit, err);
	for (unsigned e = 0; r == 0 && e < DV_GRID_ENGINE_COUNT; e++) {
		limit = (struct dv_grid_limit){.kind = DV_GRID_LIMIT_ENGINES,
					       .which = (uint8_t)e,
					       .total = (uint8_t)source->engines[e]};
		for (unsigned p = 0; p < grid->profile_count; p++)
			limit.use[p] = (uint8_t)grid->profiles[p].engines[e];
		r = add_limit(grid, &limit, err);
	}
	return r;
}

/* One of the first uses up what each of the second needs some of. */
static int add_pair(struct dv_grid *grid, const struct dv_grid_source *source, unsigned i,
		    struct dv_error *err)
{
	unsigned first = source->pairs[i].first, second = source->pairs[i].second;
	struct dv_grid_limit limit = {.kind = DV_GRID_LIMIT_PAIR, .which = (uint8_t)i};
	uint8_t alone[DV_GRID_PROFILES_MOST] = {0};

	if (first >= grid->profile_count || second >= grid->profile_count || first == second)
		return dv_error_set(err, -EINVAL, "pair %u is not of two profiles", i);
	alone[first] = 1;
	if (grid->profiles[first].most != 1 && greatest_use(grid, alone) > 1)
		return dv_error_set(err, -EINVAL, "there can be more than one of profile '%s'",
				    grid->profiles[first].name);
	(void)memset(alone, 0, sizeof(alone));
	alone[second] = 1;
	limit.total = (uint8_t)greatest_use(grid, alone);
	limit.use[first] = limit.total;
	limit.use[second] = 1;
	return add_limit(grid, &limit, err);
}

static int add_limits(struct dv_grid *grid, const struct dv_grid_source *source,
		      struct dv_error *err)
{
	int r = 0;

	for (unsigned p = 0; r == 0 && p < grid->profile_count; p++) {
		struct dv_grid_limit limit = {
			.kind = DV_GRID_LIMIT_PROFILE,
			.which = (uint8_t)p,
			.total = (uint8_t)DV_MIN(grid->profiles[p].most, DV_GRID_TOTAL_MOST),
		};

		limit.use[p] = 1;
		r = add_limit(grid, &limit, err);
	}
	if (r == 0)
		r = add_totals(grid, source, err);
	for (unsigned i = 0; r == 0 && i < source->pair_count; i++)
		r = add_pair(grid, source, i, err);
	return r;
}

static int check_source(const struct dv_grid_source *source, struct dv_error *err)
{
	bool large = source->compute_slices > DV_GRID_TOTAL_MOST ||
		     source->most > DV_GRID_TOTAL_MOST || source->pair_count > DV_GRID_PAIRS_MOST;

	if (source->cells == 0 || source->cells > DV_GRID_CELLS_MOST)
		return dv_error_set(err, source->cells ? -E2BIG : -EINVAL,
				    "a grid has 1 to %d cells, not %u", DV_GRID_CELLS_MOST,
				    source->cells);
	if (source->profile_count > DV_GRID_PROFILES_MOST)
		return dv_error_set(err, -E2BIG, "a grid has at most %d profiles, not %u",
				    DV_GRID_PROFILES_MOST, source->profile_count);
	for (unsigned e = 0; e < DV_GRID_ENGINE_COUNT; e++)
		large = large || source->engines[e] > DV_GRID_TOTAL_MOST;
	if (large)
		return dv_error_set(err, -E2BIG, "a total of the grid is over %d",
				    DV_GRID_TOTAL_MOST);
	return 0;
}

int dv_grid_make(const struct dv_grid_source *source, struct dv_grid *ret, struct dv_error *err)
{
	struct dv_grid grid = {.cells = source->cells, .profile_count = source->profile_count};
	int r = check_source(source, err);

	for (unsigned p = 0; r == 0 && p < source->profile_count; p++) {
		r = check_profile(source, p, err);
		grid.profiles[p] = source->profiles[p];
	}
	if (r == 0)
		r = make_places(&grid, err);
	if (r == 0)
		r = add_limits(&grid, source, err);
	if (r < 0)
		return r;
	*ret = grid;
	return 0;
}

/* ---- asking ---- */

int dv_grid_find(const struct dv_grid *grid, const char *name)
{
	for (unsigned p = 0; p < grid->profile_count; p++)
		if (strcmp(grid->profiles[p].name, name) == 0)
			return (int)p;
	return -1;
}

int dv_grid_find_id(const struct dv_grid *grid, uint32_t id)
{
	for (unsigned p = 0; p < grid->profile_count; p++)
		if (grid->profiles[p].id == id)
			return (int)p;
	return -1;
}

int dv_grid_place_at(const struct dv_grid *grid, unsigned profile, unsigned start)
{
	uint32_t starts;

	if (profile >= grid->profile_count || start >= grid->cells)
		return -1;
	starts = grid->profiles[profile].starts;
	if (!(starts >> start & 1))
		return -1;
	return grid->first_place[profile] +
	       __builtin_popcount(starts & ((UINT32_C(1) << start) - 1));
}

static bool limits_allow(const struct dv_grid *grid, const struct dv_grid_state *state,
			 unsigned profile)
{
	for (unsigned i = 0; i < grid->limit_count; i++)
		if (state->used[i] + grid->limits[i].use[profile] > grid->limits[i].total &&
		    grid->limits[i].use[profile])
			return false;
	return true;
}

uint32_t dv_grid_starts(const struct dv_grid *grid, const struct dv_grid_state *state,
			unsigned profile)
{
	uint32_t free = ~state->cells & dv_grid_whole(grid);
	unsigned size = grid->profiles[profile].size, have = 1;

	if (!limits_allow(grid, state, profile))
		return 0;
	/* bit c of `free`: `have` cells from c on are free */
	while (have < size) {
		unsigned step = DV_MIN(have, size - have);

		free &= free >> step;
		have += step;
	}
	return free & grid->profiles[profile].starts;
}

bool dv_grid_fits(const struct dv_grid *grid, const struct dv_grid_state *state, unsigned place)
{
	return !(state->cells & grid->places[place].cells) &&
	       limits_allow(grid, state, grid->places[place].profile);
}

void dv_grid_take(const struct dv_grid *grid, struct dv_grid_state *state, unsigned place)
{
	unsigned profile = grid->places[place].profile;

	state->cells |= grid->places[place].cells;
	for (unsigned i = 0; i < grid->limit_count; i++)
		state->used[i] = (uint8_t)(state->used[i] + grid->limits[i].use[profile]);
}

void dv_grid_give(const struct dv_grid *grid, struct dv_grid_state *state, unsigned place)
{
	unsigned profile = grid->places[place].profile;

	state->cells &= ~grid->places[place].cells;
	for (unsigned i = 0; i < grid->limit_count; i++)
		state->used[i] = (uint8_t)(state->used[i] - grid->limits[i].use[profile]);
}

void dv_grid_block(struct dv_grid_state *state, uint32_t cells)
{
	state->cells |= cells;
}

bool dv_grid_counts_fit(const struct dv_grid *grid, const uint8_t *counts)
{
	for (unsigned i = 0; i < grid->limit_count; i++) {
		unsigned used = 0;

		for (unsigned p = 0; p < grid->profile_count; p++)
			used += (unsigned)grid->limits[i].use[p] * counts[p];
		if (used > grid->limits[i].total)
			return false;
	}
	return true;
}

bool dv_grid_state_same(const struct dv_grid_state *a, const struct dv_grid_state *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

unsigned dv_grid_room(const struct dv_grid *grid, const struct dv_grid_state *state,
		      unsigned profile)
{
	/* Of equal intervals, taking the one that ends first each time gives the most. */
	uint32_t starts = dv_grid_starts(grid, state, profile);
	unsigned size = grid->profiles[profile].size, count = 0;

	while (starts) {
		unsigned c = (unsigned)__builtin_ctz(starts);

		count++;
		starts &= c + size >= 32 ? 0 : ~interval(0, c + size);
	}
	for (unsigned i = 0; i < grid->limit_count; i++)
		if (grid->limits[i].use[profile]) {
			unsigned total = grid->limits[i].total;
			unsigned left = total - DV_MIN(total, state->used[i]);

			count = DV_MIN(count, left / grid->limits[i].use[profile]);
		}
	return count;
}
