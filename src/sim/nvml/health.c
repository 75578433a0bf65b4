/* SPDX-License-Identifier: Apache-2.0 */
/* How a device is: memory from its processes, modes, and a calm GPU's temperatures and clocks. What
 * a real GPU in MIG mode does not answer, this one does not answer either. */
#include "sim/nvml/session.h"

enum {
	CALM_CELSIUS = 34,
	SLOWDOWN_CELSIUS = 87,
	SHUTDOWN_CELSIUS = 92,
	IDLE_MILLIWATTS = 71000,
	LIMIT_MILLIWATTS = 700000,
	BUSY_PERCENT = 63,
	GRAPHICS_MHZ = 1410,
	MEMORY_MHZ = 1593,
	WATCH_US = 167000,
};

/* --- memory --- */

static uint64_t used_bytes(const struct dv_sim_thing *thing)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &thing->sim.state->holders[i];

		if (!holder->name[0] || !(holder->gpus & UINT32_C(1) << thing->gpu))
			continue;
		if (!thing->gi || holder->gi == (int)thing->gi->id)
			bytes += holder->memory_bytes;
	}
	return bytes;
}

static struct dv_nvml_memory_v2 memory_of(const struct dv_sim_thing *thing)
{
	const struct dv_sim_model *model = dv_sim_model_of(&thing->sim, thing->gpu);
	uint64_t mib = thing->gi ? dv_sim_thing_profile(thing)->memory_mib : model->memory_mib;
	struct dv_nvml_memory_v2 memory = {
		.version = DV_NVML_MEMORY_V2,
		.total = mib << 20,
		.reserved = thing->gi ? 0 : (uint64_t)DV_SIM_RESERVED_MIB << 20,
		.used = used_bytes(thing)};

	memory.free = memory.total - DV_MIN(memory.total, memory.reserved + memory.used);
	return memory;
}

