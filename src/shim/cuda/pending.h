/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of track.h: what is pending on the device, by context and stream (pending.c), the thread
 * that asks whether it has ended (watch.c), and what the program's threads put there (track.c). One
 * lock guards all of it; no call of the driver's that may wait is made with it. */
#pragma once

#include "shim/cuda/track.h"

enum {
	DV_CUDA_LOOK_LEAST_NS = 20000,
	DV_CUDA_GROUP_AGE_NS = 100000, /* of commands that ride together: then the event comes */
	DV_CUDA_UNKNOWN_NS = 1000000000,
};

/* A command that was put on the device, or a marker (no ticket). */
struct dv_cuda_node {
	struct dv_cuda_node *next;
	struct dv_cu_event *event;
	struct dv_shim_ticket *ticket;
	uint64_t since_ns, expects_ns;
	uint64_t running_ns; /* when it was last seen not to have ended, as the first of its lane */
};

/* What is pending on one stream, in order; of a thread's own stream, by thread. */
struct dv_cuda_lane {
	uintptr_t key;
	struct dv_cuda_node *first, *last;
	uint64_t moved_ns; /* when its last one ended */
	/* Short commands share an event, which is put behind the last of them. */
	struct dv_cuda_node *group; /* that still takes more, or NULL */
	unsigned riding;	    /* commands of it on their way to the stream */
	bool closing;		    /* it takes no more; the last of these puts the event */
};

struct dv_cuda_known_context {
	struct dv_cu_context *handle;
	unsigned away; /* calls that may end it are under way */
	struct dv_cuda_node *spare;
	struct dv_cuda_lane *lanes;
	size_t lane_count, lane_room;
};

struct dv_cuda_known_stream {
	struct dv_cu_stream *handle;
	struct dv_cu_context *context;
	bool blocking; /* a legacy default stream waits for it */
};

extern struct dv_cuda_pending {
	pthread_mutex_t lock;
	struct dv_cuda_known_context **contexts;
	size_t context_count, context_room;
	struct dv_cuda_known_stream *streams;
	size_t stream_count, stream_room;
	uint64_t ended;			  /* contexts: a handle may be used anew */
	struct dv_cu_context *last_known; /* atomic */
} dv_cuda_pending;

/* --- pending.c, with the lock --- */

/* NULL: not known. */
struct dv_cuda_known_context *dv_cuda_pending_find(const struct dv_cu_context *handle);
struct dv_cuda_lane *dv_cuda_pending_find_lane(struct dv_cu_stream *handle);
/* The context in which work on this stream runs; NULL: none, or no memory. */
struct dv_cuda_known_context *dv_cuda_pending_of(struct dv_cu_stream *handle);
/* The context's lane, made if it is not there; NULL: no memory. */
struct dv_cuda_lane *dv_cuda_pending_lane(struct dv_cuda_known_context *context, uintptr_t key);
void dv_cuda_pending_append(struct dv_cuda_lane *lane, struct dv_cuda_node *node);
void dv_cuda_pending_forget_stream(const struct dv_cu_stream *handle);
/* Nodes with an event of the context; a spare one if there is any, and back to those. */
struct dv_cuda_node *dv_cuda_pending_take_spare(struct dv_cuda_known_context *context);
void dv_cuda_pending_spare(struct dv_cuda_known_context *context, struct dv_cuda_node *node);

/* Without the lock, too: a node with an event of the context that is current. NULL: none. */
struct dv_cuda_node *dv_cuda_pending_new_node(void);

/* --- watch.c --- */

void dv_cuda_watch_init(void);
/* With the lock. */
void dv_cuda_watch_start(void);
/* Without: it looks now, or by that time. */
void dv_cuda_watch_ring(void);
void dv_cuda_watch_by(uint64_t at_ns);
