/* SPDX-License-Identifier: Apache-2.0 */
/* The cases of `divvy bench cuda/` without divvyd: each tenant is started by `slice` instead of
 * `divvy run` (see there, and gate-server.c). What is run, counted and computed is the bench's own.
 *
 *   cases [--quick] [--runs N] [--limit SECONDS] [--socket DIR] PREFIX...
 *
 * Prints one line of JSON for each result as it comes, so that nothing is lost with a time-out.
 * At --limit the case that runs is ended, and it and those that are left are named as skipped. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "base/json.h"
#include "bench/cuda-bench.h"

enum { QUICK_DIVIDE = 4, CASES_MOST = 256 };

static const struct option longs[] = {{"quick", no_argument, NULL, 'q'},
				      {"runs", required_argument, NULL, 'r'},
				      {"limit", required_argument, NULL, 'l'},
				      {"socket", required_argument, NULL, 's'},
				      {NULL, 0, NULL, 0}};

struct words {
	bool quick;
	unsigned runs;
	unsigned limit_s; /* 0: none */
	const char *dir;
	const char *const *prefixes;
	size_t prefix_count;
};

static void say(const struct dv_result *result)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "case", result->name);
	if (result->failed[0] || result->skipped[0]) {
		dv_json_text(&json, result->failed[0] ? "failed" : "skipped",
			     result->failed[0] ? result->failed : result->skipped);
	} else {
		dv_json_text(&json, "metric", result->metric);
		dv_json_text(&json, "unit", result->unit);
		dv_json_text(&json, "on", result->on);
		dv_json_number(&json, "value", result->value, 6);
		if (result->has_goal)
			dv_json_number(&json, "goal", result->goal, 6);
		if (result->has_baseline)
			dv_json_number(&json, "baseline", result->baseline, 6);
		dv_json_u64(&json, "n", result->n);
		dv_json_number(&json, "spread", result->spread, 6);
	}
	dv_json_end(&json);
	if (!buf.failed)
		(void)puts(buf.data);
	(void)fflush(stdout);
	dv_buf_fini(&buf);
}

struct told {
	unsigned count;
	const char *names[CASES_MOST]; /* of the cases that were told of */
};

static void tell(void *arg, const struct dv_result *results, size_t count)
{
	struct told *told = arg;
	const struct dv_cuda_case *c = dv_cuda_case_named(results[0].name);

	for (size_t i = 0; i < count; i++)
		say(&results[i]);
	if (c && told->count < CASES_MOST)
		told->names[told->count++] = c->name;
}

static bool was_told(const struct told *told, const char *name)
{
	for (unsigned i = 0; i < told->count; i++)
		if (strcmp(told->names[i], name) == 0)
			return true;
	return false;
}

static void say_late(const struct dv_cuda_bench_options *o, const struct told *told)
{
	size_t count;
	const struct dv_cuda_case *cases = dv_cuda_cases(&count);

	for (size_t i = 0; i < count; i++) {
		struct dv_result late = {.skipped = "the time of this part was over"};

		if (!dv_cuda_bench_has(o, &cases[i]) || was_told(told, cases[i].name))
			continue;
		(void)dv_copy(late.name, sizeof(late.name), cases[i].name);
		say(&late);
	}
}

static int run(const struct words *words, int stop_fd, struct dv_error *err)
{
	struct dv_cuda_env env = {.option = "--socket", .value = words->dir};
	struct told told = {0};
	const struct dv_cuda_bench_options o = {.prefixes = words->prefixes,
						.prefix_count = words->prefix_count,
						.quick = words->quick,
						.runs = words->runs,
						.progress = tell,
						.arg = &told};
	struct dv_bench bench = {0};
	int r = dv_bench_env_init(&env.common, words->dir, words->quick ? QUICK_DIVIDE : 1, err);

	if (r < 0)
		return r;
	env.common.stop_fd = stop_fd;
	r = dv_cuda_bench_run(&env, &o, &bench, err);
	if (r < 0 && words->limit_s && dv_bench_stopped(&env.common)) {
		say_late(&o, &told);
		r = 0;
	}
	dv_bench_env_fini(&env.common);
	dv_vec_fini(&bench.results);
	return r;
}

/* Readable when it is time to end, or when we are told to. */
static int make_stop(const struct words *words)
{
	const struct itimerspec when = {.it_value = {.tv_sec = (time_t)words->limit_s}};
	struct epoll_event event = {.events = EPOLLIN};
	int both = epoll_create1(EPOLL_CLOEXEC), told, late = -1;
	sigset_t ends;

	(void)sigemptyset(&ends);
	(void)sigaddset(&ends, SIGTERM);
	(void)sigaddset(&ends, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &ends, NULL);
	told = signalfd(-1, &ends, SFD_CLOEXEC);
	if (both < 0 || told < 0 || epoll_ctl(both, EPOLL_CTL_ADD, told, &event) < 0)
		return -1;
	if (words->limit_s)
		late = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (words->limit_s && (late < 0 || timerfd_settime(late, 0, &when, NULL) < 0 ||
			       epoll_ctl(both, EPOLL_CTL_ADD, late, &event) < 0))
		return -1;
	return both;
}

static int parse(int argc, char **argv, struct words *ret, struct dv_error *err)
{
	int c;

	*ret = (struct words){.dir = "."};
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'q')
			ret->quick = true;
		else if (c == 'r')
			ret->runs = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'l')
			ret->limit_s = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 's')
			ret->dir = optarg;
		else
			return dv_error_set(err, -EINVAL, "unknown option");
	}
	ret->prefixes = (const char *const *)(argv + optind);
	ret->prefix_count = (size_t)(argc - optind);
	return 0;
}

int main(int argc, char **argv)
{
	struct dv_error err = {0};
	struct words words;
	int stop_fd, r = parse(argc, argv, &words, &err);

	if (r == 0) {
		stop_fd = make_stop(&words);
		r = stop_fd < 0 ? dv_error_errno(&err, errno, "hearing of signals")
				: run(&words, stop_fd, &err);
	}
	if (r < 0)
		(void)fprintf(stderr, "cases: %s\n", err.msg);
	return r < 0;
}
