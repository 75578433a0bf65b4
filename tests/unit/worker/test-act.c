/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/act.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "model/units.h"
#include "tree.h"

static struct tree tree;
static struct dv_method_env env;

static int set_up(void **state)
{
	tree_init(&tree);
	tree_file(&tree, "proc/self/mountinfo",
		  "33 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t0-3\n");
	tree_file(&tree, "sys/devices/system/cpu/online", "0-3\n");
	tree_file(&tree, "proc/meminfo", "MemTotal: 16777217 kB\n");
	tree_file(&tree, "proc/cpuinfo", "model name\t: Some CPU 3000\n");
	env = (struct dv_method_env){
		.root = &tree.root, .privileged = true, .nvml = "/nowhere/libnvidia-ml.so.1"};
	return 0;
}

static int tear_down(void **state)
{
	tree_fini(&tree);
	return 0;
}

static void add_gpu(unsigned bus)
{
	char path[96];

	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/class", bus);
	tree_file(&tree, path, "0x030200\n");
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/vendor", bus);
	tree_file(&tree, path, "0x10de\n");
	(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/device", bus);
	tree_file(&tree, path, "0x2330\n");
}

/* The GPUs come first, so that the CPU device of a machine without one is GPU 0. */
static void test_gpus_then_cpu(void **state)
{
	struct dv_cpu_config config = {.enabled = true};
	struct dv_worker_result result = {0};
	struct dv_error err = {0};
	const struct dv_gpu *cpu;

	add_gpu(0x3b);
	add_gpu(0x0a);
	assert_int_equal(dv_worker_probe(&env, &config, &result, &err), 0);
	assert_int_equal(result.gpus.len, 3);
	assert_string_equal(result.gpus.items[0].address, "0000:0a:00.0");
	assert_string_equal(result.gpus.items[0].id, "0");
	assert_int_equal(result.gpus.items[0].pci.device, 0x2330);
	assert_int_equal(result.gpus.items[0].kind, DV_GPU_NVIDIA);
	assert_false(dv_gpu_method(&result.gpus.items[0], DV_METHOD_SLICE)->ok);
	/* Without NVIDIA's library the bus is all there is, and that is said. */
	assert_non_null(strstr(dv_gpu_method(&result.gpus.items[0], DV_METHOD_SLICE)->why,
			       "/nowhere/libnvidia-ml.so.1"));
	assert_int_equal(result.gpus.items[0].mig.mode, DV_MIG_NONE);
	cpu = &result.gpus.items[2];
	assert_string_equal(cpu->id, "2");
	assert_int_equal(cpu->kind, DV_GPU_CPU);
	assert_string_equal(cpu->product, "Some CPU 3000");
	assert_true(cpu->memory_bytes == 8 * DV_GIB); /* half, in whole MiB */
	assert_int_equal(cpu->compute_units, 4);
	assert_int_equal(cpu->method_count, 4);
	assert_string_equal(cpu->cgroup, "sys/fs/cgroup/cpuset/divvy");
	dv_worker_result_fini(&result);
}

static void test_configured_size(void **state)
{
	struct dv_cpu_config config = {
		.enabled = true, .memory_bytes = 3 * DV_GIB, .compute_units = 2};
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	env.privileged = false;
	assert_int_equal(dv_worker_probe(&env, &config, &result, &err), 0);
	assert_int_equal(result.gpus.len, 1);
	assert_true(result.gpus.items[0].memory_bytes == 3 * DV_GIB);
	assert_int_equal(result.gpus.items[0].compute_units, 2);
	assert_int_equal(result.gpus.items[0].cpu_count, 2);
	assert_string_equal(result.gpus.items[0].cgroup, "");
	dv_worker_result_fini(&result);
}

/* A size that the machine has not is said, and nothing is made of it. */
static void test_configured_too_large(void **state)
{
	static const struct dv_cpu_config configs[] = {
		{.enabled = true, .compute_units = 5},
		{.enabled = true, .memory_bytes = 17 * DV_GIB},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(configs); i++) {
		struct dv_worker_result result = {0};
		struct dv_error err = {0};
		const struct dv_gpu *cpu;

		assert_int_equal(dv_worker_probe(&env, &configs[i], &result, &err), 0);
		cpu = &result.gpus.items[0];
		assert_int_equal(cpu->cpu_count, 4);
		assert_int_equal(cpu->method_count, 4);
		for (unsigned j = 0; j < cpu->method_count; j++) {
			assert_false(cpu->methods[j].ok);
			if (cpu->methods[j].method == DV_METHOD_MIG)
				continue; /* never on the CPU */
			assert_non_null(strstr(cpu->methods[j].why, "configuration"));
		}
		dv_worker_result_fini(&result);
	}
}

static void test_too_many_gpus(void **state)
{
	struct dv_cpu_config config = {.enabled = false};
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	for (unsigned bus = 0; bus <= DV_WORKER_GPUS_MOST; bus++)
		add_gpu(bus);
	assert_int_equal(dv_worker_probe(&env, &config, &result, &err), -E2BIG);
	assert_int_equal(result.gpus.len, 0);
	assert_true(err.msg[0]);
}

static void test_machine_that_does_not_tell(void **state)
{
	struct dv_cpu_config config = {.enabled = true};
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	tree_file(&tree, "proc/meminfo", "nothing\n");
	assert_int_equal(dv_worker_probe(&env, &config, &result, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "CPU device"));
	assert_int_equal(result.gpus.len, 0);
}

static struct dv_worker_request request_of(enum dv_worker_what what)
{
	return (struct dv_worker_request){
		.build = dv_worker_build(), .what = what, .root = "/", .nvml = "libnvidia-ml.so.1"};
}

static void test_partition_by_request(void **state)
{
	struct dv_worker_request request = request_of(DV_WORKER_COMMIT);
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	tree_file(&tree, "sys/fs/cgroup/cpuset/cpuset.cpus", "0-3\n");
	tree_file(&tree, "sys/fs/cgroup/cpuset/cpuset.mems", "0\n");
	tree_act_as_cgroups(&tree, 1, NULL);
	request.gpu.kind = DV_GPU_CPU;
	request.gpu.cpu_count = 4;
	for (unsigned i = 0; i < 4; i++)
		request.gpu.cpus[i] = (uint16_t)i;
	(void)dv_copy(request.gpu.uuid, sizeof(request.gpu.uuid), "CPU-1");
	(void)dv_copy(request.gpu.cgroup, sizeof(request.gpu.cgroup), "sys/fs/cgroup/cpuset/divvy");
	request.step.lease.method = DV_METHOD_PARTITION;
	(void)dv_copy(request.step.lease.node, DV_NODE_SIZE, "CPU-1/p1+2");
	(void)dv_copy(request.step.op, sizeof(request.step.op), "partition.create");
	assert_int_equal(dv_worker_check(&request, &err), 0);
	assert_int_equal(dv_worker_act(&env, &request, &result, &err), 0);
	assert_true(tree_has(&tree, "sys/fs/cgroup/cpuset/divvy/p1+2"));
	request.what = DV_WORKER_UNDO;
	assert_int_equal(dv_worker_act(&env, &request, &result, &err), 0);
	assert_false(tree_has(&tree, "sys/fs/cgroup/cpuset/divvy"));
}

static void test_holders_by_request(void **state)
{
	struct dv_worker_request request = request_of(DV_WORKER_HOLDERS);
	struct dv_worker_result result = {0};
	struct dv_error err = {0};

	tree_file(&tree, "proc/90/maps", "7f00-7f01 r-xp 0 08:01 42 /usr/lib/libpocl.so.2.10.0\n");
	tree_file(&tree, "proc/90/status", "Name:\tx\nUid:\t5\t5\t5\t5\n");
	tree_file(&tree, "proc/90/comm", "clpeak\n");
	tree_file(&tree, "proc/91/maps", "");
	tree_link(&tree, "proc/91/fd/4", "/dev/dri/renderD128");
	tree_file(&tree, "proc/91/status", "Name:\ty\nUid:\t6\t6\t6\t6\n");
	tree_directory(&tree, "sys/bus/pci/devices/0000:0a:00.0/drm/renderD128");
	request.gpu.kind = DV_GPU_CPU;
	assert_int_equal(dv_worker_act(&env, &request, &result, &err), 0);
	assert_int_equal(result.holders.len, 1);
	assert_int_equal(result.holders.items[0].pid, 90);
	dv_worker_result_fini(&result);
	request.gpu.kind = DV_GPU_AMD;
	(void)dv_copy(request.gpu.address, sizeof(request.gpu.address), "0000:0a:00.0");
	assert_int_equal(dv_worker_act(&env, &request, &result, &err), 0);
	assert_int_equal(result.holders.len, 1);
	assert_int_equal(result.holders.items[0].pid, 91);
	assert_string_equal(result.holders.items[0].what, "has /dev/dri/renderD128 open");
	dv_worker_result_fini(&result);
}

/* Every text of a request must end, every word be known: one member at a time is spoiled. */
static void test_garbled(void **state)
{
	static const struct {
		size_t offset, size;
	} members[] = {
#define MEMBER(m)                                                                                  \
	{offsetof(struct dv_worker_request, m), sizeof(((struct dv_worker_request *)0)->m)}
		MEMBER(gpu.id),
		MEMBER(gpu.uuid),
		MEMBER(gpu.kind),
		MEMBER(gpu.model),
		MEMBER(gpu.product),
		MEMBER(gpu.address),
		MEMBER(gpu.division),
		MEMBER(gpu.driver),
		MEMBER(gpu.owned_by),
		MEMBER(gpu.quarantine),
		MEMBER(gpu.method_count),
		MEMBER(gpu.methods[0].method),
		MEMBER(gpu.methods[0].why),
		MEMBER(gpu.methods[0].rule_count),
		MEMBER(gpu.methods[0].rules[0]),
		MEMBER(gpu.cpu_count),
		MEMBER(gpu.cgroup),
		MEMBER(step.op),
		MEMBER(step.gpu),
		MEMBER(step.gpu_uuid),
		MEMBER(step.node),
		MEMBER(step.profile),
		MEMBER(step.tenant),
		MEMBER(step.undo),
		MEMBER(step.lease.name),
		MEMBER(step.lease.fleet),
		MEMBER(step.lease.kind),
		MEMBER(step.lease.method),
		MEMBER(step.lease.policy),
		MEMBER(step.lease.state),
		MEMBER(step.lease.gpu_uuid),
		MEMBER(step.lease.node),
		MEMBER(step.lease.nonce),
		MEMBER(build),
		MEMBER(what),
#undef MEMBER
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(members); i++) {
		struct dv_worker_request request = request_of(DV_WORKER_HOLDERS);
		struct dv_error err = {0};

		request.gpu.method_count = 1;
		request.gpu.methods[0].rule_count = 1;
		assert_int_equal(dv_worker_check(&request, &err), 0);
		memset((char *)&request + members[i].offset, 0xff, members[i].size);
		assert_int_equal(dv_worker_check(&request, &err), -EPROTO);
		assert_true(err.msg[0]);
	}
}

#define WITH_MACHINE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MACHINE(test_gpus_then_cpu),
		WITH_MACHINE(test_configured_size),
		WITH_MACHINE(test_configured_too_large),
		WITH_MACHINE(test_too_many_gpus),
		WITH_MACHINE(test_machine_that_does_not_tell),
		WITH_MACHINE(test_partition_by_request),
		WITH_MACHINE(test_holders_by_request),
		cmocka_unit_test(test_garbled),
	};

	return cmocka_run_group_tests_name("worker/act", tests, NULL, NULL);
}
