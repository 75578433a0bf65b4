/* SPDX-License-Identifier: Apache-2.0 */
/* Moves between GPUs. What a move would bring is first reckoned for whole classes of GPUs, then the
 * best candidates are tried on the cluster itself, and undone. */
#include <string.h>

#include "plan/grid-cluster.h"

enum { CANDIDATES = 8 };

/* The least that an instance of a profile costs, and the least in another class. */
struct cheapest {
	float cost, other_cost;
	uint32_t class;
};

struct candidate {
	float cost;
	uint32_t class;
	unsigned gpu;
	unsigned place;	   /* that is to be free */
	unsigned blockers; /* how many */
	uint16_t blocker[DV_ONLINE_MOVES_MOST];
};

struct candidates {
	unsigned count;
	struct candidate items[CANDIDATES]; /* ascending by cost */
};

#define NOWHERE 1e30f

static void find_cheapest(const struct dv_online *online, struct cheapest *ret)
{
	const struct dv_grid *grid = &online->grid;

	for (unsigned p = 0; p < grid->profile_count; p++)
		ret[p] = (struct cheapest){NOWHERE, NOWHERE, DV_CLUSTER_NONE};
	for (uint32_t l = 0; l < online->live_count; l++) {
		struct dv_spot before;
		float worth;

		dv_spot_of(online, l, &before);
		worth = dv_spot_worth(online, &before);
		for (unsigned p = 0; p < grid->profile_count; p++) {
			float best = NOWHERE;

			for (unsigned i = grid->first_place[p]; i < grid->first_place[p + 1]; i++) {
				struct dv_spot after = before;

				if (dv_spot_add(online, &after, i))
					best = DV_MIN(best, worth - dv_spot_worth(online, &after));
			}
			if (best < ret[p].cost || (best == ret[p].cost && best < NOWHERE &&
						   before.class < ret[p].class)) {
				ret[p].other_cost = ret[p].cost;
				ret[p].cost = best;
				ret[p].class = before.class;
			} else if (best < ret[p].other_cost) {
				ret[p].other_cost = best;
			}
		}
	}
}

/* What it costs to put the profile on another GPU than one of this class. */
static float elsewhere(const struct dv_online *online, const struct cheapest *cheapest,
		       unsigned profile, uint32_t class)
{
	if (cheapest[profile].class != class || dv_class_count(online, class) > 1)
		return cheapest[profile].cost;
	return cheapest[profile].other_cost;
}

/* What it costs to put the profile at another place than `but` of a GPU in this state. */
static float here(const struct dv_online *online, const struct dv_spot *spot, unsigned profile,
		  unsigned but)
{
	const struct dv_grid *grid = &online->grid;
	float worth = dv_spot_worth(online, spot), best = NOWHERE;

	for (unsigned i = grid->first_place[profile]; i < grid->first_place[profile + 1]; i++) {
		struct dv_spot after = *spot;

		if (i != but && dv_spot_add(online, &after, i))
			best = DV_MIN(best, worth - dv_spot_worth(online, &after));
	}
	return best;
}

/* A GPU of the class where nothing that covers these cells is pinned; NONE: there is none. */
static uint32_t free_to_move(const struct dv_online *online, uint32_t class, uint32_t cells)
{
	uint32_t gpu = dv_class_gpu(online, class);

	if (!online->layouts)
		return online->gpus[gpu].pinned & cells ? DV_CLUSTER_NONE : gpu;
	while (gpu != DV_CLUSTER_NONE && (online->gpus[gpu].pinned & cells))
		gpu = online->gpus[gpu].next;
	return gpu;
}

static bool comes_before(const struct candidate *a, const struct candidate *b)
{
	if (a->cost != b->cost)
		return a->cost < b->cost;
	return a->class != b->class ? a->class < b->class : a->place < b->place;
}

