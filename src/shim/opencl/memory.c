/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and pipes: reserve, make, and give back when the object is truly gone, which only its
 * destructor callback knows (sub-buffers, kernel arguments and running commands hold it too). */
#include "shim/opencl/layer.h"

bool dv_ocl_reserve(uint64_t bytes, cl_int *ret_error)
{
	if (dv_shim_reserve(bytes) == 0)
		return true;
	if (ret_error)
		*ret_error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
	return false;
}

static void CL_CALLBACK gone(cl_mem mem, void *charge)
{
	dv_shim_charge_release(charge);
}

cl_mem dv_ocl_settle(cl_mem mem, uint64_t bytes, cl_int *ret_error)
{
	void *charge;

	if (!mem) {
		dv_shim_release(bytes);
		return NULL;
	}
	charge = dv_shim_charge_pack(bytes);
	if (dv_ocl_target.clSetMemObjectDestructorCallback(mem, gone, charge) == CL_SUCCESS)
		return mem;
	dv_ocl_target.clReleaseMemObject(mem);
	dv_shim_charge_release(charge);
	if (ret_error)
		*ret_error = CL_OUT_OF_HOST_MEMORY;
	return NULL;
}

static uint64_t buffer_cost(cl_mem_flags flags, size_t size, const void *host)
{
	return flags & CL_MEM_USE_HOST_PTR && dv_ocl_svm_holds(host) ? 0 : size;
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
					void *host, cl_int *ret_error)
{
	uint64_t cost = buffer_cost(flags, size, host);

	if (!dv_ocl_reserve(cost, ret_error))
		return NULL;
	return dv_ocl_settle(dv_ocl_target.clCreateBuffer(context, flags, size, host, ret_error),
			     cost, ret_error);
}

static cl_mem CL_API_CALL create_buffer_with_properties(cl_context context,
							const cl_mem_properties *properties,
							cl_mem_flags flags, size_t size, void *host,
							cl_int *ret_error)
{
	uint64_t cost = buffer_cost(flags, size, host);

	/* OpenCL itself has no property; the extensions' import memory from elsewhere. */
	if (properties && properties[0])
		return dv_ocl_refuse(CL_INVALID_PROPERTY, ret_error);
	if (!dv_ocl_reserve(cost, ret_error))
		return NULL;
	return dv_ocl_settle(dv_ocl_target.clCreateBufferWithProperties(context, properties, flags,
									size, host, ret_error),
			     cost, ret_error);
}

static cl_mem CL_API_CALL create_pipe(cl_context context, cl_mem_flags flags, cl_uint packet_size,
				      cl_uint max_packets, const cl_pipe_properties *properties,
				      cl_int *ret_error)
{
	uint64_t cost = (uint64_t)packet_size * max_packets;

	if (!dv_ocl_reserve(cost, ret_error))
		return NULL;
	return dv_ocl_settle(dv_ocl_target.clCreatePipe(context, flags, packet_size, max_packets,
							properties, ret_error),
			     cost, ret_error);
}

void dv_ocl_take_memory(cl_icd_dispatch *table)
{
	table->clCreateBuffer = create_buffer;
	table->clCreateBufferWithProperties = create_buffer_with_properties;
	table->clCreatePipe = create_pipe;
}
