/* SPDX-License-Identifier: Apache-2.0 */
/* What of NVIDIA's driver lies beside its CUDA library and belongs to programs that compute: found
 * by the version that its files have in their names. Nothing is loaded. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* The version, out of the name of what `cuda` (a path) leads to, or of a libcuda.so.VERSION beside
 * it that is the same file; false where none has one. */
bool dv_driver_version(const char *cuda, char *buf, size_t size);

/* Each library of that version by each of its names in `dir`, in a fixed order; `path` is where it
 * really is. NVIDIA's OpenCL is not among them: it would go round the layer; nor are CUDA's and
 * NVML's own libraries. A negative answer of `fn` ends it. -ENOENT when `dir` cannot be read. */
typedef int (*dv_driver_fn)(void *arg, const char *name, const char *path);
int dv_driver_libraries(const char *dir, const char *version, dv_driver_fn fn, void *arg,
			struct dv_error *err) DV_MUST_CHECK;
