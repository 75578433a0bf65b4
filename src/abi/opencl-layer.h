/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer of OpenCL's loader needs: Khronos' own headers, with the versions we speak, and the
 * size of the table asserted. Only the shim includes this. */
#pragma once

#include <assert.h>

#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_0_APIS
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#define CL_USE_DEPRECATED_OPENCL_2_0_APIS
#define CL_USE_DEPRECATED_OPENCL_2_1_APIS
#define CL_USE_DEPRECATED_OPENCL_2_2_APIS

#include <CL/cl.h>
#include <CL/cl_egl.h>
#include <CL/cl_ext.h>
#include <CL/cl_gl.h>
#include <CL/cl_layer.h>

/* The table may grow at its end; it never shrinks or moves. */
enum { DV_OPENCL_ENTRIES_LEAST = 149 };

static_assert(sizeof(cl_icd_dispatch) >= DV_OPENCL_ENTRIES_LEAST * sizeof(void *),
	      "the header's table is older than OpenCL 3.0");
