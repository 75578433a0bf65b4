/* SPDX-License-Identifier: Apache-2.0 */
/* A layout is a walk over the cells from low to high: at each cell either nothing begins or an
 * instance of some profile. What is left to be made decides what the rest can be, so a table over
 * (cell, what is left) holds the best of all layouts; the limits that count instances depend on
 * the wanted set alone and are looked at once, before. */
#include "plan/grid-repartition.h"

#include <string.h>

#include "base/macro.h"
#include "plan/grid-inside.h"

enum { TABLE_MOST = 1 << 20, LEAVES_MOST = 4096 };

struct best {
	uint64_t weight; /* of what is kept from that cell on */
	uint8_t kept;
	bool can;
};

struct walk {
	const struct dv_grid *grid;
	const struct dv_grid_instance *instances;
	uint32_t blocked;	    /* cells of foreign and pinned instances */
	int at[DV_GRID_CELLS_MOST]; /* instance that begins there and may be kept, or -1 */
	unsigned strides[DV_GRID_PROFILES_MOST];
	uint8_t wanted[DV_GRID_PROFILES_MOST]; /* without the pinned ones */
	unsigned sets;			       /* that can be left */
	struct best *table;		       /* [cell * sets + what is left] */

	/* the layouts that are as good as any, one after the other */
	struct dv_grid_state state;
	unsigned leaves;
	int now[DV_GRID_CELLS_MOST], chosen[DV_GRID_CELLS_MOST]; /* profile that begins, or -1 */
	unsigned openness;
	bool found;
};

uint64_t dv_grid_weight(bool in_use, uint16_t priority, uint64_t age_s)
{
	uint64_t age_most = (UINT64_C(1) << 31) - 1;

	return (in_use ? UINT64_C(1) << 58 : 0) + ((uint64_t)priority << 36) +
	       DV_MIN(age_s, age_most) + 1;
}

unsigned dv_grid_openness(const struct dv_grid *grid, const struct dv_grid_state *state)
{
	unsigned sum = 0;

	for (unsigned p = 0; p < grid->profile_count; p++)
		sum += grid->profiles[p].size * dv_grid_room(grid, state, p);
	return sum;
}

static uint32_t cells_of(const struct dv_grid_instance *instance)
{
	uint32_t ones = instance->size >= 32 ? UINT32_MAX : (UINT32_C(1) << instance->size) - 1;

	return ones << instance->start;
}

int dv_grid_state_of(const struct dv_grid *grid, const struct dv_grid_instance *instances,
		     unsigned count, struct dv_grid_state *ret, struct dv_error *err)
{
	struct dv_grid_state state = {0};

	if (count > DV_GRID_INSTANCES_MOST)
		return dv_error_set(err, -EINVAL, "%u instances on one GPU", count);
	for (unsigned i = 0; i < count; i++) {
		const struct dv_grid_instance *instance = &instances[i];
		int place = -1;

		if (instance->size == 0 || instance->start >= grid->cells ||
		    instance->size > grid->cells - instance->start)
			return dv_error_set(err, -EINVAL, "instance %u is at %u:%u of %u cells", i,
					    instance->start, instance->size, grid->cells);
		if (state.cells & cells_of(instance))
			return dv_error_set(err, -EINVAL,
					    "instance %u at %u:%u overlaps another one", i,
					    instance->start, instance->size);
		if (instance->profile == DV_GRID_FOREIGN) {
			dv_grid_block(&state, cells_of(instance));
			continue;
		}
		if (instance->profile >= 0)
			place = dv_grid_place_at(grid, (unsigned)instance->profile,
						 instance->start);
		if (place < 0 || grid->profiles[instance->profile].size != instance->size)
			return dv_error_set(err, -EINVAL,
					    "instance %u at %u:%u is not at a place of its profile",
					    i, instance->start, instance->size);
		dv_grid_take(grid, &state, (unsigned)place);
	}
	*ret = state;
	return 0;
}

/* ---- the table ---- */

static bool begins(const struct walk *walk, unsigned cell, unsigned profile)
{
	const struct dv_grid_profile *p = &walk->grid->profiles[profile];

	return (p->starts >> cell & 1) &&
	       !(walk->blocked &
		 walk->grid->places[dv_grid_place_at(walk->grid, profile, cell)].cells);
}

static unsigned left_of(const struct walk *walk, unsigned left, unsigned profile)
{
	return left / walk->strides[profile] % (walk->wanted[profile] + 1u);
}

