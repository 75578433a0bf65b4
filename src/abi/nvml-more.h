/* SPDX-License-Identifier: Apache-2.0 */
/* Types and functions of NVML that a tenant may call beside those of abi/nvml-calls.h, which divvy
 * itself does not use and the simulated library does not have. Declarations only; source and
 * checks as in abi/nvml.h. */
#pragma once

#include "abi/nvml-calls.h"

enum {
	DV_NVML_UUID_ASCII_SIZE = 41, /* [815] */

	DV_NVML_SAMPLES_GPU = 1,    /* [619] */
	DV_NVML_SAMPLES_MEMORY = 2, /* [620] */
	DV_NVML_SAMPLES_ENCODER = 3,
	DV_NVML_SAMPLES_DECODER = 4,
	DV_NVML_SAMPLES_JPEG = 8,
	DV_NVML_SAMPLES_OPTICAL_FLOW = 9,

	DV_NVML_PROCESSES_COMPUTE = 0, /* [337] */
	DV_NVML_PROCESSES_GRAPHICS = 1,
	DV_NVML_PROCESSES_MPS = 2,
	DV_NVML_PROCESSES_ALL = 3,
};

/* [318] */
struct dv_nvml_process_detail {
	uint32_t pid;
	uint64_t memory_bytes;
	uint32_t gi_id, ci_id;
	uint64_t protected_bytes;
};
static_assert(sizeof(struct dv_nvml_process_detail) == 32, "[318]");

/* [347] */
struct dv_nvml_process_list {
	uint32_t version, mode, count;
	struct dv_nvml_process_detail *processes;
};
#define DV_NVML_PROCESS_LIST DV_NVML_VERSION(struct dv_nvml_process_list, 1)
static_assert(sizeof(struct dv_nvml_process_list) == 24, "[347]");

/* [1392] */
struct dv_nvml_process_use {
	uint64_t time_us;
	uint32_t pid, sm, memory, encoder, decoder, jpeg, optical_flow; /* percent */
};
static_assert(sizeof(struct dv_nvml_process_use) == 40, "[1392]");

/* [1407] */
struct dv_nvml_processes_use {
	uint32_t version, count;
	uint64_t since_us;
	struct dv_nvml_process_use *processes;
};
#define DV_NVML_PROCESSES_USE DV_NVML_VERSION(struct dv_nvml_processes_use, 1)
static_assert(sizeof(struct dv_nvml_processes_use) == 24, "[1407]");

/* [679] */
struct dv_nvml_sample {
	uint64_t time_us;
	union {
		uint32_t uint_value;
		uint64_t ulong_value;
		double double_value;
	};
};
static_assert(sizeof(struct dv_nvml_sample) == 16, "[679]");

/* [844] */
struct dv_nvml_uuid {
	uint32_t version, type;
	union {
		char text[DV_NVML_UUID_ASCII_SIZE];
		uint8_t bytes[16];
	};
};
static_assert(sizeof(struct dv_nvml_uuid) == 52, "[844]");

/* [3503] Only its beginning: the rest is the driver's to fill in. */
struct dv_nvml_accounting {
	uint32_t pid;
};

/* [13834] */
struct dv_nvml_gpm_support {
	uint32_t version, supported;
};
static_assert(sizeof(struct dv_nvml_gpm_support) == 8, "[13834]");

/* clang-format off */
#define DV_NVML_MORE_CALLS(X) \
	X(by_uuid_v, nvmlDeviceGetHandleByUUIDV, \
	  (const struct dv_nvml_uuid *uuid, struct dv_nvml_device **ret)) /* 4723 */ \
	X(nearest, nvmlDeviceGetTopologyNearestGpus, \
	  (DV_NVML_DEVICE, uint32_t level, uint32_t *count, struct dv_nvml_device **devices)) /* 5143 */ \
	X(near_cpu, nvmlSystemGetTopologyGpuSet, \
	  (uint32_t cpu, uint32_t *count, struct dv_nvml_device **devices)) /* 4311 */ \
	X(link_remote_v1, nvmlDeviceGetNvLinkRemotePciInfo, \
	  (DV_NVML_DEVICE, uint32_t link, struct dv_nvml_pci *ret)) /* 14497 */ \
	X(link_remote, nvmlDeviceGetNvLinkRemotePciInfo_v2, \
	  (DV_NVML_DEVICE, uint32_t link, struct dv_nvml_pci *ret)) /* 9565 */ \
	X(unit_count, nvmlUnitGetCount, (uint32_t *ret)) /* 4400 */ \
	X(excluded_count, nvmlGetExcludedDeviceCount, (uint32_t *ret)) /* 12316 */ \
	X(blacklist_count, nvmlGetBlacklistDeviceCount, (uint32_t *ret)) /* its old name */ \
	X(process_list, nvmlDeviceGetRunningProcessDetailList, \
	  (DV_NVML_DEVICE, struct dv_nvml_process_list *list)) /* 7539 */ \
	X(accounting_pids, nvmlDeviceGetAccountingPids, \
	  (DV_NVML_DEVICE, uint32_t *count, uint32_t *pids)) /* 8261 */ \
	X(accounting_v1, nvmlDeviceGetAccountingStats, \
	  (DV_NVML_DEVICE, uint32_t pid, void *ret)) /* 8229 */ \
	X(accounting, nvmlDeviceGetAccountingStats_v2, \
	  (DV_NVML_DEVICE, struct dv_nvml_accounting *stats)) /* 8323 */ \
	X(samples, nvmlDeviceGetSamples, \
	  (DV_NVML_DEVICE, uint32_t kind, unsigned long long since, uint32_t *ret_type, \
	   uint32_t *count, struct dv_nvml_sample *samples)) /* 7629 */ \
	X(processes_use, nvmlDeviceGetProcessesUtilizationInfo, \
	  (DV_NVML_DEVICE, struct dv_nvml_processes_use *use)) /* 8575 */ \
	X(gpm_support, nvmlGpmQueryDeviceSupport, \
	  (DV_NVML_DEVICE, struct dv_nvml_gpm_support *ret)) /* 13960 */
/* clang-format on */
