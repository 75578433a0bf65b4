/* SPDX-License-Identifier: Apache-2.0 */
/* Our declarations of NVML against the vendor's header, where one of NVML 13 or later is
 * installed. */
#include "abi/nvml-more.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#if __has_include(<nvml.h>)
/* Both declarations of a call that has an old form. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <nvml.h>
#endif

#if defined(NVML_API_VERSION) && NVML_API_VERSION >= 13
#define HEADER_IS_HERE 1

#define SAME(ours, theirs) static_assert((ours) == (theirs), #ours " is " #theirs)
#define RESULT(name) SAME((int)DV_NVML_##name, (int)NVML_ERROR_##name)

SAME((int)DV_NVML_SUCCESS, (int)NVML_SUCCESS);
RESULT(UNINITIALIZED);
RESULT(INVALID_ARGUMENT);
RESULT(NOT_SUPPORTED);
RESULT(NO_PERMISSION);
RESULT(NOT_FOUND);
RESULT(INSUFFICIENT_SIZE);
RESULT(DRIVER_NOT_LOADED);
RESULT(TIMEOUT);
RESULT(LIBRARY_NOT_FOUND);
RESULT(FUNCTION_NOT_FOUND);
RESULT(GPU_IS_LOST);
RESULT(RESET_REQUIRED);
RESULT(OPERATING_SYSTEM);
RESULT(LIB_RM_VERSION_MISMATCH);
RESULT(IN_USE);
RESULT(MEMORY);
RESULT(NO_DATA);
RESULT(INSUFFICIENT_RESOURCES);
RESULT(ARGUMENT_VERSION_MISMATCH);
RESULT(DEPRECATED);
RESULT(NOT_READY);
RESULT(GPU_NOT_FOUND);
RESULT(INVALID_STATE);
RESULT(RESET_TYPE_NOT_SUPPORTED);
RESULT(UNKNOWN);

SAME(DV_NVML_UUID_SIZE, NVML_DEVICE_UUID_V2_BUFFER_SIZE);
SAME(DV_NVML_VERSION_SIZE, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);
SAME(DV_NVML_NAME_SIZE, NVML_DEVICE_NAME_V2_BUFFER_SIZE);
SAME(DV_NVML_SERIAL_SIZE, NVML_DEVICE_SERIAL_BUFFER_SIZE);
SAME(DV_NVML_INIT_NO_GPUS, NVML_INIT_FLAG_NO_GPUS);
SAME(DV_NVML_MIG_OFF, NVML_DEVICE_MIG_DISABLE);
SAME(DV_NVML_MIG_ON, NVML_DEVICE_MIG_ENABLE);
SAME(DV_NVML_CI_ENGINES_SHARED, NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED);
SAME(DV_NVML_GI_CAP_P2P, NVML_GPU_INSTANCE_PROFILE_CAPS_P2P);
SAME(DV_NVML_GI_CAP_GFX, NVML_GPU_INSTANCE_PROFILE_CAPS_GFX);
SAME(DV_NVML_CI_CAP_GFX, NVML_COMPUTE_INSTANCE_PROFILE_CAPS_GFX);
SAME(DV_NVML_FIELD_MIG_WITHOUT_RESET, NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED);
SAME(DV_NVML_FIELD_PROFILES_WITHOUT_MIG, NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE);
SAME(DV_NVML_VALUE_UINT, (int)NVML_VALUE_TYPE_UNSIGNED_INT);
SAME(DV_NVML_EVENT_XID, nvmlEventTypeXidCriticalError);
SAME(DV_NVML_EVENT_MIG, nvmlEventMigConfigChange);
SAME(DV_NVML_FABRIC_COMPLETED, NVML_GPU_FABRIC_STATE_COMPLETED);
/* A newer header's lists may be longer. */
static_assert(DV_NVML_GI_PROFILES_KNOWN <= NVML_GPU_INSTANCE_PROFILE_COUNT, "dense from 0");
static_assert(DV_NVML_CI_PROFILES_KNOWN <= NVML_COMPUTE_INSTANCE_PROFILE_COUNT, "dense from 0");

