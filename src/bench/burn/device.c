/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/burn/device.h"

#include <dlfcn.h>
#include <stdio.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "base/clock.h"
#include "bench/burn/null.h"

/* The functions we call, by the names of the header: X(name). */
#define BURN_FUNCTIONS(X)                                                                          \
	X(clGetPlatformIDs)                                                                        \
	X(clGetDeviceIDs)                                                                          \
	X(clCreateContext)                                                                         \
	X(clReleaseContext)                                                                        \
	X(clCreateCommandQueue)                                                                    \
	X(clReleaseCommandQueue)                                                                   \
	X(clCreateProgramWithSource)                                                               \
	X(clBuildProgram)                                                                          \
	X(clReleaseProgram)                                                                        \
	X(clCreateKernel)                                                                          \
	X(clReleaseKernel)                                                                         \
	X(clSetKernelArg)                                                                          \
	X(clCreateBuffer)                                                                          \
	X(clReleaseMemObject)                                                                      \
	X(clEnqueueNDRangeKernel)                                                                  \
	X(clEnqueueFillBuffer)                                                                     \
	X(clWaitForEvents)                                                                         \
	X(clReleaseEvent)                                                                          \
	X(clFlush)                                                                                 \
	X(clFinish)

struct functions {
#define X(name) __typeof__(&name) name;
	BURN_FUNCTIONS(X)
#undef X
};

/* As many work-groups as a real kernel has: PoCL deals out the most that are left at once, so that
 * of a few one CPU, held up by something else, would keep its half and the other one waiting. */
enum { BURN_GROUPS = 2048, CALIBRATE_RUNS = 9, WINDOWS = 10, WINDOW_NS = 200000000 };
/* Buffers of the fill: each is half of the one before, or as large. */
enum { FILL_MOST = 128, BUFFER_BYTES = 64 << 10 };

struct burn_device {
	void *library;
	struct functions cl;
	cl_context context;
	cl_command_queue queue;
	cl_program program;
	cl_kernel kernel;
	cl_mem out, held;
	cl_mem filled[FILL_MOST];
	unsigned filled_count;
};

struct burn_launch {
	cl_event event;
};

static const char source[] = "__kernel void burn(__global uint *out, ulong loops)\n"
			     "{\n"
			     "	uint x = get_global_id(0) + 1;\n"
			     "	for (ulong i = 0; i < loops; i++)\n"
			     "		x = x * 1664525u + 1013904223u ^ x >> 7;\n"
			     "	out[get_global_id(0)] = x;\n"
			     "}\n";

static int fail(struct dv_error *err, cl_int status, const char *what)
{
	int code = status == CL_MEM_OBJECT_ALLOCATION_FAILURE || status == CL_OUT_OF_RESOURCES ||
				   status == CL_INVALID_BUFFER_SIZE
			   ? -ENOSPC
			   : -EIO;

	dv_error_set(err, code, "%s answered %d", what, status);
	if (err) {
		err->domain = DV_DOMAIN_OPENCL;
		err->native = status;
	}
	return code;
}

static int load(struct burn_device *device, struct dv_error *err)
{
	device->library = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!device->library)
		return dv_error_rule(err, -ENODEV, "G05", "no OpenCL loader: %s", dlerror());
#define X(name)                                                                                    \
	*(void **)&device->cl.name = dlsym(device->library, #name);                                \
	if (!device->cl.name)                                                                      \
		return dv_error_set(err, -ENODEV, "libOpenCL.so.1 has no %s", #name);
	BURN_FUNCTIONS(X)
#undef X
	return 0;
}

static int build(struct burn_device *device, cl_device_id id, struct dv_error *err)
{
	const char *text = source;
	cl_int status;

	device->program =
		device->cl.clCreateProgramWithSource(device->context, 1, &text, NULL, &status);
	if (status)
		return fail(err, status, "clCreateProgramWithSource");
	status = device->cl.clBuildProgram(device->program, 1, &id, "", NULL, NULL);
	if (status)
		return fail(err, status, "clBuildProgram");
	device->kernel = device->cl.clCreateKernel(device->program, "burn", &status);
	if (status)
		return fail(err, status, "clCreateKernel");
	device->out = device->cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE,
						BURN_GROUPS * sizeof(cl_uint), NULL, &status);
	if (status)
		return fail(err, status, "clCreateBuffer");
	status = device->cl.clSetKernelArg(device->kernel, 0, sizeof(device->out), &device->out);
	return status ? fail(err, status, "clSetKernelArg") : 0;
}

