/* SPDX-License-Identifier: Apache-2.0 */
/* Where the CUDA driver is: it comes with the library of NVIDIA's that tells of GPUs, and is found
 * without being loaded. Plain text, the caller's. */
#pragma once

#include "base/error.h"

#define DV_CUDA_LIBRARY "libcuda.so.1"

/* The driver that goes with `nvml`: beside it when that is a path, else the loader's. Returns a
 * name for dlopen; `buf` may hold it. */
const char *dv_cuda_library(const char *nvml, char *buf, size_t size);

/* Is it there? -ENOENT says where it was looked for. */
int dv_cuda_find(const char *nvml, struct dv_error *err) DV_MUST_CHECK;

/* For tests: another loader's cache and other directories (ends with NULL). */
int dv_cuda_find_in(const char *cache, const char *const *dirs, struct dv_error *err) DV_MUST_CHECK;
