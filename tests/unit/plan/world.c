/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"

enum { UID = 1000 };

void world_fini(struct world *world)
{
	dv_vec_fini(&world->gpus);
	dv_vec_fini(&world->leases);
	dv_fleet_fini(&world->fleet);
	memset(world, 0, sizeof(*world));
}

static struct dv_gpu *add_gpu(struct world *world, const char *uuid, uint64_t memory_bytes)
{
	struct dv_gpu gpu = {.memory_bytes = memory_bytes, .numa_node = -1};

	(void)snprintf(gpu.id, sizeof(gpu.id), "%zu", world->gpus.len);
	(void)dv_copy(gpu.uuid, sizeof(gpu.uuid), uuid);
	gpu.methods[gpu.method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_PASSTHROUGH, .ok = true};
	gpu.methods[gpu.method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_SLICE, .ok = true};
	assert_int_equal(dv_vec_push(&world->gpus, gpu), 0);
	return &world->gpus.items[world->gpus.len - 1];
}

struct dv_gpu *world_cpu(struct world *world, const char *uuid, uint64_t memory_bytes,
			 unsigned cpus)
{
	struct dv_gpu *gpu = add_gpu(world, uuid, memory_bytes);

	gpu->kind = DV_GPU_CPU;
	gpu->compute_units = cpus;
	(void)dv_copy(gpu->model, sizeof(gpu->model), "cpu-opencl");
	gpu->methods[gpu->method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_PARTITION, .ok = true};
	return gpu;
}

struct dv_gpu *world_gpu(struct world *world, const char *uuid, uint64_t memory_bytes)
{
	struct dv_gpu *gpu = add_gpu(world, uuid, memory_bytes);

	gpu->kind = DV_GPU_NVIDIA;
	gpu->compute_units = 132;
	gpu->methods[gpu->method_count++] = (struct dv_gpu_method){
		.method = DV_METHOD_PARTITION, .why = "partitions are for the CPU device"};
	return gpu;
}

struct dv_lease *world_lease(struct world *world, const char *name, const char *fleet,
			     const char *node, uint64_t memory_bytes, uint32_t mpct)
{
	struct dv_lease lease = {.id = ++world->next_id,
				 .uid = UID,
				 .state = DV_LEASE_READY,
				 .memory_bytes = memory_bytes,
				 .compute_mpct = mpct};
	struct dv_node at;

	assert_int_equal(dv_node_parse(node, &at, NULL), 0);
	lease.method = at.has_slice	  ? DV_METHOD_SLICE
		       : at.has_partition ? DV_METHOD_PARTITION
					  : DV_METHOD_PASSTHROUGH;
	(void)dv_copy(lease.name, sizeof(lease.name), name);
	(void)dv_copy(lease.fleet, sizeof(lease.fleet), fleet);
	(void)dv_copy(lease.node, sizeof(lease.node), node);
	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), at.gpu_uuid);
	if (at.has_slice && at.slice > world->next_id)
		world->next_id = at.slice;
	assert_int_equal(dv_vec_push(&world->leases, lease), 0);
	return &world->leases.items[world->leases.len - 1];
}

void world_fleet(struct world *world, const char *text)
{
	char file[16384];
	struct dv_error err = {0};
	int n = snprintf(file, sizeof(file), "version: 1\nname: lab\n%s", text);

	assert_true(n > 0 && (size_t)n < sizeof(file));
	dv_fleet_fini(&world->fleet);
	memset(&world->fleet, 0, sizeof(world->fleet));
	if (dv_fleet_parse(file, (size_t)n, "fleet.yaml", &world->fleet, &err) < 0)
		fail_msg("%d:%d: %s", err.line, err.column, err.msg);
}

const struct dv_assignment *plan_of(const struct dv_plan *plan, const char *tenant)
{
	for (size_t i = 0; i < plan->assignments.len; i++)
		if (strcmp(plan->assignments.items[i].tenant, tenant) == 0)
			return &plan->assignments.items[i];
	return NULL;
}

