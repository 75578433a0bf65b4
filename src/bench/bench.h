/* SPDX-License-Identifier: Apache-2.0 */
/* `divvy bench`: runs the chosen cases in order and turns records into results. */
#pragma once

#include "bench/runner.h"
#include "model/measure.h"

struct dv_bench_options {
	const char *const *prefixes; /* cases whose name begins so; none: all */
	size_t prefix_count;
	bool quick;
	unsigned runs; /* of each case; 0: 1 */
	/* Told before each case, and after it with its results; may be NULL. */
	void (*progress)(void *arg, const struct dv_bench_case *c, unsigned at, unsigned of,
			 const struct dv_result *results, size_t result_count);
	void *arg;
};

/* Append to `bench->results`. A case that is refused here is a result with `skipped`, one that went
 * wrong a result with `failed`, and the others go on; only what makes every case impossible, and
 * the env's `stop_fd` (-EIO), is an error. */
int dv_bench_run(struct dv_bench_env *env, const struct dv_bench_options *options,
		 struct dv_bench *bench, struct dv_error *err) DV_MUST_CHECK;
