/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sched.h"

#include "base/macro.h"
#include "sched/entity.h"

#define MS UINT64_C(1000000)

enum { TURNS_MOST = 64 }; /* in a row, without being decided on */

const struct dv_sched_config dv_sched_defaults = {
	.quantum_ns = 5 * MS,
	.linger_ns = MS / 2,
	.hold_timeout_ns = 200 * MS,
	.idle_forget_ns = 25 * MS,
};

int dv_sched_new(const struct dv_sched_config *config, struct dv_sched **ret, struct dv_error *err)
{
	struct dv_sched *s;

	if (config->quantum_ns < MS || config->quantum_ns > 20 * MS) {
		dv_error_set(err, -EINVAL, "a quantum of %llu us is not allowed",
			     (unsigned long long)(config->quantum_ns / 1000));
		return dv_error_fix(err, -EINVAL, "use 1ms to 20ms");
	}
	if (config->linger_ns > config->quantum_ns)
		return dv_error_set(err, -EINVAL, "the linger is longer than the quantum");
	if (!config->hold_timeout_ns)
		return dv_error_set(err, -EINVAL, "a hold needs a time-out");
	s = calloc(1, sizeof(*s));
	if (!s)
		return dv_error_set(err, -ENOMEM, "out of memory for a scheduler");
	s->config = *config;
	if (!s->config.idle_forget_ns)
		s->config.idle_forget_ns = 5 * config->quantum_ns;
	*ret = s;
	return 0;
}

void dv_sched_free(struct dv_sched *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->entities.len; i++)
		free(s->entities.items[i]);
	dv_vec_fini(&s->entities);
	free(s);
}

static struct dv_sched_entity *find(const struct dv_sched *s, int64_t id, size_t *ret_i)
{
	for (size_t i = 0; i < s->entities.len; i++) {
		if (s->entities.items[i]->id != id)
			continue;
		if (ret_i)
			*ret_i = i;
		return s->entities.items[i];
	}
	return NULL;
}

int dv_sched_add(struct dv_sched *s, int64_t id, enum dv_policy policy, uint32_t share_mpct,
		 uint64_t now_ns, struct dv_error *err)
{
	dv_autofree struct dv_sched_entity *e = NULL;

	if (find(s, id, NULL))
		return dv_error_set(err, -EEXIST, "the scheduler has %lld already", (long long)id);
	if (id < 0 || (unsigned)policy >= DV_POLICY_COUNT)
		return dv_error_set(err, -EINVAL, "no such policy, or a negative id");
	if (share_mpct > DV_SCHED_WHOLE || (!share_mpct && policy != DV_POLICY_EQUAL_SHARE))
		return dv_error_set(err, -EINVAL,
				    "a share is more than 0 and at most 100 %%, not %u/1000 %%",
				    share_mpct);
	e = calloc(1, sizeof(*e));
	if (!e || dv_vec_reserve(&s->entities) < 0)
		return dv_error_set(err, -ENOMEM, "out of memory for an entity");
	e->id = id;
	e->policy = policy;
	e->share_mpct = share_mpct;
	dv_sched_tokens_init(s, e, now_ns);
	s->entities.items[s->entities.len++] = take_ptr(e);
	dv_sched_weigh(s, now_ns);
	return 0;
}

/* The device is free: who held it was charged, or is gone. */
static void let_go(struct dv_sched *s)
{
	s->holder = NULL;
	s->endless = s->revoked = s->settled = s->take_back = s->arrived = false;
	s->contended_ns = UINT64_MAX;
}

static void stop_wanting(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	e->wants = e->throttled = false;
	e->stats.wanting_ns += now_ns - e->active_ns;
	dv_sched_leave(s, e, now_ns);
}

/* It waits from now on, or is held back until it has tokens again. */
static void line_up(struct dv_sched *s, struct dv_sched_entity *e, uint64_t now_ns)
{
	e->wants = true;
	e->throttled = dv_sched_is_dry(s, e, now_ns);
	if (e->throttled)
		return;
	dv_sched_join(s, e, now_ns);
	s->arrived = true;
	if (s->holder && !s->revoked && dv_sched_was_entitled(s, e))
		s->take_back = true;
}

