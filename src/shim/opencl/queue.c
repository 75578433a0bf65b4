/* SPDX-License-Identifier: Apache-2.0 */
/* The program's queues: markers go on each of them, so they are known from their making to their
 * last release. */
#include "shim/core/gate.h"
#include "shim/opencl/layer.h"

struct queue {
	cl_command_queue handle;
	uint64_t references; /* the program's */
};

/* Recursive: a driver may call the program back while a marker is put on a queue. */
static pthread_mutex_t lock;
static struct queue *queues;
static size_t count, room;

void dv_ocl_queues_init(void)
{
	pthread_mutexattr_t recursive;

	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	/* In the child of a fork: the parent's table may be in the midst of a change. */
	queues = NULL;
	count = room = 0;
}

static struct queue *find(cl_command_queue handle)
{
	for (size_t i = 0; i < count; i++)
		if (queues[i].handle == handle)
			return &queues[i];
	return NULL;
}

static bool add(cl_command_queue handle)
{
	struct queue *more;

	if (count == room) {
		more = reallocarray(queues, room ? room * 2 : 16, sizeof(*queues));
		if (!more)
			return false;
		queues = more;
		room = room ? room * 2 : 16;
	}
	queues[count++] = (struct queue){handle, 1};
	return true;
}

/* A queue that could not be remembered would escape the gate. */
static cl_command_queue remember(cl_command_queue queue, cl_int *ret_error)
{
	bool known;
	DV_SHIM_KEEP;

	if (!queue)
		return NULL;
	pthread_mutex_lock(&lock);
	known = add(queue);
	pthread_mutex_unlock(&lock);
	if (known)
		return queue;
	dv_ocl_target.clReleaseCommandQueue(queue);
	if (ret_error)
		*ret_error = CL_OUT_OF_HOST_MEMORY;
	return NULL;
}

static void CL_CALLBACK reached(cl_event event, cl_int status, void *data)
{
	dv_shim_gate_marked();
	dv_ocl_target.clReleaseEvent(event);
}

static void mark(cl_command_queue queue)
{
	cl_event event;

	/* A queue that takes no marker has no work either. */
	if (dv_ocl_target.clEnqueueMarkerWithWaitList(queue, 0, NULL, &event) != CL_SUCCESS)
		return;
	dv_shim_gate_marking();
	if (dv_ocl_target.clSetEventCallback(event, CL_COMPLETE, reached, NULL) != CL_SUCCESS)
		reached(event, CL_COMPLETE, NULL);
	dv_ocl_target.clFlush(queue);
}

void dv_ocl_queues_mark(void)
{
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		mark(queues[i].handle);
	pthread_mutex_unlock(&lock);
}

void dv_ocl_queues_flush(void)
{
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		dv_ocl_target.clFlush(queues[i].handle);
	pthread_mutex_unlock(&lock);
}

static cl_command_queue CL_API_CALL create_queue(cl_context context, cl_device_id device,
						 cl_command_queue_properties properties,
						 cl_int *ret_error)
{
	return remember(dv_ocl_target.clCreateCommandQueue(context, device, properties, ret_error),
			ret_error);
}

/* The device's own queue is filled by kernels, and takes no command from here. */
static bool on_device(const cl_queue_properties *properties)
{
	for (; properties && properties[0]; properties += 2)
		if (properties[0] == CL_QUEUE_PROPERTIES)
			return properties[1] & CL_QUEUE_ON_DEVICE;
	return false;
}

static cl_command_queue CL_API_CALL
create_queue_with_properties(cl_context context, cl_device_id device,
			     const cl_queue_properties *properties, cl_int *ret_error)
{
	cl_command_queue queue = dv_ocl_target.clCreateCommandQueueWithProperties(
		context, device, properties, ret_error);

	return on_device(properties) ? queue : remember(queue, ret_error);
}

static cl_int CL_API_CALL retain_queue(cl_command_queue handle)
{
	cl_int r = dv_ocl_target.clRetainCommandQueue(handle);
	struct queue *queue;
	DV_SHIM_KEEP;

	if (r != CL_SUCCESS)
		return r;
	pthread_mutex_lock(&lock);
	queue = find(handle);
	if (queue)
		queue->references++;
	pthread_mutex_unlock(&lock);
	return r;
}

/* The last reference: its work goes on, so a marker is left behind. */
static void forget(cl_command_queue handle)
{
	struct queue *queue;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	queue = find(handle);
	if (queue && --queue->references == 0) {
		if (__atomic_load_n(&dv_shim_gate_hot.untracked, __ATOMIC_RELAXED) &&
		    dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_GATED)
			mark(handle);
		queue = find(handle);
		if (queue)
			*queue = queues[--count];
	}
	pthread_mutex_unlock(&lock);
}

static cl_int CL_API_CALL release_queue(cl_command_queue handle)
{
	forget(handle);
	return dv_ocl_target.clReleaseCommandQueue(handle);
}

void dv_ocl_take_queues(cl_icd_dispatch *table)
{
	table->clCreateCommandQueue = create_queue;
	table->clCreateCommandQueueWithProperties = create_queue_with_properties;
	table->clRetainCommandQueue = retain_queue;
	table->clReleaseCommandQueue = release_queue;
}
