/* SPDX-License-Identifier: Apache-2.0 */
#include "fake-opencl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAITS = 40, CALLBACKS = 4 };

struct _cl_event {
	cl_int refs, status;
	bool user;
	struct {
		void(CL_CALLBACK *call)(cl_event, cl_int, void *);
		void *data;
	} callbacks[CALLBACKS];
	unsigned num_callbacks;
};

struct command {
	struct command *next;
	cl_command_queue queue;
	cl_event event, waits[WAITS];
	unsigned num_waits;
	bool barrier; /* a marker: all before it in its queue */
	bool kernel;
	uint64_t ns;
	void **svm;
	cl_uint num_svm;
};

struct _cl_command_queue {
	cl_int refs;
	bool out_of_order;
};

struct _cl_mem {
	cl_int refs;
	cl_mem parent;
	size_t size;
	void(CL_CALLBACK *gone)(cl_mem, void *);
	void *data;
};

struct svm {
	size_t size;
	max_align_t room[];
};

static struct _cl_context {
	int dummy;
} context;
static struct _cl_device_id {
	int dummy;
} device;
struct _cl_kernel {
	uint64_t ns;
};

cl_context fake_opencl_context = &context;
cl_device_id fake_opencl_device = &device;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct command *first, **last = &first;
static struct fake_opencl_stats stats;
static bool busy;
static bool nothing;
static cl_int failure;

static void *make(size_t size)
{
	void *p = calloc(1, size);

	if (!p)
		abort();
	return p;
}

static cl_event new_event(bool user)
{
	cl_event event = make(sizeof(*event));

	event->refs = 1;
	event->user = user;
	event->status = user ? CL_SUBMITTED : CL_QUEUED;
	stats.events_live++;
	return event;
}

static void unref_event(cl_event event)
{
	if (--event->refs == 0) {
		free(event);
		stats.events_live--;
	}
}

/* With the lock, which is let go for the callbacks. */
static void end_event(cl_event event, cl_int status)
{
	event->refs++;
	event->status = status;
	pthread_cond_broadcast(&changed);
	for (unsigned i = 0; i < event->num_callbacks; i++) {
		pthread_mutex_unlock(&lock);
		event->callbacks[i].call(event, status, event->callbacks[i].data);
		pthread_mutex_lock(&lock);
	}
	event->num_callbacks = 0;
	unref_event(event);
}

static bool waits(const struct command *command)
{
	for (unsigned i = 0; i < command->num_waits; i++)
		if (command->waits[i]->status > CL_COMPLETE)
			return true;
	for (const struct command *c = first; c != command; c = c->next)
		if (c->queue == command->queue && (!c->queue->out_of_order || command->barrier))
			return true;
	return false;
}

static cl_int failed_wait(const struct command *command)
{
	for (unsigned i = 0; i < command->num_waits; i++)
		if (command->waits[i]->status < 0)
			return CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
	return CL_COMPLETE;
}

static void unref_queue(cl_command_queue queue)
{
	if (--queue->refs == 0) {
		free(queue);
		stats.queues_live--;
	}
}

static void svm_free_locked(void *p)
{
	struct svm *svm = (void *)((char *)p - offsetof(struct svm, room));

	stats.svm_live--;
	stats.bytes_live -= svm->size;
	free(svm);
}

/* With the lock: run one command that waits for nothing. */
static void run_one(struct command **place)
{
	struct command *command = *place;
	cl_int status = failed_wait(command);
	struct timespec t = {(time_t)(command->ns / 1000000000), (long)(command->ns % 1000000000)};

	if (status == CL_COMPLETE) {
		command->event->status = CL_RUNNING;
		busy = command->kernel;
		pthread_mutex_unlock(&lock);
		if (command->ns)
			nanosleep(&t, NULL);
		pthread_mutex_lock(&lock);
		busy = false;
		stats.ran += command->kernel;
		stats.busy_ns += command->ns;
		for (cl_uint i = 0; i < command->num_svm; i++)
			svm_free_locked(command->svm[i]);
	}
	/* Others may have been added behind it meanwhile, none before. */
	for (place = &first; *place != command; place = &(*place)->next)
		;
	*place = command->next;
	if (last == &command->next)
		last = place;
	end_event(command->event, status);
	for (unsigned i = 0; i < command->num_waits; i++)
		unref_event(command->waits[i]);
	unref_event(command->event);
	unref_queue(command->queue);
	free(command->svm);
	free(command);
}

