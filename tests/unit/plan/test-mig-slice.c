/* SPDX-License-Identifier: Apache-2.0 */
/* Slices inside MIG partitions: which share one, what is left in it, what stands. */
#include "plan/diff.h"
#include "plan/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "random.h"
#include "world.h"

enum { ROUNDS = 400 };

static struct world world;
static struct dv_plan plan;

static int tear_down(void **state)
{
	dv_plan_fini(&plan);
	memset(&plan, 0, sizeof(plan));
	world_fini(&world);
	return 0;
}

static void replan(const char *tenants)
{
	char text[2048];

	(void)snprintf(text, sizeof(text), "tenants:\n%s", tenants);
	world_fleet(&world, text);
	dv_plan_fini(&plan);
	world_plan(&world, &plan);
}

static void check_unplaced(const char *tenant, const char *rule, const char *reason)
{
	const struct dv_unplaced *u = unplaced_of(&plan, tenant);

	assert_non_null(u);
	assert_string_equal(u->rules[0], rule);
	if (!strstr(u->reason, reason))
		fail_msg("%s: '%s' does not say '%s'", tenant, u->reason, reason);
}

static struct dv_lease *standing(const char *name, const char *fleet, const char *node,
				 uint64_t memory, uint32_t mpct)
{
	struct dv_lease *lease = world_lease(&world, name, fleet, node, memory, mpct);

	(void)dv_copy(lease->profile, sizeof(lease->profile), "3g.40gb");
	return lease;
}

/* A partition is filled before there is another, beside partitions of one tenant. */
static void test_share_one(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_OFF);
	replan("  - {name: a, count: 3, method: slice, profile: 3g.40gb, policy: fixed-share,\n"
	       "     needs: {memory: 10GiB, compute: 30%}}\n"
	       "  - {name: b, method: mig, profile: 4g.40gb}\n");
	assert_int_equal(plan.unplaced.len, 0);
	assert_int_equal(plan.gpus_used, 1);
	assert_string_equal(plan.steps.items[0].op, "mig.enable");
	for (unsigned i = 0; i < 3; i++) {
		const struct dv_assignment *a = &plan.assignments.items[i];

		assert_int_equal(a->method, DV_METHOD_SLICE);
		assert_int_equal(a->on, DV_METHOD_MIG);
		assert_int_equal(a->policy, DV_POLICY_FIXED_SHARE);
		assert_string_equal(a->profile, "3g.40gb");
		assert_string_equal(a->node, "GPU-1/p4+4");
		assert_int_equal(a->compute_mpct, 30000);
		assert_int_equal(a->isolation, DV_ISOLATION_MEMORY);
		assert_string_equal(plan.steps.items[1 + i].op, "slice.create");
	}
	assert_int_equal(plan_of(&plan, "b")->start, 0);
	/* Of the partition's 40320 MiB and of its 60 of 132 SMs. */
	assert_int_equal(plan.waste_memory_bytes, (40320 - 3 * 10240) * DV_MIB);
	assert_int_equal(plan.waste_mpct, 60 * 100000 / 132 / 10);
	world_apply(&world, &plan, NULL);
}

/* What does not fit in it goes into the next, then nowhere; what binds is said. */
static void test_until_it_is_full(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	replan("  - {name: a, count: 2, method: slice, profile: 3g.40gb,\n"
	       "     needs: {memory: 20GiB, compute: 10%}}\n"
	       "  - {name: b, method: slice, profile: 3g.40gb, needs: {memory: 1GiB, compute: "
	       "85%}}\n");
	assert_int_equal(plan.unplaced.len, 0);
	assert_string_not_equal(plan_of(&plan, "a-0")->node, plan_of(&plan, "a-1")->node);
	/* Left out is the one whose absence costs least, never more than one. */
	replan("  - {name: a, count: 2, method: slice, profile: 3g.40gb,\n"
	       "     needs: {memory: 20GiB, compute: 10%}}\n"
	       "  - {name: b, method: slice, profile: 3g.40gb, needs: {memory: 1GiB, compute: "
	       "95%}}\n");
	assert_int_equal(plan.unplaced.len, 1);
	(void)standing("other", "", "GPU-1/p0+4/s1", 20 * DV_GIB, 10000);
	(void)standing("another", "", "GPU-1/p4+4/s2", 20 * DV_GIB, 20000);
	replan("  - {name: b, method: slice, profile: 3g.40gb, needs: {memory: 1GiB, compute: "
	       "95%}}\n"
	       "  - {name: c, method: slice, profile: 1g.10gb, needs: {memory: 1GiB, compute: "
	       "5%}}\n"
	       "  - {name: d, method: slice, profile: 1g.10gb, needs: {memory: 10GiB}}\n"
	       "  - {name: e, method: slice, profile: 5g.50gb, needs: {memory: 1GiB}}\n"
	       "  - {name: f, method: slice, needs: {memory: 1GiB}}\n"
	       "  - {name: g, method: slice, profile: 1g.10gb, needs: {isolation: hardware}}\n"
	       "  - {name: h, method: slice, profile: 3g.40gb, needs: {memory: 30GiB}}\n");
	assert_int_equal(plan.unplaced.len, 7);
	check_unplaced("h", "G01",
		       "it needs 30GiB and 1% of a 3g.40gb's time; at most 19840MiB and 90%");
	check_unplaced("b", "G02", "95% of a 3g.40gb's time; at most");
	check_unplaced("c", "S01", "1g.10gb needs 1 memory slice");
	check_unplaced("d", "M04", "less than is asked for");
	check_unplaced("e", "M01", "no profile '5g.50gb'");
	check_unplaced("f", "G09", "its MIG mode is on");
	check_unplaced("g", "G10", "hardware isolation is needed");
}

