/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a device. */
#include "sim/nvml/session.h"

static bool is_listed(const struct dv_sim_thing *thing, enum dv_sim_use use,
		      const struct dv_sim_holder *holder)
{
	if (!holder->name[0] || holder->use != use || !(holder->gpus & UINT32_C(1) << thing->gpu))
		return false;
	return !thing->ci || (holder->gi == (int)thing->gi->id && holder->ci == (int)thing->ci->id);
}

/* Fills `old` or `new`, whichever there is. */
static enum dv_nvml_result list(const char *call, const struct dv_nvml_device *device,
				enum dv_sim_use use, uint32_t *count,
				struct dv_nvml_process_v1 *old, struct dv_nvml_process *new)
{
	struct dv_sim_thing thing;
	uint32_t room, found = 0;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!count || (*count && !old && !new))
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	room = *count;
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &thing.sim.state->holders[i];

		if (!is_listed(&thing, use, holder))
			continue;
		if (found < room && old)
			old[found] = (struct dv_nvml_process_v1){holder->pid, holder->memory_bytes};
		if (found < room && new)
			new[found] = (struct dv_nvml_process){
				holder->pid, holder->memory_bytes,
				holder->gi < 0 ? DV_NVML_NO_INSTANCE : (uint32_t)holder->gi,
				holder->ci < 0 ? DV_NVML_NO_INSTANCE : (uint32_t)holder->ci};
		found++;
	}
	*count = found;
	return dv_sim_leave(found > room ? DV_NVML_INSUFFICIENT_SIZE : DV_NVML_SUCCESS);
}

#define LIST(symbol, use)                                                                          \
	enum dv_nvml_result symbol(DV_NVML_DEVICE, uint32_t *count,                                \
				   struct dv_nvml_process *processes)                              \
	{                                                                                          \
		return list(__func__, device, use, count, NULL, processes);                        \
	}
#define LIST_OLD(symbol, use)                                                                      \
	enum dv_nvml_result symbol(DV_NVML_DEVICE, uint32_t *count,                                \
				   struct dv_nvml_process_v1 *processes)                           \
	{                                                                                          \
		return list(__func__, device, use, count, processes, NULL);                        \
	}

LIST_OLD(nvmlDeviceGetComputeRunningProcesses, DV_SIM_COMPUTE)
LIST(nvmlDeviceGetComputeRunningProcesses_v2, DV_SIM_COMPUTE)
LIST(nvmlDeviceGetComputeRunningProcesses_v3, DV_SIM_COMPUTE)
LIST_OLD(nvmlDeviceGetGraphicsRunningProcesses, DV_SIM_GRAPHICS)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v2, DV_SIM_GRAPHICS)
LIST(nvmlDeviceGetGraphicsRunningProcesses_v3, DV_SIM_GRAPHICS)
LIST_OLD(nvmlDeviceGetMPSComputeRunningProcesses, DV_SIM_MPS)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v2, DV_SIM_MPS)
LIST(nvmlDeviceGetMPSComputeRunningProcesses_v3, DV_SIM_MPS)

/* Nobody sampled anything. */
enum dv_nvml_result nvmlDeviceGetProcessUtilization(DV_NVML_DEVICE,
						    struct dv_nvml_process_utilization *samples,
						    uint32_t *count, unsigned long long since)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!count)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (thing.sim.state->gpus[thing.gpu].mig)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*count = 0;
	return dv_sim_leave(DV_NVML_NOT_FOUND);
}
