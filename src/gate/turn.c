/* SPDX-License-Identifier: Apache-2.0 */
/* Turns: the scheduler knows tenants, a tenant has processes. A turn is given to those of them that
 * asked; the others join when they ask. It is over when the last of them drained. One that does not
 * drain in time is `stuck`: the tenant's turn is over without it, and it gets nothing before it
 * says that it drained. */
#include "base/clock.h"
#include "gate/inside.h"

/* A neighbour that had a turn so lately will have another. */
enum { QUIET_NS = 500000000 };
/* What is let go beside a tenant of the latency class waits for no more than this on the device:
 * with its own length, commands of up to 0.2 ms are done in half a millisecond. */
enum { BESIDE_LATENCY_NS = 300000 };

static uint32_t base_flags(const struct dv_gate_tenant *tenant)
{
	const struct dv_gate_config *config = &tenant->node->gate->config;

	if (!tenant->lease.timed)
		return 0;
	return DV_GRANT_GATED | (config->gate_copies ? DV_GRANT_COPIES : 0) |
	       (config->away_waits ? DV_GRANT_AWAY_WAITS : 0);
}

/* It may come at any moment, and does not wait for what others have queued. */
static bool is_beside_latency(const struct dv_gate_tenant *tenant)
{
	return tenant->lease.policy != DV_POLICY_LATENCY && tenant->node->latency_count;
}

static uint64_t inflight_ns(const struct dv_gate_tenant *tenant)
{
	const struct dv_sched_config *config = &tenant->node->gate->config.sched;
	const uint64_t most_ns = DV_MIN(config->quantum_ns / 4, 2 * DV_NS_PER_MS);

	return is_beside_latency(tenant) ? DV_MIN(most_ns, (uint64_t)BESIDE_LATENCY_NS) : most_ns;
}

void dv_gate_turn_welcome(struct dv_gate_peer *peer)
{
	const struct dv_sched_config *config = &peer->tenant->node->gate->config.sched;
	struct dv_grant *grant = peer->pages.grant;

	grant->flags = base_flags(peer->tenant);
	if (!peer->tenant->lease.timed)
		return;
	grant->inflight_ns = inflight_ns(peer->tenant);
	grant->linger_ns = config->linger_ns;
}

/* Until when a neighbour that had a turn is reckoned to come again; 0: there is none. */
static uint64_t neighbours_until(const struct dv_gate_tenant *tenant)
{
	const struct dv_gate_tenant *other;
	uint64_t lately_ns = 0;

	TAILQ_FOREACH(other, &tenant->node->tenants, link)
	if (other != tenant && other->lease.timed)
		lately_ns = DV_MAX(lately_ns, other->lately_ns);
	return lately_ns ? lately_ns + QUIET_NS : 0;
}

/* Write the turn as it is now into the page of one that has it. An endless turn puts as much on the
 * device as the program likes; while a neighbour comes and goes that would make it wait for all of
 * it each time, so then the work in flight stays bounded. */
static uint32_t publish_held(struct dv_gate_peer *peer, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;
	uint32_t flags = base_flags(tenant) | DV_GRANT_HELD;

	tenant->bounded = tenant->endless &&
			  (is_beside_latency(tenant) || neighbours_until(tenant) > now_ns);
	/* Read with the rest, but by itself: it need not be of one epoch with it. */
	__atomic_store_n(&peer->pages.grant->inflight_ns, inflight_ns(tenant), __ATOMIC_RELAXED);
	if (tenant->endless && !tenant->bounded)
		flags |= DV_GRANT_ENDLESS;
	peer->held_epoch = dv_gate_pages_publish(&peer->pages, flags, tenant->until_ns, now_ns);
	return flags;
}

/* The turn goes on, but to another end. What is held back for want of time may go by a later one.
 * For an earlier one nobody needs waking: the client looks at its page before each command and when
 * one ends, and now and then while its turn is not endless. */
static void republish_held(struct dv_gate_peer *peer, uint64_t now_ns)
{
	const struct dv_grant before = *peer->pages.grant;

	if (publish_held(peer, now_ns) != before.flags || peer->tenant->until_ns > before.until_ns)
		dv_gate_pages_wake(&peer->pages);
}

static void give(struct dv_gate_peer *peer, uint64_t now_ns)
{
	peer->wants = false;
	peer->holds = true;
	peer->granted_ns = now_ns;
	peer->tenant->holder_count++;
	(void)publish_held(peer, now_ns);
	dv_gate_pages_wake(&peer->pages);
}