#define SIZE(ours, theirs) SAME(sizeof(struct ours), sizeof(theirs))
#define FIELD(ours, member, theirs, field)                                                         \
	SAME(offsetof(struct ours, member), offsetof(theirs, field));                              \
	SAME(sizeof(((struct ours *)0)->member), sizeof(((theirs *)0)->field))

SIZE(dv_nvml_event, nvmlEventData_t);
FIELD(dv_nvml_event, type, nvmlEventData_t, eventType);
FIELD(dv_nvml_event, data, nvmlEventData_t, eventData);
FIELD(dv_nvml_event, gi_id, nvmlEventData_t, gpuInstanceId);
FIELD(dv_nvml_event, ci_id, nvmlEventData_t, computeInstanceId);
SIZE(dv_nvml_pci, nvmlPciInfo_t);
FIELD(dv_nvml_pci, address_short, nvmlPciInfo_t, busIdLegacy);
FIELD(dv_nvml_pci, domain, nvmlPciInfo_t, domain);
FIELD(dv_nvml_pci, bus, nvmlPciInfo_t, bus);
FIELD(dv_nvml_pci, device, nvmlPciInfo_t, device);
FIELD(dv_nvml_pci, device_id, nvmlPciInfo_t, pciDeviceId);
FIELD(dv_nvml_pci, subsystem_id, nvmlPciInfo_t, pciSubSystemId);
FIELD(dv_nvml_pci, address, nvmlPciInfo_t, busId);

SIZE(dv_nvml_utilization, nvmlUtilization_t);
FIELD(dv_nvml_utilization, gpu, nvmlUtilization_t, gpu);
FIELD(dv_nvml_utilization, memory, nvmlUtilization_t, memory);

SIZE(dv_nvml_memory, nvmlMemory_t);
FIELD(dv_nvml_memory, total, nvmlMemory_t, total);
FIELD(dv_nvml_memory, free, nvmlMemory_t, free);
FIELD(dv_nvml_memory, used, nvmlMemory_t, used);

SIZE(dv_nvml_memory_v2, nvmlMemory_v2_t);
FIELD(dv_nvml_memory_v2, total, nvmlMemory_v2_t, total);
FIELD(dv_nvml_memory_v2, reserved, nvmlMemory_v2_t, reserved);
FIELD(dv_nvml_memory_v2, free, nvmlMemory_v2_t, free);
FIELD(dv_nvml_memory_v2, used, nvmlMemory_v2_t, used);
SAME(DV_NVML_MEMORY_V2, nvmlMemory_v2);

SIZE(dv_nvml_bar1, nvmlBAR1Memory_t);
FIELD(dv_nvml_bar1, total, nvmlBAR1Memory_t, bar1Total);
FIELD(dv_nvml_bar1, free, nvmlBAR1Memory_t, bar1Free);
FIELD(dv_nvml_bar1, used, nvmlBAR1Memory_t, bar1Used);

SIZE(dv_nvml_process_v1, nvmlProcessInfo_v1_t);
FIELD(dv_nvml_process_v1, pid, nvmlProcessInfo_v1_t, pid);
FIELD(dv_nvml_process_v1, memory_bytes, nvmlProcessInfo_v1_t, usedGpuMemory);
SIZE(dv_nvml_process, nvmlProcessInfo_v2_t);
FIELD(dv_nvml_process, pid, nvmlProcessInfo_v2_t, pid);
FIELD(dv_nvml_process, memory_bytes, nvmlProcessInfo_v2_t, usedGpuMemory);
FIELD(dv_nvml_process, gi_id, nvmlProcessInfo_v2_t, gpuInstanceId);
FIELD(dv_nvml_process, ci_id, nvmlProcessInfo_v2_t, computeInstanceId);