static void add_candidate(struct candidates *candidates, const struct candidate *candidate)
{
	unsigned at = candidates->count;

	while (at > 0 && comes_before(candidate, &candidates->items[at - 1]))
		at--;
	if (at == CANDIDATES)
		return;
	if (candidates->count < CANDIDATES)
		candidates->count++;
	(void)memmove(&candidates->items[at + 1], &candidates->items[at],
		      (candidates->count - at - 1) * sizeof(*candidate));
	candidates->items[at] = *candidate;
}

/* The instances of a GPU of the class, as places of the grid; returns how many. */
static unsigned instances_of(const struct dv_online *online, uint32_t class, uint16_t *ret)
{
	const struct dv_cluster_gpu *gpu = &online->gpus[dv_class_gpu(online, class)];
	unsigned count = 0;

	for (unsigned w = 0; w < DV_CLUSTER_WORDS && w * 64 < online->grid.place_count; w++)
		for (uint64_t rest = gpu->places[w]; rest; rest &= rest - 1)
			ret[count++] = (uint16_t)(w * 64 + (unsigned)__builtin_ctzll(rest));
	return count;
}

/* Is there room at the place once some instances are elsewhere? */
static void consider(const struct dv_online *online, const struct cheapest *cheapest,
		     const struct dv_spot *before, struct candidate *candidate,
		     struct candidates *candidates)
{
	const struct dv_grid *grid = &online->grid;
	struct dv_spot after = *before;
	uint32_t cells = 0;

	for (unsigned b = 0; b < candidate->blockers; b++) {
		dv_spot_drop(online, &after, candidate->blocker[b]);
		cells |= grid->places[candidate->blocker[b]].cells;
	}
	if (!dv_spot_add(online, &after, candidate->place))
		return;
	candidate->cost = dv_spot_worth(online, before) - dv_spot_worth(online, &after);
	for (unsigned b = 0; b < candidate->blockers; b++) {
		unsigned profile = grid->places[candidate->blocker[b]].profile;
		float cost = elsewhere(online, cheapest, profile, before->class);
		float stay = here(online, &after, profile, DV_GRID_PLACES_MOST);

		candidate->cost += DV_MIN(cost, stay);
	}
	if (candidate->cost >= NOWHERE)
		return;
	if (candidates->count == CANDIDATES &&
	    !comes_before(candidate, &candidates->items[CANDIDATES - 1]))
		return;
	candidate->gpu = free_to_move(online, before->class, cells);
	if (candidate->gpu != DV_CLUSTER_NONE)
		add_candidate(candidates, candidate);
}

static void consider_class(const struct dv_online *online, const struct cheapest *cheapest,
			   const struct dv_spot *before, struct candidate wanted,
			   struct candidates *candidates)
{
	const struct dv_grid *grid = &online->grid;
	unsigned profile = grid->places[wanted.place].profile, most = wanted.blockers;
	uint16_t there[DV_GRID_CELLS_MOST];
	unsigned count = instances_of(online, before->class, there);

	for (unsigned i = grid->first_place[profile]; i < grid->first_place[profile + 1]; i++) {
		struct candidate candidate = {.class = before->class, .place = i};

		for (unsigned k = 0; k < count && candidate.blockers <= most; k++) {
			if (!(grid->places[there[k]].cells & grid->places[i].cells))
				continue;
			if (candidate.blockers < most)
				candidate.blocker[candidate.blockers] = there[k];
			candidate.blockers++;
		}
		if (candidate.blockers && candidate.blockers <= most)
			consider(online, cheapest, before, &candidate, candidates);
		/* no blocker, and yet it does not fit: a limit is used up, by one of them */
		for (unsigned k = 0; k < count && candidate.blockers == 0; k++) {
			struct candidate by_limit = {
				.class = before->class, .place = i, .blockers = 1};

			by_limit.blocker[0] = there[k];
			consider(online, cheapest, before, &by_limit, candidates);
		}
	}
}

