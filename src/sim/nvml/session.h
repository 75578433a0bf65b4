/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the simulated library: how a call begins and ends. Every call takes the machine's lock
 * and its state, does one thing, and lets go; between calls nothing is kept but the handles. */
#pragma once

#include "abi/nvml-calls.h"
#include "sim/identity.h"

#define DV_SIM_PROTOTYPE(member, symbol, arguments) DV_EXPORT enum dv_nvml_result symbol arguments;
DV_NVML_CALLS(DV_SIM_PROTOTYPE)
DV_EXPORT const char *nvmlErrorString(enum dv_nvml_result result);
DV_EXPORT enum dv_nvml_result nvmlDeviceGetGpuFabricInfo(DV_NVML_DEVICE,
							 struct dv_nvml_fabric *ret);

/* What a handle means now. A device handle may be a GPU (gi, ci NULL) or a MIG device (both). */
struct dv_sim_thing {
	struct dv_sim sim;
	uint32_t gpu;
	struct dv_sim_gi *gi;
	struct dv_sim_ci *ci;
};

/* Begin a call of that name. Success: the machine is locked until dv_sim_leave. Otherwise nothing
 * is to be done, and the answer is what the call returns. */
enum dv_nvml_result dv_sim_enter(const char *call, struct dv_sim *ret);
enum dv_nvml_result dv_sim_enter_device(const char *call, const struct dv_nvml_device *handle,
					struct dv_sim_thing *ret);
/* A GPU; a MIG device's handle is an invalid argument. */
enum dv_nvml_result dv_sim_enter_gpu(const char *call, const struct dv_nvml_device *handle,
				     struct dv_sim_thing *ret);
enum dv_nvml_result dv_sim_enter_gi(const char *call, const struct dv_nvml_gi *handle,
				    struct dv_sim_thing *ret);
enum dv_nvml_result dv_sim_enter_ci(const char *call, const struct dv_nvml_ci *handle,
				    struct dv_sim_thing *ret);

/* End it: the new state is kept if the result is success. Returns what the call returns. */
enum dv_nvml_result dv_sim_leave(enum dv_nvml_result result);

/* The library's life. */
enum dv_nvml_result dv_sim_session_begin(const char *call);
enum dv_nvml_result dv_sim_session_end(void);

/* Handles: the same thing has the same one. NULL: too many. */
struct dv_nvml_device *dv_sim_gpu_handle(const struct dv_sim *sim, uint32_t gpu);
struct dv_nvml_device *dv_sim_mig_handle(const struct dv_sim *sim, uint32_t gpu,
					 const struct dv_sim_gi *gi, const struct dv_sim_ci *ci);
struct dv_nvml_gi *dv_sim_gi_handle(const struct dv_sim *sim, uint32_t gpu,
				    const struct dv_sim_gi *gi);
struct dv_nvml_ci *dv_sim_ci_handle(const struct dv_sim *sim, uint32_t gpu,
				    const struct dv_sim_gi *gi, const struct dv_sim_ci *ci);

/* Copy a text as NVML does: all of it, or INSUFFICIENT_SIZE. */
enum dv_nvml_result dv_sim_text(char *buf, uint32_t size, const char *text);

/* What changes a machine may need root. */
enum dv_nvml_result dv_sim_may_change(const struct dv_sim *sim);

/* The profile and the compute profile of a thing that is a MIG device. */
const struct dv_sim_profile *dv_sim_thing_profile(const struct dv_sim_thing *thing);
