/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-divvyd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "model/units.h"

#define UUID "CPU-0123456789abcdef"

static char *encode(const struct dv_plan *plan)
{
	static char *kept[4];
	static size_t count;
	char *text = NULL;

	assert_int_equal(dv_api_plan_encode(plan, &text, NULL), 0);
	/* They stay until the end of the test. */
	free(kept[count % DV_ARRAY_LEN(kept)]);
	kept[count++ % DV_ARRAY_LEN(kept)] = text;
	return text;
}

static struct dv_assignment slice(const char *tenant, uint64_t memory, uint32_t mpct)
{
	struct dv_assignment a = {
		.method = DV_METHOD_SLICE,
		.gpu = "0",
		.gpu_uuid = UUID,
		.start = -1,
		.size = -1,
		.memory_bytes = memory,
		.compute_mpct = mpct,
		.has_policy = true,
		.policy = DV_POLICY_FIXED_SHARE,
		.isolation = dv_method_isolation(DV_METHOD_SLICE, true),
		.isolates = dv_method_isolates(DV_METHOD_SLICE, true),
		.reason = "the tightest fit",
	};

	(void)snprintf(a.tenant, sizeof(a.tenant), "%s", tenant);
	return a;
}

static struct dv_assignment partition(const char *tenant)
{
	struct dv_assignment a = slice(tenant, 3 * DV_GIB, 25000);

	a.method = DV_METHOD_PARTITION;
	a.has_policy = false;
	a.start = 2;
	a.size = 2;
	a.isolates = dv_method_isolates(DV_METHOD_PARTITION, true);
	return a;
}

static struct dv_step step(unsigned id, const char *op, const char *tenant)
{
	struct dv_step s = {.id = id, .gpu = "0", .gpu_uuid = UUID, .start = -1, .size = -1};

	(void)snprintf(s.op, sizeof(s.op), "%s", op);
	(void)snprintf(s.tenant, sizeof(s.tenant), "%s", tenant);
	return s;
}

static const char *encode_plan(bool all_placed)
{
	struct dv_assignment assignments[] = {
		slice("notebook", 4 * DV_GIB, 30000), partition("batch"),
		slice("a-tenant-with-a-name-that-is-too-long-for-it", 640 * DV_MIB, 12500)};
	struct dv_step steps[] = {
		step(1, "slice.destroy", "old"), step(2, "slice.create", "batch"),
		step(3, "slice.create", "a-tenant-with-a-name-that-is-too-long-for-it")};
	struct dv_unplaced unplaced = {
		.tenant = "huge",
		.rule_count = 1,
		.rules = {"G01"},
		.reason = "it needs 512GiB of memory, and the most that is left on one GPU is 4GiB",
	};
	struct dv_plan plan = {
		.fleet = "lab",
		.file = "lab.yaml",
		.source = (char *)"version: 1\nname: lab\n", /* only read */
		.state = "0123456789abcdef",
		.bound_gpus = 1,
		.bound_proven = true,
		.bound = DV_BOUND_OPTIMAL,
		.assignments = {.items = assignments, .len = DV_ARRAY_LEN(assignments)},
		.unplaced = {.items = &unplaced, .len = 1},
		.steps = {.items = steps, .len = DV_ARRAY_LEN(steps)},
		.kept = 1,
		.gpus_used = 1,
		.waste_memory_bytes = 2 * DV_GIB,
		.waste_mpct = 7500,
		.cost_note = "slices need no licence",
	};

	assignments[0].kept = true;
	steps[0].disturb_count = 2;
	(void)snprintf(steps[0].disturbs[0], sizeof(steps[0].disturbs[0]), "old");
	(void)snprintf(steps[0].disturbs[1], sizeof(steps[0].disturbs[1]), "older");
	if (all_placed)
		plan.unplaced.len = 0;
	return encode(&plan);
}

const char *fake_plan(void)
{
	return encode_plan(false);
}

const char *fake_plan_disturbs(void)
{
	return encode_plan(true);
}

const char *fake_plan_stands(void)
{
	struct dv_assignment assignment = slice("notebook", 4 * DV_GIB, 30000);
	struct dv_plan plan = {
		.fleet = "lab",
		.file = "lab.yaml",
		.state = "0123456789abcdef",
		.bound_gpus = 1,
		.assignments = {.items = &assignment, .len = 1},
		.kept = 1,
		.gpus_used = 2,
	};

	assignment.kept = true;
	return encode(&plan);
}

const char *fake_plan_ends_all(void)
{
	struct dv_step step = {.id = 1, .op = "slice.destroy", .gpu = "0", .gpu_uuid = "CPU-1"};
	struct dv_plan plan = {
		.fleet = "lab",
		.file = "lab.yaml",
		.state = "0123456789abcdef",
		.steps = {.items = &step, .len = 1},
	};

	(void)snprintf(step.tenant, sizeof(step.tenant), "old");
	return encode(&plan);
}

const char *fake_plan_resizes(void)
{
	struct dv_assignment grown = slice("grown", 4 * DV_GIB, 30000);
	struct dv_step steps[] = {step(1, "slice.destroy", "grown"),
				  step(2, "slice.create", "grown")};
	struct dv_unplaced unplaced[7] = {0};
	struct dv_plan plan = {
		.fleet = "lab",
		.file = "lab.yaml",
		.state = "0123456789abcdef",
		.assignments = {.items = &grown, .len = 1},
		.unplaced = {.items = unplaced, .len = DV_ARRAY_LEN(unplaced)},
		.steps = {.items = steps, .len = DV_ARRAY_LEN(steps)},
		.gpus_used = 1,
	};

	for (unsigned i = 0; i < DV_ARRAY_LEN(unplaced); i++) {
		(void)snprintf(unplaced[i].tenant, sizeof(unplaced[i].tenant), "x-%u", i);
		(void)snprintf(unplaced[i].reason, sizeof(unplaced[i].reason), "%s",
			       i < 6 ? "no room" : "no GPU");
	}
	return encode(&plan);
}
