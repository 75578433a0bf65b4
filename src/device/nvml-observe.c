/* SPDX-License-Identifier: Apache-2.0 */
/* What there is. Nothing here changes anything. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/nvml-inside.h"

/* A driver's list of profiles is asked on and on, past what divvy knows; NUMBERS_MOST ends one that
 * never says that it is at its end. */
enum { NUMBERS_MOST = 64, HANDLES_MOST = 64, GIB = 1 << 30 };

/* --- profiles --- */

/* GB = round(ceil(memory / total * 8) / 8 * ceil(total in GiB)): go-nvlib, getMigMemorySizeGB. */
void dv_nvml_derive_name(uint64_t memory_bytes, struct dv_mig_profile *profile)
{
	enum { ONE_WITH_MEDIA = 7, TWO_WITH_MEDIA = 8 }; /* nvml.h [12504, 12506] */
	uint64_t bytes = (uint64_t)profile->memory_mib << 20, eighths, gb;
	bool media = profile->number == ONE_WITH_MEDIA || profile->number == TWO_WITH_MEDIA;

	if (!memory_bytes)
		memory_bytes = bytes ? bytes : 1;
	eighths = (bytes * 8 + memory_bytes - 1) / memory_bytes;
	gb = (eighths * ((memory_bytes + GIB - 1) / GIB) + 4) / 8;
	(void)snprintf(profile->name, sizeof(profile->name), "%ug.%ugb%s", profile->compute_slices,
		       (unsigned)gb, media ? "+me" : "");
	profile->name_derived = true;
}

static void take_name(const char *name, struct dv_mig_profile *profile)
{
	if (strncmp(name, "MIG ", 4) == 0)
		name += 4;
	/* It goes into plans and on terminals. */
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~')
			return;
	if (*name && strlen(name) < sizeof(profile->name))
		(void)dv_copy(profile->name, sizeof(profile->name), name);
}

/* Name and capabilities, from the newest description that the driver has. */
static void name_profile(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			 uint64_t memory_bytes, struct dv_mig_profile *profile)
{
	struct dv_nvml_gi_profile_v3 three = {.version = DV_NVML_GI_PROFILE_V3};
	struct dv_nvml_gi_profile_v2 two = {.version = DV_NVML_GI_PROFILE_V2};
	/* The call's type is that of version 2; the version says what is meant. */
	struct dv_nvml_gi_profile_v2 *as_two = (struct dv_nvml_gi_profile_v2 *)(void *)&three;

	if (nvml->call.gi_profile &&
	    nvml->call.gi_profile(gpu, profile->number, as_two) == DV_NVML_SUCCESS) {
		three.name[sizeof(three.name) - 1] = '\0';
		take_name(three.name, profile);
		profile->graphics = three.capabilities & DV_NVML_GI_CAP_GFX;
	} else if (nvml->call.gi_profile &&
		   nvml->call.gi_profile(gpu, profile->number, &two) == DV_NVML_SUCCESS) {
		two.name[sizeof(two.name) - 1] = '\0';
		take_name(two.name, profile);
		profile->graphics = strstr(profile->name, "+gfx");
	}
	if (!profile->name[0])
		dv_nvml_derive_name(memory_bytes, profile);
}

static bool take_places(const struct dv_nvml_placement *places, uint32_t count,
			struct dv_mig_profile *profile)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!places[i].size || places[i].size != places[0].size ||
		    places[i].size > DV_MIG_GRID_MOST ||
		    places[i].start > DV_MIG_GRID_MOST - places[i].size)
			return false;
		profile->starts |= UINT32_C(1) << places[i].start;
	}
	profile->size = count ? places[0].size : 0;
	return true;
}

