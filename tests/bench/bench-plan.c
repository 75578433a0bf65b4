/* SPDX-License-Identifier: Apache-2.0 */
/* All cases of the planner's bench, with all seeds: `bench-plan [--json|--table] [--seeds N]
 * [CASE...]`.
 * --table: how the policies compare, as Markdown, with differences over the same requests. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/str.h"
#include "bench/plan-cases.h"
#include "bench/plan-sim.h"
#include "catalog/catalog.h"
#include "config.h"

static int load(const char *id, struct dv_plan_grids *ret, struct dv_error *err)
{
	static const char *const files[] = {"sources.yaml", "compute-instances.yaml"};
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	int r = dv_catalog_new(&catalog, err);

	for (size_t i = 0; r == 0 && i <= DV_ARRAY_LEN(files); i++) {
		dv_autofree char *text = NULL;
		char path[512];
		size_t len = 0;

		if (i < DV_ARRAY_LEN(files))
			(void)snprintf(path, sizeof(path), "%s/data/gpus/%s", DV_SOURCE_DIR,
				       files[i]);
		else
			(void)snprintf(path, sizeof(path), "%s/data/gpus/%s.yaml", DV_SOURCE_DIR,
				       id);
		r = dv_file_read(path, DV_CATALOG_FILE_MOST, &text, &len, err);
		if (r == 0)
			r = dv_catalog_add(catalog, text, len, path, err);
	}
	if (r == 0)
		r = dv_catalog_seal(catalog, err);
	return r < 0 ? r : dv_plan_grids_of(dv_catalog_by_id(catalog, id), ret, err);
}

/* ---- the table ---- */

struct compared {
	char where[64]; /* "uniform/1.0" */
	double memory[DV_BENCH_POLICY_COUNT][DV_PLAN_SEEDS_MOST];
	double count[DV_BENCH_POLICY_COUNT], moves;
};

static double mean(const double *values, unsigned count)
{
	double sum = 0;

	for (unsigned i = 0; i < count; i++)
		sum += values[i];
	return sum / count;
}

static void print_head(void)
{
	printf("| mix/load |");
	for (unsigned p = 0; p < DV_BENCH_POLICY_COUNT; p++)
		printf(" %s |", dv_bench_policy_name((enum dv_policy_kind)p));
	printf(" divvy over the best baseline | of the way to repack | moves an arrival |\n|---");
	for (unsigned p = 0; p < DV_BENCH_POLICY_COUNT + 3; p++)
		printf("|---");
	printf("|\n");
}

static void print_row(const struct compared *c, unsigned seeds)
{
	double difference[DV_PLAN_SEEDS_MOST], best_mean, ceiling;
	unsigned best = 0;

	for (unsigned p = 0; p < DV_BENCH_REPACK; p++)
		if (mean(c->memory[p], seeds) > mean(c->memory[best], seeds))
			best = p;
	best_mean = mean(c->memory[best], seeds);
	ceiling = mean(c->memory[DV_BENCH_REPACK], seeds);
	printf("| %s |", c->where);
	for (unsigned p = 0; p < DV_BENCH_POLICY_COUNT; p++)
		printf(" %.4f / %.4f |", c->count[p], mean(c->memory[p], seeds));
	for (unsigned s = 0; s < seeds; s++)
		difference[s] = c->memory[DV_BENCH_DIVVY][s] - c->memory[best][s];
	printf(" %+.4f +- %.4f (%s) | %.0f %% | %.2f |\n", mean(difference, seeds),
	       dv_plan_half_width(difference, seeds),
	       dv_bench_policy_name((enum dv_policy_kind)best),
	       100 * (mean(c->memory[DV_BENCH_DIVVY_MOVE1], seeds) - best_mean) /
		       (ceiling - best_mean),
	       c->moves);
	(void)fflush(stdout);
}

static int print_table(const struct dv_plan_grids *grids, unsigned seeds, struct dv_error *err)
{
	struct compared now = {0};
	struct dv_plan_case c;
	int r = 0;

	print_head();
	for (unsigned i = 0; r == 0 && dv_plan_case(i, &c); i++) {
		if (!dv_plan_case_is_online(&c))
			continue;
		now.count[c.policy] = now.moves = 0;
		for (unsigned s = 0; r == 0 && s < seeds; s++) {
			struct dv_plan_sim_result result = {0};

			r = dv_plan_case_once(&c, grids, s, &result, err);
			now.memory[c.policy][s] = result.accepted_memory;
			now.count[c.policy] += result.accepted / seeds;
			now.moves += result.moves / seeds;
		}
		if (c.policy + 1 < DV_BENCH_POLICY_COUNT)
			continue;
		(void)snprintf(now.where, sizeof(now.where), "%.*s",
			       (int)(strrchr(c.name, '/') - c.name - 12), c.name + 12);
		print_row(&now, seeds);
	}
	return r;
}

int main(int argc, char **argv)
{
	struct dv_plan_grids *grids = calloc(1, sizeof(*grids));
	struct dv_bench bench = {.device = "none: pure planning", .version = DV_VERSION};
	struct dv_error err = {0};
	struct dv_plan_case c;
	unsigned seeds = DV_PLAN_SEEDS_MOST;
	bool json = false, table = false;
	char *text = NULL;
	int first = 1, r;

	for (; first < argc && argv[first][0] == '-'; first++) {
		if (strcmp(argv[first], "--json") == 0)
			json = true;
		else if (strcmp(argv[first], "--table") == 0)
			table = true;
		else if (strcmp(argv[first], "--seeds") == 0 && first + 1 < argc)
			seeds = (unsigned)strtoul(argv[++first], NULL, 10);
		else
			return 2;
	}
	r = grids ? load("a100-80", grids, &err) : -ENOMEM;
	seeds = DV_MAX(1u, DV_MIN(seeds, (unsigned)DV_PLAN_SEEDS_MOST));
	if (r == 0 && table)
		r = print_table(grids, seeds, &err);
	for (unsigned i = 0; r == 0 && !table && dv_plan_case(i, &c); i++) {
		size_t from = bench.results.len;

		if (!dv_plan_case_chosen(&c, (const char *const *)&argv[first],
					 (size_t)(argc - first)))
			continue;
		r = dv_plan_case_run(&c, grids, seeds, &bench, &err);
		for (; !json && r == 0 && from < bench.results.len; from++)
			printf("%-44s %-22s %12.6g %s\n", bench.results.items[from].name,
			       bench.results.items[from].metric, bench.results.items[from].value,
			       bench.results.items[from].unit);
		(void)fflush(stdout);
	}
	if (r == 0 && json)
		r = dv_api_bench_encode(&bench, &text, &err);
	if (r == 0 && json)
		printf("%s\n", text);
	if (r < 0)
		(void)fprintf(stderr, "bench-plan: %s\n", err.msg);
	free(text);
	free(grids);
	dv_vec_fini(&bench.results);
	return r < 0;
}
