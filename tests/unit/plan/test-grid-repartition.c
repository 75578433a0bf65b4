/* SPDX-License-Identifier: Apache-2.0 */
/* Repartition of one GPU: the least is destroyed, against every layout there is, and the steps can
 * be done one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "grids.h"

static struct dv_catalog *catalog;

/* The least that has to be destroyed, by looking at every layout; false: there is none. */
static bool least(const struct dv_grid *grid, const struct layouts *all, uint64_t from,
		  const uint64_t *weights, const uint8_t *wanted, uint64_t *ret_weight,
		  unsigned *ret_count)
{
	bool found = false;

	for (size_t i = 0; i < all->len; i++) {
		uint8_t counts[DV_GRID_PROFILES_MOST];
		uint64_t gone = from & ~all->items[i], weight = 0;
		unsigned count = (unsigned)__builtin_popcountll(gone);

		layout_counts(grid, all->items[i], counts);
		if (memcmp(counts, wanted, grid->profile_count) != 0)
			continue;
		for (unsigned p = 0; p < grid->place_count; p++)
			if (gone >> p & 1)
				weight += weights[p];
		if (!found || weight < *ret_weight ||
		    (weight == *ret_weight && count < *ret_count)) {
			*ret_weight = weight;
			*ret_count = count;
		}
		found = true;
	}
	return found;
}

/* Do the steps in order and see that each is legal, and what comes of them is what was wanted. */
static void assert_steps(const struct dv_grid *grid, const struct dv_grid_instance *instances,
			 unsigned count, const uint8_t *wanted, const struct dv_grid_change *change)
{
	struct dv_grid_state state;
	uint8_t have[DV_GRID_PROFILES_MOST] = {0};
	uint32_t alive = count ? UINT32_MAX >> (32 - count) : 0, succeeded = 0;
	unsigned destroyed = 0;
	uint64_t weight = 0;

	assert_int_equal(dv_grid_state_of(grid, instances, count, &state, NULL), 0);
	for (unsigned i = 0; i < count; i++)
		if (instances[i].profile >= 0)
			have[instances[i].profile]++;
	for (unsigned s = 0; s < change->step_count; s++) {
		const struct dv_grid_step *step = &change->steps[s];
		int place = dv_grid_place_at(grid, step->profile, step->start);

		assert_true(place >= 0);
		assert_int_equal(step->needs >> s, 0);
		if (step->create) {
			assert_true(dv_grid_fits(grid, &state, (unsigned)place));
			dv_grid_take(grid, &state, (unsigned)place);
			have[step->profile]++;
			if (step->instance >= 0) {
				assert_int_equal(instances[step->instance].profile, step->profile);
				assert_false(change->kept >> step->instance & 1);
				assert_false(succeeded >> step->instance & 1);
				succeeded |= UINT32_C(1) << step->instance;
			}
			continue;
		}
		assert_true(alive >> step->instance & 1);
		assert_false(change->kept >> step->instance & 1);
		assert_false(instances[step->instance].pinned);
		assert_int_equal(instances[step->instance].profile, step->profile);
		assert_int_equal(instances[step->instance].start, step->start);
		alive &= ~(UINT32_C(1) << step->instance);
		weight += instances[step->instance].weight;
		destroyed++;
		have[step->profile]--;
		dv_grid_give(grid, &state, (unsigned)place);
	}
	assert_int_equal(alive, change->kept);
	assert_int_equal(destroyed, change->destroyed);
	assert_int_equal(weight, change->weight);
	assert_memory_equal(have, wanted, grid->profile_count);
}

/* Any order that respects `needs` is legal: here the latest step first that may be. */
static void assert_needs(const struct dv_grid *grid, const struct dv_grid_instance *instances,
			 unsigned count, const struct dv_grid_change *change)
{
	struct dv_grid_state state;
	uint64_t done = 0;

	assert_int_equal(dv_grid_state_of(grid, instances, count, &state, NULL), 0);
	for (unsigned n = 0; n < change->step_count; n++) {
		unsigned s = change->step_count;
		const struct dv_grid_step *step;
		unsigned place;

		while (s-- > 0)
			if (!(done >> s & 1) && !(change->steps[s].needs & ~done))
				break;
		assert_true(s < change->step_count);
		step = &change->steps[s];
		place = (unsigned)dv_grid_place_at(grid, step->profile, step->start);
		done |= UINT64_C(1) << s;
		if (step->create) {
			assert_true(dv_grid_fits(grid, &state, place));
			dv_grid_take(grid, &state, place);
		} else {
			dv_grid_give(grid, &state, place);
		}
	}
}

