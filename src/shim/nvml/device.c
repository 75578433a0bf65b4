/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices there are: the lease's GPU, and no other. The driver is asked first, so that its
 * errors come as they would. */
#include <string.h>

#include "shim/nvml/slice.h"

/* Without a lease nothing is to be seen, as without the right to. */
DV_NVML_CALL nvmlInit_v2(void)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml_lease();
	return r == DV_NVML_SUCCESS ? dv_nvml.nvmlInit_v2() : r;
}

DV_NVML_CALL nvmlInit(void)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml_lease();
	return r == DV_NVML_SUCCESS ? dv_nvml.nvmlInit() : r;
}

DV_NVML_CALL nvmlInitWithFlags(uint32_t flags)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml_lease();
	return r == DV_NVML_SUCCESS ? dv_nvml.nvmlInitWithFlags(flags) : r;
}

/* --- how many --- */

static enum dv_nvml_result count(dv_nvmlDeviceGetCount_fn *ask, uint32_t *ret)
{
	struct dv_nvml_place own;
	enum dv_nvml_result r = ask(ret);

	if (r != DV_NVML_SUCCESS)
		return r;
	r = dv_nvml_own(&own);
	/* A GPU that the driver lost is not counted, as the driver has it. */
	*ret = r == DV_NVML_SUCCESS;
	return r == DV_NVML_NOT_FOUND || r == DV_NVML_GPU_IS_LOST ? DV_NVML_SUCCESS : r;
}

DV_NVML_CALL nvmlDeviceGetCount(uint32_t *ret)
{
	DV_NVML_ENTER;

	return count(dv_nvml.nvmlDeviceGetCount, ret);
}

DV_NVML_CALL nvmlDeviceGetCount_v2(uint32_t *ret)
{
	DV_NVML_ENTER;

	return count(dv_nvml.nvmlDeviceGetCount_v2, ret);
}

static enum dv_nvml_result none(dv_nvmlUnitGetCount_fn *ask, uint32_t *ret)
{
	enum dv_nvml_result r = ask(ret);

	if (r == DV_NVML_SUCCESS)
		*ret = 0;
	return r;
}

DV_NVML_CALL nvmlUnitGetCount(uint32_t *ret)
{
	DV_NVML_ENTER;

	return none(dv_nvml.nvmlUnitGetCount, ret);
}

DV_NVML_CALL nvmlGetExcludedDeviceCount(uint32_t *ret)
{
	DV_NVML_ENTER;

	return none(dv_nvml.nvmlGetExcludedDeviceCount, ret);
}

DV_NVML_CALL nvmlGetBlacklistDeviceCount(uint32_t *ret)
{
	DV_NVML_ENTER;

	return none(dv_nvml.nvmlGetBlacklistDeviceCount, ret);
}

/* --- which --- */

/* The GPU has number 0, as with CUDA_VISIBLE_DEVICES. */
static enum dv_nvml_result by_index(uint32_t index, struct dv_nvml_device **ret)
{
	struct dv_nvml_place own;
	enum dv_nvml_result r = dv_nvml_own(&own);

	if (r != DV_NVML_SUCCESS)
		return r;
	if (index != 0 || !ret)
		return DV_NVML_INVALID_ARGUMENT;
	*ret = own.gpu;
	return DV_NVML_SUCCESS;
}

DV_NVML_CALL nvmlDeviceGetHandleByIndex(uint32_t index, struct dv_nvml_device **ret)
{
	DV_NVML_ENTER;

	return by_index(index, ret);
}

DV_NVML_CALL nvmlDeviceGetHandleByIndex_v2(uint32_t index, struct dv_nvml_device **ret)
{
	DV_NVML_ENTER;

	return by_index(index, ret);
}

DV_NVML_CALL nvmlDeviceGetIndex(DV_NVML_DEVICE, uint32_t *ret)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetIndex(device, ret);
	if (r == DV_NVML_SUCCESS)
		*ret = 0;
	return r;
}

/* Of the partitions of its GPU there is the lease's. */
DV_NVML_CALL nvmlDeviceGetMaxMigDeviceCount(DV_NVML_DEVICE, uint32_t *ret)
{
	struct dv_nvml_place own;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetMaxMigDeviceCount(device, ret);
	if (r == DV_NVML_SUCCESS && *ret) {
		r = dv_nvml_own(&own);
		*ret = r == DV_NVML_SUCCESS && own.part;
	}
	return r;
}

