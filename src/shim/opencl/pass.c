/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/opencl/pass.h"

#include <string.h>

static void CL_CALLBACK ended(cl_event event, cl_int status, void *ticket)
{
	dv_shim_gate_done(ticket);
}

/* A condition that is not met, and a wait list with it. */
static cl_int hold_back(struct dv_ocl_pass *pass, cl_command_queue queue)
{
	cl_event *list = pass->list;
	cl_context context;
	cl_int r;

	r = dv_ocl_target.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context,
						NULL);
	if (r != CL_SUCCESS)
		return r;
	if (pass->num_events >= DV_OCL_PASS_EVENTS) {
		list = calloc((size_t)pass->num_events + 1, sizeof(*list));
		pass->long_list = list;
	}
	if (!list)
		return CL_OUT_OF_HOST_MEMORY;
	pass->user = dv_ocl_target.clCreateUserEvent(context, &r);
	if (!pass->user)
		return r;
	if (pass->num_events)
		memcpy(list, pass->events, pass->num_events * sizeof(*list));
	list[pass->num_events] = pass->user;
	pass->events = list;
	pass->num_events++;
	return CL_SUCCESS;
}

cl_int dv_ocl_pass_ask(struct dv_ocl_pass *pass, cl_command_queue queue, uint64_t key)
{
	cl_int r = CL_SUCCESS;

	pass->own = NULL;
	pass->user = NULL;
	pass->long_list = NULL;
	pass->ret_event = pass->event;
	/* A wait list that is not one is the driver's to refuse. */
	if ((pass->num_events == 0) != (pass->events == NULL)) {
		pass->way = DV_OCL_PLAIN;
		return CL_SUCCESS;
	}
	switch (dv_shim_gate_enter(key, &pass->ticket)) {
	case DV_SHIM_DENY:
		return CL_OUT_OF_RESOURCES;
	case DV_SHIM_PASS:
		pass->way = DV_OCL_PLAIN;
		return CL_SUCCESS;
	case DV_SHIM_GO:
		pass->way = DV_OCL_TRACKED;
		break;
	case DV_SHIM_WAIT:
		pass->way = DV_OCL_HELD_BACK;
		r = hold_back(pass, queue);
		break;
	}
	if (r != CL_SUCCESS) {
		dv_shim_gate_cancel(pass->ticket, false);
		dv_shim_gate_leave();
		free(pass->long_list);
		return r;
	}
	if (!pass->event)
		pass->event = &pass->own;
	return CL_SUCCESS;
}

static void follow(struct dv_ocl_pass *pass)
{
	cl_event event = *pass->event;

	/* One reference is the gate's: ours, or one more of the program's event. */
	if (pass->event != &pass->own && dv_ocl_target.clRetainEvent(event) != CL_SUCCESS) {
		dv_shim_gate_cancel(pass->ticket, true);
		return;
	}
	dv_shim_gate_follow(pass->ticket, event);
	if (dv_ocl_target.clSetEventCallback(event, CL_COMPLETE, ended, pass->ticket) != CL_SUCCESS)
		dv_shim_gate_cancel(pass->ticket, true);
}

cl_int dv_ocl_pass_settle(struct dv_ocl_pass *pass, cl_int result)
{
	if (pass->way == DV_OCL_PLAIN)
		return result;
	if (result == CL_SUCCESS) {
		if (pass->way == DV_OCL_HELD_BACK)
			dv_shim_gate_queue(pass->ticket, pass->user);
		follow(pass);
	} else {
		dv_shim_gate_cancel(pass->ticket, false);
		if (pass->user) {
			dv_ocl_target.clSetUserEventStatus(pass->user, CL_COMPLETE);
			dv_ocl_target.clReleaseEvent(pass->user);
		}
	}
	dv_shim_gate_leave();
	free(pass->long_list);
	return result;
}
