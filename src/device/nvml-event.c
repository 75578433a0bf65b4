/* SPDX-License-Identifier: Apache-2.0 */
/* Listening to what the driver tells by itself. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "device/nvml-inside.h"

struct dv_nvml_watch {
	const struct dv_nvml *nvml;
	struct dv_nvml_event_set *set;
};

/* The GPU's changes of MIG and its Xids, as far as it tells them. */
static bool listen_to(struct dv_nvml_watch *watch, uint32_t index)
{
	const struct dv_nvml_api *call = &watch->nvml->call;
	const unsigned long long wanted = DV_NVML_EVENT_XID | DV_NVML_EVENT_MIG;
	struct dv_nvml_device *gpu = NULL;
	unsigned long long types = 0;

	return call->by_index(index, &gpu) == DV_NVML_SUCCESS &&
	       call->event_types(gpu, &types) == DV_NVML_SUCCESS && types & wanted &&
	       call->event_register(gpu, types & wanted, watch->set) == DV_NVML_SUCCESS;
}

int dv_nvml_watch_begin(const struct dv_nvml *nvml, struct dv_nvml_watch **ret,
			struct dv_error *err)
{
	const struct dv_nvml_api *call = &nvml->call;
	dv_cleanup(dv_nvml_watch_endp) struct dv_nvml_watch *watch = calloc(1, sizeof(*watch));
	enum dv_nvml_result result = DV_NVML_FUNCTION_NOT_FOUND;
	uint32_t count = 0;
	bool any = false;

	if (!watch)
		return dv_error_set(err, -ENOMEM, "no memory to listen to the driver");
	watch->nvml = nvml;
	if (call->event_set && call->event_types && call->event_register && call->event_wait &&
	    call->event_free)
		result = call->event_set(&watch->set);
	if (result == DV_NVML_SUCCESS)
		result = call->count(&count);
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(nvml, result, err, "listening to the driver");
	for (uint32_t i = 0; i < count; i++)
		any |= listen_to(watch, i);
	if (!any)
		return dv_nvml_fail(nvml, DV_NVML_NOT_SUPPORTED, err, "listening to the driver");
	*ret = take_ptr(watch);
	return 0;
}

void dv_nvml_watch_end(struct dv_nvml_watch *watch)
{
	if (!watch)
		return;
	if (watch->set)
		(void)watch->nvml->call.event_free(watch->set);
	free(watch);
}

int dv_nvml_watch_next(struct dv_nvml_watch *watch, unsigned timeout_ms, struct dv_nvml_news *ret,
		       struct dv_error *err)
{
	const struct dv_nvml_api *call = &watch->nvml->call;
	struct dv_nvml_event event = {.gi_id = DV_NVML_NO_INSTANCE, .ci_id = DV_NVML_NO_INSTANCE};
	char uuid[DV_NVML_UUID_SIZE] = "";
	enum dv_nvml_result result = call->event_wait(watch->set, &event, timeout_ms);

	if (result == DV_NVML_TIMEOUT)
		return 0;
	if (result != DV_NVML_SUCCESS)
		return dv_nvml_fail(watch->nvml, result, err, "listening to the driver");
	*ret = (struct dv_nvml_news){
		.mig_changed = event.type & DV_NVML_EVENT_MIG, .instance = -1, .part = -1};
	if (event.type & DV_NVML_EVENT_XID) {
		ret->xid = (uint32_t)event.data;
		ret->instance = (int)event.gi_id;
		ret->part = (int)event.ci_id;
	}
	if (call->uuid(event.device, uuid, sizeof(uuid)) == DV_NVML_SUCCESS)
		(void)dv_copy(ret->uuid, sizeof(ret->uuid), uuid);
	return 1;
}
