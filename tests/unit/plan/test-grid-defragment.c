/* SPDX-License-Identifier: Apache-2.0 */
/* What to move, and why something does not fit: moves are legal and do what they say; what would
 * make it fit is the least there is, against all sets of instances. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "grids.h"
#include "plan/grid-defragment.h"

static struct dv_catalog *catalog;

enum { GPUS = 4 };

struct world {
	struct dv_grid_instance instances[GPUS][DV_GRID_INSTANCES_MOST];
	struct dv_grid_gpu gpus[GPUS];
	struct dv_grid_state states[GPUS];
};

static void add(struct world *world, const struct dv_grid *grid, unsigned gpu, unsigned place,
		uint64_t weight)
{
	assert_true(dv_grid_fits(grid, &world->states[gpu], place));
	dv_grid_take(grid, &world->states[gpu], place);
	world->gpus[gpu].instances = world->instances[gpu];
	world->instances[gpu][world->gpus[gpu].count++] = (struct dv_grid_instance){
		.profile = grid->places[place].profile,
		.start = grid->places[place].start,
		.size = grid->profiles[grid->places[place].profile].size,
		.weight = weight,
	};
}

static void random_world(const struct dv_grid *grid, struct world *world)
{
	*world = (struct world){0};
	for (unsigned g = 0; g < GPUS; g++)
		for (unsigned n = random_below(9); n > 0; n--) {
			unsigned place = random_below(grid->place_count);

			if (!dv_grid_fits(grid, &world->states[g], place))
				continue;
			add(world, grid, g, place, 1 + random_below(9));
			world->instances[g][world->gpus[g].count - 1].pinned = random_below(4) == 0;
		}
}

static bool fits_anywhere(const struct dv_grid *grid, const struct dv_grid_state *states,
			  unsigned profile)
{
	for (unsigned g = 0; g < GPUS; g++)
		if (dv_grid_starts(grid, &states[g], profile))
			return true;
	return false;
}

static uint64_t all_rooms(const struct dv_grid *grid, const struct dv_grid_state *states,
			  unsigned profile)
{
	uint64_t sum = 0;

	for (unsigned g = 0; g < GPUS; g++)
		sum += dv_grid_room(grid, &states[g], profile);
	return sum;
}

static void do_move(const struct dv_grid *grid, struct world *world,
		    const struct dv_online_move *move)
{
	int from = dv_grid_place_at(grid, move->profile, move->from_start);
	int to = dv_grid_place_at(grid, move->profile, move->to_start);

	assert_true(from >= 0 && to >= 0);
	dv_grid_give(grid, &world->states[move->from_gpu], (unsigned)from);
	assert_true(dv_grid_fits(grid, &world->states[move->to_gpu], (unsigned)to));
	dv_grid_take(grid, &world->states[move->to_gpu], (unsigned)to);
	for (unsigned i = 0; i < world->gpus[move->from_gpu].count; i++)
		if (world->instances[move->from_gpu][i].start == move->from_start)
			assert_false(world->instances[move->from_gpu][i].pinned);
}

static void check_defragment(const struct dv_grid *grid)
{
	unsigned most = random_below(6);
	struct dv_defragment result;
	struct world world;
	bool fitted;
	int wanted;

	random_world(grid, &world);
	wanted = (int)random_below(grid->profile_count + 1) - 1;
	fitted = wanted >= 0 && fits_anywhere(grid, world.states, (unsigned)wanted);
	assert_int_equal(dv_grid_defragment(grid, world.gpus, GPUS,
					    &(struct dv_defragment_wish){wanted, NULL, most},
					    &result, NULL),
			 0);
	assert_true(result.count <= most);
	for (unsigned p = 0; p < grid->profile_count; p++)
		assert_int_equal(result.room_before[p], all_rooms(grid, world.states, p));
	for (unsigned i = 0; i < result.count; i++)
		do_move(grid, &world, &result.moves[i]);
	for (unsigned p = 0; p < grid->profile_count; p++)
		assert_int_equal(result.room_after[p], all_rooms(grid, world.states, p));
	if (wanted < 0)
		return;
	if (fitted)
		assert_int_equal(result.count, 0);
	assert_int_equal(result.fits, fits_anywhere(grid, world.states, (unsigned)wanted));
	if (result.fits)
		assert_true(
			dv_grid_starts(grid, &world.states[result.choice.gpu], (unsigned)wanted) >>
				result.choice.start &
			1);
}

/* The least weight of instances of the GPU that may end, so that the profile fits. */
static uint64_t least_end(const struct dv_grid *grid, const struct world *world, unsigned g,
			  unsigned profile)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t set = 0; set < 1u << world->gpus[g].count; set++) {
		struct dv_grid_state state = world->states[g];
		uint64_t weight = 0;
		bool pinned = false;

		for (unsigned i = 0; i < world->gpus[g].count; i++) {
			const struct dv_grid_instance *it = &world->instances[g][i];

			if (!(set >> i & 1))
				continue;
			pinned = pinned || it->pinned;
			weight += it->weight;
			dv_grid_give(
				grid, &state,
				(unsigned)dv_grid_place_at(grid, (unsigned)it->profile, it->start));
		}
		if (!pinned && weight < best && dv_grid_starts(grid, &state, profile))
			best = weight;
	}
	return best;
}

