/* SPDX-License-Identifier: Apache-2.0 */
/* The library, the machine, and finding devices. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "sim/nvml/session.h"

enum dv_nvml_result nvmlInit_v2(void)
{
	return dv_sim_session_begin(__func__);
}

enum dv_nvml_result nvmlInit(void)
{
	return dv_sim_session_begin(__func__);
}

enum dv_nvml_result nvmlInitWithFlags(uint32_t flags)
{
	return dv_sim_session_begin(__func__);
}

enum dv_nvml_result nvmlShutdown(void)
{
	return dv_sim_session_end();
}

const char *nvmlErrorString(enum dv_nvml_result result)
{
	/* What nvidia-smi prints of each. */
	static const struct {
		enum dv_nvml_result result;
		const char *text;
	} all[] = {
		{DV_NVML_SUCCESS, "Success"},
		{DV_NVML_UNINITIALIZED, "Uninitialized"},
		{DV_NVML_INVALID_ARGUMENT, "Invalid Argument"},
		{DV_NVML_NOT_SUPPORTED, "Not Supported"},
		{DV_NVML_NO_PERMISSION, "Insufficient Permissions"},
		{DV_NVML_NOT_FOUND, "Not Found"},
		{DV_NVML_INSUFFICIENT_SIZE, "Insufficient Size"},
		{DV_NVML_DRIVER_NOT_LOADED, "Driver Not Loaded"},
		{DV_NVML_TIMEOUT, "Timeout"},
		{DV_NVML_FUNCTION_NOT_FOUND, "Function Not Found"},
		{DV_NVML_GPU_IS_LOST, "GPU is lost"},
		{DV_NVML_RESET_REQUIRED, "GPU requires reset"},
		{DV_NVML_LIB_RM_VERSION_MISMATCH, "Driver/library version mismatch"},
		{DV_NVML_IN_USE, "In use by another client"},
		{DV_NVML_INSUFFICIENT_RESOURCES, "Insufficient Resources"},
		{DV_NVML_ARGUMENT_VERSION_MISMATCH, "Argument version mismatch"},
	};

	for (size_t i = 0; i < DV_ARRAY_LEN(all); i++)
		if (all[i].result == result)
			return all[i].text;
	return "Unknown Error";
}

enum dv_nvml_result nvmlSystemGetDriverVersion(char *buf, uint32_t size)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	return dv_sim_leave(dv_sim_text(buf, size, sim.machine->driver));
}

/* The API's version before the driver's. */
enum dv_nvml_result nvmlSystemGetNVMLVersion(char *buf, uint32_t size)
{
	struct dv_sim sim;
	char text[64];
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	(void)snprintf(text, sizeof(text), "%u.%s", sim.machine->cuda / 1000, sim.machine->driver);
	return dv_sim_leave(dv_sim_text(buf, size, text));
}

static enum dv_nvml_result cuda_version(const char *call, int *ret)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(call, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = (int)sim.machine->cuda;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlSystemGetCudaDriverVersion(int *ret)
{
	return cuda_version(__func__, ret);
}

enum dv_nvml_result nvmlSystemGetCudaDriverVersion_v2(int *ret)
{
	return cuda_version(__func__, ret);
}

enum dv_nvml_result nvmlSystemGetProcessName(uint32_t pid, char *buf, uint32_t size)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &sim.state->holders[i];

		if (holder->name[0] && holder->pid == pid)
			return dv_sim_leave(dv_sim_text(buf, size, holder->name));
	}
	return dv_sim_leave(DV_NVML_NOT_FOUND);
}

static enum dv_nvml_result count(const char *call, uint32_t *ret)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(call, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = sim.machine->gpu_count;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetCount(uint32_t *ret)
{
	return count(__func__, ret);
}

enum dv_nvml_result nvmlDeviceGetCount_v2(uint32_t *ret)
{
	return count(__func__, ret);
}

static enum dv_nvml_result give(struct dv_nvml_device *handle, struct dv_nvml_device **ret)
{
	if (handle)
		*ret = handle;
	return dv_sim_leave(handle ? DV_NVML_SUCCESS : DV_NVML_MEMORY);
}

static enum dv_nvml_result by_index(const char *call, uint32_t index, struct dv_nvml_device **ret)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(call, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret || index >= sim.machine->gpu_count)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	return give(dv_sim_gpu_handle(&sim, index), ret);
}

