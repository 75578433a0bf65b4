/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's inside, shared by its two files: gate.c, which runs in the program's threads, and
 * turn.c, which runs in the gate's own. Everything in struct dv_shim_gate is guarded by its lock,
 * unless it says otherwise. */
#pragma once

#include <pthread.h>

#include "shim/core/gate.h"

enum dv_shim_ticket_state {
	DV_SHIM_TICKET_MADE,   /* by a caller between enter and queue */
	DV_SHIM_TICKET_QUEUED, /* held back */
	DV_SHIM_TICKET_OPEN,   /* on the device, or on its way */
	DV_SHIM_TICKET_PARKED, /* was let go, but waits for the program itself */
};

struct dv_shim_ticket {
	struct dv_shim_ticket *next, *prev;
	enum dv_shim_ticket_state state;
	bool setting; /* no command: the program's own event is to be set */
	bool blind;   /* its end cannot be learnt */
	bool first;   /* of the turn */
	uint64_t key;
	uint64_t estimate_ns; /* with what rides on it */
	uint64_t own_ns;      /* without */
	uint64_t since_ns;    /* QUEUED: held back; OPEN: let go */
	void *token, *command;
};

/* A ring with a head. */
struct dv_shim_list {
	struct dv_shim_ticket head;
	uint64_t count;
};

enum {
	DV_SHIM_COSTS = 512,
	DV_SHIM_PATIENCE_MOST = 3, /* lingers more, for a program that always goes on */
};

struct dv_shim_gate {
	pthread_mutex_t lock;
	pthread_mutex_t order; /* recursive; before `lock` */
	const struct dv_shim_gate_ops *ops;
	bool threaded;	   /* the gate's thread runs, or cannot */
	bool thread_fails; /* no thread to be had: nothing can be held back */
	uint32_t bell;	   /* futex of the gate's thread; atomic */

	struct dv_shim_ticket *spare;
	struct dv_shim_list queued, open, parked;
	uint64_t markers;     /* on queues, not reached yet */
	uint64_t estimate_ns; /* of all that is open */
	uint64_t busy_from_ns, busy_ns;
	uint64_t last_done_ns;

	uint64_t attachments; /* of what follows */
	uint32_t epoch;	      /* the newest read by the gate's thread */
	bool was_held;	      /* in that epoch */
	bool drain_due;	      /* revoked, and not answered yet */
	bool flushed;	      /* since then */
	bool wants;	      /* said so, and not granted since */
	bool gave_back;	      /* in epoch `gave_back_epoch` */
	bool step_when_done;  /* when work ends there is something to do */
	bool stepping;	      /* atomic: it is being done, in a callback */
	uint64_t sleeps_ns;   /* when the gate's thread looks again by itself */
	uint32_t gave_back_epoch;
	bool used;    /* something was let go in this turn, whatever epochs it has had */
	bool blurred; /* ... and what was the first is not known: some of it went the free way */
	uint64_t first_ns; /* when the first of it got to the device */
	uint64_t held_from_ns;
	uint64_t opened;	/* commands, ever */
	uint64_t opened_before; /* at the last look, if in epoch `looked_epoch` */
	uint32_t looked_epoch;
	unsigned patience; /* lingers that the device is kept, less one */

	struct {
		uint64_t key, ns;
	} costs[DV_SHIM_COSTS];
};

extern struct dv_shim_gate dv_shim_gate;

void dv_shim_list_add(struct dv_shim_list *list, struct dv_shim_ticket *ticket);
void dv_shim_list_remove(struct dv_shim_list *list, struct dv_shim_ticket *ticket);
struct dv_shim_ticket *dv_shim_list_first(struct dv_shim_list *list);

/* All with the lock. */
/* A new divvyd knows nothing of what was said to the last one. */
void dv_shim_gate_renew(void);
/* A grant that one finds when its time is over already (this thread woke late) is still good for
 * one command, as long as it stands: else on a busy machine nobody might ever get anywhere. */
bool dv_shim_gate_holds(const struct dv_grant *grant, uint64_t now_ns);
/* The turn of this epoch was handed back. */
bool dv_shim_gate_gave_back(const struct dv_grant *grant);
/* Held for a time: neither free nor endless. */
bool dv_shim_gate_timed(const struct dv_grant *grant);
/* Its time was used, is over, and was not handed back yet. */
bool dv_shim_gate_over(const struct dv_grant *grant, uint64_t now_ns);
/* How long the work on the device will still take, as far as one knows. */
uint64_t dv_shim_gate_left_ns(uint64_t now_ns);
/* With how much work left on the device this command may follow it. */
uint64_t dv_shim_gate_ahead_ns(const struct dv_grant *grant, const struct dv_shim_ticket *ticket);
/* May it go, with the grant held? The device is to have work when a command ends, but not more than
 * the bound, nor any that would begin after our time. */
bool dv_shim_gate_room(const struct dv_grant *grant, const struct dv_shim_ticket *ticket,
		       uint64_t now_ns);
void dv_shim_gate_let_go(struct dv_shim_ticket *ticket, uint64_t now_ns);
void dv_shim_gate_park(struct dv_shim_ticket *ticket, uint64_t now_ns);
void dv_shim_gate_unpark(uint64_t now_ns);
void dv_shim_gate_spare(struct dv_shim_ticket *ticket);
/* Say that this process has work, if that is not said yet. False: it could not be sent. */
bool dv_shim_gate_want(uint32_t epoch);

/* With or without the lock. */
/* Somebody grants, now or when divvyd is back and its tenants wait for that: what is not held is
 * held back. */
bool dv_shim_gate_rules(enum dv_shim_state state);

/* Without the lock. */
void dv_shim_gate_ring(void);
/* With `order`: markers behind what is untracked, if anything is. */
void dv_shim_gate_mark(void);
void *dv_shim_gate_run(void *arg);
/* What the gate's thread would do now, in the thread of a callback: it saves a wake-up. */
void dv_shim_gate_step(void);
