/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "bench/cuda-bench.h"
#include "cli/bench_stop.h"
#include "cli/bench_words.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "config.h"

#define PREFIX "cuda/"

static struct dv_cuda_bench_options ours(const struct dv_bench_options *o)
{
	return (struct dv_cuda_bench_options){.prefixes = o->prefixes,
					      .prefix_count = o->prefix_count,
					      .quick = o->quick,
					      .runs = o->runs};
}

static bool any_chosen(const struct dv_bench_options *options)
{
	const struct dv_cuda_bench_options o = ours(options);
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++)
		if (dv_cuda_bench_has(&o, &cases[i]))
			return true;
	return false;
}

int dv_bench_cuda_asked(const struct dv_bench_options *options, bool *ret, struct dv_error *err)
{
	static const struct dv_bench_family family = {PREFIX, "of NVIDIA's GPUs",
						      "they measure another device", any_chosen};

	return dv_bench_family_asked(&family, options, ret, err);
}

void dv_bench_cuda_list(const struct dv_bench_options *options, struct dv_table *table,
			struct dv_json *json)
{
	const struct dv_cuda_bench_options o = ours(options);
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		if (!dv_cuda_bench_has(&o, &cases[i]))
			continue;
		dv_table_add(table, "%s", cases[i].name);
		dv_table_add(table, "%s", cases[i].what);
		dv_json_object(json, NULL);
		dv_json_text(json, "case", cases[i].name);
		dv_json_text(json, "what", cases[i].what);
		dv_json_bool(json, "quick", cases[i].quick);
		dv_json_end(json);
	}
}

/* Bytes are counted one by one: a rounded figure of them says nothing. */
static const char *figure(double value, const char *unit, int digits, char buf[32])
{
	if (strcmp(unit, "B") == 0)
		(void)snprintf(buf, 32, "%.0f", value);
	else
		(void)snprintf(buf, 32, "%.*g", digits, value);
	return buf;
}

static void progress(void *arg, const struct dv_result *results, size_t count)
{
	struct dv_cli *cli = arg;
	char buf[32];

	dv_outf(&cli->err, "%-32s ", results[0].name);
	if (results[0].skipped[0])
		dv_outf(&cli->err, "skipped: %s", results[0].skipped);
	if (results[0].failed[0])
		dv_outf(&cli->err, "FAILED: %s", results[0].failed);
	for (size_t i = 0; i < count && results[i].metric[0]; i++)
		dv_outf(&cli->err, "%s%s %s%s%s", i ? ", " : "", results[i].metric,
			figure(results[i].value, results[i].unit, 4, buf),
			results[i].unit[0] ? " " : "", results[i].unit);
	dv_outf(&cli->err, "\n");
}

/* The first of NVIDIA's GPUs that can be shared. NULL: none, and why. */
static const struct dv_gpu *find_gpu(const struct dv_gpus *gpus, unsigned *ret_at, char *why,
				     size_t size)
{
	(void)dv_copy(why, size, "no NVIDIA GPU");
	for (size_t i = 0; i < gpus->len; i++) {
		const struct dv_gpu *gpu = &gpus->items[i];

		for (unsigned j = 0; gpu->kind == DV_GPU_NVIDIA && j < gpu->method_count; j++) {
			if (gpu->methods[j].method != DV_METHOD_SLICE)
				continue;
			*ret_at = (unsigned)i;
			if (gpu->methods[j].ok && gpu->mig.mode != DV_MIG_ON)
				return gpu;
			if (gpu->methods[j].ok)
				(void)snprintf(why, size, "MIG mode is on, so no GPU has slices");
			else
				(void)snprintf(why, size, "no CUDA driver: %s",
					       gpu->methods[j].why);
		}
	}
	return NULL;
}

static int check_free(const struct dv_api_status *status, const struct dv_gpu *gpu,
		      struct dv_error *err)
{
	for (size_t i = 0; i < status->leases.len; i++)
		if (strcmp(status->leases.items[i].gpu_uuid, gpu->uuid) == 0)
			return dv_error_fix(err,
					    dv_error_rule(err, -EBUSY, "S01",
							  "'%s' has a lease on the device; what is "
							  "measured beside it would mean nothing",
							  status->leases.items[i].name),
					    "divvy release %s, or wait for its end",
					    status->leases.items[i].name);
	return 0;
}

/* What a program without divvy needs to find the same driver and the same GPU. */
static int set_environment(const struct dv_cli *cli, const struct dv_gpu *gpu, struct dv_error *err)
{
	const char *others = getenv("LD_LIBRARY_PATH");
	dv_autofree char *path = NULL;

	if (cli->driver_dir && asprintf(&path, "%s%s%s", cli->driver_dir,
					others && others[0] ? ":" : "", others ? others : "") < 0)
		return dv_error_set(err, -ENOMEM, "no memory for a path");
	if ((path && setenv("LD_LIBRARY_PATH", path, 1) < 0) ||
	    setenv("CUDA_VISIBLE_DEVICES", gpu->uuid, 1) < 0)
		return dv_error_errno(err, errno, "setting the environment");
	return 0;
}