void dv_sched_remove(struct dv_sched *s, int64_t id, uint64_t now_ns)
{
	size_t i;
	struct dv_sched_entity *e = find(s, id, &i);

	if (!e)
		return;
	/* V as it is goes on without it. */
	(void)dv_sched_mean(s, NULL, now_ns);
	if (s->holder == e)
		let_go(s);
	dv_vec_remove(&s->entities, i);
	free(e);
	dv_sched_weigh(s, now_ns);
}

void dv_sched_want(struct dv_sched *s, int64_t id, uint64_t now_ns)
{
	struct dv_sched_entity *e = find(s, id, NULL);

	if (!e || e->wants || e == s->holder)
		return;
	dv_sched_tokens_earn(s, e, now_ns);
	e->want_ns = e->active_ns = now_ns;
	line_up(s, e, now_ns);
}

static void finish(struct dv_sched *s, uint64_t idle_since_ns, bool more, uint64_t now_ns)
{
	struct dv_sched_entity *e = s->holder;

	idle_since_ns = DV_MIN(idle_since_ns, now_ns);
	/* Changing hands costs the others something: one that takes the device from them again and
	 * again for nothing pays for it too. */
	if (s->contended_ns != UINT64_MAX)
		idle_since_ns = DV_MAX(idle_since_ns, s->granted_ns + s->config.quantum_ns / 16);
	dv_sched_settle(s, idle_since_ns, now_ns);
	let_go(s);
	if (!more) {
		stop_wanting(s, e, now_ns);
		return;
	}
	/* It takes part without a pause; only a dry one is held back. */
	e->wants = true;
	e->want_ns = now_ns;
	e->throttled = dv_sched_is_dry(s, e, now_ns);
	if (e->throttled)
		dv_sched_leave(s, e, now_ns);
}

void dv_sched_drained(struct dv_sched *s, int64_t id, uint64_t idle_since_ns, bool more,
		      uint64_t now_ns)
{
	if (s->holder && s->holder->id == id)
		finish(s, idle_since_ns, more, now_ns);
	else if (more)
		dv_sched_want(s, id, now_ns);
}

void dv_sched_charge(struct dv_sched *s, int64_t id, uint64_t late_ns, uint64_t now_ns)
{
	struct dv_sched_entity *e = find(s, id, NULL);

	if (!e)
		return;
	dv_sched_tokens_earn(s, e, now_ns);
	dv_sched_use(s, e, late_ns);
	dv_sched_tokens_use(s, e, late_ns);
}

/* Who was held back and has earned enough lines up. */
static void release_throttled(struct dv_sched *s, uint64_t now_ns)
{
	for (size_t i = 0; i < s->entities.len; i++) {
		struct dv_sched_entity *e = s->entities.items[i];

		if (e->throttled && !dv_sched_is_dry(s, e, now_ns))
			line_up(s, e, now_ns);
	}
}

static bool is_contended(const struct dv_sched *s)
{
	for (size_t i = 0; i < s->entities.len; i++)
		if (dv_sched_waits(s, s->entities.items[i]))
			return true;
	return false;
}

/* How long a turn of `e` lasts that begins, or goes on, at `from_ns`. */
static uint64_t turn_ns(struct dv_sched *s, struct dv_sched_entity *e, uint64_t from_ns,
			bool contended)
{
	const uint64_t quantum_ns = s->config.quantum_ns;
	const uint64_t tokens_ns = dv_sched_tokens_last(s, e, from_ns);
	const int64_t rest_v = dv_sched_diff(e->end_v, dv_sched_v(s, e, from_ns));
	uint64_t turn = quantum_ns;

	if (!contended)
		return dv_sched_is_capped(e) ? DV_MAX(tokens_ns, 1) : UINT64_MAX;
	if (rest_v > 0)
		turn = (uint64_t)rest_v / DV_SCHED_WHOLE * e->weight;
	turn = DV_MIN(DV_MAX(turn, quantum_ns / 8), quantum_ns);
	/* Out of budget, latency is an entity like the others. */
	if (dv_sched_is_capped(e) || tokens_ns)
		turn = DV_MIN(turn, DV_MAX(tokens_ns, quantum_ns / 16));
	return turn;
}

/* Who would have the next turn too, and the one after it, is given them at once: to be told in the
 * last moment is to be told too late on a busy machine, and then the device is given away. */
