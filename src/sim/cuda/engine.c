/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: each device of a process has a thread that does them, in the order in which they were
 * submitted as far as what they depend on is done; the program's own functions have another. */
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/clock.h"
#include "sim/cuda/inside.h"

enum { POLL_NS = 200000 };

pthread_cond_t dv_cu_changed = PTHREAD_COND_INITIALIZER;

static unsigned waiters;
static struct dv_cu_op *host_first, **host_last = &host_first;
static pthread_cond_t host_work = PTHREAD_COND_INITIALIZER;
static bool has_host_thread;

struct dv_cu_op *dv_cu_op_new(struct dv_cu_stream *stream, size_t size)
{
	struct dv_cu_op *op = calloc(1, sizeof(*op) + size);

	if (!op)
		return NULL;
	op->refs = 1;
	op->size = size;
	op->stream = stream;
	op->device = stream->context->device;
	stream->refs++;
	return op;
}

static void forget_before(struct dv_cu_op *op)
{
	for (size_t i = 0; i < op->before.len; i++)
		dv_cu_op_unref(op->before.items[i]);
	dv_vec_fini(&op->before);
}

void dv_cu_op_unref(struct dv_cu_op *op)
{
	if (!op || --op->refs)
		return;
	forget_before(op);
	if (!op->done)
		dv_cu_stream_end(op->stream);
	free(op);
}

int dv_cu_op_after(struct dv_cu_op *op, struct dv_cu_op *before)
{
	/* Of one that is done only its time counts. */
	if (!before)
		return 0;
	if (before->done) {
		op->ready_ns = DV_MAX(op->ready_ns, before->done_ns);
		return 0;
	}
	if (dv_vec_push(&op->before, before) < 0)
		return -ENOMEM;
	before->refs++;
	return 0;
}

/* --- doing them --- */

static bool is_ready(struct dv_cu_op *op, bool *polls)
{
	for (size_t i = 0; i < op->before.len; i++)
		if (!op->before.items[i]->done)
			return false;
	if (!op->may_begin || op->may_begin(op))
		return true;
	*polls = true;
	return false;
}

static void wake_others(const struct dv_cu_device *but)
{
	for (int i = 0; i < dv_cu_device_count; i++)
		if (&dv_cu_devices[i] != but && dv_cu_devices[i].first)
			(void)pthread_cond_signal(&dv_cu_devices[i].work);
}

/* Locked. The queue's reference goes. */
static void complete(struct dv_cu_op *op, uint64_t at_ns, const struct dv_cu_device *but)
{
	op->done = true;
	op->done_ns = at_ns;
	op->stream->done_ns = DV_MAX(op->stream->done_ns, at_ns);
	forget_before(op);
	if (op->stream->last == op) {
		op->stream->last = NULL;
		op->refs--; /* the queue's is left */
	}
	dv_cu_stream_end(op->stream);
	if (waiters)
		(void)pthread_cond_broadcast(&dv_cu_changed);
	wake_others(but);
	dv_cu_op_unref(op);
}

static void settle_times(struct dv_cu_op *op)
{
	for (size_t i = 0; i < op->before.len; i++)
		op->ready_ns = DV_MAX(op->ready_ns, op->before.items[i]->done_ns);
}

static void *call_host_functions(void *nothing)
{
	(void)pthread_mutex_lock(&dv_cu_lock);
	for (;;) {
		struct dv_cu_op *op = host_first;

		if (!op) {
			(void)pthread_cond_wait(&host_work, &dv_cu_lock);
			continue;
		}
		host_first = op->next;
		if (!host_first)
			host_last = &host_first;
		(void)pthread_mutex_unlock(&dv_cu_lock);
		op->act(op);
		(void)pthread_mutex_lock(&dv_cu_lock);
		complete(op, dv_now_ns(), NULL);
	}
	return nothing;
}

static bool hand_to_host(struct dv_cu_op *op)
{
	pthread_t thread;

	if (!has_host_thread) {
		if (pthread_create(&thread, NULL, call_host_functions, NULL) != 0)
			return false;
		(void)pthread_detach(thread);
		has_host_thread = true;
	}
	op->next = NULL;
	*host_last = op;
	host_last = &op->next;
	(void)pthread_cond_signal(&host_work);
	return true;
}

/* Locked, and again when it returns. It is out of the queue. */
static void do_one(struct dv_cu_device *device, struct dv_cu_op *op)
{
	uint64_t end;

	settle_times(op);
	end = op->ready_ns;
	if (op->on_host && hand_to_host(op))
		return;
	(void)pthread_mutex_unlock(&dv_cu_lock);
	if (op->computes)
		end = dv_share_run(dv_cu_share, device->tenant, op->ready_ns, op->duration_ns);
	if (op->act)
		op->act(op);
	(void)pthread_mutex_lock(&dv_cu_lock);
	device->computing |= op->computes;
	complete(op, end, device);
}

/* The first that may begin, taken out of the queue. */
static struct dv_cu_op *take_ready(struct dv_cu_device *device, bool *polls)
{
	for (struct dv_cu_op **at = &device->first; *at; at = &(*at)->next) {
		struct dv_cu_op *op = *at;

		if (!is_ready(op, polls))
			continue;
		*at = op->next;
		if (device->last == &op->next)
			device->last = at;
		op->begun = true;
		return op;
	}
	return NULL;
}

