/* SPDX-License-Identifier: Apache-2.0 */
/* A lease hands one node of the tree GPU > partition > slice to one tenant. Plain data. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/limits.h"
#include "base/vec.h"
#include "model/method.h"

enum dv_lease_state {
	DV_LEASE_PENDING,    /* journalled, its steps not yet done */
	DV_LEASE_READY,	     /* the node is the tenant's; nobody is in it */
	DV_LEASE_ACTIVE,     /* a process is attached, or a command was started in it and runs */
	DV_LEASE_UNENFORCED, /* a process of the tenant uses the device round the gate */
	DV_LEASE_RELEASING,
	DV_LEASE_BROKEN, /* a step failed and its undo too: the node is quarantined */
	DV_LEASE_STATE_COUNT
};

enum { DV_LEASE_PIDS_MOST = 64, DV_LEASE_USERS_MOST = 8 };

/* A process in a lease, whether or not it uses the device: a command that was started in it, or
 * one that lives in its partition. */
struct dv_lease_user {
	pid_t pid;
	char command[24]; /* its own name for itself, or "" */
	bool member;	  /* of the partition's cgroup */
};

struct dv_lease {
	int64_t id;		  /* of the store, never reused */
	char name[DV_NAME_SIZE];  /* unique on this divvyd */
	char fleet[DV_NAME_SIZE]; /* the fleet that made it, or "" for `run` */
	uid_t uid;		  /* whose it is */
	enum dv_kind kind;
	enum dv_method method;
	enum dv_policy policy;
	enum dv_lease_state state;
	char gpu_uuid[DV_UUID_SIZE];
	char node[DV_NODE_SIZE];       /* see model/tree.h */
	char profile[DV_PROFILE_SIZE]; /* of its MIG partition: "2g.20gb"; else "" */
	uint64_t memory_bytes; /* limit; 0: none of its own (whole devices and partitions) */
	uint32_t compute_mpct; /* share of time, thousandths of a percent; 0: none of its own */
	bool ephemeral; /* made by `run`: goes when its launcher and its last process are gone */
	pid_t launcher; /* of an ephemeral lease, else 0 */
	/* What makes the launcher's pid unique (its start time, this boot), as whoever took the
	 * lease made it; 0: unknown. Only compared. */
	uint64_t launcher_start;
	int64_t created_s;
	char nonce[33]; /* 128 random bits, hex: proves to the gate that a process re-attaches */

	/* Observed, not stored. */
	bool missing; /* its MIG partition was not there when the GPU was last looked at */
	uint64_t memory_used_bytes;
	uint64_t memory_seen_bytes; /* what the driver says its processes have, at the last look;
				       0: not known */
	uint32_t window_ms;	    /* over which got_mpct was measured; 0: not measured */
	uint32_t got_mpct;	    /* share of the shared node's time that it got */
	uint64_t wait_p99_ns;	    /* from wanting the device to getting it */
	unsigned pid_count; /* may be greater than DV_LEASE_PIDS_MOST; that many are listed */
	pid_t pids[DV_LEASE_PIDS_MOST];
	unsigned user_count; /* may be greater than DV_LEASE_USERS_MOST */
	struct dv_lease_user users[DV_LEASE_USERS_MOST];
};

struct dv_leases {
	DV_VEC(struct dv_lease);
};

const char *dv_lease_state_name(enum dv_lease_state state);
int dv_lease_state_parse(const char *name, enum dv_lease_state *ret,
			 struct dv_error *err) DV_MUST_CHECK;

/* Is it a MIG partition, a part of one, or a slice in one? */
bool dv_lease_on_mig(const struct dv_lease *lease);
/* Does anybody use it, as far as was observed? */
bool dv_lease_in_use(const struct dv_lease *lease);
/* "pid 123 sleep, 124 cat and 3 more": who is in it; "" for nobody. Returns `buf`. */
const char *dv_lease_users_print(const struct dv_lease *lease, char *buf, size_t size);

/* Of `units` compute units of its parent, how many a tenant is shown: its share of them, rounded
 * up, so that a program that divides its work by compute units divides it for what it gets. */
uint32_t dv_lease_compute_units(const struct dv_lease *lease, uint32_t units);

/* What somebody asks for, before a place is chosen. */
struct dv_lease_request {
	char name[DV_NAME_SIZE]; /* "" : divvyd makes one */
	char gpu[DV_UUID_SIZE];	 /* see dv_gpu_matches, or "" for any */
	enum dv_kind kind;
	enum dv_method method; /* DV_METHOD_NONE: slice */
	enum dv_policy policy;
	uint64_t memory_bytes;	/* of a slice; 0: half of what is left */
	uint32_t compute_mpct;	/* 0: half of what is left, at least 5 % */
	unsigned compute_units; /* of a partition: CPUs; 0: from compute_mpct */
	bool ephemeral;
};
