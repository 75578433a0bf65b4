/* SPDX-License-Identifier: Apache-2.0 */
/* The file in which one divvy-burn leaves what it did, for the bench that started it: this header,
 * then `count` times in ns, each a uint64_t, in the order of completion, then the moments of these
 * completions (CLOCK_MONOTONIC, ns). Host byte order: writer and reader are one build on one
 * machine. */
#pragma once

#include <stdint.h>

#define DV_BURN_MAGIC UINT64_C(0x326e727562797664) /* "dvyburn2" */
#define DV_BURN_LAUNCHES_MOST (UINT64_C(1) << 22)

struct dv_burn_record {
	uint64_t magic;
	uint64_t kernel_ns;    /* what a launch takes alone on the whole device, queued as here */
	uint64_t window_ns;    /* what was counted: from start to end */
	uint64_t late_ns;      /* how much after the agreed start it was ready; 0: in time */
	uint64_t count;	       /* times that ended inside the window */
	uint64_t each;	       /* how many launches, or buffers, one time stands for; mostly 1 */
	uint64_t filled_bytes; /* --fill: what all its buffers had when a byte more was refused */
};
