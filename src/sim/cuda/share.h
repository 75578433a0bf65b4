/* SPDX-License-Identifier: Apache-2.0 */
/* What all processes that compute on a simulated machine share: the file `cuda` in its directory,
 * mapped by each. Who is there with how much memory, and the clock of each device.
 *
 * Nothing in it wedges when a process is killed: the lock is robust, what it guards is right after
 * every single store, and who is alive is asked of the kernel (each process holds a record lock on
 * `cuda-alive`, one byte for each of its tenants, which ends with it). */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "sim/driver.h"

enum {
	DV_SHARE_TENANTS_MOST = 1024,
	DV_SHARE_UNITS_MOST = 128,
	DV_SHARE_BLOCKS_MOST = 512,
	DV_SHARE_HOLDERS_OF_BLOCK = 8,
	DV_SHARE_EVENTS_MOST = 256,
	DV_SHARE_SLICE_NS = 1500000, /* of each context, while others wait */
	DV_SHARE_GRACE_NS = 2000000, /* until a holder that does not react is passed over */
	DV_SHARE_AHEAD_NS = 50000,   /* a kernel may be seen to end so much early */
};

/* The memory and the compute of something: a GPU, or a MIG device (its GPU instance's memory). */
struct dv_share_place {
	uint32_t gpu;
	int gi, ci; /* ids; -1: the whole GPU */
	uint32_t generation, ci_serial;
};

/* One process on one device. */
struct dv_share_tenant {
	_Atomic uint32_t used;
	uint32_t pid, uid;
	char name[32];
	struct dv_share_place place;
	uint32_t unit;
	uint64_t bytes;	       /* of its allocations and contexts, as charged */
	uint64_t ticket;       /* it waits for the unit; 0: it does not */
	uint64_t lost_at_ns;   /* its turn was taken from it */
	_Atomic uint32_t word; /* it sleeps on it */
};

/* Something that computes, one context at a time. */
struct dv_share_unit {
	uint32_t used;
	struct dv_share_place place;
	int owner;	/* a tenant; -1: idle */
	uint32_t epoch; /* counts turns */
	uint64_t next_ticket;
	uint64_t clock_ns;     /* until then it was occupied */
	uint64_t slice_end_ns; /* of the owner; 0: as long as it likes */
	uint64_t turn_ns;      /* when the owner's turn began, by the machine's own clock */
};

/* Memory that more than one process has: it is charged to one of them, while it lives. */
struct dv_share_block {
	uint64_t inode; /* 0: free */
	uint64_t bytes;
	int charged; /* a tenant */
	int holders[DV_SHARE_HOLDERS_OF_BLOCK];
};

/* An event that other processes may wait for. */
struct dv_share_event {
	uint32_t used;
	int tenant;
	_Atomic uint64_t recorded, done; /* how often; waiting is for done >= recorded then */
	_Atomic uint64_t done_ns;
};

struct dv_share {
	char magic[8];
	uint64_t size;
	pthread_mutex_t lock;
	/* Published by whoever writes the machine's state. */
	_Atomic uint32_t armed; /* there are faults */
	uint64_t held_bytes[DV_SIM_GPUS_MOST]
			   [DV_SIM_GIS_MOST + 1]; /* [gi + 1]; simulated processes */
	uint64_t reaped_ns;
	_Atomic uint32_t high; /* one past the last tenant that there ever was */
	struct dv_share_tenant tenants[DV_SHARE_TENANTS_MOST];
	struct dv_share_unit units[DV_SHARE_UNITS_MOST];
	struct dv_share_block blocks[DV_SHARE_BLOCKS_MOST];
	struct dv_share_event events[DV_SHARE_EVENTS_MOST];
};

/* Map the machine's file, which is made if `make`. NULL: there is none, or it cannot be had. */
struct dv_share *dv_share_open(const char *dir, bool make);
void dv_share_close(struct dv_share *share);

/* Tell the processes what of the state concerns them; a machine without them is left alone. */
void dv_share_publish(const char *dir, const struct dv_sim_state *state);

void dv_share_lock(struct dv_share *share);
void dv_share_unlock(struct dv_share *share);

/* --- tenants; all of these take the lock themselves --- */

/* Begin to use a place: the tenant's number, or -1. */
int dv_share_join(struct dv_share *share, const struct dv_share_place *place);
void dv_share_leave(struct dv_share *share, int tenant);

/* Forget processes that are gone. */
void dv_share_reap(struct dv_share *share, const char *dir);

/* Charge so many bytes more, or fewer. False: the place has not so much, of `capacity`. */
bool dv_share_charge(struct dv_share *share, int tenant, int64_t bytes, uint64_t capacity);
/* What is charged at a place by everybody, simulated processes included. */
uint64_t dv_share_used(struct dv_share *share, const struct dv_share_place *place);

/* Memory with that inode is given out by its owner, taken in, let go of by a holder. When the one
 * that it is charged to lets go, another one is charged. */
bool dv_share_give(struct dv_share *share, int tenant, uint64_t inode, uint64_t bytes);
bool dv_share_take(struct dv_share *share, int tenant, uint64_t inode);
/* True: it was given out, and whatever is to be refunded was. */
bool dv_share_drop(struct dv_share *share, int tenant, uint64_t inode);

/* --- time --- */

/* Compute for `duration_ns` at the earliest from `ready_ns` on, sharing the tenant's unit with
 * other tenants by slices; returns when it ended. Sleeps; keeps the turn. */
uint64_t dv_share_run(struct dv_share *share, int tenant, uint64_t ready_ns, uint64_t duration_ns);
/* Nothing more to compute: let others have the unit. */
void dv_share_idle(struct dv_share *share, int tenant);
/* Locked: the owner's turn ends at that time; the next one that waits has its own. */
void dv_share_pass_on(struct dv_share *share, struct dv_share_unit *unit, uint64_t at_ns);
