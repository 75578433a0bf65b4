/* SPDX-License-Identifier: Apache-2.0 */
/* What a device is. */
#include <stdio.h>
#include <string.h>

#include "sim/nvml/session.h"

static const struct dv_sim_gpu *gpu_of(const struct dv_sim_thing *thing)
{
	return &thing->sim.machine->gpus[thing->gpu];
}

enum dv_nvml_result nvmlDeviceGetName(DV_NVML_DEVICE, char *buf, uint32_t size)
{
	struct dv_sim_thing thing;
	char name[160], mig[48];
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	(void)snprintf(name, sizeof(name), "%s", gpu_of(&thing)->name);
	if (thing.ci) {
		dv_sim_mig_name(dv_sim_thing_profile(&thing), thing.ci, mig, sizeof(mig));
		(void)snprintf(name, sizeof(name), "%.80s MIG %s", gpu_of(&thing)->name, mig);
	}
	return dv_sim_leave(dv_sim_text(buf, size, name));
}

enum dv_nvml_result nvmlDeviceGetUUID(DV_NVML_DEVICE, char *buf, uint32_t size)
{
	struct dv_sim_thing thing;
	char uuid[DV_NVML_UUID_SIZE];
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	(void)snprintf(uuid, sizeof(uuid), "%s", gpu_of(&thing)->uuid);
	if (thing.ci)
		dv_sim_mig_uuid(&thing.sim, thing.gpu, thing.gi, thing.ci, uuid, sizeof(uuid));
	return dv_sim_leave(dv_sim_text(buf, size, uuid));
}

enum dv_nvml_result nvmlDeviceGetSerial(DV_NVML_DEVICE, char *buf, uint32_t size)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	return dv_sim_leave(dv_sim_text(buf, size, gpu_of(&thing)->serial));
}

enum dv_nvml_result nvmlDeviceGetVbiosVersion(DV_NVML_DEVICE, char *buf, uint32_t size)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	return dv_sim_leave(dv_sim_text(buf, size, "99.00.00.00.00"));
}

/* A number of a device, where MIG devices have none of their own. */
static enum dv_nvml_result answer(const char *call, const struct dv_nvml_device *device,
				  uint32_t (*number)(const struct dv_sim_thing *thing),
				  uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (thing.ci)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret = number(&thing);
	return dv_sim_leave(DV_NVML_SUCCESS);
}

static uint32_t index_of(const struct dv_sim_thing *thing)
{
	return thing->gpu;
}

enum dv_nvml_result nvmlDeviceGetIndex(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, index_of, ret);
}

static uint32_t minor_of(const struct dv_sim_thing *thing)
{
	return thing->sim.state->gpus[thing->gpu].minor;
}

enum dv_nvml_result nvmlDeviceGetMinorNumber(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, minor_of, ret);
}

static uint32_t brand_of(const struct dv_sim_thing *thing)
{
	return 14; /* NVML_BRAND_NVIDIA */
}

enum dv_nvml_result nvmlDeviceGetBrand(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, brand_of, ret);
}

static uint32_t architecture_of(const struct dv_sim_thing *thing)
{
	uint32_t architecture = dv_sim_model_of(&thing->sim, thing->gpu)->architecture;

	return architecture ? architecture : UINT32_MAX; /* NVML_DEVICE_ARCH_UNKNOWN */
}

enum dv_nvml_result nvmlDeviceGetArchitecture(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, architecture_of, ret);
}

/* 64 of each SM on GA100, 128 on the others. */
static uint32_t cores_of(const struct dv_sim_thing *thing)
{
	const struct dv_sim_model *model = dv_sim_model_of(&thing->sim, thing->gpu);
	bool ga100 = model->compute_major == 8 && model->compute_minor == 0;

	return model->multiprocessors * (ga100 ? 64 : 128);
}

enum dv_nvml_result nvmlDeviceGetNumGpuCores(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, cores_of, ret);
}

enum dv_nvml_result nvmlDeviceGetNumaNodeId(DV_NVML_DEVICE, uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	/* Only where the GPU's memory is a node of the machine's. */
	return dv_sim_leave(ret ? DV_NVML_NOT_SUPPORTED : DV_NVML_INVALID_ARGUMENT);
}

static uint32_t virtualization_of(const struct dv_sim_thing *thing)
{
	return gpu_of(thing)->in_vm ? 1 : 0; /* NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH */
}

enum dv_nvml_result nvmlDeviceGetVirtualizationMode(DV_NVML_DEVICE, uint32_t *ret)
{
	return answer(__func__, device, virtualization_of, ret);
}

enum dv_nvml_result nvmlDeviceGetCudaComputeCapability(DV_NVML_DEVICE, int *ret_major,
						       int *ret_minor)
{
	struct dv_sim_thing thing;
	const struct dv_sim_model *model;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret_major || !ret_minor)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	model = dv_sim_model_of(&thing.sim, thing.gpu);
	*ret_major = model->compute_major;
	*ret_minor = model->compute_minor;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

static enum dv_nvml_result pci(const char *call, const struct dv_nvml_device *device,
			       struct dv_nvml_pci *ret)
{
	struct dv_sim_thing thing;
	struct dv_nvml_pci found = {0};
	const struct dv_sim_model *model;
	unsigned function;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	model = dv_sim_model_of(&thing.sim, thing.gpu);
	(void)sscanf(gpu_of(&thing)->address, "%x:%x:%x.%x", &found.domain, &found.bus,
		     &found.device, &function);
	found.device_id = (uint32_t)model->device << 16 | model->vendor;
	found.subsystem_id = (uint32_t)model->subdevice << 16 | model->subvendor;
	(void)snprintf(found.address_short, sizeof(found.address_short), "%04X:%02X:%02X.0",
		       found.domain & 0xffff, found.bus & 0xff, found.device & 0xff);
	(void)snprintf(found.address, sizeof(found.address), "%08X:%02X:%02X.0", found.domain,
		       found.bus & 0xff, found.device & 0xff);
	*ret = found;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetPciInfo(DV_NVML_DEVICE, struct dv_nvml_pci *ret)
{
	return pci(__func__, device, ret);
}

enum dv_nvml_result nvmlDeviceGetPciInfo_v2(DV_NVML_DEVICE, struct dv_nvml_pci *ret)
{
	return pci(__func__, device, ret);
}

enum dv_nvml_result nvmlDeviceGetPciInfo_v3(DV_NVML_DEVICE, struct dv_nvml_pci *ret)
{
	return pci(__func__, device, ret);
}

/* --- links --- */

enum dv_nvml_result nvmlDeviceGetNvLinkState(DV_NVML_DEVICE, uint32_t link, uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!thing.sim.machine->links)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	if (link >= thing.sim.machine->links)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = 1;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetGpuFabricInfo(DV_NVML_DEVICE, struct dv_nvml_fabric *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (!thing.sim.machine->fabric)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret = (struct dv_nvml_fabric){.state = DV_NVML_FABRIC_COMPLETED};
	memcpy(ret->cluster, thing.sim.machine->name,
	       strnlen(thing.sim.machine->name, sizeof(ret->cluster)));
	return dv_sim_leave(DV_NVML_SUCCESS);
}
