/* SPDX-License-Identifier: Apache-2.0 */
#include "report/svg.h"

#include <math.h>

#include "report/html.h"

enum { WIDTH = 860, LEFT = 190, RIGHT = 70, BAR = 15, GAP = 12, TOP = 26, BOTTOM = 24, TICKS = 4 };

static const char *const fills[DV_BARS_SERIES_MOST] = {"var(--a)", "url(#hatch)", "var(--c)"};

double dv_svg_scale(double value)
{
	static const double steps[] = {1, 2, 2.5, 5, 10};
	double base;

	if (!(value > 0) || !isfinite(value))
		return 1;
	base = pow(10, floor(log10(value)));
	for (unsigned i = 0; i < DV_ARRAY_LEN(steps); i++)
		if (value <= steps[i] * base * (1 + 1e-9))
			return steps[i] * base;
	return 10 * base;
}

static double greatest(const struct dv_bars *bars)
{
	double most = 0;

	for (unsigned i = 0; i < bars->row_count; i++) {
		most = fmax(most, bars->rows[i].mark);
		for (unsigned s = 0; s < bars->series_count; s++)
			if (bars->rows[i].has[s])
				most = fmax(most, bars->rows[i].value[s]);
	}
	return dv_svg_scale(most);
}

static void legend(struct dv_buf *out, const struct dv_bars *bars)
{
	unsigned x = LEFT;

	for (unsigned s = 0;
	     bars->series_count > 1 && s < DV_MIN(bars->series_count, DV_BARS_SERIES_MOST); s++) {
		dv_buf_addf(out, "<rect x=\"%u\" y=\"4\" width=\"12\" height=\"12\" fill=\"%s\"/>",
			    x, fills[s]);
		dv_buf_addf(out, "<text x=\"%u\" y=\"14\">", x + 17);
		dv_html_text(out, bars->series[s]);
		dv_buf_add(out, "</text>\n");
		x += 110;
	}
}

static void ticks(struct dv_buf *out, const struct dv_bars *bars, double most, unsigned bottom)
{
	for (unsigned t = 0; t <= TICKS; t++) {
		double x = LEFT + (double)(WIDTH - LEFT - RIGHT) * t / TICKS;

		dv_buf_addf(
			out,
			"<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%u\" stroke=\"var(--line)\"/>"
			"<text x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%g",
			x, TOP - 4, x, bottom, x, bottom + 16, most * t / TICKS);
		if (t == TICKS) {
			dv_buf_add(out, " ");
			dv_html_text(out, bars->unit);
		}
		dv_buf_add(out, "</text>\n");
	}
}

static void row(struct dv_buf *out, const struct dv_bars *bars, const struct dv_bars_row *r,
		double most, unsigned y)
{
	double scale = (WIDTH - LEFT - RIGHT) / most;
	unsigned height = bars->series_count * BAR;

	dv_buf_addf(out, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", LEFT - 8,
		    y + height / 2 + 4);
	dv_html_text(out, r->label);
	dv_buf_add(out, "</text>\n");
	for (unsigned s = 0; s < DV_MIN(bars->series_count, DV_BARS_SERIES_MOST); s++) {
		double width = r->has[s] ? fmax(r->value[s], 0) * scale : 0;
		double text = fmax(width, r->mark * scale); /* clear of the mark */

		if (!r->has[s])
			continue;
		dv_buf_addf(out,
			    "<rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>"
			    "<text x=\"%.1f\" y=\"%u\">%.3g</text>\n",
			    LEFT, y + s * BAR, width, BAR - 2, fills[s], LEFT + text + 5,
			    y + s * BAR + BAR - 4, r->value[s]);
	}
	if (r->mark > 0)
		dv_buf_addf(
			out,
			"<line x1=\"%.1f\" y1=\"%u\" x2=\"%.1f\" y2=\"%u\" stroke=\"var(--ink)\" "
			"stroke-width=\"2\" stroke-dasharray=\"3 2\"/>\n",
			LEFT + r->mark * scale, y - 3, LEFT + r->mark * scale, y + height + 1);
}

void dv_svg_bars(struct dv_buf *out, const struct dv_bars *bars)
{
	unsigned step = bars->series_count * BAR + GAP;
	unsigned bottom = TOP + bars->row_count * step;
	double most = greatest(bars);

	if (!bars->row_count || !bars->series_count)
		return;
	dv_buf_addf(out, "<svg viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"", WIDTH,
		    bottom + BOTTOM);
	dv_html_text(out, bars->title);
	dv_buf_add(out, "\">\n<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" "
			"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
			"<rect width=\"6\" height=\"6\" fill=\"var(--b)\"/>"
			"<line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"var(--page)\" "
			"stroke-width=\"2\"/></pattern></defs>\n");
	legend(out, bars);
	ticks(out, bars, most, bottom);
	for (unsigned i = 0; i < bars->row_count; i++)
		row(out, bars, &bars->rows[i], most, TOP + i * step + 4);
	dv_buf_add(out, "</svg>\n");
}
