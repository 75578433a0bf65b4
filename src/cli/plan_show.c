/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plan_show.h"

#include <string.h>

#include "base/str.h"
#include "cli/show.h"
#include "model/mig.h"
#include "model/units.h"

enum { DISTURBED_MOST = 8 };

static void show_place(const struct dv_assignment *a, char buf[DV_SHOW_SIZE])
{
	if (a->profile[0] && a->start >= 0)
		(void)snprintf(buf, DV_SHOW_SIZE, "%s at %d", a->profile, a->start);
	else if (a->profile[0])
		(void)snprintf(buf, DV_SHOW_SIZE, "%s", a->profile);
	else if (a->start >= 0)
		(void)snprintf(buf, DV_SHOW_SIZE, "units %d-%d", a->start, a->start + a->size - 1);
	else
		(void)snprintf(buf, DV_SHOW_SIZE, "-");
}

/* One that stands, but not as wanted, is ended and made again. */
static bool is_anew(const struct dv_plan *plan, const char *tenant)
{
	for (size_t i = 0; i < plan->steps.len; i++)
		if (strcmp(plan->steps.items[i].tenant, tenant) == 0 &&
		    strstr(plan->steps.items[i].op, "destroy"))
			return true;
	return false;
}

static void add_assignment(struct dv_table *table, const struct dv_plan *plan,
			   const struct dv_assignment *a)
{
	char buf[DV_SHOW_SIZE];

	dv_table_add(table, "%s", a->tenant);
	if (a->on != DV_METHOD_NONE)
		dv_table_add(table, "%s on %s", dv_method_name(a->method), dv_method_name(a->on));
	else
		dv_table_add(table, "%s", dv_method_name(a->method));
	dv_table_add(table, "%s", a->gpu);
	show_place(a, buf);
	dv_table_add(table, "%s", buf);
	dv_table_add(table, "%s", dv_show_size(a->memory_bytes, buf));
	dv_table_add(table, "%s", dv_show_share(a->compute_mpct, buf));
	dv_table_add(table, "%s", dv_isolation_name(a->isolation));
	dv_table_add(table, "%s",
		     a->kept			? "stands"
		     : a->from[0]		? "moves"
		     : is_anew(plan, a->tenant) ? "made anew"
						: "new");
}

static int show_assignments(struct dv_out *out, const struct dv_plan *plan, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"TENANT", .least = 8, .whole = true},
		{"METHOD"},
		{"GPU"},
		{"PLACE"},
		{"MEMORY", .right = true},
		{"SHARE", .right = true},
		{"ISOLATION"},
		{""},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	if (!plan->assignments.len)
		return 0;
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < plan->assignments.len; i++)
		add_assignment(&table, plan, &plan->assignments.items[i]);
	dv_outf(out, "\n");
	return dv_table_print(&table, out, 0, err);
}

static bool same_hold(const struct dv_assignment *a, const struct dv_assignment *b)
{
	return a->method == b->method && a->on == b->on &&
	       memcmp(&a->isolates, &b->isolates, sizeof(a->isolates)) == 0;
}

/* What holds, once for each way. */
static int show_isolates(struct dv_out *out, const struct dv_plan *plan, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"WHAT HOLDS"}, {"MEMORY"}, {"QUOTA"}, {"COMPUTE"}, {"BANDWIDTH"}, {"FAULT"},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	if (!plan->assignments.len)
		return 0;
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *a = &plan->assignments.items[i];
		bool again = false;

		for (size_t j = 0; j < i && !again; j++)
			again = same_hold(a, &plan->assignments.items[j]);
		if (again)
			continue;
		dv_table_add(&table, "%s%s%s%s", dv_method_name(a->method), a->on ? " on " : "",
			     a->on ? dv_method_name(a->on) : "",
			     dv_mig_part_slices(a->profile, NULL) ? " (a part)" : "");
		dv_table_add(&table, "%s", dv_hold_name(a->isolates.memory));
		dv_table_add(&table, "%s", dv_hold_name(a->isolates.quota));
		dv_table_add(&table, "%s", dv_hold_name(a->isolates.compute));
		dv_table_add(&table, "%s", dv_hold_name(a->isolates.bandwidth));
		dv_table_add(&table, "%s", dv_hold_name(a->isolates.fault));
	}
	dv_outf(out, "\n");
	return dv_table_print(&table, out, 0, err);
}

static bool same_lack(const struct dv_unplaced *a, const struct dv_unplaced *b)
{
	return strcmp(a->reason, b->reason) == 0 && strcmp(a->fix, b->fix) == 0 &&
	       a->rule_count == b->rule_count &&
	       memcmp(a->rules, b->rules, a->rule_count * sizeof(a->rules[0])) == 0;
}

/* Those in a row for whom the same is said, together: "x-0, x-1, x-2 and 7 more". Returns how many.
 */
