/* SPDX-License-Identifier: Apache-2.0 */
/* A plan with everything in it: kept, moved, changed, unmade, unplaced. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/units.h"
#include "plan/grid-batch.h"
#include "plan/grid-defragment.h"
#include "plan/grid-online.h"
#include "plan/grid-repartition.h"
#include "plan/mig-parted.h"
#include "plan/plan.h"
#include "torture.h"

static const char text[] = "version: 1\n"
			   "name: lab\n"
			   "tenants:\n"
			   "  - {name: kept, needs: {memory: 2GiB, compute: 25%}}\n"
			   "  - {name: changed, needs: {memory: 3GiB, compute: 25%}}\n"
			   "  - {name: new, count: 3}\n"
			   "  - {name: whole, gpus: 2}\n"
			   "  - {name: part, method: partition, needs: {compute: 50%}}\n"
			   "  - {name: vm, kind: vm}\n"
			   "  - {name: huge, needs: {memory: 99GiB}}\n";

static void add_lease(struct dv_leases *leases, const char *name, const char *uuid,
		      const char *node)
{
	struct dv_lease lease = {.method = DV_METHOD_SLICE,
				 .state = DV_LEASE_READY,
				 .memory_bytes = 2 * DV_GIB,
				 .compute_mpct = 25000};

	(void)dv_copy(lease.name, sizeof(lease.name), name);
	(void)dv_copy(lease.fleet, sizeof(lease.fleet), "lab");
	(void)dv_copy(lease.gpu_uuid, sizeof(lease.gpu_uuid), uuid);
	(void)dv_copy(lease.node, sizeof(lease.node), node);
	assert_int_equal(dv_vec_push(leases, lease), 0);
}

static void add_gpu(struct dv_gpu *gpu, const char *uuid, enum dv_gpu_kind kind)
{
	static const enum dv_method methods[] = {DV_METHOD_PASSTHROUGH, DV_METHOD_SLICE,
						 DV_METHOD_PARTITION};

	(void)dv_copy(gpu->uuid, sizeof(gpu->uuid), uuid);
	gpu->kind = kind;
	gpu->memory_bytes = 16 * DV_GIB;
	gpu->compute_units = 4;
	for (size_t i = 0; i < DV_ARRAY_LEN(methods); i++)
		gpu->methods[gpu->method_count++] = (struct dv_gpu_method){
			.method = methods[i],
			.ok = methods[i] != DV_METHOD_PARTITION || kind == DV_GPU_CPU};
}

static int make(void *arg)
{
	const struct dv_plan_input *input = arg;
	struct dv_plan plan = {.kept = 4711};
	int r = dv_plan_make(input, &plan, NULL);

	if (r < 0)
		return plan.kept == 4711 && !plan.steps.items ? r : -EINVAL;
	r = plan.kept == 1 && plan.assignments.len == 8 && plan.unplaced.len == 2 &&
			    plan.steps.len == 9
		    ? 0
		    : -EINVAL;
	dv_plan_fini(&plan);
	return r;
}

static void test_plan(void **state)
{
	struct dv_fleet fleet = {0};
	struct dv_leases leases = {0};
	struct dv_gpu gpus[4] = {0};
	struct dv_plan_input input = {
		.fleet = &fleet, .gpus = gpus, .gpu_count = 4, .leases = &leases};

	assert_int_equal(dv_fleet_parse(text, sizeof(text) - 1, "fleet", &fleet, NULL), 0);
	add_gpu(&gpus[0], "CPU-0", DV_GPU_CPU);
	add_gpu(&gpus[1], "GPU-1", DV_GPU_NVIDIA);
	add_gpu(&gpus[2], "GPU-2", DV_GPU_NVIDIA);
	add_gpu(&gpus[3], "GPU-3", DV_GPU_NVIDIA);
	add_lease(&leases, "kept", "GPU-1", "GPU-1/s1");
	add_lease(&leases, "changed", "GPU-1", "GPU-1/s2");
	add_lease(&leases, "gone", "CPU-0", "CPU-0/s3");
	assert_true(torture_run("plan", make, &input) > 10);
	dv_vec_fini(&leases);
	dv_fleet_fini(&fleet);
}

/* Two profiles of one and of four cells; the small one moves for the large one. */
static void make_grid(struct dv_grid *grid)
{
	struct dv_grid_source source = {.cells = 8, .profile_count = 2};

	source.profiles[0] = (struct dv_grid_profile){.name = "one", .size = 1, .starts = 0xff};
	source.profiles[1] = (struct dv_grid_profile){.name = "four", .size = 4, .starts = 1};
	assert_int_equal(dv_grid_make(&source, grid, NULL), 0);
}

