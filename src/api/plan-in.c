/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/api.h"
#include "api/document.h"
#include "model/units.h"

/* More steps than tenants and GPUs could cause is no plan. */
enum { STEPS_MOST = 4 * (DV_TENANTS_MOST + DV_GPUS_MOST), FREED_MOST = 1024 };

static int isolates_get(const struct dv_api_in *from, struct dv_isolates *ret)
{
	const json_t *value = json_object_get(from->obj, "isolates");
	struct dv_api_in in;
	int r;

	if (!value)
		return 0;
	r = dv_api_enter(from, value, "\"isolates\"", &in);
	r = r < 0 ? r : dv_api_get_word(&in, "memory", dv_hold_parse, &ret->memory);
	r = r < 0 ? r : dv_api_get_word(&in, "quota", dv_hold_parse, &ret->quota);
	r = r < 0 ? r : dv_api_get_word(&in, "compute", dv_hold_parse, &ret->compute);
	r = r < 0 ? r : dv_api_get_word(&in, "bandwidth", dv_hold_parse, &ret->bandwidth);
	return r < 0 ? r : dv_api_get_word(&in, "fault", dv_hold_parse, &ret->fault);
}

static int get_place(const struct dv_api_in *in, const char *key, int *ret)
{
	int64_t place = -1;
	int r = dv_api_get_int(in, key, 0, INT32_MAX, &place);

	if (r < 0)
		return r;
	*ret = (int)place;
	return 0;
}

static int get_policy(const struct dv_api_in *in, struct dv_assignment *a)
{
	char word[32] = "";
	int r = dv_api_get_text(in, "policy", word, sizeof(word));

	a->has_policy = r == 0 && word[0];
	return r < 0 ? r : dv_api_get_word(in, "policy", dv_policy_parse, &a->policy);
}

static int assignment_words(const struct dv_api_in *in, struct dv_assignment *a)
{
	int r = dv_api_get_word(in, "kind", dv_kind_parse, &a->kind);

	r = r < 0 ? r : dv_api_get_word(in, "method", dv_method_parse, &a->method);
	r = r < 0 ? r : dv_api_get_word(in, "on", dv_method_parse, &a->on);
	r = r < 0 ? r : get_policy(in, a);
	r = r < 0 ? r : dv_api_get_word(in, "isolation", dv_isolation_parse, &a->isolation);
	return r < 0 ? r : isolates_get(in, &a->isolates);
}

static int assignment_place(const struct dv_api_in *in, struct dv_assignment *a)
{
	int r = dv_api_need_text(in, "gpu", a->gpu, sizeof(a->gpu));

	r = r < 0 ? r : dv_api_need_text(in, "uuid", a->gpu_uuid, sizeof(a->gpu_uuid));
	r = r < 0 ? r : dv_api_get_text(in, "profile", a->profile, sizeof(a->profile));
	r = r < 0 ? r : get_place(in, "start", &a->start);
	r = r < 0 ? r : get_place(in, "size", &a->size);
	return r < 0 ? r : dv_api_get_text(in, "node", a->node, sizeof(a->node));
}

static int assignment_get(const struct dv_api_in *from, const json_t *value, struct dv_plan *plan)
{
	struct dv_assignment a = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an assignment", &in);

	r = r < 0 ? r : dv_api_need_text(&in, "tenant", a.tenant, sizeof(a.tenant));
	r = r < 0 ? r : assignment_words(&in, &a);
	r = r < 0 ? r : assignment_place(&in, &a);
	r = r < 0 ? r : dv_api_get_memory(&in, "memory", &a.memory_bytes);
	r = r < 0 ? r : dv_api_get_share(&in, "compute_pct", &a.compute_mpct);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "compute_slices", 1024, &a.compute_slices);
	r = r < 0 ? r : dv_api_get_bool(&in, "kept", &a.kept);
	r = r < 0 ? r : dv_api_get_text(&in, "from", a.from, sizeof(a.from));
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "derived", a.derived[0], sizeof(a.derived[0]),
				     DV_ARRAY_LEN(a.derived), &a.derived_count);
	r = r < 0 ? r : dv_api_get_text(&in, "reason", a.reason, sizeof(a.reason));
	if (r < 0)
		return r;
	return dv_vec_push(&plan->assignments, a);
}

