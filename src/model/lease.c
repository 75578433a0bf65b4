/* SPDX-License-Identifier: Apache-2.0 */
#include "model/lease.h"

#include <stdio.h>

#include "model/units.h"
#include "model/word.h"

enum { USERS_NAMED = 3 };

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

bool dv_lease_on_mig(const struct dv_lease *lease)
{
	return lease->method == DV_METHOD_MIG ||
	       (lease->method == DV_METHOD_SLICE && lease->profile[0]);
}

bool dv_lease_in_use(const struct dv_lease *lease)
{
	return lease->state == DV_LEASE_ACTIVE || lease->state == DV_LEASE_UNENFORCED ||
	       lease->pid_count > 0 || lease->user_count > 0;
}

static bool is_user(const struct dv_lease *lease, pid_t pid)
{
	for (unsigned i = 0; i < lease->user_count && i < DV_LEASE_USERS_MOST; i++)
		if (lease->users[i].pid == pid)
			return true;
	return false;
}

const char *dv_lease_users_print(const struct dv_lease *lease, char *buf, size_t size)
{
	unsigned users = DV_MIN(lease->user_count, (unsigned)DV_LEASE_USERS_MOST);
	unsigned pids = DV_MIN(lease->pid_count, (unsigned)DV_LEASE_PIDS_MOST);
	unsigned count = 0, more = lease->user_count - users;
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < users + pids; i++) {
		const struct dv_lease_user *user = i < users ? &lease->users[i] : NULL;
		pid_t pid = user ? user->pid : lease->pids[i - users];

		if (!user && is_user(lease, pid))
			continue;
		if (count == USERS_NAMED || len >= size)
			more++;
		else
			len += (size_t)snprintf(
				buf + len, size - len, "%s %d%s%s", count++ ? "," : "pid", (int)pid,
				user && user->command[0] ? " " : "", user ? user->command : "");
	}
	if (more && len < size)
		(void)snprintf(buf + len, size - len, " and %u more", more);
	return buf;
}
