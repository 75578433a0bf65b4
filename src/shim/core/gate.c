/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/inside.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "shim/core/keep.h"
#include "shim/core/link.h"

enum {
	TICKETS_AT_ONCE = 64,
	UNKNOWN_NS = 1000000000,
	BEHIND_LONG_NS = 200000, /* about what it takes to open the next command */
	SETTLE_MOST_MS =
		20, /* a thread between its look and its queue: it may have been preempted */
};

struct dv_shim_gate_hot dv_shim_gate_hot;
struct dv_shim_gate dv_shim_gate = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct dv_shim_gate *const gate = &dv_shim_gate;

static void list_init(struct dv_shim_list *list)
{
	list->head.next = list->head.prev = &list->head;
	list->count = 0;
}

void dv_shim_list_add(struct dv_shim_list *list, struct dv_shim_ticket *ticket)
{
	ticket->prev = list->head.prev;
	ticket->next = &list->head;
	ticket->prev->next = ticket;
	list->head.prev = ticket;
	list->count++;
}

void dv_shim_list_remove(struct dv_shim_list *list, struct dv_shim_ticket *ticket)
{
	ticket->prev->next = ticket->next;
	ticket->next->prev = ticket->prev;
	list->count--;
}

struct dv_shim_ticket *dv_shim_list_first(struct dv_shim_list *list)
{
	return list->count ? list->head.next : NULL;
}

static void reset(void)
{
	pthread_mutexattr_t recursive;

	pthread_mutex_init(&gate->lock, NULL);
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&gate->order, &recursive);
	pthread_mutexattr_destroy(&recursive);
	list_init(&gate->queued);
	list_init(&gate->open);
	list_init(&gate->parked);
}

void dv_shim_gate_init(const struct dv_shim_gate_ops *ops)
{
	gate->ops = ops;
	reset();
}

/* What the parent had queued and open is the parent's; its tickets are lost to the child. */
void dv_shim_gate_forked(void)
{
	const struct dv_shim_gate_ops *ops = gate->ops;

	memset(&dv_shim_gate_hot, 0, sizeof(dv_shim_gate_hot));
	memset(gate, 0, sizeof(*gate));
	dv_shim_gate_init(ops);
}

/* With the lock. */
static void start_thread(void)
{
	if (gate->threaded)
		return;
	gate->threaded = true;
	gate->thread_fails = dv_shim_thread(dv_shim_gate_run, NULL) < 0;
}

void dv_shim_gate_renew(void)
{
	if (gate->attachments == dv_shim_attachments())
		return;
	gate->attachments = dv_shim_attachments();
	gate->epoch = 1; /* no page says this */
	gate->was_held = gate->drain_due = gate->wants = gate->gave_back = gate->used = false;
}

void dv_shim_gate_changed(void)
{
	uint32_t flags = dv_shim_grant_flags(dv_shim_pages.grant);

	pthread_mutex_lock(&gate->lock);
	dv_shim_gate_renew();
	if (flags & DV_GRANT_GATED)
		start_thread();
	pthread_mutex_unlock(&gate->lock);
	dv_shim_gate_ring();
}

void dv_shim_gate_close(void)
{
	__atomic_fetch_add(&dv_shim_gate_hot.closed, 1, __ATOMIC_SEQ_CST);
}

void dv_shim_gate_open(void)
{
	__atomic_fetch_sub(&dv_shim_gate_hot.closed, 1, __ATOMIC_SEQ_CST);
}

static struct dv_shim_ticket *new_ticket(uint64_t key)
{
	struct dv_shim_ticket *ticket;

	if (!gate->spare) {
		ticket = calloc(TICKETS_AT_ONCE, sizeof(*ticket));
		for (int i = 0; ticket && i < TICKETS_AT_ONCE; i++)
			dv_shim_gate_spare(&ticket[i]);
	}
	ticket = gate->spare;
	if (!ticket)
		return NULL;
	gate->spare = ticket->next;
	*ticket = (struct dv_shim_ticket){.state = DV_SHIM_TICKET_MADE, .key = key};
	return ticket;
}

