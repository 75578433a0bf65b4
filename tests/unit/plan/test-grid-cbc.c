/* SPDX-License-Identifier: Apache-2.0 */
/* Batches of up to 64 GPUs against CBC, an integer programming solver that runs as a program of its
 * own; skipped where it is not installed. The model is made from every layout there is, found
 * without the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "../temporary.h"
#include "batches.h"
#include "cbc.h"
#include "grids.h"

enum { ROUNDS = 12, GPUS_MOST = 64 };

static struct dv_catalog *catalog;

/* The sets of instances that are possible beside what a GPU has, each once. */
static void sets_of(const struct dv_grid *grid, const struct layouts *all,
		    const struct dv_grid_state *state, struct layouts *ret)
{
	for (size_t i = 0; i < all->len; i++) {
		uint8_t counts[DV_GRID_PROFILES_MOST];
		uint64_t set = 0;
		uint32_t cells = 0;
		bool there = false;

		for (unsigned p = 0; p < grid->place_count; p++)
			if (all->items[i] >> p & 1)
				cells |= grid->places[p].cells;
		if (cells & state->cells)
			continue;
		layout_counts(grid, all->items[i], counts);
		for (unsigned p = 0; p < grid->profile_count; p++)
			set = set << 4 | counts[p];
		for (size_t k = 0; k < ret->len && !there; k++)
			there = ret->items[k] == set;
		if (!there)
			assert_int_equal(dv_vec_push(ret, set), 0);
	}
}

static unsigned count_in(uint64_t set, unsigned profile, unsigned profiles)
{
	return (unsigned)(set >> (4 * (profiles - 1 - profile)) & 15);
}

/* GPUs opened, and 1000 for each instance that is left out. A variable for each class and set. */
static void write_model(const struct dv_batch_input *input, const struct layouts *all,
			const char *path)
{
	const struct dv_grid *grid = input->grids[0];
	struct layouts *sets = calloc(input->gpu_count, sizeof(*sets));
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_non_null(sets);
	(void)fprintf(file, "Minimize\n obj: 0 zero");
	for (unsigned g = 0; g < input->gpu_count; g++) {
		sets_of(grid, all, &input->gpus[g].state, &sets[g]);
		/* GPUs of one state have one variable, with the first of them */
		for (unsigned k = 0; k < g; k++)
			if (dv_grid_state_same(&input->gpus[k].state, &input->gpus[g].state)) {
				sets[g].len = 0;
				break;
			}
		for (size_t c = 0; input->gpus[g].state.cells == 0 && c < sets[g].len; c++)
			if (sets[g].items[c])
				(void)fprintf(file, "\n + y%u_%zu", g, c);
	}
	for (unsigned i = 0; i < input->request_count; i++)
		(void)fprintf(file, "\n + 1000 s%u", i);
	(void)fprintf(file, "\nSubject To\n");
	for (unsigned i = 0; i < input->request_count; i++) {
		(void)fprintf(file, " d%u: s%u", i, i);
		for (unsigned g = 0; g < input->gpu_count; g++)
			for (size_t c = 0; c < sets[g].len; c++) {
				unsigned n = count_in(sets[g].items[c],
						      (unsigned)input->requests[i].profile[0],
						      grid->profile_count);

				if (n)
					(void)fprintf(file, "\n + %u y%u_%zu", n, g, c);
			}
		(void)fprintf(file, " >= %u\n", input->requests[i].count);
	}
	for (unsigned g = 0; g < input->gpu_count; g++) {
		unsigned alike = 0;

		if (!sets[g].len)
			continue;
		for (unsigned k = g; k < input->gpu_count; k++)
			alike += dv_grid_state_same(&input->gpus[k].state, &input->gpus[g].state);
		(void)fprintf(file, " c%u: 0 zero", g);
		for (size_t c = 0; c < sets[g].len; c++)
			(void)fprintf(file, "\n + y%u_%zu", g, c);
		(void)fprintf(file, " <= %u\n", alike);
	}
	(void)fprintf(file, "Generals\n");
	for (unsigned g = 0; g < input->gpu_count; g++)
		for (size_t c = 0; c < sets[g].len; c++)
			(void)fprintf(file, " y%u_%zu\n", g, c);
	for (unsigned i = 0; i < input->request_count; i++)
		(void)fprintf(file, " s%u\n", i);
	(void)fprintf(file, "End\n");
	for (unsigned g = 0; g < input->gpu_count; g++)
		dv_vec_fini(&sets[g]);
	free(sets);
	assert_int_equal(fclose(file), 0);
}

