/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/report.h"
#include "report/rows.h"
#include "report/svg.h"

static void buf_finip(struct dv_buf *buf)
{
	dv_buf_fini(buf);
}

static void cell(struct dv_buf *out, double value, int decimals)
{
	dv_buf_addf(out, "<td class=\"n\">%.*f</td>", decimals, value);
}

static void name_cell(struct dv_buf *out, const char *name)
{
	dv_buf_add(out, "<tr><td>");
	dv_html_text(out, name);
	dv_buf_add(out, "</td>");
}

static bool skipped_row(struct dv_buf *out, const char *name, const char *why, unsigned columns)
{
	if (!why)
		return false;
	name_cell(out, name);
	dv_buf_addf(out, "<td colspan=\"%u\" class=\"soft\">not measured: ", columns);
	dv_html_text(out, why);
	dv_buf_add(out, "</td></tr>\n");
	return true;
}

static void noisy_row(struct dv_buf *out, const struct dv_noisy_row *row)
{
	if (skipped_row(out, row->name, row->skipped, 6))
		return;
	name_cell(out, row->name);
	cell(out, row->p50_ms, 2);
	cell(out, row->p99_ms, 2);
	cell(out, row->light_rate, 1);
	if (row->heavy_rate < 0)
		dv_buf_add(out, "<td class=\"n\">none</td>");
	else
		cell(out, row->heavy_rate, 1);
	dv_buf_addf(out, "<td>%s</td><td>%s</td></tr>\n", dv_isolation_name(row->isolation),
		    row->isolation == DV_ISOLATION_NONE ? "none"
							: dv_hold_name(row->isolates.compute));
}

