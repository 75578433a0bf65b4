/* SPDX-License-Identifier: Apache-2.0 */
/* Single events and the decisions that follow, step by step; then at random against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sim.h"

#define MS DV_NS_PER_MS
#define US DV_NS_PER_US
#define T0 DV_NS_PER_S

enum { A = 1, B = 2, C = 3 };

static struct dv_sched *sched;

static int setup(void **state)
{
	return dv_sched_new(&dv_sched_defaults, &sched, NULL);
}

static int teardown(void **state)
{
	dv_sched_free(sched);
	return 0;
}

static void add(int64_t id, enum dv_policy policy, uint32_t percent)
{
	assert_int_equal(dv_sched_add(sched, id, policy, percent * 1000, T0, NULL), 0);
}

static struct dv_decision expect(uint64_t now_ns, enum dv_decision_type type, int64_t id)
{
	struct dv_decision decision;

	assert_true(dv_sched_decide(sched, now_ns, &decision));
	assert_int_equal(decision.type, type);
	assert_int_equal(decision.entity, id);
	return decision;
}

static void expect_nothing(uint64_t now_ns)
{
	struct dv_decision decision;

	assert_false(dv_sched_decide(sched, now_ns, &decision));
}

static struct dv_sched_stats stats_of(int64_t id, uint64_t now_ns)
{
	struct dv_sched_stats stats;

	assert_true(dv_sched_stats(sched, id, now_ns, &stats));
	return stats;
}

static void test_refused_configs(void **state)
{
	struct dv_sched_config config = dv_sched_defaults;
	struct dv_sched *ret = NULL;
	struct dv_error err = {0};

	config.quantum_ns = MS - 1;
	assert_int_equal(dv_sched_new(&config, &ret, &err), -EINVAL);
	assert_string_equal(err.fix, "use 1ms to 20ms");
	config.quantum_ns = 20 * MS + 1;
	assert_int_equal(dv_sched_new(&config, &ret, NULL), -EINVAL);
	config.quantum_ns = MS;
	config.linger_ns = MS + 1;
	assert_int_equal(dv_sched_new(&config, &ret, NULL), -EINVAL);
	config.linger_ns = 0;
	config.hold_timeout_ns = 0;
	assert_int_equal(dv_sched_new(&config, &ret, NULL), -EINVAL);
	assert_null(ret);
	dv_sched_free(NULL);
}

static void test_refused_entities(void **state)
{
	add(A, DV_POLICY_BEST_EFFORT, 50);
	assert_int_equal(dv_sched_add(sched, A, DV_POLICY_LATENCY, 1, T0, NULL), -EEXIST);
	assert_int_equal(dv_sched_add(sched, B, DV_POLICY_LATENCY, 0, T0, NULL), -EINVAL);
	assert_int_equal(dv_sched_add(sched, B, DV_POLICY_LATENCY, 100001, T0, NULL), -EINVAL);
	assert_int_equal(dv_sched_add(sched, B, DV_POLICY_COUNT, 10, T0, NULL), -EINVAL);
	assert_int_equal(dv_sched_add(sched, -1, DV_POLICY_LATENCY, 10, T0, NULL), -EINVAL);
	assert_int_equal(dv_sched_add(sched, B, DV_POLICY_EQUAL_SHARE, 0, T0, NULL), 0);
	assert_false(dv_sched_stats(sched, C, T0, NULL));
	/* Of unknown ones nothing is known, and nothing happens. */
	dv_sched_want(sched, C, T0);
	dv_sched_drained(sched, C, T0, true, T0);
	dv_sched_charge(sched, C, MS, T0);
	dv_sched_remove(sched, C, T0);
	expect_nothing(T0);
	assert_int_equal(dv_sched_next_ns(sched), UINT64_MAX);
	assert_int_equal(dv_sched_holder(sched), -1);
}

