/* SPDX-License-Identifier: Apache-2.0 */
/* Launches: what puts work on the device. */
#include "shim/opencl/pass.h"

static inline cl_int count(cl_int result)
{
	if (result == CL_SUCCESS)
		dv_shim_count(&dv_shim_pages.counters->launches, 1);
	return result;
}

/* Work of the same kernel and size takes about the same time; the size's order is enough. */
static uint64_t key_of(cl_kernel kernel, cl_uint dim, const size_t *global)
{
	uint64_t items = 1;

	for (cl_uint i = 0; global && i < dim && i < 3; i++)
		items *= global[i] ? global[i] : 1;
	return (uint64_t)(uintptr_t)kernel ^ (uint64_t)__builtin_clzll(items | 1) << 56;
}

static cl_int CL_API_CALL enqueue_kernel(cl_command_queue queue, cl_kernel kernel, cl_uint dim,
					 const size_t *offset, const size_t *global,
					 const size_t *local, cl_uint num_events,
					 const cl_event *events, cl_event *ret_event)
{
	struct dv_ocl_pass pass;
	cl_int r = dv_ocl_pass_begin(&pass, queue, key_of(kernel, dim, global), num_events, events,
				     ret_event);

	if (r != CL_SUCCESS)
		return r;
	r = dv_ocl_target.clEnqueueNDRangeKernel(queue, kernel, dim, offset, global, local,
						 pass.num_events, pass.events, pass.event);
	return count(dv_ocl_pass_end(&pass, r));
}

static cl_int CL_API_CALL enqueue_task(cl_command_queue queue, cl_kernel kernel, cl_uint num_events,
				       const cl_event *events, cl_event *ret_event)
{
	struct dv_ocl_pass pass;
	cl_int r = dv_ocl_pass_begin(&pass, queue, key_of(kernel, 0, NULL), num_events, events,
				     ret_event);

	if (r != CL_SUCCESS)
		return r;
	r = dv_ocl_target.clEnqueueTask(queue, kernel, pass.num_events, pass.events, pass.event);
	return count(dv_ocl_pass_end(&pass, r));
}

static cl_int CL_API_CALL enqueue_native(cl_command_queue queue, void(CL_CALLBACK *run)(void *),
					 void *args, size_t args_size, cl_uint num_objects,
					 const cl_mem *objects, const void **places,
					 cl_uint num_events, const cl_event *events,
					 cl_event *ret_event)
{
	struct dv_ocl_pass pass;
	cl_int r = dv_ocl_pass_begin(&pass, queue, (uint64_t)(uintptr_t)run, num_events, events,
				     ret_event);

	if (r != CL_SUCCESS)
		return r;
	r = dv_ocl_target.clEnqueueNativeKernel(queue, run, args, args_size, num_objects, objects,
						places, pass.num_events, pass.events, pass.event);
	return count(dv_ocl_pass_end(&pass, r));
}

void dv_ocl_take_launches(cl_icd_dispatch *table)
{
	table->clEnqueueNDRangeKernel = enqueue_kernel;
	table->clEnqueueTask = enqueue_task;
	table->clEnqueueNativeKernel = enqueue_native;
}
