/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "method/common.h"

/* The whole device for one tenant. The CPU device goes to a process or a container as it is; that
 * nobody else gets a part of it is the tree's doing, so nothing of the machine changes. */

static int probe(const struct dv_method_env *env, const struct dv_gpu *gpu,
		 struct dv_gpu_method *ret, struct dv_error *err)
{
	dv_method_probe_kind(env, gpu, DV_METHOD_PASSTHROUGH, "passthrough", ret);
	if (gpu->kind != DV_GPU_CPU)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "this divvy cannot yet hand a whole GPU to a tenant");
	return 0;
}

static int test(const struct dv_gpu *gpu, const struct dv_leases *leases,
		const struct dv_step *step, struct dv_error *err)
{
	if (gpu->kind == DV_GPU_CPU && step->lease.kind == DV_KIND_VM) {
		dv_error_rule(
			err, -EOPNOTSUPP, "G08",
			"%s is a virtual machine, and the CPU device cannot be handed to one: "
			"it is no device on a bus",
			step->lease.name);
		return dv_error_fix(err, -EOPNOTSUPP, "use kind container or process");
	}
	return dv_method_test_step(DV_METHOD_PASSTHROUGH, gpu, leases, step, err);
}

static int commit(const struct dv_method_env *env, const struct dv_gpu *gpu,
		  const struct dv_step *step, struct dv_error *err)
{
	bool make;

	return dv_method_read_step(DV_METHOD_PASSTHROUGH, step, false, &make, err);
}

static int undo(const struct dv_method_env *env, const struct dv_gpu *gpu,
		const struct dv_step *step, struct dv_error *err)
{
	bool make;

	return dv_method_read_step(DV_METHOD_PASSTHROUGH, step, true, &make, err);
}

static const char *describe(void)
{
	return "a whole device for one tenant";
}

const struct dv_method_ops dv_method_passthrough = {
	.method = DV_METHOD_PASSTHROUGH,
	.probe = probe,
	.test = test,
	.commit = commit,
	.undo = undo,
	.attach = dv_method_attach_cpu,
	.describe = describe,
};
