/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void dv_stats_sort(uint64_t *values, size_t count)
{
	if (count)
		qsort(values, count, sizeof(*values), compare_u64);
}

uint64_t dv_stats_percentile(const uint64_t *sorted, size_t count, double percent)
{
	size_t rank;

	if (!count)
		return 0;
	rank = (size_t)ceil(percent / 100.0 * (double)count);
	return sorted[DV_MIN(DV_MAX(rank, 1u), count) - 1];
}

double dv_stats_median(const double *values, size_t count)
{
	double sorted[DV_BENCH_RUNS_MOST];

	count = DV_MIN(count, (size_t)DV_BENCH_RUNS_MOST);
	if (!count)
		return 0;
	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), compare_double);
	return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

double dv_stats_spread(const double *values, size_t count)
{
	double least, greatest;

	if (!count)
		return 0;
	least = greatest = values[0];
	for (size_t i = 1; i < count; i++) {
		least = fmin(least, values[i]);
		greatest = fmax(greatest, values[i]);
	}
	return greatest - least;
}

double dv_stats_share_error(const double *got, const double *wanted, size_t count)
{
	double got_sum = 0, wanted_sum = 0, worst = 0;

	for (size_t i = 0; i < count; i++) {
		got_sum += got[i];
		wanted_sum += wanted[i];
	}
	if (got_sum <= 0 || wanted_sum <= 0)
		return 100;
	for (size_t i = 0; i < count; i++)
		worst = fmax(worst, fabs(got[i] / got_sum - wanted[i] / wanted_sum) * 100);
	return worst;
}
