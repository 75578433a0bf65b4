/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cuda-bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/str.h"
#include "bench/stats.h"

enum { METRICS_MOST = 10, STEPS_OF_WINDOW = 10 };

/* One number of one run, before runs are put together. */
struct metric {
	char name[32];
	const char *unit;
	double value, goal, baseline;
	bool has_goal, has_baseline;
};

struct metrics {
	unsigned count;
	bool simulated;
	struct metric items[METRICS_MOST];
};

static struct metric *add(struct metrics *m, const char *name, const char *unit, double value)
{
	struct metric *item = &m->items[m->count++];

	*item = (struct metric){.unit = unit, .value = value};
	(void)dv_copy(item->name, sizeof(item->name), name);
	return item;
}

static void aim(struct metric *item, double goal)
{
	item->has_goal = true;
	item->goal = goal;
}

static void compare(struct metric *item, double baseline)
{
	item->has_baseline = true;
	item->baseline = baseline;
}

/* ns of the device that one of the record's times stands for. */
static double work_of_one(const struct dv_cuda_tenant_result *t)
{
	return (double)t->record.each * (double)t->record.kernel_ns;
}

static double work_ns(const struct dv_cuda_tenant_result *t)
{
	return (double)t->record.count * work_of_one(t);
}

/* Of the device's time. */
static double busy_pct(const struct dv_cuda_tenant_result *t)
{
	return t->record.window_ns ? work_ns(t) / (double)t->record.window_ns * 100 : 0;
}

static double busy_all(const struct dv_cuda_case_result *result)
{
	double sum = 0;

	for (unsigned i = 0; i < result->count; i++)
		sum += busy_pct(&result->tenants[i]);
	return sum;
}

/* Its work between two moments. */
static double work_between(const struct dv_cuda_tenant_result *t, double from, double to)
{
	const double one = work_of_one(t);
	double sum = 0;

	for (uint64_t i = 0; i < t->record.count; i++) {
		double end = (double)t->ended[i], begin = end - one;

		if (end > from && begin < to && one > 0)
			sum += fmin(end, to) - fmax(begin, from);
	}
	return sum;
}

double dv_cuda_worst_window(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			    uint64_t window_ns)
{
	const double window = (double)window_ns, step = window / STEPS_OF_WINDOW;
	const double start = (double)result->start_ns;
	const double end = start + (double)result->tenants[0].record.window_ns;
	double got[DV_CUDA_TENANTS_MOST] = {0}, wanted[DV_CUDA_TENANTS_MOST] = {0}, worst = 0;

	for (unsigned i = 0; i < result->count; i++)
		wanted[i] = c->tenants[i].compute_mpct;
	for (double from = start; from + window <= end + 1; from += step) {
		for (unsigned i = 0; i < result->count; i++)
			got[i] = work_between(&result->tenants[i], from, from + window);
		worst = fmax(worst, dv_stats_share_error(got, wanted, result->count));
	}
	return worst;
}

static void measure_share(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			  bool whole, struct metrics *m)
{
	double got[DV_CUDA_TENANTS_MOST] = {0}, wanted[DV_CUDA_TENANTS_MOST] = {0}, sum = 0;
	struct metric *item;
	char name[32];

	for (unsigned i = 0; i < result->count; i++) {
		got[i] = work_ns(&result->tenants[i]);
		wanted[i] = c->tenants[i].compute_mpct;
		sum += got[i];
	}
	item = add(m, "share_error_points", "points",
		   dv_stats_share_error(got, wanted, result->count));
	if (whole)
		aim(item, c->goal);
	if (c->goal_in_1s > 0 && result->tenants[0].record.window_ns > DV_NS_PER_S) {
		item = add(m, "worst_in_1s_points", "points",
			   dv_cuda_worst_window(c, result, DV_NS_PER_S));
		aim(item, c->goal_in_1s);
	}
	for (unsigned i = 0; i < result->count; i++) {
		(void)snprintf(name, sizeof(name), "got_pct_%s", c->tenants[i].role);
		add(m, name, "%", sum > 0 ? got[i] / sum * 100 : 0);
	}
	add(m, "busy_pct", "%", busy_all(result));
}

/* A loop that waits for its kernels leaves the device idle between them, with and without a cap: so
 * its part of what the same loop gets without divvy is what the goal is about. */
static void measure_cap(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			const struct dv_cuda_case_result *plain, bool whole, struct metrics *m)
{
	const double wanted = c->tenants[0].compute_mpct / 1e3;
	const double busy = busy_pct(&result->tenants[0]), all = busy_pct(&plain->tenants[0]);
	const double part = all > 0 ? busy / all * 100 : 0;
	struct metric *item = add(m, "cap_error_points", "points", fabs(part - wanted));

	if (whole)
		aim(item, c->goal);
	add(m, "got_of_plain_pct", "%", part);
	compare(add(m, "busy_pct", "%", busy), all);
}

