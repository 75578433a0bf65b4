/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant's program: legal OpenCL, opened as many programs do it, by dlopen. It knows nothing of
 * divvy; what it is told on the command line is only what to expect of its device.
 *
 *   tenant memory BYTES | many COUNT | own-event | threads COUNT | fork BYTES | bypass |
 *          launches COUNT | leave COUNT
 *
 * Ends with 0, with 1 where something is not as it should be, with 77 where there is no device. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/opencl-layer.h"

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);         \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void *opencl;

#define CL(name)                                                                                   \
	({                                                                                         \
		cl_api_##name f_ = (cl_api_##name)dlsym(opencl, #name);                            \
		CHECK(f_);                                                                         \
		f_;                                                                                \
	})

static cl_platform_id platform;
static cl_device_id device;
static cl_context context;

static const char source[] = "__kernel void add(__global int *a, int n)\n"
			     "{\n"
			     "	a[get_global_id(0)] += n;\n"
			     "}\n"
			     "__kernel void twice(__global int *a)\n"
			     "{\n"
			     "	a[get_global_id(0)] *= 2;\n"
			     "}\n";

static int skip(const char *why)
{
	printf("skipped: %s\n", why);
	return 77;
}

static int open_device(void)
{
	cl_uint count = 0;
	cl_int r;

	opencl = dlopen("libOpenCL.so.1", RTLD_NOW);
	if (!opencl)
		return skip("no libOpenCL.so.1");
	if (CL(clGetPlatformIDs)(1, &platform, &count) != CL_SUCCESS || !count)
		return skip("no OpenCL platform");
	if (CL(clGetDeviceIDs)(platform, CL_DEVICE_TYPE_ALL, 1, &device, &count) != CL_SUCCESS)
		return skip("no OpenCL device");
	context = CL(clCreateContext)(NULL, 1, &device, NULL, NULL, &r);
	CHECK(context);
	return 0;
}

static cl_command_queue new_queue(cl_command_queue_properties properties)
{
	cl_command_queue queue = CL(clCreateCommandQueue)(context, device, properties, NULL);

	CHECK(queue);
	return queue;
}

static cl_kernel new_kernel(const char *name)
{
	const char *text = source;
	cl_program program = CL(clCreateProgramWithSource)(context, 1, &text, NULL, NULL);
	cl_kernel kernel;

	CHECK(program);
	CHECK(CL(clBuildProgram)(program, 1, &device, NULL, NULL, NULL) == CL_SUCCESS);
	kernel = CL(clCreateKernel)(program, name, NULL);
	CHECK(kernel);
	return kernel;
}

static cl_mem new_buffer(size_t size, cl_int *ret)
{
	return CL(clCreateBuffer)(context, CL_MEM_READ_WRITE, size, NULL, ret);
}

