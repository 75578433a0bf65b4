/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/cuda/track.h"

#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim/core/link.h"

enum {
	LANES_KEPT = 32, /* empty ones beyond so many go */
	BATCH = 64,	 /* ended commands told at once */
	LOOK_LEAST_NS = 20000,
	LOOK_MOST_NS = 500000,
	UNKNOWN_NS = 1000000000,
	DEFER_NS = 1000000, /* a capture keeps markers off */
	MARKERS_MOST_NS = 20000000,
	SHORT_NS = 100000,     /* known to take no longer: others may ride on it */
	GROUP_NS = 200000,     /* all that ride together */
	GROUP_AGE_NS = 100000, /* then the event comes, whoever rides */
};

/* A command that was put on the device, or a marker (no ticket). */
struct node {
	struct node *next;
	struct dv_cu_event *event;
	struct dv_shim_ticket *ticket;
	uint64_t since_ns, expects_ns;
};

/* What is pending on one stream, in order; of a thread's own stream, by thread. */
struct lane {
	uintptr_t key;
	struct node *first, *last;
	uint64_t moved_ns; /* when its last one ended */
	/* Short commands share an event, which is put behind the last of them. */
	struct node *group; /* that still takes more, or NULL */
	unsigned riding;    /* commands of it on their way to the stream */
	bool closing;	    /* it takes no more; the last of these puts the event */
};

struct context {
	struct dv_cu_context *handle;
	unsigned away; /* calls that may end it are under way */
	struct node *spare;
	struct lane *lanes;
	size_t lane_count, lane_room;
};

struct stream {
	struct dv_cu_stream *handle;
	struct dv_cu_context *context;
	bool blocking; /* a legacy default stream waits for it */
};

uint8_t dv_cuda_used_slots[DV_CUDA_SLOTS];

static struct {
	pthread_mutex_t lock;
	struct context **contexts;
	size_t context_count, context_room;
	struct stream *streams;
	size_t stream_count, stream_room;
	unsigned marks_due;
	bool hurry; /* a capture is to begin: no group may be open then */
	bool threaded;
	uint64_t ended;			  /* contexts: a handle may be used anew */
	struct dv_cu_context *last_known; /* atomic */
	uint32_t bell;			  /* futex of the thread; atomic */
	uint64_t sleeps_ns;		  /* when it looks again by itself; atomic */
} self = {.lock = PTHREAD_MUTEX_INITIALIZER};

