/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's thread: opens what was held back while the grant is held, says when nothing of this
 * process is on the device any more, and hands back what is not used. It sleeps on two futexes, the
 * grant's epoch and the gate's own bell. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "shim/core/inside.h"
#include "shim/core/link.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

#define MS UINT64_C(1000000)

enum {
	BATCH = 16,		  /* held-back commands opened at once */
	POLLS_MOST = 4096,	  /* commands asked whether they run */
	SLACK_NS = 50000,	  /* not worth a wake-up */
	RETRY_NS = 50000,	  /* somebody is between the look and the queue */
	STALL_NS = 2000000,	  /* no command ended for so long: something waits for something */
	STALL_MOST_NS = 50000000, /* the same, while a long command runs */
	LOOK_NS = 100000,	  /* while work is on the device: whether it has become idle */
	BLIND_NS = 500000	  /* without futex_waitv: how often the grant is looked at */
};

static struct dv_shim_gate *const gate = &dv_shim_gate;

/* As linux/futex.h has it since 5.16. */
struct wait_on {
	uint64_t value, address;
	uint32_t flags, reserved;
};

struct turn {
	struct dv_grant grant;
	enum dv_shim_state state;
	bool ruled; /* somebody grants, now or later */
	uint64_t now_ns;
	uint64_t wake_ns; /* look again then */
	bool holds;
	/* To be done without the lock. */
	bool mark, flush;
	size_t count;
	void *tokens[BATCH];
};

void dv_shim_gate_ring(void)
{
	__atomic_fetch_add(&gate->bell, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &gate->bell, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0);
}

/* On the grant's epoch and the bell. False: this kernel, or what stands before it, has no such
 * call. */
static bool sleep_on_both(uint32_t epoch, uint32_t bell, const struct timespec *until)
{
	struct wait_on on[2] = {{epoch, (uintptr_t)&dv_shim_pages.grant->epoch, 2 /* 32 bits */, 0},
				{bell, (uintptr_t)&gate->bell, 2 | FUTEX_PRIVATE_FLAG, 0}};

	return syscall(SYS_futex_waitv, on, 2, 0, until, CLOCK_MONOTONIC) >= 0 || errno == EAGAIN ||
	       errno == ETIMEDOUT || errno == EINTR;
}

static void sleep_until(uint32_t epoch, uint32_t bell, uint64_t wake_ns)
{
	static bool have_no_waitv; /* of the gate's thread alone */
	struct timespec until = {(time_t)(wake_ns / 1000000000), (long)(wake_ns % 1000000000)};

	if (!have_no_waitv) {
		have_no_waitv = !sleep_on_both(epoch, bell, wake_ns == UINT64_MAX ? NULL : &until);
		return;
	}
	/* Look at the grant now and then. */
	wake_ns = DV_MIN(wake_ns, dv_shim_now_ns() + BLIND_NS);
	until = (struct timespec){(time_t)(wake_ns / 1000000000), (long)(wake_ns % 1000000000)};
	syscall(SYS_futex, &gate->bell, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, bell, &until, NULL,
		FUTEX_BITSET_MATCH_ANY);
}

static void wake_by(struct turn *turn, uint64_t at_ns)
{
	turn->wake_ns = DV_MIN(turn->wake_ns, at_ns);
}

/* With the lock: what the page says, and what that changes. */
static void observe(struct turn *turn)
{
	bool held;

	turn->state = dv_shim_state();
	turn->ruled = dv_shim_gate_rules(turn->state);
	turn->now_ns = dv_shim_now_ns();
	turn->wake_ns = UINT64_MAX;
	dv_shim_grant_read(dv_shim_pages.grant, &turn->grant);
	dv_shim_gate_renew();
	held = turn->grant.flags & DV_GRANT_HELD;
	if (turn->grant.epoch != gate->epoch) {
		/* A grant may have come and gone unseen; launches may have used it. */
		bool missed = turn->grant.epoch != gate->epoch + 2;

		gate->epoch = turn->grant.epoch;
		gate->blurred |= missed || turn->grant.flags & DV_GRANT_ENDLESS;
		if ((gate->was_held || missed) && !held && turn->grant.flags & DV_GRANT_GATED) {
			gate->drain_due = true;
			gate->flushed = false;
		}
		if (held) {
			gate->wants = gate->drain_due = false;
			gate->held_from_ns = turn->now_ns;
		}
		gate->was_held = held;
	}
	turn->holds = turn->state == DV_SHIM_ATTACHED &&
		      dv_shim_gate_holds(&turn->grant, turn->now_ns);
}

/* With the lock: is it time to let the next one go though the device seems to be full? A command
 * that is known to be long is given its time; what was learned may be wrong, so not for ever. */
