/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/vec.h"
#include "cli/output.h"

void dv_table_init(struct dv_table *table, const struct dv_column *columns, size_t column_count)
{
	memset(table, 0, sizeof(*table));
	table->columns = columns;
	table->column_count = column_count;
}

void dv_table_fini(struct dv_table *table)
{
	for (size_t i = 0; i < table->cells.len; i++)
		free(table->cells.items[i].text);
	dv_vec_fini(&table->cells);
}

static void DV_PRINTF(3, 0)
	add_va(struct dv_table *table, enum dv_style style, const char *fmt, va_list args)
{
	struct dv_cell cell = {.style = style};

	if (vasprintf(&cell.text, fmt, args) < 0) {
		table->failed = true;
		return;
	}
	if (dv_vec_push(&table->cells, cell) < 0) {
		free(cell.text);
		table->failed = true;
	}
}

void dv_table_add(struct dv_table *table, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_va(table, DV_STYLE_NONE, fmt, args);
	va_end(args);
}

void dv_table_add_style(struct dv_table *table, enum dv_style style, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	add_va(table, style, fmt, args);
	va_end(args);
}

/* Make every cell what `out` shows of it. */
static int render_cells(struct dv_table *table, const struct dv_out *out)
{
	for (size_t i = 0; i < table->cells.len; i++) {
		char *rendered = dv_out_render(out, table->cells.items[i].text);

		if (!rendered)
			return -ENOMEM;
		free(table->cells.items[i].text);
		table->cells.items[i].text = rendered;
		for (char *p = rendered; *p; p++)
			if (*p == '\n')
				*p = ' ';
	}
	return 0;
}

static void measure(const struct dv_table *table, const struct dv_out *out, unsigned indent,
		    unsigned *widths)
{
	unsigned total = indent;

	for (size_t c = 0; c < table->column_count; c++) {
		const char *title = table->columns[c].title;

		widths[c] = title ? dv_out_width(title) : 0;
		for (size_t i = c; i < table->cells.len; i += table->column_count)
			widths[c] = DV_MAX(widths[c], dv_out_width(table->cells.items[i].text));
		total += widths[c] + (c ? 2 : 0);
	}
	for (size_t c = 0; c < table->column_count && total > out->columns; c++) {
		unsigned least = table->columns[c].least;
		unsigned less = least && widths[c] > least ? widths[c] - least : 0;

		less = DV_MIN(less, total - out->columns);
		widths[c] -= less;
		total -= less;
	}
}

/* Bytes of the longest beginning of `text` that is at most `width` columns wide. */
static size_t fitting(struct dv_out *out, const char *text, unsigned width)
{
	dv_autofree char *part = strdup(text);
	size_t len = strlen(text);

	out->failed |= !part;
	while (part && len && dv_out_width(part) > width) {
		do
			len--;
		while (len && ((unsigned char)part[len] & 0xc0) == 0x80);
		part[len] = '\0';
	}
	return len;
}

static void print_cell(struct dv_out *out, const struct dv_cell *cell,
		       const struct dv_column *column, unsigned width, bool last)
{
	const char *more = out->utf8 ? "…" : "...";
	unsigned used = dv_out_width(cell->text);
	int pad = used < width ? (int)(width - used) : 0;

	if (column->right)
		(void)fprintf(out->file, "%*s", pad, "");
	if (used <= width || column->whole) {
		dv_out_text(out, cell->style, cell->text);
	} else {
		int n = (int)fitting(out, cell->text, width - dv_out_width(more));

		dv_out_style(out, cell->style, "%.*s%s", n, cell->text, more);
	}
	if (!column->right && !last)
		(void)fprintf(out->file, "%*s", pad, "");
}

/* A sentence that does not fit goes on below itself; ends the line. */
static bool wrap_last(const struct dv_table *table, struct dv_out *out, const struct dv_cell *cell,
		      const struct dv_column *column, unsigned width, unsigned at)
{
	if (!column->wrap || column != &table->columns[table->column_count - 1] ||
	    dv_out_width(cell->text) <= width)
		return false;
	dv_out_wrap(out, cell->style, at, at, cell->text);
	return true;
}

static void print_row(const struct dv_table *table, struct dv_out *out, unsigned indent,
		      const struct dv_cell *cells, const unsigned *widths)
{
	size_t shown = table->column_count;
	unsigned at = indent;

	/* No blanks at the end of a line. */
	while (shown && !*cells[shown - 1].text)
		shown--;
	(void)fprintf(out->file, "%*s", shown ? (int)indent : 0, "");
	for (size_t c = 0; c < shown; c++) {
		if (c)
			(void)fputs("  ", out->file);
		if (wrap_last(table, out, &cells[c], &table->columns[c], widths[c],
			      at + (c ? 2 : 0)))
			return;
		print_cell(out, &cells[c], &table->columns[c], widths[c], c + 1 == shown);
		at += widths[c] + (c ? 2 : 0);
		/* What did not fit has this line to itself; the row goes on below. */
		if (c + 1 < shown && dv_out_width(cells[c].text) > widths[c] &&
		    table->columns[c].whole)
			(void)fprintf(out->file, "\n%*s", (int)at, "");
	}
	(void)fputc('\n', out->file);
}

static void print_titles(const struct dv_table *table, struct dv_out *out, unsigned indent,
			 const unsigned *widths)
{
	struct dv_cell cells[DV_TABLE_COLUMNS_MOST];
	bool any = false;

	for (size_t c = 0; c < table->column_count; c++) {
		const char *title = table->columns[c].title;

		/* Cells are only read. */
		cells[c] = (struct dv_cell){DV_STYLE_HEAD, (char *)(title ? title : "")};
		any |= title && *title;
	}
	if (any)
		print_row(table, out, indent, cells, widths);
}

int dv_table_print(struct dv_table *table, struct dv_out *out, unsigned indent,
		   struct dv_error *err)
{
	unsigned widths[DV_TABLE_COLUMNS_MOST];

	if (table->failed || render_cells(table, out) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the table");
	measure(table, out, indent, widths);
	print_titles(table, out, indent, widths);
	for (size_t i = 0; i + table->column_count <= table->cells.len; i += table->column_count)
		print_row(table, out, indent, &table->cells.items[i], widths);
	return 0;
}
