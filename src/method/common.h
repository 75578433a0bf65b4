/* SPDX-License-Identifier: Apache-2.0 */
/* What the methods of the CPU device share: reading a step, testing it, and what a tenant's process
 * is handed. Nothing is owned. */
#pragma once

#include "method/method.h"

/* Read what a step does: *ret_make is true when the node is made, also when a destroy is undone.
 * -EINVAL for an op that ends in neither ".create" nor ".destroy", or another method's step. */
int dv_method_read_step(enum dv_method method, const struct dv_step *step, bool undo,
			bool *ret_make, struct dv_error *err) DV_MUST_CHECK;

/* The part of `probe` that is the same for all: does the method work on this GPU's kind, and can
 * the CPU device be used? `name` is what the method makes, in the plural: "slices". */
void dv_method_probe_kind(const struct dv_method_env *env, const struct dv_gpu *gpu,
			  enum dv_method method, const char *name, struct dv_gpu_method *ret);

/* The part of `test` that is the same for all: the step's shape, the method on this GPU, and the
 * tree's answer to a new lease. */
int dv_method_test_step(enum dv_method method, const struct dv_gpu *gpu,
			const struct dv_leases *leases, const struct dv_step *step,
			struct dv_error *err) DV_MUST_CHECK;

/* Environment, cgroup and CPUs for a process of this lease on the CPU device. */
int dv_method_attach_cpu(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 const struct dv_attach_paths *paths, struct dv_attach *ret,
			 struct dv_error *err) DV_MUST_CHECK;

/* Name of a partition's cgroup below gpu->cgroup: "p0+2". */
void dv_method_cgroup_name(const struct dv_node *node, char buf[32]);

/* The CPUs of a partition, as a list. -ENOSPC (rule S04) outside the device. */
int dv_method_partition_cpus(const struct dv_gpu *gpu, const struct dv_node *node, char *buf,
			     size_t size, struct dv_error *err) DV_MUST_CHECK;

/* Of slices in a MIG partition: make the partition of the step's lease if it is not there; end it
 * if the lease is the last in it (step->alone). -EBUSY (rule M05) where a process computes there,
 * or somebody put something into it; the first of those that end together is refused for that
 * already (step->vacates). */
int dv_method_mig_host(const struct dv_method_env *env, const struct dv_gpu *gpu,
		       const struct dv_step *step, bool make, struct dv_error *err) DV_MUST_CHECK;
/* Which device of CUDA's the lease's partition is, into the environment and the device nodes of
 * `ret`. -EAGAIN (rule S20) where it is not there. */
int dv_method_mig_attach(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 struct dv_attach *ret, struct dv_error *err) DV_MUST_CHECK;

/* The device nodes that every program on one of NVIDIA's GPUs needs, into `ret`. */
void dv_method_gpu_nodes(const struct dv_gpu *gpu, struct dv_attach *ret);

extern const struct dv_method_ops dv_method_passthrough, dv_method_slice, dv_method_mig,
	dv_method_partition;
