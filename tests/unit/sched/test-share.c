/* SPDX-License-Identifier: Apache-2.0 */
/* Shares that tenants get, by the table of what was promised: at most one point off over 10 s. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sim.h"

#define MS DV_NS_PER_MS
#define US DV_NS_PER_US

struct mix {
	const char *name;
	unsigned count;
	uint32_t percent[4];
};

static const struct mix mixes[] = {
	{"50:50", 2, {50, 50}}, {"70:30", 2, {70, 30}},	       {"90:10", 2, {90, 10}},
	{"95:5", 2, {95, 5}},	{"50:30:20", 3, {50, 30, 20}}, {"40:30:20:10", 4, {40, 30, 20, 10}},
};

struct load {
	const char *name;
	uint64_t kernel_ns[4];
	uint64_t think_ns;
	unsigned depth;
};

static const struct load loads[] = {
	{"1 ms sync", {MS, MS, MS, MS}, 20 * US, 1},
	{"20 ms sync", {20 * MS, 20 * MS, 20 * MS, 20 * MS}, 20 * US, 1},
	{"1 and 20 ms sync", {MS, 20 * MS, MS, 20 * MS}, 20 * US, 1},
	{"20 and 1 ms sync", {20 * MS, MS, 20 * MS, MS}, 20 * US, 1},
	{"1 ms, 8 under way", {MS, MS, MS, MS}, 0, 8},
	{"20 ms, 8 under way", {20 * MS, 20 * MS, 20 * MS, 20 * MS}, 0, 8},
	{"1 and 20 ms, 8 under way", {MS, 20 * MS, MS, 20 * MS}, 0, 8},
	{"50 us sync, slow host", {50 * US, 50 * US, 50 * US, 50 * US}, 100 * US, 1},
	{"50 us, 8 under way", {50 * US, 50 * US, 50 * US, 50 * US}, 0, 8},
};

static void init_mix(struct sim *sim, const struct mix *mix, const struct load *load,
		     enum dv_policy policy)
{
	sim_init(sim, &dv_sched_defaults, 1);
	sim->message_ns = 25 * US;
	for (unsigned i = 0; i < mix->count; i++) {
		const struct sim_kind kind = {
			.policy = policy,
			.share_mpct = mix->percent[i] * 1000,
			.kernel_min_ns = load->kernel_ns[i],
			.kernel_max_ns = load->kernel_ns[i],
			.think_min_ns = load->think_ns / 2,
			.think_max_ns = load->think_ns * 2,
			.depth = load->depth,
		};

		(void)sim_add(sim, &kind);
	}
}

/* Share of the work done. */
static void one_mix(const struct mix *mix, const struct load *load)
{
	struct sim sim;

	init_mix(&sim, mix, load, DV_POLICY_BEST_EFFORT);
	sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
	for (unsigned i = 0; i < mix->count; i++) {
		double share = sim_share(&sim, i);

		if (!(fabs(share - mix->percent[i]) <= 1.0))
			fail_msg("%s, %s: tenant %u got %.2f %%", mix->name, load->name, i, share);
	}
	sim_fini(&sim);
}

/* Share of the time: never over it, and little under it though all of it is given away. */
static void one_fixed_mix(const struct mix *mix, const struct load *load)
{
	struct sim sim;

	init_mix(&sim, mix, load, DV_POLICY_FIXED_SHARE);
	sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
	for (unsigned i = 0; i < mix->count; i++) {
		double share = (double)sim_used(&sim, i) / (10.0 * DV_NS_PER_S) * 100.0;

		if (!(share <= mix->percent[i] + 0.5 && share >= mix->percent[i] - 2.5))
			fail_msg("%s, %s: tenant %u got %.2f %%", mix->name, load->name, i, share);
	}
	sim_fini(&sim);
}

static void test_table(void **state)
{
	for (size_t m = 0; m < DV_ARRAY_LEN(mixes); m++)
		for (size_t l = 0; l < DV_ARRAY_LEN(loads); l++)
			one_mix(&mixes[m], &loads[l]);
}

static void test_table_fixed(void **state)
{
	for (size_t m = 0; m < DV_ARRAY_LEN(mixes); m++)
		for (size_t l = 0; l < DV_ARRAY_LEN(loads); l++)
			one_fixed_mix(&mixes[m], &loads[l]);
}

/* Equal weights, whatever was asked. */
static void test_equal(void **state)
{
	static const struct mix mix = {"70:20:10 equal", 3, {70, 20, 10}};

	for (size_t l = 0; l < DV_ARRAY_LEN(loads); l++) {
		struct sim sim;

		init_mix(&sim, &mix, &loads[l], DV_POLICY_EQUAL_SHARE);
		sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
		for (unsigned i = 0; i < 3; i++)
			if (!(fabs(sim_share(&sim, i) - 100.0 / 3) <= 1.0))
				fail_msg("%s: tenant %u got %.2f %%", loads[l].name, i,
					 sim_share(&sim, i));
		sim_fini(&sim);
	}
}

/* Those of equal-share divide among them what they asked for together; the other keeps its own. */
static void test_equal_beside_others(void **state)
{
	struct sim_kind kind = {.kernel_min_ns = MS, .kernel_max_ns = MS, .depth = 4};
	static const double wanted[] = {40, 30, 30};
	struct sim sim;

	sim_init(&sim, &dv_sched_defaults, 1);
	kind.share_mpct = 40000;
	(void)sim_add(&sim, &kind);
	kind.policy = DV_POLICY_EQUAL_SHARE;
	kind.share_mpct = 50000;
	(void)sim_add(&sim, &kind);
	kind.share_mpct = 10000;
	(void)sim_add(&sim, &kind);
	sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
	for (unsigned i = 0; i < 3; i++)
		assert_true(fabs(sim_share(&sim, i) - wanted[i]) <= 1.0);
	/* One goes: the other has all that was left to the two of them. */
	sim_remove(&sim, 2);
	for (unsigned i = 0; i < 3; i++)
		sim.tenants[i].busy_ns = 0;
	sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
	assert_true(fabs(sim_share(&sim, 0) - 400.0 / 9) <= 1.0);
	sim_fini(&sim);
}

/* A latency tenant that always wants is held to its share, by the others that want too. */
static void test_latency_held_to_share(void **state)
{
	struct sim_kind kind = {
		.policy = DV_POLICY_LATENCY,
		.share_mpct = 20000,
		.kernel_min_ns = MS,
		.kernel_max_ns = MS,
		.depth = 4,
	};
	struct sim sim;

	sim_init(&sim, &dv_sched_defaults, 1);
	(void)sim_add(&sim, &kind);
	kind.policy = DV_POLICY_BEST_EFFORT;
	kind.share_mpct = 80000;
	(void)sim_add(&sim, &kind);
	sim_run(&sim, sim.now_ns + 10 * DV_NS_PER_S);
	if (!(fabs(sim_share(&sim, 0) - 20.0) <= 1.0))
		fail_msg("got %.2f %%", sim_share(&sim, 0));
	/* Alone it may have all. */
	sim_remove(&sim, 1);
	sim.tenants[0].busy_ns = 0;
	sim_run(&sim, sim.now_ns + DV_NS_PER_S);
	assert_true(sim.tenants[0].busy_ns > DV_NS_PER_S / 100 * 99);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_table_fixed),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_equal_beside_others),
		cmocka_unit_test(test_latency_held_to_share),
	};

	return cmocka_run_group_tests_name("sched/share", tests, NULL, NULL);
}
