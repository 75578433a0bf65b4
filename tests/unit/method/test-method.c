/* SPDX-License-Identifier: Apache-2.0 */
#include "method/method.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../temporary.h"
#include "base/str.h"
#include "model/units.h"

#define CPU "CPU-01234567-0123-0123-0123-0123456789ab"

static const struct dv_attach_paths paths = {.opencl_layer = "/usr/lib/divvy/libdivvy-opencl.so",
					     .cuda_layer = "/usr/lib/divvy/libdivvy-cuda.so",
					     .cuda_driver = "libcuda.so.1",
					     .nvml_layer = "/usr/lib/divvy/libdivvy-nvml.so",
					     .nvml_driver = "/opt/libnvidia-ml.so.1",
					     .socket = "/run/divvy/lease/7",
					     .cache_dir = "/var/cache/divvy/7"};

/* A CPU device of four CPUs on which every method works. */
static struct dv_gpu device(void)
{
	struct dv_gpu gpu = {.id = "0",
			     .uuid = CPU,
			     .kind = DV_GPU_CPU,
			     .model = "cpu-opencl",
			     .memory_bytes = 8 * DV_GIB,
			     .compute_units = 4,
			     .cpu_count = 4,
			     .cpus = {0, 1, 2, 3}};
	const struct dv_method_ops *ops;

	for (unsigned n = 0; (ops = dv_method_ops_nth(n)); n++)
		gpu.methods[gpu.method_count++] =
			(struct dv_gpu_method){.method = ops->method, .ok = true};
	return gpu;
}

static struct dv_step step_of(const char *op, enum dv_method method, const char *node)
{
	struct dv_step step = {.id = 1};

	(void)dv_copy(step.op, sizeof(step.op), op);
	(void)dv_copy(step.lease.gpu_uuid, sizeof(step.lease.gpu_uuid), CPU);
	(void)dv_copy(step.lease.node, sizeof(step.lease.node), node);
	(void)dv_copy(step.lease.name, sizeof(step.lease.name), "a");
	(void)dv_copy(step.lease.nonce, sizeof(step.lease.nonce), "00112233");
	step.lease.id = 7;
	step.lease.method = method;
	if (method == DV_METHOD_SLICE) {
		step.lease.memory_bytes = DV_GIB;
		step.lease.compute_mpct = 25000;
	}
	return step;
}

static const char *variable(const struct dv_attach *attach, const char *name)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i < attach->env_count; i++)
		if (strncmp(attach->env[i], name, len) == 0 && attach->env[i][len] == '=')
			return attach->env[i] + len + 1;
	return NULL;
}

static void attach(const struct dv_gpu *gpu, const struct dv_step *step, struct dv_attach *ret)
{
	struct dv_error err = {0};

	assert_int_equal(
		dv_method_ops(step->lease.method)->attach(gpu, &step->lease, &paths, ret, &err), 0);
	assert_string_equal(variable(ret, "OPENCL_LAYERS"), paths.opencl_layer);
	assert_string_equal(variable(ret, "DIVVY_LEASE_SOCKET"), paths.socket);
	assert_string_equal(variable(ret, "DIVVY_LEASE_NONCE"), "00112233");
	assert_string_equal(variable(ret, "POCL_CACHE_DIR"), paths.cache_dir);
}

static void test_tables(void **state)
{
	const struct dv_method_ops *ops;
	unsigned n;

	for (n = 0; (ops = dv_method_ops_nth(n)); n++) {
		assert_ptr_equal(dv_method_ops(ops->method), ops);
		assert_true(ops->probe && ops->test && ops->commit && ops->undo && ops->attach);
		assert_true(ops->describe()[0]);
	}
	assert_int_equal(n, 4);
	assert_null(dv_method_ops(DV_METHOD_VGPU));
	assert_null(dv_method_ops(DV_METHOD_NONE));
	assert_null(dv_method_ops((enum dv_method)99));
}

