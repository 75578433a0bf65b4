/* SPDX-License-Identifier: Apache-2.0 */
/* The order of steps: what can be made at once comes first, so that who moves can go over before
 * the old place ends; then what has to end least for the next one. */
#include <string.h>

#include "base/macro.h"
#include "plan/grid-inside.h"

struct order {
	const struct dv_grid_plan_of_steps *plan;
	struct dv_grid_change *change;
	struct dv_grid_state state;
	uint32_t alive; /* instances that are to end and did not yet */
	uint32_t owed;	/* instances that are to end, and that no create took the part of */
	uint32_t open;	/* creates that are to come */
};

static const struct dv_grid_place *place_of(const struct order *order, unsigned create)
{
	return &order->plan->grid->places[order->plan->creates[create]];
}

static unsigned instance_place(const struct order *order, unsigned i)
{
	const struct dv_grid_instance *instance = &order->plan->instances[i];

	return (unsigned)dv_grid_place_at(order->plan->grid, (unsigned)instance->profile,
					  instance->start);
}

static bool shares_limit(const struct dv_grid *grid, unsigned a, unsigned b)
{
	for (unsigned l = 0; l < grid->limit_count; l++)
		if (grid->limits[l].use[a] && grid->limits[l].use[b])
			return true;
	return false;
}

/* Earlier steps that a create or destroy of this kind has to come after. */
static uint64_t needs_of(const struct order *order, const struct dv_grid_step *step, uint32_t cells)
{
	const struct dv_grid *grid = order->plan->grid;
	uint64_t needs = 0;

	for (unsigned s = 0; s < order->change->step_count; s++) {
		const struct dv_grid_step *before = &order->change->steps[s];
		unsigned place = (unsigned)dv_grid_place_at(grid, before->profile, before->start);

		if (step->create && !before->create &&
		    ((grid->places[place].cells & cells) ||
		     shares_limit(grid, before->profile, step->profile)))
			needs |= UINT64_C(1) << s;
		if (!step->create && before->create && before->instance == step->instance)
			needs |= UINT64_C(1) << s;
	}
	return needs;
}

static void add_step(struct order *order, struct dv_grid_step step, uint32_t cells)
{
	step.needs = needs_of(order, &step, cells);
	order->change->steps[order->change->step_count++] = step;
}

static void destroy(struct order *order, unsigned i)
{
	const struct dv_grid_instance *instance = &order->plan->instances[i];
	unsigned place = instance_place(order, i);

	dv_grid_give(order->plan->grid, &order->state, place);
	order->alive &= ~(UINT32_C(1) << i);
	add_step(order,
		 (struct dv_grid_step){.profile = (uint8_t)instance->profile,
				       .start = (uint8_t)instance->start,
				       .instance = (int)i},
		 order->plan->grid->places[place].cells);
}

/* Whose part an instance of this profile takes: one that ended already and waits before one that
 * still lives, then the heaviest; -1: nobody's. */
static int successor_of(const struct order *order, unsigned profile)
{
	int best = -1;

	for (unsigned i = 0; i < order->plan->count; i++) {
		bool waits = !(order->alive >> i & 1), best_waits;

		if (!(order->owed >> i & 1) || order->plan->instances[i].profile != (int)profile)
			continue;
		best_waits = best >= 0 && !(order->alive >> best & 1);
		if (best < 0 || (waits && !best_waits) ||
		    (waits == best_waits &&
		     order->plan->instances[i].weight > order->plan->instances[best].weight))
			best = (int)i;
	}
	return best;
}

static void create(struct order *order, unsigned c)
{
	const struct dv_grid_place *place = place_of(order, c);
	int of = successor_of(order, place->profile);

	dv_grid_take(order->plan->grid, &order->state, order->plan->creates[c]);
	order->open &= ~(UINT32_C(1) << c);
	add_step(order,
		 (struct dv_grid_step){.create = true,
				       .profile = place->profile,
				       .start = place->start,
				       .instance = of},
		 place->cells);
	if (of < 0)
		return;
	order->owed &= ~(UINT32_C(1) << of);
	if (order->alive >> of & 1)
		destroy(order, (unsigned)of);
}

