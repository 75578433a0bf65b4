/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/cuda/kernels.h"

#include <string.h>

#include "sim/cuda/memory.h"

int dv_cu_does_by_name(const char *name, size_t len)
{
	static const char *const names[DV_CU_DOES_COUNT] = {"nothing", "fill", "add", "copy",
							    "check"};

	for (int i = 0; i < DV_CU_DOES_COUNT; i++)
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return i;
	return -1;
}

static uint64_t argument(const struct dv_cu_function *function, const char *arguments, unsigned n)
{
	uint64_t value = 0;

	if (n < function->argument_count)
		memcpy(&value, arguments + function->offsets[n],
		       DV_MIN(sizeof(value), function->sizes[n]));
	return value;
}

uint64_t dv_cu_kernel_time(const struct dv_cu_function *function, const char *arguments)
{
	return function->time_argument < 0
		       ? function->time_ns
		       : argument(function, arguments, (unsigned)function->time_argument);
}

static bool is_there(dv_cu_ptr at, uint64_t count)
{
	bool there;

	(void)pthread_mutex_lock(&dv_cu_lock);
	there = at % sizeof(uint32_t) == 0 && dv_cu_block_at(at, count * sizeof(uint32_t));
	(void)pthread_mutex_unlock(&dv_cu_lock);
	return there;
}

enum dv_cu_result dv_cu_kernel_act(const struct dv_cu_function *function, const char *arguments)
{
	uint64_t at = argument(function, arguments, 0), value = argument(function, arguments, 1);
	uint64_t count = argument(function, arguments, 2), ret = argument(function, arguments, 3);
	uint32_t *to = (uint32_t *)(uintptr_t)at;
	uint32_t wrong = 0;

	if (function->does == DV_CU_DOES_NOTHING)
		return DV_CUDA_SUCCESS;
	if (!is_there(at, count) ||
	    (function->does == DV_CU_DOES_COPY && !is_there(value, count)) ||
	    (function->does == DV_CU_DOES_CHECK && !is_there(ret, 1)))
		return DV_CUDA_ERROR_ILLEGAL_ADDRESS;
	switch (function->does) {
	case DV_CU_DOES_FILL:
		for (uint64_t i = 0; i < count; i++)
			to[i] = (uint32_t)value;
		break;
	case DV_CU_DOES_ADD:
		for (uint64_t i = 0; i < count; i++)
			to[i] += (uint32_t)value;
		break;
	case DV_CU_DOES_COPY:
		memmove(to, (const void *)(uintptr_t)value, count * sizeof(*to));
		break;
	default:
		for (uint64_t i = 0; i < count; i++)
			wrong += to[i] != (uint32_t)value;
		memcpy((void *)(uintptr_t)ret, &wrong, sizeof(wrong));
	}
	return DV_CUDA_SUCCESS;
}
