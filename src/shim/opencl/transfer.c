/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers: counted always, gated like launches where the grant says so. A blocking one is
 * enqueued without blocking and waited for afterwards, so that it keeps no lock while it waits its
 * turn. */
#include "shim/opencl/pass.h"

struct transfer {
	size_t size;  /* how much, for what it costs */
	cl_bool wait; /* the program wants to */

	struct dv_ocl_pass pass;
	cl_bool blocking; /* for the driver */
	bool gated;
	cl_event own; /* to wait for, where the program wants no event */
};

static size_t volume(const size_t *region)
{
	return region ? region[0] * region[1] * region[2] : 0;
}

/* Transfers of about the same size take about the same time; no kernel has such a key. */
static uint64_t key_of(const struct transfer *t)
{
	return UINT64_C(1) << 63 | (uint64_t)__builtin_clzll((uint64_t)t->size | 1);
}

static cl_int begin(struct transfer *t, cl_command_queue queue, cl_uint num_events,
		    const cl_event *events, cl_event *ret_event)
{
	t->gated = dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_COPIES;
	t->own = NULL;
	if (!t->gated) {
		t->blocking = t->wait;
		t->pass.num_events = num_events;
		t->pass.events = events;
		t->pass.event = ret_event;
		return CL_SUCCESS;
	}
	t->blocking = CL_FALSE;
	return dv_ocl_pass_begin(&t->pass, queue, key_of(t), num_events, events,
				 t->wait && !ret_event ? &t->own : ret_event);
}

static cl_int end(struct transfer *t, cl_int r)
{
	/* The pass may have put an event of its own in the place of none. */
	cl_event *event = t->pass.event;

	if (r == CL_SUCCESS)
		dv_shim_count(&dv_shim_pages.counters->copies, 1);
	if (!t->gated)
		return r;
	r = dv_ocl_pass_end(&t->pass, r);
	if (r == CL_SUCCESS && t->wait)
		r = dv_ocl_target.clWaitForEvents(1, event);
	if (t->own)
		dv_ocl_target.clReleaseEvent(t->own);
	return r;
}

static cl_int CL_API_CALL read_buffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
				      size_t offset, size_t size, void *to, cl_uint num_events,
				      const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueReadBuffer(queue, mem, t.blocking, offset, size, to,
							 t.pass.num_events, t.pass.events,
							 t.pass.event));
}

static cl_int CL_API_CALL write_buffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
				       size_t offset, size_t size, const void *from,
				       cl_uint num_events, const cl_event *events,
				       cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueWriteBuffer(queue, mem, t.blocking, offset, size,
							  from, t.pass.num_events, t.pass.events,
							  t.pass.event));
}

static cl_int CL_API_CALL copy_buffer(cl_command_queue queue, cl_mem from, cl_mem to,
				      size_t from_offset, size_t to_offset, size_t size,
				      cl_uint num_events, const cl_event *events,
				      cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset,
							 size, t.pass.num_events, t.pass.events,
							 t.pass.event));
}

static cl_int CL_API_CALL fill_buffer(cl_command_queue queue, cl_mem mem, const void *pattern,
				      size_t pattern_size, size_t offset, size_t size,
				      cl_uint num_events, const cl_event *events,
				      cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueFillBuffer(queue, mem, pattern, pattern_size, offset,
							 size, t.pass.num_events, t.pass.events,
							 t.pass.event));
}

static cl_int CL_API_CALL read_buffer_rect(cl_command_queue queue, cl_mem mem, cl_bool blocking,
					   const size_t *origin, const size_t *host_origin,
					   const size_t *region, size_t row, size_t slice,
					   size_t host_row, size_t host_slice, void *to,
					   cl_uint num_events, const cl_event *events,
					   cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueReadBufferRect(
			       queue, mem, t.blocking, origin, host_origin, region, row, slice,
			       host_row, host_slice, to, t.pass.num_events, t.pass.events,
			       t.pass.event));
}

