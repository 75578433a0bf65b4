/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and events. The calls that name a stream are in stream-calls.c. */
#include <string.h>
#include <time.h>

#include "sim/cuda/capture.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/perform.h"

enum { LEAST_PRIORITY = 0, GREATEST_PRIORITY = -5 };

static uint64_t next_id = 1;
static _Atomic int failure;

void dv_cu_fail_later(enum dv_cu_result result)
{
	atomic_store(&failure, (int)result);
}

enum dv_cu_result dv_cu_failed(void)
{
	return (enum dv_cu_result)atomic_load(&failure);
}

/* --- streams --- */

struct dv_cu_stream *dv_cu_stream_new(struct dv_cu_context *context, uint32_t flags, int priority)
{
	struct dv_cu_stream *stream = dv_cu_new(DV_CU_STREAM, sizeof(*stream));

	if (!stream || dv_vec_push(&context->streams, stream) < 0) {
		dv_cu_free(stream);
		return NULL;
	}
	stream->context = context;
	stream->id = next_id++;
	stream->flags = flags;
	stream->priority = DV_MIN(LEAST_PRIORITY, DV_MAX(priority, GREATEST_PRIORITY));
	stream->refs = 1;
	return stream;
}

void dv_cu_stream_end(struct dv_cu_stream *stream)
{
	if (--stream->refs)
		return;
	dv_cu_op_unref(stream->last);
	dv_vec_fini(&stream->tips);
	dv_cu_free(stream);
}

static struct dv_cu_stream *own_stream(struct dv_cu_context *context)
{
	struct dv_cu_stream *stream;

	for (size_t i = 0; i < context->streams.len; i++)
		if (context->streams.items[i]->per_thread &&
		    pthread_equal(context->streams.items[i]->thread, pthread_self()))
			return context->streams.items[i];
	stream = dv_cu_stream_new(context, DV_CU_STREAM_DEFAULT, 0);
	if (stream) {
		stream->per_thread = true;
		stream->thread = pthread_self();
	}
	return stream;
}

enum dv_cu_result dv_cu_stream_of(struct dv_cu_stream *handle, bool thread,
				  struct dv_cu_stream **ret)
{
	uintptr_t number = (uintptr_t)handle;
	struct dv_cu_context *context = dv_cu_current();

