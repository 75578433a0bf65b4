/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/runner.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "base/where.h"
#include "bench/spawn.h"
#include "bench/stats.h"
#include "model/units.h"

/* A tenant needs this long to load OpenCL and compile before the agreed start; one that was late
 * gets another try with more. */
static const uint64_t start_ns[] = {2 * DV_NS_PER_S, 4 * DV_NS_PER_S, 10 * DV_NS_PER_S};
static const uint64_t grace_ns = 30 * DV_NS_PER_S;

int dv_bench_env_init(struct dv_bench_env *env, const char *socket, unsigned divide,
		      struct dv_error *err)
{
	const char *tmp = getenv("TMPDIR");

	memset(env, 0, sizeof(*env));
	env->socket = socket;
	env->divide = divide ? divide : 1;
	env->stop_fd = -1;
	(void)snprintf(env->dir, sizeof(env->dir), "%s/divvy-bench-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(env->dir) ? 0 : dv_error_errno(err, errno, "making %s", env->dir);
}

void dv_bench_env_fini(struct dv_bench_env *env)
{
	char path[192];

	for (unsigned i = 0; i < DV_CASE_TENANTS_MOST; i++) {
		(void)snprintf(path, sizeof(path), "%s/record-%u", env->dir, i);
		(void)unlink(path);
		(void)snprintf(path, sizeof(path), "%s/message-%u", env->dir, i);
		(void)unlink(path);
	}
	(void)rmdir(env->dir);
}

bool dv_bench_stopped(const struct dv_bench_env *env)
{
	struct pollfd fd = {.fd = env->stop_fd, .events = POLLIN};

	return env->stop_fd >= 0 && poll(&fd, 1, 0) > 0;
}

static int read_kernel(const char *text, struct dv_bench_kernel *ret, struct dv_error *err)
{
	char *end;

	ret->loops = strtoull(text, &end, 10);
	ret->real_ns = strtoull(end, NULL, 10);
	if (!ret->loops || !ret->real_ns)
		return dv_error_set(err, -EPROTO, "the calibration printed '%s'", text);
	return 0;
}

/* The kernel of a tenant, measured at its first use; zero where it has none. */
static int calibrate(struct dv_bench_env *env, const struct dv_bench_tenant *t,
		     struct dv_bench_kernel *ret, struct dv_error *err)
{
	struct dv_bench_kernel kernel = {.kernel_ns = t->kernel_ns, .inflight = t->inflight};
	dv_autofree char *text = NULL;
	struct dv_bench_args args = {0};
	char out[192];
	pid_t pid;
	int r;

	for (unsigned i = 0; i < env->kernel_count; i++) {
		if (env->kernels[i].kernel_ns == t->kernel_ns &&
		    env->kernels[i].inflight == t->inflight)
			kernel = env->kernels[i];
	}
	*ret = kernel;
	if (kernel.loops || !t->kernel_ns)
		return 0;
	if (env->kernel_count == DV_BENCH_KERNELS_MOST)
		return dv_error_set(err, -E2BIG, "more than %d kernel lengths",
				    DV_BENCH_KERNELS_MOST);
	(void)snprintf(out, sizeof(out), "%s/record-0", env->dir);
	dv_bench_arg(&args, "%s", dv_where(DV_WHERE_BURN));
	dv_bench_arg(&args, "--calibrate");
	dv_bench_arg(&args, "--kernel");
	dv_bench_arg(&args, "%" PRIu64 "us", t->kernel_ns / DV_NS_PER_US);
	dv_bench_arg(&args, "--inflight");
	dv_bench_arg(&args, "%u", t->inflight);
	pid = dv_bench_spawn(env, args.list, 0, out, err);
	r = pid < 0 ? (int)pid
		    : dv_bench_reap(env, pid, 0, "the calibration", dv_now_ns() + grace_ns, err);
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

static void add_run(const struct dv_bench_env *env, const struct dv_bench_tenant *t,
		    struct dv_bench_args *args)
{
	char share[32];

