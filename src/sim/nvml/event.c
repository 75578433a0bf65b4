/* SPDX-License-Identifier: Apache-2.0 */
/* Events: who listens hears what happens from then on. Waiting looks at the machine's state now and
 * then, and holds its lock only for that. */
#include <pthread.h>
#include <time.h>

#include "sim/nvml/session.h"

enum { SETS_MOST = 8, LOOK_MS = 20 };

/* Never given to another, so that a stale one is known. */
static struct dv_nvml_event_set {
	bool used;
	uint32_t seen; /* serial of the last event it was told, or that was before it */
	uint32_t types[DV_SIM_GPUS_MOST];
} sets[SETS_MOST];
static unsigned set_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_known(const struct dv_nvml_event_set *set)
{
	for (unsigned i = 0; i < set_count; i++)
		if (set == &sets[i])
			return sets[i].used;
	return false;
}

enum dv_nvml_result nvmlDeviceGetSupportedEventTypes(DV_NVML_DEVICE, unsigned long long *ret)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	*ret = DV_NVML_EVENT_XID;
	if (dv_sim_model_of(&thing.sim, thing.gpu)->has_mig)
		*ret |= DV_NVML_EVENT_MIG;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result nvmlEventSetCreate(struct dv_nvml_event_set **ret)
{
	struct dv_sim sim;
	enum dv_nvml_result result = dv_sim_enter(__func__, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!ret)
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	(void)pthread_mutex_lock(&lock);
	if (set_count == SETS_MOST) {
		result = DV_NVML_MEMORY;
	} else {
		*ret = &sets[set_count++];
		(*ret)->used = true;
		(*ret)->seen = sim.state->last_event;
	}
	(void)pthread_mutex_unlock(&lock);
	return dv_sim_leave(result);
}

enum dv_nvml_result nvmlDeviceRegisterEvents(DV_NVML_DEVICE, unsigned long long types,
					     struct dv_nvml_event_set *set)
{
	struct dv_sim_thing thing;
	enum dv_nvml_result result = dv_sim_enter_gpu(__func__, device, &thing);

	if (result != DV_NVML_SUCCESS)
		return result;
	(void)pthread_mutex_lock(&lock);
	if (!is_known(set) || types & ~(unsigned long long)(DV_NVML_EVENT_XID | DV_NVML_EVENT_MIG))
		result = DV_NVML_INVALID_ARGUMENT;
	else if (types & DV_NVML_EVENT_MIG && !dv_sim_model_of(&thing.sim, thing.gpu)->has_mig)
		result = DV_NVML_NOT_SUPPORTED;
	else
		set->types[thing.gpu] |= (uint32_t)types;
	(void)pthread_mutex_unlock(&lock);
	return dv_sim_leave(result);
}

/* The oldest event that the set was not told yet. */
static const struct dv_sim_event *next_of(const struct dv_sim_state *state,
					  const struct dv_nvml_event_set *set)
{
	const struct dv_sim_event *next = NULL;

	for (unsigned i = 0; i < DV_SIM_EVENTS_MOST; i++) {
		const struct dv_sim_event *event = &state->events[i];

		if (event->serial > set->seen && set->types[event->gpu] & event->type &&
		    (!next || event->serial < next->serial))
			next = event;
	}
	return next;
}

/* Locked by the caller's call; SUCCESS with *ret filled, or TIMEOUT. */
static enum dv_nvml_result take(const struct dv_sim *sim, struct dv_nvml_event_set *set,
				struct dv_nvml_event *ret)
{
	const struct dv_sim_event *event;
	enum dv_nvml_result result = DV_NVML_TIMEOUT;

	(void)pthread_mutex_lock(&lock);
	event = is_known(set) ? next_of(sim->state, set) : NULL;
	if (!is_known(set)) {
		result = DV_NVML_INVALID_ARGUMENT;
	} else if (event) {
		set->seen = event->serial;
		*ret = (struct dv_nvml_event){.device = dv_sim_gpu_handle(sim, event->gpu),
					      .type = event->type,
					      .data = event->data,
					      .gi_id = event->gi,
					      .ci_id = event->ci};
		result = DV_NVML_SUCCESS;
	}
	(void)pthread_mutex_unlock(&lock);
	return result;
}

enum dv_nvml_result nvmlEventSetWait_v2(struct dv_nvml_event_set *set, struct dv_nvml_event *ret,
					uint32_t timeout_ms)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	const char *call = __func__;

	for (uint32_t waited = 0;; waited += LOOK_MS) {
		struct dv_sim sim;
		enum dv_nvml_result result = dv_sim_enter(call, &sim);

		if (result != DV_NVML_SUCCESS)
			return result;
		result = ret ? take(&sim, set, ret) : DV_NVML_INVALID_ARGUMENT;
		(void)dv_sim_leave(DV_NVML_SUCCESS);
		if (result != DV_NVML_TIMEOUT || waited >= timeout_ms)
			return result;
		(void)nanosleep(&pause, NULL);
		call = ""; /* it is still the same call */
	}
}

enum dv_nvml_result nvmlEventSetFree(struct dv_nvml_event_set *set)
{
	enum dv_nvml_result result = DV_NVML_INVALID_ARGUMENT;

	(void)pthread_mutex_lock(&lock);
	if (is_known(set)) {
		set->used = false;
		result = DV_NVML_SUCCESS;
	}
	(void)pthread_mutex_unlock(&lock);
	return result;
}
