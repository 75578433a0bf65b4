/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lease.h"

#include "model/units.h"
#include "model/word.h"

static const char *const states[DV_LEASE_STATE_COUNT + 1] = {
	[DV_LEASE_PENDING] = "pending",	    [DV_LEASE_READY] = "ready",
	[DV_LEASE_ACTIVE] = "active",	    [DV_LEASE_UNENFORCED] = "unenforced",
	[DV_LEASE_RELEASING] = "releasing", [DV_LEASE_BROKEN] = "broken",
};

const char *dv_lease_state_name(enum dv_lease_state state)
{
	return (unsigned)state < DV_LEASE_STATE_COUNT ? states[state] : "unknown";
}

int dv_lease_state_parse(const char *name, enum dv_lease_state *ret, struct dv_error *err)
{
	int i = dv_word_parse("lease state", states, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_lease_state)i;
	return 0;
}

uint32_t dv_lease_compute_units(const struct dv_lease *lease, uint32_t units)
{
	uint64_t part = (uint64_t)units * lease->compute_mpct;

	if (lease->method != DV_METHOD_SLICE || lease->compute_mpct == 0)
		return units;
	return (uint32_t)((part + DV_MPCT_WHOLE - 1) / DV_MPCT_WHOLE);
}
