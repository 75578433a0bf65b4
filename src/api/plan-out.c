/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"
#include "api/document.h"
#include "model/units.h"

static json_t *isolates_put(const struct dv_isolates *isolates)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "memory", dv_hold_name(isolates->memory));
	dv_api_put_text(&out, "quota", dv_hold_name(isolates->quota));
	dv_api_put_text(&out, "compute", dv_hold_name(isolates->compute));
	dv_api_put_text(&out, "bandwidth", dv_hold_name(isolates->bandwidth));
	dv_api_put_text(&out, "fault", dv_hold_name(isolates->fault));
	return dv_api_done(&out);
}

static void put_place(struct dv_api_out *out, const char *key, int place)
{
	dv_api_put_json(out, key, place >= 0 ? json_integer(place) : json_null());
}

static void put_unless_0(struct dv_api_out *out, const char *key, uint64_t value, uint64_t unit)
{
	if (value)
		dv_api_put_scaled(out, key, value, unit);
	else
		dv_api_put_json(out, key, json_null());
}

static json_t *assignment_put(const struct dv_assignment *a)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "tenant", a->tenant);
	dv_api_put_text(&out, "kind", dv_kind_name(a->kind));
	dv_api_put_text(&out, "method", dv_method_name(a->method));
	dv_api_put_opt(&out, "on", a->on == DV_METHOD_NONE ? "" : dv_method_name(a->on));
	dv_api_put_text(&out, "gpu", a->gpu);
	dv_api_put_text(&out, "uuid", a->gpu_uuid);
	dv_api_put_opt(&out, "profile", a->profile);
	put_place(&out, "start", a->start);
	put_place(&out, "size", a->size);
	dv_api_put_opt(&out, "node", a->node);
	dv_api_put_memory(&out, "memory", a->memory_bytes);
	put_unless_0(&out, "compute_pct", a->compute_mpct, 1000);
	put_unless_0(&out, "compute_slices", a->compute_slices, 1);
	dv_api_put_opt(&out, "policy", a->has_policy ? dv_policy_name(a->policy) : "");
	dv_api_put_bool(&out, "kept", a->kept);
	dv_api_put_opt(&out, "from", a->from);
	dv_api_put_text(&out, "isolation", dv_isolation_name(a->isolation));
	dv_api_put_json(&out, "isolates", isolates_put(&a->isolates));
	dv_api_put_texts(&out, "derived", a->derived[0], sizeof(a->derived[0]),
			 DV_MIN(a->derived_count, (unsigned)DV_ARRAY_LEN(a->derived)));
	dv_api_put_text(&out, "reason", a->reason);
	return dv_api_done(&out);
}

static json_t *unplaced_put(const struct dv_unplaced *unplaced)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "tenant", unplaced->tenant);
	dv_api_put_texts(&out, "rules", unplaced->rules[0], sizeof(unplaced->rules[0]),
			 DV_MIN(unplaced->rule_count, (unsigned)DV_ARRAY_LEN(unplaced->rules)));
	dv_api_put_text(&out, "reason", unplaced->reason);
	dv_api_put_opt(&out, "fix", unplaced->fix);
	return dv_api_done(&out);
}

static json_t *step_put(const struct dv_step *step)
{
	struct dv_api_out out = dv_api_begin();
	json_t *needs = json_array();

	dv_api_put_int(&out, "id", step->id);
	dv_api_put_text(&out, "op", step->op);
	dv_api_put_text(&out, "gpu", step->gpu);
	dv_api_put_text(&out, "uuid", step->gpu_uuid);
	dv_api_put_opt(&out, "node", step->node);
	dv_api_put_opt(&out, "profile", step->profile);
	put_place(&out, "start", step->start);
	put_place(&out, "size", step->size);
	dv_api_put_opt(&out, "tenant", step->tenant);
	dv_api_put_texts(&out, "disturbs", step->disturbs[0], sizeof(step->disturbs[0]),
			 DV_MIN(step->disturb_count, (unsigned)DV_ARRAY_LEN(step->disturbs)));
	dv_api_put_int(&out, "disturb_count", step->disturb_count);
	for (unsigned i = 0; i < step->need_count && i < DV_ARRAY_LEN(step->needs); i++)
		dv_api_append(&out, needs, json_integer(step->needs[i]));
	dv_api_put_json(&out, "needs", needs);
	dv_api_put_opt(&out, "undo", step->undo);
	if (step->lease.name[0])
		dv_api_put_json(&out, "lease", dv_api_lease_put(&step->lease));
	return dv_api_done(&out);
}

static json_t *bound_put(const struct dv_plan *plan)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_int(&out, "gpus", plan->bound_gpus);
	dv_api_put_bool(&out, "proven", plan->bound_proven);
	dv_api_put_text(&out, "kind", dv_bound_name(plan->bound));
	return dv_api_done(&out);
}

static json_t *freed_put(const struct dv_freed *freed)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "profile", freed->profile);
	dv_api_put_int(&out, "before", freed->before);
	dv_api_put_int(&out, "after", freed->after);
	return dv_api_done(&out);
}

static json_t *waste_put(const struct dv_plan *plan)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_memory(&out, "memory", plan->waste_memory_bytes);
	dv_api_put_scaled(&out, "compute_pct", plan->waste_mpct, 1000);
	dv_api_put_int(&out, "stranded_slices", plan->waste_stranded_slices);
	return dv_api_done(&out);
}

/* No method that this divvy applies needs a bought licence, so the list is empty. */
static json_t *cost_put(const struct dv_plan *plan)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_json(&out, "licences", json_array());
	dv_api_put_text(&out, "note", plan->cost_note);
	return dv_api_done(&out);
}

/* What was planned, so that a plan can be applied without its fleet file. */
static json_t *source_put(const struct dv_plan *plan)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_opt(&out, "file", plan->file);
	dv_api_put_file(&out, "text", plan->source);
	return dv_api_done(&out);
}

int dv_api_plan_encode(const struct dv_plan *plan, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();
	json_t *assignments = json_array();
	json_t *unplaced = json_array();
	json_t *steps = json_array();
	json_t *freed = json_array();

	for (size_t i = 0; i < plan->assignments.len; i++)
		dv_api_append(&out, assignments, assignment_put(&plan->assignments.items[i]));
	for (size_t i = 0; i < plan->unplaced.len; i++)
		dv_api_append(&out, unplaced, unplaced_put(&plan->unplaced.items[i]));
	for (size_t i = 0; i < plan->steps.len; i++)
		dv_api_append(&out, steps, step_put(&plan->steps.items[i]));
	for (size_t i = 0; i < plan->freed.len; i++)
		dv_api_append(&out, freed, freed_put(&plan->freed.items[i]));
	dv_api_put_text(&out, "schema", "divvy/plan/1");
	dv_api_put_opt(&out, "fleet", plan->fleet);
	dv_api_put_text(&out, "state", plan->state);
	if (plan->source)
		dv_api_put_json(&out, "source", source_put(plan));
	dv_api_put_json(&out, "bound", bound_put(plan));
	dv_api_put_json(&out, "assignments", assignments);
	dv_api_put_json(&out, "unplaced", unplaced);
	dv_api_put_json(&out, "steps", steps);
	if (plan->defragments)
		dv_api_put_json(&out, "freed", freed);
	else
		json_decref(freed);
	dv_api_put_int(&out, "kept", plan->kept);
	dv_api_put_int(&out, "gpus_used", plan->gpus_used);
	dv_api_put_json(&out, "waste", waste_put(plan));
	dv_api_put_json(&out, "cost", cost_put(plan));
	return dv_api_print(dv_api_done(&out), ret_text, err);
}
