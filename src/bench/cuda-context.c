/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cuda-context.h"

#include <dlfcn.h>

/* More than any context takes: a neighbour's doing meanwhile. */
#define CONTEXT_MOST (UINT64_C(2) << 30)
/* Two tries alike: the driver takes memory by pages of this size. */
#define APART_MOST (UINT64_C(2) << 20)

bool dv_context_calls_find(void *driver, struct dv_context_calls *ret)
{
	*(void **)&ret->create = dlsym(driver, "cuCtxCreate_v2");
	*(void **)&ret->destroy = dlsym(driver, "cuCtxDestroy_v2");
	*(void **)&ret->info = dlsym(driver, "cuMemGetInfo_v2");
	return ret->create && ret->destroy && ret->info;
}

/* What a second context takes; the first is only there to ask with. 0: not to be found out. */
static uint64_t measure_once(const struct dv_context_calls *calls)
{
	struct dv_cu_context *first = NULL, *second = NULL;
	size_t before = 0, after = 0, total;
	uint64_t bytes = 0;

	if (calls->create(&first, 0, 0) != DV_CUDA_SUCCESS)
		return 0;
	if (calls->info(&before, &total) == DV_CUDA_SUCCESS &&
	    calls->create(&second, 0, 0) == DV_CUDA_SUCCESS) {
		if (calls->info(&after, &total) == DV_CUDA_SUCCESS && after < before &&
		    before - after <= CONTEXT_MOST)
			bytes = before - after;
		(void)calls->destroy(second);
	}
	(void)calls->destroy(first);
	return bytes;
}

bool dv_context_measure(const struct dv_context_calls *calls, uint64_t *ret_bytes)
{
	uint64_t one = measure_once(calls), other = one ? measure_once(calls) : 0;
	uint64_t apart = one > other ? one - other : other - one;

	*ret_bytes = other && apart <= APART_MOST ? DV_MAX(one, other) : 0;
	return *ret_bytes;
}
