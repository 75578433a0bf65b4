/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of what this library puts in the place of NVML's: exported here, by name. What is
 * in none of these lists is the driver's library's, functions that are not invented yet included.
 * Declarations only.
 *
 * Names: nvml.h of NVML 13.3.29 (NVIDIA/go-nvml, gen/nvml/nvml.h), and the older names of two. */
#pragma once

/* clang-format off */
/* Answered with the slice. */
#define DV_NVML_HOOKS_SLICE(H) \
	H(nvmlInit) H(nvmlInit_v2) H(nvmlInitWithFlags) \
	H(nvmlDeviceGetCount) H(nvmlDeviceGetCount_v2) H(nvmlDeviceGetIndex) \
	H(nvmlDeviceGetMaxMigDeviceCount) H(nvmlDeviceGetMigDeviceHandleByIndex) \
	H(nvmlDeviceGetHandleByIndex) H(nvmlDeviceGetHandleByIndex_v2) H(nvmlDeviceGetHandleByUUID) \
	H(nvmlDeviceGetHandleByUUIDV) H(nvmlDeviceGetHandleBySerial) \
	H(nvmlDeviceGetHandleByPciBusId) H(nvmlDeviceGetHandleByPciBusId_v2) \
	H(nvmlDeviceGetTopologyNearestGpus) H(nvmlSystemGetTopologyGpuSet) \
	H(nvmlDeviceGetNvLinkRemotePciInfo) H(nvmlDeviceGetNvLinkRemotePciInfo_v2) \
	H(nvmlUnitGetCount) H(nvmlGetExcludedDeviceCount) H(nvmlGetBlacklistDeviceCount) \
	H(nvmlDeviceGetMemoryInfo) H(nvmlDeviceGetMemoryInfo_v2) \
	H(nvmlDeviceGetComputeRunningProcesses) H(nvmlDeviceGetComputeRunningProcesses_v2) \
	H(nvmlDeviceGetComputeRunningProcesses_v3) \
	H(nvmlDeviceGetGraphicsRunningProcesses) H(nvmlDeviceGetGraphicsRunningProcesses_v2) \
	H(nvmlDeviceGetGraphicsRunningProcesses_v3) \
	H(nvmlDeviceGetMPSComputeRunningProcesses) H(nvmlDeviceGetMPSComputeRunningProcesses_v2) \
	H(nvmlDeviceGetMPSComputeRunningProcesses_v3) \
	H(nvmlDeviceGetRunningProcessDetailList) H(nvmlSystemGetProcessName) \
	H(nvmlDeviceGetAccountingPids) H(nvmlDeviceGetAccountingStats) \
	H(nvmlDeviceGetAccountingStats_v2) \
	H(nvmlDeviceGetUtilizationRates) H(nvmlDeviceGetSamples) H(nvmlDeviceGetProcessUtilization) \
	H(nvmlDeviceGetProcessesUtilizationInfo) H(nvmlGpmQueryDeviceSupport)

/* What would change the card for all of its tenants, and, of a MIG partition's, the partitions of all
 * of them: DV_NVML_NO_PERMISSION. */