static int skip_all(const struct dv_cuda_bench_options *o, const char *why, struct dv_bench *bench,
		    struct dv_error *err)
{
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		struct dv_result result = {0};

		if (!dv_cuda_bench_has(o, &cases[i]))
			continue;
		(void)dv_copy(result.name, sizeof(result.name), cases[i].name);
		(void)dv_copy(result.skipped, sizeof(result.skipped), why);
		if (dv_vec_push(&bench->results, result) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for results");
	}
	return 0;
}

static void describe(const struct dv_cli *cli, const struct dv_gpu *gpu, struct dv_bench *bench)
{
	time_t now = time(NULL);
	struct tm utc;

	(void)snprintf(bench->device, sizeof(bench->device), "%.60s%s%.40s",
		       gpu ? gpu->product : "no GPU", cli->machine ? ", simulated machine " : "",
		       cli->machine ? cli->machine : "");
	(void)dv_copy(bench->version, sizeof(bench->version), DV_VERSION);
	if (gmtime_r(&now, &utc))
		(void)strftime(bench->date, sizeof(bench->date), "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static int run_on(struct dv_cli *cli, const struct dv_cuda_bench_options *o, unsigned gpu,
		  unsigned divide, struct dv_bench *bench, struct dv_error *err)
{
	struct dv_cuda_env env = {.option = cli->machine ? "--machine" : "--socket", .gpu = gpu};
	sigset_t before;
	int r;

	env.value = cli->machine ? cli->machine : divvy_socket_path(cli->client);
	r = dv_bench_env_init(&env.common, env.value, divide, err);
	if (r < 0)
		return r;
	env.common.stop_fd = dv_bench_stop_begin(&before);
	r = dv_cuda_bench_run(&env, o, bench, err);
	dv_bench_env_fini(&env.common);
	dv_bench_stop_end(env.common.stop_fd, &before);
	return r;
}

int dv_bench_cuda_measure(struct dv_cli *cli, const struct dv_bench_options *options,
			  unsigned divide, struct dv_bench *bench, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	struct dv_cuda_bench_options o = ours(options);
	const struct dv_gpu *gpu;
	unsigned at = 0;
	char why[240];
	int r = dv_remote_get(cli, &answer, err, "/v1/status");

	if (r == 0)
		r = dv_api_status_decode(answer, &status, err);
	if (r < 0)
		return r;
	gpu = find_gpu(&status.gpus, &at, why, sizeof(why));
	describe(cli, gpu, bench);
	if (!gpu)
		return skip_all(&o, why, bench, err);
	r = check_free(&status, gpu, err);
	if (r == 0)
		r = set_environment(cli, gpu, err);
	if (r < 0)
		return r;
	o.progress = progress;
	o.arg = cli;
	return run_on(cli, &o, at, divide, bench, err);
}

/* Every goal here is the most that a value may be. */
static bool missed(const struct dv_result *result)
{
	return result->has_goal && result->value > result->goal;
}

static void number_cell(struct dv_table *table, bool there, double value, const char *unit)
{
	char buf[32];

	if (there)
		dv_table_add(table, "%s", figure(value, unit, 6, buf));
	else
		dv_table_add(table, "-");
}

int dv_bench_cuda_table(struct dv_cli *cli, const struct dv_bench *bench, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"CASE"},
		{"METRIC"},
		{"VALUE", .right = true},
		{"GOAL", .right = true},
		{"WITHOUT DIVVY", .right = true},
		{"UNIT"},
		{"ON"},
		{""},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_outf(&cli->out, "%s, %s\n\n", bench->device, bench->date);
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < bench->results.len; i++) {
		const struct dv_result *result = &bench->results.items[i];

		dv_table_add(&table, "%s", result->name);
		if (!result->metric[0]) {
			dv_table_add(&table, "%s", result->failed[0] ? "FAILED" : "skipped");
			for (size_t j = 2; j < DV_ARRAY_LEN(columns) - 1; j++)
				dv_table_add(&table, "-");
			dv_table_add(&table, "%s",
				     result->failed[0] ? result->failed : result->skipped);
			continue;
		}
		dv_table_add(&table, "%s", result->metric);
		number_cell(&table, true, result->value, result->unit);
		number_cell(&table, result->has_goal, result->goal, result->unit);
		number_cell(&table, result->has_baseline, result->baseline, result->unit);
		dv_table_add(&table, "%s", result->unit);
		dv_table_add(&table, "%s", result->on);
		dv_table_add_style(&table, missed(result) ? DV_STYLE_WARN : DV_STYLE_NONE, "%s",
				   missed(result) ? "goal missed" : "");
	}
	return dv_table_print(&table, &cli->out, 0, err);
}