static void test_alone_is_endless(void **state)
{
	struct dv_decision decision;

	add(A, DV_POLICY_BEST_EFFORT, 10);
	expect_nothing(T0);
	dv_sched_want(sched, A, T0);
	dv_sched_want(sched, A, T0);
	decision = expect(T0 + 7, DV_DECISION_GRANT, A);
	assert_true(decision.endless);
	assert_int_equal(decision.until_ns, UINT64_MAX);
	assert_int_equal(decision.wait_ns, 7);
	expect_nothing(T0 + 7);
	assert_int_equal(dv_sched_next_ns(sched), UINT64_MAX);
	expect_nothing(T0 + 3600 * DV_NS_PER_S);
	assert_int_equal(dv_sched_holder(sched), A);
	dv_sched_want(sched, A, T0 + MS); /* of no effect: it holds */
	dv_sched_drained(sched, A, T0 + 4 * MS, false, T0 + 5 * MS);
	expect_nothing(T0 + 5 * MS);
	/* Charged to the end of its work, not of the linger. */
	assert_int_equal(stats_of(A, T0 + 9 * MS).used_ns, 4 * MS - 7);
	assert_int_equal(stats_of(A, T0 + 9 * MS).grants, 1);
	assert_int_equal(stats_of(A, T0 + 9 * MS).wanting_ns, 5 * MS);
}

static void test_second_one_comes(void **state)
{
	struct dv_decision decision;

	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	expect(T0, DV_DECISION_GRANT, A);
	/* In the middle of its first request, which is as short as its share: it may have the rest.
	 */
	dv_sched_want(sched, B, T0 + MS);
	decision = expect(T0 + MS, DV_DECISION_EXTEND, A);
	assert_false(decision.endless);
	assert_int_equal(decision.until_ns, T0 + 2500 * US);
	expect_nothing(T0 + MS);
	assert_true(dv_sched_next_ns(sched) <= T0 + 2500 * US);
	expect_nothing(T0 + 2500 * US - 1);
	expect(T0 + 2500 * US, DV_DECISION_REVOKE, A);
	expect_nothing(T0 + 2500 * US);
	dv_sched_drained(sched, A, T0 + 6 * MS, true, T0 + 6 * MS);
	decision = expect(T0 + 6 * MS, DV_DECISION_GRANT, B);
	assert_int_equal(decision.wait_ns, 5 * MS);
	/* A had 6 ms: B has two turns before it is level, and is given them at once. */
	assert_int_equal(decision.until_ns, T0 + 13500 * US);
	expect_nothing(decision.until_ns - 1);
	expect(decision.until_ns, DV_DECISION_REVOKE, B);
	dv_sched_drained(sched, B, decision.until_ns, true, decision.until_ns);
	expect(decision.until_ns, DV_DECISION_GRANT, A);
	assert_int_equal(stats_of(A, decision.until_ns + MS).used_ns, 7 * MS);
	assert_int_equal(stats_of(B, decision.until_ns + MS).used_ns,
			 decision.until_ns - T0 - 6 * MS);
}

/* Turns that were given in a row are taken back to the one at hand when somebody more comes. */
static void test_turns_in_a_row(void **state)
{
	struct dv_decision decision;
	uint64_t row_ns;

	add(A, DV_POLICY_BEST_EFFORT, 90);
	add(B, DV_POLICY_BEST_EFFORT, 10);
	add(C, DV_POLICY_BEST_EFFORT, 90);
	dv_sched_want(sched, A, T0);
	dv_sched_want(sched, B, T0);
	decision = expect(T0, DV_DECISION_GRANT, A);
	expect(decision.until_ns, DV_DECISION_REVOKE, A);
	dv_sched_drained(sched, A, decision.until_ns, true, decision.until_ns);
	decision = expect(decision.until_ns, DV_DECISION_GRANT, B);
	expect(decision.until_ns, DV_DECISION_REVOKE, B);
	dv_sched_drained(sched, B, T0 + 30 * MS, true, T0 + 30 * MS);
	decision = expect(T0 + 30 * MS, DV_DECISION_GRANT, A);
	assert_true(decision.until_ns > T0 + 100 * MS);
	expect_nothing(T0 + 50 * MS);
	dv_sched_want(sched, C, T0 + 50 * MS);
	row_ns = decision.until_ns;
	decision = expect(T0 + 50 * MS, DV_DECISION_EXTEND, A);
	assert_true(decision.until_ns < row_ns);
	expect(decision.until_ns, DV_DECISION_REVOKE, A);
	dv_sched_drained(sched, A, decision.until_ns, true, decision.until_ns);
	expect(decision.until_ns, DV_DECISION_GRANT, C);
}

/* Whoever hands back by itself is not revoked; whoever does not is, after the grace. Where it is
 * the other's turn next there is nothing to decide before. */
