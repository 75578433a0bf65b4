/* SPDX-License-Identifier: Apache-2.0 */
/* Small random worlds: every plan can be carried out, and is the best of all there are, as found by
 * trying every one with nothing but the tree's own rules. */
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

/* ---- a random world ---- */

static void random_gpus(struct world *world)
{
	unsigned count = 1 + random_below(3);

	for (unsigned i = 0; i < count; i++) {
		uint64_t memory = (2 + random_below(3)) * DV_GIB;
		struct dv_gpu *gpu;
		char uuid[16];

		if (random_below(2)) {
			(void)snprintf(uuid, sizeof(uuid), "CPU-%u", i);
			gpu = world_cpu(world, uuid, memory, 2 + random_below(3));
		} else {
			(void)snprintf(uuid, sizeof(uuid), "GPU-%u", i);
			gpu = world_gpu(world, uuid, memory);
		}
		if (random_below(10) == 0)
			(void)dv_copy(gpu->quarantine, sizeof(gpu->quarantine), "a step hung");
	}
}

/* A lease somewhere, if the tree allows it. */
static void random_lease(struct world *world, const char *name, const char *fleet)
{
	const struct dv_gpu *gpu = &world->gpus.items[random_below((unsigned)world->gpus.len)];
	unsigned what = random_below(gpu->kind == DV_GPU_CPU ? 5 : 4);
	struct dv_node node = {0};
	struct dv_lease lease;
	char path[DV_NODE_SIZE];

	(void)dv_copy(node.gpu_uuid, sizeof(node.gpu_uuid), gpu->uuid);
	if (what == 4) {
		node.has_partition = true;
		node.start = random_below(gpu->compute_units);
		node.size = 1 + random_below(2);
	} else if (what > 0) {
		node.has_slice = true;
		node.slice = world->next_id + 1;
	}
	lease = *world_lease(world, name, fleet, dv_node_print(&node, path, sizeof(path)),
			     node.has_slice ? (1 + random_below(4)) * DV_GIB / 2 : 0,
			     node.has_slice ? (1 + random_below(4)) * 12500 : 0);
	world->leases.len--;
	if (dv_tree_may_claim(gpu, &world->leases, &lease, NULL) < 0)
		return;
	lease.state = random_below(2) ? DV_LEASE_ACTIVE : DV_LEASE_READY;
	world->leases.items[world->leases.len++] = lease;
}

/* What the lease is, or something else. */
static void random_tenant(const struct world *world, const char *name, struct dv_buf *text)
{
	static const char *const methods[] = {"", "method: slice, ", "method: partition, ",
					      "method: passthrough, "};
	const struct dv_lease *lease = NULL;
	char size[32], share[32];
	unsigned what = random_below(12);
	static const char *const moves[] = {"", "", ", move: never", ", move: running"};
	const char *move = moves[random_below(DV_ARRAY_LEN(moves))];
	char gpu[64] = "";

	/* The last number names none. */
	if (random_below(3) == 0)
		(void)snprintf(gpu, sizeof(gpu), ", gpu: %u",
			       random_below((unsigned)world->gpus.len + 1));
	(void)snprintf(gpu + strlen(gpu), sizeof(gpu) - strlen(gpu), "%s", move);
	for (size_t i = 0; i < world->leases.len; i++)
		if (strcmp(world->leases.items[i].name, name) == 0)
			lease = &world->leases.items[i];
	if (lease && lease->method == DV_METHOD_SLICE && random_below(3)) {
		(void)dv_size_print(lease->memory_bytes, size, sizeof(size));
		(void)dv_share_print(lease->compute_mpct, share, sizeof(share));
		dv_buf_addf(text, "  - {name: %s, needs: {memory: %s, compute: %s}%s}\n", name,
			    size, share, gpu);
	} else if (what == 0) {
		dv_buf_addf(text, "  - {name: %s, gpus: %u%s}\n", name, 1 + random_below(2), gpu);
	} else if (what == 1) {
		dv_buf_addf(text, "  - {name: %s, kind: vm%s}\n", name, gpu);
	} else {
		dv_buf_addf(text, "  - {name: %s, %sneeds: {", name, methods[random_below(4)]);
		if (random_below(4))
			dv_buf_addf(text, "memory: %uMiB, ", 512 * (1 + random_below(6)));
		if (random_below(4))
			dv_buf_addf(text, "compute: %u%%, ", 25 * (1 + random_below(4)));
		dv_buf_addf(text, "isolation: %s}%s}\n", random_below(9) ? "none" : "dedicated",
			    gpu);
	}
}

