/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "bench/stats.h"

enum { METRICS_MOST = 2 + 3 * DV_CASE_TENANTS_MOST };

/* One number of one run, before runs are put together. */
struct metric {
	char name[32];
	const char *unit;
	double value;
	double goal;
	bool has_goal, compare; /* compare: has a baseline when the case has one */
};

struct metrics {
	unsigned count;
	struct metric items[METRICS_MOST];
};

/* Of one case. */
struct runs {
	unsigned count;
	bool paired; /* each was run in turn with the case's baseline */
	double baselines[DV_BENCH_RUNS_MOST];
};

static void add(struct metrics *m, const char *name, const char *unit, double value, bool compare)
{
	struct metric *item = &m->items[m->count++];

	(void)dv_copy(item->name, sizeof(item->name), name);
	item->unit = unit;
	item->value = value;
	item->compare = compare;
}

static double window_s(const struct dv_bench_tenant_result *t)
{
	return (double)t->record.window_ns / (double)DV_NS_PER_S;
}

static double rate(const struct dv_bench_tenant_result *t)
{
	return window_s(t) > 0 ? (double)t->record.count / window_s(t) : 0;
}

/* How long its launches would have taken alone on the device, queued as they were. */
static double work_ns(const struct dv_bench_tenant_result *t)
{
	return (double)t->record.count * (double)t->record.kernel_ns;
}

static void measure_share(const struct dv_bench_case *c, const struct dv_bench_case_result *result,
			  struct metrics *m)
{
	double got[DV_CASE_TENANTS_MOST] = {0}, wanted[DV_CASE_TENANTS_MOST] = {0}, sum = 0;

	for (unsigned i = 0; i < result->count; i++) {
		got[i] = work_ns(&result->tenants[i]);
		wanted[i] = c->tenants[i].compute_mpct;
		sum += got[i];
	}
	add(m, "share_error_points", "points", dv_stats_share_error(got, wanted, result->count),
	    false);
	m->items[0].has_goal = true;
	m->items[0].goal = c->goal;
	for (unsigned i = 0; i < result->count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "got_pct_%s", c->tenants[i].role);
		add(m, name, "%", sum > 0 ? got[i] / sum * 100 : 0, false);
	}
}

static void add_goal(struct metrics *m, double goal)
{
	m->items[m->count - 1].has_goal = true;
	m->items[m->count - 1].goal = goal;
}

/* In ns: of what takes too long to time it one by one, the part of one. */
static double middle_ns(const struct dv_bench_tenant_result *t)
{
	return (double)dv_stats_percentile(t->latencies, t->record.count, 50) /
	       (double)t->record.each;
}

/* Of the device's time, by work that is known to take so long alone on the whole device. */
static double busy_pct(const struct dv_bench_tenant_result *t)
{
	return window_s(t) > 0 ? work_ns(t) / window_s(t) / (double)DV_NS_PER_S * 100 : 0;
}

/* What each was promised, and what part of the device's time it used: less, where it wants less. */
static void measure_parts(const struct dv_bench_case *c, const struct dv_bench_case_result *result,
			  struct metrics *m)
{
	char name[32];

	for (unsigned i = 0; i < result->count; i++) {
		const struct dv_bench_tenant *t = &c->tenants[i];

		if (t->compute_mpct) {
			(void)snprintf(name, sizeof(name), "wanted_pct_%s", t->role);
			add(m, name, "%", t->compute_mpct / 1e3, false);
		}
		(void)snprintf(name, sizeof(name), "got_pct_%s", t->role);
		add(m, name, "%", busy_pct(&result->tenants[i]), false);
	}
}

static void measure_memory(const struct dv_bench_case *c, const struct dv_bench_case_result *result,
			   struct metrics *m)
{
	const struct dv_bench_tenant_result *first = &result->tenants[0];
	double limit = (double)DV_CASE_MEMORY_BYTES, filled = (double)first->record.filled_bytes;

	if (c->measure == DV_MEASURE_BUFFERS) {
		add(m, "make_release_ns", "ns", middle_ns(first), true);
		if (c->tenants[0].method == DV_METHOD_NONE)
			return;
		/* What can't be had again is still charged. */
		add(m, "left_bytes", "B", limit - filled, false);
		add_goal(m, 0);
		return;
	}
	add(m, "refused_at_bytes", "B", filled, false);
	add_goal(m, limit);
}

static void measure_rates(const struct dv_bench_case *c, const struct dv_bench_case_result *result,
			  struct metrics *m)
{
	for (unsigned i = 0; i < result->count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "rate_%s", c->tenants[i].role);
		add(m, name, "1/s", rate(&result->tenants[i]), true);
	}
}

static void measure(const struct dv_bench_case *c, const struct dv_bench_case_result *result,
		    struct metrics *m)
{
	const struct dv_bench_tenant_result *first = &result->tenants[0];
	double busy = 0;

