/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/capability.h"
#include "device/cgroup.h"
#include "device/cpu.h"
#include "device/pci.h"
#include "model/units.h"
#include "worker/act.h"
#include "worker/ask.h"

/* PoCL answers in 20 to 300 ms; a machine that swaps may need seconds. */
enum { OPENCL_DEADLINE_MS = 10000, NVML_DEADLINE_MS = 8000 };

/* Why the CPU device cannot be used; "" when it can. */
struct obstacle {
	char why[192];
	char rule[DV_RULE_SIZE];
};

static void probe_methods(const struct dv_method_env *env, struct dv_gpu *gpu)
{
	const struct dv_method_ops *ops;

	for (unsigned n = 0;
	     (ops = dv_method_ops_nth(n)) && gpu->method_count < DV_GPU_METHODS_MOST; n++) {
		struct dv_gpu_method *method = &gpu->methods[gpu->method_count++];
		struct dv_error err = {0};

		if (ops->probe(env, gpu, method, &err) == 0)
			continue;
		*method = (struct dv_gpu_method){.method = ops->method};
		(void)snprintf(method->why, sizeof(method->why), "cannot be found out: %.160s",
			       err.msg);
	}
}

static int add(const struct dv_method_env *env, struct dv_worker_result *result, struct dv_gpu *gpu,
	       struct dv_error *err)
{
	if (result->gpus.len == DV_WORKER_GPUS_MOST)
		return dv_error_set(err, -E2BIG, "this machine has more than %d GPUs",
				    DV_WORKER_GPUS_MOST);
	(void)snprintf(gpu->id, sizeof(gpu->id), "%zu", result->gpus.len);
	probe_methods(env, gpu);
	if (dv_vec_push(&result->gpus, *gpu) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the list of GPUs");
	return 0;
}

static struct dv_mig_right right_of(const struct dv_root *root, const struct dv_mig *mig,
				    uint32_t instance, int part)
{
	struct dv_capability found;

	/* Drivers before R450 have none, and some containers do not show them. */
	if (dv_capability_find(root, mig->minor, instance, part, &found, NULL) < 0)
		return (struct dv_mig_right){0};
	return (struct dv_mig_right){found.minor, found.node_is_there};
}

static void find_rights(const struct dv_root *root, struct dv_mig *mig)
{
	for (unsigned i = 0; i < mig->instance_count; i++)
		mig->instances[i].right = right_of(root, mig, mig->instances[i].id, -1);
	for (unsigned i = 0; i < mig->compute_count; i++)
		mig->computes[i].right =
			right_of(root, mig, mig->computes[i].instance, (int)mig->computes[i].id);
}

/* What NVIDIA's library says of a GPU goes before what the bus says. */
static void take_nvml(const struct dv_worker_nvml *nvml, struct dv_gpu *gpu)
{
	for (unsigned i = 0; i < nvml->count; i++) {
		const struct dv_nvml_gpu *from = &nvml->gpus[i];

		if (strcmp(from->address, gpu->address) != 0)
			continue;
		(void)dv_copy(gpu->uuid, sizeof(gpu->uuid), from->uuid);
		(void)dv_copy(gpu->product, sizeof(gpu->product), from->name);
		(void)snprintf(gpu->driver, sizeof(gpu->driver), "nvidia %.40s", nvml->driver);
		gpu->memory_bytes = from->memory_bytes;
		gpu->memory_slices = from->mig.cells;
		gpu->mig = from->mig;
	}
}

/* Asked only where there is a GPU of NVIDIA's; what it cannot say is then not known. */
static void ask_nvml(const struct dv_method_env *env, const struct dv_pci_gpus *found,
		     struct dv_worker_nvml *ret, struct obstacle *obstacle)
{
	struct dv_error err = {0};
	bool there = false;

	for (size_t i = 0; i < found->len; i++)
		there |= found->items[i].kind == DV_GPU_NVIDIA;
	if (!there || dv_worker_ask_nvml(env->nvml, NVML_DEADLINE_MS, ret, &err) == 0)
		return;
	(void)snprintf(obstacle->why, sizeof(obstacle->why), "%.90s%s%.95s", err.msg,
		       err.fix[0] ? "; " : "", err.fix);
	(void)dv_copy(obstacle->rule, sizeof(obstacle->rule), err.rule);
}

static int add_bus(const struct dv_method_env *env, struct dv_worker_result *result,
		   struct dv_error *err)
{
	dv_autofree struct dv_worker_nvml *nvml = calloc(1, sizeof(*nvml));
	struct dv_method_env with = *env;
	struct obstacle obstacle = {0};
	struct dv_pci_gpus found = {0};
	int r;

