/* SPDX-License-Identifier: Apache-2.0 */
/* What has one answer, whatever its arguments: it takes none, and the caller's are its own. */
#include "base/macro.h"
#include "shim/nvml/real.h"

#define ANSWER(symbol, result)                                                                     \
	DV_EXPORT enum dv_nvml_result symbol(void);                                                \
	enum dv_nvml_result symbol(void)                                                           \
	{                                                                                          \
		return result;                                                                     \
	}
#define DENIED(symbol) ANSWER(symbol, DV_NVML_NO_PERMISSION)
#define HIDDEN(symbol) ANSWER(symbol, DV_NVML_NOT_SUPPORTED)

DV_NVML_HOOKS_DENIED(DENIED)
DV_NVML_HOOKS_HIDDEN(HIDDEN)
