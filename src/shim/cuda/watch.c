/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that asks the events whether they have been reached, and puts markers where they are
 * asked for; and what holds it off while a stream is captured. */
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim/core/link.h"
#include "shim/cuda/pending.h"

enum {
	LANES_KEPT = 32, /* empty ones beyond so many go */
	BATCH = 64,	 /* ended commands told at once */
	LOOK_MOST_NS = 500000,
	NEAR_NS = 50000,    /* so near a look that found it running its end is known */
	DEFER_NS = 1000000, /* a capture keeps markers off */
	MARKERS_MOST_NS = 20000000,
};

static struct {
	unsigned marks_due; /* with the lock of dv_cuda_pending, as the next two */
	bool hurry;	    /* a capture is to begin: no group may be open then */
	bool threaded;
	uint32_t bell;	    /* futex of the thread; atomic */
	uint64_t sleeps_ns; /* when it looks again by itself; atomic */
} watch;

void dv_cuda_watch_init(void)
{
	watch.marks_due = 0;
	watch.hurry = watch.threaded = false;
	watch.bell = 0;
	watch.sleeps_ns = 0;
}

void dv_cuda_watch_ring(void)
{
	__atomic_fetch_add(&watch.bell, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &watch.bell, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

void dv_cuda_watch_by(uint64_t at_ns)
{
	if (at_ns < __atomic_load_n(&watch.sleeps_ns, __ATOMIC_SEQ_CST))
		dv_cuda_watch_ring();
}

struct round {
	struct dv_cu_context *current; /* of the thread; kept from round to round */
	uint64_t ended;		       /* contexts that had ended when it was made so */
	uint64_t now_ns, wake_ns;
	unsigned markers; /* reached */
	size_t count;
	struct {
		struct dv_shim_ticket *ticket;
		enum dv_shim_seen seen;
	} done[BATCH];
};

static bool make_current(struct round *round, const struct dv_cuda_known_context *context)
{
	if (round->current == context->handle && round->ended == dv_cuda_pending.ended)
		return true;
	round->current = NULL;
	round->ended = dv_cuda_pending.ended;
	if (dv_cuda.cuCtxSetCurrent(context->handle) != DV_CUDA_SUCCESS)
		return false;
	round->current = context->handle;
	return true;
}

/* With the lock. When to ask again for the first of a lane. */
static uint64_t next_look_ns(const struct dv_cuda_lane *lane, uint64_t now_ns)
{
	const struct dv_cuda_node *node = lane->first;
	uint64_t from_ns = DV_MAX(node->since_ns, lane->moved_ns);
	uint64_t end_ns = from_ns + (node->expects_ns < DV_CUDA_UNKNOWN_NS ? node->expects_ns : 0);
	uint64_t step_ns;

	if (now_ns < end_ns)
		step_ns = end_ns - now_ns;
	else
		step_ns = (now_ns - end_ns) / 8;
	return now_ns +
	       DV_MIN(DV_MAX(step_ns, (uint64_t)DV_CUDA_LOOK_LEAST_NS), (uint64_t)LOOK_MOST_NS);
}

/* With the lock: put the event behind a group. */
static void close_group(struct round *round, struct dv_cuda_known_context *context,
			struct dv_cuda_lane *lane)
{
	struct dv_cuda_node *node = lane->group;

	lane->group = NULL;
	lane->closing = false;
	/* What can't be followed is marked later. */
	if (!make_current(round, context) ||
	    dv_cuda.cuEventRecord(node->event, (struct dv_cu_stream *)lane->key) !=
		    DV_CUDA_SUCCESS) {
		dv_cuda_used((struct dv_cu_stream *)lane->key);
		dv_shim_gate_cancel(node->ticket, true);
		dv_cuda_pending_spare(context, node);
		return;
	}
	dv_cuda_pending_append(lane, node);
}

/* With the lock. An event in a stream that is captured would become a part of the graph. */
static void look_at_group(struct round *round, struct dv_cuda_known_context *context,
			  struct dv_cuda_lane *lane)
{
	uint64_t end_ns = lane->group->since_ns + DV_CUDA_GROUP_AGE_NS;

	if (dv_cuda_any_capture())
		round->wake_ns = DV_MIN(round->wake_ns, round->now_ns + DEFER_NS);
	else if (round->now_ns < end_ns && !watch.hurry)
		round->wake_ns = DV_MIN(round->wake_ns, end_ns);
	else if (lane->riding)
		lane->closing = true;
	else
		close_group(round, context, lane);
}

/* With the lock, of the first in its lane, that has ended: how well is it known when? */
static enum dv_shim_seen seen_of(const struct dv_cuda_lane *lane, uint64_t now_ns)
{
	const struct dv_cuda_node *node = lane->first;
	const uint64_t from_ns = DV_MAX(node->since_ns, lane->moved_ns);
	const uint64_t lately_ns = DV_MAX(node->running_ns, from_ns);

	if (lane->moved_ns == now_ns)
		return DV_SHIM_SEEN_BEHIND;
	return now_ns - DV_MIN(lately_ns, now_ns) <=
			       DV_MAX((now_ns - DV_MIN(from_ns, now_ns)) / 16, (uint64_t)NEAR_NS)
		       ? DV_SHIM_SEEN_ENDING
		       : DV_SHIM_SEEN_ENDED;
}

/* With the lock: what has ended in this lane. An error of the context ends everything. */
static void look_at_lane(struct round *round, struct dv_cuda_known_context *context,
			 struct dv_cuda_lane *lane)
{
	while (lane->first && round->count < BATCH) {
		struct dv_cuda_node *node = lane->first;

		if (make_current(round, context) &&
		    dv_cuda.cuEventQuery(node->event) == DV_CUDA_ERROR_NOT_READY) {
			node->running_ns = round->now_ns;
			round->wake_ns = DV_MIN(round->wake_ns, next_look_ns(lane, round->now_ns));
			return;
		}
		round->done[round->count].seen = seen_of(lane, round->now_ns);
		lane->first = node->next;
		if (!lane->first)
			lane->last = NULL;
		lane->moved_ns = round->now_ns;
		if (node->ticket)
			round->done[round->count++].ticket = node->ticket;
		else
			round->markers++;
		dv_cuda_pending_spare(context, node);
	}
	if (lane->first)
		round->wake_ns = 0;
}

static void look_at(struct round *round, struct dv_cuda_known_context *context)
{
	for (size_t i = 0; i < context->lane_count; i++) {
		struct dv_cuda_lane *lane = &context->lanes[i];

		if (lane->group)
			look_at_group(round, context, lane);
		look_at_lane(round, context, lane);
		if (!lane->first && !lane->group && !lane->riding &&
		    context->lane_count > LANES_KEPT)
			context->lanes[i--] = context->lanes[--context->lane_count];
	}
}

/* With the lock: a marker on one stream. */
static void mark_stream(struct round *round, struct dv_cuda_known_context *context,
			struct dv_cu_stream *stream)
{
	struct dv_cuda_lane *lane = dv_cuda_pending_lane(context, (uintptr_t)stream);
	struct dv_cuda_node *node = NULL;

	if (lane && make_current(round, context)) {
		node = dv_cuda_pending_take_spare(context);
		if (!node)
			node = dv_cuda_pending_new_node();
	}
	/* A stream that takes no marker has no work either. */
	if (!node)
		return;
	if (dv_cuda.cuEventRecord(node->event, stream) != DV_CUDA_SUCCESS) {
		dv_cuda_pending_spare(context, node);
		return;
	}
	dv_shim_gate_marking();
	node->since_ns = round->now_ns;
	node->expects_ns = DV_CUDA_UNKNOWN_NS;
	dv_cuda_pending_append(lane, node);
}

/* With the lock: on all that was used. The legacy stream waits for every blocking stream of its
 * context, each thread's own among them. */
static void mark_used(struct round *round)
{
	uint8_t used[DV_CUDA_SLOTS];

	for (unsigned i = 0; i < DV_CUDA_SLOTS; i++)
		used[i] = __atomic_exchange_n(&dv_cuda_used_slots[i], 0, __ATOMIC_ACQ_REL);
	for (size_t i = 0; used[0] && i < dv_cuda_pending.context_count; i++)
		mark_stream(round, dv_cuda_pending.contexts[i],
			    (struct dv_cu_stream *)(uintptr_t)DV_CU_STREAM_LEGACY);
	for (size_t i = 0; i < dv_cuda_pending.stream_count; i++) {
		struct dv_cuda_known_stream *stream = &dv_cuda_pending.streams[i];
		struct dv_cuda_known_context *context = dv_cuda_pending_find(stream->context);

		if (used[dv_cuda_slot(stream->handle)] && !(stream->blocking && used[0]) && context)
			mark_stream(round, context, stream->handle);
	}
}

/* With the lock. A marker on a stream that is captured would become a part of the graph, and one on
 * the legacy stream would break the capture. */
static void place_markers(struct round *round)
{
	bool any_away = false;

	for (size_t i = 0; i < dv_cuda_pending.context_count; i++)
		any_away |= dv_cuda_pending.contexts[i]->away > 0;
	if (any_away || dv_cuda_any_capture()) {
		round->wake_ns = DV_MIN(round->wake_ns, round->now_ns + DEFER_NS);
		return;
	}
	mark_used(round);
	round->markers += watch.marks_due;
	watch.marks_due = 0;
}

static void look(struct round *round)
{
	pthread_mutex_lock(&dv_cuda_pending.lock);
	round->now_ns = dv_shim_now_ns();
	round->wake_ns = UINT64_MAX;
	if (watch.marks_due)
		place_markers(round);
	for (size_t i = 0; i < dv_cuda_pending.context_count; i++)
		if (!dv_cuda_pending.contexts[i]->away)
			look_at(round, dv_cuda_pending.contexts[i]);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	for (size_t i = 0; i < round->count; i++)
		dv_shim_gate_done_as(round->done[i].ticket, round->done[i].seen);
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
		uint32_t bell = __atomic_load_n(&watch.bell, __ATOMIC_SEQ_CST);
		struct timespec until;

		/* Until it is known when we look again, whoever wants that rings. */
		__atomic_store_n(&watch.sleeps_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
		look(&round);
		if (round.wake_ns <= round.now_ns)
			continue;
		__atomic_store_n(&watch.sleeps_ns, round.wake_ns, __ATOMIC_SEQ_CST);
		until = (struct timespec){(time_t)(round.wake_ns / 1000000000),
					  (long)(round.wake_ns % 1000000000)};
		syscall(SYS_futex, &watch.bell, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, bell,
			round.wake_ns == UINT64_MAX ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
	}
	return arg;
}

/* With the lock. Without the thread nothing is ever known to have ended: divvyd's time-outs take
 * the device from us then. */
void dv_cuda_watch_start(void)
{
	if (!watch.threaded)
		watch.threaded = dv_shim_thread(run, NULL) == 0;
}

void dv_cuda_mark(void)
{
	dv_shim_gate_marking();
	pthread_mutex_lock(&dv_cuda_pending.lock);
	dv_cuda_watch_start();
	watch.marks_due++;
	pthread_mutex_unlock(&dv_cuda_pending.lock);
	dv_cuda_watch_ring();
}

static bool any_group(void)
{
	for (size_t i = 0; i < dv_cuda_pending.context_count; i++)
		for (size_t j = 0; j < dv_cuda_pending.contexts[i]->lane_count; j++)
			if (dv_cuda_pending.contexts[i]->lanes[j].group)
				return true;
	return false;
}

/* Give the thread time to place the markers that were asked for: afterwards it may not. */
static void let_markers_be_placed(void)
{
	const uint64_t end_ns = dv_shim_now_ns() + MARKERS_MOST_NS;

	watch.hurry = true;
	while ((watch.marks_due || any_group()) && dv_shim_now_ns() < end_ns) {
		pthread_mutex_unlock(&dv_cuda_pending.lock);
		dv_cuda_watch_ring();
		sched_yield();
		pthread_mutex_lock(&dv_cuda_pending.lock);
	}
	watch.hurry = false;
}

void dv_cuda_capture_begins(void)
{
	pthread_mutex_lock(&dv_cuda_pending.lock);
	if (!dv_cuda_any_capture())
		let_markers_be_placed();
	__atomic_fetch_add(&dv_cuda_captures, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&dv_cuda_pending.lock);
}

void dv_cuda_capture_ended(void)
{
	__atomic_fetch_sub(&dv_cuda_captures, 1, __ATOMIC_SEQ_CST);
}
