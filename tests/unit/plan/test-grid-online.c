/* SPDX-License-Identifier: Apache-2.0 */
/* Placement of requests one by one: always legal, refused only where nothing fits, and the same
 * calls give the same answers; moves make room wherever one can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "grids.h"
#include "plan/grid-layout.h"
#include "plan/grid-online.h"
#include "plan/grid-value.h"

static struct dv_catalog *catalog;

enum { GPUS = 6 };

/* What the test knows to be on each GPU. */
struct mirror {
	const struct dv_grid *grid;
	struct dv_grid_state states[GPUS];
	uint8_t there[GPUS][DV_GRID_PLACES_MOST];
	uint32_t pinned[GPUS];
};

static unsigned place_of(const struct mirror *mirror, unsigned profile, unsigned start)
{
	int place = dv_grid_place_at(mirror->grid, profile, start);

	assert_true(place >= 0);
	return (unsigned)place;
}

static void mirror_take(struct mirror *mirror, unsigned gpu, unsigned profile, unsigned start)
{
	unsigned place = place_of(mirror, profile, start);

	assert_true(dv_grid_fits(mirror->grid, &mirror->states[gpu], place));
	dv_grid_take(mirror->grid, &mirror->states[gpu], place);
	mirror->there[gpu][place] = 1;
}

static void mirror_give(struct mirror *mirror, unsigned gpu, unsigned profile, unsigned start)
{
	unsigned place = place_of(mirror, profile, start);

	assert_true(mirror->there[gpu][place]);
	assert_false(mirror->pinned[gpu] & mirror->grid->places[place].cells);
	dv_grid_give(mirror->grid, &mirror->states[gpu], place);
	mirror->there[gpu][place] = 0;
}

static bool fits_anywhere(const struct mirror *mirror, unsigned profile)
{
	for (unsigned g = 0; g < GPUS; g++)
		if (dv_grid_starts(mirror->grid, &mirror->states[g], profile))
			return true;
	return false;
}

/* Is there an instance whose move to any other place makes room for the profile? */
static bool one_move_helps(const struct mirror *mirror, unsigned profile)
{
	const struct dv_grid *grid = mirror->grid;
	struct mirror try = *mirror;

	for (unsigned g = 0; g < GPUS; g++)
		for (unsigned i = 0; i < grid->place_count; i++) {
			uint32_t starts;

			if (!mirror->there[g][i] || (mirror->pinned[g] & grid->places[i].cells))
				continue;
			dv_grid_give(grid, &try.states[g], i);
			starts = dv_grid_starts(grid, &try.states[g], profile);
			for (; starts; starts &= starts - 1) {
				unsigned place =
					place_of(mirror, profile, (unsigned)__builtin_ctz(starts));
				bool fits;

				dv_grid_take(grid, &try.states[g], place);
				fits = fits_anywhere(&try, grid->places[i].profile);
				dv_grid_give(grid, &try.states[g], place);
				if (fits)
					return true;
			}
			dv_grid_take(grid, &try.states[g], i);
		}
	return false;
}

static void assert_same_states(const struct dv_online *online, const struct mirror *mirror)
{
	for (unsigned g = 0; g < GPUS; g++)
		assert_true(dv_grid_state_same(dv_online_state(online, g), &mirror->states[g]));
}

static void do_moves(struct dv_online *online, struct mirror *mirror,
		     const struct dv_online_moves *moves)
{
	for (unsigned i = 0; i < moves->count; i++) {
		const struct dv_online_move *move = &moves->moves[i];

		mirror_give(mirror, move->from_gpu, move->profile, move->from_start);
		mirror_take(mirror, move->to_gpu, move->profile, move->to_start);
	}
	assert_true(dv_online_apply(online, moves));
	assert_same_states(online, mirror);
}

static void make_room(struct dv_online *online, struct mirror *mirror, unsigned profile,
		      unsigned most)
{
	struct dv_online_moves moves;
	struct dv_online_choice choice;
	int r = dv_online_make_room(online, profile, most, &moves, &choice);

	assert_same_states(online, mirror);
	if (most == 1)
		assert_int_equal(r == 0, one_move_helps(mirror, profile));
	if (r != 0)
		return;
	assert_in_range(moves.count, 1, most);
	do_moves(online, mirror, &moves);
	assert_true(dv_online_take(online, choice.gpu, profile, choice.start));
	mirror_take(mirror, choice.gpu, profile, choice.start);
}

static void arrive(struct dv_online *online, struct mirror *mirror, unsigned profile)
{
	struct dv_online_choice choice = {.gpu = 4711};
	int r = dv_online_place(online, profile, &choice);

	assert_same_states(online, mirror);
	assert_int_equal(r == 0, fits_anywhere(mirror, profile));
	if (r != 0) {
		assert_int_equal(choice.gpu, 4711);
		make_room(online, mirror, profile, 1 + random_below(3));
		return;
	}
	assert_true(dv_online_take(online, choice.gpu, profile, choice.start));
	assert_false(dv_online_take(online, choice.gpu, profile, choice.start));
	mirror_take(mirror, choice.gpu, profile, choice.start);
}

