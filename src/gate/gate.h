/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd's side of sharing: the tenants' sockets and pages, the memory ledger, and one scheduler
 * thread for each shared node. The gate owns its threads, sockets and pages; every function here is
 * called from divvyd's main thread, none blocks on a tenant.
 *
 * Nothing a tenant writes is believed: messages are bounded and checked, counters are read as
 * hostile input, peers are known by SO_PEERCRED. Used memory is what the ledger granted. */
#pragma once

#include <sys/types.h>

#include "base/limits.h"
#include "model/lease.h"
#include "sched/sched.h"

struct dv_gate;

struct dv_gate_config {
	int run_fd;	      /* directory in which the leases' sockets are made (not owned) */
	const char *run_path; /* its path, for clients */
	struct dv_sched_config sched;
	bool gate_copies;
	bool away_waits;	    /* what tenants launch waits for a divvyd that is away */
	uint64_t reattach_grace_ns; /* after a restart: how long earlier clients may take to return
				     */
};

/* What the gate has to know of a lease. */
struct dv_gate_lease {
	int64_t id;
	char node[DV_NODE_SIZE];   /* of the lease itself */
	char parent[DV_NODE_SIZE]; /* the shared node: one scheduler for each */
	char name[DV_NAME_SIZE];
	uid_t uid; /* whose processes may attach (root always may) */
	char nonce[33];
	uint64_t memory_limit_bytes; /* 0: none */
	uint32_t compute_mpct;
	enum dv_policy policy;
	bool timed; /* false: memory only, no scheduler (whole devices, partitions) */
	uint64_t device_memory_bytes; /* what the tenant is shown; 0: as it is */
	uint32_t compute_units;	      /* what the tenant is shown; 0: as it is */
	char device[96];	      /* the driver's name of the GPU, for the tenant; "": none */
};

struct dv_gate_client {
	pid_t pid;
	uint64_t held_bytes;				  /* by the ledger */
	uint64_t launches, gated, denied, passed_ungated; /* as the client counts */
};

struct dv_gate_stats {
	uint64_t memory_used_bytes, memory_peak_bytes; /* ledger */
	uint64_t memory_denied;
	unsigned client_count;	     /* attached now, those that only look left out */
	unsigned client_listed;	     /* entries in clients */
	uint64_t hellos;	     /* ever */
	uint64_t faults;	     /* broken messages, releases of more than was held, ... */
	struct dv_sched_stats sched; /* an endless grant counts as used, idle or not */
	uint64_t wait_p50_ns, wait_p99_ns; /* of waits the scheduler saw, last 10 s or so */
	/* Share of the node's time over the last `window_ms`: since the last look but one. Who
	 * holds an endless grant and launched nothing in that time got none. */
	uint32_t got_mpct;
	uint32_t window_ms;
	bool holding;
	struct dv_gate_client clients[DV_LEASE_PIDS_MOST];
};

int dv_gate_new(const struct dv_gate_config *config, struct dv_gate **ret,
		struct dv_error *err) DV_MUST_CHECK;
void dv_gate_free(struct dv_gate *gate);
DV_DEFINE_FREEP(struct dv_gate, dv_gate_free)

/* Make the lease's socket and let its processes attach. `returning`: the lease was there before a
 * restart; nothing of it is granted anew until its live clients re-attached or the grace is over.
 */
int dv_gate_open(struct dv_gate *gate, const struct dv_gate_lease *lease, bool returning,
		 struct dv_error *err) DV_MUST_CHECK;
/* Hang up on its processes, remove its socket and directory. -ENOENT. */
int dv_gate_close(struct dv_gate *gate, int64_t lease_id, struct dv_error *err) DV_MUST_CHECK;
/* What the driver calls the lease's device, once that is known or has changed: whoever attaches
 * from now on is told, and who attached before there was a name. -ENOENT. */
int dv_gate_name_device(struct dv_gate *gate, int64_t lease_id, const char *device,
			struct dv_error *err) DV_MUST_CHECK;
/* Remove what an earlier divvyd left behind of leases that are not among these. */
void dv_gate_sweep(const struct dv_gate *gate, const struct dv_leases *leases);
/* Path of the lease's socket, printed into buf. It is all that is in its directory, which lasts as
 * long as the lease, over restarts: what a container of the tenant is given. */
const char *dv_gate_socket(const struct dv_gate *gate, int64_t lease_id, char *buf, size_t size);
/* A consistent snapshot; -ENOENT. */
int dv_gate_stats(struct dv_gate *gate, int64_t lease_id, struct dv_gate_stats *ret,
		  struct dv_error *err) DV_MUST_CHECK;
/* Readable when a client came or went since dv_gate_changes_clear: for the main loop to watch. */
int dv_gate_changes_fd(const struct dv_gate *gate);
void dv_gate_changes_clear(struct dv_gate *gate);
