/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a process sees, and what they are. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "sim/cuda/attributes.h"
#include "sim/cuda/inside.h"
#include "sim/identity.h"
#include "sim/keep.h"

struct dv_cu_device dv_cu_devices[DV_SIM_GPUS_MOST];
int dv_cu_device_count;

/* --- finding them --- */

static struct dv_cu_device describe(const struct dv_sim *sim, uint32_t gpu)
{
	const struct dv_sim_model *model = dv_sim_model_of(sim, gpu);
	const struct dv_sim_gpu *is = &sim->machine->gpus[gpu];
	struct dv_cu_device device = {
		.place = {.gpu = gpu,
			  .gi = -1,
			  .ci = -1,
			  .generation = sim->state->gpus[gpu].generation},
		.major = model->compute_major,
		.minor = model->compute_minor,
		.multiprocessors = (int)model->multiprocessors,
		.pci_device = (uint32_t)model->device << 16 | model->vendor,
		.pci_subsystem = (uint32_t)model->subdevice << 16 | model->subvendor,
		.capacity = ((uint64_t)model->memory_mib - DV_SIM_RESERVED_MIB) << 20,
		.tenant = -1};

	(void)dv_copy(device.name, sizeof(device.name), is->name);
	(void)dv_copy(device.uuid, sizeof(device.uuid), is->uuid);
	(void)dv_copy(device.address, sizeof(device.address), is->address);
	return device;
}

static struct dv_cu_device describe_mig(const struct dv_sim *sim, uint32_t gpu,
					const struct dv_sim_gi *gi, const struct dv_sim_ci *ci)
{
	const struct dv_sim_profile *profile = &dv_sim_model_of(sim, gpu)->profiles[gi->profile];
	struct dv_cu_device device = describe(sim, gpu);
	char name[48];

	device.place.gi = (int)gi->id;
	device.place.ci = (int)ci->id;
	device.place.ci_serial = ci->serial;
	device.capacity = (uint64_t)profile->memory_mib << 20;
	device.multiprocessors = (int)dv_sim_multiprocessors(profile, ci->size);
	dv_sim_mig_name(profile, ci, name, sizeof(name));
	(void)snprintf(device.name, sizeof(device.name), "%.80s MIG %s",
		       sim->machine->gpus[gpu].name, name);
	dv_sim_mig_uuid(sim, gpu, gi, ci, device.mig_uuid, sizeof(device.mig_uuid));
	return device;
}

struct seen {
	struct dv_cu_device all[DV_SIM_GPUS_MOST * DV_SIM_GIS_MOST];
	int count;
};

/* GPUs without MIG, and MIG devices in the order of their indexes. */
static void list(const struct dv_sim *sim, struct seen *ret)
{
	for (uint32_t gpu = 0; gpu < sim->machine->gpu_count; gpu++) {
		const struct dv_sim_gpu_state *state = &sim->state->gpus[gpu];

		if (!state->mig) {
			ret->all[ret->count++] = describe(sim, gpu);
			continue;
		}
		for (uint32_t n = 0; n < DV_SIM_GIS_MOST * DV_SIM_CIS_MOST; n++) {
			const struct dv_sim_gi *gi = &state->gis[n / DV_SIM_CIS_MOST];
			const struct dv_sim_ci *ci = &gi->cis[n % DV_SIM_CIS_MOST];

			if (gi->used && ci->used &&
			    ret->count < (int)DV_ARRAY_LEN(ret->all) - DV_SIM_GPUS_MOST)
				ret->all[ret->count++] = describe_mig(sim, gpu, gi, ci);
		}
	}
}

/* One word of CUDA_VISIBLE_DEVICES: an index, or the begin of an identity that only one has.
 * Indexes count GPUs, never MIG devices. */
