/* SPDX-License-Identifier: Apache-2.0 */
/* The MIG mode, profiles of GPU instances, and the instances. */
#include <stdio.h>
#include <string.h>

#include "sim/nvml/session.h"

static bool mig_is_on(const struct dv_sim_thing *thing)
{
	return thing->sim.state->gpus[thing->gpu].mig;
}

static const struct dv_sim_model *model_of(const struct dv_sim_thing *thing)
{
	return dv_sim_model_of(&thing->sim, thing->gpu);
}

enum dv_nvml_result nvmlDeviceSetMigMode(DV_NVML_DEVICE, uint32_t mode,
					 enum dv_nvml_result *ret_activation)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret_activation || mode > DV_NVML_MIG_ON)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	result = dv_sim_may_change(&thing.sim);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_set_mode(&thing.sim, thing.gpu, mode == DV_NVML_MIG_ON,
					 ret_activation);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlDeviceGetMigMode(DV_NVML_DEVICE, uint32_t *ret_current,
					 uint32_t *ret_pending)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret_current || !ret_pending)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!model_of(&thing)->has_mig)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret_current = mig_is_on(&thing);
	*ret_pending = thing.sim.state->gpus[thing.gpu].pending;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

/* --- profiles --- */

static uint32_t has(uint32_t engines)
{
	return engines == DV_CAT_UNKNOWN ? 0 : engines;
}

static struct dv_nvml_gi_profile_v2 describe(const struct dv_sim_thing *thing,
					     const struct dv_sim_profile *profile)
{
	struct dv_nvml_gi_profile_v2 info = {
		.version = DV_NVML_GI_PROFILE_V2,
		.id = profile->id,
		.peer_to_peer = model_of(thing)->peer_to_peer,
		.slices = profile->slices,
		.instances = profile->most,
		.multiprocessors = profile->multiprocessors,
		.copy_engines = has(profile->engines.copy),
		.decoders = has(profile->engines.decode),
		.encoders = has(profile->engines.encode),
		.jpegs = has(profile->engines.jpeg),
		.optical_flows = has(profile->engines.optical_flow),
		.memory_mib = profile->memory_mib,
	};

	/* As on A30: the counts are those of a grid of twice the width. */
	if (thing->sim.machine->counts_wrong)
		info.instances *= 2;
	(void)snprintf(info.name, sizeof(info.name), "MIG %s", profile->name);
	return info;
}

/* Into the caller's struct, which says by its version how it is laid out. */
static enum dv_nvml_result fill(const struct dv_nvml_gi_profile_v2 *info, bool graphics,
				struct dv_nvml_gi_profile_v2 *ret)
{
	struct dv_nvml_gi_profile_v3 newer = {.version = DV_NVML_GI_PROFILE_V3,
					      .id = info->id,
					      .slices = info->slices,
					      .instances = info->instances,
					      .multiprocessors = info->multiprocessors,
					      .copy_engines = info->copy_engines,
					      .decoders = info->decoders,
					      .encoders = info->encoders,
					      .jpegs = info->jpegs,
					      .optical_flows = info->optical_flows,
					      .memory_mib = info->memory_mib};

	if (ret->version == DV_NVML_GI_PROFILE_V2) {
		*ret = *info;
		return DV_NVML_SUCCESS;
	}
	if (ret->version != DV_NVML_GI_PROFILE_V3)
		return DV_NVML_ARGUMENT_VERSION_MISMATCH;
	memcpy(newer.name, info->name, sizeof(newer.name));
	newer.capabilities = (info->peer_to_peer ? DV_NVML_GI_CAP_P2P : 0u) |
			     (graphics ? DV_NVML_GI_CAP_GFX : 0u);
	memcpy(ret, &newer, sizeof(newer));
	return DV_NVML_SUCCESS;
}

/* Profiles may be listed: the GPU has MIG, and has it on unless the driver does not mind. */
static enum dv_nvml_result may_list(const struct dv_sim_thing *thing)
{
	if (!model_of(thing)->has_mig)
		return DV_NVML_NOT_SUPPORTED;
	return mig_is_on(thing) || thing->sim.machine->profiles_without_mig ? DV_NVML_SUCCESS
									    : DV_NVML_NOT_SUPPORTED;
}

/* The profile with that number of the driver's list: NOT_SUPPORTED for a number of another GPU,
 * INVALID_ARGUMENT past the last. */
