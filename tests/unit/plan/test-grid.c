/* SPDX-License-Identifier: Apache-2.0 */
/* Grids: what the catalogue's GPUs come to, and that the engine allows exactly what the data says,
 * on them and on random ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "grids.h"

static struct dv_catalog *catalog;

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static size_t distinct(struct layouts *values)
{
	size_t count = 0;

	qsort(values->items, values->len, sizeof(*values->items), compare_u64);
	for (size_t i = 0; i < values->len; i++)
		count += i == 0 || values->items[i] != values->items[i - 1];
	return count;
}

struct figures {
	size_t layouts, maximal, maximal_multisets, multisets, masks;
};

/* Counted by walking through the engine's states, not by the enumeration of grids.h. */
static void walk(const struct dv_grid *grid, struct dv_grid_state *state, uint64_t layout,
		 unsigned from, struct layouts *sets)
{
	uint8_t counts[DV_GRID_PROFILES_MOST];
	uint64_t multiset = 0;
	bool full = true;

	layout_counts(grid, layout, counts);
	for (unsigned p = 0; p < grid->profile_count; p++)
		multiset = multiset << 4 | counts[p];
	for (unsigned i = 0; i < grid->place_count; i++)
		full = full && !dv_grid_fits(grid, state, i);
	assert_int_equal(dv_vec_push(&sets[0], layout), 0);
	assert_int_equal(dv_vec_push(&sets[1], multiset), 0);
	assert_int_equal(dv_vec_push(&sets[2], state->cells), 0);
	if (full) {
		assert_int_equal(dv_vec_push(&sets[3], layout), 0);
		assert_int_equal(dv_vec_push(&sets[4], multiset), 0);
	}
	for (unsigned i = from; i < grid->place_count; i++) {
		if (!dv_grid_fits(grid, state, i))
			continue;
		dv_grid_take(grid, state, i);
		walk(grid, state, layout | UINT64_C(1) << i, i + 1, sets);
		dv_grid_give(grid, state, i);
	}
}

static struct figures count(const struct dv_grid *grid)
{
	struct layouts sets[5] = {0};
	struct dv_grid_state state = {0};
	struct figures figures;

	walk(grid, &state, 0, 0, sets);
	figures = (struct figures){.layouts = distinct(&sets[0]),
				   .multisets = distinct(&sets[1]),
				   .masks = distinct(&sets[2]),
				   .maximal = distinct(&sets[3]),
				   .maximal_multisets = distinct(&sets[4])};
	for (unsigned i = 0; i < 5; i++)
		dv_vec_fini(&sets[i]);
	return figures;
}

static void assert_figures(const char *id, unsigned driver, const char *shapes, struct figures want)
{
	struct figures got;
	struct dv_grid grid;

	grid_of(catalog, id, driver, shapes, &grid);
	got = count(&grid);
	assert_int_equal(got.layouts, want.layouts);
	assert_int_equal(got.maximal, want.maximal);
	if (want.maximal_multisets)
		assert_int_equal(got.maximal_multisets, want.maximal_multisets);
	if (want.multisets)
		assert_int_equal(got.multisets, want.multisets);
	if (want.masks)
		assert_int_equal(got.masks, want.masks);
}

/* "18" and "19" of the literature are both right: the difference is 4g beside 3g. */
static void test_counts(void **state)
{
	static const char *const eight[] = {"a100-40",	"a100-80",   "h100-80-sxm", "h100-94",
					    "gh200-96", "h200-141",  "b200-180",    "gb200-186",
					    "b300-269", "gb300-278", "h20-96"};

	for (size_t i = 0; i < DV_ARRAY_LEN(eight); i++) {
		assert_figures(eight[i], 0, BASE_SHAPES, (struct figures){298, 19, 14, 38, 144});
		assert_figures(eight[i], 0, BASE_SHAPES " 1g*2",
			       (struct figures){723, 78, 38, 0, 192});
	}
	assert_figures("a100-40", 470, BASE_SHAPES, (struct figures){297, 18, 13, 37, 0});
	assert_figures("a100-40", 510, BASE_SHAPES, (struct figures){298, 19, 14, 38, 144});
	assert_figures("a30-24", 0, "1g 2g 4g", (struct figures){26, 5, 4, 0, 0});
}

/* What the placements say already is no limit of its own: the 7 compute slices, the 7 instances. */
static void test_implied(void **state)
{
	struct dv_grid grid;

	grid_of(catalog, "h100-80-sxm", 0, BASE_SHAPES " 1g*2", &grid);
	assert_int_equal(grid.limit_count, 0);
	grid_of(catalog, "h100-80-sxm", 0, NULL, &grid);
	assert_int_equal(grid.limit_count,
			 1); /* 1g+me once; the optical flow engine says the same */
	assert_int_equal(grid.limits[0].kind, DV_GRID_LIMIT_PROFILE);
	assert_int_equal(grid.limits[0].total, 1);
}

