/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted against actual, for `diff` and `assert`: what a plan would change, said from the tenants'
 * side. Pure; the vector is the caller's. */
#pragma once

#include "base/vec.h"
#include "model/plan.h"

struct dv_difference {
	char tenant[DV_NAME_SIZE];
	/* "lease", "method", "gpu", "profile", "place", "memory", ...; of a GPU ("GPU 0", in
	 * the tenant's place): "mig mode" */
	char what[DV_PROFILE_SIZE];
	char wanted[256]; /* "none": it should not be there; of one without a place: why */
	char actual[64];  /* "none": it is not there */
};

struct dv_differences {
	DV_VEC(struct dv_difference);
};

/* Compare what `plan` wants with the leases of its fleet. An unplaced tenant differs by its lease.
 * -ENOMEM. */
int dv_diff_make(const struct dv_plan *plan, const struct dv_leases *leases,
		 struct dv_differences *ret, struct dv_error *err) DV_MUST_CHECK;
