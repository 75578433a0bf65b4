/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/cases.h"

#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define MS DV_NS_PER_MS
#define S DV_NS_PER_S

#define SLICE(role_, pct, policy_, kernel, think, depth)                                           \
	{                                                                                          \
		.role = role_, .method = DV_METHOD_SLICE, .policy = DV_POLICY_##policy_,           \
		.compute_mpct = (pct)*1000u, .kernel_ns = kernel, .think_ns = think,               \
		.inflight = depth                                                                  \
	}
/* The light tenant of the noisy cases. */
#define THINKS .think_ns = 10 * MS, .think_jitter_ns = 5 * MS
#define LIGHT_SLICE(pct, policy_)                                                                  \
	{                                                                                          \
		.role = "light", .method = DV_METHOD_SLICE, .policy = DV_POLICY_##policy_,         \
		.compute_mpct = (pct)*1000u, .kernel_ns = MS, THINKS, .inflight = 1                \
	}
#define LIGHT(method_, mpct)                                                                       \
	{                                                                                          \
		.role = "light", .method = DV_METHOD_##method_, .compute_mpct = (mpct),            \
		.kernel_ns = MS, THINKS, .inflight = 1                                             \
	}
#define WITHOUT(role_, kernel, think, depth)                                                       \
	{                                                                                          \
		.role = role_, .method = DV_METHOD_NONE, .kernel_ns = kernel, .think_ns = think,   \
		.inflight = depth                                                                  \
	}
#define PART(role_, pct, kernel, think, depth)                                                     \
	{                                                                                          \
		.role = role_, .method = DV_METHOD_PARTITION, .compute_mpct = (pct)*1000u,         \
		.kernel_ns = kernel, .think_ns = think, .inflight = depth                          \
	}

/* A light tenant launches 1 ms kernels and pauses 5 to 15 ms between, as drawn by a generator that
 * begins at the same place in every case: a fixed pause would beat with the neighbour's kernels,
 * and the middle latency would be luck. The heavy one keeps four 5 ms kernels on the queue: longer
 * kernels make every shared method's tail as long as they are. */

#define SHARE2(name_, what_, a, b, ka, kb, depth, quick_)                                          \
	{                                                                                          \
		.name = name_, .what = what_, .measure = DV_MEASURE_SHARE, .goal = 1.0,            \
		.for_ns = 10 * S, .quick = quick_, .tenant_count = 2, .tenants = {                 \
			SLICE("a", a, BEST_EFFORT, ka, 0, depth),                                  \
			SLICE("b", b, BEST_EFFORT, kb, 0, depth)                                   \
		}                                                                                  \
	}
#define SHARE3(name_, what_, a, b, c, ka, kb, kc, depth)                                           \
	{                                                                                          \
		.name = name_, .what = what_, .measure = DV_MEASURE_SHARE, .goal = 1.0,            \
		.for_ns = 10 * S, .tenant_count = 3, .tenants = {                                  \
			SLICE("a", a, BEST_EFFORT, ka, 0, depth),                                  \
			SLICE("b", b, BEST_EFFORT, kb, 0, depth),                                  \
			SLICE("c", c, BEST_EFFORT, kc, 0, depth)                                   \
		}                                                                                  \
	}
#define THROUGHPUT(name_, what_, base, aim, quick_, a, b)                                          \
	{                                                                                          \
		.name = name_, .what = what_, .measure = DV_MEASURE_THROUGHPUT, .baseline = base,  \
		.goal = aim, .for_ns = 3 * S, .quick = quick_, .tenant_count = 2, .tenants = {     \
			a,                                                                         \
			b                                                                          \
		}                                                                                  \
	}