const struct dv_unplaced *unplaced_of(const struct dv_plan *plan, const char *tenant)
{
	for (size_t i = 0; i < plan->unplaced.len; i++)
		if (strcmp(plan->unplaced.items[i].tenant, tenant) == 0)
			return &plan->unplaced.items[i];
	return NULL;
}

static void check_tenants(const struct world *world, const struct dv_plan *plan)
{
	for (size_t i = 0; i < world->fleet.tenants.len; i++) {
		const struct dv_tenant *tenant = &world->fleet.tenants.items[i];
		unsigned assigned = 0, unplaced = 0;

		for (size_t j = 0; j < plan->assignments.len; j++)
			assigned += strcmp(plan->assignments.items[j].tenant, tenant->name) == 0;
		for (size_t j = 0; j < plan->unplaced.len; j++)
			unplaced += strcmp(plan->unplaced.items[j].tenant, tenant->name) == 0;
		assert_int_equal(unplaced ? 0 : DV_MAX(tenant->gpus, 1), assigned);
		assert_true(unplaced <= 1);
	}
	for (size_t i = 0; i < plan->unplaced.len; i++) {
		assert_true(plan->unplaced.items[i].rule_count >= 1);
		assert_true(plan->unplaced.items[i].rules[0][0] != '\0');
		assert_true(plan->unplaced.items[i].reason[0] != '\0');
	}
}

static void check_steps(const struct dv_plan *plan)
{
	unsigned kept = 0;

	for (size_t i = 0; i < plan->steps.len; i++) {
		const struct dv_step *step = &plan->steps.items[i];

		assert_int_equal(step->id, i + 1);
		assert_true(step->need_count <= DV_ARRAY_LEN(step->needs));
		for (unsigned j = 0; j < step->need_count; j++)
			assert_true(step->needs[j] >= 1 && step->needs[j] < step->id);
		assert_true(step->op[0] && step->undo[0]);
		assert_string_not_equal(step->op, step->undo);
	}
	for (size_t i = 0; i < plan->assignments.len; i++) {
		const struct dv_assignment *to = &plan->assignments.items[i];

		kept += to->kept;
		assert_true(to->reason[0] != '\0');
		for (size_t j = 0; to->kept && j < plan->steps.len; j++)
			assert_string_not_equal(plan->steps.items[j].node, to->node);
	}
	assert_int_equal(kept, plan->kept);
	assert_true(plan->bound_gpus <= plan->gpus_used);
}

