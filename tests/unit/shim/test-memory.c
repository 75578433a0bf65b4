/* SPDX-License-Identifier: Apache-2.0 */
/* The layer's memory limit and what it shows, against the fake driver. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "layer.h"

#define MIB UINT64_C(1048576)

enum { MANY = 24000 };

static cl_mem buffer(size_t size, cl_int *ret)
{
	return cl->clCreateBuffer(fake_opencl_context, CL_MEM_READ_WRITE, size, NULL, ret);
}

static void buffers(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	cl_int r = 1;
	cl_mem a, b, sub;
	cl_buffer_region region = {0, 10};

	a = buffer(999, &r);
	CHECK(a && r == CL_SUCCESS);
	CHECK(!buffer(2, &r) && r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	CHECK(!buffer(2, NULL));
	b = buffer(1, &r);
	CHECK(b && r == CL_SUCCESS);
	CHECK(!cl->clCreateBufferWithProperties(fake_opencl_context, NULL, 0, 1, NULL, &r));
	CHECK(r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	/* A sub-buffer costs nothing, and keeps its parent. */
	sub = cl->clCreateSubBuffer(a, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &r);
	CHECK(sub);
	CHECK(cl->clRetainMemObject(b) == CL_SUCCESS);
	CHECK(cl->clReleaseMemObject(b) == CL_SUCCESS);
	CHECK(cl->clReleaseMemObject(a) == CL_SUCCESS);
	CHECK(!buffer(1, &r));
	CHECK(cl->clReleaseMemObject(sub) == CL_SUCCESS);
	a = buffer(999, &r);
	CHECK(a && r == CL_SUCCESS);
	CHECK(cl->clReleaseMemObject(a) == CL_SUCCESS && cl->clReleaseMemObject(b) == CL_SUCCESS);
	CHECK(fake_wait(fake, used_is, 0));
}

static void many_buffers(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = MANY * UINT64_C(16)});
	static cl_mem all[MANY];
	struct fake_stats stats;

	for (int i = 0; i < MANY; i++) {
		all[i] = buffer(16, NULL);
		CHECK(all[i]);
	}
	CHECK(!buffer(1, NULL));
	for (int i = 0; i < MANY; i++)
		CHECK(cl->clReleaseMemObject(all[(i * 7) % MANY]) == CL_SUCCESS);
	CHECK(fake_wait(fake, used_is, 0));
	fake_stats(fake, &stats);
	CHECK(stats.counters.allocs == MANY && stats.counters.frees == MANY);
	CHECK(stats.counters.denied == 1 && stats.counters.held_bytes == 0);
}

static void driver_fails(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	struct fake_stats stats;
	cl_int r;

	fake_opencl_fail(CL_OUT_OF_RESOURCES);
	CHECK(!buffer(100, &r) && r == CL_OUT_OF_RESOURCES);
	fake_opencl_fail(0);
	CHECK(!buffer(0, &r) && r == CL_INVALID_BUFFER_SIZE);
	CHECK(fake_wait(fake, used_is, 0));
	fake_stats(fake, &stats);
	CHECK(stats.counters.allocs == 0 && stats.counters.denied == 0);
}