static int open_device(struct burn_device *device, struct dv_error *err)
{
	cl_platform_id platform;
	cl_device_id id;
	cl_int status;
	int r = load(device, err);

	if (r < 0)
		return r;
	status = device->cl.clGetPlatformIDs(1, &platform, NULL);
	if (status)
		return fail(err, status, "clGetPlatformIDs");
	status = device->cl.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &id, NULL);
	if (status)
		return fail(err, status, "clGetDeviceIDs");
	device->context = device->cl.clCreateContext(NULL, 1, &id, NULL, NULL, &status);
	if (status)
		return fail(err, status, "clCreateContext");
	device->queue = device->cl.clCreateCommandQueue(device->context, id, 0, &status);
	if (status)
		return fail(err, status, "clCreateCommandQueue");
	return build(device, id, err);
}

int burn_device_open(struct burn_device **ret, struct dv_error *err)
{
	dv_cleanup(burn_device_closep) struct burn_device *device = calloc(1, sizeof(*device));
	int r;

	if (!device)
		return dv_error_set(err, -ENOMEM, "no memory");
	r = open_device(device, err);
	if (r < 0)
		return r;
	*ret = take_ptr(device);
	return 0;
}

void burn_device_close(struct burn_device *device)
{
	if (!device)
		return;
	if (device->queue)
		device->cl.clFinish(device->queue);
	if (device->held)
		device->cl.clReleaseMemObject(device->held);
	while (device->filled_count)
		device->cl.clReleaseMemObject(device->filled[--device->filled_count]);
	if (device->out)
		device->cl.clReleaseMemObject(device->out);
	if (device->kernel)
		device->cl.clReleaseKernel(device->kernel);
	if (device->program)
		device->cl.clReleaseProgram(device->program);
	if (device->queue)
		device->cl.clReleaseCommandQueue(device->queue);
	if (device->context)
		device->cl.clReleaseContext(device->context);
	/* The library stays: drivers leave threads behind that a dlclose would pull the code from.
	 */
	free(device);
}

int burn_device_hold(struct burn_device *device, uint64_t bytes, struct dv_error *err)
{
	cl_int status;
	cl_uint zero = 0;

	device->held =
		device->cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &status);
	if (status)
		return fail(err, status, "clCreateBuffer");
	status = device->cl.clEnqueueFillBuffer(device->queue, device->held, &zero, sizeof(zero), 0,
						bytes & ~UINT64_C(3), 0, NULL, NULL);
	if (status)
		return fail(err, status, "clEnqueueFillBuffer");
	status = device->cl.clFinish(device->queue);
	return status ? fail(err, status, "clFinish") : 0;
}

int burn_device_buffers(struct burn_device *device, unsigned count, struct dv_error *err)
{
	dv_autofree cl_mem *buffers = calloc(count, sizeof(*buffers));
	cl_int status = CL_SUCCESS;
	unsigned made = 0;

	if (!buffers)
		return dv_error_set(err, -ENOMEM, "no memory");
	while (made < count && !status) {
		buffers[made] = device->cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE,
							  BUFFER_BYTES, NULL, &status);
		made += !status;
	}
	for (unsigned i = 0; i < made; i++) {
		cl_int released = device->cl.clReleaseMemObject(buffers[i]);

		status = status ? status : released;
	}
	return status ? fail(err, status, "making and releasing buffers") : 0;
}

int burn_device_fill(struct burn_device *device, uint64_t most, uint64_t *ret_bytes,
		     struct dv_error *err)
{
	uint64_t bytes = BURN_GROUPS * sizeof(cl_uint);

	for (uint64_t piece = most; piece;) {
		cl_int status = CL_MEM_OBJECT_ALLOCATION_FAILURE;
		cl_mem buffer = NULL;

		if (bytes + piece <= most)
			buffer = device->cl.clCreateBuffer(device->context, CL_MEM_READ_WRITE,
							   piece, NULL, &status);
		if (status && status != CL_MEM_OBJECT_ALLOCATION_FAILURE &&
		    status != CL_INVALID_BUFFER_SIZE && status != CL_OUT_OF_RESOURCES)
			return fail(err, status, "clCreateBuffer");
		if (status) {
			piece /= 2;
			continue;
		}
		bytes += piece;
		device->filled[device->filled_count++] = buffer;
		if (device->filled_count == FILL_MOST)
			return dv_error_set(err, -E2BIG, "it takes more than %d buffers to fill it",
					    FILL_MOST);
	}
	*ret_bytes = bytes;
	return 0;
}

void burn_device_null_begin(struct burn_device *device)
{
	burn_null_begin(device->queue);
}

int burn_device_null_end(struct burn_device *device, struct dv_error *err)
{
	uint64_t reached = burn_null_end(device->queue);

	if (!reached)
		return 0;
	return dv_error_set(err, -EPROTO,
			    "%llu launches went to the driver: the grant was not held all the time",
			    (unsigned long long)reached);
}

