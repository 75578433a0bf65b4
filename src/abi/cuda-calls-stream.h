/* SPDX-License-Identifier: Apache-2.0 */
/* Entry points of the CUDA driver: streams and events. See abi/cuda-calls.h. */
#pragma once

#include "abi/cuda-graph.h"

/* clang-format off */
#define DV_CUDA_STREAM_CALLS(X) \
	X(cuEventCreate, cuEventCreate, 2000, (struct dv_cu_event **event, uint32_t flags)) \
	X(cuEventDestroy, cuEventDestroy, 2000, (struct dv_cu_event *event)) \
	X(cuEventDestroy_v2, cuEventDestroy, 4000, (struct dv_cu_event *event)) \
	X(cuEventElapsedTime, cuEventElapsedTime, 2000, (float *milliseconds, struct dv_cu_event *start, struct dv_cu_event *end)) \
	X(cuEventElapsedTime_v2, cuEventElapsedTime, 12080, (float *milliseconds, struct dv_cu_event *start, struct dv_cu_event *end)) \
	X(cuEventQuery, cuEventQuery, 2000, (struct dv_cu_event *event)) \
	X(cuEventSynchronize, cuEventSynchronize, 2000, (struct dv_cu_event *event)) \
	X(cuStreamCreate, cuStreamCreate, 2000, (struct dv_cu_stream **stream, uint32_t flags)) \
	X(cuStreamCreateWithPriority, cuStreamCreateWithPriority, 5050, (struct dv_cu_stream **stream, uint32_t flags, int priority)) \
	X(cuStreamDestroy, cuStreamDestroy, 2000, (struct dv_cu_stream *stream)) \
	X(cuStreamDestroy_v2, cuStreamDestroy, 4000, (struct dv_cu_stream *stream)) \
	X(cuThreadExchangeStreamCaptureMode, cuThreadExchangeStreamCaptureMode, 10010, (uint32_t *mode))