static void images(void)
{
	static const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 2560});
	cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 10, .image_height = 10};
	struct fake_opencl_stats opencl;
	cl_mem a, b, view;
	cl_int r;

	/* 400 bytes at least, 2560 with the driver's padding. */
	a = cl->clCreateImage(fake_opencl_context, 0, &format, &desc, NULL, &r);
	CHECK(a && r == CL_SUCCESS);
	CHECK(fake_wait(fake, used_is, 2560));
	CHECK(!buffer(1, &r));
	CHECK(cl->clReleaseMemObject(a) == CL_SUCCESS);
	/* The least fits, the padding does not: it goes again, and nothing stays charged. */
	b = buffer(1, &r);
	CHECK(b);
	CHECK(!cl->clCreateImage2D(fake_opencl_context, 0, &format, 10, 10, 0, NULL, &r));
	CHECK(r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	CHECK(fake_wait(fake, used_is, 1));
	fake_opencl_stats(&opencl);
	CHECK(opencl.mem_live == 1);
	/* An image in a buffer costs nothing. */
	desc.mem_object = b;
	view = cl->clCreateImage(fake_opencl_context, 0, &format, &desc, NULL, &r);
	CHECK(view);
	CHECK(fake_wait(fake, used_is, 1));
	CHECK(cl->clReleaseMemObject(view) == CL_SUCCESS &&
	      cl->clReleaseMemObject(b) == CL_SUCCESS);
	CHECK(fake_wait(fake, used_is, 0));
	/* A size that overflows is over the limit, not small. */
	desc = (cl_image_desc){.image_type = CL_MEM_OBJECT_IMAGE2D,
			       .image_width = SIZE_MAX / 2,
			       .image_height = SIZE_MAX / 2};
	CHECK(!cl->clCreateImage(fake_opencl_context, 0, &format, &desc, NULL, &r));
	CHECK(r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
}

static void shared_memory(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	cl_command_queue queue =
		cl->clCreateCommandQueue(fake_opencl_context, fake_opencl_device, 0, NULL);
	char *a, *b, *c;
	void *two[2];
	cl_mem host;
	cl_int r;

	a = cl->clSVMAlloc(fake_opencl_context, 0, 600, 0);
	CHECK(a);
	CHECK(!cl->clSVMAlloc(fake_opencl_context, 0, 401, 0));
	/* A buffer in it is charged already; one in the program's own memory is not. */
	host = cl->clCreateBuffer(fake_opencl_context, CL_MEM_USE_HOST_PTR, 600, a, &r);
	CHECK(host);
	CHECK(fake_wait(fake, used_is, 600));
	CHECK(!cl->clCreateBuffer(fake_opencl_context, CL_MEM_USE_HOST_PTR, 401, &r, &r));
	CHECK(cl->clReleaseMemObject(host) == CL_SUCCESS);
	cl->clSVMFree(fake_opencl_context, a);
	CHECK(fake_wait(fake, used_is, 0));
	cl->clSVMFree(fake_opencl_context, NULL);
	/* Freed by a command: given back at its end. */
	b = cl->clSVMAlloc(fake_opencl_context, 0, 300, 0);
	c = cl->clSVMAlloc(fake_opencl_context, 0, 700, 0);
	CHECK(b && c);
	two[0] = b;
	two[1] = c;
	r = cl->clEnqueueNDRangeKernel(queue, fake_opencl_kernel(20000000), 1, NULL, &(size_t){1},
				       NULL, 0, NULL, NULL);
	CHECK(r == CL_SUCCESS);
	CHECK(cl->clEnqueueSVMFree(queue, 2, two, NULL, NULL, 0, NULL, NULL) == CL_SUCCESS);
	CHECK(!cl->clSVMAlloc(fake_opencl_context, 0, 1, 0));
	CHECK(cl->clFinish(queue) == CL_SUCCESS);
	CHECK(fake_wait(fake, used_is, 0));
	/* A command that was not accepted frees nothing. */
	b = cl->clSVMAlloc(fake_opencl_context, 0, 1000, 0);
	two[0] = b;
	CHECK(cl->clEnqueueSVMFree(queue, 1, two, NULL, NULL, 1, NULL, NULL) != CL_SUCCESS);
	CHECK(!cl->clSVMAlloc(fake_opencl_context, 0, 1, 0));
	cl->clSVMFree(fake_opencl_context, b);
	CHECK(fake_wait(fake, used_is, 0));
}

static void shown(void)
{
	begin(&(struct fake_config){
		.limit_bytes = MIB, .device_bytes = 2 * MIB, .compute_units = 3});
	cl_ulong bytes = 0;
	cl_uint units = 0;
	size_t size = 0, width = 0;
	char text[128];
	cl_name_version versions[4];

	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(bytes),
				  &bytes, &size) == CL_SUCCESS);
	CHECK(bytes == MIB && size == sizeof(bytes));
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(bytes),
				  &bytes, NULL) == CL_SUCCESS);
	CHECK(bytes == MIB);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units),
				  &units, NULL) == CL_SUCCESS);
	CHECK(units == 3);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_IMAGE2D_MAX_WIDTH, sizeof(width),
				  &width, NULL) == CL_SUCCESS);
	CHECK(width == 16384);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_GLOBAL_MEM_SIZE, 0, NULL, &size) ==
	      CL_SUCCESS);
	CHECK(size == sizeof(bytes));
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_GLOBAL_MEM_SIZE, 4, &bytes, NULL) ==
	      CL_INVALID_VALUE);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_EXTENSIONS, sizeof(text), text,
				  &size) == CL_SUCCESS);
	CHECK(strcmp(text, "cl_khr_fp64 cl_khr_icd") == 0 && size == strlen(text) + 1);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_EXTENSIONS, 5, text, NULL) ==
	      CL_INVALID_VALUE);
	CHECK(cl->clGetDeviceInfo(fake_opencl_device, CL_DEVICE_EXTENSIONS_WITH_VERSION,
				  sizeof(versions), versions, &size) == CL_SUCCESS);
	CHECK(size == sizeof(versions[0]) && strcmp(versions[0].name, "cl_khr_fp64") == 0);
}

