/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cuda-runner.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "base/where.h"
#include "bench/spawn.h"
#include "bench/stats.h"
#include "model/units.h"

/* A tenant needs this long to load the driver and to be looked at before the agreed start; one that
 * was late gets another try with more. */
static const uint64_t lead_ns[] = {2 * DV_NS_PER_S, 5 * DV_NS_PER_S, 15 * DV_NS_PER_S};
static const uint64_t grace_ns = 60 * DV_NS_PER_S;

/* Of a slice; and of one in which many contexts are made. */
enum { SLICE_GIB = 4, MANY_GIB = 16 };

static int read_kernel(const char *text, struct dv_bench_kernel *ret, struct dv_error *err)
{
	char *end;

	ret->loops = strtoull(text, &end, 10);
	ret->real_ns = strtoull(end, NULL, 10);
	if (!ret->loops || !ret->real_ns)
		return dv_error_set(err, -EPROTO, "the calibration printed '%.80s'", text);
	return 0;
}

/* The kernel of a tenant, measured without divvy at its first use. */
static int calibrate(struct dv_cuda_env *env, uint64_t kernel_ns, struct dv_bench_kernel *ret,
		     struct dv_error *err)
{
	struct dv_bench_kernel kernel = {.kernel_ns = kernel_ns};
	struct dv_bench_args args = {0};
	dv_autofree char *text = NULL;
	char out[192];
	pid_t pid;
	int r;

	for (unsigned i = 0; i < env->kernel_count; i++) {
		if (env->kernels[i].kernel_ns != kernel_ns)
			continue;
		*ret = env->kernels[i];
		return 0;
	}
	if (env->kernel_count == DV_BENCH_KERNELS_MOST)
		return dv_error_set(err, -E2BIG, "more than %d kernel lengths",
				    DV_BENCH_KERNELS_MOST);
	(void)snprintf(out, sizeof(out), "%s/record-0", env->common.dir);
	dv_bench_arg(&args, "%s", dv_where(DV_WHERE_BURN_CUDA));
	dv_bench_arg(&args, "--calibrate");
	dv_bench_arg(&args, "--kernel");
	dv_bench_arg(&args, "%" PRIu64 "us", kernel_ns / DV_NS_PER_US);
	pid = dv_bench_spawn(&env->common, args.list, 0, out, err);
	r = pid < 0 ? (int)pid
		    : dv_bench_reap(&env->common, pid, 0, "the calibration", dv_now_ns() + grace_ns,
				    err);
	if (r == 0)
		r = dv_file_read(out, 4096, &text, NULL, err);
	if (r == 0)
		r = read_kernel(text, &kernel, err);
	if (r < 0)
		return r;
	env->kernels[env->kernel_count++] = kernel;
	*ret = kernel;
	return 0;
}

static void add_run(const struct dv_cuda_env *env, const struct dv_cuda_case *c,
		    const struct dv_cuda_tenant *t, struct dv_bench_args *args)
{
	char share[32];

	dv_bench_arg(args, "%s", dv_where(DV_WHERE_DIVVY));
	dv_bench_arg(args, "%s", env->option);
	dv_bench_arg(args, "%s", env->value);
	dv_bench_arg(args, "run");
	dv_bench_arg(args, "--name");
	dv_bench_arg(args, "bench-%d-%u-%s", (int)getpid(), env->common.serial, t->role);
	dv_bench_arg(args, "--gpu");
	dv_bench_arg(args, "%u", env->gpu);
	dv_bench_arg(args, "--method");
	dv_bench_arg(args, "%s", dv_method_name(DV_METHOD_SLICE));
	dv_bench_arg(args, "--compute");
	dv_bench_arg(args, "%s", dv_share_print(t->compute_mpct, share, sizeof(share)));
	dv_bench_arg(args, "--memory");
	dv_bench_arg(args, "%dGiB", c->contexts ? MANY_GIB : SLICE_GIB);
	dv_bench_arg(args, "--policy");
	dv_bench_arg(args, "%s", dv_policy_name(t->policy));
	dv_bench_arg(args, "--");
}

