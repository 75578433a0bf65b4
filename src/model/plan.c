/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

void dv_plan_fini(struct dv_plan *plan)
{
	dv_vec_fini(&plan->assignments);
	dv_vec_fini(&plan->unplaced);
	dv_vec_fini(&plan->steps);
	free(plan->source);
	plan->source = NULL;
}
