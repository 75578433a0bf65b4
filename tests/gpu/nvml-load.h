/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: all of NVML's calls from a library, those that it lacks left NULL. */
#pragma once

#include <dlfcn.h>
#include <string.h>

#include "abi/nvml-calls.h"

/* NULL: no such library. */
static inline void *nvml_load(const char *library, struct dv_nvml_api *ret)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL), *symbol;

	memset(ret, 0, sizeof(*ret));
	if (!handle)
		return NULL;
#define NVML_LOOK_UP(member, name, arguments)                                                      \
	symbol = dlsym(handle, #name);                                                             \
	memcpy(&ret->member, &symbol, sizeof(symbol));
	DV_NVML_CALLS(NVML_LOOK_UP)
#undef NVML_LOOK_UP
	symbol = dlsym(handle, DV_NVML_ERROR_STRING);
	memcpy(&ret->error_string, &symbol, sizeof(symbol));
	symbol = dlsym(handle, DV_NVML_FABRIC);
	memcpy(&ret->fabric, &symbol, sizeof(symbol));
	return handle;
}
