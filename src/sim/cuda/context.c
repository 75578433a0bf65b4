/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: which one is current in a thread, what it costs, what ends with it. */
#include <string.h>

#include "sim/cuda/capture.h"
#include "sim/cuda/inside.h"
#include "sim/cuda/memory.h"

enum {
	STACK_MOST = 64,
	CONTEXT_MIB = 256, /* and as much for each SM */
	CONTEXT_MIB_OF_SM = 2,
	LEAST_PRIORITY = 0,
	GREATEST_PRIORITY = -5,
};

static __thread struct dv_cu_context *stack[STACK_MOST];
static __thread unsigned depth;
static uint64_t next_id = 1;

struct dv_cu_context *dv_cu_current(void)
{
	struct dv_cu_context *context = depth ? stack[depth - 1] : NULL;

	return dv_cu_is(context, DV_CU_CONTEXT) ? context : NULL;
}

/* --- memory of the device --- */

enum dv_cu_result dv_cu_charge(struct dv_cu_device *device, uint64_t bytes)
{
	return dv_share_charge(dv_cu_share, device->tenant, (int64_t)bytes, device->capacity)
		       ? DV_CUDA_SUCCESS
		       : DV_CUDA_ERROR_OUT_OF_MEMORY;
}

void dv_cu_refund(struct dv_cu_device *device, uint64_t bytes)
{
	if (device->tenant >= 0)
		(void)dv_share_charge(dv_cu_share, device->tenant, -(int64_t)bytes, 0);
}

/* --- making and ending them --- */

