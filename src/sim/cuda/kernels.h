/* SPDX-License-Identifier: Apache-2.0 */
/* What functions of simulated modules do: they take their time, and a few of them really do
 * something, so that a program can look whether the right thing was done. */
#pragma once

#include "sim/cuda/inside.h"

enum dv_cu_does {
	DV_CU_DOES_NOTHING,
	DV_CU_DOES_FILL,  /* (u32 *to, u32 value, u32 count) */
	DV_CU_DOES_ADD,	  /* (u32 *to, u32 value, u32 count) */
	DV_CU_DOES_COPY,  /* (u32 *to, const u32 *from, u32 count) */
	DV_CU_DOES_CHECK, /* (const u32 *at, u32 value, u32 count, u32 *ret): how many are not */
	DV_CU_DOES_COUNT
};

/* By name: -1 when there is none. */
int dv_cu_does_by_name(const char *name, size_t len);

/* The arguments, packed as the function takes them. ILLEGAL_ADDRESS. Called without the lock. */
enum dv_cu_result dv_cu_kernel_act(const struct dv_cu_function *function, const char *arguments);

/* How long a launch with them takes. */
uint64_t dv_cu_kernel_time(const struct dv_cu_function *function, const char *arguments);

/* Read a module's text or binary and add its functions. INVALID_IMAGE, INVALID_PTX. `size` 0: it
 * tells its size itself. */
enum dv_cu_result dv_cu_image_read(struct dv_cu_module *module, const void *image);

/* A function that the module does not name, of an image whose names cannot be read. */
struct dv_cu_function *dv_cu_function_new(struct dv_cu_module *module, const char *name,
					  size_t len);
