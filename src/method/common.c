/* SPDX-License-Identifier: Apache-2.0 */
#include "method/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/cpu.h"

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

int dv_method_read_step(enum dv_method method, const struct dv_step *step, bool undo,
			bool *ret_make, struct dv_error *err)
{
	bool create = ends_in(step->op, ".create") || ends_in(step->op, ".ci_create");
	bool destroy = ends_in(step->op, ".destroy") || ends_in(step->op, ".ci_destroy");

	if (step->lease.method != method)
		return dv_error_set(err, -EINVAL, "step %u (%s) is not one of method %s", step->id,
				    step->op, dv_method_name(method));
	if (!create && !destroy)
		return dv_error_set(err, -EINVAL, "step %u: '%s' is neither create nor destroy",
				    step->id, step->op);
	*ret_make = undo ? destroy : create;
	return 0;
}

void dv_method_probe_kind(const struct dv_method_env *env, const struct dv_gpu *gpu,
			  enum dv_method method, const char *name, struct dv_gpu_method *ret)
{
	struct dv_gpu_method found = {.method = method, .ok = true};

	if (gpu->kind != DV_GPU_CPU) {
		found.ok = false;
		if (gpu->kind == DV_GPU_NVIDIA && env->nvidia_why)
			(void)dv_copy(found.why, sizeof(found.why), env->nvidia_why);
		else
			(void)snprintf(found.why, sizeof(found.why),
				       "this divvy cannot yet make %s of a GPU", name);
	} else if (env->cpu_why) {
		found.ok = false;
		(void)dv_copy(found.why, sizeof(found.why), env->cpu_why);
		if (env->cpu_rule)
			(void)dv_copy(found.rules[found.rule_count++], DV_RULE_SIZE, env->cpu_rule);
	}
	*ret = found;
}

int dv_method_test_step(enum dv_method method, const struct dv_gpu *gpu,
			const struct dv_leases *leases, const struct dv_step *step,
			struct dv_error *err)
{
	const struct dv_gpu_method *can = dv_gpu_method(gpu, method);
	bool make;
	int r = dv_method_read_step(method, step, false, &make, err);

	if (r < 0 || !make)
		return r;
	if (strcmp(step->lease.gpu_uuid, gpu->uuid) != 0)
		return dv_error_set(err, -EINVAL, "step %u is for another device than %s", step->id,
				    gpu->uuid);
	if (!can || !can->ok)
		return dv_error_fix(err,
				    dv_error_rule(err, -EOPNOTSUPP,
						  can && can->rule_count ? can->rules[0] : "G09",
						  "%s cannot be used on GPU %s: %s",
						  dv_method_name(method), gpu->id,
						  can ? can->why : "it was not probed"),
				    "`divvy gpus %s` lists what it can do", gpu->id);
	if (gpu->quarantine[0])
		return dv_error_fix(err,
				    dv_error_rule(err, -EBUSY, "S11", "GPU %s is quarantined: %s",
						  gpu->id, gpu->quarantine),
				    "choose another GPU; `divvy release` of the lease that is "
				    "named tries again");
	return dv_tree_may_claim(gpu, leases, &step->lease, err);
}

void dv_method_cgroup_name(const struct dv_node *node, char buf[32])
{
	(void)snprintf(buf, 32, "p%u+%u", node->start, node->size);
}

static int outside(const struct dv_gpu *gpu, const struct dv_node *node, struct dv_error *err)
{
	int r = dv_error_rule(err, -ENOSPC, "S04",
			      "a partition of %u CPU%s from %u on does not lie in a device of %u",
			      node->size, dv_plural(node->size), node->start, gpu->cpu_count);

	return dv_error_fix(err, r, "ask for a smaller partition");
}

int dv_method_partition_cpus(const struct dv_gpu *gpu, const struct dv_node *node, char *buf,
			     size_t size, struct dv_error *err)
{
	uint64_t end = (uint64_t)node->start + node->size;

	if (!node->has_partition || end > DV_MIN(gpu->cpu_count, DV_CPUS_MOST))
		return outside(gpu, node, err);
	return dv_cpu_list_print(gpu->cpus + node->start, node->size, buf, size, err);
}

