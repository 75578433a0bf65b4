/* SPDX-License-Identifier: Apache-2.0 */
/* Whoever is told to end ends what it started first, and removes what that wrote: while a bench
 * runs, the signals that end a program are read from a descriptor. */
#pragma once

#include <signal.h>

/* Block them; returns the descriptor, or -1. */
int dv_bench_stop_begin(sigset_t *ret_before);
/* Close it. Now a signal that came does what it does. */
void dv_bench_stop_end(int fd, const sigset_t *before);
