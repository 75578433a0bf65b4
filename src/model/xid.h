/* SPDX-License-Identifier: Apache-2.0 */
/* What NVIDIA's driver reports of a GPU that went wrong: Xid numbers, and how far each reaches.
 * Constant data.
 *
 * Sources: NVIDIA, Xid Catalog (docs.nvidia.com/deploy/xid-errors); which of them leave the GPU
 * sound: NVIDIA/k8s-device-plugin, internal/rm/health.go. */
#pragma once

#include <stdint.h>

enum dv_xid_class {
	DV_XID_UNKNOWN,
	DV_XID_APPLICATION, /* a program's own fault, most likely; the GPU goes on */
	DV_XID_MEMORY,	    /* of the GPU's memory */
	DV_XID_GPU,	    /* the GPU, its link or its firmware: a reset at least */
	DV_XID_CLASS_COUNT
};

/* "unknown", "application", "memory", "gpu" */
const char *dv_xid_class_name(enum dv_xid_class class);
enum dv_xid_class dv_xid_class(uint32_t xid);
/* "GPU has fallen off the bus"; "" for one that is not known. */
const char *dv_xid_text(uint32_t xid);
