/* SPDX-License-Identifier: Apache-2.0 */
/* A command on its way to the device. Each enqueuing function begins a pass, calls the driver with
 * the pass's wait list and event in the place of the program's, and ends it:
 *
 *	struct dv_ocl_pass pass;
 *	cl_int r = dv_ocl_pass_begin(&pass, queue, key, num_events, events, ret_event);
 *
 *	if (r == CL_SUCCESS)
 *		r = dv_ocl_pass_end(&pass, dv_ocl_target.clEnqueueX(..., pass.num_events,
 *								    pass.events, pass.event));
 *	return r;
 *
 * The pass owns what it made; the program's event is the command's, whatever way it goes. */
#pragma once

#include "shim/core/gate.h"
#include "shim/opencl/layer.h"

enum { DV_OCL_PASS_EVENTS = 16 };

enum dv_ocl_way { DV_OCL_FREE, DV_OCL_PLAIN, DV_OCL_TRACKED, DV_OCL_HELD_BACK };

struct dv_ocl_pass {
	/* For the driver. */
	cl_uint num_events;
	const cl_event *events;
	cl_event *event;

	enum dv_ocl_way way;
	struct dv_shim_ticket *ticket;
	cl_event *ret_event; /* the program's, may be NULL */
	cl_event own;	     /* the command's, where the program wants none */
	cl_event user;	     /* the condition of a held-back command */
	cl_event list[DV_OCL_PASS_EVENTS];
	cl_event *long_list;
};

/* The ways that are not free. */
cl_int dv_ocl_pass_ask(struct dv_ocl_pass *pass, cl_command_queue queue, uint64_t key);
cl_int dv_ocl_pass_settle(struct dv_ocl_pass *pass, cl_int result);

static inline cl_int dv_ocl_pass_begin(struct dv_ocl_pass *pass, cl_command_queue queue,
				       uint64_t key, cl_uint num_events, const cl_event *events,
				       cl_event *ret_event)
{
	pass->num_events = num_events;
	pass->events = events;
	pass->event = ret_event;
	if (dv_shim_gate_pass()) {
		pass->way = DV_OCL_FREE;
		return CL_SUCCESS;
	}
	return dv_ocl_pass_ask(pass, queue, key);
}

static inline cl_int dv_ocl_pass_end(struct dv_ocl_pass *pass, cl_int result)
{
	if (pass->way == DV_OCL_FREE) {
		dv_shim_gate_passed();
		return result;
	}
	return dv_ocl_pass_settle(pass, result);
}
