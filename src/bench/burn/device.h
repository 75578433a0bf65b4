/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenCL side of divvy-burn: one device, one queue, one kernel whose length is known. An
 * ordinary OpenCL program that knows nothing of divvy; it loads the system's libOpenCL. */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct burn_device;
struct burn_launch;

int burn_device_open(struct burn_device **ret, struct dv_error *err) DV_MUST_CHECK;
void burn_device_close(struct burn_device *device);
DV_DEFINE_FREEP(struct burn_device, burn_device_close)

enum { BURN_INFLIGHT_MOST = 64 };

/* Loops for a launch of about `kernel_ns`, alone on the device; and what one really takes in the
 * least disturbed of some windows, with `inflight` (1 to BURN_INFLIGHT_MOST) of them on the queue.
 */
int burn_device_calibrate(struct burn_device *device, uint64_t kernel_ns, unsigned inflight,
			  uint64_t *ret_loops, uint64_t *ret_real_ns,
			  struct dv_error *err) DV_MUST_CHECK;
/* Allocate and touch a buffer; -ENOSPC when the device refuses. */
int burn_device_hold(struct burn_device *device, uint64_t bytes,
		     struct dv_error *err) DV_MUST_CHECK;
/* Make so many buffers of 64 KiB, then release them. */
int burn_device_buffers(struct burn_device *device, unsigned count,
			struct dv_error *err) DV_MUST_CHECK;
/* Make buffers and keep them until not one byte more is given, or `most` bytes are held. Says how
 * many bytes all buffers have then, the program's own included. */
int burn_device_fill(struct burn_device *device, uint64_t most, uint64_t *ret_bytes,
		     struct dv_error *err) DV_MUST_CHECK;
/* Launches that stop short of the driver: from begin to end only burn_device_launch_null may be
 * called. End says -EPROTO if some went to the driver all the same. */
void burn_device_null_begin(struct burn_device *device);
int burn_device_null_end(struct burn_device *device, struct dv_error *err) DV_MUST_CHECK;
int burn_device_launch_null(struct burn_device *device, struct dv_error *err) DV_MUST_CHECK;
/* Put one launch on the queue; *ret_launch is to be waited for. */
int burn_device_launch(struct burn_device *device, uint64_t loops, struct burn_launch **ret_launch,
		       struct dv_error *err) DV_MUST_CHECK;
/* Wait until it has ended, and free it. */
int burn_device_wait(struct burn_device *device, struct burn_launch *launch,
		     struct dv_error *err) DV_MUST_CHECK;
