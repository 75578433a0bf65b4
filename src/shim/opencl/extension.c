/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's extension functions do not pass the loader's table, so no layer sees their calls.
 * Programs get those that are known to need no limit, and of the table's own names ours. */
#include "shim/opencl/layer.h"

#include <string.h>

/* They allocate, import or launch without being seen. A star stands for any ending. */
static const char *const hidden[] = {
	"cl_khr_command_buffer*",
	"cl_khr_external_memory*",
	"cl_khr_external_semaphore*",
	"cl_khr_semaphore",
	"cl_khr_create_command_queue",
	"cl_khr_unified_svm",
	"cl_khr_gl_*",
	"cl_khr_egl_*",
	"cl_khr_d3d10_sharing",
	"cl_khr_d3d11_sharing",
	"cl_khr_dx9_media_sharing",
	"cl_apple_gl_sharing",
	"cl_APPLE_gl_sharing",
	"cl_amd_bus_addressable_memory",
	"cl_arm_import_memory*",
	"cl_arm_shared_virtual_memory",
	"cl_ext_buffer_device_address",
	"cl_img_generate_mipmap",
	"cl_img_use_gralloc_ptr",
	"cl_intel_accelerator",
	"cl_intel_create_buffer_with_properties",
	"cl_intel_d3d*",
	"cl_intel_dx9_media_sharing",
	"cl_intel_mem_*",
	"cl_intel_unified_shared_memory*",
	"cl_intel_va_api_media_sharing",
	"cl_nv_create_buffer",
	"cl_nv_d3d*",
	"cl_pocl_command_buffer*",
	"cl_pocl_svm_rect",
};

/* Extension functions that touch neither memory nor the device's time. */
static const char *const harmless[] = {
	"clIcdGetPlatformIDsKHR",
	"clTerminateContextKHR",
	"clCreateProgramWithILKHR",
	"clGetKernelSuggestedLocalWorkSizeKHR",
	"clGetKernelSuggestedLocalWorkSizeINTEL",
	"clGetImageRequirementsInfoEXT",
	"clSetContentSizeBufferPoCL",
	"clLogMessagesToSystemLogAPPLE",
	"clLogMessagesToStdoutAPPLE",
	"clLogMessagesToStderrAPPLE",
};

bool dv_ocl_hidden_extension(const char *name, size_t size)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(hidden); i++) {
		size_t length = strlen(hidden[i]);
		bool prefix = hidden[i][length - 1] == '*';

		length -= prefix;
		if ((prefix ? size >= length : size == length) &&
		    memcmp(name, hidden[i], length) == 0)
			return true;
	}
	return false;
}

void dv_ocl_filter_extensions(char *list)
{
	char *to = list;

	for (const char *from = list; *from;) {
		size_t gap = strspn(from, " ");
		size_t size = strcspn(from + gap, " ");

		if (size && !dv_ocl_hidden_extension(from + gap, size)) {
			/* The first one kept needs no space before it. */
			if (to != list)
				*to++ = ' ';
			memmove(to, from + gap, size);
			to += size;
		}
		from += gap + size;
	}
	*to = '\0';
}

static bool is_harmless(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(harmless); i++)
		if (strcmp(name, harmless[i]) == 0)
			return true;
	return false;
}

static void *CL_API_CALL get_address(const char *name)
{
	void *ours = name ? dv_ocl_table_entry(name) : NULL;

	if (ours)
		return ours;
	if (!name || !is_harmless(name))
		return dv_ocl_refuse(CL_SUCCESS, NULL);
	return dv_ocl_target.clGetExtensionFunctionAddress(name);
}

static void *CL_API_CALL get_address_for_platform(cl_platform_id platform, const char *name)
{
	void *ours = name ? dv_ocl_table_entry(name) : NULL;

	if (ours)
		return ours;
	if (!name || !is_harmless(name))
		return dv_ocl_refuse(CL_SUCCESS, NULL);
	return dv_ocl_target.clGetExtensionFunctionAddressForPlatform(platform, name);
}

void dv_ocl_take_extensions(cl_icd_dispatch *table)
{
	table->clGetExtensionFunctionAddress = get_address;
	table->clGetExtensionFunctionAddressForPlatform = get_address_for_platform;
}