#define DV_CUDA_STREAM_PTSZ_CALLS(X) \
	X(cuEventRecord, cuEventRecord, 2000, (struct dv_cu_event *event, struct dv_cu_stream *stream)) \
	X(cuEventRecordWithFlags, cuEventRecordWithFlags, 11010, (struct dv_cu_event *event, struct dv_cu_stream *stream, uint32_t flags)) \
	X(cuStreamAddCallback, cuStreamAddCallback, 5000, (struct dv_cu_stream *stream, dv_cu_stream_fn *callback, void *user_data, uint32_t flags)) \
	X(cuStreamAttachMemAsync, cuStreamAttachMemAsync, 6000, (struct dv_cu_stream *stream, dv_cu_ptr dptr, size_t length, uint32_t flags)) \
	X(cuStreamBatchMemOp, cuStreamBatchMemOp, 8000, (struct dv_cu_stream *stream, uint32_t count, union dv_cu_memory_op *param_array, uint32_t flags)) \
	X(cuStreamBatchMemOp_v2, cuStreamBatchMemOp, 11070, (struct dv_cu_stream *stream, uint32_t count, union dv_cu_memory_op *param_array, uint32_t flags)) \
	X(cuStreamBeginCapture, cuStreamBeginCapture, 10000, (struct dv_cu_stream *stream)) \
	X(cuStreamBeginCaptureToGraph, cuStreamBeginCaptureToGraph, 12030, (struct dv_cu_stream *stream, struct dv_cu_graph *graph, struct dv_cu_node *const *dependencies, const struct dv_cu_edge *dependency_data, size_t num_dependencies, uint32_t mode)) \
	X(cuStreamBeginCapture_v2, cuStreamBeginCapture, 10010, (struct dv_cu_stream *stream, uint32_t mode)) \
	X(cuStreamCopyAttributes, cuStreamCopyAttributes, 11000, (struct dv_cu_stream *dst_stream, struct dv_cu_stream *src_stream)) \
	X(cuStreamEndCapture, cuStreamEndCapture, 10000, (struct dv_cu_stream *stream, struct dv_cu_graph **graph)) \
	X(cuStreamGetAttribute, cuStreamGetAttribute, 11000, (struct dv_cu_stream *stream, uint32_t attr, union dv_cu_launch_value *value)) \
	X(cuStreamGetCaptureInfo, cuStreamGetCaptureInfo, 10010, (struct dv_cu_stream *stream, enum dv_cu_capture_status *capture_status_out, uint64_t *id_out)) \
	X(cuStreamGetCaptureInfo_v2, cuStreamGetCaptureInfo, 11030, (struct dv_cu_stream *stream, enum dv_cu_capture_status *capture_status_out, uint64_t *id_out, struct dv_cu_graph **graph_out, struct dv_cu_node *const **dependencies_out, size_t *num_dependencies_out)) \
	X(cuStreamGetCaptureInfo_v3, cuStreamGetCaptureInfo, 12030, (struct dv_cu_stream *stream, enum dv_cu_capture_status *capture_status_out, uint64_t *id_out, struct dv_cu_graph **graph_out, struct dv_cu_node *const **dependencies_out, const struct dv_cu_edge **edge_data_out, size_t *num_dependencies_out)) \
	X(cuStreamGetCtx, cuStreamGetCtx, 9020, (struct dv_cu_stream *stream, struct dv_cu_context **pctx)) \
	X(cuStreamGetDevice, cuStreamGetDevice, 12080, (struct dv_cu_stream *stream, int *device)) \
	X(cuStreamGetFlags, cuStreamGetFlags, 5050, (struct dv_cu_stream *stream, uint32_t *flags)) \
	X(cuStreamGetId, cuStreamGetId, 12000, (struct dv_cu_stream *stream, unsigned long long *stream_id)) \
	X(cuStreamGetPriority, cuStreamGetPriority, 5050, (struct dv_cu_stream *stream, int *priority)) \
	X(cuStreamIsCapturing, cuStreamIsCapturing, 10000, (struct dv_cu_stream *stream, enum dv_cu_capture_status *capture_status)) \
	X(cuStreamQuery, cuStreamQuery, 2000, (struct dv_cu_stream *stream)) \
	X(cuStreamSetAttribute, cuStreamSetAttribute, 11000, (struct dv_cu_stream *stream, uint32_t attr, const union dv_cu_launch_value *param)) \
	X(cuStreamSynchronize, cuStreamSynchronize, 2000, (struct dv_cu_stream *stream)) \
	X(cuStreamUpdateCaptureDependencies, cuStreamUpdateCaptureDependencies, 11030, (struct dv_cu_stream *stream, struct dv_cu_node **dependencies, size_t num_dependencies, uint32_t flags)) \
	X(cuStreamUpdateCaptureDependencies_v2, cuStreamUpdateCaptureDependencies, 12030, (struct dv_cu_stream *stream, struct dv_cu_node **dependencies, const struct dv_cu_edge *dependency_data, size_t num_dependencies, uint32_t flags)) \
	X(cuStreamWaitEvent, cuStreamWaitEvent, 3020, (struct dv_cu_stream *stream, struct dv_cu_event *event, uint32_t flags)) \
	X(cuStreamWaitValue32, cuStreamWaitValue32, 8000, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint32_t value, uint32_t flags)) \
	X(cuStreamWaitValue32_v2, cuStreamWaitValue32, 11070, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint32_t value, uint32_t flags)) \
	X(cuStreamWaitValue64, cuStreamWaitValue64, 9000, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint64_t value, uint32_t flags)) \
	X(cuStreamWaitValue64_v2, cuStreamWaitValue64, 11070, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint64_t value, uint32_t flags)) \
	X(cuStreamWriteValue32, cuStreamWriteValue32, 8000, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint32_t value, uint32_t flags)) \
	X(cuStreamWriteValue32_v2, cuStreamWriteValue32, 11070, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint32_t value, uint32_t flags)) \
	X(cuStreamWriteValue64, cuStreamWriteValue64, 9000, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint64_t value, uint32_t flags)) \
	X(cuStreamWriteValue64_v2, cuStreamWriteValue64, 11070, (struct dv_cu_stream *stream, dv_cu_ptr addr, uint64_t value, uint32_t flags))

#define DV_CUDA_STREAM_PTDS_CALLS(X)

/* clang-format on */
