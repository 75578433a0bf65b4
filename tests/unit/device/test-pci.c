/* SPDX-License-Identifier: Apache-2.0 */
#include "device/pci.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tree.h"

#define PCI "sys/bus/pci/devices/"

static void add_function(struct tree *tree, const char *address, const char *class,
			 const char *vendor, const char *device)
{
	char path[128];

	(void)snprintf(path, sizeof(path), PCI "%s/class", address);
	tree_file(tree, path, class);
	(void)snprintf(path, sizeof(path), PCI "%s/vendor", address);
	tree_file(tree, path, vendor);
	(void)snprintf(path, sizeof(path), PCI "%s/device", address);
	tree_file(tree, path, device);
}

static void test_every_vendor(void **state)
{
	struct dv_pci_gpus gpus = {0};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	add_function(&tree, "0000:c1:00.0", "0x030200\n", "0x10de\n", "0x2330\n");
	tree_link(&tree, PCI "0000:c1:00.0/driver", "../../../bus/pci/drivers/nvidia");
	tree_file(&tree, PCI "0000:c1:00.0/numa_node", "1\n");
	tree_file(&tree, PCI "0000:c1:00.0/subsystem_vendor", "0x10de\n");
	tree_file(&tree, PCI "0000:c1:00.0/subsystem_device", "0x16c1\n");
	tree_file(&tree, "proc/driver/nvidia/gpus/0000:c1:00.0/information",
		  "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 16\n"
		  "GPU UUID: \t GPU-12345678-1234-1234-1234-123456789abc\nDevice Minor: \t 3\n");
	add_function(&tree, "0000:03:00.0", "0x038000\n", "0x1002\n", "0x740f\n");
	tree_link(&tree, PCI "0000:03:00.0/driver", "../../../bus/pci/drivers/amdgpu");
	tree_file(&tree, PCI "0000:03:00.0/mem_info_vram_total", "68702699520\n");
	tree_file(&tree, PCI "0000:03:00.0/numa_node", "-1\n");
	add_function(&tree, "0000:00:02.0", "0x030000\n", "0x8086\n", "0x56c0\n");
	add_function(&tree, "0000:e0:00.0", "0x120000\n", "0x1e52\n", "0xb140\n");
	assert_int_equal(dv_pci_find(&tree.root, &gpus, &err), 0);
	assert_int_equal(gpus.len, 4);
	assert_string_equal(gpus.items[0].address, "0000:00:02.0");
	assert_int_equal(gpus.items[0].kind, DV_GPU_INTEL);
	assert_string_equal(gpus.items[0].product, "Intel 8086:56c0");
	assert_string_equal(gpus.items[0].uuid, "PCI-0000:00:02.0");
	assert_string_equal(gpus.items[0].driver, "");
	assert_int_equal(gpus.items[0].numa_node, -1);
	assert_int_equal(gpus.items[1].kind, DV_GPU_AMD);
	assert_true(gpus.items[1].memory_bytes == UINT64_C(68702699520));
	assert_int_equal(gpus.items[1].numa_node, -1);
	assert_string_equal(gpus.items[1].driver, "amdgpu");
	assert_int_equal(gpus.items[2].kind, DV_GPU_NVIDIA);
	assert_string_equal(gpus.items[2].product, "NVIDIA H100 80GB HBM3");
	assert_int_equal(gpus.items[2].id.vendor, 0x10de);
	assert_int_equal(gpus.items[2].id.device, 0x2330);
	assert_int_equal(gpus.items[2].id.subvendor, 0x10de);
	assert_int_equal(gpus.items[2].id.subdevice, 0x16c1);
	assert_int_equal(gpus.items[1].id.subvendor, 0);
	assert_string_equal(gpus.items[2].uuid, "GPU-12345678-1234-1234-1234-123456789abc");
	assert_int_equal(gpus.items[2].numa_node, 1);
	assert_int_equal(gpus.items[3].kind, DV_GPU_OTHER);
	dv_vec_fini(&gpus);
	tree_fini(&tree);
}

