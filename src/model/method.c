/* SPDX-License-Identifier: Apache-2.0 */
#include "model/method.h"

#include "model/mig.h"
#include "model/word.h"

static const char *const methods[DV_METHOD_COUNT + 1] = {
	[DV_METHOD_NONE] = "none",   [DV_METHOD_PASSTHROUGH] = "passthrough",
	[DV_METHOD_MIG] = "mig",     [DV_METHOD_SLICE] = "slice",
	[DV_METHOD_VGPU] = "vgpu",   [DV_METHOD_VGPU_MIG] = "vgpu-mig",
	[DV_METHOD_SRIOV] = "sriov", [DV_METHOD_PARTITION] = "partition",
	[DV_METHOD_MPS] = "mps",     [DV_METHOD_TIMESLICE] = "timeslice",
};

static const char *const kinds[DV_KIND_COUNT + 1] = {
	[DV_KIND_PROCESS] = "process",
	[DV_KIND_CONTAINER] = "container",
	[DV_KIND_VM] = "vm",
};

static const char *const divisions[DV_DIVISION_COUNT + 1] = {
	[DV_DIVISION_NONE] = "none",
	[DV_DIVISION_WHOLE] = "whole",
	[DV_DIVISION_MIG] = "mig",
	[DV_DIVISION_SLICES] = "slices",
	[DV_DIVISION_VGPU] = "vgpu",
	[DV_DIVISION_SRIOV] = "sriov",
	[DV_DIVISION_PARTITIONS] = "partitions",
};

static const char *const policies[DV_POLICY_COUNT + 1] = {
	[DV_POLICY_BEST_EFFORT] = "best-effort",
	[DV_POLICY_EQUAL_SHARE] = "equal-share",
	[DV_POLICY_FIXED_SHARE] = "fixed-share",
	[DV_POLICY_LATENCY] = "latency",
};

static const char *const isolations[DV_ISOLATION_COUNT + 1] = {
	[DV_ISOLATION_NONE] = "none",
	[DV_ISOLATION_MEMORY] = "memory",
	[DV_ISOLATION_HARDWARE] = "hardware",
	[DV_ISOLATION_DEDICATED] = "dedicated",
};

static const char *const holds[DV_HOLD_COUNT + 1] = {
	[DV_HOLD_NONE] = "none",
	[DV_HOLD_COOPERATIVE] = "cooperative",
	[DV_HOLD_ENFORCED] = "enforced",
	[DV_HOLD_HARDWARE] = "hardware",
};

const char *dv_method_name(enum dv_method method)
{
	return (unsigned)method < DV_METHOD_COUNT ? methods[method] : "unknown";
}

const char *dv_kind_name(enum dv_kind kind)
{
	return (unsigned)kind < DV_KIND_COUNT ? kinds[kind] : "unknown";
}

const char *dv_division_name(enum dv_division division)
{
	return (unsigned)division < DV_DIVISION_COUNT ? divisions[division] : "unknown";
}

const char *dv_policy_name(enum dv_policy policy)
{
	return (unsigned)policy < DV_POLICY_COUNT ? policies[policy] : "unknown";
}

const char *dv_isolation_name(enum dv_isolation isolation)
{
	return (unsigned)isolation < DV_ISOLATION_COUNT ? isolations[isolation] : "unknown";
}

const char *dv_hold_name(enum dv_hold hold)
{
	return (unsigned)hold < DV_HOLD_COUNT ? holds[hold] : "unknown";
}

int dv_method_parse(const char *name, enum dv_method *ret, struct dv_error *err)
{
	int i = dv_word_parse("method", methods, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_method)i;
	return 0;
}

int dv_kind_parse(const char *name, enum dv_kind *ret, struct dv_error *err)
{
	int i = dv_word_parse("kind", kinds, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_kind)i;
	return 0;
}

int dv_division_parse(const char *name, enum dv_division *ret, struct dv_error *err)
{
	int i = dv_word_parse("division", divisions, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_division)i;
	return 0;
}

int dv_policy_parse(const char *name, enum dv_policy *ret, struct dv_error *err)
{
	int i = dv_word_parse("policy", policies, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_policy)i;
	return 0;
}

int dv_isolation_parse(const char *name, enum dv_isolation *ret, struct dv_error *err)
{
	int i = dv_word_parse("isolation", isolations, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_isolation)i;
	return 0;
}

int dv_hold_parse(const char *name, enum dv_hold *ret, struct dv_error *err)
{
	int i = dv_word_parse("hold", holds, name, err);

	if (i < 0)
		return i;
	*ret = (enum dv_hold)i;
	return 0;
}

/* What a method holds on one kind of device, and the word for the whole. */
struct held {
	enum dv_isolation isolation;
	struct dv_isolates by;
};

