/* SPDX-License-Identifier: Apache-2.0 */
#include "device/opencl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "abi/opencl.h"

enum { PLATFORMS_MOST = 32 };

static int no_device(struct dv_error *err, const char *what)
{
	int r = dv_error_rule(err, -ENODEV, "G05", "%s", what);

	return dv_error_fix(
		err, r,
		"apt-get install --no-install-recommends ocl-icd-libopencl1 pocl-opencl-icd");
}

static int failed(struct dv_error *err, const char *call, int32_t native)
{
	bool fresh = err && !err->code;

	dv_error_set(err, -EIO, "OpenCL's %s failed with %d", call, native);
	if (fresh) {
		err->domain = DV_DOMAIN_OPENCL;
		err->native = native;
	}
	return -EIO;
}

static bool load_function(void *library, const char *name, void *ret)
{
	void *function = dlsym(library, name);

	memcpy(ret, &function, sizeof(function));
	return function != NULL;
}

static int load(const char *name, struct dv_cl_api *ret, struct dv_error *err)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return no_device(err, "the OpenCL loader (libOpenCL.so.1) is not installed");
	if (!load_function(library, "clGetPlatformIDs", &ret->get_platform_ids) ||
	    !load_function(library, "clGetPlatformInfo", &ret->get_platform_info) ||
	    !load_function(library, "clGetDeviceIDs", &ret->get_device_ids) ||
	    !load_function(library, "clGetDeviceInfo", &ret->get_device_info)) {
		(void)dlclose(library);
		return dv_error_set(err, -EIO, "%s is not an OpenCL loader: a function is missing",
				    name);
	}
	return 0;
}

/* A text of a platform or device, cut to `size`; "" when it has none. */
static void platform_text(const struct dv_cl_api *cl, struct dv_cl_platform *platform,
			  uint32_t param, char *buf, size_t size)
{
	char text[1024] = "";

	if (cl->get_platform_info(platform, param, sizeof(text) - 1, text, NULL) != DV_CL_SUCCESS)
		text[0] = '\0';
	text[sizeof(text) - 1] = '\0';
	(void)snprintf(buf, size, "%.*s", (int)size - 1, text);
}

static void device_text(const struct dv_cl_api *cl, struct dv_cl_device *device, uint32_t param,
			char *buf, size_t size)
{
	char text[1024] = "";

	if (cl->get_device_info(device, param, sizeof(text) - 1, text, NULL) != DV_CL_SUCCESS)
		text[0] = '\0';
	text[sizeof(text) - 1] = '\0';
	(void)snprintf(buf, size, "%.*s", (int)size - 1, text);
}

static int describe(const struct dv_cl_api *cl, struct dv_cl_platform *platform,
		    struct dv_cl_device *device, struct dv_opencl_device *ret, struct dv_error *err)
{
	struct dv_opencl_device found = {0};
	int32_t r;

	platform_text(cl, platform, DV_CL_PLATFORM_NAME, found.platform, sizeof(found.platform));
	device_text(cl, device, DV_CL_DEVICE_NAME, found.name, sizeof(found.name));
	device_text(cl, device, DV_CL_DRIVER_VERSION, found.driver, sizeof(found.driver));
	r = cl->get_device_info(device, DV_CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(found.compute_units),
				&found.compute_units, NULL);
	if (r == DV_CL_SUCCESS)
		r = cl->get_device_info(device, DV_CL_DEVICE_GLOBAL_MEM_SIZE,
					sizeof(found.memory_bytes), &found.memory_bytes, NULL);
	if (r != DV_CL_SUCCESS)
		return failed(err, "clGetDeviceInfo", r);
	*ret = found;
	return 0;
}

/* The first CPU device of a platform, or NULL. */
static struct dv_cl_device *cpu_of(const struct dv_cl_api *cl, struct dv_cl_platform *platform)
{
	struct dv_cl_device *device = NULL;
	uint32_t count = 0;

	if (cl->get_device_ids(platform, DV_CL_DEVICE_TYPE_CPU, 1, &device, &count) !=
		    DV_CL_SUCCESS ||
	    count == 0)
		return NULL;
	return device;
}

int dv_opencl_find_cpu(const char *library, struct dv_opencl_device *ret, struct dv_error *err)
{
	struct dv_cl_platform *platforms[PLATFORMS_MOST] = {NULL}, *chosen = NULL;
	struct dv_cl_device *device = NULL;
	struct dv_cl_api cl = {0};
	uint32_t count = 0;
	char version[128];
	int32_t native;
	int r = load(library, &cl, err);

	if (r < 0)
		return r;
	native = cl.get_platform_ids(PLATFORMS_MOST, platforms, &count);
	if (native == DV_CL_PLATFORM_NOT_FOUND_KHR || (native == DV_CL_SUCCESS && count == 0))
		return no_device(err, "the OpenCL loader is there, but no OpenCL driver "
				      "(nothing usable in /etc/OpenCL/vendors)");
	if (native != DV_CL_SUCCESS)
		return failed(err, "clGetPlatformIDs", native);
	for (uint32_t i = 0; i < DV_MIN(count, PLATFORMS_MOST); i++) {
		struct dv_cl_device *cpu = cpu_of(&cl, platforms[i]);

		if (!cpu)
			continue;
		platform_text(&cl, platforms[i], DV_CL_PLATFORM_VERSION, version, sizeof(version));
		if (!device || strstr(version, "PoCL")) {
			device = cpu;
			chosen = platforms[i];
		}
	}
	if (!device)
		return no_device(err, "OpenCL drivers are installed, but none offers the CPU");
	return describe(&cl, chosen, device, ret, err);
}