#define DV_NVML_HOOKS_DENIED(H) \
	H(nvmlComputeInstanceDestroy) H(nvmlDeviceClearAccountingPids) \
	H(nvmlDeviceClearEccErrorCounts) H(nvmlDeviceClearFieldValues) \
	H(nvmlDeviceCreateGpuInstance) H(nvmlDeviceCreateGpuInstanceWithPlacement) \
	H(nvmlDeviceDiscoverGpus) H(nvmlDeviceFreezeNvLinkUtilizationCounter) \
	H(nvmlDeviceModifyDrainState) H(nvmlDevicePowerSmoothingActivatePresetProfile) \
	H(nvmlDevicePowerSmoothingSetState) H(nvmlDevicePowerSmoothingUpdatePresetProfileParam) \
	H(nvmlDeviceReadWritePRM_v1) H(nvmlDeviceRemoveGpu) H(nvmlDeviceRemoveGpu_v2) \
	H(nvmlDeviceResetApplicationsClocks) H(nvmlDeviceResetGpuLockedClocks) \
	H(nvmlDeviceResetMemoryLockedClocks) H(nvmlDeviceResetNvLinkErrorCounters) \
	H(nvmlDeviceResetNvLinkUtilizationCounter) H(nvmlDeviceSetAPIRestriction) \
	H(nvmlDeviceSetAccountingMode) H(nvmlDeviceSetApplicationsClocks) \
	H(nvmlDeviceSetAutoBoostedClocksEnabled) H(nvmlDeviceSetClockOffsets) \
	H(nvmlDeviceSetComputeMode) H(nvmlDeviceSetConfComputeUnprotectedMemSize) \
	H(nvmlDeviceSetDefaultAutoBoostedClocksEnabled) H(nvmlDeviceSetDefaultFanSpeed_v2) \
	H(nvmlDeviceSetDramEncryptionMode) H(nvmlDeviceSetDriverModel) H(nvmlDeviceSetEccMode) \
	H(nvmlDeviceSetFanControlPolicy) H(nvmlDeviceSetFanSpeed_v2) H(nvmlDeviceSetGpcClkVfOffset) \
	H(nvmlDeviceSetGpuLockedClocks) H(nvmlDeviceSetGpuOperationMode) H(nvmlDeviceSetHostname_v1) \
	H(nvmlDeviceSetMemClkVfOffset) H(nvmlDeviceSetMemoryLockedClocks) H(nvmlDeviceSetMigMode) \
	H(nvmlDeviceSetNvLinkDeviceLowPowerThreshold) H(nvmlDeviceSetNvLinkUtilizationControl) \
	H(nvmlDeviceSetNvlinkBwMode) H(nvmlDeviceSetPersistenceMode) \
	H(nvmlDeviceSetPowerManagementLimit) H(nvmlDeviceSetPowerManagementLimit_v2) \
	H(nvmlDeviceSetPowerMizerMode_v1) H(nvmlDeviceSetRusdSettings_v1) \
	H(nvmlDeviceSetTemperatureThreshold) H(nvmlDeviceSetVgpuCapabilities) \
	H(nvmlDeviceSetVgpuHeterogeneousMode) H(nvmlDeviceSetVgpuSchedulerState) \
	H(nvmlDeviceSetVgpuSchedulerState_v2) H(nvmlDeviceSetVirtualizationMode) \
	H(nvmlDeviceVgpuForceGspUnload) H(nvmlDeviceWorkloadPowerProfileClearRequestedProfiles) \
	H(nvmlDeviceWorkloadPowerProfileSetRequestedProfiles) \
	H(nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1) H(nvmlGpmSetStreamingEnabled) \
	H(nvmlGpuInstanceCreateComputeInstance) H(nvmlGpuInstanceCreateComputeInstanceWithPlacement) \
	H(nvmlGpuInstanceDestroy) H(nvmlGpuInstanceSetVgpuHeterogeneousMode) \
	H(nvmlGpuInstanceSetVgpuSchedulerState) H(nvmlGpuInstanceSetVgpuSchedulerState_v2) \
	H(nvmlSetVgpuVersion) H(nvmlSystemSetConfComputeGpusReadyState) \
	H(nvmlSystemSetConfComputeKeyRotationThresholdInfo) H(nvmlSystemSetNvlinkBwMode) \
	H(nvmlUnitSetLedState) H(nvmlVgpuInstanceClearAccountingPids) \
	H(nvmlVgpuInstanceSetEncoderCapacity) \
	H(nvmlDeviceGetGpuInstances) H(nvmlDeviceGetGpuInstanceById) \
	H(nvmlDeviceGetGpuInstanceRemainingCapacity) H(nvmlGpuInstanceGetComputeInstances) \
	H(nvmlGpuInstanceGetComputeInstanceById) H(nvmlGpuInstanceGetComputeInstanceRemainingCapacity)