static size_t name_alike(struct dv_buf *buf, const struct dv_plan *plan, size_t first)
{
	enum { NAMED_MOST = 4 };
	const struct dv_unplaced *u = &plan->unplaced.items[first];
	size_t count = 1;

	dv_buf_addf(buf, "%s", u->tenant);
	while (first + count < plan->unplaced.len && same_lack(u, u + count)) {
		if (count < NAMED_MOST)
			dv_buf_addf(buf, ", %s", u[count].tenant);
		count++;
	}
	if (count > NAMED_MOST)
		dv_buf_addf(buf, " and %zu more", count - NAMED_MOST);
	return count;
}

static void show_unplaced(struct dv_out *out, const struct dv_plan *plan)
{
	size_t alike;

	for (size_t i = 0; i < plan->unplaced.len; i += alike) {
		const struct dv_unplaced *u = &plan->unplaced.items[i];
		dv_autofree char *text = NULL;
		struct dv_buf buf = {0};

		alike = name_alike(&buf, plan, i);
		dv_buf_addf(&buf, ": %s", u->reason);
		for (unsigned k = 0; k < u->rule_count; k++)
			dv_buf_addf(&buf, "%s%s%s", k ? ", " : " (rule ", u->rules[k],
				    k + 1 == u->rule_count ? ")" : "");
		if (u->fix[0])
			dv_buf_addf(&buf, "; what would help: %s", u->fix);
		if (dv_buf_take(&buf, &text) < 0) {
			out->failed = true;
			continue;
		}
		dv_outf(out, "%s", i ? "" : "\n");
		dv_out_style(out, DV_STYLE_BAD,
			     dv_unplaced_is_gpu(u) ? "impossible" : "not placed");
		dv_outf(out, " ");
		dv_out_wrap(out, DV_STYLE_NONE, 2, 11, text);
	}
}

/* Who changes its place, why, and whom that interrupts. */
static void show_moves(struct dv_out *out, const struct dv_plan *plan)
{
	bool first = true;

	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *a = &plan->assignments.items[i];
		char text[DV_NAME_SIZE + sizeof(a->reason) + 4];

		if (!a->from[0])
			continue;
		(void)snprintf(text, sizeof(text), "%s %s", a->tenant, a->reason);
		dv_outf(out, "%s", first ? "\n" : "");
		dv_out_wrap(out, DV_STYLE_WARN, 2, 0, text);
		first = false;
	}
}

/* What a defragmentation frees. */
static void show_freed(struct dv_out *out, const struct dv_plan *plan)
{
	struct dv_buf buf = {0};
	dv_autofree char *text = NULL;

	if (!plan->defragments)
		return;
	dv_buf_add(&buf, plan->freed.len ? "how many could be made, before → after: "
					 : "no move would leave more room in one piece");
	for (size_t i = 0; i < plan->freed.len; i++) {
		const struct dv_freed *f = &plan->freed.items[i];

		dv_buf_addf(&buf, "%s%s %u → %u", i ? ", " : "", f->profile, f->before, f->after);
	}
	if (dv_buf_take(&buf, &text) < 0) {
		out->failed = true;
		return;
	}
	dv_outf(out, "\nRoom: ");
	dv_out_wrap(out, DV_STYLE_NONE, 2, 6, text);
}

static void step_disturbs(const struct dv_step *step, char *buf, size_t size)
{
	char by[160];
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < step->disturb_count && i < DV_ARRAY_LEN(step->disturbs); i++)
		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s",
						i ? ", " : "disturbs ", step->disturbs[i]);
	if (step->disturb_count > DV_ARRAY_LEN(step->disturbs) && len < size)
		len += (size_t)snprintf(buf + len, size - len, " and %zu more",
					step->disturb_count - DV_ARRAY_LEN(step->disturbs));
	if (step->disturb_count && len < size &&
	    *dv_lease_users_print(&step->lease, by, sizeof(by)))
		(void)snprintf(buf + len, size - len, ": %s", by);
}

static int show_steps(struct dv_out *out, const struct dv_plan *plan, struct dv_error *err)
{
	static const struct dv_column columns[] = {
		{"STEP", .right = true},
		{"WHAT"},
		{"TENANT", .least = 8, .whole = true},
		{"GPU"},
		{"", .least = 10, .whole = true},
	};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char buf[512];

	if (!plan->steps.len) {
		/* Of those that have no place nothing can be done, which was said. */
		if (!plan->unplaced.len)
			dv_outf(out, "\nNothing is to be done.\n");
		return 0;
	}
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *step = &plan->steps.items[i];

		dv_table_add(&table, "%u", step->id);
		dv_table_add(&table, "%s", step->op);
		dv_table_add(&table, "%s", step->tenant);
		dv_table_add(&table, "%s", step->gpu);
		step_disturbs(step, buf, sizeof(buf));
		dv_table_add_style(&table, DV_STYLE_WARN, "%s", buf);
	}
	dv_outf(out, "\n");
	return dv_table_print(&table, out, 0, err);
}

