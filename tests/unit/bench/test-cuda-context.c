/* SPDX-License-Identifier: Apache-2.0 */
/* What a context takes, with a driver that answers what the test says. */
#include "bench/cuda-context.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)

/* Free memory at each asking, two for a try; which making of a context fails, from 1. */
static struct {
	uint64_t free[4];
	unsigned asked, made, live, fails_at;
	enum dv_cu_result answer;
} gpu;

static enum dv_cu_result create(struct dv_cu_context **ret, uint32_t flags, int device)
{
	if (++gpu.made == gpu.fails_at)
		return DV_CUDA_ERROR_OUT_OF_MEMORY;
	gpu.live++;
	*ret = (struct dv_cu_context *)(uintptr_t)gpu.made;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result destroy(struct dv_cu_context *context)
{
	gpu.live--;
	return DV_CUDA_SUCCESS;
}

static enum dv_cu_result info(size_t *ret_free, size_t *ret_total)
{
	assert_true(gpu.asked < DV_ARRAY_LEN(gpu.free));
	*ret_free = gpu.free[gpu.asked++];
	*ret_total = 8192 * MIB;
	return gpu.answer;
}

static const struct dv_context_calls calls = {create, destroy, info};

static void expect(uint64_t wanted)
{
	uint64_t bytes = 7;

	assert_int_equal(dv_context_measure(&calls, &bytes), wanted != 0);
	assert_int_equal(bytes, wanted);
	assert_int_equal(gpu.live, 0);
}

#define GPU(...)                                                                                   \
	gpu = (typeof(gpu))                                                                        \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

static void test_two_alike(void **state)
{
	GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 3488 * MIB});
	expect(512 * MIB);
	/* The greater of two that differ by a page. */
	GPU(.free = {4000 * MIB, 3490 * MIB, 4000 * MIB, 3488 * MIB});
	expect(512 * MIB);
	GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 3490 * MIB});
	expect(512 * MIB);
}

static void test_others_meanwhile(void **state)
{
	/* Somebody gave back as much as the context took, or nearly, or more. */
	GPU(.free = {4000 * MIB, 4000 * MIB, 4000 * MIB, 3488 * MIB});
	expect(0);
	GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 4000 * MIB});
	expect(0);
	GPU(.free = {4000 * MIB, 3998 * MIB, 4000 * MIB, 3488 * MIB});
	expect(0);
	GPU(.free = {4000 * MIB, 4096 * MIB, 4000 * MIB, 3488 * MIB});
	expect(0);
	/* Somebody took some: by one byte too far apart. */
	GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 3486 * MIB - 1});
	expect(0);
	/* Both times more than any context takes. */
	GPU(.free = {4000 * MIB, 1000 * MIB, 4000 * MIB, 1000 * MIB});
	expect(0);
}

static void test_driver_refuses(void **state)
{
	for (unsigned i = 1; i <= 4; i++) {
		GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 3488 * MIB}, .fails_at = i);
		expect(0);
	}
	GPU(.free = {4000 * MIB, 3488 * MIB, 4000 * MIB, 3488 * MIB},
	    .answer = DV_CUDA_ERROR_UNKNOWN);
	expect(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_alike),
		cmocka_unit_test(test_others_meanwhile),
		cmocka_unit_test(test_driver_refuses),
	};

	return cmocka_run_group_tests_name("bench/cuda-context", tests, NULL, NULL);
}