static void random_world(struct world *world)
{
	struct dv_buf text = {0};
	unsigned tenants = 1 + random_below(4);
	char name[16];

	random_gpus(world);
	for (unsigned i = random_below(3); i > 0; i--) {
		(void)snprintf(name, sizeof(name), "other%u", i);
		random_lease(world, name, "");
	}
	for (unsigned i = random_below(5); i > 0; i--) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		random_lease(world, name, "lab");
	}
	dv_buf_addf(&text, "moves: %u\ntenants:\n", random_below(3) * random_below(3));
	for (unsigned i = 0; i < tenants; i++) {
		(void)snprintf(name, sizeof(name), "t%u", i);
		random_tenant(world, name, &text);
	}
	assert_false(text.failed);
	world_fleet(world, text.data);
	dv_buf_fini(&text);
}

/* ---- the oracle ---- */

struct outcome {
	unsigned unplaced, disturbed, moved, gpus;
};

struct oracle {
	const struct world *world;
	bool repack;		 /* as if nothing stood */
	unsigned short_of;	 /* so many at least are left out */
	unsigned lifted;	 /* of what stands */
	struct dv_leases leases; /* as chosen so far */
	unsigned on[8];		 /* chosen leases of the fleet on each GPU */
	struct outcome now, best;
};

static bool less(const struct outcome *a, const struct outcome *b)
{
	if (a->unplaced != b->unplaced)
		return a->unplaced < b->unplaced;
	if (a->disturbed != b->disturbed)
		return a->disturbed < b->disturbed;
	if (a->moved != b->moved)
		return a->moved < b->moved;
	return a->gpus < b->gpus;
}

static enum dv_method oracle_method(const struct dv_tenant *tenant)
{
	if (tenant->gpus ||
	    (tenant->method == DV_METHOD_NONE && tenant->needs.isolation == DV_ISOLATION_DEDICATED))
		return DV_METHOD_PASSTHROUGH;
	return tenant->method == DV_METHOD_NONE ? DV_METHOD_SLICE : tenant->method;
}

/* Whether the tenant could ever be on this GPU; `fresh`: be placed there now. */
static bool oracle_may(const struct dv_tenant *tenant, const struct dv_gpu *gpu, bool fresh)
{
	enum dv_method method = oracle_method(tenant);
	bool cpu = gpu->kind == DV_GPU_CPU;

	if (fresh && gpu->quarantine[0])
		return false;
	if (tenant->gpu[0] && strcmp(tenant->gpu, gpu->id) != 0)
		return false;
	if (tenant->kind == DV_KIND_VM && (cpu || method == DV_METHOD_SLICE))
		return false;
	return dv_gpu_method(gpu, method)->ok &&
	       dv_method_isolation(method, cpu) >= tenant->needs.isolation;
}

static unsigned oracle_units(const struct dv_tenant *tenant, const struct dv_gpu *gpu)
{
	for (unsigned n = 1; n <= gpu->compute_units; n++)
		if (gpu->memory_bytes * n / gpu->compute_units >= tenant->needs.memory_bytes &&
		    DV_MPCT_WHOLE * n / gpu->compute_units >= tenant->needs.compute_mpct)
			return n;
	return 0;
}

static size_t oracle_gpu(const struct world *world, const char *uuid)
{
	for (size_t g = 0; g < world->gpus.len; g++)
		if (strcmp(world->gpus.items[g].uuid, uuid) == 0)
			return g;
	fail();
	return 0;
}

static const struct dv_lease *oracle_standing(const struct world *world,
					      const struct dv_tenant *tenant, unsigned part)
{
	char name[DV_NAME_SIZE + 8];

	(void)snprintf(name, sizeof(name), part ? "%s.%u" : "%s", tenant->name, part);
	for (size_t i = 0; i < world->leases.len; i++)
		if (strcmp(world->leases.items[i].name, name) == 0)
			return &world->leases.items[i];
	return NULL;
}

