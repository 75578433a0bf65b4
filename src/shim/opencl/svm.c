/* SPDX-License-Identifier: Apache-2.0 */
/* Shared virtual memory has no destructor callback: the pointers are kept in a map. */
#include "shim/opencl/layer.h"

#include "shim/core/map.h"

static pthread_mutex_t lock;
static struct dv_shim_map map;

/* Pointers that a queued command will free. */
struct pending_free {
	size_t count;
	struct dv_shim_map_entry entries[];
};

/* In the child of a fork: the parent's allocations are charged to the parent, and the map may be in
 * the midst of a change. */
void dv_ocl_svm_init(void)
{
	pthread_mutex_init(&lock, NULL);
	map = (struct dv_shim_map){0};
}

bool dv_ocl_svm_holds(const void *address)
{
	bool holds;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	holds = dv_shim_map_spans(&map, address);
	pthread_mutex_unlock(&lock);
	return holds;
}

static int remember(const struct dv_shim_map_entry *entry)
{
	int r;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	r = dv_shim_map_put(&map, entry);
	pthread_mutex_unlock(&lock);
	return r;
}

static bool forget(const void *address, struct dv_shim_map_entry *ret)
{
	bool found;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&lock);
	found = dv_shim_map_take(&map, address, ret);
	pthread_mutex_unlock(&lock);
	return found;
}

static void *CL_API_CALL svm_alloc(cl_context context, cl_svm_mem_flags flags, size_t size,
				   cl_uint alignment)
{
	struct dv_shim_map_entry entry = {.bytes = size};
	void *address;

	if (!dv_ocl_reserve(size, NULL))
		return NULL;
	address = dv_ocl_target.clSVMAlloc(context, flags, size, alignment);
	if (!address) {
		dv_shim_release(size);
		return NULL;
	}
	entry.address = (uintptr_t)address;
	entry.charge = dv_shim_charge_pack(size);
	if (remember(&entry) < 0) {
		dv_ocl_target.clSVMFree(context, address);
		dv_shim_charge_release(entry.charge);
		return NULL;
	}
	return address;
}

static void CL_API_CALL svm_free(cl_context context, void *address)
{
	struct dv_shim_map_entry entry;
	/* Forget first: the next allocation may have the same address. */
	bool known = forget(address, &entry);

	dv_ocl_target.clSVMFree(context, address);
	if (known)
		dv_shim_charge_release(entry.charge);
}

static void CL_CALLBACK freed(cl_event event, cl_int status, void *data)
{
	dv_autofree struct pending_free *pending = data;

	for (size_t i = 0; i < pending->count; i++)
		dv_shim_charge_release(pending->entries[i].charge);
}

static struct pending_free *forget_all(cl_uint count, void *addresses[])
{
	struct pending_free *pending = NULL;

	pending = calloc(1, sizeof(*pending) + count * sizeof(pending->entries[0]));
	for (cl_uint i = 0; pending && i < count; i++)
		if (forget(addresses[i], &pending->entries[pending->count]))
			pending->count++;
	return pending;
}

/* The command was not accepted: the allocations live on. The map had room for them before. */
static void remember_all(const struct pending_free *pending)
{
	for (size_t i = 0; i < pending->count; i++)
		(void)remember(&pending->entries[i]);
}

static cl_int CL_API_CALL enqueue_svm_free(cl_command_queue queue, cl_uint count, void *addresses[],
					   void(CL_CALLBACK *release)(cl_command_queue, cl_uint,
								      void *[], void *),
					   void *data, cl_uint num_events, const cl_event *events,
					   cl_event *ret_event)
{
	dv_autofree struct pending_free *pending = NULL;
	cl_event own = NULL;
	cl_int r;

	/* With a callback the program frees them itself, by calls that we see. */
	if (release || !addresses)
		return dv_ocl_target.clEnqueueSVMFree(queue, count, addresses, release, data,
						      num_events, events, ret_event);
	pending = forget_all(count, addresses);
	if (!pending)
		return CL_OUT_OF_HOST_MEMORY;
	r = dv_ocl_target.clEnqueueSVMFree(queue, count, addresses, NULL, NULL, num_events, events,
					   ret_event ? ret_event : &own);
	if (r != CL_SUCCESS) {
		remember_all(pending);
		return r;
	}
	/* Without a callback they stay charged: too much is safer than too little. */
	if (dv_ocl_target.clSetEventCallback(ret_event ? *ret_event : own, CL_COMPLETE, freed,
					     pending) == CL_SUCCESS)
		(void)take_ptr(pending);
	if (own)
		dv_ocl_target.clReleaseEvent(own);
	return r;
}

void dv_ocl_take_svm(cl_icd_dispatch *table)
{
	table->clSVMAlloc = svm_alloc;
	table->clSVMFree = svm_free;
	table->clEnqueueSVMFree = enqueue_svm_free;
}
