/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of device/nvml: the loaded library, and how its answers become ours. */
#pragma once

#include "abi/nvml-calls.h"
#include "device/nvml.h"

struct dv_nvml {
	void *library;
	struct dv_nvml_api call; /* a call that this library lacks is NULL */
};

/* A failure out of a result other than success, with what was tried. Returns the code. */
int dv_nvml_fail(const struct dv_nvml *nvml, enum dv_nvml_result result, struct dv_error *err,
		 const char *fmt, ...) DV_PRINTF(4, 5);

/* The GPU of that identity, as the library knows it now. */
int dv_nvml_find(const struct dv_nvml *nvml, const char *uuid, struct dv_nvml_device **ret,
		 struct dv_error *err) DV_MUST_CHECK;

/* A call's newest form that the library has and knows, else an older one; FUNCTION_NOT_FOUND when
 * it has none. */
enum dv_nvml_result dv_nvml_ask_placements(const struct dv_nvml *nvml, struct dv_nvml_device *gpu,
					   uint32_t profile, struct dv_nvml_placement *ret,
					   uint32_t *count);
enum dv_nvml_result dv_nvml_ask_ci_info(const struct dv_nvml *nvml, struct dv_nvml_ci *ci,
					struct dv_nvml_ci_info *ret);

/* The profile's name from its figures, as the driver makes it: "1g.5gb". Its number in the driver's
 * list tells of a suffix. */
void dv_nvml_derive_name(uint64_t memory_bytes, uint32_t number, struct dv_mig_profile *profile);
