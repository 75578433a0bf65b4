/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/capability.h"
#include "device/nvml.h"
#include "device/proc.h"
#include "method/common.h"

/* A hardware partition of an NVIDIA GPU: a GPU instance at an explicit place, with one compute
 * instance that is all of it; or one of several compute instances of such a GPU instance, which is
 * there as long as one of them is. What is there is looked up anew for each step, so that a step
 * that was cut off anywhere can be done, or undone, again. */

enum { USERS_MOST = 64 };

/* Whoever may open this may change partitions; the mode is root's (MIG User Guide, "Device nodes
 * and capabilities"; open-gpu-kernel-modules, nv-caps.c). */
static bool may_configure(const struct dv_method_env *env)
{
	struct dv_capability config;
	char nothing;

	return dv_capability_find_mig(env->root, "config", &config, NULL) == 0 &&
	       env->root->ops->read(env->root, config.node + 1, &nothing, 0) >= 0;
}

static int probe(const struct dv_method_env *env, const struct dv_gpu *gpu,
		 struct dv_gpu_method *ret, struct dv_error *err)
{
	struct dv_gpu_method found = {.method = DV_METHOD_MIG};
	const char *rule = NULL, *why = NULL;

	if (gpu->kind != DV_GPU_NVIDIA || gpu->mig.mode == DV_MIG_NONE) {
		rule = "M02";
		why = gpu->kind == DV_GPU_NVIDIA ? "this GPU has no MIG"
						 : "MIG is for some of NVIDIA's GPUs";
	} else if (!env->privileged && !may_configure(env)) {
		rule = "M08";
		why = "you may not change partitions; let root run divvyd as a service";
	} else if (gpu->mig.mode != DV_MIG_ON && gpu->mig.mode != DV_MIG_OFF) {
		rule = "M06";
		why = "its MIG mode changes with the next reset: reset it, or restart the machine";
	}
	found.ok = !rule;
	if (rule)
		(void)dv_copy(found.rules[found.rule_count++], DV_RULE_SIZE, rule);
	if (why)
		(void)dv_copy(found.why, sizeof(found.why), why);
	else if (gpu->mig.mode == DV_MIG_OFF)
		(void)snprintf(found.why, sizeof(found.why), "MIG mode is off; apply turns it on");
	*ret = found;
	return 0;
}

static int test(const struct dv_gpu *gpu, const struct dv_leases *leases,
		const struct dv_step *step, struct dv_error *err)
{
	if (strcmp(step->op, "mig.enable") == 0 || strcmp(step->op, "mig.disable") == 0)
		return 0;
	return dv_method_test_step(DV_METHOD_MIG, gpu, leases, step, err);
}

/* What of a GPU; -1: all of it. */
struct scope {
	int instance, part;
};

static bool is_within(const struct dv_nvml_user *user, struct scope scope)
{
	return (scope.instance < 0 || user->instance == scope.instance) &&
	       (scope.part < 0 || user->part == scope.part);
}

/* "pid 4711 (python), pid 4712 (python)" of those on it. */
static unsigned name_users(const struct dv_method_env *env, const struct dv_nvml *nvml,
			   const char *uuid, struct scope scope, char *buf, size_t size)
{
	struct dv_nvml_user users[USERS_MOST];
	unsigned count = 0, named = 0;
	size_t len = 0;

	buf[0] = '\0';
	if (dv_nvml_users(nvml, uuid, users, USERS_MOST, &count, NULL) < 0)
		return 0;
	for (unsigned i = 0; i < DV_MIN(count, (unsigned)USERS_MOST); i++) {
		char command[64];

		if (!is_within(&users[i], scope))
			continue;
		dv_proc_command(env->root, users[i].pid, command, sizeof(command));
		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%spid %d%s%s%s",
						named ? ", " : "", (int)users[i].pid,
						command[0] ? " (" : "", command,
						command[0] ? ")" : "");
		named++;
	}
	return named;
}

static int in_use(struct dv_error *err, const char *what, const char *who)
{
	dv_error_rule(err, -EBUSY, "M05", "%s is in use%s%s", what, who[0] ? " by " : "", who);
	return dv_error_fix(err, -EBUSY,
			    who[0] ? "let them end, or ask whoever owns them"
				   : "`divvy who GPU` looks for who has it open: services such as "
				     "dcgm or nvidia-persistenced, a display, nvidia_drm");
}

