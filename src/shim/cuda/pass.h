/* SPDX-License-Identifier: Apache-2.0 */
/* A command on its way to the device. A wrapper begins a pass, calls the driver, and ends it; while
 * the device is not ours, beginning waits:
 *
 *	struct dv_cuda_pass pass;
 *	enum dv_cu_result r = dv_cuda_begin(&pass, stream, key);
 *
 *	if (r == DV_CUDA_SUCCESS)
 *		r = dv_cuda_end(&pass, dv_cuda.cuX(..., stream));
 *	return r;
 *
 * A thread that waits holds no lock of ours, and none of the driver's. */
#pragma once

#include "shim/cuda/track.h"

enum dv_cuda_way {
	DV_CUDA_FREE,
	DV_CUDA_PLAIN,	  /* divvyd is away */
	DV_CUDA_CAPTURED, /* nothing of it comes to the device now */
	DV_CUDA_TRACKED,
	DV_CUDA_RIDING, /* on another's ticket */
};

struct dv_cuda_pass {
	enum dv_cuda_way way;
	struct dv_cu_stream *stream;
	struct dv_shim_ticket *ticket;
};

/* The ways that are not free. */
enum dv_cu_result dv_cuda_ask(struct dv_cuda_pass *pass, uint64_t key);
enum dv_cu_result dv_cuda_settle(struct dv_cuda_pass *pass, enum dv_cu_result result, bool ended);

static inline enum dv_cu_result dv_cuda_begin(struct dv_cuda_pass *pass,
					      struct dv_cu_stream *stream, uint64_t key)
{
	pass->stream = stream;
	if (dv_shim_gate_pass()) {
		pass->way = DV_CUDA_FREE;
		return DV_CUDA_SUCCESS;
	}
	return dv_cuda_ask(pass, key);
}

static inline enum dv_cu_result dv_cuda_end(struct dv_cuda_pass *pass, enum dv_cu_result result)
{
	if (pass->way != DV_CUDA_FREE)
		return dv_cuda_settle(pass, result, false);
	dv_cuda_used(pass->stream);
	dv_shim_gate_passed();
	return result;
}

/* The same for a call that returns when the command has ended. */
static inline enum dv_cu_result dv_cuda_end_ended(struct dv_cuda_pass *pass,
						  enum dv_cu_result result)
{
	if (pass->way != DV_CUDA_FREE)
		return dv_cuda_settle(pass, result, true);
	dv_shim_gate_passed();
	return result;
}

static inline enum dv_cu_result dv_cuda_count_launch(enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_shim_count(&dv_shim_pages.counters->launches, 1);
	return result;
}

/* Work of the same kind and about the same size takes about the same time. */
static inline uint64_t dv_cuda_key(uint64_t what, uint64_t size)
{
	return what ^ (uint64_t)__builtin_clzll(size | 1) << 56;
}
