/* SPDX-License-Identifier: Apache-2.0 */
/* Fail the n-th allocation, for each n in turn, and see that the operation says -ENOMEM, leaks
 * nothing and leaves its outputs alone.
 *
 * Whoever links torture_dep has its malloc, calloc, realloc, reallocarray and what libc makes with
 * them counted. In a plain build those of the libraries count too, and what is not given back is
 * found by counting; in a build with a sanitizer only calls of our own code fail, and the sanitizer
 * finds what is not given back. */
#pragma once

#include <stdbool.h>

/* Let allocation number `nth` (1: the next one) fail, or with `onward` all from that one on. */
void torture_arm(unsigned long nth, bool onward);

/* Let none fail any more; returns how many did since torture_arm. */
unsigned long torture_disarm(void);

/* One whole run of an operation, with everything given back at its end. Answers 0 when the
 * operation succeeded and its result is right, -ENOMEM when it failed so and left its outputs
 * untouched, anything else when it did wrong. */
typedef int (*torture_fn)(void *arg);

/* Run `fn` with the first allocation failing, then with the second, until none is left to fail;
 * once with only that one failing, once with all that follow. Returns how many allocations it
 * makes, or -1 when it did wrong, which is then told on standard error. */
long torture_run(const char *name, torture_fn fn, void *arg);
