/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: copies and fills. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_COPY_CALLS(X)

#define DV_CUDA_COPY_PTSZ_CALLS(X) \
	X(cuMemcpy2DAsync_v2, cuMemcpy2DAsync, 3020, (const struct dv_cu_copy_2d *copy, struct dv_cu_stream *stream)) \
	X(cuMemcpy3DAsync_v2, cuMemcpy3DAsync, 3020, (const struct dv_cu_copy_3d *copy, struct dv_cu_stream *stream)) \
	X(cuMemcpy3DPeerAsync, cuMemcpy3DPeerAsync, 4000, (const struct dv_cu_copy_3d_peer *copy, struct dv_cu_stream *stream)) \
	X(cuMemcpyAsync, cuMemcpyAsync, 4000, (dv_cu_ptr dst, dv_cu_ptr src, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyAtoHAsync_v2, cuMemcpyAtoHAsync, 3020, (void *dst_host, struct dv_cu_array *src_array, size_t src_offset, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyBatchAsync, cuMemcpyBatchAsync, 12080, (dv_cu_ptr *dsts, dv_cu_ptr *srcs, size_t *sizes, size_t count, struct dv_cu_copy_attributes *attrs, size_t *attrs_idxs, size_t num_attrs, size_t *fail_idx, struct dv_cu_stream *stream)) \
	X(cuMemcpyBatchAsync_v2, cuMemcpyBatchAsync, 13000, (dv_cu_ptr *dsts, dv_cu_ptr *srcs, size_t *sizes, size_t count, struct dv_cu_copy_attributes *attrs, size_t *attrs_idxs, size_t num_attrs, struct dv_cu_stream *stream)) \
	X(cuMemcpyDtoDAsync_v2, cuMemcpyDtoDAsync, 3020, (dv_cu_ptr dst_device, dv_cu_ptr src_device, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyDtoHAsync_v2, cuMemcpyDtoHAsync, 3020, (void *dst_host, dv_cu_ptr src_device, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyHtoAAsync_v2, cuMemcpyHtoAAsync, 3020, (struct dv_cu_array *dst_array, size_t dst_offset, const void *src_host, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyHtoDAsync_v2, cuMemcpyHtoDAsync, 3020, (dv_cu_ptr dst_device, const void *src_host, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemcpyPeerAsync, cuMemcpyPeerAsync, 4000, (dv_cu_ptr dst_device, struct dv_cu_context *dst_context, dv_cu_ptr src_device, struct dv_cu_context *src_context, size_t byte_count, struct dv_cu_stream *stream)) \
	X(cuMemsetD16Async, cuMemsetD16Async, 3020, (dv_cu_ptr dst_device, uint16_t us, size_t n, struct dv_cu_stream *stream)) \
	X(cuMemsetD2D16Async, cuMemsetD2D16Async, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint16_t us, size_t width, size_t height, struct dv_cu_stream *stream)) \
	X(cuMemsetD2D32Async, cuMemsetD2D32Async, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint32_t ui, size_t width, size_t height, struct dv_cu_stream *stream)) \
	X(cuMemsetD2D8Async, cuMemsetD2D8Async, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint8_t uc, size_t width, size_t height, struct dv_cu_stream *stream)) \
	X(cuMemsetD32Async, cuMemsetD32Async, 3020, (dv_cu_ptr dst_device, uint32_t ui, size_t n, struct dv_cu_stream *stream)) \
	X(cuMemsetD8Async, cuMemsetD8Async, 3020, (dv_cu_ptr dst_device, uint8_t uc, size_t n, struct dv_cu_stream *stream))

#define DV_CUDA_COPY_PTDS_CALLS(X) \
	X(cuMemcpy, cuMemcpy, 4000, (dv_cu_ptr dst, dv_cu_ptr src, size_t byte_count)) \
	X(cuMemcpy2DUnaligned_v2, cuMemcpy2DUnaligned, 3020, (const struct dv_cu_copy_2d *copy)) \
	X(cuMemcpy2D_v2, cuMemcpy2D, 3020, (const struct dv_cu_copy_2d *copy)) \
	X(cuMemcpy3DPeer, cuMemcpy3DPeer, 4000, (const struct dv_cu_copy_3d_peer *copy)) \
	X(cuMemcpy3D_v2, cuMemcpy3D, 3020, (const struct dv_cu_copy_3d *copy)) \
	X(cuMemcpyAtoA_v2, cuMemcpyAtoA, 3020, (struct dv_cu_array *dst_array, size_t dst_offset, struct dv_cu_array *src_array, size_t src_offset, size_t byte_count)) \
	X(cuMemcpyAtoD_v2, cuMemcpyAtoD, 3020, (dv_cu_ptr dst_device, struct dv_cu_array *src_array, size_t src_offset, size_t byte_count)) \
	X(cuMemcpyAtoH_v2, cuMemcpyAtoH, 3020, (void *dst_host, struct dv_cu_array *src_array, size_t src_offset, size_t byte_count)) \
	X(cuMemcpyDtoA_v2, cuMemcpyDtoA, 3020, (struct dv_cu_array *dst_array, size_t dst_offset, dv_cu_ptr src_device, size_t byte_count)) \
	X(cuMemcpyDtoD_v2, cuMemcpyDtoD, 3020, (dv_cu_ptr dst_device, dv_cu_ptr src_device, size_t byte_count)) \
	X(cuMemcpyDtoH_v2, cuMemcpyDtoH, 3020, (void *dst_host, dv_cu_ptr src_device, size_t byte_count)) \
	X(cuMemcpyHtoA_v2, cuMemcpyHtoA, 3020, (struct dv_cu_array *dst_array, size_t dst_offset, const void *src_host, size_t byte_count)) \
	X(cuMemcpyHtoD_v2, cuMemcpyHtoD, 3020, (dv_cu_ptr dst_device, const void *src_host, size_t byte_count)) \
	X(cuMemcpyPeer, cuMemcpyPeer, 4000, (dv_cu_ptr dst_device, struct dv_cu_context *dst_context, dv_cu_ptr src_device, struct dv_cu_context *src_context, size_t byte_count)) \
	X(cuMemsetD16_v2, cuMemsetD16, 3020, (dv_cu_ptr dst_device, uint16_t us, size_t n)) \
	X(cuMemsetD2D16_v2, cuMemsetD2D16, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint16_t us, size_t width, size_t height)) \
	X(cuMemsetD2D32_v2, cuMemsetD2D32, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint32_t ui, size_t width, size_t height)) \
	X(cuMemsetD2D8_v2, cuMemsetD2D8, 3020, (dv_cu_ptr dst_device, size_t dst_pitch, uint8_t uc, size_t width, size_t height)) \
	X(cuMemsetD32_v2, cuMemsetD32, 3020, (dv_cu_ptr dst_device, uint32_t ui, size_t n)) \
	X(cuMemsetD8_v2, cuMemsetD8, 3020, (dv_cu_ptr dst_device, uint8_t uc, size_t n))

/* clang-format on */