static void *run(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct command **place = &first;

		while (*place && waits(*place))
			place = &(*place)->next;
		if (*place)
			run_one(place);
		else
			pthread_cond_wait(&changed, &lock);
	}
	return arg;
}

static cl_int enqueue(struct command *command, cl_uint num, const cl_event *events,
		      cl_event *ret_event)
{
	if (num > WAITS || (num == 0) != (events == NULL)) {
		free(command);
		return CL_INVALID_EVENT_WAIT_LIST;
	}
	pthread_mutex_lock(&lock);
	for (cl_uint i = 0; i < num; i++) {
		command->waits[i] = events[i];
		events[i]->refs++;
	}
	command->num_waits = num;
	command->event = new_event(false);
	command->queue->refs++;
	if (ret_event) {
		command->event->refs++;
		*ret_event = command->event;
	}
	*last = command;
	last = &command->next;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dim,
					 const size_t *offset, const size_t *global,
					 const size_t *local, cl_uint num, const cl_event *events,
					 cl_event *ret_event)
{
	struct command *command;

	if (nothing)
		return CL_SUCCESS;
	if (!kernel)
		return CL_INVALID_KERNEL;
	command = make(sizeof(*command));
	command->queue = queue;
	command->kernel = true;
	command->ns = kernel->ns;
	return enqueue(command, num, events, ret_event);
}

static cl_int CL_API_CALL enqueue_marker(cl_command_queue queue, cl_uint num,
					 const cl_event *events, cl_event *ret_event)
{
	struct command *command = make(sizeof(*command));

	command->queue = queue;
	command->barrier = num == 0;
	return enqueue(command, num, events, ret_event);
}