SIZE(dv_nvml_process_utilization, nvmlProcessUtilizationSample_t);
FIELD(dv_nvml_process_utilization, time_us, nvmlProcessUtilizationSample_t, timeStamp);
FIELD(dv_nvml_process_utilization, sm, nvmlProcessUtilizationSample_t, smUtil);
FIELD(dv_nvml_process_utilization, memory, nvmlProcessUtilizationSample_t, memUtil);
FIELD(dv_nvml_process_utilization, encoder, nvmlProcessUtilizationSample_t, encUtil);
FIELD(dv_nvml_process_utilization, decoder, nvmlProcessUtilizationSample_t, decUtil);

SIZE(dv_nvml_attributes, nvmlDeviceAttributes_t);
FIELD(dv_nvml_attributes, multiprocessors, nvmlDeviceAttributes_t, multiprocessorCount);
FIELD(dv_nvml_attributes, copy_engines, nvmlDeviceAttributes_t, sharedCopyEngineCount);
FIELD(dv_nvml_attributes, decoders, nvmlDeviceAttributes_t, sharedDecoderCount);
FIELD(dv_nvml_attributes, encoders, nvmlDeviceAttributes_t, sharedEncoderCount);
FIELD(dv_nvml_attributes, jpegs, nvmlDeviceAttributes_t, sharedJpegCount);
FIELD(dv_nvml_attributes, optical_flows, nvmlDeviceAttributes_t, sharedOfaCount);
FIELD(dv_nvml_attributes, gi_slices, nvmlDeviceAttributes_t, gpuInstanceSliceCount);
FIELD(dv_nvml_attributes, ci_slices, nvmlDeviceAttributes_t, computeInstanceSliceCount);
FIELD(dv_nvml_attributes, memory_mib, nvmlDeviceAttributes_t, memorySizeMB);

SIZE(dv_nvml_field, nvmlFieldValue_t);
FIELD(dv_nvml_field, id, nvmlFieldValue_t, fieldId);
FIELD(dv_nvml_field, scope, nvmlFieldValue_t, scopeId);
FIELD(dv_nvml_field, time_us, nvmlFieldValue_t, timestamp);
FIELD(dv_nvml_field, latency_us, nvmlFieldValue_t, latencyUsec);
FIELD(dv_nvml_field, type, nvmlFieldValue_t, valueType);
FIELD(dv_nvml_field, result, nvmlFieldValue_t, nvmlReturn);
FIELD(dv_nvml_field, uint_value, nvmlFieldValue_t, value.uiVal);

SIZE(dv_nvml_fabric, nvmlGpuFabricInfo_t);
FIELD(dv_nvml_fabric, cluster, nvmlGpuFabricInfo_t, clusterUuid);
FIELD(dv_nvml_fabric, status, nvmlGpuFabricInfo_t, status);
FIELD(dv_nvml_fabric, clique, nvmlGpuFabricInfo_t, cliqueId);
FIELD(dv_nvml_fabric, state, nvmlGpuFabricInfo_t, state);

SIZE(dv_nvml_placement, nvmlGpuInstancePlacement_t);
FIELD(dv_nvml_placement, start, nvmlGpuInstancePlacement_t, start);
FIELD(dv_nvml_placement, size, nvmlGpuInstancePlacement_t, size);
SIZE(dv_nvml_ci_placement, nvmlComputeInstancePlacement_t);
FIELD(dv_nvml_ci_placement, start, nvmlComputeInstancePlacement_t, start);
FIELD(dv_nvml_ci_placement, size, nvmlComputeInstancePlacement_t, size);

