/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of its own for each test, removed with what is in it; the caller includes cmocka. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../temporary.h"
#include "base/error.h"
#include "store/store.h"

struct scratch {
	char dir[64];
	char path[96]; /* the state file in it */
};

static inline int scratch_setup(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	if (!scratch)
		return -1;
	if (temporary_make(scratch->dir, sizeof(scratch->dir), "store") < 0)
		return -1;
	(void)snprintf(scratch->path, sizeof(scratch->path), "%s/state.db", scratch->dir);
	*state = scratch;
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *scratch = *state;
	char lock[80];
	int r = temporary_remove(scratch->dir);

	/* Of a test that takes the directory for a state file. */
	(void)snprintf(lock, sizeof(lock), "%s-lock", scratch->dir);
	(void)unlink(lock);

	free(scratch);
	return r;
}

/* A lease in which no member has the value of another or of its type's zero. */
static inline struct dv_lease sample_lease(const char *name)
{
	struct dv_lease lease = {
		.fleet = "lab",
		.uid = 4000000000u,
		.kind = DV_KIND_CONTAINER,
		.method = DV_METHOD_PARTITION,
		.policy = DV_POLICY_LATENCY,
		.state = DV_LEASE_READY,
		.gpu_uuid = "CPU-0123456789abcdef",
		.node = "CPU-0123456789abcdef/p1+2",
		.memory_bytes = UINT64_C(1) << 61,
		.compute_mpct = 12500,
		.ephemeral = true,
		.launcher = 4711,
		.launcher_start = UINT64_MAX - 3,
		.created_s = 1700000000,
		.nonce = "00112233445566778899aabbccddeeff",
		.profile = "1g.10gb+me",
	};

	(void)snprintf(lease.name, sizeof(lease.name), "%s", name);
	return lease;
}

/* What is stored of two leases is the same. */
static inline int same_lease(const struct dv_lease *a, const struct dv_lease *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && strcmp(a->fleet, b->fleet) == 0 &&
	       a->uid == b->uid && a->kind == b->kind && a->method == b->method &&
	       a->policy == b->policy && a->state == b->state &&
	       strcmp(a->gpu_uuid, b->gpu_uuid) == 0 && strcmp(a->node, b->node) == 0 &&
	       a->memory_bytes == b->memory_bytes && a->compute_mpct == b->compute_mpct &&
	       a->ephemeral == b->ephemeral && a->launcher == b->launcher &&
	       a->launcher_start == b->launcher_start && a->created_s == b->created_s &&
	       strcmp(a->nonce, b->nonce) == 0 && strcmp(a->profile, b->profile) == 0;
}