static int repartition(void *arg)
{
	struct dv_grid_instance instance = {.profile = 0, .start = 2, .size = 1, .weight = 1};
	struct dv_grid_change change = {.destroyed = 4711};
	int r = dv_grid_repartition(arg, &instance, 1, (const uint8_t[]){1, 1}, &change, NULL);

	if (r < 0)
		return change.destroyed == 4711 ? r : -EINVAL;
	return change.destroyed == 1 && change.step_count == 3 ? 0 : -EINVAL;
}

static void test_repartition(void **state)
{
	struct dv_grid grid;

	make_grid(&grid);
	assert_true(torture_run("repartition", repartition, &grid) > 0);
}

/* A cluster, an instance of another on one GPU, a mix that is learned. */
static int online(void *arg)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	struct dv_grid_instance foreign = {.profile = DV_GRID_FOREIGN, .start = 7, .size = 1};
	struct dv_online_choice choice;
	int r = dv_online_new(arg, NULL, 3, &online, NULL);

	if (r < 0)
		return online ? -EINVAL : r;
	r = dv_online_set(online, 1, &foreign, 1, NULL);
	if (r < 0)
		return dv_online_state(online, 1)->cells == 0 ? r : -EINVAL;
	r = dv_online_learn(online, (const double[]){1, 5}, NULL);
	if (r < 0)
		return r;
	r = dv_online_place(online, 1, &choice);
	return r == 0 && dv_online_take(online, choice.gpu, 1, choice.start) ? 0 : -EINVAL;
}

static void test_online(void **state)
{
	struct dv_grid grid;

	make_grid(&grid);
	assert_true(torture_run("online", online, &grid) > 10);
}

static int batch(void *arg)
{
	const struct dv_grid *grids[] = {arg};
	const struct dv_batch_gpu gpus[3] = {0};
	const struct dv_batch_request requests[] = {{.count = 9, .profile = {0}, .priority = 1},
						    {.count = 5, .profile = {1}}};
	struct dv_batch_input input = {grids, 1, gpus, 3, requests, 2};
	struct dv_batch batch = {.opened = 4711};
	int r = dv_batch_make(&input, &batch, NULL);

	if (r < 0)
		return batch.opened == 4711 && !batch.items.items ? r : -EINVAL;
	r = batch.left[0] == 0 && batch.left[1] == 2 && batch.opened == 3 ? 0 : -EINVAL;
	dv_batch_fini(&batch);
	return r;
}

static void test_batch(void **state)
{
	struct dv_grid grid;

	make_grid(&grid);
	assert_true(torture_run("batch", batch, &grid) > 20);
}

/* A small one in the middle of each of two GPUs: one moves, and what that frees is counted. */
static int defragment(void *arg)
{
	static const struct dv_grid_instance instance = {.profile = 0, .start = 2, .size = 1};
	const struct dv_grid_gpu gpus[] = {{&instance, 1}, {&instance, 1}};
	const struct dv_defragment_wish wish = {.profile = -1, .most = 8};
	static struct dv_defragment found;
	int r;

	found.count = 4711;
	r = dv_grid_defragment(arg, gpus, 2, &wish, &found, NULL);
	if (r < 0)
		return found.count == 4711 ? r : -EINVAL;
	return found.count >= 1 && found.room_before[1] == 0 && found.room_after[1] >= 1 ? 0
											 : -EINVAL;
}

static void test_defragment(void **state)
{
	struct dv_grid grid;

	make_grid(&grid);
	assert_true(torture_run("defragment", defragment, &grid) > 10);
}