int burn_device_launch_null(struct burn_device *device, struct dv_error *err)
{
	const size_t global = BURN_GROUPS, local = 1;
	cl_int status = device->cl.clEnqueueNDRangeKernel(device->queue, device->kernel, 1, NULL,
							  &global, &local, 0, NULL, NULL);

	return status ? fail(err, status, "clEnqueueNDRangeKernel") : 0;
}

int burn_device_launch(struct burn_device *device, uint64_t loops, struct burn_launch **ret_launch,
		       struct dv_error *err)
{
	dv_autofree struct burn_launch *launch = calloc(1, sizeof(*launch));
	const size_t global = BURN_GROUPS, local = 1;
	cl_ulong arg = loops;
	cl_int status;

	if (!launch)
		return dv_error_set(err, -ENOMEM, "no memory");
	status = device->cl.clSetKernelArg(device->kernel, 1, sizeof(arg), &arg);
	if (status)
		return fail(err, status, "clSetKernelArg");
	status = device->cl.clEnqueueNDRangeKernel(device->queue, device->kernel, 1, NULL, &global,
						   &local, 0, NULL, &launch->event);
	if (status)
		return fail(err, status, "clEnqueueNDRangeKernel");
	status = device->cl.clFlush(device->queue);
	if (status)
		return fail(err, status, "clFlush");
	*ret_launch = take_ptr(launch);
	return 0;
}

int burn_device_wait(struct burn_device *device, struct burn_launch *launch, struct dv_error *err)
{
	cl_int status = device->cl.clWaitForEvents(1, &launch->event);

	device->cl.clReleaseEvent(launch->event);
	free(launch);
	return status ? fail(err, status, "clWaitForEvents") : 0;
}

/* The shortest of a few: whatever disturbs makes it longer. */
static int time_launch(struct burn_device *device, uint64_t loops, uint64_t *ret_ns,
		       struct dv_error *err)
{
	*ret_ns = UINT64_MAX;
	for (unsigned i = 0; i < CALIBRATE_RUNS; i++) {
		struct burn_launch *launch = NULL;
		uint64_t begun = dv_now_ns();
		int r = burn_device_launch(device, loops, &launch, err);

		if (r == 0)
			r = burn_device_wait(device, launch, err);
		if (r < 0)
			return r;
		*ret_ns = DV_MIN(*ret_ns, dv_now_ns() - begun);
	}
	return 0;
}

/* What one launch takes while so many are kept on the queue: their number by the time they took. */
static int time_queue(struct burn_device *device, uint64_t loops, unsigned inflight,
		      uint64_t *ret_ns, struct dv_error *err)
{
	struct burn_launch *queue[BURN_INFLIGHT_MOST] = {NULL};
	const uint64_t begun = dv_now_ns();
	uint64_t launched = 0, ended = 0;
	int r = inflight ? 0 : dv_error_set(err, -EINVAL, "nothing is to be queued");

	while (r == 0 && (dv_now_ns() < begun + WINDOW_NS || ended < inflight)) {
		while (r == 0 && launched - ended < inflight) {
			r = burn_device_launch(device, loops, &queue[launched % inflight], err);
			launched += r == 0;
		}
		if (r == 0)
			r = burn_device_wait(device, queue[ended++ % inflight], err);
	}
	*ret_ns = DV_MAX((dv_now_ns() - begun) / DV_MAX(ended, 1u), 1u);
	while (ended < launched) {
		int q = burn_device_wait(device, queue[ended++ % inflight], err);

		r = r < 0 ? r : q;
	}
	return r;
}

int burn_device_calibrate(struct burn_device *device, uint64_t kernel_ns, unsigned inflight,
			  uint64_t *ret_loops, uint64_t *ret_real_ns, struct dv_error *err)
{
	uint64_t loops = 10000, ns = 0;

	/* A launch has a fixed part too, so a few rounds of scaling get closer than one. */
	for (unsigned round = 0; round < 6; round++) {
		int r = time_launch(device, loops, &ns, err);

		if (r < 0)
			return r;
		if (ns > kernel_ns - kernel_ns / 50 && ns < kernel_ns + kernel_ns / 50)
			break;
		loops = DV_MAX(
			(uint64_t)((double)loops * (double)kernel_ns / (double)DV_MAX(ns, 1u)), 1u);
	}
	*ret_loops = loops;
	*ret_real_ns = UINT64_MAX;
	for (unsigned window = 0; window < WINDOWS; window++) {
		int r = time_queue(device, loops, inflight, &ns, err);

		if (r < 0)
			return r;
		*ret_real_ns = DV_MIN(*ret_real_ns, ns);
	}
	return 0;
}