/* A wish that did not come true must not do so later, by itself. */
static int take_back(const struct dv_method_env *env, const struct dv_nvml *nvml,
		     const struct dv_gpu *gpu, bool on, enum dv_mig_when when, struct dv_error *err)
{
	enum dv_mig_when ignored;
	char who[160];

	(void)!dv_nvml_set_mig(nvml, gpu->uuid, !on, &ignored, NULL);
	if (when == DV_MIG_WHEN_IDLE) {
		(void)name_users(env, nvml, gpu->uuid, (struct scope){-1, -1}, who, sizeof(who));
		return in_use(err, gpu->address[0] ? gpu->address : gpu->uuid, who);
	}
	dv_error_rule(err, -EBUSY, "M06",
		      "GPU %s takes the MIG mode on only with a reset that divvy cannot do",
		      gpu->id);
	return dv_error_fix(
		err, -EBUSY,
		"nvidia-smi -i %s -mig %d, then nvidia-smi -i %s --gpu-reset, or restart "
		"the machine",
		gpu->address, on, gpu->address);
}

static bool is_on(const struct dv_mig *mig)
{
	return mig->mode == DV_MIG_ON;
}

static int set_mode(const struct dv_method_env *env, const struct dv_nvml *nvml,
		    const struct dv_gpu *gpu, bool on, struct dv_error *err)
{
	enum dv_mig_when when = DV_MIG_WHEN_NOW;
	struct dv_nvml_gpu now = {0};
	int r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);

	if (r < 0 || (is_on(&now.mig) == on && now.mig.mode <= DV_MIG_ON))
		return r;
	if (!on && now.mig.instance_count) {
		dv_error_rule(err, -EBUSY, "M05", "GPU %s has partitions, so MIG mode stays on",
			      gpu->id);
		return dv_error_fix(err, -EBUSY, "release what has them first");
	}
	r = dv_nvml_set_mig(nvml, gpu->uuid, on, &when, err);
	if (r < 0)
		return r;
	if (when != DV_MIG_WHEN_NOW)
		return take_back(env, nvml, gpu, on, when, err);
	r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);
	if (r == 0 && is_on(&now.mig) != on)
		r = dv_error_set(err, -EIO,
				 "the driver said that MIG mode of GPU %s is %s, and it is not",
				 gpu->id, on ? "on" : "off");
	return r;
}

/* What stands at the node, or NULL. */
static const struct dv_mig_instance *instance_of(const struct dv_nvml_gpu *now,
						 const struct dv_node *node)
{
	return dv_mig_instance_at(&now->mig, node->start, node->size);
}

static int somebody_elses(const struct dv_gpu *gpu, const struct dv_node *node,
			  struct dv_error *err)
{
	dv_error_rule(err, -EBUSY, "S12",
		      "GPU %s has another partition at %u+%u now, which divvy did not make",
		      gpu->id, node->start, node->size);
	return dv_error_fix(err, -EBUSY, "look with `divvy gpus %s`, and plan again", gpu->id);
}

/* The compute instance that the node is: all of the instance, or the part at its place. */
static int complete(const struct dv_nvml *nvml, const struct dv_gpu *gpu,
		    const struct dv_nvml_gpu *now, const struct dv_mig_part_wish *wish,
		    const struct dv_node *node, struct dv_error *err)
{
	const struct dv_mig_compute *there = dv_mig_compute_of(&now->mig, wish->instance);
	uint32_t id;

	if (node->has_part)
		there = dv_mig_compute_at(&now->mig, wish->instance, wish->start, wish->slices);
	else if (there && there->size != wish->slices)
		return somebody_elses(gpu, node, err);
	return there ? 0 : dv_nvml_create_part(nvml, gpu->uuid, wish, &id, err);
}

static struct dv_mig_part_wish wish_of(const struct dv_node *node,
				       const struct dv_mig_profile *profile, uint32_t instance)
{
	struct dv_mig_part_wish wish = {instance, profile->compute_slices, DV_MIG_ANYWHERE};

	if (node->has_part) {
		wish.slices = node->part_size;
		wish.start = node->part_start;
	}
	return wish;
}

