/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "report/html.h"
#include "report/report.h"
#include "report/rows.h"
#include "report/svg.h"

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

/* A row that has a reason in place of numbers. */
static bool reason_row(struct dv_buf *out, const char *name, const char *skipped,
		       const char *failed, unsigned columns)
{
	if (!skipped && !failed)
		return false;
	name_cell(out, name);
	dv_buf_addf(out, "<td colspan=\"%u\" class=\"%s\">%s: ", columns, failed ? "miss" : "soft",
		    failed ? "failed" : "not measured");
	dv_html_text(out, failed ? failed : skipped);
	dv_buf_add(out, "</td></tr>\n");
	return true;
}

/* Light and heavy; the heavy one may not be there. */
static void pair_cell(struct dv_buf *out, double light, double heavy, int decimals)
{
	dv_buf_add(out, "<td class=\"n\">");
	if (light >= 0)
		dv_buf_addf(out, "%.*f", decimals, light);
	if (light >= 0 && heavy >= 0)
		dv_buf_addf(out, " : %.*f", decimals, heavy);
	dv_buf_add(out, "</td>");
}

static void noisy_row(struct dv_buf *out, const struct dv_noisy_row *row)
{
	if (reason_row(out, row->name, row->skipped, row->failed, 8))
		return;
	name_cell(out, row->name);
	cell(out, row->p50_ms, 2);
	cell(out, row->p99_ms, 2);
	cell(out, row->light_rate, 1);
	if (row->heavy_rate < 0)
		dv_buf_add(out, "<td class=\"n\">none</td>");
	else
		cell(out, row->heavy_rate, 1);
	pair_cell(out, row->light_wanted_pct, row->heavy_wanted_pct, 0);
	pair_cell(out, row->light_got_pct, row->heavy_got_pct, 1);
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
		   "<p>The light tenant launches 1 ms kernels with 5 to 15 ms of thought between, "
		   "drawn by chance but the same in every row; the heavy one keeps four 5 ms "
		   "kernels in flight. p50 is the launch in the middle, p99 the one that 99 of 100 "
		   "beat. Wanted and got are percent of the device's time, light : heavy; who "
		   "wants less than it was promised gets less.</p>\n");
	for (unsigned i = 0; i < rows->noisy_count; i++) {
		if (rows->noisy[i].skipped || rows->noisy[i].failed)
			continue;
		bars[chart.row_count++] = (struct dv_bars_row){
			.label = rows->noisy[i].name,
			.value = {rows->noisy[i].p50_ms, rows->noisy[i].p99_ms},
			.has = {true, true}};
	}
	dv_svg_bars(out, &chart);
	dv_buf_add(out, "<table><thead><tr><th>way of sharing</th><th class=\"n\">p50, ms</th>"
			"<th class=\"n\">p99, ms</th><th class=\"n\">light, 1/s</th>"
			"<th class=\"n\">heavy, 1/s</th><th class=\"n\">wanted, %</th>"
			"<th class=\"n\">got, %</th><th>isolation</th><th>compute held</th>"
			"</tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->noisy_count; i++)
		noisy_row(out, &rows->noisy[i]);
	dv_buf_add(out, "</tbody></table>\n");
}