#define HELD(word, m, q, c, b, f)                                                                  \
	{                                                                                          \
		DV_ISOLATION_##word,                                                               \
		{                                                                                  \
			DV_HOLD_##m, DV_HOLD_##q, DV_HOLD_##c, DV_HOLD_##b, DV_HOLD_##f            \
		}                                                                                  \
	}

/* Where two readings are possible, the weaker one stands. A slice's address space is kept by the
 * driver and the GPU's MMU, its limits by our layer, which a process can go round; a fault of one
 * may reset the GPU for all. */
static const struct held on_gpu[DV_METHOD_COUNT] = {
	/* memory, quota, compute, bandwidth, fault */
	[DV_METHOD_PASSTHROUGH] = HELD(DEDICATED, HARDWARE, HARDWARE, HARDWARE, HARDWARE, HARDWARE),
	[DV_METHOD_MIG] = HELD(HARDWARE, HARDWARE, HARDWARE, HARDWARE, HARDWARE, HARDWARE),
	[DV_METHOD_SLICE] = HELD(MEMORY, ENFORCED, COOPERATIVE, COOPERATIVE, NONE, NONE),
	[DV_METHOD_VGPU] = HELD(MEMORY, ENFORCED, ENFORCED, ENFORCED, NONE, NONE),
	[DV_METHOD_VGPU_MIG] = HELD(HARDWARE, HARDWARE, HARDWARE, HARDWARE, HARDWARE, HARDWARE),
	[DV_METHOD_SRIOV] = HELD(MEMORY, ENFORCED, ENFORCED, ENFORCED, NONE, NONE),
	[DV_METHOD_MPS] = HELD(MEMORY, ENFORCED, COOPERATIVE, COOPERATIVE, NONE, NONE),
	[DV_METHOD_TIMESLICE] = HELD(MEMORY, ENFORCED, NONE, NONE, NONE, NONE),
};

/* The operating system keeps processes apart, and a cpuset keeps a partition's cores; nothing keeps
 * the memory's bandwidth. That nobody else uses a whole CPU device holds among divvy's tenants
 * only: other programs of the machine run on the same CPUs. */
static const struct held on_cpu[DV_METHOD_COUNT] = {
	[DV_METHOD_PASSTHROUGH] =
		HELD(DEDICATED, ENFORCED, COOPERATIVE, COOPERATIVE, COOPERATIVE, ENFORCED),
	[DV_METHOD_SLICE] = HELD(MEMORY, ENFORCED, COOPERATIVE, COOPERATIVE, NONE, ENFORCED),
	[DV_METHOD_PARTITION] = HELD(MEMORY, ENFORCED, NONE, ENFORCED, NONE, ENFORCED),
};

static const struct held nothing;

static const struct held *held(enum dv_method method, bool cpu)
{
	if ((unsigned)method >= DV_METHOD_COUNT)
		return &nothing;
	return cpu ? &on_cpu[method] : &on_gpu[method];
}

struct dv_isolates dv_method_isolates(enum dv_method method, bool cpu)
{
	return held(method, cpu)->by;
}

enum dv_isolation dv_method_isolation(enum dv_method method, bool cpu)
{
	return held(method, cpu)->isolation;
}

/* Whose memory it is the MMU keeps, how much of the partition's each takes nobody does; nor is said
 * anywhere that a fault of one leaves the others alone. */
static const struct held on_part = HELD(MEMORY, ENFORCED, NONE, HARDWARE, NONE, NONE);

static const struct held *held_as(enum dv_method method, bool cpu, const char *profile)
{
	return method == DV_METHOD_MIG && !cpu && dv_mig_part_slices(profile, NULL)
		       ? &on_part
		       : held(method, cpu);
}

struct dv_isolates dv_method_isolates_as(enum dv_method method, bool cpu, const char *profile)
{
	return held_as(method, cpu, profile)->by;
}

enum dv_isolation dv_method_isolation_as(enum dv_method method, bool cpu, const char *profile)
{
	return held_as(method, cpu, profile)->isolation;
}

enum dv_division dv_method_division(enum dv_method method)
{
	static const enum dv_division made[DV_METHOD_COUNT] = {
		[DV_METHOD_PASSTHROUGH] = DV_DIVISION_WHOLE,
		[DV_METHOD_MIG] = DV_DIVISION_MIG,
		[DV_METHOD_SLICE] = DV_DIVISION_SLICES,
		[DV_METHOD_VGPU] = DV_DIVISION_VGPU,
		[DV_METHOD_VGPU_MIG] = DV_DIVISION_MIG,
		[DV_METHOD_SRIOV] = DV_DIVISION_SRIOV,
		[DV_METHOD_PARTITION] = DV_DIVISION_PARTITIONS,
	};

	return (unsigned)method < DV_METHOD_COUNT ? made[method] : DV_DIVISION_NONE;
}

bool dv_method_advice_only(enum dv_method method)
{
	return method == DV_METHOD_MPS || method == DV_METHOD_TIMESLICE;
}
