/* SPDX-License-Identifier: Apache-2.0 */
/* Compute instances, and what they are as devices of their own. */
#include <stdio.h>
#include <string.h>

#include "sim/nvml/session.h"

static uint32_t has(uint32_t engines)
{
	return engines == DV_CAT_UNKNOWN ? 0 : engines;
}

static enum dv_nvml_result by_number(const struct dv_sim_thing *thing, uint32_t number,
				     uint32_t engines, struct dv_sim_ci_profile *ret)
{
	struct dv_sim_ci_set set;

	if (number >= DV_NVML_CI_PROFILES_KNOWN || engines != DV_NVML_CI_ENGINES_SHARED)
		return DV_NVML_INVALID_ARGUMENT;
	dv_sim_ci_profiles(&thing->sim, dv_sim_thing_profile(thing), &set);
	for (uint32_t i = 0; i < set.count; i++)
		if (set.profiles[i].number == number) {
			*ret = set.profiles[i];
			return DV_NVML_SUCCESS;
		}
	return DV_NVML_NOT_SUPPORTED;
}

static enum dv_nvml_result by_id(const struct dv_sim_thing *thing, uint32_t id,
				 struct dv_sim_ci_profile *ret, uint32_t *ret_index)
{
	struct dv_sim_ci_set set;

	dv_sim_ci_profiles(&thing->sim, dv_sim_thing_profile(thing), &set);
	for (uint32_t i = 0; i < set.count; i++)
		if (set.profiles[i].id == id) {
			*ret = set.profiles[i];
			*ret_index = i;
			return DV_NVML_SUCCESS;
		}
	return DV_NVML_NOT_SUPPORTED;
}

static struct dv_nvml_ci_profile describe(const struct dv_sim_thing *thing,
					  const struct dv_sim_ci_profile *ci)
{
	const struct dv_sim_profile *profile = dv_sim_thing_profile(thing);

	return (struct dv_nvml_ci_profile){
		.id = ci->id,
		.slices = ci->size,
		.instances = ci->most,
		.multiprocessors = dv_sim_multiprocessors(profile, ci->size),
		.copy_engines = has(profile->engines.copy),
		.decoders = has(profile->engines.decode),
		.encoders = has(profile->engines.encode),
		.jpegs = has(profile->engines.jpeg),
		.optical_flows = has(profile->engines.optical_flow)};
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstanceProfileInfo(struct dv_nvml_gi *gi,
								 uint32_t profile, uint32_t engines,
								 struct dv_nvml_ci_profile *ret)
{
	struct dv_sim_ci_profile found;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_number(&thing, profile, engines, &found) : DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS)
		*ret = describe(&thing, &found);
	return dv_sim_leave(result);
}

/* v3 begins as v2 does, and goes on after it. */
static enum dv_nvml_result fill(const struct dv_sim_thing *thing,
				const struct dv_sim_ci_profile *ci,
				struct dv_nvml_ci_profile_v2 *ret)
{
	const struct dv_sim_profile *profile = dv_sim_thing_profile(thing);
	struct dv_nvml_ci_profile info = describe(thing, ci);
	struct dv_nvml_ci_profile_v3 newer = {.version = ret->version};