static void share_row(struct dv_buf *out, const struct dv_share_row *row)
{
	if (reason_row(out, row->name, row->skipped, row->failed, 3))
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
		if (rows->share[i].skipped || rows->share[i].failed)
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

static void text_cell(struct dv_buf *out, const char *text)
{
	dv_buf_add(out, "<td>");
	dv_html_text(out, text);
	dv_buf_add(out, "</td>");
}

static void maybe_cell(struct dv_buf *out, bool there, double value, int decimals)
{
	if (there)
		cell(out, value, decimals);
	else
		dv_buf_add(out, "<td></td>");
}

static void gate_section(struct dv_buf *out, const struct dv_rows *rows)
{
	if (!rows->gate_count)
		return;
	dv_buf_add(out, "<h2>What the gate leaves of two tenants' "
			"work</h2>\n<table><thead><tr><th>case</th>"
			"<th class=\"n\">value</th><th>unit</th><th class=\"n\">without divvy</th>"
			"<th class=\"n\">of it, %</th></tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->gate_count; i++) {
		const struct dv_cost_row *row = &rows->gate[i];
		bool compared = row->has_baseline && row->baseline > 0;

		if (reason_row(out, row->name, row->skipped, row->failed, 4))
			continue;
		name_cell(out, row->name);
		cell(out, row->value, 1);
		text_cell(out, row->unit);
		maybe_cell(out, compared, row->baseline, 1);
		maybe_cell(out, compared, compared ? row->value / row->baseline * 100 : 0, 1);
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

static void launch_section(struct dv_buf *out, const struct dv_rows *rows)
{
	if (!rows->launch_count)
		return;
	dv_buf_add(
		out,
		"<h2>What a launch costs</h2>\n"
		"<p>The middle launch. null stops before the driver: what divvy adds is its look "
		"at "
		"the grant and its count. uncontended is an empty kernel, waited for, in a slice "
		"that is alone. event-timing is the same in a turn that ends, beside a slice that "
		"waits: each launch's end is watched; it is compared with uncontended, the others "
		"with the same without divvy.</p>\n"
		"<table><thead><tr><th>launch</th><th class=\"n\">ns each</th>"
		"<th class=\"n\">compared with</th><th class=\"n\">added, ns</th>"
		"</tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->launch_count; i++) {
		const struct dv_cost_row *row = &rows->launch[i];

		if (reason_row(out, row->name, row->skipped, row->failed, 3))
			continue;
		name_cell(out, row->name);
		cell(out, row->value, 1);
		maybe_cell(out, row->has_baseline, row->baseline, 1);
		maybe_cell(out, row->has_baseline, row->value - row->baseline, 1);
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

static void memory_section(struct dv_buf *out, const struct dv_rows *rows)
{
	if (!rows->memory_count)
		return;
	dv_buf_add(out, "<h2>What a memory limit holds, and costs</h2>\n"
			"<table><thead><tr><th>case</th><th>what</th><th class=\"n\">value</th>"
			"<th>unit</th><th class=\"n\">goal</th>"
			"<th class=\"n\">without divvy</th><th class=\"n\">times</th>"
			"</tr></thead><tbody>\n");
	for (unsigned i = 0; i < rows->memory_count; i++) {
		const struct dv_cost_row *row = &rows->memory[i];
		bool compared = row->has_baseline && row->baseline > 0;

		if (reason_row(out, row->name, row->skipped, row->failed, 6))
			continue;
		name_cell(out, row->name);
		text_cell(out, row->metric);
		dv_buf_addf(out, "<td class=\"n%s\">%.0f%s</td>",
			    dv_cost_missed(row) ? " miss" : "", row->value,
			    dv_cost_missed(row) ? " (missed)" : "");
		text_cell(out, row->unit);
		maybe_cell(out, row->has_goal, row->goal, 0);
		maybe_cell(out, compared, row->baseline, 0);
		maybe_cell(out, compared, compared ? row->value / row->baseline : 0, 1);
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

static bool is_cuda(const struct dv_result *result)
{
	return strncmp(result->name, "cuda/", 5) == 0;
}

static void cuda_row(struct dv_buf *out, const struct dv_result *result)
{
	/* Every goal here is the most that a value may be. */
	const bool missed = result->has_goal && result->value > result->goal;

	if (reason_row(out, result->name, result->skipped[0] ? result->skipped : NULL,
		       result->failed[0] ? result->failed : NULL, 6))
		return;
	name_cell(out, result->name);
	text_cell(out, result->metric);
	dv_buf_addf(out, "<td class=\"n%s\">%.6g%s</td>", missed ? " miss" : "", result->value,
		    missed ? " (missed)" : "");
	text_cell(out, result->unit);
	maybe_cell(out, result->has_goal, result->goal, 2);
	maybe_cell(out, result->has_baseline, result->baseline, 2);
	text_cell(out, result->on);
	dv_buf_add(out, "</tr>\n");
}

static void cuda_section(struct dv_buf *out, const struct dv_bench *bench)
{
	bool any = false;

	for (size_t i = 0; i < bench->results.len; i++)
		any |= is_cuda(&bench->results.items[i]);
	if (!any)
		return;
	dv_buf_add(out, "<h2>Slices of an NVIDIA GPU</h2>\n"
			"<p>What was measured on a simulated GPU is about divvy's decisions: its "
			"kernels take exactly the time they are told.</p>\n"
			"<table><thead><tr><th>case</th><th>what</th><th class=\"n\">value</th>"
			"<th>unit</th><th class=\"n\">goal, at most</th>"
			"<th class=\"n\">without divvy</th><th>on</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < bench->results.len; i++)
		if (is_cuda(&bench->results.items[i]))
			cuda_row(out, &bench->results.items[i]);
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
	dv_cleanup(dv_buf_fini) struct dv_buf out = {0};
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
	launch_section(&out, rows);
	memory_section(&out, rows);
	cuda_section(&out, bench);
	notes(&out);
	dv_html_end(&out);
	return dv_buf_take(&out, ret_html) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for the page")
		       : 0;
}