/* Take instances of these profiles at the first start each; false where one does not fit. */
static bool take_all(const struct dv_grid *grid, const char *const *names)
{
	struct dv_grid_state state = {0};

	for (; *names; names++) {
		int p = dv_grid_find(grid, *names);
		uint32_t starts;

		if (p < 0)
			fail_msg("no profile %s", *names);
		starts = dv_grid_starts(grid, &state, (unsigned)p);
		if (!starts)
			return false;
		dv_grid_take(grid, &state,
			     (unsigned)dv_grid_place_at(grid, (unsigned)p,
							(unsigned)__builtin_ctz(starts)));
	}
	return true;
}

#define TOGETHER(grid, ...) take_all(grid, (const char *const[]){__VA_ARGS__, NULL})

static void test_engines(void **state)
{
	struct dv_grid grid;

	grid_of(catalog, "rtxpro6000-96", 0, NULL, &grid);
	assert_int_equal(grid.cells, 12);
	assert_true(TOGETHER(&grid, "1g.24gb", "1g.24gb", "1g.24gb", "1g.24gb"));
	assert_true(TOGETHER(&grid, "1g.24gb+me", "1g.24gb", "1g.24gb+gfx", "1g.24gb"));
	assert_false(TOGETHER(&grid, "1g.24gb+me", "1g.24gb+me"));
	/* +me.all takes every engine: all others are without */
	assert_true(TOGETHER(&grid, "1g.24gb+me.all", "1g.24gb-me", "2g.48gb-me"));
	assert_false(TOGETHER(&grid, "1g.24gb+me.all", "1g.24gb"));
	assert_false(TOGETHER(&grid, "1g.24gb", "2g.48gb+me.all"));
	assert_false(TOGETHER(&grid, "2g.48gb+me.all", "1g.24gb+me"));
	assert_true(TOGETHER(&grid, "2g.48gb", "2g.48gb+gfx"));
	assert_false(TOGETHER(&grid, "4g.96gb", "1g.24gb-me"));

	grid_of(catalog, "a30-24", 0, NULL, &grid);
	assert_true(TOGETHER(&grid, "1g.6gb", "1g.6gb+me", "2g.12gb"));
	assert_false(TOGETHER(&grid, "2g.12gb+me", "1g.6gb+me"));
}

static void test_driver(void **state)
{
	struct dv_grid grid;

	grid_of(catalog, "a100-80", 470, NULL, &grid);
	assert_false(TOGETHER(&grid, "4g.40gb", "3g.40gb"));
	assert_true(TOGETHER(&grid, "3g.40gb", "3g.40gb"));
	assert_true(TOGETHER(&grid, "4g.40gb", "2g.20gb", "1g.10gb"));
	grid_of(catalog, "a100-80", 510, NULL, &grid);
	assert_true(TOGETHER(&grid, "4g.40gb", "3g.40gb"));
}

