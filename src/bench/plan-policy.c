/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/plan-policy.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "plan/grid-batch.h"

/* Learn the mix anew after so many requests for each GPU, at first sooner. */
enum { LEARN_FIRST = 100, LEARN_GROWTH = 2 };

struct dv_bench_policy {
	enum dv_policy_kind kind;
	const struct dv_grid *grid;
	unsigned gpu_count, turn;
	struct dv_grid_state *states;
	struct {
		DV_VEC(struct dv_bench_held);
	} held;
	struct {
		DV_VEC(size_t);
	} unused;   /* numbers of `held` */
	size_t *at; /* [gpu * cells + start]: the number of what begins there */
	unsigned long moves;

	struct dv_online *online; /* of divvy and divvy-move1 */
	double seen[DV_GRID_PROFILES_MOST];
	unsigned long arrivals, learn_at;

	unsigned counts[DV_GRID_PROFILES_MOST]; /* of repack: what is there */
};

const char *dv_bench_policy_name(enum dv_policy_kind kind)
{
	static const char *const names[] = {
		[DV_BENCH_FIRST_FIT] = "first-fit",
		[DV_BENCH_ROUND_ROBIN] = "round-robin",
		[DV_BENCH_BF_BI] = "bf-bi",
		[DV_BENCH_WF_BI] = "wf-bi",
		[DV_BENCH_MFI] = "mfi",
		[DV_BENCH_DRIVER_ORDER] = "driver-order",
		[DV_BENCH_REPACK] = "repack",
		[DV_BENCH_DIVVY] = "divvy",
		[DV_BENCH_DIVVY_MOVE1] = "divvy-move1",
	};

	return names[kind];
}

static unsigned free_cells(const struct dv_grid *grid, const struct dv_grid_state *state)
{
	return grid->cells - (unsigned)__builtin_popcount(state->cells);
}

/* Places that stay possible, by size. */
static unsigned options(const struct dv_grid *grid, const struct dv_grid_state *state)
{
	unsigned sum = 0;

	for (unsigned p = 0; p < grid->profile_count; p++)
		sum += grid->profiles[p].size *
		       (unsigned)__builtin_popcount(dv_grid_starts(grid, state, p));
	return sum;
}

/* Places that are not possible though as many cells are free, by size. */
static unsigned fragmentation(const struct dv_grid *grid, const struct dv_grid_state *state)
{
	unsigned sum = 0;

	for (unsigned p = 0; p < grid->profile_count; p++)
		if (grid->profiles[p].size <= free_cells(grid, state))
			sum += grid->profiles[p].size *
			       ((unsigned)__builtin_popcount(grid->profiles[p].starts) -
				(unsigned)__builtin_popcount(dv_grid_starts(grid, state, p)));
	return sum;
}

/* Drivers fill the smallest aligned free block first, and in it the half with less use: single
 * cells of an A100 went to 6, 4, 5, 0, 1, 2, 3 (MIG User Guide). A block's use is in cells where
 * the smallest profile may begin; the largest free block counts most. */
static long block_rank(const struct dv_grid *grid, const struct dv_grid_state *state,
		       unsigned start, unsigned size)
{
	unsigned smallest = 0;
	long rank = 0, weight = 1;

	for (unsigned p = 1; p < grid->profile_count; p++)
		if (grid->profiles[p].size < grid->profiles[smallest].size)
			smallest = p;
	for (unsigned width = size; width <= grid->cells; width *= 2, weight *= 64) {
		unsigned from = start / width * width;
		uint32_t block = (width >= 32 ? UINT32_MAX : (UINT32_C(1) << width) - 1) << from;

		if (state->cells & block)
			break;
		rank += weight * __builtin_popcount(block & grid->profiles[smallest].starts);
	}
	return rank;
}

/* Less is better; the first of equals wins. */
static long rank_start(enum dv_policy_kind kind, const struct dv_grid *grid,
		       const struct dv_grid_state *state, unsigned place)
{
	struct dv_grid_state after = *state;

	dv_grid_take(grid, &after, place);
	switch (kind) {
	case DV_BENCH_BF_BI:
	case DV_BENCH_WF_BI:
		return -(long)options(grid, &after);
	case DV_BENCH_MFI:
		return (long)fragmentation(grid, &after) - (long)fragmentation(grid, state);
	case DV_BENCH_DRIVER_ORDER:
		return block_rank(grid, state, grid->places[place].start,
				  grid->profiles[grid->places[place].profile].size);
	default:
		return 0;
	}
}