static uint64_t go_on_ns(struct dv_sched *s, uint64_t until_ns)
{
	if (dv_sched_is_capped(s->holder) || s->holder->policy == DV_POLICY_LATENCY)
		return until_ns;
	for (int i = 0; i < TURNS_MOST && dv_sched_pick(s, true, until_ns) == s->holder; i++)
		until_ns += turn_ns(s, s->holder, until_ns, true);
	return until_ns;
}

/* Where it is another's turn then, as far as one can tell now, nothing is decided before it ends.
 */
static void set_until(struct dv_sched *s, uint64_t from_ns, uint64_t turn)
{
	const bool contended = s->contended_ns != UINT64_MAX;

	s->endless = turn == UINT64_MAX;
	s->until_ns = s->endless ? UINT64_MAX : from_ns + turn;
	if (!s->endless && contended)
		s->until_ns = go_on_ns(s, s->until_ns);
	s->settled = !s->endless && contended && dv_sched_pick(s, true, s->until_ns) != s->holder;
	s->arrived = false;
}

static void say(const struct dv_sched *s, enum dv_decision_type type, struct dv_decision *ret)
{
	*ret = (struct dv_decision){
		.type = type,
		.entity = s->holder->id,
		.until_ns = s->until_ns,
		.endless = s->endless,
	};
}

static bool grant(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	struct dv_sched_entity *e = dv_sched_pick(s, false, now_ns);
	uint64_t wait_ns;
	bool contended;

	if (!e)
		return false;
	wait_ns = now_ns - e->want_ns;
	s->granted_v = dv_sched_mean(s, NULL, now_ns);
	dv_sched_tokens_earn(s, e, now_ns);
	e->granted_tokens = e->tokens;
	e->wants = false;
	e->stats.grants++;
	e->stats.waits++;
	e->stats.wait_ns += wait_ns;
	e->stats.wait_max_ns = DV_MAX(e->stats.wait_max_ns, wait_ns);
	let_go(s);
	s->holder = e;
	s->granted_ns = s->charged_ns = now_ns;
	contended = is_contended(s);
	s->contended_ns = contended ? now_ns : UINT64_MAX;
	set_until(s, now_ns, turn_ns(s, e, now_ns, contended));
	say(s, DV_DECISION_GRANT, ret);
	ret->wait_ns = wait_ns;
	return true;
}

static bool take_away(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	s->revoked = true;
	s->revoked_ns = now_ns;
	say(s, DV_DECISION_REVOKE, ret);
	return true;
}

static bool evict(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	say(s, DV_DECISION_EVICT, ret);
	s->holder->stats.evictions++;
	finish(s, now_ns, false, now_ns);
	return true;
}

static bool say_extended(const struct dv_sched *s, struct dv_decision *ret)
{
	say(s, DV_DECISION_EXTEND, ret);
	return true;
}

static bool extend(struct dv_sched *s, uint64_t from_ns, uint64_t turn, struct dv_decision *ret)
{
	set_until(s, from_ns, turn);
	return say_extended(s, ret);
}

/* Somebody more lined up: the holder has the rest of its turn, and more only if it is still next.
 * False: that changes nothing. */
static bool shorten(struct dv_sched *s, uint64_t now_ns)
{
	const uint64_t until_ns = s->until_ns;
	const uint64_t turn = turn_ns(s, s->holder, now_ns, true);

	s->arrived = false;
	if (now_ns + turn >= until_ns)
		return false;
	set_until(s, now_ns, turn);
	s->until_ns = DV_MIN(s->until_ns, until_ns);
	return s->until_ns != until_ns;
}

static uint64_t over_ns(const struct dv_sched *s)
{
	return s->until_ns + s->config.grace_ns;
}

static bool is_over(const struct dv_sched *s, uint64_t now_ns)
{
	return !s->endless && now_ns >= over_ns(s);
}

/* Nobody else wants it. */
static bool go_on_alone(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	const uint64_t turn = turn_ns(s, s->holder, now_ns, false);

	if (s->contended_ns != UINT64_MAX) {
		dv_sched_settle(s, now_ns, now_ns);
		s->contended_ns = UINT64_MAX;
	} else if (s->endless || now_ns < s->until_ns) {
		return false;
	}
	if (turn == UINT64_MAX)
		return extend(s, now_ns, turn, ret);
	return is_over(s, now_ns) ? take_away(s, now_ns, ret) : false;
}

