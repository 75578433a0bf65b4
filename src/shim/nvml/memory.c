/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: the slice's, as cuMemGetInfo shows it. What maps it into the host (BAR1) is the card's.
 */
#include "shim/core/client.h"
#include "shim/nvml/slice.h"

/* The slice's size, or what the device has if that is less. */
static uint64_t total_of(const struct dv_grant *grant, uint64_t total)
{
	if (grant->memory_limit_bytes)
		total = DV_MIN(total, grant->memory_limit_bytes);
	if (grant->device_memory_bytes)
		total = DV_MIN(total, grant->device_memory_bytes);
	return total;
}

static struct dv_nvml_memory slice_of(uint64_t total, uint64_t available)
{
	struct dv_nvml_memory memory;
	struct dv_grant grant;

	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	memory.total = total_of(&grant, total);
	memory.used = DV_MIN(grant.memory_used_bytes, memory.total);
	memory.free = DV_MIN(available, memory.total - memory.used);
	return memory;
}

DV_NVML_CALL nvmlDeviceGetMemoryInfo(DV_NVML_DEVICE, struct dv_nvml_memory *ret)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetMemoryInfo(device, ret);
	if (r != DV_NVML_SUCCESS)
		return r;
	r = dv_nvml_lease();
	*ret = r == DV_NVML_SUCCESS ? slice_of(ret->total, ret->free) : (struct dv_nvml_memory){0};
	return r;
}

/* What the driver keeps for itself is none of the slice's. */
DV_NVML_CALL nvmlDeviceGetMemoryInfo_v2(DV_NVML_DEVICE, struct dv_nvml_memory_v2 *ret)
{
	struct dv_nvml_memory memory = {0};
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetMemoryInfo_v2(device, ret);
	if (r != DV_NVML_SUCCESS)
		return r;
	r = dv_nvml_lease();
	if (r == DV_NVML_SUCCESS)
		memory = slice_of(ret->total, ret->free);
	ret->total = memory.total;
	ret->free = memory.free;
	ret->used = memory.used;
	ret->reserved = 0;
	return r;
}
