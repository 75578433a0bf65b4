/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/cuda.h"
#include "method/common.h"

/* A slice is a limit and a share that divvyd's gate keeps: nothing of the machine changes when one
 * is made. Unless it is one of a MIG partition, which comes with the first and goes with the last.
 */

static void cannot(struct dv_gpu_method *ret, const char *why)
{
	ret->ok = false;
	(void)dv_copy(ret->why, sizeof(ret->why), why);
}

/* Programs come to the GPU through the CUDA driver, whose place our library takes. */
static void probe_nvidia(const struct dv_method_env *env, const struct dv_gpu *gpu,
			 struct dv_gpu_method *ret)
{
	struct dv_error err = {0};

	*ret = (struct dv_gpu_method){.method = DV_METHOD_SLICE, .ok = true};
	if (env->nvidia_why)
		cannot(ret, env->nvidia_why);
	else if (!gpu->memory_bytes)
		cannot(ret, "how much memory this GPU has is not known");
	else if (dv_cuda_find(env->nvml, &err) < 0)
		cannot(ret, err.msg);
	else if (gpu->mig.mode == DV_MIG_ON)
		(void)dv_copy(ret->why, sizeof(ret->why),
			      "in partitions, as its MIG mode is on: say their profile");
}

static int probe(const struct dv_method_env *env, const struct dv_gpu *gpu,
		 struct dv_gpu_method *ret, struct dv_error *err)
{
	if (gpu->kind == DV_GPU_NVIDIA)
		probe_nvidia(env, gpu, ret);
	else
		dv_method_probe_kind(env, gpu, DV_METHOD_SLICE, "slices", ret);
	return 0;
}

static int test(const struct dv_gpu *gpu, const struct dv_leases *leases,
		const struct dv_step *step, struct dv_error *err)
{
	if (step->lease.kind == DV_KIND_VM) {
		dv_error_rule(err, -EOPNOTSUPP, "G06",
			      "%s is a virtual machine, and slices are for "
			      "processes and containers",
			      step->lease.name);
		return dv_error_fix(err, -EOPNOTSUPP, "use kind container or process");
	}
	return dv_method_test_step(DV_METHOD_SLICE, gpu, leases, step, err);
}

static int commit(const struct dv_method_env *env, const struct dv_gpu *gpu,
		  const struct dv_step *step, struct dv_error *err)
{
	bool make = false;
	int r = dv_method_read_step(DV_METHOD_SLICE, step, false, &make, err);

	return r < 0 || !dv_lease_on_mig(&step->lease)
		       ? r
		       : dv_method_mig_host(env, gpu, step, make, err);
}

static int undo(const struct dv_method_env *env, const struct dv_gpu *gpu,
		const struct dv_step *step, struct dv_error *err)
{
	bool make = false;
	int r = dv_method_read_step(DV_METHOD_SLICE, step, true, &make, err);

	return r < 0 || !dv_lease_on_mig(&step->lease)
		       ? r
		       : dv_method_mig_host(env, gpu, step, make, err);
}

/* The limits are not here: they are divvyd's. The launcher makes the directory in which the layer
 * stands beside the driver, below the cache. */
static int attach_nvidia(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 const struct dv_attach_paths *paths, struct dv_attach *ret,
			 struct dv_error *err)
{
	const char *const values[][2] = {
		{"DIVVY_LEASE_SOCKET", paths->socket},	 {"DIVVY_LEASE_NONCE", lease->nonce},
		{"DIVVY_CUDA_LAYER", paths->cuda_layer}, {"DIVVY_CUDA_DRIVER", paths->cuda_driver},
		{"DIVVY_NVML_LAYER", paths->nvml_layer}, {"DIVVY_NVML_DRIVER", paths->nvml_driver},
		{"DIVVY_CACHE_DIR", paths->cache_dir},	 {"CUDA_VISIBLE_DEVICES", gpu->uuid},
		{"NVIDIA_VISIBLE_DEVICES", gpu->uuid},
	};
	const bool on_mig = dv_lease_on_mig(lease);
	struct dv_attach attach = {.gated = true};
	int r = 0;

	if (on_mig)
		r = dv_method_mig_attach(gpu, lease, &attach, err);
	else
		dv_method_gpu_nodes(gpu, &attach);

	/* In a partition that has said which device it is. */
	for (size_t i = 0; r == 0 && i < DV_ARRAY_LEN(values) - (on_mig ? 2 : 0); i++) {
		char *to = attach.env[attach.env_count++];

		if (snprintf(to, sizeof(attach.env[0]), "%s=%s", values[i][0], values[i][1]) >=
		    (int)sizeof(attach.env[0]))
			return dv_error_set(err, -E2BIG, "%s is too long for a tenant's variable",
					    values[i][0]);
	}
	if (r == 0)
		*ret = attach;
	return r;
}

static int attach(const struct dv_gpu *gpu, const struct dv_lease *lease,
		  const struct dv_attach_paths *paths, struct dv_attach *ret, struct dv_error *err)
{
	return gpu->kind == DV_GPU_NVIDIA ? attach_nvidia(gpu, lease, paths, ret, err)
					  : dv_method_attach_cpu(gpu, lease, paths, ret, err);
}

static const char *describe(void)
{
	return "a slice of a shared device: a memory limit and a share of its time";
}

const struct dv_method_ops dv_method_slice = {
	.method = DV_METHOD_SLICE,
	.probe = probe,
	.test = test,
	.commit = commit,
	.undo = undo,
	.attach = attach,
	.describe = describe,
};