/* What would tell of others: how busy the whole card is in ways that are no slice's, tenants that
 * are virtual machines, other devices. DV_NVML_NOT_SUPPORTED, as of a card that cannot say. */
#define DV_NVML_HOOKS_HIDDEN(H) \
	H(nvmlDeviceGetEncoderUtilization) H(nvmlDeviceGetDecoderUtilization) \
	H(nvmlDeviceGetJpgUtilization) H(nvmlDeviceGetOfaUtilization) H(nvmlDeviceGetEncoderStats) \
	H(nvmlDeviceGetEncoderSessions) H(nvmlDeviceGetFBCStats) H(nvmlDeviceGetFBCSessions) \
	H(nvmlDeviceGetDynamicPstatesInfo) H(nvmlDeviceGetConfComputeProtectedMemoryUsage) \
	H(nvmlGpmSampleGet) H(nvmlGpmMigSampleGet) \
	H(nvmlVgpuInstanceGetAccountingMode) H(nvmlVgpuInstanceGetAccountingPids) \
	H(nvmlVgpuInstanceGetAccountingStats) H(nvmlVgpuInstanceGetEccMode) \
	H(nvmlVgpuInstanceGetEncoderCapacity) H(nvmlVgpuInstanceGetEncoderSessions) \
	H(nvmlVgpuInstanceGetEncoderStats) H(nvmlVgpuInstanceGetFBCSessions) \
	H(nvmlVgpuInstanceGetFBCStats) H(nvmlVgpuInstanceGetFbUsage) \
	H(nvmlVgpuInstanceGetFrameRateLimit) H(nvmlVgpuInstanceGetGpuInstanceId) \
	H(nvmlVgpuInstanceGetGpuPciId) H(nvmlVgpuInstanceGetLicenseInfo) \
	H(nvmlVgpuInstanceGetLicenseInfo_v2) H(nvmlVgpuInstanceGetLicenseStatus) \
	H(nvmlVgpuInstanceGetMdevUUID) H(nvmlVgpuInstanceGetMetadata) \
	H(nvmlVgpuInstanceGetPlacementId) H(nvmlVgpuInstanceGetRuntimeStateSize) \
	H(nvmlVgpuInstanceGetType) H(nvmlVgpuInstanceGetUUID) H(nvmlVgpuInstanceGetVmDriverVersion) \
	H(nvmlVgpuInstanceGetVmID) H(nvmlDeviceGetActiveVgpus) H(nvmlGpuInstanceGetActiveVgpus) \
	H(nvmlDeviceGetVgpuUtilization) H(nvmlDeviceGetVgpuInstancesUtilizationInfo) \
	H(nvmlDeviceGetVgpuProcessUtilization) H(nvmlDeviceGetVgpuProcessesUtilizationInfo) \
	H(nvmlDeviceGetVgpuSchedulerLog) H(nvmlDeviceGetVgpuSchedulerLog_v2) \
	H(nvmlGpuInstanceGetVgpuSchedulerLog) H(nvmlGpuInstanceGetVgpuSchedulerLog_v2) \
	H(nvmlUnitGetHandleByIndex) H(nvmlUnitGetDevices) H(nvmlGetExcludedDeviceInfoByIndex) \
	H(nvmlGetBlacklistDeviceInfoByIndex) H(nvmlDeviceQueryDrainState) H(nvmlSystemGetCPER_v1) \
	H(nvmlSystemEventSetCreate) H(nvmlSystemRegisterEvents) H(nvmlSystemEventSetWait)

/* What the wrappers themselves call beside what they wrap. */
#define DV_NVML_USED(H) \
	H(nvmlDeviceIsMigDeviceHandle) H(nvmlDeviceGetDeviceHandleFromMigDeviceHandle) \
	H(nvmlDeviceGetGpuInstanceId) H(nvmlDeviceGetComputeInstanceId)
/* clang-format on */