static void run_memory(size_t bytes)
{
	static const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
	cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 512, .image_height = 512};
	cl_ulong shown = 0, most = 0;
	cl_mem a, b;
	void *svm;
	cl_int r;

	CL(clGetDeviceInfo)(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(shown), &shown, NULL);
	CL(clGetDeviceInfo)(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(most), &most, NULL);
	CHECK(shown == bytes && most <= bytes);
	a = new_buffer(bytes - 1, &r);
	CHECK(a && r == CL_SUCCESS);
	CHECK(!new_buffer(2, &r) && r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	b = new_buffer(1, &r);
	CHECK(b && r == CL_SUCCESS);
	CHECK(!new_buffer(1, &r) && r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	CHECK(!CL(clSVMAlloc)(context, CL_MEM_READ_WRITE, 1, 0));
	CHECK(!CL(clCreateImage)(context, 0, &format, &desc, NULL, &r) &&
	      r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	CL(clReleaseMemObject)(a);
	CL(clReleaseMemObject)(b);
	svm = CL(clSVMAlloc)(context, CL_MEM_READ_WRITE, bytes / 2, 0);
	CHECK(svm && !new_buffer(bytes / 2 + 1, &r));
	CL(clSVMFree)(context, svm);
	a = CL(clCreateImage)(context, CL_MEM_READ_WRITE, &format, &desc, NULL, &r);
	CHECK(a && !new_buffer(bytes - (size_t)512 * 512 * 4 + 1, &r));
	CL(clReleaseMemObject)(a);
	a = new_buffer(bytes, &r);
	CHECK(a);
	CL(clReleaseMemObject)(a);
}

static void run_many(size_t count)
{
	cl_mem *all = calloc(count, sizeof(*all));

	CHECK(all);
	for (size_t i = 0; i < count; i++) {
		all[i] = new_buffer(1024, NULL);
		CHECK(all[i]);
	}
	for (size_t i = 0; i < count; i++)
		CHECK(CL(clReleaseMemObject)(all[i]) == CL_SUCCESS);
	free(all);
}

static void launch(cl_command_queue queue, cl_kernel kernel, cl_uint num, const cl_event *events,
		   cl_event *ret)
{
	static const size_t global = 256;

	CHECK(CL(clEnqueueNDRangeKernel)(queue, kernel, 1, NULL, &global, NULL, num, events, ret) ==
	      CL_SUCCESS);
}

static void read_all(cl_command_queue queue, cl_mem mem, int expected)
{
	int values[256];

	CHECK(CL(clEnqueueReadBuffer)(queue, mem, CL_TRUE, 0, sizeof(values), values, 0, NULL,
				      NULL) == CL_SUCCESS);
	for (int i = 0; i < 256; i++)
		CHECK(values[i] == expected);
}

static cl_mem zeros(void)
{
	int values[256] = {0};
	cl_mem mem = CL(clCreateBuffer)(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
					sizeof(values), values, NULL);

	CHECK(mem);
	return mem;
}

static cl_kernel add_kernel(cl_mem mem, int n)
{
	cl_kernel add = new_kernel("add");

	CHECK(CL(clSetKernelArg)(add, 0, sizeof(mem), &mem) == CL_SUCCESS);
	CHECK(CL(clSetKernelArg)(add, 1, sizeof(n), &n) == CL_SUCCESS);
	return add;
}

/* Legal, and a gate that blocked in an enqueuing call would never let it end. */
static void run_own_event(void)
{
	cl_command_queue queue = new_queue(0), other = new_queue(0);
	cl_event event = CL(clCreateUserEvent)(context, NULL), last;
	cl_mem mem = zeros(), more = zeros();
	cl_kernel add = add_kernel(mem, 1), elsewhere = add_kernel(more, 1);
	cl_int status = 99;

	CHECK(event);
	for (int i = 0; i < 8; i++)
		launch(queue, add, 1, &event, i == 7 ? &last : NULL);
	CL(clFlush)(queue);
	launch(other, elsewhere, 0, NULL, NULL);
	read_all(other, more, 1);
	usleep(30000);
	CHECK(CL(clSetUserEventStatus)(event, CL_COMPLETE) == CL_SUCCESS);
	CL(clGetEventInfo)
	(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, NULL);
	CHECK(status == CL_COMPLETE);
	CHECK(CL(clWaitForEvents)(1, &last) == CL_SUCCESS);
	read_all(queue, mem, 8);
	CL(clReleaseEvent)(event);
	CL(clReleaseEvent)(last);
}

static size_t rounds;

/* (x + 1) * 2, again and again: any change of order, or a command lost, shows in the sum. */
static void *order(void *arg)
{
	cl_command_queue queue = new_queue(0);
	cl_mem mem = zeros();
	cl_kernel add = add_kernel(mem, 1), twice = new_kernel("twice");
	unsigned expected = 0;

	CHECK(CL(clSetKernelArg)(twice, 0, sizeof(mem), &mem) == CL_SUCCESS);
	for (size_t i = 0; i < rounds; i++) {
		cl_event event;

		launch(queue, add, 0, NULL, &event);
		launch(queue, twice, 1, &event, NULL);
		CHECK(CL(clReleaseEvent)(event) == CL_SUCCESS);
		expected = (expected + 1) * 2;
		if (i % 16 == 15)
			read_all(queue, mem, (int)expected);
		if (i % 50 == 49)
			usleep(2000);
	}
	read_all(queue, mem, (int)expected);
	CL(clReleaseMemObject)(mem);
	CL(clReleaseKernel)(add);
	CL(clReleaseKernel)(twice);
	CL(clReleaseCommandQueue)(queue);
	return arg;
}

static void run_threads(size_t count)
{
	pthread_t threads[4];

	rounds = count;
	for (int i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, order, NULL) == 0);
	for (int i = 0; i < 4; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

/* The limit is the tenant's, however many processes it has. */
static void run_fork(size_t bytes)
{
	cl_mem mine = new_buffer(bytes / 2, NULL);
	int status;
	pid_t pid;

	CHECK(mine);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		cl_mem theirs = new_buffer(bytes - bytes / 2, NULL);

		CHECK(theirs && !new_buffer(1, NULL));
		/* The parent's is not the child's to give back. */
		CL(clReleaseMemObject)(mine);
		CHECK(!new_buffer(1, NULL));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (int i = 0; i < 500; i++) { /* its end takes a moment to be known */
		cl_mem rest = new_buffer(bytes - bytes / 2, NULL);

		if (rest) {
			CHECK(!new_buffer(1, NULL));
			CL(clReleaseMemObject)(rest);
			CL(clReleaseMemObject)(mine);
			return;
		}
		usleep(10000);
	}
	CHECK(!"the child's memory never came back");
}

static void run_bypass(void)
{
	char extensions[4096] = "";
	cl_context_properties properties[] = {CL_CONTEXT_PLATFORM, (cl_context_properties)platform,
					      0};
	cl_context other;

	CHECK(!CL(clGetExtensionFunctionAddressForPlatform)(platform, "clEnqueueCommandBufferKHR"));
	CHECK(!CL(clGetExtensionFunctionAddress)("clCreateCommandBufferKHR"));
	CL(clGetDeviceInfo)(device, CL_DEVICE_EXTENSIONS, sizeof(extensions), extensions, NULL);
	CHECK(extensions[0] && !strstr(extensions, "command_buffer"));
	other = CL(clCreateContextFromType)(properties, CL_DEVICE_TYPE_ALL, NULL, NULL, NULL);
	CHECK(other);
	context = other;
	CHECK(!new_buffer((size_t)1 << 40, NULL));
}

static void run_launches(size_t count)
{
	cl_command_queue queue = new_queue(0);
	cl_mem mem = zeros();
	cl_kernel add = add_kernel(mem, 1);

	for (size_t i = 0; i < count; i++) {
		launch(queue, add, 0, NULL, NULL);
		if (i % 10 == 0)
			CL(clFinish)(queue);
	}
	read_all(queue, mem, (int)count);
}

/* A program may leave with commands on its queues. */
static void run_leave(size_t count)
{
	cl_command_queue queue = new_queue(0);
	cl_kernel add = add_kernel(zeros(), 1);

	for (size_t i = 0; i < count; i++)
		launch(queue, add, 0, NULL, NULL);
	CL(clFlush)(queue);
}

int main(int argc, char **argv)
{
	size_t number = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	int r;

	if (argc < 2)
		return 2;
	alarm(100); /* a program that hangs is a failure */
	r = open_device();
	if (r)
		return r;
	if (strcmp(argv[1], "memory") == 0)
		run_memory(number);
	else if (strcmp(argv[1], "many") == 0)
		run_many(number);
	else if (strcmp(argv[1], "own-event") == 0)
		run_own_event();
	else if (strcmp(argv[1], "threads") == 0)
		run_threads(number);
	else if (strcmp(argv[1], "fork") == 0)
		run_fork(number);
	else if (strcmp(argv[1], "bypass") == 0)
		run_bypass();
	else if (strcmp(argv[1], "launches") == 0)
		run_launches(number);
	else if (strcmp(argv[1], "leave") == 0)
		run_leave(number);
	else
		return 2;
	return 0;
}