enum dv_nvml_result nvmlDeviceGetHandleByIndex(uint32_t index, struct dv_nvml_device **ret)
{
	return by_index(__func__, index, ret);
}

enum dv_nvml_result nvmlDeviceGetHandleByIndex_v2(uint32_t index, struct dv_nvml_device **ret)
{
	return by_index(__func__, index, ret);
}

/* The MIG device of that identity. */
static struct dv_nvml_device *mig_by_uuid(const struct dv_sim *sim, const char *uuid)
{
	char text[DV_NVML_UUID_SIZE];

	for (uint32_t gpu = 0; gpu < sim->machine->gpu_count; gpu++)
		for (unsigned i = 0; i < DV_SIM_GIS_MOST * DV_SIM_CIS_MOST; i++) {
			struct dv_sim_gi *gi = &sim->state->gpus[gpu].gis[i / DV_SIM_CIS_MOST];
			struct dv_sim_ci *ci = &gi->cis[i % DV_SIM_CIS_MOST];
			struct dv_sim_thing thing = {*sim, gpu, gi, ci};

			if (!gi->used || !ci->used)
				continue;
			dv_sim_mig_uuid(&thing.sim, thing.gpu, thing.gi, thing.ci, text,
					sizeof(text));
			if (strcmp(text, uuid) == 0)
				return dv_sim_mig_handle(sim, gpu, gi, ci);
		}
	return NULL;
}

enum dv_nvml_result nvmlDeviceGetHandleByUUID(const char *uuid, struct dv_nvml_device **ret)
{
	struct dv_nvml_device *handle;
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!uuid || !ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	for (uint32_t i = 0; i < sim.machine->gpu_count; i++)
		if (strcmp(sim.machine->gpus[i].uuid, uuid) == 0)
			return give(dv_sim_gpu_handle(&sim, i), ret);
	handle = mig_by_uuid(&sim, uuid);
	return handle ? give(handle, ret) : dv_sim_leave(DV_NVML_NOT_FOUND);
}

enum dv_nvml_result nvmlDeviceGetHandleBySerial(const char *serial, struct dv_nvml_device **ret)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	for (uint32_t i = 0; serial && ret && i < sim.machine->gpu_count; i++)
		if (strcmp(sim.machine->gpus[i].serial, serial) == 0)
			return give(dv_sim_gpu_handle(&sim, i), ret);
	return dv_sim_leave(serial && ret ? DV_NVML_NOT_FOUND : DV_NVML_INVALID_ARGUMENT);
}

/* "1b:00.0", "0000:1b:00.0" and "00000000:1B:00.0" are the same. */
static bool parse_address(const char *text, unsigned ret[4])
{
	char end;

	if (sscanf(text, "%x:%x:%x.%x%c", &ret[0], &ret[1], &ret[2], &ret[3], &end) == 4)
		return true;
	ret[0] = 0;
	return sscanf(text, "%x:%x.%x%c", &ret[1], &ret[2], &ret[3], &end) == 3;
}

static enum dv_nvml_result by_address(const char *call, const char *address,
				      struct dv_nvml_device **ret)
{
	unsigned wanted[4], is[4];
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(call, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!address || !ret || !parse_address(address, wanted))
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	for (uint32_t i = 0; i < sim.machine->gpu_count; i++)
		if (parse_address(sim.machine->gpus[i].address, is) &&
		    memcmp(is, wanted, sizeof(is)) == 0)
			return give(dv_sim_gpu_handle(&sim, i), ret);
	return dv_sim_leave(DV_NVML_NOT_FOUND);
}

enum dv_nvml_result nvmlDeviceGetHandleByPciBusId(const char *address, struct dv_nvml_device **ret)
{
	return by_address(__func__, address, ret);
}

enum dv_nvml_result nvmlDeviceGetHandleByPciBusId_v2(const char *address,
						     struct dv_nvml_device **ret)
{
	return by_address(__func__, address, ret);
}