void dv_shim_gate_spare(struct dv_shim_ticket *ticket)
{
	ticket->next = gate->spare;
	gate->spare = ticket;
}

static uint64_t *cost_of(uint64_t key)
{
	size_t i = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 55) % DV_SHIM_COSTS;

	if (gate->costs[i].key != key) {
		gate->costs[i].key = key;
		gate->costs[i].ns = 0;
	}
	return &gate->costs[i].ns;
}

bool dv_shim_gate_gave_back(const struct dv_grant *grant)
{
	return gate->gave_back && gate->gave_back_epoch == grant->epoch;
}

bool dv_shim_gate_timed(const struct dv_grant *grant)
{
	const uint32_t mask = DV_GRANT_GATED | DV_GRANT_HELD | DV_GRANT_ENDLESS;

	return (grant->flags & mask) == (DV_GRANT_GATED | DV_GRANT_HELD);
}

bool dv_shim_gate_holds(const struct dv_grant *grant, uint64_t now_ns)
{
	if (!(grant->flags & DV_GRANT_GATED))
		return true;
	if (!(grant->flags & DV_GRANT_HELD) || dv_shim_gate_gave_back(grant))
		return false;
	return grant->flags & DV_GRANT_ENDLESS || now_ns < grant->until_ns || !gate->used;
}

bool dv_shim_gate_over(const struct dv_grant *grant, uint64_t now_ns)
{
	return dv_shim_gate_timed(grant) && now_ns >= grant->until_ns && gate->used &&
	       !dv_shim_gate_gave_back(grant);
}

uint64_t dv_shim_gate_left_ns(uint64_t now_ns)
{
	const struct dv_shim_ticket *head = dv_shim_list_first(&gate->open);
	uint64_t since_ns, gone_ns;

	if (!head)
		return 0;
	/* The first one runs, since it was let go or the one before it ended. */
	since_ns = DV_MAX(head->since_ns, gate->last_done_ns);
	gone_ns = now_ns - DV_MIN(since_ns, now_ns);
	return gate->estimate_ns - DV_MIN(gone_ns, head->estimate_ns);
}

uint64_t dv_shim_gate_ahead_ns(const struct dv_grant *grant, const struct dv_shim_ticket *ticket)
{
	/* Whoever waits for the device would wait for all of a long command that was queued behind
	 * the one that runs; it comes only just in time for the device not to stand idle. */
	if (ticket->estimate_ns > grant->inflight_ns)
		return DV_MIN(grant->inflight_ns, (uint64_t)BEHIND_LONG_NS);
	return grant->inflight_ns;
}

bool dv_shim_gate_room(const struct dv_grant *grant, const struct dv_shim_ticket *ticket,
		       uint64_t now_ns)
{
	uint64_t left_ns = dv_shim_gate_left_ns(now_ns);

	/* One command is always let go: an estimate may be wrong. */
	if (!grant->inflight_ns || !gate->open.count)
		return true;
	return left_ns <= dv_shim_gate_ahead_ns(grant, ticket) &&
	       (grant->flags & DV_GRANT_ENDLESS || now_ns + left_ns < grant->until_ns);
}

static void show_open(void)
{
	__atomic_store_n(&dv_shim_pages.counters->inflight, gate->open.count, __ATOMIC_RELAXED);
}

/* With the lock: something is let go. */
static void use(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	ticket->first = !gate->used;
	if (ticket->first)
		gate->first_ns = now_ns;
	gate->used = true;
}

static void add_open(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	if (!gate->open.count)
		gate->busy_from_ns = now_ns;
	ticket->state = DV_SHIM_TICKET_OPEN;
	ticket->since_ns = now_ns;
	gate->estimate_ns += ticket->estimate_ns;
	gate->opened++;
	dv_shim_list_add(&gate->open, ticket);
	show_open();
}

