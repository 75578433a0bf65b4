/* SPDX-License-Identifier: Apache-2.0 */
/* Cases that run alone, known by how their names begin. Nothing is owned. */
#pragma once

#include "bench/bench.h"

struct dv_bench_family {
	const char *prefix; /* "plan/" */
	const char *what;   /* "of the planner" */
	const char *why;    /* they run alone: "they measure no device" */
	/* Are any of them chosen? */
	bool (*any)(const struct dv_bench_options *options);
};

/* Are the cases asked for of this family? -EINVAL with a rule where they are mixed with others
 * (F12), or there is no such case (F11), or none of --quick (F12). */
int dv_bench_family_asked(const struct dv_bench_family *family,
			  const struct dv_bench_options *options, bool *ret,
			  struct dv_error *err) DV_MUST_CHECK;
