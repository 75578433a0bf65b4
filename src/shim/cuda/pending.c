/* SPDX-License-Identifier: Apache-2.0 */
/* What is pending on the device, from the making of a context to its end. */
#include "shim/cuda/pending.h"

#include <string.h>

uint8_t dv_cuda_used_slots[DV_CUDA_SLOTS];
struct dv_cuda_pending dv_cuda_pending = {.lock = PTHREAD_MUTEX_INITIALIZER};

void dv_cuda_track_init(void)
{
	memset(&dv_cuda_pending, 0, sizeof(dv_cuda_pending));
	memset(dv_cuda_used_slots, 0, sizeof(dv_cuda_used_slots));
	pthread_mutex_init(&dv_cuda_pending.lock, NULL);
	dv_cuda_watch_init();
}

/* Room for one more of `size` bytes each. */
static bool grow(void *items, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room ? *room * 2 : 8;
	void *more;

	if (count < *room)
		return true;
	more = reallocarray(*(void **)items, wanted, size);
	if (!more)
		return false;
	*(void **)items = more;
	*room = wanted;
	return true;
}

struct dv_cuda_known_context *dv_cuda_pending_find(const struct dv_cu_context *handle)
{
	for (size_t i = 0; i < dv_cuda_pending.context_count; i++)
		if (dv_cuda_pending.contexts[i]->handle == handle)
			return dv_cuda_pending.contexts[i];
	return NULL;
}

static struct dv_cuda_known_stream *find_stream(const struct dv_cu_stream *handle)
{
	for (size_t i = 0; i < dv_cuda_pending.stream_count; i++)
		if (dv_cuda_pending.streams[i].handle == handle)
			return &dv_cuda_pending.streams[i];
	return NULL;
}

static struct dv_cuda_known_context *add_context(struct dv_cu_context *handle)
{
	struct dv_cuda_known_context *context = dv_cuda_pending_find(handle);

	if (context)
		return context;
	if (!grow(&dv_cuda_pending.contexts, dv_cuda_pending.context_count,
		  &dv_cuda_pending.context_room, sizeof(struct dv_cuda_known_context *)))
		return NULL;
	context = calloc(1, sizeof(*context));
	if (!context)
		return NULL;
	context->handle = handle;
	dv_cuda_pending.contexts[dv_cuda_pending.context_count++] = context;
	return context;
}

