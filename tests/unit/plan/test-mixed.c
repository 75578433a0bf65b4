/* SPDX-License-Identifier: Apache-2.0 */
/* Fleets that are too large to be searched through, of partitions, exact places, named GPUs, whole
 * GPUs and slices together, against CBC, an integer programming solver that runs as a program of
 * its own; skipped where it is not installed. The model knows MIG by cells and placements alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/str.h"
#include "cbc.h"
#include "model/units.h"
#include "random.h"
#include "world.h"

enum { ROUNDS = 40, GPUS_MOST = 6, WISHES_MOST = 12, CELLS = 8, LEFT_OUT = 1000 };

/* Tenants that are alike. */
struct wish {
	enum dv_method method;
	const struct dv_mig_profile *profile; /* of MIG */
	int start, gpu;			      /* -1: any */
	unsigned percent;		      /* of a slice */
	unsigned count;
};

struct puzzle {
	struct world world;
	unsigned gpu_count;
	uint32_t taken[GPUS_MOST]; /* cells of strangers */
	bool plain[GPUS_MOST];	   /* without MIG */
	struct wish wishes[WISHES_MOST];
	unsigned wish_count;
	unsigned tenants;
};

/* ---- a puzzle ---- */

static void add_gpus(struct puzzle *puzzle)
{
	char uuid[16];

	puzzle->gpu_count = 3 + random_below(GPUS_MOST - 2);
	for (unsigned g = 0; g < puzzle->gpu_count; g++) {
		struct dv_gpu *gpu;

		(void)snprintf(uuid, sizeof(uuid), "GPU-%u", g);
		puzzle->plain[g] = g > 0 && random_below(8) == 0;
		gpu = puzzle->plain[g] ? world_gpu(&puzzle->world, uuid, 80 * DV_GIB)
				       : world_mig(&puzzle->world, uuid, DV_MIG_OFF);
		if (puzzle->plain[g] || random_below(4))
			continue;
		/* Somebody's partition. */
		gpu->mig.mode = DV_MIG_ON;
		gpu->mig.instances[gpu->mig.instance_count++] = (struct dv_mig_instance){
			.profile = "2g.20gb", .profile_id = 14, .start = 2, .size = 2};
		puzzle->taken[g] = 0xc;
	}
}

static void random_wish(struct puzzle *puzzle, struct wish *wish)
{
	/* 1g, 1g double, 2g, 3g, 4g: see world_mig */
	static const unsigned profiles[] = {0, 0, 2, 3, 3, 4, 5};
	const struct dv_mig *mig = &puzzle->world.gpus.items[0].mig;
	unsigned what = random_below(10);

	*wish = (struct wish){.method = DV_METHOD_MIG, .start = -1, .gpu = -1};
	wish->count = 1 + random_below(6);
	if (random_below(4) == 0)
		wish->gpu = (int)random_below(puzzle->gpu_count);
	if (what == 0) {
		wish->method = DV_METHOD_PASSTHROUGH;
		wish->count = 1 + random_below(2);
		return;
	}
	if (what == 1) {
		wish->method = DV_METHOD_SLICE;
		wish->percent = 20 + 10 * random_below(4);
		return;
	}
	wish->profile = &mig->profiles[profiles[random_below(DV_ARRAY_LEN(profiles))]];
	if (random_below(3))
		return;
	wish->count = 1 + random_below(2);
	do
		wish->start = (int)random_below(CELLS);
	while (!(wish->profile->starts >> wish->start & 1));
}

static void write_wish(const struct wish *wish, unsigned i, struct dv_buf *text)
{
	char gpu[32] = "", start[32] = "";

	if (wish->gpu >= 0)
		(void)snprintf(gpu, sizeof(gpu), ", gpu: GPU-%d", wish->gpu);
	if (wish->start >= 0)
		(void)snprintf(start, sizeof(start), ", start: %d", wish->start);
	dv_buf_addf(text, "  - {name: w%u, count: %u%s", i, wish->count, gpu);
	if (wish->method == DV_METHOD_PASSTHROUGH)
		dv_buf_add(text, ", gpus: 1}\n");
	else if (wish->method == DV_METHOD_SLICE)
		dv_buf_addf(text, ", method: slice, needs: {memory: 1GiB, compute: %u%%}}\n",
			    wish->percent);
	else
		dv_buf_addf(text, ", method: mig, profile: %s%s}\n", wish->profile->name, start);
}

