/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of NVIDIA's driver: files of /proc that say which device node gives a process the
 * right to use a partition. Read under the root; nothing is owned.
 *
 * Facts: /proc/driver/nvidia/capabilities, and open-gpu-kernel-modules nv-caps.c. */
#pragma once

#include "base/root.h"

struct dv_capability {
	unsigned minor;
	char path[96]; /* "/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access" */
	char node[48]; /* "/dev/nvidia-caps/nvidia-cap12" */
	bool node_is_there;
};

/* A right on a partition: `gpu` is the GPU's minor number, not its index; `part` -1 is the GPU
 * instance's own, which a compute instance needs besides its own. -ENOENT, -EPROTO. */
int dv_capability_find(const struct dv_root *root, unsigned gpu, unsigned instance, int part,
		       struct dv_capability *ret, struct dv_error *err) DV_MUST_CHECK;

/* The right to change partitions ("config") or to look at others' ("monitor"). */
int dv_capability_find_mig(const struct dv_root *root, const char *name, struct dv_capability *ret,
			   struct dv_error *err) DV_MUST_CHECK;
