/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cuda-cases.h"

#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define US DV_NS_PER_US
#define MS DV_NS_PER_MS
#define S DV_NS_PER_S
#define MIB (1024.0 * 1024.0)

/* 5 us kernels are waited for by hundreds: a program that waits for each leaves the device idle for
 * most of the time. */
static const struct dv_cuda_shape k5us = {5 * US, 100, 4, 0, 0, 0};
static const struct dv_cuda_shape k5us_sync = {5 * US, 1, 1, 0, 0, 0};
static const struct dv_cuda_shape k100us = {100 * US, 10, 4, 0, 0, 0};
static const struct dv_cuda_shape k100us_sync = {100 * US, 1, 1, 0, 0, 0};
static const struct dv_cuda_shape k500us = {500 * US, 1, 8, 0, 0, 0};
static const struct dv_cuda_shape k1ms = {MS, 1, 8, 0, 0, 0};
static const struct dv_cuda_shape k1ms_sync = {MS, 1, 1, 0, 0, 0};
static const struct dv_cuda_shape k5ms = {5 * MS, 1, 4, 0, 0, 0};
static const struct dv_cuda_shape k10ms = {10 * MS, 1, 2, 0, 0, 0};
static const struct dv_cuda_shape k10ms_sync = {10 * MS, 1, 1, 0, 0, 0};
static const struct dv_cuda_shape k50ms = {50 * MS, 1, 2, 0, 0, 0};
static const struct dv_cuda_shape k200ms = {200 * MS, 1, 2, 0, 0, 0};
static const struct dv_cuda_shape k200ms_sync = {200 * MS, 1, 1, 0, 0, 0};
static const struct dv_cuda_shape graph = {100 * US, 1, 4, 10, 0, 0};
static const struct dv_cuda_shape graph_sync = {100 * US, 1, 1, 10, 0, 0};
/* A request is a kernel of 10 ms; the pauses are drawn alike in every case. A fixed pause would
 * beat with the neighbour's kernels. */
static const struct dv_cuda_shape requests = {10 * MS, 1, 1, 0, 20 * MS, 10 * MS};

#define OF(role_, policy_, pct, shape_)                                                            \
	{                                                                                          \
		.role = role_, .policy = DV_POLICY_##policy_, .compute_mpct = (pct)*1000u,         \
		.shape = &shape_                                                                   \
	}

#define SHARE2(name_, what_, a, b, shape_a, shape_b, time, goal_1s, quick_)                        \
	{                                                                                          \
		.name = "cuda/share/" name_, .what = what_, .measure = DV_CUDA_SHARE, .goal = 1,   \
		.goal_in_1s = goal_1s, .for_ns = time, .quick = quick_, .tenant_count = 2,         \
		.tenants = {                                                                       \
			OF("a", BEST_EFFORT, a, shape_a),                                          \
			OF("b", BEST_EFFORT, b, shape_b)                                           \
		}                                                                                  \
	}
#define SHARE3(name_, what_, a, b, c, shape_a, shape_b, shape_c, time, goal_1s)                    \
	{                                                                                          \
		.name = "cuda/share/" name_, .what = what_, .measure = DV_CUDA_SHARE, .goal = 1,   \
		.goal_in_1s = goal_1s, .for_ns = time, .tenant_count = 3, .tenants = {             \
			OF("a", BEST_EFFORT, a, shape_a),                                          \
			OF("b", BEST_EFFORT, b, shape_b),                                          \
			OF("c", BEST_EFFORT, c, shape_c)                                           \
		}                                                                                  \
	}
/* One split with every length of kernels. */
#define SHARES2(split, a, b, quick_)                                                               \
	SHARE2(split "/5us", "5 us kernels, hundreds in flight", a, b, k5us, k5us, 10 * S, 2,      \
	       false),                                                                             \
		SHARE2(split "/1ms/sync", "1 ms kernels, each waited for", a, b, k1ms_sync,        \
		       k1ms_sync, 10 * S, 2, quick_),                                              \
		SHARE2(split "/1ms", "1 ms kernels, 8 in flight", a, b, k1ms, k1ms, 10 * S, 2,     \
		       false),                                                                     \
		SHARE2(split "/10ms", "10 ms kernels, 2 in flight", a, b, k10ms, k10ms, 10 * S, 2, \
		       false),                                                                     \
		SHARE2(split "/mixed", "100 us kernels against 5 ms", a, b, k100us, k5ms, 10 * S,  \
		       2, false),                                                                  \
		SHARE2(split "/200ms", "200 ms kernels, 2 in flight, a minute long", a, b, k200ms, \
		       k200ms, 60 * S, 0, false)
