/* SPDX-License-Identifier: Apache-2.0 */
/* How long a tenant waited for its grants lately: quantiles over the last 5 to 10 s, to an eighth
 * of their value. Plain data; two halves that take turns. */
#pragma once

#include <stdint.h>

enum { DV_GATE_WAIT_BUCKETS = 256 };

struct dv_gate_waits {
	uint64_t half_ns; /* when the current half began */
	unsigned current;
	uint32_t counts[2][DV_GATE_WAIT_BUCKETS];
};

void dv_gate_waits_add(struct dv_gate_waits *waits, uint64_t wait_ns, uint64_t now_ns);
/* The wait that `permille` of them did not exceed, rounded up to its bucket's end; 0: none. */
uint64_t dv_gate_waits_quantile(struct dv_gate_waits *waits, unsigned permille, uint64_t now_ns);
