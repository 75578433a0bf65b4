/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts and streams from their making to their end, and where the process attaches. */
#include "shim/core/map.h"
#include "shim/cuda/track.h"

DV_CUDA_API cuInit(uint32_t flags)
{
	dv_cuda_init();
	/* divvyd learns of the tenant's first call. A tenant that was promised limits does not run
	 * without them. */
	switch (dv_shim_attach()) {
	case DV_SHIM_REFUSED:
		return DV_CUDA_ERROR_NOT_PERMITTED;
	case DV_SHIM_FAILED:
		return DV_CUDA_ERROR_SYSTEM_NOT_READY;
	case DV_SHIM_NEW:
	case DV_SHIM_ATTACHED:
	case DV_SHIM_AWAY:
		break;
	}
	return dv_cuda.cuInit(flags);
}

static enum dv_cu_result known(struct dv_cu_context **context, enum dv_cu_result result)
{
	if (result == DV_CUDA_SUCCESS)
		dv_cuda_context_known(*context);
	return result;
}

/* After a context was made, for which `bytes` were reserved: they go when it does. False: that
 * can't be noted, and it has to go at once. */
static bool made(struct dv_cu_context **context, uint64_t bytes, enum dv_cu_result result)
{
	if (result != DV_CUDA_SUCCESS)
		dv_shim_release(bytes);
	else if (bytes && !dv_cuda_remember_of(*context, (uintptr_t)*context, bytes))
		return false;
	(void)known(context, result);
	return true;
}

#define MAKE(ret, call, undo)                                                                      \
	do {                                                                                       \
		uint64_t bytes;                                                                    \
		enum dv_cu_result result_;                                                         \
                                                                                                   \
		dv_cuda_init();                                                                    \
		bytes = dv_cuda_context_bytes();                                                   \
		result_ = bytes ? dv_cuda_reserve(bytes) : DV_CUDA_SUCCESS;                        \
		if (result_ != DV_CUDA_SUCCESS)                                                    \
			return result_;                                                            \
		result_ = call;                                                                    \
		if (made(ret, bytes, result_))                                                     \
			return result_;                                                            \
		(void)undo;                                                                        \
		return DV_CUDA_ERROR_OUT_OF_MEMORY;                                                \
	} while (0)

DV_CUDA_API cuCtxCreate(struct dv_cu_context **ret, uint32_t flags, int device)
{
	MAKE(ret, dv_cuda.cuCtxCreate(ret, flags, device), dv_cuda.cuCtxDestroy_v2(*ret));
}

DV_CUDA_API cuCtxCreate_v2(struct dv_cu_context **ret, uint32_t flags, int device)
{
	MAKE(ret, dv_cuda.cuCtxCreate_v2(ret, flags, device), dv_cuda.cuCtxDestroy_v2(*ret));
}

DV_CUDA_API cuCtxCreate_v3(struct dv_cu_context **ret, struct dv_cu_affinity *affinities, int count,
			   uint32_t flags, int device)
{
	MAKE(ret, dv_cuda.cuCtxCreate_v3(ret, affinities, count, flags, device),
	     dv_cuda.cuCtxDestroy_v2(*ret));
}

DV_CUDA_API cuCtxCreate_v4(struct dv_cu_context **ret, struct dv_cu_context_params *params,
			   uint32_t flags, int device)
{
	MAKE(ret, dv_cuda.cuCtxCreate_v4(ret, params, flags, device),
	     dv_cuda.cuCtxDestroy_v2(*ret));
}

static bool primary_is_there(int device)
{
	uint32_t flags;
	int active = 0;

	return dv_cuda.cuDevicePrimaryCtxGetState(device, &flags, &active) == DV_CUDA_SUCCESS &&
	       active;
}

static enum dv_cu_result make_primary(struct dv_cu_context **ret, int device)
{
	MAKE(ret, dv_cuda.cuDevicePrimaryCtxRetain(ret, device),
	     dv_cuda.cuDevicePrimaryCtxRelease_v2(device));
}

static pthread_mutex_t primary_lock;
static struct dv_shim_map greens; /* green contexts; `bytes`: their device */

void dv_cuda_contexts_init(void)
{
	greens = (struct dv_shim_map){0};
	pthread_mutex_init(&primary_lock, NULL);
}

/* It is made by the first who asks for it. */
DV_CUDA_API cuDevicePrimaryCtxRetain(struct dv_cu_context **ret, int device)
{
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	pthread_mutex_lock(&primary_lock);
	if (primary_is_there(device))
		r = known(ret, dv_cuda.cuDevicePrimaryCtxRetain(ret, device));
	else
		r = make_primary(ret, device);
	pthread_mutex_unlock(&primary_lock);
	return r;
}

