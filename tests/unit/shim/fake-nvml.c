/* SPDX-License-Identifier: Apache-2.0 */
/* NVML of a later driver than the simulated one: that, and calls that it lacks, some of which tell
 * of every GPU of the machine or change the card. */
#include <stdio.h>
#include <string.h>

#include "fake-nvml.h"
#include "sim/nvml/session.h"

#define FAKE_PROTOTYPE(member, symbol, arguments) DV_EXPORT enum dv_nvml_result symbol arguments;
DV_NVML_MORE_CALLS(FAKE_PROTOTYPE)
DV_EXPORT fake_nvml_new_thing_fn nvmlNewThing;
DV_EXPORT fake_nvml_changes_fn nvmlFakeChanges;
DV_EXPORT enum dv_nvml_result nvmlDeviceSetPowerManagementLimit(DV_NVML_DEVICE, uint32_t mw);
DV_EXPORT enum dv_nvml_result nvmlDeviceSetComputeMode(DV_NVML_DEVICE, uint32_t mode);
DV_EXPORT enum dv_nvml_result nvmlDeviceGetEncoderSessions(DV_NVML_DEVICE, uint32_t *count,
							   void *sessions);

static unsigned changes;

int nvmlNewThing(void)
{
	return 4242;
}

unsigned nvmlFakeChanges(void)
{
	return changes;
}

enum dv_nvml_result nvmlDeviceSetPowerManagementLimit(DV_NVML_DEVICE, uint32_t mw)
{
	changes++;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceSetComputeMode(DV_NVML_DEVICE, uint32_t mode)
{
	changes++;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetEncoderSessions(DV_NVML_DEVICE, uint32_t *count, void *sessions)
{
	*count = 3;
	return DV_NVML_SUCCESS;
}

/* A device that is there? */
static enum dv_nvml_result check(const struct dv_nvml_device *device)
{
	uint32_t index;

	return nvmlDeviceGetIndex((struct dv_nvml_device *)device, &index);
}

enum dv_nvml_result nvmlDeviceGetHandleByUUIDV(const struct dv_nvml_uuid *uuid,
					       struct dv_nvml_device **ret)
{
	if (!uuid || uuid->type != 1)
		return DV_NVML_INVALID_ARGUMENT;
	if (uuid->version != DV_NVML_VERSION(struct dv_nvml_uuid, 1))
		return DV_NVML_ARGUMENT_VERSION_MISMATCH;
	return nvmlDeviceGetHandleByUUID(uuid->text, ret);
}

static enum dv_nvml_result all(uint32_t *count, struct dv_nvml_device **devices)
{
	uint32_t room, there = 0;
	enum dv_nvml_result r = nvmlDeviceGetCount_v2(&there);

	if (r != DV_NVML_SUCCESS)
		return r;
	room = *count;
	*count = there;
	for (uint32_t i = 0; devices && i < room && i < there; i++)
		(void)nvmlDeviceGetHandleByIndex_v2(i, &devices[i]);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetTopologyNearestGpus(DV_NVML_DEVICE, uint32_t level,
						     uint32_t *count,
						     struct dv_nvml_device **devices)
{
	return count ? all(count, devices) : DV_NVML_INVALID_ARGUMENT;
}

enum dv_nvml_result nvmlSystemGetTopologyGpuSet(uint32_t cpu, uint32_t *count,
						struct dv_nvml_device **devices)
{
	return count ? all(count, devices) : DV_NVML_INVALID_ARGUMENT;
}

/* Link 0 leads to the machine's first GPU, link 1 to a switch. */
static enum dv_nvml_result link_end(uint32_t link, struct dv_nvml_pci *ret, size_t size)
{
	struct dv_nvml_device *first;
	struct dv_nvml_pci pci = {.address_short = "0000:F0:00.0", .address = "00000000:F0:00.0"};

	if (link == 0 && (nvmlDeviceGetHandleByIndex_v2(0, &first) != DV_NVML_SUCCESS ||
			  nvmlDeviceGetPciInfo_v3(first, &pci) != DV_NVML_SUCCESS))
		return DV_NVML_UNKNOWN;
	memcpy(ret, &pci, size);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetNvLinkRemotePciInfo(DV_NVML_DEVICE, uint32_t link,
						     struct dv_nvml_pci *ret)
{
	return link_end(link, ret, offsetof(struct dv_nvml_pci, address));
}

enum dv_nvml_result nvmlDeviceGetNvLinkRemotePciInfo_v2(DV_NVML_DEVICE, uint32_t link,
							struct dv_nvml_pci *ret)
{
	return link_end(link, ret, sizeof(*ret));
}

enum dv_nvml_result nvmlUnitGetCount(uint32_t *ret)
{
	*ret = 2;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlGetExcludedDeviceCount(uint32_t *ret)
{
	*ret = 3;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlGetBlacklistDeviceCount(uint32_t *ret)
{
	*ret = 3;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetRunningProcessDetailList(DV_NVML_DEVICE,
							  struct dv_nvml_process_list *list)
{
	enum dv_nvml_result r = check(device);

	if (r != DV_NVML_SUCCESS)
		return r;
	if (!list)
		return DV_NVML_INVALID_ARGUMENT;
	if (list->version != DV_NVML_PROCESS_LIST)
		return DV_NVML_ARGUMENT_VERSION_MISMATCH;
	list->count = 9;
	return DV_NVML_INSUFFICIENT_SIZE;
}

enum dv_nvml_result nvmlDeviceGetAccountingPids(DV_NVML_DEVICE, uint32_t *count, uint32_t *pids)
{
	if (!count)
		return DV_NVML_INVALID_ARGUMENT;
	*count = 9;
	return DV_NVML_INSUFFICIENT_SIZE;
}

enum dv_nvml_result nvmlDeviceGetAccountingStats(DV_NVML_DEVICE, uint32_t pid, void *ret)
{
	memcpy(ret, &pid, sizeof(pid));
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetAccountingStats_v2(DV_NVML_DEVICE,
						    struct dv_nvml_accounting *stats)
{
	/* For the test to see: what it was asked for. */
	(&stats->pid)[1] = stats->pid;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetSamples(DV_NVML_DEVICE, uint32_t kind, unsigned long long since,
					 uint32_t *ret_type, uint32_t *count,
					 struct dv_nvml_sample *samples)
{
	*ret_type = DV_NVML_VALUE_UINT;
	*count = 1;
	if (samples)
		samples[0] = (struct dv_nvml_sample){.time_us = 1, .uint_value = 77};
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result nvmlDeviceGetProcessesUtilizationInfo(DV_NVML_DEVICE,
							  struct dv_nvml_processes_use *use)
{
	if (!use)
		return DV_NVML_INVALID_ARGUMENT;
	if (use->version != DV_NVML_PROCESSES_USE)
		return DV_NVML_ARGUMENT_VERSION_MISMATCH;
	use->count = 9;
	return DV_NVML_INSUFFICIENT_SIZE;
}

enum dv_nvml_result nvmlGpmQueryDeviceSupport(DV_NVML_DEVICE, struct dv_nvml_gpm_support *ret)
{
	ret->supported = 1;
	return DV_NVML_SUCCESS;
}
