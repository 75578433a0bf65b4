/* SPDX-License-Identifier: Apache-2.0 */
/* What a context of CUDA takes of a GPU's memory, by making some and asking the driver what is
 * left. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/cuda-calls.h"
#include "base/macro.h"

#define DV_CUDA_TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_PLAIN_CALLS(DV_CUDA_TYPE)
#undef DV_CUDA_TYPE

/* The driver's own: what divvy's library says of memory is the slice's. */
struct dv_context_calls {
	dv_cuCtxCreate_v2_fn *create;
	dv_cuCtxDestroy_v2_fn *destroy;
	dv_cuMemGetInfo_v2_fn *info;
};

/* Of a driver that is open. False: it lacks one. */
bool dv_context_calls_find(void *driver, struct dv_context_calls *ret) DV_MUST_CHECK;

/* Measured twice on the first GPU; the greater. False, and 0: not to be found out now, as others
 * took or gave back memory meanwhile, or the driver refused. No context stays. */
bool dv_context_measure(const struct dv_context_calls *calls, uint64_t *ret_bytes) DV_MUST_CHECK;