static void leave(struct dv_online *online, struct mirror *mirror)
{
	unsigned gpu = random_below(GPUS), place = random_below(mirror->grid->place_count);
	const struct dv_grid_place *at = &mirror->grid->places[place];
	bool there = mirror->there[gpu][place];

	mirror->pinned[gpu] &= there ? ~at->cells : UINT32_MAX;
	assert_int_equal(dv_online_give(online, gpu, at->profile, at->start), there);
	if (there)
		mirror_give(mirror, gpu, at->profile, at->start);
}

static void improve(struct dv_online *online, struct mirror *mirror)
{
	struct dv_online_moves moves;
	int r = dv_online_improve(online, 0.05, &moves);

	assert_same_states(online, mirror);
	if (r != 0)
		return;
	assert_int_equal(moves.count, 1);
	assert_true(moves.gain > 0.05);
	do_moves(online, mirror, &moves);
}

static void pin(struct dv_online *online, struct mirror *mirror)
{
	unsigned gpu = random_below(GPUS);

	mirror->pinned[gpu] = random_below(2) ? 0 : 1u << random_below(mirror->grid->cells);
	dv_online_pin(online, gpu, mirror->pinned[gpu]);
}

/* A foreign instance comes to GPU 0, which is empty. */
static void block(struct dv_online *online, struct mirror *mirror)
{
	struct dv_grid_instance foreign = {
		.profile = DV_GRID_FOREIGN,
		.start = random_below(mirror->grid->cells),
		.size = 1,
	};

	assert_int_equal(dv_online_set(online, 0, &foreign, 1, NULL), 0);
	dv_grid_block(&mirror->states[0], 1u << foreign.start);
	assert_same_states(online, mirror);
}

static void one_cluster(const struct dv_grid *grid, unsigned rounds)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	struct mirror mirror = {.grid = grid};
	double mix[DV_GRID_PROFILES_MOST];

	for (unsigned p = 0; p < grid->profile_count; p++)
		mix[p] = random_below(4);
	assert_int_equal(dv_online_new(grid, random_below(2) ? mix : NULL, GPUS, &online, NULL), 0);
	if (random_below(2))
		block(online, &mirror);
	for (unsigned i = 0; i < rounds; i++) {
		unsigned what = random_below(20);

		if (what < 11)
			arrive(online, &mirror, random_below(grid->profile_count));
		else if (what < 17)
			leave(online, &mirror);
		else if (what < 19)
			improve(online, &mirror);
		else
			pin(online, &mirror);
	}
	if (random_below(4) == 0)
		assert_int_equal(dv_online_learn(online, mix, NULL), 0);
	arrive(online, &mirror, 0);
}

static void test_catalogue(void **state)
{
	static const char *const ids[] = {"a100-80", "h100-80-sxm", "a30-24", "rtxpro6000-96"};

	(void)random_start("plan/grid-online");
	for (size_t i = 0; i < DV_ARRAY_LEN(ids); i++) {
		struct dv_grid grid;

		grid_of(catalog, ids[i], 0, NULL, &grid);
		one_cluster(&grid, 1500);
	}
}

static void test_random(void **state)
{
	(void)random_start("plan/grid-online random");
	for (unsigned round = 0; round < 60; round++) {
		struct dv_grid_source source;
		struct dv_grid grid;

		grid_random(8, 5, &source);
		grid_made(&source, &grid);
		one_cluster(&grid, 150);
	}
}

/* Too many layouts for a table: 32 cells, and more than 64 places. */
static void test_wide(void **state)
{
	(void)random_start("plan/grid-online wide");
	for (unsigned round = 0; round < 8; round++) {
		struct dv_grid_source source = {.cells = 32, .profile_count = 4};
		struct dv_layouts layouts;
		struct dv_grid grid;

		for (unsigned p = 0; p < 4; p++) {
			source.profiles[p].size = 1u << p;
			source.profiles[p].starts = p == 3 ? 0x01010101
							   : UINT32_MAX >> ((1u << p) - 1);
		}
		grid_made(&source, &grid);
		assert_int_equal(dv_layouts_make(&grid, 0, &layouts, NULL), 1);
		one_cluster(&grid, 300);
	}
}

/* The numbered layouts are those of the enumeration, and edges lead where they should. */
static void test_layouts(void **state)
{
	(void)random_start("plan/grid-online layouts");
	for (unsigned round = 0; round < 60; round++) {
		struct dv_layouts layouts = {0};
		struct dv_grid_source source;
		struct layouts all = {0};
		struct dv_grid grid;

		grid_random(8, 5, &source);
		grid_made(&source, &grid);
		each_layout(&source, &all);
		if (all.len <= DV_LAYOUTS_MOST) {
			assert_int_equal(dv_layouts_make(&grid, 0, &layouts, NULL), 0);
			assert_int_equal(layouts.count, all.len);
		}
		for (unsigned at = 0; at < layouts.count; at++)
			for (unsigned i = 0; i < grid.place_count; i++) {
				uint16_t to = dv_layout_edge(&layouts, at, i);
				bool may = (layouts.places[at] >> i & 1) ||
					   dv_grid_fits(&grid, &layouts.states[at], i);

				assert_int_equal(to != DV_LAYOUT_NONE, may);
				if (may)
					assert_true(layouts.places[to] ==
						    (layouts.places[at] ^ UINT64_C(1) << i));
			}
		dv_layouts_fini(&layouts);
		dv_vec_fini(&all);
	}
}