static void remove_open(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	dv_shim_list_remove(&gate->open, ticket);
	gate->estimate_ns -= ticket->estimate_ns;
	if (!gate->open.count) {
		gate->busy_ns += now_ns - gate->busy_from_ns;
		dv_shim_count(&dv_shim_pages.counters->busy_ns, now_ns - gate->busy_from_ns);
	}
	show_open();
}

void dv_shim_gate_let_go(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	struct dv_counters *counters = dv_shim_pages.counters;
	uint64_t waited_ns = now_ns - ticket->since_ns;
	uint64_t us = waited_ns / 1000;
	int bucket = us ? 63 - __builtin_clzll(us) : 0;

	dv_shim_list_remove(&gate->queued, ticket);
	dv_shim_gate_open();
	use(ticket, now_ns);
	if (ticket->setting) {
		dv_shim_gate_spare(ticket);
		dv_shim_gate_unpark(now_ns);
		return;
	}
	dv_shim_count(&counters->wait_ns, waited_ns);
	dv_shim_count(&counters->wait_hist[DV_MIN(bucket, 31)], 1);
	if (ticket->blind) {
		__atomic_store_n(&dv_shim_gate_hot.untracked, 1, __ATOMIC_RELAXED);
		dv_shim_gate_spare(ticket);
		return;
	}
	add_open(ticket, now_ns);
}

void dv_shim_gate_park(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	remove_open(ticket, now_ns);
	ticket->state = DV_SHIM_TICKET_PARKED;
	dv_shim_list_add(&gate->parked, ticket);
}

void dv_shim_gate_unpark(uint64_t now_ns)
{
	struct dv_shim_ticket *ticket;

	while ((ticket = dv_shim_list_first(&gate->parked))) {
		dv_shim_list_remove(&gate->parked, ticket);
		add_open(ticket, now_ns);
	}
}

void dv_shim_gate_mark(void)
{
	if (!__atomic_load_n(&dv_shim_gate_hot.untracked, __ATOMIC_ACQUIRE))
		return;
	/* One marker more until all are placed: else the device would seem free in between. */
	dv_shim_gate_marking();
	if (__atomic_exchange_n(&dv_shim_gate_hot.untracked, 0, __ATOMIC_ACQ_REL))
		gate->ops->mark();
	dv_shim_gate_marked();
}

/* With `order`: put markers behind the work that nobody tracks, before anything is held back behind
 * it: a marker behind a held-back command would be reached only with the next grant. */
static void settle(void)
{
	uint64_t end_ns = dv_shim_now_ns() + SETTLE_MOST_MS * UINT64_C(1000000);

	while (__atomic_load_n(&dv_shim_gate_hot.entering, __ATOMIC_SEQ_CST) &&
	       dv_shim_now_ns() < end_ns)
		sched_yield();
	dv_shim_gate_mark();
}

void dv_shim_gate_settle(void)
{
	if (!(dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_GATED))
		return;
	pthread_mutex_lock(&gate->order);
	settle();
	pthread_mutex_unlock(&gate->order);
}

bool dv_shim_gate_rules(enum dv_shim_state state)
{
	return state == DV_SHIM_ATTACHED ||
	       (state == DV_SHIM_AWAY &&
		dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_AWAY_WAITS);
}

bool dv_shim_gate_want(uint32_t epoch)
{
	if (!gate->wants)
		gate->wants = dv_shim_tell(DV_MSG_WANT, epoch, 0, 0, 0);
	return gate->wants;
}

/* With both locks. */
static enum dv_shim_verdict decide(struct dv_shim_ticket *ticket)
{
	uint64_t now_ns = dv_shim_now_ns();
	struct dv_grant grant;
	bool holds;

	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	holds = dv_shim_gate_holds(&grant, now_ns);
	ticket->estimate_ns = *cost_of(ticket->key);
	if (!ticket->estimate_ns) /* not seen yet: alone, until it is known */
		ticket->estimate_ns = grant.inflight_ns + UNKNOWN_NS;
	ticket->own_ns = ticket->estimate_ns;
	if (holds && !gate->queued.count && dv_shim_gate_room(&grant, ticket, now_ns)) {
		use(ticket, now_ns);
		add_open(ticket, now_ns);
		return DV_SHIM_GO;
	}
	ticket->since_ns = now_ns;
	/* Who hands back says that it has more. */
	if (!holds && !dv_shim_gate_over(&grant, now_ns))
		(void)dv_shim_gate_want(grant.epoch);
	return DV_SHIM_WAIT;
}

