/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that a bench starts, and how they end. */
#pragma once

#include <sys/types.h>

#include "bench/runner.h"

enum { DV_BENCH_ARGS_MOST = 48, DV_BENCH_ARG_SIZE = 160 };

/* A command's words; begins as zeroes. */
struct dv_bench_args {
	unsigned count;
	char text[DV_BENCH_ARGS_MOST][DV_BENCH_ARG_SIZE];
	char *list[DV_BENCH_ARGS_MOST + 1];
};

/* One word more; of too many the last are lost. */
void dv_bench_arg(struct dv_bench_args *args, const char *fmt, ...) DV_PRINTF(2, 3);

/* Start a program with its messages in the bench's directory, as number `slot`, and its output in
 * `out` (NULL: nowhere); returns its pid, or negative. */
pid_t dv_bench_spawn(const struct dv_bench_env *env, char *const argv[], unsigned slot,
		     const char *out, struct dv_error *err) DV_MUST_CHECK;

/* Wait for one process until `deadline_ns`, or until all is to stop; then end it. -EOPNOTSUPP: a
 * rule of divvy's refused it. */
int dv_bench_reap(const struct dv_bench_env *env, pid_t pid, unsigned slot, const char *what,
		  uint64_t deadline_ns, struct dv_error *err) DV_MUST_CHECK;
