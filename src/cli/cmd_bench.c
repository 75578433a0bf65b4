/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "bench/bench.h"
#include "bench/stats.h"
#include "cli/bench_cuda.h"
#include "cli/bench_plan.h"
#include "cli/bench_stop.h"
#include "cli/bench_tables.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"
#include "config.h"
#include "report/report.h"

enum { OPTION_LIST, OPTION_QUICK, OPTION_RUNS, OPTION_OUT };

static const struct dv_option options[] = {
	[OPTION_LIST] = {"list", 0, NULL, "name the cases and end"},
	[OPTION_QUICK] = {"quick", 0, NULL,
			  "half a minute: the main cases, for a quarter of the time"},
	[OPTION_RUNS] = {"runs", 0, "N", "run each case N times and take the median (1 to 16)"},
	[OPTION_OUT] = {"out", 'o', "FILE", "also write the document (.json) or the page (.html)"},
	{NULL},
};

enum { QUICK_DIVIDE = 4, EXIT_FAILED = 1 };

enum { CASES_MOST = 256 };

/* What the cases are about; those of different kinds run apart. */
enum kind { OPENCL, CUDA, PLAN };

static bool is_case(const char *prefix, bool quick)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);

	for (size_t i = 0; i < count; i++)
		if (dv_bench_case_chosen(&cases[i], &prefix, 1) && (!quick || cases[i].quick))
			return true;
	return false;
}

/* Every word names a case, before anything is asked or measured. */
static int check_cases(const struct dv_bench_options *o, struct dv_error *err)
{
	const char *names[CASES_MOST + 1] = {NULL}, *near;
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);
	int r;

	for (size_t i = 0; i < count && i < CASES_MOST; i++)
		names[i] = cases[i].name;
	for (size_t i = 0; i < o->prefix_count; i++) {
		const char *prefix = o->prefixes[i];

		if (is_case(prefix, o->quick))
			continue;
		if (is_case(prefix, false)) {
			r = dv_error_rule(err, -EINVAL, "F12",
					  "no case of --quick begins with '%.64s'", prefix);
			return dv_error_fix(err, r, "leave --quick out");
		}
		near = dv_nearest(prefix, names);
		r = dv_error_rule(err, -EINVAL, "F11", "no case begins with '%.64s'%s%s%s", prefix,
				  near ? "; is '" : "", near ? near : "", near ? "' meant?" : "");
		return dv_error_fix(err, r, "`divvy bench --list` lists them");
	}
	return 0;
}

static void add_case(struct dv_json *json, const struct dv_bench_case *c)
{
	dv_json_object(json, NULL);
	dv_json_text(json, "case", c->name);
	dv_json_text(json, "what", c->what);
	dv_json_bool(json, "quick", c->quick);
	dv_json_end(json);
}

/* Those of one kind only, or all that are chosen: without a word, every one there is. */
static int list_cases(struct dv_cli *cli, const struct dv_bench_options *o, enum kind kind,
		      struct dv_error *err)
{
	static const struct dv_column columns[] = {{"CASE"}, {"WHAT", .least = 20, .wrap = true}};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/cases/1");
	dv_json_array(&json, "cases");
	for (size_t i = 0; kind == OPENCL && i < count; i++) {
		if (!dv_bench_case_chosen(&cases[i], o->prefixes, o->prefix_count) ||
		    (o->quick && !cases[i].quick))
			continue;
		dv_table_add(&table, "%s", cases[i].name);
		dv_table_add(&table, "%s", cases[i].what);
		add_case(&json, &cases[i]);
	}
	if (kind == CUDA || !o->prefix_count)
		dv_bench_cuda_list(o, &table, &json);
	if (kind == PLAN || !o->prefix_count)
		dv_bench_plan_list(o, &table, &json);
	dv_json_end(&json);
	dv_json_end(&json);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to list cases");
	if (!cli->json)
		return dv_table_print(&table, &cli->out, 0, err);
	dv_remote_print(cli, text);
	return 0;
}

/* One line for each case as it goes, on the messages' side, so that a pipe gets only the table. */
static void progress(void *arg, const struct dv_bench_case *c, unsigned at, unsigned of,
		     const struct dv_result *results, size_t count)
{
	struct dv_cli *cli = arg;

	if (!results && cli->err.terminal) {
		dv_outf(&cli->err, "%2u/%u %s ...\r", at, of, c->name);
		(void)fflush(cli->err.file);
		return;
	}
	if (!results)
		return;
	dv_outf(&cli->err, "%2u/%u %-28s ", at, of, c->name);
	for (size_t i = 0; i < count && i < 2; i++) {
		if (results[i].skipped[0])
			dv_outf(&cli->err, "skipped: %s", results[i].skipped);
		else if (results[i].failed[0])
			dv_outf(&cli->err, "FAILED: %s", results[i].failed);
		else
			dv_outf(&cli->err, "%s%s %.*f %s", i ? ", " : "", results[i].metric,
				results[i].value < 1000 ? 2 : 0, results[i].value, results[i].unit);
	}
	dv_outf(&cli->err, "\n");
}

