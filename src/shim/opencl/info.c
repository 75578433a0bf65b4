/* SPDX-License-Identifier: Apache-2.0 */
/* What a program is told of its device: the slice's memory and compute units, and no extension that
 * leads round the limits. Programs that ask adapt by themselves. */
#include "shim/opencl/layer.h"

#include <string.h>

#ifndef CL_DEVICE_GLOBAL_FREE_MEMORY_AMD
#define CL_DEVICE_GLOBAL_FREE_MEMORY_AMD 0x4039
#endif

typedef cl_int info_getter(void *object, cl_uint param, size_t size, void *value, size_t *ret_size);

static cl_int device_getter(void *object, cl_uint param, size_t size, void *value, size_t *ret_size)
{
	return dv_ocl_target.clGetDeviceInfo(object, param, size, value, ret_size);
}

static cl_int platform_getter(void *object, cl_uint param, size_t size, void *value,
			      size_t *ret_size)
{
	return dv_ocl_target.clGetPlatformInfo(object, param, size, value, ret_size);
}

/* The grant's memory figure, 0: as the device says. */
static uint64_t memory_shown(const struct dv_grant *grant)
{
	if (!grant->memory_limit_bytes)
		return grant->device_memory_bytes;
	if (!grant->device_memory_bytes)
		return grant->memory_limit_bytes;
	return DV_MIN(grant->memory_limit_bytes, grant->device_memory_bytes);
}

static uint64_t lower(uint64_t is, uint64_t most)
{
	return most && is > most ? most : is;
}

/* Correct what the driver wrote to `value`. */
static void correct(cl_uint param, void *value, size_t size)
{
	struct dv_grant grant;
	cl_ulong *large = value;
	size_t *words = value;
	cl_uint *units = value;

	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	switch (param) {
	case CL_DEVICE_GLOBAL_MEM_SIZE:
		/* The slice's size, whatever the driver makes of the machine's memory today. */
		if (memory_shown(&grant))
			*large = memory_shown(&grant);
		break;
	case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
	case CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE:
		*large = lower(*large, memory_shown(&grant));
		break;
	case CL_DEVICE_IMAGE2D_MAX_WIDTH:
	case CL_DEVICE_IMAGE2D_MAX_HEIGHT:
	case CL_DEVICE_IMAGE3D_MAX_WIDTH:
	case CL_DEVICE_IMAGE3D_MAX_HEIGHT:
	case CL_DEVICE_IMAGE3D_MAX_DEPTH:
	case CL_DEVICE_IMAGE_MAX_BUFFER_SIZE:
	case CL_DEVICE_IMAGE_MAX_ARRAY_SIZE:
	case CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE:
	case CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE:
		/* Each pixel takes a byte at least. */
		*words = lower(*words, memory_shown(&grant));
		break;
	case CL_DEVICE_GLOBAL_FREE_MEMORY_AMD:
		if (grant.memory_limit_bytes)
			for (size_t i = 0; i < size / sizeof(size_t); i++)
				words[i] = lower(words[i], (grant.memory_limit_bytes -
							    DV_MIN(grant.memory_used_bytes,
								   grant.memory_limit_bytes)) /
								   1024);
		break;
	case CL_DEVICE_MAX_COMPUTE_UNITS:
	case CL_DEVICE_PARTITION_MAX_SUB_DEVICES:
		*units = (cl_uint)lower(*units, grant.compute_units);
		break;
	default:
		break;
	}
}

/* Fetch a whole answer of unknown length. NULL: `*ret` says why. */
static void *fetch(info_getter *get, void *object, cl_uint param, size_t *ret_size, cl_int *ret)
{
	dv_autofree char *answer = NULL;

	*ret = get(object, param, 0, NULL, ret_size);
	if (*ret != CL_SUCCESS)
		return NULL;
	answer = calloc(1, *ret_size + 1);
	*ret = answer ? get(object, param, *ret_size, answer, NULL) : CL_OUT_OF_HOST_MEMORY;
	return *ret == CL_SUCCESS ? take_ptr(answer) : NULL;
}

static cl_int deliver(const void *answer, size_t length, size_t size, void *value, size_t *ret_size)
{
	if (value && size < length)
		return CL_INVALID_VALUE;
	if (value)
		memcpy(value, answer, length);
	if (ret_size)
		*ret_size = length;
	return CL_SUCCESS;
}

static cl_int extensions(info_getter *get, void *object, cl_uint param, size_t size, void *value,
			 size_t *ret_size)
{
	size_t length;
	cl_int r;
	dv_autofree char *list = fetch(get, object, param, &length, &r);

	if (!list)
		return r;
	dv_ocl_filter_extensions(list);
	return deliver(list, strlen(list) + 1, size, value, ret_size);
}

static cl_int extensions_with_version(info_getter *get, void *object, cl_uint param, size_t size,
				      void *value, size_t *ret_size)
{
	size_t length, kept = 0;
	cl_int r;
	dv_autofree cl_name_version *list = fetch(get, object, param, &length, &r);

	if (!list)
		return r;
	for (size_t i = 0; i < length / sizeof(*list); i++)
		if (!dv_ocl_hidden_extension(list[i].name,
					     strnlen(list[i].name, sizeof(list[i].name))))
			list[kept++] = list[i];
	return deliver(list, kept * sizeof(*list), size, value, ret_size);
}

static cl_int CL_API_CALL get_device_info(cl_device_id device, cl_device_info param, size_t size,
					  void *value, size_t *ret_size)
{
	size_t length = 0;
	cl_int r;

	(void)dv_shim_attach();
	if (param == CL_DEVICE_EXTENSIONS)
		return extensions(device_getter, device, param, size, value, ret_size);
	if (param == CL_DEVICE_EXTENSIONS_WITH_VERSION)
		return extensions_with_version(device_getter, device, param, size, value, ret_size);
	r = dv_ocl_target.clGetDeviceInfo(device, param, size, value, &length);
	if (r != CL_SUCCESS)
		return r;
	if (ret_size)
		*ret_size = length;
	if (value)
		correct(param, value, length);
	return r;
}

static cl_int CL_API_CALL get_platform_info(cl_platform_id platform, cl_platform_info param,
					    size_t size, void *value, size_t *ret_size)
{
	if (param == CL_PLATFORM_EXTENSIONS)
		return extensions(platform_getter, platform, param, size, value, ret_size);
	if (param == CL_PLATFORM_EXTENSIONS_WITH_VERSION)
		return extensions_with_version(platform_getter, platform, param, size, value,
					       ret_size);
	return dv_ocl_target.clGetPlatformInfo(platform, param, size, value, ret_size);
}

void dv_ocl_take_info(cl_icd_dispatch *table)
{
	table->clGetDeviceInfo = get_device_info;
	table->clGetPlatformInfo = get_platform_info;
}