static bool oracle_keepable(const struct world *world, const struct dv_tenant *tenant,
			    unsigned part)
{
	const struct dv_lease *lease = oracle_standing(world, tenant, part);
	const struct dv_needs *needs = &tenant->needs;
	const struct dv_gpu *gpu;
	struct dv_node node;

	if (!lease)
		return false;
	gpu = &world->gpus.items[oracle_gpu(world, lease->gpu_uuid)];
	if (lease->method != oracle_method(tenant) || lease->kind != tenant->kind ||
	    !oracle_may(tenant, gpu, false))
		return false;
	assert_int_equal(dv_node_parse(lease->node, &node, NULL), 0);
	if (lease->method == DV_METHOD_PASSTHROUGH)
		return gpu->memory_bytes >= needs->memory_bytes;
	if (needs->memory_bytes && needs->memory_bytes != lease->memory_bytes)
		return false;
	if (lease->method == DV_METHOD_PARTITION)
		return node.size == oracle_units(tenant, gpu);
	return !needs->compute_mpct || needs->compute_mpct == lease->compute_mpct;
}

/* Nowhere, whatever else is: it is refused, and what stands of it stays as it is. */
static bool oracle_impossible(const struct world *world, const struct dv_tenant *tenant)
{
	for (unsigned part = 0; part < DV_MAX(tenant->gpus, 1); part++) {
		bool possible = oracle_keepable(world, tenant, part);

		for (size_t g = 0; g < world->gpus.len && !possible; g++)
			possible = oracle_may(tenant, &world->gpus.items[g], true);
		if (!possible)
			return true;
	}
	return false;
}

static bool oracle_movable(const struct oracle *oracle, const struct dv_tenant *tenant,
			   const struct dv_lease *lease)
{
	if (oracle->repack)
		return true;
	if (tenant->move == DV_MOVE_NEVER ||
	    (tenant->move == DV_MOVE_IDLE && lease->state == DV_LEASE_ACTIVE))
		return false;
	return oracle->lifted < oracle->world->fleet.moves;
}

/* All of it stands as wanted: then it is not left out for others. */
static bool oracle_firm(const struct oracle *oracle, const struct dv_tenant *tenant)
{
	for (unsigned part = 0; part < DV_MAX(tenant->gpus, 1); part++)
		if (!oracle_keepable(oracle->world, tenant, part))
			return false;
	return !oracle->repack && !oracle_impossible(oracle->world, tenant);
}

static void try_tenant(struct oracle *oracle, size_t t);
static void try_part(struct oracle *oracle, size_t t, unsigned part);

static void try_lease(struct oracle *oracle, size_t t, unsigned part, struct dv_lease *lease)
{
	const struct world *world = oracle->world;
	size_t g = oracle_gpu(world, lease->gpu_uuid);

	if (dv_tree_may_claim(&world->gpus.items[g], &oracle->leases, lease, NULL) < 0)
		return;
	assert_int_equal(dv_vec_push(&oracle->leases, *lease), 0);
	oracle->now.gpus += oracle->on[g]++ == 0;
	try_part(oracle, t, part + 1);
	oracle->now.gpus -= --oracle->on[g] == 0;
	oracle->leases.len--;
}

static void try_gpu(struct oracle *oracle, size_t t, unsigned part, const struct dv_gpu *gpu)
{
	const struct dv_tenant *tenant = &oracle->world->fleet.tenants.items[t];
	struct dv_lease lease = {.method = oracle_method(tenant)};
	unsigned units = oracle_units(tenant, gpu);

	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), gpu->uuid);
	(void)dv_copy(lease.node, sizeof(lease.node), gpu->uuid);
	lease.memory_bytes = tenant->needs.memory_bytes;
	if (lease.method == DV_METHOD_SLICE) {
		(void)snprintf(lease.node, sizeof(lease.node), "%s/s%zu", gpu->uuid,
			       1000000 + t * 100 + part);
		lease.memory_bytes = tenant->needs.memory_bytes ? tenant->needs.memory_bytes
								: 256 * DV_MIB;
		lease.compute_mpct = tenant->needs.compute_mpct ? tenant->needs.compute_mpct : 1000;
	}
	if (lease.method == DV_METHOD_PASSTHROUGH && gpu->memory_bytes < lease.memory_bytes)
		return;
	if (lease.method != DV_METHOD_PARTITION) {
		try_lease(oracle, t, part, &lease);
		return;
	}
	for (unsigned start = 0; units && start + units <= gpu->compute_units; start++) {
		(void)snprintf(lease.node, sizeof(lease.node), "%s/p%u+%u", gpu->uuid, start,
			       units);
		try_lease(oracle, t, part, &lease);
	}
}