static void test_grace(void **state)
{
	struct dv_sched_config config = dv_sched_defaults;
	struct dv_decision decision;

	dv_sched_free(sched);
	config.grace_ns = MS;
	assert_int_equal(dv_sched_new(&config, &sched, NULL), 0);
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	dv_sched_want(sched, B, T0);
	decision = expect(T0, DV_DECISION_GRANT, A);
	assert_int_equal(dv_sched_next_ns(sched), decision.until_ns + MS);
	expect_nothing(decision.until_ns);
	dv_sched_drained(sched, A, decision.until_ns, true, decision.until_ns + MS / 2);
	decision = expect(decision.until_ns + MS / 2, DV_DECISION_GRANT, B);
	expect_nothing(decision.until_ns + MS - 1);
	expect(decision.until_ns + MS, DV_DECISION_REVOKE, B);
}

static void test_long_holder_goes_at_once(void **state)
{
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	expect(T0, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, T0 + 10 * DV_NS_PER_S);
	expect(T0 + 10 * DV_NS_PER_S, DV_DECISION_REVOKE, A);
	dv_sched_drained(sched, A, T0 + 10 * DV_NS_PER_S, true, T0 + 10 * DV_NS_PER_S);
	expect(T0 + 10 * DV_NS_PER_S, DV_DECISION_GRANT, B);
	/* What A used while nobody wanted it is no debt: after a quantum it has its turn. */
	expect(T0 + 10 * DV_NS_PER_S + 5 * MS, DV_DECISION_REVOKE, B);
}

/* B steals a moment in which A has nothing to do; A comes back within its turn. */
static void test_thief_gives_back(void **state)
{
	uint64_t now = T0;

	add(A, DV_POLICY_BEST_EFFORT, 90);
	add(B, DV_POLICY_BEST_EFFORT, 10);
	dv_sched_want(sched, A, now);
	expect(now, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, now);
	expect(now, DV_DECISION_EXTEND, A);
	now += MS;
	dv_sched_drained(sched, A, now, false, now);
	expect(now, DV_DECISION_GRANT, B);
	now += 100 * US;
	dv_sched_want(sched, A, now);
	expect(now, DV_DECISION_REVOKE, B);
	now += 20 * MS; /* a long kernel of B */
	dv_sched_drained(sched, B, now, true, now);
	expect(now, DV_DECISION_GRANT, A);
	/* B had 20 ms: 9 times that is A's before B has its turn. */
	for (uint64_t end = now + 150 * MS; now < end; now += 100 * US) {
		struct dv_decision decision;

		while (dv_sched_decide(sched, now, &decision))
			assert_int_equal(decision.type, DV_DECISION_EXTEND);
	}
	assert_int_equal(dv_sched_holder(sched), A);
	assert_true(stats_of(B, now).debt_ns > 0);
	assert_true(stats_of(A, now).debt_ns < 0);
}

/* The order in which A is served again tells whether its credit was kept. */
static void credit(uint64_t pause_ns, bool kept)
{
	bool other = false;
	uint64_t now = T0;

	assert_int_equal(setup(NULL), 0);
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, now);
	expect(now, DV_DECISION_GRANT, A);
	now += MS;
	dv_sched_drained(sched, A, now, false, now);
	dv_sched_want(sched, B, now);
	expect(now, DV_DECISION_GRANT, B);
	now += pause_ns;
	dv_sched_want(sched, A, now);
	expect(now, DV_DECISION_REVOKE, B);
	dv_sched_drained(sched, B, now, true, now);
	expect(now, DV_DECISION_GRANT, A);
	/* With its credit A has all of the next 9 ms, without it half of them. */
	for (uint64_t end = now + 9 * MS; now < end; now += 50 * US) {
		struct dv_decision decision;

		while (dv_sched_decide(sched, now, &decision)) {
			other |= decision.type == DV_DECISION_GRANT;
			if (decision.type == DV_DECISION_REVOKE)
				dv_sched_drained(sched, decision.entity, now, true, now);
		}
	}
	assert_int_equal(other, !kept);
	teardown(NULL);
}

static void test_credit_of_a_pause(void **state)
{
	teardown(NULL);
	credit(20 * MS, true);
	credit(26 * MS, false);
	assert_int_equal(setup(NULL), 0);
}

