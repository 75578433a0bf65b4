/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which one divvy-burn-cuda leaves what it did, for the bench that started it: this
 * header, then `count` times in ns, each a uint64_t, in the order of completion, then the moments
 * of these completions (CLOCK_MONOTONIC, ns). Host byte order: writer and reader are one build on
 * one machine. */
#pragma once

#include <stdint.h>

#define DV_CUDA_RECORD_MAGIC UINT64_C(0x316475637962764f) /* "Ovbycud1" */
#define DV_CUDA_TIMES_MOST (UINT64_C(1) << 20)

struct dv_cuda_record {
	uint64_t magic;
	uint64_t simulated; /* 1: the driver is the simulated one */
	uint64_t kernel_ns; /* what a launch takes alone on the device */
	uint64_t window_ns; /* what was counted: from start to end */
	uint64_t late_ns;   /* how much after the agreed start it was ready; 0: in time */
	uint64_t each;	    /* how many launches one time stands for */
	uint64_t count;
	/* Of a launch: the middle of what one costs, in thousandths of ns. */
	int64_t plain_pns, added_pns;
	/* Of memory: what was asked for, what the slice and the driver lack for it, what is still
	 * lacking when all was given back. */
	int64_t asked_bytes, charged_bytes, driver_bytes, left_bytes;
};