#define GI_PROFILE(ours, theirs)                                                                   \
	SIZE(ours, theirs);                                                                        \
	FIELD(ours, id, theirs, id);                                                               \
	FIELD(ours, slices, theirs, sliceCount);                                                   \
	FIELD(ours, instances, theirs, instanceCount);                                             \
	FIELD(ours, multiprocessors, theirs, multiprocessorCount);                                 \
	FIELD(ours, copy_engines, theirs, copyEngineCount);                                        \
	FIELD(ours, decoders, theirs, decoderCount);                                               \
	FIELD(ours, encoders, theirs, encoderCount);                                               \
	FIELD(ours, jpegs, theirs, jpegCount);                                                     \
	FIELD(ours, optical_flows, theirs, ofaCount);                                              \
	FIELD(ours, memory_mib, theirs, memorySizeMB)
GI_PROFILE(dv_nvml_gi_profile, nvmlGpuInstanceProfileInfo_t);
FIELD(dv_nvml_gi_profile, peer_to_peer, nvmlGpuInstanceProfileInfo_t, isP2pSupported);
GI_PROFILE(dv_nvml_gi_profile_v2, nvmlGpuInstanceProfileInfo_v2_t);
FIELD(dv_nvml_gi_profile_v2, peer_to_peer, nvmlGpuInstanceProfileInfo_v2_t, isP2pSupported);
FIELD(dv_nvml_gi_profile_v2, name, nvmlGpuInstanceProfileInfo_v2_t, name);
GI_PROFILE(dv_nvml_gi_profile_v3, nvmlGpuInstanceProfileInfo_v3_t);
FIELD(dv_nvml_gi_profile_v3, name, nvmlGpuInstanceProfileInfo_v3_t, name);
FIELD(dv_nvml_gi_profile_v3, capabilities, nvmlGpuInstanceProfileInfo_v3_t, capabilities);
SAME(DV_NVML_GI_PROFILE_V2, nvmlGpuInstanceProfileInfo_v2);
SAME(DV_NVML_GI_PROFILE_V3, nvmlGpuInstanceProfileInfo_v3);

#define CI_PROFILE(ours, theirs)                                                                   \
	SIZE(ours, theirs);                                                                        \
	FIELD(ours, id, theirs, id);                                                               \
	FIELD(ours, slices, theirs, sliceCount);                                                   \
	FIELD(ours, instances, theirs, instanceCount);                                             \
	FIELD(ours, multiprocessors, theirs, multiprocessorCount);                                 \
	FIELD(ours, copy_engines, theirs, sharedCopyEngineCount);                                  \
	FIELD(ours, decoders, theirs, sharedDecoderCount);                                         \
	FIELD(ours, encoders, theirs, sharedEncoderCount);                                         \
	FIELD(ours, jpegs, theirs, sharedJpegCount);                                               \
	FIELD(ours, optical_flows, theirs, sharedOfaCount)
CI_PROFILE(dv_nvml_ci_profile, nvmlComputeInstanceProfileInfo_t);
CI_PROFILE(dv_nvml_ci_profile_v2, nvmlComputeInstanceProfileInfo_v2_t);
FIELD(dv_nvml_ci_profile_v2, name, nvmlComputeInstanceProfileInfo_v2_t, name);
CI_PROFILE(dv_nvml_ci_profile_v3, nvmlComputeInstanceProfileInfo_v3_t);
FIELD(dv_nvml_ci_profile_v3, name, nvmlComputeInstanceProfileInfo_v3_t, name);
FIELD(dv_nvml_ci_profile_v3, capabilities, nvmlComputeInstanceProfileInfo_v3_t, capabilities);
SAME(DV_NVML_CI_PROFILE_V2, nvmlComputeInstanceProfileInfo_v2);
SAME(DV_NVML_CI_PROFILE_V3, nvmlComputeInstanceProfileInfo_v3);