/* More tenants than a search of all packings takes. */
static void make_puzzle(struct puzzle *puzzle)
{
	struct dv_buf text = {0};

	add_gpus(puzzle);
	dv_buf_add(&text, "tenants:\n");
	while (puzzle->tenants < 17 && puzzle->wish_count < WISHES_MOST) {
		struct wish *wish = &puzzle->wishes[puzzle->wish_count];

		random_wish(puzzle, wish);
		write_wish(wish, puzzle->wish_count++, &text);
		puzzle->tenants += wish->count;
	}
	assert_false(text.failed);
	world_fleet(&puzzle->world, text.data);
	dv_buf_fini(&text);
}

/* ---- the oracle ---- */

static bool may(const struct puzzle *puzzle, const struct wish *wish, unsigned gpu, unsigned start)
{
	if ((wish->gpu >= 0 && wish->gpu != (int)gpu) ||
	    (wish->method == DV_METHOD_MIG ? puzzle->plain[gpu] : puzzle->taken[gpu] != 0))
		return false;
	return wish->method != DV_METHOD_MIG || ((wish->profile->starts >> start & 1) &&
						 (wish->start < 0 || wish->start == (int)start));
}

static unsigned starts_of(const struct wish *wish)
{
	return wish->method == DV_METHOD_MIG ? CELLS : 1;
}

/* x: so many of a wish on a GPU from a cell on; u: a GPU is used; s: it has slices; l: left out. */
static void write_demand(const struct puzzle *puzzle, FILE *file)
{
	for (unsigned w = 0; w < puzzle->wish_count; w++) {
		const struct wish *wish = &puzzle->wishes[w];

		(void)fprintf(file, " d%u: l%u", w, w);
		for (unsigned g = 0; g < puzzle->gpu_count; g++)
			for (unsigned c = 0; c < starts_of(wish); c++)
				if (may(puzzle, wish, g, c))
					(void)fprintf(file, " + x%u_%u_%u", w, g, c);
		(void)fprintf(file, " = %u\n", wish->count);
	}
}

static void write_cells(const struct puzzle *puzzle, unsigned g, FILE *file)
{
	for (unsigned cell = 0; cell < CELLS; cell++) {
		if (puzzle->taken[g] >> cell & 1) {
			(void)fprintf(file, " t%u_%u: u%u", g, cell, g);
		} else {
			(void)fprintf(file, " c%u_%u: s%u - u%u", g, cell, g, g);
		}
		for (unsigned w = 0; w < puzzle->wish_count; w++) {
			const struct wish *wish = &puzzle->wishes[w];

			for (unsigned c = 0; c < starts_of(wish); c++) {
				bool covers = wish->method == DV_METHOD_PASSTHROUGH ||
					      (wish->method == DV_METHOD_MIG && c <= cell &&
					       cell < c + wish->profile->size);

				if (!covers || !may(puzzle, wish, g, c))
					continue;
				/* on a stranger's cell there is nothing */
				(void)fprintf(file,
					      puzzle->taken[g] >> cell & 1 ? " + 1000 x%u_%u_%u"
									   : " + x%u_%u_%u",
					      w, g, c);
			}
		}
		(void)fprintf(file, puzzle->taken[g] >> cell & 1 ? " <= 1\n" : " <= 0\n");
	}
}

static void write_slices(const struct puzzle *puzzle, unsigned g, FILE *file)
{
	(void)fprintf(file, " s%u_: 0 zero", g);
	for (unsigned w = 0; w < puzzle->wish_count; w++) {
		const struct wish *wish = &puzzle->wishes[w];

		if (wish->method == DV_METHOD_SLICE && may(puzzle, wish, g, 0))
			(void)fprintf(file, " + %u x%u_%u_0", wish->percent, w, g);
	}
	(void)fprintf(file, " - 100 s%u <= 0\n", g);
}

