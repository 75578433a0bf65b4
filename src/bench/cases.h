/* SPDX-License-Identifier: Apache-2.0 */
/* What `divvy bench` runs, as data: tenants side by side for a while, each an ordinary OpenCL
 * program with kernels of a known length. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/method.h"

enum { DV_CASE_TENANTS_MOST = 3 };

struct dv_bench_tenant {
	const char *role;      /* "light", "heavy", "a" */
	enum dv_method method; /* DV_METHOD_NONE: without divvy */
	enum dv_policy policy;
	uint32_t compute_mpct; /* 0: not said */
	uint64_t kernel_ns;
	uint64_t think_ns;
	unsigned inflight;
};

enum dv_measure {
	DV_MEASURE_SHARE,      /* share_error_points, over all tenants */
	DV_MEASURE_THROUGHPUT, /* launches of all, against the case `baseline` */
	DV_MEASURE_LATENCY,    /* the first tenant's p50 and p99, all tenants' rates */
	DV_MEASURE_LAUNCH,     /* ns for one launch of the first tenant, against `baseline` */
};

struct dv_bench_case {
	const char *name;
	const char *what; /* one line for people */
	enum dv_measure measure;
	const char *baseline; /* name of a case that ran before, or NULL */
	double goal;	      /* of the measure's first metric; 0: none */
	uint64_t for_ns;
	bool quick; /* part of --quick, at a third of the time */
	unsigned tenant_count;
	struct dv_bench_tenant tenants[DV_CASE_TENANTS_MOST];
};

const struct dv_bench_case *dv_bench_cases(size_t *ret_count);
/* Does the case's name begin with one of the prefixes (none: every case does)? */
bool dv_bench_case_chosen(const struct dv_bench_case *c, const char *const *prefixes, size_t count);