#define SHARES3(split, a, b, c)                                                                    \
	SHARE3(split "/5us", "three tenants, 5 us kernels", a, b, c, k5us, k5us, k5us, 10 * S, 2), \
		SHARE3(split "/1ms/sync", "1 ms kernels, each waited for", a, b, c, k1ms_sync,     \
		       k1ms_sync, k1ms_sync, 10 * S, 2),                                           \
		SHARE3(split "/1ms", "1 ms kernels, 8 in flight", a, b, c, k1ms, k1ms, k1ms,       \
		       10 * S, 2),                                                                 \
		SHARE3(split "/10ms", "10 ms kernels, 2 in flight", a, b, c, k10ms, k10ms, k10ms,  \
		       10 * S, 2),                                                                 \
		SHARE3(split "/mixed", "100 us kernels against 5 ms and 1 ms", a, b, c, k100us,    \
		       k5ms, k1ms_sync, 10 * S, 2),                                                \
		SHARE3(split "/200ms", "200 ms kernels, 2 in flight, a minute long", a, b, c,      \
		       k200ms, k200ms, k200ms, 60 * S, 0)

#define CAP(name_, what_, shape, time, quick_)                                                     \
	{                                                                                          \
		.name = "cuda/cap/" name_, .what = what_, .measure = DV_CUDA_CAP, .goal = 1,       \
		.for_ns = time, .quick = quick_, .paired = true, .tenant_count = 1, .tenants = {   \
			OF("a", FIXED_SHARE, 50, shape)                                            \
		}                                                                                  \
	}
/* Such kernels are seen to end up to 50 us early on the simulated driver. */
#define CAP_REAL(name_, what_, shape, time)                                                        \
	{                                                                                          \
		.name = "cuda/cap/" name_, .what = what_, .measure = DV_CUDA_CAP, .goal = 1,       \
		.for_ns = time, .real_only = true, .paired = true, .tenant_count = 1, .tenants = { \
			OF("a", FIXED_SHARE, 50, shape)                                            \
		}                                                                                  \
	}
#define LAUNCH(name_, what_, way_)                                                                 \
	{                                                                                          \
		.name = "cuda/gate/launch/" name_, .what = what_, .measure = DV_CUDA_LAUNCH,       \
		.goal = 50, .for_ns = 3 * S, .quick = true, .way = way_, .tenant_count = 1,        \
		.tenants = {                                                                       \
			OF("a", BEST_EFFORT, 50, k1ms_sync)                                        \
		}                                                                                  \
	}
#define ALONE(name_, what_, shape, quick_)                                                         \
	{                                                                                          \
		.name = "cuda/gate/alone/" name_, .what = what_, .measure = DV_CUDA_THROUGHPUT,    \
		.goal = 0.5, .for_ns = 2 * S, .quick = quick_, .paired = true, .runs = 5,          \
		.tenant_count = 1, .tenants = {                                                    \
			OF("a", BEST_EFFORT, 50, shape)                                            \
		}                                                                                  \
	}
#define SHARED(name_, what_, a, b, shape, quick_)                                                  \
	{                                                                                          \
		.name = "cuda/gate/shared/" name_, .what = what_, .measure = DV_CUDA_THROUGHPUT,   \
		.goal = 1.5, .for_ns = 3 * S, .quick = quick_, .paired = true, .runs = 3,          \
		.tenant_count = 2, .tenants = {                                                    \
			OF("a", BEST_EFFORT, a, shape),                                            \
			OF("b", BEST_EFFORT, b, shape)                                             \
		}                                                                                  \
	}

#define BESIDE(name_, shape, goal_, quick_)                                                        \
	{                                                                                          \
		.name = "cuda/latency/" name_, .what = "10 ms requests beside kernels of " name_,  \
		.measure = DV_CUDA_LATENCY, .goal = goal_, .for_ns = 8 * S, .quick = quick_,       \
		.alone = "cuda/latency/alone", .tenant_count = 2, .tenants = {                     \
			OF("light", LATENCY, 60, requests),                                        \
			OF("heavy", BEST_EFFORT, 40, shape)                                        \
		}                                                                                  \
	}
#define BESIDE_WITHOUT(name_, shape)                                                               \
	{                                                                                          \
		.name = "cuda/latency/without/" name_, .what = "the same, without divvy",          \
		.measure = DV_CUDA_LATENCY, .for_ns = 8 * S, .alone = "cuda/latency/alone",        \
		.tenant_count = 2, .tenants = {                                                    \
			OF("light", LATENCY, 0, requests),                                         \
			OF("heavy", BEST_EFFORT, 0, shape)                                         \
		}                                                                                  \
	}
#define MEMORY(name_, what_, goal_)                                                                \
	{                                                                                          \
		.name = "cuda/memory/" name_, .what = what_, .measure = DV_CUDA_MEMORY,            \
		.goal = goal_, .for_ns = S, .quick = true, .way = name_, .tenant_count = 1,        \
		.tenants = {                                                                       \
			OF("a", BEST_EFFORT, 50, k1ms_sync)                                        \
		}                                                                                  \
	}
