/* SPDX-License-Identifier: Apache-2.0 */
/* One const table for each method. Everything here but `test`, `attach` and `describe` runs in the
 * worker, never in divvyd. A refusal names the rule, the cause and the way out. Plain data; nothing
 * is owned.
 *
 * A step belongs to the method of its lease; what it does is the end of its op: ".create" makes the
 * node and ".destroy" unmakes it ("slice.create", "partition.destroy", "whole.create"). Undo is the
 * reverse of either. */
#pragma once

#include "base/root.h"
#include "model/gpu.h"
#include "model/lease.h"
#include "model/plan.h"
#include "model/tree.h"

/* What a method may touch, and what the machine is like. */
struct dv_method_env {
	const struct dv_root *root; /* the machine's / */
	bool privileged;	    /* root: cgroups can be made */
	const char *nvml;	    /* NVIDIA's library: a name, or a path */
	const char *nvidia_why;	    /* why its GPUs can only be seen on the bus, or NULL */
	const char *cpu_why;	    /* why the CPU device cannot be used, or NULL */
	const char *cpu_rule;	    /* and the rule of it, or NULL */
};

/* What to hand to a process of the tenant. Plain text, fixed bounds. */
struct dv_attach {
	unsigned env_count;
	char env[16][256]; /* "KEY=VALUE" */
	char cgroup[256];  /* cgroup directory to enter before exec, relative to /, or "" */
	char cpus[256];	   /* list of CPUs to bind to where no cgroup could be made, or "" */
	unsigned device_count;
	char devices[8][64]; /* "/dev/...": all that a container of the tenant needs of them */
	char note[256];	     /* what is missing before they can be handed out, or "" */
	bool gated;	     /* a layer must say hello, else the tenant is not enforced */
};

/* Where the product's files are, and the lease's socket. */
struct dv_attach_paths {
	const char *opencl_layer; /* the shared library for OPENCL_LAYERS */
	const char *cuda_layer;	  /* the one that takes the CUDA driver's place */
	const char *cuda_driver;  /* which driver that is: a name for the loader, or a path */
	const char *nvml_layer;	  /* the same of NVML's library */
	const char *nvml_driver;
	const char *socket;    /* the lease's */
	const char *cache_dir; /* private directory of the tenant for compiled kernels */
};

struct dv_method_ops {
	enum dv_method method;
	/* Does it work on this GPU here? Fills `ret`; a negative result is a failure to find out.
	 * `why` of a method that works may hold a remark. gpu->cgroup is filled in already. */
	int (*probe)(const struct dv_method_env *env, const struct dv_gpu *gpu,
		     struct dv_gpu_method *ret, struct dv_error *err);
	/* Is this step possible on what was observed? Changes nothing; pure. */
	int (*test)(const struct dv_gpu *gpu, const struct dv_leases *leases,
		    const struct dv_step *step, struct dv_error *err);
	/* Do one journalled step; idempotent. */
	int (*commit)(const struct dv_method_env *env, const struct dv_gpu *gpu,
		      const struct dv_step *step, struct dv_error *err);
	/* Reverse it; idempotent, and right after a commit that was cut off anywhere. */
	int (*undo)(const struct dv_method_env *env, const struct dv_gpu *gpu,
		    const struct dv_step *step, struct dv_error *err);
	/* What to hand to the tenant's processes. Pure. */
	int (*attach)(const struct dv_gpu *gpu, const struct dv_lease *lease,
		      const struct dv_attach_paths *paths, struct dv_attach *ret,
		      struct dv_error *err);
	/* One line: what it is, for `gpus` and `explain`. */
	const char *(*describe)(void);
};

/* The table of that method, or NULL when this divvy has none (advice only, or not yet). */
const struct dv_method_ops *dv_method_ops(enum dv_method method);

/* The nth table, 0 and up, in the order in which they are shown; NULL after the last. */
const struct dv_method_ops *dv_method_ops_nth(unsigned n);

/* What the driver calls that which the lease is of, a GPU or a MIG partition: its UUID; "" where it
 * is not there now, or has no such name. */
const char *dv_method_device(const struct dv_gpu *gpu, const struct dv_lease *lease);

/* The processes that live in a lease's cgroup, as dv_cgroup_members; 0 when it has none. Only
 * reads, and does not wait. */
unsigned dv_method_members(const struct dv_root *root, const struct dv_gpu *gpu,
			   const struct dv_lease *lease, pid_t *pids, unsigned most);

/* Move a process into the cgroup of a partition. -EPERM when it is not `lease->uid`'s, -EOPNOTSUPP
 * when the lease has no cgroup. In the worker. */
int dv_method_enter(const struct dv_method_env *env, const struct dv_gpu *gpu,
		    const struct dv_lease *lease, pid_t pid, struct dv_error *err) DV_MUST_CHECK;