static void test_probe(void **state)
{
	struct dv_method_env env = {.nvml = "/nowhere/libnvidia-ml.so.1"};
	struct dv_gpu cpu = {.kind = DV_GPU_CPU, .cgroup = "sys/fs/cgroup/cpuset/divvy"};
	struct dv_gpu gpu = {.kind = DV_GPU_NVIDIA};
	const struct dv_method_ops *ops;
	struct dv_gpu_method can;

	for (unsigned n = 0; (ops = dv_method_ops_nth(n)); n++) {
		if (ops->method == DV_METHOD_MIG)
			continue;
		assert_int_equal(ops->probe(&env, &cpu, &can, NULL), 0);
		assert_true(can.ok);
		assert_int_equal(can.method, ops->method);
		assert_string_equal(can.why, "");
		/* Not on a GPU yet, and it says so. */
		assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
		assert_false(can.ok);
		assert_true(can.why[0]);
	}
	env.cpu_why = "no OpenCL driver";
	env.cpu_rule = "G05";
	for (unsigned n = 0; (ops = dv_method_ops_nth(n)); n++) {
		if (ops->method == DV_METHOD_MIG)
			continue;
		assert_int_equal(ops->probe(&env, &cpu, &can, NULL), 0);
		assert_false(can.ok);
		assert_string_equal(can.why, "no OpenCL driver");
		assert_int_equal(can.rule_count, 1);
		assert_string_equal(can.rules[0], "G05");
	}
}

/* Slices of a GPU need the driver that goes with NVML; this program stands for it. */
static void test_probe_slice_of_gpu(void **state)
{
	const struct dv_method_ops *ops = dv_method_ops(DV_METHOD_SLICE);
	struct dv_gpu gpu = {.kind = DV_GPU_NVIDIA, .memory_bytes = 24 * DV_GIB};
	char dir[48], nvml[96], driver[96];
	struct dv_method_env env = {.nvml = nvml};
	struct dv_gpu_method can;

	assert_int_equal(temporary_make(dir, sizeof(dir), "slice"), 0);
	(void)snprintf(nvml, sizeof(nvml), "%s/libnvidia-ml.so.1", dir);
	(void)snprintf(driver, sizeof(driver), "%s/libcuda.so.1", dir);
	assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
	assert_false(can.ok);
	assert_non_null(strstr(can.why, driver));
	assert_int_equal(symlink("/proc/self/exe", driver), 0);
	assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
	assert_true(can.ok);
	assert_string_equal(can.why, "");
	/* Only in partitions then, and it says how. */
	gpu.mig.mode = DV_MIG_ON;
	assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
	assert_true(can.ok);
	assert_non_null(strstr(can.why, "profile"));
	gpu.mig.mode = DV_MIG_OFF;
	gpu.memory_bytes = 0;
	assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
	assert_false(can.ok);
	env.nvidia_why = "no driver answers";
	assert_int_equal(ops->probe(&env, &gpu, &can, NULL), 0);
	assert_string_equal(can.why, "no driver answers");
	assert_int_equal(temporary_remove(dir), 0);
}

/* Each mode says for itself whether partitions can be had. */
static void test_probe_mig(void **state)
{
	static const struct {
		enum dv_gpu_kind kind;
		enum dv_mig_mode mode;
		bool privileged, ok;
		const char *rule;
	} cases[] = {
		{DV_GPU_NVIDIA, DV_MIG_ON, true, true, ""},
		{DV_GPU_NVIDIA, DV_MIG_OFF, true, true, ""},
		{DV_GPU_NVIDIA, DV_MIG_ON, false, false, "M08"},
		{DV_GPU_NVIDIA, DV_MIG_TURNING_ON, true, false, "M06"},
		{DV_GPU_NVIDIA, DV_MIG_NONE, true, false, "M02"},
		{DV_GPU_CPU, DV_MIG_NONE, true, false, "M02"},
		{DV_GPU_AMD, DV_MIG_NONE, true, false, "M02"},
	};

	struct dv_root nothing; /* a tree in which no driver has anything */

	assert_int_equal(dv_root_open("/proc/self/task", &nothing, NULL), 0);
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++) {
		struct dv_method_env env = {.root = &nothing, .privileged = cases[i].privileged};
		struct dv_gpu gpu = {.kind = cases[i].kind, .mig = {.mode = cases[i].mode}};
		struct dv_gpu_method can;

		assert_int_equal(dv_method_ops(DV_METHOD_MIG)->probe(&env, &gpu, &can, NULL), 0);
		assert_int_equal(can.ok, cases[i].ok);
		assert_string_equal(can.rules[0], cases[i].rule);
		assert_true(can.ok || can.why[0]);
	}
	dv_root_fini(&nothing);
}

