/* SPDX-License-Identifier: Apache-2.0 */
#include "base/macro.h"
#include "sched/entity.h"

__extension__ typedef __int128 wide;

enum { WEIGHT_LEAST = 100 }; /* 0.1 %: bounds how fast virtual time can run */

uint64_t dv_sched_virtual(const struct dv_sched_entity *e, uint64_t ns)
{
	return (uint64_t)((wide)ns * DV_SCHED_WHOLE / e->weight);
}

uint64_t dv_sched_v(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns)
{
	if (e != s->holder || now_ns <= s->charged_ns)
		return e->v;
	return e->v + dv_sched_virtual(e, now_ns - s->charged_ns);
}

bool dv_sched_waits(const struct dv_sched *s, const struct dv_sched_entity *e)
{
	return e->wants && !e->throttled && e != s->holder;
}

/* Who was idle for a moment only stays in the mean: else V would jump with every pause. */
static bool counts(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns)
{
	if (e == s->holder || dv_sched_waits(s, e))
		return true;
	return e->joined && now_ns - e->idle_ns <= s->config.idle_forget_ns;
}

struct mean {
	uint64_t v;
	uint64_t weight; /* 0: nobody counts */
};

static struct mean mean_of(const struct dv_sched *s, const struct dv_sched_entity *except,
			   uint64_t now_ns)
{
	struct mean mean = {0};
	uint64_t base = 0;
	wide sum = 0;

	for (size_t i = 0; i < s->entities.len; i++) {
		const struct dv_sched_entity *e = s->entities.items[i];
		uint64_t v;

		if (e == except || !counts(s, e, now_ns))
			continue;
		v = dv_sched_v(s, e, now_ns);
		if (mean.weight == 0)
			base = v;
		sum += (wide)dv_sched_diff(v, base) * e->weight;
		mean.weight += e->weight;
	}
	if (mean.weight)
		mean.v = base + (uint64_t)(int64_t)(sum / (wide)mean.weight);
	return mean;
}

uint64_t dv_sched_mean(struct dv_sched *s, const struct dv_sched_entity *except, uint64_t now_ns)
{
	const struct mean mean = mean_of(s, except, now_ns);

	/* Nobody takes part: V goes on with the clock, so that old debts are forgotten in time. */
	if (!mean.weight)
		return s->mean_v + (now_ns - s->mean_ns);
	if (!except) {
		s->mean_v = mean.v;
		s->mean_ns = now_ns;
	}
	return mean.v;
}

static void begin_request(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t length_ns)
{
	e->start_v = e->v;
	e->end_v = e->v + dv_sched_virtual(e, length_ns);
}

/* Idle for a moment: the credit stays, but idling on and on does not pile it up. */
static void keep_credit(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	const int64_t most = (int64_t)s->config.idle_forget_ns;
	const int64_t bound = DV_MAX(e->lag_left, most);
	const struct mean others = mean_of(s, e, now_ns);
	wide both, short_of, behind;

	if (!others.weight)
		return;
	/* With e among them the mean is V = (W * others + w * v) / (W + w), its lag w * (V - v). */
	both = (wide)others.weight * e->weight;
	behind = dv_sched_diff(others.v, e->v);
	short_of = behind * both / (others.weight + e->weight) / DV_SCHED_WHOLE;
	if (short_of <= bound)
		return;
	e->v = others.v -
	       (uint64_t)((wide)bound * DV_SCHED_WHOLE * (others.weight + e->weight) / both);
	begin_request(s, e, s->config.quantum_ns);
}

/* Long idle, or new: no credit. The first request is as short as its share of a quantum, which
 * gives it an early end: who comes rarely and for little is served soon. */
static void forget_credit(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	const uint64_t mean_v = dv_sched_mean(s, e, now_ns);
	const uint64_t quantum_ns = s->config.quantum_ns;
	const uint64_t part_ns = quantum_ns * DV_MIN(e->weight, DV_SCHED_WHOLE) / DV_SCHED_WHOLE;

	if (!e->joined || dv_sched_diff(e->v, mean_v) < 0)
		e->v = mean_v;
	begin_request(s, e, DV_MAX(part_ns, quantum_ns / 8));
}

void dv_sched_join(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	if (e->joined && now_ns - e->idle_ns <= s->config.idle_forget_ns)
		keep_credit(s, e, now_ns);
	else
		forget_credit(s, e, now_ns);
	e->joined = true;
}

void dv_sched_leave(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	int64_t behind;

	e->idle_ns = now_ns;
	behind = dv_sched_diff(dv_sched_mean(s, NULL, now_ns), e->v);
	e->lag_left = (int64_t)((wide)behind * e->weight / DV_SCHED_WHOLE);
}

int64_t dv_sched_debt(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns)
{
	const struct mean mean = mean_of(s, NULL, now_ns);
	const uint64_t mean_v = mean.weight ? mean.v : s->mean_v + (now_ns - s->mean_ns);
	const int64_t ahead = dv_sched_diff(dv_sched_v(s, e, now_ns), mean_v);

	return (int64_t)((wide)ahead * e->weight / DV_SCHED_WHOLE);
}