static bool keeps(const struct walk *walk, unsigned cell, unsigned profile)
{
	int i = walk->at[cell];

	return i >= 0 && walk->instances[i].profile == (int)profile;
}

/* What comes of it when an instance of the profile begins at the cell. */
static struct best begin(const struct walk *walk, unsigned cell, unsigned left, unsigned profile)
{
	unsigned next = cell + walk->grid->profiles[profile].size;
	struct best best = walk->table[next * walk->sets + left - walk->strides[profile]];

	if (best.can && keeps(walk, cell, profile)) {
		best.weight += walk->instances[walk->at[cell]].weight;
		best.kept++;
	}
	return best;
}

static bool better(const struct best *a, const struct best *b)
{
	if (!a->can || !b->can)
		return a->can && !b->can;
	return a->weight != b->weight ? a->weight > b->weight : a->kept > b->kept;
}

static void fill_table(struct walk *walk)
{
	const struct dv_grid *grid = walk->grid;

	walk->table[(size_t)grid->cells * walk->sets].can = true;
	for (unsigned cell = grid->cells; cell-- > 0;)
		for (unsigned left = 0; left < walk->sets; left++) {
			struct best best = walk->table[(cell + 1) * walk->sets + left];

			for (unsigned p = 0; p < grid->profile_count; p++) {
				struct best with;

				if (!left_of(walk, left, p) || !begins(walk, cell, p))
					continue;
				with = begin(walk, cell, left, p);
				if (better(&with, &best))
					best = with;
			}
			walk->table[cell * walk->sets + left] = best;
		}
}

/* Walk through the layouts that the table calls best, up to a number, for the one that leaves the
 * most room. */
static void choose(struct walk *walk, unsigned cell, unsigned left)
{
	const struct dv_grid *grid = walk->grid;
	struct best best;

	if (cell == grid->cells) {
		unsigned openness = dv_grid_openness(grid, &walk->state);

		walk->leaves++;
		if (walk->found && openness <= walk->openness)
			return;
		walk->found = true;
		walk->openness = openness;
		(void)memcpy(walk->chosen, walk->now, sizeof(walk->now));
		return;
	}
	best = walk->table[cell * walk->sets + left];
	walk->now[cell] = -1;
	for (unsigned p = 0; p < grid->profile_count && walk->leaves < LEAVES_MOST; p++) {
		unsigned place;
		struct best with;

		if (!left_of(walk, left, p) || !begins(walk, cell, p))
			continue;
		with = begin(walk, cell, left, p);
		if (!with.can || better(&best, &with))
			continue;
		place = (unsigned)dv_grid_place_at(grid, p, cell);
		walk->now[cell] = (int)p;
		for (unsigned c = 1; c < grid->profiles[p].size; c++)
			walk->now[cell + c] = -1;
		dv_grid_take(grid, &walk->state, place);
		choose(walk, cell + grid->profiles[p].size, left - walk->strides[p]);
		dv_grid_give(grid, &walk->state, place);
		walk->now[cell] = -1;
	}
	if (walk->leaves < LEAVES_MOST && walk->table[(cell + 1) * walk->sets + left].can &&
	    !better(&best, &walk->table[(cell + 1) * walk->sets + left]))
		choose(walk, cell + 1, left);
}

/* ---- in and out ---- */

static int read_instances(struct walk *walk, unsigned count, struct dv_error *err)
{
	const struct dv_grid *grid = walk->grid;

	for (unsigned c = 0; c < grid->cells; c++)
		walk->at[c] = -1;
	for (unsigned i = 0; i < count; i++) {
		const struct dv_grid_instance *instance = &walk->instances[i];
		int p = instance->profile;

		if (p != DV_GRID_FOREIGN && !instance->pinned) {
			walk->at[instance->start] = (int)i;
			continue;
		}
		walk->blocked |= cells_of(instance);
		if (p == DV_GRID_FOREIGN) {
			dv_grid_block(&walk->state, cells_of(instance));
			continue;
		}
		if (!walk->wanted[p])
			return dv_error_fix(
				err,
				dv_error_rule(err, -EBUSY, "S14",
					      "instance %u (%s at %u) may not be destroyed, and is "
					      "not wanted",
					      i, grid->profiles[p].name, instance->start),
				"wait until it is free, or want it too");
		walk->wanted[p]--;
		dv_grid_take(grid, &walk->state,
			     (unsigned)dv_grid_place_at(grid, (unsigned)p, instance->start));
	}
	return 0;
}

