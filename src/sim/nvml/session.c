/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/nvml/session.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "sim/keep.h"

enum { HANDLES_MOST = 8192 };

enum handle_kind { NO_HANDLE, GPU_HANDLE, MIG_HANDLE, GI_HANDLE, CI_HANDLE };

/* Never moved nor given to another thing, so that a stale one is known. */
struct handle {
	enum handle_kind kind;
	uint32_t gpu, generation, gi_serial, ci_serial;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users; /* nvmlInit without nvmlShutdown */
static struct dv_sim_machine machine;
static struct dv_sim_state state, seen;
static struct dv_sim_keep keep = {.lock = -1};
static enum dv_sim_action after; /* what becomes of the process when the call is over */
static struct handle handles[HANDLES_MOST];
static unsigned handle_count;

static bool find_directory(char *buf, size_t size)
{
	return dv_sim_keep_find(&lock, buf, size);
}

static _Noreturn void die(void)
{
	for (;;)
		(void)raise(SIGKILL);
}

/* Locked: begin, and let go wrong what is to. */
static enum dv_nvml_result begin(const char *call, const char *dir, struct dv_sim *ret)
{
	struct dv_sim sim = {&machine, &state};
	const struct dv_sim_fault *fault;

	if (dv_sim_keep_begin(dir, &keep, &state, NULL) < 0)
		return DV_NVML_OPERATING_SYSTEM;
	seen = state;
	fault = dv_sim_call(&sim, call);
	after = fault ? fault->action : DV_SIM_RETURN;
	if (fault && after == DV_SIM_DELAY) {
		/* The machine's lock is held: as the real one, it keeps others waiting. */
		struct timespec time = {.tv_sec = fault->result / 1000,
					.tv_nsec = fault->result % 1000 * 1000000L};

		(void)nanosleep(&time, NULL);
	} else if (fault && after != DV_SIM_KILL_AFTER && after != DV_SIM_STOP_AFTER) {
		if (dv_sim_keep_end(&keep, &machine, &seen, &state, NULL) < 0)
			return DV_NVML_OPERATING_SYSTEM;
		if (after == DV_SIM_KILL_BEFORE)
			die();
		if (after == DV_SIM_RETURN)
			return (enum dv_nvml_result)fault->result;
		(void)raise(SIGSTOP);
		return begin("", dir, ret); /* it is still the same call */
	}
	*ret = sim;
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result dv_sim_leave(enum dv_nvml_result result)
{
	/* A call that failed did nothing, but it was a call. */
	if (result != DV_NVML_SUCCESS) {
		uint32_t nth[DV_SIM_FAULTS_MOST];

		for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++)
			nth[i] = state.faults[i].nth;
		state = seen;
		for (unsigned i = 0; i < DV_SIM_FAULTS_MOST; i++)
			state.faults[i].nth = nth[i];
	}
	if (dv_sim_keep_end(&keep, &machine, &seen, &state, NULL) < 0)
		result = DV_NVML_OPERATING_SYSTEM;
	if (after == DV_SIM_KILL_AFTER)
		die();
	if (after == DV_SIM_STOP_AFTER)
		(void)raise(SIGSTOP);
	(void)pthread_mutex_unlock(&lock);
	return result;
}

enum dv_nvml_result dv_sim_session_begin(const char *call)
{
	char dir[DV_SIM_PATH_SIZE];
	enum dv_nvml_result result;
	struct dv_sim sim;
	int r;

	if (!find_directory(dir, sizeof(dir)))
		return DV_NVML_DRIVER_NOT_LOADED;
	(void)pthread_mutex_lock(&lock);
	r = users ? 0 : dv_sim_keep_read_machine(dir, &machine, NULL);
	if (r < 0)
		result = r == -EPROTO ? DV_NVML_LIB_RM_VERSION_MISMATCH : DV_NVML_DRIVER_NOT_LOADED;
	else
		result = begin(call, dir, &sim);
	if (result != DV_NVML_SUCCESS) {
		(void)pthread_mutex_unlock(&lock);
		return result;
	}
	users++;
	return dv_sim_leave(DV_NVML_SUCCESS);
}

enum dv_nvml_result dv_sim_session_end(void)
{
	enum dv_nvml_result result = DV_NVML_UNINITIALIZED;

	(void)pthread_mutex_lock(&lock);
	if (users) {
		users--;
		result = DV_NVML_SUCCESS;
	}
	(void)pthread_mutex_unlock(&lock);
	return result;
}

enum dv_nvml_result dv_sim_enter(const char *call, struct dv_sim *ret)
{
	char dir[DV_SIM_PATH_SIZE];
	enum dv_nvml_result result = DV_NVML_UNINITIALIZED;