static void no_way_round(void)
{
	struct fake *fake = begin(&(struct fake_config){.limit_bytes = 1000});
	cl_mem_properties import[] = {0x2060, 1, 0};
	cl_context_properties sharing[] = {CL_GL_CONTEXT_KHR, 1, 0};
	struct fake_stats stats;
	cl_int r;

#define ADDRESS(name) cl->clGetExtensionFunctionAddressForPlatform(NULL, name)
	CHECK(!ADDRESS("clEnqueueCommandBufferKHR"));
	CHECK(!ADDRESS("clDeviceMemAllocINTEL"));
	CHECK(!ADDRESS("clSVMAllocARM"));
	CHECK(!ADDRESS("clImportMemoryARM"));
	CHECK(!ADDRESS("clSomethingNobodyKnows"));
	CHECK(!ADDRESS(NULL));
	CHECK(ADDRESS("clCreateBuffer") == (void *)cl->clCreateBuffer);
	CHECK(ADDRESS("clIcdGetPlatformIDsKHR"));
#undef ADDRESS
	CHECK(!cl->clCreateBufferWithProperties(fake_opencl_context, import, 0, 1, NULL, &r));
	CHECK(r == CL_INVALID_PROPERTY);
	CHECK(!cl->clCreateFromGLBuffer(fake_opencl_context, 0, 1, &r) &&
	      r == CL_INVALID_OPERATION);
	CHECK(!cl->clCreateContext(sharing, 1, &fake_opencl_device, NULL, NULL, &r));
	CHECK(r == CL_INVALID_PROPERTY);
	CHECK(!cl->clCreateContextFromType(sharing, CL_DEVICE_TYPE_ALL, NULL, NULL, &r));
	CHECK(r == CL_INVALID_PROPERTY);
	fake_stats(fake, &stats);
	CHECK(stats.counters.refused_calls == 10);
}

static void without_lease(void)
{
	cl_command_queue queue;
	cl_uint entries;
	cl_int r;

	unsetenv("DIVVY_LEASE_SOCKET");
	errno = 5;
	CHECK(clInitLayer(DV_OPENCL_ENTRIES_LEAST, fake_opencl_start(), &entries, &cl) ==
	      CL_SUCCESS);
	queue = cl->clCreateCommandQueue(fake_opencl_context, fake_opencl_device, 0, &r);
	CHECK(!buffer(1, &r) && r == CL_MEM_OBJECT_ALLOCATION_FAILURE);
	CHECK(!cl->clSVMAlloc(fake_opencl_context, 0, 1, 0));
	CHECK(cl->clEnqueueNDRangeKernel(queue, fake_opencl_kernel(0), 1, NULL, &(size_t){1}, NULL,
					 0, NULL, NULL) == CL_OUT_OF_RESOURCES);
	CHECK(errno == 5);
	CHECK(clInitLayer(10, fake_opencl_start(), &entries, &cl) != CL_SUCCESS);
}

#define TEST(f)                                                                                    \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		assert_true(in_process(f));                                                        \
	}

TEST(buffers)
TEST(many_buffers)
TEST(driver_fails)
TEST(images)
TEST(shared_memory)
TEST(shown)
TEST(no_way_round)
TEST(without_lease)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffers),	      cmocka_unit_test(test_many_buffers),
		cmocka_unit_test(test_driver_fails),  cmocka_unit_test(test_images),
		cmocka_unit_test(test_shared_memory), cmocka_unit_test(test_shown),
		cmocka_unit_test(test_no_way_round),  cmocka_unit_test(test_without_lease),
	};

	return cmocka_run_group_tests_name("shim/memory", tests, NULL, NULL);
}
