/* SPDX-License-Identifier: Apache-2.0 */
/* Who may put work on the device now, in this process: the grant is looked at before each command,
 * and what may not run yet is held back without ever blocking its caller. One gate for each
 * process, owned by the library; what it has to do with the device's own library it does through
 * the ops.
 *
 * Three ways for a command:
 *  - free: the grant is endless, or there is no gate. One look at the grant, nothing kept. Work
 * that went this way is "untracked": before anything can be held back behind it, and when the grant
 * is taken, a marker is put on each queue, so that its end is known.
 *  - go: the grant is held for a time. The command is tracked: its end is told by
 * dv_shim_gate_done.
 *  - wait: not held, or enough work is on the device already. Where the device's library can do so,
 *    the caller gives it the command with a condition that is not met; the gate's thread meets it,
 *    in order, while the grant is held. Where it can't (ops->callers_wait), the caller itself
 * waits, and puts its command on the device when it is let go.
 *
 * Locks: `order` keeps the order of held-back commands that of their queues; a caller has it from
 * dv_shim_gate_enter to dv_shim_gate_leave, over the call of the device's library, which may call
 * the program back in the same thread: it is recursive. The gate's thread never waits for it.
 * Inside the gate there is one more lock, held only for a few lines. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"
#include "shim/core/client.h"
#include "shim/core/page.h"

enum dv_shim_verdict {
	DV_SHIM_DENY, /* no lease: refuse the call */
	DV_SHIM_PASS, /* divvyd is away and not waited for, or the gate cannot work: let it
		       * through; counted */
	DV_SHIM_GO,
	DV_SHIM_WAIT,
};

struct dv_shim_gate_ops {
	/* Nothing is ever enqueued behind a command that is held back: its caller waits. */
	bool callers_wait;
	/* Meet the condition of a held-back command, and give the token up. */
	void (*open)(void *token);
	/* Put a marker on each queue: dv_shim_gate_marking before, dv_shim_gate_marked at its end.
	 * With `order` held. */
	void (*mark)(void);
	/* Make sure that what is queued gets to the device. */
	void (*flush)(void);
	/* Is the command on the device now? */
	bool (*running)(void *command);
	/* The gate needs the command no longer. */
	void (*release)(void *command);
};

struct dv_shim_ticket;

/* The part that every command reads and writes, on a cache line of its own. */
struct dv_shim_gate_hot {
	/* Commands between their look at the grant and their being on the queue. Counted up before
	 * the look, both sequentially consistent: either the command sees that the grant is gone,
	 * or whoever took it away sees the command. */
	uint64_t entering;
	/* What closes the free way though the grant is endless: commands held back (one behind them
	 * in their queue would end only when they do), and events of the program that it has not
	 * set yet (work may wait for them for ever). */
	uint64_t closed;
	uint32_t own_events; /* of these, the program's events */
	uint32_t untracked;  /* work went on the free way since the last markers */
} __attribute__((aligned(64)));

extern struct dv_shim_gate_hot dv_shim_gate_hot;

/* Before anything else; `ops` stays the caller's. */
void dv_shim_gate_init(const struct dv_shim_gate_ops *ops);
/* For dv_shim_on_fork: the child starts with an empty gate. */
void dv_shim_gate_forked(void);
/* For dv_shim_on_change. */
void dv_shim_gate_changed(void);

/* The free way, if it is open: then the command must be enqueued and dv_shim_gate_passed called. */
static inline bool dv_shim_gate_pass(void)
{
	uint32_t flags;

	__atomic_fetch_add(&dv_shim_gate_hot.entering, 1, __ATOMIC_SEQ_CST);
	flags = dv_shim_grant_flags(dv_shim_pages.grant);
	if (!(flags & DV_GRANT_GATED) ||
	    (dv_shim_flags_free(flags) &&
	     !__atomic_load_n(&dv_shim_gate_hot.closed, __ATOMIC_SEQ_CST)))
		return true;
	__atomic_fetch_sub(&dv_shim_gate_hot.entering, 1, __ATOMIC_SEQ_CST);
	return false;
}

static inline void dv_shim_gate_passed(void)
{
	if (!__atomic_load_n(&dv_shim_gate_hot.untracked, __ATOMIC_RELAXED))
		__atomic_store_n(&dv_shim_gate_hot.untracked, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&dv_shim_gate_hot.entering, 1, __ATOMIC_SEQ_CST);
}

/* The other ways. `key` stands for what kind of work it is: its cost is learnt. GO and WAIT give a
 * ticket; then `order` is held, and the caller ends with dv_shim_gate_leave. */
enum dv_shim_verdict dv_shim_gate_enter(uint64_t key,
					struct dv_shim_ticket **ret_ticket) DV_MUST_CHECK;
/* WAIT: the command is on its queue, and `token` meets its condition. */
void dv_shim_gate_queue(struct dv_shim_ticket *ticket, void *token);
/* Where callers wait: its caller, who was let go, is awake and puts it on the device now. */
void dv_shim_gate_awake(struct dv_shim_ticket *ticket);
/* The command's handle, for ops->running; the gate releases it in the end. */
void dv_shim_gate_follow(struct dv_shim_ticket *ticket, void *command);
/* The command came to nothing, or its end cannot be learnt (then it is untracked). */
void dv_shim_gate_cancel(struct dv_shim_ticket *ticket, bool untracked);
/* The command ended; also from a callback of the device's library, in any thread, and before
 * dv_shim_gate_leave. The ticket is no more. */
void dv_shim_gate_done(struct dv_shim_ticket *ticket);
/* The same where ends are asked for, now and then: what does that say of how long it took? */
enum dv_shim_seen {
	DV_SHIM_SEEN_ENDING, /* it ended just now */
	DV_SHIM_SEEN_ENDED,  /* some time ago: it took less than it seems */
	DV_SHIM_SEEN_BEHIND, /* with the one before it: nothing */
};
void dv_shim_gate_done_as(struct dv_shim_ticket *ticket, enum dv_shim_seen seen);
void dv_shim_gate_leave(void);

/* GO, and the command is known to be short: may another one ride on its ticket, behind it in its
 * queue? All of them together are then what the ticket's end is the end of. Not more than `most_ns`
 * in all, and nothing that could not go by itself now. */
bool dv_shim_gate_ride(struct dv_shim_ticket *ticket, uint64_t key, uint64_t most_ns) DV_MUST_CHECK;
/* How long it is expected to take; 1 s and more: not known yet. */
uint64_t dv_shim_gate_expects(const struct dv_shim_ticket *ticket);

void dv_shim_gate_marking(void);
void dv_shim_gate_marked(void);

/* Close the free way, and open it again: as many times as it was closed. */
void dv_shim_gate_close(void);
void dv_shim_gate_open(void);
/* Put markers behind the work that went the free way, if there is any and a gate. */
void dv_shim_gate_settle(void);

/* The program made an event that it will set itself; it set it, or let go of it. */
void dv_shim_gate_own_event(void);
void dv_shim_gate_own_event_gone(void);
/* May the program's setting of its event, which may set work free, happen now? If not, `token` is
 * held back like a command, and opened in its turn. */
bool dv_shim_gate_may_set(void *token) DV_MUST_CHECK;