static long rank_gpu(enum dv_policy_kind kind, unsigned free, long start)
{
	switch (kind) {
	case DV_BENCH_BF_BI:
		return (long)free;
	case DV_BENCH_WF_BI:
		return -(long)free;
	case DV_BENCH_MFI:
		return start * 64 + (long)free;
	default:
		return 0;
	}
}

/* The place of a simple policy; -1: none. */
static int choose(struct dv_bench_policy *policy, unsigned profile, unsigned *ret_gpu)
{
	const struct dv_grid *grid = policy->grid;
	bool by_turn = policy->kind == DV_BENCH_ROUND_ROBIN;
	long best_gpu = 0;
	int best = -1;

	for (unsigned n = 0; n < policy->gpu_count; n++) {
		unsigned g = by_turn ? (policy->turn + n) % policy->gpu_count : n;
		const struct dv_grid_state *state = &policy->states[g];
		uint32_t starts = dv_grid_starts(grid, state, profile);
		long best_start = 0, rank;
		int place = -1;

		for (; starts; starts &= starts - 1) {
			int now = dv_grid_place_at(grid, profile, (unsigned)__builtin_ctz(starts));

			rank = rank_start(policy->kind, grid, state, (unsigned)now);
			if (place < 0 || rank < best_start) {
				best_start = rank;
				place = now;
			}
		}
		if (place < 0)
			continue;
		rank = rank_gpu(policy->kind, free_cells(grid, state), best_start);
		if (best >= 0 && rank >= best_gpu)
			continue;
		best_gpu = rank;
		best = place;
		*ret_gpu = g;
		if (rank == 0 && policy->kind != DV_BENCH_MFI)
			break;
	}
	if (by_turn && best >= 0)
		policy->turn = (*ret_gpu + 1) % policy->gpu_count;
	return best;
}

int dv_bench_policy_new(enum dv_policy_kind kind, const struct dv_grid *grid, unsigned gpu_count,
			struct dv_bench_policy **ret, struct dv_error *err)
{
	dv_cleanup(dv_bench_policy_freep) struct dv_bench_policy *policy =
		calloc(1, sizeof(*policy));
	int r = 0;

	if (!policy)
		return dv_error_set(err, -ENOMEM, "no memory for a policy");
	policy->kind = kind;
	policy->grid = grid;
	policy->gpu_count = gpu_count;
	policy->learn_at = LEARN_FIRST;
	policy->states = calloc(gpu_count, sizeof(*policy->states));
	policy->at = calloc((size_t)gpu_count * grid->cells, sizeof(*policy->at));
	if (!policy->states || !policy->at)
		return dv_error_set(err, -ENOMEM, "no memory for %u GPUs", gpu_count);
	if (kind == DV_BENCH_DIVVY || kind == DV_BENCH_DIVVY_MOVE1)
		r = dv_online_new(grid, NULL, gpu_count, &policy->online, err);
	if (r == 0)
		*ret = take_ptr(policy);
	return r;
}

void dv_bench_policy_free(struct dv_bench_policy *policy)
{
	if (!policy)
		return;
	dv_online_free(policy->online);
	dv_vec_fini(&policy->held);
	dv_vec_fini(&policy->unused);
	free(policy->states);
	free(policy->at);
	free(policy);
}

/* ---- divvy's ---- */

static void follow(struct dv_bench_policy *policy, const struct dv_online_moves *moves)
{
	for (unsigned i = 0; i < moves->count; i++) {
		const struct dv_online_move *move = &moves->moves[i];
		size_t number = policy->at[move->from_gpu * policy->grid->cells + move->from_start];

		policy->held.items[number].gpu = move->to_gpu;
		policy->held.items[number].start = move->to_start;
		policy->at[move->to_gpu * policy->grid->cells + move->to_start] = number;
		policy->moves++;
	}
}

