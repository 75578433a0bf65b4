/* SPDX-License-Identifier: Apache-2.0 */
/* Asking the OpenCL library from a process of its own: a driver that crashes or hangs is then an
 * answer, and not the end of the worker. */
#pragma once

#include "device/opencl.h"

/* As dv_opencl_find_cpu, in a child with a deadline. Also -EIO and -ETIMEDOUT (rule G05) when the
 * library crashed or did not answer in time; the child is then killed. The calling process must
 * have no other thread. Blocks for at most `deadline_ms` and a little more. */
int dv_worker_ask_opencl(const char *library, unsigned deadline_ms, struct dv_opencl_device *ret,
			 struct dv_error *err) DV_MUST_CHECK;
