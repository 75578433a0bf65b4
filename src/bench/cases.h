/* SPDX-License-Identifier: Apache-2.0 */
/* What `divvy bench` runs, as data: tenants side by side for a while, each an ordinary OpenCL
 * program with kernels of a known length. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/method.h"

enum { DV_CASE_TENANTS_MOST = 3, DV_CASE_ROUNDS = 5 };

/* What a tenant does with its device. */
enum dv_work {
	DV_WORK_KERNELS, /* kernels of `kernel_ns` for the whole time */
	DV_WORK_NULL,	 /* launches that stop short of the driver: what is above it costs */
	DV_WORK_BUFFERS, /* DV_CASE_BUFFERS buffers made and released, then as DV_WORK_FILL */
	DV_WORK_FILL,	 /* buffers, to the last byte, until its memory is full */
};
enum { DV_CASE_BUFFERS = 24000 };
#define DV_CASE_MEMORY_BYTES (UINT64_C(64) << 20) /* of each slice */

struct dv_bench_tenant {
	const char *role;      /* "light", "heavy", "a" */
	enum dv_method method; /* DV_METHOD_NONE: without divvy */
	enum dv_policy policy;
	uint32_t compute_mpct; /* 0: not said */
	enum dv_work work;
	uint64_t kernel_ns;
	uint64_t think_ns;	  /* pause between kernels, of a length that is drawn anew */
	uint64_t think_jitter_ns; /* each time: uniform within think_ns -+ this, always the same */
	unsigned inflight;
};

enum dv_measure {
	DV_MEASURE_SHARE, /* share_error_points, over all tenants */
	/* Launches of all, against the case `baseline`, which is run again beside it: both in turn,
	 * for DV_CASE_ROUNDS times, as the machine is not the same from one minute to the next. */
	DV_MEASURE_THROUGHPUT,
	DV_MEASURE_LATENCY, /* the first tenant's p50 and p99, all tenants' rates */
	DV_MEASURE_LAUNCH,  /* ns for the middle launch of the first tenant, against `baseline` */
	DV_MEASURE_BUFFERS, /* ns for a buffer, against `baseline`; what was left in the end */
	DV_MEASURE_FILL,    /* bytes at which the first tenant was refused one more */
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
/* NULL: there is none of that name. */
const struct dv_bench_case *dv_bench_case_named(const char *name);
/* Does the case's name begin with one of the prefixes (none: every case does)? */
bool dv_bench_case_chosen(const struct dv_bench_case *c, const char *const *prefixes, size_t count);
