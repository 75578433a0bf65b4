/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include <string.h>

#include "model/word.h"

static const char *const bounds[] = {
	[DV_BOUND_HEURISTIC] = "heuristic",
	[DV_BOUND_LOWER] = "lower",
	[DV_BOUND_OPTIMAL] = "optimal",
	NULL,
};

const char *dv_bound_name(enum dv_bound bound)
{
	return (unsigned)bound < DV_BOUND_COUNT ? bounds[bound] : "unknown";
}

int dv_bound_parse(const char *name, enum dv_bound *ret, struct dv_error *err)
{
	int i = dv_word_parse("bound", bounds, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_bound)i;
	return 0;
}

bool dv_unplaced_is_gpu(const struct dv_unplaced *unplaced)
{
	return strchr(unplaced->tenant, ' ') != NULL;
}

size_t dv_plan_unplaced_tenants(const struct dv_plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->unplaced.len; i++)
		count += !dv_unplaced_is_gpu(&plan->unplaced.items[i]);
	return count;
}

void dv_plan_fini(struct dv_plan *plan)
{
	dv_vec_fini(&plan->assignments);
	dv_vec_fini(&plan->unplaced);
	dv_vec_fini(&plan->steps);
	dv_vec_fini(&plan->freed);
	free(plan->source);
	plan->source = NULL;
}