static int add_env(struct dv_attach *attach, struct dv_error *err, const char *fmt, ...)
	DV_PRINTF(3, 4);

static int add_env(struct dv_attach *attach, struct dv_error *err, const char *fmt, ...)
{
	char *to = attach->env[attach->env_count];
	va_list args;
	int n;

	if (attach->env_count == DV_ARRAY_LEN(attach->env))
		return dv_error_set(err, -E2BIG, "too many variables for a tenant");
	va_start(args, fmt);
	n = vsnprintf(to, sizeof(attach->env[0]), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(attach->env[0]))
		return dv_error_set(err, -E2BIG, "'%.40s...' is too long for a tenant's variable",
				    to);
	attach->env_count++;
	return 0;
}

/* PoCL's POCL_AFFINITY binds worker i to CPU i, by the machine's own numbers, and aborts the
 * program where it may not use CPU i. So only when the device is made of exactly CPUs 0 to n-1. */
static bool may_bind_threads(const struct dv_gpu *gpu)
{
	for (unsigned i = 0; i < gpu->cpu_count; i++)
		if (gpu->cpus[i] >= gpu->cpu_count)
			return false;
	return gpu->cpu_count > 0;
}

/* A tenant of the whole device, or of a slice of it: all CPUs of the device. */
static int attach_all(const struct dv_gpu *gpu, struct dv_attach *attach, struct dv_error *err)
{
	int r = add_env(attach, err, "POCL_MAX_PTHREAD_COUNT=%u", gpu->cpu_count);

	return r < 0 ? r : add_env(attach, err, "POCL_AFFINITY=%d", may_bind_threads(gpu));
}

/* A tenant in a partition: in its cgroup the library sees the partition's CPUs alone; without one
 * it must be told their number. Affinity is said to be off, because the user's own environment may
 * have it on. */
static int attach_partition(const struct dv_gpu *gpu, const struct dv_node *node,
			    struct dv_attach *attach, struct dv_error *err)
{
	char name[32];
	int r = add_env(attach, err, "POCL_AFFINITY=0");

	r = r < 0 ? r : add_env(attach, err, "POCL_MAX_PTHREAD_COUNT=%u", node->size);
	if (r < 0)
		return r;
	if (gpu->cgroup[0]) {
		dv_method_cgroup_name(node, name);
		(void)snprintf(attach->cgroup, sizeof(attach->cgroup), "%s/%s", gpu->cgroup, name);
		return 0;
	}
	return dv_method_partition_cpus(gpu, node, attach->cpus, sizeof(attach->cpus), err);
}

int dv_method_attach_cpu(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 const struct dv_attach_paths *paths, struct dv_attach *ret,
			 struct dv_error *err)
{
	struct dv_attach attach = {.gated = lease->memory_bytes || lease->compute_mpct};
	struct dv_node node;
	int r = dv_node_parse(lease->node, &node, err);

	if (r == 0 && gpu->kind != DV_GPU_CPU)
		r = dv_error_set(err, -EOPNOTSUPP, "this divvy cannot yet hand a GPU to a process");
	if (r == 0)
		r = add_env(&attach, err, "OPENCL_LAYERS=%s", paths->opencl_layer);
	if (r == 0)
		r = add_env(&attach, err, "DIVVY_LEASE_SOCKET=%s", paths->socket);
	if (r == 0)
		r = add_env(&attach, err, "DIVVY_LEASE_NONCE=%s", lease->nonce);
	if (r == 0)
		r = add_env(&attach, err, "POCL_CACHE_DIR=%s", paths->cache_dir);
	if (r == 0)
		r = node.has_partition ? attach_partition(gpu, &node, &attach, err)
				       : attach_all(gpu, &attach, err);
	if (r == 0)
		*ret = attach;
	return r;
}