static void test_eviction(void **state)
{
	uint64_t now = T0 + 5 * MS;

	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	expect(T0, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, T0);
	expect(T0, DV_DECISION_EXTEND, A);
	expect(now, DV_DECISION_REVOKE, A);
	/* 200 ms, of which a quantum may have gone before. */
	assert_int_equal(dv_sched_next_ns(sched), now + 195 * MS);
	expect_nothing(now + 195 * MS - 1);
	now += 195 * MS;
	expect(now, DV_DECISION_EVICT, A);
	expect(now, DV_DECISION_GRANT, B);
	assert_int_equal(stats_of(A, now).evictions, 1);
	assert_int_equal(stats_of(A, now).used_ns, 200 * MS);
	/* Late: its work took 100 ms more. */
	now += 150 * MS;
	dv_sched_charge(sched, A, 100 * MS, now);
	dv_sched_drained(sched, A, now, true, now);
	assert_int_equal(dv_sched_holder(sched), B);
	assert_int_equal(stats_of(A, now).used_ns, 300 * MS);
	/* It pays: B goes on until it has had as much. */
	for (uint64_t end = now + 145 * MS; now < end; now += 200 * US) {
		struct dv_decision decision;

		while (dv_sched_decide(sched, now, &decision))
			assert_int_equal(decision.type, DV_DECISION_EXTEND);
	}
	for (uint64_t end = now + 15 * MS; now < end; now += 200 * US) {
		struct dv_decision decision;

		while (dv_sched_decide(sched, now, &decision))
			if (decision.type == DV_DECISION_REVOKE)
				dv_sched_drained(sched, B, now, true, now);
	}
	assert_int_equal(dv_sched_holder(sched), A);
}

static void test_holder_removed(void **state)
{
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	expect(T0, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, T0 + MS);
	expect(T0 + MS, DV_DECISION_EXTEND, A);
	dv_sched_remove(sched, A, T0 + 2 * MS);
	assert_int_equal(dv_sched_holder(sched), -1);
	assert_true(expect(T0 + 2 * MS, DV_DECISION_GRANT, B).endless);
	expect_nothing(T0 + 2 * MS);
	dv_sched_remove(sched, B, T0 + 3 * MS);
	expect_nothing(T0 + 3 * MS);
	/* Also while it is being revoked. */
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0 + 4 * MS);
	expect(T0 + 4 * MS, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, T0 + 20 * MS);
	expect(T0 + 20 * MS, DV_DECISION_REVOKE, A);
	dv_sched_remove(sched, A, T0 + 21 * MS);
	expect(T0 + 21 * MS, DV_DECISION_GRANT, B);
}

static void test_contender_removed(void **state)
{
	add(A, DV_POLICY_BEST_EFFORT, 50);
	add(B, DV_POLICY_BEST_EFFORT, 50);
	dv_sched_want(sched, A, T0);
	expect(T0, DV_DECISION_GRANT, A);
	dv_sched_want(sched, B, T0 + MS);
	assert_false(expect(T0 + MS, DV_DECISION_EXTEND, A).endless);
	dv_sched_remove(sched, B, T0 + 2 * MS);
	assert_true(expect(T0 + 2 * MS, DV_DECISION_EXTEND, A).endless);
}

static void test_latency_takes_it(void **state)
{
	uint64_t now = T0;

	add(A, DV_POLICY_BEST_EFFORT, 80);
	add(B, DV_POLICY_LATENCY, 20);
	dv_sched_want(sched, A, now);
	expect(now, DV_DECISION_GRANT, A);
	/* Until its burst is used up it is served at once, each time. */
	for (unsigned i = 0; i < 5; i++) {
		now += MS;
		dv_sched_want(sched, B, now);
		expect(now, DV_DECISION_REVOKE, A);
		dv_sched_drained(sched, A, now, true, now);
		expect(now, DV_DECISION_GRANT, B);
		now += 3 * MS;
		dv_sched_drained(sched, B, now, false, now);
		expect(now, DV_DECISION_GRANT, A);
	}
	for (unsigned i = 0; i < 5; i++) {
		now += MS;
		dv_sched_want(sched, B, now);
		(void)dv_sched_decide(sched, now, &(struct dv_decision){0});
		if (dv_sched_holder(sched) == A && dv_sched_next_ns(sched) > now + 150 * MS)
			dv_sched_drained(sched, A, now, true, now);
		(void)dv_sched_decide(sched, now, &(struct dv_decision){0});
		if (dv_sched_holder(sched) != B)
			return; /* out of budget: it waits like any other */
		now += 8 * MS;
		dv_sched_drained(sched, B, now, false, now);
		expect(now, DV_DECISION_GRANT, A);
	}
	fail_msg("a latency tenant of 20 %% went first for %llu of %llu ms",
		 (unsigned long long)(stats_of(B, now).used_ns / MS),
		 (unsigned long long)((now - T0) / MS));
}