	if (ret->version != DV_NVML_CI_PROFILE_V2 && ret->version != DV_NVML_CI_PROFILE_V3)
		return DV_NVML_ARGUMENT_VERSION_MISMATCH;
	memcpy(&newer.id, &info, sizeof(info));
	if (ci->size == profile->slices)
		(void)snprintf(newer.name, sizeof(newer.name), "MIG %s", profile->name);
	else
		(void)snprintf(newer.name, sizeof(newer.name), "MIG %uc.%s", ci->size,
			       profile->name);
	newer.capabilities = profile->graphics ? DV_NVML_CI_CAP_GFX : 0;
	memcpy(ret, &newer, ret->version == DV_NVML_CI_PROFILE_V2 ? sizeof(*ret) : sizeof(newer));
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstanceProfileInfoV(struct dv_nvml_gi *gi,
								  uint32_t profile,
								  uint32_t engines,
								  struct dv_nvml_ci_profile_v2 *ret)
{
	struct dv_sim_ci_profile found;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_number(&thing, profile, engines, &found) : DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS)
		result = fill(&thing, &found, ret);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstancePossiblePlacements(
	struct dv_nvml_gi *gi, uint32_t id, struct dv_nvml_ci_placement *ret, uint32_t *count)
{
	struct dv_sim_ci_profile profile;
	struct dv_sim_thing thing;
	uint32_t index;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = count ? by_id(&thing, id, &profile, &index) : DV_NVML_INVALID_ARGUMENT;
	if (result != DV_NVML_SUCCESS)
		return dv_sim_leave(result);
	for (uint32_t i = 0; ret && i < profile.start_count; i++)
		ret[i] = (struct dv_nvml_ci_placement){profile.starts[i], profile.size};
	*count = profile.start_count;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstanceRemainingCapacity(struct dv_nvml_gi *gi,
								       uint32_t id, uint32_t *ret)
{
	struct dv_sim_ci_profile profile;
	struct dv_sim_thing thing;
	uint32_t index;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_id(&thing, id, &profile, &index) : DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS)
		*ret = dv_sim_ci_room(thing.gi, &profile);
	return dv_sim_leave(result);
}

/* --- instances --- */

static enum dv_nvml_result give(const struct dv_sim_thing *thing, const struct dv_sim_ci *ci,
				struct dv_nvml_ci **ret)
{
	struct dv_nvml_ci *handle = dv_sim_ci_handle(&thing->sim, thing->gpu, thing->gi, ci);

