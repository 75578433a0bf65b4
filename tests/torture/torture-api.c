/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/api.h"
#include "torture.h"

/* The documents to decode, made before anything fails. */
static char *status_text, *plan_text, *grant_text, *log_text, *wish_text;

static struct dv_gpu gpu = {.id = "0",
			    .uuid = "CPU-1",
			    .numa_node = -1,
			    .method_count = 1,
			    .methods = {{.method = DV_METHOD_SLICE, .ok = true, .why = "fine"}}};
static struct dv_lease lease = {.id = 1,
				.name = "a",
				.method = DV_METHOD_SLICE,
				.node = "CPU-1/s1",
				.memory_bytes = 1 << 20,
				.compute_mpct = 12500,
				.window_ms = 1000,
				.pid_count = 2,
				.pids = {7, 8}};

/* A list that is long enough for its vector to grow. */
enum { MANY = 20 };

static int fill_status(struct dv_api_status *status)
{
	for (unsigned i = 0; i < MANY; i++) {
		dv_autofree char *warning = strdup("a process of lease a goes round the gate");

		if (!warning || dv_vec_push(&status->gpus, gpu) < 0 ||
		    dv_vec_push(&status->leases, lease) < 0 ||
		    dv_vec_push(&status->warnings, warning) < 0)
			return -ENOMEM;
		warning = NULL;
	}
	return 0;
}