static int find(const struct seen *seen, const char *word, size_t len)
{
	char *end = NULL;
	long wanted = strtol(word, &end, 10), gpus = 0;
	int found = -1;

	if (len == 0)
		return -1;
	for (int i = 0; end == word + len && i < seen->count; i++)
		if (seen->all[i].place.ci < 0 && gpus++ == wanted)
			return i;
	for (int i = 0; end != word + len && i < seen->count; i++) {
		const struct dv_cu_device *device = &seen->all[i];
		const char *uuid = device->place.ci < 0 ? device->uuid : device->mig_uuid;

		if (strncasecmp(uuid, word, len) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = i;
	}
	return found;
}

/* What is invalid, or there twice, ends the list (CUDA programming guide, environment variables).
 */
static void choose(const struct seen *seen, const char *text, struct seen *ret)
{
	int chosen[DV_SIM_GPUS_MOST] = {0};

	while (ret->count < DV_SIM_GPUS_MOST) {
		size_t len = strcspn(text, ",");
		int at = find(seen, text, len);

		for (int i = 0; at >= 0 && i < ret->count; i++)
			if (chosen[i] == at) {
				ret->count = 0;
				return;
			}
		if (at < 0)
			return;
		chosen[ret->count] = at;
		ret->all[ret->count++] = seen->all[at];
		if (!text[len])
			return;
		text += len + 1;
	}
}

/* One MIG device, and with it no GPU: a process cannot use more (MIG user guide, CUDA device
 * enumeration). */
static void limit(struct seen *seen)
{
	for (int i = 0; i < seen->count; i++)
		if (seen->all[i].place.ci >= 0) {
			seen->all[0] = seen->all[i];
			seen->count = 1;
			return;
		}
	seen->count = DV_MIN(seen->count, DV_SIM_GPUS_MOST);
}

static enum dv_cu_result look(const struct dv_sim *sim)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	dv_autofree struct seen *seen = calloc(2, sizeof(*seen));

	if (!seen)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	list(sim, &seen[0]);
	if (visible)
		choose(&seen[0], visible, &seen[1]);
	else
		seen[1] = seen[0];
	limit(&seen[1]);
	if (!seen[1].count)
		return DV_CUDA_ERROR_NO_DEVICE;
	memcpy(dv_cu_devices, seen[1].all, sizeof(dv_cu_devices));
	dv_cu_device_count = seen[1].count;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_start(void)
{
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	dv_autofree struct dv_sim_state *state = calloc(2, sizeof(*state));
	struct dv_sim sim = {machine, state};
	enum dv_cu_result result;
	struct dv_sim_keep keep;
	char dir[DV_SIM_PATH_SIZE];
	int r;

	if (!machine || !state)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (!dv_cu_find_machine(dir, sizeof(dir)))
		return DV_CUDA_ERROR_NO_DEVICE;
	r = dv_sim_keep_read_machine(dir, machine, NULL);
	if (r < 0)
		return r == -EPROTO ? DV_CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
				    : DV_CUDA_ERROR_NO_DEVICE;
	if (!dv_cu_share)
		dv_cu_share = dv_share_open(dir, true);
	if (!dv_cu_share || dv_sim_keep_begin(dir, &keep, state, NULL) < 0)
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	state[1] = state[0];
	result = look(&sim);
	dv_share_publish(dir, state);
	if (dv_sim_keep_end(&keep, machine, &state[1], state, NULL) < 0)
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	return result;
}

static uint32_t version;

static void read_version(void)
{
	dv_autofree struct dv_sim_machine *machine = calloc(1, sizeof(*machine));
	char dir[DV_SIM_PATH_SIZE];

	version = 13000; /* of a library without a machine */
	if (machine && dv_cu_find_machine(dir, sizeof(dir)) &&
	    dv_sim_keep_read_machine(dir, machine, NULL) == 0)
		version = machine->cuda;
}

uint32_t dv_cu_version(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, read_version);
	return version;
}

/* --- what they are --- */

struct dv_cu_device *dv_cu_device_at(int ordinal)
{
	return ordinal >= 0 && ordinal < dv_cu_device_count ? &dv_cu_devices[ordinal] : NULL;
}

int dv_cu_ordinal(const struct dv_cu_device *device)
{
	return (int)(device - dv_cu_devices);
}