DV_NVML_CALL nvmlDeviceGetMigDeviceHandleByIndex(DV_NVML_DEVICE, uint32_t index,
						 struct dv_nvml_device **ret)
{
	struct dv_nvml_device *found;
	struct dv_nvml_place own;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index, ret ? &found : NULL);
	if (r != DV_NVML_SUCCESS && r != DV_NVML_NOT_FOUND)
		return r;
	r = dv_nvml_own(&own);
	if (r != DV_NVML_SUCCESS)
		return r;
	if (!ret || index != 0 || device != own.gpu || !own.part)
		return DV_NVML_NOT_FOUND;
	*ret = own.part;
	return r;
}

/* What the driver found by a name, if it is ours: else it is not there. */
static enum dv_nvml_result found(enum dv_nvml_result result, struct dv_nvml_device *device,
				 struct dv_nvml_device **ret)
{
	if (result == DV_NVML_SUCCESS)
		result = dv_nvml_is_own(device);
	if (result == DV_NVML_SUCCESS)
		*ret = device;
	return result;
}

/* Its name is asked for with a place of ours, so that a neighbour's handle never gets out. */
#define FIND(symbol, type)                                                                         \
	DV_NVML_CALL symbol(const type *name, struct dv_nvml_device **ret)                         \
	{                                                                                          \
		struct dv_nvml_device *device = NULL;                                              \
		enum dv_nvml_result r;                                                             \
		DV_NVML_ENTER;                                                                     \
                                                                                                   \
		r = dv_nvml.symbol(name, ret ? &device : NULL);                                    \
		return found(r, device, ret);                                                      \
	}

FIND(nvmlDeviceGetHandleByUUID, char)
FIND(nvmlDeviceGetHandleByUUIDV, struct dv_nvml_uuid)
FIND(nvmlDeviceGetHandleBySerial, char)
FIND(nvmlDeviceGetHandleByPciBusId, char)
FIND(nvmlDeviceGetHandleByPciBusId_v2, char)

/* --- who is near --- */

DV_NVML_CALL nvmlDeviceGetTopologyNearestGpus(DV_NVML_DEVICE, uint32_t level, uint32_t *count,
					      struct dv_nvml_device **devices)
{
	uint32_t nobody = 0;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetTopologyNearestGpus(device, level, count ? &nobody : NULL, NULL);
	if (!count || (r != DV_NVML_SUCCESS && r != DV_NVML_INSUFFICIENT_SIZE))
		return r;
	*count = 0;
	return DV_NVML_SUCCESS;
}

DV_NVML_CALL nvmlSystemGetTopologyGpuSet(uint32_t cpu, uint32_t *count,
					 struct dv_nvml_device **devices)
{
	struct dv_nvml_device *all[256];
	uint32_t room = DV_ARRAY_LEN(all), fits;
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlSystemGetTopologyGpuSet(cpu, count ? &room : NULL, all);
	if (!count || r != DV_NVML_SUCCESS)
		return r;
	fits = *count;
	*count = 0;
	for (uint32_t i = 0; i < DV_MIN(room, DV_ARRAY_LEN(all)); i++) {
		if (dv_nvml_is_own(all[i]) != DV_NVML_SUCCESS)
			continue;
		*count = 1;
		if (devices && fits)
			devices[0] = all[i];
		break;
	}
	return DV_NVML_SUCCESS;
}

/* What hangs at the other end of a link, unless that is another GPU. */
static enum dv_nvml_result link_end(enum dv_nvml_result result, struct dv_nvml_pci *pci,
				    size_t size, const char *address)
{
	struct dv_nvml_device *other = NULL;

	if (result != DV_NVML_SUCCESS ||
	    dv_nvml.nvmlDeviceGetHandleByPciBusId_v2(address, &other) != DV_NVML_SUCCESS ||
	    dv_nvml_is_own(other) == DV_NVML_SUCCESS)
		return result;
	memset(pci, 0, size);
	return DV_NVML_NOT_SUPPORTED;
}

DV_NVML_CALL nvmlDeviceGetNvLinkRemotePciInfo(DV_NVML_DEVICE, uint32_t link,
					      struct dv_nvml_pci *ret)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	/* An old program's structure ends earlier. */
	r = dv_nvml.nvmlDeviceGetNvLinkRemotePciInfo(device, link, ret);
	return link_end(r, ret, offsetof(struct dv_nvml_pci, address), ret->address_short);
}

DV_NVML_CALL nvmlDeviceGetNvLinkRemotePciInfo_v2(DV_NVML_DEVICE, uint32_t link,
						 struct dv_nvml_pci *ret)
{
	enum dv_nvml_result r;
	DV_NVML_ENTER;

	r = dv_nvml.nvmlDeviceGetNvLinkRemotePciInfo_v2(device, link, ret);
	return link_end(r, ret, sizeof(*ret), ret->address);
}