static enum dv_nvml_result by_number(const struct dv_sim_thing *thing, uint32_t number,
				     const struct dv_sim_profile **ret)
{
	enum dv_nvml_result result = may_list(thing);

	if (number >= dv_sim_profile_numbers(&thing->sim, thing->gpu))
		return DV_NVML_INVALID_ARGUMENT;
	if (result != DV_NVML_SUCCESS)
		return result;
	*ret = dv_sim_profile_by_number(&thing->sim, thing->gpu, number);
	return *ret ? DV_NVML_SUCCESS : DV_NVML_NOT_SUPPORTED;
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceProfileInfo(DV_NVML_DEVICE, uint32_t profile,
							struct dv_nvml_gi_profile *ret)
{
	const struct dv_sim_profile *found;
	struct dv_nvml_gi_profile_v2 info;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_number(&thing, profile, &found) : DV_NVML_INVALID_ARGUMENT;
	if (result != DV_NVML_SUCCESS)
		return dv_sim_leave(result);
	info = describe(&thing, found);
	*ret = (struct dv_nvml_gi_profile){.id = info.id,
					   .peer_to_peer = info.peer_to_peer,
					   .slices = info.slices,
					   .instances = info.instances,
					   .multiprocessors = info.multiprocessors,
					   .copy_engines = info.copy_engines,
					   .decoders = info.decoders,
					   .encoders = info.encoders,
					   .jpegs = info.jpegs,
					   .optical_flows = info.optical_flows,
					   .memory_mib = info.memory_mib};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceProfileInfoV(DV_NVML_DEVICE, uint32_t profile,
							 struct dv_nvml_gi_profile_v2 *ret)
{
	const struct dv_sim_profile *found;
	struct dv_nvml_gi_profile_v2 info;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? by_number(&thing, profile, &found) : DV_NVML_INVALID_ARGUMENT;
	if (result != DV_NVML_SUCCESS)
		return dv_sim_leave(result);
	info = describe(&thing, found);
	return dv_sim_leave(fill(&info, found->graphics, ret));
}

/* The profile with that id. */
static enum dv_nvml_result by_id(const struct dv_sim_thing *thing, uint32_t id,
				 const struct dv_sim_profile **ret)
{
	if (!model_of(thing)->has_mig)
		return DV_NVML_NOT_SUPPORTED;
	*ret = dv_sim_profile_by_id(&thing->sim, thing->gpu, id);
	return *ret ? DV_NVML_SUCCESS : DV_NVML_INVALID_ARGUMENT;
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceProfileInfoByIdV(DV_NVML_DEVICE, uint32_t id,
							     struct dv_nvml_gi_profile_v2 *ret)
{
	const struct dv_sim_profile *found;
	struct dv_nvml_gi_profile_v2 info;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = ret ? may_list(&thing) : DV_NVML_INVALID_ARGUMENT;
	if (result == DV_NVML_SUCCESS)
		result = by_id(&thing, id, &found);
	if (result != DV_NVML_SUCCESS)
		return dv_sim_leave(result);
	info = describe(&thing, found);
	return dv_sim_leave(fill(&info, found->graphics, ret));
}

/* Listed whether MIG is on or not. */
static enum dv_nvml_result placements(const char *call, const struct dv_nvml_device *device,
				      uint32_t id, struct dv_nvml_placement *ret, uint32_t *count)
{
	const struct dv_sim_profile *profile;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = count ? by_id(&thing, id, &profile) : DV_NVML_INVALID_ARGUMENT;
	if (result != DV_NVML_SUCCESS)
		return dv_sim_leave(result);
	for (uint32_t i = 0; ret && i < profile->start_count; i++)
		ret[i] = (struct dv_nvml_placement){profile->starts[i], profile->size};
	*count = profile->start_count;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetGpuInstancePossiblePlacements(DV_NVML_DEVICE, uint32_t id,
							       struct dv_nvml_placement *ret,
							       uint32_t *count)
{
	return placements(__func__, device, id, ret, count);
}

enum dv_nvml_result nvmlDeviceGetGpuInstancePossiblePlacements_v2(DV_NVML_DEVICE, uint32_t id,
								  struct dv_nvml_placement *ret,
								  uint32_t *count)
{
	return placements(__func__, device, id, ret, count);
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceRemainingCapacity(DV_NVML_DEVICE, uint32_t id,
							      uint32_t *ret)
{
	const struct dv_sim_profile *profile;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!mig_is_on(&thing))
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	result = by_id(&thing, id, &profile);
	if (result == DV_NVML_SUCCESS)
		*ret = dv_sim_gi_room(&thing.sim, thing.gpu, profile);
	return dv_sim_leave(result);
}

/* --- instances --- */

static enum dv_nvml_result give(const struct dv_sim_thing *thing, const struct dv_sim_gi *gi,
				struct dv_nvml_gi **ret)
{
	struct dv_nvml_gi *handle = dv_sim_gi_handle(&thing->sim, thing->gpu, gi);

	if (!handle)
		return DV_NVML_MEMORY;
	*ret = handle;
	return DV_NVML_SUCCESS;
}

static enum dv_nvml_result create(const char *call, const struct dv_nvml_device *device,
				  uint32_t id, const struct dv_nvml_placement *placement,
				  struct dv_nvml_gi **ret)
{
	struct dv_sim_thing thing;
	const struct dv_sim_profile *profile;
	uint32_t gi = 0;
	enum dv_nvml_result result = dv_sim_enter_gpu(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	profile = dv_sim_profile_by_id(&thing.sim, thing.gpu, id);
	if (!ret || (placement && profile && placement->size != profile->size))
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	result = dv_sim_may_change(&thing.sim);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_gi_create(&thing.sim, thing.gpu, id,
					  placement ? (int)placement->start : -1, &gi);
	if (result == DV_NVML_SUCCESS)
		result = give(&thing, dv_sim_gi_find(&thing.sim, thing.gpu, gi), ret);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlDeviceCreateGpuInstance(DV_NVML_DEVICE, uint32_t id,
						struct dv_nvml_gi **ret)
{
	return create(__func__, device, id, NULL, ret);
}

enum dv_nvml_result
nvmlDeviceCreateGpuInstanceWithPlacement(DV_NVML_DEVICE, uint32_t id,
					 const struct dv_nvml_placement *placement,
					 struct dv_nvml_gi **ret)
{
	return placement ? create(__func__, device, id, placement, ret) : DV_NVML_INVALID_ARGUMENT;
}

enum dv_nvml_result nvmlGpuInstanceDestroy(struct dv_nvml_gi *gi)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	result = dv_sim_may_change(&thing.sim);
	if (result == DV_NVML_SUCCESS)
		result = dv_sim_gi_destroy(&thing.sim, thing.gpu, thing.gi->id);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlDeviceGetGpuInstances(DV_NVML_DEVICE, uint32_t id, struct dv_nvml_gi **gis,
					      uint32_t *count)
{
	const struct dv_sim_profile *profile;
	struct dv_sim_thing thing;
	uint32_t found = 0;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!gis || !count)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!mig_is_on(&thing))
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	result = by_id(&thing, id, &profile);
	for (unsigned i = 0; result == DV_NVML_SUCCESS && i < DV_SIM_GIS_MOST; i++) {
		const struct dv_sim_gi *gi = &thing.sim.state->gpus[thing.gpu].gis[i];

		if (gi->used && &model_of(&thing)->profiles[gi->profile] == profile)
			result = give(&thing, gi, &gis[found++]);
	}
	if (result == DV_NVML_SUCCESS)
		*count = found;
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlDeviceGetGpuInstanceById(DV_NVML_DEVICE, uint32_t id,
						 struct dv_nvml_gi **ret)
{
	struct dv_sim_thing thing;
	const struct dv_sim_gi *gi;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!mig_is_on(&thing))
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	gi = dv_sim_gi_find(&thing.sim, thing.gpu, id);
	return dv_sim_leave(gi ? give(&thing, gi, ret) : DV_NVML_NOT_FOUND);
}

enum dv_nvml_result nvmlGpuInstanceGetInfo(struct dv_nvml_gi *gi, struct dv_nvml_gi_info *ret)
{
	const struct dv_sim_profile *profile;
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gi(__func__, gi, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	profile = dv_sim_thing_profile(&thing);
	*ret = (struct dv_nvml_gi_info){.device = dv_sim_gpu_handle(&thing.sim, thing.gpu),
					.id = thing.gi->id,
					.profile = profile->id,
					.placement = {thing.gi->start, profile->size}};
	return dv_sim_leave(DV_NVML_SUCCESS);
}
