/* SPDX-License-Identifier: Apache-2.0 */
/* Events that the program sets itself. Commands may wait for them, for ever if it likes: the gate
 * has to know that there are any, and that setting one may put work on the device. */
#include "shim/core/gate.h"
#include "shim/core/map.h"
#include "shim/opencl/layer.h"

/* In an entry's `bytes`: the program's references; in its `charge`: SET when the program has set
 * the event, which is still held back. */
#define SET ((void *)1)

static pthread_mutex_t lock;
static struct dv_shim_map map;
static size_t held_back; /* entries that are SET */

void dv_ocl_events_init(void)
{
	pthread_mutex_init(&lock, NULL);
	map = (struct dv_shim_map){0};
	held_back = 0;
}

static bool any(void)
{
	return __atomic_load_n(&dv_shim_gate_hot.own_events, __ATOMIC_RELAXED);
}

static cl_event CL_API_CALL create_user_event(cl_context context, cl_int *ret_error)
{
	struct dv_shim_map_entry entry = {.bytes = 1};
	cl_event event = dv_ocl_target.clCreateUserEvent(context, ret_error);
	int r;
	DV_SHIM_KEEP;

	if (!event)
		return NULL;
	entry.address = (uintptr_t)event;
	pthread_mutex_lock(&lock);
	r = dv_shim_map_put(&map, &entry);
	pthread_mutex_unlock(&lock);
	if (r < 0) {
		dv_ocl_target.clReleaseEvent(event);
		if (ret_error)
			*ret_error = CL_OUT_OF_HOST_MEMORY;
		return NULL;
	}
	dv_shim_gate_own_event();
	return event;
}

/* Change the references; true: they are gone, and with them the event's being the program's. */
static bool refer(cl_event event, bool more)
{
	struct dv_shim_map_entry entry;
	bool gone = false;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	if (dv_shim_map_take(&map, event, &entry)) {
		entry.bytes += more ? 1 : (uint64_t)-1;
		/* What is set and held back goes when it is opened. */
		gone = !entry.bytes && entry.charge != SET;
		/* It was there: there is room for it. */
		if (!gone)
			(void)!dv_shim_map_put(&map, &entry);
	}
	pthread_mutex_unlock(&lock);
	return gone;
}

static cl_int CL_API_CALL retain_event(cl_event event)
{
	cl_int r = dv_ocl_target.clRetainEvent(event);

	if (r == CL_SUCCESS && any())
		(void)refer(event, true);
	return r;
}

static cl_int CL_API_CALL release_event(cl_event event)
{
	if (any() && refer(event, false))
		dv_shim_gate_own_event_gone();
	return dv_ocl_target.clReleaseEvent(event);
}

/* The program's event is set, as far as it is concerned: how does that stand? */
static bool begin_setting(cl_event event, bool *ret_twice)
{
	struct dv_shim_map_entry entry;
	bool ours = false;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	if (dv_shim_map_take(&map, event, &entry)) {
		ours = entry.charge != SET;
		*ret_twice = !ours;
		if (ours)
			held_back++;
		entry.charge = SET;
		(void)!dv_shim_map_put(&map, &entry);
	}
	pthread_mutex_unlock(&lock);
	return ours;
}

static void end_setting(cl_event event)
{
	struct dv_shim_map_entry entry;
	bool ours;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	ours = dv_shim_map_take(&map, event, &entry);
	if (ours && entry.charge == SET)
		held_back--;
	pthread_mutex_unlock(&lock);
	if (ours)
		dv_shim_gate_own_event_gone();
}

static bool is_set(cl_event event)
{
	struct dv_shim_map_entry entry;
	bool set = false;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	if (held_back && dv_shim_map_take(&map, event, &entry)) {
		set = entry.charge == SET;
		(void)!dv_shim_map_put(&map, &entry);
	}
	pthread_mutex_unlock(&lock);
	return set;
}

static void undo_setting(cl_event event)
{
	struct dv_shim_map_entry entry;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	if (dv_shim_map_take(&map, event, &entry)) {
		held_back -= entry.charge == SET;
		entry.charge = NULL;
		(void)!dv_shim_map_put(&map, &entry);
	}
	pthread_mutex_unlock(&lock);
}

static cl_int CL_API_CALL set_user_event_status(cl_event event, cl_int status)
{
	bool twice = false;
	cl_int r;

	if (!any() || !begin_setting(event, &twice))
		return twice ? CL_INVALID_OPERATION
			     : dv_ocl_target.clSetUserEventStatus(event, status);
	/* A failure sets no work free. The gate's reference lasts until it opens the event. */
	if (status == CL_COMPLETE && dv_ocl_target.clRetainEvent(event) == CL_SUCCESS) {
		if (!dv_shim_gate_may_set(event))
			return CL_SUCCESS;
		dv_ocl_target.clReleaseEvent(event);
	}
	r = dv_ocl_target.clSetUserEventStatus(event, status);
	if (r == CL_SUCCESS)
		end_setting(event);
	else
		undo_setting(event);
	return r;
}

/* The gate's turn: ours that hold commands back, and the program's that were set too early. */
void dv_ocl_event_open(void *token)
{
	dv_ocl_target.clSetUserEventStatus(token, CL_COMPLETE);
	if (any())
		end_setting(token);
	dv_ocl_target.clReleaseEvent(token);
}

static cl_int CL_API_CALL get_event_info(cl_event event, cl_event_info param, size_t size,
					 void *value, size_t *ret_size)
{
	cl_int r = dv_ocl_target.clGetEventInfo(event, param, size, value, ret_size);

	if (r == CL_SUCCESS && value && param == CL_EVENT_COMMAND_EXECUTION_STATUS && any() &&
	    is_set(event))
		*(cl_int *)value = CL_COMPLETE;
	return r;
}

void dv_ocl_take_events(cl_icd_dispatch *table)
{
	table->clCreateUserEvent = create_user_event;
	table->clSetUserEventStatus = set_user_event_status;
	table->clRetainEvent = retain_event;
	table->clReleaseEvent = release_event;
	table->clGetEventInfo = get_event_info;
}