static void test_fixed_share_pauses(void **state)
{
	struct dv_decision decision;
	uint64_t now = T0;

	add(A, DV_POLICY_FIXED_SHARE, 20);
	dv_sched_want(sched, A, now);
	decision = expect(now, DV_DECISION_GRANT, A);
	assert_false(decision.endless);
	/* Saved: one quantum; it earns on while it runs: 5 ms / 0.8. */
	assert_int_equal(decision.until_ns, now + 6250 * US);
	now = decision.until_ns;
	expect(now, DV_DECISION_REVOKE, A);
	dv_sched_drained(sched, A, now, true, now);
	expect_nothing(now);
	assert_int_equal(dv_sched_holder(sched), -1);
	/* Dry: a whole quantum's worth, 4 ms, comes in at 20 %. */
	assert_int_equal(dv_sched_next_ns(sched), now + 20 * MS);
	expect_nothing(now + 20 * MS - 1);
	decision = expect(now + 20 * MS, DV_DECISION_GRANT, A);
	assert_int_equal(decision.wait_ns, 20 * MS);
	assert_int_equal(decision.until_ns, now + 25 * MS);
	/* Of the whole device there is nothing to cap. */
	dv_sched_remove(sched, A, now + 21 * MS);
	add(B, DV_POLICY_FIXED_SHARE, 100);
	dv_sched_want(sched, B, now + 21 * MS);
	assert_true(expect(now + 21 * MS, DV_DECISION_GRANT, B).endless);
}

/* A fixed-share one that has earned enough takes the device from who had it meanwhile. */
/* Turns in which next to nothing is used save up no more than a quantum, however many there are. */
static void test_fixed_share_saves_no_lingers(void **state)
{
	struct dv_decision decision;
	uint64_t now_ns = T0;

	add(A, DV_POLICY_FIXED_SHARE, 50);
	for (unsigned i = 0; i < 200; i++) {
		dv_sched_want(sched, A, now_ns);
		expect(now_ns, DV_DECISION_GRANT, A);
		dv_sched_drained(sched, A, now_ns + 50 * US, false, now_ns + 550 * US);
		now_ns += 5 * MS;
	}
	dv_sched_want(sched, A, now_ns);
	decision = expect(now_ns, DV_DECISION_GRANT, A);
	/* A quantum over its share takes two quanta at a half. */
	assert_true(decision.until_ns <= now_ns + 2 * dv_sched_defaults.quantum_ns + US);
}

static void test_fixed_share_returns(void **state)
{
	uint64_t now = T0;

	add(A, DV_POLICY_FIXED_SHARE, 20);
	add(B, DV_POLICY_BEST_EFFORT, 80);
	dv_sched_want(sched, A, now);
	now = expect(now, DV_DECISION_GRANT, A).until_ns;
	expect(now, DV_DECISION_REVOKE, A);
	dv_sched_drained(sched, A, now, true, now);
	dv_sched_want(sched, B, now);
	assert_true(expect(now, DV_DECISION_GRANT, B).endless);
	assert_int_equal(dv_sched_next_ns(sched), now + 20 * MS);
	now += 20 * MS;
	expect(now, DV_DECISION_REVOKE, B);
	dv_sched_drained(sched, B, now, true, now);
	expect(now, DV_DECISION_GRANT, A);
}

/* Time far beyond what virtual time holds without wrapping. */
static void test_years(void **state)
{
	const uint64_t year = UINT64_C(31536000) * DV_NS_PER_S;
	uint64_t now = T0;

	add(A, DV_POLICY_BEST_EFFORT, 1);
	add(B, DV_POLICY_BEST_EFFORT, 99);
	for (unsigned i = 0; i < 400; i++) {
		dv_sched_want(sched, A, now);
		expect(now, DV_DECISION_GRANT, A);
		now += year;
		dv_sched_want(sched, B, now);
		expect(now, DV_DECISION_REVOKE, A);
		dv_sched_drained(sched, A, now, false, now);
		expect(now, DV_DECISION_GRANT, B);
		now += 30 * MS;
		dv_sched_drained(sched, B, now, false, now);
	}
	assert_int_equal(stats_of(B, now).grants, 400);
}