	if (number <= DV_CU_STREAM_PER_THREAD) {
		if (!context)
			return DV_CUDA_ERROR_INVALID_CONTEXT;
		if (!number)
			number = thread ? DV_CU_STREAM_PER_THREAD : DV_CU_STREAM_LEGACY;
		*ret = number == DV_CU_STREAM_LEGACY ? context->legacy : own_stream(context);
		return *ret ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!dv_cu_is(handle, DV_CU_STREAM) || handle->gone)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*ret = handle;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result create_stream(struct dv_cu_stream **ret, uint32_t flags, int priority)
{
	struct dv_cu_context *context = dv_cu_current();
	struct dv_cu_stream *stream;

	if (!context)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	DV_NEED(ret && flags <= DV_CU_STREAM_NON_BLOCKING);
	stream = dv_cu_stream_new(context, flags, priority);
	if (!stream)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	*ret = stream;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuStreamCreate(struct dv_cu_stream **stream, uint32_t flags)
{
	DV_CALL();
	return create_stream(stream, flags, LEAST_PRIORITY);
}

enum dv_cu_result cuStreamCreateWithPriority(struct dv_cu_stream **stream, uint32_t flags,
					     int priority)
{
	DV_CALL();
	return create_stream(stream, flags, priority);
}

/* What it has to do is still done. */
static enum dv_cu_result destroy_stream(struct dv_cu_stream *handle)
{
	struct dv_cu_stream *stream;

	if ((uintptr_t)handle <= DV_CU_STREAM_PER_THREAD)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_TRY(dv_cu_stream_of(handle, false, &stream));
	dv_cu_capture_lose(stream);
	for (size_t i = 0; i < stream->context->streams.len; i++)
		if (stream->context->streams.items[i] == stream) {
			dv_vec_remove(&stream->context->streams, i);
			break;
		}
	stream->gone = true;
	dv_cu_stream_end(stream);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuStreamDestroy(struct dv_cu_stream *stream)
{
	DV_CALL();
	return destroy_stream(stream);
}

enum dv_cu_result cuStreamDestroy_v2(struct dv_cu_stream *stream)
{
	DV_CALL();
	return destroy_stream(stream);
}

/* --- events --- */

static bool is_event(const struct dv_cu_event *event)
{
	return dv_cu_is(event, DV_CU_EVENT);
}

enum dv_cu_result cuEventCreate(struct dv_cu_event **event, uint32_t flags)
{
	struct dv_cu_event *new;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(event && flags <= 7);
	DV_NEED(!(flags & DV_CU_EVENT_INTERPROCESS) || flags & DV_CU_EVENT_DISABLE_TIMING);
	new = dv_cu_new(DV_CU_EVENT, sizeof(*new));
	if (!new)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	new->context = context;
	new->flags = flags;
	new->shared = -1;
	*event = new;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result destroy_event(struct dv_cu_event *event)
{
	if (!is_event(event))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	if (event->shared >= 0 && !event->foreign)
		dv_cu_share->events[event->shared].used = 0;
	dv_cu_op_unref(event->op);
	dv_vec_fini(&event->tips);
	dv_cu_free(event);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuEventDestroy(struct dv_cu_event *event)
{
	DV_CALL();
	return destroy_event(event);
}

enum dv_cu_result cuEventDestroy_v2(struct dv_cu_event *event)
{
	DV_CALL();
	return destroy_event(event);
}

/* Other processes look at how often it was recorded, and how many of these are done. */
static void tell_others(struct dv_cu_op *op)
{
	int shared;

	memcpy(&shared, op->data, sizeof(shared));
	atomic_fetch_add(&dv_cu_share->events[shared].done, 1);
}

int dv_cu_event_recorded_by(struct dv_cu_event *event, struct dv_cu_op *op)
{
	if (event->shared >= 0 && op->size >= sizeof(event->shared)) {
		memcpy(op->data, &event->shared, sizeof(event->shared));
		op->act = tell_others;
		atomic_fetch_add(&dv_cu_share->events[event->shared].recorded, 1);
	}
	dv_cu_op_unref(event->op);
	event->op = op;
	op->refs++;
	event->tips.len = 0;
	event->capture_id = 0;
	return 0;
}

static bool others_are_done(int shared, uint64_t records)
{
	return atomic_load(&dv_cu_share->events[shared].done) >= records;
}

static bool may_begin(struct dv_cu_op *op)
{
	uint64_t wanted[2];

	memcpy(wanted, op->data, sizeof(wanted));
	return others_are_done((int)wanted[0], wanted[1]);
}

int dv_cu_op_waits_for(struct dv_cu_op *op, struct dv_cu_event *event)
{
	uint64_t wanted[2];

	if (event->shared < 0 || !event->foreign)
		return dv_cu_op_after(op, event->op);
	if (op->size < sizeof(wanted))
		return -EINVAL;
	wanted[0] = (uint64_t)event->shared;
	wanted[1] = atomic_load(&dv_cu_share->events[event->shared].recorded);
	memcpy(op->data, wanted, sizeof(wanted));
	op->may_begin = may_begin;
	return 0;
}

static bool is_done(const struct dv_cu_event *event)
{
	if (event->foreign)
		return others_are_done(event->shared,
				       atomic_load(&dv_cu_share->events[event->shared].recorded));
	return !event->op || event->op->done;
}

enum dv_cu_result cuEventQuery(struct dv_cu_event *event)
{
	DV_CALL();
	if (!is_event(event))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_TRY(dv_cu_failed());
	if (dv_cu_event_is_captured(event))
		return DV_CUDA_ERROR_CAPTURED_EVENT;
	return is_done(event) ? DV_CUDA_SUCCESS : DV_CUDA_ERROR_NOT_READY;
}

static void nap(void)
{
	struct timespec time = {.tv_nsec = 100000};

	(void)pthread_mutex_unlock(&dv_cu_lock);
	(void)nanosleep(&time, NULL);
	(void)pthread_mutex_lock(&dv_cu_lock);
}

enum dv_cu_result cuEventSynchronize(struct dv_cu_event *event)
{
	DV_CALL();
	if (!is_event(event))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	if (dv_cu_event_is_captured(event))
		return DV_CUDA_ERROR_CAPTURED_EVENT;
	if (!event->foreign && event->op)
		dv_cu_wait(event->op);
	while (is_event(event) && event->foreign && !is_done(event))
		nap();
	if (is_event(event) && dv_cu_is(event->context, DV_CU_CONTEXT))
		dv_cu_pools_trim(event->context->device);
	return dv_cu_failed();
}

static enum dv_cu_result elapsed(float *ret, const struct dv_cu_event *start,
				 const struct dv_cu_event *end)
{
	DV_NEED(ret);
	if (!is_event(start) || !is_event(end) || !start->op || !end->op ||
	    (start->flags | end->flags) & DV_CU_EVENT_DISABLE_TIMING)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_TRY(dv_cu_failed());
	if (!start->op->done || !end->op->done)
		return DV_CUDA_ERROR_NOT_READY;
	*ret = (float)((double)(int64_t)(end->op->done_ns - start->op->done_ns) / 1e6);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuEventElapsedTime(float *milliseconds, struct dv_cu_event *start,
				     struct dv_cu_event *end)
{
	DV_CALL();
	return elapsed(milliseconds, start, end);
}

enum dv_cu_result cuEventElapsedTime_v2(float *milliseconds, struct dv_cu_event *start,
					struct dv_cu_event *end)
{
	DV_CALL();
	return elapsed(milliseconds, start, end);
}

/* --- events of other processes --- */

struct handle {
	char magic[8];
	int32_t shared;
	uint32_t pid;
};

#define MAGIC "dvevent1"

enum dv_cu_result cuIpcGetEventHandle(struct dv_cu_ipc_event *handle, struct dv_cu_event *event)
{
	struct handle is = {.pid = (uint32_t)getpid()};

	DV_CALL();
	if (!is_event(event) || !(event->flags & DV_CU_EVENT_INTERPROCESS))
		return DV_CUDA_ERROR_INVALID_HANDLE;
	DV_NEED(handle);
	dv_share_lock(dv_cu_share);
	for (int i = 0; event->shared < 0 && i < DV_SHARE_EVENTS_MOST; i++)
		if (!dv_cu_share->events[i].used) {
			dv_cu_share->events[i] =
				(struct dv_share_event){.tenant = event->context->device->tenant};
			dv_cu_share->events[i].used = 1;
			event->shared = i;
		}
	dv_share_unlock(dv_cu_share);
	if (event->shared < 0)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	memcpy(is.magic, MAGIC, sizeof(is.magic));
	is.shared = event->shared;
	memset(handle, 0, sizeof(*handle));
	memcpy(handle, &is, sizeof(is));
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuIpcOpenEventHandle(struct dv_cu_event **event, struct dv_cu_ipc_event handle)
{
	struct handle is;
	struct dv_cu_event *new;

	DV_CALL_IN_CONTEXT(context);
	DV_NEED(event);
	memcpy(&is, &handle, sizeof(is));
	if (memcmp(is.magic, MAGIC, sizeof(is.magic)) != 0 || is.shared < 0 ||
	    is.shared >= DV_SHARE_EVENTS_MOST || !dv_cu_share->events[is.shared].used)
		return DV_CUDA_ERROR_INVALID_VALUE;
	/* Not in the process that it is from. */
	if (is.pid == (uint32_t)getpid())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	new = dv_cu_new(DV_CU_EVENT, sizeof(*new));
	if (!new)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	new->context = context;
	new->flags = DV_CU_EVENT_INTERPROCESS | DV_CU_EVENT_DISABLE_TIMING;
	new->shared = is.shared;
	new->foreign = true;
	*event = new;
	return DV_CUDA_SUCCESS;
}
