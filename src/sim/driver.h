/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated driver: what a machine's MIG modes, instances and processes are, and what becomes
 * of them. Pure: no I/O, no clock; the state is plain data that the caller keeps (sim/keep.h).
 *
 * Answers are those of the real driver, with its habits: it puts an instance without a place where
 * it likes, a mode may stay pending, ids tell only the size, minor numbers move. */
#pragma once

#include "abi/nvml.h"
#include "sim/machine.h"

struct dv_sim_ci {
	bool used;
	uint32_t id, profile; /* index of the set's profiles */
	uint32_t start, size;
	uint32_t index;	 /* as a MIG device of the GPU */
	uint32_t serial; /* never the same twice */
};

struct dv_sim_gi {
	bool used;
	uint32_t id, profile; /* index of the model's profiles */
	uint32_t start;
	uint32_t serial;
	struct dv_sim_ci cis[DV_SIM_CIS_MOST];
};

struct dv_sim_gpu_state {
	bool mig, pending;
	uint32_t minor;
	uint32_t generation; /* of its handles: a reset ends them */
	struct dv_sim_gi gis[DV_SIM_GIS_MOST];
};

enum { DV_SIM_EVENTS_MOST = 32 };

/* What happened to a GPU, for those who listen. */
struct dv_sim_event {
	uint32_t serial, gpu; /* serial 0: none */
	uint32_t type, data;  /* DV_NVML_EVENT_... */
	uint32_t gi, ci;      /* DV_NVML_NO_INSTANCE: none */
};

struct dv_sim_state {
	uint32_t serial; /* the next one */
	uint32_t last_event;
	uint32_t next_pid; /* of a process that is only simulated */
	uint32_t boots;
	uint64_t live_hash; /* of the real processes that the tree shows */
	struct dv_sim_gpu_state gpus[DV_SIM_GPUS_MOST];
	struct dv_sim_holder holders[DV_SIM_HOLDERS_MOST];
	struct dv_sim_fault faults[DV_SIM_FAULTS_MOST];
	struct dv_sim_event events[DV_SIM_EVENTS_MOST]; /* the last ones */
};

/* One machine, for the functions below: facts and state, both the caller's. */
struct dv_sim {
	const struct dv_sim_machine *machine;
	struct dv_sim_state *state;
};

/* The state after the first boot. -EINVAL when an instance of the machine's file cannot be there.
 */
int dv_sim_start(const struct dv_sim_machine *machine, struct dv_sim_state *ret,
		 struct dv_error *err) DV_MUST_CHECK;

const struct dv_sim_model *dv_sim_model_of(const struct dv_sim *sim, uint32_t gpu);

/* The profile with that id, or that number in the driver's list, if this driver knows it; or NULL.
 */
const struct dv_sim_profile *dv_sim_profile_by_id(const struct dv_sim *sim, uint32_t gpu,
						  uint32_t id);
const struct dv_sim_profile *dv_sim_profile_by_number(const struct dv_sim *sim, uint32_t gpu,
						      uint32_t number);
/* One past the last number of the driver's list. */
uint32_t dv_sim_profile_numbers(const struct dv_sim *sim, uint32_t gpu);

/* The kinds of compute instances of a GPU instance's profile. `ret` is filled. */
void dv_sim_ci_profiles(const struct dv_sim *sim, const struct dv_sim_profile *profile,
			struct dv_sim_ci_set *ret);

struct dv_sim_gi *dv_sim_gi_find(const struct dv_sim *sim, uint32_t gpu, uint32_t id);
struct dv_sim_ci *dv_sim_ci_find(struct dv_sim_gi *gi, uint32_t id);

/* How many more of that profile could be made now. */
uint32_t dv_sim_gi_room(const struct dv_sim *sim, uint32_t gpu,
			const struct dv_sim_profile *profile);
uint32_t dv_sim_ci_room(const struct dv_sim_gi *gi, const struct dv_sim_ci_profile *profile);

/* start -1: where the driver likes. *ret_id on success only. */
enum dv_nvml_result dv_sim_gi_create(const struct dv_sim *sim, uint32_t gpu, uint32_t profile_id,
				     int start, uint32_t *ret_id);
enum dv_nvml_result dv_sim_gi_destroy(const struct dv_sim *sim, uint32_t gpu, uint32_t id);
enum dv_nvml_result dv_sim_ci_create(const struct dv_sim *sim, uint32_t gpu, uint32_t gi,
				     uint32_t profile_id, int start, uint32_t *ret_id);
enum dv_nvml_result dv_sim_ci_destroy(const struct dv_sim *sim, uint32_t gpu, uint32_t gi,
				      uint32_t id);

/* Wish a mode. Success with *ret_activation other than success: it is pending. */
enum dv_nvml_result dv_sim_set_mode(const struct dv_sim *sim, uint32_t gpu, bool mig,
				    enum dv_nvml_result *ret_activation);

/* Reset one GPU: instances are gone, a pending mode is active. IN_USE while processes have it. */
enum dv_nvml_result dv_sim_reset(const struct dv_sim *sim, uint32_t gpu);
/* Unload the driver and load it again: all instances are gone, and the modes of chips that do not
 * keep them. IN_USE while processes have a GPU. */
enum dv_nvml_result dv_sim_reload(const struct dv_sim *sim);
/* The same with all processes gone, and the minor numbers in order again. */
void dv_sim_reboot(const struct dv_sim *sim);

/* A process begins (pid 0: one is given, and returned) or ends (true if it was there). -ENOSPC. */
int dv_sim_hold(const struct dv_sim *sim, const struct dv_sim_holder *holder, uint32_t *ret_pid,
		struct dv_error *err) DV_MUST_CHECK;
bool dv_sim_let_go(const struct dv_sim *sim, uint32_t pid);

/* Something happened: its serial is filled in. Changes of MIG post their events by themselves. */
void dv_sim_post(const struct dv_sim *sim, const struct dv_sim_event *event);

/* Does a process use it? gi -1: anything of the GPU; ci -1: anything of the GPU instance. */
bool dv_sim_is_used(const struct dv_sim *sim, uint32_t gpu, int gi, int ci);

/* What is to go wrong at this call of that name: the fault, counted down, or NULL. `state->calls`
 * is counted, too. A fault of the CUDA driver may name a call without its version. */
const struct dv_sim_fault *dv_sim_call(const struct dv_sim *sim, const char *call);
