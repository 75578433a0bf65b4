/* SPDX-License-Identifier: Apache-2.0 */
/* How long a tenant that thinks pauses. */
#pragma once

#include <stdint.h>

/* The next pause: `think_ns`, and up to `jitter_ns` less or more. `drawn` begins with 0; the same
 * in every run, as runs are compared. (splitmix64) */
static inline uint64_t dv_bench_pause_ns(uint64_t *drawn, uint64_t think_ns, uint64_t jitter_ns)
{
	uint64_t x = *drawn += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x ^= x >> 31;
	return think_ns - jitter_ns + x % (2 * jitter_ns + 1);
}