	dv_bench_arg(args, "%s", dv_where(DV_WHERE_DIVVY));
	dv_bench_arg(args, "--socket");
	dv_bench_arg(args, "%s", env->socket);
	dv_bench_arg(args, "run");
	dv_bench_arg(args, "--name");
	dv_bench_arg(args, "bench-%d-%u-%s", (int)getpid(), env->serial, t->role);
	dv_bench_arg(args, "--method");
	dv_bench_arg(args, "%s", dv_method_name(t->method));
	if (t->compute_mpct) {
		dv_bench_arg(args, "--compute");
		dv_bench_arg(args, "%s", dv_share_print(t->compute_mpct, share, sizeof(share)));
	}
	if (t->method == DV_METHOD_SLICE) {
		dv_bench_arg(args, "--memory");
		dv_bench_arg(args, "%" PRIu64 "MiB", DV_CASE_MEMORY_BYTES >> 20);
		dv_bench_arg(args, "--policy");
		dv_bench_arg(args, "%s", dv_policy_name(t->policy));
	}
	dv_bench_arg(args, "--");
}

static void add_work(const struct dv_bench_tenant *t, const struct dv_bench_kernel *kernel,
		     struct dv_bench_args *args)
{
	dv_bench_arg(args, "--loops");
	dv_bench_arg(args, "%" PRIu64, DV_MAX(kernel->loops, 1u));
	dv_bench_arg(args, "--kernel");
	dv_bench_arg(args, "%" PRIu64 "us", DV_MAX(kernel->real_ns / DV_NS_PER_US, 1u));
	dv_bench_arg(args, "--inflight");
	dv_bench_arg(args, "%u", t->inflight);
	if (t->think_ns) {
		dv_bench_arg(args, "--think");
		dv_bench_arg(args, "%" PRIu64 "us", t->think_ns / DV_NS_PER_US);
		dv_bench_arg(args, "--jitter");
		dv_bench_arg(args, "%" PRIu64 "us", t->think_jitter_ns / DV_NS_PER_US);
	}
	if (t->work == DV_WORK_NULL)
		dv_bench_arg(args, "--null");
	if (t->work == DV_WORK_BUFFERS) {
		dv_bench_arg(args, "--buffers");
		dv_bench_arg(args, "%d", DV_CASE_BUFFERS);
	}
	/* One byte more than a slice has: a limit that is not held is seen, outside nothing is
	 * hurt. */
	if (t->work == DV_WORK_FILL || t->work == DV_WORK_BUFFERS) {
		dv_bench_arg(args, "--fill");
		dv_bench_arg(args, "%" PRIu64, DV_CASE_MEMORY_BYTES + 1);
	}
}

static int start_tenant(struct dv_bench_env *env, const struct dv_bench_case *c, unsigned i,
			uint64_t at_ns, pid_t *ret_pid, struct dv_error *err)
{
	const struct dv_bench_tenant *t = &c->tenants[i];
	struct dv_bench_args args = {0};
	struct dv_bench_kernel kernel;
	pid_t pid;
	int r = calibrate(env, t, &kernel, err);

	if (r < 0)
		return r;
	if (t->method != DV_METHOD_NONE)
		add_run(env, t, &args);
	dv_bench_arg(&args, "%s", dv_where(DV_WHERE_BURN));
	add_work(t, &kernel, &args);
	dv_bench_arg(&args, "--for");
	dv_bench_arg(&args, "%" PRIu64 "ms", c->for_ns / env->divide / DV_NS_PER_MS);
	if (c->tenant_count > 1) {
		dv_bench_arg(&args, "--start");
		dv_bench_arg(&args, "%" PRIu64, at_ns);
	}
	dv_bench_arg(&args, "--out");
	dv_bench_arg(&args, "%s/record-%u", env->dir, i);
	pid = dv_bench_spawn(env, args.list, i, NULL, err);
	if (pid < 0)
		return (int)pid;
	*ret_pid = pid;
	return 0;
}

static int read_record(const struct dv_bench_env *env, unsigned i,
		       struct dv_bench_tenant_result *ret, struct dv_error *err)
{
	dv_autofree char *data = NULL;
	dv_autofree uint64_t *latencies = NULL;
	struct dv_burn_record record;
	char path[192];
	size_t len = 0;
	int r;

