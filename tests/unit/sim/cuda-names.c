/* SPDX-License-Identifier: Apache-2.0 */
/* The names of all calls of abi/cuda-calls.h that are simulated, a line each. */
#include <stdio.h>

#include "abi/cuda-calls.h"

#define NAME(symbol, name, since, arguments) #symbol "\n"
#define PTSZ(symbol, name, since, arguments) #symbol "_ptsz\n"
#define PTDS(symbol, name, since, arguments) #symbol "_ptds\n"

int main(void)
{
	static const char names[] = DV_CUDA_CALLS(NAME) DV_CUDA_PTSZ_CALLS(PTSZ)
		DV_CUDA_PTDS_CALLS(PTDS);

	return fputs(names, stdout) < 0;
}