void world_plan(const struct world *world, struct dv_plan *ret)
{
	struct dv_plan_input input = {.fleet = &world->fleet,
				      .gpus = world->gpus.items,
				      .gpu_count = world->gpus.len,
				      .leases = &world->leases,
				      .uid = UID,
				      .defragment = world->defragment,
				      .state = "0123456789abcdef"};
	struct dv_error err = {0};

	memset(ret, 0, sizeof(*ret));
	if (dv_plan_make(&input, ret, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(ret->state, "0123456789abcdef");
	assert_string_equal(ret->fleet, world->fleet.name);
	check_tenants(world, ret);
	check_steps(ret);
}

static const struct dv_gpu *gpu_of(const struct world *world, const char *uuid)
{
	for (size_t i = 0; i < world->gpus.len; i++)
		if (strcmp(world->gpus.items[i].uuid, uuid) == 0)
			return &world->gpus.items[i];
	fail_msg("no GPU %s", uuid);
	return NULL;
}

static bool is_mig(const struct dv_gpu *gpu)
{
	return gpu && gpu->mig.mode == DV_MIG_ON;
}

static void make(struct world *world, const struct dv_step *step)
{
	struct dv_lease lease = step->lease;
	struct dv_error err = {0};

	lease.id = ++world->next_id;
	lease.state = DV_LEASE_READY;
	for (size_t i = 0; i < world->leases.len; i++)
		assert_string_not_equal(world->leases.items[i].name, lease.name);
	assert_true(dv_lease_on_mig(&lease) == is_mig(gpu_of(world, lease.gpu_uuid)));
	if (lease.method == DV_METHOD_SLICE) {
		const char *parent = lease.profile[0] ? step->lease.node : lease.gpu_uuid;

		assert_true(lease.profile[0] || !lease.node[0]);
		(void)snprintf(lease.node, sizeof(lease.node), "%.72s/s%lld", parent,
			       (long long)lease.id);
	}
	if (dv_tree_may_claim(gpu_of(world, lease.gpu_uuid), &world->leases, &lease, &err) < 0)
		fail_msg("step %u (%s): %s", step->id, step->op, err.msg);
	assert_int_equal(dv_vec_push(&world->leases, lease), 0);
}

static void carry_out(struct world *world, const struct dv_step *step)
{
	size_t len = strlen(step->op);

	bool enable = strcmp(step->op, "mig.enable") == 0;

	if (enable || strcmp(step->op, "mig.disable") == 0) {
		for (size_t i = 0; i < world->leases.len; i++)
			assert_string_not_equal(world->leases.items[i].gpu_uuid, step->gpu_uuid);
		for (size_t i = 0; i < world->gpus.len; i++)
			if (strcmp(world->gpus.items[i].uuid, step->gpu_uuid) == 0)
				world->gpus.items[i].mig.mode = enable ? DV_MIG_ON : DV_MIG_OFF;
		return;
	}
	if (len > 7 && strcmp(step->op + len - 6, "create") == 0) {
		make(world, step);
		return;
	}
	assert_true(len > 8 && strcmp(step->op + len - 7, "destroy") == 0);
	for (size_t i = 0; i < world->leases.len; i++) {
		if (strcmp(world->leases.items[i].name, step->tenant) != 0)
			continue;
		assert_string_equal(world->leases.items[i].node, step->node);
		assert_string_equal(world->leases.items[i].fleet, world->fleet.name);
		dv_vec_remove(&world->leases, i);
		return;
	}
	fail_msg("step %u: no lease %s", step->id, step->tenant);
}

/* "a" and its further GPUs, "a.1": not "a1". A tenant that was refused keeps what it had. */
static bool is_of(const struct dv_lease *lease, const struct dv_assignment *to)
{
	size_t len = strlen(to->tenant);

	return strncmp(lease->name, to->tenant, len) == 0 &&
	       (lease->name[len] == '\0' || lease->name[len] == '.');
}

/* A slice's node is its partition's, or none, until it is made. */
static bool is_placed(const struct dv_lease *lease, const struct dv_assignment *to)
{
	size_t len = strlen(to->node);

	return strncmp(lease->node, to->node, len) == 0 &&
	       (lease->node[len] == '\0' || lease->method == DV_METHOD_SLICE);
}

/* Every assignment is a lease of the fleet, and the other way round. */
static void check_outcome(const struct world *world, const struct dv_plan *plan)
{
	unsigned leases = 0;

	for (size_t i = 0; i < world->leases.len; i++) {
		const struct dv_lease *lease = &world->leases.items[i];
		unsigned found = 0;

		if (strcmp(lease->fleet, world->fleet.name) != 0)
			continue;
		for (size_t j = 0; j < plan->assignments.len; j++) {
			const struct dv_assignment *to = &plan->assignments.items[j];

			found += is_of(lease, to) && strcmp(lease->gpu_uuid, to->gpu_uuid) == 0 &&
				 lease->method == to->method && is_placed(lease, to);
		}
		leases += found > 0;
	}
	assert_int_equal(leases, plan->assignments.len);
}

void world_apply(struct world *world, const struct dv_plan *plan, unsigned (*choose)(unsigned n))
{
	dv_autofree bool *done = calloc(plan->steps.len + 1, sizeof(*done));
	dv_autofree size_t *ready = calloc(plan->steps.len + 1, sizeof(*ready));
	struct dv_error err = {0};

	assert_non_null(done);
	assert_non_null(ready);
	for (size_t turn = 0; turn < plan->steps.len; turn++) {
		unsigned count = 0;
		size_t pick;

		for (size_t i = 0; i < plan->steps.len; i++) {
			const struct dv_step *step = &plan->steps.items[i];
			bool may = !done[i];

			for (unsigned j = 0; j < step->need_count; j++)
				may = may && done[step->needs[j] - 1];
			if (may)
				ready[count++] = i;
		}
		assert_true(count > 0);
		pick = ready[choose ? choose(count) : 0];
		carry_out(world, &plan->steps.items[pick]);
		done[pick] = true;
	}
	if (dv_tree_check(world->gpus.items, world->gpus.len, &world->leases, &err) < 0)
		fail_msg("%s", err.msg);
	check_outcome(world, plan);
}

/* An H100 80 GB, as its driver tells it (MIG User Guide; see data/gpus/h100-80-sxm.yaml). */
struct dv_gpu *world_mig(struct world *world, const char *uuid, enum dv_mig_mode mode)
{
	static const struct dv_mig_profile profiles[] = {
		{.name = "1g.10gb",
		 .id = 19,
		 .memory_mib = 9856,
		 .starts = 0x7f,
		 .multiprocessors = 16,
		 .size = 1,
		 .compute_slices = 1,
		 .most = 7,
		 .engines = {1, 1, 0, 1, 0}},
		{.name = "1g.10gb+me",
		 .id = 20,
		 .memory_mib = 9856,
		 .starts = 0x7f,
		 .multiprocessors = 16,
		 .size = 1,
		 .compute_slices = 1,
		 .most = 1,
		 .engines = {1, 1, 0, 1, 1}},
		{.name = "1g.20gb",
		 .id = 15,
		 .memory_mib = 19968,
		 .starts = 0x55,
		 .multiprocessors = 26,
		 .size = 2,
		 .compute_slices = 1,
		 .most = 4,
		 .engines = {1, 1, 0, 1, 0}},
		{.name = "2g.20gb",
		 .id = 14,
		 .memory_mib = 19968,
		 .starts = 0x15,
		 .multiprocessors = 32,
		 .size = 2,
		 .compute_slices = 2,
		 .most = 3,
		 .parts = {0, 0x3},
		 .engines = {2, 2, 0, 2, 0}},
		{.name = "3g.40gb",
		 .id = 9,
		 .memory_mib = 40320,
		 .starts = 0x11,
		 .multiprocessors = 60,
		 .size = 4,
		 .compute_slices = 3,
		 .most = 2,
		 .parts = {0, 0x7, 0x1},
		 .engines = {3, 3, 0, 3, 0}},
		{.name = "4g.40gb",
		 .id = 5,
		 .memory_mib = 40320,
		 .starts = 0x01,
		 .multiprocessors = 64,
		 .size = 4,
		 .compute_slices = 4,
		 .most = 1,
		 .parts = {0, 0xf, 0x5},
		 .engines = {4, 4, 0, 4, 0}},
		{.name = "7g.80gb",
		 .id = 0,
		 .memory_mib = 81152,
		 .starts = 0x01,
		 .multiprocessors = 132,
		 .size = 8,
		 .compute_slices = 7,
		 .most = 1,
		 .parts = {0, 0x7f, 0x15, 0x11, 0x1},
		 .engines = {8, 7, 0, 7, 1}},
	};
	struct dv_gpu *gpu = world_gpu(world, uuid, UINT64_C(81559) * DV_MIB);

	gpu->memory_slices = gpu->mig.cells = 8;
	gpu->mig.compute_slices = 7;
	gpu->mig.mode = mode;
	gpu->mig.profile_count = DV_ARRAY_LEN(profiles);
	memcpy(gpu->mig.profiles, profiles, sizeof(profiles));
	(void)dv_copy(gpu->driver, sizeof(gpu->driver), "NVIDIA 580.95.05");
	gpu->methods[gpu->method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_MIG, .ok = true};
	return gpu;
}
