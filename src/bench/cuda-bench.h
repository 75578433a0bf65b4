/* SPDX-License-Identifier: Apache-2.0 */
/* `divvy bench cuda/`: runs the chosen cases in order and turns records into results. */
#pragma once

#include "bench/cuda-runner.h"
#include "model/measure.h"

struct dv_cuda_bench_options {
	const char *const *prefixes; /* cases whose name begins so; none: all */
	size_t prefix_count;
	bool quick;
	unsigned runs; /* of each case, at least; 0: 1 */
	/* Told after each case; may be NULL. */
	void (*progress)(void *arg, const struct dv_result *results, size_t result_count);
	void *arg;
};

/* Is there a case for the words, of those that --quick runs if it is asked for? */
bool dv_cuda_bench_has(const struct dv_cuda_bench_options *options, const struct dv_cuda_case *c);

/* Append to `bench->results`. As dv_bench_run: a case that cannot be measured is a result that says
 * so. */
int dv_cuda_bench_run(struct dv_cuda_env *env, const struct dv_cuda_bench_options *options,
		      struct dv_bench *bench, struct dv_error *err) DV_MUST_CHECK;

/* The greatest distance between part and wanted part of any tenant in any window of `window_ns`
 * that begins in a step of a tenth of it, in points; pure. What one completion stands for is spread
 * over the time that its launches take. */
double dv_cuda_worst_window(const struct dv_cuda_case *c, const struct dv_cuda_case_result *result,
			    uint64_t window_ns);
