/* SPDX-License-Identifier: Apache-2.0 */
/* Time that an entity may use by its share alone: the ceiling of fixed-share, the budget of
 * latency. Tokens come in at the rate of the share, and are kept up to a bound. */
#include "base/macro.h"
#include "sched/entity.h"

__extension__ typedef __int128 wide;

/* Far beyond what is ever owed either way, far from overflow: about 8 hours. */
#define DEBT_MOST (INT64_MAX / 4)

static int64_t of_ns(uint64_t ns)
{
	return (int64_t)DV_MIN((wide)ns * DV_SCHED_WHOLE, (wide)DEBT_MOST);
}

static bool has_tokens(const struct dv_sched_entity *e)
{
	return e->policy == DV_POLICY_FIXED_SHARE || e->policy == DV_POLICY_LATENCY;
}

bool dv_sched_is_capped(const struct dv_sched_entity *e)
{
	return e->policy == DV_POLICY_FIXED_SHARE && e->share_mpct < DV_SCHED_WHOLE;
}

/* fixed-share saves one quantum, so that a window never holds more than its share and one quantum;
 * but what it earns while it waits for others is owed to it. latency: a burst of several quanta. */
static int64_t most(const struct dv_sched *s, const struct dv_sched_entity *e)
{
	if (e->policy == DV_POLICY_LATENCY)
		return of_ns(s->config.idle_forget_ns);
	if (dv_sched_waits(s, e))
		return of_ns(s->config.quantum_ns * 64);
	return of_ns(s->config.quantum_ns);
}

void dv_sched_tokens_init(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	e->tokens = has_tokens(e) ? most(s, e) : 0;
	e->tokens_ns = now_ns;
}

void dv_sched_tokens_use(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t ns)
{
	if (!has_tokens(e))
		return;
	e->tokens = DV_MAX(e->tokens - of_ns(ns), -DEBT_MOST);
	/* What it earned while it held the device is for the time it used it, not for a linger:
	 * else turns that use next to nothing would save up more than a quantum. */
	if (e == s->holder && e->policy == DV_POLICY_FIXED_SHARE)
		e->tokens = DV_MIN(e->tokens, DV_MAX(most(s, e), e->granted_tokens));
	if (e->policy == DV_POLICY_LATENCY)
		e->tokens = DV_MIN(e->tokens, most(s, e));
}

void dv_sched_tokens_earn(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	const bool away = !e->wants && now_ns - e->idle_ns > s->config.idle_forget_ns;
	int64_t bound = most(s, e);

	if (!has_tokens(e) || now_ns <= e->tokens_ns)
		return;
	/* The holder has not been charged yet for the time in which it earned this. What is owed to
	 * fixed-share outlasts a short pause, but does not grow in it. */
	if (e == s->holder)
		bound = DEBT_MOST;
	else if (e->policy == DV_POLICY_FIXED_SHARE && !away)
		bound = DV_MAX(bound, e->tokens);
	e->tokens = (int64_t)DV_MIN((wide)e->tokens + (wide)(now_ns - e->tokens_ns) * e->share_mpct,
				    (wide)bound);
	e->tokens_ns = now_ns;
}

bool dv_sched_goes_first(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	if (e->policy != DV_POLICY_LATENCY)
		return false;
	return dv_sched_tokens_last(s, e, now_ns) > 0;
}

/* Tokens for so long a run, that earns on while it lasts. */
static int64_t for_run(const struct dv_sched_entity *e, uint64_t ns)
{
	return (int64_t)(ns * (DV_SCHED_WHOLE - e->share_mpct));
}

/* Once dry it waits for a whole quantum's worth: not for crumbs. */
static int64_t needs(const struct dv_sched *s, const struct dv_sched_entity *e)
{
	return for_run(e, e->exhausted ? s->config.quantum_ns : s->config.quantum_ns / 8);
}

bool dv_sched_is_dry(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	if (!dv_sched_is_capped(e))
		return false;
	dv_sched_tokens_earn(s, e, now_ns);
	e->exhausted = e->tokens < needs(s, e);
	return e->exhausted;
}

uint64_t dv_sched_wet_ns(const struct dv_sched *s, const struct dv_sched_entity *e)
{
	const int64_t missing = needs(s, e) - e->tokens;

	if (missing <= 0)
		return e->tokens_ns;
	return e->tokens_ns + ((uint64_t)missing + e->share_mpct - 1) / e->share_mpct;
}

uint64_t dv_sched_tokens_last(const struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	uint64_t from_ns = s->charged_ns;
	int64_t tokens;

	if (!has_tokens(e) || e->share_mpct >= DV_SCHED_WHOLE)
		return UINT64_MAX;
	dv_sched_tokens_earn(s, e, now_ns);
	tokens = e->tokens;
	if (e == s->holder) {
		if (e->policy == DV_POLICY_LATENCY)
			from_ns = DV_MAX(from_ns, s->contended_ns);
		if (now_ns > from_ns)
			tokens -= of_ns(now_ns - from_ns);
	}
	return tokens <= 0 ? 0 : (uint64_t)tokens / (DV_SCHED_WHOLE - e->share_mpct);
}