/* How long before the end it is decided whether the holder goes on: it must read so in time. */
static uint64_t lead_ns(const struct dv_sched *s)
{
	return s->config.quantum_ns / 8;
}

/* Others came while it was alone. Its quantum counts from the grant: one that has had it may have
 * to go at once. */
static bool become_contended(struct dv_sched *s, const struct dv_sched_entity *next,
			     uint64_t now_ns, struct dv_decision *ret)
{
	const uint64_t had_ns = now_ns - s->granted_ns, quantum_ns = s->config.quantum_ns;
	uint64_t turn;

	dv_sched_settle(s, now_ns, now_ns);
	s->contended_ns = now_ns;
	turn = turn_ns(s, s->holder, now_ns, true);
	if (had_ns < quantum_ns)
		turn = DV_MIN(turn, quantum_ns - had_ns);
	else if (next != s->holder)
		return take_away(s, now_ns, ret);
	if (!s->endless)
		turn = DV_MIN(turn, s->until_ns > now_ns ? s->until_ns - now_ns : 0);
	return extend(s, now_ns, turn, ret);
}

static bool decide_contended(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	struct dv_sched_entity *e = s->holder, *next = dv_sched_pick(s, true, now_ns);

	if (s->take_back || (next != e && dv_sched_goes_first(s, next, now_ns) &&
			     !dv_sched_goes_first(s, e, now_ns)))
		return take_away(s, now_ns, ret);
	if (s->contended_ns == UINT64_MAX)
		return become_contended(s, next, now_ns, ret);
	if (s->arrived && shorten(s, now_ns))
		return say_extended(s, ret);
	if (!s->settled && now_ns + lead_ns(s) >= s->until_ns) {
		const uint64_t end_ns = DV_MAX(now_ns, s->until_ns);

		s->settled = true;
		if (dv_sched_pick(s, true, end_ns) == e)
			return extend(s, end_ns, turn_ns(s, e, end_ns, true), ret);
	}
	return is_over(s, now_ns) ? take_away(s, now_ns, ret) : false;
}

/* When a revoked holder is passed by: those who wait have waited for its quantum already. */
static uint64_t evict_ns(const struct dv_sched *s)
{
	const uint64_t timeout_ns = s->config.hold_timeout_ns, quantum_ns = s->config.quantum_ns;

	return s->revoked_ns +
	       (timeout_ns > 2 * quantum_ns ? timeout_ns - quantum_ns : timeout_ns / 2);
}

bool dv_sched_decide(struct dv_sched *s, uint64_t now_ns, struct dv_decision *ret)
{
	release_throttled(s, now_ns);
	if (!s->holder)
		return grant(s, now_ns, ret);
	if (s->revoked) {
		return now_ns >= evict_ns(s) ? evict(s, now_ns, ret) : false;
	}
	return is_contended(s) ? decide_contended(s, now_ns, ret) : go_on_alone(s, now_ns, ret);
}

uint64_t dv_sched_next_ns(const struct dv_sched *s)
{
	uint64_t next_ns = UINT64_MAX;

	if (s->holder && s->revoked)
		next_ns = evict_ns(s);
	else if (s->holder && !s->endless)
		next_ns = s->settled || s->contended_ns == UINT64_MAX ? over_ns(s)
								      : s->until_ns - lead_ns(s);
	for (size_t i = 0; i < s->entities.len; i++) {
		const struct dv_sched_entity *e = s->entities.items[i];

		if (e->throttled)
			next_ns = DV_MIN(next_ns, dv_sched_wet_ns(s, e));
	}
	return next_ns;
}

int64_t dv_sched_holder(const struct dv_sched *s)
{
	return s->holder ? s->holder->id : -1;
}

bool dv_sched_stats(const struct dv_sched *s, int64_t id, uint64_t now_ns,
		    struct dv_sched_stats *ret)
{
	const struct dv_sched_entity *e = find(s, id, NULL);

	if (!e)
		return false;
	*ret = e->stats;
	if (e == s->holder && now_ns > s->charged_ns)
		ret->used_ns += now_ns - s->charged_ns;
	if ((e == s->holder || e->wants) && now_ns > e->active_ns)
		ret->wanting_ns += now_ns - e->active_ns;
	ret->debt_ns = dv_sched_debt(s, e, now_ns);
	return true;
}