/* It takes no memory, so nothing fails: the run without a failure is the whole of it. */
static int explain(void *arg)
{
	static const struct dv_grid_instance instance = {.profile = 0, .start = 2, .size = 1};
	const struct dv_grid_gpu gpu = {&instance, 1};
	struct dv_grid_why why = {.free = 4711};
	int r = dv_grid_explain(arg, &gpu, 1, 1, &why, NULL);

	if (r < 0)
		return why.free == 4711 ? r : -EINVAL;
	return why.kind == DV_GRID_WHY_FRAGMENTED && why.end == 1 ? 0 : -EINVAL;
}

static void test_explain(void **state)
{
	struct dv_grid grid;

	make_grid(&grid);
	assert_int_equal(torture_run("explain", explain, &grid), 0);
}

/* Partitions: more than a search looks through, so a batch; some move, and room is put together. */
static const char mig_text[] = "version: 1\n"
			       "name: lab\n"
			       "moves: 3\n"
			       "tenants:\n"
			       "  - {name: s, count: 2, method: mig, profile: one}\n"
			       "  - {name: n, count: 10, method: mig, profile: one}\n"
			       "  - {name: big, count: 3, method: mig, profile: four}\n"
			       "  - {name: left, method: mig, profile: four}\n"
			       "  - {name: w, gpus: 1}\n";

static void add_mig(struct dv_gpu *gpu, const char *uuid)
{
	static const struct dv_mig_profile profiles[] = {
		{.name = "one", .id = 1, .memory_mib = 1024, .starts = 0xff, .size = 1, .most = 8},
		{.name = "four", .id = 2, .memory_mib = 4096, .starts = 1, .size = 4, .most = 1},
	};

	add_gpu(gpu, uuid, DV_GPU_NVIDIA);
	gpu->mig.mode = DV_MIG_ON;
	gpu->mig.cells = 8;
	gpu->mig.profile_count = 2;
	(void)memcpy(gpu->mig.profiles, profiles, sizeof(profiles));
	gpu->methods[gpu->method_count++] =
		(struct dv_gpu_method){.method = DV_METHOD_MIG, .ok = true};
}

static int make_mig(void *arg)
{
	struct dv_plan plan = {.kept = 4711};
	int r = dv_plan_make(arg, &plan, NULL);

	if (r < 0)
		return plan.kept == 4711 && !plan.steps.items && !plan.freed.items ? r : -EINVAL;
	r = plan.unplaced.len == 1 && plan.assignments.len == 16 && plan.defragments ? 0 : -EINVAL;
	dv_plan_fini(&plan);
	return r;
}

static void test_plan_mig(void **state)
{
	struct dv_fleet fleet = {0};
	struct dv_leases leases = {0};
	struct dv_gpu gpus[4] = {0};
	struct dv_plan_input input = {.fleet = &fleet,
				      .gpus = gpus,
				      .gpu_count = 4,
				      .leases = &leases,
				      .defragment = true};

	assert_int_equal(dv_fleet_parse(mig_text, sizeof(mig_text) - 1, "fleet", &fleet, NULL), 0);
	add_gpu(&gpus[0], "GPU-0", DV_GPU_NVIDIA);
	add_mig(&gpus[1], "GPU-1");
	add_mig(&gpus[2], "GPU-2");
	add_mig(&gpus[3], "GPU-3");
	add_lease(&leases, "s-0", "GPU-1", "GPU-1/p2+1");
	add_lease(&leases, "s-1", "GPU-2", "GPU-2/p2+1");
	for (size_t i = 0; i < leases.len; i++) {
		leases.items[i].method = DV_METHOD_MIG;
		leases.items[i].kind = DV_KIND_PROCESS;
		(void)dv_copy(leases.items[i].profile, sizeof(leases.items[i].profile), "one");
	}
	assert_true(torture_run("plan of partitions", make_mig, &input) > 50);
	dv_vec_fini(&leases);
	dv_fleet_fini(&fleet);
}

/* A config and two GPUs of one profile, with leases to keep and to end; then its fleet, what
 * differs, and what there is as a config. */
struct parted_world {
	struct dv_mig_parted parted;
	struct dv_gpu gpus[2];
	struct dv_leases leases;
};