static cl_int CL_API_CALL wait_for_events(cl_uint num, const cl_event *events)
{
	cl_int r = CL_SUCCESS;

	pthread_mutex_lock(&lock);
	for (cl_uint i = 0; i < num; i++) {
		while (events[i]->status > CL_COMPLETE)
			pthread_cond_wait(&changed, &lock);
		if (events[i]->status < 0)
			r = CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static cl_int CL_API_CALL release_event(cl_event event)
{
	pthread_mutex_lock(&lock);
	unref_event(event);
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL retain_event(cl_event event)
{
	pthread_mutex_lock(&lock);
	event->refs++;
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL finish(cl_command_queue queue)
{
	cl_event event;
	cl_int r = enqueue_marker(queue, 0, NULL, &event);

	if (r == CL_SUCCESS) {
		(void)wait_for_events(1, &event);
		release_event(event);
	}
	return r;
}

static cl_int CL_API_CALL flush(cl_command_queue queue)
{
	return CL_SUCCESS;
}

/* A transfer: a microsecond of the device, and as long as the blocking caller waits. */
static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
				      size_t offset, size_t size, void *to, cl_uint num,
				      const cl_event *events, cl_event *ret_event)
{
	struct command *command = make(sizeof(*command));
	cl_event own = NULL;
	cl_int r;

	command->queue = queue;
	command->ns = 1000;
	r = enqueue(command, num, events, ret_event ? ret_event : &own);
	if (r == CL_SUCCESS && blocking)
		r = wait_for_events(1, ret_event ? ret_event : &own);
	if (own)
		release_event(own);
	return r;
}

static cl_int CL_API_CALL set_event_callback(cl_event event, cl_int type,
					     void(CL_CALLBACK *call)(cl_event, cl_int, void *),
					     void *data)
{
	bool at_once;
	cl_int status;

	pthread_mutex_lock(&lock);
	status = event->status;
	at_once = status <= CL_COMPLETE;
	if (!at_once && event->num_callbacks == CALLBACKS) {
		pthread_mutex_unlock(&lock);
		return CL_OUT_OF_HOST_MEMORY;
	}
	if (!at_once) {
		event->callbacks[event->num_callbacks].call = call;
		event->callbacks[event->num_callbacks++].data = data;
	}
	pthread_mutex_unlock(&lock);
	if (at_once)
		call(event, status, data);
	return CL_SUCCESS;
}

static cl_event CL_API_CALL create_user_event(cl_context c, cl_int *ret_error)
{
	cl_event event;

	pthread_mutex_lock(&lock);
	event = new_event(true);
	pthread_mutex_unlock(&lock);
	if (ret_error)
		*ret_error = CL_SUCCESS;
	return event;
}

static cl_int CL_API_CALL set_user_event_status(cl_event event, cl_int status)
{
	cl_int r = CL_INVALID_OPERATION;

	pthread_mutex_lock(&lock);
	if (event->user && event->status > CL_COMPLETE) {
		end_event(event, status);
		r = CL_SUCCESS;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static cl_int answer(const void *from, size_t length, size_t size, void *value, size_t *ret_size)
{
	if (value && size < length)
		return CL_INVALID_VALUE;
	if (value)
		memcpy(value, from, length);
	if (ret_size)
		*ret_size = length;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL get_event_info(cl_event event, cl_event_info param, size_t size,
					 void *value, size_t *ret_size)
{
	cl_int status;

	pthread_mutex_lock(&lock);
	status = event->status;
	pthread_mutex_unlock(&lock);
	return param == CL_EVENT_COMMAND_EXECUTION_STATUS
		       ? answer(&status, sizeof(status), size, value, ret_size)
		       : CL_INVALID_VALUE;
}

static cl_command_queue CL_API_CALL create_queue(cl_context c, cl_device_id d,
						 cl_command_queue_properties properties,
						 cl_int *ret_error)
{
	cl_command_queue queue = make(sizeof(*queue));

	queue->refs = 1;
	queue->out_of_order = properties & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE;
	pthread_mutex_lock(&lock);
	stats.queues_live++;
	pthread_mutex_unlock(&lock);
	if (ret_error)
		*ret_error = CL_SUCCESS;
	return queue;
}

static cl_command_queue CL_API_CALL create_queue_with_properties(cl_context c, cl_device_id d,
								 const cl_queue_properties *p,
								 cl_int *ret_error)
{
	return create_queue(c, d, p && p[0] == CL_QUEUE_PROPERTIES ? p[1] : 0, ret_error);
}

static cl_int CL_API_CALL retain_queue(cl_command_queue queue)
{
	pthread_mutex_lock(&lock);
	queue->refs++;
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL release_queue(cl_command_queue queue)
{
	pthread_mutex_lock(&lock);
	unref_queue(queue);
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL get_queue_info(cl_command_queue queue, cl_command_queue_info param,
					 size_t size, void *value, size_t *ret_size)
{
	return queue && param == CL_QUEUE_CONTEXT
		       ? answer(&fake_opencl_context, sizeof(cl_context), size, value, ret_size)
		       : CL_INVALID_COMMAND_QUEUE;
}

static cl_mem new_mem(size_t size, cl_mem parent, cl_int *ret_error)
{
	cl_mem mem = NULL;
	cl_int r;

	pthread_mutex_lock(&lock);
	r = failure ? failure : size ? CL_SUCCESS : CL_INVALID_BUFFER_SIZE;
	if (r == CL_SUCCESS) {
		mem = make(sizeof(*mem));
		mem->refs = 1;
		mem->size = size;
		mem->parent = parent;
		if (parent)
			parent->refs++;
		else
			stats.bytes_live += size;
		stats.mem_live++;
		stats.mem_made++;
	}
	pthread_mutex_unlock(&lock);
	if (ret_error)
		*ret_error = r;
	return mem;
}

static cl_mem CL_API_CALL create_buffer(cl_context c, cl_mem_flags flags, size_t size, void *host,
					cl_int *ret_error)
{
	return new_mem(size, NULL, ret_error);
}

static cl_mem CL_API_CALL create_buffer_with_properties(cl_context c, const cl_mem_properties *p,
							cl_mem_flags flags, size_t size, void *host,
							cl_int *ret_error)
{
	return new_mem(size, NULL, ret_error);
}

static cl_mem CL_API_CALL create_sub_buffer(cl_mem buffer, cl_mem_flags flags,
					    cl_buffer_create_type type, const void *info,
					    cl_int *ret_error)
{
	return new_mem(((const cl_buffer_region *)info)->size, buffer, ret_error);
}

/* Rows are padded to 256 bytes: more than the least that one can know beforehand. */
static cl_mem CL_API_CALL create_image(cl_context c, cl_mem_flags flags,
				       const cl_image_format *format, const cl_image_desc *desc,
				       void *host, cl_int *ret_error)
{
	size_t row = (desc->image_width * 4 + 255) / 256 * 256;

	if (desc->mem_object)
		return new_mem(1, desc->mem_object, ret_error);
	return new_mem(row * (desc->image_height ? desc->image_height : 1), NULL, ret_error);
}

static cl_mem CL_API_CALL create_image_2d(cl_context c, cl_mem_flags flags,
					  const cl_image_format *format, size_t width,
					  size_t height, size_t pitch, void *host,
					  cl_int *ret_error)
{
	cl_image_desc desc = {.image_width = width, .image_height = height};

	return create_image(c, flags, format, &desc, host, ret_error);
}

static cl_mem CL_API_CALL create_pipe(cl_context c, cl_mem_flags flags, cl_uint size, cl_uint most,
				      const cl_pipe_properties *properties, cl_int *ret_error)
{
	return new_mem((size_t)size * most, NULL, ret_error);
}

static cl_int CL_API_CALL get_mem_info(cl_mem mem, cl_mem_info param, size_t size, void *value,
				       size_t *ret_size)
{
	return param == CL_MEM_SIZE ? answer(&mem->size, sizeof(mem->size), size, value, ret_size)
				    : CL_INVALID_VALUE;
}

static cl_int CL_API_CALL set_destructor(cl_mem mem, void(CL_CALLBACK *gone)(cl_mem, void *),
					 void *data)
{
	mem->gone = gone;
	mem->data = data;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL retain_mem(cl_mem mem)
{
	pthread_mutex_lock(&lock);
	mem->refs++;
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL release_mem(cl_mem mem)
{
	cl_mem parent;
	bool gone;

	pthread_mutex_lock(&lock);
	gone = --mem->refs == 0;
	if (gone) {
		stats.mem_live--;
		if (!mem->parent)
			stats.bytes_live -= mem->size;
	}
	pthread_mutex_unlock(&lock);
	if (!gone)
		return CL_SUCCESS;
	if (mem->gone)
		mem->gone(mem, mem->data);
	parent = mem->parent;
	free(mem);
	return parent ? release_mem(parent) : CL_SUCCESS;
}

static void *CL_API_CALL svm_alloc(cl_context c, cl_svm_mem_flags flags, size_t size,
				   cl_uint alignment)
{
	struct svm *svm = make(sizeof(*svm) + size);

	svm->size = size;
	pthread_mutex_lock(&lock);
	stats.svm_live++;
	stats.bytes_live += size;
	pthread_mutex_unlock(&lock);
	return svm->room;
}

static void CL_API_CALL svm_free(cl_context c, void *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&lock);
	svm_free_locked(p);
	pthread_mutex_unlock(&lock);
}

static cl_int CL_API_CALL enqueue_svm_free(cl_command_queue queue, cl_uint count, void *pointers[],
					   void(CL_CALLBACK *call)(cl_command_queue, cl_uint,
								   void *[], void *),
					   void *data, cl_uint num, const cl_event *events,
					   cl_event *ret_event)
{
	struct command *command = make(sizeof(*command));

	command->queue = queue;
	command->svm = make(count * sizeof(void *));
	memcpy(command->svm, pointers, count * sizeof(void *));
	command->num_svm = count;
	return enqueue(command, num, events, ret_event);
}

static cl_int CL_API_CALL get_device_info(cl_device_id d, cl_device_info param, size_t size,
					  void *value, size_t *ret_size)
{
	static const cl_ulong memory = (cl_ulong)8 << 30, most = (cl_ulong)2 << 30;
	static const cl_uint units = 16;
	static const size_t width = 16384;
	static const char extensions[] = "cl_khr_command_buffer cl_khr_fp64  "
					 "cl_intel_unified_shared_memory cl_khr_icd ";
	static const cl_name_version versions[] = {{1, "cl_khr_command_buffer"},
						   {2, "cl_khr_fp64"}};

	switch (param) {
	case CL_DEVICE_GLOBAL_MEM_SIZE:
		return answer(&memory, sizeof(memory), size, value, ret_size);
	case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
		return answer(&most, sizeof(most), size, value, ret_size);
	case CL_DEVICE_MAX_COMPUTE_UNITS:
		return answer(&units, sizeof(units), size, value, ret_size);
	case CL_DEVICE_IMAGE2D_MAX_WIDTH:
		return answer(&width, sizeof(width), size, value, ret_size);
	case CL_DEVICE_EXTENSIONS:
		return answer(extensions, sizeof(extensions), size, value, ret_size);
	case CL_DEVICE_EXTENSIONS_WITH_VERSION:
		return answer(versions, sizeof(versions), size, value, ret_size);
	default:
		return CL_INVALID_VALUE;
	}
}

static void *CL_API_CALL get_address(cl_platform_id platform, const char *name)
{
	/* A careless driver answers to any name. */
	return (void *)get_address;
}

const cl_icd_dispatch *fake_opencl_start(void)
{
	static cl_icd_dispatch table = {
		.clGetDeviceInfo = get_device_info,
		.clCreateCommandQueue = create_queue,
		.clCreateCommandQueueWithProperties = create_queue_with_properties,
		.clRetainCommandQueue = retain_queue,
		.clReleaseCommandQueue = release_queue,
		.clGetCommandQueueInfo = get_queue_info,
		.clCreateBuffer = create_buffer,
		.clCreateBufferWithProperties = create_buffer_with_properties,
		.clCreateSubBuffer = create_sub_buffer,
		.clCreateImage = create_image,
		.clCreateImage2D = create_image_2d,
		.clCreatePipe = create_pipe,
		.clGetMemObjectInfo = get_mem_info,
		.clSetMemObjectDestructorCallback = set_destructor,
		.clRetainMemObject = retain_mem,
		.clReleaseMemObject = release_mem,
		.clSVMAlloc = svm_alloc,
		.clSVMFree = svm_free,
		.clEnqueueSVMFree = enqueue_svm_free,
		.clEnqueueNDRangeKernel = enqueue_kernel,
		.clEnqueueReadBuffer = read_buffer,
		.clEnqueueMarkerWithWaitList = enqueue_marker,
		.clFinish = finish,
		.clFlush = flush,
		.clWaitForEvents = wait_for_events,
		.clGetEventInfo = get_event_info,
		.clRetainEvent = retain_event,
		.clReleaseEvent = release_event,
		.clSetEventCallback = set_event_callback,
		.clCreateUserEvent = create_user_event,
		.clSetUserEventStatus = set_user_event_status,
		.clGetExtensionFunctionAddressForPlatform = get_address,
	};
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL) != 0)
		return NULL;
	pthread_detach(thread);
	return &table;
}

void fake_opencl_stats(struct fake_opencl_stats *ret)
{
	pthread_mutex_lock(&lock);
	*ret = stats;
	pthread_mutex_unlock(&lock);
}

cl_kernel fake_opencl_kernel(uint64_t ns)
{
	cl_kernel kernel = make(sizeof(*kernel));

	kernel->ns = ns;
	return kernel;
}

bool fake_opencl_busy(void)
{
	bool is;

	pthread_mutex_lock(&lock);
	is = busy;
	pthread_mutex_unlock(&lock);
	return is;
}

void fake_opencl_do_nothing(bool is)
{
	nothing = is;
}

void fake_opencl_fail(cl_int error)
{
	pthread_mutex_lock(&lock);
	failure = error;
	pthread_mutex_unlock(&lock);
}
