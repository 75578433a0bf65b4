/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in words: where each tenant goes, what holds it there, the steps and whom they disturb,
 * what is left over. The plan is only read. */
#pragma once

#include "cli/output.h"
#include "model/plan.h"

int dv_plan_show(struct dv_out *out, const struct dv_plan *plan,
		 struct dv_error *err) DV_MUST_CHECK;

/* "old (pid 7 sleep), x and 3 more": whom the steps disturb, each once, with who is in the lease
 * as far as the plan says; "" for nobody. Returns `buf`. */
const char *dv_plan_disturbed(const struct dv_plan *plan, char *buf, size_t size);