enum dv_cu_result cuDeviceGet(int *ret, int ordinal)
{
	DV_CALL_OF_DEVICE(device, ordinal);
	DV_NEED(ret);
	*ret = dv_cu_ordinal(device);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetCount(int *count)
{
	DV_CALL();
	DV_NEED(count);
	*count = dv_cu_device_count;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetName(char *name, int len, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(name && len > 0);
	(void)snprintf(name, (size_t)len, "%s", device->name);
	return DV_CUDA_SUCCESS;
}

static void pack_uuid(const char *text, struct dv_cu_uuid *ret)
{
	unsigned n = 0, value;

	memset(ret, 0, sizeof(*ret));
	text = strchr(text, '-');
	while (text && *text && n < sizeof(ret->bytes)) {
		if (*text == '-') {
			text++;
		} else if (sscanf(text, "%2x", &value) == 1) {
			ret->bytes[n++] = (char)value;
			text += 2;
		} else {
			return;
		}
	}
}

/* The old call knows no MIG devices: it answers with their GPU's. */
enum dv_cu_result cuDeviceGetUuid(struct dv_cu_uuid *uuid, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(uuid);
	pack_uuid(device->uuid, uuid);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetUuid_v2(struct dv_cu_uuid *uuid, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(uuid);
	pack_uuid(device->place.ci < 0 ? device->uuid : device->mig_uuid, uuid);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceTotalMem_v2(size_t *bytes, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(bytes);
	*bytes = device->capacity;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetAttribute(int *pi, uint32_t attrib, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(pi && dv_cu_attribute(device, attrib, pi));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceComputeCapability(int *major, int *minor, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(major && minor);
	*major = device->major;
	*minor = device->minor;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetProperties(struct dv_cu_device_properties *prop, int dev)
{
	static const uint32_t attributes[] = {
		DV_CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK,
		DV_CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X,
		DV_CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y,
		DV_CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z,
		DV_CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X,
		DV_CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y,
		DV_CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z,
		DV_CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK,
		DV_CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY,
		DV_CU_DEVICE_ATTRIBUTE_WARP_SIZE,
		DV_CU_DEVICE_ATTRIBUTE_MAX_PITCH,
		DV_CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK,
		DV_CU_DEVICE_ATTRIBUTE_CLOCK_RATE,
		DV_CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT,
	};
	int values[DV_ARRAY_LEN(attributes)] = {0};

	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(prop);
	for (size_t i = 0; i < DV_ARRAY_LEN(attributes); i++)
		(void)dv_cu_attribute(device, attributes[i], &values[i]);
	memcpy(prop, values, sizeof(*prop));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetPCIBusId(char *pci_bus_id, int len, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(pci_bus_id && len > 0);
	(void)snprintf(pci_bus_id, (size_t)len, "%s", device->address);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetByPCIBusId(int *dev, const char *pci_bus_id)
{
	unsigned domain = 0, bus = 0, slot = 0, function = 0;
	char address[24];

	DV_CALL();
	DV_NEED(dev && pci_bus_id);
	if (sscanf(pci_bus_id, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3) {
		domain = 0;
		DV_NEED(sscanf(pci_bus_id, "%x:%x.%x", &bus, &slot, &function) >= 2);
	}
	(void)snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", domain & 0xffff, bus & 0xff,
		       slot & 0xff, function & 7);
	for (int i = 0; i < dv_cu_device_count; i++)
		if (strcmp(dv_cu_devices[i].address, address) == 0) {
			*dev = i;
			return DV_CUDA_SUCCESS;
		}
	return DV_CUDA_ERROR_INVALID_DEVICE;
}

static bool are_peers(const struct dv_cu_device *a, const struct dv_cu_device *b)
{
	return a != b && a->place.ci < 0 && b->place.ci < 0;
}

enum dv_cu_result cuDeviceCanAccessPeer(int *can_access_peer, int dev, int peer_dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	const struct dv_cu_device *peer = dv_cu_device_at(peer_dev);

	if (!peer)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(can_access_peer);
	*can_access_peer = are_peers(device, peer);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDeviceGetP2PAttribute(int *value, uint32_t attrib, int src_device,
					  int dst_device)
{
	DV_CALL_OF_DEVICE(device, src_device);
	const struct dv_cu_device *peer = dv_cu_device_at(dst_device);

	if (!peer || peer == device)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	DV_NEED(value && attrib >= DV_CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK &&
		attrib <= DV_CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED);
	*value = (attrib == DV_CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED ||
		  attrib == DV_CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED) &&
		 are_peers(device, peer);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDriverGetVersion(int *driver_version)
{
	DV_NEED(driver_version);
	*driver_version = (int)dv_cu_version();
	return DV_CUDA_SUCCESS;
}
