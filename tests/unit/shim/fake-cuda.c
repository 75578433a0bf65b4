/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-cuda.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHOWN __attribute__((visibility("default")))
#define DECLARE(symbol, name, since, args) SHOWN dv_##symbol##_fn symbol;
#define DECLARE_PTSZ(symbol, name, since, args) SHOWN dv_##symbol##_fn symbol, symbol##_ptsz;
#define DECLARE_PTDS(symbol, name, since, args) SHOWN dv_##symbol##_fn symbol, symbol##_ptds;
DV_CUDA_PLAIN_CALLS(DECLARE)
DV_CUDA_PTSZ_CALLS(DECLARE_PTSZ)
DV_CUDA_PTDS_CALLS(DECLARE_PTDS)
DV_CUDA_UNSIMULATED_CALLS(DECLARE)
DV_CUDA_MORE_CALLS(DECLARE)
DV_CUDA_MORE_PTSZ_CALLS(DECLARE_PTSZ)
SHOWN fake_cuda_stats_fn fake_cuda_stats;
SHOWN fake_cuda_fail_fn fake_cuda_fail;
SHOWN fake_cuda_pend_fn fake_cuda_pend;
SHOWN fake_cuda_kernel_fn fake_cuda_kernel;
SHOWN fake_cuda_release_fn fake_cuda_release;
SHOWN fake_cuda_hide_fn fake_cuda_hide;
SHOWN fake_cuda_do_nothing_fn fake_cuda_do_nothing;
SHOWN fake_cuda_new_thing_fn cuNewThing;

#define F enum dv_cu_result
#define OK DV_CUDA_SUCCESS
#define BAD DV_CUDA_ERROR_INVALID_VALUE

enum { CONTEXTS = 8, STREAMS = 64, ALLOCATIONS = 65536, HANDLES = 256, POOLS = 8 };

struct dv_cu_context {
	bool live;
};

struct dv_cu_stream {
	bool live, blocking, capturing;
	struct dv_cu_context *context;
	uint64_t end_ns;
};

struct dv_cu_event {
	struct dv_cu_context *context;
	uint64_t end_ns;
	bool captured;
};

struct dv_cu_function {
	uint64_t ns;
};

struct dv_cu_graph {
	uint64_t ns, alloc_bytes;
};

struct dv_cu_exec {
	uint64_t ns, alloc_bytes;
};

struct dv_cu_pool {
	bool live;
	uint64_t used, reserved;
	uint64_t pending; /* of what is used: given back, but not yet */
};

struct allocation {
	uint64_t address, bytes;
	struct dv_cu_context *context;
	struct dv_cu_pool *pool;
};

struct handle {
	uint64_t bytes;
	unsigned refs, maps;
};

static struct {
	pthread_mutex_t lock;
	struct dv_cu_context contexts[CONTEXTS];
	int primary_refs;
	struct dv_cu_stream streams[STREAMS], legacy[CONTEXTS];
	struct dv_cu_pool pools[POOLS]; /* 0: the device's own */
	int pend;
	struct dv_cu_pool host_pools[2];
	struct allocation allocations[ALLOCATIONS];
	size_t count;
	struct handle handles[HANDLES];
	struct {
		uint64_t address, handle, bytes;
	} maps[HANDLES];
	uint64_t next_address, device_free_ns, graph_reserved, never_ns;
	uint32_t capture_mode;
	enum dv_cu_result failure;
	int hidden, nothing;
	struct fake_cuda_stats stats;
} gpu = {.lock = PTHREAD_MUTEX_INITIALIZER, .next_address = 0x7f0000000000, .never_ns = UINT64_MAX};

static __thread struct dv_cu_context *stack[8];
static __thread int depth;
static __thread struct dv_cu_stream own = {.live = true, .blocking = true};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void lock(void)
{
	pthread_mutex_lock(&gpu.lock);
}

static F unlock(F r)
{
	pthread_mutex_unlock(&gpu.lock);
	return r;
}

static struct dv_cu_context *current(void)
{
	return depth ? stack[depth - 1] : NULL;
}

static struct dv_cu_stream *resolve(struct dv_cu_stream *stream, bool ptsz)
{
	struct dv_cu_context *context = current();