void dv_cuda_track_init(void)
{
	memset(&self, 0, sizeof(self));
	memset(dv_cuda_used_slots, 0, sizeof(dv_cuda_used_slots));
	pthread_mutex_init(&self.lock, NULL);
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

static struct context *find_context(const struct dv_cu_context *handle)
{
	for (size_t i = 0; i < self.context_count; i++)
		if (self.contexts[i]->handle == handle)
			return self.contexts[i];
	return NULL;
}

static struct stream *find_stream(const struct dv_cu_stream *handle)
{
	for (size_t i = 0; i < self.stream_count; i++)
		if (self.streams[i].handle == handle)
			return &self.streams[i];
	return NULL;
}

static struct context *add_context(struct dv_cu_context *handle)
{
	struct context *context = find_context(handle);

	if (context)
		return context;
	if (!grow(&self.contexts, self.context_count, &self.context_room, sizeof(struct context *)))
		return NULL;
	context = calloc(1, sizeof(*context));
	if (!context)
		return NULL;
	context->handle = handle;
	self.contexts[self.context_count++] = context;
	return context;
}

void dv_cuda_context_known(struct dv_cu_context *handle)
{
	if (!handle || __atomic_load_n(&self.last_known, __ATOMIC_ACQUIRE) == handle)
		return;
	pthread_mutex_lock(&self.lock);
	if (add_context(handle))
		__atomic_store_n(&self.last_known, handle, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&self.lock);
}

/* The context in which work on this stream runs. */
static struct context *context_of(struct dv_cu_stream *handle)
{
	struct dv_cu_context *current = NULL;
	struct stream *stream = dv_cuda_is_default_stream(handle) ? NULL : find_stream(handle);

	if (stream)
		return find_context(stream->context);
	if (dv_cuda.cuCtxGetCurrent(&current) != DV_CUDA_SUCCESS || !current)
		return NULL;
	return add_context(current);
}

static uintptr_t key_of(const struct dv_cu_stream *stream)
{
	return (uintptr_t)stream == DV_CU_STREAM_PER_THREAD ? (uintptr_t)pthread_self()
							    : (uintptr_t)stream;
}

static struct lane *lane_of(struct context *context, uintptr_t key)
{
	for (size_t i = 0; i < context->lane_count; i++)
		if (context->lanes[i].key == key)
			return &context->lanes[i];
	if (!grow(&context->lanes, context->lane_count, &context->lane_room, sizeof(struct lane)))
		return NULL;
	context->lanes[context->lane_count] = (struct lane){.key = key};
	return &context->lanes[context->lane_count++];
}

static void append(struct lane *lane, struct node *node)
{
	node->next = NULL;
	if (lane->last)
		lane->last->next = node;
	else
		lane->first = node;
	lane->last = node;
}

static void spare(struct context *context, struct node *node)
{
	node->ticket = NULL;
	node->next = context->spare;
	context->spare = node;
}

/* An event of the context that is current. */
static struct node *new_node(void)
{
	struct node *node = calloc(1, sizeof(*node));

	if (node &&
	    dv_cuda.cuEventCreate(&node->event, DV_CU_EVENT_DISABLE_TIMING) != DV_CUDA_SUCCESS) {
		free(node);
		node = NULL;
	}
	return node;
}

static struct node *take_spare(struct context *context)
{
	struct node *node = context->spare;

	if (node)
		context->spare = node->next;
	return node;
}

/* --- the thread --- */

static void ring(void)
{
	__atomic_fetch_add(&self.bell, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &self.bell, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

static void look_by(uint64_t at_ns)
{
	if (at_ns < __atomic_load_n(&self.sleeps_ns, __ATOMIC_SEQ_CST))
		ring();
}

struct round {
	struct dv_cu_context *current; /* of the thread; kept from round to round */
	uint64_t ended;		       /* contexts that had ended when it was made so */
	uint64_t now_ns, wake_ns;
	unsigned markers; /* reached */
	size_t count;
	struct dv_shim_ticket *tickets[BATCH];
};

static bool make_current(struct round *round, const struct context *context)
{
	if (round->current == context->handle && round->ended == self.ended)
		return true;
	round->current = NULL;
	round->ended = self.ended;
	if (dv_cuda.cuCtxSetCurrent(context->handle) != DV_CUDA_SUCCESS)
		return false;
	round->current = context->handle;
	return true;
}

/* With the lock. When to ask again for the first of a lane. */
static uint64_t next_look_ns(const struct lane *lane, uint64_t now_ns)
{
	const struct node *node = lane->first;
	uint64_t from_ns = DV_MAX(node->since_ns, lane->moved_ns);
	uint64_t end_ns = from_ns + (node->expects_ns < UNKNOWN_NS ? node->expects_ns : 0);
	uint64_t step_ns;

	if (now_ns < end_ns)
		step_ns = end_ns - now_ns;
	else
		step_ns = (now_ns - end_ns) / 8;
	return now_ns + DV_MIN(DV_MAX(step_ns, (uint64_t)LOOK_LEAST_NS), (uint64_t)LOOK_MOST_NS);
}

/* With the lock: put the event behind a group. */
static void close_group(struct round *round, struct context *context, struct lane *lane)
{
	struct node *node = lane->group;

	lane->group = NULL;
	lane->closing = false;
	/* What can't be followed is marked later. */
	if (!make_current(round, context) ||
	    dv_cuda.cuEventRecord(node->event, (struct dv_cu_stream *)lane->key) !=
		    DV_CUDA_SUCCESS) {
		dv_cuda_used((struct dv_cu_stream *)lane->key);
		dv_shim_gate_cancel(node->ticket, true);
		spare(context, node);
		return;
	}
	append(lane, node);
}

/* With the lock. An event in a stream that is captured would become a part of the graph. */
static void look_at_group(struct round *round, struct context *context, struct lane *lane)
{
	uint64_t end_ns = lane->group->since_ns + GROUP_AGE_NS;

	if (dv_cuda_any_capture())
		round->wake_ns = DV_MIN(round->wake_ns, round->now_ns + DEFER_NS);
	else if (round->now_ns < end_ns && !self.hurry)
		round->wake_ns = DV_MIN(round->wake_ns, end_ns);
	else if (lane->riding)
		lane->closing = true;
	else
		close_group(round, context, lane);
}

/* With the lock: what has ended in this lane. An error of the context ends everything. */
static void look_at_lane(struct round *round, struct context *context, struct lane *lane)
{
	while (lane->first && round->count < BATCH) {
		struct node *node = lane->first;

		if (make_current(round, context) &&
		    dv_cuda.cuEventQuery(node->event) == DV_CUDA_ERROR_NOT_READY) {
			round->wake_ns = DV_MIN(round->wake_ns, next_look_ns(lane, round->now_ns));
			return;
		}
		lane->first = node->next;
		if (!lane->first)
			lane->last = NULL;
		lane->moved_ns = round->now_ns;
		if (node->ticket)
			round->tickets[round->count++] = node->ticket;
		else
			round->markers++;
		spare(context, node);
	}
	if (lane->first)
		round->wake_ns = 0;
}

static void look_at(struct round *round, struct context *context)
{
	for (size_t i = 0; i < context->lane_count; i++) {
		struct lane *lane = &context->lanes[i];

		if (lane->group)
			look_at_group(round, context, lane);
		look_at_lane(round, context, lane);
		if (!lane->first && !lane->group && !lane->riding &&
		    context->lane_count > LANES_KEPT)
			context->lanes[i--] = context->lanes[--context->lane_count];
	}
}

/* With the lock: a marker on one stream. */
static void mark_stream(struct round *round, struct context *context, struct dv_cu_stream *stream)
{
	struct lane *lane = lane_of(context, (uintptr_t)stream);
	struct node *node = NULL;

	if (lane && make_current(round, context)) {
		node = take_spare(context);
		if (!node)
			node = new_node();
	}
	/* A stream that takes no marker has no work either. */
	if (!node)
		return;
	if (dv_cuda.cuEventRecord(node->event, stream) != DV_CUDA_SUCCESS) {
		spare(context, node);
		return;
	}
	dv_shim_gate_marking();
	node->since_ns = round->now_ns;
	node->expects_ns = UNKNOWN_NS;
	append(lane, node);
}

/* With the lock: on all that was used. The legacy stream waits for every blocking stream of its
 * context, each thread's own among them. */
static void mark_used(struct round *round)
{
	uint8_t used[DV_CUDA_SLOTS];

	for (unsigned i = 0; i < DV_CUDA_SLOTS; i++)
		used[i] = __atomic_exchange_n(&dv_cuda_used_slots[i], 0, __ATOMIC_ACQ_REL);
	for (size_t i = 0; used[0] && i < self.context_count; i++)
		mark_stream(round, self.contexts[i],
			    (struct dv_cu_stream *)(uintptr_t)DV_CU_STREAM_LEGACY);
	for (size_t i = 0; i < self.stream_count; i++) {
		struct stream *stream = &self.streams[i];
		struct context *context = find_context(stream->context);

		if (used[dv_cuda_slot(stream->handle)] && !(stream->blocking && used[0]) && context)
			mark_stream(round, context, stream->handle);
	}
}

/* With the lock. A marker on a stream that is captured would become a part of the graph, and one on
 * the legacy stream would break the capture. */
static void place_markers(struct round *round)
{
	bool any_away = false;

	for (size_t i = 0; i < self.context_count; i++)
		any_away |= self.contexts[i]->away > 0;
	if (any_away || dv_cuda_any_capture()) {
		round->wake_ns = DV_MIN(round->wake_ns, round->now_ns + DEFER_NS);
		return;
	}
	mark_used(round);
	round->markers += self.marks_due;
	self.marks_due = 0;
}

static void look(struct round *round)
{
	pthread_mutex_lock(&self.lock);
	round->now_ns = dv_shim_now_ns();
	round->wake_ns = UINT64_MAX;
	if (self.marks_due)
		place_markers(round);
	for (size_t i = 0; i < self.context_count; i++)
		if (!self.contexts[i]->away)
			look_at(round, self.contexts[i]);
	pthread_mutex_unlock(&self.lock);
	for (size_t i = 0; i < round->count; i++)
		dv_shim_gate_done(round->tickets[i]);
	while (round->markers) {
		round->markers--;
		dv_shim_gate_marked();
	}
	round->count = 0;
}

static void *run(void *arg)
{
	uint32_t relaxed = DV_CU_STREAM_CAPTURE_MODE_RELAXED;
	struct round round = {0};

	(void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	/* What the program captures in another thread forbids us nothing. */
	(void)dv_cuda.cuThreadExchangeStreamCaptureMode(&relaxed);
	for (;;) {
		uint32_t bell = __atomic_load_n(&self.bell, __ATOMIC_SEQ_CST);
		struct timespec until;

		/* Until it is known when we look again, whoever wants that rings. */
		__atomic_store_n(&self.sleeps_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
		look(&round);
		if (round.wake_ns <= round.now_ns)
			continue;
		__atomic_store_n(&self.sleeps_ns, round.wake_ns, __ATOMIC_SEQ_CST);
		until = (struct timespec){(time_t)(round.wake_ns / 1000000000),
					  (long)(round.wake_ns % 1000000000)};
		syscall(SYS_futex, &self.bell, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, bell,
			round.wake_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
	}
	return arg;
}

/* With the lock. Without the thread nothing is ever known to have ended: divvyd's time-outs take
 * the device from us then. */
static void start_thread(void)
{
	if (!self.threaded)
		self.threaded = dv_shim_thread(run, NULL) == 0;
}

/* --- from the program's threads --- */

static bool push(struct dv_cu_context *handle)
{
	struct dv_cu_context *current = NULL;

	(void)dv_cuda.cuCtxGetCurrent(&current);
	return current != handle && dv_cuda.cuCtxPushCurrent_v2(handle) == DV_CUDA_SUCCESS;
}

/* A node with an event of the stream's context. NULL: not to be had. */
static struct node *prepare(struct dv_cu_stream *stream, struct dv_cu_context **ret_context)
{
	struct dv_cu_context *popped;
	struct context *context;
	struct node *node = NULL;

	pthread_mutex_lock(&self.lock);
	start_thread();
	context = context_of(stream);
	*ret_context = context ? context->handle : NULL;
	if (context)
		node = take_spare(context);
	pthread_mutex_unlock(&self.lock);
	if (!*ret_context)
		return NULL;
	if (!node) {
		bool pushed = push(*ret_context);

		node = new_node();
		if (pushed)
			(void)dv_cuda.cuCtxPopCurrent_v2(&popped);
	}
	return node;
}

/* The event behind what is on the stream now. NULL: it could not be put there. */
static struct node *record(struct dv_cu_stream *stream, struct node *node)
{
	if (!node || dv_cuda.cuEventRecord(node->event, stream) == DV_CUDA_SUCCESS)
		return node;
	(void)dv_cuda.cuEventDestroy_v2(node->event);
	free(node);
	return NULL;
}

/* Hand the recorded event to the thread. */
static bool pend(struct dv_cu_context *handle, uintptr_t key, struct node *node)
{
	struct context *context;
	struct lane *lane = NULL;

	pthread_mutex_lock(&self.lock);
	context = find_context(handle);
	if (context)
		lane = lane_of(context, key);
	if (lane)
		append(lane, node);
	pthread_mutex_unlock(&self.lock);
	return lane;
}

/* With the lock: the lane of a stream, if there is any. */
static struct lane *find_lane(struct dv_cu_stream *handle)
{
	struct dv_cu_context *current = NULL;
	struct stream *stream = dv_cuda_is_default_stream(handle) ? NULL : find_stream(handle);
	struct context *context = NULL;

	if (stream)
		context = find_context(stream->context);
	else if (dv_cuda.cuCtxGetCurrent(&current) == DV_CUDA_SUCCESS && current)
		context = find_context(current);
	for (size_t i = 0; context && i < context->lane_count; i++)
		if (context->lanes[i].key == (uintptr_t)handle)
			return &context->lanes[i];
	return NULL;
}

static void give_up(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	dv_cuda_used(stream);
	dv_shim_gate_cancel(ticket, true);
}

/* Put the event behind a group that was taken out of its lane. */
static void end_group(struct dv_cu_stream *stream, struct node *node)
{
	struct dv_shim_ticket *ticket = node->ticket;
	struct context *context;
	struct lane *lane = NULL;

	node = record(stream, node);
	pthread_mutex_lock(&self.lock);
	context = node ? context_of(stream) : NULL;
	lane = context ? lane_of(context, (uintptr_t)stream) : NULL;
	if (lane)
		append(lane, node);
	pthread_mutex_unlock(&self.lock);
	if (lane) {
		look_by(dv_shim_now_ns() + LOOK_LEAST_NS);
		return;
	}
	free(node);
	give_up(stream, ticket);
}

/* With the lock: out of its lane, unless commands of it are on their way. */
static struct node *take_group(struct lane *lane)
{
	struct node *node = lane->group;

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
	struct node *ended = NULL;
	struct lane *lane;
	bool rides = false;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.lock);
	lane = find_lane(stream);
	if (lane && lane->group) {
		rides = !lane->closing && dv_shim_gate_ride(lane->group->ticket, key, GROUP_NS);
		if (rides)
			lane->riding++;
		else
			ended = take_group(lane);
	}
	pthread_mutex_unlock(&self.lock);
	if (ended)
		end_group(stream, ended);
	return rides;
}

void dv_cuda_rode(struct dv_cu_stream *stream)
{
	struct node *ended = NULL;
	struct lane *lane;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&self.lock);
	lane = find_lane(stream);
	if (lane && lane->riding) {
		lane->riding--;
		if (lane->closing)
			ended = take_group(lane);
	}
	pthread_mutex_unlock(&self.lock);
	if (ended)
		end_group(stream, ended);
}

/* A short command whose stream anybody can put an event on begins a group. */
static bool begin_group(struct dv_cu_stream *stream, struct dv_cu_context *handle,
			struct node *node)
{
	struct context *context;
	struct lane *lane = NULL;
	bool begun = false;

	if (node->expects_ns > SHORT_NS || dv_cuda_any_capture() ||
	    (uintptr_t)stream == DV_CU_STREAM_PER_THREAD)
		return false;
	pthread_mutex_lock(&self.lock);
	context = find_context(handle);
	if (context)
		lane = lane_of(context, (uintptr_t)stream);
	begun = lane && !lane->group && !lane->riding;
	if (begun)
		lane->group = node;
	pthread_mutex_unlock(&self.lock);
	return begun;
}

static bool follow(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	uint64_t now_ns = dv_shim_now_ns(), expects_ns = dv_shim_gate_expects(ticket);
	struct dv_cu_context *context = NULL;
	struct node *node = prepare(stream, &context);

	if (!node)
		return false;
	node->ticket = ticket;
	node->since_ns = now_ns;
	node->expects_ns = expects_ns;
	if (begin_group(stream, context, node)) {
		look_by(now_ns + GROUP_AGE_NS);
		return true;
	}
	node = record(stream, node);
	if (!node || !pend(context, key_of(stream), node)) {
		free(node);
		return false;
	}
	look_by(now_ns + (expects_ns < UNKNOWN_NS ? expects_ns : (uint64_t)LOOK_LEAST_NS));
	return true;
}

void dv_cuda_track(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket)
{
	struct dv_cuda_relaxed relaxed = dv_cuda_relax();
	bool followed;
	DV_SHIM_KEEP;

	followed = follow(stream, ticket);
	dv_cuda_unrelax(&relaxed);
	if (!followed)
		give_up(stream, ticket);
}

void dv_cuda_mark(void)
{
	dv_shim_gate_marking();
	pthread_mutex_lock(&self.lock);
	start_thread();
	self.marks_due++;
	pthread_mutex_unlock(&self.lock);
	ring();
}

void dv_cuda_context_leaves(struct dv_cu_context *handle)
{
	struct context *context;

	/* Its work may go on meanwhile, unseen. */
	dv_shim_gate_marking();
	pthread_mutex_lock(&self.lock);
	context = find_context(handle);
	if (context)
		context->away++;
	pthread_mutex_unlock(&self.lock);
}

/* With the lock: take all that is pending out of it, and it out of the list. */
static struct node *dissolve(struct context *context)
{
	struct node *pending = NULL, *node;

	for (size_t i = 0; i < context->lane_count; i++) {
		struct lane *lane = &context->lanes[i];

		if (lane->last) {
			lane->last->next = pending;
			pending = lane->first;
		}
		if (lane->group) {
			lane->group->next = pending;
			pending = lane->group;
		}
	}
	while ((node = take_spare(context)))
		free(node);
	for (size_t i = 0; i < self.stream_count; i++)
		if (self.streams[i].context == context->handle)
			self.streams[i--] = self.streams[--self.stream_count];
	for (size_t i = 0; i < self.context_count; i++)
		if (self.contexts[i] == context)
			self.contexts[i--] = self.contexts[--self.context_count];
	free(context->lanes);
	free(context);
	self.ended++;
	return pending;
}

void dv_cuda_context_left(struct dv_cu_context *handle, bool gone)
{
	struct node *pending = NULL, *next;
	struct context *context;

	pthread_mutex_lock(&self.lock);
	context = find_context(handle);
	if (context && context->away)
		context->away--;
	if (context && gone && !context->away) {
		pending = dissolve(context);
		__atomic_store_n(&self.last_known, NULL, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&self.lock);
	for (; pending; pending = next) {
		next = pending->next;
		if (pending->ticket)
			dv_shim_gate_done(pending->ticket);
		else
			dv_shim_gate_marked();
		free(pending);
	}
	dv_shim_gate_marked();
	ring();
}

bool dv_cuda_stream_known(struct dv_cu_stream *handle)
{
	struct stream stream = {.handle = handle};
	uint32_t flags = 0;
	bool known;

	if (dv_cuda.cuStreamGetCtx(handle, &stream.context) != DV_CUDA_SUCCESS)
		(void)dv_cuda.cuCtxGetCurrent(&stream.context);
	if (dv_cuda.cuStreamGetFlags(handle, &flags) == DV_CUDA_SUCCESS)
		stream.blocking = !(flags & DV_CU_STREAM_NON_BLOCKING);
	pthread_mutex_lock(&self.lock);
	known = add_context(stream.context) &&
		grow(&self.streams, self.stream_count, &self.stream_room, sizeof(struct stream));
	if (known)
		self.streams[self.stream_count++] = stream;
	pthread_mutex_unlock(&self.lock);
	return known;
}

/* Its work goes on: leave a marker behind what is not tracked. */
static void mark_behind(struct dv_cu_stream *handle)
{
	struct dv_cu_context *context = NULL;
	struct node *node;

	if (!__atomic_load_n(&dv_cuda_used_slots[dv_cuda_slot(handle)], __ATOMIC_ACQUIRE) ||
	    !(dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_GATED) ||
	    (dv_cuda_any_capture() && dv_cuda_is_captured(handle)))
		return;
	node = record(handle, prepare(handle, &context));
	if (!node)
		return;
	node->ticket = NULL;
	node->since_ns = dv_shim_now_ns();
	node->expects_ns = UNKNOWN_NS;
	dv_shim_gate_marking();
	if (pend(context, (uintptr_t)handle, node)) {
		ring();
		return;
	}
	dv_shim_gate_marked();
	free(node);
}

void dv_cuda_stream_left(struct dv_cu_stream *handle)
{
	struct node *ended = NULL;
	struct stream *stream;
	struct lane *lane;

	pthread_mutex_lock(&self.lock);
	lane = find_lane(handle);
	if (lane)
		ended = take_group(lane);
	pthread_mutex_unlock(&self.lock);
	if (ended)
		end_group(handle, ended);
	mark_behind(handle);
	pthread_mutex_lock(&self.lock);
	stream = find_stream(handle);
	if (stream)
		*stream = self.streams[--self.stream_count];
	pthread_mutex_unlock(&self.lock);
}

static bool any_group(void)
{
	for (size_t i = 0; i < self.context_count; i++)
		for (size_t j = 0; j < self.contexts[i]->lane_count; j++)
			if (self.contexts[i]->lanes[j].group)
				return true;
	return false;
}

/* Give the thread time to place the markers that were asked for: afterwards it may not. */
static void let_markers_be_placed(void)
{
	const uint64_t end_ns = dv_shim_now_ns() + MARKERS_MOST_NS;

	self.hurry = true;
	while ((self.marks_due || any_group()) && dv_shim_now_ns() < end_ns) {
		pthread_mutex_unlock(&self.lock);
		ring();
		sched_yield();
		pthread_mutex_lock(&self.lock);
	}
	self.hurry = false;
}

void dv_cuda_capture_begins(void)
{
	pthread_mutex_lock(&self.lock);
	if (!dv_cuda_any_capture())
		let_markers_be_placed();
	__atomic_fetch_add(&dv_cuda_captures, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&self.lock);
}

void dv_cuda_capture_ended(void)
{
	__atomic_fetch_sub(&dv_cuda_captures, 1, __ATOMIC_SEQ_CST);
}
