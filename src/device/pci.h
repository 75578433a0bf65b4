/* SPDX-License-Identifier: Apache-2.0 */
/* GPUs on the PCI bus, of any vendor: what is there, read and never written. The list is the
 * caller's. */
#pragma once

#include "base/root.h"
#include "base/vec.h"
#include "model/gpu.h"

struct dv_pci_gpu {
	char address[16];    /* "0000:3b:00.0" */
	struct dv_pci_id id; /* the subsystem is 0 where the kernel does not say it */
	enum dv_gpu_kind kind;
	char uuid[DV_UUID_SIZE]; /* the driver's, else "PCI-<address>" */
	char product[128];	 /* the driver's, else vendor and device in numbers */
	char driver[64];	 /* the kernel module that drives it, or "" */
	int numa_node;		 /* -1: unknown */
	uint64_t memory_bytes;	 /* 0: only a library of the vendor could tell */
};

struct dv_pci_gpus {
	DV_VEC(struct dv_pci_gpu);
};

/* Find them all, in the order of their addresses: display and 3D controllers and accelerators.
 * Left out: virtual functions (parts of a GPU listed already), and adapters that only show a
 * console (server management chips, emulated screens). A machine without PCI has none. A function
 * that vanishes meanwhile is left out. */
int dv_pci_find(const struct dv_root *root, struct dv_pci_gpus *ret,
		struct dv_error *err) DV_MUST_CHECK;

enum { DV_PCI_NODES_MOST = 8 };
struct dv_pci_nodes {
	unsigned count;
	char paths[DV_PCI_NODES_MOST][64]; /* "/dev/nvidia0", "/dev/dri/renderD128" */
};

/* The device nodes of the GPU at that address, as far as its driver says; perhaps none. */
void dv_pci_find_nodes(const struct dv_root *root, const char *address, struct dv_pci_nodes *ret);