#define NOISY(name_, what_, base, quick_, ...)                                                     \
	{                                                                                          \
		.name = name_, .what = what_, .measure = DV_MEASURE_LATENCY, .baseline = base,     \
		.for_ns = 6 * S, .quick = quick_,                                                  \
		.tenant_count = sizeof((struct dv_bench_tenant[]){__VA_ARGS__}) /                  \
				sizeof(struct dv_bench_tenant),                                    \
		.tenants = {                                                                       \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define WORK(role_, method_, pct, work_)                                                           \
	{                                                                                          \
		.role = role_, .method = DV_METHOD_##method_, .compute_mpct = (pct)*1000u,         \
		.work = DV_WORK_##work_, .inflight = 1                                             \
	}
#define LAUNCH(name_, what_, base, ...)                                                            \
	{                                                                                          \
		.name = name_, .what = what_, .measure = DV_MEASURE_LAUNCH, .baseline = base,      \
		.for_ns = 3 * S,                                                                   \
		.tenant_count = sizeof((struct dv_bench_tenant[]){__VA_ARGS__}) /                  \
				sizeof(struct dv_bench_tenant),                                    \
		.tenants = {                                                                       \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define MEMORY(name_, what_, base, measure_, ...)                                                  \
	{                                                                                          \
		.name = name_, .what = what_, .measure = measure_, .baseline = base, .for_ns = S,  \
		.quick = true, .tenant_count = 1, .tenants = {                                     \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

static const struct dv_bench_case cases[] = {
	NOISY("noisy/alone", "light alone, without divvy", NULL, true, LIGHT(NONE, 0)),
	NOISY("noisy/ungated", "light beside heavy, without divvy", "noisy/alone", true,
	      LIGHT(NONE, 0), WITHOUT("heavy", 5 * MS, 0, 4)),
	NOISY("noisy/slices-50:50", "two slices, 50 % and 50 %", "noisy/ungated", true,
	      LIGHT_SLICE(50, BEST_EFFORT), SLICE("heavy", 50, BEST_EFFORT, 5 * MS, 0, 4)),
	NOISY("noisy/slices-70:30", "two slices, 70 % and 30 %", "noisy/ungated", false,
	      LIGHT_SLICE(70, BEST_EFFORT), SLICE("heavy", 30, BEST_EFFORT, 5 * MS, 0, 4)),
	NOISY("noisy/latency", "light in the latency class at 30 %", "noisy/ungated", true,
	      LIGHT_SLICE(30, LATENCY), SLICE("heavy", 70, BEST_EFFORT, 5 * MS, 0, 4)),
	NOISY("noisy/partition", "a partition for each, half of the CPUs", "noisy/ungated", true,
	      LIGHT(PARTITION, 50000), PART("heavy", 50, 5 * MS, 0, 4)),
	NOISY("noisy/whole", "light has the whole device, by divvy", "noisy/alone", false,
	      LIGHT(PASSTHROUGH, 0)),

	THROUGHPUT("gate/ungated/1ms", "two tenants, 1 ms kernels, without divvy", NULL, 0, true,
		   WITHOUT("a", MS, 0, 1), WITHOUT("b", MS, 0, 1)),
	THROUGHPUT("gate/50:50/1ms", "the same as slices of 50 %", "gate/ungated/1ms", 95, true,
		   SLICE("a", 50, BEST_EFFORT, MS, 0, 1), SLICE("b", 50, BEST_EFFORT, MS, 0, 1)),
	THROUGHPUT("gate/70:30/1ms", "the same as slices of 70 % and 30 %", "gate/ungated/1ms", 0,
		   false, SLICE("a", 70, BEST_EFFORT, MS, 0, 1),
		   SLICE("b", 30, BEST_EFFORT, MS, 0, 1)),
	THROUGHPUT("gate/ungated/20ms", "two tenants, 20 ms kernels, without divvy", NULL, 0, false,
		   WITHOUT("a", 20 * MS, 0, 1), WITHOUT("b", 20 * MS, 0, 1)),
	THROUGHPUT("gate/50:50/20ms", "the same as slices of 50 %", "gate/ungated/20ms", 95, false,
		   SLICE("a", 50, BEST_EFFORT, 20 * MS, 0, 1),
		   SLICE("b", 50, BEST_EFFORT, 20 * MS, 0, 1)),
	THROUGHPUT("gate/ungated/1ms/8-deep", "two tenants, 8 launches in flight, without divvy",
		   NULL, 0, false, WITHOUT("a", MS, 0, 8), WITHOUT("b", MS, 0, 8)),
	THROUGHPUT("gate/50:50/1ms/8-deep", "the same as slices of 50 %", "gate/ungated/1ms/8-deep",
		   0, false, SLICE("a", 50, BEST_EFFORT, MS, 0, 8),
		   SLICE("b", 50, BEST_EFFORT, MS, 0, 8)),

	LAUNCH("gate/launch/null/without", "launches that stop before the driver, without divvy",
	       NULL, WORK("a", NONE, 0, NULL)),
	LAUNCH("gate/launch/null", "the same in a slice: the look at the grant, and the count",
	       "gate/launch/null/without", WORK("a", SLICE, 50, NULL)),
	LAUNCH("gate/launch/without", "one tenant, empty kernels, without divvy", NULL,
	       WITHOUT("a", 0, 0, 1)),
	LAUNCH("gate/launch/uncontended", "the same in a slice that nobody contends",
	       "gate/launch/without", SLICE("a", 50, BEST_EFFORT, 0, 0, 1)),
	LAUNCH("gate/launch/event-timing", "the same with its turn held, beside a slice that waits",
	       "gate/launch/uncontended", SLICE("a", 50, BEST_EFFORT, 0, 0, 1),
	       SLICE("b", 50, BEST_EFFORT, MS, 0, 1)),

	MEMORY("memory/exact", "a slice filled to the last byte, and one byte more", NULL,
	       DV_MEASURE_FILL, WORK("a", SLICE, 0, FILL)),
	MEMORY("memory/buffers/without", "24000 buffers made and released, without divvy", NULL,
	       DV_MEASURE_BUFFERS, WORK("a", NONE, 0, BUFFERS)),
	MEMORY("memory/buffers", "the same in a slice, which is then filled",
	       "memory/buffers/without", DV_MEASURE_BUFFERS, WORK("a", SLICE, 0, BUFFERS)),

	SHARE2("share/70:30/1ms/sync", "1 ms kernels, each waited for", 70, 30, MS, MS, 1, true),
	SHARE2("share/70:30/1ms/8-deep", "1 ms kernels, 8 in flight", 70, 30, MS, MS, 8, false),
	SHARE2("share/70:30/20ms/sync", "20 ms kernels", 70, 30, 20 * MS, 20 * MS, 1, false),
	SHARE2("share/70:30/20ms/8-deep", "20 ms kernels, 8 in flight", 70, 30, 20 * MS, 20 * MS, 8,
	       false),
	SHARE2("share/70:30/mixed/sync", "1 ms against 20 ms", 70, 30, MS, 20 * MS, 1, false),
	SHARE2("share/70:30/mixed/8-deep", "1 ms against 20 ms, 8 in flight", 70, 30, MS, 20 * MS,
	       8, false),
	SHARE2("share/90:10/1ms/sync", "1 ms kernels", 90, 10, MS, MS, 1, false),
	SHARE2("share/90:10/1ms/8-deep", "1 ms kernels, 8 in flight", 90, 10, MS, MS, 8, false),
	SHARE2("share/90:10/20ms/sync", "20 ms kernels", 90, 10, 20 * MS, 20 * MS, 1, false),
	SHARE2("share/90:10/20ms/8-deep", "20 ms kernels, 8 in flight", 90, 10, 20 * MS, 20 * MS, 8,
	       false),
	SHARE2("share/90:10/mixed/sync", "1 ms against 20 ms", 90, 10, MS, 20 * MS, 1, false),
	SHARE2("share/90:10/mixed/8-deep", "1 ms against 20 ms, 8 in flight", 90, 10, MS, 20 * MS,
	       8, false),
	SHARE3("share/50:30:20/1ms/sync", "three tenants, 1 ms kernels", 50, 30, 20, MS, MS, MS, 1),
	SHARE3("share/50:30:20/1ms/8-deep", "1 ms kernels, 8 in flight", 50, 30, 20, MS, MS, MS, 8),
	SHARE3("share/50:30:20/20ms/sync", "20 ms kernels", 50, 30, 20, 20 * MS, 20 * MS, 20 * MS,
	       1),
	SHARE3("share/50:30:20/20ms/8-deep", "20 ms kernels, 8 in flight", 50, 30, 20, 20 * MS,
	       20 * MS, 20 * MS, 8),
	SHARE3("share/50:30:20/mixed/sync", "1 ms, 20 ms and 5 ms", 50, 30, 20, MS, 20 * MS, 5 * MS,
	       1),
	SHARE3("share/50:30:20/mixed/8-deep", "1 ms, 20 ms and 5 ms, 8 in flight", 50, 30, 20, MS,
	       20 * MS, 5 * MS, 8),
};

const struct dv_bench_case *dv_bench_cases(size_t *ret_count)
{
	*ret_count = DV_ARRAY_LEN(cases);
	return cases;
}

const struct dv_bench_case *dv_bench_case_named(const char *name)
{
	for (size_t i = 0; i < DV_ARRAY_LEN(cases); i++)
		if (strcmp(cases[i].name, name) == 0)
			return &cases[i];
	return NULL;
}

bool dv_bench_case_chosen(const struct dv_bench_case *c, const char *const *prefixes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strncmp(c->name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return count == 0;
}
