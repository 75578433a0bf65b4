/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/opencl/layer.h"

#include "shim/core/gate.h"

#include <string.h>

cl_icd_dispatch dv_ocl_target;

/* What programs get: the loader's functions, with ours in their place. */
static cl_icd_dispatch table;
static pthread_once_t once = PTHREAD_ONCE_INIT;

void *dv_ocl_refuse(cl_int error, cl_int *ret_error)
{
	dv_shim_count(&dv_shim_pages.counters->refused_calls, 1);
	if (ret_error)
		*ret_error = error;
	return NULL;
}

/* Is it on the device, or about to be? */
static bool running(void *command)
{
	cl_int status;

	return dv_ocl_target.clGetEventInfo(command, CL_EVENT_COMMAND_EXECUTION_STATUS,
					    sizeof(status), &status, NULL) != CL_SUCCESS ||
	       status == CL_RUNNING || status == CL_SUBMITTED;
}

static void release(void *command)
{
	dv_ocl_target.clReleaseEvent(command);
}

static const struct dv_shim_gate_ops gate_ops = {.open = dv_ocl_event_open,
						 .mark = dv_ocl_queues_mark,
						 .flush = dv_ocl_queues_flush,
						 .running = running,
						 .release = release};

static void init_all(void)
{
	dv_ocl_svm_init();
	dv_ocl_queues_init();
	dv_ocl_events_init();
}

static void forked(void)
{
	dv_shim_gate_forked();
	init_all();
}

static void build(void)
{
	memcpy(&table, &dv_ocl_target, sizeof(table));
	dv_ocl_take_memory(&table);
	dv_ocl_take_images(&table);
	dv_ocl_take_svm(&table);
	dv_ocl_take_info(&table);
	dv_ocl_take_imports(&table);
	dv_ocl_take_extensions(&table);
	dv_ocl_take_launches(&table);
	dv_ocl_take_transfers(&table);
	dv_ocl_take_queues(&table);
	dv_ocl_take_events(&table);
	init_all();
	dv_shim_gate_init(&gate_ops);
	dv_shim_on_fork(forked);
	dv_shim_on_change(dv_shim_gate_changed);
	dv_shim_init(DV_LAYER_OPENCL);
}

/* Names that a driver may answer to through its extension lookup though they stand in the table. */
static const struct {
	const char *name;
	size_t offset;
} names[] = {
#define NAME(function)                                                                             \
	{                                                                                          \
#function, offsetof(cl_icd_dispatch, function)                                     \
	}
	NAME(clGetDeviceInfo),
	NAME(clGetPlatformInfo),
	NAME(clCreateContext),
	NAME(clCreateContextFromType),
	NAME(clCreateCommandQueue),
	NAME(clCreateCommandQueueWithProperties),
	NAME(clRetainCommandQueue),
	NAME(clReleaseCommandQueue),
	NAME(clCreateUserEvent),
	NAME(clSetUserEventStatus),
	NAME(clRetainEvent),
	NAME(clReleaseEvent),
	NAME(clGetEventInfo),
	NAME(clCreateBuffer),
	NAME(clCreateBufferWithProperties),
	NAME(clCreateImage),
	NAME(clCreateImage2D),
	NAME(clCreateImage3D),
	NAME(clCreateImageWithProperties),
	NAME(clCreatePipe),
	NAME(clSVMAlloc),
	NAME(clSVMFree),
	NAME(clEnqueueSVMFree),
	NAME(clEnqueueNDRangeKernel),
	NAME(clEnqueueTask),
	NAME(clEnqueueNativeKernel),
	NAME(clGetExtensionFunctionAddress),
	NAME(clGetExtensionFunctionAddressForPlatform),
	/* Extensions that the table has, and that need no limit. */
	NAME(clCreateSubDevicesEXT),
	NAME(clRetainDeviceEXT),
	NAME(clReleaseDeviceEXT),
	NAME(clGetKernelSubGroupInfoKHR),
#undef NAME
};

void *dv_ocl_table_entry(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i].name) == 0)
			return *(void **)(void *)((char *)&table + names[i].offset);
	return NULL;
}

DV_EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info param, size_t size, void *value,
					    size_t *ret_size)
{
	static const char name[] = "divvy";
	static const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
	const void *answer;
	size_t length;

	if (param == CL_LAYER_API_VERSION) {
		answer = &version;
		length = sizeof(version);
	} else if (param == CL_LAYER_NAME) {
		answer = name;
		length = sizeof(name);
	} else {
		return CL_INVALID_VALUE;
	}
	if (value && size < length)
		return CL_INVALID_VALUE;
	if (value)
		memcpy(value, answer, length);
	if (ret_size)
		*ret_size = length;
	return CL_SUCCESS;
}

DV_EXPORT cl_int CL_API_CALL clInitLayer(cl_uint num_entries, const cl_icd_dispatch *target,
					 cl_uint *ret_num_entries,
					 const cl_icd_dispatch **ret_dispatch)
{
	size_t count = DV_MIN((size_t)num_entries, sizeof(table) / sizeof(void *));

	if (!target || !ret_num_entries || !ret_dispatch || count < DV_OPENCL_ENTRIES_LEAST)
		return CL_INVALID_VALUE;
	memcpy(&dv_ocl_target, target, count * sizeof(void *));
	pthread_once(&once, build);
	*ret_num_entries = (cl_uint)count;
	*ret_dispatch = &table;
	/* divvyd learns of the tenant's first call to OpenCL, whatever it is. */
	(void)dv_shim_attach();
	return CL_SUCCESS;
}
