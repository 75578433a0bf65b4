/* SPDX-License-Identifier: Apache-2.0 */
/* The tenant's slice as divvyd tells of it, over the lease's socket and page; nothing here believes
 * the environment. Results are NVML's: DV_NVML_NO_PERMISSION without a lease, DV_NVML_NOT_READY
 * while divvyd is away and what is asked for changes. For use after DV_NVML_ENTER. */
#pragma once

#include <stdint.h>

#include "shim/nvml/real.h"

/* A process of the tenant that uses the device. */
struct dv_nvml_user {
	uint32_t pid;	/* as it calls itself */
	uint32_t known; /* as divvyd and the driver know it */
	uint64_t bytes;
	uint64_t busy_ns, launches; /* of late */
};

/* The caller frees `items`. */
struct dv_nvml_users {
	uint32_t count;
	struct dv_nvml_user *items;
};

static inline void dv_nvml_users_free(struct dv_nvml_users *users)
{
	free(users->items);
}
#define DV_NVML_USERS dv_cleanup(dv_nvml_users_free) struct dv_nvml_users

/* How much the slice is used, of its own size. */
struct dv_nvml_use {
	uint32_t gpu, memory;  /* percent */
	double timed, endless; /* parts of `gpu`, by how they came about */
};

/* Is there a lease? Attaches where that was not tried yet. */
enum dv_nvml_result dv_nvml_lease(void);
/* The lease's GPU as the driver has it, and the device of its MIG partition, if it is of one. */
struct dv_nvml_place {
	struct dv_nvml_device *gpu, *part;
};
enum dv_nvml_result dv_nvml_own(struct dv_nvml_place *ret);
/* DV_NVML_NOT_FOUND for a device that is not the lease's. */
enum dv_nvml_result dv_nvml_is_own(const struct dv_nvml_device *device);
enum dv_nvml_result dv_nvml_users(struct dv_nvml_users *ret);
/* `real`: the whole card, as the driver says. */
enum dv_nvml_result dv_nvml_use(const struct dv_nvml_utilization *real, struct dv_nvml_use *ret);