static void measure_throughput(const struct dv_cuda_case *c,
			       const struct dv_cuda_case_result *result,
			       const struct dv_cuda_case_result *plain, struct metrics *m)
{
	const double busy = busy_all(result), all = busy_all(plain);

	aim(add(m, "loss_pct", "%", all > 0 ? (1 - busy / all) * 100 : 100), c->goal);
	compare(add(m, "busy_pct", "%", busy), all);
}

static double ms(const struct dv_cuda_tenant_result *t, double percent)
{
	return (double)dv_stats_percentile(t->times, t->record.count, percent) / 1e6;
}

static void measure_latency(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			    struct metrics *m)
{
	add(m, "p50_ms", "ms", ms(&result->tenants[0], 50));
	add(m, "p99_ms", "ms", ms(&result->tenants[0], 99));
	add(m, "requests", "", (double)result->tenants[0].record.count);
	for (unsigned i = 1; i < result->count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "busy_pct_%s", c->tenants[i].role);
		add(m, name, "%", busy_pct(&result->tenants[i]));
	}
}

static void measure_launch(const struct dv_cuda_case *c, const struct dv_cuda_record *record,
			   struct metrics *m)
{
	const double plain = (double)record->plain_pns / 1e3;
	const double added = (double)record->added_pns / 1e3;

	aim(add(m, "added_ns", "ns", added), c->goal);
	compare(add(m, "launch_ns", "ns", plain + added), plain);
}

static void measure_memory(const struct dv_cuda_case *c, const struct dv_cuda_record *record,
			   struct metrics *m)
{
	/* What a program does not ask for in bytes is held against what the driver lacks. */
	const bool asked = record->asked_bytes > 0;
	const double wanted = (double)(asked ? record->asked_bytes : record->driver_bytes);

	aim(add(m, "error_bytes", "B", fabs((double)record->charged_bytes - wanted)), c->goal);
	aim(add(m, "left_bytes", "B", fabs((double)record->left_bytes)), 0);
	add(m, "counted_bytes", "B", (double)record->charged_bytes);
	add(m, "driver_bytes", "B", (double)record->driver_bytes);
}

static void measure_start(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			  const struct dv_cuda_case_result *plain, struct metrics *m)
{
	const struct dv_cuda_tenant_result *ours = &result->tenants[0],
					   *theirs = &plain->tenants[0];
	const double wall = (double)ours->record.window_ns / 1e6;
	const double wall_plain = (double)theirs->record.window_ns / 1e6;
	struct metric *item;

	if (c->apart) {
		item = add(m, "added_ms", "ms", ms(ours, 50) - ms(theirs, 50));
	} else {
		item = add(m, "p99_over_plain_ms", "ms", ms(ours, 99) - ms(theirs, 99));
		add(m, "added_ms", "ms", (wall - wall_plain) / c->processes);
	}
	if (c->goal > 0)
		aim(item, c->goal);
	compare(add(m, "p50_ms", "ms", ms(ours, 50)), ms(theirs, 50));
	compare(add(m, "p99_ms", "ms", ms(ours, 99)), ms(theirs, 99));
	compare(add(m, "all_ms", "ms", wall), wall_plain);
}

static void measure(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
		    const struct dv_cuda_case_result *plain, bool whole, struct metrics *m)
{
	m->count = 0;
	m->simulated = result->tenants[0].record.simulated;
	switch (c->measure) {
	case DV_CUDA_SHARE:
		measure_share(c, result, whole, m);
		break;
	case DV_CUDA_CAP:
		measure_cap(c, result, plain, whole, m);
		break;
	case DV_CUDA_THROUGHPUT:
		measure_throughput(c, result, plain, m);
		break;
	case DV_CUDA_LATENCY:
		measure_latency(c, result, m);
		break;
	case DV_CUDA_LAUNCH:
		measure_launch(c, &result->tenants[0].record, m);
		break;
	case DV_CUDA_MEMORY:
		measure_memory(c, &result->tenants[0].record, m);
		break;
	case DV_CUDA_START:
		measure_start(c, result, plain, m);
		break;
	}
}

static int run_once(struct dv_cuda_env *env, const struct dv_cuda_case *c, struct metrics *ret,
		    struct dv_error *why)
{
	struct dv_cuda_case_result result = {0}, plain = {0};
	int r = c->paired ? dv_cuda_run_case(env, c, true, &plain, why) : 0;

