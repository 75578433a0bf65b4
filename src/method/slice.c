/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/cuda.h"
#include "method/common.h"

/* A slice is a limit and a share that divvyd's gate keeps: nothing of the machine changes when one
 * is made, so commit and undo have only the step's shape to check. */

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
	else if (gpu->mig.mode == DV_MIG_ON)
		cannot(ret, "its MIG mode is on: slices inside a partition cannot be made yet");
	else if (dv_cuda_find(env->nvml, &err) < 0)
		cannot(ret, err.msg);
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
	bool make;

	return dv_method_read_step(DV_METHOD_SLICE, step, false, &make, err);
}

static int undo(const struct dv_method_env *env, const struct dv_gpu *gpu,
		const struct dv_step *step, struct dv_error *err)
{
	bool make;

	return dv_method_read_step(DV_METHOD_SLICE, step, true, &make, err);
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
		{"DIVVY_CACHE_DIR", paths->cache_dir},	 {"CUDA_VISIBLE_DEVICES", gpu->uuid},
		{"NVIDIA_VISIBLE_DEVICES", gpu->uuid},
	};
	struct dv_attach attach = {.gated = true};

	for (size_t i = 0; i < DV_ARRAY_LEN(values); i++) {
		char *to = attach.env[attach.env_count++];

		if (snprintf(to, sizeof(attach.env[0]), "%s=%s", values[i][0], values[i][1]) >=
		    (int)sizeof(attach.env[0]))
			return dv_error_set(err, -E2BIG, "%s is too long for a tenant's variable",
					    values[i][0]);
	}
	*ret = attach;
	return 0;
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
