/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers that repeat: the seed is printed, DV_TEST_SEED sets it. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct dice {
	uint64_t state;
};

static inline struct dice dice_start(const char *test)
{
	const char *given = getenv("DV_TEST_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0)
			      : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();

	printf("%s: DV_TEST_SEED=%llu\n", test, (unsigned long long)seed);
	(void)fflush(stdout);
	return (struct dice){.state = seed};
}

/* 0 to below - 1 (splitmix64). */
static inline unsigned dice_roll(struct dice *dice, unsigned below)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % below);
}

/* True in `percent` of 100 cases. */
static inline int dice_says(struct dice *dice, unsigned percent)
{
	return dice_roll(dice, 100) < percent;
}