static void one_round(const struct dv_grid *grid, const struct layouts *all, const char *dir)
{
	struct dv_batch_gpu gpus[GPUS_MOST] = {0};
	struct dv_batch_request requests[DV_GRID_PROFILES_MOST] = {0};
	struct dv_batch_input input = {.grids = &grid,
				       .grid_count = 1,
				       .gpus = gpus,
				       .gpu_count = 4 + random_below(GPUS_MOST - 3),
				       .requests = requests,
				       .request_count = grid->profile_count};
	struct dv_batch batch = {0};
	char model[CBC_PATH_SIZE];
	unsigned left = 0, wanted;
	long best;

	for (unsigned g = 0; g < input.gpu_count; g++)
		for (unsigned n = random_below(2) ? random_below(4) : 0; n > 0; n--) {
			unsigned i = random_below(grid->place_count);

			if (dv_grid_fits(grid, &gpus[g].state, i))
				dv_grid_take(grid, &gpus[g].state, i);
		}
	for (unsigned i = 0; i < input.request_count; i++) {
		requests[i].profile[0] = (int)i;
		requests[i].value = 1; /* each that is left out counts the same */
	}
	wanted = input.gpu_count * (1 + random_below(3));
	for (unsigned n = 0; n < wanted; n++)
		requests[random_below(input.request_count)].count++;
	write_model(&input, all, cbc_model(dir, model));
	best = cbc_solve(dir);
	assert_int_equal(dv_batch_make(&input, &batch, NULL), 0);
	assert_carried_out(&input, &batch);
	for (unsigned i = 0; i < input.request_count; i++)
		left += batch.left[i];
	assert_int_not_equal(batch.bound, DV_BATCH_GAP);
	assert_int_equal(left, best / 1000);
	if (left == 0)
		assert_int_equal(batch.bound, DV_BATCH_PROVEN);
	if (batch.bound == DV_BATCH_PROVEN)
		assert_int_equal(batch.opened, best % 1000);
	assert_in_range(best % 1000, batch.least, batch.opened);
	dv_batch_fini(&batch);
}

static void test_against_cbc(void **state)
{
	static const char *const ids[] = {"a100-80", "a30-24", "h100-80-sxm"};
	static const char *const shapes[] = {BASE_SHAPES " 1g*2", "1g 2g 4g", BASE_SHAPES};
	char dir[64];

	(void)random_start("plan/grid-cbc");
	assert_int_equal(temporary_make(dir, sizeof(dir), "cbc"), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		unsigned i = round % DV_ARRAY_LEN(ids);
		struct dv_grid_source source;
		struct layouts all = {0};
		struct dv_grid grid;

		grid_source(catalog, ids[i], 0, shapes[i], &source);
		grid_made(&source, &grid);
		each_layout(&source, &all);
		one_round(&grid, &all, dir);
		dv_vec_fini(&all);
	}
	assert_int_equal(temporary_remove(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_cbc)};
	int r;

	if (!cbc_is_there())
		return CBC_SKIP;
	catalog = load_catalog();
	r = cmocka_run_group_tests_name("plan/grid-cbc", tests, NULL, NULL);
	dv_catalog_free(catalog);
	return r;
}
