/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "plan/grid-defragment.h"
#include "plan/grid-inside.h"

const char *dv_grid_limit_text(const struct dv_grid *grid, const struct dv_grid_limit *limit,
			       char *buf, size_t size)
{
	static const char *const engines[] = {
		[DV_GRID_DECODE] = "decoders",
		[DV_GRID_ENCODE] = "encoders",
		[DV_GRID_JPEG] = "JPEG engines",
		[DV_GRID_OPTICAL_FLOW] = "optical flow engines",
	};

	switch (limit->kind) {
	case DV_GRID_LIMIT_COMPUTE:
		(void)snprintf(buf, size, "compute slices");
		break;
	case DV_GRID_LIMIT_ENGINES:
		(void)snprintf(buf, size, "%s", engines[limit->which]);
		break;
	case DV_GRID_LIMIT_PROFILE:
		(void)snprintf(buf, size, "instances of %s", grid->profiles[limit->which].name);
		break;
	case DV_GRID_LIMIT_INSTANCES:
		(void)snprintf(buf, size, "instances");
		break;
	case DV_GRID_LIMIT_PAIR:
		(void)snprintf(buf, size, "shares of profiles that exclude each other");
		break;
	}
	return buf;
}

static unsigned free_cells(const struct dv_grid *grid, const struct dv_grid_state *state)
{
	return grid->cells - (unsigned)__builtin_popcount(state->cells);
}

/* The limit that an instance of the profile would break; -1: none. */
static int broken_limit(const struct dv_grid *grid, const struct dv_grid_state *state,
			unsigned profile)
{
	for (unsigned i = 0; i < grid->limit_count; i++)
		if (grid->limits[i].use[profile] &&
		    state->used[i] + grid->limits[i].use[profile] > grid->limits[i].total)
			return (int)i;
	return -1;
}

/* What binds on one GPU: a limit before fragments before too few cells, as the nearest to fitting
 * comes first. */
static enum dv_grid_why_kind bind_of(const struct dv_grid *grid, const struct dv_grid_state *state,
				     unsigned profile, unsigned *ret_limit)
{
	struct dv_grid_state cells_only = {.cells = state->cells};
	int limit;

	if (dv_grid_starts(grid, state, profile))
		return DV_GRID_WHY_FITS;
	limit = broken_limit(grid, state, profile);
	if (limit >= 0 && dv_grid_starts(grid, &cells_only, profile)) {
		*ret_limit = (unsigned)limit;
		return DV_GRID_WHY_LIMIT;
	}
	return free_cells(grid, state) >= grid->profiles[profile].size ? DV_GRID_WHY_FRAGMENTED
								       : DV_GRID_WHY_CELLS;
}

/* The instances that would have to end for the place: those on its cells, then the lightest that
 * use up a limit. Returns their weight; UINT64_MAX: it cannot be. */
static uint64_t ends_for(const struct dv_grid *grid, const struct dv_grid_gpu *gpu,
			 const struct dv_grid_state *state, unsigned place, uint32_t *ret)
{
	struct dv_grid_state after = *state;
	unsigned profile = grid->places[place].profile;
	uint64_t weight = 0;
	uint32_t end = 0;

	for (unsigned i = 0; i < gpu->count; i++) {
		const struct dv_grid_instance *it = &gpu->instances[i];
		int at = it->profile < 0 ? -1
					 : dv_grid_place_at(grid, (unsigned)it->profile, it->start);

		if (at < 0 || it->pinned || !(grid->places[at].cells & grid->places[place].cells))
			continue;
		dv_grid_give(grid, &after, (unsigned)at);
		end |= UINT32_C(1) << i;
		weight += it->weight;
	}
	while (broken_limit(grid, &after, profile) >= 0) {
		const struct dv_grid_limit *limit =
			&grid->limits[broken_limit(grid, &after, profile)];
		int best = -1;

		for (unsigned i = 0; i < gpu->count; i++) {
			const struct dv_grid_instance *it = &gpu->instances[i];

			if ((end >> i & 1) || it->profile < 0 || it->pinned ||
			    !limit->use[it->profile])
				continue;
			if (best < 0 || it->weight < gpu->instances[best].weight)
				best = (int)i;
		}
		if (best < 0)
			return UINT64_MAX;
		dv_grid_give(grid, &after,
			     (unsigned)dv_grid_place_at(grid,
							(unsigned)gpu->instances[best].profile,
							gpu->instances[best].start));
		end |= UINT32_C(1) << best;
		weight += gpu->instances[best].weight;
	}
	*ret = end;
	return dv_grid_fits(grid, &after, place) ? weight : UINT64_MAX;
}

static void find_end(const struct dv_grid *grid, const struct dv_grid_gpu *gpu,
		     const struct dv_grid_state *state, unsigned profile, struct dv_grid_why *why,
		     uint64_t *best, unsigned number)
{
	for (unsigned i = grid->first_place[profile]; i < grid->first_place[profile + 1]; i++) {
		uint32_t end = 0;
		uint64_t weight = ends_for(grid, gpu, state, i, &end);

		if (weight >= *best || !end)
			continue;
		*best = weight;
		why->end = end;
		why->end_start = grid->places[i].start;
		why->gpu = number;
		why->free = free_cells(grid, state);
	}
}