SIZE(dv_nvml_gi_info, nvmlGpuInstanceInfo_t);
FIELD(dv_nvml_gi_info, device, nvmlGpuInstanceInfo_t, device);
FIELD(dv_nvml_gi_info, id, nvmlGpuInstanceInfo_t, id);
FIELD(dv_nvml_gi_info, profile, nvmlGpuInstanceInfo_t, profileId);
FIELD(dv_nvml_gi_info, placement, nvmlGpuInstanceInfo_t, placement);
SIZE(dv_nvml_ci_info, nvmlComputeInstanceInfo_t);
FIELD(dv_nvml_ci_info, device, nvmlComputeInstanceInfo_t, device);
FIELD(dv_nvml_ci_info, gi, nvmlComputeInstanceInfo_t, gpuInstance);
FIELD(dv_nvml_ci_info, id, nvmlComputeInstanceInfo_t, id);
FIELD(dv_nvml_ci_info, profile, nvmlComputeInstanceInfo_t, profileId);
FIELD(dv_nvml_ci_info, placement, nvmlComputeInstanceInfo_t, placement);

/* The calls: our list once more, with the vendor's tags for ours, against its own prototypes. */
#define dv_nvml_result nvmlReturn_enum
SAME(DV_NVML_UUID_ASCII_SIZE, NVML_DEVICE_UUID_ASCII_LEN);
SAME(DV_NVML_SAMPLES_GPU, (int)NVML_GPU_UTILIZATION_SAMPLES);
SAME(DV_NVML_SAMPLES_MEMORY, (int)NVML_MEMORY_UTILIZATION_SAMPLES);
SAME(DV_NVML_SAMPLES_ENCODER, (int)NVML_ENC_UTILIZATION_SAMPLES);
SAME(DV_NVML_SAMPLES_DECODER, (int)NVML_DEC_UTILIZATION_SAMPLES);
SAME(DV_NVML_SAMPLES_JPEG, (int)NVML_JPG_UTILIZATION_SAMPLES);
SAME(DV_NVML_SAMPLES_OPTICAL_FLOW, (int)NVML_OFA_UTILIZATION_SAMPLES);
SAME(DV_NVML_PROCESSES_COMPUTE, (int)NVML_PROCESS_MODE_COMPUTE);
SAME(DV_NVML_PROCESSES_GRAPHICS, (int)NVML_PROCESS_MODE_GRAPHICS);
SAME(DV_NVML_PROCESSES_MPS, (int)NVML_PROCESS_MODE_MPS);
SAME(DV_NVML_PROCESSES_ALL, (int)NVML_PROCESS_MODE_ALL);
SIZE(dv_nvml_process_detail, nvmlProcessDetail_v1_t);
FIELD(dv_nvml_process_detail, memory_bytes, nvmlProcessDetail_v1_t, usedGpuMemory);
FIELD(dv_nvml_process_detail, gi_id, nvmlProcessDetail_v1_t, gpuInstanceId);
FIELD(dv_nvml_process_detail, protected_bytes, nvmlProcessDetail_v1_t, usedGpuCcProtectedMemory);
SAME(DV_NVML_PROCESS_LIST, nvmlProcessDetailList_v1);
FIELD(dv_nvml_process_list, mode, nvmlProcessDetailList_v1_t, mode);
FIELD(dv_nvml_process_list, count, nvmlProcessDetailList_v1_t, numProcArrayEntries);
FIELD(dv_nvml_process_list, processes, nvmlProcessDetailList_v1_t, procArray);
SIZE(dv_nvml_process_use, nvmlProcessUtilizationInfo_v1_t);
FIELD(dv_nvml_process_use, pid, nvmlProcessUtilizationInfo_v1_t, pid);
FIELD(dv_nvml_process_use, optical_flow, nvmlProcessUtilizationInfo_v1_t, ofaUtil);
SAME(DV_NVML_PROCESSES_USE, nvmlProcessesUtilizationInfo_v1);
FIELD(dv_nvml_processes_use, count, nvmlProcessesUtilizationInfo_v1_t, processSamplesCount);
FIELD(dv_nvml_processes_use, since_us, nvmlProcessesUtilizationInfo_v1_t, lastSeenTimeStamp);
FIELD(dv_nvml_processes_use, processes, nvmlProcessesUtilizationInfo_v1_t, procUtilArray);
SIZE(dv_nvml_sample, nvmlSample_t);
FIELD(dv_nvml_sample, double_value, nvmlSample_t, sampleValue);
SAME(DV_NVML_VERSION(struct dv_nvml_uuid, 1), nvmlUUID_v1);
FIELD(dv_nvml_uuid, type, nvmlUUID_v1_t, type);
FIELD(dv_nvml_uuid, text, nvmlUUID_v1_t, value.str);
FIELD(dv_nvml_accounting, pid, nvmlAccountingStats_v2_t, pid);
SIZE(dv_nvml_gpm_support, nvmlGpmSupport_t);
FIELD(dv_nvml_gpm_support, supported, nvmlGpmSupport_t, isSupportedDevice);