void dv_sched_use(struct dv_sched *s, struct dv_sched_entity *e, uint64_t ns)
{
	const uint64_t rest = dv_sched_virtual(e, s->config.quantum_ns / 16);

	e->v += dv_sched_virtual(e, ns);
	e->stats.used_ns += ns;
	/* A request that is nearly done is done. */
	if (dv_sched_diff(e->end_v, e->v) < (int64_t)rest)
		begin_request(s, e, s->config.quantum_ns);
}

void dv_sched_settle(struct dv_sched *s, uint64_t at_ns, uint64_t now_ns)
{
	struct dv_sched_entity *e = s->holder;
	uint64_t from_ns = s->charged_ns;

	dv_sched_tokens_earn(s, e, now_ns);
	if (at_ns > from_ns)
		dv_sched_use(s, e, at_ns - from_ns);
	/* Time that nobody else wanted costs a latency entity no budget. */
	if (e->policy == DV_POLICY_LATENCY)
		from_ns = DV_MAX(from_ns, s->contended_ns);
	dv_sched_tokens_use(s, e, at_ns > from_ns ? at_ns - from_ns : 0);
	s->charged_ns = DV_MAX(s->charged_ns, now_ns);
}

/* The request that `e` competes with at `now_ns`. */
static void request_of(const struct dv_sched *s, const struct dv_sched_entity *e, uint64_t now_ns,
		       struct dv_sched_entity *ret)
{
	*ret = *e;
	if (e != s->holder)
		return;
	ret->v = dv_sched_v(s, e, now_ns);
	if (dv_sched_diff(ret->end_v, ret->v) <
	    (int64_t)dv_sched_virtual(e, s->config.quantum_ns / 16))
		begin_request(s, ret, s->config.quantum_ns);
}

/* What entities are compared by. */
struct choice {
	struct dv_sched_entity *entity;
	bool first, eligible;
	uint64_t want_ns, start_v, end_v;
	int64_t urgent_ns; /* > 0: one more turn of another would leave it over a quantum short */
};

static bool is_better(const struct choice *a, const struct choice *b)
{
	if (!b->entity || a->first != b->first)
		return !b->entity || a->first;
	if (a->first && a->want_ns != b->want_ns)
		return a->want_ns < b->want_ns;
	if (a->eligible != b->eligible)
		return a->eligible;
	/* Where nobody is eligible (all that are, are idle for a moment), who is nearest to it. */
	if (!a->eligible)
		return dv_sched_diff(a->start_v, b->start_v) < 0;
	if (a->urgent_ns > 0 || b->urgent_ns > 0)
		return a->urgent_ns > b->urgent_ns;
	return dv_sched_diff(a->end_v, b->end_v) < 0;
}

static struct choice choice_of(const struct dv_sched *s, struct dv_sched_entity *e,
			       const struct mean *mean, uint64_t now_ns)
{
	const int64_t quantum_ns = (int64_t)s->config.quantum_ns;
	struct dv_sched_entity asks;
	wide behind_ns;

	request_of(s, e, now_ns, &asks);
	behind_ns = (wide)dv_sched_diff(mean->v, asks.v) * e->weight / DV_SCHED_WHOLE;
	return (struct choice){
		.entity = e,
		.first = dv_sched_goes_first(s, e, now_ns),
		.eligible = dv_sched_diff(asks.start_v, mean->v) <= 0,
		.want_ns = e == s->holder ? 0 : e->want_ns,
		.start_v = asks.start_v,
		.end_v = asks.end_v,
		.urgent_ns = (int64_t)behind_ns + quantum_ns * e->weight / (int64_t)mean->weight -
			     quantum_ns,
	};
}

struct dv_sched_entity *dv_sched_pick(struct dv_sched *s, bool with_holder, uint64_t now_ns)
{
	const struct mean mean = mean_of(s, NULL, now_ns);
	struct choice best = {0};

	for (size_t i = 0; i < s->entities.len; i++) {
		struct dv_sched_entity *e = s->entities.items[i];
		struct choice choice;

		if (!dv_sched_waits(s, e) && !(with_holder && e == s->holder))
			continue;
		choice = choice_of(s, e, &mean, now_ns);
		if (is_better(&choice, &best))
			best = choice;
	}
	return best.entity;
}

bool dv_sched_was_entitled(const struct dv_sched *s, const struct dv_sched_entity *e)
{
	return dv_sched_diff(e->start_v, s->granted_v) <= 0 &&
	       dv_sched_diff(e->end_v, s->holder->end_v) < 0;
}

void dv_sched_weigh(struct dv_sched *s, uint64_t now_ns)
{
	uint64_t sum = 0, count = 0;

	if (s->holder)
		dv_sched_settle(s, now_ns, now_ns);
	for (size_t i = 0; i < s->entities.len; i++) {
		const struct dv_sched_entity *e = s->entities.items[i];

		sum += e->policy == DV_POLICY_EQUAL_SHARE ? e->share_mpct : 0;
		count += e->policy == DV_POLICY_EQUAL_SHARE;
	}
	for (size_t i = 0; i < s->entities.len; i++) {
		struct dv_sched_entity *e = s->entities.items[i];
		uint64_t share = e->share_mpct;

		/* They share alike what all of them asked for together. */
		if (e->policy == DV_POLICY_EQUAL_SHARE)
			share = sum / count;
		e->weight = (uint32_t)DV_MAX(share, WEIGHT_LEAST);
	}
}