struct sums {
	unsigned pairs, existing, destroyed, must_move;
};

static void one_pair(const struct dv_grid *grid, const struct layouts *all, uint64_t from,
		     const uint8_t *wanted, struct sums *sums)
{
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	unsigned count = layout_instances(grid, from, instances), want_count = 0;
	uint64_t weights[64], want_weight = 0;
	struct dv_grid_change change;

	for (unsigned i = 0; i < 64; i++)
		weights[i] = 1;
	assert_true(least(grid, all, from, weights, wanted, &want_weight, &want_count));
	assert_int_equal(dv_grid_repartition(grid, instances, count, wanted, &change, NULL), 0);
	assert_int_equal(change.destroyed, want_count);
	assert_steps(grid, instances, count, wanted, &change);
	assert_needs(grid, instances, count, &change);
	sums->pairs++;
	sums->existing += count;
	sums->destroyed += change.destroyed;
}

static void multisets_of(const struct dv_grid *grid, const struct layouts *all, struct layouts *ret)
{
	for (size_t i = 0; i < all->len; i++) {
		uint8_t counts[DV_GRID_PROFILES_MOST], other[DV_GRID_PROFILES_MOST];
		bool there = false;

		layout_counts(grid, all->items[i], counts);
		for (size_t k = 0; k < ret->len && !there; k++) {
			layout_counts(grid, ret->items[k], other);
			there = memcmp(counts, other, sizeof(counts)) == 0;
		}
		if (!there)
			assert_int_equal(dv_vec_push(ret, all->items[i]), 0);
	}
}

static bool feasible(const struct dv_grid *grid, const struct layouts *sets, const uint8_t *counts)
{
	for (size_t i = 0; i < sets->len; i++) {
		uint8_t other[DV_GRID_PROFILES_MOST];

		layout_counts(grid, sets->items[i], other);
		if (memcmp(counts, other, sizeof(other)) == 0)
			return true;
	}
	return false;
}

/* All 11,324 pairs of a layout and a feasible set on the base grid of 8; a tool that destroys
 * everything when the sets differ destroys 97.4 %, 100 % and 100 % of what is there. */
static void test_all_pairs(void **state)
{
	struct layouts all = {0}, sets = {0};
	struct sums any = {0}, add = {0}, drop = {0};
	struct dv_grid_source source;
	struct dv_grid grid;

	grid_source(catalog, "a100-40", 0, BASE_SHAPES, &source);
	grid_made(&source, &grid);
	each_layout(&source, &all);
	multisets_of(&grid, &all, &sets);
	assert_int_equal(all.len, 298);
	assert_int_equal(sets.len, 38);
	for (size_t i = 0; i < all.len; i++) {
		uint8_t counts[DV_GRID_PROFILES_MOST];

		for (size_t k = 0; k < sets.len; k++) {
			layout_counts(&grid, sets.items[k], counts);
			one_pair(&grid, &all, all.items[i], counts, &any);
		}
		layout_counts(&grid, all.items[i], counts);
		for (unsigned p = 0; p < grid.profile_count; p++) {
			counts[p]++;
			if (all.items[i] && feasible(&grid, &sets, counts))
				one_pair(&grid, &all, all.items[i], counts, &add);
			counts[p]--;
			if (!counts[p])
				continue;
			counts[p]--;
			one_pair(&grid, &all, all.items[i], counts, &drop);
			counts[p]++;
		}
	}
	assert_int_equal(any.pairs, 11324);
	assert_int_equal(any.existing, 38190);
	assert_int_equal(any.destroyed, 23130);
	assert_int_equal(add.pairs, 749);
	assert_int_equal(add.existing, 2279);
	assert_int_equal(add.destroyed, 383);
	assert_int_equal(drop.pairs, 463);
	assert_int_equal(drop.existing, 1570);
	assert_int_equal(drop.destroyed, 463);
	dv_vec_fini(&all);
	dv_vec_fini(&sets);
}