	if ((!stream && ptsz) || (uintptr_t)stream == 2) {
		own.context = context;
		return context ? &own : NULL;
	}
	if ((uintptr_t)stream <= 1)
		return context ? &gpu.legacy[context - gpu.contexts] : NULL;
	return stream->live ? stream : NULL;
}

static uint64_t at(uint64_t end_ns)
{
	return end_ns == UINT64_MAX ? gpu.never_ns : end_ns;
}

static bool any_capture(void)
{
	for (int i = 0; i < STREAMS; i++)
		if (gpu.streams[i].live && gpu.streams[i].capturing)
			return true;
	return false;
}

/* --- control --- */

void fake_cuda_stats(struct fake_cuda_stats *ret)
{
	lock();
	*ret = gpu.stats;
	ret->busy_until = at(gpu.device_free_ns);
	(void)unlock(OK);
}

void fake_cuda_fail(enum dv_cu_result result)
{
	gpu.failure = result;
}

void fake_cuda_pend(int pend)
{
	gpu.pend = pend;
	for (int i = 0; !pend && i < POOLS; i++) {
		gpu.pools[i].used -= gpu.pools[i].pending;
		gpu.pools[i].pending = 0;
	}
}

struct dv_cu_function *fake_cuda_kernel(uint64_t ns)
{
	struct dv_cu_function *function = malloc(sizeof(*function));

	function->ns = ns;
	return function;
}

void fake_cuda_release(void)
{
	lock();
	gpu.never_ns = now_ns();
	(void)unlock(OK);
}

void fake_cuda_hide(int hidden)
{
	gpu.hidden = hidden;
}

void fake_cuda_do_nothing(int nothing)
{
	gpu.nothing = nothing;
}

int cuNewThing(void)
{
	return 4242;
}

/* --- contexts and streams --- */

F cuInit(uint32_t flags)
{
	return OK;
}

F cuDeviceGetCount(int *count)
{
	*count = 1;
	return OK;
}

static struct dv_cu_context *make_context(int from)
{
	for (int i = from; i < CONTEXTS; i++)
		if (!gpu.contexts[i].live) {
			gpu.contexts[i].live = true;
			gpu.legacy[i] = (struct dv_cu_stream){
				.live = true, .blocking = true, .context = &gpu.contexts[i]};
			return &gpu.contexts[i];
		}
	return NULL;
}

static void end_context(struct dv_cu_context *context)
{
	context->live = false;
	for (size_t i = 0; i < gpu.count; i++)
		if (gpu.allocations[i].context == context && !gpu.allocations[i].pool) {
			gpu.stats.device_bytes -= gpu.allocations[i].bytes;
			gpu.stats.live--;
			gpu.allocations[i--] = gpu.allocations[--gpu.count];
		}
}

F cuCtxCreate_v2(struct dv_cu_context **ret, uint32_t flags, int device)
{
	lock();
	*ret = make_context(1);
	stack[depth++] = *ret;
	return unlock(OK);
}

F cuCtxCreate_v4(struct dv_cu_context **ret, struct dv_cu_context_params *params, uint32_t flags,
		 int device)
{
	return cuCtxCreate_v2(ret, flags, device);
}

F cuCtxDestroy_v2(struct dv_cu_context *context)
{
	lock();
	if (!context->live)
		return unlock(DV_CUDA_ERROR_INVALID_CONTEXT);
	end_context(context);
	if (current() == context)
		depth--;
	return unlock(OK);
}

F cuDevicePrimaryCtxRetain(struct dv_cu_context **ret, int device)
{
	lock();
	if (!gpu.primary_refs++)
		(void)make_context(0);
	*ret = &gpu.contexts[0];
	return unlock(OK);
}

F cuDevicePrimaryCtxRelease_v2(int device)
{
	lock();
	if (!gpu.primary_refs)
		return unlock(DV_CUDA_ERROR_INVALID_CONTEXT);
	if (!--gpu.primary_refs)
		end_context(&gpu.contexts[0]);
	return unlock(OK);
}

