/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static struct dv_assignment wanted(const char *tenant, bool kept)
{
	struct dv_assignment a = {.method = DV_METHOD_SLICE,
				  .gpu_uuid = "CPU-1",
				  .memory_bytes = 512 << 20,
				  .compute_mpct = 40000,
				  .has_policy = true,
				  .kept = kept};

	(void)strncat(a.tenant, tenant, sizeof(a.tenant) - 1);
	return a;
}

static struct dv_lease actual(const char *name, const char *fleet)
{
	struct dv_lease lease = {.method = DV_METHOD_SLICE,
				 .gpu_uuid = "CPU-1",
				 .memory_bytes = 512 << 20,
				 .compute_mpct = 40000};

	(void)strncat(lease.name, name, sizeof(lease.name) - 1);
	(void)strncat(lease.fleet, fleet, sizeof(lease.fleet) - 1);
	return lease;
}

static const struct dv_difference *find(const struct dv_differences *d, const char *tenant,
					const char *what)
{
	for (size_t i = 0; i < d->len; i++)
		if (strcmp(d->items[i].tenant, tenant) == 0 && strcmp(d->items[i].what, what) == 0)
			return &d->items[i];
	return NULL;
}

/* A GPU is called as everywhere else: by its number, not by its UUID. */
static void test_moved(void **state)
{
	struct dv_assignment assignments[] = {wanted("moved", false)};
	struct dv_lease items[] = {actual("moved", "lab")};
	const struct dv_leases leases = {.items = items, .len = 1};
	struct dv_step step = {.op = "slice.destroy", .gpu = "1", .gpu_uuid = "GPU-2"};
	struct dv_plan plan = {.fleet = "lab"};
	struct dv_differences d = {0};
	const struct dv_difference *one;

	(void)dv_copy(assignments[0].gpu, sizeof(assignments[0].gpu), "0");
	(void)dv_copy(assignments[0].gpu_uuid, sizeof(assignments[0].gpu_uuid), "GPU-1");
	(void)dv_copy(items[0].gpu_uuid, sizeof(items[0].gpu_uuid), "GPU-2");
	plan.assignments.items = assignments;
	plan.assignments.len = 1;
	plan.steps.items = &step;
	plan.steps.len = 1;
	assert_int_equal(dv_diff_make(&plan, &leases, &d, NULL), 0);
	assert_int_equal(d.len, 1);
	one = find(&d, "moved", "gpu");
	assert_non_null(one);
	assert_string_equal(one->wanted, "0");
	assert_string_equal(one->actual, "1");
	dv_vec_fini(&d);
}

static void test_every_kind_of_difference(void **state)
{
	struct dv_assignment assignments[] = {wanted("same", true), wanted("new", false),
					      wanted("grown", false)};
	struct dv_unplaced unplaced[] = {{.tenant = "homeless", .reason = "no room"}};
	struct dv_lease items[] = {actual("same", "lab"), actual("grown", "lab"),
				   actual("old", "lab"), actual("foreign", "other"),
				   actual("new", "")};
	const struct dv_leases leases = {.items = items, .len = DV_ARRAY_LEN(items)};
	struct dv_plan plan = {.fleet = "lab"};
	struct dv_differences d = {0};
	const struct dv_difference *one;

	items[1].memory_bytes = 256 << 20;
	items[1].policy = DV_POLICY_LATENCY;
	plan.assignments.items = assignments;
	plan.assignments.len = DV_ARRAY_LEN(assignments);
	plan.unplaced.items = unplaced;
	plan.unplaced.len = 1;
	assert_int_equal(dv_diff_make(&plan, &leases, &d, NULL), 0);
	assert_int_equal(d.len, 5);
	/* A lease of that name which another made is not the fleet's. */
	one = find(&d, "new", "lease");
	assert_true(one && strcmp(one->wanted, "slice, 512MiB, 40%") == 0 &&
		    strcmp(one->actual, "none") == 0);
	one = find(&d, "grown", "memory");
	assert_true(one && strcmp(one->wanted, "512MiB") == 0 &&
		    strcmp(one->actual, "256MiB") == 0);
	one = find(&d, "grown", "policy");
	assert_true(one && strcmp(one->wanted, "best-effort") == 0 &&
		    strcmp(one->actual, "latency") == 0);
	one = find(&d, "old", "lease");
	assert_true(one && strcmp(one->wanted, "none") == 0);
	one = find(&d, "homeless", "lease");
	assert_true(one && strcmp(one->wanted, "no room") == 0);
	dv_vec_fini(&d);
}