static void check_why(const struct dv_grid *grid, unsigned limits)
{
	unsigned profile = random_below(grid->profile_count);
	uint64_t weight = 0, best = UINT64_MAX;
	struct dv_grid_why why;
	struct world world;

	random_world(grid, &world);
	assert_int_equal(dv_grid_explain(grid, world.gpus, GPUS, profile, &why, NULL), 0);
	assert_int_equal(why.kind == DV_GRID_WHY_FITS, fits_anywhere(grid, world.states, profile));
	assert_true(why.text[0]);
	if (why.kind == DV_GRID_WHY_FITS)
		return;
	if (why.instead >= 0) {
		assert_true(fits_anywhere(grid, world.states, (unsigned)why.instead));
		assert_true(why.fix[0]);
	}
	for (unsigned i = 0; i < world.gpus[why.gpu].count; i++)
		if (why.end >> i & 1)
			weight += world.instances[why.gpu][i].weight;
	if (why.kind == DV_GRID_WHY_CELLS)
		for (unsigned g = 0; g < GPUS; g++)
			best = DV_MIN(best, least_end(grid, &world, g, profile));
	else
		best = least_end(grid, &world, why.gpu, profile);
	assert_int_equal(why.end == 0, best == UINT64_MAX);
	/* several limits at once are met one after the other: then it may be more than the least */
	if (why.end && limits < 2)
		assert_int_equal(weight, best);
	if (why.end)
		assert_true(why.fix[0]);
}

static void test_random(void **state)
{
	(void)random_start("plan/grid-defragment");
	for (unsigned round = 0; round < 150; round++) {
		struct dv_grid_source source;
		struct dv_grid grid;

		grid_random(8, 5, &source);
		grid_made(&source, &grid);
		for (unsigned i = 0; i < 4; i++)
			check_defragment(&grid);
		if (grid.limit_count == 0)
			for (unsigned i = 0; i < 10; i++)
				check_why(&grid, grid.limit_count);
	}
}

static void test_catalogue(void **state)
{
	static const char *const ids[] = {"a100-80", "h100-80-sxm", "a30-24"};

	(void)random_start("plan/grid-defragment catalogue");
	for (size_t i = 0; i < DV_ARRAY_LEN(ids); i++) {
		struct dv_grid grid;

		grid_of(catalog, ids[i], 0, NULL, &grid);
		for (unsigned round = 0; round < 60; round++)
			check_defragment(&grid);
		for (unsigned round = 0; round < 200; round++)
			check_why(&grid, grid.limit_count);
	}
}

static unsigned place(const struct dv_grid *grid, const char *name, unsigned start)
{
	int profile = dv_grid_find(grid, name), at;

	assert_true(profile >= 0);
	at = dv_grid_place_at(grid, (unsigned)profile, start);
	assert_true(at >= 0);
	return (unsigned)at;
}

/* 1g left at 0, 1 and 5: five slices are free and no half is. */
static void test_left_over(void **state)
{
	struct world world = {0};
	struct dv_defragment result;
	struct dv_grid_why why;
	struct dv_grid grid;
	unsigned four;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	four = (unsigned)dv_grid_find(&grid, "4g.20gb");
	add(&world, &grid, 0, place(&grid, "1g.5gb", 0), 5);
	add(&world, &grid, 0, place(&grid, "1g.5gb", 1), 5);
	add(&world, &grid, 0, place(&grid, "1g.5gb", 5), 1);
	assert_int_equal(dv_grid_explain(&grid, world.gpus, 1, four, &why, NULL), 0);
	assert_int_equal(why.kind, DV_GRID_WHY_FRAGMENTED);
	assert_int_equal(why.free, 5);
	assert_int_equal(why.end, 3);
	assert_string_equal(why.fix, "end on GPU 0: 1g.5gb at 0, 1g.5gb at 1; or take another one: "
				     "2g.10gb fits now");
	assert_int_equal(dv_grid_defragment(&grid, world.gpus, 1,
					    &(struct dv_defragment_wish){(int)four, NULL, 1},
					    &result, NULL),
			 0);
	assert_false(result.fits);
	assert_int_equal(dv_grid_defragment(&grid, world.gpus, 1,
					    &(struct dv_defragment_wish){(int)four, NULL, 2},
					    &result, NULL),
			 0);
	assert_true(result.fits);
	assert_int_equal(result.count, 2);
	assert_int_equal(result.room_before[four], 0);
	assert_int_equal(result.room_after[four], 1);
}

static void test_limit(void **state)
{
	struct world world = {0};
	struct dv_grid_why why;
	struct dv_grid grid;
	unsigned me;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	me = (unsigned)dv_grid_find(&grid, "1g.5gb+me");
	add(&world, &grid, 0, place(&grid, "1g.5gb+me", 0), 5);
	assert_int_equal(dv_grid_explain(&grid, world.gpus, 1, me, &why, NULL), 0);
	assert_int_equal(why.kind, DV_GRID_WHY_LIMIT);
	assert_string_equal(why.text, "memory slices are free for 1g.5gb+me, but the GPU's 1 "
				      "instances of 1g.5gb+me are used up");
	assert_int_equal(dv_grid_explain(&grid, world.gpus, 0, me, &why, NULL), 0);
	assert_int_equal(why.kind, DV_GRID_WHY_NO_GPU);
	assert_int_equal(dv_grid_explain(&grid, world.gpus, 1, 99, &why, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_catalogue),
		cmocka_unit_test(test_left_over),
		cmocka_unit_test(test_limit),
	};
	int r;

	catalog = load_catalog();
	r = cmocka_run_group_tests_name("plan/grid-defragment", tests, NULL, NULL);
	dv_catalog_free(catalog);
	return r;
}