static bool take(struct dv_online *online, unsigned gpu, unsigned place)
{
	return dv_online_take(online, gpu, online->grid.places[place].profile,
			      online->grid.places[place].start);
}

static bool give(struct dv_online *online, unsigned gpu, unsigned place)
{
	uint32_t pinned = online->gpus[gpu].pinned;
	bool done = dv_online_give(online, gpu, online->grid.places[place].profile,
				   online->grid.places[place].start);

	online->gpus[gpu].pinned = pinned;
	return done;
}

/* The larger instances first. */
static void sort_blockers(const struct dv_grid *grid, struct candidate *candidate)
{
	for (unsigned i = 1; i < candidate->blockers; i++)
		for (unsigned k = i; k > 0; k--) {
			uint16_t a = candidate->blocker[k - 1], b = candidate->blocker[k];

			if (grid->profiles[grid->places[a].profile].size >=
			    grid->profiles[grid->places[b].profile].size)
				break;
			candidate->blocker[k - 1] = b;
			candidate->blocker[k] = a;
		}
}

static void undo(struct dv_online *online, const struct dv_online_moves *moves, unsigned count)
{
	const struct dv_grid *grid = &online->grid;

	for (unsigned i = count; i-- > 0;) {
		const struct dv_online_move *move = &moves->moves[i];

		(void)give(online, move->to_gpu,
			   (unsigned)dv_grid_place_at(grid, move->profile, move->to_start));
		(void)take(online, move->from_gpu,
			   (unsigned)dv_grid_place_at(grid, move->profile, move->from_start));
	}
}

/* Can the moves be done in their order? */
static bool in_order(struct dv_online *online, const struct dv_online_moves *moves)
{
	struct dv_online_moves one = {.count = 1};
	unsigned done = 0;

	for (; done < moves->count; done++) {
		one.moves[0] = moves->moves[done];
		if (!dv_online_apply(online, &one))
			break;
	}
	undo(online, moves, done);
	return done == moves->count;
}

/* Find places for what is in the way: the request's own place is taken first. Done on the cluster,
 * and undone; false: it does not work out. */
static bool try_candidate(struct dv_online *online, struct candidate *candidate,
			  struct dv_online_moves *moves)
{
	const struct dv_grid *grid = &online->grid;
	bool works;

	*moves = (struct dv_online_moves){0};
	sort_blockers(grid, candidate);
	for (unsigned b = 0; b < candidate->blockers; b++)
		(void)give(online, candidate->gpu, candidate->blocker[b]);
	works = take(online, candidate->gpu, candidate->place);
	while (works && moves->count < candidate->blockers) {
		const struct dv_grid_place *from = &grid->places[candidate->blocker[moves->count]];
		struct dv_online_choice to;

		if (dv_online_place(online, from->profile, &to) != 0)
			break;
		(void)dv_online_take(online, to.gpu, from->profile, to.start);
		moves->moves[moves->count++] = (struct dv_online_move){
			from->profile, candidate->gpu, from->start, to.gpu, to.start};
	}
	for (unsigned b = moves->count; b-- > 0;)
		(void)give(online, moves->moves[b].to_gpu,
			   (unsigned)dv_grid_place_at(grid, moves->moves[b].profile,
						      moves->moves[b].to_start));
	if (works)
		(void)give(online, candidate->gpu, candidate->place);
	for (unsigned b = candidate->blockers; b-- > 0;)
		(void)take(online, candidate->gpu, candidate->blocker[b]);
	return works && moves->count == candidate->blockers && in_order(online, moves);
}

int dv_online_make_room(struct dv_online *online, unsigned profile, unsigned most,
			struct dv_online_moves *ret_moves, struct dv_online_choice *ret_choice)
{
	struct cheapest cheapest[DV_GRID_PROFILES_MOST];
	struct candidates candidates = {0};