static int test_on(const struct dv_gpu *gpu, const struct dv_step *step, struct dv_lease *held,
		   struct dv_error *err)
{
	struct dv_leases leases = {0};

	if (held) {
		leases.items = held;
		leases.len = 1;
	}
	memset(err, 0, sizeof(*err));
	return dv_method_ops(step->lease.method)->test(gpu, &leases, step, err);
}

static void test_test(void **state)
{
	struct dv_step slice = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	struct dv_step whole = step_of("whole.create", DV_METHOD_PASSTHROUGH, CPU);
	struct dv_step part = step_of("partition.create", DV_METHOD_PARTITION, CPU "/p0+2");
	struct dv_gpu gpu = device();
	struct dv_error err;

	assert_int_equal(test_on(&gpu, &slice, NULL, &err), 0);
	assert_int_equal(test_on(&gpu, &whole, NULL, &err), 0);
	assert_int_equal(test_on(&gpu, &part, NULL, &err), 0);
	/* The tree decides. */
	assert_int_equal(test_on(&gpu, &part, &slice.lease, &err), -EBUSY);
	assert_string_equal(err.rule, "S02");
	assert_int_equal(test_on(&gpu, &slice, &whole.lease, &err), -EBUSY);
	/* What is destroyed needs no room. */
	(void)dv_copy(part.op, sizeof(part.op), "partition.destroy");
	assert_int_equal(test_on(&gpu, &part, &slice.lease, &err), 0);
}

static void test_test_refuses(void **state)
{
	struct dv_step slice = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	struct dv_gpu gpu = device(), other = device();
	struct dv_error err;

	(void)dv_copy(other.uuid, sizeof(other.uuid), "CPU-other");
	assert_int_equal(test_on(&other, &slice, NULL, &err), -EINVAL);
	(void)dv_copy(slice.op, sizeof(slice.op), "slice");
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EINVAL);
	(void)dv_copy(slice.op, sizeof(slice.op), ".create");
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EINVAL);
	slice = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	(void)dv_copy(gpu.quarantine, sizeof(gpu.quarantine), "a step hung");
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EBUSY);
	assert_string_equal(err.rule, "S11");
	gpu = device();
	for (unsigned i = 0; i < gpu.method_count; i++) {
		gpu.methods[i].ok = false;
		(void)dv_copy(gpu.methods[i].why, sizeof(gpu.methods[i].why), "no driver");
		gpu.methods[i].rule_count = 1;
		(void)dv_copy(gpu.methods[i].rules[0], DV_RULE_SIZE, "G05");
	}
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "G05");
	assert_non_null(strstr(err.msg, "no driver"));
	gpu.method_count = 0;
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EOPNOTSUPP);
}

