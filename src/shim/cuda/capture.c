/* SPDX-License-Identifier: Apache-2.0 */
/* Captures: what is put on a stream that is captured only becomes a part of a graph. It is neither
 * gated nor tracked, and no event of ours may get into it. While there is any capture no launch
 * goes the free way, so that there is nothing to be marked. */
#include "shim/core/map.h"
#include "shim/cuda/track.h"

uint32_t dv_cuda_captures;

static pthread_mutex_t lock;
static struct dv_shim_map captured; /* streams on which a capture was begun */

void dv_cuda_capture_init(void)
{
	pthread_mutex_init(&lock, NULL);
	captured = (struct dv_shim_map){0};
	dv_cuda_captures = 0;
}

bool dv_cuda_is_captured(struct dv_cu_stream *stream)
{
	enum dv_cu_capture_status status = DV_CU_STREAM_CAPTURE_STATUS_NONE;

	/* An error is the legacy stream's beside a capture: it takes no work now. */
	return dv_cuda.cuStreamIsCapturing(stream, &status) != DV_CUDA_SUCCESS ||
	       status != DV_CU_STREAM_CAPTURE_STATUS_NONE;
}

struct dv_cuda_relaxed dv_cuda_relax(void)
{
	struct dv_cuda_relaxed relaxed = {.mode = DV_CU_STREAM_CAPTURE_MODE_RELAXED};

	if (dv_cuda_any_capture())
		relaxed.changed = dv_cuda.cuThreadExchangeStreamCaptureMode(&relaxed.mode) ==
				  DV_CUDA_SUCCESS;
	return relaxed;
}

void dv_cuda_unrelax(struct dv_cuda_relaxed *relaxed)
{
	if (relaxed->changed)
		(void)dv_cuda.cuThreadExchangeStreamCaptureMode(&relaxed->mode);
}

/* A thread's own stream is another one in each thread. */
static uintptr_t key_of(const struct dv_cu_stream *stream)
{
	return (uintptr_t)stream == DV_CU_STREAM_PER_THREAD ? (uintptr_t)pthread_self()
							    : (uintptr_t)stream;
}

static void begin(void)
{
	DV_SHIM_KEEP;

	/* First, so that no more untracked work comes; then markers behind what there is. */
	dv_shim_gate_close();
	dv_shim_gate_settle();
	dv_cuda_capture_begins();
}

static void end(void)
{
	dv_cuda_capture_ended();
	dv_shim_gate_open();
}

/* A capture that could not be noted would not be seen to end: the free way stays closed then, which
 * costs time and nothing else. */
static enum dv_cu_result began(struct dv_cu_stream *stream, enum dv_cu_result result)
{
	const struct dv_shim_map_entry entry = {.address = key_of(stream)};
	DV_SHIM_KEEP;

	if (result != DV_CUDA_SUCCESS) {
		end();
		return result;
	}
	pthread_mutex_lock(&lock);
	(void)!dv_shim_map_put(&captured, &entry);
	pthread_mutex_unlock(&lock);
	return result;
}

static void ended(struct dv_cu_stream *stream)
{
	struct dv_shim_map_entry entry;
	bool ours;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	ours = dv_shim_map_take(&captured, (void *)key_of(stream), &entry);
	pthread_mutex_unlock(&lock);
	if (ours)
		end();
}

void dv_cuda_capture_stream_gone(struct dv_cu_stream *stream)
{
	if (dv_cuda_any_capture())
		ended(stream);
}

static enum dv_cu_result end_capture(struct dv_cu_stream *stream, enum dv_cu_result result)
{
	/* One that broke has ended too. */
	if (dv_cuda_any_capture() && !dv_cuda_is_captured(stream))
		ended(stream);
	return result;
}

DV_CUDA_API cuStreamBeginCapture(struct dv_cu_stream *stream)
{
	dv_cuda_init();
	begin();
	return began(stream, dv_cuda.cuStreamBeginCapture(stream));
}

DV_CUDA_API cuStreamBeginCapture_ptsz(struct dv_cu_stream *stream)
{
	dv_cuda_init();
	begin();
	return began(dv_cuda_own_stream(stream), dv_cuda.cuStreamBeginCapture_ptsz(stream));
}

DV_CUDA_API cuStreamBeginCapture_v2(struct dv_cu_stream *stream, uint32_t mode)
{
	dv_cuda_init();
	begin();
	return began(stream, dv_cuda.cuStreamBeginCapture_v2(stream, mode));
}

DV_CUDA_API cuStreamBeginCapture_v2_ptsz(struct dv_cu_stream *stream, uint32_t mode)
{
	dv_cuda_init();
	begin();
	return began(dv_cuda_own_stream(stream),
		     dv_cuda.cuStreamBeginCapture_v2_ptsz(stream, mode));
}

DV_CUDA_API cuStreamBeginCaptureToGraph(struct dv_cu_stream *stream, struct dv_cu_graph *graph,
					struct dv_cu_node *const *dependencies,
					const struct dv_cu_edge *edges, size_t count, uint32_t mode)
{
	dv_cuda_init();
	begin();
	return began(stream, dv_cuda.cuStreamBeginCaptureToGraph(stream, graph, dependencies, edges,
								 count, mode));
}

DV_CUDA_API cuStreamBeginCaptureToGraph_ptsz(struct dv_cu_stream *stream, struct dv_cu_graph *graph,
					     struct dv_cu_node *const *dependencies,
					     const struct dv_cu_edge *edges, size_t count,
					     uint32_t mode)
{
	dv_cuda_init();
	begin();
	return began(dv_cuda_own_stream(stream),
		     dv_cuda.cuStreamBeginCaptureToGraph_ptsz(stream, graph, dependencies, edges,
							      count, mode));
}

DV_CUDA_API cuStreamEndCapture(struct dv_cu_stream *stream, struct dv_cu_graph **graph)
{
	dv_cuda_init();
	return end_capture(stream, dv_cuda.cuStreamEndCapture(stream, graph));
}

DV_CUDA_API cuStreamEndCapture_ptsz(struct dv_cu_stream *stream, struct dv_cu_graph **graph)
{
	dv_cuda_init();
	return end_capture(dv_cuda_own_stream(stream),
			   dv_cuda.cuStreamEndCapture_ptsz(stream, graph));
}