static int fill_plan(struct dv_plan *plan)
{
	struct dv_assignment assignment = {.tenant = "a", .gpu = "0", .gpu_uuid = "CPU-1"};
	struct dv_unplaced unplaced = {.tenant = "b", .rule_count = 1, .rules = {"D03"}};
	struct dv_step step = {.op = "slice.create", .gpu = "0", .start = -1, .size = -1};

	(void)dv_copy(plan->state, sizeof(plan->state), "0123456789abcdef");
	plan->source = strdup("version: 1\n");
	if (!plan->source)
		return -ENOMEM;
	for (unsigned i = 0; i < MANY; i++) {
		step.id = i + 1;
		step.lease = lease;
		if (dv_vec_push(&plan->assignments, assignment) < 0 ||
		    dv_vec_push(&plan->unplaced, unplaced) < 0 ||
		    dv_vec_push(&plan->steps, step) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* -ENOMEM must be said in the record too; a wrong answer is any other. */
static int judge(int r, const struct dv_error *err, bool untouched)
{
	if (r != -ENOMEM)
		return r;
	return err->code == -ENOMEM && err->msg[0] && untouched ? -ENOMEM : -EPROTO;
}

/* jansson 2.14 loses bytes while it reads, and then an assertion, when memory runs out under it.
 * What is tortured here is our reading, so jansson gets memory of its own. */
static char arena[8 << 20] __attribute__((aligned(16)));
static size_t arena_used;

static void *arena_get(size_t size)
{
	size_t at = arena_used;

	arena_used += (size + 15) & ~(size_t)15;
	return arena_used <= sizeof(arena) ? arena + at : NULL;
}

static void arena_put(void *p)
{
}

static int encode_status(void *arg)
{
	struct dv_api_status status = {0};
	char *untouched = (char *)&gpu, *text = untouched;
	struct dv_error err = {0};
	int r = fill_status(&status);

	if (r < 0) {
		dv_api_status_fini(&status);
		return r;
	}
	r = dv_api_status_encode(&status, &text, &err);
	dv_api_status_fini(&status);
	if (r < 0)
		return judge(r, &err, text == untouched);
	r = strcmp(text, status_text) == 0 ? 0 : -EPROTO;
	free(text);
	return r;
}

static int decode_status(void *arg)
{
	struct dv_api_status status = {.pid = 4711};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_api_status_decode(status_text, &status, &err);

	if (r < 0)
		return judge(r, &err, status.pid == 4711 && !status.gpus.items);
	r = status.leases.len == MANY && status.warnings.len == MANY ? 0 : -EPROTO;
	dv_api_status_fini(&status);
	return r;
}

static int encode_plan(void *arg)
{
	struct dv_plan plan = {0};
	char *untouched = (char *)&gpu, *text = untouched;
	struct dv_error err = {0};
	int r = fill_plan(&plan);

	if (r < 0) {
		dv_plan_fini(&plan);
		return r;
	}
	r = dv_api_plan_encode(&plan, &text, &err);
	dv_plan_fini(&plan);
	if (r < 0)
		return judge(r, &err, text == untouched);
	r = strcmp(text, plan_text) == 0 ? 0 : -EPROTO;
	free(text);
	return r;
}

static int decode_plan(void *arg)
{
	struct dv_plan plan = {.kept = 4711};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_api_plan_decode(plan_text, strlen(plan_text), &plan, &err);

	if (r < 0)
		return judge(r, &err, plan.kept == 4711 && !plan.steps.items);
	r = plan.steps.len == MANY && plan.unplaced.len == MANY ? 0 : -EPROTO;
	dv_plan_fini(&plan);
	return r;
}

static int decode_grant(void *arg)
{
	struct dv_api_grant grant = {.env_count = 4711};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_api_grant_decode(grant_text, &grant, &err);

	if (r < 0)
		return judge(r, &err, grant.env_count == 4711);
	return grant.env_count == 1 ? 0 : -EPROTO;
}

static int decode_log(void *arg)
{
	struct dv_api_log log = {0};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_api_log_decode(log_text, &log, &err);

	if (r < 0)
		return judge(r, &err, !log.items);
	r = log.len == MANY ? 0 : -EPROTO;
	dv_vec_fini(&log);
	return r;
}

static int decode_wish(void *arg)
{
	struct dv_api_wish wish = {0};
	struct dv_error err = {0};
	int r;

	arena_used = 0;
	r = dv_api_wish_decode(wish_text, strlen(wish_text), &wish, &err);

	if (r < 0)
		return judge(r, &err, !wish.text);
	dv_api_wish_fini(&wish);
	return 0;
}

static int set_up(void **state)
{
	struct dv_api_wish wish = {.file = "x", .text = (char *)"version: 1\n"};
	struct dv_api_grant grant = {.lease = lease, .env_count = 1, .env = {"A=b"}};
	struct dv_api_log_entry entry = {.id = 1, .verb = "take"};
	struct dv_api_status status = {0};
	struct dv_plan plan = {0};
	struct dv_api_log log = {0};
	int r = fill_status(&status) | fill_plan(&plan);

	for (unsigned i = 0; i < MANY; i++)
		r |= dv_vec_push(&log, entry);
	r |= dv_api_status_encode(&status, &status_text, NULL);
	r |= dv_api_plan_encode(&plan, &plan_text, NULL);
	r |= dv_api_grant_encode(&grant, &grant_text, NULL);
	r |= dv_api_log_encode(&log, &log_text, NULL);
	r |= dv_api_wish_encode(&wish, &wish_text, NULL);
	dv_api_status_fini(&status);
	dv_plan_fini(&plan);
	dv_vec_fini(&log);
	return r;
}

static int tear_down(void **state)
{
	char *const texts[] = {status_text, plan_text, grant_text, log_text, wish_text};

	for (size_t i = 0; i < DV_ARRAY_LEN(texts); i++)
		free(texts[i]);
	return 0;
}

static void test_encode(void **state)
{
	assert_true(torture_run("encode status", encode_status, NULL) > 0);
	assert_true(torture_run("encode plan", encode_plan, NULL) > 0);
}

static void test_decode(void **state)
{
	static const struct {
		const char *name;
		torture_fn fn;
	} operations[] = {
		{"decode status", decode_status}, {"decode plan", decode_plan},
		{"decode grant", decode_grant},	  {"decode log", decode_log},
		{"decode wish", decode_wish},
	};

	json_set_alloc_funcs(arena_get, arena_put);
	for (size_t i = 0; i < DV_ARRAY_LEN(operations); i++)
		if (torture_run(operations[i].name, operations[i].fn, NULL) <= 0)
			fail_msg("%s", operations[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_encode),
					   cmocka_unit_test(test_decode)};

	return cmocka_run_group_tests_name("torture/api", tests, set_up, tear_down);
}
