/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of partitions, and who computes where. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/nvml-inside.h"

enum { PARTS_MOST = 64, USERS_MOST = 1024 };

/* Two answers: the call's own, and whether the mode is active. */
int dv_nvml_set_mig(const struct dv_nvml *nvml, const char *uuid, bool on,
		    enum dv_mig_when *ret_when, struct dv_error *err)
{
	enum dv_nvml_result activation = DV_NVML_SUCCESS, result = DV_NVML_FUNCTION_NOT_FOUND;
	const char *what = on ? "turning MIG on" : "turning MIG off";
	struct dv_nvml_device *gpu = NULL;
	int r = dv_nvml_find(nvml, uuid, &gpu, err);

	if (r < 0)
		return r;
	if (nvml->call.set_mig_mode)
		result = nvml->call.set_mig_mode(gpu, on ? DV_NVML_MIG_ON : DV_NVML_MIG_OFF,
						 &activation);
	if (result == DV_NVML_NOT_SUPPORTED)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EOPNOTSUPP, "M02", "%s: this GPU has no MIG", what),
			"divvy gpus shows what it can do");
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "%s", what);
	switch (activation) {
	case DV_NVML_SUCCESS:
		*ret_when = DV_MIG_WHEN_NOW;
		return 0;
	case DV_NVML_IN_USE:
		*ret_when = DV_MIG_WHEN_IDLE;
		return 0;
	/* A GPU that was passed to this machine, or a platform that cannot reset it. */
	case DV_NVML_RESET_REQUIRED:
	case DV_NVML_NOT_SUPPORTED:
	case DV_NVML_RESET_TYPE_NOT_SUPPORTED:
		*ret_when = DV_MIG_WHEN_RESET;
		return 0;
	default:
		return dv_nvml_fail(nvml, activation, err, "%s: making it active", what);
	}
}

static int find_instance(const struct dv_nvml *nvml, const char *uuid, uint32_t id,
			 struct dv_nvml_gi **ret, struct dv_error *err)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	struct dv_nvml_gi *gi = NULL;
	struct dv_nvml_device *gpu = NULL;
	int r = dv_nvml_find(nvml, uuid, &gpu, err);

	if (r < 0)
		return r;
	if (nvml->call.gi_by_id)
		result = nvml->call.gi_by_id(gpu, id, &gi);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "finding instance %u of GPU %.47s", id,
				    uuid);
	*ret = gi;
	return 0;
}

/* How large an instance of that profile is. */
static int size_of(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, uint32_t profile,
		   uint32_t start, uint32_t *ret, struct dv_error *err)
{
	struct dv_nvml_placement places[PARTS_MOST];
	uint32_t count = 0;
	enum dv_nvml_result result = dv_nvml_ask_placements(nvml, gpu, profile, NULL, &count);
	int r;

	if (result == DV_NVML_SUCCESS && count > PARTS_MOST)
		return dv_error_set(err, -EPROTO, "the driver lists %u places", count);
	if (result == DV_NVML_SUCCESS)
		result = dv_nvml_ask_placements(nvml, gpu, profile, places, &count);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "asking for the places of profile %u",
				    profile);
	for (uint32_t i = 0; i < DV_MIN(count, PARTS_MOST); i++)
		if (places[i].start == start) {
			*ret = places[i].size;
			return 0;
		}
	r = dv_error_rule(err, -EINVAL, "M04", "profile %u may not stand at %u", profile, start);
	return dv_error_fix(err, r, "divvy profiles GPU lists the places of each");
}

int dv_nvml_create(const struct dv_nvml *nvml, const char *uuid, uint32_t profile, uint32_t start,
		   uint32_t *ret_id, struct dv_error *err)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	struct dv_nvml_placement place = {.start = start};
	struct dv_nvml_gi_info info = {0};
	struct dv_nvml_device *gpu = NULL;
	struct dv_nvml_gi *gi = NULL;
	int r = dv_nvml_find(nvml, uuid, &gpu, err);

	if (r == 0)
		r = size_of(nvml, gpu, profile, start, &place.size, err);
	if (r < 0)
		return r;
	if (nvml->call.gi_create_at && nvml->call.gi_info)
		result = nvml->call.gi_create_at(gpu, profile, &place, &gi);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err,
				    "making an instance of profile %u at %u of GPU %.47s", profile,
				    start, uuid);
	result = nvml->call.gi_info(gi, &info);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "looking at the new instance");
	*ret_id = info.id;
	return 0;
}