/* Contexts that were made in a way that is not ours become current at least. */
DV_CUDA_API cuCtxSetCurrent(struct dv_cu_context *context)
{
	dv_cuda_init();
	return known(&context, dv_cuda.cuCtxSetCurrent(context));
}

DV_CUDA_API cuCtxPushCurrent(struct dv_cu_context *context)
{
	dv_cuda_init();
	return known(&context, dv_cuda.cuCtxPushCurrent(context));
}

DV_CUDA_API cuCtxPushCurrent_v2(struct dv_cu_context *context)
{
	dv_cuda_init();
	return known(&context, dv_cuda.cuCtxPushCurrent_v2(context));
}

static enum dv_cu_result left(struct dv_cu_context *context, enum dv_cu_result result)
{
	dv_cuda_context_left(context, result == DV_CUDA_SUCCESS);
	if (result == DV_CUDA_SUCCESS)
		dv_cuda_charge_context_gone(context);
	return result;
}

DV_CUDA_API cuCtxDestroy(struct dv_cu_context *context)
{
	dv_cuda_init();
	dv_cuda_context_leaves(context);
	return left(context, dv_cuda.cuCtxDestroy(context));
}

DV_CUDA_API cuCtxDestroy_v2(struct dv_cu_context *context)
{
	dv_cuda_init();
	dv_cuda_context_leaves(context);
	return left(context, dv_cuda.cuCtxDestroy_v2(context));
}

/* The primary context of a device, if it has one. */
static struct dv_cu_context *primary(int device)
{
	struct dv_cu_context *context = NULL;

	if (!primary_is_there(device) ||
	    dv_cuda.cuDevicePrimaryCtxRetain(&context, device) != DV_CUDA_SUCCESS)
		return NULL;
	(void)dv_cuda.cuDevicePrimaryCtxRelease_v2(device);
	return context;
}

static enum dv_cu_result primary_left(struct dv_cu_context *context, int device,
				      enum dv_cu_result result)
{
	uint32_t flags;
	int active = 1;
	bool gone = dv_cuda.cuDevicePrimaryCtxGetState(device, &flags, &active) ==
			    DV_CUDA_SUCCESS &&
		    !active;

	if (!context)
		return result;
	dv_cuda_context_left(context, gone);
	if (gone)
		dv_cuda_charge_context_gone(context);
	return result;
}

/* Others may make it anew right after it is gone: they wait until what it was charged is back. */
static enum dv_cu_result end_primary(int device, enum dv_cu_result (*call)(int device))
{
	struct dv_cu_context *context;
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&primary_lock);
	context = primary(device);
	if (context)
		dv_cuda_context_leaves(context);
	r = primary_left(context, device, call(device));
	pthread_mutex_unlock(&primary_lock);
	return r;
}

DV_CUDA_API cuDevicePrimaryCtxRelease(int device)
{
	dv_cuda_init();
	return end_primary(device, dv_cuda.cuDevicePrimaryCtxRelease);
}

DV_CUDA_API cuDevicePrimaryCtxRelease_v2(int device)
{
	dv_cuda_init();
	return end_primary(device, dv_cuda.cuDevicePrimaryCtxRelease_v2);
}

DV_CUDA_API cuDevicePrimaryCtxReset(int device)
{
	dv_cuda_init();
	return end_primary(device, dv_cuda.cuDevicePrimaryCtxReset);
}

DV_CUDA_API cuDevicePrimaryCtxReset_v2(int device)
{
	dv_cuda_init();
	return end_primary(device, dv_cuda.cuDevicePrimaryCtxReset_v2);
}

/* A stream that could not be remembered would escape the gate. */
static enum dv_cu_result remember(struct dv_cu_stream **stream, enum dv_cu_result result)
{
	DV_SHIM_KEEP;

	if (result != DV_CUDA_SUCCESS || dv_cuda_stream_known(*stream))
		return result;
	(void)dv_cuda.cuStreamDestroy_v2(*stream);
	return DV_CUDA_ERROR_OUT_OF_MEMORY;
}

DV_CUDA_API cuStreamCreate(struct dv_cu_stream **ret, uint32_t flags)
{
	dv_cuda_init();
	return remember(ret, dv_cuda.cuStreamCreate(ret, flags));
}

DV_CUDA_API cuStreamCreateWithPriority(struct dv_cu_stream **ret, uint32_t flags, int priority)
{
	dv_cuda_init();
	return remember(ret, dv_cuda.cuStreamCreateWithPriority(ret, flags, priority));
}

DV_CUDA_API cuGreenCtxStreamCreate(struct dv_cu_stream **ret, struct dv_cu_green *green,
				   uint32_t flags, int priority)
{
	dv_cuda_init();
	return remember(ret, dv_cuda.cuGreenCtxStreamCreate(ret, green, flags, priority));
}

/* With primary_lock. `bytes` were reserved for the primary context that it made. False: it can't be
 * noted, and nothing is reserved any more. */
