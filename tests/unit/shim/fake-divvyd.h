/* SPDX-License-Identifier: Apache-2.0 */
/* A divvyd of a few hundred lines, for tests of the tenant's side: one lease, its socket, pages,
 * ledger, and a plain way to hand out the device. The fake owns its thread and its directory. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/gate.h"

#define FAKE_NONCE "0123456789abcdef0123456789abcdef"

enum fake_mode {
	FAKE_FREE,    /* memory only */
	FAKE_ENDLESS, /* gated, held for ever by everyone */
	FAKE_TIMED,   /* one holder at a time, for a quantum each */
	FAKE_MANUAL,  /* gated; the test writes the grants */
};

/* A process of the lease that whoever looks is told of. */
struct fake_process {
	uint32_t pid, own_pid;
	uint64_t bytes, busy_ns, launches, ever;
};

struct fake_config {
	enum fake_mode mode;
	uint64_t limit_bytes; /* 0: none */
	uint64_t device_bytes;
	uint32_t compute_units;
	uint64_t quantum_ns, delay_ns; /* TIMED: hold; wait before each grant */
	uint64_t inflight_ns, linger_ns;
	uint32_t more_flags;
	const char *device; /* the driver's name of the GPU */
	uint32_t compute_mpct;
	struct {
		uint64_t window_ns, timed_ns, endless_ns;
	} use;
	struct fake_process processes[4]; /* by number; 0 ends them */
};

struct fake_stats {
	uint64_t used, peak;
	uint64_t hellos, reserves, denied, releases;
	uint64_t wants, drained, idle; /* DRAINED under a grant that was not revoked: idle */
	uint64_t busy_ns;	       /* as told */
	uint64_t last_held;	       /* c of the last HELLO */
	uint64_t last_layer;	       /* a of it */
	unsigned clients;
	struct dv_counters counters; /* of the last client that greeted, also when it is gone */
};

struct fake;

/* The environment: below which directory its own one is made, if not $TMPDIR. */
#define FAKE_DIR "FAKE_DIVVYD_DIR"

struct fake *fake_start(const struct fake_config *config); /* NULL on failure */
void fake_stop(struct fake *fake);
const char *fake_path(const struct fake *fake);
void fake_stats(struct fake *fake, struct fake_stats *ret);
void fake_set_limit(struct fake *fake, uint64_t bytes);
/* From now on the share, what is told of use and of processes as in this. */
void fake_set_told(struct fake *fake, const struct fake_config *config);
/* Another client of the lease holds so much. */
void fake_use(struct fake *fake, uint64_t bytes);
/* Say that the lease is gone, and hang up on everyone. */
void fake_end_lease(struct fake *fake);
/* Write a grant for all clients: MANUAL mode. */
void fake_grant(struct fake *fake, uint32_t flags, uint64_t until_ns);
/* The same, waking nobody, as when a turn is shortened. */
void fake_grant_quietly(struct fake *fake, uint32_t flags, uint64_t until_ns);
/* Die: hang up on everyone, forget all, listen no more; and come back. */
void fake_die(struct fake *fake);
void fake_revive(struct fake *fake);
/* Refuse every HELLO from now on; 0: no more. */
void fake_refuse(struct fake *fake, unsigned refusal);
/* Wait until `test` holds of the stats, 5 s at most. */
bool fake_wait(struct fake *fake, bool (*test)(const struct fake_stats *, uint64_t), uint64_t arg);
