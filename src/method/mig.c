/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/capability.h"
#include "device/nvml.h"
#include "device/proc.h"
#include "method/common.h"

/* A hardware partition of an NVIDIA GPU: a GPU instance at an explicit place, with one compute
 * instance that is all of it. What is there is looked up anew for each step, so that a step that
 * was cut off anywhere can be done, or undone, again. */

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

/* "pid 4711 (python), pid 4712 (python)" of those on the instance; -1: on any part of the GPU. */
static unsigned name_users(const struct dv_method_env *env, const struct dv_nvml *nvml,
			   const char *uuid, int instance, char *buf, size_t size)
{
	struct dv_nvml_user users[USERS_MOST];
	unsigned count = 0, named = 0;
	size_t len = 0;

	buf[0] = '\0';
	if (dv_nvml_users(nvml, uuid, users, USERS_MOST, &count, NULL) < 0)
		return 0;
	for (unsigned i = 0; i < DV_MIN(count, (unsigned)USERS_MOST); i++) {
		char command[64];

		if (instance >= 0 && users[i].instance != instance)
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
		(void)name_users(env, nvml, gpu->uuid, -1, who, sizeof(who));
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

/* The one compute instance that is all of it. */
static int complete(const struct dv_nvml *nvml, const struct dv_gpu *gpu,
		    const struct dv_nvml_gpu *now, uint32_t instance,
		    const struct dv_mig_profile *profile, struct dv_error *err)
{
	const struct dv_mig_part_wish wish = {
		.instance = instance, .slices = profile->compute_slices, .start = DV_MIG_ANYWHERE};
	uint32_t id;

	if (dv_mig_compute_of(&now->mig, instance))
		return 0;
	return dv_nvml_create_part(nvml, gpu->uuid, &wish, &id, err);
}

static int somebody_elses(const struct dv_gpu *gpu, const struct dv_node *node,
			  struct dv_error *err)
{
	dv_error_rule(err, -EBUSY, "S12",
		      "GPU %s has another partition at %u+%u now, which divvy did not make",
		      gpu->id, node->start, node->size);
	return dv_error_fix(err, -EBUSY, "look with `divvy gpus %s`, and plan again", gpu->id);
}

static int make(const struct dv_nvml *nvml, const struct dv_gpu *gpu, const struct dv_lease *lease,
		const struct dv_node *node, struct dv_error *err)
{
	const struct dv_mig_instance *there;
	const struct dv_mig_profile *profile;
	struct dv_nvml_gpu now = {0};
	uint32_t id;
	int r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);

	if (r < 0)
		return r;
	if (!is_on(&now.mig))
		return dv_error_fix(
			err,
			dv_error_rule(err, -ESTALE, "S12", "MIG mode of GPU %s is off", gpu->id),
			"plan again: the plan turns it on");
	profile = dv_mig_find(&now.mig, lease->profile);
	if (!profile)
		return dv_error_fix(err,
				    dv_error_rule(err, -EINVAL, "M01",
						  "the driver of GPU %s has no profile '%s'",
						  gpu->id, lease->profile),
				    "`divvy profiles %s` lists them", gpu->id);
	there = instance_of(&now, node);
	if (there && there->profile_id != profile->id)
		return somebody_elses(gpu, node, err);
	if (there)
		return complete(nvml, gpu, &now, there->id, profile, err);
	r = dv_nvml_create(nvml, gpu->uuid, profile->id, node->start, &id, err);
	if (r < 0)
		return r;
	r = complete(nvml, gpu, &now, id, profile, err);
	if (r < 0)
		(void)!dv_nvml_destroy(nvml, gpu->uuid, id, NULL);
	return r;
}

static int unmake(const struct dv_method_env *env, const struct dv_nvml *nvml,
		  const struct dv_gpu *gpu, const struct dv_lease *lease,
		  const struct dv_node *node, struct dv_error *err)
{
	const struct dv_mig_instance *there;
	char who[160], what[80];
	struct dv_nvml_gpu now = {0};
	int r = dv_nvml_observe_one(nvml, gpu->uuid, &now, err);

	if (r < 0)
		return r;
	there = instance_of(&now, node);
	/* Gone already, or another's by now. */
	if (!there || (there->profile[0] && strcmp(there->profile, lease->profile) != 0))
		return 0;
	if (name_users(env, nvml, gpu->uuid, (int)there->id, who, sizeof(who))) {
		(void)snprintf(what, sizeof(what), "the partition %s of GPU %s", lease->profile,
			       gpu->id);
		return in_use(err, what, who);
	}
	for (unsigned i = 0; r == 0 && i < now.mig.compute_count; i++)
		if (now.mig.computes[i].instance == there->id)
			r = dv_nvml_destroy_part(nvml, gpu->uuid, there->id, now.mig.computes[i].id,
						 err);
	return r < 0 ? r : dv_nvml_destroy(nvml, gpu->uuid, there->id, err);
}

static int act_on_node(const struct dv_method_env *env, const struct dv_nvml *nvml,
		       const struct dv_gpu *gpu, const struct dv_step *step, bool undo,
		       struct dv_error *err)
{
	struct dv_node node = {0};
	bool makes = false;
	int r = dv_method_read_step(DV_METHOD_MIG, step, undo, &makes, err);

	if (r == 0)
		r = dv_node_parse(step->lease.node, &node, err);
	if (r < 0)
		return r;
	if (!node.has_partition || node.has_slice || strcmp(node.gpu_uuid, gpu->uuid) != 0)
		return dv_error_set(err, -EINVAL, "'%s' is not a partition of %s", step->lease.node,
				    gpu->uuid);
	return makes ? make(nvml, gpu, &step->lease, &node, err)
		     : unmake(env, nvml, gpu, &step->lease, &node, err);
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

/* A program is given the device that its compute instance is, by UUID (MIG User Guide, "CUDA
 * visibility"); NVIDIA's container runtime takes the same name. */
static int attach(const struct dv_gpu *gpu, const struct dv_lease *lease,
		  const struct dv_attach_paths *paths, struct dv_attach *ret, struct dv_error *err)
{
	static const char *const names[] = {"CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"};
	const struct dv_mig_instance *instance = NULL;
	const struct dv_mig_compute *compute = NULL;
	struct dv_attach attach = {0};
	struct dv_node node;
	int r = dv_node_parse(lease->node, &node, err);

	if (r < 0)
		return r;
	instance = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	if (instance)
		compute = dv_mig_compute_of(&gpu->mig, instance->id);
	if (!compute || !compute->uuid[0])
		return dv_error_fix(err,
				    dv_error_rule(err, -EAGAIN, "S20",
						  "the partition of lease '%s' is not there",
						  lease->name),
				    "try again in a moment: divvyd makes it again when it sees "
				    "that it is gone");
	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++)
		(void)snprintf(attach.env[attach.env_count++], sizeof(attach.env[0]), "%s=%s",
			       names[i], compute->uuid);
	*ret = attach;
	return 0;
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
