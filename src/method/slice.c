/* SPDX-License-Identifier: Apache-2.0 */
#include "method/common.h"

/* A slice is a limit and a share that divvyd's gate keeps: nothing of the machine changes when one
 * is made, so commit and undo have only the step's shape to check. */

static int probe(const struct dv_method_env *env, const struct dv_gpu *gpu,
		 struct dv_gpu_method *ret, struct dv_error *err)
{
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
	.attach = dv_method_attach_cpu,
	.describe = describe,
};
