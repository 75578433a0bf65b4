/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: memory of every kind. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_MEMORY_CALLS(X) \
	X(cuArray3DCreate_v2, cuArray3DCreate, 3020, (struct dv_cu_array **handle, const struct dv_cu_array_3d *allocate_array)) \
	X(cuArray3DGetDescriptor_v2, cuArray3DGetDescriptor, 3020, (struct dv_cu_array_3d *array_descriptor, struct dv_cu_array *array)) \
	X(cuArrayCreate_v2, cuArrayCreate, 3020, (struct dv_cu_array **handle, const struct dv_cu_array_2d *allocate_array)) \
	X(cuArrayDestroy, cuArrayDestroy, 2000, (struct dv_cu_array *array)) \
	X(cuArrayGetDescriptor_v2, cuArrayGetDescriptor, 3020, (struct dv_cu_array_2d *array_descriptor, struct dv_cu_array *array)) \
	X(cuArrayGetMemoryRequirements, cuArrayGetMemoryRequirements, 11060, (struct dv_cu_array_memory *memory_requirements, struct dv_cu_array *array, int device)) \
	X(cuArrayGetSparseProperties, cuArrayGetSparseProperties, 11010, (struct dv_cu_array_sparse *sparse_properties, struct dv_cu_array *array)) \
	X(cuDeviceGetDefaultMemPool, cuDeviceGetDefaultMemPool, 11020, (struct dv_cu_pool **pool_out, int dev)) \
	X(cuDeviceGetMemPool, cuDeviceGetMemPool, 11020, (struct dv_cu_pool **pool, int dev)) \
	X(cuDeviceSetMemPool, cuDeviceSetMemPool, 11020, (int dev, struct dv_cu_pool *pool)) \
	X(cuIpcCloseMemHandle, cuIpcCloseMemHandle, 4010, (dv_cu_ptr dptr)) \
	X(cuIpcGetEventHandle, cuIpcGetEventHandle, 4010, (struct dv_cu_ipc_event *handle, struct dv_cu_event *event)) \
	X(cuIpcGetMemHandle, cuIpcGetMemHandle, 4010, (struct dv_cu_ipc_memory *handle, dv_cu_ptr dptr)) \
	X(cuIpcOpenEventHandle, cuIpcOpenEventHandle, 4010, (struct dv_cu_event **event, struct dv_cu_ipc_event handle)) \
	X(cuIpcOpenMemHandle, cuIpcOpenMemHandle, 4010, (dv_cu_ptr *pdptr, struct dv_cu_ipc_memory handle, uint32_t flags)) \
	X(cuIpcOpenMemHandle_v2, cuIpcOpenMemHandle, 11000, (dv_cu_ptr *pdptr, struct dv_cu_ipc_memory handle, uint32_t flags)) \
	X(cuMemAddressFree, cuMemAddressFree, 10020, (dv_cu_ptr ptr, size_t size)) \
	X(cuMemAddressReserve, cuMemAddressReserve, 10020, (dv_cu_ptr *ptr, size_t size, size_t alignment, dv_cu_ptr addr, unsigned long long flags)) \
	X(cuMemAdvise, cuMemAdvise, 8000, (dv_cu_ptr dev_ptr, size_t count, uint32_t advice, int device)) \
	X(cuMemAdvise_v2, cuMemAdvise, 12020, (dv_cu_ptr dev_ptr, size_t count, uint32_t advice, struct dv_cu_location location)) \
	X(cuMemAllocHost_v2, cuMemAllocHost, 3020, (void **pp, size_t bytesize)) \
	X(cuMemAllocManaged, cuMemAllocManaged, 6000, (dv_cu_ptr *dptr, size_t bytesize, uint32_t flags)) \
	X(cuMemAllocPitch_v2, cuMemAllocPitch, 3020, (dv_cu_ptr *dptr, size_t *pitch, size_t width_in_bytes, size_t height, uint32_t element_size_bytes)) \
	X(cuMemAlloc_v2, cuMemAlloc, 3020, (dv_cu_ptr *dptr, size_t bytesize)) \
	X(cuMemCreate, cuMemCreate, 10020, (unsigned long long *handle, size_t size, const struct dv_cu_alloc_prop *prop, unsigned long long flags)) \
	X(cuMemExportToShareableHandle, cuMemExportToShareableHandle, 10020, (void *shareable_handle, unsigned long long handle, uint32_t handle_type, unsigned long long flags)) \
	X(cuMemFreeHost, cuMemFreeHost, 2000, (void *p)) \
	X(cuMemFree_v2, cuMemFree, 3020, (dv_cu_ptr dptr)) \
	X(cuMemGetAccess, cuMemGetAccess, 10020, (unsigned long long *flags, const struct dv_cu_location *location, dv_cu_ptr ptr)) \
	X(cuMemGetAddressRange_v2, cuMemGetAddressRange, 3020, (dv_cu_ptr *pbase, size_t *psize, dv_cu_ptr dptr)) \
	X(cuMemGetAllocationGranularity, cuMemGetAllocationGranularity, 10020, (size_t *granularity, const struct dv_cu_alloc_prop *prop, uint32_t option)) \
	X(cuMemGetAllocationPropertiesFromHandle, cuMemGetAllocationPropertiesFromHandle, 10020, (struct dv_cu_alloc_prop *prop, unsigned long long handle)) \
	X(cuMemGetDefaultMemPool, cuMemGetDefaultMemPool, 13000, (struct dv_cu_pool **pool_out, struct dv_cu_location *location, uint32_t type)) \
	X(cuMemGetInfo_v2, cuMemGetInfo, 3020, (size_t *free, size_t *total)) \
	X(cuMemGetMemPool, cuMemGetMemPool, 13000, (struct dv_cu_pool **pool, struct dv_cu_location *location, uint32_t type)) \
	X(cuMemHostAlloc, cuMemHostAlloc, 2020, (void **pp, size_t bytesize, uint32_t flags)) \
	X(cuMemHostGetDevicePointer_v2, cuMemHostGetDevicePointer, 3020, (dv_cu_ptr *pdptr, void *p, uint32_t flags)) \
	X(cuMemHostGetFlags, cuMemHostGetFlags, 2030, (uint32_t *flags, void *p)) \
	X(cuMemHostRegister, cuMemHostRegister, 4000, (void *p, size_t bytesize, uint32_t flags)) \
	X(cuMemHostRegister_v2, cuMemHostRegister, 6050, (void *p, size_t bytesize, uint32_t flags)) \
	X(cuMemHostUnregister, cuMemHostUnregister, 4000, (void *p)) \
	X(cuMemImportFromShareableHandle, cuMemImportFromShareableHandle, 10020, (unsigned long long *handle, void *os_handle, uint32_t sh_handle_type)) \
	X(cuMemMap, cuMemMap, 10020, (dv_cu_ptr ptr, size_t size, size_t offset, unsigned long long handle, unsigned long long flags)) \
	X(cuMemPoolCreate, cuMemPoolCreate, 11020, (struct dv_cu_pool **pool, const struct dv_cu_pool_props *pool_props)) \
	X(cuMemPoolDestroy, cuMemPoolDestroy, 11020, (struct dv_cu_pool *pool)) \
	X(cuMemPoolGetAccess, cuMemPoolGetAccess, 11020, (uint32_t *flags, struct dv_cu_pool *mem_pool, struct dv_cu_location *location)) \
	X(cuMemPoolGetAttribute, cuMemPoolGetAttribute, 11020, (struct dv_cu_pool *pool, uint32_t attr, void *value)) \
	X(cuMemPoolSetAccess, cuMemPoolSetAccess, 11020, (struct dv_cu_pool *pool, const struct dv_cu_access *map, size_t count)) \
	X(cuMemPoolSetAttribute, cuMemPoolSetAttribute, 11020, (struct dv_cu_pool *pool, uint32_t attr, void *value)) \
	X(cuMemPoolTrimTo, cuMemPoolTrimTo, 11020, (struct dv_cu_pool *pool, size_t min_bytes_to_keep)) \
	X(cuMemRangeGetAttribute, cuMemRangeGetAttribute, 8000, (void *data, size_t data_size, uint32_t attribute, dv_cu_ptr dev_ptr, size_t count)) \
	X(cuMemRangeGetAttributes, cuMemRangeGetAttributes, 8000, (void **data, size_t *data_sizes, uint32_t *attributes, size_t num_attributes, dv_cu_ptr dev_ptr, size_t count)) \
	X(cuMemRelease, cuMemRelease, 10020, (unsigned long long handle)) \
	X(cuMemRetainAllocationHandle, cuMemRetainAllocationHandle, 11000, (unsigned long long *handle, void *addr)) \
	X(cuMemSetAccess, cuMemSetAccess, 10020, (dv_cu_ptr ptr, size_t size, const struct dv_cu_access *desc, size_t count)) \
	X(cuMemSetMemPool, cuMemSetMemPool, 13000, (struct dv_cu_location *location, uint32_t type, struct dv_cu_pool *pool)) \
	X(cuMemUnmap, cuMemUnmap, 10020, (dv_cu_ptr ptr, size_t size)) \
	X(cuMipmappedArrayCreate, cuMipmappedArrayCreate, 5000, (struct dv_cu_mipmap **handle, const struct dv_cu_array_3d *mipmapped_array_desc, uint32_t num_mipmap_levels)) \
	X(cuMipmappedArrayDestroy, cuMipmappedArrayDestroy, 5000, (struct dv_cu_mipmap *mipmapped_array)) \
	X(cuMipmappedArrayGetLevel, cuMipmappedArrayGetLevel, 5000, (struct dv_cu_array **level_array, struct dv_cu_mipmap *mipmapped_array, uint32_t level)) \
	X(cuMipmappedArrayGetMemoryRequirements, cuMipmappedArrayGetMemoryRequirements, 11060, (struct dv_cu_array_memory *memory_requirements, struct dv_cu_mipmap *mipmap, int device)) \
	X(cuMipmappedArrayGetSparseProperties, cuMipmappedArrayGetSparseProperties, 11010, (struct dv_cu_array_sparse *sparse_properties, struct dv_cu_mipmap *mipmap)) \
	X(cuPointerGetAttribute, cuPointerGetAttribute, 4000, (void *data, uint32_t attribute, dv_cu_ptr ptr)) \
	X(cuPointerGetAttributes, cuPointerGetAttributes, 7000, (uint32_t num_attributes, uint32_t *attributes, void **data, dv_cu_ptr ptr)) \
	X(cuPointerSetAttribute, cuPointerSetAttribute, 6000, (const void *value, uint32_t attribute, dv_cu_ptr ptr))

#define DV_CUDA_MEMORY_PTSZ_CALLS(X) \
	X(cuMemAllocAsync, cuMemAllocAsync, 11020, (dv_cu_ptr *dptr, size_t bytesize, struct dv_cu_stream *stream)) \
	X(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync, 11020, (dv_cu_ptr *dptr, size_t bytesize, struct dv_cu_pool *pool, struct dv_cu_stream *stream)) \
	X(cuMemFreeAsync, cuMemFreeAsync, 11020, (dv_cu_ptr dptr, struct dv_cu_stream *stream)) \
	X(cuMemPrefetchAsync, cuMemPrefetchAsync, 8000, (dv_cu_ptr dev_ptr, size_t count, int dst_device, struct dv_cu_stream *stream)) \
	X(cuMemPrefetchAsync_v2, cuMemPrefetchAsync, 12020, (dv_cu_ptr dev_ptr, size_t count, struct dv_cu_location location, uint32_t flags, struct dv_cu_stream *stream))

#define DV_CUDA_MEMORY_PTDS_CALLS(X)

/* clang-format on */
