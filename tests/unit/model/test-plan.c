/* SPDX-License-Identifier: Apache-2.0 */
#include "model/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_fini(void **state)
{
	struct dv_plan plan = {0};

	dv_plan_fini(&plan);
	assert_int_equal(dv_vec_push(&plan.assignments, (struct dv_assignment){0}), 0);
	assert_int_equal(dv_vec_push(&plan.unplaced, (struct dv_unplaced){0}), 0);
	assert_int_equal(dv_vec_push(&plan.steps, (struct dv_step){0}), 0);
	dv_plan_fini(&plan);
	assert_null(plan.assignments.items);
	assert_null(plan.unplaced.items);
	assert_null(plan.steps.items);
	assert_int_equal(plan.steps.len, 0);
	dv_plan_fini(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fini)};

	return cmocka_run_group_tests_name("model/plan", tests, NULL, NULL);
}
