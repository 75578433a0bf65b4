/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that appear in several documents; private to this module. */
#pragma once

#include "api/json.h"
#include "model/gpu.h"
#include "model/lease.h"

/* The new object, or NULL when out of memory. */
json_t *dv_api_gpu_put(const struct dv_gpu *gpu);
json_t *dv_api_mig_put(const struct dv_mig *mig);
json_t *dv_api_lease_put(const struct dv_lease *lease);
/* A list of them, as member `key`. */
void dv_api_put_gpus(struct dv_api_out *out, const struct dv_gpu *gpus, size_t count);
void dv_api_put_leases(struct dv_api_out *out, const struct dv_lease *leases, size_t count);

int dv_api_gpu_get(const struct dv_api_in *from, const json_t *value,
		   struct dv_gpu *ret) DV_MUST_CHECK;
int dv_api_mig_get(const struct dv_api_in *from, const json_t *value,
		   struct dv_mig *ret) DV_MUST_CHECK;
int dv_api_lease_get(const struct dv_api_in *from, const json_t *value,
		     struct dv_lease *ret) DV_MUST_CHECK;
/* Member "gpus" / "leases" into an empty vector; the caller frees it on failure too. */
struct dv_gpus;
int dv_api_get_gpus(const struct dv_api_in *in, struct dv_gpus *ret) DV_MUST_CHECK;
int dv_api_get_leases(const struct dv_api_in *in, struct dv_leases *ret) DV_MUST_CHECK;
