/* SPDX-License-Identifier: Apache-2.0 */
/* Streams that are being captured: what is submitted becomes a node of a graph. */
#pragma once

#include "sim/cuda/graph.h"

struct dv_cu_capture {
	uint64_t id;
	struct dv_cu_graph *graph;
	bool own_graph; /* it was made for the capture */
	struct dv_cu_stream *origin;
	pthread_t thread;
	uint32_t mode;
	bool invalid;
	DV_VEC(struct dv_cu_stream *) streams; /* that are part of it; its origin first */
	struct dv_cu_capture *next;
};

/* A call that a capture does not allow: STREAM_CAPTURE_UNSUPPORTED, and the capture is invalid. */
enum dv_cu_result dv_cu_capture_unsafe(void);
/* The same for one that waits for a context's streams. */
enum dv_cu_result dv_cu_capture_forbids(struct dv_cu_context *context);
/* The same for one that waits for a stream, or asks how far it is. */
enum dv_cu_result dv_cu_capture_forbids_stream(struct dv_cu_stream *stream);

/* Is the stream captured, or is it by this? Then a node is made of `params`, or whatever it takes,
 * and *ret_node is not NULL. */
enum dv_cu_result dv_cu_capture_node(struct dv_cu_stream *stream,
				     const struct dv_cu_node_params *params,
				     struct dv_cu_node **ret_node);
/* Does a capture add to the graph now? Neither it nor its nodes may be destroyed then
 * (cuStreamGetCaptureInfo). */
bool dv_cu_capture_adds_to(const struct dv_cu_graph *graph);

/* The stream goes, or what it began comes to nothing: a capture that it is a part of is invalid,
 * one that began on it has ended. */
void dv_cu_capture_lose(struct dv_cu_stream *stream);

bool dv_cu_event_is_captured(const struct dv_cu_event *event);

/* --- the calls; the stream is resolved --- */

enum dv_cu_result dv_cu_capture_begin(struct dv_cu_stream *stream, uint32_t mode,
				      struct dv_cu_graph *graph);
enum dv_cu_result dv_cu_capture_end(struct dv_cu_stream *stream, struct dv_cu_graph **ret);
enum dv_cu_capture_status dv_cu_capture_status(const struct dv_cu_stream *stream);
/* `nodes` are what the stream's next node depends on, besides what it depends on already, or
 * instead. */
enum dv_cu_result dv_cu_capture_depend(struct dv_cu_stream *stream, struct dv_cu_node *const *nodes,
				       size_t count, bool instead);
