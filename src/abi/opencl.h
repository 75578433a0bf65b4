/* SPDX-License-Identifier: Apache-2.0 */
/* The few types, numbers and functions of OpenCL (1.2 and later) that divvy calls itself, so that
 * it builds without a vendor's header. Declarations only; nothing here is owned.
 *
 * Source: the Khronos OpenCL 3.0 headers (CL/cl.h, CL/cl_platform.h). tests/unit/device compares
 * every number and size with the system's header where one is installed. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Handles are opaque; cl_int and cl_uint have 32 bits, cl_ulong and cl_bitfield 64, cl_bool 32. */
struct dv_cl_platform;
struct dv_cl_device;

static_assert(sizeof(struct dv_cl_platform *) == sizeof(void *), "a handle is a pointer");

enum {
	DV_CL_SUCCESS = 0,
	DV_CL_DEVICE_NOT_FOUND = -1,
	DV_CL_OUT_OF_RESOURCES = -5,
	DV_CL_OUT_OF_HOST_MEMORY = -6,
	DV_CL_PLATFORM_NOT_FOUND_KHR = -1001, /* the loader found no driver at all */
};

enum {
	DV_CL_PLATFORM_VERSION = 0x0901,
	DV_CL_PLATFORM_NAME = 0x0902,
};

enum {
	DV_CL_DEVICE_MAX_COMPUTE_UNITS = 0x1002, /* cl_uint */
	DV_CL_DEVICE_GLOBAL_MEM_SIZE = 0x101f,	 /* cl_ulong */
	DV_CL_DEVICE_NAME = 0x102b,
	DV_CL_DRIVER_VERSION = 0x102d,
};

#define DV_CL_DEVICE_TYPE_CPU (UINT64_C(1) << 1)

/* The functions, by the names under which the loader exports them. */
struct dv_cl_api {
	int32_t (*get_platform_ids)(uint32_t entries, struct dv_cl_platform **platforms,
				    uint32_t *ret_count); /* clGetPlatformIDs */
	int32_t (*get_platform_info)(struct dv_cl_platform *platform, uint32_t param, size_t size,
				     void *value, size_t *ret_size); /* clGetPlatformInfo */
	int32_t (*get_device_ids)(struct dv_cl_platform *platform, uint64_t type, uint32_t entries,
				  struct dv_cl_device **devices,
				  uint32_t *ret_count); /* clGetDeviceIDs */
	int32_t (*get_device_info)(struct dv_cl_device *device, uint32_t param, size_t size,
				   void *value, size_t *ret_size); /* clGetDeviceInfo */
};