/* An even part of what is left, in their partition and not of the GPU; one more part is left. */
static void test_sizes_not_said(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	replan("  - {name: a, count: 2, method: slice, profile: 3g.40gb}\n"
	       "  - {name: b, method: slice, profile: 3g.40gb, needs: {memory: 10GiB, compute: "
	       "40%}}\n");
	assert_int_equal(plan.unplaced.len, 0);
	assert_string_equal(plan_of(&plan, "a-0")->node, plan_of(&plan, "b")->node);
	assert_int_equal(plan_of(&plan, "a-0")->memory_bytes, (40320 - 10240) / 3 * DV_MIB);
	assert_int_equal(plan_of(&plan, "a-0")->compute_mpct, 20000);
	assert_int_equal(plan_of(&plan, "a-1")->memory_bytes, (40320 - 10240) / 3 * DV_MIB);
	world_apply(&world, &plan, NULL);
}

#define TENANT_A                                                                                   \
	"  - {name: a, method: slice, profile: 3g.40gb, needs: {memory: 8GiB, compute: 20%}"

static void test_what_stands(void **state)
{
	struct dv_differences diffs = {0};

	world_mig(&world, "GPU-1", DV_MIG_ON);
	(void)standing("a", "lab", "GPU-1/p4+4/s1", 8 * DV_GIB, 20000);
	(void)standing("other", "", "GPU-1/p4+4/s2", 20 * DV_GIB, 50000);
	/* It is kept; another comes to it, though others are there. */
	replan(TENANT_A "}\n"
			"  - {name: b, method: slice, profile: 3g.40gb, needs: {memory: 8GiB, "
			"compute: 20%}}\n");
	assert_int_equal(plan.kept, 1);
	assert_int_equal(plan.steps.len, 1);
	assert_string_equal(plan_of(&plan, "b")->node, "GPU-1/p4+4");
	assert_string_equal(plan_of(&plan, "a")->node, "GPU-1/p4+4/s1");
	/* Made anew with another size, where it was. */
	replan("  - {name: a, method: slice, profile: 3g.40gb, needs: {memory: 9GiB, compute: "
	       "20%}}\n");
	assert_int_equal(plan.kept, 0);
	assert_int_equal(plan.steps.len, 2);
	assert_string_equal(plan.steps.items[0].op, "slice.destroy");
	assert_string_equal(plan.steps.items[0].node, "GPU-1/p4+4/s1");
	assert_string_equal(plan_of(&plan, "a")->node, "GPU-1/p4+4");
	assert_int_equal(dv_diff_make(&plan, &world.leases, &diffs, NULL), 0);
	assert_int_equal(diffs.len, 1);
	assert_string_equal(diffs.items[0].what, "memory");
	dv_vec_fini(&diffs);
	/* Elsewhere, where the fleet says so. */
	replan("  - {name: a, method: slice, profile: 3g.40gb, start: 0, needs: {memory: 8GiB, "
	       "compute: 20%}}\n");
	assert_string_equal(plan_of(&plan, "a")->node, "GPU-1/p0+4");
	world_apply(&world, &plan, NULL);
}

/* Others' partition, and what is in it, stays. */
static void test_others_stay(void **state)
{
	world_mig(&world, "GPU-1", DV_MIG_ON);
	(void)standing("other", "", "GPU-1/p4+4/s2", 36 * DV_GIB, 50000);
	replan("  - {name: a, method: slice, profile: 3g.40gb, needs: {memory: 8GiB, compute: "
	       "20%}}\n"
	       "  - {name: b, method: mig, profile: 4g.40gb}\n"
	       "  - {name: c, method: mig, profile: 3g.40gb}\n");
	assert_int_equal(plan.unplaced.len, 2);
	assert_int_equal(plan.assignments.items[0].start, 0);
	assert_true(unplaced_of(&plan, "a") || unplaced_of(&plan, "b"));
}

/* One whose partition went, and in whose place there is another now, has that place all the same:
 * nothing is planned there that could not be done. */
