/* SPDX-License-Identifier: Apache-2.0 */
/* One piece of silicon, one owner, decided here and nowhere else.
 *
 * A node's path is text: "<gpu uuid>", a partition of it "<gpu uuid>/p<start>+<size>" (units of the
 * division: memory slices of MIG, CPUs of the CPU device), a slice of either
 * "<parent>/s<lease id>"; a compute instance that is a part of a MIG partition
 * "<partition>/c<start>+<size>" (compute slices within it). A node is divided in one way at a time;
 * a lease on a node excludes every lease on an ancestor or a descendant. Pure; leases are the
 * caller's.
 *
 * A lease's node has the form of its method: passthrough has the GPU, mig and partition have a
 * partition of it, vgpu and sriov a slice of the GPU, slice one of either, vgpu-mig a partition or
 * a slice of one; a lease of mig may also have a part of a
 * partition, and the parts of one partition are all of the same profile of it. Everything else is
 * -EINVAL. Partitions are cpusets on the CPU device ("CPU-..." where only the uuid is known), MIG
 * on every other. */
#pragma once

#include "model/gpu.h"
#include "model/lease.h"

struct dv_node {
	char gpu_uuid[DV_UUID_SIZE];
	bool has_partition, has_part, has_slice;
	uint32_t start, size;		/* of the partition, in units of the division */
	uint32_t part_start, part_size; /* of the part, in compute slices of the partition */
	int64_t slice;			/* lease id */
};

int dv_node_parse(const char *path, struct dv_node *ret_node, struct dv_error *err) DV_MUST_CHECK;
/* Print the path; returns `buf`. */
const char *dv_node_print(const struct dv_node *node, char *buf, size_t size);

/* How the GPU is divided by these leases (those of other GPUs are ignored). */
enum dv_division dv_tree_division(const char *gpu_uuid, const struct dv_leases *leases);

/* May `claim` (node, method, memory, share filled in) be added on `gpu` beside `leases`?
 * 0, or refused: -EBUSY with rule S01 (node, ancestor or descendant has an owner) or S02 (the node
 * is divided in another way), -ENOSPC with rule G01 (memory) or G02 (shares over 100 %) or S04
 * (partition outside the device). The message names who is in the way. -EUCLEAN when a lease on the
 * GPU has a node that cannot be read: nothing is given then. A slice needs a memory limit and a
 * share. */
int dv_tree_may_claim(const struct dv_gpu *gpu, const struct dv_leases *leases,
		      const struct dv_lease *claim, struct dv_error *err) DV_MUST_CHECK;

/* The whole set is legal: no node with two owners, nor a node and its ancestor; the invariant that
 * the interleaving tests check. -EUCLEAN with the pair. */
int dv_tree_check(const struct dv_gpu *gpus, size_t gpu_count, const struct dv_leases *leases,
		  struct dv_error *err) DV_MUST_CHECK;

/* Memory and share that slices may still take on `parent_path` ("<uuid>" or a partition); 0 where
 * there can be none. A partition's memory is its part of the GPU's, by units: of MIG an upper
 * bound, the profile's own figure is the catalogue's. */
void dv_tree_left(const struct dv_gpu *gpu, const struct dv_leases *leases, const char *parent_path,
		  uint64_t *ret_memory_bytes, uint32_t *ret_mpct);
