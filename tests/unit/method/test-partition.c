/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions on a fake machine with cpuset cgroups of version 1: made, found again, unmade. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "method/method.h"
#include "tree.h"

#define CPU "CPU-01234567-0123-0123-0123-0123456789ab"
#define BASE "sys/fs/cgroup/cpuset"

static struct tree tree;
static struct dv_method_env env;
static struct dv_gpu gpu;

/* Eight CPUs, two nodes; core c has CPUs c and c + 4, even cores are node 0's. */
static int set_up(void **state)
{
	static const uint16_t cpus[] = {0, 4, 2, 6, 1, 5, 3, 7};

	tree_init(&tree);
	tree_file(&tree, "proc/self/mountinfo",
		  "33 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
	tree_file(&tree, BASE "/cpuset.cpus", "0-7\n");
	tree_file(&tree, BASE "/cpuset.mems", "0-1\n");
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t0-7\n");
	tree_file(&tree, "sys/devices/system/cpu/online", "0-7\n");
	tree_file(&tree, "proc/meminfo", "MemTotal: 1024 kB\n");
	tree_file(&tree, "sys/devices/system/node/online", "0-1\n");
	tree_file(&tree, "sys/devices/system/node/has_memory", "0-1\n");
	tree_file(&tree, "sys/devices/system/node/node0/cpulist", "0,2,4,6\n");
	tree_file(&tree, "sys/devices/system/node/node1/cpulist", "1,3,5,7\n");
	tree_act_as_cgroups(&tree, 1, NULL);
	env = (struct dv_method_env){.root = &tree.root, .privileged = true};
	gpu = (struct dv_gpu){
		.id = "0", .uuid = CPU, .kind = DV_GPU_CPU, .compute_units = 8, .cpu_count = 8};
	memcpy(gpu.cpus, cpus, sizeof(cpus));
	(void)dv_copy(gpu.cgroup, sizeof(gpu.cgroup), BASE "/divvy");
	return 0;
}

static int tear_down(void **state)
{
	tree_fini(&tree);
	return 0;
}

static struct dv_step step_of(const char *op, const char *node)
{
	struct dv_step step = {.id = 1, .lease = {.id = 7, .name = "a"}};

	step.lease.method = DV_METHOD_PARTITION;
	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.lease.node, sizeof(step.lease.node), node);
	return step;
}

static int commit(const struct dv_step *step, struct dv_error *err)
{
	memset(err, 0, sizeof(*err));
	return dv_method_ops(DV_METHOD_PARTITION)->commit(&env, &gpu, step, err);
}

static int undo(const struct dv_step *step, struct dv_error *err)
{
	memset(err, 0, sizeof(*err));
	return dv_method_ops(DV_METHOD_PARTITION)->undo(&env, &gpu, step, err);
}

static void assert_file(const char *path, const char *want)
{
	char text[64];

	assert_int_equal(dv_root_read(&tree.root, path, text, sizeof(text), NULL), 0);
	assert_string_equal(text, want);
}

static void test_made_and_unmade(void **state)
{
	struct dv_step make = step_of("partition.create", CPU "/p0+4"), unmake = make;
	struct dv_error err;

	(void)dv_copy(unmake.op, sizeof(unmake.op), "partition.destroy");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(commit(&make, &err), 0);
		assert_file(BASE "/divvy/p0+4/cpuset.cpus", "0,2,4,6");
		assert_file(BASE "/divvy/p0+4/cpuset.mems", "0");
	}
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(commit(&unmake, &err), 0);
		assert_false(tree_has(&tree, BASE "/divvy"));
	}
	/* The undo of one is the other. */
	assert_int_equal(undo(&unmake, &err), 0);
	assert_true(tree_has(&tree, BASE "/divvy/p0+4"));
	assert_int_equal(undo(&make, &err), 0);
	assert_int_equal(undo(&make, &err), 0);
	assert_false(tree_has(&tree, BASE "/divvy"));
}

static void test_memory_nodes(void **state)
{
	struct dv_step step = step_of("partition.create", CPU "/p2+4");
	struct dv_error err;

	assert_int_equal(commit(&step, &err), 0);
	assert_file(BASE "/divvy/p2+4/cpuset.cpus", "1-2,5-6");
	assert_file(BASE "/divvy/p2+4/cpuset.mems", "0-1");
	assert_int_equal(undo(&step, &err), 0);
	/* CPUs without memory of their own get all there is. */
	tree_file(&tree, "sys/devices/system/node/has_memory", "0\n");
	step = step_of("partition.create", CPU "/p4+2");
	assert_int_equal(commit(&step, &err), 0);
	assert_file(BASE "/divvy/p4+2/cpuset.mems", "0-1");
	tree_file(&tree, "sys/devices/system/node/has_memory", "none\n");
	assert_int_equal(commit(&step, &err), 0);
	assert_file(BASE "/divvy/p4+2/cpuset.mems", "0-1");
}

static void test_undo_after_a_cut(void **state)
{
	struct dv_step make = step_of("partition.create", CPU "/p0+2");
	struct dv_error err;

	/* Cut before anything, after divvy's own directory, after the empty partition. */
	assert_int_equal(undo(&make, &err), 0);
	assert_int_equal(dv_root_mkdir(&tree.root, BASE "/divvy", 0755, NULL), 0);
	assert_int_equal(undo(&make, &err), 0);
	assert_false(tree_has(&tree, BASE "/divvy"));
	assert_int_equal(dv_root_mkdir(&tree.root, BASE "/divvy", 0755, NULL), 0);
	assert_int_equal(dv_root_mkdir(&tree.root, BASE "/divvy/p0+2", 0755, NULL), 0);
	assert_int_equal(undo(&make, &err), 0);
	assert_false(tree_has(&tree, BASE "/divvy"));
}

