/* SPDX-License-Identifier: Apache-2.0 */
/* Horizontal bars as inline SVG: one group of bars for each row, a scale from zero, values written
 * out, patterns beside colours. Appends to the caller's buffer. */
#pragma once

#include <stdbool.h>

#include "base/str.h"

enum { DV_BARS_SERIES_MOST = 3 };

struct dv_bars_row {
	const char *label;
	double value[DV_BARS_SERIES_MOST];
	bool has[DV_BARS_SERIES_MOST];
	double mark; /* a line across the row, such as what was wanted; 0: none */
};

struct dv_bars {
	const char *title; /* read out in place of the picture */
	const char *unit;
	unsigned series_count;
	const char *series[DV_BARS_SERIES_MOST];
	const struct dv_bars_row *rows;
	unsigned row_count;
};

void dv_svg_bars(struct dv_buf *out, const struct dv_bars *bars);
/* The next "round" number not below `value`, for the end of a scale: 1, 2, 2.5, 5 times 10^n. */
double dv_svg_scale(double value);