F cuDevicePrimaryCtxReset_v2(int device)
{
	lock();
	if (gpu.primary_refs)
		end_context(&gpu.contexts[0]);
	gpu.primary_refs = 0;
	return unlock(OK);
}

F cuDevicePrimaryCtxGetState(int device, uint32_t *flags, int *active)
{
	lock();
	*flags = 0;
	*active = gpu.primary_refs > 0;
	return unlock(OK);
}

F cuGreenCtxCreate(struct dv_cu_green **ret, struct dv_cu_resource_desc *desc, int device,
		   uint32_t flags)
{
	struct dv_cu_context *primary;

	if (gpu.failure)
		return gpu.failure;
	(void)cuDevicePrimaryCtxRetain(&primary, device);
	lock();
	*ret = (struct dv_cu_green *)(void *)make_context(1);
	return unlock(OK);
}

F cuCtxFromGreenCtx(struct dv_cu_context **ret, struct dv_cu_green *green)
{
	*ret = (struct dv_cu_context *)(void *)green;
	return (*ret)->live ? OK : DV_CUDA_ERROR_INVALID_CONTEXT;
}

/* What was allocated in it is the primary context's then. */
F cuGreenCtxDestroy(struct dv_cu_green *green)
{
	struct dv_cu_context *context = (struct dv_cu_context *)(void *)green;

	if (gpu.failure)
		return gpu.failure;
	lock();
	context->live = false;
	for (size_t i = 0; i < gpu.count; i++)
		if (gpu.allocations[i].context == context)
			gpu.allocations[i].context = &gpu.contexts[0];
	(void)unlock(OK);
	return cuDevicePrimaryCtxRelease_v2(0);
}

F cuCtxGetCurrent(struct dv_cu_context **ret)
{
	*ret = current();
	return OK;
}

F cuCtxSetCurrent(struct dv_cu_context *context)
{
	if (context && !context->live)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (depth)
		depth--;
	if (context)
		stack[depth++] = context;
	return OK;
}

F cuCtxPushCurrent_v2(struct dv_cu_context *context)
{
	stack[depth++] = context;
	return OK;
}

F cuCtxPopCurrent_v2(struct dv_cu_context **ret)
{
	*ret = stack[--depth];
	return OK;
}

F cuCtxGetDevice(int *ret)
{
	*ret = 0;
	return current() ? OK : DV_CUDA_ERROR_INVALID_CONTEXT;
}

F cuStreamCreate(struct dv_cu_stream **ret, uint32_t flags)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	for (int i = 0; i < STREAMS; i++)
		if (!gpu.streams[i].live) {
			gpu.streams[i] = (struct dv_cu_stream){
				.live = true, .blocking = !(flags & 1), .context = current()};
			*ret = &gpu.streams[i];
			return unlock(OK);
		}
	return unlock(DV_CUDA_ERROR_OUT_OF_MEMORY);
}

F cuStreamCreateWithPriority(struct dv_cu_stream **ret, uint32_t flags, int priority)
{
	return cuStreamCreate(ret, flags);
}

F cuStreamDestroy_v2(struct dv_cu_stream *stream)
{
	stream->live = stream->capturing = false;
	return OK;
}

F cuStreamGetCtx(struct dv_cu_stream *stream, struct dv_cu_context **ret)
{
	struct dv_cu_stream *real = resolve(stream, false);

	if (!real)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*ret = real->context;
	return OK;
}

F cuStreamGetFlags(struct dv_cu_stream *stream, uint32_t *ret)
{
	*ret = !stream->blocking;
	return OK;
}

static F wait_until(uint64_t end_ns)
{
	while (now_ns() < at(end_ns))
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	return OK;
}

F cuStreamSynchronize(struct dv_cu_stream *stream)
{
	struct dv_cu_stream *real = resolve(stream, false);

	if (!real)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	return real->capturing ? DV_CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED
			       : wait_until(real->end_ns);
}

F cuStreamSynchronize_ptsz(struct dv_cu_stream *stream)
{
	struct dv_cu_stream *real = resolve(stream, true);

	return real ? wait_until(real->end_ns) : DV_CUDA_ERROR_INVALID_HANDLE;
}

F cuCtxSynchronize(void)
{
	return wait_until(gpu.device_free_ns);
}