	if (!handle)
		return DV_NVML_MEMORY;
	*ret = handle;
	return DV_NVML_SUCCESS;
}

static enum dv_nvml_result create(const char *call, const struct dv_nvml_gi *gi, uint32_t id,
				  const struct dv_nvml_ci_placement *placement,
				  struct dv_nvml_ci **ret)
{
	struct dv_sim_ci_profile profile;
	struct dv_sim_thing thing;
	uint32_t index, ci = 0;
	enum dv_nvml_result result = dv_sim_enter_gi(call, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_id(&thing, id, &profile, &index) : DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS && placement && placement->size != profile.size)
		result = DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_may_change(&thing.sim);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_ci_create(&thing.sim, thing.gpu, thing.gi->id, id,
					  placement ? (int)placement->start : -1, &ci);
	if (result == DV_NVML_SUCCESS)
		result = give(&thing, dv_sim_ci_find(thing.gi, ci), ret);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlGpuInstanceCreateComputeInstance(struct dv_nvml_gi *gi, uint32_t id,
							 struct dv_nvml_ci **ret)
{
	return create(__func__, gi, id, NULL, ret);
}

enum dv_nvml_result
nvmlGpuInstanceCreateComputeInstanceWithPlacement(struct dv_nvml_gi *gi, uint32_t id,
						  const struct dv_nvml_ci_placement *placement,
						  struct dv_nvml_ci **ret)
{
	return placement ? create(__func__, gi, id, placement, ret) : DV_NVML_INVALID_ARGUMENT;
}

enum dv_nvml_result nvmlComputeInstanceDestroy(struct dv_nvml_ci *ci)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_ci(__func__, ci, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = dv_sim_may_change(&thing.sim);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_ci_destroy(&thing.sim, thing.gpu, thing.gi->id, thing.ci->id);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstances(struct dv_nvml_gi *gi, uint32_t id,
						       struct dv_nvml_ci **cis, uint32_t *count)
{
	struct dv_sim_ci_profile profile;
	struct dv_sim_thing thing;
	uint32_t index = 0, found = 0;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = cis && count ? by_id(&thing, id, &profile, &index) : DV_NVML_INVALID_ARGUMENT;
	for (unsigned i = 0; result == DV_NVML_SUCCESS && i < DV_SIM_CIS_MOST; i++)
		if (thing.gi->cis[i].used && thing.gi->cis[i].profile == index)
			result = give(&thing, &thing.gi->cis[i], &cis[found++]);
	if (result == DV_NVML_SUCCESS)
		*count = found;
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlGpuInstanceGetComputeInstanceById(struct dv_nvml_gi *gi, uint32_t id,
							  struct dv_nvml_ci **ret)
{
	struct dv_sim_thing thing;
	const struct dv_sim_ci *ci;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	ci = dv_sim_ci_find(thing.gi, id);
	return dv_sim_leave(ci ? give(&thing, ci, ret) : DV_NVML_NOT_FOUND);
}

static enum dv_nvml_result info(const char *call, const struct dv_nvml_ci *ci,
				struct dv_nvml_ci_info *ret)
{
	struct dv_sim_ci_set set;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_ci(call, ci, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	dv_sim_ci_profiles(&thing.sim, dv_sim_thing_profile(&thing), &set);
	*ret = (struct dv_nvml_ci_info){.device = dv_sim_gpu_handle(&thing.sim, thing.gpu),
					.gi = dv_sim_gi_handle(&thing.sim, thing.gpu, thing.gi),
					.id = thing.ci->id,
					.profile = set.profiles[thing.ci->profile].id,
					.placement = {thing.ci->start, thing.ci->size}};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlComputeInstanceGetInfo(struct dv_nvml_ci *ci, struct dv_nvml_ci_info *ret)
{
	return info(__func__, ci, ret);
}

enum dv_nvml_result nvmlComputeInstanceGetInfo_v2(struct dv_nvml_ci *ci,
						  struct dv_nvml_ci_info *ret)
{
	return info(__func__, ci, ret);
}

/* --- as devices --- */

enum dv_nvml_result nvmlDeviceIsMigDeviceHandle(DV_NVML_DEVICE, uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = thing.ci != NULL;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

static enum dv_nvml_result id_of(const char *call, const struct dv_nvml_device *device, bool of_ci,
				 uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret || !thing.ci)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = of_ci ? thing.ci->id : thing.gi->id;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceId(DV_NVML_DEVICE, uint32_t *ret)
{
	return id_of(__func__, device, false, ret);
}

enum dv_nvml_result nvmlDeviceGetComputeInstanceId(DV_NVML_DEVICE, uint32_t *ret)
{
	return id_of(__func__, device, true, ret);
}

enum dv_nvml_result nvmlDeviceGetMaxMigDeviceCount(DV_NVML_DEVICE, uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = dv_sim_model_of(&thing.sim, thing.gpu)->most;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

/* Indexes have holes where instances were destroyed. */
enum dv_nvml_result nvmlDeviceGetMigDeviceHandleByIndex(DV_NVML_DEVICE, uint32_t index,
							struct dv_nvml_device **ret)
{
	struct dv_nvml_device *handle = NULL;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret || index >= dv_sim_model_of(&thing.sim, thing.gpu)->most)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	for (unsigned i = 0; i < DV_SIM_GIS_MOST * DV_SIM_CIS_MOST && !handle; i++) {
		const struct dv_sim_gi *gi =
			&thing.sim.state->gpus[thing.gpu].gis[i / DV_SIM_CIS_MOST];
		const struct dv_sim_ci *ci = &gi->cis[i % DV_SIM_CIS_MOST];

		if (gi->used && ci->used && ci->index == index)
			handle = dv_sim_mig_handle(&thing.sim, thing.gpu, gi, ci);
	}
	if (handle)
		*ret = handle;
	return dv_sim_leave(handle ? DV_NVML_SUCCESS : DV_NVML_NOT_FOUND);
}

enum dv_nvml_result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(DV_NVML_DEVICE,
								 struct dv_nvml_device **ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret || !thing.ci)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = dv_sim_gpu_handle(&thing.sim, thing.gpu);
	return dv_sim_leave(*ret ? DV_NVML_SUCCESS : DV_NVML_MEMORY);
}

static enum dv_nvml_result attributes(const char *call, const struct dv_nvml_device *device,
				      struct dv_nvml_attributes *ret)
{
	const struct dv_sim_profile *profile;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!thing.ci)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	profile = dv_sim_thing_profile(&thing);
	*ret = (struct dv_nvml_attributes){
		.multiprocessors = dv_sim_multiprocessors(profile, thing.ci->size),
		.copy_engines = has(profile->engines.copy),
		.decoders = has(profile->engines.decode),
		.encoders = has(profile->engines.encode),
		.jpegs = has(profile->engines.jpeg),
		.optical_flows = has(profile->engines.optical_flow),
		.gi_slices = profile->slices,
		.ci_slices = thing.ci->size,
		.memory_mib = profile->memory_mib};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetAttributes(DV_NVML_DEVICE, struct dv_nvml_attributes *ret)
{
	return attributes(__func__, device, ret);
}

enum dv_nvml_result nvmlDeviceGetAttributes_v2(DV_NVML_DEVICE, struct dv_nvml_attributes *ret)
{
	return attributes(__func__, device, ret);
}
