/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is told and asked; see calls.h. */
#include <string.h>

#include "sim/cuda/calls.h"
#include "sim/cuda/capture.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

enum dv_cu_result DV_PTSZ(cuStreamGetPriority)(struct dv_cu_stream *stream, int *priority)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(priority);
	*priority = stream->priority;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetFlags)(struct dv_cu_stream *stream, uint32_t *flags)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(flags);
	*flags = stream->flags;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetId)(struct dv_cu_stream *stream, unsigned long long *stream_id)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(stream_id);
	*stream_id = stream->id;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetCtx)(struct dv_cu_stream *stream, struct dv_cu_context **pctx)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(pctx);
	*pctx = stream->context;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetDevice)(struct dv_cu_stream *stream, int *device)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(device);
	*device = dv_cu_ordinal(stream->context->device);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamQuery)(struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	DV_TRY(dv_cu_failed());
	DV_TRY(dv_cu_capture_forbids_stream(stream));
	return stream->last && !stream->last->done ? DV_CUDA_ERROR_NOT_READY : DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamSynchronize)(struct dv_cu_stream *stream)
{
	struct dv_cu_device *device;

	DV_CALL_ON_STREAM(stream);
	DV_TRY(dv_cu_capture_forbids_stream(stream));
	device = stream->context->device;
	DV_TRY(dv_cu_wait_stream(stream));
	dv_cu_pools_trim(device);
	return dv_cu_failed();
}

static enum dv_cu_result do_event(struct dv_cu_stream *stream, struct dv_cu_event *event,
				  uint32_t type)
{
	struct dv_cu_node_params params = {.type = type, .event = {.event = event}};

	return dv_cu_do(stream, &params, false);
}

enum dv_cu_result DV_PTSZ(cuEventRecord)(struct dv_cu_event *event, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return do_event(stream, event, DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD);
}

enum dv_cu_result DV_PTSZ(cuEventRecordWithFlags)(struct dv_cu_event *event,
						  struct dv_cu_stream *stream, uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(flags <= DV_CU_EVENT_RECORD_EXTERNAL);
	return do_event(stream, event, DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD);
}

enum dv_cu_result DV_PTSZ(cuStreamWaitEvent)(struct dv_cu_stream *stream, struct dv_cu_event *event,
					     uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(flags <= DV_CU_EVENT_WAIT_EXTERNAL);
	if (!dv_cu_is(event, DV_CU_EVENT))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	/* What was never recorded is done. */
	if (!event->op && !event->foreign && !dv_cu_event_is_captured(event))
		return DV_CUDA_SUCCESS;
	return do_event(stream, event, DV_CU_GRAPH_NODE_TYPE_WAIT_EVENT);
}

struct callback {
	dv_cu_stream_fn *fn;
	struct dv_cu_stream *stream;
	void *user;
};

static void call_back(void *user)
{
	struct callback *callback = user;

	callback->fn(callback->stream, dv_cu_failed(), callback->user);
	free(callback);
}

enum dv_cu_result DV_PTSZ(cuStreamAddCallback)(struct dv_cu_stream *stream,
					       dv_cu_stream_fn *callback, void *user_data,
					       uint32_t flags)
{
	struct dv_cu_stream *handle = stream;
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_HOST};
	enum dv_cu_result result;
	struct callback *copy;

	DV_CALL_ON_STREAM(stream);
	DV_NEED(callback && !flags);
	DV_TRY(dv_cu_capture_forbids_stream(stream));
	copy = malloc(sizeof(*copy));
	if (!copy)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	*copy = (struct callback){callback, handle, user_data};
	params.host = (struct dv_cu_host_node){call_back, copy};
	result = dv_cu_do(stream, &params, false);
	if (result != DV_CUDA_SUCCESS)
		free(copy);
	return result;
}

enum dv_cu_result DV_PTSZ(cuLaunchHostFunc)(struct dv_cu_stream *stream, dv_cu_host_fn *fn,
					    void *user_data)
{
	struct dv_cu_node_params params = {.type = DV_CU_GRAPH_NODE_TYPE_HOST,
					   .host = {fn, user_data}};

	DV_CALL_ON_STREAM(stream);
	return dv_cu_do(stream, &params, false);
}

