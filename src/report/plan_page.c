/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "model/units.h"
#include "report/html.h"
#include "report/report.h"

static void text_cell(struct dv_buf *out, const char *text)
{
	dv_buf_add(out, "<td>");
	dv_html_text(out, text);
	dv_buf_add(out, "</td>");
}

static void share_cell(struct dv_buf *out, uint32_t mpct)
{
	char text[32];

	dv_buf_addf(out, "<td class=\"n\">%s</td>",
		    mpct ? dv_share_print(mpct, text, sizeof(text)) : "not said");
}

static void assignment(struct dv_buf *out, const struct dv_assignment *a)
{
	char size[32];

	dv_buf_add(out, "<tr>");
	text_cell(out, a->tenant);
	text_cell(out, dv_method_name(a->method));
	text_cell(out, a->gpu);
	text_cell(out, a->profile[0] ? a->profile : a->node);
	dv_buf_addf(out, "<td class=\"n\">%s</td>",
		    a->memory_bytes ? dv_size_print(a->memory_bytes, size, sizeof(size))
				    : "not limited");
	share_cell(out, a->compute_mpct);
	text_cell(out, dv_isolation_name(a->isolation));
	dv_buf_addf(out, "<td>memory %s, quota %s, compute %s, bandwidth %s, fault %s</td>",
		    dv_hold_name(a->isolates.memory), dv_hold_name(a->isolates.quota),
		    dv_hold_name(a->isolates.compute), dv_hold_name(a->isolates.bandwidth),
		    dv_hold_name(a->isolates.fault));
	text_cell(out, a->reason);
	dv_buf_add(out, "</tr>\n");
}

static void assignments(struct dv_buf *out, const struct dv_plan *plan)
{
	dv_buf_add(out, "<h2>Where each tenant goes</h2>\n<table><thead><tr><th>tenant</th>"
			"<th>method</th><th>GPU</th><th>place</th><th class=\"n\">memory</th>"
			"<th class=\"n\">compute</th><th>isolation</th><th>held by</th><th>why</th>"
			"</tr></thead><tbody>\n");
	for (size_t i = 0; i < plan->assignments.len; i++)
		assignment(out, &plan->assignments.items[i]);
	dv_buf_add(out, "</tbody></table>\n");
}

static void unplaced(struct dv_buf *out, const struct dv_plan *plan)
{
	if (!plan->unplaced.len)
		return;
	dv_buf_add(out, "<h2>Not placed</h2>\n<table><thead><tr><th>tenant</th><th>rules</th>"
			"<th>why</th><th>what would help</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < plan->unplaced.len; i++) {
		const struct dv_unplaced *u = &plan->unplaced.items[i];

		dv_buf_add(out, "<tr>");
		text_cell(out, u->tenant);
		dv_buf_add(out, "<td>");
		for (unsigned k = 0; k < u->rule_count && k < DV_GPU_RULES_MOST; k++) {
			dv_buf_add(out, k ? " " : "");
			dv_html_text(out, u->rules[k]);
		}
		dv_buf_add(out, "</td>");
		text_cell(out, u->reason);
		text_cell(out, u->fix);
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

static void steps(struct dv_buf *out, const struct dv_plan *plan)
{
	dv_buf_add(out, "<h2>Steps</h2>\n");
	if (!plan->steps.len) {
		dv_buf_add(out, "<p>None: the machine is as wanted.</p>\n");
		return;
	}
	dv_buf_add(out, "<table><thead><tr><th class=\"n\">step</th><th>does</th><th>GPU</th>"
			"<th>tenant</th><th>disturbs</th><th>undone by</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *s = &plan->steps.items[i];

		dv_buf_addf(out, "<tr><td class=\"n\">%u</td>", s->id);
		text_cell(out, s->op);
		text_cell(out, s->gpu);
		text_cell(out, s->tenant);
		dv_buf_add(out, "<td>");
		for (unsigned k = 0; k < s->disturb_count && k < DV_ARRAY_LEN(s->disturbs); k++) {
			dv_buf_add(out, k ? ", " : "");
			dv_html_text(out, s->disturbs[k]);
		}
		if (s->disturb_count > DV_ARRAY_LEN(s->disturbs))
			dv_buf_addf(out, " and %zu more",
				    s->disturb_count - DV_ARRAY_LEN(s->disturbs));
		dv_buf_add(out, s->disturb_count ? "</td>" : "nobody</td>");
		text_cell(out, s->undo[0] ? s->undo : "nothing");
		dv_buf_add(out, "</tr>\n");
	}
	dv_buf_add(out, "</tbody></table>\n");
}

int dv_report_plan(const struct dv_plan *plan, char **ret_html, struct dv_error *err)
{
	dv_cleanup(dv_buf_fini) struct dv_buf out = {0};
	char size[32];

	dv_html_begin(&out, "divvy plan");
	dv_buf_add(&out, "<p class=\"soft\">fleet ");
	dv_html_text(&out, plan->fleet);
	dv_buf_addf(&out, " · %u GPU%s used · %u tenant%s stand%s already · state ",
		    plan->gpus_used, dv_plural(plan->gpus_used), plan->kept, dv_plural(plan->kept),
		    plan->kept == 1 ? "s" : "");
	dv_html_text(&out, plan->state);
	dv_buf_add(&out, "</p>\n");
	assignments(&out, plan);
	unplaced(&out, plan);
	steps(&out, plan);
	dv_buf_addf(
		&out,
		"<h2>Left over</h2>\n<p>%s of memory on GPUs in use, fewest GPUs that could do: "
		"%u (%s); this plan: %s.</p>\n",
		plan->waste_memory_bytes
			? dv_size_print(plan->waste_memory_bytes, size, sizeof(size))
			: "Nothing",
		plan->bound_gpus, plan->bound_proven ? "proven" : "not proven",
		dv_bound_name(plan->bound));
	dv_html_end(&out);
	return dv_buf_take(&out, ret_html) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for the page")
		       : 0;
}
