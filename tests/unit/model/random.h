/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of the property tests: the seed is printed, DV_TEST_SEED sets it. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t random_state;

static inline uint64_t random_start(const char *test)
{
	const char *env = getenv("DV_TEST_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0)
			    : (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();

	random_state = seed;
	printf("%s: DV_TEST_SEED=%llu\n", test, (unsigned long long)seed);
	return seed;
}

/* splitmix64 */
static inline uint64_t random_u64(void)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline unsigned random_below(unsigned n)
{
	return (unsigned)(random_u64() % n);
}