static int learn(struct dv_bench_policy *policy, unsigned profile, struct dv_error *err)
{
	double mix[DV_GRID_PROFILES_MOST];

	policy->seen[profile]++;
	if (++policy->arrivals < policy->learn_at)
		return 0;
	policy->learn_at *= LEARN_GROWTH;
	for (unsigned p = 0; p < policy->grid->profile_count; p++)
		mix[p] = policy->seen[p] + 1;
	return dv_online_learn(policy->online, mix, err);
}

/* 0: placed, *place is where; 1: not. */
static int ask_online(struct dv_bench_policy *policy, unsigned profile, struct dv_bench_held *place,
		      struct dv_error *err)
{
	struct dv_online_choice choice;
	struct dv_online_moves moves;
	bool may_move = policy->kind == DV_BENCH_DIVVY_MOVE1;
	int r = learn(policy, profile, err);

	if (r < 0)
		return r;
	r = dv_online_place(policy->online, profile, &choice);
	if (r == 1 && may_move) {
		r = dv_online_make_room(policy->online, profile, 1, &moves, &choice);
		if (r == 0 && dv_online_apply(policy->online, &moves))
			follow(policy, &moves);
	}
	if (r == 0 && !dv_online_take(policy->online, choice.gpu, profile, choice.start))
		return dv_error_set(err, -EINVAL, "a place that was not free");
	if (r == 0)
		*place = (struct dv_bench_held){profile, choice.gpu, choice.start};
	return r;
}

static void improve(struct dv_bench_policy *policy)
{
	struct dv_online_moves moves;

	if (dv_online_improve(policy->online, DV_ONLINE_WORTH, &moves) == 0 &&
	    dv_online_apply(policy->online, &moves))
		follow(policy, &moves);
}

/* ---- all ---- */

static int hold(struct dv_bench_policy *policy, const struct dv_bench_held *held, size_t *ret,
		struct dv_error *err)
{
	if (policy->unused.len) {
		*ret = policy->unused.items[--policy->unused.len];
	} else {
		*ret = policy->held.len;
		if (dv_vec_push(&policy->held, *held) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for what is placed");
	}
	policy->held.items[*ret] = *held;
	policy->at[held->gpu * policy->grid->cells + held->start] = *ret;
	return 0;
}

int dv_bench_policy_arrive(struct dv_bench_policy *policy, unsigned profile, size_t *ret_held,
			   struct dv_error *err)
{
	struct dv_bench_held held = {.profile = profile};
	unsigned long moves = policy->moves;
	int place, r;

	if (policy->kind == DV_BENCH_REPACK) {
		policy->counts[profile]++;
		r = dv_batch_fits(policy->grid, policy->counts, policy->gpu_count, err);
		if (r != 0)
			policy->counts[profile]--;
		return r != 0 ? r : hold(policy, &held, ret_held, err);
	}
	if (policy->online) {
		r = ask_online(policy, profile, &held, err);
		if (r == 0)
			r = hold(policy, &held, ret_held, err);
		if (r >= 0 && policy->kind == DV_BENCH_DIVVY_MOVE1 && policy->moves == moves)
			improve(policy);
		return r;
	}
	place = choose(policy, profile, &held.gpu);
	if (place < 0)
		return 1;
	dv_grid_take(policy->grid, &policy->states[held.gpu], (unsigned)place);
	held.start = policy->grid->places[place].start;
	return hold(policy, &held, ret_held, err);
}

void dv_bench_policy_end(struct dv_bench_policy *policy, size_t number)
{
	const struct dv_bench_held *held = &policy->held.items[number];

	if (policy->kind == DV_BENCH_REPACK)
		policy->counts[held->profile]--;
	else if (policy->online)
		(void)dv_online_give(policy->online, held->gpu, held->profile, held->start);
	else
		dv_grid_give(policy->grid, &policy->states[held->gpu],
			     (unsigned)dv_grid_place_at(policy->grid, held->profile, held->start));
	/* without memory the number is not used again: that is all */
	if (dv_vec_push(&policy->unused, number) < 0)
		return;
}

void dv_bench_policy_where(const struct dv_bench_policy *policy, size_t held,
			   struct dv_bench_held *ret)
{
	*ret = policy->held.items[held];
}

unsigned long dv_bench_policy_moves(const struct dv_bench_policy *policy)
{
	return policy->moves;
}