/* Of a partition the profile says all. */
static void test_partitions(void **state)
{
	struct dv_assignment assignments[] = {wanted("new", false)};
	struct dv_lease items[] = {actual("old", "lab")};
	const struct dv_leases leases = {.items = items, .len = 1};
	struct dv_plan plan = {.fleet = "lab"};
	struct dv_differences d = {0};

	assignments[0].method = DV_METHOD_MIG;
	(void)dv_copy(assignments[0].profile, sizeof(assignments[0].profile), "7g.80gb");
	items[0].method = DV_METHOD_MIG;
	(void)dv_copy(items[0].profile, sizeof(items[0].profile), "1c.3g.40gb");
	plan.assignments.items = assignments;
	plan.assignments.len = 1;
	assert_int_equal(dv_diff_make(&plan, &leases, &d, NULL), 0);
	assert_int_equal(d.len, 2);
	assert_string_equal(find(&d, "new", "lease")->wanted, "mig 7g.80gb");
	assert_string_equal(find(&d, "old", "lease")->actual, "mig 1c.3g.40gb");
	dv_vec_fini(&d);
}

static void test_as_wanted_is_no_difference(void **state)
{
	struct dv_assignment assignments[] = {wanted("same", true)};
	struct dv_lease items[] = {actual("same", "lab"), actual("foreign", "other")};
	const struct dv_leases leases = {.items = items, .len = DV_ARRAY_LEN(items)};
	struct dv_plan plan = {.fleet = "lab"};
	struct dv_differences d = {0};

	plan.assignments.items = assignments;
	plan.assignments.len = 1;
	assert_int_equal(dv_diff_make(&plan, &leases, &d, NULL), 0);
	assert_int_equal(d.len, 0);
	dv_vec_fini(&d);
}

/* A GPU's mode is nobody's, and differs all the same. */
static void test_modes(void **state)
{
	struct dv_step steps[] = {{.op = "mig.enable", .gpu = "0"},
				  {.op = "mig.create", .gpu = "0"},
				  {.op = "mig.disable", .gpu = "3"}};
	struct dv_unplaced unplaced = {.tenant = "GPU 5", .reason = "cannot be turned off"};
	const struct dv_leases leases = {0};
	struct dv_plan plan = {.fleet = "lab"};
	struct dv_differences d = {0};

	plan.steps.items = steps;
	plan.steps.len = DV_ARRAY_LEN(steps);
	plan.unplaced.items = &unplaced;
	plan.unplaced.len = 1;
	assert_int_equal(dv_diff_make(&plan, &leases, &d, NULL), 0);
	assert_int_equal(d.len, 3);
	assert_string_equal(find(&d, "GPU 0", "mig mode")->wanted, "on");
	assert_string_equal(find(&d, "GPU 0", "mig mode")->actual, "off");
	assert_string_equal(find(&d, "GPU 3", "mig mode")->wanted, "off");
	assert_string_equal(find(&d, "GPU 3", "mig mode")->actual, "on");
	assert_string_equal(find(&d, "GPU 5", "mig mode")->wanted, "cannot be turned off");
	dv_vec_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_difference),
		cmocka_unit_test(test_as_wanted_is_no_difference),
		cmocka_unit_test(test_partitions),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_moved),
	};

	return cmocka_run_group_tests_name("plan/diff", tests, NULL, NULL);
}