static void noisy_section(struct dv_buf *out, const struct dv_rows *rows)
{
	struct dv_bars_row bars[DV_ROWS_MOST];
	struct dv_bars chart = {.title = "Latency of the light tenant by way of sharing",
				.unit = "ms",
				.series_count = 2,
				.series = {"p50", "p99"},
				.rows = bars};

	if (!rows->noisy_count)
		return;
	dv_buf_add(out,
		   "<h2>A light tenant beside a heavy neighbour</h2>\n"
		   "<p>The light tenant launches 1 ms kernels with 10 ms of thought between; the "
		   "heavy one keeps four 5 ms kernels in flight. p50 is the launch in the middle, "
		   "p99 the one that 99 of 100 beat.</p>\n");
	for (unsigned i = 0; i < rows->noisy_count; i++) {
		if (rows->noisy[i].skipped)
			continue;
		bars[chart.row_count++] = (struct dv_bars_row){
			.label = rows->noisy[i].name,
			.value = {rows->noisy[i].p50_ms, rows->noisy[i].p99_ms},
			.has = {true, true}};
	}
	dv_svg_bars(out, &chart);
	dv_buf_add(out, "<table><thead><tr><th>way of sharing</th><th class=\"n\">p50, ms</th>"
			"<th class=\"n\">p99, ms</th><th class=\"n\">light, 1/s</th>"
			"<th class=\"n\">heavy, 1/s</th><th>isolation</th><th>compute held</th>"
			"</tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->noisy_count; i++)
		noisy_row(out, &rows->noisy[i]);
	dv_buf_add(out, "</tbody></table>\n");
}

static void share_row(struct dv_buf *out, const struct dv_share_row *row)
{
	if (skipped_row(out, row->name, row->skipped, 3))
		return;
	name_cell(out, row->name);
	dv_buf_add(out, "<td class=\"n\">");
	for (unsigned i = 0; i < row->count; i++)
		dv_buf_addf(out, "%s%g", i ? " : " : "", row->wanted_pct[i]);
	dv_buf_add(out, "</td><td class=\"n\">");
	for (unsigned i = 0; i < row->count; i++)
		dv_buf_addf(out, "%s%.1f", i ? " : " : "", row->got_pct[i]);
	dv_buf_addf(out, "</td><td class=\"n%s\">%.2f%s</td></tr>\n",
		    row->goal > 0 && row->error_points > row->goal ? " miss" : "",
		    row->error_points,
		    row->goal > 0 && row->error_points > row->goal ? " (missed)" : "");
}

static void share_section(struct dv_buf *out, const struct dv_rows *rows)
{
	struct dv_bars_row bars[DV_ROWS_MOST];
	struct dv_bars chart = {.title = "Share of the first tenant, wanted (dashed) and got",
				.unit = "%",
				.series_count = 1,
				.series = {"got"},
				.rows = bars};

	if (!rows->share_count)
		return;
	dv_buf_add(
		out,
		"<h2>Shares, wanted and got</h2>\n<p>All tenants want the device all the time. "
		"The picture shows the first tenant; the dashed line is what it was promised. The "
		"goal is an error of at most one point.</p>\n");
	for (unsigned i = 0; i < rows->share_count; i++) {
		if (rows->share[i].skipped)
			continue;
		bars[chart.row_count++] =
			(struct dv_bars_row){.label = rows->share[i].name,
					     .value = {rows->share[i].got_pct[0]},
					     .has = {true},
					     .mark = rows->share[i].wanted_pct[0]};
	}
	dv_svg_bars(out, &chart);
	dv_buf_add(out, "<table><thead><tr><th>shares, kernels, way of launching</th>"
			"<th class=\"n\">wanted, %</th><th class=\"n\">got, %</th>"
			"<th class=\"n\">error, points</th></tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->share_count; i++)
		share_row(out, &rows->share[i]);
	dv_buf_add(out, "</tbody></table>\n");
}

static void gate_section(struct dv_buf *out, const struct dv_rows *rows)
{
	if (!rows->gate_count)
		return;
	dv_buf_add(out, "<h2>What the gate costs</h2>\n<table><thead><tr><th>case</th>"
			"<th class=\"n\">value</th><th>unit</th><th class=\"n\">without divvy</th>"
			"<th class=\"n\">of it, %</th></tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->gate_count; i++) {
		const struct dv_gate_row *row = &rows->gate[i];

		if (skipped_row(out, row->name, row->skipped, 4))
			continue;
		name_cell(out, row->name);
		cell(out, row->value, 1);
		dv_buf_add(out, "<td>");
		dv_html_text(out, row->unit);
		dv_buf_add(out, "</td>");
		if (row->baseline > 0) {
			cell(out, row->baseline, 1);
			cell(out, row->value / row->baseline * 100, 1);
		} else {
			dv_buf_add(out, "<td></td><td></td>");
		}
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

static void notes(struct dv_buf *out)
{
	dv_buf_add(
		out,
		"<h2>How to read this</h2>\n<p>A slice is held by a layer inside the tenant's own "
		"process: exact for programs that use OpenCL as usual, but not a wall; kernels are "
		"not preempted, so the tail of a shared device is as long as the neighbour's "
		"longest "
		"kernel. A partition of the CPU device keeps CPUs apart, not memory bandwidth or "
		"the "
		"last-level cache. A whole device has no neighbour. Compare rows of one page; "
		"numbers "
		"of two machines, or of two days, say little about divvy.</p>\n");
}

int dv_report_bench(const struct dv_bench *bench, char **ret_html, struct dv_error *err)
{
	dv_cleanup(buf_finip) struct dv_buf out = {0};
	dv_autofree struct dv_rows *rows = malloc(sizeof(*rows));

	if (!rows)
		return dv_error_set(err, -ENOMEM, "no memory for the page");
	dv_rows_of(bench, true, rows);
	dv_html_begin(&out, "divvy bench");
	dv_buf_add(&out, "<p class=\"soft\">");
	dv_html_text(&out, bench->device);
	dv_buf_add(&out, "<br>");
	dv_html_text(&out, bench->date);
	dv_buf_add(&out, " · divvy ");
	dv_html_text(&out, bench->version);
	dv_buf_add(&out, "</p>\n");
	noisy_section(&out, rows);
	share_section(&out, rows);
	gate_section(&out, rows);
	notes(&out);
	dv_html_end(&out);
	return dv_buf_take(&out, ret_html) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for the page")
		       : 0;
}