static void test_left_out(void **state)
{
	struct dv_pci_gpus gpus = {0};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	add_function(&tree, "0000:00:1f.0", "0x060100\n", "0x8086\n", "0x1234\n"); /* a bridge */
	add_function(&tree, "0000:01:00.0", "0x030000\n", "0x1a03\n", "0x2000\n"); /* ASPEED */
	add_function(&tree, "0000:02:00.0", "0x030000\n", "0x1234\n", "0x1111\n"); /* QEMU */
	add_function(&tree, "0000:03:00.4", "0x030200\n", "0x10de\n", "0x20b5\n");
	tree_link(&tree, PCI "0000:03:00.4/physfn", "../0000:03:00.0"); /* virtual function */
	add_function(&tree, "0000:04:00.0", "nonsense\n", "0x10de\n", "0x2330\n");
	tree_directory(&tree, PCI "0000:05:00.0"); /* vanished while we looked */
	add_function(&tree, "far-too-long-for-an-address", "0x030200\n", "0x10de\n", "0x2330\n");
	assert_int_equal(dv_pci_find(&tree.root, &gpus, &err), 0);
	assert_int_equal(gpus.len, 0);
	dv_vec_fini(&gpus);
	tree_fini(&tree);
}

static void test_no_bus(void **state)
{
	struct dv_pci_gpus gpus = {0};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	assert_int_equal(dv_pci_find(&tree.root, &gpus, &err), 0);
	assert_int_equal(gpus.len, 0);
	assert_int_equal(err.code, 0);
	tree_fini(&tree);
}

/* Before its first use the driver does not know the GPU's identity. */
static void test_unknown_identity(void **state)
{
	struct dv_pci_gpus gpus = {0};
	struct dv_error err = {0};
	struct tree tree;

	tree_init(&tree);
	add_function(&tree, "0000:c1:00.0", "0x030200\n", "0x10de\n", "0x2330\n");
	tree_file(&tree, "proc/driver/nvidia/gpus/0000:c1:00.0/information",
		  "Model: \t\t   \t \nGPU UUID: \t GPU-????????"
		  "-????"
		  "-????"
		  "-????"
		  "-????????????\n");
	assert_int_equal(dv_pci_find(&tree.root, &gpus, &err), 0);
	assert_int_equal(gpus.len, 1);
	assert_string_equal(gpus.items[0].uuid, "PCI-0000:c1:00.0");
	assert_string_equal(gpus.items[0].product, "NVIDIA 10de:2330");
	dv_vec_fini(&gpus);
	tree_fini(&tree);
}

static void test_nodes(void **state)
{
	struct dv_pci_nodes nodes;
	struct tree tree;
	char path[128];

	tree_init(&tree);
	tree_directory(&tree, PCI "0000:c1:00.0/drm/card1");
	tree_directory(&tree, PCI "0000:c1:00.0/drm/renderD129");
	tree_file(&tree, PCI "0000:c1:00.0/drm/version", "drm\n");
	tree_file(&tree, "proc/driver/nvidia/gpus/0000:c1:00.0/information",
		  "Device Minor: \t 3\n");
	dv_pci_find_nodes(&tree.root, "0000:c1:00.0", &nodes);
	assert_int_equal(nodes.count, 3);
	assert_string_equal(nodes.paths[2], "/dev/nvidia3");
	for (unsigned i = 0; i < 2; i++)
		assert_true(strcmp(nodes.paths[i], "/dev/dri/card1") == 0 ||
			    strcmp(nodes.paths[i], "/dev/dri/renderD129") == 0);
	dv_pci_find_nodes(&tree.root, "0000:ff:00.0", &nodes);
	assert_int_equal(nodes.count, 0);
	dv_pci_find_nodes(&tree.root, "../../../..", &nodes);
	assert_int_equal(nodes.count, 0);
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), PCI "0000:c2:00.0/drm/card%u", i);
		tree_directory(&tree, path);
	}
	dv_pci_find_nodes(&tree.root, "0000:c2:00.0", &nodes);
	assert_int_equal(nodes.count, DV_PCI_NODES_MOST);
	tree_fini(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_vendor), cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_no_bus),	     cmocka_unit_test(test_unknown_identity),
		cmocka_unit_test(test_nodes),
	};

	return cmocka_run_group_tests_name("device/pci", tests, NULL, NULL);
}
