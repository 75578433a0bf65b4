/* SPDX-License-Identifier: Apache-2.0 */
/* The symbols that the NVML shim hooks, one a line. */
#include <stdio.h>

#include "shim/nvml/hooks.h"

#define SAY(symbol) puts(#symbol);

int main(void)
{
	DV_NVML_HOOKS_SLICE(SAY)
	DV_NVML_HOOKS_DENIED(SAY)
	DV_NVML_HOOKS_HIDDEN(SAY)
	return 0;
}