static bool stalled(const struct turn *turn)
{
	const struct dv_shim_ticket *head = dv_shim_list_first(&gate->open);
	uint64_t since_ns = gate->last_done_ns;
	uint64_t limit_ns = DV_MAX(turn->grant.inflight_ns, (uint64_t)STALL_NS);

	if (head) {
		since_ns = DV_MAX(since_ns, gate->open.head.prev->since_ns);
		limit_ns = DV_MAX(limit_ns, DV_MIN(2 * head->estimate_ns, (uint64_t)STALL_MOST_NS));
	}
	return turn->now_ns >= since_ns + limit_ns;
}

/* With the lock: may the next command go? If not yet, it is seen to that we look again. */
static bool may_go(struct turn *turn, const struct dv_shim_ticket *ticket)
{
	uint64_t left_ns, ahead_ns;

	if (!turn->ruled)
		return true; /* nobody will grant: what was accepted must not hang */
	turn->holds = dv_shim_gate_holds(&turn->grant, turn->now_ns);
	if (!turn->holds)
		return false;
	if (ticket->setting || dv_shim_gate_room(&turn->grant, ticket, turn->now_ns) ||
	    stalled(turn))
		return true;
	/* Behind the only one it comes just in time; behind more, when the first of them ends. */
	left_ns = dv_shim_gate_left_ns(turn->now_ns);
	ahead_ns = dv_shim_gate_ahead_ns(&turn->grant, ticket);
	if (left_ns > ahead_ns && gate->open.count == 1)
		wake_by(turn, turn->now_ns + left_ns - ahead_ns);
	wake_by(turn, turn->now_ns + STALL_NS);
	return false;
}

/* With the lock: take the next commands that may go. */
static void take_next(struct turn *turn)
{
	struct dv_shim_ticket *ticket;

	while (turn->count < BATCH && (ticket = dv_shim_list_first(&gate->queued)) &&
	       may_go(turn, ticket)) {
		if (!turn->ruled && !ticket->setting)
			dv_shim_count(&dv_shim_pages.counters->passed_ungated, 1);
		turn->tokens[turn->count++] = ticket->token;
		dv_shim_gate_let_go(ticket, turn->now_ns);
	}
}

/* With the lock. What is open while the program keeps events of its own may wait for these: it is
 * not on the device, and the program will set it free by a call that is held back. */
static void park_waiting(struct turn *turn)
{
	struct dv_shim_ticket *ticket, *next;

	if (!__atomic_load_n(&dv_shim_gate_hot.own_events, __ATOMIC_SEQ_CST))
		return;
	wake_by(turn, turn->now_ns + STALL_NS);
	if (gate->open.count > POLLS_MOST || !stalled(turn))
		return;
	for (ticket = gate->open.head.next; ticket != &gate->open.head; ticket = ticket->next)
		if (!ticket->command || gate->ops->running(ticket->command))
			return;
	for (ticket = gate->open.head.next; ticket != &gate->open.head; ticket = next) {
		next = ticket->next;
		dv_shim_gate_park(ticket, turn->now_ns);
	}
}

/* Without the lock: markers behind what went the free way. False: not now. */
static bool mark(void)
{
	if (pthread_mutex_trylock(&gate->order) != 0)
		return false;
	dv_shim_gate_mark();
	pthread_mutex_unlock(&gate->order);
	return true;
}

/* With the lock: from the first command of this turn to the end of its last, for divvyd; 0: not
 * known. */
static uint64_t span_ns(uint64_t ended_ns)
{
	if (!gate->used || gate->blurred || gate->first_ns > ended_ns ||
	    ended_ns - gate->first_ns > UINT32_MAX)
		return 0;
	return ended_ns - gate->first_ns;
}

/* With the lock. False: it could not be said now. */
static bool say_drained(const struct turn *turn)
{
	/* A wish that was not granted since stays one. */
	bool more = gate->queued.count || gate->wants;
	uint64_t ended_ns = DV_MAX(gate->last_done_ns, gate->held_from_ns);

	if (!dv_shim_tell(DV_MSG_DRAINED, turn->grant.epoch | span_ns(ended_ns) << 32,
			  gate->busy_ns, more, ended_ns))
		return false;
	gate->busy_ns = 0;
	gate->drain_due = gate->used = gate->blurred = false;
	gate->wants = more;
	gate->gave_back = true;
	gate->gave_back_epoch = turn->grant.epoch;
	return true;
}

/* With the lock: has all that was put on the device ended? If not, it is seen to that we look
 * again.
 */
static bool is_drained(struct turn *turn)
{
	if (__atomic_load_n(&dv_shim_gate_hot.entering, __ATOMIC_SEQ_CST)) {
		wake_by(turn, turn->now_ns + RETRY_NS);
		return false;
	}
	if (__atomic_load_n(&dv_shim_gate_hot.untracked, __ATOMIC_ACQUIRE)) {
		turn->mark = true;
		return false;
	}
	if (gate->open.count)
		park_waiting(turn);
	if (!gate->open.count && !gate->markers)
		return true;
	gate->step_when_done = true;
	turn->flush = !gate->flushed;
	gate->flushed = true;
	return false;
}