static void show_waste(struct dv_out *out, const struct dv_plan *plan)
{
	char size[DV_SHOW_SIZE], share[DV_SHOW_SIZE];
	struct dv_buf buf = {0};
	dv_autofree char *text = NULL;

	if (plan->waste_memory_bytes)
		dv_buf_addf(&buf, "%s of memory", dv_show_size(plan->waste_memory_bytes, size));
	if (plan->waste_mpct)
		/* Of several it is the sum. */
		dv_buf_addf(&buf, "%s%s of %scompute", buf.len ? ", " : "",
			    dv_show_share(plan->waste_mpct, share),
			    plan->gpus_used > 1 ? "one device's " : "");
	if (plan->waste_stranded_slices)
		dv_buf_addf(&buf, "%s%u stranded slice%s", buf.len ? ", " : "",
			    plan->waste_stranded_slices, dv_plural(plan->waste_stranded_slices));
	if (dv_buf_take(&buf, &text) < 0)
		out->failed = true;
	else if (*text) {
		dv_outf(out, "\nLeft over: ");
		dv_out_wrap(out, DV_STYLE_NONE, 2, 11, text);
	}
	if (plan->cost_note[0]) {
		dv_outf(out, "Cost: ");
		dv_out_wrap(out, DV_STYLE_NONE, 2, 6, plan->cost_note);
	}
}

static void show_head(struct dv_out *out, const struct dv_plan *plan)
{
	size_t left = dv_plan_unplaced_tenants(plan), all = plan->assignments.len + left;
	char text[320], kept[48] = "", bound[128] = "";

	if (plan->kept)
		(void)snprintf(kept, sizeof(kept), ", %u as %s", plan->kept,
			       plan->kept == 1 ? "it stands" : "they stand");
	if (plan->bound == DV_BOUND_HEURISTIC && left)
		(void)snprintf(bound, sizeof(bound), "; whether more could be placed is not known");
	else if (plan->bound_proven && plan->bound_gpus == plan->gpus_used && plan->gpus_used)
		(void)snprintf(bound, sizeof(bound), ", and fewer would not do");
	else if (plan->bound_gpus)
		(void)snprintf(bound, sizeof(bound), ", and at least %u %s needed",
			       plan->bound_gpus, plan->bound_gpus == 1 ? "is" : "are");
	(void)snprintf(text, sizeof(text), "%zu of %zu tenant%s placed%s; %u %s used%s",
		       plan->assignments.len, all, dv_plural(all), kept, plan->gpus_used,
		       plan->gpus_used == 1 ? "device is" : "devices are", bound);
	dv_out_style(out, DV_STYLE_HEAD, "%s", plan->fleet);
	dv_outf(out, ": ");
	dv_out_wrap(out, DV_STYLE_NONE, 2, (unsigned)strlen(plan->fleet) + 2, text);
}

int dv_plan_show(struct dv_out *out, const struct dv_plan *plan, struct dv_error *err)
{
	int r;

	show_head(out, plan);
	show_unplaced(out, plan);
	show_moves(out, plan);
	show_freed(out, plan);
	r = show_assignments(out, plan, err);
	r = r < 0 ? r : show_isolates(out, plan, err);
	r = r < 0 ? r : show_steps(out, plan, err);
	if (r == 0)
		show_waste(out, plan);
	return r;
}

struct disturbed {
	const char *name;
	const struct dv_lease *lease; /* the one that ends, or NULL */
};

static bool listed(const struct disturbed *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

static size_t print_disturbed(const struct disturbed *disturbed, char *buf, size_t size)
{
	char by[160];

	if (disturbed->lease && *dv_lease_users_print(disturbed->lease, by, sizeof(by)))
		return (size_t)snprintf(buf, size, "%s (%s)", disturbed->name, by);
	return (size_t)snprintf(buf, size, "%s", disturbed->name);
}

const char *dv_plan_disturbed(const struct dv_plan *plan, char *buf, size_t size)
{
	struct disturbed list[DISTURBED_MOST];
	size_t count = 0, more = 0, len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *step = &plan->steps.items[i];

		for (unsigned k = 0; k < step->disturb_count; k++) {
			const char *name =
				step->disturbs[DV_MIN(k, DV_ARRAY_LEN(step->disturbs) - 1)];
			bool ends = strcmp(name, step->lease.name) == 0;

			if (k >= DV_ARRAY_LEN(step->disturbs) || count == DISTURBED_MOST)
				more++;
			else if (!listed(list, count, name))
				list[count++] =
					(struct disturbed){name, ends ? &step->lease : NULL};
		}
	}
	for (size_t i = 0; i < count && len < size; i++) {
		len += (size_t)snprintf(buf + len, size - len, "%s", i ? ", " : "");
		if (len < size)
			len += print_disturbed(&list[i], buf + len, size - len);
	}
	if (more && len < size)
		(void)snprintf(buf + len, size - len, " and %zu more", more);
	return buf;
}