static enum dv_shim_verdict ask(uint64_t key, struct dv_shim_ticket **ret_ticket)
{
	enum dv_shim_verdict verdict = DV_SHIM_PASS;
	struct dv_shim_ticket *ticket = NULL;

	pthread_mutex_lock(&gate->order);
	/* Stays closed for as long as the command is held back. */
	dv_shim_gate_close();
	if (!gate->ops->callers_wait)
		settle();
	pthread_mutex_lock(&gate->lock);
	start_thread();
	if (!gate->thread_fails)
		ticket = new_ticket(key);
	if (ticket)
		verdict = decide(ticket);
	pthread_mutex_unlock(&gate->lock);
	if (verdict != DV_SHIM_WAIT)
		dv_shim_gate_open();
	if (ticket)
		*ret_ticket = ticket;
	else
		pthread_mutex_unlock(&gate->order);
	return verdict;
}

enum dv_shim_verdict dv_shim_gate_enter(uint64_t key, struct dv_shim_ticket **ret_ticket)
{
	struct dv_counters *counters = dv_shim_pages.counters;
	enum dv_shim_verdict verdict = DV_SHIM_PASS;
	enum dv_shim_state state = dv_shim_attach();
	DV_SHIM_KEEP;

	if (state == DV_SHIM_FAILED || state == DV_SHIM_REFUSED) {
		dv_shim_count(&counters->refused_calls, 1);
		return DV_SHIM_DENY;
	}
	if (dv_shim_gate_rules(state)) {
		if (!(dv_shim_grant_flags(dv_shim_pages.grant) & DV_GRANT_GATED))
			return DV_SHIM_PASS;
		verdict = ask(key, ret_ticket);
	}
	if (verdict == DV_SHIM_WAIT)
		dv_shim_count(&counters->gated, 1);
	if (verdict == DV_SHIM_PASS) {
		dv_shim_count(&counters->passed_ungated, 1);
		__atomic_store_n(&dv_shim_gate_hot.untracked, 1, __ATOMIC_RELAXED);
	}
	return verdict;
}

void dv_shim_gate_leave(void)
{
	pthread_mutex_unlock(&gate->order);
}

enum next { NOTHING, RING, STEP };

/* With the lock. Returns what is to be done then. The gate's thread is told by the grant, unless
 * that came before this (since the verdict), or never will, or the wish for it could not be sent.
 * Where our time is over and the device is free of us, this thread hands back. */
static enum next add_queued(struct dv_shim_ticket *ticket, void *token)
{
	bool first = !gate->queued.count;
	struct dv_grant grant;
	uint64_t now_ns;

	ticket->token = token;
	ticket->state = DV_SHIM_TICKET_QUEUED;
	dv_shim_list_add(&gate->queued, ticket);
	if (!first)
		return NOTHING;
	if (dv_shim_state() != DV_SHIM_ATTACHED)
		return RING;
	now_ns = dv_shim_now_ns();
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	if (dv_shim_gate_holds(&grant, now_ns))
		return RING;
	if (dv_shim_gate_over(&grant, now_ns))
		return gate->open.count ? NOTHING : STEP;
	return dv_shim_gate_want(grant.epoch) ? NOTHING : RING;
}

static void go_on(enum next next)
{
	if (next == STEP)
		dv_shim_gate_step();
	else if (next == RING)
		dv_shim_gate_ring();
}

void dv_shim_gate_queue(struct dv_shim_ticket *ticket, void *token)
{
	enum next next;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&gate->lock);
	next = add_queued(ticket, token);
	pthread_mutex_unlock(&gate->lock);
	go_on(next);
}