struct model {
	bool there, wants;
	enum dv_policy policy;
};

static void check_decision(struct model *model, int64_t *holder, bool *revoked,
			   const struct dv_decision *decision)
{
	assert_in_range(decision->entity, 0, 7);
	assert_true(model[decision->entity].there);
	switch (decision->type) {
	case DV_DECISION_GRANT:
		assert_int_equal(*holder, -1);
		assert_true(model[decision->entity].wants);
		*holder = decision->entity;
		*revoked = model[*holder].wants = false;
		break;
	case DV_DECISION_EXTEND:
		assert_int_equal(decision->entity, *holder);
		assert_false(*revoked);
		break;
	case DV_DECISION_REVOKE:
		assert_int_equal(decision->entity, *holder);
		assert_false(*revoked);
		*revoked = true;
		break;
	case DV_DECISION_EVICT:
		assert_int_equal(decision->entity, *holder);
		assert_true(*revoked);
		*holder = -1;
		break;
	}
}

static void random_event(struct sim *random, struct model *model, int64_t *holder, uint64_t now)
{
	const int64_t id = (int64_t)sim_random(random, 0, 7);
	struct model *m = &model[id];
	bool more = sim_random(random, 0, 1);
	enum dv_policy policy;

	switch (sim_random(random, 0, 9)) {
	case 0:
		policy = (enum dv_policy)sim_random(random, 0, DV_POLICY_COUNT - 1);
		assert_int_equal(dv_sched_add(sched, id, policy,
					      (uint32_t)sim_random(random, 1, 100000), now, NULL),
				 m->there ? -EEXIST : 0);
		m->policy = m->there ? m->policy : policy;
		m->there = true;
		break;
	case 1:
		if (sim_random(random, 0, 3))
			break;
		dv_sched_remove(sched, id, now);
		*m = (struct model){0};
		*holder = *holder == id ? -1 : *holder;
		break;
	case 2:
		dv_sched_charge(sched, id, sim_random(random, 0, 50) * MS, now);
		break;
	case 3:
	case 4:
	case 5:
		dv_sched_want(sched, id, now);
		m->wants = m->wants || (m->there && *holder != id);
		break;
	default:
		/* Also in the future, in the past, and of one that holds nothing. */
		dv_sched_drained(sched, id, now + sim_random(random, 0, 2 * MS) - MS, more, now);
		m->wants = (m->wants || more) && m->there;
		*holder = *holder == id ? -1 : *holder;
		break;
	}
}

static void test_random_events(void **state)
{
	struct sim random = {.random = sim_seed()};
	struct model model[8] = {0};
	bool revoked = false;
	int64_t holder = -1;
	uint64_t now = T0;

	for (unsigned i = 0; i < 200000; i++) {
		struct dv_decision decision;
		unsigned decisions = 0;

		if (sim_random(&random, 0, 3) == 0 && dv_sched_next_ns(sched) != UINT64_MAX)
			now = DV_MAX(now, dv_sched_next_ns(sched));
		else
			now += sim_random(&random, 0, 1) ? sim_random(&random, 0, 3 * MS) : 0;
		random_event(&random, model, &holder, now);
		while (dv_sched_decide(sched, now, &decision)) {
			check_decision(model, &holder, &revoked, &decision);
			assert_true(++decisions < 10);
		}
		assert_int_equal(dv_sched_holder(sched), holder);
		/* Nothing is due any more, and a free device is taken by who may have it. */
		assert_true(dv_sched_next_ns(sched) > now);
		for (unsigned j = 0; j < 8 && holder == -1; j++)
			assert_false(model[j].wants && model[j].policy != DV_POLICY_FIXED_SHARE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_configs),
		cmocka_unit_test_setup_teardown(test_refused_entities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alone_is_endless, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_one_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns_in_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_holder_goes_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thief_gives_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credit_of_a_pause, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eviction, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holder_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_contender_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_latency_takes_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed_share_pauses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed_share_saves_no_lingers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fixed_share_returns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_years, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_events, setup, teardown),
	};

	return cmocka_run_group_tests_name("sched/events", tests, NULL, NULL);
}