static int make(const struct dv_nvml *nvml, const struct dv_gpu *gpu, const struct dv_lease *lease,
		const struct dv_node *node, struct dv_error *err)
{
	const struct dv_mig_instance *there;
	const struct dv_mig_profile *profile;
	struct dv_mig_part_wish wish;
	struct dv_nvml_gpu now = {0};
	const char *name;
	uint32_t id;
	int r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);

	if (r < 0)
		return r;
	if (!is_on(&now.mig))
		return dv_error_fix(
			err,
			dv_error_rule(err, -ESTALE, "S12", "MIG mode of GPU %s is off", gpu->id),
			"plan again: the plan turns it on");
	(void)dv_mig_part_slices(lease->profile, &name);
	profile = dv_mig_find(&now.mig, name);
	if (!profile)
		return dv_error_fix(err,
				    dv_error_rule(err, -EINVAL, "M01",
						  "the driver of GPU %s has no profile '%s'",
						  gpu->id, name),
				    "`divvy profiles %s` lists them", gpu->id);
	there = instance_of(&now, node);
	if (there && there->profile_id != profile->id)
		return somebody_elses(gpu, node, err);
	if (there) {
		wish = wish_of(node, profile, there->id);
		return complete(nvml, gpu, &now, &wish, node, err);
	}
	r = dv_nvml_create(nvml, gpu->uuid, profile->id, node->start, &id, err);
	if (r < 0)
		return r;
	wish = wish_of(node, profile, id);
	r = complete(nvml, gpu, &now, &wish, node, err);
	if (r < 0)
		(void)!dv_nvml_destroy(nvml, gpu->uuid, id, NULL);
	return r;
}

/* Is it the instance that the lease had? It may be gone already, or another's by now. */
static const struct dv_mig_instance *
still_there(const struct dv_nvml_gpu *now, const struct dv_lease *lease, const struct dv_node *node)
{
	const struct dv_mig_instance *there = instance_of(now, node);
	const char *name;

	(void)dv_mig_part_slices(lease->profile, &name);
	return there && (!there->profile[0] || strcmp(there->profile, name) == 0) ? there : NULL;
}

struct ending {
	const struct dv_lease *lease;
	const struct dv_node *node;
	const struct dv_mig_instance *there;
	bool undoes;	/* the making of it */
	bool only_look; /* whether it could be ended */
};

/* Is this one of the compute instances that end with the lease? */
static bool ends(const struct dv_mig_compute *compute, uint32_t instance,
		 const struct dv_node *node)
{
	return compute->instance == instance &&
	       (!node->has_part ||
		(compute->start == node->part_start && compute->size == node->part_size));
}

/* What must be unused for the lease to end; false: it is not there, so that nobody is in it. */
static bool scope_of(const struct dv_nvml_gpu *now, uint32_t instance, const struct dv_node *node,
		     struct scope *ret)
{
	const struct dv_mig_compute *part;

	*ret = (struct scope){(int)instance, -1};
	if (!node->has_part)
		return true;
	part = dv_mig_compute_at(&now->mig, instance, node->part_start, node->part_size);
	ret->part = part ? (int)part->id : -1;
	return part;
}

/* Nobody computes in what ends with the lease, and nobody put anything of his own into it. */
static int may_unmake(const struct dv_method_env *env, const struct dv_nvml *nvml,
		      const struct dv_nvml_gpu *now, const struct dv_gpu *gpu,
		      const struct ending *ending, struct dv_error *err)
{
	const struct dv_mig_instance *there = ending->there;
	const struct dv_node *node = ending->node;
	struct scope scope;
	char who[160], what[80];
	int r = 0;

	if (!node->has_part)
		r = dv_mig_may_end(&now->mig, there, ending->lease->profile, gpu->id, err);
	if (r == 0 && scope_of(now, there->id, node, &scope) &&
	    name_users(env, nvml, gpu->uuid, scope, who, sizeof(who))) {
		(void)snprintf(what, sizeof(what), "the partition %s of GPU %s",
			       ending->lease->profile, gpu->id);
		r = in_use(err, what, who);
	}
	return r;
}