static bool wants_more(const struct dv_gate_tenant *tenant)
{
	const struct dv_gate_peer *peer;

	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->wants && !peer->stuck)
		return true;
	return false;
}

void dv_gate_turn_note(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	if (tenant->holding)
		dv_gate_use_add(&tenant->use,
				tenant->endless ? DV_GATE_USE_ENDLESS : DV_GATE_USE_TIMED,
				tenant->use_from_ns, now_ns);
	tenant->use_from_ns = now_ns;
}

/* What passed on the way from the grant to the first command is nobody's work: as if the turn had
 * ended so much earlier. With the time since its end, which is not charged either, that is at most
 * the linger: a client may claim no more. */
static uint64_t without_the_way(const struct dv_gate_tenant *tenant, uint64_t idle_since_ns,
				uint64_t now_ns)
{
	const uint64_t linger_ns = tenant->node->gate->config.sched.linger_ns;
	const uint64_t after_ns = now_ns - DV_MIN(idle_since_ns, now_ns);
	uint64_t way_ns;

	if (tenant->begun_ns == UINT64_MAX || after_ns >= linger_ns)
		return idle_since_ns;
	way_ns = tenant->begun_ns - DV_MIN(tenant->granted_ns, tenant->begun_ns);
	return idle_since_ns - DV_MIN(way_ns, linger_ns - after_ns);
}

/* The last process of the turn is done. */
static void turn_over(struct dv_gate_tenant *tenant, uint64_t idle_since_ns, uint64_t now_ns)
{
	idle_since_ns = without_the_way(tenant, idle_since_ns, now_ns);
	dv_gate_turn_note(tenant, DV_MAX(idle_since_ns, tenant->use_from_ns));
	tenant->holding = tenant->revoked = false;
	tenant->lately_ns = now_ns;
	dv_sched_drained(tenant->node->sched, tenant->lease.id, idle_since_ns, wants_more(tenant),
			 now_ns);
}

static void ask(struct dv_gate_peer *peer, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;

	peer->wants = true;
	if (peer->stuck)
		return;
	if (!tenant->holding)
		dv_sched_want(tenant->node->sched, tenant->lease.id, now_ns);
	else if (!tenant->revoked && now_ns < tenant->until_ns)
		give(peer, now_ns);
}

void dv_gate_turn_want(struct dv_gate_peer *peer, uint64_t now_ns)
{
	if (peer->tenant->lease.timed && !peer->holds)
		ask(peer, now_ns);
}

static uint64_t clamp(uint64_t value, uint64_t from, uint64_t to)
{
	return value < from ? from : DV_MIN(value, to);
}

/* It was evicted; what it did after that is charged by its own measure, within what can be. */
static void drained_late(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;
	const uint64_t charged_ns = peer->evicted_ns - peer->granted_ns;
	uint64_t late_ns = msg->b > charged_ns ? msg->b - charged_ns : 0;

	late_ns = DV_MIN(late_ns, now_ns - peer->evicted_ns);
	peer->stuck = false;
	dv_sched_charge(tenant->node->sched, tenant->lease.id, late_ns, now_ns);
	dv_gate_use_add(&tenant->use, DV_GATE_USE_TIMED, peer->evicted_ns,
			peer->evicted_ns + late_ns);
}

static void drained_in_time(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;
	const uint64_t linger_ns = tenant->node->gate->config.sched.linger_ns;
	uint64_t end_ns = now_ns;

	/* The linger is not charged; more than that is not believed. */
	if (msg->serial)
		end_ns = clamp(msg->serial, DV_MAX(now_ns - linger_ns, peer->granted_ns), now_ns);
	peer->holds = false;
	peer->wants = msg->c == 1;
	tenant->idle_since_ns = DV_MAX(tenant->idle_since_ns, end_ns);
	if (msg->a >> 32)
		tenant->begun_ns = DV_MIN(tenant->begun_ns, end_ns - DV_MIN(msg->a >> 32, end_ns));
	if (--tenant->holder_count == 0)
		turn_over(tenant, tenant->idle_since_ns, now_ns);
	else if (peer->wants)
		ask(peer, now_ns);
}

void dv_gate_turn_drained(struct dv_gate_peer *peer, const struct dv_msg *msg, uint64_t now_ns)
{
	if (!peer->tenant->lease.timed)
		return;
	/* Of an epoch before the last HELD: the client has the turn by that one, if it sees it. */
	if ((int32_t)((uint32_t)msg->a - peer->held_epoch) < 0) {
		dv_gate_pages_wake(&peer->pages);
		return;
	}
	if (peer->holds) {
		drained_in_time(peer, msg, now_ns);
		return;
	}
	if (peer->stuck)
		drained_late(peer, msg, now_ns);
	if (peer->wants || msg->c == 1)
		ask(peer, now_ns);
}