static void set_limits(struct dv_cu_context *context)
{
	context->limits[DV_CU_LIMIT_STACK_SIZE] = 1024;
	context->limits[DV_CU_LIMIT_PRINTF_FIFO_SIZE] = 7667712;
	context->limits[DV_CU_LIMIT_MALLOC_HEAP_SIZE] = 8388608;
	context->limits[DV_CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2;
	context->limits[DV_CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048;
	context->limits[DV_CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64;
}

static void leave_device(struct dv_cu_device *device)
{
	if (--device->contexts)
		return;
	dv_cu_memory_end(device);
	dv_share_leave(dv_cu_share, device->tenant);
	device->tenant = -1;
}

static enum dv_cu_result join_device(struct dv_cu_device *device)
{
	if (device->contexts++)
		return DV_CUDA_SUCCESS;
	device->tenant = dv_share_join(dv_cu_share, &device->place);
	if (device->tenant >= 0)
		return DV_CUDA_SUCCESS;
	device->contexts = 0;
	return DV_CUDA_ERROR_DEVICE_UNAVAILABLE;
}

static enum dv_cu_result make(struct dv_cu_device *device, uint32_t flags, uint32_t version,
			      struct dv_cu_context **ret)
{
	struct dv_cu_context *context;
	enum dv_cu_result result;

	DV_NEED(!(flags & ~0xffu) &&
		(flags & DV_CU_CTX_SCHED_MASK) <= DV_CU_CTX_SCHED_BLOCKING_SYNC);
	DV_TRY(join_device(device));
	context = dv_cu_new(DV_CU_CONTEXT, sizeof(*context));
	if (!context) {
		leave_device(device);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	context->device = device;
	context->id = next_id++;
	context->flags = flags;
	context->api_version = version;
	set_limits(context);
	context->overhead =
		(uint64_t)(CONTEXT_MIB + CONTEXT_MIB_OF_SM * (unsigned)device->multiprocessors)
		<< 20;
	result = dv_cu_charge(device, context->overhead);
	if (result == DV_CUDA_SUCCESS) {
		context->legacy = dv_cu_stream_new(context, DV_CU_STREAM_DEFAULT, 0);
		if (context->legacy) {
			*ret = context;
			return DV_CUDA_SUCCESS;
		}
		dv_cu_refund(device, context->overhead);
		result = DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	dv_cu_free(context);
	leave_device(device);
	return result;
}

/* From here on nobody finds it, nor gives it anything to do; what it was given is still done. */
static void retire(struct dv_cu_context *context)
{
	dv_cu_retire(context);
	for (size_t i = 0; i < context->streams.len; i++) {
		dv_cu_capture_lose(context->streams.items[i]);
		context->streams.items[i]->gone = true;
	}
	(void)dv_cu_wait_context(context);
	/* Others may have waited for it, too, and look at it once more. */
	while (context->waiting)
		(void)pthread_cond_wait(&dv_cu_changed, &dv_cu_lock);
}

static void end(struct dv_cu_context *context)
{
	struct dv_cu_device *device = context->device;

	retire(context);
	while (context->modules.len)
		dv_cu_module_end(context->modules.items[context->modules.len - 1]);
	dv_vec_fini(&context->modules);
	dv_cu_memory_end_context(context);
	while (context->streams.len) {
		struct dv_cu_stream *stream = context->streams.items[context->streams.len - 1];

		context->streams.len--;
		dv_cu_stream_end(stream);
	}
	dv_vec_fini(&context->streams);
	dv_vec_fini(&context->peers);
	dv_cu_refund(device, context->overhead);
	if (device->primary == context)
		device->primary = NULL;
	dv_cu_free(context);
	leave_device(device);
	(void)pthread_cond_broadcast(&dv_cu_changed);
}

static enum dv_cu_result create(struct dv_cu_context **ret, uint32_t flags, int ordinal,
				uint32_t version)
{
	struct dv_cu_device *device = dv_cu_device_at(ordinal);

	DV_NEED(ret);
	if (!device)
		return DV_CUDA_ERROR_INVALID_DEVICE;
	if (depth == STACK_MOST)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	DV_TRY(make(device, flags, version, ret));
	(*ret)->attached = 1;
	stack[depth++] = *ret;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxCreate_v2(struct dv_cu_context **pctx, uint32_t flags, int dev)
{
	DV_CALL();
	return create(pctx, flags, dev, 3020);
}

enum dv_cu_result cuCtxCreate_v3(struct dv_cu_context **pctx, struct dv_cu_affinity *params_array,
				 int num_params, uint32_t flags, int dev)
{
	DV_CALL();
	/* Only the server of MPS gives a context a part of the SMs. */
	if (num_params)
		return DV_CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return create(pctx, flags, dev, 3020);
}

enum dv_cu_result cuCtxCreate_v4(struct dv_cu_context **pctx,
				 struct dv_cu_context_params *ctx_create_params, uint32_t flags,
				 int dev)
{
	DV_CALL();
	if (ctx_create_params && ctx_create_params->affinity_count)
		return DV_CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return create(pctx, flags, dev, 3020);
}

static enum dv_cu_result destroy(struct dv_cu_context *context)
{
	if (!dv_cu_is(context, DV_CU_CONTEXT))
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (context->is_primary)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (depth && stack[depth - 1] == context)
		depth--;
	end(context);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxDestroy(struct dv_cu_context *ctx)
{
	DV_CALL();
	return destroy(ctx);
}

enum dv_cu_result cuCtxDestroy_v2(struct dv_cu_context *ctx)
{
	DV_CALL();
	return destroy(ctx);
}

enum dv_cu_result cuCtxAttach(struct dv_cu_context **pctx, uint32_t flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pctx && !flags);
	context->attached++;
	*pctx = context;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxDetach(struct dv_cu_context *ctx)
{
	DV_CALL();
	if (!dv_cu_is(ctx, DV_CU_CONTEXT) || !ctx->attached)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	return --ctx->attached ? DV_CUDA_SUCCESS : destroy(ctx);
}

/* --- primary contexts --- */

enum dv_cu_result cuDevicePrimaryCtxRetain(struct dv_cu_context **pctx, int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(pctx);
	/* One that is about to end is gone first. */
	while (device->primary && !dv_cu_is(device->primary, DV_CU_CONTEXT))
		(void)pthread_cond_wait(&dv_cu_changed, &dv_cu_lock);
	if (!device->primary) {
		DV_TRY(make(device, device->primary_flags, 3020, &device->primary));
		device->primary->is_primary = true;
	}
	device->primary_users++;
	*pctx = device->primary;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result release(struct dv_cu_device *device)
{
	if (!device->primary_users)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (!--device->primary_users)
		end(device->primary);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDevicePrimaryCtxRelease(int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	return release(device);
}

enum dv_cu_result cuDevicePrimaryCtxRelease_v2(int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	return release(device);
}

static enum dv_cu_result reset(struct dv_cu_device *device)
{
	if (!dv_cu_is(device->primary, DV_CU_CONTEXT))
		return DV_CUDA_SUCCESS;
	device->primary_users = 0;
	end(device->primary);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDevicePrimaryCtxReset(int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	return reset(device);
}

enum dv_cu_result cuDevicePrimaryCtxReset_v2(int dev)
{
	DV_CALL_OF_DEVICE(device, dev);
	return reset(device);
}

static enum dv_cu_result set_primary_flags(struct dv_cu_device *device, uint32_t flags)
{
	DV_NEED(!(flags & ~0xffu));
	device->primary_flags = flags;
	if (device->primary)
		device->primary->flags = flags;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuDevicePrimaryCtxSetFlags(int dev, uint32_t flags)
{
	DV_CALL_OF_DEVICE(device, dev);
	return device->primary ? DV_CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE
			       : set_primary_flags(device, flags);
}

enum dv_cu_result cuDevicePrimaryCtxSetFlags_v2(int dev, uint32_t flags)
{
	DV_CALL_OF_DEVICE(device, dev);
	return set_primary_flags(device, flags);
}

enum dv_cu_result cuDevicePrimaryCtxGetState(int dev, uint32_t *flags, int *active)
{
	DV_CALL_OF_DEVICE(device, dev);
	DV_NEED(flags && active);
	*flags = device->primary_flags;
	*active = dv_cu_is(device->primary, DV_CU_CONTEXT);
	return DV_CUDA_SUCCESS;
}

/* --- which is current --- */

static enum dv_cu_result push(struct dv_cu_context *context)
{
	if (!dv_cu_is(context, DV_CU_CONTEXT))
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (depth == STACK_MOST)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	stack[depth++] = context;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxPushCurrent(struct dv_cu_context *ctx)
{
	DV_CALL();
	return push(ctx);
}

enum dv_cu_result cuCtxPushCurrent_v2(struct dv_cu_context *ctx)
{
	DV_CALL();
	return push(ctx);
}

static enum dv_cu_result pop(struct dv_cu_context **ret)
{
	if (!depth || !dv_cu_current())
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	depth--;
	if (ret)
		*ret = stack[depth];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxPopCurrent(struct dv_cu_context **pctx)
{
	DV_CALL();
	return pop(pctx);
}

enum dv_cu_result cuCtxPopCurrent_v2(struct dv_cu_context **pctx)
{
	DV_CALL();
	return pop(pctx);
}

enum dv_cu_result cuCtxSetCurrent(struct dv_cu_context *ctx)
{
	DV_CALL();
	if (!ctx) {
		depth -= depth > 0;
		return DV_CUDA_SUCCESS;
	}
	if (!dv_cu_is(ctx, DV_CU_CONTEXT))
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	depth += !depth;
	stack[depth - 1] = ctx;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetCurrent(struct dv_cu_context **pctx)
{
	DV_CALL();
	DV_NEED(pctx);
	*pctx = dv_cu_current();
	return DV_CUDA_SUCCESS;
}

/* --- what they are --- */

enum dv_cu_result cuCtxGetDevice(int *device)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(device);
	*device = dv_cu_ordinal(context->device);
	return DV_CUDA_SUCCESS;
}

/* Of the calls that take a context, NULL is the current one. */
#define DV_CALL_OF_CONTEXT(context, given)                                                         \
	DV_CALL();                                                                                 \
	struct dv_cu_context *context = (given) ? (given) : dv_cu_current();                       \
	if (!dv_cu_is(context, DV_CU_CONTEXT))                                                     \
	return DV_CUDA_ERROR_INVALID_CONTEXT

enum dv_cu_result cuCtxGetDevice_v2(int *device, struct dv_cu_context *ctx)
{
	DV_CALL_OF_CONTEXT(context, ctx);
	DV_NEED(device);
	*device = dv_cu_ordinal(context->device);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetId(struct dv_cu_context *ctx, unsigned long long *ctx_id)
{
	DV_CALL_OF_CONTEXT(context, ctx);
	DV_NEED(ctx_id);
	*ctx_id = context->id;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetApiVersion(struct dv_cu_context *ctx, uint32_t *version)
{
	DV_CALL_OF_CONTEXT(context, ctx);
	DV_NEED(version);
	*version = context->api_version;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetFlags(uint32_t *flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(flags);
	*flags = context->flags;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxSetFlags(uint32_t flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(!(flags & ~0xffu));
	context->flags = flags;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxSetLimit(uint32_t limit, size_t value)
{
	DV_CALL_IN_CONTEXT(context);
	if (limit >= DV_ARRAY_LEN(context->limits))
		return DV_CUDA_ERROR_UNSUPPORTED_LIMIT;
	context->limits[limit] = value;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetLimit(size_t *pvalue, uint32_t limit)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pvalue);
	if (limit >= DV_ARRAY_LEN(context->limits))
		return DV_CUDA_ERROR_UNSUPPORTED_LIMIT;
	*pvalue = context->limits[limit];
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetCacheConfig(uint32_t *pconfig)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(pconfig);
	*pconfig = context->cache_config;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxSetCacheConfig(uint32_t config)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(config <= 3);
	context->cache_config = config;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetSharedMemConfig(uint32_t *config)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(config);
	*config = context->shared_config;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxSetSharedMemConfig(uint32_t config)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(config <= 2);
	context->shared_config = config;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxGetStreamPriorityRange(int *least_priority, int *greatest_priority)
{
	DV_CALL_IN_CONTEXT(context);
	if (least_priority)
		*least_priority = LEAST_PRIORITY;
	if (greatest_priority)
		*greatest_priority = GREATEST_PRIORITY;
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxResetPersistingL2Cache(void)
{
	DV_CALL_IN_CONTEXT(context);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxSynchronize(void)
{
	DV_CALL_IN_CONTEXT(context);
	return dv_cu_synchronize(context);
}

enum dv_cu_result cuCtxSynchronize_v2(struct dv_cu_context *ctx)
{
	DV_CALL_OF_CONTEXT(context, ctx);
	return dv_cu_synchronize(context);
}

static ssize_t peer_index(const struct dv_cu_context *context, const struct dv_cu_context *peer)
{
	for (size_t i = 0; i < context->peers.len; i++)
		if (context->peers.items[i] == peer)
			return (ssize_t)i;
	return -1;
}

enum dv_cu_result cuCtxEnablePeerAccess(struct dv_cu_context *peer_context, uint32_t flags)
{
	DV_CALL_IN_CONTEXT(context);
	DV_NEED(!flags);
	if (!dv_cu_is(peer_context, DV_CU_CONTEXT) || peer_context == context)
		return DV_CUDA_ERROR_INVALID_CONTEXT;
	if (peer_context->device->place.ci >= 0 || context->device->place.ci >= 0)
		return DV_CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
	if (peer_index(context, peer_context) >= 0)
		return DV_CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
	return dv_vec_push(&context->peers, peer_context) < 0 ? DV_CUDA_ERROR_OUT_OF_MEMORY
							      : DV_CUDA_SUCCESS;
}

enum dv_cu_result cuCtxDisablePeerAccess(struct dv_cu_context *peer_context)
{
	DV_CALL_IN_CONTEXT(context);
	ssize_t at = peer_index(context, peer_context);

	if (at < 0)
		return DV_CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
	dv_vec_remove(&context->peers, (size_t)at);
	return DV_CUDA_SUCCESS;
}