static int unplaced_get(const struct dv_api_in *from, const json_t *value, struct dv_plan *plan)
{
	struct dv_unplaced u = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "an unplaced tenant", &in);

	r = r < 0 ? r : dv_api_need_text(&in, "tenant", u.tenant, sizeof(u.tenant));
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "rules", u.rules[0], sizeof(u.rules[0]),
				     DV_ARRAY_LEN(u.rules), &u.rule_count);
	r = r < 0 ? r : dv_api_get_text(&in, "reason", u.reason, sizeof(u.reason));
	r = r < 0 ? r : dv_api_get_text(&in, "fix", u.fix, sizeof(u.fix));
	if (r < 0)
		return r;
	return dv_vec_push(&plan->unplaced, u);
}

static int needs_get(const struct dv_api_in *in, struct dv_step *step)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "needs", DV_ARRAY_LEN(step->needs), &list);

	if (r < 0)
		return r;
	for (; step->need_count < json_array_size(list); step->need_count++) {
		const json_t *need = json_array_get(list, step->need_count);

		/* A step can only need an earlier one: no circles. */
		if (!json_is_integer(need) || json_integer_value(need) < 1 ||
		    json_integer_value(need) >= step->id)
			return dv_error_set(in->err, in->code,
					    "step %u needs something that is no earlier step",
					    step->id);
		step->needs[step->need_count] = (unsigned)json_integer_value(need);
	}
	return 0;
}

static int step_texts(const struct dv_api_in *in, struct dv_step *step)
{
	int r = dv_api_need_text(in, "op", step->op, sizeof(step->op));

	r = r < 0 ? r : dv_api_need_text(in, "gpu", step->gpu, sizeof(step->gpu));
	r = r < 0 ? r : dv_api_get_text(in, "uuid", step->gpu_uuid, sizeof(step->gpu_uuid));
	r = r < 0 ? r : dv_api_get_text(in, "node", step->node, sizeof(step->node));
	r = r < 0 ? r : dv_api_get_text(in, "profile", step->profile, sizeof(step->profile));
	r = r < 0 ? r : dv_api_get_text(in, "tenant", step->tenant, sizeof(step->tenant));
	return r < 0 ? r : dv_api_get_text(in, "undo", step->undo, sizeof(step->undo));
}

static int step_get(const struct dv_api_in *from, const json_t *value, struct dv_plan *plan)
{
	const json_t *lease = json_object_get(value, "lease");
	struct dv_step step = {0};
	struct dv_api_in in;
	unsigned named = 0;
	int r = dv_api_enter(from, value, "a step", &in);

	r = r < 0 ? r : dv_api_get_unsigned(&in, "id", STEPS_MOST, &step.id);
	r = r < 0 ? r : step_texts(&in, &step);
	r = r < 0 ? r : get_place(&in, "start", &step.start);
	r = r < 0 ? r : get_place(&in, "size", &step.size);
	r = r < 0 ? r
		  : dv_api_get_texts(&in, "disturbs", step.disturbs[0], sizeof(step.disturbs[0]),
				     DV_ARRAY_LEN(step.disturbs), &named);
	step.disturb_count = named;
	r = r < 0 ? r : dv_api_get_unsigned(&in, "disturb_count", INT32_MAX, &step.disturb_count);
	r = r < 0 ? r : needs_get(&in, &step);
	if (r == 0 && lease && !json_is_null(lease))
		r = dv_api_lease_get(&in, lease, &step.lease);
	if (r < 0)
		return r;
	/* Only a full list may leave some out. */
	if (step.id != plan->steps.len + 1 || step.disturb_count < named ||
	    (step.disturb_count > named && named < DV_ARRAY_LEN(step.disturbs)))
		return dv_error_set(in.err, in.code, "step %zu has a wrong id or disturb_count",
				    plan->steps.len + 1);
	return dv_vec_push(&plan->steps, step);
}

static int freed_get(const struct dv_api_in *from, const json_t *value, struct dv_plan *plan)
{
	struct dv_freed freed = {0};
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "room that is freed", &in);

	r = r < 0 ? r : dv_api_need_text(&in, "profile", freed.profile, sizeof(freed.profile));
	r = r < 0 ? r : dv_api_get_unsigned(&in, "before", UINT32_MAX, &freed.before);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "after", UINT32_MAX, &freed.after);
	return r < 0 ? r : dv_vec_push(&plan->freed, freed);
}

typedef int (*item_fn)(const struct dv_api_in *from, const json_t *value, struct dv_plan *plan);

