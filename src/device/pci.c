/* SPDX-License-Identifier: Apache-2.0 */
#include "device/pci.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define DEVICES "sys/bus/pci/devices"

/* Class codes: PCI Code and ID Assignment Specification, base classes 03h and 12h. */
enum { CLASS_DISPLAY = 0x03, CLASS_ACCELERATOR = 0x12 };
enum { VENDOR_AMD = 0x1002, VENDOR_NVIDIA = 0x10de, VENDOR_INTEL = 0x8086 };

/* Vendors whose display controllers only show a console: there is nothing to divide. */
static const uint16_t console_vendors[] = {
	0x1013, /* Cirrus Logic, as QEMU emulates it */
	0x102b, /* Matrox G200, in servers' management chips */
	0x1234, /* QEMU's standard screen */
	0x15ad, /* VMware SVGA */
	0x1a03, /* ASPEED, servers' management chips */
	0x1af4, /* virtio-gpu */
	0x1b36, /* Red Hat QXL */
	0x80ee, /* VirtualBox */
};

static bool only_console(uint16_t vendor)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(console_vendors); i++)
		if (console_vendors[i] == vendor)
			return true;
	return false;
}

static int read_member(const struct dv_root *root, const char *address, const char *member,
		       uint64_t *ret)
{
	char path[128];

	(void)snprintf(path, sizeof(path), DEVICES "/%s/%s", address, member);
	return dv_root_read_u64(root, path, ret, NULL);
}

static bool is_virtual_function(const struct dv_root *root, const char *address)
{
	char path[128], base[64];

	(void)snprintf(path, sizeof(path), DEVICES "/%s/physfn", address);
	return dv_root_readlink_base(root, path, base, sizeof(base), NULL) == 0;
}

static enum dv_gpu_kind kind_of(uint16_t vendor)
{
	switch (vendor) {
	case VENDOR_NVIDIA:
		return DV_GPU_NVIDIA;
	case VENDOR_AMD:
		return DV_GPU_AMD;
	case VENDOR_INTEL:
		return DV_GPU_INTEL;
	default:
		return DV_GPU_OTHER;
	}
}

static const char *vendor_name(enum dv_gpu_kind kind)
{
	switch (kind) {
	case DV_GPU_NVIDIA:
		return "NVIDIA";
	case DV_GPU_AMD:
		return "AMD";
	case DV_GPU_INTEL:
		return "Intel";
	case DV_GPU_CPU:
	case DV_GPU_OTHER:
	case DV_GPU_KIND_COUNT:
		break;
	}
	return "GPU";
}

/* The value of "Key: \t value" in text, trimmed; leaves buf alone when there is none. */
static void information(const char *text, const char *key, char *buf, size_t size)
{
	const char *line = strstr(text, key);
	size_t len;

	if (!line)
		return;
	line += strlen(key);
	line += strspn(line, " \t");
	len = strcspn(line, "\n");
	while (len && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len)
		(void)snprintf(buf, size, "%.*s", (int)DV_MIN(len, size - 1), line);
}

/* NVIDIA's driver says name and identity in a file; no library is needed. */
static void ask_nvidia(const struct dv_root *root, struct dv_pci_gpu *gpu)
{
	char path[96], text[4096], uuid[DV_UUID_SIZE] = "";

	(void)snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%s/information", gpu->address);
	if (dv_root_read(root, path, text, sizeof(text), NULL) < 0)
		return;
	information(text, "Model:", gpu->product, sizeof(gpu->product));
	information(text, "GPU UUID:", uuid, sizeof(uuid));
	/* Before the first use the driver says "GPU-????????-...". */
	if (strncmp(uuid, "GPU-", 4) == 0 && !strchr(uuid, '?'))
		(void)dv_copy(gpu->uuid, sizeof(gpu->uuid), uuid);
}