/* With the lock: how long the device is kept idle. Of a program whose next command always came
 * within that time it is no use to look so often: each look takes a processor from somebody. */
static uint64_t linger_ns(const struct turn *turn)
{
	return turn->grant.linger_ns * (1 + gate->patience);
}

/* With the lock: there is work; is it other work than at the last look? */
static void grow_patience(const struct turn *turn)
{
	bool again = gate->looked_epoch == turn->grant.epoch;

	if (again && gate->opened != gate->opened_before && gate->patience < DV_SHIM_PATIENCE_MOST)
		gate->patience++;
	gate->looked_epoch = turn->grant.epoch;
	gate->opened_before = gate->opened;
}

/* With the lock: say it when the device is free of us, after a revocation or the end of our time,
 * and hand back what is not used. */
static void hand_back(struct turn *turn)
{
	const struct dv_grant *grant = &turn->grant;
	bool timed = dv_shim_gate_timed(grant);
	bool over = timed && !dv_shim_gate_gave_back(grant) && turn->now_ns >= grant->until_ns &&
		    (gate->used || !gate->queued.count);
	uint64_t idle_ns, left_ns;

	gate->step_when_done = gate->queued.count && turn->holds;
	if (turn->state != DV_SHIM_ATTACHED)
		return;
	if (gate->drain_due || over) {
		if (is_drained(turn) && !say_drained(turn))
			wake_by(turn, turn->now_ns + MS);
		return;
	}
	if (gate->queued.count && !turn->holds && !dv_shim_gate_want(grant->epoch))
		wake_by(turn, turn->now_ns + MS);
	if (!timed || !turn->holds)
		return;
	gate->flushed = false;
	if (gate->open.count || gate->queued.count) {
		/* No sooner can it have been idle for the linger. Whose work ends after our time
		 * hands back then; this is for work that has not got to the device. */
		left_ns = dv_shim_gate_left_ns(turn->now_ns);
		grow_patience(turn);
		wake_by(turn, turn->now_ns + left_ns + DV_MAX(linger_ns(turn), (uint64_t)LOOK_NS));
		if (grant->until_ns != UINT64_MAX)
			wake_by(turn, grant->until_ns + MS);
		return;
	}
	idle_ns = DV_MAX(gate->last_done_ns, gate->held_from_ns) + linger_ns(turn);
	if (turn->now_ns < idle_ns) {
		wake_by(turn, DV_MIN(idle_ns, grant->until_ns));
		return;
	}
	gate->patience = 0;
	if (is_drained(turn) && !say_drained(turn))
		wake_by(turn, turn->now_ns + MS);
}

static void look(struct turn *turn)
{
	pthread_mutex_lock(&gate->lock);
	observe(turn);
	take_next(turn);
	hand_back(turn);
	pthread_mutex_unlock(&gate->lock);
	for (size_t i = 0; i < turn->count; i++)
		gate->ops->open(turn->tokens[i]);
}

void dv_shim_gate_step(void)
{
	struct turn turn = {0};
	uint64_t sleeps_ns;

	/* Opening may end the next command at once, in this thread: that is for the gate's. */
	if (__atomic_exchange_n(&gate->stepping, true, __ATOMIC_ACQ_REL)) {
		dv_shim_gate_ring();
		return;
	}
	look(&turn);
	__atomic_store_n(&gate->stepping, false, __ATOMIC_RELEASE);
	sleeps_ns = __atomic_load_n(&gate->sleeps_ns, __ATOMIC_RELAXED);
	if (turn.count == BATCH || turn.mark || turn.flush ||
	    (turn.wake_ns != UINT64_MAX && turn.wake_ns + SLACK_NS < sleeps_ns))
		dv_shim_gate_ring();
}

void *dv_shim_gate_run(void *arg DV_UNUSED)
{
	/* Half a quantum may be less than the usual slack. */
	(void)prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	for (;;) {
		uint32_t bell = __atomic_load_n(&gate->bell, __ATOMIC_SEQ_CST);
		struct turn turn = {0};

		/* Until it is known when we look again, whoever wants that rings. */
		__atomic_store_n(&gate->sleeps_ns, UINT64_MAX, __ATOMIC_RELAXED);
		look(&turn);
		if (turn.flush)
			gate->ops->flush();
		if (turn.count == BATCH || (turn.mark && mark()))
			continue;
		if (turn.mark)
			wake_by(&turn, turn.now_ns + RETRY_NS);
		__atomic_store_n(&gate->sleeps_ns, turn.wake_ns, __ATOMIC_RELAXED);
		sleep_until(turn.grant.epoch, bell, turn.wake_ns);
	}
}