static int list_get(const struct dv_api_in *in, const char *key, size_t most, item_fn get,
		    struct dv_plan *plan)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, key, most, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = get(in, json_array_get(list, i), plan);
		if (r == -ENOMEM)
			return dv_error_set(in->err, r, "no memory for a plan");
		if (r < 0)
			return dv_error_prefix(in->err, r, "%s[%zu]", key, i);
	}
	return r;
}

/* An object inside, or an empty one when it is missing. */
static int enter_member(const struct dv_api_in *in, const char *key, struct dv_api_in *ret)
{
	const json_t *value = json_object_get(in->obj, key);

	*ret = (struct dv_api_in){NULL, in->code, in->err};
	return value && !json_is_null(value) ? dv_api_enter(in, value, key, ret) : 0;
}

static int numbers_get(const struct dv_api_in *in, struct dv_plan *plan)
{
	struct dv_api_in bound, waste, cost;
	int r = enter_member(in, "bound", &bound);

	r = r < 0 ? r : enter_member(in, "waste", &waste);
	r = r < 0 ? r : enter_member(in, "cost", &cost);
	r = r < 0 ? r : dv_api_get_unsigned(&bound, "gpus", DV_GPUS_MOST, &plan->bound_gpus);
	r = r < 0 ? r : dv_api_get_bool(&bound, "proven", &plan->bound_proven);
	r = r < 0 ? r : dv_api_get_word(&bound, "kind", dv_bound_parse, &plan->bound);
	r = r < 0 ? r : dv_api_get_unsigned(in, "kept", DV_TENANTS_MOST, &plan->kept);
	r = r < 0 ? r : dv_api_get_unsigned(in, "gpus_used", DV_GPUS_MOST, &plan->gpus_used);
	r = r < 0 ? r : dv_api_get_memory(&waste, "memory", &plan->waste_memory_bytes);
	if (r < 0)
		return r;
	uint64_t mpct = 0;

	/* Of all GPUs together, so it may be more than 100 %. */
	r = dv_api_get_scaled(&waste, "compute_pct", 1000, UINT32_MAX, &mpct);
	plan->waste_mpct = (uint32_t)mpct;
	r = r < 0 ? r
		  : dv_api_get_unsigned(&waste, "stranded_slices", 1u << 20,
					&plan->waste_stranded_slices);
	return r < 0 ? r : dv_api_get_text(&cost, "note", plan->cost_note, sizeof(plan->cost_note));
}

static int source_get(const struct dv_api_in *in, struct dv_plan *plan)
{
	struct dv_api_in source;
	const char *text;
	int r = enter_member(in, "source", &source);

	r = r < 0 ? r : dv_api_get_text(&source, "file", plan->file, sizeof(plan->file));
	if (r < 0)
		return r;
	text = json_string_value(json_object_get(source.obj, "text"));
	plan->source = text ? strdup(text) : NULL;
	return text && !plan->source ? dv_error_set(in->err, -ENOMEM, "no memory for a plan") : 0;
}

static int plan_get(const struct dv_api_in *in, struct dv_plan *plan)
{
	int r = dv_api_get_text(in, "fleet", plan->fleet, sizeof(plan->fleet));

	r = r < 0 ? r : dv_api_need_text(in, "state", plan->state, sizeof(plan->state));
	r = r < 0 ? r : numbers_get(in, plan);
	r = r < 0 ? r : list_get(in, "assignments", DV_TENANTS_MOST, assignment_get, plan);
	r = r < 0 ? r : list_get(in, "unplaced", DV_TENANTS_MOST, unplaced_get, plan);
	r = r < 0 ? r : list_get(in, "steps", STEPS_MOST, step_get, plan);
	/* The list, be it empty, says that it was asked for. */
	plan->defragments = json_object_get(in->obj, "freed") != NULL;
	r = r < 0 ? r : list_get(in, "freed", FREED_MOST, freed_get, plan);
	return r < 0 ? r : source_get(in, plan);
}

int dv_api_plan_decode(const char *text, size_t len, struct dv_plan *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_plan plan = {0};
	int r = dv_api_load(text, len, "plan", -EBADMSG, &root, err);

	if (r < 0)
		return r;
	r = plan_get(&(struct dv_api_in){root, -EBADMSG, err}, &plan);
	if (r < 0) {
		dv_plan_fini(&plan);
		return r;
	}
	*ret = plan;
	return 0;
}