static int write_out(const struct dv_bench *bench, const char *path, struct dv_error *err)
{
	const char *dot = strrchr(path, '.');
	dv_autofree char *text = NULL;
	int r;

	if (dot && strcmp(dot, ".html") == 0)
		r = dv_report_bench(bench, &text, err);
	else
		r = dv_api_bench_encode(bench, &text, err);
	return r < 0 ? r : dv_file_write(path, text, strlen(text), 0644, err);
}

/* The device that is measured, and that nobody else is on it. */
static int look(struct dv_cli *cli, struct dv_bench *bench, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	const struct dv_gpu *device = NULL;
	time_t now = time(NULL);
	struct tm utc;
	int r = dv_remote_get(cli, &answer, err, "/v1/status");

	if (r == 0)
		r = dv_api_status_decode(answer, &status, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < status.gpus.len && !device; i++)
		if (status.gpus.items[i].kind == DV_GPU_CPU)
			device = &status.gpus.items[i];
	if (!device)
		return dv_error_fix(err,
				    dv_error_rule(err, -ENODEV, "G05",
						  "there is no OpenCL device to measure on"),
				    "`divvy status` says what was looked for");
	for (size_t i = 0; i < status.leases.len; i++)
		if (strcmp(status.leases.items[i].gpu_uuid, device->uuid) == 0)
			return dv_error_fix(err,
					    dv_error_rule(err, -EBUSY, "S01",
							  "'%s' has a lease on the device; what is "
							  "measured beside it would mean nothing",
							  status.leases.items[i].name),
					    "divvy release %s, or wait for its end",
					    status.leases.items[i].name);
	(void)snprintf(bench->device, sizeof(bench->device), "%.90s, %u CPU%s", device->product,
		       device->compute_units, dv_plural(device->compute_units));
	(void)dv_copy(bench->version, sizeof(bench->version), DV_VERSION);
	if (gmtime_r(&now, &utc))
		(void)strftime(bench->date, sizeof(bench->date), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return 0;
}

static bool any_failed(const struct dv_bench *bench)
{
	for (size_t i = 0; i < bench->results.len; i++)
		if (bench->results.items[i].failed[0])
			return true;
	return false;
}

static int parse_runs(const char *text, unsigned *ret, struct dv_error *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n < 1 || n > DV_BENCH_RUNS_MOST)
		return dv_error_fix(err,
				    dv_error_set(err, -EINVAL,
						 "--runs: '%.64s' is no number from 1 "
						 "to %d",
						 text, DV_BENCH_RUNS_MOST),
				    "write a whole number, such as --runs 3");
	*ret = (unsigned)n;
	return 0;
}

static int measure(struct dv_cli *cli, const struct dv_bench_options *o, struct dv_bench *bench,
		   struct dv_error *err)
{
	struct dv_bench_env env;
	sigset_t before;
	int r = look(cli, bench, err);

	if (r == 0)
		r = dv_bench_env_init(&env, divvy_socket_path(cli->client),
				      o->quick ? QUICK_DIVIDE : 1, err);
	if (r < 0)
		return r;
	env.stop_fd = dv_bench_stop_begin(&before);
	r = dv_bench_run(&env, o, bench, err);
	dv_bench_env_fini(&env);
	dv_bench_stop_end(env.stop_fd, &before);
	return r;
}

/* Only what is measured is measured often, or written. */
static int check_list(const char *const *value, struct dv_error *err)
{
	if (!value[OPTION_LIST] || (!value[OPTION_RUNS] && !value[OPTION_OUT]))
		return 0;
	return dv_error_fix(
		err,
		dv_error_rule(err, -EINVAL, "F12",
			      "--list measures nothing, so there is nothing for --%s",
			      options[value[OPTION_RUNS] ? OPTION_RUNS : OPTION_OUT].name),
		"leave one of them out");
}

static int kind_of(const struct dv_bench_options *o, enum kind *ret, struct dv_error *err)
{
	bool plan = false, cuda = false;
	int r = dv_bench_plan_asked(o, &plan, err);

	if (r == 0 && !plan)
		r = dv_bench_cuda_asked(o, &cuda, err);
	if (r == 0 && !plan && !cuda)
		r = check_cases(o, err);
	*ret = plan ? PLAN : cuda ? CUDA : OPENCL;
	return r;
}

