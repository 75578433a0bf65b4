/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that computes nothing, behind the loader's table: objects with references and destructor
 * callbacks, queues in and out of order, events, wait lists, markers. A kernel takes the time that
 * its handle says. One thread is the device: one command at a time, so overlapping use would show
 * as waiting. For tests of the layer, also under the thread sanitizer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/opencl-layer.h"

struct fake_opencl_stats {
	uint64_t ran;	  /* kernels that ended */
	uint64_t busy_ns; /* of these, by their handles */
	uint64_t mem_live, mem_made, svm_live;
	uint64_t events_live, queues_live;
	uint64_t bytes_live;
};

/* The table to give to clInitLayer; starts the device's thread. */
const cl_icd_dispatch *fake_opencl_start(void);
void fake_opencl_stats(struct fake_opencl_stats *ret);
/* A kernel that takes so long. */
cl_kernel fake_opencl_kernel(uint64_t ns);
/* Is a command on the device at this moment? */
bool fake_opencl_busy(void);
/* clEnqueueNDRangeKernel returns at once and does nothing: for measuring the layer alone. */
void fake_opencl_do_nothing(bool nothing);
/* Fail the next creations with this error; 0: no more. */
void fake_opencl_fail(cl_int error);

extern cl_context fake_opencl_context;
extern cl_device_id fake_opencl_device;