F cuEventCreate(struct dv_cu_event **ret, uint32_t flags)
{
	if (!current())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->context = current();
	__atomic_fetch_add(&gpu.stats.events_live, 1, __ATOMIC_RELAXED);
	return OK;
}

F cuEventDestroy_v2(struct dv_cu_event *event)
{
	free(event);
	__atomic_fetch_sub(&gpu.stats.events_live, 1, __ATOMIC_RELAXED);
	return OK;
}

static F record(struct dv_cu_event *event, struct dv_cu_stream *stream)
{
	if (!stream || event->context != stream->context)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	lock();
	gpu.stats.records++;
	event->captured = stream->capturing;
	gpu.stats.captured_events += event->captured;
	event->end_ns = stream->end_ns;
	if (stream >= gpu.legacy && stream < gpu.legacy + CONTEXTS) {
		gpu.stats.legacy_records++;
		gpu.stats.captured_events += any_capture();
		event->end_ns = gpu.device_free_ns; /* it waits for all of them */
	}
	return unlock(OK);
}

F cuEventRecord(struct dv_cu_event *event, struct dv_cu_stream *stream)
{
	return record(event, resolve(stream, false));
}

F cuEventRecord_ptsz(struct dv_cu_event *event, struct dv_cu_stream *stream)
{
	return record(event, resolve(stream, true));
}

F cuEventQuery(struct dv_cu_event *event)
{
	F r;

	if (!current())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	lock();
	r = now_ns() >= at(event->end_ns) ? OK : DV_CUDA_ERROR_NOT_READY;
	return unlock(r);
}

F cuEventSynchronize(struct dv_cu_event *event)
{
	return wait_until(event->end_ns);
}

F cuThreadExchangeStreamCaptureMode(uint32_t *mode)
{
	return OK;
}

F cuStreamIsCapturing(struct dv_cu_stream *stream, enum dv_cu_capture_status *ret)
{
	struct dv_cu_stream *real = resolve(stream, false);

	if (!real)
		return DV_CUDA_ERROR_INVALID_HANDLE;
	*ret = real->capturing ? DV_CU_STREAM_CAPTURE_STATUS_ACTIVE
			       : DV_CU_STREAM_CAPTURE_STATUS_NONE;
	return OK;
}

F cuStreamBeginCapture_v2(struct dv_cu_stream *stream, uint32_t mode)
{
	if (gpu.failure)
		return gpu.failure;
	lock();
	stream->capturing = true;
	return unlock(OK);
}

F cuStreamEndCapture(struct dv_cu_stream *stream, struct dv_cu_graph **ret)
{
	lock();
	stream->capturing = false;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->ns = 1000000;
	return unlock(OK);
}

/* --- work --- */

static F launch(struct dv_cu_stream *stream, uint64_t ns)
{
	uint64_t start;

	if (gpu.nothing)
		return OK;
	if (!stream)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	if (stream->capturing)
		return unlock(OK);
	start = now_ns();
	if (at(gpu.device_free_ns) > start)
		start = at(gpu.device_free_ns);
	stream->end_ns = ns == UINT64_MAX || start == UINT64_MAX ? UINT64_MAX : start + ns;
	gpu.device_free_ns = stream->end_ns;
	gpu.stats.launches++;
	return unlock(OK);
}