#define dv_nvml_device nvmlDevice_st
#define dv_nvml_gi nvmlGpuInstance_st
#define dv_nvml_ci nvmlComputeInstance_st
#define dv_nvml_event_set nvmlEventSet_st
#define dv_nvml_event nvmlEventData_st
#define dv_nvml_pci nvmlPciInfo_st
#define dv_nvml_utilization nvmlUtilization_st
#define dv_nvml_memory nvmlMemory_st
#define dv_nvml_memory_v2 nvmlMemory_v2_st
#define dv_nvml_bar1 nvmlBAR1Memory_st
#define dv_nvml_process_v1 nvmlProcessInfo_v1_st
#define dv_nvml_process nvmlProcessInfo_v2_st
#define dv_nvml_process_utilization nvmlProcessUtilizationSample_st
#define dv_nvml_attributes nvmlDeviceAttributes_st
#define dv_nvml_field nvmlFieldValue_st
#define dv_nvml_placement nvmlGpuInstancePlacement_st
#define dv_nvml_gi_profile nvmlGpuInstanceProfileInfo_st
#define dv_nvml_gi_profile_v2 nvmlGpuInstanceProfileInfo_v2_st
#define dv_nvml_gi_info nvmlGpuInstanceInfo_st
#define dv_nvml_ci_placement nvmlComputeInstancePlacement_st
#define dv_nvml_ci_profile nvmlComputeInstanceProfileInfo_st
#define dv_nvml_ci_profile_v2 nvmlComputeInstanceProfileInfo_v2_st
#define dv_nvml_ci_info nvmlComputeInstanceInfo_st

#define CALL(member, symbol, arguments)                                                            \
	static_assert(                                                                             \
		__builtin_types_compatible_p(__typeof__(symbol), enum dv_nvml_result arguments),   \
		#symbol " takes what we pass it");
DV_NVML_CALLS(CALL)
#endif

/* The numbers are compared by the compiler, above; that a call's table has no hole is left to run:
 * each line of the list is one member. */
static void test_table(void **state)
{
#define ONE(member, symbol, arguments) +1
	assert_int_equal(sizeof(struct dv_nvml_api),
			 ((0 DV_NVML_CALLS(ONE)) + 2) * sizeof(void (*)(void)));
}

static void test_against_header(void **state)
{
#ifdef HEADER_IS_HERE
	nvmlGpuInstanceProfileInfo_v3_t theirs = {
		.version = nvmlGpuInstanceProfileInfo_v3, .name = "MIG 1g.5gb", .capabilities = 2};
	struct dv_nvml_gi_profile_v3 ours;

	memcpy(&ours, &theirs, sizeof(ours));
	assert_string_equal(ours.name, "MIG 1g.5gb");
	assert_int_equal(ours.capabilities, DV_NVML_GI_CAP_GFX);
#else
	print_message("no nvml.h of NVML 13 or later here (apt-get install libnvidia-ml-dev, or "
		      "build with CPPFLAGS=-I/usr/local/cuda/include)\n");
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_table),
					   cmocka_unit_test(test_against_header)};

	return cmocka_run_group_tests_name("device/nvml-abi", tests, NULL, NULL);
}
