/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_tables.h"

#include <stdio.h>

#include "cli/show.h"
#include "report/rows.h"

/* Values with ':' between; nothing is "-". */
static void parts_text(const double *values, unsigned count, int decimals, char *buf, size_t size)
{
	size_t at = 0;

	(void)snprintf(buf, size, "-");
	for (unsigned i = 0; i < count && values[i] >= 0 && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s%.*f", i ? ":" : "", decimals,
				       values[i]);
}

/* A number, or "-" where there is none. */
static void number_cell(struct dv_table *table, bool there, int decimals, double value)
{
	if (there)
		dv_table_add(table, "%.*f", decimals, value);
	else
		dv_table_add(table, "-");
}

static unsigned measured(const struct dv_cost_row *rows, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		n += !rows[i].skipped && !rows[i].failed;
	return n;
}

static unsigned noisy_measured(const struct dv_rows *rows)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rows->noisy_count; i++)
		n += !rows->noisy[i].skipped && !rows->noisy[i].failed;
	return n;
}

static unsigned shares_measured(const struct dv_rows *rows)
{
	unsigned n = 0;

	for (unsigned i = 0; i < rows->share_count; i++)
		n += !rows->share[i].skipped && !rows->share[i].failed;
	return n;
}

static int noisy_table(struct dv_out *out, const struct dv_rows *rows, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"SHARING"},
		{"P50 ms", .right = true},
		{"P99 ms", .right = true},
		{"WANTED %", .right = true},
		{"GOT %", .right = true},
		{"ISOLATION"},
		{"COMPUTE HELD"},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char text[32];

	dv_out_style(out, DV_STYLE_HEAD,
		     "A light tenant (1 ms kernels) beside a heavy one (5 ms)\n");
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < rows->noisy_count; i++) {
		const struct dv_noisy_row *row = &rows->noisy[i];
		const double wanted[] = {row->light_wanted_pct, row->heavy_wanted_pct};
		const double got[] = {row->light_got_pct, row->heavy_got_pct};

		if (row->skipped || row->failed)
			continue;
		dv_table_add(&table, "%s", row->name);
		dv_table_add(&table, "%.2f", row->p50_ms);
		dv_table_add(&table, "%.2f", row->p99_ms);
		parts_text(wanted, DV_ARRAY_LEN(wanted), 0, text, sizeof(text));
		dv_table_add(&table, "%s", text);
		parts_text(got, DV_ARRAY_LEN(got), 1, text, sizeof(text));
		dv_table_add(&table, "%s", text);
		dv_table_add(&table, "%s", dv_isolation_name(row->isolation));
		dv_table_add(&table, "%s", dv_hold_name(row->isolates.compute));
	}
	return dv_table_print(&table, out, 0, err);
}

static int gate_table(struct dv_out *out, const struct dv_rows *rows, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"GATE"},
		{"VALUE", .right = true},
		{"UNIT"},
		{"WITHOUT DIVVY", .right = true},
		{"OF IT", .right = true},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_out_style(out, DV_STYLE_HEAD, "What the gate leaves of two tenants' work\n");
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < rows->gate_count; i++) {
		const struct dv_cost_row *row = &rows->gate[i];

		if (row->skipped || row->failed)
			continue;
		dv_table_add(&table, "%s", row->name);
		dv_table_add(&table, "%.1f", row->value);
		dv_table_add(&table, "%s", row->unit);
		if (row->has_baseline && row->baseline > 0) {
			dv_table_add(&table, "%.1f", row->baseline);
			dv_table_add(&table, "%.1f%%", row->value / row->baseline * 100);
		} else {
			dv_table_add(&table, "-");
			dv_table_add(&table, "-");
		}
	}
	return dv_table_print(&table, out, 0, err);
}

static int launch_table(struct dv_out *out, const struct dv_rows *rows, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"LAUNCH"},
		{"NS EACH", .right = true},
		{"COMPARED WITH", .right = true},
		{"ADDED NS", .right = true},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_out_style(out, DV_STYLE_HEAD, "What a launch costs\n");
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < rows->launch_count; i++) {
		const struct dv_cost_row *row = &rows->launch[i];

		if (row->skipped || row->failed)
			continue;
		dv_table_add(&table, "%s", row->name);
		dv_table_add(&table, "%.1f", row->value);
		number_cell(&table, row->has_baseline, 1, row->baseline);
		number_cell(&table, row->has_baseline, 1, row->value - row->baseline);
	}
	return dv_table_print(&table, out, 0, err);
}