	if (profile >= online->grid.profile_count || most == 0)
		return 1;
	dv_cluster_weigh(online);
	find_cheapest(online, cheapest);
	for (uint32_t l = 0; l < online->live_count; l++) {
		struct candidate wanted = {
			.place = online->grid.first_place[profile],
			.blockers = DV_MIN(most, DV_ONLINE_MOVES_MOST),
		};
		struct dv_spot before;

		dv_spot_of(online, l, &before);
		consider_class(online, cheapest, &before, wanted, &candidates);
	}
	for (unsigned c = 0; c < candidates.count; c++) {
		struct candidate *candidate = &candidates.items[c];
		struct dv_online_moves moves;

		if (!try_candidate(online, candidate, &moves))
			continue;
		*ret_moves = moves;
		*ret_choice = (struct dv_online_choice){
			.gpu = candidate->gpu,
			.start = online->grid.places[candidate->place].start,
			.cost = (double)candidate->cost,
		};
		return 0;
	}
	return 1;
}

/* ---- improving ---- */

/* The best single move out of a GPU of the class. */
static void improve_class(const struct dv_online *online, const struct cheapest *cheapest,
			  const struct dv_spot *before, struct candidates *candidates)
{
	uint16_t there[DV_GRID_CELLS_MOST];
	unsigned count = instances_of(online, before->class, there);
	float worth = dv_spot_worth(online, before);

	for (unsigned k = 0; k < count; k++) {
		const struct dv_grid_place *from = &online->grid.places[there[k]];
		struct candidate candidate = {
			.class = before->class, .place = there[k], .blockers = 1};
		struct dv_spot after = *before;
		float cost = elsewhere(online, cheapest, from->profile, before->class), stay;

		dv_spot_drop(online, &after, there[k]);
		stay = here(online, &after, from->profile, there[k]);
		candidate.cost = worth - dv_spot_worth(online, &after) + DV_MIN(cost, stay);
		if (candidates->count == CANDIDATES &&
		    !comes_before(&candidate, &candidates->items[CANDIDATES - 1]))
			continue;
		candidate.gpu = free_to_move(online, before->class, from->cells);
		if (candidate.gpu != DV_CLUSTER_NONE)
			add_candidate(candidates, &candidate);
	}
}

int dv_online_improve(struct dv_online *online, double least, struct dv_online_moves *ret)
{
	struct cheapest cheapest[DV_GRID_PROFILES_MOST];
	struct candidates candidates = {0};

	dv_cluster_weigh(online);
	find_cheapest(online, cheapest);
	for (uint32_t l = 0; l < online->live_count; l++) {
		struct dv_spot before;

		dv_spot_of(online, l, &before);
		improve_class(online, cheapest, &before, &candidates);
	}
	for (unsigned c = 0; c < candidates.count; c++) {
		const struct candidate *candidate = &candidates.items[c];
		const struct dv_grid_place *from = &online->grid.places[candidate->place];
		struct dv_online_choice to;
		int r;

		if ((double)candidate->cost >= -least)
			break;
		(void)give(online, candidate->gpu, candidate->place);
		r = dv_online_place(online, from->profile, &to);
		(void)take(online, candidate->gpu, candidate->place);
		if (r != 0 || (to.gpu == candidate->gpu && to.start == from->start))
			continue;
		*ret = (struct dv_online_moves){.count = 1, .gain = -(double)candidate->cost};
		ret->moves[0] = (struct dv_online_move){from->profile, candidate->gpu, from->start,
							to.gpu, to.start};
		return 0;
	}
	return 1;
}

bool dv_online_apply(struct dv_online *online, const struct dv_online_moves *moves)
{
	for (unsigned i = 0; i < moves->count; i++) {
		const struct dv_online_move *move = &moves->moves[i];

		if (!dv_online_give(online, move->from_gpu, move->profile, move->from_start))
			return false;
		if (!dv_online_take(online, move->to_gpu, move->profile, move->to_start)) {
			(void)dv_online_take(online, move->from_gpu, move->profile,
					     move->from_start);
			return false;
		}
	}
	return true;
}