static void test_place_of_what_is_missing(void **state)
{
	static const struct {
		const char *node, *profile;
	} leases[] = {{"GPU-1/p0+4/s1", "3g.40gb"}, {"GPU-1/p0+4/c0+1", "1c.3g.40gb"}};

	for (size_t i = 0; i < DV_ARRAY_LEN(leases); i++) {
		struct dv_gpu *gpu = world_mig(&world, "GPU-1", DV_MIG_ON);
		struct dv_lease *lease = standing("other", "", leases[i].node, DV_GIB, 10000);

		gpu->mig.instance_count = 1;
		gpu->mig.instances[0] = (struct dv_mig_instance){
			.id = 3, .profile_id = 19, .size = 1, .profile = "1g.10gb"};
		lease->missing = true;
		lease->method = i == 0 ? DV_METHOD_SLICE : DV_METHOD_MIG;
		(void)dv_copy(lease->profile, sizeof(lease->profile), leases[i].profile);
		replan("  - {name: a, count: 4, method: slice, profile: 1g.10gb, needs: {memory: "
		       "8GiB}}\n"
		       "  - {name: b, method: mig, profile: 1g.10gb}\n");
		/* Three places of it are left: at 4, 5 and 6. */
		assert_int_equal(plan.unplaced.len, 2);
		for (size_t k = 0; k < plan.assignments.len; k++)
			assert_true(plan.assignments.items[k].start >= 4);
		world_apply(&world, &plan, NULL);
		(void)tear_down(NULL);
	}
}

/* ---- by chance ---- */

static unsigned choose(unsigned n)
{
	return random_below(n);
}

static void random_tenants(struct dv_buf *text, unsigned round)
{
	static const char *const profiles[] = {"1g.10gb", "2g.20gb", "3g.40gb", "1g.20gb"};
	unsigned count = 1 + random_below(round % 5 ? 6 : 24);

	dv_buf_addf(text, "moves: %u\ntenants:\n", random_below(3));
	for (unsigned i = 0; i < count; i++) {
		const char *profile = profiles[random_below(DV_ARRAY_LEN(profiles))];

		if (random_below(3) == 0)
			dv_buf_addf(text, "  - {name: t%u, method: mig, profile: %s}\n", i,
				    profile);
		else if (random_below(8) == 0)
			dv_buf_addf(text, "  - {name: t%u, method: slice, profile: %s}\n", i,
				    profile);
		else
			dv_buf_addf(text,
				    "  - {name: t%u, method: slice, profile: %s, needs: {memory: "
				    "%uMiB, compute: %u%%}}\n",
				    i, profile, 512 * (1 + random_below(20)),
				    10 * (1 + random_below(7)));
	}
}

/* None of them fits any more beside what the plan leaves. */
static void check_full(void)
{
	for (size_t i = 0; i < world.fleet.tenants.len; i++) {
		const struct dv_tenant *tenant = &world.fleet.tenants.items[i];

		for (size_t k = 0; k < world.leases.len && unplaced_of(&plan, tenant->name); k++) {
			const struct dv_lease *other = &world.leases.items[k];
			struct dv_lease lease = {.method = DV_METHOD_SLICE,
						 .memory_bytes = tenant->needs.memory_bytes,
						 .compute_mpct = tenant->needs.compute_mpct};
			struct dv_node node;

			if (tenant->method != DV_METHOD_SLICE || !lease.memory_bytes ||
			    other->method != DV_METHOD_SLICE ||
			    strcmp(other->profile, tenant->profile) != 0)
				continue;
			assert_int_equal(dv_node_parse(other->node, &node, NULL), 0);
			node.slice = 1 << 30;
			(void)dv_node_print(&node, lease.node, sizeof(lease.node));
			(void)dv_copy(lease.profile, sizeof(lease.profile), tenant->profile);
			(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), other->gpu_uuid);
			assert_true(dv_tree_may_claim(&world.gpus.items[node.gpu_uuid[4] - '1'],
						      &world.leases, &lease, NULL) < 0);
		}
	}
}

/* Whatever is wanted after whatever stood: what is planned can be carried out, in any order its
 * steps allow, and whoever was left out would indeed not have fitted into what there is. */
static void test_by_chance(void **state)
{
	(void)random_start("slices in MIG partitions");
	for (unsigned round = 0; round < ROUNDS; round++) {
		world_mig(&world, "GPU-1", random_below(2) ? DV_MIG_ON : DV_MIG_OFF);
		if (random_below(2))
			world_mig(&world, "GPU-2", DV_MIG_ON);
		for (unsigned turn = 0; turn < 3; turn++) {
			struct dv_buf text = {0};

			random_tenants(&text, round);
			assert_false(text.failed);
			world_fleet(&world, text.data);
			dv_buf_fini(&text);
			dv_plan_fini(&plan);
			world_plan(&world, &plan);
			world_apply(&world, &plan, choose);
			check_full();
		}
		(void)tear_down(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_share_one, tear_down),
		cmocka_unit_test_teardown(test_until_it_is_full, tear_down),
		cmocka_unit_test_teardown(test_sizes_not_said, tear_down),
		cmocka_unit_test_teardown(test_what_stands, tear_down),
		cmocka_unit_test_teardown(test_others_stay, tear_down),
		cmocka_unit_test_teardown(test_place_of_what_is_missing, tear_down),
		cmocka_unit_test_teardown(test_by_chance, tear_down),
	};

	return cmocka_run_group_tests_name("slices in MIG partitions", tests, NULL, NULL);
}