enum dv_cu_result DV_PTSZ(cuStreamAttachMemAsync)(struct dv_cu_stream *stream, dv_cu_ptr dptr,
						  size_t length, uint32_t flags)
{
	const struct dv_cu_block *block;

	DV_CALL_ON_STREAM(stream);
	block = dv_cu_block_at(dptr, length);
	DV_NEED(block && block->use == DV_CU_USE_MANAGED && flags && flags <= 4);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetAttribute)(struct dv_cu_stream *stream, uint32_t attr,
						union dv_cu_launch_value *value)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(value);
	if (attr == DV_CU_LAUNCH_ATTRIBUTE_PRIORITY) {
		value->priority = stream->priority;
		return DV_CUDA_SUCCESS;
	}
	DV_NEED(attr == DV_CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
		attr == DV_CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW);
	*value = stream->policy;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamSetAttribute)(struct dv_cu_stream *stream, uint32_t attr,
						const union dv_cu_launch_value *param)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(param && (attr == DV_CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
			  attr == DV_CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW ||
			  attr == DV_CU_LAUNCH_ATTRIBUTE_PRIORITY));
	if (attr == DV_CU_LAUNCH_ATTRIBUTE_PRIORITY)
		stream->priority = param->priority;
	else
		stream->policy = *param;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamCopyAttributes)(struct dv_cu_stream *dst_stream,
						  struct dv_cu_stream *src_stream)
{
	DV_CALL_ON_STREAM(dst_stream);
	DV_TRY(dv_cu_stream_of(src_stream, DV_THREAD, &src_stream));
	dst_stream->policy = src_stream->policy;
	dst_stream->priority = src_stream->priority;
	return DV_CUDA_SUCCESS;
}

/* --- capture --- */

enum dv_cu_result DV_PTSZ(cuStreamBeginCapture)(struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return dv_cu_capture_begin(stream, DV_CU_STREAM_CAPTURE_MODE_GLOBAL, NULL);
}

enum dv_cu_result DV_PTSZ(cuStreamBeginCapture_v2)(struct dv_cu_stream *stream, uint32_t mode)
{
	DV_CALL_ON_STREAM(stream);
	return dv_cu_capture_begin(stream, mode, NULL);
}

enum dv_cu_result DV_PTSZ(cuStreamBeginCaptureToGraph)(struct dv_cu_stream *stream,
						       struct dv_cu_graph *graph,
						       struct dv_cu_node *const *dependencies,
						       const struct dv_cu_edge *dependency_data,
						       size_t num_dependencies, uint32_t mode)
{
	enum dv_cu_result result;

	DV_CALL_ON_STREAM(stream);
	if (!dv_cu_is(graph, DV_CU_GRAPH))
		return DV_CUDA_ERROR_INVALID_VALUE;
	DV_TRY(dv_cu_capture_begin(stream, mode, graph));
	result = dv_cu_capture_depend(stream, dependencies, num_dependencies, true);
	if (result != DV_CUDA_SUCCESS)
		dv_cu_capture_lose(stream);
	return result;
}

enum dv_cu_result DV_PTSZ(cuStreamEndCapture)(struct dv_cu_stream *stream,
					      struct dv_cu_graph **graph)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(graph);
	return dv_cu_capture_end(stream, graph);
}

enum dv_cu_result DV_PTSZ(cuStreamIsCapturing)(struct dv_cu_stream *stream,
					       enum dv_cu_capture_status *capture_status)
{
	DV_CALL_ON_STREAM(stream);
	DV_NEED(capture_status);
	*capture_status = dv_cu_capture_status(stream);
	return DV_CUDA_SUCCESS;
}

/* Everything but the status may be left out. */
static enum dv_cu_result tell(struct dv_cu_stream *stream, enum dv_cu_capture_status *ret,
			      uint64_t *ret_id, struct dv_cu_graph **ret_graph,
			      struct dv_cu_node *const **ret_nodes, size_t *ret_count)
{
	DV_NEED(ret);
	*ret = dv_cu_capture_status(stream);
	if (!stream->capture)
		return DV_CUDA_SUCCESS;
	if (ret_id)
		*ret_id = stream->capture->id;
	if (ret_graph)
		*ret_graph = stream->capture->graph;
	if (ret_nodes)
		*ret_nodes = stream->tips.items;
	if (ret_count)
		*ret_count = stream->tips.len;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamGetCaptureInfo)(struct dv_cu_stream *stream,
						  enum dv_cu_capture_status *capture_status_out,
						  uint64_t *id_out)
{
	DV_CALL_ON_STREAM(stream);
	return tell(stream, capture_status_out, id_out, NULL, NULL, NULL);
}