/* The create that fits now and helps most: somebody waits for it, or could go over; -1: none. */
static int ready(const struct order *order)
{
	int best = -1;
	uint64_t best_weight = 0;

	for (unsigned c = 0; c < order->plan->create_count; c++) {
		uint64_t weight = 0;
		int of;

		if (!(order->open >> c & 1) ||
		    !dv_grid_fits(order->plan->grid, &order->state, order->plan->creates[c]))
			continue;
		of = successor_of(order, place_of(order, c)->profile);
		if (of >= 0)
			weight = 1 + order->plan->instances[of].weight;
		if (best < 0 || weight > best_weight) {
			best = (int)c;
			best_weight = weight;
		}
	}
	return best;
}

/* What the end of an instance costs now: it waits only if its like is to be made later. */
static uint64_t idle_cost(const struct order *order, unsigned i)
{
	for (unsigned c = 0; c < order->plan->create_count; c++)
		if ((order->open >> c & 1) &&
		    place_of(order, c)->profile == order->plan->instances[i].profile)
			return order->plan->instances[i].weight + 1;
	return 0;
}

/* The instances that have to end before the create; returns what that costs. */
static uint64_t in_the_way(const struct order *order, unsigned c, uint32_t *ret)
{
	const struct dv_grid *grid = order->plan->grid;
	struct dv_grid_state state = order->state;
	uint32_t mine = 0, rest = order->alive;
	uint64_t cost = 0;

	for (unsigned i = 0; i < order->plan->count; i++) {
		unsigned place;

		if (!(rest >> i & 1))
			continue;
		place = instance_place(order, i);
		if (!(grid->places[place].cells & place_of(order, c)->cells))
			continue;
		dv_grid_give(grid, &state, place);
		mine |= UINT32_C(1) << i;
		cost += idle_cost(order, i);
	}
	rest &= ~mine;
	while (rest && !dv_grid_fits(grid, &state, order->plan->creates[c])) {
		int best = -1;

		for (unsigned i = 0; i < order->plan->count; i++)
			if ((rest >> i & 1) &&
			    (best < 0 || idle_cost(order, i) < idle_cost(order, (unsigned)best)))
				best = (int)i;
		if (best < 0)
			break;
		rest &= ~(UINT32_C(1) << best);
		if (!shares_limit(grid, (unsigned)order->plan->instances[best].profile,
				  place_of(order, c)->profile))
			continue;
		dv_grid_give(grid, &state, instance_place(order, (unsigned)best));
		mine |= UINT32_C(1) << best;
		cost += idle_cost(order, (unsigned)best);
	}
	*ret = mine;
	return cost;
}

/* Let end what stands least in the way of some create. */
static void make_room(struct order *order)
{
	uint32_t best = 0;
	uint64_t best_cost = UINT64_MAX;

	for (unsigned c = 0; c < order->plan->create_count; c++) {
		uint32_t mine;
		uint64_t cost;

		if (!(order->open >> c & 1))
			continue;
		cost = in_the_way(order, c, &mine);
		if (cost < best_cost) {
			best_cost = cost;
			best = mine;
		}
	}
	for (unsigned i = 0; i < order->plan->count; i++)
		if (best >> i & 1)
			destroy(order, i);
}

void dv_grid_order_steps(const struct dv_grid_plan_of_steps *plan, struct dv_grid_change *change)
{
	struct order order = {.plan = plan, .change = change};

	for (unsigned i = 0; i < plan->count; i++) {
		const struct dv_grid_instance *instance = &plan->instances[i];

		if (instance->profile == DV_GRID_FOREIGN)
			dv_grid_block(&order.state,
				      (instance->size >= 32 ? UINT32_MAX
							    : (UINT32_C(1) << instance->size) - 1)
					      << instance->start);
		else
			dv_grid_take(plan->grid, &order.state, instance_place(&order, i));
		if (!(change->kept >> i & 1))
			order.alive |= UINT32_C(1) << i;
	}
	order.owed = order.alive;
	for (unsigned c = 0; c < plan->create_count; c++)
		order.open |= UINT32_C(1) << c;
	while (order.open) {
		int c = ready(&order);

		if (c >= 0)
			create(&order, (unsigned)c);
		else
			make_room(&order);
	}
	for (unsigned i = 0; i < plan->count; i++)
		if (order.alive >> i & 1)
			destroy(&order, i);
}
