/* SPDX-License-Identifier: Apache-2.0 */
/* Worn fleets of MIG partitions, more than are searched through: what moving them gains, and what
 * it may not cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/units.h"
#include "random.h"
#include "world.h"

enum { ROUNDS = 40 };

static unsigned moved(const struct world *world, const struct dv_plan *plan)
{
	unsigned count = 0;

	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *a = &plan->assignments.items[i];

		count += a->from[0] != '\0';
		for (size_t k = 0; a->from[0] && k < world->leases.len; k++)
			if (strcmp(world->leases.items[k].name, a->tenant) == 0)
				assert_int_equal(world->leases.items[k].state, DV_LEASE_READY);
	}
	return count;
}

/* Small partitions here and there, some in use; then large ones come. */
static void make_worn(struct world *world)
{
	unsigned gpus = 3 + random_below(3), standing = 0;
	char uuid[16], name[16], node[32], fleet[512];

	for (unsigned g = 0; g < gpus; g++) {
		(void)snprintf(uuid, sizeof(uuid), "GPU-%u", g);
		world_mig(world, uuid, DV_MIG_ON);
		for (unsigned c = 0; c < 7; c++) {
			struct dv_lease *lease;

			if (random_below(2))
				continue;
			(void)snprintf(name, sizeof(name), "s-%u", standing++);
			(void)snprintf(node, sizeof(node), "%s/p%u+1", uuid, c);
			lease = world_lease(world, name, "lab", node, 9856 * DV_MIB, 0);
			lease->method = DV_METHOD_MIG;
			lease->state = random_below(4) ? DV_LEASE_READY : DV_LEASE_ACTIVE;
			(void)dv_copy(lease->profile, sizeof(lease->profile), "1g.10gb");
		}
	}
	(void)snprintf(fleet, sizeof(fleet),
		       "tenants:\n"
		       "  - {name: s, count: %u, method: mig, profile: 1g.10gb}\n"
		       "  - {name: big, count: %u, method: mig, profile: 3g.40gb}\n"
		       "  - {name: two, count: %u, method: mig, profile: 2g.20gb}\n"
		       "  - {name: at, count: 2, method: mig, profile: 1g.10gb, start: 3}\n"
		       "  - {name: huge, method: mig, profile: 7g.80gb}\n",
		       DV_MAX(standing, 2), 2 + random_below(4), 2 + random_below(4));
	world_fleet(world, fleet);
}

/* With moves no fewer are placed than without, no more move than may, and none that is in use. */
static void one_worn(unsigned *gained)
{
	struct world world = {0};
	struct dv_plan plan, still;
	unsigned most = 1 + random_below(6);

	make_worn(&world);
	world_plan(&world, &still);
	assert_int_equal(moved(&world, &still), 0);
	world.fleet.moves = most;
	world_plan(&world, &plan);
	assert_true(plan.unplaced.len <= still.unplaced.len);
	assert_true(moved(&world, &plan) <= most);
	*gained += plan.unplaced.len < still.unplaced.len;
	world_apply(&world, &plan, random_below);
	dv_plan_fini(&plan);
	dv_plan_fini(&still);
	world_fini(&world);
}

/* Nobody moves for nothing, nor more than may; and then the fleet is as wanted. */
static void one_defragmented(unsigned *gained)
{
	struct world world = {.defragment = true};
	struct dv_plan plan, again;
	char tenants[512];
	unsigned standing;

	make_worn(&world);
	/* Only what stands is wanted. */
	standing = (unsigned)world.leases.len;
	(void)snprintf(tenants, sizeof(tenants),
		       "moves: %u\n"
		       "tenants:\n"
		       "  - {name: s, count: %u, method: mig, profile: 1g.10gb}\n",
		       random_below(6), DV_MAX(standing, 2));
	world_fleet(&world, tenants);
	world_plan(&world, &plan);
	if (world.fleet.moves)
		assert_true(moved(&world, &plan) <= world.fleet.moves);
	assert_int_equal(plan.unplaced.len, 0);
	assert_true(plan.steps.len == 0 || plan.freed.len > 0);
	*gained += plan.freed.len > 0;
	world_apply(&world, &plan, random_below);
	dv_plan_fini(&plan);
	world.defragment = false;
	world_plan(&world, &again);
	assert_int_equal(again.steps.len, 0);
	dv_plan_fini(&again);
	world_fini(&world);
}

static void test_defragment(void **state)
{
	unsigned gained = 0;

	(void)random_start("plan/moves, defragment");
	for (unsigned round = 0; round < ROUNDS; round++)
		one_defragmented(&gained);
	printf("%u of %u free something\n", gained, ROUNDS);
	assert_true(gained * 2 > ROUNDS);
}

static void test_moves(void **state)
{
	unsigned gained = 0;

	(void)random_start("plan/moves");
	for (unsigned round = 0; round < 8 * ROUNDS; round++)
		one_worn(&gained);
	printf("%u of %u place more by moving\n", gained, 8 * ROUNDS);
	assert_true(gained > ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_moves),
					   cmocka_unit_test(test_defragment)};

	return cmocka_run_group_tests_name("plan/moves", tests, NULL, NULL);
}
