/* SPDX-License-Identifier: Apache-2.0 */
/* A driver that computes nothing, as a library of its own that a test puts in the place of the
 * host's: contexts, streams and events, memory of every kind with a size, graphs and captures.
 * There is no device: a kernel takes the time that its handle says, one after the other, and what
 * has ended is seen by the clock. For tests of the shim; the simulated driver is another, and much
 * more.
 *
 * Its own functions are reached as the driver's are: by dlsym. */
#pragma once

#include "abi/cuda-calls-more.h"
#include "abi/cuda-calls.h"

#define FAKE_TYPE(symbol, name, since, args) typedef enum dv_cu_result dv_##symbol##_fn args;
DV_CUDA_PLAIN_CALLS(FAKE_TYPE)
DV_CUDA_PTSZ_CALLS(FAKE_TYPE)
DV_CUDA_PTDS_CALLS(FAKE_TYPE)
DV_CUDA_UNSIMULATED_CALLS(FAKE_TYPE)
DV_CUDA_MORE_CALLS(FAKE_TYPE)
DV_CUDA_MORE_PTSZ_CALLS(FAKE_TYPE)
#undef FAKE_TYPE

enum {
	FAKE_PITCH = 512,
	FAKE_POOL_STEP = 2 << 20,
	FAKE_ARRAY_STEP = 4096,
};
#define FAKE_TOTAL (UINT64_C(24) << 30)

struct fake_cuda_stats {
	uint64_t launches;   /* kernels and graphs put on the device */
	uint64_t busy_until; /* CLOCK_MONOTONIC: when all of it has ended; UINT64_MAX: never */
	uint64_t device_bytes, live; /* of memory that is there */
	uint64_t events_live;
	uint64_t captured_events; /* events that got into a graph: ours must not */
	uint64_t legacy_records, records;
};

typedef void fake_cuda_stats_fn(struct fake_cuda_stats *ret);
/* The next calls that make something fail like this; 0: no more. */
typedef void fake_cuda_fail_fn(enum dv_cu_result result);
/* Memory that goes back to a pool does so only when this ends: no stream gets there. */
typedef void fake_cuda_pend_fn(int pend);
/* A kernel that takes so long; UINT64_MAX: until fake_cuda_release. */
typedef struct dv_cu_function *fake_cuda_kernel_fn(uint64_t ns);
typedef void fake_cuda_release_fn(void);
/* Launches do nothing and return at once: for measuring the shim alone. */
typedef void fake_cuda_do_nothing_fn(int nothing);
/* cuGetProcAddress answers with addresses that are no exported symbols; over 1: from this version
 * on with another function of the same name. */
typedef void fake_cuda_hide_fn(int hidden);
/* Functions that a newer driver has: dlsym finds them through the shim. */
typedef int fake_cuda_new_thing_fn(void);