int dv_nvml_destroy(const struct dv_nvml *nvml, const char *uuid, uint32_t id, struct dv_error *err)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	struct dv_nvml_gi *gi = NULL;
	int r = find_instance(nvml, uuid, id, &gi, err);

	if (r < 0)
		return r;
	if (nvml->call.gi_destroy)
		result = nvml->call.gi_destroy(gi);
	return result == DV_NVML_SUCCESS
		       ? 0
		       : dv_nvml_fail(nvml, result, err, "ending instance %u of GPU %.47s", id,
				      uuid);
}

/* The driver's id of compute instances with so many slices, in this instance. */
static int part_profile(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, uint32_t slices,
			uint32_t *ret, struct dv_error *err)
{
	if (!nvml->call.ci_profile_v1)
		return dv_nvml_fail(nvml, DV_NVML_FUNCTION_NOT_FOUND, err,
				    "asking for compute profiles");
	for (uint32_t number = 0; number < PARTS_MOST; number++) {
		struct dv_nvml_ci_profile profile = {0};
		enum dv_nvml_result result =
			nvml->call.ci_profile_v1(gi, number, DV_NVML_CI_ENGINES_SHARED, &profile);

		if (result == DV_NVML_INVALID_ARGUMENT && number >= DV_NVML_CI_PROFILES_KNOWN)
			break;
		if (result == DV_NVML_SUCCESS && profile.slices == slices) {
			*ret = profile.id;
			return 0;
		}
		if (result != DV_NVML_SUCCESS && result != DV_NVML_NOT_SUPPORTED &&
		    result != DV_NVML_INVALID_ARGUMENT)
			return dv_nvml_fail(nvml, result, err, "asking for compute profile %u",
					    number);
	}
	return dv_error_fix(err,
			    dv_error_rule(err, -EINVAL, "M01",
					  "no compute instance of %u slices fits into this "
					  "partition",
					  slices),
			    "take as many slices as the partition has, or fewer");
}

int dv_nvml_create_part(const struct dv_nvml *nvml, const char *uuid,
			const struct dv_mig_part_wish *wish, uint32_t *ret_id, struct dv_error *err)
{
	const struct dv_nvml_ci_placement place = {wish->start, wish->slices};
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	struct dv_nvml_ci_info info = {0};
	struct dv_nvml_ci *ci = NULL;
	struct dv_nvml_gi *gi = NULL;
	uint32_t profile = 0;
	int r = find_instance(nvml, uuid, wish->instance, &gi, err);

	if (r == 0)
		r = part_profile(nvml, gi, wish->slices, &profile, err);
	if (r < 0)
		return r;
	if (wish->start == DV_MIG_ANYWHERE && nvml->call.ci_create)
		result = nvml->call.ci_create(gi, profile, &ci);
	else if (nvml->call.ci_create_at)
		result = nvml->call.ci_create_at(gi, profile, &place, &ci);
	if (result == DV_NVML_SUCCESS)
		result = dv_nvml_ask_ci_info(nvml, ci, &info);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err,
				    "making a compute instance of %u slices in instance %u",
				    wish->slices, wish->instance);
	*ret_id = info.id;
	return 0;
}

int dv_nvml_destroy_part(const struct dv_nvml *nvml, const char *uuid, uint32_t instance,
			 uint32_t id, struct dv_error *err)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	struct dv_nvml_ci *ci = NULL;
	struct dv_nvml_gi *gi = NULL;
	int r = find_instance(nvml, uuid, instance, &gi, err);

	if (r < 0)
		return r;
	if (nvml->call.ci_by_id && nvml->call.ci_destroy)
		result = nvml->call.ci_by_id(gi, id, &ci);
	if (result == DV_NVML_SUCCESS)
		result = nvml->call.ci_destroy(ci);
	return result == DV_NVML_SUCCESS
		       ? 0
		       : dv_nvml_fail(nvml, result, err,
				      "ending compute instance %u of instance %u", id, instance);
}

/* --- users --- */

typedef enum dv_nvml_result list_fn(struct dv_nvml_device *device, uint32_t *count,
				    struct dv_nvml_process *processes);
