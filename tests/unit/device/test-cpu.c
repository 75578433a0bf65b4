/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tree.h"

static struct dv_cpu_info info;

/* A machine of two nodes with two cores each, two threads a core, numbered as x86 does: core c has
 * CPUs c and c + 4. */
static void build_machine(struct tree *tree)
{
	char path[128], text[32];

	tree_init(tree);
	tree_file(tree, "proc/self/status",
		  "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-7\n");
	tree_file(tree, "sys/devices/system/cpu/online", "0-7\n");
	tree_file(tree, "proc/meminfo", "MemTotal:       24683620 kB\nMemFree: 1 kB\n");
	tree_file(tree, "proc/cpuinfo",
		  "processor\t: 0\nmodel name\t: Some CPU 3000\nflags\t: fpu\n");
	tree_file(tree, "etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda4\n");
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		(void)snprintf(path, sizeof(path),
			       "sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", cpu);
		(void)snprintf(text, sizeof(text), "%u,%u\n", cpu % 4, cpu % 4 + 4);
		tree_file(tree, path, text);
	}
	tree_file(tree, "sys/devices/system/node/online", "0-1\n");
	tree_file(tree, "sys/devices/system/node/has_memory", "0-1\n");
	tree_file(tree, "sys/devices/system/node/node0/cpulist", "0,2,4,6\n");
	tree_file(tree, "sys/devices/system/node/node1/cpulist", "1,3,5,7\n");
}

static void assert_order(const unsigned *want, unsigned count)
{
	assert_int_equal(info.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(info.cpus[i].cpu, want[i]);
}

static void test_whole_machine(void **state)
{
	static const unsigned order[] = {0, 4, 2, 6, 1, 5, 3, 7};
	struct dv_error err = {0};
	struct tree tree;

	build_machine(&tree);
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_order(order, 8);
	assert_int_equal(info.cpus[3].node, 0);
	assert_int_equal(info.cpus[4].node, 1);
	assert_int_equal(info.cpus[1].core, 0);
	assert_true(info.memory_bytes == UINT64_C(24683620) * 1024);
	assert_string_equal(info.model, "Some CPU 3000");
	assert_string_equal(info.memory_nodes, "0-1");
	tree_fini(&tree);
}

/* The kernel's mask names CPUs that are not there, and may leave some out. */
static void test_allowed_and_online(void **state)
{
	static const unsigned order[] = {2, 6, 3};
	struct dv_error err = {0};
	struct tree tree;

	build_machine(&tree);
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t2-3,6,8-8191\n");
	tree_file(&tree, "sys/devices/system/cpu/online", "0-3,5-7\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_order(order, 3);
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t4\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), -EPROTO);
	tree_fini(&tree);
}