static void test_unknown_places(void **state)
{
	const struct dv_cat_gpu *gpu = dv_catalog_by_id(catalog, "thor-gb10b");
	struct dv_grid_source source = {.cells = 4711};
	struct dv_error err = {0};

	assert_int_equal(dv_grid_source_of(&gpu->mig, 0, &source, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "M03");
	assert_true(err.fix[0]);
	assert_int_equal(source.cells, 4711);
}

/* Against the enumeration that knows nothing of states and limits. */
static void assert_exact(const struct dv_grid_source *source)
{
	struct layouts all = {0}, walked[5] = {0};
	struct dv_grid_state state = {0};
	struct dv_grid grid;

	grid_made(source, &grid);
	each_layout(source, &all);
	walk(&grid, &state, 0, 0, walked);
	assert_true(dv_grid_state_same(&state, &(struct dv_grid_state){0}));
	assert_int_equal(distinct(&all), all.len);
	assert_int_equal(distinct(&walked[0]), walked[0].len);
	assert_int_equal(all.len, walked[0].len);
	assert_memory_equal(all.items, walked[0].items, all.len * sizeof(*all.items));
	for (unsigned i = 0; i < 5; i++)
		dv_vec_fini(&walked[i]);
	dv_vec_fini(&all);
}

static void test_catalogue_exact(void **state)
{
	unsigned seen = 0;

	for (size_t i = 0; dv_catalog_gpu(catalog, i); i++) {
		const struct dv_cat_gpu *gpu = dv_catalog_gpu(catalog, i);
		struct dv_grid_source source;

		if (!gpu->has_mig || gpu->mig.places == DV_CAT_NO_PLACES)
			continue;
		assert_int_equal(dv_grid_source_of(&gpu->mig, 0, &source, NULL), 0);
		assert_exact(&source);
		assert_int_equal(dv_grid_source_of(&gpu->mig, 460, &source, NULL), 0);
		assert_exact(&source);
		seen++;
	}
	assert_true(seen >= 15);
}

/* b200-180: each profile is said to have the one decoder that the whole GPU has; seven 1g are said
 * to be possible all the same. */
static void test_contradiction(void **state)
{
	struct dv_grid_source source;

	grid_source(catalog, "b200-180", 0, NULL, &source);
	assert_int_equal(source.engines[DV_GRID_DECODE], 0);
	assert_int_equal(source.engines[DV_GRID_OPTICAL_FLOW], 1);
	grid_source(catalog, "h100-80-sxm", 0, NULL, &source);
	assert_int_equal(source.engines[DV_GRID_DECODE], 7);
}

/* The engines' counts never forbid what the placements of the plain profiles allow. */
static void test_engines_are_enough(void **state)
{
	static const char *const plain[] = {"a100-40", "h100-80-sxm", "a30-24", "rtxpro6000-96"};

	for (size_t i = 0; i < DV_ARRAY_LEN(plain); i++) {
		struct dv_grid grid;

		grid_of(catalog, plain[i], 0, "1g 1g*2 2g 3g 4g 7g", &grid);
		assert_int_equal(grid.limit_count, 0);
	}
}

static void test_random_exact(void **state)
{
	(void)random_start("plan/grid exact");
	for (unsigned round = 0; round < 300; round++) {
		struct dv_grid_source source;
		struct layouts all = {0};

		grid_random(8, 5, &source);
		each_layout(&source, &all);
		if (all.len < 5000)
			assert_exact(&source);
		dv_vec_fini(&all);
	}
}

static unsigned naive_room(const struct dv_grid *grid, struct dv_grid_state *state,
			   unsigned profile)
{
	unsigned best = 0;

	for (unsigned i = grid->first_place[profile]; i < grid->first_place[profile + 1]; i++) {
		unsigned n;

		if (!dv_grid_fits(grid, state, i))
			continue;
		dv_grid_take(grid, state, i);
		n = 1 + naive_room(grid, state, profile);
		dv_grid_give(grid, state, i);
		best = DV_MAX(best, n);
	}
	return best;
}

/* Starts and room against trying, in states with cells of others too; up to 32 cells wide. */
static void test_random_starts(void **state)
{
	(void)random_start("plan/grid starts");
	for (unsigned round = 0; round < 2000; round++) {
		unsigned most = round % 2 ? 32 : 8;
		struct dv_grid_source source;
		struct dv_grid_state now = {0};
		struct dv_grid grid;

		grid_random(most, 6, &source);
		grid_made(&source, &grid);
		for (unsigned n = random_below(8); n > 0; n--) {
			unsigned i = random_below(grid.place_count);

			if (dv_grid_fits(&grid, &now, i))
				dv_grid_take(&grid, &now, i);
		}
		if (random_below(3) == 0)
			dv_grid_block(&now, (uint32_t)random_u64() & (uint32_t)random_u64() &
						    dv_grid_whole(&grid));
		for (unsigned p = 0; p < grid.profile_count; p++) {
			uint32_t starts = 0;

			for (unsigned i = grid.first_place[p]; i < grid.first_place[p + 1]; i++) {
				assert_int_equal(dv_grid_place_at(&grid, p, grid.places[i].start),
						 i);
				if (dv_grid_fits(&grid, &now, i))
					starts |= UINT32_C(1) << grid.places[i].start;
			}
			assert_int_equal(dv_grid_starts(&grid, &now, p), starts);
			if (most == 8)
				assert_int_equal(dv_grid_room(&grid, &now, p),
						 naive_room(&grid, &now, p));
		}
	}
}

static void test_refused(void **state)
{
	struct dv_grid_source good, bad;
	struct dv_grid grid = {.cells = 4711};

	grid_source(catalog, "a100-40", 470, NULL, &good);
	bad = good;
	bad.cells = 0;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad.cells = 33;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -E2BIG);
	bad = good;
	bad.profiles[0].starts |= 1u << 8;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad = good;
	bad.profiles[0].starts = 0;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad = good;
	bad.profiles[0].size = 9;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad.profiles[0].size = UINT32_MAX;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad = good;
	bad.profile_count = DV_GRID_PROFILES_MOST + 1;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -E2BIG);
	bad = good;
	bad.engines[0] = 1000;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -E2BIG);
	bad = good;
	assert_int_equal(good.pair_count, 1);
	bad.pairs[0].first = bad.pairs[0].second;
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	bad.pairs[0].first = 0; /* 1g: seven at once */
	assert_int_equal(dv_grid_make(&bad, &grid, NULL), -EINVAL);
	assert_int_equal(grid.cells, 4711);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),		cmocka_unit_test(test_implied),
		cmocka_unit_test(test_engines),		cmocka_unit_test(test_driver),
		cmocka_unit_test(test_unknown_places),	cmocka_unit_test(test_contradiction),
		cmocka_unit_test(test_catalogue_exact), cmocka_unit_test(test_engines_are_enough),
		cmocka_unit_test(test_random_exact),	cmocka_unit_test(test_random_starts),
		cmocka_unit_test(test_refused),
	};
	int r;

	catalog = load_catalog();
	r = cmocka_run_group_tests_name("plan/grid", tests, NULL, NULL);
	dv_catalog_free(catalog);
	return r;
}