	switch (c->measure) {
	case DV_MEASURE_SHARE:
		measure_share(c, result, m);
		break;
	case DV_MEASURE_THROUGHPUT:
		for (unsigned i = 0; i < result->count; i++)
			busy += busy_pct(&result->tenants[i]);
		add(m, "busy_pct", "%", busy, true);
		break;
	case DV_MEASURE_LATENCY:
		add(m, "p50_ms", "ms",
		    (double)dv_stats_percentile(first->latencies, first->record.count, 50) / 1e6,
		    true);
		add(m, "p99_ms", "ms",
		    (double)dv_stats_percentile(first->latencies, first->record.count, 99) / 1e6,
		    true);
		measure_rates(c, result, m);
		measure_parts(c, result, m);
		break;
	case DV_MEASURE_LAUNCH:
		add(m, "launch_ns", "ns", middle_ns(first), true);
		break;
	case DV_MEASURE_BUFFERS:
	case DV_MEASURE_FILL:
		measure_memory(c, result, m);
		break;
	}
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

/* What the metric is compared with: measured in turn with it, or before. */
static bool baseline_of(const struct dv_bench *bench, const struct dv_bench_case *c,
			const struct metric *item, const struct runs *runs, double *ret)
{
	const struct dv_result *before;

	if (!item->compare)
		return false;
	if (runs->paired) {
		*ret = dv_stats_median(runs->baselines, runs->count);
		return true;
	}
	before = find(bench, c->baseline, item->name);
	if (before)
		*ret = before->value;
	return before;
}

static int push(struct dv_bench *bench, const struct dv_bench_case *c, const struct metric *item,
		const double *values, const struct runs *runs)
{
	struct dv_result result = {.value = dv_stats_median(values, runs->count),
				   .spread = dv_stats_spread(values, runs->count),
				   .n = runs->count,
				   .has_goal = item->has_goal,
				   .goal = item->goal};

	(void)dv_copy(result.name, sizeof(result.name), c->name);
	(void)dv_copy(result.metric, sizeof(result.metric), item->name);
	(void)dv_copy(result.unit, sizeof(result.unit), item->unit);
	result.has_baseline = baseline_of(bench, c, item, runs, &result.baseline);
	/* The goal of a throughput is a part of its baseline. */
	if (c->measure == DV_MEASURE_THROUGHPUT && result.has_baseline && c->goal > 0) {
		result.has_goal = true;
		result.goal = result.baseline * c->goal / 100;
	}
	return dv_vec_push(&bench->results, result);
}

static int push_unmeasured(struct dv_bench *bench, const struct dv_bench_case *c,
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

static int run_once(struct dv_bench_env *env, const struct dv_bench_case *c, struct metrics *ret,
		    struct dv_error *why)
{
	struct dv_bench_case_result result = {0};
	int r = dv_bench_run_case(env, c, &result, why);

	if (r < 0)
		return r;
	ret->count = 0;
	measure(c, &result, ret);
	dv_bench_case_result_fini(&result);
	return 0;
}

/* Run one case so often and append its results. */
static int run_case(struct dv_bench_env *env, const struct dv_bench_case *c, unsigned count,
		    struct dv_bench *bench)
{
	const struct dv_bench_case *base = NULL;
	double values[METRICS_MOST][DV_BENCH_RUNS_MOST];
	struct runs runs = {.count = count};
	struct metrics m = {0};

	if (c->measure == DV_MEASURE_THROUGHPUT && c->baseline)
		base = dv_bench_case_named(c->baseline);
	runs.paired = base;
	/* --quick wants to be quick. */
	if (base && env->divide == 1)
		runs.count = DV_MAX(count, (unsigned)DV_CASE_ROUNDS);
	for (unsigned run = 0; run < runs.count; run++) {
		struct dv_error why = {0};
		int r = 0;

		if (base)
			r = run_once(env, base, &m, &why);
		runs.baselines[run] = base && r == 0 ? m.items[0].value : 0;
		if (r == 0)
			r = run_once(env, c, &m, &why);
		if (r < 0)
			return push_unmeasured(bench, c, &why);
		for (unsigned i = 0; i < m.count; i++)
			values[i][run] = m.items[i].value;
	}
	for (unsigned i = 0; i < m.count; i++) {
		int r = push(bench, c, &m.items[i], values[i], &runs);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool chosen(const struct dv_bench_options *o, const struct dv_bench_case *c)
{
	return dv_bench_case_chosen(c, o->prefixes, o->prefix_count) && (!o->quick || c->quick);
}

int dv_bench_run(struct dv_bench_env *env, const struct dv_bench_options *options,
		 struct dv_bench *bench, struct dv_error *err)
{
	size_t count;
	const struct dv_bench_case *cases = dv_bench_cases(&count);
	unsigned runs = DV_MIN(DV_MAX(options->runs, 1u), (unsigned)DV_BENCH_RUNS_MOST);
	unsigned at = 0, of = 0;

	for (size_t i = 0; i < count; i++)
		of += chosen(options, &cases[i]);
	if (!of)
		return dv_error_set(err, -EINVAL, "no case begins so; see divvy bench --list");
	for (size_t i = 0; i < count; i++) {
		size_t before = bench->results.len;

		if (!chosen(options, &cases[i]))
			continue;
		at++;
		if (options->progress)
			options->progress(options->arg, &cases[i], at, of, NULL, 0);
		if (run_case(env, &cases[i], runs, bench) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for results");
		if (dv_bench_stopped(env))
			return dv_error_set(err, -EIO, "interrupted in %s", cases[i].name);
		if (options->progress)
			options->progress(options->arg, &cases[i], at, of,
					  bench->results.items + before,
					  bench->results.len - before);
	}
	return 0;
}