	(void)pthread_mutex_lock(&lock);
	if (users && find_directory(dir, sizeof(dir)))
		result = begin(call, dir, ret);
	if (result != DV_NVML_SUCCESS)
		(void)pthread_mutex_unlock(&lock);
	return result;
}

/* --- handles --- */

static void *take_handle(const struct dv_sim *sim, struct handle wanted)
{
	struct handle *handle;

	wanted.generation = sim->state->gpus[wanted.gpu].generation;
	for (unsigned i = 0; i < handle_count; i++)
		if (memcmp(&handles[i], &wanted, sizeof(wanted)) == 0)
			return &handles[i];
	if (handle_count == HANDLES_MOST)
		return NULL;
	handle = &handles[handle_count++];
	*handle = wanted;
	return handle;
}

struct dv_nvml_device *dv_sim_gpu_handle(const struct dv_sim *sim, uint32_t gpu)
{
	return take_handle(sim, (struct handle){.kind = GPU_HANDLE, .gpu = gpu});
}

struct dv_nvml_device *dv_sim_mig_handle(const struct dv_sim *sim, uint32_t gpu,
					 const struct dv_sim_gi *gi, const struct dv_sim_ci *ci)
{
	return take_handle(sim, (struct handle){.kind = MIG_HANDLE,
						.gpu = gpu,
						.gi_serial = gi->serial,
						.ci_serial = ci->serial});
}

struct dv_nvml_gi *dv_sim_gi_handle(const struct dv_sim *sim, uint32_t gpu,
				    const struct dv_sim_gi *gi)
{
	return take_handle(sim,
			   (struct handle){.kind = GI_HANDLE, .gpu = gpu, .gi_serial = gi->serial});
}

struct dv_nvml_ci *dv_sim_ci_handle(const struct dv_sim *sim, uint32_t gpu,
				    const struct dv_sim_gi *gi, const struct dv_sim_ci *ci)
{
	return take_handle(sim, (struct handle){.kind = CI_HANDLE,
						.gpu = gpu,
						.gi_serial = gi->serial,
						.ci_serial = ci->serial});
}

static const struct handle *known_handle(const void *pointer)
{
	for (unsigned i = 0; i < handle_count; i++)
		if (pointer == &handles[i])
			return &handles[i];
	return NULL;
}

static struct dv_sim_gi *gi_by_serial(struct dv_sim_gpu_state *gpu, uint32_t serial)
{
	for (unsigned i = 0; i < DV_SIM_GIS_MOST; i++)
		if (gpu->gis[i].used && gpu->gis[i].serial == serial)
			return &gpu->gis[i];
	return NULL;
}

static struct dv_sim_ci *ci_by_serial(struct dv_sim_gi *gi, uint32_t serial)
{
	for (unsigned i = 0; gi && i < DV_SIM_CIS_MOST; i++)
		if (gi->cis[i].used && gi->cis[i].serial == serial)
			return &gi->cis[i];
	return NULL;
}

/* What it means, if it still means something. */
static bool understand(const void *pointer, const struct dv_sim *sim, enum handle_kind *ret_kind,
		       struct dv_sim_thing *ret)
{
	const struct handle *handle = known_handle(pointer);
	struct dv_sim_gpu_state *gpu;

	if (!handle || handle->gpu >= sim->machine->gpu_count)
		return false;
	gpu = &sim->state->gpus[handle->gpu];
	*ret = (struct dv_sim_thing){.sim = *sim, .gpu = handle->gpu};
	*ret_kind = handle->kind;
	if (handle->generation != gpu->generation)
		return false;
	if (handle->kind == GPU_HANDLE)
		return true;
	ret->gi = gi_by_serial(gpu, handle->gi_serial);
	if (handle->kind == GI_HANDLE)
		return ret->gi;
	ret->ci = ci_by_serial(ret->gi, handle->ci_serial);
	return ret->ci;
}

static enum dv_nvml_result enter_as(const char *call, const void *pointer, unsigned kinds,
				    struct dv_sim_thing *ret)
{
	enum handle_kind kind = NO_HANDLE;
	struct dv_sim sim = {&machine, &state};
	enum dv_nvml_result result = dv_sim_enter(call, &sim);

	if (result != DV_NVML_SUCCESS)
		return result;
	if (!understand(pointer, &sim, &kind, ret) || !(kinds & 1u << kind))
		return dv_sim_leave(DV_NVML_INVALID_ARGUMENT);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result dv_sim_enter_device(const char *call, const struct dv_nvml_device *handle,
					struct dv_sim_thing *ret)
{
	return enter_as(call, handle, 1u << GPU_HANDLE | 1u << MIG_HANDLE, ret);
}

enum dv_nvml_result dv_sim_enter_gpu(const char *call, const struct dv_nvml_device *handle,
				     struct dv_sim_thing *ret)
{
	return enter_as(call, handle, 1u << GPU_HANDLE, ret);
}

enum dv_nvml_result dv_sim_enter_gi(const char *call, const struct dv_nvml_gi *handle,
				    struct dv_sim_thing *ret)
{
	return enter_as(call, handle, 1u << GI_HANDLE, ret);
}

enum dv_nvml_result dv_sim_enter_ci(const char *call, const struct dv_nvml_ci *handle,
				    struct dv_sim_thing *ret)
{
	return enter_as(call, handle, 1u << CI_HANDLE, ret);
}

/* --- small things that many calls need --- */

enum dv_nvml_result dv_sim_text(char *buf, uint32_t size, const char *text)
{
	size_t len = strlen(text) + 1;

	if (!buf)
		return DV_NVML_INVALID_ARGUMENT;
	if (len > size)
		return DV_NVML_INSUFFICIENT_SIZE;
	memcpy(buf, text, len);
	return DV_NVML_SUCCESS;
}

enum dv_nvml_result dv_sim_may_change(const struct dv_sim *sim)
{
	return sim->machine->root_only && geteuid() != 0 ? DV_NVML_NO_PERMISSION : DV_NVML_SUCCESS;
}

const struct dv_sim_profile *dv_sim_thing_profile(const struct dv_sim_thing *thing)
{
	return &dv_sim_model_of(&thing->sim, thing->gpu)->profiles[thing->gi->profile];
}
