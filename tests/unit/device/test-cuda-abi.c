/* SPDX-License-Identifier: Apache-2.0 */
/* Our declarations of the CUDA driver against the vendor's header and stub library, where those of
 * CUDA 13 or later are installed. */
#include "abi/cuda-calls-more.h"
#include "abi/cuda-calls.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#if __has_include(<cuda.h>)
/* Every version of a call by its own name. */
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>
#include <cudaProfiler.h>
#endif

#if defined(CUDA_VERSION) && CUDA_VERSION >= 13000
#define HEADER_IS_HERE 1

#define SAME(name) static_assert((long)DV_##name == (long)(name), #name);
#define SAME_AS(name, number) static_assert((number) == (long)(name), #name);
#define SIZE(ours, theirs) static_assert(sizeof(ours) == sizeof(theirs), #theirs);
#define OFFSET(ours, member, theirs, same)                                                         \
	static_assert(offsetof(ours, member) == offsetof(theirs, same), #theirs "." #same);

DV_CUDA_RESULTS(SAME_AS)
DV_CUDA_ATTRIBUTES(SAME_AS)
SAME(CU_MEM_OPERATION_TYPE_MAP)
SAME(CU_MEM_OPERATION_TYPE_UNMAP)
SIZE(struct dv_cu_array_map, CUarrayMapInfo_v1)
OFFSET(struct dv_cu_array_map, operation, CUarrayMapInfo_v1, memOperationType)
OFFSET(struct dv_cu_array_map, handle, CUarrayMapInfo_v1, memHandle)
SIZE(struct dv_cu_array_2d_v1, CUDA_ARRAY_DESCRIPTOR_v1)
SIZE(struct dv_cu_array_3d_v1, CUDA_ARRAY3D_DESCRIPTOR_v1)
SAME(CU_STREAM_CAPTURE_STATUS_NONE)
SAME(CU_STREAM_CAPTURE_STATUS_ACTIVE)
SAME(CU_STREAM_CAPTURE_STATUS_INVALIDATED)
SAME(CU_GET_PROC_ADDRESS_SUCCESS)
SAME(CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND)
SAME(CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT)
SAME(CU_CTX_SCHED_AUTO)
SAME(CU_CTX_SCHED_SPIN)
SAME(CU_CTX_SCHED_YIELD)
SAME(CU_CTX_SCHED_BLOCKING_SYNC)
SAME(CU_CTX_SCHED_MASK)
SAME(CU_CTX_MAP_HOST)
SAME(CU_CTX_COREDUMP_ENABLE)
SAME(CU_CTX_USER_COREDUMP_ENABLE)
SAME(CU_CTX_SYNC_MEMOPS)
SAME(CU_CTX_FLAGS_MASK)
SAME(CU_LIMIT_STACK_SIZE)
SAME(CU_LIMIT_PRINTF_FIFO_SIZE)
SAME(CU_LIMIT_MALLOC_HEAP_SIZE)
SAME(CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH)
SAME(CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT)
SAME(CU_LIMIT_MAX_L2_FETCH_GRANULARITY)
SAME(CU_LIMIT_PERSISTING_L2_CACHE_SIZE)
SAME(CU_LIMIT_SHMEM_SIZE)
SAME(CU_LIMIT_CIG_ENABLED)
SAME(CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED)
SAME(CU_COMPUTEMODE_DEFAULT)
SAME(CU_COMPUTEMODE_PROHIBITED)
SAME(CU_COMPUTEMODE_EXCLUSIVE_PROCESS)
SAME(CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK)
SAME(CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED)
SAME(CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED)
SAME(CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED)
SAME(CU_DEVICE_P2P_ATTRIBUTE_ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED)
SAME(CU_MODULE_EAGER_LOADING)
SAME(CU_MODULE_LAZY_LOADING)
SAME(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK)
SAME(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES)
SAME(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES)
SAME(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES)
SAME(CU_FUNC_ATTRIBUTE_NUM_REGS)
SAME(CU_FUNC_ATTRIBUTE_PTX_VERSION)
SAME(CU_FUNC_ATTRIBUTE_BINARY_VERSION)
SAME(CU_FUNC_ATTRIBUTE_CACHE_MODE_CA)
SAME(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
SAME(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
SAME(CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET)
SAME(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH)
SAME(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT)
SAME(CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH)
SAME(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED)
SAME(CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE)
SAME(CU_FUNCTION_LOADING_STATE_UNLOADED)
SAME(CU_FUNCTION_LOADING_STATE_LOADED)
SAME(CU_GET_PROC_ADDRESS_DEFAULT)
SAME(CU_GET_PROC_ADDRESS_LEGACY_STREAM)
SAME(CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
SAME(CU_LAUNCH_ATTRIBUTE_IGNORE)
SAME(CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW)
SAME(CU_LAUNCH_ATTRIBUTE_COOPERATIVE)
SAME(CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY)
SAME(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
SAME(CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE)
SAME(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION)
SAME(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT)
SAME(CU_LAUNCH_ATTRIBUTE_PRIORITY)
SAME(CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP)
SAME(CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN)
SAME(CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION)
SAME(CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT)
SAME(CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE)
SAME(CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
SAME(CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING)
SAME(CU_STREAM_DEFAULT)
SAME(CU_STREAM_NON_BLOCKING)
SAME(CU_EVENT_DEFAULT)
SAME(CU_EVENT_BLOCKING_SYNC)
SAME(CU_EVENT_DISABLE_TIMING)
SAME(CU_EVENT_INTERPROCESS)
SAME(CU_EVENT_RECORD_DEFAULT)
SAME(CU_EVENT_RECORD_EXTERNAL)
SAME(CU_EVENT_WAIT_DEFAULT)
SAME(CU_EVENT_WAIT_EXTERNAL)
SAME(CU_STREAM_WAIT_VALUE_GEQ)
SAME(CU_STREAM_WAIT_VALUE_EQ)
SAME(CU_STREAM_WAIT_VALUE_AND)
SAME(CU_STREAM_WAIT_VALUE_NOR)
SAME(CU_STREAM_WAIT_VALUE_FLUSH)
SAME(CU_STREAM_WRITE_VALUE_DEFAULT)
SAME(CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER)
SAME(CU_STREAM_MEM_OP_WAIT_VALUE_32)
SAME(CU_STREAM_MEM_OP_WRITE_VALUE_32)
SAME(CU_STREAM_MEM_OP_WAIT_VALUE_64)
SAME(CU_STREAM_MEM_OP_WRITE_VALUE_64)
SAME(CU_STREAM_MEM_OP_BARRIER)
SAME(CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES)
SAME(CU_STREAM_CAPTURE_MODE_GLOBAL)
SAME(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)
SAME(CU_STREAM_CAPTURE_MODE_RELAXED)
SAME(CU_STREAM_ADD_CAPTURE_DEPENDENCIES)
SAME(CU_STREAM_SET_CAPTURE_DEPENDENCIES)
SAME(CU_MEMORYTYPE_HOST)
SAME(CU_MEMORYTYPE_DEVICE)
SAME(CU_MEMORYTYPE_ARRAY)
SAME(CU_MEMORYTYPE_UNIFIED)
SAME(CU_POINTER_ATTRIBUTE_CONTEXT)
SAME(CU_POINTER_ATTRIBUTE_MEMORY_TYPE)
SAME(CU_POINTER_ATTRIBUTE_DEVICE_POINTER)
SAME(CU_POINTER_ATTRIBUTE_HOST_POINTER)
SAME(CU_POINTER_ATTRIBUTE_P2P_TOKENS)
SAME(CU_POINTER_ATTRIBUTE_SYNC_MEMOPS)
SAME(CU_POINTER_ATTRIBUTE_BUFFER_ID)
SAME(CU_POINTER_ATTRIBUTE_IS_MANAGED)
SAME(CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
SAME(CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE)
SAME(CU_POINTER_ATTRIBUTE_RANGE_START_ADDR)
SAME(CU_POINTER_ATTRIBUTE_RANGE_SIZE)
SAME(CU_POINTER_ATTRIBUTE_MAPPED)
SAME(CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES)
SAME(CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE)
SAME(CU_POINTER_ATTRIBUTE_ACCESS_FLAGS)
SAME(CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE)
SAME(CU_POINTER_ATTRIBUTE_MAPPING_SIZE)
SAME(CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR)
SAME(CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID)
SAME(CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE)
SAME(CU_MEM_ATTACH_GLOBAL)
SAME(CU_MEM_ATTACH_HOST)
SAME(CU_MEM_ATTACH_SINGLE)
SAME(CU_MEM_ADVISE_SET_READ_MOSTLY)
SAME(CU_MEM_ADVISE_UNSET_READ_MOSTLY)
SAME(CU_MEM_ADVISE_SET_PREFERRED_LOCATION)
SAME(CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION)
SAME(CU_MEM_ADVISE_SET_ACCESSED_BY)
SAME(CU_MEM_ADVISE_UNSET_ACCESSED_BY)
SAME(CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY)
SAME(CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION)
SAME(CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY)
SAME(CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION)
SAME(CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE)
SAME(CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID)
SAME(CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE)
SAME(CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID)
SAME(CU_MEM_ALLOCATION_TYPE_INVALID)
SAME(CU_MEM_ALLOCATION_TYPE_PINNED)
SAME(CU_MEM_ALLOCATION_TYPE_MANAGED)
SAME(CU_MEM_HANDLE_TYPE_NONE)
SAME(CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)
SAME(CU_MEM_HANDLE_TYPE_WIN32)
SAME(CU_MEM_HANDLE_TYPE_WIN32_KMT)
SAME(CU_MEM_HANDLE_TYPE_FABRIC)
SAME(CU_MEM_LOCATION_TYPE_NONE)
SAME(CU_MEM_LOCATION_TYPE_DEVICE)
SAME(CU_MEM_LOCATION_TYPE_HOST)
SAME(CU_MEM_LOCATION_TYPE_HOST_NUMA)
SAME(CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT)
SAME(CU_MEM_ACCESS_FLAGS_PROT_NONE)
SAME(CU_MEM_ACCESS_FLAGS_PROT_READ)
SAME(CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
SAME(CU_MEM_ALLOC_GRANULARITY_MINIMUM)
SAME(CU_MEM_ALLOC_GRANULARITY_RECOMMENDED)
SAME(CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES)
SAME(CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC)
SAME(CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES)
SAME(CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
SAME(CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT)
SAME(CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH)
SAME(CU_MEMPOOL_ATTR_USED_MEM_CURRENT)
SAME(CU_MEMPOOL_ATTR_USED_MEM_HIGH)
SAME(CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
SAME(CU_AD_FORMAT_UNSIGNED_INT8)
SAME(CU_AD_FORMAT_UNSIGNED_INT16)
SAME(CU_AD_FORMAT_UNSIGNED_INT32)
SAME(CU_AD_FORMAT_SIGNED_INT8)
SAME(CU_AD_FORMAT_SIGNED_INT16)
SAME(CU_AD_FORMAT_SIGNED_INT32)
SAME(CU_AD_FORMAT_HALF)
SAME(CU_AD_FORMAT_FLOAT)
SAME(CU_GRAPH_NODE_TYPE_KERNEL)
SAME(CU_GRAPH_NODE_TYPE_MEMCPY)
SAME(CU_GRAPH_NODE_TYPE_MEMSET)
SAME(CU_GRAPH_NODE_TYPE_HOST)
SAME(CU_GRAPH_NODE_TYPE_GRAPH)
SAME(CU_GRAPH_NODE_TYPE_EMPTY)
SAME(CU_GRAPH_NODE_TYPE_WAIT_EVENT)
SAME(CU_GRAPH_NODE_TYPE_EVENT_RECORD)
SAME(CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL)
SAME(CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT)
SAME(CU_GRAPH_NODE_TYPE_MEM_ALLOC)
SAME(CU_GRAPH_NODE_TYPE_MEM_FREE)
SAME(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP)
SAME(CU_GRAPH_NODE_TYPE_CONDITIONAL)
SAME(CU_GRAPH_EXEC_UPDATE_SUCCESS)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE)
SAME(CU_GRAPH_EXEC_UPDATE_ERROR_ATTRIBUTES_CHANGED)
SAME(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH)
SAME(CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
SAME(CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH)
SAME(CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY)
SAME(CUDA_GRAPH_INSTANTIATE_SUCCESS)
SAME(CUDA_GRAPH_INSTANTIATE_ERROR)
SAME(CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE)
SAME(CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED)
SAME(CUDA_GRAPH_INSTANTIATE_MULTIPLE_CTXS_NOT_SUPPORTED)
SAME(CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED)
SAME(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT)
SAME(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH)
SAME(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT)
SAME(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH)
SAME(CU_USER_OBJECT_NO_DESTRUCTOR_SYNC)
SAME(CU_GRAPH_USER_OBJECT_MOVE)
SAME(CU_MEMHOSTALLOC_PORTABLE)
SAME(CU_MEMHOSTALLOC_DEVICEMAP)
SAME(CU_MEMHOSTALLOC_WRITECOMBINED)
SAME(CU_MEMHOSTREGISTER_PORTABLE)
SAME(CU_MEMHOSTREGISTER_DEVICEMAP)
SAME(CU_MEMHOSTREGISTER_IOMEMORY)
SAME(CU_MEMHOSTREGISTER_READ_ONLY)
SAME(CUDA_ARRAY3D_LAYERED)
SAME(CUDA_ARRAY3D_SURFACE_LDST)
SAME(CUDA_ARRAY3D_CUBEMAP)
SAME(CUDA_ARRAY3D_TEXTURE_GATHER)
SAME(CUDA_ARRAY3D_SPARSE)
SAME(CUDA_ARRAY3D_DEFERRED_MAPPING)
SAME(CU_IPC_HANDLE_SIZE)
SAME(CU_MEM_CREATE_USAGE_TILE_POOL)

/* clang-format off */
SIZE(struct dv_cu_uuid, struct CUuuid_st)
SIZE(struct dv_cu_device_properties, struct CUdevprop_st)
OFFSET(struct dv_cu_device_properties, shared_per_block, struct CUdevprop_st, sharedMemPerBlock)
OFFSET(struct dv_cu_device_properties, clock_khz, struct CUdevprop_st, clockRate)
OFFSET(struct dv_cu_device_properties, texture_align, struct CUdevprop_st, textureAlign)
SIZE(struct dv_cu_affinity, struct CUexecAffinityParam_st)
SIZE(struct dv_cu_context_params, struct CUctxCreateParams_st)
OFFSET(struct dv_cu_context_params, affinities, struct CUctxCreateParams_st, execAffinityParams)
OFFSET(struct dv_cu_context_params, affinity_count, struct CUctxCreateParams_st, numExecAffinityParams)
SIZE(union dv_cu_launch_value, union CUlaunchAttributeValue_union)
SIZE(struct dv_cu_launch, struct CUlaunchConfig_st)
OFFSET(struct dv_cu_launch, stream, struct CUlaunchConfig_st, hStream)
OFFSET(struct dv_cu_launch, attributes, struct CUlaunchConfig_st, attrs)
OFFSET(struct dv_cu_launch, attribute_count, struct CUlaunchConfig_st, numAttrs)
OFFSET(struct dv_cu_launch, shared_bytes, struct CUlaunchConfig_st, sharedMemBytes)
SIZE(struct dv_cu_launch_params, struct CUDA_LAUNCH_PARAMS_st)
OFFSET(struct dv_cu_launch_params, stream, struct CUDA_LAUNCH_PARAMS_st, hStream)
OFFSET(struct dv_cu_launch_params, params, struct CUDA_LAUNCH_PARAMS_st, kernelParams)
OFFSET(struct dv_cu_launch_params, grid_x, struct CUDA_LAUNCH_PARAMS_st, gridDimX)
SIZE(union dv_cu_memory_op, union CUstreamBatchMemOpParams_union)
SIZE(struct dv_cu_ipc_memory, struct CUipcMemHandle_st)
SIZE(struct dv_cu_ipc_event, struct CUipcEventHandle_st)
SIZE(struct dv_cu_location, struct CUmemLocation_st)
SIZE(struct dv_cu_alloc_prop, struct CUmemAllocationProp_st)
OFFSET(struct dv_cu_alloc_prop, type, struct CUmemAllocationProp_st, type)
OFFSET(struct dv_cu_alloc_prop, handle_types, struct CUmemAllocationProp_st, requestedHandleTypes)
OFFSET(struct dv_cu_alloc_prop, location, struct CUmemAllocationProp_st, location)
OFFSET(struct dv_cu_alloc_prop, flags, struct CUmemAllocationProp_st, allocFlags)
SIZE(struct dv_cu_access, struct CUmemAccessDesc_st)
OFFSET(struct dv_cu_access, location, struct CUmemAccessDesc_st, location)
OFFSET(struct dv_cu_access, flags, struct CUmemAccessDesc_st, flags)
SIZE(struct dv_cu_pool_props, struct CUmemPoolProps_st)
OFFSET(struct dv_cu_pool_props, type, struct CUmemPoolProps_st, allocType)
OFFSET(struct dv_cu_pool_props, handle_types, struct CUmemPoolProps_st, handleTypes)
OFFSET(struct dv_cu_pool_props, location, struct CUmemPoolProps_st, location)
OFFSET(struct dv_cu_pool_props, most_bytes, struct CUmemPoolProps_st, maxSize)
OFFSET(struct dv_cu_pool_props, usage, struct CUmemPoolProps_st, usage)
SIZE(struct dv_cu_pool_pointer, struct CUmemPoolPtrExportData_st)
SIZE(struct dv_cu_array_2d, struct CUDA_ARRAY_DESCRIPTOR_st)
OFFSET(struct dv_cu_array_2d, width, struct CUDA_ARRAY_DESCRIPTOR_st, Width)
OFFSET(struct dv_cu_array_2d, height, struct CUDA_ARRAY_DESCRIPTOR_st, Height)
OFFSET(struct dv_cu_array_2d, format, struct CUDA_ARRAY_DESCRIPTOR_st, Format)
OFFSET(struct dv_cu_array_2d, channels, struct CUDA_ARRAY_DESCRIPTOR_st, NumChannels)
SIZE(struct dv_cu_array_3d, struct CUDA_ARRAY3D_DESCRIPTOR_st)
OFFSET(struct dv_cu_array_3d, width, struct CUDA_ARRAY3D_DESCRIPTOR_st, Width)
OFFSET(struct dv_cu_array_3d, height, struct CUDA_ARRAY3D_DESCRIPTOR_st, Height)
OFFSET(struct dv_cu_array_3d, depth, struct CUDA_ARRAY3D_DESCRIPTOR_st, Depth)
OFFSET(struct dv_cu_array_3d, format, struct CUDA_ARRAY3D_DESCRIPTOR_st, Format)
OFFSET(struct dv_cu_array_3d, channels, struct CUDA_ARRAY3D_DESCRIPTOR_st, NumChannels)
OFFSET(struct dv_cu_array_3d, flags, struct CUDA_ARRAY3D_DESCRIPTOR_st, Flags)
SIZE(struct dv_cu_array_memory, struct CUDA_ARRAY_MEMORY_REQUIREMENTS_st)
OFFSET(struct dv_cu_array_memory, size, struct CUDA_ARRAY_MEMORY_REQUIREMENTS_st, size)
OFFSET(struct dv_cu_array_memory, alignment, struct CUDA_ARRAY_MEMORY_REQUIREMENTS_st, alignment)
SIZE(struct dv_cu_array_sparse, struct CUDA_ARRAY_SPARSE_PROPERTIES_st)
OFFSET(struct dv_cu_array_sparse, tail_size, struct CUDA_ARRAY_SPARSE_PROPERTIES_st, miptailSize)
OFFSET(struct dv_cu_array_sparse, flags, struct CUDA_ARRAY_SPARSE_PROPERTIES_st, flags)
SIZE(struct dv_cu_copy_2d, struct CUDA_MEMCPY2D_st)
OFFSET(struct dv_cu_copy_2d, src_x, struct CUDA_MEMCPY2D_st, srcXInBytes)
OFFSET(struct dv_cu_copy_2d, src_y, struct CUDA_MEMCPY2D_st, srcY)
OFFSET(struct dv_cu_copy_2d, src_type, struct CUDA_MEMCPY2D_st, srcMemoryType)
OFFSET(struct dv_cu_copy_2d, src_host, struct CUDA_MEMCPY2D_st, srcHost)
OFFSET(struct dv_cu_copy_2d, src_device, struct CUDA_MEMCPY2D_st, srcDevice)
OFFSET(struct dv_cu_copy_2d, src_array, struct CUDA_MEMCPY2D_st, srcArray)
OFFSET(struct dv_cu_copy_2d, src_pitch, struct CUDA_MEMCPY2D_st, srcPitch)
OFFSET(struct dv_cu_copy_2d, dst_x, struct CUDA_MEMCPY2D_st, dstXInBytes)
OFFSET(struct dv_cu_copy_2d, dst_type, struct CUDA_MEMCPY2D_st, dstMemoryType)
OFFSET(struct dv_cu_copy_2d, dst_host, struct CUDA_MEMCPY2D_st, dstHost)
OFFSET(struct dv_cu_copy_2d, dst_device, struct CUDA_MEMCPY2D_st, dstDevice)
OFFSET(struct dv_cu_copy_2d, dst_array, struct CUDA_MEMCPY2D_st, dstArray)
OFFSET(struct dv_cu_copy_2d, dst_pitch, struct CUDA_MEMCPY2D_st, dstPitch)
OFFSET(struct dv_cu_copy_2d, width, struct CUDA_MEMCPY2D_st, WidthInBytes)
OFFSET(struct dv_cu_copy_2d, height, struct CUDA_MEMCPY2D_st, Height)
SIZE(struct dv_cu_copy_3d, struct CUDA_MEMCPY3D_st)
OFFSET(struct dv_cu_copy_3d, src_z, struct CUDA_MEMCPY3D_st, srcZ)
OFFSET(struct dv_cu_copy_3d, src_type, struct CUDA_MEMCPY3D_st, srcMemoryType)
OFFSET(struct dv_cu_copy_3d, src_host, struct CUDA_MEMCPY3D_st, srcHost)
OFFSET(struct dv_cu_copy_3d, src_device, struct CUDA_MEMCPY3D_st, srcDevice)
OFFSET(struct dv_cu_copy_3d, src_array, struct CUDA_MEMCPY3D_st, srcArray)
OFFSET(struct dv_cu_copy_3d, src_pitch, struct CUDA_MEMCPY3D_st, srcPitch)
OFFSET(struct dv_cu_copy_3d, src_height, struct CUDA_MEMCPY3D_st, srcHeight)
OFFSET(struct dv_cu_copy_3d, dst_x, struct CUDA_MEMCPY3D_st, dstXInBytes)
OFFSET(struct dv_cu_copy_3d, dst_type, struct CUDA_MEMCPY3D_st, dstMemoryType)
OFFSET(struct dv_cu_copy_3d, dst_host, struct CUDA_MEMCPY3D_st, dstHost)
OFFSET(struct dv_cu_copy_3d, dst_device, struct CUDA_MEMCPY3D_st, dstDevice)
OFFSET(struct dv_cu_copy_3d, dst_array, struct CUDA_MEMCPY3D_st, dstArray)
OFFSET(struct dv_cu_copy_3d, dst_pitch, struct CUDA_MEMCPY3D_st, dstPitch)
OFFSET(struct dv_cu_copy_3d, dst_height, struct CUDA_MEMCPY3D_st, dstHeight)
OFFSET(struct dv_cu_copy_3d, width, struct CUDA_MEMCPY3D_st, WidthInBytes)
OFFSET(struct dv_cu_copy_3d, depth, struct CUDA_MEMCPY3D_st, Depth)
SIZE(struct dv_cu_copy_3d_peer, struct CUDA_MEMCPY3D_PEER_st)
OFFSET(struct dv_cu_copy_3d_peer, src_context, struct CUDA_MEMCPY3D_PEER_st, srcContext)
OFFSET(struct dv_cu_copy_3d_peer, dst_context, struct CUDA_MEMCPY3D_PEER_st, dstContext)
OFFSET(struct dv_cu_copy_3d_peer, dst_height, struct CUDA_MEMCPY3D_PEER_st, dstHeight)
OFFSET(struct dv_cu_copy_3d_peer, depth, struct CUDA_MEMCPY3D_PEER_st, Depth)
SIZE(struct dv_cu_copy_attributes, struct CUmemcpyAttributes_st)
OFFSET(struct dv_cu_copy_attributes, src_hint, struct CUmemcpyAttributes_st, srcLocHint)
OFFSET(struct dv_cu_copy_attributes, dst_hint, struct CUmemcpyAttributes_st, dstLocHint)
OFFSET(struct dv_cu_copy_attributes, flags, struct CUmemcpyAttributes_st, flags)
SIZE(struct dv_cu_copy_3d_op, struct CUDA_MEMCPY3D_BATCH_OP_st)
OFFSET(struct dv_cu_copy_3d_op, src, struct CUDA_MEMCPY3D_BATCH_OP_st, src)
OFFSET(struct dv_cu_copy_3d_op, dst, struct CUDA_MEMCPY3D_BATCH_OP_st, dst)
OFFSET(struct dv_cu_copy_3d_op, width, struct CUDA_MEMCPY3D_BATCH_OP_st, extent)
OFFSET(struct dv_cu_copy_3d_op, flags, struct CUDA_MEMCPY3D_BATCH_OP_st, flags)
SIZE(struct dv_cu_kernel_node_v1, struct CUDA_KERNEL_NODE_PARAMS_st)
SIZE(struct dv_cu_kernel_node, struct CUDA_KERNEL_NODE_PARAMS_v2_st)
OFFSET(struct dv_cu_kernel_node, function, struct CUDA_KERNEL_NODE_PARAMS_v2_st, func)
OFFSET(struct dv_cu_kernel_node, grid_x, struct CUDA_KERNEL_NODE_PARAMS_v2_st, gridDimX)
OFFSET(struct dv_cu_kernel_node, shared_bytes, struct CUDA_KERNEL_NODE_PARAMS_v2_st, sharedMemBytes)
OFFSET(struct dv_cu_kernel_node, params, struct CUDA_KERNEL_NODE_PARAMS_v2_st, kernelParams)
OFFSET(struct dv_cu_kernel_node, extra, struct CUDA_KERNEL_NODE_PARAMS_v2_st, extra)
OFFSET(struct dv_cu_kernel_node, kernel, struct CUDA_KERNEL_NODE_PARAMS_v2_st, kern)
OFFSET(struct dv_cu_kernel_node, context, struct CUDA_KERNEL_NODE_PARAMS_v2_st, ctx)
SIZE(struct dv_cu_memset_node, struct CUDA_MEMSET_NODE_PARAMS_st)
OFFSET(struct dv_cu_memset_node, dst, struct CUDA_MEMSET_NODE_PARAMS_st, dst)
OFFSET(struct dv_cu_memset_node, pitch, struct CUDA_MEMSET_NODE_PARAMS_st, pitch)
OFFSET(struct dv_cu_memset_node, value, struct CUDA_MEMSET_NODE_PARAMS_st, value)
OFFSET(struct dv_cu_memset_node, element_size, struct CUDA_MEMSET_NODE_PARAMS_st, elementSize)
OFFSET(struct dv_cu_memset_node, width, struct CUDA_MEMSET_NODE_PARAMS_st, width)
OFFSET(struct dv_cu_memset_node, height, struct CUDA_MEMSET_NODE_PARAMS_st, height)
SIZE(struct dv_cu_host_node, struct CUDA_HOST_NODE_PARAMS_st)
OFFSET(struct dv_cu_host_node, fn, struct CUDA_HOST_NODE_PARAMS_st, fn)
OFFSET(struct dv_cu_host_node, user, struct CUDA_HOST_NODE_PARAMS_st, userData)
SIZE(struct dv_cu_alloc_node, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st)
OFFSET(struct dv_cu_alloc_node, pool, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st, poolProps)
OFFSET(struct dv_cu_alloc_node, accesses, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st, accessDescs)
OFFSET(struct dv_cu_alloc_node, access_count, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st, accessDescCount)
OFFSET(struct dv_cu_alloc_node, bytes, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st, bytesize)
OFFSET(struct dv_cu_alloc_node, ret, struct CUDA_MEM_ALLOC_NODE_PARAMS_v1_st, dptr)
SIZE(struct dv_cu_node_params, struct CUgraphNodeParams_st)
OFFSET(struct dv_cu_node_params, kernel, struct CUgraphNodeParams_st, kernel)
OFFSET(struct dv_cu_node_params, copy, struct CUgraphNodeParams_st, memcpy)
OFFSET(struct dv_cu_node_params, fill, struct CUgraphNodeParams_st, memset)
OFFSET(struct dv_cu_node_params, host, struct CUgraphNodeParams_st, host)
OFFSET(struct dv_cu_node_params, child, struct CUgraphNodeParams_st, graph)
OFFSET(struct dv_cu_node_params, event, struct CUgraphNodeParams_st, eventWait)
OFFSET(struct dv_cu_node_params, alloc, struct CUgraphNodeParams_st, alloc)
OFFSET(struct dv_cu_node_params, free, struct CUgraphNodeParams_st, free)
SIZE(struct dv_cu_edge, struct CUgraphEdgeData_st)
SIZE(struct dv_cu_exec_update, struct CUgraphExecUpdateResultInfo_st)
OFFSET(struct dv_cu_exec_update, result, struct CUgraphExecUpdateResultInfo_st, result)
OFFSET(struct dv_cu_exec_update, error_node, struct CUgraphExecUpdateResultInfo_st, errorNode)
OFFSET(struct dv_cu_exec_update, error_from_node, struct CUgraphExecUpdateResultInfo_st, errorFromNode)
SIZE(struct dv_cu_instantiate, struct CUDA_GRAPH_INSTANTIATE_PARAMS_st)
OFFSET(struct dv_cu_instantiate, flags, struct CUDA_GRAPH_INSTANTIATE_PARAMS_st, flags)
OFFSET(struct dv_cu_instantiate, upload_stream, struct CUDA_GRAPH_INSTANTIATE_PARAMS_st, hUploadStream)
OFFSET(struct dv_cu_instantiate, error_node, struct CUDA_GRAPH_INSTANTIATE_PARAMS_st, hErrNode_out)
OFFSET(struct dv_cu_instantiate, result, struct CUDA_GRAPH_INSTANTIATE_PARAMS_st, result_out)
SIZE(struct dv_cu_launch_attribute, CUlaunchAttribute)
OFFSET(struct dv_cu_launch_attribute, value, CUlaunchAttribute, value)
SIZE(struct dv_cu_memory_value_op, struct CUstreamMemOpWaitValueParams_st)
OFFSET(struct dv_cu_memory_value_op, flags, struct CUstreamMemOpWaitValueParams_st, flags)

/* From here on our names mean their types. */
#define dv_cu_ptr CUdeviceptr
typedef __typeof__(*(CUstreamCallback)0) their_stream_fn;
#define dv_cu_stream_fn their_stream_fn
#define dv_cu_result cudaError_enum
#define dv_cu_capture_status CUstreamCaptureStatus_enum
#define dv_cu_symbol_status CUdriverProcAddressQueryResult_enum
#define dv_cu_context CUctx_st
#define dv_cu_module CUmod_st
#define dv_cu_function CUfunc_st
#define dv_cu_library CUlib_st
#define dv_cu_kernel CUkern_st
#define dv_cu_stream CUstream_st
#define dv_cu_event CUevent_st
#define dv_cu_array CUarray_st
#define dv_cu_mipmap CUmipmappedArray_st
#define dv_cu_pool CUmemPoolHandle_st
#define dv_cu_graph CUgraph_st
#define dv_cu_node CUgraphNode_st
#define dv_cu_exec CUgraphExec_st
#define dv_cu_user_object CUuserObject_st
#define dv_cu_external CUextMemory_st
#define dv_cu_external_buffer CUDA_EXTERNAL_MEMORY_BUFFER_DESC_st
#define dv_cu_external_handle CUDA_EXTERNAL_MEMORY_HANDLE_DESC_st
#define dv_cu_uuid CUuuid_st
#define dv_cu_device_properties CUdevprop_st
#define dv_cu_affinity CUexecAffinityParam_st
#define dv_cu_context_params CUctxCreateParams_st
#define dv_cu_launch_value CUlaunchAttributeValue_union
#define dv_cu_launch CUlaunchConfig_st
#define dv_cu_launch_params CUDA_LAUNCH_PARAMS_st
#define dv_cu_memory_op CUstreamBatchMemOpParams_union
#define dv_cu_ipc_memory CUipcMemHandle_st
#define dv_cu_ipc_event CUipcEventHandle_st
#define dv_cu_location CUmemLocation_st
#define dv_cu_alloc_prop CUmemAllocationProp_st
#define dv_cu_access CUmemAccessDesc_st
#define dv_cu_pool_props CUmemPoolProps_st
#define dv_cu_pool_pointer CUmemPoolPtrExportData_st
#define dv_cu_array_2d CUDA_ARRAY_DESCRIPTOR_st
#define dv_cu_array_3d CUDA_ARRAY3D_DESCRIPTOR_st
#define dv_cu_array_memory CUDA_ARRAY_MEMORY_REQUIREMENTS_st
#define dv_cu_array_sparse CUDA_ARRAY_SPARSE_PROPERTIES_st
#define dv_cu_copy_2d CUDA_MEMCPY2D_st
#define dv_cu_copy_3d CUDA_MEMCPY3D_st
#define dv_cu_copy_3d_peer CUDA_MEMCPY3D_PEER_st
#define dv_cu_copy_attributes CUmemcpyAttributes_st
#define dv_cu_copy_3d_op CUDA_MEMCPY3D_BATCH_OP_st
#define dv_cu_kernel_node_v1 CUDA_KERNEL_NODE_PARAMS_st
#define dv_cu_kernel_node CUDA_KERNEL_NODE_PARAMS_v2_st
#define dv_cu_memset_node CUDA_MEMSET_NODE_PARAMS_st
#define dv_cu_host_node CUDA_HOST_NODE_PARAMS_st
#define dv_cu_alloc_node CUDA_MEM_ALLOC_NODE_PARAMS_v1_st
#define dv_cu_node_params CUgraphNodeParams_st
#define dv_cu_edge CUgraphEdgeData_st
#define dv_cu_exec_update CUgraphExecUpdateResultInfo_st
#define dv_cu_instantiate CUDA_GRAPH_INSTANTIATE_PARAMS_st
#define dv_cu_green CUgreenCtx_st
#define dv_cu_resource_desc CUdevResourceDesc_st
#define dv_cu_decompress CUmemDecompressParams_st
#define dv_cu_array_map CUarrayMapInfo_st
#define dv_cu_array_2d_v1 CUDA_ARRAY_DESCRIPTOR_v1_st
#define dv_cu_array_3d_v1 CUDA_ARRAY3D_DESCRIPTOR_v1_st
/* clang-format on */

#define CALL(symbol, name, since, arguments)                                                       \
	static_assert(                                                                             \
		__builtin_types_compatible_p(__typeof__(symbol), enum dv_cu_result arguments),     \
		#symbol " takes what we pass it");
DV_CUDA_CALLS(CALL)
DV_CUDA_UNSIMULATED_CALLS(CALL)
DV_CUDA_MORE_CALLS(CALL)
DV_CUDA_MORE_PTSZ_CALLS(CALL)
#endif

/* Symbols of the list, all of them, with _ptsz and _ptds where they have these. */
static const char *const symbols[] = {
#define ONE(symbol, name, since, arguments) #symbol,
#define PTSZ(symbol, name, since, arguments) #symbol "_ptsz",
#define PTDS(symbol, name, since, arguments) #symbol "_ptds",
	DV_CUDA_CALLS(ONE) DV_CUDA_UNSIMULATED_CALLS(ONE) DV_CUDA_PTSZ_CALLS(PTSZ)
		DV_CUDA_PTDS_CALLS(PTDS) DV_CUDA_MORE_CALLS(ONE) DV_CUDA_MORE_PTSZ_CALLS(ONE)
			DV_CUDA_MORE_PTSZ_CALLS(PTSZ)};

/* Of one name a newer version is a newer symbol: cuGetProcAddress counts on it. */
static void test_versions(void **state)
{
	static const struct {
		const char *symbol, *name;
		int since;
	} calls[] = {
#define CALL_OF(symbol, name, since, arguments) {#symbol, #name, since},
		DV_CUDA_CALLS(CALL_OF)};
	size_t count = sizeof(calls) / sizeof(calls[0]);

	for (size_t i = 0; i < count; i++) {
		assert_in_range(calls[i].since, 2000, 13000);
		assert_memory_equal(calls[i].symbol, calls[i].name, strlen(calls[i].name));
		for (size_t j = 0; j < count; j++) {
			if (i == j || strcmp(calls[i].name, calls[j].name) != 0)
				continue;
			assert_int_not_equal(calls[i].since, calls[j].since);
			assert_true((calls[i].since < calls[j].since) ==
				    (strcmp(calls[i].symbol, calls[j].symbol) < 0));
		}
	}
}

static void test_against_header(void **state)
{
#ifdef HEADER_IS_HERE
	CUgraphNodeParams theirs = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free = {.dptr = 4096}};
	CUmemLocation location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 3};

	/* The compiler compared the rest, above; these are pointers to it. */
	assert_int_equal((uintptr_t)CU_STREAM_LEGACY, DV_CU_STREAM_LEGACY);
	assert_int_equal((uintptr_t)CU_STREAM_PER_THREAD, DV_CU_STREAM_PER_THREAD);
	assert_int_equal((uintptr_t)CU_LAUNCH_PARAM_END, DV_CU_LAUNCH_PARAM_END);
	assert_int_equal((uintptr_t)CU_LAUNCH_PARAM_BUFFER_POINTER,
			 DV_CU_LAUNCH_PARAM_BUFFER_POINTER);
	assert_int_equal((uintptr_t)CU_LAUNCH_PARAM_BUFFER_SIZE, DV_CU_LAUNCH_PARAM_BUFFER_SIZE);
	assert_int_equal(theirs.type, DV_CU_GRAPH_NODE_TYPE_MEM_FREE);
	assert_int_equal(location.type, DV_CU_MEM_LOCATION_TYPE_DEVICE);
#else
	print_message("no cuda.h of CUDA 13 or later here, nor below /usr/local/cuda/include\n");
	skip();
#endif
}

static void test_against_stub(void **state)
{
	void *stub = dlopen(CUDA_STUB, RTLD_LAZY | RTLD_LOCAL);

	if (!stub) {
		print_message("no stub library at " CUDA_STUB "\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		if (!dlsym(stub, symbols[i]))
			fail_msg("the driver's library does not export %s", symbols[i]);
	}
	(void)dlclose(stub);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions),
					   cmocka_unit_test(test_against_header),
					   cmocka_unit_test(test_against_stub)};

	return cmocka_run_group_tests_name("device/cuda-abi", tests, NULL, NULL);
}
