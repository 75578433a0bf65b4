/* SPDX-License-Identifier: Apache-2.0 */
/* From the program's threads: an event behind a command, alone or for several short ones. */
#include "shim/core/link.h"
#include "shim/cuda/pending.h"

enum {
	SHORT_NS = 100000, /* known to take no longer: others may ride on it */
	GROUP_NS = 200000, /* all that ride together */
};

static uintptr_t key_of(const struct dv_cu_stream *stream)
{
	return (uintptr_t)stream == DV_CU_STREAM_PER_THREAD ? (uintptr_t)pthread_self()
							    : (uintptr_t)stream;
}

static bool push(struct dv_cu_context *handle)
{
	struct dv_cu_context *current = NULL;

	(void)dv_cuda.cuCtxGetCurrent(&current);
	return current != handle && dv_cuda.cuCtxPushCurrent_v2(handle) == DV_CUDA_SUCCESS;
}

/* A node with an event of the stream's context. NULL: not to be had. */
static struct dv_cuda_node *prepare(struct dv_cu_stream *stream, struct dv_cu_context **ret_context)
{
	struct dv_cu_context *popped;
	struct dv_cuda_known_context *context;
	struct dv_cuda_node *node = NULL;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	dv_cuda_watch_start();
	context = dv_cuda_pending_of(stream);
	*ret_context = context ? context->handle : NULL;
	if (context)
		node = dv_cuda_pending_take_spare(context);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	if (!*ret_context)
		return NULL;
	if (!node) {
		bool pushed = push(*ret_context);

		node = dv_cuda_pending_new_node();
		if (pushed)
			(void)dv_cuda.cuCtxPopCurrent_v2(&popped);
	}
	return node;
}

/* The event behind what is on the stream now. NULL: it could not be put there. */
static struct dv_cuda_node *record(struct dv_cu_stream *stream, struct dv_cuda_node *node)
{
	if (!node || dv_cuda.cuEventRecord(node->event, stream) == DV_CUDA_SUCCESS)
		return node;
	(void)dv_cuda.cuEventDestroy_v2(node->event);
	free(node);
	return NULL;
}

/* Hand the recorded event to the thread. False: there was no room, and the node is gone. */
static bool pend(struct dv_cu_context *handle, uintptr_t key, struct dv_cuda_node *node)
{
	struct dv_cuda_known_context *context;
	struct dv_cuda_lane *lane = NULL;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	context = dv_cuda_pending_find(handle);
	if (context)
		lane = dv_cuda_pending_lane(context, key);
	if (lane)
		dv_cuda_pending_append(lane, node);
	else if (context)
		dv_cuda_pending_spare(context, node);
	else
		free(node); /* its event went with the context */
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	return lane;
}

static void give_up(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	dv_cuda_used(stream);
	dv_shim_gate_cancel(ticket, true);
}

/* Put the event behind a group that was taken out of its lane. */
static void end_group(struct dv_cu_stream *stream, struct dv_cuda_node *node)
{
	struct dv_shim_ticket *ticket = node->ticket;
	struct dv_cuda_known_context *context;
	struct dv_cu_context *handle = NULL;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	context = dv_cuda_pending_of(stream);
	if (context)
		handle = context->handle;
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	node = record(stream, node);
	if (node && pend(handle, (uintptr_t)stream, node))
		dv_cuda_watch_by(dv_shim_now_ns() + DV_CUDA_LOOK_LEAST_NS);
	else
		give_up(stream, ticket);
}

/* With the lock: out of its lane, unless commands of it are on their way. */
static struct dv_cuda_node *take_group(struct dv_cuda_lane *lane)
{
	struct dv_cuda_node *node = lane->group;

	if (!node)
		return NULL;
	lane->closing = true;
	if (lane->riding)
		return NULL;
	lane->group = NULL;
	lane->closing = false;
	return node;
}

