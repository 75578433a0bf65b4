/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks. Pure floors never call these: time comes to them as an argument. */
#pragma once

#include <stdint.h>
#include <time.h>

#define DV_NS_PER_S UINT64_C(1000000000)
#define DV_NS_PER_MS UINT64_C(1000000)
#define DV_NS_PER_US UINT64_C(1000)

/* CLOCK_MONOTONIC in ns: the one clock of gate, shim and scheduler. */
static inline uint64_t dv_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * DV_NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Seconds since 1970, for journal and audit. */
static inline int64_t dv_now_s(void)
{
	return (int64_t)time(NULL);
}
