/* SPDX-License-Identifier: Apache-2.0 */
/* Where the product's own files are: the installed places, or, for a program that runs from its
 * build directory, the build and source trees. Never from the environment. */
#pragma once

enum dv_where {
	DV_WHERE_DATA,	       /* directory with gpus/, rules/, explain/ */
	DV_WHERE_DIVVYD,       /* the daemon's program */
	DV_WHERE_WORKER,       /* the worker's program */
	DV_WHERE_OPENCL_LAYER, /* the shared library of the OpenCL shim */
	DV_WHERE_CUDA_LAYER,   /* and of the CUDA shim */
	DV_WHERE_NVML_LAYER,   /* and of NVML's */
	DV_WHERE_DIVVY,	       /* the command line's program */
	DV_WHERE_BURN,	       /* the bench's OpenCL program */
	DV_WHERE_BURN_CUDA,    /* and its CUDA program */
	DV_WHERE_SIM,	       /* the program that makes simulated machines */
	DV_WHERE_SIM_NVML,     /* the library of their driver */
	DV_WHERE_SIM_NVML_OLD,
	DV_WHERE_SIM_CUDA, /* and of an old driver */
	DV_WHERE_COUNT
};

/* An absolute path, constant for the life of the process. Thread-safe. */
const char *dv_where(enum dv_where what);