enum dv_cu_result DV_PTSZ(cuStreamGetCaptureInfo_v2)(struct dv_cu_stream *stream,
						     enum dv_cu_capture_status *capture_status_out,
						     uint64_t *id_out,
						     struct dv_cu_graph **graph_out,
						     struct dv_cu_node *const **dependencies_out,
						     size_t *num_dependencies_out)
{
	DV_CALL_ON_STREAM(stream);
	return tell(stream, capture_status_out, id_out, graph_out, dependencies_out,
		    num_dependencies_out);
}

enum dv_cu_result DV_PTSZ(cuStreamGetCaptureInfo_v3)(struct dv_cu_stream *stream,
						     enum dv_cu_capture_status *capture_status_out,
						     uint64_t *id_out,
						     struct dv_cu_graph **graph_out,
						     struct dv_cu_node *const **dependencies_out,
						     const struct dv_cu_edge **edge_data_out,
						     size_t *num_dependencies_out)
{
	DV_CALL_ON_STREAM(stream);
	if (edge_data_out)
		*edge_data_out = NULL;
	return tell(stream, capture_status_out, id_out, graph_out, dependencies_out,
		    num_dependencies_out);
}

enum dv_cu_result DV_PTSZ(cuStreamUpdateCaptureDependencies)(struct dv_cu_stream *stream,
							     struct dv_cu_node **dependencies,
							     size_t num_dependencies,
							     uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	return dv_cu_capture_depend(stream, dependencies, num_dependencies,
				    flags == DV_CU_STREAM_SET_CAPTURE_DEPENDENCIES);
}

enum dv_cu_result DV_PTSZ(cuStreamUpdateCaptureDependencies_v2)(
	struct dv_cu_stream *stream, struct dv_cu_node **dependencies,
	const struct dv_cu_edge *dependency_data, size_t num_dependencies, uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	return dv_cu_capture_depend(stream, dependencies, num_dependencies,
				    flags == DV_CU_STREAM_SET_CAPTURE_DEPENDENCIES);
}

/* --- graphs --- */

enum dv_cu_result DV_PTSZ(cuGraphLaunch)(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	if (!dv_cu_is(graph, DV_CU_EXEC))
		return DV_CUDA_ERROR_INVALID_VALUE;
	DV_TRY(dv_cu_failed());
	return dv_cu_graph_launch(graph, stream);
}

enum dv_cu_result DV_PTSZ(cuGraphUpload)(struct dv_cu_exec *graph, struct dv_cu_stream *stream)
{
	DV_CALL_ON_STREAM(stream);
	return dv_cu_is(graph, DV_CU_EXEC) ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_INVALID_VALUE;
}

/* --- operations on a word of memory --- */

static void act_write(struct dv_cu_op *op)
{
	struct dv_cu_memory_value_op value;
	bool wide;

	memcpy(&value, op->data, sizeof(value));
	wide = value.operation == DV_CU_STREAM_MEM_OP_WRITE_VALUE_64;
	if (wide)
		__atomic_store_n((uint64_t *)(uintptr_t)value.address, value.value64,
				 __ATOMIC_SEQ_CST);
	else
		__atomic_store_n((uint32_t *)(uintptr_t)value.address, value.value,
				 __ATOMIC_SEQ_CST);
}

static bool holds(uint64_t is, uint64_t wanted, uint32_t how, bool wide)
{
	switch (how & 3) {
	case DV_CU_STREAM_WAIT_VALUE_GEQ:
		return wide ? (int64_t)(is - wanted) >= 0
			    : (int32_t)((uint32_t)is - (uint32_t)wanted) >= 0;
	case DV_CU_STREAM_WAIT_VALUE_EQ:
		return is == wanted;
	case DV_CU_STREAM_WAIT_VALUE_AND:
		return is & wanted;
	default:
		return ~(is | wanted) & (wide ? UINT64_MAX : UINT32_MAX);
	}
}

static bool value_is_there(struct dv_cu_op *op)
{
	struct dv_cu_memory_value_op value;
	bool wide;
	uint64_t is;

	memcpy(&value, op->data, sizeof(value));
	wide = value.operation == DV_CU_STREAM_MEM_OP_WAIT_VALUE_64;
	is = wide ? __atomic_load_n((uint64_t *)(uintptr_t)value.address, __ATOMIC_SEQ_CST)
		  : __atomic_load_n((uint32_t *)(uintptr_t)value.address, __ATOMIC_SEQ_CST);
	return holds(is, wide ? value.value64 : value.value, value.flags, wide);
}

