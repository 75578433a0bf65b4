/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-online.h"

#include "plan/grid-cluster.h"

int dv_online_set(struct dv_online *online, unsigned gpu, const struct dv_grid_instance *instances,
		  unsigned count, struct dv_error *err)
{
	struct dv_cluster_gpu *now = &online->gpus[gpu], old = *now, new = {0};
	int r = dv_grid_state_of(&online->grid, instances, count, &new.state, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < count; i++) {
		const struct dv_grid_instance *instance = &instances[i];
		unsigned place;

		if (instance->profile == DV_GRID_FOREIGN)
			continue;
		place = (unsigned)dv_grid_place_at(&online->grid, (unsigned)instance->profile,
						   instance->start);
		new.places[place / 64] |= UINT64_C(1) << (place % 64);
		if (instance->pinned)
			new.pinned |= online->grid.places[place].cells;
	}
	dv_cluster_leave(online, gpu);
	*now = new;
	r = dv_cluster_enter(online, gpu, err);
	if (r < 0) {
		*now = old;
		/* its class is there: this cannot fail */
		if (dv_cluster_enter(online, gpu, NULL) < 0)
			return r;
	}
	return r;
}

/* The best of a class so far. */
struct best {
	float cost;
	uint32_t free, class;
	unsigned place;
};

static bool better(const struct best *a, const struct best *b)
{
	if (a->cost != b->cost)
		return a->cost < b->cost;
	if (a->free != b->free)
		return a->free < b->free;
	return a->class != b->class ? a->class < b->class : a->place < b->place;
}

static void look_at_layouts(const struct dv_online *online, unsigned profile, struct best *best)
{
	const struct dv_grid *grid = &online->grid;
	unsigned from = grid->first_place[profile], to = grid->first_place[profile + 1];

	for (uint32_t l = 0; l < online->live_count; l++) {
		uint32_t class = online->live[l];
		const struct dv_cluster_class *c = &online->classes[class];
		const uint32_t *edges = &online->edges[(size_t) class * grid->place_count];
		float worth = online->worths[class];

		for (unsigned i = from; i < to; i++) {
			struct best now;

			if (edges[i] == DV_CLUSTER_NONE || (c->places >> i & 1))
				continue;
			now = (struct best){.cost = worth - online->worths[edges[i]],
					    .free = c->free,
					    .class = class,
					    .place = i};
			if (better(&now, best))
				*best = now;
		}
	}
}

static void look_at_gpus(const struct dv_online *online, unsigned profile, struct best *best)
{
	const struct dv_grid *grid = &online->grid;

	for (uint32_t g = 0; g < online->gpu_count; g++) {
		struct dv_spot before = {.class = g, .state = online->gpus[g].state};
		uint32_t starts = dv_grid_starts(grid, &before.state, profile);
		float worth = starts ? dv_spot_worth(online, &before) : 0;

		for (; starts; starts &= starts - 1) {
			struct dv_spot after = before;
			struct best now = {.class = g};

			now.place = (unsigned)dv_grid_place_at(grid, profile,
							       (unsigned)__builtin_ctz(starts));
			(void)dv_spot_add(online, &after, now.place);
			now.cost = worth - dv_spot_worth(online, &after);
			now.free = grid->cells - (unsigned)__builtin_popcount(before.state.cells);
			if (better(&now, best))
				*best = now;
		}
	}
}

int dv_online_place(struct dv_online *online, unsigned profile, struct dv_online_choice *ret)
{
	struct best best = {.cost = 1e30f};

	if (profile >= online->grid.profile_count)
		return 1;
	dv_cluster_weigh(online);
	if (online->layouts)
		look_at_layouts(online, profile, &best);
	else
		look_at_gpus(online, profile, &best);
	if (best.cost == 1e30f)
		return 1;
	*ret = (struct dv_online_choice){.gpu = dv_class_gpu(online, best.class),
					 .start = online->grid.places[best.place].start,
					 .cost = (double)best.cost};
	return 0;
}

/* Change what is at a place of a GPU: the class follows the edge, no search. */
static void toggle(struct dv_online *online, unsigned i, unsigned place, bool add)
{
	struct dv_cluster_gpu *gpu = &online->gpus[i];
	uint32_t class = gpu->class;

	if (online->layouts)
		class = online->edges[(size_t) class * online->grid.place_count + place];
	dv_cluster_leave(online, i);
	if (add)
		dv_grid_take(&online->grid, &gpu->state, place);
	else
		dv_grid_give(&online->grid, &gpu->state, place);
	gpu->places[place / 64] ^= UINT64_C(1) << (place % 64);
	dv_cluster_join(online, i, class);
}

static int place_of(const struct dv_online *online, unsigned gpu, unsigned profile, unsigned start)
{
	return gpu < online->gpu_count ? dv_grid_place_at(&online->grid, profile, start) : -1;
}

bool dv_online_take(struct dv_online *online, unsigned gpu, unsigned profile, unsigned start)
{
	int place = place_of(online, gpu, profile, start);

	if (place < 0 || !dv_grid_fits(&online->grid, &online->gpus[gpu].state, (unsigned)place))
		return false;
	toggle(online, gpu, (unsigned)place, true);
	return true;
}

bool dv_online_give(struct dv_online *online, unsigned gpu, unsigned profile, unsigned start)
{
	int place = place_of(online, gpu, profile, start);

	if (place < 0 || !dv_gpu_has(&online->gpus[gpu], (unsigned)place))
		return false;
	online->gpus[gpu].pinned &= ~online->grid.places[place].cells;
	toggle(online, gpu, (unsigned)place, false);
	return true;
}

void dv_online_pin(struct dv_online *online, unsigned gpu, uint32_t cells)
{
	online->gpus[gpu].pinned = cells;
}

const struct dv_grid_state *dv_online_state(const struct dv_online *online, unsigned gpu)
{
	return &online->gpus[gpu].state;
}