	if (!nvml)
		return dv_error_set(err, -ENOMEM, "no memory to look for GPUs");
	r = dv_pci_find(env->root, &found, err);
	if (r < 0)
		return r;
	ask_nvml(env, &found, nvml, &obstacle);
	with.nvidia_why = obstacle.why[0] ? obstacle.why : NULL;
	for (size_t i = 0; r == 0 && i < found.len; i++) {
		const struct dv_pci_gpu *pci = &found.items[i];
		struct dv_gpu gpu = {.kind = pci->kind,
				     .pci = pci->id,
				     .memory_bytes = pci->memory_bytes,
				     .numa_node = pci->numa_node};

		(void)dv_copy(gpu.uuid, sizeof(gpu.uuid), pci->uuid);
		(void)dv_copy(gpu.product, sizeof(gpu.product), pci->product);
		(void)dv_copy(gpu.address, sizeof(gpu.address), pci->address);
		(void)dv_copy(gpu.driver, sizeof(gpu.driver), pci->driver);
		if (gpu.kind == DV_GPU_NVIDIA)
			take_nvml(nvml, &gpu);
		find_rights(env->root, &gpu.mig);
		r = add(&with, result, &gpu, err);
	}
	dv_vec_fini(&found);
	return r;
}

/* What divvy divides is its own configured number, not what the OpenCL library believes: that one
 * changes with the load. */
static void size_device(const struct dv_cpu_config *config, const struct dv_cpu_info *info,
			struct dv_gpu *gpu, struct obstacle *obstacle)
{
	char want[24], have[24];

	gpu->memory_bytes = config->memory_bytes;
	if (!gpu->memory_bytes)
		gpu->memory_bytes = info->memory_bytes / 2 / DV_MIB * DV_MIB;
	gpu->compute_units = config->compute_units ? config->compute_units : info->count;
	if (gpu->memory_bytes > info->memory_bytes)
		(void)snprintf(obstacle->why, sizeof(obstacle->why),
			       "divvyd's configuration gives it %s of memory, this machine has %s",
			       dv_size_print(gpu->memory_bytes, want, sizeof(want)),
			       dv_size_print(info->memory_bytes, have, sizeof(have)));
	if (gpu->compute_units > info->count) {
		(void)snprintf(obstacle->why, sizeof(obstacle->why),
			       "divvyd's configuration gives it %u CPU%s, only %u may be used",
			       gpu->compute_units, dv_plural(gpu->compute_units), info->count);
		gpu->compute_units = info->count;
	}
	gpu->cpu_count = gpu->compute_units;
	gpu->numa_node = info->cpus[0].node;
	for (unsigned i = 0; i < gpu->cpu_count; i++) {
		gpu->cpus[i] = info->cpus[i].cpu;
		if (info->cpus[i].node != gpu->numa_node)
			gpu->numa_node = -1;
	}
}

static void name_device(const struct dv_cpu_info *info, const struct dv_opencl_device *opencl,
			struct dv_gpu *gpu)
{
	bool pocl = strcmp(opencl->platform, "Portable Computing Language") == 0;

	(void)dv_copy(gpu->model, sizeof(gpu->model), "cpu-opencl");
	(void)dv_copy(gpu->uuid, sizeof(gpu->uuid), info->uuid);
	(void)dv_copy(gpu->product, sizeof(gpu->product),
		      info->model[0] ? info->model : opencl->name);
	if (!gpu->product[0])
		(void)dv_copy(gpu->product, sizeof(gpu->product), "CPU");
	if (opencl->platform[0])
		(void)snprintf(gpu->driver, sizeof(gpu->driver), "%.40s %.20s",
			       pocl ? "PoCL" : opencl->platform, opencl->driver);
}

static void ask(struct dv_opencl_device *opencl, struct obstacle *obstacle)
{
	struct dv_error err = {0};

	if (dv_worker_ask_opencl(DV_OPENCL_LIBRARY, OPENCL_DEADLINE_MS, opencl, &err) == 0)
		return;
	(void)snprintf(obstacle->why, sizeof(obstacle->why), "%.90s%s%.95s", err.msg,
		       err.fix[0] ? "; " : "", err.fix);
	(void)dv_copy(obstacle->rule, sizeof(obstacle->rule), err.rule);
}

static int add_cpu(const struct dv_method_env *env, const struct dv_cpu_config *config,
		   struct dv_worker_result *result, struct dv_error *err)
{
	dv_autofree struct dv_cpu_info *info = malloc(sizeof(*info));
	struct dv_gpu gpu = {.kind = DV_GPU_CPU};
	struct dv_opencl_device opencl = {0};
	struct dv_method_env with = *env;
	struct obstacle obstacle = {0};
	struct dv_cgroup cgroup;
	int r;

	if (!info)
		return dv_error_set(err, -ENOMEM, "no memory to read the machine's CPUs");
	r = dv_cpu_read(env->root, info, err);
	if (r < 0)
		return dv_error_prefix(err, r, "looking at the CPU device");
	size_device(config, info, &gpu, &obstacle);
	if (!obstacle.why[0])
		ask(&opencl, &obstacle);
	name_device(info, &opencl, &gpu);
	if (env->privileged && dv_cgroup_find(env->root, &cgroup, NULL) == 0)
		(void)dv_copy(gpu.cgroup, sizeof(gpu.cgroup), cgroup.base);
	with.cpu_why = obstacle.why[0] ? obstacle.why : NULL;
	with.cpu_rule = obstacle.rule[0] ? obstacle.rule : NULL;
	return add(&with, result, &gpu, err);
}

int dv_worker_probe(const struct dv_method_env *env, const struct dv_cpu_config *config,
		    struct dv_worker_result *ret, struct dv_error *err)
{
	struct dv_worker_result result = {0};
	int r = add_bus(env, &result, err);

	if (r == 0 && config->enabled)
		r = add_cpu(env, config, &result, err);
	if (r < 0) {
		dv_worker_result_fini(&result);
		return r;
	}
	*ret = result;
	return 0;
}