static void add_us(struct dv_bench_args *args, const char *option, uint64_t ns)
{
	dv_bench_arg(args, "%s", option);
	dv_bench_arg(args, "%" PRIu64 "us", ns / DV_NS_PER_US);
}

static void add_number(struct dv_bench_args *args, const char *option, uint64_t value)
{
	dv_bench_arg(args, "%s", option);
	dv_bench_arg(args, "%" PRIu64, value);
}

static void add_launches(const struct dv_cuda_shape *t, const struct dv_bench_kernel *kernel,
			 struct dv_bench_args *args)
{
	add_us(args, "--kernel", t->kernel_ns);
	add_number(args, "--loops", kernel->loops);
	add_number(args, "--each", t->each);
	add_number(args, "--inflight", t->inflight);
	if (t->graph)
		add_number(args, "--graph", t->graph);
	if (t->think_ns) {
		add_us(args, "--think", t->think_ns);
		add_us(args, "--jitter", t->jitter_ns);
	}
}

static void add_start(const struct dv_cuda_case *c, struct dv_bench_args *args)
{
	add_number(args, "--processes", c->processes);
	if (c->apart)
		dv_bench_arg(args, "--apart");
	if (c->contexts)
		dv_bench_arg(args, "--contexts");
}

static void add_work(const struct dv_cuda_case *c, const struct dv_cuda_tenant *t,
		     const struct dv_bench_kernel *kernel, struct dv_bench_args *args)
{
	switch (c->measure) {
	case DV_CUDA_LAUNCH:
		dv_bench_arg(args, "--cost");
		dv_bench_arg(args, "%s", c->way);
		return;
	case DV_CUDA_MEMORY:
		dv_bench_arg(args, "--memory");
		dv_bench_arg(args, "%s", c->way);
		return;
	case DV_CUDA_START:
		add_start(c, args);
		return;
	default:
		add_launches(t->shape, kernel, args);
	}
}

static bool launches(const struct dv_cuda_case *c)
{
	return c->measure <= DV_CUDA_LATENCY;
}

static int start_tenant(struct dv_cuda_env *env, const struct dv_cuda_case *c, unsigned i,
			bool plain, uint64_t at_ns, pid_t *ret_pid, struct dv_error *err)
{
	const struct dv_cuda_tenant *t = &c->tenants[i];
	struct dv_bench_kernel kernel = {0};
	struct dv_bench_args args = {0};
	pid_t pid;
	int r = launches(c) ? calibrate(env, t->shape->kernel_ns, &kernel, err) : 0;

	if (r < 0)
		return r;
	if (t->compute_mpct && !plain)
		add_run(env, c, t, &args);
	dv_bench_arg(&args, "%s", dv_where(DV_WHERE_BURN_CUDA));
	add_work(c, t, &kernel, &args);
	dv_bench_arg(&args, "--for");
	dv_bench_arg(&args, "%" PRIu64 "ms", c->for_ns / env->common.divide / DV_NS_PER_MS);
	if (c->tenant_count > 1)
		add_number(&args, "--start", at_ns);
	dv_bench_arg(&args, "--out");
	dv_bench_arg(&args, "%s/record-%u", env->common.dir, i);
	pid = dv_bench_spawn(&env->common, args.list, i, NULL, err);
	if (pid < 0)
		return (int)pid;
	*ret_pid = pid;
	return 0;
}

/* Check what was read, and take its two lists out of it. */
static int take_record(const char *path, const char *data, size_t len,
		       struct dv_cuda_tenant_result *ret, struct dv_error *err)
{
	struct dv_cuda_record record;
	dv_autofree uint64_t *times = NULL, *ended = NULL;
	size_t list;

