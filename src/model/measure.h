/* SPDX-License-Identifier: Apache-2.0 */
/* What a bench measured: plain data; the vector is the bench's. A document divvy/bench/1. */
#pragma once

#include <stdbool.h>

#include "base/limits.h"
#include "base/vec.h"

enum { DV_BENCH_TEXT_SIZE = 96 };

struct dv_result {
	char name[DV_BENCH_TEXT_SIZE]; /* "share/70:30/1ms/sync" */
	char metric[32];	       /* "share_error_points" */
	char unit[16];		       /* "points", "ms", "1/s", "%", "ns" */
	char on[16];		       /* "simulated", "real"; "": it is what it is */
	double value;
	bool has_goal, has_baseline;
	double goal;	   /* what it should be at most, or at least: `metric` says */
	double baseline;   /* the same, measured without divvy in the same run */
	unsigned n;	   /* runs; value is their median */
	double spread;	   /* greatest less least of the runs */
	char skipped[240]; /* why it can't be measured here, or "" */
	char failed[240];  /* why measuring it went wrong, or "" */
};

struct dv_bench {
	char device[128];
	char date[32]; /* ISO 8601, UTC */
	char version[32];
	DV_VEC(struct dv_result) results;
};