static int memory_table(struct dv_out *out, const struct dv_rows *rows, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"MEMORY"},
		{"WHAT"},
		{"VALUE", .right = true},
		{"GOAL", .right = true},
		{"WITHOUT DIVVY", .right = true},
		{"TIMES", .right = true},
		{""},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	dv_out_style(out, DV_STYLE_HEAD, "What a memory limit holds, and costs\n");
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < rows->memory_count; i++) {
		const struct dv_cost_row *row = &rows->memory[i];
		bool compared = row->has_baseline && row->baseline > 0;

		if (row->skipped || row->failed)
			continue;
		dv_table_add(&table, "%s", row->name);
		dv_table_add(&table, "%s", row->metric);
		dv_table_add(&table, "%.0f", row->value);
		number_cell(&table, row->has_goal, 0, row->goal);
		number_cell(&table, compared, 0, row->baseline);
		number_cell(&table, compared, 1, compared ? row->value / row->baseline : 0);
		dv_table_add_style(&table, dv_cost_missed(row) ? DV_STYLE_WARN : DV_STYLE_NONE,
				   "%s", dv_cost_missed(row) ? "goal missed" : "");
	}
	return dv_table_print(&table, out, 0, err);
}

static int share_table(struct dv_out *out, const struct dv_rows *rows, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"SHARES"},
		{"WANTED %", .right = true},
		{"GOT %", .right = true},
		{"ERROR, POINTS", .right = true},
		{""},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char text[64];

	dv_out_style(out, DV_STYLE_HEAD, "Shares, wanted and got\n");
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < rows->share_count; i++) {
		const struct dv_share_row *row = &rows->share[i];
		bool missed = row->goal > 0 && row->error_points > row->goal;

		if (row->skipped || row->failed)
			continue;
		dv_table_add(&table, "%s", row->name);
		parts_text(row->wanted_pct, row->count, 0, text, sizeof(text));
		dv_table_add(&table, "%s", text);
		parts_text(row->got_pct, row->count, 1, text, sizeof(text));
		dv_table_add(&table, "%s", text);
		dv_table_add(&table, "%.2f", row->error_points);
		dv_table_add_style(&table, missed ? DV_STYLE_WARN : DV_STYLE_NONE, "%s",
				   missed ? "goal missed" : "");
	}
	return dv_table_print(&table, out, 0, err);
}

int dv_bench_tables(struct dv_out *out, const struct dv_bench *bench, struct dv_error *err)
{
	dv_autofree struct dv_rows *rows = malloc(sizeof(*rows));
	int r = 0;

	if (!rows)
		return dv_error_set(err, -ENOMEM, "no memory for the tables");
	dv_rows_of(bench, true, rows);
	const struct {
		unsigned count;
		int (*print)(struct dv_out *, const struct dv_rows *, struct dv_error *);
	} tables[] = {
		{noisy_measured(rows), noisy_table},
		{measured(rows->gate, rows->gate_count), gate_table},
		{measured(rows->launch, rows->launch_count), launch_table},
		{measured(rows->memory, rows->memory_count), memory_table},
		{shares_measured(rows), share_table},
	};
	dv_outf(out, "%s, %s\n", bench->device, bench->date);
	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(tables); i++) {
		if (!tables[i].count)
			continue;
		dv_outf(out, "\n");
		r = tables[i].print(out, rows, err);
	}
	for (size_t i = 0; r == 0 && i < bench->results.len; i++) {
		const struct dv_result *result = &bench->results.items[i];

		if (result->skipped[0])
			dv_outf(out, "not measured: %s: %s\n", result->name, result->skipped);
		if (result->failed[0]) {
			dv_out_style(out, DV_STYLE_BAD, "FAILED:");
			dv_outf(out, " %s: %s\n", result->name, result->failed);
		}
	}
	return r;
}
