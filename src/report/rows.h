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
	const char *skipped; /* why it was not measured, or NULL */
	double p50_ms, p99_ms, light_rate;
	double heavy_rate; /* -1: it had no neighbour */
	enum dv_isolation isolation;
	struct dv_isolates isolates;
};

/* "share/...": what each tenant wanted and got. */
struct dv_share_row {
	char name[64]; /* "70:30/1ms/sync" */
	const char *skipped;
	double error_points, goal;
	unsigned count;
	double wanted_pct[DV_ROW_TENANTS_MOST], got_pct[DV_ROW_TENANTS_MOST];
};

/* "gate/...": with and without divvy. */
struct dv_gate_row {
	char name[64];
	const char *skipped;
	const char *unit;
	double value;
	double baseline; /* 0: this is one */
	double goal;	 /* 0: none */
};

struct dv_rows {
	unsigned noisy_count, share_count, gate_count;
	struct dv_noisy_row noisy[DV_ROWS_MOST];
	struct dv_share_row share[DV_ROWS_MOST];
	struct dv_gate_row gate[DV_ROWS_MOST];
};

void dv_rows_of(const struct dv_bench *bench, bool cpu, struct dv_rows *ret);
