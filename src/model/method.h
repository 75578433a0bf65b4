/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the field: methods, kinds of tenant, policies, isolation; their names and what each
 * method holds. Plain data, no ownership. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum dv_method {
	DV_METHOD_NONE,	       /* not named: left to the advisor */
	DV_METHOD_PASSTHROUGH, /* the whole GPU for one tenant */
	DV_METHOD_MIG,
	DV_METHOD_SLICE,    /* divvy's own: a memory limit and a share of time */
	DV_METHOD_VGPU,	    /* the vendor's types */
	DV_METHOD_VGPU_MIG, /* the vendor's types on a partition */
	DV_METHOD_SRIOV,
	DV_METHOD_PARTITION, /* a cpuset of the CPU device */
	DV_METHOD_MPS,	     /* advice only */
	DV_METHOD_TIMESLICE, /* advice only */
	DV_METHOD_COUNT
};

enum dv_kind { DV_KIND_PROCESS, DV_KIND_CONTAINER, DV_KIND_VM, DV_KIND_COUNT };

/* How a node is divided, in exactly one way at a time. */
enum dv_division {
	DV_DIVISION_NONE,
	DV_DIVISION_WHOLE,
	DV_DIVISION_MIG,
	DV_DIVISION_SLICES,
	DV_DIVISION_VGPU,
	DV_DIVISION_SRIOV,
	DV_DIVISION_PARTITIONS,
	DV_DIVISION_COUNT
};

/* How time is shared among the slices of one node. */
enum dv_policy {
	DV_POLICY_BEST_EFFORT, /* idle time goes to whoever wants it; shares count when all want */
	DV_POLICY_EQUAL_SHARE, /* as best-effort, with equal weights whatever was asked */
	DV_POLICY_FIXED_SHARE, /* never more than its share, even when others are idle */
	DV_POLICY_LATENCY,     /* goes first, within its share as budget */
	DV_POLICY_COUNT
};

/* none < memory < hardware < dedicated: what a tenant accepts, what a method holds. */
enum dv_isolation {
	DV_ISOLATION_NONE,
	DV_ISOLATION_MEMORY,
	DV_ISOLATION_HARDWARE,
	DV_ISOLATION_DEDICATED,
	DV_ISOLATION_COUNT
};

/* By what something is held. */
enum dv_hold {
	DV_HOLD_NONE,
	DV_HOLD_COOPERATIVE,
	DV_HOLD_ENFORCED,
	DV_HOLD_HARDWARE,
	DV_HOLD_COUNT
};

struct dv_isolates {
	enum dv_hold memory, quota, compute, bandwidth, fault;
};

const char *dv_method_name(enum dv_method method);
const char *dv_kind_name(enum dv_kind kind);
const char *dv_division_name(enum dv_division division);
const char *dv_policy_name(enum dv_policy policy);
const char *dv_isolation_name(enum dv_isolation isolation);
const char *dv_hold_name(enum dv_hold hold);

/* Name to value; -EINVAL names what is allowed. */
int dv_method_parse(const char *name, enum dv_method *ret, struct dv_error *err) DV_MUST_CHECK;
int dv_kind_parse(const char *name, enum dv_kind *ret, struct dv_error *err) DV_MUST_CHECK;
int dv_division_parse(const char *name, enum dv_division *ret, struct dv_error *err) DV_MUST_CHECK;
int dv_policy_parse(const char *name, enum dv_policy *ret, struct dv_error *err) DV_MUST_CHECK;
int dv_isolation_parse(const char *name, enum dv_isolation *ret,
		       struct dv_error *err) DV_MUST_CHECK;
int dv_hold_parse(const char *name, enum dv_hold *ret, struct dv_error *err) DV_MUST_CHECK;

/* What a method holds on the CPU device (`cpu`) or on a GPU, and the word for it. Never more than
 * it does: a slice's quota and share are cooperative, a cpuset leaves bandwidth shared. */
struct dv_isolates dv_method_isolates(enum dv_method method, bool cpu);
enum dv_isolation dv_method_isolation(enum dv_method method, bool cpu);

/* The same of a MIG partition or of a compute instance that is only a part of one, by the profile's
 * name ("1c.3g.40gb"; "" for any other): such instances share memory, cache and faults within the
 * partition, and only their compute is their own (MIG User Guide, "Compute instances"). */
struct dv_isolates dv_method_isolates_as(enum dv_method method, bool cpu, const char *profile);
enum dv_isolation dv_method_isolation_as(enum dv_method method, bool cpu, const char *profile);

/* The division that a lease by this method makes of the node it is carved from. */
enum dv_division dv_method_division(enum dv_method method);

/* divvy knows it and may recommend it, but does not set it up. */
bool dv_method_advice_only(enum dv_method method);