/* The parts of a tenant are all placed before the next tenant's turn. */
static void try_part(struct oracle *oracle, size_t t, unsigned part)
{
	const struct world *world = oracle->world;
	const struct dv_tenant *tenant = &world->fleet.tenants.items[t];
	const struct dv_lease *standing;
	unsigned cost;

	if (part == DV_MAX(tenant->gpus, 1)) {
		try_tenant(oracle, t + 1);
		return;
	}
	standing = oracle_standing(world, tenant, part);
	cost = oracle_keepable(world, tenant, part);
	if (cost) {
		struct dv_lease lease = *standing;

		try_lease(oracle, t, part, &lease);
	}
	if (cost && !oracle_movable(oracle, tenant, standing))
		return;
	cost = oracle->repack ? 0 : cost;
	oracle->lifted += cost;
	oracle->now.moved += cost;
	oracle->now.disturbed += cost && standing->state == DV_LEASE_ACTIVE;
	for (size_t g = 0; g < world->gpus.len; g++)
		if (oracle_may(tenant, &world->gpus.items[g], true))
			try_gpu(oracle, t, part, &world->gpus.items[g]);
	oracle->lifted -= cost;
	oracle->now.moved -= cost;
	oracle->now.disturbed -= cost && standing->state == DV_LEASE_ACTIVE;
}

static void try_tenant(struct oracle *oracle, size_t t)
{
	const struct world *world = oracle->world;
	const struct dv_tenant *tenant;
	unsigned moved = 0, disturbed = 0;

	if (t == world->fleet.tenants.len) {
		if (oracle->now.unplaced >= oracle->short_of && less(&oracle->now, &oracle->best))
			oracle->best = oracle->now;
		return;
	}
	tenant = &world->fleet.tenants.items[t];
	for (unsigned part = 0; part < DV_MAX(tenant->gpus, 1); part++) {
		const struct dv_lease *standing = oracle_standing(world, tenant, part);

		if (oracle->repack || oracle_impossible(world, tenant) || !standing ||
		    !oracle_keepable(world, tenant, part))
			continue;
		moved++;
		disturbed += standing->state == DV_LEASE_ACTIVE;
	}
	if (!oracle_impossible(world, tenant))
		try_part(oracle, t, 0);
	if (oracle_firm(oracle, tenant))
		return;
	oracle->now.unplaced++;
	oracle->now.moved += moved;
	oracle->now.disturbed += disturbed;
	try_tenant(oracle, t + 1);
	oracle->now.unplaced--;
	oracle->now.moved -= moved;
	oracle->now.disturbed -= disturbed;
}

static bool oracle_stays(const struct world *world, const struct dv_lease *lease)
{
	if (strcmp(lease->fleet, "lab") != 0)
		return true;
	for (size_t t = 0; t < world->fleet.tenants.len; t++) {
		const struct dv_tenant *tenant = &world->fleet.tenants.items[t];

		for (unsigned part = 0; part < DV_MAX(tenant->gpus, 1); part++)
			if (oracle_standing(world, tenant, part) == lease)
				return oracle_impossible(world, tenant);
	}
	return false;
}

static struct outcome ask_oracle(const struct world *world, bool repack, unsigned short_of)
{
	struct oracle oracle = {
		.world = world, .repack = repack, .short_of = short_of, .best = {.unplaced = 1000}};

	for (size_t i = 0; i < world->leases.len; i++)
		if (oracle_stays(world, &world->leases.items[i]))
			assert_int_equal(dv_vec_push(&oracle.leases, world->leases.items[i]), 0);
	try_tenant(&oracle, 0);
	dv_vec_fini(&oracle.leases);
	return oracle.best;
}

/* ---- the tests ---- */

static bool kept(const struct dv_plan *plan, const struct dv_lease *lease)
{
	for (size_t i = 0; i < plan->assignments.len; i++)
		if (plan->assignments.items[i].kept &&
		    strcmp(plan->assignments.items[i].node, lease->node) == 0)
			return true;
	return false;
}

static struct outcome outcome_of(const struct world *world, const struct dv_plan *plan)
{
	struct outcome outcome = {.unplaced = (unsigned)plan->unplaced.len,
				  .gpus = plan->gpus_used};

