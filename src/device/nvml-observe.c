/* SPDX-License-Identifier: Apache-2.0 */
/* What there is. Nothing here changes anything. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "device/nvml-inside.h"

/* A driver's list of profiles is asked on and on, past what divvy knows; NUMBERS_MOST ends one that
 * never says that it is at its end. */
enum { NUMBERS_MOST = 64, HANDLES_MOST = 64, USERS_MOST = 256, GIB = 1 << 30 };

/* --- profiles --- */

/* GB = round(ceil(memory / total * 8) / 8 * ceil(total in GiB)): go-nvlib, getMigMemorySizeGB. */
void dv_nvml_derive_name(uint64_t memory_bytes, uint32_t number, struct dv_mig_profile *profile)
{
	enum { ONE_WITH_MEDIA = 7, TWO_WITH_MEDIA = 8 }; /* nvml.h [12504, 12506] */
	uint64_t bytes = (uint64_t)profile->memory_mib << 20, eighths, gb;
	bool media = number == ONE_WITH_MEDIA || number == TWO_WITH_MEDIA;

	if (!memory_bytes)
		memory_bytes = bytes ? bytes : 1;
	eighths = (bytes * 8 + memory_bytes - 1) / memory_bytes;
	gb = (eighths * ((memory_bytes + GIB - 1) / GIB) + 4) / 8;
	(void)snprintf(profile->name, sizeof(profile->name), "%ug.%ugb%s", profile->compute_slices,
		       (unsigned)gb, media ? "+me" : "");
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
static void name_profile(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, uint32_t number,
			 uint64_t memory_bytes, struct dv_mig_profile *profile)
{
	struct dv_nvml_gi_profile_v3 three = {.version = DV_NVML_GI_PROFILE_V3};
	struct dv_nvml_gi_profile_v2 two = {.version = DV_NVML_GI_PROFILE_V2};
	/* The call's type is that of version 2; the version says what is meant. */
	struct dv_nvml_gi_profile_v2 *as_two = (struct dv_nvml_gi_profile_v2 *)(void *)&three;

	if (nvml->call.gi_profile &&
	    nvml->call.gi_profile(gpu, number, as_two) == DV_NVML_SUCCESS) {
		three.name[sizeof(three.name) - 1] = '\0';
		take_name(three.name, profile);
		profile->graphics = three.capabilities & DV_NVML_GI_CAP_GFX;
	} else if (nvml->call.gi_profile &&
		   nvml->call.gi_profile(gpu, number, &two) == DV_NVML_SUCCESS) {
		two.name[sizeof(two.name) - 1] = '\0';
		take_name(two.name, profile);
		profile->graphics = strstr(profile->name, "+gfx");
	}
	if (!profile->name[0])
		dv_nvml_derive_name(memory_bytes, number, profile);
}

static bool take_places(const struct dv_nvml_placement *places, uint32_t count,
			struct dv_mig_profile *profile)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!places[i].size || places[i].size != places[0].size ||
		    places[i].size > DV_MIG_CELLS_MOST ||
		    places[i].start > DV_MIG_CELLS_MOST - places[i].size)
			return false;
		profile->starts |= UINT32_C(1) << places[i].start;
	}
	profile->size = count ? (uint8_t)places[0].size : 0;
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
	profile->most = (uint8_t)DV_MIN(profile->most, count);
	return 0;
}

/* The figures fit into ours, or the driver is not one that we understand. */
static bool take_figures(const struct dv_nvml_gi_profile *info, struct dv_mig_profile *profile)
{
	const uint32_t engines[DV_MIG_ENGINE_COUNT] = {[DV_MIG_COPY] = info->copy_engines,
						       [DV_MIG_DECODE] = info->decoders,
						       [DV_MIG_ENCODE] = info->encoders,
						       [DV_MIG_JPEG] = info->jpegs,
						       [DV_MIG_OPTICAL_FLOW] = info->optical_flows};

	if (info->slices > UINT8_MAX || info->multiprocessors > UINT16_MAX ||
	    info->memory_mib > UINT32_MAX)
		return false;
	profile->id = info->id;
	profile->compute_slices = (uint8_t)info->slices;
	profile->most = (uint8_t)DV_MIN(info->instances, (uint32_t)UINT8_MAX);
	profile->memory_mib = (uint32_t)info->memory_mib;
	profile->multiprocessors = (uint16_t)info->multiprocessors;
	for (unsigned i = 0; i < DV_MIG_ENGINE_COUNT; i++)
		profile->engines[i] = (uint8_t)DV_MIN(engines[i], (uint32_t)UINT8_MAX);
	return true;
}

static int read_profile(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, uint32_t number,
			const struct dv_nvml_gi_profile *info, struct dv_nvml_gpu *to,
			struct dv_error *err)
{
	struct dv_mig_profile profile = {0};
	unsigned end;
	int r;