/* Where it may stand; a user without rights is not told. */
static int place_profile(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			 struct dv_mig_profile *profile, struct dv_error *err)
{
	struct dv_nvml_placement places[HANDLES_MOST];
	uint32_t count = 0;
	enum dv_nvml_result result = dv_nvml_ask_placements(nvml, gpu, profile->id, NULL, &count);

	if (result == DV_NVML_NO_PERMISSION || result == DV_NVML_NOT_SUPPORTED)
		return 0;
	if (result == DV_NVML_SUCCESS && count > HANDLES_MOST)
		return dv_error_set(err, -EPROTO, "the driver lists %u places of %s", count,
				    profile->name);
	if (result == DV_NVML_SUCCESS)
		result = dv_nvml_ask_placements(nvml, gpu, profile->id, places, &count);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "asking for the places of %s",
				    profile->name);
	if (!take_places(places, DV_MIN(count, HANDLES_MOST), profile))
		return dv_error_set(err, -EPROTO, "the driver's places of %s are no places",
				    profile->name);
	/* On A30 the driver's count is wrong; there cannot be more than there are places. */
	profile->most = DV_MIN(profile->most, count);
	return 0;
}

static int read_profile(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			const struct dv_nvml_gi_profile *info, struct dv_nvml_gpu *to,
			struct dv_error *err)
{
	struct dv_mig_profile *profile = &to->profiles[to->profile_count];
	uint32_t number = profile->number;
	int r;

	*profile = (struct dv_mig_profile){.id = info->id,
					   .number = number,
					   .compute_slices = info->slices,
					   .most = info->instances,
					   .memory_mib = (uint32_t)info->memory_mib,
					   .multiprocessors = info->multiprocessors,
					   .copy_engines = info->copy_engines,
					   .decoders = info->decoders,
					   .encoders = info->encoders,
					   .jpegs = info->jpegs,
					   .optical_flows = info->optical_flows};
	name_profile(nvml, gpu, to->memory_bytes, profile);
	r = place_profile(nvml, gpu, profile, err);
	if (r == 0)
		to->profile_count++;
	return r;
}

