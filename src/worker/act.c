/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/act.h"

#include <string.h>

#include "device/pci.h"
#include "worker/users.h"

/* The libraries of OpenCL drivers that offer the CPU. The loader itself is no sign: programs link
 * it that never use it. */
static const char *const cpu_libraries[] = {"libpocl.so", "libintelocl.so", "liboclgrind", NULL};

void dv_worker_result_fini(struct dv_worker_result *result)
{
	dv_vec_fini(&result->gpus);
	dv_vec_fini(&result->holders);
}

#define ENDS(text) (memchr(text, '\0', sizeof(text)) != NULL)

static bool gpu_is_sound(const struct dv_gpu *gpu)
{
	bool sound = ENDS(gpu->id) && ENDS(gpu->uuid) && ENDS(gpu->model) && ENDS(gpu->product) &&
		     ENDS(gpu->address) && ENDS(gpu->driver) && ENDS(gpu->owned_by) &&
		     ENDS(gpu->quarantine) && ENDS(gpu->cgroup);

	if (!sound || (unsigned)gpu->kind >= DV_GPU_KIND_COUNT ||
	    (unsigned)gpu->division >= DV_DIVISION_COUNT || gpu->cpu_count > DV_CPUS_MOST ||
	    gpu->method_count > DV_GPU_METHODS_MOST)
		return false;
	for (unsigned i = 0; i < gpu->method_count; i++) {
		const struct dv_gpu_method *method = &gpu->methods[i];

		if ((unsigned)method->method >= DV_METHOD_COUNT || !ENDS(method->why) ||
		    method->rule_count > DV_GPU_RULES_MOST)
			return false;
		for (unsigned j = 0; j < method->rule_count; j++)
			if (!ENDS(method->rules[j]))
				return false;
	}
	return true;
}

static bool lease_is_sound(const struct dv_lease *lease)
{
	return ENDS(lease->name) && ENDS(lease->fleet) && ENDS(lease->gpu_uuid) &&
	       ENDS(lease->node) && ENDS(lease->nonce) && (unsigned)lease->kind < DV_KIND_COUNT &&
	       (unsigned)lease->method < DV_METHOD_COUNT &&
	       (unsigned)lease->policy < DV_POLICY_COUNT &&
	       (unsigned)lease->state < DV_LEASE_STATE_COUNT;
}

static bool step_is_sound(const struct dv_step *step)
{
	return ENDS(step->op) && ENDS(step->gpu) && ENDS(step->gpu_uuid) && ENDS(step->node) &&
	       ENDS(step->profile) && ENDS(step->tenant) && ENDS(step->undo) &&
	       lease_is_sound(&step->lease);
}

int dv_worker_check(const struct dv_worker_request *request, struct dv_error *err)
{
	if (request->build != dv_worker_build())
		return dv_error_set(err, -EPROTO, "divvyd and its worker are of different builds");
	if (request->what < DV_WORKER_PROBE || request->what >= DV_WORKER_WHAT_END)
		return dv_error_set(err, -EPROTO, "the worker does not know request %d",
				    (int)request->what);
	if (!gpu_is_sound(&request->gpu))
		return dv_error_set(err, -EPROTO, "the request's device is garbled");
	if (!ENDS(request->root) || request->root[0] != '/' || !ENDS(request->nvml) ||
	    !request->nvml[0])
		return dv_error_set(err, -EPROTO, "the request's root or library is garbled");
	if (!step_is_sound(&request->step))
		return dv_error_set(err, -EPROTO, "the request's step is garbled");
	return 0;
}

static int find_holders(const struct dv_method_env *env, const struct dv_gpu *gpu,
			struct dv_worker_result *ret, struct dv_error *err)
{
	struct dv_holder *holders = calloc(DV_WORKER_HOLDERS_MOST, sizeof(*holders));
	struct dv_pci_nodes nodes = {0};
	const char *paths[DV_PCI_NODES_MOST + 1] = {NULL};
	struct dv_proc_signs signs = {.library_what = "uses the OpenCL device"};
	int r;

	if (!holders)
		return dv_error_set(err, -ENOMEM, "no memory to look through the processes");
	if (gpu->kind == DV_GPU_CPU) {
		signs.libraries = cpu_libraries;
	} else {
		dv_pci_find_nodes(env->root, gpu->address, &nodes);
		for (unsigned i = 0; i < nodes.count; i++)
			paths[i] = nodes.paths[i];
		signs.nodes = paths;
	}
	r = dv_proc_holders(env->root, &signs, holders, DV_WORKER_HOLDERS_MOST, &ret->found, err);
	if (r < 0) {
		free(holders);
		return r;
	}
	ret->holders.items = holders;
	ret->holders.len = ret->found.count;
	ret->holders.cap = DV_WORKER_HOLDERS_MOST;
	return 0;
}

static int do_step(const struct dv_method_env *env, const struct dv_worker_request *request,
		   struct dv_error *err)
{
	const struct dv_step *step = &request->step;
	const struct dv_method_ops *ops = dv_method_ops(step->lease.method);

	if (!ops)
		return dv_error_set(err, -EOPNOTSUPP, "this divvy cannot do step %u (%s) yet",
				    step->id, step->op);
	return request->what == DV_WORKER_UNDO ? ops->undo(env, &request->gpu, step, err)
					       : ops->commit(env, &request->gpu, step, err);
}

int dv_worker_act(const struct dv_method_env *env, const struct dv_worker_request *request,
		  struct dv_worker_result *ret, struct dv_error *err)
{
	switch (request->what) {
	case DV_WORKER_PROBE:
		return dv_worker_probe(env, &request->cpu, ret, err);
	case DV_WORKER_COMMIT:
	case DV_WORKER_UNDO:
		return do_step(env, request, err);
	case DV_WORKER_HOLDERS:
		return find_holders(env, &request->gpu, ret, err);
	case DV_WORKER_USERS:
		return dv_worker_users(env, &request->gpu, ret, err);
	case DV_WORKER_END_USER:
		return dv_worker_end_user(env, &request->gpu, request->pid, request->hard, err);
	case DV_WORKER_ENTER:
		return dv_method_enter(env, &request->gpu, &request->step.lease, request->pid, err);
	case DV_WORKER_WATCH: /* has no answer of this kind */
	case DV_WORKER_WHAT_END:
		break;
	}
	return dv_error_set(err, -EPROTO, "the worker does not know request %d",
			    (int)request->what);
}
