/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of a bench. Pure; arrays are the caller's. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Sort ascending, for dv_stats_percentile. */
void dv_stats_sort(uint64_t *values, size_t count);
/* Nearest rank of sorted values; `percent` in 0..100; 0 when there are none. */
uint64_t dv_stats_percentile(const uint64_t *sorted, size_t count, double percent);
/* Of at most DV_BENCH_RUNS_MOST values; 0 when there are none. */
enum { DV_BENCH_RUNS_MOST = 16 };
double dv_stats_median(const double *values, size_t count);
double dv_stats_spread(const double *values, size_t count);
/* Greatest distance between shares got and wanted, in points of 100. Both are weights. */
double dv_stats_share_error(const double *got, const double *wanted, size_t count);
