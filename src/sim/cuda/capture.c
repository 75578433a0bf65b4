/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/capture.h"

#include <string.h>

static struct dv_cu_capture *captures;
static uint64_t next_id = 1;
static __thread uint32_t thread_mode; /* how careful the thread is: global */
static struct dv_cu_node handled;

/* --- what a capture forbids --- */

static bool concerns_thread(const struct dv_cu_capture *capture)
{
	bool own = pthread_equal(capture->thread, pthread_self());

	if (capture->mode == DV_CU_STREAM_CAPTURE_MODE_RELAXED ||
	    thread_mode == DV_CU_STREAM_CAPTURE_MODE_RELAXED)
		return false;
	return own || (capture->mode == DV_CU_STREAM_CAPTURE_MODE_GLOBAL &&
		       thread_mode == DV_CU_STREAM_CAPTURE_MODE_GLOBAL);
}

enum dv_cu_result dv_cu_capture_unsafe(void)
{
	bool found = false;

	for (struct dv_cu_capture *capture = captures; capture; capture = capture->next)
		if (concerns_thread(capture))
			capture->invalid = found = true;
	return found ? DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_capture_forbids_stream(struct dv_cu_stream *stream)
{
	const struct dv_cu_context *context = stream->context;
	bool found = false;

	if (stream->capture) {
		stream->capture->invalid = true;
		return DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}
	for (size_t i = 1; stream == context->legacy && i < context->streams.len; i++) {
		struct dv_cu_stream *other = context->streams.items[i];

		if (!other->capture || other->flags & DV_CU_STREAM_NON_BLOCKING)
			continue;
		other->capture->invalid = found = true;
	}
	return found ? DV_CUDA_ERROR_STREAM_CAPTURE_IMPLICIT : DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_capture_forbids(struct dv_cu_context *context)
{
	bool found = false;

	for (size_t i = 0; i < context->streams.len; i++)
		if (context->streams.items[i]->capture)
			context->streams.items[i]->capture->invalid = found = true;
	return found ? DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : DV_CUDA_SUCCESS;
}

enum dv_cu_result cuThreadExchangeStreamCaptureMode(uint32_t *mode)
{
	uint32_t before = thread_mode;

	DV_CALL();
	DV_NEED(mode && *mode <= DV_CU_STREAM_CAPTURE_MODE_RELAXED);
	thread_mode = *mode;
	*mode = before;
	return DV_CUDA_SUCCESS;
}

/* --- its streams --- */

static int join(struct dv_cu_capture *capture, struct dv_cu_stream *stream)
{
	if (dv_vec_push(&capture->streams, stream) < 0)
		return -ENOMEM;
	stream->capture = capture;
	stream->tips.len = 0;
	return 0;
}

static int add_tip(struct dv_cu_stream *stream, struct dv_cu_node *node)
{
	for (size_t i = 0; i < stream->tips.len; i++)
		if (stream->tips.items[i] == node)
			return 0;
	return dv_vec_push(&stream->tips, node);
}

static void end(struct dv_cu_capture *capture)
{
	for (struct dv_cu_capture **at = &captures; *at; at = &(*at)->next)
		if (*at == capture) {
			*at = capture->next;
			break;
		}
	for (size_t i = 0; i < capture->streams.len; i++) {
		capture->streams.items[i]->capture = NULL;
		capture->streams.items[i]->tips.len = 0;
	}
	dv_vec_fini(&capture->streams);
	free(capture);
}

void dv_cu_capture_lose(struct dv_cu_stream *stream)
{
	struct dv_cu_capture *capture = stream->capture;

	if (!capture)
		return;
	if (capture->origin == stream) {
		/* Nobody could end it any more. */
		if (capture->own_graph)
			dv_cu_graph_free(capture->graph);
		end(capture);
		return;
	}
	capture->invalid = true;
	for (size_t i = 0; i < capture->streams.len; i++)
		if (capture->streams.items[i] == stream) {
			dv_vec_remove(&capture->streams, i);
			break;
		}
	stream->capture = NULL;
}

bool dv_cu_capture_adds_to(const struct dv_cu_graph *graph)
{
	for (const struct dv_cu_capture *capture = captures; capture; capture = capture->next)
		if (capture->graph == graph)
			return true;
	return false;
}

/* Events remember a capture by its number: it may be over. */
static struct dv_cu_capture *capture_of(const struct dv_cu_event *event)
{
	for (struct dv_cu_capture *capture = captures; capture; capture = capture->next)
		if (capture->id == event->capture_id)
			return capture;
	return NULL;
}

bool dv_cu_event_is_captured(const struct dv_cu_event *event)
{
	return event->capture_id && capture_of(event);
}

/* --- nodes --- */

static enum dv_cu_result record(struct dv_cu_stream *stream, struct dv_cu_event *event)
{
	event->tips.len = 0;
	event->capture_id = stream->capture->id;
	for (size_t i = 0; i < stream->tips.len; i++)
		if (dv_vec_push(&event->tips, stream->tips.items[i]) < 0)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result wait_for(struct dv_cu_stream *stream, const struct dv_cu_event *event)
{
	struct dv_cu_capture *capture = capture_of(event);

	if (!capture) { /* recorded outside: the graph would depend on something that is not in it
			 */
		stream->capture->invalid = true;
		return DV_CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
	}
	if (stream->capture && stream->capture != capture) {
		stream->capture->invalid = capture->invalid = true;
		return DV_CUDA_ERROR_STREAM_CAPTURE_MERGE;
	}
	if (stream == stream->context->legacy)
		return DV_CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
	if (!stream->capture && join(capture, stream) < 0)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	for (size_t i = 0; i < event->tips.len; i++)
		if (add_tip(stream, event->tips.items[i]) < 0)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result add_node(struct dv_cu_stream *stream,
				  const struct dv_cu_node_params *params,
				  struct dv_cu_node **ret_node)
{
	enum dv_cu_result result = dv_cu_node_new(stream->capture->graph, stream->tips.items,
						  stream->tips.len, params, ret_node);

	stream->tips.len = 0;
	if (result == DV_CUDA_SUCCESS && add_tip(stream, *ret_node) < 0)
		result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	if (result != DV_CUDA_SUCCESS)
		stream->capture->invalid = true;
	return result;
}

enum dv_cu_result dv_cu_capture_node(struct dv_cu_stream *stream,
				     const struct dv_cu_node_params *params,
				     struct dv_cu_node **ret_node)
{
	bool waits = params->type == DV_CU_GRAPH_NODE_TYPE_WAIT_EVENT;

	if (!stream->capture) {
		if (!waits || !capture_of(params->event.event))
			return dv_cu_capture_forbids_stream(stream);
		*ret_node = &handled;
		return wait_for(stream, params->event.event);
	}
	if (stream->capture->invalid)
		return DV_CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	*ret_node = &handled;
	if (waits)
		return wait_for(stream, params->event.event);
	if (params->type == DV_CU_GRAPH_NODE_TYPE_EVENT_RECORD)
		return record(stream, params->event.event);
	return add_node(stream, params, ret_node);
}

/* --- begin and end --- */

enum dv_cu_result dv_cu_capture_begin(struct dv_cu_stream *stream, uint32_t mode,
				      struct dv_cu_graph *graph)
{
	struct dv_cu_capture *capture;

	DV_NEED(mode <= DV_CU_STREAM_CAPTURE_MODE_RELAXED);
	if (stream == stream->context->legacy)
		return DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (stream->capture)
		return DV_CUDA_ERROR_ILLEGAL_STATE;
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	capture->own_graph = !graph;
	capture->graph = graph ? graph : dv_cu_graph_new();
	if (!capture->graph || join(capture, stream) < 0) {
		if (capture->own_graph && capture->graph)
			dv_cu_graph_free(capture->graph);
		free(capture);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	capture->id = next_id++;
	capture->origin = stream;
	capture->thread = pthread_self();
	capture->mode = mode;
	capture->next = captures;
	captures = capture;
	return DV_CUDA_SUCCESS;
}

static void mark(struct dv_cu_node *node)
{
	if (node->marked)
		return;
	node->marked = true;
	for (size_t i = 0; i < node->before.len; i++)
		mark(node->before.items[i]);
}

/* Does the origin come after everything that the other streams did? */
static bool is_joined(const struct dv_cu_capture *capture)
{
	for (size_t i = 0; i < capture->graph->nodes.len; i++)
		capture->graph->nodes.items[i]->marked = false;
	for (size_t i = 0; i < capture->origin->tips.len; i++)
		mark(capture->origin->tips.items[i]);
	for (size_t i = 0; i < capture->streams.len; i++) {
		const struct dv_cu_stream *stream = capture->streams.items[i];

		for (size_t j = 0; j < stream->tips.len; j++)
			if (!stream->tips.items[j]->marked)
				return false;
	}
	return true;
}

enum dv_cu_result dv_cu_capture_end(struct dv_cu_stream *stream, struct dv_cu_graph **ret)
{
	struct dv_cu_capture *capture = stream->capture;
	enum dv_cu_result result = DV_CUDA_SUCCESS;

	if (!capture)
		return DV_CUDA_ERROR_ILLEGAL_STATE;
	if (capture->mode != DV_CU_STREAM_CAPTURE_MODE_RELAXED &&
	    !pthread_equal(capture->thread, pthread_self()))
		return DV_CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	if (capture->origin != stream) {
		capture->invalid = true;
		return DV_CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	}
	if (capture->invalid)
		result = DV_CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	else if (!is_joined(capture))
		result = DV_CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
	*ret = result == DV_CUDA_SUCCESS ? capture->graph : NULL;
	if (result != DV_CUDA_SUCCESS && capture->own_graph)
		dv_cu_graph_free(capture->graph);
	end(capture);
	return result;
}

enum dv_cu_capture_status dv_cu_capture_status(const struct dv_cu_stream *stream)
{
	if (!stream->capture)
		return DV_CU_STREAM_CAPTURE_STATUS_NONE;
	return stream->capture->invalid ? DV_CU_STREAM_CAPTURE_STATUS_INVALIDATED
					: DV_CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

enum dv_cu_result dv_cu_capture_depend(struct dv_cu_stream *stream, struct dv_cu_node *const *nodes,
				       size_t count, bool instead)
{
	if (!stream->capture)
		return DV_CUDA_ERROR_ILLEGAL_STATE;
	if (stream->capture->invalid)
		return DV_CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	DV_NEED(!count || nodes);
	for (size_t i = 0; i < count; i++)
		DV_NEED(dv_cu_is(nodes[i], DV_CU_NODE) &&
			nodes[i]->graph == stream->capture->graph);
	if (instead)
		stream->tips.len = 0;
	for (size_t i = 0; i < count; i++)
		if (add_tip(stream, nodes[i]) < 0)
			return DV_CUDA_ERROR_OUT_OF_MEMORY;
	return DV_CUDA_SUCCESS;
}
