/* SPDX-License-Identifier: Apache-2.0 */
/* Our declarations of OpenCL against the system's header, where one is installed. */
#include "abi/opencl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#if __has_include(<CL/cl.h>)
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>

#define SAME(ours, theirs) static_assert((ours) == (theirs), #ours " is " #theirs)

SAME(DV_CL_SUCCESS, CL_SUCCESS);
SAME(DV_CL_DEVICE_NOT_FOUND, CL_DEVICE_NOT_FOUND);
SAME(DV_CL_OUT_OF_RESOURCES, CL_OUT_OF_RESOURCES);
SAME(DV_CL_OUT_OF_HOST_MEMORY, CL_OUT_OF_HOST_MEMORY);
#ifdef CL_PLATFORM_NOT_FOUND_KHR
SAME(DV_CL_PLATFORM_NOT_FOUND_KHR, CL_PLATFORM_NOT_FOUND_KHR);
#endif
SAME(DV_CL_PLATFORM_VERSION, CL_PLATFORM_VERSION);
SAME(DV_CL_PLATFORM_NAME, CL_PLATFORM_NAME);
SAME(DV_CL_DEVICE_MAX_COMPUTE_UNITS, CL_DEVICE_MAX_COMPUTE_UNITS);
SAME(DV_CL_DEVICE_GLOBAL_MEM_SIZE, CL_DEVICE_GLOBAL_MEM_SIZE);
SAME(DV_CL_DEVICE_NAME, CL_DEVICE_NAME);
SAME(DV_CL_DRIVER_VERSION, CL_DRIVER_VERSION);
SAME(DV_CL_DEVICE_TYPE_CPU, CL_DEVICE_TYPE_CPU);
SAME(sizeof(int32_t), sizeof(cl_int));
SAME(sizeof(uint32_t), sizeof(cl_uint));
SAME(sizeof(uint64_t), sizeof(cl_ulong));
SAME(sizeof(uint64_t), sizeof(cl_device_type));
SAME(sizeof(struct dv_cl_platform *), sizeof(cl_platform_id));
SAME(sizeof(struct dv_cl_device *), sizeof(cl_device_id));

#define SHAPE(function, ...)                                                                       \
	static_assert(__builtin_types_compatible_p(__typeof__(function), cl_int(__VA_ARGS__)),     \
		      #function " takes what we pass it")

/* The same shapes as in struct dv_cl_api. */
SHAPE(clGetPlatformIDs, cl_uint, cl_platform_id *, cl_uint *);
SHAPE(clGetPlatformInfo, cl_platform_id, cl_uint, size_t, void *, size_t *);
SHAPE(clGetDeviceIDs, cl_platform_id, cl_ulong, cl_uint, cl_device_id *, cl_uint *);
SHAPE(clGetDeviceInfo, cl_device_id, cl_uint, size_t, void *, size_t *);

/* The handles' types are compared by the compiler above; that a value survives the way through our
 * types is left to run. */
static void test_against_header(void **state)
{
	cl_device_type type = CL_DEVICE_TYPE_CPU;
	uint64_t ours;

	memcpy(&ours, &type, sizeof(ours));
	assert_true(ours == DV_CL_DEVICE_TYPE_CPU);
}
#else
static void test_against_header(void **state)
{
	print_message("no CL/cl.h here (apt-get install opencl-c-headers)\n");
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_header)};

	return cmocka_run_group_tests_name("device/abi", tests, NULL, NULL);
}
