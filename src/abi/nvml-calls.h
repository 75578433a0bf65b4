/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of NVML that divvy calls or simulates, once: DV_NVML_CALLS(X) is X(member, symbol,
 * arguments) for each, so that the table of a client, the prototypes of the simulator and the check
 * against the vendor's header are made of one list. Declarations only.
 *
 * Source: nvml.h of NVML 13.3.29 (NVIDIA/go-nvml, gen/nvml/nvml.h); the number beside each is its
 * line there. Functions whose name ends in _v2 or _v3 are looked up under that name; a driver older
 * than it has the one without. */
#pragma once

#include "abi/nvml.h"

/* clang-format off */
#define DV_NVML_CALLS(X) \
	/* The library and the machine. */ \
	X(init, nvmlInit_v2, (void)) /* 4002 */ \
	X(init_v1, nvmlInit, (void)) /* 14491 */ \
	X(init_with_flags, nvmlInitWithFlags, (uint32_t flags)) /* 4019 */ \
	X(shutdown, nvmlShutdown, (void)) /* 4036 */ \
	X(driver_version, nvmlSystemGetDriverVersion, (char *buf, uint32_t size)) /* 4194 */ \
	X(library_version, nvmlSystemGetNVMLVersion, (char *buf, uint32_t size)) /* 4212 */ \
	X(cuda_version_v1, nvmlSystemGetCudaDriverVersion, (int *ret)) /* 4228 */ \
	X(cuda_version, nvmlSystemGetCudaDriverVersion_v2, (int *ret)) /* 4245 */ \
	X(process_name, nvmlSystemGetProcessName, \
	  (uint32_t pid, char *buf, uint32_t size)) /* 4273 */ \
	/* Finding devices. */ \
	X(count_v1, nvmlDeviceGetCount, (uint32_t *ret)) /* 14492 */ \
	X(count, nvmlDeviceGetCount_v2, (uint32_t *ret)) /* 4573 */ \
	X(by_index_v1, nvmlDeviceGetHandleByIndex, \
	  (uint32_t index, struct dv_nvml_device **ret)) /* 14493 */ \
	X(by_index, nvmlDeviceGetHandleByIndex_v2, \
	  (uint32_t index, struct dv_nvml_device **ret)) /* 4641 */ \
	X(by_uuid, nvmlDeviceGetHandleByUUID, \
	  (const char *uuid, struct dv_nvml_device **ret)) /* 4700 */ \
	X(by_serial, nvmlDeviceGetHandleBySerial, \
	  (const char *serial, struct dv_nvml_device **ret)) /* 4675 */ \
	X(by_address_v1, nvmlDeviceGetHandleByPciBusId, \
	  (const char *address, struct dv_nvml_device **ret)) /* 14494 */ \
	X(by_address, nvmlDeviceGetHandleByPciBusId_v2, \
	  (const char *address, struct dv_nvml_device **ret)) /* 4758 */ \
	/* What a device is. */ \
	X(name, nvmlDeviceGetName, (DV_NVML_DEVICE, char *buf, uint32_t size)) /* 4784 */ \
	X(uuid, nvmlDeviceGetUUID, (DV_NVML_DEVICE, char *buf, uint32_t size)) /* 5186 */ \
	X(serial, nvmlDeviceGetSerial, (DV_NVML_DEVICE, char *buf, uint32_t size)) /* 4861 */ \
	X(vbios, nvmlDeviceGetVbiosVersion, (DV_NVML_DEVICE, char *buf, uint32_t size)) /* 7339 */ \
	X(index, nvmlDeviceGetIndex, (DV_NVML_DEVICE, uint32_t *ret)) /* 4837 */ \
	X(minor, nvmlDeviceGetMinorNumber, (DV_NVML_DEVICE, uint32_t *ret)) /* 5205 */ \
	X(brand, nvmlDeviceGetBrand, (DV_NVML_DEVICE, uint32_t *ret)) /* 4803 */ \
	X(architecture, nvmlDeviceGetArchitecture, (DV_NVML_DEVICE, uint32_t *ret)) /* 8462 */ \
	X(compute_capability, nvmlDeviceGetCudaComputeCapability, \
	  (DV_NVML_DEVICE, int *ret_major, int *ret_minor)) /* 6798 */ \
	X(cores, nvmlDeviceGetNumGpuCores, (DV_NVML_DEVICE, uint32_t *ret)) /* 7710 */ \
	X(pci_v1, nvmlDeviceGetPciInfo, (DV_NVML_DEVICE, struct dv_nvml_pci *ret)) /* 14495 */ \
	X(pci_v2, nvmlDeviceGetPciInfo_v2, (DV_NVML_DEVICE, struct dv_nvml_pci *ret)) /* 14496 */ \
	X(pci, nvmlDeviceGetPciInfo_v3, (DV_NVML_DEVICE, struct dv_nvml_pci *ret)) /* 5471 */ \
	X(numa_node, nvmlDeviceGetNumaNodeId, (DV_NVML_DEVICE, uint32_t *ret)) /* 5045 */ \
	X(virtualization, nvmlDeviceGetVirtualizationMode, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 10272 */ \
	/* How it is. */ \
	X(memory_v1, nvmlDeviceGetMemoryInfo, \
	  (DV_NVML_DEVICE, struct dv_nvml_memory *ret)) /* 6708 */ \
	X(memory, nvmlDeviceGetMemoryInfo_v2, \
	  (DV_NVML_DEVICE, struct dv_nvml_memory_v2 *ret)) /* 6750 */ \
	X(bar1, nvmlDeviceGetBAR1MemoryInfo, \
	  (DV_NVML_DEVICE, struct dv_nvml_bar1 *ret)) /* 7657 */ \
	X(utilization, nvmlDeviceGetUtilizationRates, \
	  (DV_NVML_DEVICE, struct dv_nvml_utilization *ret)) /* 7088 */ \
	X(encoder_utilization, nvmlDeviceGetEncoderUtilization, \
	  (DV_NVML_DEVICE, uint32_t *ret, uint32_t *ret_us)) /* 7109 */ \
	X(decoder_utilization, nvmlDeviceGetDecoderUtilization, \
	  (DV_NVML_DEVICE, uint32_t *ret, uint32_t *ret_us)) /* 7200 */ \
	X(persistence, nvmlDeviceGetPersistenceMode, (DV_NVML_DEVICE, uint32_t *ret)) /* 5433 */ \
	X(compute_mode, nvmlDeviceGetComputeMode, (DV_NVML_DEVICE, uint32_t *ret)) /* 6774 */ \
	X(display_mode, nvmlDeviceGetDisplayMode, (DV_NVML_DEVICE, uint32_t *ret)) /* 5382 */ \
	X(display_active, nvmlDeviceGetDisplayActive, (DV_NVML_DEVICE, uint32_t *ret)) /* 5407 */ \
	X(ecc, nvmlDeviceGetEccMode, \
	  (DV_NVML_DEVICE, uint32_t *ret_current, uint32_t *ret_pending)) /* 6886 */ \
	X(temperature, nvmlDeviceGetTemperature, \
	  (DV_NVML_DEVICE, uint32_t sensor, uint32_t *ret)) /* 5958 */ \
	X(threshold, nvmlDeviceGetTemperatureThreshold, \
	  (DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)) /* 6044 */ \
	X(fan, nvmlDeviceGetFanSpeed, (DV_NVML_DEVICE, uint32_t *ret)) /* 5817 */ \
	X(power, nvmlDeviceGetPowerUsage, (DV_NVML_DEVICE, uint32_t *ret)) /* 6558 */ \
	X(power_enforced, nvmlDeviceGetEnforcedPowerLimit, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 6638 */ \
	X(power_limit, nvmlDeviceGetPowerManagementLimit, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 6491 */ \
	X(performance_state, nvmlDeviceGetPerformanceState, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 6097 */ \
	X(clock, nvmlDeviceGetClockInfo, \
	  (DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)) /* 5629 */ \
	X(clock_most, nvmlDeviceGetMaxClockInfo, \
	  (DV_NVML_DEVICE, uint32_t kind, uint32_t *ret)) /* 5653 */ \
	X(pcie_generation, nvmlDeviceGetCurrPcieLinkGeneration, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 5549 */ \
	X(pcie_width, nvmlDeviceGetCurrPcieLinkWidth, (DV_NVML_DEVICE, uint32_t *ret)) /* 5567 */ \
	X(pcie_generation_most, nvmlDeviceGetMaxPcieLinkGeneration, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 5492 */ \
	X(pcie_width_most, nvmlDeviceGetMaxPcieLinkWidth, \
	  (DV_NVML_DEVICE, uint32_t *ret)) /* 5531 */ \
	X(pcie_throughput, nvmlDeviceGetPcieThroughput, \
	  (DV_NVML_DEVICE, uint32_t counter, uint32_t *ret)) /* 5590 */ \
	X(nvlink, nvmlDeviceGetNvLinkState, \
	  (DV_NVML_DEVICE, uint32_t link, uint32_t *ret)) /* 9506 */ \
	X(fields, nvmlDeviceGetFieldValues, \
	  (DV_NVML_DEVICE, int count, struct dv_nvml_field *fields)) /* 10230 */ \
	/* Who uses it. With *count 0: INSUFFICIENT_SIZE, and how many there are. */ \
	X(compute_processes_v1, nvmlDeviceGetComputeRunningProcesses, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process_v1 *processes)) /* 14505 */ \
	X(compute_processes_v2, nvmlDeviceGetComputeRunningProcesses_v2, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 14506 */ \
	X(compute_processes, nvmlDeviceGetComputeRunningProcesses_v3, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 7402 */ \
	X(graphics_processes_v1, nvmlDeviceGetGraphicsRunningProcesses, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process_v1 *processes)) /* 14507 */ \
	X(graphics_processes_v2, nvmlDeviceGetGraphicsRunningProcesses_v2, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 14508 */ \
	X(graphics_processes, nvmlDeviceGetGraphicsRunningProcesses_v3, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 7445 */ \
	X(mps_processes_v1, nvmlDeviceGetMPSComputeRunningProcesses, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process_v1 *processes)) /* 14509 */ \
	X(mps_processes_v2, nvmlDeviceGetMPSComputeRunningProcesses_v2, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 14510 */ \
	X(mps_processes, nvmlDeviceGetMPSComputeRunningProcesses_v3, \
	  (DV_NVML_DEVICE, uint32_t *count, struct dv_nvml_process *processes)) /* 7488 */ \
	X(process_utilization, nvmlDeviceGetProcessUtilization, \
	  (DV_NVML_DEVICE, struct dv_nvml_process_utilization *samples, uint32_t *count, unsigned long long since)) /* 8528 */ \
	/* MIG: the mode. Success still means: look whether *ret_activation is success too. */ \
	X(set_mig_mode, nvmlDeviceSetMigMode, \
	  (DV_NVML_DEVICE, uint32_t mode, enum dv_nvml_result *ret_activation)) /* 12780 */ \
	X(mig_mode, nvmlDeviceGetMigMode, \
	  (DV_NVML_DEVICE, uint32_t *ret_current, uint32_t *ret_pending)) /* 12803 */ \
	/* MIG: GPU instances. */ \
	X(gi_profile_v1, nvmlDeviceGetGpuInstanceProfileInfo, \
	  (DV_NVML_DEVICE, uint32_t profile, struct dv_nvml_gi_profile *ret)) /* 12827 */ \
	X(gi_profile, nvmlDeviceGetGpuInstanceProfileInfoV, \
	  (DV_NVML_DEVICE, uint32_t profile, struct dv_nvml_gi_profile_v2 *ret)) /* 12858 */ \
	X(gi_profile_by_id, nvmlDeviceGetGpuInstanceProfileInfoByIdV, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_gi_profile_v2 *ret)) /* 12889 */ \
	X(gi_placements_v1, nvmlDeviceGetGpuInstancePossiblePlacements, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_placement *placements, uint32_t *count)) /* 14511 */ \
	X(gi_placements, nvmlDeviceGetGpuInstancePossiblePlacements_v2, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_placement *placements, uint32_t *count)) /* 12918 */ \
	X(gi_remaining, nvmlDeviceGetGpuInstanceRemainingCapacity, \
	  (DV_NVML_DEVICE, uint32_t id, uint32_t *ret)) /* 12940 */ \
	X(gi_create, nvmlDeviceCreateGpuInstance, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_gi **ret)) /* 12965 */ \
	X(gi_create_at, nvmlDeviceCreateGpuInstanceWithPlacement, \
	  (DV_NVML_DEVICE, uint32_t id, const struct dv_nvml_placement *placement, struct dv_nvml_gi **ret)) /* 12992 */ \
	X(gi_destroy, nvmlGpuInstanceDestroy, (struct dv_nvml_gi *gi)) /* 13014 */ \
	X(gi_list, nvmlDeviceGetGpuInstances, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_gi **gis, uint32_t *count)) /* 13037 */ \
	X(gi_by_id, nvmlDeviceGetGpuInstanceById, \
	  (DV_NVML_DEVICE, uint32_t id, struct dv_nvml_gi **ret)) /* 13059 */ \
	X(gi_info, nvmlGpuInstanceGetInfo, \
	  (struct dv_nvml_gi *gi, struct dv_nvml_gi_info *ret)) /* 13076 */ \
	/* MIG: compute instances. */ \
	X(ci_profile_v1, nvmlGpuInstanceGetComputeInstanceProfileInfo, \
	  (struct dv_nvml_gi *gi, uint32_t profile, uint32_t engines, struct dv_nvml_ci_profile *ret)) /* 13101 */ \
	X(ci_profile, nvmlGpuInstanceGetComputeInstanceProfileInfoV, \
	  (struct dv_nvml_gi *gi, uint32_t profile, uint32_t engines, struct dv_nvml_ci_profile_v2 *ret)) /* 13135 */ \
	X(ci_placements, nvmlGpuInstanceGetComputeInstancePossiblePlacements, \
	  (struct dv_nvml_gi *gi, uint32_t id, struct dv_nvml_ci_placement *placements, uint32_t *count)) /* 13187 */ \
	X(ci_remaining, nvmlGpuInstanceGetComputeInstanceRemainingCapacity, \
	  (struct dv_nvml_gi *gi, uint32_t id, uint32_t *ret)) /* 13158 */ \
	X(ci_create, nvmlGpuInstanceCreateComputeInstance, \
	  (struct dv_nvml_gi *gi, uint32_t id, struct dv_nvml_ci **ret)) /* 13217 */ \
	X(ci_create_at, nvmlGpuInstanceCreateComputeInstanceWithPlacement, \
	  (struct dv_nvml_gi *gi, uint32_t id, const struct dv_nvml_ci_placement *placement, struct dv_nvml_ci **ret)) /* 13246 */ \
	X(ci_destroy, nvmlComputeInstanceDestroy, (struct dv_nvml_ci *ci)) /* 13267 */ \
	X(ci_list, nvmlGpuInstanceGetComputeInstances, \
	  (struct dv_nvml_gi *gi, uint32_t id, struct dv_nvml_ci **cis, uint32_t *count)) /* 13292 */ \
	X(ci_by_id, nvmlGpuInstanceGetComputeInstanceById, \
	  (struct dv_nvml_gi *gi, uint32_t id, struct dv_nvml_ci **ret)) /* 13314 */ \
	X(ci_info_v1, nvmlComputeInstanceGetInfo, \
	  (struct dv_nvml_ci *ci, struct dv_nvml_ci_info *ret)) /* 14504 */ \
	X(ci_info, nvmlComputeInstanceGetInfo_v2, \
	  (struct dv_nvml_ci *ci, struct dv_nvml_ci_info *ret)) /* 13332 */ \
	/* MIG: a compute instance as a device of its own. */ \
	X(is_mig, nvmlDeviceIsMigDeviceHandle, (DV_NVML_DEVICE, uint32_t *ret)) /* 13354 */ \
	X(gi_id, nvmlDeviceGetGpuInstanceId, (DV_NVML_DEVICE, uint32_t *ret)) /* 13374 */ \
	X(ci_id, nvmlDeviceGetComputeInstanceId, (DV_NVML_DEVICE, uint32_t *ret)) /* 13395 */ \
	X(mig_most, nvmlDeviceGetMaxMigDeviceCount, (DV_NVML_DEVICE, uint32_t *ret)) /* 13414 */ \
	X(mig_by_index, nvmlDeviceGetMigDeviceHandleByIndex, \
	  (DV_NVML_DEVICE, uint32_t index, struct dv_nvml_device **ret)) /* 13440 */ \
	X(mig_parent, nvmlDeviceGetDeviceHandleFromMigDeviceHandle, \
	  (DV_NVML_DEVICE, struct dv_nvml_device **ret)) /* 13459 */ \
	X(attributes_v1, nvmlDeviceGetAttributes, \
	  (DV_NVML_DEVICE, struct dv_nvml_attributes *ret)) /* 14503 */ \
	X(attributes, nvmlDeviceGetAttributes_v2, \
	  (DV_NVML_DEVICE, struct dv_nvml_attributes *ret)) /* 4593 */ \
	/* What happens. */ \
	X(event_types, nvmlDeviceGetSupportedEventTypes, (DV_NVML_DEVICE, unsigned long long *ret)) \
	X(event_set, nvmlEventSetCreate, (struct dv_nvml_event_set **ret)) \
	X(event_register, nvmlDeviceRegisterEvents, \
	  (DV_NVML_DEVICE, unsigned long long types, struct dv_nvml_event_set *set)) \
	X(event_wait, nvmlEventSetWait_v2, \
	  (struct dv_nvml_event_set *set, struct dv_nvml_event *ret, uint32_t timeout_ms)) \
	X(event_free, nvmlEventSetFree, (struct dv_nvml_event_set *set))
/* clang-format on */

#define DV_NVML_DEVICE struct dv_nvml_device *device

/* A text for a result; never NULL. The only call that returns something else. Line 4057. */
#define DV_NVML_ERROR_STRING "nvmlErrorString"
typedef const char *dv_nvml_error_string(enum dv_nvml_result result);

/* State of the link to the fabric; its struct has no name in the vendor's header. Line 7829. */
#define DV_NVML_FABRIC "nvmlDeviceGetGpuFabricInfo"
typedef enum dv_nvml_result dv_nvml_fabric_call(DV_NVML_DEVICE, struct dv_nvml_fabric *ret);

struct dv_nvml_api {
#define DV_NVML_MEMBER(member, symbol, arguments) enum dv_nvml_result(*member) arguments;
	DV_NVML_CALLS(DV_NVML_MEMBER)
#undef DV_NVML_MEMBER
	dv_nvml_error_string *error_string;
	dv_nvml_fabric_call *fabric;
};
