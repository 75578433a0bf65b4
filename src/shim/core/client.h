/* SPDX-License-Identifier: Apache-2.0 */
/* This process as a client of its lease: attached at the first call, again by itself when divvyd
 * comes back, and anew in the child of a fork. One for each process, owned by the library; the
 * lease's socket and nonce come from DIVVY_LEASE_SOCKET and DIVVY_LEASE_NONCE, the limits from
 * divvyd alone.
 *
 * All functions may be called from any thread at any time; they keep errno and are no cancellation
 * points. Without a lease, or with one that refuses, memory is denied and so are launches: a tenant
 * that was promised a limit does not run without one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "shim/core/page.h"
#include "wire/gate.h"

enum {
	/* How long a call waits for a divvyd that is away, unless all of the tenant waits for it
	 * (DV_GRANT_AWAY_WAITS): one that starts again beside tenants that keep every CPU busy
	 * takes seconds. */
	DV_SHIM_PATIENCE_MS = 10000,
};

enum dv_shim_state {
	DV_SHIM_NEW = 0,      /* nothing tried yet */
	DV_SHIM_ATTACHED = 1, /* divvyd answers */
	DV_SHIM_AWAY = 2,     /* was attached; divvyd is gone, and looked for */
	DV_SHIM_FAILED = 3,   /* never attached; divvyd is looked for */
	DV_SHIM_REFUSED = 4,  /* divvyd said no, for good */
};

/* Set once, before anything else: which shim this is. Later calls change nothing. */
void dv_shim_init(enum dv_layer layer);
/* Attach if that was not tried yet; then only look. */
enum dv_shim_state dv_shim_attach(void);
/* Where things stand; attaches nothing. */
enum dv_shim_state dv_shim_state(void);
/* Times the process attached, in this process: a new page may say anything. */
uint64_t dv_shim_attachments(void);

/* This process's pages: valid after dv_shim_init for ever. */
extern struct dv_shim_pages dv_shim_pages;

/* Ask for memory. 0: it is ours until released; -ENOSPC: over the limit; -ECONNREFUSED: there is
 * nobody to ask. A denial is counted. Zero bytes are had from an attached lease only. */
int dv_shim_reserve(uint64_t bytes) DV_MUST_CHECK;
void dv_shim_release(uint64_t bytes);

/* Say something to divvyd that is not answered. False: it could not be sent now. */
bool dv_shim_tell(enum dv_msg_type type, uint64_t a, uint64_t b, uint64_t c, uint64_t serial);

/* Ask divvyd, if it is there: answered by the same type of message. -ECONNREFUSED: it is not; it is
 * not waited for. */
int dv_shim_ask(enum dv_msg_type type, uint64_t a, struct dv_msg *ret) DV_MUST_CHECK;

/* An object's whole charge, once it exists (counted as an allocation), until it is no more. It
 * travels through a `void *` of the device's library, such as the argument of a destructor: how
 * much, and in which process it was reserved, so that the child of a fork gives back nothing of its
 * parent's. */
void *dv_shim_charge_pack(uint64_t bytes);
void dv_shim_charge_release(void *charge);
/* Changes in the child of a fork. */
uint32_t dv_shim_generation(void);

/* Called in the thread that learnt it, when pages were swapped (attached, away), or divvyd is back
 * and says no. */
void dv_shim_on_change(void (*changed)(void));
/* Called in the child of a fork, while there is no other thread. */
void dv_shim_on_fork(void (*forked)(void));
/* Start a thread with all signals blocked and a small stack. */
int dv_shim_thread(void *(*run)(void *), void *arg) DV_MUST_CHECK;
