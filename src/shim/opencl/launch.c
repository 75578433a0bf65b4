/* SPDX-License-Identifier: Apache-2.0 */
/* Launches: what puts work on the device. */
#include "shim/opencl/layer.h"

/* A tenant without its lease launches nothing; one whose divvyd is away for a while goes on. */
static bool may_launch(void)
{
	struct dv_counters *counters = dv_shim_pages.counters;

	if (!dv_shim_flags_free(dv_shim_grant_flags(dv_shim_pages.grant))) {
		enum dv_shim_state state = dv_shim_attach();

		if (state == DV_SHIM_FAILED || state == DV_SHIM_REFUSED) {
			dv_shim_count(&counters->refused_calls, 1);
			return false;
		}
		if (state == DV_SHIM_AWAY)
			dv_shim_count(&counters->passed_ungated, 1);
	}
	dv_shim_count(&counters->launches, 1);
	return true;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dim,
					 const size_t *offset, const size_t *global,
					 const size_t *local, cl_uint num_events,
					 const cl_event *events, cl_event *ret_event)
{
	if (!may_launch())
		return CL_OUT_OF_RESOURCES;
	return dv_ocl_target.clEnqueueNDRangeKernel(queue, kernel, dim, offset, global, local,
						    num_events, events, ret_event);
}

static cl_int CL_API_CALL enqueue_task(cl_command_queue queue, cl_kernel kernel, cl_uint num_events,
				       const cl_event *events, cl_event *ret_event)
{
	if (!may_launch())
		return CL_OUT_OF_RESOURCES;
	return dv_ocl_target.clEnqueueTask(queue, kernel, num_events, events, ret_event);
}

static cl_int CL_API_CALL enqueue_native(cl_command_queue queue, void(CL_CALLBACK *run)(void *),
					 void *args, size_t args_size, cl_uint num_objects,
					 const cl_mem *objects, const void **places,
					 cl_uint num_events, const cl_event *events,
					 cl_event *ret_event)
{
	if (!may_launch())
		return CL_OUT_OF_RESOURCES;
	return dv_ocl_target.clEnqueueNativeKernel(queue, run, args, args_size, num_objects,
						   objects, places, num_events, events, ret_event);
}

void dv_ocl_take_launches(cl_icd_dispatch *table)
{
	table->clEnqueueNDRangeKernel = enqueue_kernel;
	table->clEnqueueTask = enqueue_task;
	table->clEnqueueNativeKernel = enqueue_native;
}