	(void)snprintf(path, sizeof(path), "%s/record-%u", env->dir, i);
	r = dv_file_read(path, sizeof(record) + 2 * DV_BURN_LAUNCHES_MOST * sizeof(uint64_t), &data,
			 &len, err);
	if (r < 0)
		return r;
	if (len < sizeof(record))
		return dv_error_set(err, -EPROTO, "%s is cut short", path);
	memcpy(&record, data, sizeof(record));
	if (record.magic != DV_BURN_MAGIC || record.count > DV_BURN_LAUNCHES_MOST || !record.each ||
	    len != sizeof(record) + 2 * record.count * sizeof(uint64_t))
		return dv_error_set(err, -EPROTO, "%s is not a whole record", path);
	latencies = malloc(record.count * sizeof(uint64_t) + 1);
	if (!latencies)
		return dv_error_set(err, -ENOMEM, "no memory for latencies");
	memcpy(latencies, data + sizeof(record), record.count * sizeof(uint64_t));
	dv_stats_sort(latencies, record.count);
	ret->record = record;
	ret->latencies = take_ptr(latencies);
	return 0;
}

static void end_all(const pid_t *pids, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (pids[i] <= 0)
			continue;
		(void)kill(pids[i], SIGTERM);
		(void)waitpid(pids[i], NULL, 0);
	}
}

static int run_once(struct dv_bench_env *env, const struct dv_bench_case *c, uint64_t lead_ns,
		    struct dv_bench_case_result *ret, struct dv_error *err)
{
	pid_t pids[DV_CASE_TENANTS_MOST] = {0};
	struct dv_bench_kernel kernel;
	uint64_t at_ns, deadline_ns;
	int r = 0;

	/* All calibration comes before the start is agreed on. */
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++)
		r = calibrate(env, &c->tenants[i], &kernel, err);
	/* Who has nobody beside it starts when it is ready. */
	at_ns = dv_now_ns() + lead_ns;
	deadline_ns = at_ns + c->for_ns + grace_ns;
	env->serial++;
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++)
		r = start_tenant(env, c, i, at_ns, &pids[i], err);
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++) {
		r = dv_bench_reap(env, pids[i], i, c->tenants[i].role, deadline_ns, err);
		pids[i] = 0;
	}
	end_all(pids, c->tenant_count);
	for (unsigned i = 0; r == 0 && i < c->tenant_count; i++, ret->count++)
		r = read_record(env, i, &ret->tenants[i], err);
	return r;
}

int dv_bench_run_case(struct dv_bench_env *env, const struct dv_bench_case *c,
		      struct dv_bench_case_result *ret, struct dv_error *err)
{
	struct dv_bench_case_result result = {0};

	for (unsigned try = 0; try < DV_ARRAY_LEN(start_ns); try++) {
		bool late = false;
		int r = run_once(env, c, start_ns[try], &result, err);

		if (r < 0) {
			dv_bench_case_result_fini(&result);
			return r;
		}
		for (unsigned i = 0; i < result.count; i++)
			late |= result.tenants[i].record.late_ns > 0;
		if (!late) {
			*ret = result;
			return 0;
		}
		dv_bench_case_result_fini(&result);
	}
	return dv_error_set(err, -ETIMEDOUT, "a tenant was not ready in time");
}

void dv_bench_case_result_fini(struct dv_bench_case_result *result)
{
	for (unsigned i = 0; i < result->count; i++)
		free(result->tenants[i].latencies);
	memset(result, 0, sizeof(*result));
}