void dv_gate_turn_gone(struct dv_gate_peer *peer, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant = peer->tenant;

	peer->wants = peer->stuck = false;
	if (!peer->holds)
		return;
	peer->holds = false;
	if (--tenant->holder_count == 0)
		turn_over(tenant, now_ns, now_ns);
}

static void on_grant(struct dv_gate_tenant *tenant, const struct dv_decision *decision,
		     uint64_t now_ns)
{
	struct dv_gate_peer *peer;

	tenant->holding = true;
	tenant->revoked = false;
	tenant->endless = decision->endless;
	tenant->until_ns = decision->until_ns;
	tenant->idle_since_ns = tenant->granted_ns = tenant->lately_ns = now_ns;
	tenant->begun_ns = UINT64_MAX;
	tenant->use_from_ns = now_ns;
	dv_gate_waits_add(&tenant->waits, decision->wait_ns, now_ns);
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->wants && !peer->stuck)
		give(peer, now_ns);
	/* Who asked for it is gone. */
	if (!tenant->holder_count)
		turn_over(tenant, now_ns, now_ns);
}

static void on_extend(struct dv_gate_tenant *tenant, const struct dv_decision *decision,
		      uint64_t now_ns)
{
	struct dv_gate_peer *peer;

	dv_gate_turn_note(tenant, now_ns);
	tenant->endless = decision->endless;
	tenant->until_ns = decision->until_ns;
	TAILQ_FOREACH(peer, &tenant->peers, link)
	{
		if (peer->holds)
			republish_held(peer, now_ns);
		else if (peer->wants && !peer->stuck)
			give(peer, now_ns);
	}
}

static void on_revoke(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	struct dv_gate_peer *peer;

	tenant->revoked = true;
	TAILQ_FOREACH(peer, &tenant->peers, link)
	if (peer->holds) {
		(void)dv_gate_pages_publish(&peer->pages, base_flags(tenant), 0, now_ns);
		dv_gate_pages_wake(&peer->pages);
	}
}

static void on_evict(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	struct dv_gate_peer *peer;

	dv_gate_turn_note(tenant, now_ns);
	tenant->holding = tenant->revoked = false;
	tenant->holder_count = 0;
	TAILQ_FOREACH(peer, &tenant->peers, link)
	{
		peer->stuck |= peer->holds;
		if (peer->holds)
			peer->evicted_ns = now_ns;
		peer->holds = false;
	}
	if (wants_more(tenant))
		dv_sched_want(tenant->node->sched, tenant->lease.id, now_ns);
}

static struct dv_gate_tenant *tenant_of(const struct dv_gate_node *node, int64_t id)
{
	struct dv_gate_tenant *tenant;

	TAILQ_FOREACH(tenant, &node->tenants, link)
	if (tenant->lease.id == id)
		break;
	return tenant;
}

/* Lift the bound of an endless turn once the neighbours are quiet; returns when to look again. */
static uint64_t lift_bound(struct dv_gate_node *node, uint64_t now_ns)
{
	struct dv_gate_tenant *tenant;
	struct dv_gate_peer *peer;
	uint64_t next_ns = UINT64_MAX;

	TAILQ_FOREACH(tenant, &node->tenants, link)
	{
		uint64_t until_ns;

		if (!tenant->holding || tenant->revoked || !tenant->bounded ||
		    is_beside_latency(tenant))
			continue;
		until_ns = neighbours_until(tenant);
		if (until_ns > now_ns) {
			next_ns = DV_MIN(next_ns, until_ns);
			continue;
		}
		TAILQ_FOREACH(peer, &tenant->peers, link)
		if (peer->holds)
			republish_held(peer, now_ns);
	}
	return next_ns;
}

uint64_t dv_gate_turn_tick(struct dv_gate_node *node, uint64_t now_ns)
{
	struct dv_decision decision;

	if (!node->sched)
		return UINT64_MAX;
	while (dv_sched_decide(node->sched, now_ns, &decision)) {
		struct dv_gate_tenant *tenant = tenant_of(node, decision.entity);

		/* Entities come and go with their tenants. */
		if (!tenant)
			continue;
		switch (decision.type) {
		case DV_DECISION_GRANT:
			on_grant(tenant, &decision, now_ns);
			break;
		case DV_DECISION_EXTEND:
			on_extend(tenant, &decision, now_ns);
			break;
		case DV_DECISION_REVOKE:
			on_revoke(tenant, now_ns);
			break;
		case DV_DECISION_EVICT:
			on_evict(tenant, now_ns);
			break;
		}
	}
	return DV_MIN(dv_sched_next_ns(node->sched), lift_bound(node, now_ns));
}

