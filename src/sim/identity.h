/* SPDX-License-Identifier: Apache-2.0 */
/* What NVML and the CUDA driver of a simulated machine must say alike. */
#pragma once

#include "sim/driver.h"

enum { DV_SIM_RESERVED_MIB = 512 }; /* of a GPU's memory, by the driver itself */

/* "1g.10gb" of a GPU instance, "1c.3g.40gb" of a compute instance that does not fill it; NULL: the
 * GPU instance. */
void dv_sim_mig_name(const struct dv_sim_profile *profile, const struct dv_sim_ci *ci, char *buf,
		     size_t size);

/* SMs of `slices` compute slices of a GPU instance. */
uint32_t dv_sim_multiprocessors(const struct dv_sim_profile *profile, uint32_t slices);

/* A MIG device's identity as the driver writes it: from R470 on of its own, before of its GPU and
 * ids. */
void dv_sim_mig_uuid(const struct dv_sim *sim, uint32_t gpu, const struct dv_sim_gi *gi,
		     const struct dv_sim_ci *ci, char *buf, size_t size);
