/* SPDX-License-Identifier: Apache-2.0 */
/* Who may use one shared device now. Pure: events and the time come in, decisions come out; no
 * clock, no I/O, no threads. One scheduler for each shared node; an entity is a tenant (a lease),
 * however many processes it has.
 *
 * Weighted fair quanta charged in time: an entity holds the device for a quantum and is charged
 * from grant to drained; what it overran is debt, paid from its next turns. Of an entity that wants
 * the device all the time, what it got differs from its share of what all got by no more than one
 * quantum and the longest overrun (and a fifth of them, where many fall short at once): over a
 * time W from the start |share error| <= (quantum + overrun) / W; from any moment to any other it
 * is the same for two entities, at most twice that for more. An
 * entity that is alone holds an endless grant. One that goes idle for a moment keeps its credit,
 * and gets the device back at once from whom it was lent to; only after several quanta of idleness
 * is it brought up to the others.
 *
 * fixed-share is never given more than its share (+ one quantum, and what it is owed because others
 * had the device), even when the device is idle.
 * latency goes first, and takes the device from others, as long as it stays within its share;
 * beyond that it is an entity like the others. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "model/method.h"

struct dv_sched;

struct dv_sched_config {
	uint64_t quantum_ns; /* 1 ms to 20 ms; default 5 ms */
	uint64_t linger_ns;  /* default 0.5 ms: a waiting device is kept this long for its holder */
	/* A holder knows when its turn ends, and hands back by itself: it is revoked only so much
	 * later; default 0. */
	uint64_t grace_ns;
	/* How long others wait for a holder that does not drain, its quantum included; then it is
	 * passed by. */
	uint64_t hold_timeout_ns;
	uint64_t idle_forget_ns; /* idle longer than this: credit is forgotten; default 5 quanta */
};

extern const struct dv_sched_config dv_sched_defaults;

enum dv_decision_type {
	DV_DECISION_GRANT,  /* `entity` may launch until `until_ns` (endless: until revoked) */
	DV_DECISION_EXTEND, /* the holder's grant changes to `until_ns` / endless; nothing else */
	DV_DECISION_REVOKE, /* the holder must drain */
	/* The holder missed the time-out: treated as drained, in debt. It may want again at once:
	 * who knows that its work is still on the device withholds the want, and charges it late.
	 */
	DV_DECISION_EVICT,
};

struct dv_decision {
	enum dv_decision_type type;
	int64_t entity;
	uint64_t until_ns;
	bool endless;
	uint64_t wait_ns; /* of a GRANT: since it wanted */
};

/* What was given and used, for `top`, metrics and bench. */
struct dv_sched_stats {
	uint64_t used_ns;		      /* charged since it was added */
	uint64_t wanting_ns;		      /* time in which it wanted or held the device */
	uint64_t waits, wait_ns, wait_max_ns; /* from want to grant */
	uint64_t grants, evictions;
	int64_t debt_ns;
};

int dv_sched_new(const struct dv_sched_config *config, struct dv_sched **ret,
		 struct dv_error *err) DV_MUST_CHECK;
void dv_sched_free(struct dv_sched *sched);
DV_DEFINE_FREEP(struct dv_sched, dv_sched_free)

/* `share_mpct` is the weight, and the ceiling of fixed-share. -EEXIST, -EINVAL, -ENOMEM. */
int dv_sched_add(struct dv_sched *sched, int64_t entity, enum dv_policy policy, uint32_t share_mpct,
		 uint64_t now_ns, struct dv_error *err) DV_MUST_CHECK;
/* Gone at once, even while holding. */
void dv_sched_remove(struct dv_sched *sched, int64_t entity, uint64_t now_ns);
/* It has work. Idempotent; of no effect on the holder, which says `more` when it is drained. */
void dv_sched_want(struct dv_sched *sched, int64_t entity, uint64_t now_ns);
/* Nothing of it is on the device any more: after a revocation, or because it went idle.
 * `idle_since_ns` is when its last work ended (the linger is not charged); `more`: wants again. Of
 * one that does not hold the device (a late answer) only `more` counts. */
void dv_sched_drained(struct dv_sched *sched, int64_t entity, uint64_t idle_since_ns, bool more,
		      uint64_t now_ns);
/* An evicted one's work was on the device for so much longer than it was charged for. */
void dv_sched_charge(struct dv_sched *sched, int64_t entity, uint64_t late_ns, uint64_t now_ns);
/* The next decision that is due at `now_ns`; false: none. Call until false after every event. */
bool dv_sched_decide(struct dv_sched *sched, uint64_t now_ns, struct dv_decision *ret);
/* When to call decide next if nothing happens; UINT64_MAX: not by time. */
uint64_t dv_sched_next_ns(const struct dv_sched *sched);
/* The entity that holds the device, or -1. */
int64_t dv_sched_holder(const struct dv_sched *sched);
/* What was given up to now, a hold that still lasts included; false: no such entity. */
bool dv_sched_stats(const struct dv_sched *sched, int64_t entity, uint64_t now_ns,
		    struct dv_sched_stats *ret);
