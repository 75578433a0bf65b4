/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points of the CUDA driver that divvy hooks or simulates, each once:
 *   X(symbol, name, since, arguments)
 * `symbol` is what the driver's library exports, `name` and `since` (1000 x major + 10 x minor)
 * what cuGetProcAddress is asked for it by: the newest symbol of a name that is not newer than the
 * version asked for. Every one returns enum dv_cu_result.
 *
 * Those of the _PTSZ and _PTDS lists are exported a second time with _ptsz or _ptds at their end,
 * of the same arguments: there a stream of NULL is the thread's own. cuGetProcAddress answers with
 * these when it is asked for version 7000 or newer with
 * DV_CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM.
 *
 * Source: cuda.h, cudaTypedefs.h and the stub library of CUDA 13.0;
 * tests/unit/device/test-cuda-abi.c compares all of it with them where they are installed.
 * Declarations only. */
#pragma once

#include "abi/cuda-calls-copy.h"
#include "abi/cuda-calls-device.h"
#include "abi/cuda-calls-graph.h"
#include "abi/cuda-calls-launch.h"
#include "abi/cuda-calls-memory.h"
#include "abi/cuda-calls-stream.h"

/* clang-format off */
#define DV_CUDA_PLAIN_CALLS(X) \
	DV_CUDA_DEVICE_CALLS(X) DV_CUDA_MEMORY_CALLS(X) DV_CUDA_COPY_CALLS(X) \
	DV_CUDA_STREAM_CALLS(X) DV_CUDA_LAUNCH_CALLS(X) DV_CUDA_GRAPH_CALLS(X)
#define DV_CUDA_PTSZ_CALLS(X) \
	DV_CUDA_MEMORY_PTSZ_CALLS(X) DV_CUDA_COPY_PTSZ_CALLS(X) DV_CUDA_STREAM_PTSZ_CALLS(X) \
	DV_CUDA_LAUNCH_PTSZ_CALLS(X) DV_CUDA_GRAPH_PTSZ_CALLS(X)
#define DV_CUDA_PTDS_CALLS(X) DV_CUDA_COPY_PTDS_CALLS(X)

/* All that are simulated. */
#define DV_CUDA_CALLS(X) DV_CUDA_PLAIN_CALLS(X) DV_CUDA_PTSZ_CALLS(X) DV_CUDA_PTDS_CALLS(X)

/* Not simulated: memory of other interfaces, pools of other processes, attributes of kernel nodes,
 * and the 32-bit ABI of CUDA 2 that is still exported. */
