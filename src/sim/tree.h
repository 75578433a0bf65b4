/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a simulated machine that stand for /proc, /sys and /dev, under <dir>/root: its PCI
 * devices, what NVIDIA's driver shows of GPUs and capabilities, the device nodes (as empty files),
 * and the processes that hold GPUs. */
#pragma once

#include "sim/driver.h"

/* Make the tree show this state: files that are right stay untouched, others are replaced, and what
 * should not be there goes. */
int dv_sim_tree_write(const char *dir, const struct dv_sim_machine *machine,
		      const struct dv_sim_state *state, struct dv_error *err) DV_MUST_CHECK;

/* The minor number of a capability's device node; ci -1: of the GPU instance itself
 * (open-gpu-kernel-modules, nv-caps.c). */
uint32_t dv_sim_capability_minor(uint32_t gpu_minor, uint32_t gi, int ci);