enum dv_nvml_result nvmlDeviceGetMemoryInfo(DV_NVML_DEVICE, struct dv_nvml_memory *ret)
{
	struct dv_sim_thing thing;
	struct dv_nvml_memory_v2 memory;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	memory = memory_of(&thing);
	*ret = (struct dv_nvml_memory){memory.total, memory.free, memory.total - memory.free};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetMemoryInfo_v2(DV_NVML_DEVICE, struct dv_nvml_memory_v2 *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (ret->version != DV_NVML_MEMORY_V2)
		return dv_sim_leave(DV_NVML_ARGUMENT_VERSION_MISMATCH);
	*ret = memory_of(&thing);
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetBAR1MemoryInfo(DV_NVML_DEVICE, struct dv_nvml_bar1 *ret)
{
	struct dv_sim_thing thing;
	uint64_t bytes = 256u << 20, want;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	/* A window as large as the memory, in powers of two. */
	want = (uint64_t)dv_sim_model_of(&thing.sim, thing.gpu)->memory_mib << 20;
	while (bytes < want)
		bytes *= 2;
	*ret = (struct dv_nvml_bar1){bytes, bytes - (2u << 20), 2u << 20};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

/* --- use --- */

static bool computes(const struct dv_sim_thing *thing)
{
	for (unsigned i = 0; i < DV_SIM_HOLDERS_MOST; i++) {
		const struct dv_sim_holder *holder = &thing->sim.state->holders[i];

		if (holder->name[0] && holder->use != DV_SIM_OPEN &&
		    holder->gpus & UINT32_C(1) << thing->gpu)
			return true;
	}
	return false;
}

enum dv_nvml_result nvmlDeviceGetUtilizationRates(DV_NVML_DEVICE, struct dv_nvml_utilization *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (thing.sim.state->gpus[thing.gpu].mig)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret = (struct dv_nvml_utilization){computes(&thing) ? BUSY_PERCENT : 0,
					    computes(&thing) ? BUSY_PERCENT / 3 : 0};
	return dv_sim_leave(DV_NVML_SUCCESS);
}

static enum dv_nvml_result media(const char *call, const struct dv_nvml_device *device,
				 uint32_t *ret, uint32_t *ret_us)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret || !ret_us)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (thing.sim.state->gpus[thing.gpu].mig)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret = 0;
	*ret_us = WATCH_US;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlDeviceGetEncoderUtilization(DV_NVML_DEVICE, uint32_t *ret, uint32_t *ret_us)
{
	return media(__func__, device, ret, ret_us);
}

enum dv_nvml_result nvmlDeviceGetDecoderUtilization(DV_NVML_DEVICE, uint32_t *ret, uint32_t *ret_us)
{
	return media(__func__, device, ret, ret_us);
}

/* --- numbers that do not depend on the state --- */

enum { NEVER = -1 };

/* `value`, or NOT_SUPPORTED for NEVER and for MIG devices. */
static enum dv_nvml_result constant(const char *call, const struct dv_nvml_device *device,
				    int value, uint32_t *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_device(call, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	if (value == NEVER || thing.ci)
		return dv_sim_leave(DV_NVML_NOT_SUPPORTED);
	*ret = (uint32_t)value;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

#define CONSTANT(symbol, value)                                                                    \
	enum dv_nvml_result symbol(DV_NVML_DEVICE, uint32_t *ret)                                  \
	{                                                                                          \
		return constant(__func__, device, value, ret);                                     \
	}

CONSTANT(nvmlDeviceGetPersistenceMode, 1)
CONSTANT(nvmlDeviceGetComputeMode, 0)
CONSTANT(nvmlDeviceGetDisplayMode, 0)
CONSTANT(nvmlDeviceGetDisplayActive, 0)
CONSTANT(nvmlDeviceGetFanSpeed, NEVER) /* the machine's fans, not the GPU's */
CONSTANT(nvmlDeviceGetPowerUsage, IDLE_MILLIWATTS)
CONSTANT(nvmlDeviceGetEnforcedPowerLimit, LIMIT_MILLIWATTS)
CONSTANT(nvmlDeviceGetPowerManagementLimit, LIMIT_MILLIWATTS)
CONSTANT(nvmlDeviceGetPerformanceState, 0)
CONSTANT(nvmlDeviceGetCurrPcieLinkGeneration, 5)
CONSTANT(nvmlDeviceGetCurrPcieLinkWidth, 16)
CONSTANT(nvmlDeviceGetMaxPcieLinkGeneration, 5)
CONSTANT(nvmlDeviceGetMaxPcieLinkWidth, 16)

enum dv_nvml_result nvmlDeviceGetPcieThroughput(DV_NVML_DEVICE, uint32_t counter, uint32_t *ret)
{
	return constant(__func__, device, counter < 2 ? 0 : NEVER, ret);
}

enum dv_nvml_result nvmlDeviceGetTemperature(DV_NVML_DEVICE, uint32_t sensor, uint32_t *ret)
{
	return constant(__func__, device, sensor == 0 ? CALM_CELSIUS : NEVER, ret);
}

enum dv_nvml_result nvmlDeviceGetTemperatureThreshold(DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)
{
	static const int thresholds[] = {SHUTDOWN_CELSIUS, SLOWDOWN_CELSIUS};

	return constant(__func__, device,
			kind < DV_ARRAY_LEN(thresholds) ? thresholds[kind] : NEVER, ret);
}

static int clock_of(uint32_t kind)
{
	static const int clocks[] = {GRAPHICS_MHZ, GRAPHICS_MHZ, MEMORY_MHZ, GRAPHICS_MHZ};

	return kind < DV_ARRAY_LEN(clocks) ? clocks[kind] : NEVER;
}

enum dv_nvml_result nvmlDeviceGetClockInfo(DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)
{
	return constant(__func__, device, clock_of(kind), ret);
}

enum dv_nvml_result nvmlDeviceGetMaxClockInfo(DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)
{
	return constant(__func__, device, clock_of(kind), ret);
}

enum dv_nvml_result nvmlDeviceGetEccMode(DV_NVML_DEVICE, uint32_t *ret_current,
					 uint32_t *ret_pending)
{
	enum dv_nvml_result result = constant(__func__, device, 1, ret_current);

	if (result == DV_NVML_SUCCESS && ret_pending)
		*ret_pending = 1;
	return ret_pending ? result : DV_NVML_INVALID_ARGUMENT;
}

/* --- fields --- */

static void field(const struct dv_sim_thing *thing, struct dv_nvml_field *to)
{
	const struct dv_sim_model *model = dv_sim_model_of(&thing->sim, thing->gpu);

	to->result = DV_NVML_SUCCESS;
	to->type = DV_NVML_VALUE_UINT;
	to->time_us = to->latency_us = 0;
	if (to->id == DV_NVML_FIELD_MIG_WITHOUT_RESET)
		to->uint_value = model->has_mig && !model->reset_to_toggle;
	else if (to->id == DV_NVML_FIELD_PROFILES_WITHOUT_MIG)
		to->uint_value = thing->sim.machine->profiles_without_mig;
	else
		to->result = DV_NVML_NOT_SUPPORTED;
}

enum dv_nvml_result nvmlDeviceGetFieldValues(DV_NVML_DEVICE, int count,
					     struct dv_nvml_field *fields)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!fields || count <= 0)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	for (int i = 0; i < count; i++)
		field(&thing, &fields[i]);
	return dv_sim_leave(DV_NVML_SUCCESS);
}
