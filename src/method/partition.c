/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/cgroup.h"
#include "device/cpu.h"
#include "device/proc.h"
#include "method/common.h"

/* Some CPUs of the CPU device. root's divvyd makes a cpuset cgroup, which the kernel keeps; without
 * root the launcher binds the tenant to the CPUs. Cores are separate, memory bandwidth is not. */

static int probe(const struct dv_method_env *env, const struct dv_gpu *gpu,
		 struct dv_gpu_method *ret, struct dv_error *err)
{
	struct dv_cgroup cgroup;
	int r = 0;

	dv_method_probe_kind(env, gpu, DV_METHOD_PARTITION, "CPU partitions", ret);
	if (gpu->kind != DV_GPU_CPU)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "partitions of CPUs are for the CPU device");
	if (!ret->ok || gpu->cgroup[0])
		return 0;
	r = dv_cgroup_find(env->root, &cgroup, err);
	if (r == 0)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "by CPU affinity, which a tenant can undo: %.140s",
			       env->privileged ? cgroup.why : "only root can make cgroups");
	return r;
}

static int test(const struct dv_gpu *gpu, const struct dv_leases *leases,
		const struct dv_step *step, struct dv_error *err)
{
	if (gpu->kind == DV_GPU_CPU && step->lease.kind == DV_KIND_VM) {
		dv_error_rule(err, -EOPNOTSUPP, "G08",
			      "%s is a virtual machine, and a part of the CPU device cannot be "
			      "handed to one",
			      step->lease.name);
		return dv_error_fix(err, -EOPNOTSUPP, "use kind container or process");
	}
	return dv_method_test_step(DV_METHOD_PARTITION, gpu, leases, step, err);
}

static int node_of(const struct dv_cpu_info *info, uint16_t cpu)
{
	for (unsigned i = 0; i < info->count; i++)
		if (info->cpus[i].cpu == cpu)
			return info->cpus[i].node;
	return -1;
}

/* The memory nodes of these CPUs, as a list; "" , meaning all, as soon as one of them has no
 * memory of its own or its node is not known. */
static int nodes_of(const struct dv_cpu_info *info, const uint16_t *cpus, unsigned count, char *buf,
		    size_t size)
{
	uint16_t memory[DV_CPUS_MOST], nodes[DV_CPUS_MOST];
	unsigned memory_count, node_count = 0;
	unsigned with_node = 0;

	if (dv_cpu_list_parse(info->memory_nodes, memory, DV_CPUS_MOST, &memory_count, NULL) < 0)
		memory_count = 0;
	for (unsigned i = 0; i < memory_count; i++) {
		unsigned here = 0;

		for (unsigned j = 0; j < count; j++)
			here += node_of(info, cpus[j]) == memory[i];
		if (here)
			nodes[node_count++] = memory[i];
		with_node += here;
	}
	return dv_cpu_list_print(nodes, with_node == count ? node_count : 0, buf, size, NULL);
}

/* The cgroups as they are now; they must be where the probe saw them. */
static int find_cgroup(const struct dv_method_env *env, const struct dv_gpu *gpu,
		       struct dv_cgroup *ret, struct dv_error *err)
{
	int r = dv_cgroup_find(env->root, ret, err);

	if (r == 0 && (ret->kind == DV_CGROUP_NONE || strcmp(ret->base, gpu->cgroup) != 0))
		return dv_error_fix(
			err,
			dv_error_rule(err, -ESTALE, "S12",
				      "cpuset cgroups are no longer at /%s, where they were when "
				      "divvyd started",
				      gpu->cgroup),
			"restart divvyd, so that it looks for them anew");
	return r;
}

static int make(const struct dv_method_env *env, const struct dv_gpu *gpu,
		const struct dv_node *node, struct dv_error *err)
{
	dv_autofree struct dv_cpu_info *info = malloc(sizeof(*info));
	struct dv_cgroup_set want = {0};
	struct dv_cgroup cgroup;
	char name[32];
	int r;

	if (!info)
		return dv_error_set(err, -ENOMEM, "no memory to read the machine's CPUs");
	r = dv_method_partition_cpus(gpu, node, want.cpus, sizeof(want.cpus), err);
	if (r < 0 || !gpu->cgroup[0])
		return r; /* by affinity: the launcher binds, nothing is made */
	r = dv_cpu_read(env->root, info, err);
	if (r == 0)
		r = find_cgroup(env, gpu, &cgroup, err);
	if (r < 0)
		return r;
	if (nodes_of(info, gpu->cpus + node->start, node->size, want.mems, sizeof(want.mems)) < 0)
		want.mems[0] = '\0'; /* too many to name */
	dv_method_cgroup_name(node, name);
	return dv_cgroup_make(env->root, &cgroup, name, &want, err);
}