static void random_pair(const struct dv_grid_source *source, const struct dv_grid *grid,
			const struct layouts *all)
{
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	uint64_t from = all->items[random_below((unsigned)all->len)], weights[64], weight = 0;
	unsigned count = layout_instances(grid, from, instances), destroyed = 0, at = 0;
	uint8_t wanted[DV_GRID_PROFILES_MOST];
	struct dv_grid_change change, again;
	struct dv_error err = {0};
	bool can;
	int r;

	for (unsigned i = 0; i < grid->place_count; i++) {
		weights[i] =
			dv_grid_weight(random_below(2), (uint16_t)random_below(3), random_below(5));
		if (from >> i & 1)
			instances[at++].weight = weights[i];
	}
	layout_counts(grid, all->items[random_below((unsigned)all->len)], wanted);
	if (random_below(3) == 0)
		wanted[random_below(grid->profile_count)]++;
	can = least(grid, all, from, weights, wanted, &weight, &destroyed);
	r = dv_grid_repartition(grid, instances, count, wanted, &change, &err);
	if (!can) {
		assert_int_equal(r, -ENOSPC);
		assert_string_equal(err.rule, "M04");
		assert_true(err.fix[0]);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(change.weight, weight);
	assert_int_equal(change.destroyed, destroyed);
	assert_steps(grid, instances, count, wanted, &change);
	assert_needs(grid, instances, count, &change);
	assert_int_equal(dv_grid_repartition(grid, instances, count, wanted, &again, NULL), 0);
	assert_memory_equal(&change, &again, sizeof(change));
}

/* Weights, side limits, grids that no GPU has. */
static void test_random(void **state)
{
	(void)random_start("plan/grid-repartition");
	for (unsigned round = 0; round < 400; round++) {
		struct dv_grid_source source;
		struct layouts all = {0};
		struct dv_grid grid;

		grid_random(8, 5, &source);
		grid_made(&source, &grid);
		each_layout(&source, &all);
		for (unsigned i = 0; i < 10 && all.len < 5000; i++)
			random_pair(&source, &grid, &all);
		dv_vec_fini(&all);
	}
}

/* The driver's grids with all their profiles: +me, +me.all, -me, +gfx. */
static void test_catalogue(void **state)
{
	static const char *const ids[] = {"a100-40", "h100-80-sxm", "a30-24", "rtxpro6000-96"};

	(void)random_start("plan/grid-repartition catalogue");
	for (size_t i = 0; i < DV_ARRAY_LEN(ids); i++) {
		struct dv_grid_source source;
		struct layouts all = {0};
		struct dv_grid grid;

		grid_source(catalog, ids[i], 0, NULL, &source);
		grid_made(&source, &grid);
		each_layout(&source, &all);
		for (unsigned round = 0; round < 300; round++)
			random_pair(&source, &grid, &all);
		dv_vec_fini(&all);
	}
}

static int made(const char *const *names, const unsigned *starts, unsigned count,
		const struct dv_grid *grid, struct dv_grid_instance *instances)
{
	for (unsigned i = 0; i < count; i++) {
		int p = dv_grid_find(grid, names[i]);

		assert_true(p >= 0);
		instances[i] = (struct dv_grid_instance){.profile = p,
							 .start = starts[i],
							 .size = grid->profiles[p].size,
							 .weight = 1};
	}
	return (int)count;
}

/* Who moves goes over before the old place ends, wherever there is room for both. */
static void test_goes_over(void **state)
{
	struct dv_grid_instance instances[2];
	uint8_t wanted[DV_GRID_PROFILES_MOST] = {0};
	struct dv_grid_change change;
	struct dv_grid grid;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	(void)made((const char *const[]){"1g.5gb", "1g.5gb"}, (const unsigned[]){0, 1}, 2, &grid,
		   instances);
	wanted[dv_grid_find(&grid, "1g.5gb")] = 2;
	wanted[dv_grid_find(&grid, "4g.20gb")] = 1;
	assert_int_equal(dv_grid_repartition(&grid, instances, 2, wanted, &change, NULL), 0);
	assert_int_equal(change.step_count, 5);
	for (unsigned s = 0; s < 4; s += 2) {
		assert_true(change.steps[s].create);
		assert_false(change.steps[s + 1].create);
		assert_int_equal(change.steps[s].instance, change.steps[s + 1].instance);
		assert_true(change.steps[s].start >= 4);
	}
	assert_true(change.steps[4].create);
	assert_string_equal(grid.profiles[change.steps[4].profile].name, "4g.20gb");
	assert_int_equal(change.steps[4].needs, 1u << 1 | 1u << 3);
}

/* +me exists once: its move cannot overlap, whatever the cells are. */
static void test_only_one(void **state)
{
	struct dv_grid_instance instances[1];
	uint8_t wanted[DV_GRID_PROFILES_MOST] = {0};
	struct dv_grid_change change;
	struct dv_grid grid;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	(void)made((const char *const[]){"1g.5gb+me"}, (const unsigned[]){2}, 1, &grid, instances);
	wanted[dv_grid_find(&grid, "1g.5gb+me")] = 1;
	wanted[dv_grid_find(&grid, "4g.20gb")] = 1;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, NULL), 0);
	assert_int_equal(change.destroyed, 1);
	assert_false(change.steps[0].create);
	assert_int_equal(change.steps[1].instance >= 0 ? change.steps[1].instance
						       : change.steps[2].instance,
			 0);
}