static void say(const struct dv_grid *grid, const struct dv_grid_gpu *gpus, unsigned profile,
		struct dv_grid_why *why)
{
	const struct dv_grid_profile *p = &grid->profiles[profile];
	char what[96];
	size_t at = 0;

	switch (why->kind) {
	case DV_GRID_WHY_FITS:
		(void)snprintf(why->text, sizeof(why->text), "%.40s fits", p->name);
		break;
	case DV_GRID_WHY_NO_GPU:
		(void)snprintf(why->text, sizeof(why->text), "there is no GPU with %.40s", p->name);
		break;
	case DV_GRID_WHY_LIMIT:
		(void)dv_grid_limit_text(grid, &grid->limits[why->limit], what, sizeof(what));
		(void)snprintf(why->text, sizeof(why->text),
			       "memory slices are free for %.40s, but the GPU's %u %s are used up",
			       p->name, grid->limits[why->limit].total, what);
		break;
	case DV_GRID_WHY_FRAGMENTED:
		(void)snprintf(
			why->text, sizeof(why->text),
			"%u memory slices are free on GPU %u, but %.40s needs %u together at "
			"one of its places",
			why->free, why->gpu, p->name, p->size);
		break;
	case DV_GRID_WHY_CELLS:
		(void)snprintf(why->text, sizeof(why->text),
			       "%.40s needs %u memory slices; no GPU has more than %u free",
			       p->name, p->size, why->free);
		break;
	}
	if (why->end)
		at = (size_t)snprintf(why->fix, sizeof(why->fix), "end on GPU %u:", why->gpu);
	for (unsigned i = 0; why->end && i < gpus[why->gpu].count && at < sizeof(why->fix); i++) {
		const struct dv_grid_instance *it = &gpus[why->gpu].instances[i];

		if (why->end >> i & 1)
			at += (size_t)snprintf(why->fix + at, sizeof(why->fix) - at,
					       " %.40s at %u,", grid->profiles[it->profile].name,
					       it->start);
	}
	if (at && at < sizeof(why->fix))
		why->fix[at - 1] = '\0';
	at = strlen(why->fix);
	if (why->instead >= 0)
		(void)snprintf(why->fix + at, sizeof(why->fix) - at, "%s%.40s fits now",
			       at ? "; or take another one: " : "take another one: ",
			       grid->profiles[why->instead].name);
}

/* The nearest to fitting decides what is said of all. */
static void look(const struct dv_grid *grid, const struct dv_grid_state *state, unsigned g,
		 unsigned profile, struct dv_grid_why *why)
{
	unsigned limit = 0;
	enum dv_grid_why_kind kind = bind_of(grid, state, profile, &limit);
	bool first = why->kind == DV_GRID_WHY_NO_GPU;

	for (unsigned p = 0; p < grid->profile_count; p++)
		if (grid->profiles[p].size <= grid->profiles[profile].size && p != profile &&
		    dv_grid_starts(grid, state, p) &&
		    (why->instead < 0 ||
		     grid->profiles[p].size > grid->profiles[why->instead].size ||
		     (grid->profiles[p].size == grid->profiles[why->instead].size &&
		      grid->profiles[p].compute_slices >
			      grid->profiles[why->instead].compute_slices)))
			why->instead = (int)p;
	if (!first && kind >= why->kind &&
	    !(kind == why->kind && free_cells(grid, state) > why->free))
		return;
	why->kind = kind;
	why->limit = limit;
	why->gpu = g;
	why->free = free_cells(grid, state);
}

int dv_grid_explain(const struct dv_grid *grid, const struct dv_grid_gpu *gpus, unsigned gpu_count,
		    unsigned profile, struct dv_grid_why *ret, struct dv_error *err)
{
	struct dv_grid_why why = {.kind = DV_GRID_WHY_NO_GPU, .instead = -1};
	uint64_t best = UINT64_MAX;
	unsigned free;

	if (profile >= grid->profile_count)
		return dv_error_set(err, -EINVAL, "profile %u of %u", profile, grid->profile_count);
	for (unsigned g = 0; g < gpu_count; g++) {
		struct dv_grid_state state;
		int r = dv_grid_state_of(grid, gpus[g].instances, gpus[g].count, &state, err);

		if (r < 0)
			return dv_error_prefix(err, r, "gpu %u", g);
		look(grid, &state, g, profile, &why);
	}
	if (why.kind == DV_GRID_WHY_FITS)
		why.instead = -1;
	free = why.free;
	for (unsigned g = 0; why.kind != DV_GRID_WHY_FITS && g < gpu_count; g++) {
		struct dv_grid_state state;

		/* where cells are free but not together, that GPU is spoken of */
		if (why.kind == DV_GRID_WHY_CELLS || g == why.gpu) {
			struct dv_grid_why end = why;

			(void)!dv_grid_state_of(grid, gpus[g].instances, gpus[g].count, &state,
						NULL);
			find_end(grid, &gpus[g], &state, profile, &end, &best, g);
			if (end.end)
				why = end;
		}
	}
	why.free = why.kind == DV_GRID_WHY_CELLS ? free : why.free;
	say(grid, gpus, profile, &why);
	*ret = why;
	return 0;
}