#define LAUNCHES(end, ptsz)                                                                        \
	F cuLaunchKernel##end(struct dv_cu_function *f, uint32_t gx, uint32_t gy, uint32_t gz,     \
			      uint32_t bx, uint32_t by, uint32_t bz, uint32_t shared,              \
			      struct dv_cu_stream *stream, void **params, void **extra)            \
	{                                                                                          \
		return launch(resolve(stream, ptsz), f->ns);                                       \
	}                                                                                          \
	F cuLaunchKernelEx##end(const struct dv_cu_launch *config, struct dv_cu_function *f,       \
				void **params, void **extra)                                       \
	{                                                                                          \
		return launch(resolve(config->stream, ptsz), f->ns);                               \
	}                                                                                          \
	F cuLaunchCooperativeKernel##end(struct dv_cu_function *f, uint32_t gx, uint32_t gy,       \
					 uint32_t gz, uint32_t bx, uint32_t by, uint32_t bz,       \
					 uint32_t shared, struct dv_cu_stream *stream,             \
					 void **params)                                            \
	{                                                                                          \
		return launch(resolve(stream, ptsz), f->ns);                                       \
	}                                                                                          \
	F cuGraphLaunch##end(struct dv_cu_exec *graph, struct dv_cu_stream *stream)                \
	{                                                                                          \
		gpu.graph_reserved += graph->alloc_bytes;                                          \
		return launch(resolve(stream, ptsz), graph->ns);                                   \
	}                                                                                          \
	F cuGraphUpload##end(struct dv_cu_exec *graph, struct dv_cu_stream *stream)                \
	{                                                                                          \
		return launch(resolve(stream, ptsz), 1000);                                        \
	}                                                                                          \
	F cuMemsetD8Async##end(dv_cu_ptr to, uint8_t value, size_t n, struct dv_cu_stream *stream) \
	{                                                                                          \
		return launch(resolve(stream, ptsz), n);                                           \
	}
LAUNCHES(, false)
LAUNCHES(_ptsz, true)

F cuLaunch(struct dv_cu_function *f)
{
	return launch(resolve(NULL, false), f->ns);
}

F cuLaunchGrid(struct dv_cu_function *f, int width, int height)
{
	return launch(resolve(NULL, false), f->ns);
}

F cuLaunchGridAsync(struct dv_cu_function *f, int width, int height, struct dv_cu_stream *stream)
{
	return launch(resolve(stream, false), f->ns);
}

F cuLaunchCooperativeKernelMultiDevice(struct dv_cu_launch_params *launches, uint32_t count,
				       uint32_t flags)
{
	return launch(resolve(launches->stream, false), launches->function->ns);
}

F cuMemcpyDtoH_v2(void *to, dv_cu_ptr from, size_t size)
{
	F r = launch(resolve(NULL, false), size);

	return r == OK ? wait_until(gpu.legacy[current() - gpu.contexts].end_ns) : r;
}

/* --- memory --- */

static F allocate(dv_cu_ptr *ret, uint64_t bytes, struct dv_cu_pool *pool)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	if (!bytes || gpu.count == ALLOCATIONS)
		return unlock(BAD);
	if (gpu.stats.device_bytes + bytes > FAKE_TOTAL)
		return unlock(DV_CUDA_ERROR_OUT_OF_MEMORY);
	*ret = gpu.next_address;
	gpu.next_address += (bytes + 511) / 512 * 512;
	gpu.allocations[gpu.count++] = (struct allocation){*ret, bytes, current(), pool};
	gpu.stats.live++;
	if (!pool) {
		gpu.stats.device_bytes += bytes;
		return unlock(OK);
	}
	pool->used += bytes;
	while (pool->reserved < pool->used) {
		pool->reserved += FAKE_POOL_STEP;
		gpu.stats.device_bytes += FAKE_POOL_STEP;
	}
	return unlock(OK);
}

static F release(uint64_t address)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	for (size_t i = gpu.count; i-- > 0;) {
		struct allocation *found = &gpu.allocations[i];

		if (found->address != address)
			continue;
		if (found->pool && gpu.pend)
			found->pool->pending += found->bytes;
		else if (found->pool)
			found->pool->used -= found->bytes;
		else
			gpu.stats.device_bytes -= found->bytes;
		*found = gpu.allocations[--gpu.count];
		gpu.stats.live--;
		return unlock(OK);
	}
	return unlock(BAD);
}

F cuMemAlloc_v2(dv_cu_ptr *ret, size_t size)
{
	return allocate(ret, size, NULL);
}

F cuMemAllocManaged(dv_cu_ptr *ret, size_t size, uint32_t flags)
{
	return allocate(ret, size, NULL);
}

F cuMemAllocPitch_v2(dv_cu_ptr *ret, size_t *pitch, size_t width, size_t height, uint32_t element)
{
	*pitch = (width + FAKE_PITCH - 1) / FAKE_PITCH * FAKE_PITCH;
	return allocate(ret, *pitch * height, NULL);
}