static void test_bare_kernel(void **state)
{
	static const unsigned order[] = {0, 1};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	tree_file(&tree, "proc/self/status", "Cpus_allowed_list:\t0-1\n");
	tree_file(&tree, "sys/devices/system/cpu/online", "0-1\n");
	tree_file(&tree, "proc/meminfo", "MemTotal: 1024 kB\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_order(order, 2);
	assert_int_equal(info.cpus[0].node, -1);
	assert_string_equal(info.model, "");
	assert_string_equal(info.memory_nodes, "");
	assert_int_equal(strlen(info.uuid), 40);
	tree_fini(&tree);
}

static void test_uuid(void **state)
{
	struct dv_error err = {0};
	char first[DV_UUID_SIZE];
	struct tree tree;

	build_machine(&tree);
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	memcpy(first, info.uuid, sizeof(first));
	/* The shape of a UUID, and nothing of the machine id itself. */
	assert_memory_equal(first, "CPU-", 4);
	for (unsigned i = 4; i < 40; i++) {
		bool dash = i == 12 || i == 17 || i == 22 || i == 27;

		assert_true(dash ? first[i] == '-' : strchr("0123456789abcdef", first[i]) != NULL);
	}
	assert_memory_not_equal(first + 4, "3d1219c7", 8);
	tree_file(&tree, "etc/machine-id", "3d1219c7c4c5404aaa1f6d2a48adfda5\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_string_not_equal(first, info.uuid);
	/* Without a machine id the machine's name has to do. */
	tree_file(&tree, "etc/machine-id", "\n");
	tree_file(&tree, "proc/sys/kernel/hostname", "a\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	memcpy(first, info.uuid, sizeof(first));
	tree_file(&tree, "proc/sys/kernel/hostname", "b\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_string_not_equal(first, info.uuid);
	tree_fini(&tree);
}

static void test_unreadable(void **state)
{
	static const char *const files[] = {"proc/self/status", "sys/devices/system/cpu/online",
					    "proc/meminfo"};
	struct tree tree;

	for (size_t i = 0; i < DV_ARRAY_LEN(files); i++) {
		struct dv_error err = {0};

		build_machine(&tree);
		tree_file(&tree, files[i], "nonsense\n");
		assert_int_equal(dv_cpu_read(&tree.root, &info, &err), -EPROTO);
		assert_true(err.msg[0]);
		tree_fini(&tree);
	}
}

/* Files that say too much or nothing of use change nothing of the rest. */
static void test_odd_topology(void **state)
{
	struct dv_error err = {0};
	struct tree tree;

	build_machine(&tree);
	tree_file(&tree, "sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "zero\n");
	tree_file(&tree, "sys/devices/system/node/online", "0-9999\n");
	tree_file(&tree, "sys/devices/system/node/node0/cpulist", "0-65535\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), 0);
	assert_int_equal(info.count, 8);
	tree_file(&tree, "sys/devices/system/cpu/online", "0-512\n");
	assert_int_equal(dv_cpu_read(&tree.root, &info, &err), -E2BIG);
	tree_fini(&tree);
}

static void test_lists_round(void **state)
{
	static const char *const lists[] = {"",	     "0",	"0-1",	 "0,2,4",
					    "0-3,8", "5-9,511", "0-511", "1,3-5,7-9,65535"};
	uint16_t cpus[DV_CPUS_MOST];
	struct dv_error err = {0};
	unsigned count;
	char text[64];

	for (size_t i = 0; i < DV_ARRAY_LEN(lists); i++) {
		assert_int_equal(dv_cpu_list_parse(lists[i], cpus, DV_CPUS_MOST, &count, &err), 0);
		assert_int_equal(dv_cpu_list_print(cpus, count, text, sizeof(text), &err), 0);
		assert_string_equal(text, lists[i]);
	}
}

static void test_lists_bad(void **state)
{
	static const char *const lists[] = {
		",",   "0,",  "-",   "0-",   "-1",    "1-0", "0-1-2",	"a",
		"0 1", "1,1", "2,1", "0,,1", "65536", "0x1", "1-2,2-3", "99999999999999999999"};
	uint16_t cpus[4] = {9, 9, 9, 9};
	unsigned count = 77;

	for (size_t i = 0; i < DV_ARRAY_LEN(lists); i++) {
		struct dv_error err = {0};

		assert_int_equal(dv_cpu_list_parse(lists[i], cpus, 4, &count, &err), -EPROTO);
		assert_int_equal(count, 77);
	}
	assert_int_equal(dv_cpu_list_parse("0-4", cpus, 4, &count, NULL), -E2BIG);
	assert_int_equal(dv_cpu_list_parse("0-1,5-8", cpus, 4, &count, NULL), -E2BIG);
	assert_int_equal(cpus[0], 9);
	assert_int_equal(dv_cpu_list_parse("0-3", cpus, 4, &count, NULL), 0);
	assert_int_equal(count, 4);
}

static void test_list_does_not_fit(void **state)
{
	static const uint16_t cpus[] = {1, 3, 5};
	struct dv_error err = {0};
	char text[6] = "kept";

	assert_int_equal(dv_cpu_list_print(cpus, 3, text, 5, &err), -E2BIG);
	assert_string_equal(text, "kept");
	assert_int_equal(dv_cpu_list_print(cpus, 3, text, 6, NULL), 0);
	assert_string_equal(text, "1,3,5");
	assert_int_equal(dv_cpu_list_print(cpus, DV_CPUS_MOST + 1, text, 6, NULL), -E2BIG);
}

/* The order in which partitions take CPUs does not matter to the list that is printed. */
static void test_list_sorts(void **state)
{
	static const uint16_t cpus[] = {0, 4, 1, 5, 2};
	char text[16];

	assert_int_equal(dv_cpu_list_print(cpus, 5, text, sizeof(text), NULL), 0);
	assert_string_equal(text, "0-2,4-5");
}

static void test_this_machine(void **state)
{
	struct dv_error err = {0};
	struct dv_root root;

	assert_int_equal(dv_root_open("/", &root, &err), 0);
	assert_int_equal(dv_cpu_read(&root, &info, &err), 0);
	assert_true(info.count >= 1 && info.memory_bytes > 0);
	dv_root_fini(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_machine),	  cmocka_unit_test(test_allowed_and_online),
		cmocka_unit_test(test_bare_kernel),	  cmocka_unit_test(test_uuid),
		cmocka_unit_test(test_unreadable),	  cmocka_unit_test(test_odd_topology),
		cmocka_unit_test(test_lists_round),	  cmocka_unit_test(test_lists_bad),
		cmocka_unit_test(test_list_does_not_fit), cmocka_unit_test(test_list_sorts),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests_name("device/cpu", tests, NULL, NULL);
}