static cl_int CL_API_CALL write_buffer_rect(cl_command_queue queue, cl_mem mem, cl_bool blocking,
					    const size_t *origin, const size_t *host_origin,
					    const size_t *region, size_t row, size_t slice,
					    size_t host_row, size_t host_slice, const void *from,
					    cl_uint num_events, const cl_event *events,
					    cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueWriteBufferRect(
			       queue, mem, t.blocking, origin, host_origin, region, row, slice,
			       host_row, host_slice, from, t.pass.num_events, t.pass.events,
			       t.pass.event));
}

static cl_int CL_API_CALL copy_buffer_rect(cl_command_queue queue, cl_mem from, cl_mem to,
					   const size_t *from_origin, const size_t *to_origin,
					   const size_t *region, size_t from_row, size_t from_slice,
					   size_t to_row, size_t to_slice, cl_uint num_events,
					   const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t,
		   dv_ocl_target.clEnqueueCopyBufferRect(
			   queue, from, to, from_origin, to_origin, region, from_row, from_slice,
			   to_row, to_slice, t.pass.num_events, t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL read_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
				     const size_t *origin, const size_t *region, size_t row,
				     size_t slice, void *to, cl_uint num_events,
				     const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueReadImage(queue, image, t.blocking, origin, region,
							row, slice, to, t.pass.num_events,
							t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL write_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
				      const size_t *origin, const size_t *region, size_t row,
				      size_t slice, const void *from, cl_uint num_events,
				      const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueWriteImage(queue, image, t.blocking, origin, region,
							 row, slice, from, t.pass.num_events,
							 t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL copy_image(cl_command_queue queue, cl_mem from, cl_mem to,
				     const size_t *from_origin, const size_t *to_origin,
				     const size_t *region, cl_uint num_events,
				     const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueCopyImage(queue, from, to, from_origin, to_origin,
							region, t.pass.num_events, t.pass.events,
							t.pass.event));
}

static cl_int CL_API_CALL fill_image(cl_command_queue queue, cl_mem image, const void *color,
				     const size_t *origin, const size_t *region, cl_uint num_events,
				     const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueFillImage(queue, image, color, origin, region,
							t.pass.num_events, t.pass.events,
							t.pass.event));
}

static cl_int CL_API_CALL copy_image_to_buffer(cl_command_queue queue, cl_mem from, cl_mem to,
					       const size_t *origin, const size_t *region,
					       size_t to_offset, cl_uint num_events,
					       const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueCopyImageToBuffer(queue, from, to, origin, region,
								to_offset, t.pass.num_events,
								t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL copy_buffer_to_image(cl_command_queue queue, cl_mem from, cl_mem to,
					       size_t from_offset, const size_t *origin,
					       const size_t *region, cl_uint num_events,
					       const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = volume(region), .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueCopyBufferToImage(queue, from, to, from_offset,
								origin, region, t.pass.num_events,
								t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL unmap_mem_object(cl_command_queue queue, cl_mem mem, void *mapped,
					   cl_uint num_events, const cl_event *events,
					   cl_event *ret_event)
{
	struct transfer t = {.size = 1, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueUnmapMemObject(queue, mem, mapped, t.pass.num_events,
							     t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL migrate_mem_objects(cl_command_queue queue, cl_uint count,
					      const cl_mem *objects, cl_mem_migration_flags flags,
					      cl_uint num_events, const cl_event *events,
					      cl_event *ret_event)
{
	struct transfer t = {.size = count, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueMigrateMemObjects(queue, count, objects, flags,
								t.pass.num_events, t.pass.events,
								t.pass.event));
}

static cl_int CL_API_CALL svm_memcpy(cl_command_queue queue, cl_bool blocking, void *to,
				     const void *from, size_t size, cl_uint num_events,
				     const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueSVMMemcpy(queue, t.blocking, to, from, size,
							t.pass.num_events, t.pass.events,
							t.pass.event));
}

static cl_int CL_API_CALL svm_mem_fill(cl_command_queue queue, void *to, const void *pattern,
				       size_t pattern_size, size_t size, cl_uint num_events,
				       const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueSVMMemFill(queue, to, pattern, pattern_size, size,
							 t.pass.num_events, t.pass.events,
							 t.pass.event));
}

static cl_int CL_API_CALL svm_map(cl_command_queue queue, cl_bool blocking, cl_map_flags flags,
				  void *address, size_t size, cl_uint num_events,
				  const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = size, .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t,
		   dv_ocl_target.clEnqueueSVMMap(queue, t.blocking, flags, address, size,
						 t.pass.num_events, t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL svm_unmap(cl_command_queue queue, void *address, cl_uint num_events,
				    const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = 1, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueSVMUnmap(queue, address, t.pass.num_events,
						       t.pass.events, t.pass.event));
}

static cl_int CL_API_CALL svm_migrate_mem(cl_command_queue queue, cl_uint count,
					  const void **addresses, const size_t *sizes,
					  cl_mem_migration_flags flags, cl_uint num_events,
					  const cl_event *events, cl_event *ret_event)
{
	struct transfer t = {.size = count, .wait = CL_FALSE};
	cl_int r = begin(&t, queue, num_events, events, ret_event);

	if (r != CL_SUCCESS)
		return r;
	return end(&t, dv_ocl_target.clEnqueueSVMMigrateMem(queue, count, addresses, sizes, flags,
							    t.pass.num_events, t.pass.events,
							    t.pass.event));
}

static void *CL_API_CALL map_buffer(cl_command_queue queue, cl_mem mem, cl_bool blocking,
				    cl_map_flags flags, size_t offset, size_t size,
				    cl_uint num_events, const cl_event *events, cl_event *ret_event,
				    cl_int *ret_error)
{
	struct transfer t = {.size = size, .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);
	void *mapped = NULL;

	if (r == CL_SUCCESS) {
		mapped = dv_ocl_target.clEnqueueMapBuffer(queue, mem, t.blocking, flags, offset,
							  size, t.pass.num_events, t.pass.events,
							  t.pass.event, &r);
		r = end(&t, r);
	}
	if (ret_error)
		*ret_error = r;
	return r == CL_SUCCESS ? mapped : NULL;
}

static void *CL_API_CALL map_image(cl_command_queue queue, cl_mem image, cl_bool blocking,
				   cl_map_flags flags, const size_t *origin, const size_t *region,
				   size_t *ret_row, size_t *ret_slice, cl_uint num_events,
				   const cl_event *events, cl_event *ret_event, cl_int *ret_error)
{
	struct transfer t = {.size = volume(region), .wait = blocking};
	cl_int r = begin(&t, queue, num_events, events, ret_event);
	void *mapped = NULL;

	if (r == CL_SUCCESS) {
		mapped = dv_ocl_target.clEnqueueMapImage(
			queue, image, t.blocking, flags, origin, region, ret_row, ret_slice,
			t.pass.num_events, t.pass.events, t.pass.event, &r);
		r = end(&t, r);
	}
	if (ret_error)
		*ret_error = r;
	return r == CL_SUCCESS ? mapped : NULL;
}

void dv_ocl_take_transfers(cl_icd_dispatch *table)
{
	table->clEnqueueReadBuffer = read_buffer;
	table->clEnqueueWriteBuffer = write_buffer;
	table->clEnqueueCopyBuffer = copy_buffer;
	table->clEnqueueFillBuffer = fill_buffer;
	table->clEnqueueReadBufferRect = read_buffer_rect;
	table->clEnqueueWriteBufferRect = write_buffer_rect;
	table->clEnqueueCopyBufferRect = copy_buffer_rect;
	table->clEnqueueReadImage = read_image;
	table->clEnqueueWriteImage = write_image;
	table->clEnqueueCopyImage = copy_image;
	table->clEnqueueFillImage = fill_image;
	table->clEnqueueCopyImageToBuffer = copy_image_to_buffer;
	table->clEnqueueCopyBufferToImage = copy_buffer_to_image;
	table->clEnqueueUnmapMemObject = unmap_mem_object;
	table->clEnqueueMigrateMemObjects = migrate_mem_objects;
	table->clEnqueueSVMMemcpy = svm_memcpy;
	table->clEnqueueSVMMemFill = svm_mem_fill;
	table->clEnqueueSVMMap = svm_map;
	table->clEnqueueSVMUnmap = svm_unmap;
	table->clEnqueueSVMMigrateMem = svm_migrate_mem;
	table->clEnqueueMapBuffer = map_buffer;
	table->clEnqueueMapImage = map_image;
}