F cuMemFree_v2(dv_cu_ptr address)
{
	return release(address);
}

F cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total)
{
	if (!current())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	*ret_free = FAKE_TOTAL - gpu.stats.device_bytes;
	*ret_total = FAKE_TOTAL;
	return OK;
}

F cuDeviceTotalMem_v2(size_t *ret, int device)
{
	*ret = FAKE_TOTAL;
	return device ? DV_CUDA_ERROR_INVALID_DEVICE : OK;
}

F cuMemHostAlloc(void **ret, size_t size, uint32_t flags)
{
	if (gpu.failure)
		return gpu.failure;
	*ret = malloc(size);
	return OK;
}

F cuMemAllocHost_v2(void **ret, size_t size)
{
	return cuMemHostAlloc(ret, size, 0);
}

F cuMemFreeHost(void *address)
{
	if (gpu.failure)
		return gpu.failure;
	free(address);
	return OK;
}

F cuMemHostRegister_v2(void *address, size_t size, uint32_t flags)
{
	return OK;
}

F cuMemHostUnregister(void *address)
{
	return gpu.failure;
}

/* Physical memory: a handle is its number, from 1. */
F cuMemCreate(unsigned long long *ret, size_t size, const struct dv_cu_alloc_prop *prop,
	      unsigned long long flags)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	for (int i = 1; i < HANDLES; i++)
		if (!gpu.handles[i].refs && !gpu.handles[i].maps) {
			gpu.handles[i] = (struct handle){.bytes = size, .refs = 1};
			gpu.stats.device_bytes += size;
			*ret = (unsigned long long)i;
			return unlock(OK);
		}
	return unlock(DV_CUDA_ERROR_OUT_OF_MEMORY);
}

static void drop(struct handle *handle)
{
	if (!handle->refs && !handle->maps)
		gpu.stats.device_bytes -= handle->bytes;
}

F cuMemRelease(unsigned long long handle)
{
	lock();
	if (gpu.failure || !gpu.handles[handle].refs)
		return unlock(gpu.failure ? gpu.failure : BAD);
	gpu.handles[handle].refs--;
	drop(&gpu.handles[handle]);
	return unlock(OK);
}

F cuMemMap(dv_cu_ptr address, size_t size, size_t offset, unsigned long long handle,
	   unsigned long long flags)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	for (int i = 0; i < HANDLES; i++)
		if (!gpu.maps[i].address) {
			gpu.maps[i].address = address;
			gpu.maps[i].handle = handle;
			gpu.maps[i].bytes = size;
			gpu.handles[handle].maps++;
			break;
		}
	return unlock(OK);
}

F cuMemUnmap(dv_cu_ptr address, size_t size)
{
	lock();
	if (gpu.failure)
		return unlock(gpu.failure);
	for (int i = 0; i < HANDLES; i++)
		if (gpu.maps[i].address && gpu.maps[i].address - address < size) {
			gpu.handles[gpu.maps[i].handle].maps--;
			drop(&gpu.handles[gpu.maps[i].handle]);
			gpu.maps[i].address = 0;
		}
	return unlock(OK);
}

F cuMemExportToShareableHandle(void *ret, unsigned long long handle, uint32_t type,
			       unsigned long long flags)
{
	return gpu.failure;
}

F cuMemRetainAllocationHandle(unsigned long long *ret, void *address)
{
	lock();
	for (int i = 0; i < HANDLES; i++)
		if (gpu.maps[i].address &&
		    (uint64_t)(uintptr_t)address - gpu.maps[i].address < gpu.maps[i].bytes) {
			*ret = gpu.maps[i].handle;
			gpu.handles[*ret].refs++;
			return unlock(OK);
		}
	return unlock(BAD);
}

F cuDeviceGetMemPool(struct dv_cu_pool **ret, int device)
{
	*ret = &gpu.pools[0];
	return OK;
}

F cuMemPoolCreate(struct dv_cu_pool **ret, const struct dv_cu_pool_props *props)
{
	lock();
	for (int i = 1; i < POOLS; i++)
		if (!gpu.pools[i].live) {
			gpu.pools[i] = (struct dv_cu_pool){.live = true};
			*ret = &gpu.pools[i];
			return unlock(OK);
		}
	return unlock(BAD);
}