/* A virtual machine can have neither a slice nor the CPU device. */
static void test_virtual_machines(void **state)
{
	struct dv_step slice = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	struct dv_step whole = step_of("whole.create", DV_METHOD_PASSTHROUGH, CPU);
	struct dv_step part = step_of("partition.create", DV_METHOD_PARTITION, CPU "/p0+2");
	struct dv_gpu gpu = device();
	struct dv_error err;

	slice.lease.kind = whole.lease.kind = part.lease.kind = DV_KIND_VM;
	assert_int_equal(test_on(&gpu, &slice, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "G06");
	assert_true(err.fix[0]);
	assert_int_equal(test_on(&gpu, &whole, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "G08");
	assert_int_equal(test_on(&gpu, &part, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.rule, "G08");
}

/* Slices and whole devices change nothing of the machine, however often it is asked for. */
static void test_commit_and_undo(void **state)
{
	static const enum dv_method methods[] = {DV_METHOD_SLICE, DV_METHOD_PASSTHROUGH};
	struct dv_method_env env = {0}; /* no root: touching the machine would crash */
	struct dv_gpu gpu = device();

	for (size_t i = 0; i < DV_ARRAY_LEN(methods); i++) {
		struct dv_step step = step_of("x.create", methods[i], CPU);
		const struct dv_method_ops *ops = dv_method_ops(methods[i]);

		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(ops->commit(&env, &gpu, &step, NULL), 0);
			assert_int_equal(ops->undo(&env, &gpu, &step, NULL), 0);
		}
		step.lease.method = DV_METHOD_PARTITION;
		assert_int_equal(ops->commit(&env, &gpu, &step, NULL), -EINVAL);
		assert_int_equal(ops->undo(&env, &gpu, &step, NULL), -EINVAL);
	}
}

static void test_attach_slice(void **state)
{
	struct dv_step step = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	struct dv_gpu gpu = device();
	struct dv_attach to;

	attach(&gpu, &step, &to);
	assert_true(to.gated);
	assert_string_equal(variable(&to, "POCL_AFFINITY"), "1");
	assert_string_equal(variable(&to, "POCL_MAX_PTHREAD_COUNT"), "4");
	assert_string_equal(to.cgroup, "");
	assert_string_equal(to.cpus, "");
}

static void test_attach_slice_of_gpu(void **state)
{
	struct dv_step step = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	struct dv_gpu gpu = device();
	char longer[300];
	struct dv_attach_paths too_long = paths;
	struct dv_attach to;

	gpu.kind = DV_GPU_NVIDIA;
	gpu.mig.minor = 5;
	assert_int_equal(
		dv_method_ops(DV_METHOD_SLICE)->attach(&gpu, &step.lease, &paths, &to, NULL), 0);
	assert_true(to.gated);
	assert_int_equal(to.device_count, 3);
	assert_string_equal(to.devices[0], "/dev/nvidia5");
	assert_string_equal(variable(&to, "DIVVY_LEASE_SOCKET"), paths.socket);
	assert_string_equal(variable(&to, "DIVVY_LEASE_NONCE"), "00112233");
	assert_string_equal(variable(&to, "DIVVY_CUDA_LAYER"), paths.cuda_layer);
	assert_string_equal(variable(&to, "DIVVY_CUDA_DRIVER"), "libcuda.so.1");
	assert_string_equal(variable(&to, "DIVVY_NVML_LAYER"), paths.nvml_layer);
	assert_string_equal(variable(&to, "DIVVY_NVML_DRIVER"), "/opt/libnvidia-ml.so.1");
	assert_string_equal(variable(&to, "CUDA_VISIBLE_DEVICES"), gpu.uuid);
	assert_null(variable(&to, "OPENCL_LAYERS"));
	assert_string_equal(dv_method_device(&gpu, &step.lease), gpu.uuid);
	gpu.kind = DV_GPU_CPU;
	assert_string_equal(dv_method_device(&gpu, &step.lease), "");
	gpu.kind = DV_GPU_NVIDIA;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	too_long.cuda_layer = longer;
	assert_int_equal(
		dv_method_ops(DV_METHOD_SLICE)->attach(&gpu, &step.lease, &too_long, &to, NULL),
		-E2BIG);
}

static void test_attach_whole(void **state)
{
	struct dv_step step = step_of("whole.create", DV_METHOD_PASSTHROUGH, CPU);
	struct dv_gpu gpu = device();
	struct dv_attach to;

	attach(&gpu, &step, &to);
	assert_false(to.gated); /* it has no limit that could be missed */
	assert_string_equal(variable(&to, "POCL_AFFINITY"), "1");
}

/* PoCL binds to CPUs 0 to n-1 by number, and aborts where one is missing. */
static void test_affinity_only_where_it_can_be(void **state)
{
	static const uint16_t bad[][4] = {{4, 5, 6, 7}, {0, 1, 2, 4}, {1, 2, 3, 4}};
	struct dv_step step = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	static const uint16_t shuffled[] = {0, 2, 1, 3};
	struct dv_gpu gpu = device();
	struct dv_attach to;

	for (size_t i = 0; i < DV_ARRAY_LEN(bad); i++) {
		memcpy(gpu.cpus, bad[i], sizeof(bad[i]));
		attach(&gpu, &step, &to);
		assert_string_equal(variable(&to, "POCL_AFFINITY"), "0");
		assert_string_equal(variable(&to, "POCL_MAX_PTHREAD_COUNT"), "4");
	}
	memcpy(gpu.cpus, shuffled, sizeof(shuffled));
	attach(&gpu, &step, &to);
	assert_string_equal(variable(&to, "POCL_AFFINITY"), "1");
}

static void test_attach_partition(void **state)
{
	struct dv_step step = step_of("partition.create", DV_METHOD_PARTITION, CPU "/p1+2");
	static const uint16_t cpus[] = {0, 4, 1, 5};
	struct dv_gpu gpu = device();
	struct dv_attach to;

	memcpy(gpu.cpus, cpus, sizeof(cpus));
	attach(&gpu, &step, &to);
	assert_string_equal(to.cpus, "1,4");
	assert_string_equal(to.cgroup, "");
	assert_string_equal(variable(&to, "POCL_MAX_PTHREAD_COUNT"), "2");
	assert_string_equal(variable(&to, "POCL_AFFINITY"), "0");
	assert_false(to.gated);
	(void)dv_copy(gpu.cgroup, sizeof(gpu.cgroup), "sys/fs/cgroup/divvy");
	step.lease.memory_bytes = DV_GIB;
	attach(&gpu, &step, &to);
	assert_string_equal(to.cgroup, "sys/fs/cgroup/divvy/p1+2");
	assert_string_equal(to.cpus, "");
	assert_string_equal(variable(&to, "POCL_MAX_PTHREAD_COUNT"), "2");
	assert_string_equal(variable(&to, "POCL_AFFINITY"), "0");
	assert_true(to.gated);
	/* A slice of a partition lives in the partition's cgroup. */
	step = step_of("slice.create", DV_METHOD_SLICE, CPU "/p1+2/s7");
	attach(&gpu, &step, &to);
	assert_string_equal(to.cgroup, "sys/fs/cgroup/divvy/p1+2");
}

static void test_attach_refuses(void **state)
{
	struct dv_step step = step_of("partition.create", DV_METHOD_PARTITION, CPU "/p3+2");
	struct dv_attach untouched, to;
	struct dv_attach_paths longer = paths;
	struct dv_gpu gpu = device();
	struct dv_error err = {0};
	char path[300];

	memset(&to, 0x5a, sizeof(to));
	memset(&untouched, 0x5a, sizeof(untouched));
	assert_int_equal(
		dv_method_ops(DV_METHOD_PARTITION)->attach(&gpu, &step.lease, &paths, &to, &err),
		-ENOSPC);
	assert_string_equal(err.rule, "S04");
	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	longer.socket = path;
	step = step_of("slice.create", DV_METHOD_SLICE, CPU "/s7");
	assert_int_equal(
		dv_method_ops(DV_METHOD_SLICE)->attach(&gpu, &step.lease, &longer, &to, NULL),
		-E2BIG);
	gpu.kind = DV_GPU_NVIDIA;
	step = step_of("whole.create", DV_METHOD_PASSTHROUGH, CPU);
	assert_int_equal(
		dv_method_ops(DV_METHOD_PASSTHROUGH)->attach(&gpu, &step.lease, &paths, &to, NULL),
		-EOPNOTSUPP);
	assert_memory_equal(&to, &untouched, sizeof(to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_probe_slice_of_gpu),
		cmocka_unit_test(test_attach_slice_of_gpu),
		cmocka_unit_test(test_probe_mig),
		cmocka_unit_test(test_test),
		cmocka_unit_test(test_test_refuses),
		cmocka_unit_test(test_virtual_machines),
		cmocka_unit_test(test_commit_and_undo),
		cmocka_unit_test(test_attach_slice),
		cmocka_unit_test(test_attach_whole),
		cmocka_unit_test(test_affinity_only_where_it_can_be),
		cmocka_unit_test(test_attach_partition),
		cmocka_unit_test(test_attach_refuses),
	};

	return cmocka_run_group_tests_name("method/method", tests, NULL, NULL);
}