#define DV_CUDA_UNSIMULATED_CALLS(X) \
	X(cuDestroyExternalMemory, cuDestroyExternalMemory, 10000, (struct dv_cu_external *ext_mem)) \
	X(cuExternalMemoryGetMappedBuffer, cuExternalMemoryGetMappedBuffer, 10000, (dv_cu_ptr *dev_ptr, struct dv_cu_external *ext_mem, const struct dv_cu_external_buffer *buffer_desc)) \
	X(cuGraphDebugDotPrint, cuGraphDebugDotPrint, 11030, (struct dv_cu_graph *graph, const char *path, uint32_t flags)) \
	X(cuGraphExecChildGraphNodeSetParams, cuGraphExecChildGraphNodeSetParams, 11010, (struct dv_cu_exec *graph_exec, struct dv_cu_node *node, struct dv_cu_graph *child_graph)) \
	X(cuGraphKernelNodeCopyAttributes, cuGraphKernelNodeCopyAttributes, 11000, (struct dv_cu_node *dst, struct dv_cu_node *src)) \
	X(cuGraphKernelNodeGetAttribute, cuGraphKernelNodeGetAttribute, 11000, (struct dv_cu_node *node, uint32_t attr, union dv_cu_launch_value *value_out)) \
	X(cuGraphKernelNodeSetAttribute, cuGraphKernelNodeSetAttribute, 11000, (struct dv_cu_node *node, uint32_t attr, const union dv_cu_launch_value *value)) \
	X(cuImportExternalMemory, cuImportExternalMemory, 10000, (struct dv_cu_external **ext_mem_out, const struct dv_cu_external_handle *mem_handle_desc)) \
	X(cuMemPoolExportPointer, cuMemPoolExportPointer, 11020, (struct dv_cu_pool_pointer *share_data_out, dv_cu_ptr ptr)) \
	X(cuMemPoolExportToShareableHandle, cuMemPoolExportToShareableHandle, 11020, (void *handle_out, struct dv_cu_pool *pool, uint32_t handle_type, unsigned long long flags)) \
	X(cuMemPoolImportFromShareableHandle, cuMemPoolImportFromShareableHandle, 11020, (struct dv_cu_pool **pool_out, void *handle, uint32_t handle_type, unsigned long long flags)) \
	X(cuMemPoolImportPointer, cuMemPoolImportPointer, 11020, (dv_cu_ptr *ptr_out, struct dv_cu_pool *pool, struct dv_cu_pool_pointer *share_data)) \
	X(cuMemcpy3DBatchAsync, cuMemcpy3DBatchAsync, 12080, (size_t num_ops, struct dv_cu_copy_3d_op *op_list, size_t *fail_idx, unsigned long long flags, struct dv_cu_stream *stream)) \
	X(cuMemcpy3DBatchAsync_v2, cuMemcpy3DBatchAsync, 13000, (size_t num_ops, struct dv_cu_copy_3d_op *op_list, unsigned long long flags, struct dv_cu_stream *stream)) \
	X(cuCtxCreate, cuCtxCreate, 2000, (struct dv_cu_context **pctx, uint32_t flags, int dev)) \
	X(cuDeviceTotalMem, cuDeviceTotalMem, 2000, (uint32_t *bytes, int dev)) \
	X(cuMemAlloc, cuMemAlloc, 2000, (uint32_t *dptr, uint32_t bytesize)) \
	X(cuMemAllocHost, cuMemAllocHost, 2000, (void **pp, uint32_t bytesize)) \
	X(cuMemAllocPitch, cuMemAllocPitch, 2000, (uint32_t *dptr, uint32_t *pitch, uint32_t width_in_bytes, uint32_t height, uint32_t element_size_bytes)) \
	X(cuMemFree, cuMemFree, 2000, (uint32_t dptr)) \
	X(cuMemGetAddressRange, cuMemGetAddressRange, 2000, (uint32_t *pbase, uint32_t *psize, uint32_t dptr)) \
	X(cuMemGetInfo, cuMemGetInfo, 2000, (uint32_t *free, uint32_t *total)) \
	X(cuMemHostGetDevicePointer, cuMemHostGetDevicePointer, 2020, (uint32_t *pdptr, void *p, uint32_t flags)) \
	X(cuMemcpyAtoA, cuMemcpyAtoA, 2000, (struct dv_cu_array *dst_array, uint32_t dst_offset, struct dv_cu_array *src_array, uint32_t src_offset, uint32_t byte_count)) \
	X(cuMemcpyAtoD, cuMemcpyAtoD, 2000, (uint32_t dst_device, struct dv_cu_array *src_array, uint32_t src_offset, uint32_t byte_count)) \
	X(cuMemcpyAtoH, cuMemcpyAtoH, 2000, (void *dst_host, struct dv_cu_array *src_array, uint32_t src_offset, uint32_t byte_count)) \
	X(cuMemcpyAtoHAsync, cuMemcpyAtoHAsync, 2000, (void *dst_host, struct dv_cu_array *src_array, uint32_t src_offset, uint32_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyDtoA, cuMemcpyDtoA, 2000, (struct dv_cu_array *dst_array, uint32_t dst_offset, uint32_t src_device, uint32_t byte_count)) \
	X(cuMemcpyDtoD, cuMemcpyDtoD, 2000, (uint32_t dst_device, uint32_t src_device, uint32_t byte_count)) \
	X(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync, 3000, (uint32_t dst_device, uint32_t src_device, uint32_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyDtoH, cuMemcpyDtoH, 2000, (void *dst_host, uint32_t src_device, uint32_t byte_count)) \
	X(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync, 2000, (void *dst_host, uint32_t src_device, uint32_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyHtoA, cuMemcpyHtoA, 2000, (struct dv_cu_array *dst_array, uint32_t dst_offset, const void *src_host, uint32_t byte_count)) \
	X(cuMemcpyHtoAAsync, cuMemcpyHtoAAsync, 2000, (struct dv_cu_array *dst_array, uint32_t dst_offset, const void *src_host, uint32_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyHtoD, cuMemcpyHtoD, 2000, (uint32_t dst_device, const void *src_host, uint32_t byte_count)) \
	X(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync, 2000, (uint32_t dst_device, const void *src_host, uint32_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemsetD16, cuMemsetD16, 2000, (uint32_t dst_device, uint16_t us, uint32_t n)) \
	X(cuMemsetD2D16, cuMemsetD2D16, 2000, (uint32_t dst_device, uint32_t dst_pitch, uint16_t us, uint32_t width, uint32_t height)) \
	X(cuMemsetD2D32, cuMemsetD2D32, 2000, (uint32_t dst_device, uint32_t dst_pitch, uint32_t ui, uint32_t width, uint32_t height)) \
	X(cuMemsetD2D8, cuMemsetD2D8, 2000, (uint32_t dst_device, uint32_t dst_pitch, uint8_t uc, uint32_t width, uint32_t height)) \
	X(cuMemsetD32, cuMemsetD32, 2000, (uint32_t dst_device, uint32_t ui, uint32_t n)) \
	X(cuMemsetD8, cuMemsetD8, 2000, (uint32_t dst_device, uint8_t uc, uint32_t n)) \
	X(cuModuleGetGlobal, cuModuleGetGlobal, 2000, (uint32_t *dptr, uint32_t *bytes, struct dv_cu_module *hmod, const char *name))
/* clang-format on */
