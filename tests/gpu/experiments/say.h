/* SPDX-License-Identifier: Apache-2.0 */
/* What an experiment says: one line of JSON for each thing that came out. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void nap_us(unsigned us)
{
	const struct timespec nap = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000L};

	(void)nanosleep(&nap, NULL);
}

static inline void say(const char *what, double value, const char *unit, const char *note)
{
	(void)printf("{\"what\": \"%s\", \"value\": %.10g, \"unit\": \"%s\", \"note\": \"%s\"}\n",
		     what, value, unit, note);
	(void)fflush(stdout);
}

static inline int say_skipped(const char *what, const char *why)
{
	(void)printf("{\"what\": \"%s\", \"skipped\": \"%s\"}\n", what, why);
	return 0;
}

static inline int say_failed(const char *what, const char *why, int code)
{
	(void)printf("{\"what\": \"%s\", \"failed\": \"%s: %d\"}\n", what, why, code);
	return 1;
}

static inline int say_compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* The value below which so many of a hundred lie; sorts them. */
static inline double say_percentile(double *values, unsigned count, unsigned percent)
{
	qsort(values, count, sizeof(*values), say_compare);
	return values[(count - 1) * percent / 100];
}