static void rest(struct dv_cu_device *device, bool polls)
{
	struct timespec until;
	uint64_t at;

	/* Its last context may have gone since, and its place with it. */
	if (device->computing && device->tenant >= 0)
		dv_share_idle(dv_cu_share, device->tenant);
	device->computing = false;
	if (!polls) {
		(void)pthread_cond_wait(&device->work, &dv_cu_lock);
		return;
	}
	at = dv_now_ns() + POLL_NS;
	until = (struct timespec){.tv_sec = (time_t)(at / 1000000000u),
				  .tv_nsec = (long)(at % 1000000000u)};
	(void)pthread_cond_timedwait(&device->work, &dv_cu_lock, &until);
}

static void *serve(void *argument)
{
	struct dv_cu_device *device = argument;

	(void)prctl(PR_SET_TIMERSLACK, 1000);
	(void)pthread_mutex_lock(&dv_cu_lock);
	for (;;) {
		bool polls = false;
		struct dv_cu_op *op = take_ready(device, &polls);

		if (op)
			do_one(device, op);
		else
			rest(device, polls);
	}
	return NULL;
}

static bool have_thread(struct dv_cu_device *device)
{
	pthread_condattr_t attributes;
	pthread_t thread;

	if (device->has_thread)
		return true;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&device->work, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	device->last = &device->first;
	if (pthread_create(&thread, NULL, serve, device) != 0)
		return false;
	(void)pthread_detach(thread);
	device->has_thread = true;
	return true;
}

/* --- submitting --- */

void dv_cu_op_abandon(struct dv_cu_op *op)
{
	forget_before(op);
	op->done = true;
	op->done_ns = op->ready_ns;
	dv_cu_stream_end(op->stream);
	dv_cu_op_unref(op);
}

/* The legacy stream waits for all streams that block, and they wait for it. */
static int after_neighbours(struct dv_cu_op *op)
{
	struct dv_cu_stream *stream = op->stream;
	struct dv_cu_context *context = stream->context;
	int r = dv_cu_op_after(op, stream->last);

	op->ready_ns = DV_MAX(op->ready_ns, stream->done_ns);
	if (stream != context->legacy)
		return r < 0 || stream->flags & DV_CU_STREAM_NON_BLOCKING
			       ? r
			       : dv_cu_op_after(op, context->legacy->last);
	for (size_t i = 1; r == 0 && i < context->streams.len; i++)
		if (!(context->streams.items[i]->flags & DV_CU_STREAM_NON_BLOCKING))
			r = dv_cu_op_after(op, context->streams.items[i]->last);
	return r;
}

enum dv_cu_result dv_cu_submit_free(struct dv_cu_op *op)
{
	if (!have_thread(op->device)) {
		dv_cu_op_abandon(op);
		return DV_CUDA_ERROR_OPERATING_SYSTEM;
	}
	op->ready_ns = DV_MAX(op->ready_ns, dv_now_ns());
	op->next = NULL;
	*op->device->last = op;
	op->device->last = &op->next;
	(void)pthread_cond_signal(&op->device->work);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_submit(struct dv_cu_op *op)
{
	struct dv_cu_stream *stream = op->stream;

	if (after_neighbours(op) < 0 || !have_thread(op->device)) {
		dv_cu_op_abandon(op);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	dv_cu_op_unref(stream->last);
	stream->last = op;
	op->refs++;
	return dv_cu_submit_free(op);
}

enum dv_cu_result dv_cu_submit_and_wait(struct dv_cu_op *op)
{
	enum dv_cu_result result;

	if (after_neighbours(op) < 0) {
		dv_cu_op_abandon(op);
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	}
	op->refs++;
	if (op->before.len || op->computes || op->on_host) {
		forget_before(op);
		result = dv_cu_submit(op);
		if (result == DV_CUDA_SUCCESS)
			dv_cu_wait(op);
	} else {
		op->ready_ns = DV_MAX(op->ready_ns, dv_now_ns());
		op->begun = true;
		if (op->act) {
			(void)pthread_mutex_unlock(&dv_cu_lock);
			op->act(op);
			(void)pthread_mutex_lock(&dv_cu_lock);
		}
		complete(op, op->ready_ns, NULL);
		result = DV_CUDA_SUCCESS;
	}
	/* What was before it may have failed. */
	if (result == DV_CUDA_SUCCESS)
		result = dv_cu_failed();
	dv_cu_op_unref(op);
	return result;
}

/* --- waiting --- */

void dv_cu_wait(struct dv_cu_op *op)
{
	op->refs++;
	waiters++;
	while (!op->done)
		(void)pthread_cond_wait(&dv_cu_changed, &dv_cu_lock);
	waiters--;
	dv_cu_op_unref(op);
}

/* Meanwhile others may end it: they wait for us. */
static void wait_begins(struct dv_cu_context *context)
{
	context->waiting++;
}

static void wait_ended(struct dv_cu_context *context)
{
	if (!--context->waiting)
		(void)pthread_cond_broadcast(&dv_cu_changed);
}

enum dv_cu_result dv_cu_wait_stream(struct dv_cu_stream *stream)
{
	struct dv_cu_context *context = stream->context;
	bool is_legacy = stream == context->legacy;

	wait_begins(context);
	if (stream->last)
		dv_cu_wait(stream->last);
	/* The legacy stream stands for all that block. */
	for (size_t i = 1; is_legacy && i < context->streams.len; i++)
		if (!(context->streams.items[i]->flags & DV_CU_STREAM_NON_BLOCKING) &&
		    context->streams.items[i]->last)
			dv_cu_wait(context->streams.items[i]->last);
	wait_ended(context);
	return DV_CUDA_SUCCESS;
}

enum dv_cu_result dv_cu_wait_context(struct dv_cu_context *context)
{
	wait_begins(context);
	for (size_t i = 0; i < context->streams.len; i++)
		if (context->streams.items[i]->last)
			dv_cu_wait(context->streams.items[i]->last);
	wait_ended(context);
	return DV_CUDA_SUCCESS;
}
