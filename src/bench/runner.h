/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one case: starts its tenants at one moment, each as `divvy run ... -- divvy-burn ...` (or
 * divvy-burn alone, where the case says without divvy), waits for all, reads their records.
 * Everything goes the way a user's program would go. */
#pragma once

#include "base/error.h"
#include "bench/cases.h"
#include "bench/record.h"

enum { DV_BENCH_KERNELS_MOST = 16 };

/* A kernel of about `kernel_ns`: how many loops make it, and what a launch of it takes alone on the
 * device with so many on the queue. */
struct dv_bench_kernel {
	uint64_t kernel_ns, loops, real_ns;
	unsigned inflight;
};

struct dv_bench_env {
	const char *socket; /* of divvyd */
	char dir[128];	    /* private, for records and messages; removed by dv_bench_env_fini */
	unsigned divide;    /* run each case for 1/divide of its time */
	int stop_fd;	    /* the caller's: readable when to end now, and it stays so; -1: none */
	struct dv_bench_kernel kernels[DV_BENCH_KERNELS_MOST]; /* calibrated so far */
	unsigned kernel_count;
	unsigned serial; /* of the leases' names */
};

/* What one tenant did. `latencies` (ns, sorted) is owned by the result. */
struct dv_bench_tenant_result {
	struct dv_burn_record record;
	uint64_t *latencies;
};

struct dv_bench_case_result {
	unsigned count;
	struct dv_bench_tenant_result tenants[DV_CASE_TENANTS_MOST];
};

int dv_bench_env_init(struct dv_bench_env *env, const char *socket, unsigned divide,
		      struct dv_error *err) DV_MUST_CHECK;
void dv_bench_env_fini(struct dv_bench_env *env);

/* Is what runs to be ended? */
bool dv_bench_stopped(const struct dv_bench_env *env);

/* -EOPNOTSUPP: the case is refused here, by a rule; any other error is a failure of the case. */
int dv_bench_run_case(struct dv_bench_env *env, const struct dv_bench_case *c,
		      struct dv_bench_case_result *ret, struct dv_error *err) DV_MUST_CHECK;
void dv_bench_case_result_fini(struct dv_bench_case_result *result);