void dv_shim_gate_awake(struct dv_shim_ticket *ticket)
{
	uint64_t now_ns;

	pthread_mutex_lock(&gate->lock);
	now_ns = dv_shim_now_ns();
	if (ticket->state == DV_SHIM_TICKET_OPEN)
		ticket->since_ns = now_ns;
	if (ticket->first)
		gate->first_ns = now_ns;
	pthread_mutex_unlock(&gate->lock);
}

void dv_shim_gate_follow(struct dv_shim_ticket *ticket, void *command)
{
	pthread_mutex_lock(&gate->lock);
	ticket->command = command;
	pthread_mutex_unlock(&gate->lock);
}

/* Whoever asks only when a command should have ended never finds that it ended sooner, and what was
 * once learnt too long would stay so; the device then idles between commands that are let go one by
 * one. So what has ended by the first look is taken to have taken a little less. */
static void learn(const struct dv_shim_ticket *ticket, enum dv_shim_seen seen, uint64_t now_ns)
{
	uint64_t from_ns = DV_MAX(ticket->since_ns, gate->last_done_ns);
	uint64_t took_ns = DV_MAX(now_ns - DV_MIN(from_ns, now_ns), UINT64_C(1));
	uint64_t *known_ns = cost_of(ticket->key);

	if (seen == DV_SHIM_SEEN_BEHIND && *known_ns)
		return;
	if (seen == DV_SHIM_SEEN_ENDED && *known_ns)
		took_ns = DV_MIN(took_ns, ticket->estimate_ns - ticket->estimate_ns / 16);

	/* Its part of what rode on it. */
	if (ticket->estimate_ns > ticket->own_ns)
		took_ns = DV_MAX((uint64_t)((double)took_ns * (double)ticket->own_ns /
					    (double)ticket->estimate_ns),
				 UINT64_C(1));

	if (!*known_ns)
		*known_ns = took_ns;
	else
		*known_ns = DV_MAX((*known_ns * 3 + took_ns) / 4, UINT64_C(1));
}

/* With the lock: it was the last one, and our time is over, or the gate's thread expected it to
 * take much longer. */
static bool ends_turn(uint64_t now_ns)
{
	const uint64_t sleeps_ns = __atomic_load_n(&gate->sleeps_ns, __ATOMIC_RELAXED);
	struct dv_grant grant;

	if (gate->open.count)
		return false;
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	if (dv_shim_gate_over(&grant, now_ns))
		return true;
	return dv_shim_gate_timed(&grant) && sleeps_ns != UINT64_MAX &&
	       sleeps_ns > now_ns + UINT64_C(2) * (DV_SHIM_PATIENCE_MOST + 1) * grant.linger_ns;
}

/* With the lock: out of whatever list it is in. Returns the token that nobody will open. */
static void *take_out(struct dv_shim_ticket *ticket, uint64_t now_ns)
{
	switch (ticket->state) {
	case DV_SHIM_TICKET_MADE:
		dv_shim_gate_open();
		break;
	case DV_SHIM_TICKET_QUEUED:
		dv_shim_list_remove(&gate->queued, ticket);
		dv_shim_gate_open();
		return ticket->token;
	case DV_SHIM_TICKET_OPEN:
		remove_open(ticket, now_ns);
		break;
	case DV_SHIM_TICKET_PARKED:
		dv_shim_list_remove(&gate->parked, ticket);
		break;
	}
	return NULL;
}

void dv_shim_gate_done(struct dv_shim_ticket *ticket)
{
	dv_shim_gate_done_as(ticket, DV_SHIM_SEEN_ENDING);
}

void dv_shim_gate_done_as(struct dv_shim_ticket *ticket, enum dv_shim_seen seen)
{
	void *token, *command;
	uint64_t now_ns;
	bool step;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&gate->lock);
	now_ns = dv_shim_now_ns();

	if (ticket->state == DV_SHIM_TICKET_OPEN)
		learn(ticket, seen, now_ns);
	token = take_out(ticket, now_ns);
	gate->last_done_ns = now_ns;
	command = ticket->command;
	step = gate->step_when_done || ends_turn(now_ns);
	dv_shim_gate_spare(ticket);
	pthread_mutex_unlock(&gate->lock);
	if (step)
		dv_shim_gate_step();
	if (command)
		gate->ops->release(command);
	if (token) /* it failed before its turn */
		gate->ops->open(token);
}