static enum dv_cu_result do_value(struct dv_cu_stream *stream,
				  const struct dv_cu_memory_value_op *value)
{
	bool waits = value->operation == DV_CU_STREAM_MEM_OP_WAIT_VALUE_32 ||
		     value->operation == DV_CU_STREAM_MEM_OP_WAIT_VALUE_64;
	bool wide = value->operation == DV_CU_STREAM_MEM_OP_WAIT_VALUE_64 ||
		    value->operation == DV_CU_STREAM_MEM_OP_WRITE_VALUE_64;
	size_t size = wide ? 8 : 4;
	struct dv_cu_op *op;

	DV_NEED(value->address % size == 0 && dv_cu_block_at(value->address, size));
	DV_TRY(dv_cu_capture_forbids_stream(stream));
	op = dv_cu_op_new(stream, sizeof(*value));
	if (!op)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(op->data, value, sizeof(*value));
	op->may_begin = waits ? value_is_there : NULL;
	op->act = waits ? NULL : act_write;
	return dv_cu_submit(op);
}

#define VALUE_CALL(name, type, member, op)                                                         \
	enum dv_cu_result DV_PTSZ(name)(struct dv_cu_stream * stream, dv_cu_ptr addr, type value,  \
					uint32_t flags)                                            \
	{                                                                                          \
		struct dv_cu_memory_value_op what = {                                              \
			.operation = op, .address = addr, .member = value, .flags = flags};        \
                                                                                                   \
		DV_CALL_ON_STREAM(stream);                                                         \
		return do_value(stream, &what);                                                    \
	}

VALUE_CALL(cuStreamWaitValue32, uint32_t, value, DV_CU_STREAM_MEM_OP_WAIT_VALUE_32)
VALUE_CALL(cuStreamWaitValue32_v2, uint32_t, value, DV_CU_STREAM_MEM_OP_WAIT_VALUE_32)
VALUE_CALL(cuStreamWaitValue64, uint64_t, value64, DV_CU_STREAM_MEM_OP_WAIT_VALUE_64)
VALUE_CALL(cuStreamWaitValue64_v2, uint64_t, value64, DV_CU_STREAM_MEM_OP_WAIT_VALUE_64)
VALUE_CALL(cuStreamWriteValue32, uint32_t, value, DV_CU_STREAM_MEM_OP_WRITE_VALUE_32)
VALUE_CALL(cuStreamWriteValue32_v2, uint32_t, value, DV_CU_STREAM_MEM_OP_WRITE_VALUE_32)
VALUE_CALL(cuStreamWriteValue64, uint64_t, value64, DV_CU_STREAM_MEM_OP_WRITE_VALUE_64)
VALUE_CALL(cuStreamWriteValue64_v2, uint64_t, value64, DV_CU_STREAM_MEM_OP_WRITE_VALUE_64)

static enum dv_cu_result do_values(struct dv_cu_stream *stream, uint32_t count,
				   const union dv_cu_memory_op *ops)
{
	DV_NEED(count && count <= 256 && ops);
	for (uint32_t i = 0; i < count; i++)
		switch (ops[i].operation) {
		case DV_CU_STREAM_MEM_OP_WAIT_VALUE_32:
		case DV_CU_STREAM_MEM_OP_WRITE_VALUE_32:
		case DV_CU_STREAM_MEM_OP_WAIT_VALUE_64:
		case DV_CU_STREAM_MEM_OP_WRITE_VALUE_64:
			DV_TRY(do_value(stream, &ops[i].value));
			break;
		case DV_CU_STREAM_MEM_OP_BARRIER:
			break;
		default:
			return DV_CUDA_ERROR_NOT_SUPPORTED;
		}
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result DV_PTSZ(cuStreamBatchMemOp)(struct dv_cu_stream *stream, uint32_t count,
					      union dv_cu_memory_op *param_array, uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	return do_values(stream, count, param_array);
}

enum dv_cu_result DV_PTSZ(cuStreamBatchMemOp_v2)(struct dv_cu_stream *stream, uint32_t count,
						 union dv_cu_memory_op *param_array, uint32_t flags)
{
	DV_CALL_ON_STREAM(stream);
	return do_values(stream, count, param_array);
}