/* The host's are two that nobody made. */
F cuMemGetDefaultMemPool(struct dv_cu_pool **ret, struct dv_cu_location *location, uint32_t type)
{
	*ret = location->type == DV_CU_MEM_LOCATION_TYPE_DEVICE ? &gpu.pools[0]
								: &gpu.host_pools[0];
	return OK;
}

F cuMemGetMemPool(struct dv_cu_pool **ret, struct dv_cu_location *location, uint32_t type)
{
	*ret = location->type == DV_CU_MEM_LOCATION_TYPE_DEVICE ? &gpu.pools[0]
								: &gpu.host_pools[1];
	return OK;
}

F cuMemPoolTrimTo(struct dv_cu_pool *pool, size_t keep)
{
	lock();
	while (pool->reserved >= pool->used + FAKE_POOL_STEP && pool->reserved > keep) {
		pool->reserved -= FAKE_POOL_STEP;
		gpu.stats.device_bytes -= FAKE_POOL_STEP;
	}
	return unlock(OK);
}

F cuMemPoolDestroy(struct dv_cu_pool *pool)
{
	(void)cuMemPoolTrimTo(pool, 0);
	pool->live = false;
	return OK;
}

F cuMemPoolGetAttribute(struct dv_cu_pool *pool, uint32_t attribute, void *ret)
{
	lock();
	*(uint64_t *)ret = attribute == DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT ? pool->reserved
										: pool->used;
	return unlock(OK);
}

#define POOLED(end, ptsz)                                                                          \
	F cuMemAllocAsync##end(dv_cu_ptr *ret, size_t size, struct dv_cu_stream *stream)           \
	{                                                                                          \
		struct dv_cu_stream *real = resolve(stream, ptsz);                                 \
		if (real && real->capturing) {                                                     \
			*ret = 0x1234;                                                             \
			return OK;                                                                 \
		}                                                                                  \
		return allocate(ret, size, &gpu.pools[0]);                                         \
	}                                                                                          \
	F cuMemAllocFromPoolAsync##end(dv_cu_ptr *ret, size_t size, struct dv_cu_pool *pool,       \
				       struct dv_cu_stream *stream)                                \
	{                                                                                          \
		return allocate(ret, size, pool);                                                  \
	}                                                                                          \
	F cuMemFreeAsync##end(dv_cu_ptr address, struct dv_cu_stream *stream)                      \
	{                                                                                          \
		return release(address);                                                           \
	}
POOLED(, false)
POOLED(_ptsz, true)

/* Arrays: the handle is the address. */
F cuArray3DCreate_v2(struct dv_cu_array **ret, const struct dv_cu_array_3d *array)
{
	uint64_t bytes = (uint64_t)array->width * (array->height ? array->height : 1) *
			 (array->depth ? array->depth : 1) * array->channels *
			 (array->format == DV_CU_AD_FORMAT_FLOAT ? 4 : 1);
	dv_cu_ptr address = 0;
	F r = allocate(&address, (bytes + FAKE_ARRAY_STEP - 1) / FAKE_ARRAY_STEP * FAKE_ARRAY_STEP,
		       NULL);

	*ret = (struct dv_cu_array *)(uintptr_t)address;
	return r;
}

F cuArrayCreate_v2(struct dv_cu_array **ret, const struct dv_cu_array_2d *array)
{
	return cuArray3DCreate_v2(ret, &(struct dv_cu_array_3d){.width = array->width,
								.height = array->height,
								.format = array->format,
								.channels = array->channels});
}

F cuArrayDestroy(struct dv_cu_array *array)
{
	return release((uintptr_t)array);
}

F cuMipmappedArrayCreate(struct dv_cu_mipmap **ret, const struct dv_cu_array_3d *array,
			 uint32_t levels)
{
	return cuArray3DCreate_v2((struct dv_cu_array **)(void *)ret, array);
}

F cuMipmappedArrayDestroy(struct dv_cu_mipmap *mipmap)
{
	return release((uintptr_t)mipmap);
}

