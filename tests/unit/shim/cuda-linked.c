/* SPDX-License-Identifier: Apache-2.0 */
/* A program that is linked with the driver's library, as an older one is. Says what it met:
 *
 *   cuda-linked LIMIT      0: the limit holds, and functions that nobody hooks are there too */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake-cuda.h"

dv_cuInit_fn cuInit;
dv_cuCtxCreate_v2_fn cuCtxCreate_v2;
dv_cuMemAlloc_v2_fn cuMemAlloc_v2;
fake_cuda_new_thing_fn cuNewThing;

int main(int argc, char **argv)
{
	size_t limit = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	struct dv_cu_context *context;
	dv_cu_ptr p;

	if (cuInit(0) != DV_CUDA_SUCCESS || cuCtxCreate_v2(&context, 0, 0) != DV_CUDA_SUCCESS)
		return 2;
	if (cuMemAlloc_v2(&p, limit + 1) != DV_CUDA_ERROR_OUT_OF_MEMORY ||
	    cuMemAlloc_v2(&p, limit) != DV_CUDA_SUCCESS)
		return 3;
	return cuNewThing() == 4242 ? 0 : 4;
}