static void test_pinned_and_foreign(void **state)
{
	struct dv_grid_instance instances[2];
	uint8_t wanted[DV_GRID_PROFILES_MOST] = {0};
	struct dv_grid_change change = {.destroyed = 4711};
	struct dv_error err = {0};
	struct dv_grid grid;
	unsigned one, four;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	one = (unsigned)dv_grid_find(&grid, "1g.5gb");
	four = (unsigned)dv_grid_find(&grid, "4g.20gb");
	(void)made((const char *const[]){"1g.5gb"}, (const unsigned[]){0}, 1, &grid, instances);
	instances[0].pinned = true;
	wanted[one] = wanted[four] = 1;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, &err), -ENOSPC);
	assert_string_equal(err.rule, "M04");
	wanted[one] = 0;
	dv_error_clear(&err);
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, &err), -EBUSY);
	assert_string_equal(err.rule, "S14");
	assert_int_equal(change.destroyed, 4711);

	instances[0].pinned = false;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, &err), 0);
	instances[0].profile = DV_GRID_FOREIGN;
	dv_error_clear(&err);
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, &err), -ENOSPC);
	wanted[four] = 0;
	wanted[dv_grid_find(&grid, "3g.20gb")] = 1;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, NULL), 0);
	assert_int_equal(change.kept, 1);
	assert_int_equal(change.step_count, 1);
	assert_int_equal(change.steps[0].start, 4);
}

static void test_bad_instances(void **state)
{
	struct dv_grid_instance instances[2];
	uint8_t wanted[DV_GRID_PROFILES_MOST] = {0};
	struct dv_grid_change change;
	struct dv_grid grid;

	grid_of(catalog, "a100-40", 0, NULL, &grid);
	(void)made((const char *const[]){"3g.20gb", "1g.5gb"}, (const unsigned[]){0, 3}, 2, &grid,
		   instances);
	assert_int_equal(dv_grid_repartition(&grid, instances, 2, wanted, &change, NULL), -EINVAL);
	instances[0].start = 1;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, NULL), -EINVAL);
	instances[0].start = 6;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, NULL), -EINVAL);
	instances[0].profile = 77;
	instances[0].start = 0;
	assert_int_equal(dv_grid_repartition(&grid, instances, 1, wanted, &change, NULL), -EINVAL);
	assert_int_equal(dv_grid_repartition(&grid, instances, 33, wanted, &change, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_pairs),     cmocka_unit_test(test_random),
		cmocka_unit_test(test_catalogue),     cmocka_unit_test(test_goes_over),
		cmocka_unit_test(test_only_one),      cmocka_unit_test(test_pinned_and_foreign),
		cmocka_unit_test(test_bad_instances),
	};
	int r;

	catalog = load_catalog();
	r = cmocka_run_group_tests_name("plan/grid-repartition", tests, NULL, NULL);
	dv_catalog_free(catalog);
	return r;
}
