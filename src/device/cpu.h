/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's CPUs and memory, as far as this process may use them: what the CPU device is made
 * of. Plain data, read under a root; nothing is owned. */
#pragma once

#include "base/limits.h"
#include "base/root.h"
#include "model/gpu.h"

struct dv_cpu_one {
	uint16_t cpu;  /* the kernel's number */
	uint16_t core; /* the lowest CPU that shares its core */
	int16_t node;  /* NUMA node, -1: unknown */
};

struct dv_cpu_info {
	char uuid[DV_UUID_SIZE];   /* "CPU-..." : the same for every user, whatever the boot */
	char model[DV_MODEL_SIZE]; /* "AMD EPYC", or "" */
	uint64_t memory_bytes;
	unsigned count; /* CPUs this process may use; at least 1 */
	/* In the order in which partitions take them: node by node, and a core's CPUs side by side,
	 * so that a partition gets whole cores wherever its size allows. */
	struct dv_cpu_one cpus[DV_CPUS_MOST];
	char memory_nodes[64]; /* NUMA nodes that have memory, as a list; "" : unknown */
};

/* Read it all. -E2BIG on more than DV_CPUS_MOST CPUs. */
int dv_cpu_read(const struct dv_root *root, struct dv_cpu_info *ret,
		struct dv_error *err) DV_MUST_CHECK;

/* Print numbers in ascending order as the kernel does: "0-3,8". -E2BIG when it does not fit. */
int dv_cpu_list_print(const uint16_t *cpus, unsigned count, char *buf, size_t size,
		      struct dv_error *err) DV_MUST_CHECK;
/* Parse such a list; ascending, without doubles. -EPROTO; -E2BIG over `most` or DV_CPUS_MOST. */
int dv_cpu_list_parse(const char *text, uint16_t *ret_cpus, unsigned most, unsigned *ret_count,
		      struct dv_error *err) DV_MUST_CHECK;
