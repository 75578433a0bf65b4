/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_plan.h"

#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "base/where.h"
#include "bench/plan-cases.h"
#include "cli/bench_words.h"
#include "cli/facts.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "config.h"

#define PREFIX "plan/"
/* The GPU whose grid the cases are about. */
#define MODEL "a100-80"

enum { QUICK_SEEDS = 3 };

static bool chosen(const struct dv_bench_options *o, const struct dv_plan_case *c)
{
	return dv_plan_case_chosen(c, o->prefixes, o->prefix_count) && (!o->quick || c->quick);
}

static bool any_chosen(const struct dv_bench_options *o)
{
	struct dv_plan_case c;

	for (unsigned i = 0; dv_plan_case(i, &c); i++)
		if (chosen(o, &c))
			return true;
	return false;
}

int dv_bench_plan_asked(const struct dv_bench_options *options, bool *ret, struct dv_error *err)
{
	static const struct dv_bench_family family = {PREFIX, "of the planner",
						      "they measure no device", any_chosen};

	return dv_bench_family_asked(&family, options, ret, err);
}

void dv_bench_plan_list(const struct dv_bench_options *options, struct dv_table *table,
			struct dv_json *json)
{
	struct dv_plan_case c;

	for (unsigned i = 0; dv_plan_case(i, &c); i++) {
		if (!chosen(options, &c))
			continue;
		dv_table_add(table, "%s", c.name);
		dv_table_add(table, "%s", c.what);
		dv_json_object(json, NULL);
		dv_json_text(json, "case", c.name);
		dv_json_text(json, "what", c.what);
		dv_json_bool(json, "quick", c.quick);
		dv_json_end(json);
	}
}

static int load_grids(struct dv_plan_grids *ret, struct dv_error *err)
{
	dv_cleanup(dv_catalog_freep) struct dv_catalog *catalog = NULL;
	const struct dv_cat_gpu *gpu;
	int r = dv_facts_load(dv_where(DV_WHERE_DATA), &catalog, err);

	if (r < 0)
		return r;
	gpu = dv_catalog_by_id(catalog, MODEL);
	if (!gpu)
		return dv_error_set(err, -ENOENT, "the catalogue has no " MODEL);
	return dv_plan_grids_of(gpu, ret, err);
}

static void show_progress(struct dv_cli *cli, const struct dv_bench *bench, size_t from)
{
	const struct dv_result *first = &bench->results.items[from];

	dv_outf(&cli->err, "%-40s ", first->name);
	for (size_t i = from; i < bench->results.len; i++)
		if (!strstr(bench->results.items[i].metric, "_ci95"))
			dv_outf(&cli->err, "%s%s %.4g %s", i > from ? ", " : "",
				bench->results.items[i].metric, bench->results.items[i].value,
				bench->results.items[i].unit);
	dv_outf(&cli->err, "\n");
}

int dv_bench_plan_measure(struct dv_cli *cli, const struct dv_bench_options *options,
			  struct dv_bench *bench, struct dv_error *err)
{
	dv_autofree struct dv_plan_grids *grids = malloc(sizeof(*grids));
	unsigned seeds = options->quick ? QUICK_SEEDS : DV_PLAN_SEEDS_MOST;
	time_t now = time(NULL);
	struct dv_plan_case c;
	struct tm utc;
	int r;

	if (!grids)
		return dv_error_set(err, -ENOMEM, "no memory for the planner's bench");
	r = load_grids(grids, err);
	(void)dv_copy(bench->device, sizeof(bench->device), "the planner, no device");
	(void)dv_copy(bench->version, sizeof(bench->version), DV_VERSION);
	if (gmtime_r(&now, &utc))
		(void)strftime(bench->date, sizeof(bench->date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	for (unsigned i = 0; r == 0 && dv_plan_case(i, &c); i++) {
		size_t from = bench->results.len;

		if (!chosen(options, &c))
			continue;
		r = dv_plan_case_run(&c, grids, options->runs ? options->runs : seeds, bench, err);
		if (r == 0)
			show_progress(cli, bench, from);
	}
	return r;
}

int dv_bench_plan_table(struct dv_cli *cli, const struct dv_bench *bench, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"CASE"}, {"METRIC"}, {"VALUE", .right = true}, {"UNIT"}, {"RUNS", .right = true}};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < bench->results.len; i++) {
		const struct dv_result *result = &bench->results.items[i];

		dv_table_add(&table, "%s", result->name);
		dv_table_add(&table, "%s", result->metric);
		dv_table_add(&table, "%.6g", result->value);
		dv_table_add(&table, "%s", result->unit);
		dv_table_add(&table, "%u", result->n);
	}
	return dv_table_print(&table, &cli->out, 0, err);
}