static int measure_kind(struct dv_cli *cli, const struct dv_bench_options *o, enum kind kind,
			struct dv_bench *bench, struct dv_error *err)
{
	switch (kind) {
	case CUDA:
		return dv_bench_cuda_measure(cli, o, o->quick ? QUICK_DIVIDE : 1, bench, err);
	case PLAN:
		return dv_bench_plan_measure(cli, o, bench, err);
	default:
		return measure(cli, o, bench, err);
	}
}

static int print(struct dv_cli *cli, enum kind kind, const struct dv_bench *bench,
		 struct dv_error *err)
{
	dv_autofree char *text = NULL;
	int r;

	if (!cli->json && kind == CUDA)
		return dv_bench_cuda_table(cli, bench, err);
	if (!cli->json)
		return kind == PLAN ? dv_bench_plan_table(cli, bench, err)
				    : dv_bench_tables(&cli->out, bench, err);
	r = dv_api_bench_encode(bench, &text, err);
	if (r == 0)
		dv_outf(&cli->out, "%s\n", text);
	return r;
}

static int run_bench(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	const char *const *value = args->given.value;
	struct dv_bench_options o = {.prefixes = (const char *const *)args->words,
				     .prefix_count = (size_t)args->count,
				     .quick = value[OPTION_QUICK],
				     .progress = progress,
				     .arg = cli};
	struct dv_bench bench = {0};
	enum kind kind = OPENCL;
	int r = check_list(value, err);

	if (r == 0)
		r = kind_of(&o, &kind, err);
	if (r == 0 && value[OPTION_LIST])
		return list_cases(cli, &o, kind, err);
	if (r == 0 && value[OPTION_RUNS])
		r = parse_runs(value[OPTION_RUNS], &o.runs, err);
	if (r == 0)
		r = measure_kind(cli, &o, kind, &bench, err);
	if (r == 0)
		r = print(cli, kind, &bench, err);
	/* After it was shown: minutes of measuring are not lost with a file. */
	if (r == 0 && value[OPTION_OUT])
		r = write_out(&bench, value[OPTION_OUT], err);
	if (r == 0 && any_failed(&bench))
		r = EXIT_FAILED;
	dv_vec_fini(&bench.results);
	return r;
}

const struct dv_verb dv_verb_bench = {
	.name = "bench",
	.args = "[CASE...]",
	.most = 8,
	.help = "measure on this machine: noisy neighbours, shares, overhead",
	.text = "Runs ordinary OpenCL programs with kernels of a known length side by side, each "
		"by "
		"divvy run, and the same without divvy, and shows what each got. A CASE is the "
		"beginning of a case's name: 'noisy/', 'share/70:30', 'gate/'. Without one all "
		"cases "
		"run, which takes some minutes; --quick takes half a minute.\n\n"
		"noisy/ is a light tenant that launches 1 ms kernels and pauses 5 to 15 ms "
		"between, drawn by chance but the same in every case, beside a heavy one that "
		"keeps four 5 ms kernels queued. WANTED and GOT are percent of the device's "
		"time, light:heavy.\n\n"
		"gate/ is what two busy tenants get done, gate/launch/ the middle launch, in "
		"ns: 'null' stops before the driver, which leaves divvy's look at the grant "
		"and its count beside the loader's call; 'uncontended' is an empty kernel, "
		"waited for; 'event-timing' is the same in a turn that ends, beside a slice "
		"that waits, so that each launch's end is watched, and is compared with "
		"'uncontended'.\n\n"
		"memory/ is the byte at which a full slice is refused, and 24000 buffers made "
		"and released. share/ is what each of busy tenants got.\n\n"
		"cuda/ is slices of an NVIDIA GPU: the first one that can be shared, or the first "
		"of "
		"a simulated machine (--machine). cuda/share/ and cuda/cap/ are what tenants got "
		"of the "
		"work done, in all and in the worst second, and what a cap of 50 % left of what "
		"the "
		"program gets without divvy; cuda/gate/ is what a launch and a neighbour cost, "
		"cuda/latency/ the requests of a latency tenant beside long kernels, cuda/memory/ "
		"the "
		"bytes that are counted wrongly, cuda/start/ how long processes take to begin. ON "
		"says "
		"on what it was measured: a simulated GPU takes exactly the time it is told, and "
		"says "
		"nothing of a real one's speed. These cases run only when they are named, for half "
		"an "
		"hour in all; those of 200 ms kernels take a minute each.\n\n"
		"plan/ is the planner alone, without a device or divvyd: how requests for MIG "
		"partitions "
		"are placed against other policies, what a repartition destroys, batches, the "
		"time of a decision. These cases run only when they are named; `--list plan/` "
		"lists them, --runs is the number of seeds.\n\n"
		"The device must be free. A goal that is missed is marked and is no failure. A "
		"case "
		"that is refused on this machine is named with the reason. A case that fails is "
		"named with its cause, the others go on, and the exit status is 1.",
	.options = options,
	.run = run_bench,
};