	for (size_t t = 0; t < world->fleet.tenants.len; t++) {
		const struct dv_tenant *tenant = &world->fleet.tenants.items[t];

		for (unsigned part = 0; part < DV_MAX(tenant->gpus, 1); part++) {
			const struct dv_lease *lease = oracle_standing(world, tenant, part);

			if (!oracle_keepable(world, tenant, part) ||
			    oracle_impossible(world, tenant) || kept(plan, lease))
				continue;
			outcome.moved++;
			outcome.disturbed += lease->state == DV_LEASE_ACTIVE;
		}
	}
	return outcome;
}

static void assert_same(const struct outcome *got, const struct outcome *want, uint64_t round)
{
	if (less(got, want) || less(want, got))
		fail_msg("round %llu: %u unplaced, %u disturbed, %u moved, %u GPUs; best is "
			 "%u, %u, %u, %u",
			 (unsigned long long)round, got->unplaced, got->disturbed, got->moved,
			 got->gpus, want->unplaced, want->disturbed, want->moved, want->gpus);
}

static void assert_same_plan(const struct dv_plan *a, const struct dv_plan *b)
{
	assert_int_equal(a->steps.len, b->steps.len);
	for (size_t i = 0; i < a->steps.len; i++) {
		assert_string_equal(a->steps.items[i].op, b->steps.items[i].op);
		assert_string_equal(a->steps.items[i].tenant, b->steps.items[i].tenant);
		assert_string_equal(a->steps.items[i].node, b->steps.items[i].node);
		assert_string_equal(a->steps.items[i].gpu_uuid, b->steps.items[i].gpu_uuid);
	}
}

/* What is said of the bound is true. Worlds are small enough that it is always said whether more
 * could be placed: by assert_same none could. */
static void check_bound(const struct world *world, const struct dv_plan *plan)
{
	unsigned unplaced = (unsigned)plan->unplaced.len;
	struct outcome fewest = ask_oracle(world, true, 0), as_many;

	/* Where moves are not allowed, more might be placed if nothing stood. */
	assert_true(fewest.unplaced <= unplaced);
	if (fewest.unplaced == unplaced) {
		assert_true(plan->bound_proven);
		assert_int_equal(plan->bound_gpus, fewest.gpus);
		assert_int_equal(plan->bound, plan->gpus_used == fewest.gpus ? DV_BOUND_OPTIMAL
									     : DV_BOUND_LOWER);
		return;
	}
	as_many = ask_oracle(world, true, unplaced);
	assert_int_equal(as_many.unplaced, unplaced);
	assert_int_not_equal(plan->bound, DV_BOUND_HEURISTIC);
	if (plan->bound == DV_BOUND_OPTIMAL)
		assert_int_equal(plan->gpus_used, as_many.gpus);
}

/* What moves is said so, and no more than the fleet allows. */
static void check_moves(const struct world *world, const struct dv_plan *plan)
{
	unsigned moved = 0;

	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *a = &plan->assignments.items[i];

		moved += a->from[0] != '\0';
		assert_true(!a->from[0] == !strstr(a->reason, "to make room"));
	}
	assert_true(moved <= world->fleet.moves);
}

static void one_round(uint64_t round)
{
	struct world world = {0};
	struct dv_plan plan, again;
	struct outcome got, want;

	random_world(&world);
	world_plan(&world, &plan);
	got = outcome_of(&world, &plan);
	want = ask_oracle(&world, false, 0);
	assert_same(&got, &want, round);
	check_bound(&world, &plan);
	check_moves(&world, &plan);
	world_plan(&world, &again);
	assert_same_plan(&plan, &again);
	dv_plan_fini(&again);
	world_apply(&world, &plan, random_below);
	if (plan.unplaced.len == 0) {
		world_plan(&world, &again);
		assert_int_equal(again.steps.len, 0);
		assert_int_equal(again.kept, plan.assignments.len);
		dv_plan_fini(&again);
	}
	dv_plan_fini(&plan);
	world_fini(&world);
}

static void test_best_of_all(void **state)
{
	random_start("plan/random");
	for (uint64_t round = 0; round < ROUNDS; round++)
		one_round(round);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_best_of_all)};

	return cmocka_run_group_tests_name("plan/random", tests, NULL, NULL);
}
