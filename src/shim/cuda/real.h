/* SPDX-License-Identifier: Apache-2.0 */
/* The driver below us: its entry points, found once, and the wrappers that stand for them. Constant
 * after dv_cuda_init. What the driver lacks answers DV_CUDA_ERROR_NOT_SUPPORTED. */
#pragma once

#include <stdbool.h>

#include "base/macro.h"
#include "shim/cuda/hooks.h"

/* Each entry point's type, by its symbol. */
#define DV_CUDA_TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_PLAIN_CALLS(DV_CUDA_TYPE)
DV_CUDA_PTSZ_CALLS(DV_CUDA_TYPE)
DV_CUDA_PTDS_CALLS(DV_CUDA_TYPE)
DV_CUDA_UNSIMULATED_CALLS(DV_CUDA_TYPE)
DV_CUDA_MORE_CALLS(DV_CUDA_TYPE)
DV_CUDA_MORE_PTSZ_CALLS(DV_CUDA_TYPE)
#undef DV_CUDA_TYPE

struct dv_cuda_real {
#define DV_CUDA_FIELD(symbol) dv_##symbol##_fn *symbol;
#define DV_CUDA_FIELD_PTSZ(symbol) dv_##symbol##_fn *symbol, *symbol##_ptsz;
#define DV_CUDA_FIELD_PTDS(symbol) dv_##symbol##_fn *symbol, *symbol##_ptds;
	DV_CUDA_HOOKS_PLAIN(DV_CUDA_FIELD)
	DV_CUDA_HOOKS_PTSZ(DV_CUDA_FIELD_PTSZ)
	DV_CUDA_HOOKS_PTDS(DV_CUDA_FIELD_PTDS)
	DV_CUDA_USED(DV_CUDA_FIELD)
#undef DV_CUDA_FIELD
#undef DV_CUDA_FIELD_PTSZ
#undef DV_CUDA_FIELD_PTDS
};

extern struct dv_cuda_real dv_cuda;

/* What we export. A definition begins with DV_CUDA_API. */
#define DV_CUDA_API enum dv_cu_result
#define DV_CUDA_EXPORT(symbol) DV_EXPORT dv_##symbol##_fn symbol;
#define DV_CUDA_EXPORT_PTSZ(symbol) DV_EXPORT dv_##symbol##_fn symbol, symbol##_ptsz;
#define DV_CUDA_EXPORT_PTDS(symbol) DV_EXPORT dv_##symbol##_fn symbol, symbol##_ptds;
DV_CUDA_HOOKS_PLAIN(DV_CUDA_EXPORT)
DV_CUDA_HOOKS_PTSZ(DV_CUDA_EXPORT_PTSZ)
DV_CUDA_HOOKS_PTDS(DV_CUDA_EXPORT_PTDS)
#undef DV_CUDA_EXPORT
#undef DV_CUDA_EXPORT_PTSZ
#undef DV_CUDA_EXPORT_PTDS

extern bool dv_cuda_is_ready;
void dv_cuda_init_slowly(void);

/* First in each wrapper that does not begin with dv_cuda_begin. */
static inline void dv_cuda_init(void)
{
	if (!__atomic_load_n(&dv_cuda_is_ready, __ATOMIC_ACQUIRE))
		dv_cuda_init_slowly();
}

/* Our wrapper of the entry point at this address of the driver's, or NULL. */
void *dv_cuda_wrapper_at(const void *address);
/* Our wrapper of that symbol, or NULL. */
void *dv_cuda_wrapper_of(const char *symbol);
