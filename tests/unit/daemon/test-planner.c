/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/planner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "model/units.h"

static const char small[] = "version: 1\nname: lab\ntenants:\n"
			    "  - {name: a, kind: process, method: slice, needs: {memory: 1GiB}}\n";
static struct dv_gpu gpu = {.id = "0",
			    .uuid = "CPU-1",
			    .kind = DV_GPU_CPU,
			    .memory_bytes = 64 * DV_GIB,
			    .compute_units = 64,
			    .method_count = 1,
			    .methods = {{.method = DV_METHOD_SLICE, .ok = true}}};
static struct dv_leases none;

struct got {
	unsigned done, dropped, order;
	int r;
	struct dv_error err;
	size_t placed;
	char *document;
};
static unsigned order;

static void on_done(void *arg, struct dv_planner_answer *answer)
{
	struct got *got = arg;

	got->done++;
	got->order = ++order;
	got->r = answer->r;
	got->err = answer->err;
	got->placed = answer->plan.assignments.len;
	got->document = take_ptr(answer->document);
}

static void on_drop(void *arg)
{
	((struct got *)arg)->dropped++;
}

struct fixture {
	sd_event *event;
	struct dv_planner *planner;
};

static int setup(void **state)
{
	static struct fixture f;

	order = 0;
	*state = &f;
	return sd_event_new(&f.event) < 0 || dv_planner_new(f.event, &f.planner, NULL) < 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dv_planner_free(f->planner);
	sd_event_unref(f->event);
	return 0;
}

static int ask(struct fixture *f, const char *text, struct got *got, struct dv_error *err)
{
	const struct dv_planner_question question = {.file = "lab.yaml",
						     .text = text,
						     .gpus = &gpu,
						     .gpu_count = 1,
						     .leases = &none,
						     .uid = 7,
						     .state = "0123456789abcdef"};

	return dv_planner_ask(f->planner, &question, on_done, on_drop, got, err);
}

static void test_a_plan(void **state)
{
	struct fixture *f = *state;
	struct dv_plan plan = {0};
	struct got got = {0};

	assert_int_equal(ask(f, small, &got, NULL), 0);
	/* Never at once: it is told in the loop. */
	assert_int_equal(got.done, 0);
	while (!got.done)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
	assert_int_equal(got.r, 0);
	assert_int_equal(got.placed, 1);
	assert_int_equal(dv_api_plan_decode(got.document, strlen(got.document), &plan, NULL), 0);
	assert_string_equal(plan.state, "0123456789abcdef");
	assert_string_equal(plan.file, "lab.yaml");
	assert_string_equal(plan.source, small);
	assert_int_equal(plan.steps.items[0].lease.uid, 7);
	dv_plan_fini(&plan);
	free(got.document);
}

static void test_what_is_wrong_is_told(void **state)
{
	struct fixture *f = *state;
	struct got got = {0};

	assert_int_equal(ask(f, "version: 1\nname: lab\ntenant: []\n", &got, NULL), 0);
	while (!got.done)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
	assert_true(got.r < 0);
	assert_string_equal(got.err.file, "lab.yaml");
	assert_int_equal(got.err.line, 3);
	assert_null(got.document);
}

/* A fleet as large as can be keeps the loop from nothing else. */
static void test_the_loop_goes_on(void **state)
{
	struct fixture *f = *state;
	struct got large = {0};
	unsigned turns = 0;

	assert_int_equal(ask(f,
			     "version: 1\nname: lab\ntenants:\n"
			     "  - {name: t, count: 4000, kind: process, method: slice}\n",
			     &large, NULL),
			 0);
	while (!large.done) {
		assert_true(sd_event_run(f->event, 1000) >= 0);
		turns++;
	}
	assert_int_equal(large.r, 0);
	assert_true(turns > 1);
	free(large.document);
}

/* One after the other, and not too many; what is left at the end is dropped. */
static void test_many(void **state)
{
	static struct got got[DV_PLANNER_WAITING_MOST + 1];
	struct fixture *f = *state;
	struct dv_error err = {0};

	memset(got, 0, sizeof(got));
	for (unsigned i = 0; i < DV_PLANNER_WAITING_MOST; i++)
		assert_int_equal(ask(f, small, &got[i], NULL), 0);
	assert_int_equal(ask(f, small, &got[DV_PLANNER_WAITING_MOST], &err), -EBUSY);
	assert_string_equal(err.rule, "S19");
	while (!got[DV_PLANNER_WAITING_MOST - 1].done)
		assert_true(sd_event_run(f->event, UINT64_MAX) >= 0);
	for (unsigned i = 0; i < DV_PLANNER_WAITING_MOST; i++) {
		assert_int_equal(got[i].order, i + 1);
		free(got[i].document);
		got[i] = (struct got){0};
	}
	for (unsigned i = 0; i < DV_PLANNER_WAITING_MOST; i++)
		assert_int_equal(ask(f, small, &got[i], NULL), 0);
	dv_planner_free(f->planner);
	f->planner = NULL;
	for (unsigned i = 0; i < DV_PLANNER_WAITING_MOST; i++)
		assert_int_equal(got[i].dropped, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_plan),
		T(test_what_is_wrong_is_told),
		T(test_the_loop_goes_on),
		T(test_many),
	};

	return cmocka_run_group_tests_name("daemon/planner", tests, NULL, NULL);
}