static int make_table(struct walk *walk, struct dv_error *err)
{
	walk->sets = 1;
	for (unsigned p = 0; p < walk->grid->profile_count; p++) {
		walk->strides[p] = walk->sets;
		walk->sets *= walk->wanted[p] + 1u;
		if (walk->sets > TABLE_MOST / (walk->grid->cells + 1))
			return dv_error_set(err, -E2BIG, "too many different profiles for one GPU");
	}
	walk->table = calloc((size_t)(walk->grid->cells + 1) * walk->sets, sizeof(*walk->table));
	return walk->table ? 0 : dv_error_set(err, -ENOMEM, "no memory to plan partitions");
}

static int refuse_wanted(const struct walk *walk, const uint8_t *wanted, struct dv_error *err)
{
	const struct dv_grid *grid = walk->grid;
	unsigned cells = 0;
	int r;

	for (unsigned i = 0; i < grid->limit_count; i++) {
		const struct dv_grid_limit *limit = &grid->limits[i];
		unsigned used = 0;
		char what[96];

		for (unsigned p = 0; p < grid->profile_count; p++)
			used += (unsigned)limit->use[p] * wanted[p];
		if (used <= limit->total)
			continue;
		(void)dv_grid_limit_text(grid, limit, what, sizeof(what));
		return dv_error_fix(err,
				    dv_error_rule(err, -ENOSPC, "M04",
						  "the wanted partitions need %u of %u %s", used,
						  limit->total, what),
				    "want fewer of them");
	}
	for (unsigned p = 0; p < grid->profile_count; p++)
		cells += grid->profiles[p].size * wanted[p];
	if (cells > grid->cells)
		r = dv_error_rule(err, -ENOSPC, "M04",
				  "the wanted partitions need %u memory slices, the GPU has %u",
				  cells, grid->cells);
	else if (walk->blocked)
		r = dv_error_rule(err, -ENOSPC, "M04",
				  "the wanted partitions have no room beside those that stay");
	else
		r = dv_error_rule(
			err, -ENOSPC, "M04",
			"the wanted partitions need %u of %u memory slices, but there are "
			"no places for all of them together",
			cells, grid->cells);
	return dv_error_fix(err, r, "want fewer or smaller ones, or put one on another GPU");
}

static void fill_change(const struct walk *walk, unsigned count, struct dv_grid_change *change)
{
	struct dv_grid_plan_of_steps steps = {
		.grid = walk->grid, .instances = walk->instances, .count = count};

	for (unsigned i = 0; i < count; i++) {
		const struct dv_grid_instance *instance = &walk->instances[i];

		if (instance->pinned || instance->profile == DV_GRID_FOREIGN ||
		    walk->chosen[instance->start] == instance->profile) {
			change->kept |= UINT32_C(1) << i;
			continue;
		}
		change->destroyed++;
		change->weight += instance->weight;
	}
	for (unsigned c = 0; c < walk->grid->cells; c++)
		if (walk->chosen[c] >= 0 && !keeps(walk, c, (unsigned)walk->chosen[c]))
			steps.creates[steps.create_count++] = (uint16_t)dv_grid_place_at(
				walk->grid, (unsigned)walk->chosen[c], c);
	dv_grid_order_steps(&steps, change);
}

int dv_grid_repartition(const struct dv_grid *grid, const struct dv_grid_instance *instances,
			unsigned count, const uint8_t *wanted, struct dv_grid_change *ret,
			struct dv_error *err)
{
	struct walk walk = {.grid = grid, .instances = instances};
	struct dv_grid_change change = {0};
	struct dv_grid_state state;
	dv_autofree struct best *table = NULL;
	int r = dv_grid_state_of(grid, instances, count, &state, err);

	if (r < 0)
		return r;
	(void)memcpy(walk.wanted, wanted, grid->profile_count);
	if (!dv_grid_counts_fit(grid, wanted))
		return refuse_wanted(&walk, wanted, err);
	r = read_instances(&walk, count, err);
	if (r == 0)
		r = make_table(&walk, err);
	if (r < 0)
		return r;
	table = walk.table;
	fill_table(&walk);
	if (!table[walk.sets - 1].can)
		return refuse_wanted(&walk, wanted, err);
	choose(&walk, 0, walk.sets - 1);
	fill_change(&walk, count, &change);
	*ret = change;
	return 0;
}