	if (!take_figures(info, &profile))
		return dv_error_set(err, -EPROTO, "the driver's figures of profile %u are none",
				    info->id);
	name_profile(nvml, gpu, number, to->memory_bytes, &profile);
	r = place_profile(nvml, gpu, &profile, err);
	if (r < 0)
		return r;
	end = profile.starts ? 31 - (unsigned)__builtin_clz(profile.starts) + profile.size : 0;
	to->mig.cells = (uint8_t)DV_MAX(to->mig.cells, end);
	to->mig.compute_slices = DV_MAX(to->mig.compute_slices, profile.compute_slices);
	to->mig.profiles[to->mig.profile_count++] = profile;
	return 0;
}

/* Numbers that this GPU does not have are skipped; so are ids that were there already. */
static int read_profiles(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			 struct dv_nvml_gpu *to, struct dv_error *err)
{
	for (uint32_t number = 0; number < NUMBERS_MOST; number++) {
		struct dv_nvml_gi_profile info = {0};
		enum dv_nvml_result result = nvml->call.gi_profile_v1(gpu, number, &info);
		int r;

		if (result == DV_NVML_INVALID_ARGUMENT && number >= DV_NVML_GI_PROFILES_KNOWN)
			break;
		if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_SUPPORTED ||
		    result == DV_NVML_NO_PERMISSION)
			continue;
		if (result != DV_NVML_SUCCESS)
			return dv_nvml_fail(nvml, result, err, "asking for profile %u", number);
		if (dv_mig_find_id(&to->mig, info.id) ||
		    to->mig.profile_count == DV_MIG_PROFILES_MOST)
			continue;
		r = read_profile(nvml, gpu, number, &info, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- instances --- */

static int read_computes_of(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, uint32_t profile,
			    struct dv_mig *to, struct dv_error *err)
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
		if (result == DV_NVML_SUCCESS && to->compute_count < DV_MIG_COMPUTES_MOST)
			to->computes[to->compute_count++] = (struct dv_mig_compute){
				.instance = to->instances[to->instance_count - 1].id,
				.id = info.id,
				.profile_id = info.profile,
				.start = (uint8_t)info.placement.start,
				.size = (uint8_t)info.placement.size};
	}
	return result == DV_NVML_SUCCESS
		       ? 0
		       : dv_nvml_fail(nvml, result, err, "listing compute instances");
}

/* Where compute instances of so many slices may begin in instances of that profile. */
static void read_parts(const struct dv_nvml *nvml, struct dv_nvml_gi *gi,
		       const struct dv_nvml_ci_profile *part, struct dv_mig_profile *to)
{
	struct dv_nvml_ci_placement places[HANDLES_MOST];
	uint32_t count = 0;

	if (!to || !nvml->call.ci_placements || !part->slices || part->slices >= DV_MIG_PARTS_MOST)
		return;
	if (nvml->call.ci_placements(gi, part->id, NULL, &count) != DV_NVML_SUCCESS ||
	    count > HANDLES_MOST ||
	    nvml->call.ci_placements(gi, part->id, places, &count) != DV_NVML_SUCCESS)
		return;
	for (uint32_t i = 0; i < DV_MIN(count, HANDLES_MOST); i++)
		if (places[i].size == part->slices && places[i].start < DV_MIG_PARTS_MOST)
			to->parts[part->slices] |= (uint8_t)(1u << places[i].start);
}

/* Those of the instance that was added last. */
static int read_computes(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, struct dv_mig *to,
			 struct dv_error *err)
{
	struct dv_mig_profile *whole = NULL;

	for (unsigned i = 0; i < to->profile_count; i++)
		if (to->profiles[i].id == to->instances[to->instance_count - 1].profile_id)
			whole = &to->profiles[i];
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
		read_parts(nvml, gi, &profile, whole);
		r = read_computes_of(nvml, gi, profile.id, to, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_instance(const struct dv_nvml *nvml, struct dv_nvml_gi *gi, struct dv_mig *to,
			 struct dv_error *err)
{
	const struct dv_mig_profile *profile;
	struct dv_mig_instance *instance;
	struct dv_nvml_gi_info info = {0};
	enum dv_nvml_result result = nvml->call.gi_info(gi, &info);

	if (result == DV_NVML_INVALID_ARGUMENT || result == DV_NVML_NOT_FOUND)
		return 0; /* gone meanwhile */
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "looking at a GPU instance");
	if (to->instance_count == DV_MIG_INSTANCES_MOST ||
	    info.placement.size > DV_MIG_CELLS_MOST || info.placement.start >= DV_MIG_CELLS_MOST)
		return dv_error_set(
			err, -EPROTO, "the driver lists an instance at %u:%u, or more than %d",
			info.placement.start, info.placement.size, DV_MIG_INSTANCES_MOST);
	instance = &to->instances[to->instance_count++];
	*instance = (struct dv_mig_instance){.id = info.id,
					     .profile_id = info.profile,
					     .start = (uint8_t)info.placement.start,
					     .size = (uint8_t)info.placement.size};
	profile = dv_mig_find_id(to, info.profile);
	if (profile)
		(void)dv_copy(instance->profile, sizeof(instance->profile), profile->name);
	return read_computes(nvml, gi, to, err);
}

/* 1: this user may not list them. */
static int list_instances(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, struct dv_mig *to,
			  struct dv_error *err)
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

/* A compute instance by its ids. With hidden instances it is made when it is not there yet, and its
 * instance too. */
static struct dv_mig_compute *compute_with(struct dv_nvml_gpu *to, uint32_t gi, uint32_t ci)
{
	struct dv_mig *mig = &to->mig;
	bool there = false;

