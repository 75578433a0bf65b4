/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA shim's inside: what its files ask of each other. Handles belong to the program. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shim/core/client.h"
#include "shim/core/keep.h"
#include "shim/cuda/real.h"

/* Called once, with the driver's entry points known: everything else. */
void dv_cuda_init_parts(void);
/* What a file keeps, afresh: at the start, and in the child of a fork. */
void dv_cuda_track_init(void);
void dv_cuda_capture_init(void);
void dv_cuda_contexts_init(void);
void dv_cuda_charge_init(void);
void dv_cuda_host_init(void);
void dv_cuda_vmm_init(void);
void dv_cuda_pools_init(void);
void dv_cuda_graphs_init(void);

/* --- memory --- */

/* Ask for device memory: DV_CUDA_SUCCESS, or DV_CUDA_ERROR_OUT_OF_MEMORY. */
enum dv_cu_result dv_cuda_reserve(uint64_t bytes);
/* The object at `address` exists and carries what was reserved, until dv_cuda_forget or the end of
 * the context that is current. False: it could not be noted, and nothing is reserved any more. */
bool dv_cuda_remember(uintptr_t address, uint64_t bytes) DV_MUST_CHECK;
/* The same for one that belongs to another context than the current. */
bool dv_cuda_remember_of(struct dv_cu_context *context, uintptr_t address,
			 uint64_t bytes) DV_MUST_CHECK;
/* What making a context takes of the device's memory, as `divvy run` measured it; 0: not known. */
uint64_t dv_cuda_context_bytes(void);
/* It is about to go; `ret` is for dv_cuda_forgotten, or for dv_cuda_recall when it stays. */
struct dv_cuda_charge {
	uintptr_t address;
	uint64_t context;
	void *charge; /* NULL: it carried nothing */
};
void dv_cuda_forget(uintptr_t address, struct dv_cuda_charge *ret);
void dv_cuda_forgotten(const struct dv_cuda_charge *charge);
void dv_cuda_recall(const struct dv_cuda_charge *charge);
/* The context is no more, and with it what was allocated in it. */
void dv_cuda_charge_context_gone(struct dv_cu_context *context);
/* What was allocated in it is the other's now; NULL: of none, until it is freed. */
void dv_cuda_charge_context_becomes(struct dv_cu_context *context, struct dv_cu_context *other);

/* What the driver gave back meanwhile, at a point where it may have: pools that shrank. */
void dv_cuda_pools_look(void);
/* The same, when memory is wanted that is not there: of pools that were refused a step and did not
 * give it back at once. True: there is more now. */
bool dv_cuda_pools_recall(void);
/* Device of a stream, or of the current context. False: there is none. */
bool dv_cuda_device_of(struct dv_cu_stream *stream, int *ret);
/* Charge what the graphs of this device keep; DV_CUDA_ERROR_OUT_OF_MEMORY while it is too much. */
enum dv_cu_result dv_cuda_graphs_may_run(struct dv_cu_stream *stream);
void dv_cuda_graphs_look(struct dv_cu_stream *stream);
/* A graph may allocate: one that was made so, or a capture in which memory was asked for. */
void dv_cuda_graphs_allocate(void);

/* --- streams that are being captured --- */

/* How many captures there are in this process. */
extern uint32_t dv_cuda_captures;
static inline bool dv_cuda_any_capture(void)
{
	return __atomic_load_n(&dv_cuda_captures, __ATOMIC_SEQ_CST);
}
/* Is what is put on this stream only noted down in a graph? Ask only if there is any capture. */
bool dv_cuda_is_captured(struct dv_cu_stream *stream);
void dv_cuda_capture_stream_gone(struct dv_cu_stream *stream);
/* In a capture of another thread some calls are forbidden to us too, unless we are relaxed. */
struct dv_cuda_relaxed {
	bool changed;
	uint32_t mode;
};
struct dv_cuda_relaxed dv_cuda_relax(void);
void dv_cuda_unrelax(struct dv_cuda_relaxed *relaxed);

/* --- context and stream handles --- */

/* A stream of NULL means the thread's own in _ptsz entry points. */
static inline struct dv_cu_stream *dv_cuda_own_stream(struct dv_cu_stream *stream)
{
	return stream ? stream : (struct dv_cu_stream *)(uintptr_t)DV_CU_STREAM_PER_THREAD;
}

static inline bool dv_cuda_is_default_stream(const struct dv_cu_stream *stream)
{
	return (uintptr_t)stream <= DV_CU_STREAM_PER_THREAD;
}