static int unmake(const struct dv_method_env *env, const struct dv_nvml *nvml,
		  const struct dv_gpu *gpu, struct ending *ending, struct dv_error *err)
{
	const struct dv_mig_instance *there;
	struct dv_nvml_gpu now = {0};
	unsigned others = 0;
	int r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);

	there = ending->there = r < 0 ? NULL : still_there(&now, ending->lease, ending->node);
	if (!there)
		return r;
	/* What is to be undone never came to be where somebody else has the place. */
	if (ending->undoes && !ending->node->has_part &&
	    dv_mig_may_end(&now.mig, there, ending->lease->profile, gpu->id, NULL) < 0)
		return 0;
	r = may_unmake(env, nvml, &now, gpu, ending, err);
	if (r < 0 || ending->only_look)
		return r;
	for (unsigned i = 0; r == 0 && i < now.mig.compute_count; i++) {
		const struct dv_mig_compute *compute = &now.mig.computes[i];

		if (ends(compute, there->id, ending->node))
			r = dv_nvml_destroy_part(nvml, gpu->uuid, there->id, compute->id, err);
		else
			others += compute->instance == there->id;
	}
	return r < 0 || others ? r : dv_nvml_destroy(nvml, gpu->uuid, there->id, err);
}

/* The node is a partition, or a slice in one. */
static int read_node(const struct dv_gpu *gpu, const struct dv_step *step, bool of_slice,
		     struct dv_node *ret, struct dv_error *err)
{
	struct dv_node node = {0};
	int r = dv_node_parse(step->lease.node, &node, err);

	if (r < 0)
		return r;
	if (!node.has_partition || node.has_slice != of_slice ||
	    strcmp(node.gpu_uuid, gpu->uuid) != 0)
		return dv_error_set(err, -EINVAL, "'%s' is not a %s of %s", step->lease.node,
				    of_slice ? "slice in a partition" : "partition", gpu->uuid);
	*ret = node;
	return 0;
}

static int act_on_node(const struct dv_method_env *env, const struct dv_nvml *nvml,
		       const struct dv_gpu *gpu, const struct dv_step *step, bool undo,
		       struct dv_error *err)
{
	struct dv_node node = {0};
	bool makes = false;
	int r = dv_method_read_step(DV_METHOD_MIG, step, undo, &makes, err);

	if (r == 0)
		r = read_node(gpu, step, false, &node, err);
	if (r < 0)
		return r;
	if (makes)
		return make(nvml, gpu, &step->lease, &node, err);
	return unmake(env, nvml, gpu,
		      &(struct ending){.lease = &step->lease, .node = &node, .undoes = undo}, err);
}

int dv_method_mig_host(const struct dv_method_env *env, const struct dv_gpu *gpu,
		       const struct dv_step *step, bool makes, struct dv_error *err)
{
	dv_cleanup(dv_nvml_closep) struct dv_nvml *nvml = NULL;
	struct dv_node node = {0};
	int r = read_node(gpu, step, true, &node, err);

	if (r < 0 || (!makes && !step->alone && !step->vacates))
		return r;
	r = dv_nvml_open(env->nvml, &nvml, err);
	if (r < 0)
		return r;
	if (makes)
		return make(nvml, gpu, &step->lease, &node, err);
	return unmake(env, nvml, gpu,
		      &(struct ending){.lease = &step->lease,
				       .node = &node,
				       .undoes = strcmp(step->op, "slice.create") == 0,
				       .only_look = !step->alone},
		      err);
}