/* Numbers that this GPU does not have are skipped; so are ids that were there already. */
static int read_profiles(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			 struct dv_nvml_gpu *to, struct dv_error *err)
{
	for (uint32_t number = 0; number < NUMBERS_MOST; number++) {
		struct dv_nvml_gi_profile info = {0};
		enum dv_nvml_result result = nvml->call.gi_profile_v1(gpu, number, &info);
		bool again = false;
		int r;

		if (result == DV_NVML_INVALID_ARGUMENT && number >= DV_NVML_GI_PROFILES_KNOWN)
			break;
		if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_SUPPORTED ||
		    result == DV_NVML_NO_PERMISSION)
			continue;
		if (result != DV_NVML_SUCCESS)
			return dv_nvml_fail(nvml, result, err, "asking for profile %u", number);
		for (unsigned i = 0; i < to->profile_count; i++)
			again |= to->profiles[i].id == info.id;
		if (again || to->profile_count == DV_MIG_PROFILES_MOST)
			continue;
		to->profiles[to->profile_count].number = number;
		r = read_profile(nvml, gpu, &info, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- instances --- */

static int read_parts_of(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, uint32_t profile,
			 struct dv_mig_instance *to, struct dv_error *err)
{
	struct dv_nvml_ci *cis[HANDLES_MOST];
	uint32_t count = HANDLES_MOST;
	enum dv_nvml_result result = nvml->call.ci_list(gi, profile, cis, &count);

	if (result == DV_NVML_NOT_SUPPORTED)
		return 0;
	for (uint32_t i = 0; result == DV_NVML_SUCCESS && i < DV_MIN(count, HANDLES_MOST); i++) {
		struct dv_nvml_ci_info info = {0};

		result = dv_nvml_ask_ci_info(nvml, cis[i], &info);
		if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_FOUND) {
			result = DV_NVML_SUCCESS; /* gone meanwhile */
			continue;
		}
		if (result == DV_NVML_SUCCESS && to->part_count < DV_MIG_PARTS_MOST)
			to->parts[to->part_count++] =
				(struct dv_mig_part){.id = info.id,
						     .profile = info.profile,
						     .start = info.placement.start,
						     .size = info.placement.size};
	}
	return result == DV_NVML_SUCCESS
		       ? 0
		       : dv_nvml_fail(nvml, result, err, "listing compute instances");
}

static int read_parts(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, struct dv_mig_instance *to,
		      struct dv_error *err)
{
	for (uint32_t number = 0; number < NUMBERS_MOST; number++) {
		struct dv_nvml_ci_profile profile = {0};
		enum dv_nvml_result result =
			nvml->call.ci_profile_v1(gi, number, DV_NVML_CI_ENGINES_SHARED, &profile);
		int r;

		if (result == DV_NVML_INVALID_ARGUMENT && number >= DV_NVML_CI_PROFILES_KNOWN)
			break;
		if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_SUPPORTED)
			continue;
		if (result != DV_NVML_SUCCESS)
			return dv_nvml_fail(nvml, result, err, "asking for compute profile %u",
					    number);
		r = read_parts_of(nvml, gi, profile.id, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_instance(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, struct dv_nvml_gpu *to,
			 struct dv_error *err)
{
	struct dv_mig_instance *instance = &to->instances[to->instance_count];
	struct dv_nvml_gi_info info = {0};
	enum dv_nvml_result result = nvml->call.gi_info(gi, &info);
	int r;

	if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_FOUND)
		return 0; /* gone meanwhile */
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "looking at a GPU instance");
	if (to->instance_count == DV_MIG_INSTANCES_MOST)
		return dv_error_set(err, -EPROTO, "the driver lists more than %d instances",
				    DV_MIG_INSTANCES_MOST);
	*instance = (struct dv_mig_instance){.id = info.id,
					     .profile = info.profile,
					     .start = info.placement.start,
					     .size = info.placement.size};
	r = read_parts(nvml, gi, instance, err);
	if (r == 0)
		to->instance_count++;
	return r;
}

/* 1: this user may not list them. */
static int list_instances(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			  struct dv_nvml_gpu *to, struct dv_error *err)
{
	for (unsigned i = 0; i < to->profile_count; i++) {
		struct dv_nvml_gi *gis[HANDLES_MOST];
		uint32_t count = HANDLES_MOST;
		enum dv_nvml_result result =
			nvml->call.gi_list(gpu, to->profiles[i].id, gis, &count);

		if (result == DV_NVML_NO_PERMISSION)
			return 1;
		if (result == DV_NVML_NOT_SUPPORTED || result == DV_NVML_INVALID_ARGUMENT)
			continue;
		if (result != DV_NVML_SUCCESS)
			return dv_nvml_fail(nvml, result, err, "listing instances of %s",
					    to->profiles[i].name);
		for (uint32_t j = 0; j < DV_MIN(count, HANDLES_MOST); j++) {
			int r = read_instance(nvml, gis[j], to, err);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* The instance with that id; made when instances are hidden and it is not there yet. */
static struct dv_mig_instance *instance_with(struct dv_nvml_gpu *to, uint32_t id)
{
	for (unsigned i = 0; i < to->instance_count; i++)
		if (to->instances[i].id == id)
			return &to->instances[i];
	if (!to->instances_hidden || to->instance_count == DV_MIG_INSTANCES_MOST)
		return NULL;
	to->instances[to->instance_count] = (struct dv_mig_instance){.id = id};
	return &to->instances[to->instance_count++];
}

static struct dv_mig_part *part_with(const struct dv_nvml_gpu *to, struct dv_mig_instance *instance,
				     uint32_t id)
{
	for (unsigned i = 0; i < instance->part_count; i++)
		if (instance->parts[i].id == id)
			return &instance->parts[i];
	if (!to->instances_hidden || instance->part_count == DV_MIG_PARTS_MOST)
		return NULL;
	instance->parts[instance->part_count] = (struct dv_mig_part){.id = id};
	return &instance->parts[instance->part_count++];
}

/* Identities of compute instances as devices; with hidden instances, the instances too. Indexes
 * have holes. */
static void read_devices(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			 struct dv_nvml_gpu *to)
{
	uint32_t most = 0;

	if (!nvml->call.mig_most || !nvml->call.mig_by_index || !nvml->call.gi_id ||
	    !nvml->call.ci_id || nvml->call.mig_most(gpu, &most) != DV_NVML_SUCCESS)
		return;
	for (uint32_t i = 0; i < DV_MIN(most, HANDLES_MOST); i++) {
		struct dv_nvml_device *device = NULL;
		struct dv_mig_instance *instance;
		struct dv_mig_part *part;
		uint32_t gi = 0, ci = 0;

		if (nvml->call.mig_by_index(gpu, i, &device) != DV_NVML_SUCCESS ||
		    nvml->call.gi_id(device, &gi) != DV_NVML_SUCCESS ||
		    nvml->call.ci_id(device, &ci) != DV_NVML_SUCCESS)
			continue;
		instance = instance_with(to, gi);
		part = instance ? part_with(to, instance, ci) : NULL;
		if (part &&
		    nvml->call.uuid(device, part->uuid, sizeof(part->uuid)) != DV_NVML_SUCCESS)
			part->uuid[0] = '\0';
	}
}

static int read_instances(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			  struct dv_nvml_gpu *to, struct dv_error *err)
{
	int r;

	if (!nvml->call.gi_list || !nvml->call.gi_info || !nvml->call.ci_list ||
	    !nvml->call.ci_profile_v1)
		return 0;
	r = list_instances(nvml, gpu, to, err);
	if (r < 0)
		return r;
	if (r > 0) {
		to->instance_count = 0;
		to->instances_hidden = true;
	}
	read_devices(nvml, gpu, to);
	return 0;
}

/* --- GPUs --- */

static int read_mig(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, struct dv_nvml_gpu *to,
		    struct dv_error *err)
{
	struct dv_nvml_field field = {.id = DV_NVML_FIELD_MIG_WITHOUT_RESET};
	uint32_t current = 0, pending = 0;
	enum dv_nvml_result result = DV_NVML_NOT_SUPPORTED;
	int r;

	to->toggles_without_reset = -1;
	if (nvml->call.mig_mode)
		result = nvml->call.mig_mode(gpu, &current, &pending);
	if (result == DV_NVML_NOT_SUPPORTED)
		return 0;
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "asking for the MIG mode");
	to->mig = current == DV_NVML_MIG_ON ? DV_MIG_ON : DV_MIG_OFF;
	to->pending = pending != current;
	if (nvml->call.fields && nvml->call.fields(gpu, 1, &field) == DV_NVML_SUCCESS &&
	    field.result == DV_NVML_SUCCESS)
		to->toggles_without_reset = field.uint_value != 0;
	if (!nvml->call.gi_profile_v1)
		return 0;
	r = read_profiles(nvml, gpu, to, err);
	return r < 0 || to->mig != DV_MIG_ON ? r : read_instances(nvml, gpu, to, err);
}

static enum dv_nvml_result read_memory(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
				       uint64_t *ret)
{
	struct dv_nvml_memory memory = {0};
	enum dv_nvml_result result = nvml->call.memory_v1(gpu, &memory);

	*ret = memory.total;
	/* A GPU whose memory is the machine's has none of its own to tell. */
	return result == DV_NVML_NOT_SUPPORTED ? DV_NVML_SUCCESS : result;
}

static void take_pci(const struct dv_nvml_pci *pci, struct dv_nvml_gpu *to)
{
	(void)snprintf(to->address, sizeof(to->address), "%04x:%02x:%02x.0", pci->domain,
		       pci->bus & 0xff, pci->device & 0x1f);
	to->vendor = (uint16_t)pci->device_id;
	to->device = (uint16_t)(pci->device_id >> 16);
	to->subvendor = (uint16_t)pci->subsystem_id;
	to->subdevice = (uint16_t)(pci->subsystem_id >> 16);
}

static int read_gpu(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, struct dv_nvml_gpu *to,
		    struct dv_error *err)
{
	char uuid[DV_NVML_UUID_SIZE] = "";
	struct dv_nvml_pci pci = {0};
	uint32_t minor = 0, display = 0;
	enum dv_nvml_result result = nvml->call.uuid(gpu, uuid, sizeof(uuid));

	if (result == DV_NVML_SUCCESS)
		result = nvml->call.name(gpu, to->name, sizeof(to->name));
	if (result == DV_NVML_SUCCESS)
		result = nvml->call.minor(gpu, &minor);
	if (result == DV_NVML_SUCCESS)
		result = nvml->call.pci(gpu, &pci);
	if (result == DV_NVML_SUCCESS)
		result = read_memory(nvml, gpu, &to->memory_bytes);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "looking at GPU %u", to->index);
	if (!dv_copy(to->uuid, sizeof(to->uuid), uuid) || !uuid[0])
		return dv_error_set(err, -EPROTO, "GPU %u has no identity", to->index);
	to->name[sizeof(to->name) - 1] = '\0';
	to->minor = minor;
	take_pci(&pci, to);
	if (nvml->call.compute_capability &&
	    nvml->call.compute_capability(gpu, &to->compute_major, &to->compute_minor) !=
		    DV_NVML_SUCCESS)
		to->compute_major = to->compute_minor = 0;
	if (nvml->call.display_active &&
	    nvml->call.display_active(gpu, &display) == DV_NVML_SUCCESS)
		to->shows_a_display = display != 0;
	return read_mig(nvml, gpu, to, err);
}

int dv_nvml_observe_one(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_gpu *ret,
			struct dv_error *err)
{
	dv_autofree struct dv_nvml_gpu *gpu = calloc(1, sizeof(*gpu));
	struct dv_nvml_device *handle;
	uint32_t index = 0;
	int r;

	if (!gpu)
		return dv_error_set(err, -ENOMEM, "no memory to look at a GPU");
	r = dv_nvml_find(nvml, uuid, &handle, err);
	if (r < 0)
		return r;
	if (nvml->call.index && nvml->call.index(handle, &index) == DV_NVML_SUCCESS)
		gpu->index = index;
	r = read_gpu(nvml, handle, gpu, err);
	if (r == 0)
		*ret = *gpu;
	return r;
}

int dv_nvml_observe(const struct dv_nvml *nvml, struct dv_nvml_gpus *ret, struct dv_error *err)
{
	dv_autofree struct dv_nvml_gpu *gpu = malloc(sizeof(*gpu));
	struct dv_nvml_gpus gpus = {0};
	uint32_t count = 0;
	enum dv_nvml_result result = nvml->call.count(&count);
	int r = 0;

	if (!gpu)
		return dv_error_set(err, -ENOMEM, "no memory to look at GPUs");
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "counting GPUs");
	for (uint32_t i = 0; r == 0 && i < count; i++) {
		struct dv_nvml_device *handle = NULL;

		result = nvml->call.by_index(i, &handle);
		if (result == DV_NVML_GPU_IS_LOST || result == DV_NVML_NO_PERMISSION)
			continue;
		*gpu = (struct dv_nvml_gpu){.index = i};
		r = result == DV_NVML_SUCCESS
			    ? read_gpu(nvml, handle, gpu, err)
			    : dv_nvml_fail(nvml, result, err, "finding GPU %u", i);
		if (r == 0 && dv_vec_push(&gpus, *gpu) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory to look at GPUs");
	}
	if (r < 0)
		dv_vec_fini(&gpus);
	else
		*ret = gpus;
	return r;
}