static bool note_green(struct dv_cu_green *green, int device, uint64_t bytes)
{
	struct dv_shim_map_entry entry = {.address = (uintptr_t)green, .bytes = (uint64_t)device};
	struct dv_cu_context *context = bytes ? primary(device) : NULL;
	bool noted = dv_shim_map_put(&greens, &entry) == 0;

	if (!noted || !context) {
		dv_shim_release(bytes);
		return noted;
	}
	if (dv_cuda_remember_of(context, (uintptr_t)context, bytes))
		return true;
	(void)dv_shim_map_take(&greens, green, &entry);
	return false;
}

/* A green context is a part of a device's, with a context of its own behind it, and it holds the
 * device's primary one: making the first may make that, ending the last may end it. */
DV_CUDA_API cuGreenCtxCreate(struct dv_cu_green **ret, struct dv_cu_resource_desc *desc, int device,
			     uint32_t flags)
{
	enum dv_cu_result r;
	uint64_t bytes;
	DV_SHIM_KEEP;

	dv_cuda_init();
	pthread_mutex_lock(&primary_lock);
	bytes = primary_is_there(device) ? 0 : dv_cuda_context_bytes();
	r = bytes ? dv_cuda_reserve(bytes) : DV_CUDA_SUCCESS;
	if (r == DV_CUDA_SUCCESS) {
		r = dv_cuda.cuGreenCtxCreate(ret, desc, device, flags);
		if (r != DV_CUDA_SUCCESS) {
			dv_shim_release(bytes);
		} else if (!note_green(*ret, device, bytes)) {
			(void)dv_cuda.cuGreenCtxDestroy(*ret);
			r = DV_CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	pthread_mutex_unlock(&primary_lock);
	return r;
}

/* What was allocated in it lives on with the primary context. */
static enum dv_cu_result end_green(struct dv_cu_green *green, struct dv_cu_context *context)
{
	struct dv_shim_map_entry entry;
	struct dv_cu_context *main = NULL;
	enum dv_cu_result r;
	int device = 0;

	if (dv_shim_map_take(&greens, green, &entry)) {
		device = (int)entry.bytes;
		main = primary(device);
	}
	if (main)
		dv_cuda_context_leaves(main);
	dv_cuda_context_leaves(context);
	r = dv_cuda.cuGreenCtxDestroy(green);
	dv_cuda_context_left(context, r == DV_CUDA_SUCCESS);
	if (r == DV_CUDA_SUCCESS)
		dv_cuda_charge_context_becomes(context, main);
	else if (main)
		dv_shim_map_return(&greens, &entry);
	return main ? primary_left(main, device, r) : r;
}

DV_CUDA_API cuGreenCtxDestroy(struct dv_cu_green *green)
{
	struct dv_cu_context *context = NULL;
	enum dv_cu_result r;
	DV_SHIM_KEEP;

	dv_cuda_init();
	pthread_mutex_lock(&primary_lock);
	if (dv_cuda.cuCtxFromGreenCtx(&context, green) == DV_CUDA_SUCCESS)
		r = end_green(green, context);
	else
		r = dv_cuda.cuGreenCtxDestroy(green);
	pthread_mutex_unlock(&primary_lock);
	return r;
}

static void leaves(struct dv_cu_stream *stream)
{
	DV_SHIM_KEEP;

	dv_cuda_init();
	dv_cuda_stream_left(stream);
	dv_cuda_capture_stream_gone(stream);
}

DV_CUDA_API cuStreamDestroy(struct dv_cu_stream *stream)
{
	leaves(stream);
	return dv_cuda.cuStreamDestroy(stream);
}

DV_CUDA_API cuStreamDestroy_v2(struct dv_cu_stream *stream)
{
	leaves(stream);
	return dv_cuda.cuStreamDestroy_v2(stream);
}

/* Where a program waits for the device, its pools may have shrunk. */
static enum dv_cu_result waited(enum dv_cu_result result)
{
	dv_cuda_pools_look();
	return result;
}

DV_CUDA_API cuCtxSynchronize(void)
{
	dv_cuda_init();
	return waited(dv_cuda.cuCtxSynchronize());
}

DV_CUDA_API cuCtxSynchronize_v2(struct dv_cu_context *context)
{
	dv_cuda_init();
	return waited(dv_cuda.cuCtxSynchronize_v2(context));
}

DV_CUDA_API cuStreamSynchronize(struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return waited(dv_cuda.cuStreamSynchronize(stream));
}

DV_CUDA_API cuStreamSynchronize_ptsz(struct dv_cu_stream *stream)
{
	dv_cuda_init();
	return waited(dv_cuda.cuStreamSynchronize_ptsz(stream));
}

DV_CUDA_API cuEventSynchronize(struct dv_cu_event *event)
{
	dv_cuda_init();
	return waited(dv_cuda.cuEventSynchronize(event));
}
