/* SPDX-License-Identifier: Apache-2.0 */
/* When does what was put on the device end? An event behind each command that has to be known,
 * asked by a thread of this library until it has been reached; and markers behind what was not
 * tracked, on every stream that was used since the last ones.
 *
 * The library keeps the events; contexts and streams are the program's, and are known here from
 * their making to their end. */
#pragma once

#include "shim/core/gate.h"
#include "shim/cuda/inside.h"

enum { DV_CUDA_SLOTS = 256 };

/* Streams that took untracked work since the last markers, by a hash of their handle; the default
 * ones share the first slot. */
extern uint8_t dv_cuda_used_slots[DV_CUDA_SLOTS];

static inline unsigned dv_cuda_slot(const struct dv_cu_stream *stream)
{
	if (dv_cuda_is_default_stream(stream))
		return 0;
	return 1 + (unsigned)((uint64_t)(uintptr_t)stream * UINT64_C(0x9e3779b97f4a7c15) >> 48) %
			   (DV_CUDA_SLOTS - 1);
}

/* After the command is on the stream, before dv_shim_gate_passed. */
static inline void dv_cuda_used(const struct dv_cu_stream *stream)
{
	uint8_t *slot = &dv_cuda_used_slots[dv_cuda_slot(stream)];

	if (!__atomic_load_n(slot, __ATOMIC_RELAXED))
		__atomic_store_n(slot, 1, __ATOMIC_RELEASE);
}

/* A command was put on the stream just now: dv_shim_gate_done when it has ended. */
void dv_cuda_track(struct dv_cu_stream *stream, struct dv_shim_ticket *ticket);
/* May this short command ride on the one before it on its stream, without asking the gate for
 * itself? Then dv_cuda_rode when it is on the stream. */
bool dv_cuda_ride(struct dv_cu_stream *stream, uint64_t key) DV_MUST_CHECK;
void dv_cuda_rode(struct dv_cu_stream *stream);
/* For struct dv_shim_gate_ops. */
void dv_cuda_mark(void);

void dv_cuda_context_known(struct dv_cu_context *context);
/* Around the driver's call that may end it: nothing of it is touched in between. */
void dv_cuda_context_leaves(struct dv_cu_context *context);
void dv_cuda_context_left(struct dv_cu_context *context, bool gone);
/* False: it could not be noted, and work on it could not be followed. */
bool dv_cuda_stream_known(struct dv_cu_stream *stream) DV_MUST_CHECK;
void dv_cuda_stream_left(struct dv_cu_stream *stream);
/* No marker may be placed from here on, until as many ends. */
void dv_cuda_capture_begins(void);
void dv_cuda_capture_ended(void);