static void test_refused(void **state)
{
	static const char *const nodes[] = {CPU, CPU "/s7", CPU "/p0+2/s7", "CPU-other/p0+2",
					    "nonsense/"};
	struct dv_error err;
	struct dv_step step;

	for (size_t i = 0; i < DV_ARRAY_LEN(nodes); i++) {
		step = step_of("partition.create", nodes[i]);
		assert_int_equal(commit(&step, &err), -EINVAL);
		assert_int_equal(undo(&step, &err), -EINVAL);
	}
	step = step_of("partition.create", CPU "/p6+3");
	assert_int_equal(commit(&step, &err), -ENOSPC);
	assert_string_equal(err.rule, "S04");
	gpu.cpu_count = 60000; /* more than a record holds */
	step = step_of("partition.create", CPU "/p600+3");
	assert_int_equal(commit(&step, &err), -ENOSPC);
	assert_false(tree_has(&tree, BASE "/divvy"));
}

static void test_machine_changed(void **state)
{
	struct dv_step step = step_of("partition.create", CPU "/p0+2");
	struct dv_error err;

	tree_file(&tree, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	assert_int_equal(commit(&step, &err), -ESTALE);
	assert_string_equal(err.rule, "S12");
}

/* Without root nothing is made: the launcher binds the tenant to its CPUs. */
static void test_by_affinity(void **state)
{
	struct dv_step step = step_of("partition.create", CPU "/p0+2");
	struct dv_gpu_method can = {0};
	struct dv_error err = {0};

	gpu.cgroup[0] = '\0';
	env.privileged = false;
	assert_int_equal(commit(&step, &err), 0);
	assert_int_equal(undo(&step, &err), 0);
	assert_false(tree_has(&tree, BASE "/divvy"));
	step = step_of("partition.create", CPU "/p7+2");
	assert_int_equal(commit(&step, &err), -ENOSPC);
	memset(&err, 0, sizeof(err));
	assert_int_equal(dv_method_ops(DV_METHOD_PARTITION)->probe(&env, &gpu, &can, &err), 0);
	assert_true(can.ok);
	assert_non_null(strstr(can.why, "affinity"));
	assert_non_null(strstr(can.why, "root"));
	/* root, but no cgroups: the reason is theirs. */
	env.privileged = true;
	tree_file(&tree, "proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	assert_int_equal(dv_method_ops(DV_METHOD_PARTITION)->probe(&env, &gpu, &can, &err), 0);
	assert_true(can.ok);
	assert_non_null(strstr(can.why, "no cgroup file system"));
}

static void test_enter(void **state)
{
	struct dv_step step = step_of("partition.create", CPU "/p0+2");
	struct dv_lease *lease = &step.lease;
	struct dv_error err;
	pid_t pids[2];

	lease->uid = 1000;
	tree_file(&tree, "proc/4711/status", "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n");
	tree_file(&tree, "proc/4712/status", "Name:\tx\nUid:\t1001\t1001\t1001\t1001\n");
	assert_int_equal(commit(&step, &err), 0);
	assert_int_equal(dv_method_enter(&env, &gpu, lease, 4711, &err), 0);
	assert_file(BASE "/divvy/p0+2/cgroup.procs", "4711");
	assert_int_equal(dv_method_members(env.root, &gpu, lease, pids, 2), 1);
	assert_int_equal(pids[0], 4711);
	assert_int_equal(dv_method_enter(&env, &gpu, lease, 4712, &err), -EPERM);
	assert_string_equal(err.rule, "S10");
	assert_int_equal(dv_method_enter(&env, &gpu, lease, 4713, NULL), -ENOENT);
	/* A slice of the partition enters its cgroup; one of the device has none. */
	(void)dv_copy(lease->node, sizeof(lease->node), CPU "/p0+2/s9");
	assert_int_equal(dv_method_enter(&env, &gpu, lease, 4711, NULL), 0);
	(void)dv_copy(lease->node, sizeof(lease->node), CPU "/s9");
	assert_int_equal(dv_method_enter(&env, &gpu, lease, 4711, NULL), -EOPNOTSUPP);
	assert_int_equal(dv_method_members(env.root, &gpu, lease, pids, 2), 0);
	/* While somebody lives in it, it is not taken away. */
	(void)dv_copy(lease->node, sizeof(lease->node), CPU "/p0+2");
	assert_int_equal(undo(&step, &err), -EBUSY);
	assert_string_equal(err.rule, "S14");
	tree_file(&tree, BASE "/divvy/p0+2/cgroup.procs", "");
	assert_int_equal(undo(&step, &err), 0);
}

#define WITH_MACHINE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MACHINE(test_made_and_unmade),
		WITH_MACHINE(test_memory_nodes),
		WITH_MACHINE(test_undo_after_a_cut),
		WITH_MACHINE(test_refused),
		WITH_MACHINE(test_machine_changed),
		WITH_MACHINE(test_by_affinity),
		WITH_MACHINE(test_enter),
	};

	return cmocka_run_group_tests_name("method/partition", tests, NULL, NULL);
}
