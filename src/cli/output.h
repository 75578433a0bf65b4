/* SPDX-License-Identifier: Apache-2.0 */
/* Text on a terminal or in a file: what the place can show is found out once, and everything goes
 * through here, so that no name of a tenant, driver or process can send control characters.
 *
 * Text is UTF-8; where the locale is not, it is shown in ASCII. Colour only adds to what the words
 * say. The stream stays the caller's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

enum { DV_OUT_COLUMNS = 80 };

enum dv_style {
	DV_STYLE_NONE,
	DV_STYLE_HEAD,
	DV_STYLE_DIM,
	DV_STYLE_GOOD,
	DV_STYLE_WARN,
	DV_STYLE_BAD,
	DV_STYLE_COUNT
};

struct dv_out {
	FILE *file;
	bool terminal;
	bool utf8;
	bool colour;
	bool failed; /* memory ran out, something is missing; stays set */
	unsigned columns;
};

/* Find out what `file` can show: terminal, its width (at most DV_OUT_COLUMNS are used), the locale
 * as setlocale set it, NO_COLOR, TERM. */
void dv_out_init(struct dv_out *out, FILE *file);

/* Write text, made safe; new lines stay. */
void dv_out_text(struct dv_out *out, enum dv_style style, const char *text);
void dv_outf(struct dv_out *out, const char *fmt, ...) DV_PRINTF(2, 3);
void dv_out_style(struct dv_out *out, enum dv_style style, const char *fmt, ...) DV_PRINTF(3, 4);
/* Words wrapped at the width; every line but the first begins with `indent` blanks, and `at`
 * columns of the first are taken. Ends the last line. */
void dv_out_wrap(struct dv_out *out, enum dv_style style, unsigned indent, unsigned at,
		 const char *text);

/* What `text` becomes on `out`: control characters are '?', and where it cannot show UTF-8 known
 * signs have a spelling in ASCII, others are '?'. The caller frees; NULL without memory. */
char *dv_out_render(const struct dv_out *out, const char *text) DV_MUST_CHECK;
/* Columns that rendered text takes on a terminal. */
unsigned dv_out_width(const char *rendered);

/* A bar of `columns` columns, filled for `part` of `whole`; returns `buf`. */
enum { DV_BAR_COLUMNS_MOST = 40, DV_BAR_SIZE = 3 * DV_BAR_COLUMNS_MOST + 3 };
const char *dv_out_bar(const struct dv_out *out, uint64_t part, uint64_t whole, unsigned columns,
		       char buf[DV_BAR_SIZE]);

/* A table: columns as wide as their cells, two blanks between. Cells are added row by row; a table
 * that is too wide is cut in the columns that may be. Without memory it prints nothing and says so.
 */
enum { DV_TABLE_COLUMNS_MOST = 12 };

struct dv_column {
	const char *title;
	bool right;	/* flush right, for numbers */
	unsigned least; /* may be cut to so many columns, 6 and up; 0: never */
	bool whole;	/* not cut then, but on a line of its own: names */
	bool wrap;	/* not cut then, but wrapped: sentences in the last column */
};

struct dv_cell {
	enum dv_style style;
	char *text;
};

struct dv_table {
	const struct dv_column *columns;
	size_t column_count;
	struct {
		struct dv_cell *items;
		size_t len, cap;
	} cells;
	bool failed;
};

void dv_table_init(struct dv_table *table, const struct dv_column *columns, size_t column_count);
void dv_table_fini(struct dv_table *table);
void dv_table_add(struct dv_table *table, const char *fmt, ...) DV_PRINTF(2, 3);
void dv_table_add_style(struct dv_table *table, enum dv_style style, const char *fmt, ...)
	DV_PRINTF(3, 4);
/* Print with `indent` blanks before each line; titles only if a column has one. -ENOMEM. */
int dv_table_print(struct dv_table *table, struct dv_out *out, unsigned indent,
		   struct dv_error *err) DV_MUST_CHECK;