static int describe(const struct dv_root *root, const char *address, struct dv_pci_gpu *ret)
{
	struct dv_pci_gpu gpu = {.numa_node = -1};
	uint64_t vendor, device, value;
	char path[128];

	if (read_member(root, address, "vendor", &vendor) < 0 ||
	    read_member(root, address, "device", &device) < 0)
		return -ENODEV;
	gpu.id.vendor = (uint16_t)vendor;
	gpu.id.device = (uint16_t)device;
	gpu.kind = kind_of(gpu.id.vendor);
	(void)dv_copy(gpu.address, sizeof(gpu.address), address);
	(void)snprintf(gpu.uuid, sizeof(gpu.uuid), "PCI-%s", address);
	(void)snprintf(gpu.product, sizeof(gpu.product), "%s %04x:%04x", vendor_name(gpu.kind),
		       gpu.id.vendor, gpu.id.device);
	(void)snprintf(path, sizeof(path), DEVICES "/%s/driver", address);
	if (dv_root_readlink_base(root, path, gpu.driver, sizeof(gpu.driver), NULL) < 0)
		gpu.driver[0] = '\0';
	/* "-1" where the firmware does not tell is no number here, and stays -1. */
	if (read_member(root, address, "numa_node", &value) == 0 && value < DV_CPUS_MOST)
		gpu.numa_node = (int)value;
	if (read_member(root, address, "subsystem_vendor", &value) == 0)
		gpu.id.subvendor = (uint16_t)value;
	if (read_member(root, address, "subsystem_device", &value) == 0)
		gpu.id.subdevice = (uint16_t)value;
	if (read_member(root, address, "mem_info_vram_total", &value) == 0)
		gpu.memory_bytes = value;
	if (gpu.kind == DV_GPU_NVIDIA)
		ask_nvidia(root, &gpu);
	*ret = gpu;
	return 0;
}

struct found {
	const struct dv_root *root;
	struct dv_pci_gpus gpus;
};

static int look_at(const char *name, void *arg, struct dv_error *err)
{
	struct found *found = arg;
	struct dv_pci_gpu gpu;
	uint64_t class, vendor;

	if (strnlen(name, sizeof(gpu.address)) >= sizeof(gpu.address) || strchr(name, '/'))
		return 0;
	if (read_member(found->root, name, "class", &class) < 0 ||
	    read_member(found->root, name, "vendor", &vendor) < 0)
		return 0;
	if (class >> 16 != CLASS_DISPLAY && class >> 16 != CLASS_ACCELERATOR)
		return 0;
	if (only_console((uint16_t)vendor) || is_virtual_function(found->root, name))
		return 0;
	if (describe(found->root, name, &gpu) < 0)
		return 0;
	if (dv_vec_push(&found->gpus, gpu) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the list of GPUs");
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return strcmp(((const struct dv_pci_gpu *)a)->address,
		      ((const struct dv_pci_gpu *)b)->address);
}

int dv_pci_find(const struct dv_root *root, struct dv_pci_gpus *ret, struct dv_error *err)
{
	struct found found = {.root = root};
	struct dv_error own = {0};
	int r = dv_root_list(root, DEVICES, look_at, &found, &own);

	if (r < 0 && r != -ENOENT) {
		dv_vec_fini(&found.gpus);
		if (err && !err->code)
			*err = own;
		return r;
	}
	if (found.gpus.len)
		qsort(found.gpus.items, found.gpus.len, sizeof(*found.gpus.items),
		      compare_addresses);
	*ret = found.gpus;
	return 0;
}

static void add_node(struct dv_pci_nodes *nodes, const char *directory, const char *name)
{
	int n;

	if (nodes->count == DV_PCI_NODES_MOST)
		return;
	n = snprintf(nodes->paths[nodes->count], sizeof(nodes->paths[0]), "%s%s", directory, name);
	if (n > 0 && (size_t)n < sizeof(nodes->paths[0]))
		nodes->count++;
}

static int add_drm_node(const char *name, void *arg, struct dv_error *err)
{
	/* Beside "card0" and "renderD128" lie links such as "controlD64" and "version". */
	if (strncmp(name, "card", 4) == 0 || strncmp(name, "renderD", 7) == 0)
		add_node(arg, "/dev/dri/", name);
	return 0;
}

void dv_pci_find_nodes(const struct dv_root *root, const char *address, struct dv_pci_nodes *ret)
{
	char path[128], text[4096], minor[16] = "";

	ret->count = 0;
	if (!address[0] || strchr(address, '/'))
		return;
	(void)snprintf(path, sizeof(path), DEVICES "/%.15s/drm", address);
	if (dv_root_list(root, path, add_drm_node, ret, NULL) < 0)
		ret->count = 0; /* no graphics driver */
	(void)snprintf(path, sizeof(path), "proc/driver/nvidia/gpus/%.15s/information", address);
	if (dv_root_read(root, path, text, sizeof(text), NULL) < 0)
		return;
	information(text, "Device Minor:", minor, sizeof(minor));
	if (minor[0] >= '0' && minor[0] <= '9')
		add_node(ret, "/dev/nvidia", minor);
}