bool dv_cuda_ride(struct dv_cu_stream *stream, uint64_t key)
{
	struct dv_cuda_node *ended = NULL;
	struct dv_cuda_lane *lane;
	bool rides = false;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	lane = dv_cuda_pending_find_lane(stream);
	if (lane && lane->group) {
		rides = !lane->closing && dv_shim_gate_ride(lane->group->ticket, key, GROUP_NS);
		if (rides)
			lane->riding++;
		else
			ended = take_group(lane);
	}
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	if (ended)
		end_group(stream, ended);
	return rides;
}

void dv_cuda_rode(struct dv_cu_stream *stream)
{
	struct dv_cuda_node *ended = NULL;
	struct dv_cuda_lane *lane;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	lane = dv_cuda_pending_find_lane(stream);
	if (lane && lane->riding) {
		lane->riding--;
		if (lane->closing)
			ended = take_group(lane);
	}
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	if (ended)
		end_group(stream, ended);
}

/* A short command whose stream anybody can put an event on begins a group. */
static bool begin_group(struct dv_cu_stream *stream, struct dv_cu_context *handle,
			struct dv_cuda_node *node)
{
	struct dv_cuda_known_context *context;
	struct dv_cuda_lane *lane = NULL;
	bool begun = false;

	if (node->expects_ns > SHORT_NS || dv_cuda_any_capture() ||
	    (uintptr_t)stream == DV_CU_STREAM_PER_THREAD)
		return false;
	pthread_mutex_lock(&dv_cuda_pending.lock);
	context = dv_cuda_pending_find(handle);
	if (context)
		lane = dv_cuda_pending_lane(context, (uintptr_t)stream);
	begun = lane && !lane->group && !lane->riding;
	if (begun)
		lane->group = node;
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	return begun;
}

static bool follow(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	uint64_t now_ns = dv_shim_now_ns(), expects_ns = dv_shim_gate_expects(ticket);
	struct dv_cu_context *context = NULL;
	struct dv_cuda_node *node = prepare(stream, &context);

	if (!node)
		return false;
	node->ticket = ticket;
	node->since_ns = now_ns;
	node->expects_ns = expects_ns;
	if (begin_group(stream, context, node)) {
		dv_cuda_watch_by(now_ns + DV_CUDA_GROUP_AGE_NS);
		return true;
	}
	node = record(stream, node);
	if (!node || !pend(context, key_of(stream), node))
		return false;
	dv_cuda_watch_by(now_ns + (expects_ns < DV_CUDA_UNKNOWN_NS
					   ? expects_ns
					   : (uint64_t)DV_CUDA_LOOK_LEAST_NS));
	return true;
}

void dv_cuda_track(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	struct dv_cuda_relaxed relaxed;
	bool followed;
	DV_SHIM_KEEP;

	relaxed = dv_cuda_relax();
	followed = follow(stream, ticket);
	dv_cuda_unrelax(&relaxed);
	if (!followed)
		give_up(stream, ticket);
}

/* Its work goes on: leave a marker behind what is not tracked. */
static void mark_behind(struct dv_cu_stream *handle)
{
	struct dv_cu_context *context = NULL;
	struct dv_cuda_node *node;

	if (!__atomic_load_n(&dv_cuda_used_slots[dv_cuda_slot(handle)], __ATOMIC_ACQUIRE) ||
	    !(dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_GATED) ||
	    (dv_cuda_any_capture() && dv_cuda_is_captured(handle)))
		return;
	node = record(handle, prepare(handle, &context));
	if (!node)
		return;
	node->ticket = NULL;
	node->since_ns = dv_shim_now_ns();
	node->expects_ns = DV_CUDA_UNKNOWN_NS;
	dv_shim_gate_marking();
	if (pend(context, (uintptr_t)handle, node)) {
		dv_cuda_watch_ring();
		return;
	}
	dv_shim_gate_marked();
}

void dv_cuda_stream_left(struct dv_cu_stream *handle)
{
	struct dv_cuda_node *ended = NULL;
	struct dv_cuda_lane *lane;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	lane = dv_cuda_pending_find_lane(handle);
	if (lane)
		ended = take_group(lane);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	if (ended)
		end_group(handle, ended);
	mark_behind(handle);
	pthread_mutex_lock(&dv_cuda_pending.lock);
	dv_cuda_pending_forget_stream(handle);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
}
