/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of what this library puts in the driver's place. Each symbol of it is exported
 * here, looked up in the driver, and found by address in what cuGetProcAddress answers: whichever
 * way a program comes by an entry point, it comes to the same wrapper. Declarations only.
 *
 * A symbol of the _PTSZ and _PTDS lists stands for two: itself, and the one with _ptsz or _ptds at
 * its end. */
#pragma once

#include "abi/cuda-calls-more.h"
#include "abi/cuda-calls.h"

/* clang-format off */
#define DV_CUDA_HOOKS_PLAIN(H) \
	H(cuInit) H(cuGetProcAddress) H(cuGetProcAddress_v2) \
	H(cuCtxCreate) H(cuCtxCreate_v2) H(cuCtxCreate_v3) H(cuCtxCreate_v4) \
	H(cuCtxDestroy) H(cuCtxDestroy_v2) \
	H(cuCtxSetCurrent) H(cuCtxPushCurrent) H(cuCtxPushCurrent_v2) \
	H(cuCtxSynchronize) H(cuCtxSynchronize_v2) \
	H(cuDevicePrimaryCtxRetain) H(cuDevicePrimaryCtxRelease) H(cuDevicePrimaryCtxRelease_v2) \
	H(cuDevicePrimaryCtxReset) H(cuDevicePrimaryCtxReset_v2) \
	H(cuStreamCreate) H(cuStreamCreateWithPriority) H(cuStreamDestroy) H(cuStreamDestroy_v2) \
	H(cuGreenCtxCreate) H(cuGreenCtxDestroy) H(cuGreenCtxStreamCreate) \
	H(cuEventSynchronize) \
	H(cuLaunch) H(cuLaunchGrid) H(cuLaunchGridAsync) H(cuLaunchCooperativeKernelMultiDevice) \
	H(cuMemAlloc) H(cuMemAlloc_v2) H(cuMemAllocPitch) H(cuMemAllocPitch_v2) H(cuMemAllocManaged) \
	H(cuMemFree) H(cuMemFree_v2) H(cuMemGetInfo) H(cuMemGetInfo_v2) \
	H(cuDeviceTotalMem) H(cuDeviceTotalMem_v2) \
	H(cuMemAllocHost) H(cuMemAllocHost_v2) H(cuMemHostAlloc) H(cuMemFreeHost) \
	H(cuMemHostRegister) H(cuMemHostRegister_v2) H(cuMemHostUnregister) \
	H(cuMemCreate) H(cuMemRelease) H(cuMemRetainAllocationHandle) H(cuMemMap) H(cuMemUnmap) \
	H(cuMemExportToShareableHandle) \
	H(cuMemPoolCreate) H(cuMemPoolDestroy) H(cuMemPoolTrimTo) H(cuMemPoolSetAttribute) \
	H(cuMemPoolImportFromShareableHandle) H(cuMemGetDefaultMemPool) H(cuMemGetMemPool) \
	H(cuArrayCreate) H(cuArrayCreate_v2) H(cuArray3DCreate) H(cuArray3DCreate_v2) H(cuArrayDestroy) \
	H(cuMipmappedArrayCreate) H(cuMipmappedArrayDestroy) \
	H(cuGraphInstantiate) H(cuGraphInstantiate_v2) H(cuGraphInstantiateWithFlags) \
	H(cuGraphAddMemAllocNode) H(cuGraphAddNode) H(cuGraphAddNode_v2) H(cuGraphExecDestroy) \
	H(cuDeviceGraphMemTrim)

#define DV_CUDA_HOOKS_PTSZ(H) \
	H(cuLaunchKernel) H(cuLaunchKernelEx) H(cuLaunchCooperativeKernel) \
	H(cuGraphLaunch) H(cuGraphUpload) H(cuGraphInstantiateWithParams) \
	H(cuStreamBeginCapture) H(cuStreamBeginCapture_v2) H(cuStreamBeginCaptureToGraph) \
	H(cuStreamEndCapture) H(cuStreamSynchronize) \
	H(cuMemAllocAsync) H(cuMemAllocFromPoolAsync) H(cuMemFreeAsync) \
	H(cuMemPrefetchAsync) H(cuMemPrefetchAsync_v2) H(cuMemPrefetchBatchAsync) \
	H(cuMemDiscardBatchAsync) H(cuMemDiscardAndPrefetchBatchAsync) \
	H(cuMemBatchDecompressAsync) H(cuMemMapArrayAsync) \
	H(cuMemcpyAsync) H(cuMemcpyPeerAsync) H(cuMemcpyHtoDAsync_v2) H(cuMemcpyDtoHAsync_v2) \
	H(cuMemcpyDtoDAsync_v2) H(cuMemcpyHtoAAsync_v2) H(cuMemcpyAtoHAsync_v2) \
	H(cuMemcpy2DAsync_v2) H(cuMemcpy3DAsync_v2) H(cuMemcpy3DPeerAsync) \
	H(cuMemcpyBatchAsync) H(cuMemcpyBatchAsync_v2) \
	H(cuMemcpy3DBatchAsync) H(cuMemcpy3DBatchAsync_v2) \
	H(cuMemsetD8Async) H(cuMemsetD16Async) H(cuMemsetD32Async) \
	H(cuMemsetD2D8Async) H(cuMemsetD2D16Async) H(cuMemsetD2D32Async)

#define DV_CUDA_HOOKS_PTDS(H) \
	H(cuMemcpy) H(cuMemcpyPeer) H(cuMemcpyHtoD_v2) H(cuMemcpyDtoH_v2) H(cuMemcpyDtoD_v2) \
	H(cuMemcpyHtoA_v2) H(cuMemcpyAtoH_v2) H(cuMemcpyAtoA_v2) H(cuMemcpyAtoD_v2) H(cuMemcpyDtoA_v2) \
	H(cuMemcpy2D_v2) H(cuMemcpy2DUnaligned_v2) H(cuMemcpy3D_v2) H(cuMemcpy3DPeer) \
	H(cuMemsetD8_v2) H(cuMemsetD16_v2) H(cuMemsetD32_v2) \
	H(cuMemsetD2D8_v2) H(cuMemsetD2D16_v2) H(cuMemsetD2D32_v2)

/* What the wrappers themselves call beside what they wrap. */
#define DV_CUDA_USED(H) \
	H(cuCtxGetCurrent) H(cuCtxPopCurrent_v2) H(cuCtxGetDevice) H(cuDevicePrimaryCtxGetState) \
	H(cuEventCreate) H(cuEventDestroy_v2) H(cuEventQuery) H(cuEventRecord) \
	H(cuStreamIsCapturing) H(cuStreamGetCtx) H(cuStreamGetFlags) \
	H(cuThreadExchangeStreamCaptureMode) \
	H(cuDeviceGetMemPool) H(cuMemPoolGetAttribute) H(cuPointerGetAttribute) \
	H(cuArrayGetMemoryRequirements) H(cuMipmappedArrayGetMemoryRequirements) \
	H(cuDeviceGetGraphMemAttribute) H(cuCtxFromGreenCtx)
/* clang-format on */
