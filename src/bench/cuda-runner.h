/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one case of CUDA: starts its tenants at one moment, each as `divvy run ... --
 * divvy-burn-cuda ...` (or divvy-burn-cuda alone, without divvy), waits for all, reads their
 * records. */
#pragma once

#include "bench/cuda-cases.h"
#include "bench/cuda-record.h"
#include "bench/runner.h"

struct dv_cuda_env {
	struct dv_bench_env common; /* of its own kernels only the number is kept there */
	const char *option, *value; /* which divvyd: "--machine" NAME, "--socket" PATH */
	unsigned gpu;		    /* its number in that divvyd's list */
	struct dv_bench_kernel kernels[DV_BENCH_KERNELS_MOST]; /* calibrated so far */
	unsigned kernel_count;
};

/* What one tenant did. `times` (ns, sorted) and `ended` (as they came) are owned by the result. */
struct dv_cuda_tenant_result {
	struct dv_cuda_record record;
	uint64_t *times, *ended;
};

struct dv_cuda_case_result {
	unsigned count;
	uint64_t start_ns; /* when all began */
	struct dv_cuda_tenant_result tenants[DV_CUDA_TENANTS_MOST];
};

/* `plain`: all tenants without divvy. -EOPNOTSUPP: refused here by a rule; any other error is a
 * failure of the case. */
int dv_cuda_run_case(struct dv_cuda_env *env, const struct dv_cuda_case *c, bool plain,
		     struct dv_cuda_case_result *ret, struct dv_error *err) DV_MUST_CHECK;
void dv_cuda_case_result_fini(struct dv_cuda_case_result *result);
