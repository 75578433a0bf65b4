/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-defragment.h"

#include <string.h>

/* Less than this in cells of later requests is not worth a move. */
#define WORTH 0.01

static void count_rooms(const struct dv_grid *grid, const struct dv_online *online,
			unsigned gpu_count, uint64_t *ret)
{
	for (unsigned p = 0; p < grid->profile_count; p++) {
		ret[p] = 0;
		for (unsigned g = 0; g < gpu_count; g++)
			ret[p] += dv_grid_room(grid, dv_online_state(online, g), p);
	}
}

static void add_moves(struct dv_defragment *result, const struct dv_online_moves *moves)
{
	(void)memcpy(&result->moves[result->count], moves->moves,
		     moves->count * sizeof(*moves->moves));
	result->count += moves->count;
}

static void make_room(struct dv_online *online, unsigned wanted, unsigned most,
		      struct dv_defragment *result)
{
	struct dv_online_moves moves;

	result->fits = dv_online_place(online, wanted, &result->choice) == 0;
	for (unsigned n = 1; !result->fits && n <= DV_MIN(most, DV_ONLINE_MOVES_MOST); n++) {
		if (dv_online_make_room(online, wanted, n, &moves, &result->choice) != 0 ||
		    !dv_online_apply(online, &moves))
			continue;
		add_moves(result, &moves);
		result->fits = true;
	}
}

static void improve(struct dv_online *online, unsigned most, struct dv_defragment *result)
{
	struct dv_online_moves moves;

	while (result->count < DV_MIN(most, DV_DEFRAGMENT_MOVES_MOST) &&
	       dv_online_improve(online, WORTH, &moves) == 0 && dv_online_apply(online, &moves))
		add_moves(result, &moves);
}

int dv_grid_defragment(const struct dv_grid *grid, const struct dv_grid_gpu *gpus,
		       unsigned gpu_count, const struct dv_defragment_wish *wish,
		       struct dv_defragment *ret, struct dv_error *err)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	struct dv_defragment result = {0};
	int r;

	if (wish->profile >= (int)grid->profile_count)
		return dv_error_set(err, -EINVAL, "profile %d of %u", wish->profile,
				    grid->profile_count);
	r = dv_online_new(grid, wish->mix, gpu_count, &online, err);
	for (unsigned g = 0; r == 0 && g < gpu_count; g++) {
		r = dv_online_set(online, g, gpus[g].instances, gpus[g].count, err);
		if (r < 0)
			r = dv_error_prefix(err, r, "gpu %u", g);
	}
	if (r < 0)
		return r;
	count_rooms(grid, online, gpu_count, result.room_before);
	if (wish->profile >= 0)
		make_room(online, (unsigned)wish->profile, wish->most, &result);
	else
		improve(online, wish->most, &result);
	count_rooms(grid, online, gpu_count, result.room_after);
	*ret = result;
	return 0;
}