static F takes(struct dv_cu_array_memory *ret, uintptr_t handle)
{
	for (size_t i = 0; i < gpu.count; i++)
		if (gpu.allocations[i].address == handle) {
			*ret = (struct dv_cu_array_memory){.size = gpu.allocations[i].bytes};
			return OK;
		}
	return BAD;
}

F cuArrayGetMemoryRequirements(struct dv_cu_array_memory *ret, struct dv_cu_array *array,
			       int device)
{
	return takes(ret, (uintptr_t)array);
}

F cuMipmappedArrayGetMemoryRequirements(struct dv_cu_array_memory *ret, struct dv_cu_mipmap *mipmap,
					int device)
{
	return takes(ret, (uintptr_t)mipmap);
}

/* --- graphs --- */

F cuGraphAddMemAllocNode(struct dv_cu_node **ret, struct dv_cu_graph *graph,
			 struct dv_cu_node *const *dependencies, size_t count,
			 struct dv_cu_alloc_node *params)
{
	graph->alloc_bytes += params->bytes;
	return OK;
}

F cuGraphInstantiateWithFlags(struct dv_cu_exec **ret, struct dv_cu_graph *graph,
			      unsigned long long flags)
{
	*ret = calloc(1, sizeof(**ret));
	**ret = (struct dv_cu_exec){graph->ns, graph->alloc_bytes};
	return OK;
}

F cuGraphExecDestroy(struct dv_cu_exec *graph)
{
	free(graph);
	return OK;
}

F cuDeviceGetGraphMemAttribute(int device, uint32_t attribute, void *ret)
{
	*(uint64_t *)ret = gpu.graph_reserved;
	return OK;
}

F cuDeviceGraphMemTrim(int device)
{
	gpu.graph_reserved = 0;
	return OK;
}

/* --- cuGetProcAddress --- */

struct row {
	const char *symbol, *name;
	int since;
	bool ptsz;
};

#define ROW(symbol, name, since, args) {#symbol, #name, since, false},
#define ROW_PTSZ(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptsz", #name, since, true},
#define ROW_PTDS(symbol, name, since, args)                                                        \
	ROW(symbol, name, since, args){#symbol "_ptds", #name, since, true},
static const struct row rows[] = {DV_CUDA_PLAIN_CALLS(ROW) DV_CUDA_PTSZ_CALLS(
	ROW_PTSZ) DV_CUDA_PTDS_CALLS(ROW_PTDS) DV_CUDA_UNSIMULATED_CALLS(ROW)};

static F hidden_alloc(dv_cu_ptr *ret, size_t size)
{
	return allocate(ret, size, NULL);
}

/* What a later version has under the same name. */
static F hidden_alloc_anew(dv_cu_ptr *ret, size_t size, int more)
{
	return allocate(ret, size + (size_t)more, NULL);
}

F cuGetProcAddress_v2(const char *name, void **ret, int version, uint64_t flags,
		      enum dv_cu_symbol_status *status)
{
	const struct row *best = NULL;
	Dl_info info;

	if (!name || !name[0] || !ret)
		return BAD;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, name) == 0 && rows[i].since <= version &&
		    (!rows[i].ptsz || flags & 2) &&
		    (!best || rows[i].since > best->since ||
		     (rows[i].since == best->since && rows[i].ptsz)))
			best = &rows[i];
	*ret = NULL;
	if (gpu.hidden && strcmp(name, "cuMemAlloc") == 0)
		*ret = gpu.hidden > 1 && version >= gpu.hidden ? (void *)hidden_alloc_anew
							       : (void *)hidden_alloc;
	else if (best && dladdr((void *)cuInit, &info))
		*ret = dlsym(dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD), best->symbol);
	else if (strcmp(name, "cuNewThing") == 0)
		*ret = (void *)cuNewThing;
	if (status)
		*status = *ret ? DV_CU_GET_PROC_ADDRESS_SUCCESS
			       : DV_CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
	return *ret ? OK : DV_CUDA_ERROR_NOT_FOUND;
}

F cuGetProcAddress(const char *name, void **ret, int version, uint64_t flags)
{
	return cuGetProcAddress_v2(name, ret, version, flags, NULL);
}
