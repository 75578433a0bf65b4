/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a machine: its CPUs, its cgroups, its GPUs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device/cgroup.h"
#include "device/cpu.h"
#include "device/pci.h"
#include "torture.h"
#include "tree.h"

enum { GPUS = 20 };

static struct tree tree;

static int set_up(void **state)
{
	char path[96];

	tree_init(&tree);
	tree_file(&tree, "proc/self/mountinfo",
		  "33 30 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t0-3\n");
	tree_file(&tree, "sys/devices/system/cpu/online", "0-3\n");
	tree_file(&tree, "proc/meminfo", "MemTotal: 1024 kB\n");
	for (unsigned bus = 0; bus < GPUS; bus++) {
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/class", bus);
		tree_file(&tree, path, "0x030200\n");
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/vendor",
			       bus);
		tree_file(&tree, path, "0x10de\n");
		(void)snprintf(path, sizeof(path), "sys/bus/pci/devices/0000:%02x:00.0/device",
			       bus);
		tree_file(&tree, path, "0x2330\n");
	}
	return 0;
}

static int tear_down(void **state)
{
	tree_fini(&tree);
	return 0;
}

static int judge(int r, const struct dv_error *err, bool untouched)
{
	if (r != -ENOMEM)
		return r;
	return err->code == -ENOMEM && err->msg[0] && untouched ? -ENOMEM : -EPROTO;
}

static int read_cpus(void *arg)
{
	static struct dv_cpu_info info;
	struct dv_error err = {0};
	int r;

	info.count = 4711;
	r = dv_cpu_read(&tree.root, &info, &err);
	if (r < 0)
		return judge(r, &err, info.count == 4711);
	return info.count == 4 ? 0 : -EPROTO;
}

static int find_cgroups(void *arg)
{
	struct dv_cgroup cgroup = {.base = "untouched"};
	struct dv_error err = {0};
	int r = dv_cgroup_find(&tree.root, &cgroup, &err);

	if (r < 0)
		return judge(r, &err, strcmp(cgroup.base, "untouched") == 0);
	return cgroup.kind == DV_CGROUP_V1 ? 0 : -EPROTO;
}

static int find_gpus(void *arg)
{
	struct dv_pci_gpus gpus = {.len = 4711};
	struct dv_error err = {0};
	int r = dv_pci_find(&tree.root, &gpus, &err);

	if (r < 0)
		return judge(r, &err, gpus.len == 4711 && !gpus.items);
	r = gpus.len == GPUS ? 0 : -EPROTO;
	dv_vec_fini(&gpus);
	return r;
}

static void test_read_cpus(void **state)
{
	assert_true(torture_run("cpus", read_cpus, NULL) >= 1);
}

static void test_find_cgroups(void **state)
{
	assert_true(torture_run("cgroups", find_cgroups, NULL) >= 1);
}

static void test_find_gpus(void **state)
{
	assert_true(torture_run("gpus", find_gpus, NULL) >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_cpus),
		cmocka_unit_test(test_find_cgroups),
		cmocka_unit_test(test_find_gpus),
	};

	return cmocka_run_group_tests_name("torture/device", tests, set_up, tear_down);
}
