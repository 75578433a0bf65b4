/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's library below us: its entry points, found once. Constant after dv_nvml_init. What it
 * lacks answers DV_NVML_FUNCTION_NOT_FOUND. */
#pragma once

#include <stdbool.h>

#include "abi/nvml-more.h"
#include "base/macro.h"
#include "shim/core/keep.h"
#include "shim/nvml/hooks.h"

/* Each entry point's type, by its symbol. */
#define DV_NVML_TYPE(member, symbol, arguments)                                                    \
	typedef enum dv_nvml_result dv_##symbol##_fn arguments;
DV_NVML_CALLS(DV_NVML_TYPE)
DV_NVML_MORE_CALLS(DV_NVML_TYPE)
#undef DV_NVML_TYPE

struct dv_nvml_real {
#define DV_NVML_FIELD(symbol) dv_##symbol##_fn *symbol;
	DV_NVML_HOOKS_SLICE(DV_NVML_FIELD)
	DV_NVML_USED(DV_NVML_FIELD)
#undef DV_NVML_FIELD
};

extern struct dv_nvml_real dv_nvml;

/* What we export. A definition begins with DV_NVML_CALL, and goes on with DV_NVML_ENTER. */
#define DV_NVML_CALL enum dv_nvml_result
#define DV_NVML_EXPORT(symbol) DV_EXPORT dv_##symbol##_fn symbol;
DV_NVML_HOOKS_SLICE(DV_NVML_EXPORT)
#undef DV_NVML_EXPORT

void dv_nvml_init(void);

#define DV_NVML_ENTER                                                                              \
	DV_SHIM_KEEP;                                                                              \
	dv_nvml_init()
