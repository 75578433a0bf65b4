/* SPDX-License-Identifier: Apache-2.0 */
/* An OpenCL loader for tests: answers as the variable FAKE_OPENCL says, at every call. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/opencl.h"
#include "base/macro.h"

/* Handles are never looked into. */
static char other_handle, pocl_handle, device_handle;

#define OTHER ((struct dv_cl_platform *)(void *)&other_handle)
#define POCL ((struct dv_cl_platform *)(void *)&pocl_handle)
#define DEVICE ((struct dv_cl_device *)(void *)&device_handle)

int32_t clGetPlatformIDs(uint32_t entries, struct dv_cl_platform **platforms, uint32_t *ret_count);
int32_t clGetPlatformInfo(struct dv_cl_platform *platform, uint32_t param, size_t size, void *value,
			  size_t *ret_size);
int32_t clGetDeviceIDs(struct dv_cl_platform *platform, uint64_t type, uint32_t entries,
		       struct dv_cl_device **devices, uint32_t *ret_count);
int32_t clGetDeviceInfo(struct dv_cl_device *device, uint32_t param, size_t size, void *value,
			size_t *ret_size);

static int mode(const char *name)
{
	const char *set = getenv("FAKE_OPENCL");

	return set && strcmp(set, name) == 0;
}

DV_EXPORT int32_t clGetPlatformIDs(uint32_t entries, struct dv_cl_platform **platforms,
				   uint32_t *ret_count)
{
	if (mode("crash")) {
		(void)signal(SIGSEGV, SIG_DFL); /* cmocka has its own handler */
		(void)raise(SIGSEGV);
	}
	while (mode("hang"))
		(void)pause();
	if (mode("exit"))
		_exit(0);
	if (mode("no-driver"))
		return DV_CL_PLATFORM_NOT_FOUND_KHR;
	if (mode("fail"))
		return DV_CL_OUT_OF_HOST_MEMORY;
	*ret_count = mode("no-platform") ? 0 : mode("many") ? 1000 : 2;
	if (entries >= 2) {
		platforms[0] = OTHER;
		platforms[1] = POCL;
	}
	for (uint32_t i = 2; i < entries && i < *ret_count; i++)
		platforms[i] = OTHER;
	return DV_CL_SUCCESS;
}

static int32_t text(const char *answer, size_t size, void *value)
{
	if (mode("long-text")) { /* more than fits, and no end */
		memset(value, 'x', size);
		return DV_CL_SUCCESS;
	}
	if (strlen(answer) >= size)
		return DV_CL_OUT_OF_RESOURCES;
	memcpy(value, answer, strlen(answer) + 1);
	return DV_CL_SUCCESS;
}

DV_EXPORT int32_t clGetPlatformInfo(struct dv_cl_platform *platform, uint32_t param, size_t size,
				    void *value, size_t *ret_size)
{
	if (param == DV_CL_PLATFORM_NAME)
		return text(platform == POCL ? "Portable Computing Language" : "Other", size,
			    value);
	return text(platform == POCL ? "OpenCL 3.0 PoCL 3.1" : "OpenCL 1.2", size, value);
}

DV_EXPORT int32_t clGetDeviceIDs(struct dv_cl_platform *platform, uint64_t type, uint32_t entries,
				 struct dv_cl_device **devices, uint32_t *ret_count)
{
	if (mode("no-cpu") || type != DV_CL_DEVICE_TYPE_CPU)
		return DV_CL_DEVICE_NOT_FOUND;
	if (mode("only-other") && platform == POCL)
		return DV_CL_DEVICE_NOT_FOUND;
	if (entries)
		devices[0] = DEVICE;
	*ret_count = 1;
	return DV_CL_SUCCESS;
}

DV_EXPORT int32_t clGetDeviceInfo(struct dv_cl_device *device, uint32_t param, size_t size,
				  void *value, size_t *ret_size)
{
	static const uint32_t units = 12;
	static const uint64_t memory = UINT64_C(8) << 30;

	switch (param) {
	case DV_CL_DEVICE_NAME:
		return text("pthread-Some CPU", size, value);
	case DV_CL_DRIVER_VERSION:
		return text("3.1+test", size, value);
	case DV_CL_DEVICE_MAX_COMPUTE_UNITS:
		if (size < sizeof(units) || mode("no-units"))
			return DV_CL_OUT_OF_RESOURCES;
		memcpy(value, &units, sizeof(units));
		return DV_CL_SUCCESS;
	case DV_CL_DEVICE_GLOBAL_MEM_SIZE:
		if (size < sizeof(memory))
			return DV_CL_OUT_OF_RESOURCES;
		memcpy(value, &memory, sizeof(memory));
		return DV_CL_SUCCESS;
	default:
		return DV_CL_OUT_OF_RESOURCES;
	}
}