static int act(const struct dv_method_env *env, const struct dv_gpu *gpu,
	       const struct dv_step *step, bool undo, struct dv_error *err)
{
	dv_cleanup(dv_nvml_closep) struct dv_nvml *nvml = NULL;
	const bool enable = strcmp(step->op, "mig.enable") == 0;
	int r = dv_nvml_open(env->nvml, &nvml, err);

	if (r < 0)
		return r;
	if (enable || strcmp(step->op, "mig.disable") == 0)
		return set_mode(env, nvml, gpu, enable != undo, err);
	return act_on_node(env, nvml, gpu, step, undo, err);
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

static DV_PRINTF(2, 3) void add_device(struct dv_attach *attach, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(attach->devices[attach->device_count++], sizeof(attach->devices[0]), fmt,
			args);
	va_end(args);
}

static void add_gpu(const struct dv_mig *mig, struct dv_attach *attach)
{
	add_device(attach, "/dev/nvidia%u", mig->minor);
	add_device(attach, "/dev/nvidiactl");
	add_device(attach, "/dev/nvidia-uvm");
}

void dv_method_gpu_nodes(const struct dv_gpu *gpu, struct dv_attach *ret)
{
	add_gpu(&gpu->mig, ret);
}

/* The GPU's own nodes, which every tenant of it has, and the two rights that only this one has (MIG
 * User Guide, "Device nodes and capabilities"). None where the rights are not known: without them
 * the rest is of no use. */
static void add_devices(const struct dv_mig *mig, const struct dv_mig_instance *instance,
			const struct dv_mig_compute *compute, struct dv_attach *attach)
{
	if (!instance->right.minor || !compute->right.minor)
		return;
	add_gpu(mig, attach);
	add_device(attach, "/dev/nvidia-caps/nvidia-cap%u", instance->right.minor);
	add_device(attach, "/dev/nvidia-caps/nvidia-cap%u", compute->right.minor);
	if (instance->right.node && compute->right.node)
		return;
	(void)snprintf(attach->note, sizeof(attach->note),
		       "a node is not there yet: nvidia-modprobe -f /proc/driver/nvidia/"
		       "capabilities/gpu%u/mig/gi%u/access -f /proc/driver/nvidia/capabilities/"
		       "gpu%u/mig/gi%u/ci%u/access",
		       mig->minor, instance->id, mig->minor, instance->id, compute->id);
}

/* A program is given the device that its compute instance is, by UUID (MIG User Guide, "CUDA
 * visibility"); NVIDIA's container runtime takes the same name. */
/* The lease's partition as a device of CUDA's, or NULL; `ret` is the GPU instance that it is in. */
static const struct dv_mig_compute *device_of(const struct dv_gpu *gpu,
					      const struct dv_lease *lease,
					      const struct dv_mig_instance **ret)
{
	const struct dv_mig_compute *compute;
	struct dv_node node;

	if (dv_node_parse(lease->node, &node, NULL) < 0)
		return NULL;
	*ret = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	if (!*ret)
		return NULL;
	if (node.has_part)
		compute = dv_mig_compute_at(&gpu->mig, (*ret)->id, node.part_start, node.part_size);
	else
		compute = dv_mig_compute_whole(&gpu->mig, *ret, lease->profile);
	return compute && compute->uuid[0] ? compute : NULL;
}

const char *dv_method_device(const struct dv_gpu *gpu, const struct dv_lease *lease)
{
	const struct dv_mig_instance *instance;
	const struct dv_mig_compute *compute;

	if (gpu->kind != DV_GPU_NVIDIA)
		return "";
	if (!dv_lease_on_mig(lease))
		return gpu->uuid;
	compute = device_of(gpu, lease, &instance);
	return compute ? compute->uuid : "";
}

int dv_method_mig_attach(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 struct dv_attach *ret, struct dv_error *err)
{
	static const char *const names[] = {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"};
	const struct dv_mig_instance *instance = NULL;
	const struct dv_mig_compute *compute;
	struct dv_node node;
	int r = dv_node_parse(lease->node, &node, err);

	if (r < 0)
		return r;
	compute = device_of(gpu, lease, &instance);
	if (!compute)
		return dv_error_fix(err,
				    dv_error_rule(err, -EAGAIN, "S20",
						  "the partition of lease '%s' is not there",
						  lease->name),
				    "try again in a moment: divvyd makes it again when it sees "
				    "that it is gone");
	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++)
		(void)snprintf(ret->env[ret->env_count++], sizeof(ret->env[0]), "%s=%s", names[i],
			       compute->uuid);
	add_devices(&gpu->mig, instance, compute, ret);
	return 0;
}

static int attach(const struct dv_gpu *gpu, const struct dv_lease *lease,
		  const struct dv_attach_paths *paths, struct dv_attach *ret, struct dv_error *err)
{
	struct dv_attach attach = {0};
	int r = dv_method_mig_attach(gpu, lease, &attach, err);

	if (r == 0)
		*ret = attach;
	return r;
}

static const char *describe(void)
{
	return "a hardware partition of a GPU: compute, memory and cache of its own";
}

const struct dv_method_ops dv_method_mig = {
	.method = DV_METHOD_MIG,
	.probe = probe,
	.test = test,
	.commit = commit,
	.undo = undo,
	.attach = attach,
	.describe = describe,
};
