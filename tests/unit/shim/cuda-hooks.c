/* SPDX-License-Identifier: Apache-2.0 */
/* The symbols that the CUDA shim hooks, one a line. */
#include <stdio.h>

#include "shim/cuda/hooks.h"

#define SAY(symbol) puts(#symbol);
#define SAY_PTSZ(symbol) SAY(symbol) SAY(symbol##_ptsz)
#define SAY_PTDS(symbol) SAY(symbol) SAY(symbol##_ptds)

int main(void)
{
	DV_CUDA_HOOKS_PLAIN(SAY)
	DV_CUDA_HOOKS_PTSZ(SAY_PTSZ)
	DV_CUDA_HOOKS_PTDS(SAY_PTDS)
	return 0;
}
