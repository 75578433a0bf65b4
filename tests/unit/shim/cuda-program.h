/* SPDX-License-Identifier: Apache-2.0 */
/* A process that finds the shim under the driver's name, as a program does, with the fake driver
 * where the host's would be, and a lease of the fake divvyd. DIVVY_TEST_SHIM and DIVVY_TEST_DRIVER
 * say where these are. */
#pragma once

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/macro.h"
#include "fake-cuda.h"
#include "fake-divvyd.h"
#include "process.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define MIB UINT64_C(1048576)

static void *cuda; /* handle of "libcuda.so.1" */
static char cuda_path[128];

/* An entry point by its symbol; its type; one of the fake's own. */
#define CU(symbol) ((dv_##symbol##_fn *)cuda_entry(#symbol))
#define CU_OWN(symbol) ((dv_##symbol##_fn *)cuda_entry(#symbol "_ptsz"))
#define FAKE(name) ((name##_fn *)cuda_entry(#name))

static inline void *cuda_entry(const char *symbol)
{
	void *entry = dlsym(cuda, symbol);

	if (!entry)
		fprintf(stderr, "no %s\n", symbol);
	CHECK(entry);
	return entry;
}

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A directory as `divvy run` makes it. */
static inline void cuda_place(void)
{
	char driver[128];

	snprintf(cuda_path, sizeof(cuda_path), "%s/libcuda.so.1", getenv(FAKE_DIR));
	snprintf(driver, sizeof(driver), "%s/libcuda-divvy-real.so", getenv(FAKE_DIR));
	CHECK(symlink(getenv("DIVVY_TEST_SHIM"), cuda_path) == 0);
	CHECK(symlink(getenv("DIVVY_TEST_DRIVER"), driver) == 0);
}

static inline void cuda_open(void)
{
	cuda = dlopen(cuda_path, RTLD_NOW);
	if (!cuda)
		fprintf(stderr, "%s\n", dlerror());
	CHECK(cuda);
}

static inline struct fake *begin_without_context(const struct fake_config *config)
{
	struct fake *fake = fake_start(config);

	CHECK(fake);
	setenv("DIVVY_LEASE_SOCKET", fake_path(fake), 1);
	setenv("DIVVY_LEASE_NONCE", FAKE_NONCE, 1);
	cuda_place();
	cuda_open();
	CHECK(CU(cuInit)(0) == DV_CUDA_SUCCESS);
	return fake;
}

static inline struct fake *begin(const struct fake_config *config)
{
	struct fake *fake = begin_without_context(config);
	struct dv_cu_context *context;

	CHECK(CU(cuCtxCreate_v2)(&context, 0, 0) == DV_CUDA_SUCCESS);
	return fake;
}

static inline struct fake_stats stats_of(struct fake *fake)
{
	struct fake_stats stats;

	fake_stats(fake, &stats);
	return stats;
}

static inline struct fake_cuda_stats gpu(void)
{
	struct fake_cuda_stats stats;

	FAKE(fake_cuda_stats)(&stats);
	return stats;
}

static inline bool used_is(const struct fake_stats *stats, uint64_t bytes)
{
	return stats->used == bytes;
}

static inline bool wants_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->wants >= count;
}

static inline bool drained_are(const struct fake_stats *stats, uint64_t count)
{
	return stats->drained >= count;
}

static inline enum dv_cu_result launch(struct dv_cu_function *f, struct dv_cu_stream *stream)
{
	return CU(cuLaunchKernel)(f, 1, 1, 1, 32, 1, 1, 0, stream, NULL, NULL);
}

#define TEST(f)                                                                                    \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		assert_true(in_process(f));                                                        \
	}