	if (len < sizeof(record))
		return dv_error_set(err, -EPROTO, "%s is cut short", path);
	memcpy(&record, data, sizeof(record));
	list = record.count * sizeof(uint64_t);
	if (record.magic != DV_CUDA_RECORD_MAGIC || record.count > DV_CUDA_TIMES_MOST ||
	    len != sizeof(record) + 2 * list)
		return dv_error_set(err, -EPROTO, "%s is not a whole record", path);
	times = malloc(list + 1);
	ended = malloc(list + 1);
	if (!times || !ended)
		return dv_error_set(err, -ENOMEM, "no memory for times");
	memcpy(times, data + sizeof(record), list);
	memcpy(ended, data + sizeof(record) + list, list);
	dv_stats_sort(times, record.count);
	ret->record = record;
	ret->times = take_ptr(times);
	ret->ended = take_ptr(ended);
	return 0;
}

static int read_record(const struct dv_cuda_env *env, unsigned i, struct dv_cuda_tenant_result *ret,
		       struct dv_error *err)
{
	dv_autofree char *data = NULL;
	char path[192];
	size_t len = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/record-%u", env->common.dir, i);
	r = dv_file_read(path, sizeof(ret->record) + 2 * DV_CUDA_TIMES_MOST * sizeof(uint64_t),
			 &data, &len, err);
	return r < 0 ? r : take_record(path, data, len, ret, err);
}

static void end_all(pid_t *pids, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (pids[i] > 0)
			(void)kill(pids[i], SIGTERM);
	for (unsigned i = 0; i < count; i++)
		if (pids[i] > 0)
			(void)waitpid(pids[i], NULL, 0);
}

static int run_once(struct dv_cuda_env *env, const struct dv_cuda_case *c, bool plain,
		    uint64_t lead, struct dv_cuda_case_result *ret, struct dv_error *err)
{
	pid_t pids[DV_CUDA_TENANTS_MOST] = {0};
	struct dv_bench_kernel kernel;
	uint64_t deadline_ns;
	int r = 0;

	*ret = (struct dv_cuda_case_result){0};
	/* All calibration comes before the start is agreed on. */
	for (unsigned i = 0; r == 0 && launches(c) && i < c->tenant_count; i++)
		r = calibrate(env, c->tenants[i].shape->kernel_ns, &kernel, err);
	ret->start_ns = dv_now_ns() + lead;
	deadline_ns = ret->start_ns + c->for_ns + grace_ns;
	env->common.serial++;
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++)
		r = start_tenant(env, c, i, plain, ret->start_ns, &pids[i], err);
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++) {
		r = dv_bench_reap(&env->common, pids[i], i, c->tenants[i].role, deadline_ns, err);
		pids[i] = 0;
	}
	end_all(pids, c->tenant_count);
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++, ret->count++)
		r = read_record(env, i, &ret->tenants[i], err);
	for (unsigned i = 0; r == 0 && launches(c) && i < c->tenant_count; i++) {
		r = calibrate(env, c->tenants[i].shape->kernel_ns, &kernel, err);
		ret->tenants[i].record.kernel_ns = kernel.real_ns;
	}
	return r;
}

int dv_cuda_run_case(struct dv_cuda_env *env, const struct dv_cuda_case *c, bool plain,
		     struct dv_cuda_case_result *ret, struct dv_error *err)
{
	struct dv_cuda_case_result result = {0};

	for (unsigned try = 0; try < DV_ARRAY_LEN(lead_ns); try++) {
		bool late = false;
		int r = run_once(env, c, plain, lead_ns[try], &result, err);

		if (r < 0) {
			dv_cuda_case_result_fini(&result);
			return r;
		}
		for (unsigned i = 0; i < result.count; i++)
			late |= result.tenants[i].record.late_ns > 0;
		if (!late) {
			*ret = result;
			return 0;
		}
		dv_cuda_case_result_fini(&result);
	}
	return dv_error_set(err, -ETIMEDOUT, "a tenant was not ready in time");
}

void dv_cuda_case_result_fini(struct dv_cuda_case_result *result)
{
	for (unsigned i = 0; i < result->count; i++) {
		free(result->tenants[i].times);
		free(result->tenants[i].ended);
	}
	memset(result, 0, sizeof(*result));
}
