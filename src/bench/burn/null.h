/* SPDX-License-Identifier: Apache-2.0 */
/* Launches that stop short of the driver: what is left of their cost is the program's loader and
 * whatever sits between it and the driver. One queue at a time, one thread. */
#pragma once

#include <stdint.h>

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl_icd.h>

/* From here on a launch on this queue that neither waits for events nor gives one does nothing. */
void burn_null_begin(cl_command_queue queue);
/* As before. Returns how many launches reached the driver all the same. */
uint64_t burn_null_end(cl_command_queue queue);