	if (r == 0 && c->real_only && plain.tenants[0].record.simulated)
		r = dv_error_set(why, -EOPNOTSUPP,
				 "not on the simulated driver: it lets kernels of less than 50 us "
				 "be seen to end early");
	if (r == 0)
		r = dv_cuda_run_case(env, c, false, &result, why);
	if (r == 0)
		measure(c, &result, &plain, env->common.divide == 1, ret);
	dv_cuda_case_result_fini(&result);
	dv_cuda_case_result_fini(&plain);
	return r;
}

static const struct dv_result *find(const struct dv_bench *bench, const char *name,
				    const char *metric)
{
	for (size_t i = 0; name && i < bench->results.len; i++) {
		const struct dv_result *r = &bench->results.items[i];

		if (strcmp(r->name, name) == 0 && strcmp(r->metric, metric) == 0)
			return r;
	}
	return NULL;
}

/* The goal of a latency is so many times what it is alone. */
static void compare_with_alone(const struct dv_bench *bench, const struct dv_cuda_case *c,
			       struct dv_result *result)
{
	const struct dv_result *alone = find(bench, c->alone, result->metric);

	if (!alone || strcmp(result->unit, "ms") != 0)
		return;
	result->has_baseline = true;
	result->baseline = alone->value;
	if (c->goal > 0 && strcmp(result->metric, "p99_ms") == 0) {
		result->has_goal = true;
		result->goal = alone->value * c->goal;
	}
}

/* `runs[n]`: what each run gave; they have the same metrics. */
static int push(struct dv_bench *bench, const struct dv_cuda_case *c, const struct metrics *runs,
		unsigned count, unsigned i)
{
	const struct metric *item = &runs[0].items[i];
	double values[DV_BENCH_RUNS_MOST] = {0}, baselines[DV_BENCH_RUNS_MOST] = {0};
	struct dv_result result = {.n = count, .has_goal = item->has_goal, .goal = item->goal};

	for (unsigned n = 0; n < count; n++) {
		values[n] = runs[n].items[i].value;
		baselines[n] = runs[n].items[i].baseline;
	}
	(void)dv_copy(result.name, sizeof(result.name), c->name);
	(void)dv_copy(result.metric, sizeof(result.metric), item->name);
	(void)dv_copy(result.unit, sizeof(result.unit), item->unit);
	(void)dv_copy(result.on, sizeof(result.on), runs[0].simulated ? "simulated" : "real");
	result.value = dv_stats_median(values, count);
	result.spread = dv_stats_spread(values, count);
	result.has_baseline = item->has_baseline;
	result.baseline = dv_stats_median(baselines, count);
	compare_with_alone(bench, c, &result);
	return dv_vec_push(&bench->results, result);
}

static int push_unmeasured(struct dv_bench *bench, const struct dv_cuda_case *c,
			   const struct dv_error *why)
{
	struct dv_result result = {0};

	(void)dv_copy(result.name, sizeof(result.name), c->name);
	if (why->code == -EOPNOTSUPP)
		(void)dv_copy(result.skipped, sizeof(result.skipped), why->msg);
	else
		(void)dv_copy(result.failed, sizeof(result.failed), why->msg);
	return dv_vec_push(&bench->results, result);
}

/* Run one case so often and append its results. */
static int run_case(struct dv_cuda_env *env, const struct dv_cuda_case *c, unsigned count,
		    struct dv_bench *bench)
{
	struct metrics runs[DV_BENCH_RUNS_MOST] = {0};

	/* --quick wants to be quick. */
	if (env->common.divide == 1)
		count = DV_MAX(count, c->runs);
	for (unsigned run = 0; run < count; run++) {
		struct dv_error why = {0};

		if (run_once(env, c, &runs[run], &why) < 0)
			return push_unmeasured(bench, c, &why);
	}
	for (unsigned i = 0; i < runs[0].count; i++) {
		int r = push(bench, c, runs, count, i);

		if (r < 0)
			return r;
	}
	return 0;
}

bool dv_cuda_bench_has(const struct dv_cuda_bench_options *o, const struct dv_cuda_case *c)
{
	return dv_cuda_case_chosen(c, o->prefixes, o->prefix_count) && (!o->quick || c->quick);
}

int dv_cuda_bench_run(struct dv_cuda_env *env, const struct dv_cuda_bench_options *o,
		      struct dv_bench *bench, struct dv_error *err)
{
	const unsigned runs = DV_MIN(DV_MAX(o->runs, 1u), (unsigned)DV_BENCH_RUNS_MOST);
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		const size_t before = bench->results.len;

		if (!dv_cuda_bench_has(o, &cases[i]))
			continue;
		if (run_case(env, &cases[i], runs, bench) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for results");
		if (dv_bench_stopped(&env->common))
			return dv_error_set(err, -EIO, "interrupted in %s", cases[i].name);
		if (o->progress)
			o->progress(o->arg, bench->results.items + before,
				    bench->results.len - before);
	}
	return 0;
}
