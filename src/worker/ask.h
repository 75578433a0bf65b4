/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a vendor's library from a process of its own: a driver that crashes or hangs is then an
 * answer, and not the end of the worker. */
#pragma once

#include "device/nvml.h"
#include "device/opencl.h"
#include "worker/message.h"

/* As dv_opencl_find_cpu, in a child with a deadline. Also -EIO and -ETIMEDOUT (rule G05) when the
 * library crashed or did not answer in time; the child is then killed. The calling process must
 * have no other thread. Blocks for at most `deadline_ms` and a little more. */
int dv_worker_ask_opencl(const char *library, unsigned deadline_ms, struct dv_opencl_device *ret,
			 struct dv_error *err) DV_MUST_CHECK;

/* What NVIDIA's library says. */
struct dv_worker_nvml {
	char driver[64]; /* version */
	unsigned count;
	struct dv_nvml_gpu gpus[DV_WORKER_GPUS_MOST];
};

/* The same for NVIDIA's GPUs (rule M09 when it crashed or hangs); -ENODEV when there is no library
 * or no driver. */
int dv_worker_ask_nvml(const char *library, unsigned deadline_ms, struct dv_worker_nvml *ret,
		       struct dv_error *err) DV_MUST_CHECK;
