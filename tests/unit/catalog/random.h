/* SPDX-License-Identifier: Apache-2.0 */
/* Repeatable chance for the property tests: DV_TEST_SEED chooses another course. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

struct chance {
	uint64_t state;
};

static inline struct chance chance_begin(unsigned usual)
{
	const char *given = getenv("DV_TEST_SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : usual;

	print_message("seed %u\n", seed);
	return (struct chance){seed * UINT64_C(2654435761) + 1};
}

/* A number below `end`. */
static inline uint32_t chance_below(struct chance *c, uint32_t end)
{
	c->state = c->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(c->state >> 33) % end;
}

static inline bool chance_one_in(struct chance *c, uint32_t n)
{
	return chance_below(c, n) == 0;
}
