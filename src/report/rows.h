/* SPDX-License-Identifier: Apache-2.0 */
/* A bench's flat results as the rows that people compare: one for each way of sharing, one for each
 * case of shares. Pure; rows point into the bench, which must outlive them. */
#pragma once

#include "model/measure.h"
#include "model/method.h"

enum { DV_ROWS_MOST = 64, DV_ROW_TENANTS_MOST = 3 };

/* "noisy/...": a light tenant and what its neighbour does to it. */
struct dv_noisy_row {
	char name[48];	     /* "slices-50:50" */
	const char *skipped; /* why it can't be measured here, or NULL */
	const char *failed;  /* why measuring it went wrong, or NULL */
	double p50_ms, p99_ms, light_rate;
	double heavy_rate;			   /* -1: it had no neighbour */
	double light_wanted_pct, heavy_wanted_pct; /* what was promised; -1: nothing was */
	double light_got_pct, heavy_got_pct;	   /* of the device's time; -1: not known */
	enum dv_isolation isolation;
	struct dv_isolates isolates;
};

/* "share/...": what each tenant wanted and got. */
struct dv_share_row {
	char name[64]; /* "70:30/1ms/sync" */
	const char *skipped, *failed;
	double error_points, goal;
	unsigned count;
	double wanted_pct[DV_ROW_TENANTS_MOST], got_pct[DV_ROW_TENANTS_MOST];
};

/* One number beside what it is compared with: "gate/..." throughput, "gate/launch/..." what one
 * launch takes, "memory/..." limits and buffers. */
struct dv_cost_row {
	char name[64];
	const char *skipped, *failed;
	const char *metric, *unit;
	double value;
	bool has_baseline, has_goal;
	double baseline, goal;
};

struct dv_rows {
	unsigned noisy_count, share_count, gate_count, launch_count, memory_count;
	struct dv_noisy_row noisy[DV_ROWS_MOST];
	struct dv_share_row share[DV_ROWS_MOST];
	struct dv_cost_row gate[DV_ROWS_MOST], launch[DV_ROWS_MOST], memory[DV_ROWS_MOST];
};

/* Which way a goal of a "memory/..." row is met: exactly. */
bool dv_cost_missed(const struct dv_cost_row *row);

void dv_rows_of(const struct dv_bench *bench, bool cpu, struct dv_rows *ret);
