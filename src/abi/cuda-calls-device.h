/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: the library, devices, contexts. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_DEVICE_CALLS(X) \
	X(cuCtxAttach, cuCtxAttach, 2000, (struct dv_cu_context **pctx, uint32_t flags)) \
	X(cuCtxCreate_v2, cuCtxCreate, 3020, (struct dv_cu_context **pctx, uint32_t flags, int dev)) \
	X(cuCtxCreate_v3, cuCtxCreate, 11040, (struct dv_cu_context **pctx, struct dv_cu_affinity *params_array, int num_params, uint32_t flags, int dev)) \
	X(cuCtxCreate_v4, cuCtxCreate, 12050, (struct dv_cu_context **pctx, struct dv_cu_context_params *ctx_create_params, uint32_t flags, int dev)) \
	X(cuCtxDestroy, cuCtxDestroy, 2000, (struct dv_cu_context *ctx)) \
	X(cuCtxDestroy_v2, cuCtxDestroy, 4000, (struct dv_cu_context *ctx)) \
	X(cuCtxDetach, cuCtxDetach, 2000, (struct dv_cu_context *ctx)) \
	X(cuCtxDisablePeerAccess, cuCtxDisablePeerAccess, 4000, (struct dv_cu_context *peer_context)) \
	X(cuCtxEnablePeerAccess, cuCtxEnablePeerAccess, 4000, (struct dv_cu_context *peer_context, uint32_t flags)) \
	X(cuCtxGetApiVersion, cuCtxGetApiVersion, 3020, (struct dv_cu_context *ctx, uint32_t *version)) \
	X(cuCtxGetCacheConfig, cuCtxGetCacheConfig, 3020, (uint32_t *pconfig)) \
	X(cuCtxGetCurrent, cuCtxGetCurrent, 4000, (struct dv_cu_context **pctx)) \
	X(cuCtxGetDevice, cuCtxGetDevice, 2000, (int *device)) \
	X(cuCtxGetDevice_v2, cuCtxGetDevice, 13000, (int *device, struct dv_cu_context *ctx)) \
	X(cuCtxGetFlags, cuCtxGetFlags, 7000, (uint32_t *flags)) \
	X(cuCtxGetId, cuCtxGetId, 12000, (struct dv_cu_context *ctx, unsigned long long *ctx_id)) \
	X(cuCtxGetLimit, cuCtxGetLimit, 3010, (size_t *pvalue, uint32_t limit)) \
	X(cuCtxGetSharedMemConfig, cuCtxGetSharedMemConfig, 4020, (uint32_t *config)) \
	X(cuCtxGetStreamPriorityRange, cuCtxGetStreamPriorityRange, 5050, (int *least_priority, int *greatest_priority)) \
	X(cuCtxPopCurrent, cuCtxPopCurrent, 2000, (struct dv_cu_context **pctx)) \
	X(cuCtxPopCurrent_v2, cuCtxPopCurrent, 4000, (struct dv_cu_context **pctx)) \
	X(cuCtxPushCurrent, cuCtxPushCurrent, 2000, (struct dv_cu_context *ctx)) \
	X(cuCtxPushCurrent_v2, cuCtxPushCurrent, 4000, (struct dv_cu_context *ctx)) \
	X(cuCtxResetPersistingL2Cache, cuCtxResetPersistingL2Cache, 11000, (void)) \
	X(cuCtxSetCacheConfig, cuCtxSetCacheConfig, 3020, (uint32_t config)) \
	X(cuCtxSetCurrent, cuCtxSetCurrent, 4000, (struct dv_cu_context *ctx)) \
	X(cuCtxSetFlags, cuCtxSetFlags, 12010, (uint32_t flags)) \
	X(cuCtxSetLimit, cuCtxSetLimit, 3010, (uint32_t limit, size_t value)) \
	X(cuCtxSetSharedMemConfig, cuCtxSetSharedMemConfig, 4020, (uint32_t config)) \
	X(cuCtxSynchronize, cuCtxSynchronize, 2000, (void)) \
	X(cuCtxSynchronize_v2, cuCtxSynchronize, 13000, (struct dv_cu_context *ctx)) \
	X(cuDeviceCanAccessPeer, cuDeviceCanAccessPeer, 4000, (int *can_access_peer, int dev, int peer_dev)) \
	X(cuDeviceComputeCapability, cuDeviceComputeCapability, 2000, (int *major, int *minor, int dev)) \
	X(cuDeviceGet, cuDeviceGet, 2000, (int *device, int ordinal)) \
	X(cuDeviceGetAttribute, cuDeviceGetAttribute, 2000, (int *pi, uint32_t attrib, int dev)) \
	X(cuDeviceGetByPCIBusId, cuDeviceGetByPCIBusId, 4010, (int *dev, const char *pci_bus_id)) \
	X(cuDeviceGetCount, cuDeviceGetCount, 2000, (int *count)) \
	X(cuDeviceGetName, cuDeviceGetName, 2000, (char *name, int len, int dev)) \
	X(cuDeviceGetP2PAttribute, cuDeviceGetP2PAttribute, 8000, (int *value, uint32_t attrib, int src_device, int dst_device)) \
	X(cuDeviceGetPCIBusId, cuDeviceGetPCIBusId, 4010, (char *pci_bus_id, int len, int dev)) \
	X(cuDeviceGetProperties, cuDeviceGetProperties, 2000, (struct dv_cu_device_properties *prop, int dev)) \
	X(cuDeviceGetUuid, cuDeviceGetUuid, 9020, (struct dv_cu_uuid *uuid, int dev)) \
	X(cuDeviceGetUuid_v2, cuDeviceGetUuid, 11040, (struct dv_cu_uuid *uuid, int dev)) \
	X(cuDevicePrimaryCtxGetState, cuDevicePrimaryCtxGetState, 7000, (int dev, uint32_t *flags, int *active)) \
	X(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease, 7000, (int dev)) \
	X(cuDevicePrimaryCtxRelease_v2, cuDevicePrimaryCtxRelease, 11000, (int dev)) \
	X(cuDevicePrimaryCtxReset, cuDevicePrimaryCtxReset, 7000, (int dev)) \
	X(cuDevicePrimaryCtxReset_v2, cuDevicePrimaryCtxReset, 11000, (int dev)) \
	X(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, 7000, (struct dv_cu_context **pctx, int dev)) \
	X(cuDevicePrimaryCtxSetFlags, cuDevicePrimaryCtxSetFlags, 7000, (int dev, uint32_t flags)) \
	X(cuDevicePrimaryCtxSetFlags_v2, cuDevicePrimaryCtxSetFlags, 11000, (int dev, uint32_t flags)) \
	X(cuDeviceTotalMem_v2, cuDeviceTotalMem, 3020, (size_t *bytes, int dev)) \
	X(cuDriverGetVersion, cuDriverGetVersion, 2020, (int *driver_version)) \
	X(cuGetErrorName, cuGetErrorName, 6000, (enum dv_cu_result error, const char **str)) \
	X(cuGetErrorString, cuGetErrorString, 6000, (enum dv_cu_result error, const char **str)) \
	X(cuGetExportTable, cuGetExportTable, 3000, (const void **export_table, const struct dv_cu_uuid *export_table_id)) \
	X(cuGetProcAddress, cuGetProcAddress, 11030, (const char *symbol, void **pfn, int cuda_version, uint64_t flags)) \
	X(cuGetProcAddress_v2, cuGetProcAddress, 12000, (const char *symbol, void **pfn, int cuda_version, uint64_t flags, enum dv_cu_symbol_status *symbol_status)) \
	X(cuInit, cuInit, 2000, (uint32_t flags)) \
	X(cuProfilerInitialize, cuProfilerInitialize, 4000, (const char *config_file, const char *output_file, uint32_t output_mode)) \
	X(cuProfilerStart, cuProfilerStart, 4000, (void)) \
	X(cuProfilerStop, cuProfilerStop, 4000, (void))

#define DV_CUDA_DEVICE_PTSZ_CALLS(X)

#define DV_CUDA_DEVICE_PTDS_CALLS(X)

/* clang-format on */