static void write_model(const struct puzzle *puzzle, const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	(void)fprintf(file, "Minimize\n obj: 0 zero");
	for (unsigned g = 0; g < puzzle->gpu_count; g++)
		(void)fprintf(file, " + u%u", g);
	for (unsigned w = 0; w < puzzle->wish_count; w++)
		(void)fprintf(file, " + %d l%u", LEFT_OUT, w);
	(void)fprintf(file, "\nSubject To\n");
	write_demand(puzzle, file);
	for (unsigned g = 0; g < puzzle->gpu_count; g++) {
		write_cells(puzzle, g, file);
		write_slices(puzzle, g, file);
	}
	(void)fprintf(file, "Bounds\n");
	for (unsigned g = 0; g < puzzle->gpu_count; g++)
		(void)fprintf(file, " u%u <= 1\n s%u <= 1\n", g, g);
	(void)fprintf(file, "Generals\n");
	for (unsigned g = 0; g < puzzle->gpu_count; g++)
		(void)fprintf(file, " u%u\n s%u\n", g, g);
	for (unsigned w = 0; w < puzzle->wish_count; w++)
		for (unsigned g = 0; g < puzzle->gpu_count; g++)
			for (unsigned c = 0; c < starts_of(&puzzle->wishes[w]); c++)
				if (may(puzzle, &puzzle->wishes[w], g, c))
					(void)fprintf(file, " x%u_%u_%u\n", w, g, c);
	(void)fprintf(file, "End\n");
	assert_int_equal(fclose(file), 0);
}

static long ask_cbc(const struct puzzle *puzzle, const char *dir)
{
	char model[CBC_PATH_SIZE];

	write_model(puzzle, cbc_model(dir, model));
	return cbc_solve(dir);
}

/* ---- the test ---- */

static bool has_slices(const struct puzzle *puzzle)
{
	for (unsigned w = 0; w < puzzle->wish_count; w++)
		if (puzzle->wishes[w].method == DV_METHOD_SLICE)
			return true;
	return false;
}

/* Is it optimal, and said to be? What is said is true in any case. */
static void one_round(const char *dir, unsigned *optimal)
{
	struct puzzle puzzle = {0};
	struct dv_plan plan;
	long best, is;

	make_puzzle(&puzzle);
	best = ask_cbc(&puzzle, dir);
	world_plan(&puzzle.world, &plan);
	is = (long)plan.unplaced.len * LEFT_OUT + plan.gpus_used;
	assert_true(is >= best);
	if (plan.bound == DV_BOUND_OPTIMAL)
		assert_int_equal(is, best);
	if (plan.bound != DV_BOUND_HEURISTIC)
		assert_int_equal(plan.unplaced.len, best / LEFT_OUT);
	/* Of some tenants of many it is these that it is about. */
	if (plan.unplaced.len == 0) {
		assert_true((long)plan.bound_gpus <= best);
		assert_true(!plan.bound_proven || (long)plan.bound_gpus == best);
	}
	*optimal += plan.bound == DV_BOUND_OPTIMAL;
	if (!has_slices(&puzzle))
		assert_int_not_equal(plan.bound, DV_BOUND_HEURISTIC);
	world_apply(&puzzle.world, &plan, random_below);
	dv_plan_fini(&plan);
	world_fini(&puzzle.world);
}

static void test_against_cbc(void **state)
{
	char dir[64];
	unsigned optimal = 0;

	(void)random_start("plan/mixed");
	assert_int_equal(temporary_make(dir, sizeof(dir), "mixed"), 0);
	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(dir, &optimal);
	assert_int_equal(temporary_remove(dir), 0);
	printf("%u of %u are proven\n", optimal, ROUNDS);
	assert_true(optimal * 2 >= ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_cbc)};

	if (!cbc_is_there())
		return CBC_SKIP;
	return cmocka_run_group_tests_name("plan/mixed", tests, NULL, NULL);
}