/* What a layout is worth falls with each instance that comes, and an empty GPU's is the most. */
static void test_values(void **state)
{
	static float values[8 * DV_LAYOUTS_MOST];
	static const double mix[8] = {3, 1, 2, 2, 1, 1, 1, 1};
	struct dv_layouts layouts;
	struct dv_grid grid;

	grid_of(catalog, "a100-80", 0, NULL, &grid);
	assert_int_equal(dv_layouts_make(&grid, 0, &layouts, NULL), 0);
	assert_int_equal(dv_layouts_value(&grid, &layouts, mix, values, DV_LAYOUTS_MOST, NULL), 0);
	for (unsigned at = 0; at < layouts.count; at++)
		for (unsigned i = 0; i < grid.place_count; i++) {
			uint16_t to = dv_layout_edge(&layouts, at, i);
			float here = 0, there = 0;

			if (to == DV_LAYOUT_NONE || (layouts.places[at] >> i & 1))
				continue;
			for (unsigned p = 0; p < grid.profile_count; p++) {
				float size = (float)grid.profiles[p].size;

				here += size * values[p * DV_LAYOUTS_MOST + at];
				there += size * values[p * DV_LAYOUTS_MOST + to];
			}
			assert_true(there < here);
		}
	dv_layouts_fini(&layouts);
}

static void test_same_answers(void **state)
{
	dv_cleanup(dv_online_freep) struct dv_online *a = NULL, *b = NULL;
	struct dv_grid grid;

	(void)random_start("plan/grid-online same");
	grid_of(catalog, "a100-80", 0, NULL, &grid);
	assert_int_equal(dv_online_new(&grid, NULL, 20, &a, NULL), 0);
	assert_int_equal(dv_online_new(&grid, NULL, 20, &b, NULL), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct dv_online_choice x = {0}, y = {0};
		unsigned p = random_below(grid.profile_count);
		int r = dv_online_place(a, p, &x);

		assert_int_equal(dv_online_place(b, p, &y), r);
		if (r != 0)
			continue;
		assert_int_equal(x.gpu, y.gpu);
		assert_int_equal(x.start, y.start);
		assert_true(dv_online_take(a, x.gpu, p, x.start));
		assert_true(dv_online_take(b, y.gpu, p, y.start));
	}
}

/* 1g goes where it spoils nothing: to the GPU that is in use already, beside what is there. */
static void test_packs(void **state)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	struct dv_online_choice choice;
	struct dv_grid grid;
	unsigned one, two;

	grid_of(catalog, "a100-80", 0, NULL, &grid);
	one = (unsigned)dv_grid_find(&grid, "1g.10gb");
	two = (unsigned)dv_grid_find(&grid, "2g.20gb");
	assert_int_equal(dv_online_new(&grid, NULL, 3, &online, NULL), 0);
	assert_true(dv_online_take(online, 1, two, 4));
	assert_int_equal(dv_online_place(online, one, &choice), 0);
	assert_int_equal(choice.gpu, 1);
	assert_int_equal(choice.start, 6);
	assert_false(dv_online_take(online, 1, two, 4));
	assert_false(dv_online_take(online, 3, two, 4));
	assert_false(dv_online_give(online, 0, two, 4));
}

static void test_refused(void **state)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	struct dv_grid_instance bad = {.profile = 0, .start = 7, .size = 1};
	struct dv_online_choice choice;
	struct dv_grid grid;

	grid_of(catalog, "a100-80", 0, NULL, &grid);
	assert_int_equal(dv_online_new(&grid, NULL, 0, &online, NULL), -EINVAL);
	assert_int_equal(dv_online_new(&grid, NULL, DV_ONLINE_GPUS_MOST + 1, &online, NULL),
			 -E2BIG);
	assert_null(online);
	assert_int_equal(dv_online_new(&grid, NULL, 2, &online, NULL), 0);
	assert_true(dv_online_take(online, 0, 0, 2));
	assert_int_equal(dv_online_set(online, 0, &bad, 1, NULL), -EINVAL);
	assert_int_equal(dv_online_state(online, 0)->cells, 4);
	assert_int_equal(dv_online_place(online, 99, &choice), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),	  cmocka_unit_test(test_values),
		cmocka_unit_test(test_catalogue), cmocka_unit_test(test_random),
		cmocka_unit_test(test_wide),	  cmocka_unit_test(test_same_answers),
		cmocka_unit_test(test_packs),	  cmocka_unit_test(test_refused),
	};
	int r;

	catalog = load_catalog();
	r = cmocka_run_group_tests_name("plan/grid-online", tests, NULL, NULL);
	dv_catalog_free(catalog);
	return r;
}
