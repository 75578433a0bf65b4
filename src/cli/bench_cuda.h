/* SPDX-License-Identifier: Apache-2.0 */
/* `divvy bench cuda/...`: slices of an NVIDIA GPU, real or of a simulated machine. */
#pragma once

#include "base/json.h"
#include "bench/bench.h"
#include "cli/verbs.h"
#include "model/measure.h"

/* Are the cases asked for those of CUDA? -EINVAL with a rule where they are mixed with others
 * (F12), or there is no such case (F11), or none of --quick (F12). */
int dv_bench_cuda_asked(const struct dv_bench_options *options, bool *ret,
			struct dv_error *err) DV_MUST_CHECK;

/* Append the chosen cases to a table of names and what they are, and to a document's list. */
void dv_bench_cuda_list(const struct dv_bench_options *options, struct dv_table *table,
			struct dv_json *json);

/* Run them, with a line of progress for each, and append the results; without a GPU that can be
 * shared each is skipped, with the reason. `divide`: for so small a part of the time. */
int dv_bench_cuda_measure(struct dv_cli *cli, const struct dv_bench_options *options,
			  unsigned divide, struct dv_bench *bench,
			  struct dv_error *err) DV_MUST_CHECK;

int dv_bench_cuda_table(struct dv_cli *cli, const struct dv_bench *bench,
			struct dv_error *err) DV_MUST_CHECK;
