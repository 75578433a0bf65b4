/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/plan-sim.h"

#include <math.h>

#include "base/vec.h"

enum { FILLS = 6, NONE = -1 };

struct end {
	size_t held;
	long next; /* of the same slot, or NONE */
};

struct run {
	const struct dv_plan_sim *sim;
	struct dv_bench_policy *policy;
	long *ends; /* [slot]: first of `all`, or NONE */
	struct {
		DV_VEC(struct end);
	} all;
	uint64_t random;
};

/* splitmix64, as a part of 1 */
static double next_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (double)(z >> 11) / 9007199254740992.0;
}

static unsigned next_profile(struct run *run)
{
	double at = next_random(&run->random);
	unsigned p = 0;

	while (p + 1 < run->sim->grid->profile_count && at >= run->sim->mix[p])
		at -= run->sim->mix[p++];
	return p;
}

static void end_those_of(struct run *run, long slot)
{
	/* What is no end is NONE.
	 * NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	for (long e = run->ends[slot]; e != NONE; e = run->all.items[e].next)
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
		dv_bench_policy_end(run->policy, run->all.items[e].held);
}

static int end_later(struct run *run, size_t held, long slot, struct dv_error *err)
{
	struct end end = {held, run->ends[slot]};

	run->ends[slot] = (long)run->all.len;
	return dv_vec_push(&run->all, end) < 0 ? dv_error_set(err, -ENOMEM, "no memory for a run")
					       : 0;
}

static int go(struct run *run, long slots, long life, struct dv_plan_sim_result *ret,
	      struct dv_error *err)
{
	double count = 0, cells = 0, accepted = 0, accepted_cells = 0;

	for (long slot = 0; slot < slots; slot++) {
		unsigned profile = next_profile(run), size;
		long ends = slot + 1 + (long)(next_random(&run->random) * (double)life);
		size_t held = 0;
		int r;

		end_those_of(run, slot);
		size = run->sim->grid->profiles[profile].size;
		r = dv_bench_policy_arrive(run->policy, profile, &held, err);
		if (r == 0)
			r = end_later(run, held, ends, err) < 0 ? -ENOMEM : 0;
		if (r < 0)
			return r;
		if (slot < slots / 2)
			continue;
		count++;
		cells += size;
		accepted += r == 0;
		accepted_cells += r == 0 ? size : 0;
	}
	ret->accepted = accepted / count;
	ret->accepted_memory = accepted_cells / cells;
	ret->moves = (double)dv_bench_policy_moves(run->policy) / (double)slots;
	return 0;
}

int dv_plan_sim_run(const struct dv_plan_sim *sim, enum dv_policy_kind policy,
		    struct dv_plan_sim_result *ret, struct dv_error *err)
{
	dv_cleanup(dv_bench_policy_freep) struct dv_bench_policy *made = NULL;
	dv_autofree long *ends = NULL;
	struct run run = {.sim = sim, .random = sim->seed};
	double mean = 0, all = (double)sim->gpu_count * sim->grid->cells;
	long slots, life;
	int r = dv_bench_policy_new(policy, sim->grid, sim->gpu_count, &made, err);

	if (r < 0)
		return r;
	for (unsigned p = 0; p < sim->grid->profile_count; p++)
		mean += sim->mix[p] * sim->grid->profiles[p].size;
	slots = FILLS * lround(all / mean);
	life = lround(2 * sim->load * all / mean);
	ends = calloc((size_t)(slots + life + 2), sizeof(*ends));
	if (!ends)
		return dv_error_set(err, -ENOMEM, "no memory for a run");
	for (long i = 0; i < slots + life + 2; i++)
		ends[i] = NONE;
	run.policy = made;
	run.ends = ends;
	r = go(&run, slots, life, ret, err);
	dv_vec_fini(&run.all);
	return r;
}