void dv_cuda_context_known(struct dv_cu_context *handle)
{
	if (!handle || __atomic_load_n(&dv_cuda_pending.last_known, __ATOMIC_ACQUIRE) == handle)
		return;
	pthread_mutex_lock(&dv_cuda_pending.lock);
	if (add_context(handle))
		__atomic_store_n(&dv_cuda_pending.last_known, handle, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
}

bool dv_cuda_stream_known(struct dv_cu_stream *handle)
{
	struct dv_cuda_known_stream stream = {.handle = handle};
	uint32_t flags = 0;
	bool known;

	if (dv_cuda.cuStreamGetCtx(handle, &stream.context) != DV_CUDA_SUCCESS)
		(void)dv_cuda.cuCtxGetCurrent(&stream.context);
	if (dv_cuda.cuStreamGetFlags(handle, &flags) == DV_CUDA_SUCCESS)
		stream.blocking = !(flags & DV_CU_STREAM_NON_BLOCKING);
	pthread_mutex_lock(&dv_cuda_pending.lock);
	known = add_context(stream.context) &&
		grow(&dv_cuda_pending.streams, dv_cuda_pending.stream_count,
		     &dv_cuda_pending.stream_room, sizeof(struct dv_cuda_known_stream));
	if (known)
		dv_cuda_pending.streams[dv_cuda_pending.stream_count++] = stream;
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	return known;
}

struct dv_cuda_known_context *dv_cuda_pending_of(struct dv_cu_stream *handle)
{
	struct dv_cu_context *current = NULL;
	struct dv_cuda_known_stream *stream =
		dv_cuda_is_default_stream(handle) ? NULL : find_stream(handle);

	if (stream)
		return dv_cuda_pending_find(stream->context);
	if (dv_cuda.cuCtxGetCurrent(&current) != DV_CUDA_SUCCESS || !current)
		return NULL;
	return add_context(current);
}

struct dv_cuda_lane *dv_cuda_pending_find_lane(struct dv_cu_stream *handle)
{
	struct dv_cu_context *current = NULL;
	struct dv_cuda_known_stream *stream =
		dv_cuda_is_default_stream(handle) ? NULL : find_stream(handle);
	struct dv_cuda_known_context *context = NULL;

	if (stream)
		context = dv_cuda_pending_find(stream->context);
	else if (dv_cuda.cuCtxGetCurrent(&current) == DV_CUDA_SUCCESS && current)
		context = dv_cuda_pending_find(current);
	for (size_t i = 0; context && i < context->lane_count; i++)
		if (context->lanes[i].key == (uintptr_t)handle)
			return &context->lanes[i];
	return NULL;
}

struct dv_cuda_lane *dv_cuda_pending_lane(struct dv_cuda_known_context *context, uintptr_t key)
{
	for (size_t i = 0; i < context->lane_count; i++)
		if (context->lanes[i].key == key)
			return &context->lanes[i];
	if (!grow(&context->lanes, context->lane_count, &context->lane_room,
		  sizeof(struct dv_cuda_lane)))
		return NULL;
	context->lanes[context->lane_count] = (struct dv_cuda_lane){.key = key};
	return &context->lanes[context->lane_count++];
}

void dv_cuda_pending_forget_stream(const struct dv_cu_stream *handle)
{
	struct dv_cuda_known_stream *stream = find_stream(handle);

	if (stream)
		*stream = dv_cuda_pending.streams[--dv_cuda_pending.stream_count];
}

void dv_cuda_pending_append(struct dv_cuda_lane *lane, struct dv_cuda_node *node)
{
	node->next = NULL;
	if (lane->last)
		lane->last->next = node;
	else
		lane->first = node;
	lane->last = node;
}

void dv_cuda_pending_spare(struct dv_cuda_known_context *context, struct dv_cuda_node *node)
{
	node->ticket = NULL;
	node->next = context->spare;
	context->spare = node;
}

/* An event of the context that is current. */
struct dv_cuda_node *dv_cuda_pending_new_node(void)
{
	struct dv_cuda_node *node = calloc(1, sizeof(*node));

	if (node &&
	    dv_cuda.cuEventCreate(&node->event, DV_CU_EVENT_DISABLE_TIMING) != DV_CUDA_SUCCESS) {
		free(node);
		node = NULL;
	}
	return node;
}

struct dv_cuda_node *dv_cuda_pending_take_spare(struct dv_cuda_known_context *context)
{
	struct dv_cuda_node *node = context->spare;

	if (node)
		context->spare = node->next;
	return node;
}

void dv_cuda_context_leaves(struct dv_cu_context *handle)
{
	struct dv_cuda_known_context *context;

	/* Its work may go on meanwhile, unseen. */
	dv_shim_gate_marking();
	pthread_mutex_lock(&dv_cuda_pending.lock);
	context = dv_cuda_pending_find(handle);
	if (context)
		context->away++;
	pthread_mutex_unlock(&dv_cuda_pending.lock);
}

/* With the lock: take all that is pending out of it, and it out of the list. */
static struct dv_cuda_node *dissolve(struct dv_cuda_known_context *context)
{
	struct dv_cuda_node *pending = NULL, *node;

	for (size_t i = 0; i < context->lane_count; i++) {
		struct dv_cuda_lane *lane = &context->lanes[i];

		if (lane->last) {
			lane->last->next = pending;
			pending = lane->first;
		}
		if (lane->group) {
			lane->group->next = pending;
			pending = lane->group;
		}
	}
	while ((node = dv_cuda_pending_take_spare(context)))
		free(node);
	for (size_t i = 0; i < dv_cuda_pending.stream_count; i++)
		if (dv_cuda_pending.streams[i].context == context->handle)
			dv_cuda_pending.streams[i--] =
				dv_cuda_pending.streams[--dv_cuda_pending.stream_count];
	for (size_t i = 0; i < dv_cuda_pending.context_count; i++)
		if (dv_cuda_pending.contexts[i] == context)
			dv_cuda_pending.contexts[i--] =
				dv_cuda_pending.contexts[--dv_cuda_pending.context_count];
	free(context->lanes);
	free(context);
	dv_cuda_pending.ended++;
	return pending;
}

void dv_cuda_context_left(struct dv_cu_context *handle, bool gone)
{
	struct dv_cuda_node *pending = NULL, *next;
	struct dv_cuda_known_context *context;

	pthread_mutex_lock(&dv_cuda_pending.lock);
	context = dv_cuda_pending_find(handle);
	if (context && context->away)
		context->away--;
	if (context && gone && !context->away) {
		pending = dissolve(context);
		__atomic_store_n(&dv_cuda_pending.last_known, NULL, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	for (; pending; pending = next) {
		next = pending->next;
		if (pending->ticket)
			dv_shim_gate_done(pending->ticket);
		else
			dv_shim_gate_marked();
		free(pending);
	}
	dv_shim_gate_marked();
	dv_cuda_watch_ring();
}