static int unmake(const struct dv_method_env *env, const struct dv_gpu *gpu,
		  const struct dv_node *node, struct dv_error *err)
{
	struct dv_cgroup cgroup;
	char name[32];
	int r;

	if (!gpu->cgroup[0])
		return 0;
	r = find_cgroup(env, gpu, &cgroup, err);
	if (r < 0)
		return r;
	dv_method_cgroup_name(node, name);
	return dv_cgroup_remove(env->root, &cgroup, name, err);
}

static int act(const struct dv_method_env *env, const struct dv_gpu *gpu,
	       const struct dv_step *step, bool undo, struct dv_error *err)
{
	struct dv_node node = {0};
	bool makes = false;
	int r = dv_method_read_step(DV_METHOD_PARTITION, step, undo, &makes, err);

	if (r == 0)
		r = dv_node_parse(step->lease.node, &node, err);
	if (r < 0)
		return r;
	if (!node.has_partition || node.has_slice || strcmp(node.gpu_uuid, gpu->uuid) != 0)
		return dv_error_set(err, -EINVAL, "'%s' is not a partition of %s", step->lease.node,
				    gpu->uuid);
	return makes ? make(env, gpu, &node, err) : unmake(env, gpu, &node, err);
}

static int commit(const struct dv_method_env *env, const struct dv_gpu *gpu,
		  const struct dv_step *step, struct dv_error *err)
{
	return act(env, gpu, step, false, err);
}

static int undo(const struct dv_method_env *env, const struct dv_gpu *gpu,
		const struct dv_step *step, struct dv_error *err)
{
	return act(env, gpu, step, true, err);
}

int dv_method_enter(const struct dv_method_env *env, const struct dv_gpu *gpu,
		    const struct dv_lease *lease, pid_t pid, struct dv_error *err)
{
	struct dv_cgroup cgroup;
	struct dv_node node;
	char name[32];
	uid_t uid;
	int r = dv_node_parse(lease->node, &node, err);

	if (r < 0)
		return r;
	if (!node.has_partition || !gpu->cgroup[0])
		return dv_error_set(err, -EOPNOTSUPP, "lease %s has no cgroup to enter",
				    lease->name);
	r = dv_proc_uid(env->root, pid, &uid, err);
	if (r < 0)
		return r;
	if (uid != lease->uid)
		return dv_error_fix(err,
				    dv_error_rule(err, -EPERM, "S10",
						  "process %d is user %u's, lease %s is user %u's",
						  (int)pid, uid, lease->name, lease->uid),
				    "start the command as the user of the lease");
	r = find_cgroup(env, gpu, &cgroup, err);
	if (r < 0)
		return r;
	dv_method_cgroup_name(&node, name);
	return dv_cgroup_enter(env->root, &cgroup, name, pid, err);
}

unsigned dv_method_members(const struct dv_root *root, const struct dv_gpu *gpu,
			   const struct dv_lease *lease, pid_t *pids, unsigned most)
{
	unsigned count = 0;
	struct dv_node node;
	char name[32];

	if (lease->method != DV_METHOD_PARTITION || !gpu->cgroup[0] ||
	    dv_node_parse(lease->node, &node, NULL) < 0 || !node.has_partition)
		return 0;
	dv_method_cgroup_name(&node, name);
	return dv_cgroup_members(root, gpu->cgroup, name, pids, most, &count, NULL) < 0 ? 0 : count;
}

static const char *describe(void)
{
	return "some CPUs of the CPU device: cores of its own, memory bandwidth shared";
}

const struct dv_method_ops dv_method_partition = {
	.method = DV_METHOD_PARTITION,
	.probe = probe,
	.test = test,
	.commit = commit,
	.undo = undo,
	.attach = dv_method_attach_cpu,
	.describe = describe,
};