typedef enum dv_nvml_result list_old_fn(struct dv_nvml_device *device, uint32_t *count,
					struct dv_nvml_process_v1 *processes);

struct users {
	struct dv_nvml_user *to;
	unsigned most, count;
	bool computes; /* those that are being listed */
};

static void add_user(struct users *users, const struct dv_nvml_process *process)
{
	for (unsigned i = 0; i < DV_MIN(users->count, users->most); i++)
		if (users->to[i].pid == (pid_t)process->pid &&
		    users->to[i].instance == (int)process->gi_id)
			return; /* computes and draws */
	if (users->count < users->most)
		users->to[users->count] =
			(struct dv_nvml_user){.pid = (pid_t)process->pid,
					      .instance = (int)process->gi_id,
					      .part = (int)process->ci_id,
					      .memory_bytes = process->memory_bytes,
					      .computes = users->computes};
	users->count++;
}

/* The list grows while it is asked for, so there is room for more than was counted. */
static enum dv_nvml_result list_users(struct dv_nvml_device *gpu, list_fn *list,
				      struct users *users)
{
	struct dv_nvml_process *processes = calloc(USERS_MOST, sizeof(*processes));
	uint32_t count = USERS_MOST;
	enum dv_nvml_result result;

	if (!processes)
		return DV_NVML_MEMORY;
	result = list(gpu, &count, processes);
	for (uint32_t i = 0; result == DV_NVML_SUCCESS && i < DV_MIN(count, USERS_MOST); i++)
		add_user(users, &processes[i]);
	free(processes);
	return result;
}

static enum dv_nvml_result list_old(struct dv_nvml_device *gpu, list_old_fn *list,
				    struct users *users)
{
	struct dv_nvml_process_v1 *processes = calloc(USERS_MOST, sizeof(*processes));
	uint32_t count = USERS_MOST;
	enum dv_nvml_result result;

	if (!processes)
		return DV_NVML_MEMORY;
	result = list(gpu, &count, processes);
	for (uint32_t i = 0; result == DV_NVML_SUCCESS && i < DV_MIN(count, USERS_MOST); i++)
		add_user(users,
			 &(struct dv_nvml_process){processes[i].pid, processes[i].memory_bytes,
						   DV_NVML_NO_INSTANCE, DV_NVML_NO_INSTANCE});
	free(processes);
	return result;
}

/* The newest list that there is, and that the driver behind the library knows. */
static enum dv_nvml_result list_kind(struct dv_nvml_device *gpu, list_fn *newest, list_fn *newer,
				     list_old_fn *old, struct users *users)
{
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;

	if (newest)
		result = list_users(gpu, newest, users);
	if (result == DV_NVML_FUNCTION_NOT_FOUND && newer)
		result = list_users(gpu, newer, users);
	if (result == DV_NVML_FUNCTION_NOT_FOUND && old)
		result = list_old(gpu, old, users);
	/* No such processes can be there: no graphics in MIG mode, no MPS before R470. */
	if (result == DV_NVML_FUNCTION_NOT_FOUND || result == DV_NVML_NOT_SUPPORTED)
		result = DV_NVML_SUCCESS;
	return result;
}

int dv_nvml_users(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_user *ret,
		  unsigned most, unsigned *ret_count, struct dv_error *err)
{
	const struct dv_nvml_api *call = &nvml->call;
	struct users users = {.to = ret, .most = most, .computes = true};
	enum dv_nvml_result result;
	struct dv_nvml_device *gpu = NULL;
	int r = dv_nvml_find(nvml, uuid, &gpu, err);

	if (r < 0)
		return r;
	result = list_kind(gpu, call->compute_processes, call->compute_processes_v2,
			   call->compute_processes_v1, &users);
	if (result == DV_NVML_SUCCESS)
		result = list_kind(gpu, call->mps_processes, call->mps_processes_v2,
				   call->mps_processes_v1, &users);
	users.computes = false;
	if (result == DV_NVML_SUCCESS)
		result = list_kind(gpu, call->graphics_processes, call->graphics_processes_v2,
				   call->graphics_processes_v1, &users);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "listing processes on GPU %.47s", uuid);
	*ret_count = users.count;
	return 0;
}
