/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU as an OpenCL device. The library is loaded into the calling process and stays there, with
 * its threads; it may crash or hang. So only the worker calls this, in a process of its own. */
#pragma once

#include <stdint.h>

#include "base/error.h"

#define DV_OPENCL_LIBRARY "libOpenCL.so.1"

struct dv_opencl_device {
	char platform[64]; /* "Portable Computing Language" */
	char name[128];	   /* "pthread-skylake-avx512-AMD EPYC" */
	char driver[64];   /* "3.1+debian" */
	uint32_t compute_units;
	uint64_t memory_bytes; /* what the library believes: never divvy's size of the device */
};

/* Find the CPU device; with several platforms PoCL's goes first, since tenants get its settings.
 * `library` is DV_OPENCL_LIBRARY in the product. -ENODEV with rule G05, saying what is missing and
 * how to install it; -EIO when the library fails. */
int dv_opencl_find_cpu(const char *library, struct dv_opencl_device *ret,
		       struct dv_error *err) DV_MUST_CHECK;