/* A tenant of the latency class came or went: whoever has the device goes on by other bounds. */
static void count_latency(const struct dv_gate_tenant *tenant, int more, uint64_t now_ns)
{
	struct dv_gate_node *node = tenant->node;
	struct dv_gate_tenant *other;
	struct dv_gate_peer *peer;

	if (tenant->lease.policy != DV_POLICY_LATENCY)
		return;
	node->latency_count += (unsigned)more;
	TAILQ_FOREACH(other, &node->tenants, link)
	{
		if (other == tenant || !other->holding || other->revoked)
			continue;
		TAILQ_FOREACH(peer, &other->peers, link)
		if (peer->holds)
			republish_held(peer, now_ns);
	}
}

int dv_gate_turn_open(struct dv_gate_tenant *tenant, uint64_t now_ns, struct dv_error *err)
{
	struct dv_gate_node *node = tenant->node;
	int r;

	if (!tenant->lease.timed)
		return 0;
	if (!node->sched) {
		struct dv_sched_config config = node->gate->config.sched;

		config.grace_ns = config.quantum_ns / 4;
		r = dv_sched_new(&config, &node->sched, err);
		if (r < 0)
			return r;
	}
	r = dv_sched_add(node->sched, tenant->lease.id, tenant->lease.policy,
			 tenant->lease.compute_mpct, now_ns, err);
	if (r == 0)
		count_latency(tenant, 1, now_ns);
	return r;
}

void dv_gate_turn_close(struct dv_gate_tenant *tenant, uint64_t now_ns)
{
	if (tenant->lease.timed) {
		dv_sched_remove(tenant->node->sched, tenant->lease.id, now_ns);
		count_latency(tenant, -1, now_ns);
	}
	tenant->holding = false;
}

static uint64_t launches_of(const struct dv_gate_tenant *tenant, bool *ret_busy)
{
	const struct dv_gate_peer *peer;
	struct dv_counters counters;
	uint64_t sum = 0;

	TAILQ_FOREACH(peer, &tenant->peers, link)
	{
		if (!peer->greeted || peer->looks ||
		    !dv_gate_pages_counters(&peer->pages, &counters))
			continue;
		sum += counters.launches + counters.copies;
		*ret_busy |= counters.inflight > 0;
	}
	return sum;
}

void dv_gate_turn_stats(struct dv_gate_tenant *tenant, uint64_t now_ns, struct dv_gate_stats *ret)
{
	struct dv_gate_sample now = {.at_ns = now_ns};
	uint64_t window_ns, used_ns;
	bool busy = false;

	if (!tenant->lease.timed)
		return;
	(void)dv_sched_stats(tenant->node->sched, tenant->lease.id, now_ns, &ret->sched);
	ret->wait_p50_ns = dv_gate_waits_quantile(&tenant->waits, 500, now_ns);
	ret->wait_p99_ns = dv_gate_waits_quantile(&tenant->waits, 990, now_ns);
	now.used_ns = ret->sched.used_ns;
	now.launches = launches_of(tenant, &busy);
	window_ns = now_ns - tenant->samples[0].at_ns;
	used_ns = DV_MIN(now.used_ns - tenant->samples[0].used_ns, window_ns);
	/* An endless grant is not handed back for idleness: who launches nothing uses nothing. */
	if (tenant->holding && tenant->endless && tenant->granted_ns <= tenant->samples[0].at_ns &&
	    now.launches == tenant->samples[0].launches && !busy)
		used_ns = 0;
	ret->holding = tenant->holding && !(tenant->endless && !used_ns);
	ret->window_ms = (uint32_t)DV_MIN(window_ns / DV_NS_PER_MS, UINT32_MAX);
	ret->got_mpct = window_ns ? (uint32_t)((double)used_ns * 100000 / (double)window_ns) : 0;
	if (now_ns - tenant->samples[1].at_ns >= DV_GATE_SAMPLE_MS * DV_NS_PER_MS) {
		tenant->samples[0] = tenant->samples[1];
		tenant->samples[1] = now;
	}
}