#define START(name_, what_, count_, goal_, apart_, contexts_, quick_)                              \
	{                                                                                          \
		.name = "cuda/start/" name_, .what = what_, .measure = DV_CUDA_START,              \
		.goal = goal_, .for_ns = S, .quick = quick_, .paired = true, .runs = 3,            \
		.processes = count_, .apart = apart_, .contexts = contexts_, .tenant_count = 1,    \
		.tenants = {                                                                       \
			OF("a", BEST_EFFORT, 50, k1ms_sync)                                        \
		}                                                                                  \
	}

static const struct dv_cuda_case cases[] = {
	SHARES2("50:50", 50, 50, false),
	SHARES2("30:70", 30, 70, true),
	SHARES2("10:90", 10, 90, false),
	SHARES3("20:30:50", 20, 30, 50),

	CAP("5us", "a cap of 50 % alone, 5 us kernels, hundreds in flight", k5us, 10 * S, false),
	CAP_REAL("5us/sync", "5 us kernels, each waited for; on a real GPU only", k5us_sync,
		 10 * S),
	CAP("100us/sync", "100 us kernels, each waited for", k100us_sync, 10 * S, false),
	CAP("1ms", "1 ms kernels, 8 in flight", k1ms, 10 * S, false),
	CAP("1ms/sync", "1 ms kernels, each waited for", k1ms_sync, 10 * S, true),
	CAP("10ms/sync", "10 ms kernels, each waited for", k10ms_sync, 10 * S, false),
	CAP("graph", "graphs of ten 100 us kernels, 4 in flight", graph, 10 * S, false),
	CAP("graph/sync", "the same graphs, each waited for", graph_sync, 10 * S, true),
	CAP("200ms/sync", "200 ms kernels, each waited for, a minute long", k200ms_sync, 60 * S,
	    false),

	LAUNCH("refused", "a launch that the driver refuses at once: the look and the way through",
	       "refused"),
	LAUNCH("uncontended", "a launch of an empty kernel, in a slice that nobody contends",
	       "launch"),
	ALONE("5us", "one tenant, 5 us kernels, hundreds in flight", k5us, false),
	ALONE("1ms/sync", "one tenant, 1 ms kernels, each waited for", k1ms_sync, true),
	ALONE("graph", "one tenant, graphs of ten 100 us kernels", graph, false),
	SHARED("1ms", "two tenants, 1 ms kernels, 8 in flight", 50, 50, k1ms, true),
	SHARED("1ms/sync", "two tenants, 1 ms kernels, each waited for", 50, 50, k1ms_sync, false),
	SHARED("5us", "two tenants, 5 us kernels, hundreds in flight", 50, 50, k5us, false),
	SHARED("30:70/1ms", "30 % and 70 %, 1 ms kernels, 8 in flight", 30, 70, k1ms, false),

	{.name = "cuda/latency/alone",
	 .what = "requests of 10 ms alone, without divvy",
	 .measure = DV_CUDA_LATENCY,
	 .for_ns = 8 * S,
	 .quick = true,
	 .tenant_count = 1,
	 .tenants = {OF("light", LATENCY, 0, requests)}},
	BESIDE("0.5ms", k500us, 1.10, true),
	BESIDE("5ms", k5ms, 0, false),
	BESIDE("50ms", k50ms, 0, false),
	BESIDE("200ms", k200ms, 0, false),
	BESIDE_WITHOUT("0.5ms", k500us),
	BESIDE_WITHOUT("5ms", k5ms),
	BESIDE_WITHOUT("50ms", k50ms),
	BESIDE_WITHOUT("200ms", k200ms),

	MEMORY("fill", "a slice filled to the last byte, and one byte more", 0),
	MEMORY("alloc", "cuMemAlloc, 48 odd sizes", 0),
	MEMORY("pitch", "cuMemAllocPitch, by the driver's pitch", 0),
	MEMORY("managed", "cuMemAllocManaged", 0),
	MEMORY("handle", "cuMemCreate, by the driver's pages", 0),
	MEMORY("async", "cuMemAllocAsync, by what the pool keeps", 0),
	MEMORY("context", "a second context, against what the driver lacks for it", 2 * MIB),

	START("apart", "50 processes, one after the other", 50, 1, true, false, true),
	START("10", "10 processes at once", 10, 0, false, false, true),
	START("100", "100 processes at once", 100, 0, false, false, false),
	START("300", "300 processes at once: the 99th of a hundred against plain", 300, 500, false,
	      false, false),
	START("contexts/24", "24 processes at once, each with a context", 24, 0, false, true,
	      false),
};

const struct dv_cuda_case *dv_cuda_cases(size_t *ret_count)
{
	*ret_count = DV_ARRAY_LEN(cases);
	return cases;
}

const struct dv_cuda_case *dv_cuda_case_named(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++)
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	return NULL;
}

bool dv_cuda_case_chosen(const struct dv_cuda_case *c, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(c->name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return count == 0;
}