static int parted_fleet(void *arg)
{
	struct parted_world *world = arg;
	dv_cleanup(dv_parted_match_fini) struct dv_parted_match match = {0};
	struct dv_fleet fleet = {.name = "untouched"};
	const struct dv_parted_machine machine = {world->gpus, 2, &world->leases};
	int r = dv_parted_match(&world->parted, &world->parted.configs.items[0], &machine, &match,
				NULL);

	if (r < 0)
		return match.entries ? -EINVAL : r;
	r = dv_parted_fleet(&match, &fleet, NULL);
	if (r < 0)
		return strcmp(fleet.name, "untouched") == 0 && !fleet.tenants.items ? r : -EINVAL;
	r = fleet.tenants.len == 10 && fleet.gpu_rules.len == 2 ? 0 : -EINVAL;
	dv_fleet_fini(&fleet);
	return r;
}

static int parted_diff(void *arg)
{
	struct parted_world *world = arg;
	dv_cleanup(dv_parted_match_fini) struct dv_parted_match match = {0};
	struct dv_differences differences = {.len = 4711};
	const struct dv_parted_machine machine = {world->gpus, 2, &world->leases};
	int r = dv_parted_match(&world->parted, &world->parted.configs.items[0], &machine, &match,
				NULL);

	r = r < 0 ? r : dv_parted_diff(&match, &differences, NULL);
	if (r < 0)
		return differences.len == 4711 ? r : -EINVAL;
	r = differences.len == 3 ? 0 : -EINVAL;
	dv_vec_fini(&differences);
	return r;
}

static int parted_export(void *arg)
{
	struct parted_world *world = arg;
	struct dv_mig_parted parted = {.file = "untouched"};
	const struct dv_parted_machine machine = {world->gpus, 2, &world->leases};
	int r = dv_parted_export("x", &machine, &parted, NULL);

	if (r < 0)
		return strcmp(parted.file, "untouched") == 0 && !parted.configs.items ? r : -EINVAL;
	r = parted.configs.len == 1 && parted.configs.items[0].entries.len == 2 ? 0 : -EINVAL;
	dv_mig_parted_fini(&parted);
	return r;
}

static void test_parted(void **state)
{
	static const char config[] = "version: v1\nmig-configs:\n  x:\n"
				     "    - {devices: all, mig-enabled: true, mig-devices: "
				     "{\"1g.10gb\": 5}}\n";
	struct parted_world world = {0};

	for (unsigned i = 0; i < 2; i++) {
		struct dv_gpu *gpu = &world.gpus[i];

		add_gpu(gpu, i ? "GPU-1" : "GPU-0", DV_GPU_NVIDIA);
		(void)snprintf(gpu->id, sizeof(gpu->id), "%u", i);
		gpu->mig = (struct dv_mig){.mode = i ? DV_MIG_ON : DV_MIG_OFF,
					   .cells = 8,
					   .profile_count = 1,
					   .profiles = {{.name = "1g.10gb",
							 .id = 19,
							 .starts = 0x7f,
							 .size = 1,
							 .compute_slices = 1,
							 .most = 7}}};
	}
	world.gpus[1].mig.instance_count = 1;
	world.gpus[1].mig.instances[0] = (struct dv_mig_instance){
		.profile = "1g.10gb", .id = UINT32_MAX, .profile_id = 19, .start = 3, .size = 1};
	add_lease(&world.leases, "kept", "GPU-1", "GPU-1/p3+1");
	world.leases.items[0].method = DV_METHOD_MIG;
	(void)dv_copy(world.leases.items[0].fleet, DV_NAME_SIZE, DV_PARTED_FLEET);
	(void)dv_copy(world.leases.items[0].profile, DV_PROFILE_SIZE, "1g.10gb");
	assert_int_equal(dv_mig_parted_parse(config, strlen(config), "f", &world.parted, NULL), 0);
	assert_true(torture_run("mig-parted to fleet", parted_fleet, &world) > 8);
	assert_true(torture_run("mig-parted differs", parted_diff, &world) > 3);
	assert_true(torture_run("export to mig-parted", parted_export, &world) > 5);
	dv_mig_parted_fini(&world.parted);
	dv_vec_fini(&world.leases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),	   cmocka_unit_test(test_repartition),
		cmocka_unit_test(test_online),	   cmocka_unit_test(test_batch),
		cmocka_unit_test(test_defragment), cmocka_unit_test(test_explain),
		cmocka_unit_test(test_plan_mig),   cmocka_unit_test(test_parted)};

	return cmocka_run_group_tests_name("torture/plan", tests, NULL, NULL);
}