	for (unsigned i = 0; i < mig->compute_count; i++)
		if (mig->computes[i].instance == gi && mig->computes[i].id == ci)
			return &mig->computes[i];
	for (unsigned i = 0; i < mig->instance_count; i++)
		there |= mig->instances[i].id == gi;
	if (!to->hidden || mig->compute_count == DV_MIG_COMPUTES_MOST ||
	    (!there && mig->instance_count == DV_MIG_INSTANCES_MOST))
		return NULL;
	if (!there)
		mig->instances[mig->instance_count++] = (struct dv_mig_instance){.id = gi};
	mig->computes[mig->compute_count] = (struct dv_mig_compute){.instance = gi, .id = ci};
	return &mig->computes[mig->compute_count++];
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
		char uuid[DV_NVML_UUID_SIZE] = "";
		struct dv_mig_compute *compute;
		uint32_t gi = 0, ci = 0;

		if (nvml->call.mig_by_index(gpu, i, &device) != DV_NVML_SUCCESS ||
		    nvml->call.gi_id(device, &gi) != DV_NVML_SUCCESS ||
		    nvml->call.ci_id(device, &ci) != DV_NVML_SUCCESS)
			continue;
		compute = compute_with(to, gi, ci);
		if (compute && nvml->call.uuid(device, uuid, sizeof(uuid)) == DV_NVML_SUCCESS &&
		    !dv_copy(compute->uuid, sizeof(compute->uuid), uuid))
			compute->uuid[0] = '\0';
	}
}

/* How many processes are in each instance; none where they cannot be listed. */
static void count_holders(const struct dv_nvml *nvml, struct dv_nvml_gpu *to)
{
	struct dv_nvml_user users[USERS_MOST];
	unsigned count = 0;

	if (dv_nvml_users(nvml, to->uuid, users, USERS_MOST, &count, NULL) < 0)
		return;
	for (unsigned i = 0; i < DV_MIN(count, (unsigned)USERS_MOST); i++)
		for (unsigned j = 0; j < to->mig.instance_count; j++)
			if (users[i].instance == (int)to->mig.instances[j].id)
				to->mig.instances[j].holder_count++;
}

static int read_instances(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
			  struct dv_nvml_gpu *to, struct dv_error *err)
{
	int r;

	if (!nvml->call.gi_list || !nvml->call.gi_info || !nvml->call.ci_list ||
	    !nvml->call.ci_profile_v1)
		return 0;
	r = list_instances(nvml, gpu, &to->mig, err);
	if (r < 0)
		return r;
	if (r > 0) {
		to->mig.instance_count = to->mig.compute_count = 0;
		to->hidden = true;
	}
	read_devices(nvml, gpu, to);
	if (to->mig.instance_count)
		count_holders(nvml, to);
	return 0;
}

/* --- GPUs --- */

static enum dv_mig_mode mode_of(uint32_t current, uint32_t pending)
{
	if (current == DV_NVML_MIG_ON)
		return pending == current ? DV_MIG_ON : DV_MIG_TURNING_OFF;
	return pending == current ? DV_MIG_OFF : DV_MIG_TURNING_ON;
}

/* A driver that does not say is old: only Ampere had MIG then, and is reset. */
static bool resets(const struct dv_nvml *nvml, struct dv_nvml_device *gpu)
{
	struct dv_nvml_field field = {.id = DV_NVML_FIELD_MIG_WITHOUT_RESET};

	return !nvml->call.fields || nvml->call.fields(gpu, 1, &field) != DV_NVML_SUCCESS ||
	       field.result != DV_NVML_SUCCESS || !field.uint_value;
}

static int read_mig(const struct dv_nvml *nvml, struct dv_nvml_device *gpu, struct dv_nvml_gpu *to,
		    struct dv_error *err)
{
	uint32_t current = 0, pending = 0;
	enum dv_nvml_result result = DV_NVML_NOT_SUPPORTED;
	int r;

	if (nvml->call.mig_mode)
		result = nvml->call.mig_mode(gpu, &current, &pending);
	if (result == DV_NVML_NOT_SUPPORTED)
		return 0;
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "asking for the MIG mode");
	to->mig.mode = mode_of(current, pending);
	to->mig.resets = resets(nvml, gpu);
	if (!nvml->call.gi_profile_v1)
		return 0;
	r = read_profiles(nvml, gpu, to, err);
	return r < 0 || current != DV_NVML_MIG_ON ? r : read_instances(nvml, gpu, to, err);
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
	to->mig.minor = minor;
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