void dv_shim_gate_cancel(struct dv_shim_ticket *ticket, bool untracked)
{
	void *command = NULL;

	pthread_mutex_lock(&gate->lock);
	if (untracked && ticket->state == DV_SHIM_TICKET_QUEUED) {
		ticket->blind = true;
		command = ticket->command;
	} else {
		(void)take_out(ticket, dv_shim_now_ns());
		command = ticket->command;
		dv_shim_gate_spare(ticket);
	}
	pthread_mutex_unlock(&gate->lock);
	if (untracked)
		__atomic_store_n(&dv_shim_gate_hot.untracked, 1, __ATOMIC_RELAXED);
	if (command)
		gate->ops->release(command);
}

bool dv_shim_gate_ride(struct dv_shim_ticket *ticket, uint64_t key, uint64_t most_ns)
{
	struct dv_grant grant;
	uint64_t now_ns, cost_ns;
	bool may;

	pthread_mutex_lock(&gate->lock);
	now_ns = dv_shim_now_ns();
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	cost_ns = *cost_of(key);
	may = ticket->state == DV_SHIM_TICKET_OPEN && cost_ns &&
	      ticket->estimate_ns + cost_ns <= most_ns && !gate->queued.count &&
	      dv_shim_gate_holds(&grant, now_ns) && dv_shim_gate_room(&grant, ticket, now_ns);
	if (may) {
		ticket->estimate_ns += cost_ns;
		gate->estimate_ns += cost_ns;
	}
	pthread_mutex_unlock(&gate->lock);
	return may;
}

uint64_t dv_shim_gate_expects(const struct dv_shim_ticket *ticket)
{
	return ticket->estimate_ns;
}

void dv_shim_gate_marking(void)
{
	pthread_mutex_lock(&gate->lock);
	gate->markers++;
	pthread_mutex_unlock(&gate->lock);
}

void dv_shim_gate_marked(void)
{
	bool step;
	DV_SHIM_KEEP;

	pthread_mutex_lock(&gate->lock);
	gate->markers--;
	gate->last_done_ns = dv_shim_now_ns();
	step = !gate->markers && gate->step_when_done;
	pthread_mutex_unlock(&gate->lock);
	if (step)
		dv_shim_gate_step();
}

void dv_shim_gate_own_event(void)
{
	DV_SHIM_KEEP;

	/* Close the free way first; then what is on it already can't be waiting for this event. */
	__atomic_fetch_add(&dv_shim_gate_hot.own_events, 1, __ATOMIC_SEQ_CST);
	dv_shim_gate_close();
	dv_shim_gate_settle();
}

void dv_shim_gate_own_event_gone(void)
{
	__atomic_fetch_sub(&dv_shim_gate_hot.own_events, 1, __ATOMIC_SEQ_CST);
	dv_shim_gate_open();
}

bool dv_shim_gate_may_set(void *token)
{
	struct dv_shim_ticket *ticket = NULL;
	uint64_t now_ns;
	struct dv_grant grant;
	enum next next = NOTHING;
	DV_SHIM_KEEP;

	if (!dv_shim_gate_rules(dv_shim_state()))
		return true;
	pthread_mutex_lock(&gate->lock);
	now_ns = dv_shim_now_ns();
	dv_shim_grant_read(dv_shim_pages.grant, &grant);
	if (gate->threaded && !gate->thread_fails && !dv_shim_gate_holds(&grant, now_ns))
		ticket = new_ticket(0);
	if (ticket) {
		dv_shim_gate_close();
		ticket->setting = true;
		ticket->since_ns = now_ns;
		next = add_queued(ticket, token);
	} else {
		/* It may set free what was parked. */
		dv_shim_gate_unpark(now_ns);
	}
	pthread_mutex_unlock(&gate->lock);
	go_on(next);
	return !ticket;
}
