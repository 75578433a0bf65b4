/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's inside: entities, their virtual time, and who is next.
 *
 * The rule is earliest eligible virtual deadline first. An entity's virtual time v runs at
 * 1/weight while it holds the device. V is the weighted mean of all that take part: who has v < V
 * was given too little. Work is asked for in requests of one quantum: a request may begin when its
 * start <= V, and of those that may, the one with the earliest end goes first; but before them who
 * would fall more than a quantum short if one more had its turn. That keeps everyone within one
 * request of its fair part at all times, where "the smallest v goes first" lets many light entities
 * starve a heavy one for all their quanta together.
 *
 * Virtual times wrap; only differences mean something. */
#pragma once

#include "base/vec.h"
#include "sched/sched.h"

#define DV_SCHED_WHOLE 100000 /* mpct */

struct dv_sched_entity {
	int64_t id;
	enum dv_policy policy;
	uint32_t share_mpct;
	uint32_t weight;

	uint64_t v;
	uint64_t start_v, end_v; /* of the request at hand */
	bool joined;		 /* wanted at least once */
	bool wants;
	bool throttled;	    /* fixed-share, wants, but has used up its share */
	bool exhausted;	    /* fixed-share: ran dry, waits for a whole quantum's worth */
	uint64_t idle_ns;   /* since when it takes no part; kept in the mean for a while */
	int64_t lag_left;   /* what it was short of when it went idle, ns */
	uint64_t want_ns;   /* since when it wants */
	uint64_t active_ns; /* since when it wants or holds */

	int64_t tokens; /* what it has left of its share: fixed-share's ceiling, latency's budget;
			 * in ns * DV_SCHED_WHOLE, so that no small step loses any */
	uint64_t tokens_ns;
	int64_t granted_tokens; /* what it had when its turn began */

	struct dv_sched_stats stats;
};

struct dv_sched {
	struct dv_sched_config config;
	DV_VEC(struct dv_sched_entity *) entities;

	struct dv_sched_entity *holder;
	uint64_t granted_ns;
	uint64_t charged_ns;   /* the holder has been charged up to here */
	uint64_t contended_ns; /* since when others want it too; UINT64_MAX: they do not */
	uint64_t granted_v;    /* V at the grant */
	uint64_t until_ns;
	bool endless;
	bool settled;	/* it is known that the holder does not go on after until_ns */
	bool take_back; /* somebody came to whom the device belonged at the grant */
	bool arrived;	/* somebody lined up since until_ns was reckoned */
	bool revoked;
	uint64_t revoked_ns;

	uint64_t mean_v, mean_ns; /* the last V, and when: goes on with the clock when all idle */
};

static inline int64_t dv_sched_diff(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b);
}

/* fair.c */
/* Virtual time of `ns` of the device. */
uint64_t dv_sched_virtual(const struct dv_sched_entity *e, uint64_t ns);
/* v, with what the holder has used by now. */
uint64_t dv_sched_v(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns);
/* V; `except` (or NULL) is left out. */
uint64_t dv_sched_mean(struct dv_sched *s, const struct dv_sched_entity *except, uint64_t now_ns);
/* Waits for the device now. */
bool dv_sched_waits(const struct dv_sched *s, const struct dv_sched_entity *e);
/* Takes part again: credit of a short idleness is kept, up to a bound. */
void dv_sched_join(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
/* Takes no part any more, for now. */
void dv_sched_leave(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
/* By how much it had more than its part, ns. */
int64_t dv_sched_debt(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns);
/* Charge the holder up to `at_ns`. */
void dv_sched_settle(struct dv_sched *s, uint64_t at_ns, uint64_t now_ns);
/* Charge any entity. */
void dv_sched_use(struct dv_sched *s, struct dv_sched_entity *e, uint64_t ns);
/* Who is next among the waiting, and the holder if `with_holder` (as it will be at `now_ns`). */
struct dv_sched_entity *dv_sched_pick(struct dv_sched *s, bool with_holder, uint64_t now_ns);
/* Would `e` have been picked before the holder, had it waited at the grant? */
bool dv_sched_was_entitled(const struct dv_sched *s, const struct dv_sched_entity *e);
/* Weights from shares, after an entity came or went. */
void dv_sched_weigh(struct dv_sched *s, uint64_t now_ns);

/* tokens.c */
bool dv_sched_is_capped(const struct dv_sched_entity *e);
void dv_sched_tokens_init(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
void dv_sched_tokens_use(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t ns);
void dv_sched_tokens_earn(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
/* Of latency: has budget left, goes first. */
bool dv_sched_goes_first(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
/* Of fixed-share: may not run now. */
bool dv_sched_is_dry(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
/* When it will not be dry any more. */
uint64_t dv_sched_wet_ns(const struct dv_sched *s, const struct dv_sched_entity *e);
/* How long it may run on from now by its tokens; UINT64_MAX: they do not bound it. */
uint64_t dv_sched_tokens_last(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns);
