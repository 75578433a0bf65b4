/* SPDX-License-Identifier: Apache-2.0 */
/* Room that lies in pieces, put together: asked for only. What the fleet allows to move moves, one
 * after the other, as long as that leaves more room for later partitions; what is somebody else's,
 * has an exact place, or is a part of a partition, stays. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "plan/grid-defragment.h"
#include "plan/inside.h"
#include "plan/mig.h"

/* The GPUs of one grid on which partitions may be. */
struct cluster {
	const struct dv_task *task;
	struct dv_packing *packing;
	const struct dv_grid *grid;
	unsigned count;
	unsigned *rooms;
	struct dv_grid_gpu *gpus;
	struct dv_grid_instance (*instances)[DV_GRID_INSTANCES_MOST];
	struct dv_defragment found;
};

static void cluster_free(struct cluster *cluster)
{
	if (!cluster)
		return;
	free(cluster->rooms);
	free(cluster->gpus);
	free(cluster->instances);
	free(cluster);
}

DV_DEFINE_FREEP(struct cluster, cluster_free)

/* Only where MIG is on, or will be: no mode is changed for this. */
static bool is_usable(const struct dv_room *room, const struct dv_grid *grid)
{
	return room->grid == grid && room->allowed && !room->closed && !room->wholes &&
	       !room->slices && !room->others && room->methods & 1u << DV_METHOD_MIG &&
	       (room->migs || room->gpu->mig.mode == DV_MIG_ON);
}

static bool is_partition(const struct dv_want *want, const struct dv_place *place, unsigned room)
{
	return want->method == DV_METHOD_MIG && place->gpu == (int)room && !place->part_size;
}

/* May it go to wherever its profile may be? */
static bool is_free_to_go(const struct cluster *cluster, const struct dv_want *want,
			  const struct dv_place *place)
{
	bool free_to_go = want->tenant->start < 0 &&
			  (!place->keep || dv_want_movable(cluster->task, want));

	for (unsigned n = 0; n < cluster->count && free_to_go; n++)
		free_to_go = dv_room_may(&cluster->packing->rooms[cluster->rooms[n]], want);
	return free_to_go;
}

static void add_instance(struct cluster *cluster, unsigned n,
			 const struct dv_grid_instance *instance)
{
	struct dv_grid_gpu *gpu = &cluster->gpus[n];

	cluster->instances[n][gpu->count++] = *instance;
}

/* What is on one GPU: the fleet's partitions, and cells that are somebody else's. */
static void read_gpu(struct cluster *cluster, unsigned n)
{
	unsigned room = cluster->rooms[n];
	uint32_t others = cluster->packing->rooms[room].cells.cells;

	cluster->gpus[n].instances = cluster->instances[n];
	for (size_t i = 0; i < cluster->task->wants.len; i++) {
		const struct dv_want *want = &cluster->task->wants.items[i];
		const struct dv_place *place = &cluster->packing->places[i];
		struct dv_grid_instance it = {.profile = place->profile,
					      .start = (uint32_t)place->start,
					      .size = (uint32_t)place->size};

		if (!is_partition(want, place, room))
			continue;
		it.pinned = !is_free_to_go(cluster, want, place);
		others &= ~(uint32_t)(((UINT64_C(1) << it.size) - 1) << it.start);
		add_instance(cluster, n, &it);
	}
	for (unsigned c = 0; c < cluster->grid->cells; c++)
		if (others >> c & 1)
			add_instance(cluster, n,
				     &(struct dv_grid_instance){
					     .profile = DV_GRID_FOREIGN, .start = c, .size = 1});
}

static int read_cluster(const struct dv_task *task, struct dv_packing *packing,
			struct cluster *cluster, struct dv_error *err)
{
	cluster->task = task;
	cluster->packing = packing;
	cluster->rooms = calloc(task->rooms.len + 1, sizeof(*cluster->rooms));
	cluster->gpus = calloc(task->rooms.len + 1, sizeof(*cluster->gpus));
	cluster->instances = calloc(task->rooms.len + 1, sizeof(*cluster->instances));
	if (!cluster->rooms || !cluster->gpus || !cluster->instances)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	for (unsigned g = 0; g < task->rooms.len; g++)
		if (is_usable(&packing->rooms[g], cluster->grid))
			cluster->rooms[cluster->count++] = g;
	for (unsigned n = 0; n < cluster->count; n++)
		read_gpu(cluster, n);
	return 0;
}

static bool same_place(const struct dv_place *a, const struct dv_place *b)
{
	return a->gpu == b->gpu && a->start == b->start && a->profile == b->profile;
}

/* Do one move; false: it cannot be, for a reason that the grid does not know. */
static bool do_move(struct cluster *cluster, const struct dv_online_move *move)
{
	const struct dv_task *task = cluster->task;
	struct dv_packing *packing = cluster->packing;
	const struct dv_place from = {.gpu = (int)cluster->rooms[move->from_gpu],
				      .start = (int)move->from_start,
				      .profile = (int)move->profile};
	struct dv_place to = {.gpu = (int)cluster->rooms[move->to_gpu],
			      .start = (int)move->to_start,
			      .size = (int)cluster->grid->profiles[move->profile].size,
			      .profile = (int)move->profile};

	for (size_t i = 0; i < task->wants.len; i++) {
		const struct dv_want *want = &task->wants.items[i];
		struct dv_place old = packing->places[i];

		if (!is_partition(want, &old, (unsigned)from.gpu) || !same_place(&old, &from))
			continue;
		dv_room_give(&packing->rooms[old.gpu], want, &old);
		if (!dv_plan_mig_free(&packing->rooms[to.gpu], &to)) {
			dv_room_take(&packing->rooms[old.gpu], want, &old);
			return false;
		}
		to.keep = want->keepable && same_place(&to, &want->standing_place);
		dv_room_take(&packing->rooms[to.gpu], want, &to);
		packing->places[i] = to;
		return true;
	}
	return false;
}

static void count_rooms(const struct cluster *cluster, uint32_t *ret)
{
	for (unsigned p = 0; p < cluster->grid->profile_count; p++) {
		ret[p] = 0;
		for (unsigned n = 0; n < cluster->count; n++)
			ret[p] += dv_grid_room(cluster->grid,
					       &cluster->packing->rooms[cluster->rooms[n]].cells,
					       p);
	}
}

static int say_freed(const struct cluster *cluster, const uint32_t *before, struct dv_plan *plan,
		     struct dv_error *err)
{
	uint32_t after[DV_GRID_PROFILES_MOST];

	count_rooms(cluster, after);
	for (unsigned p = 0; p < cluster->grid->profile_count; p++) {
		struct dv_freed freed = {.before = before[p], .after = after[p]};

		if (before[p] == after[p])
			continue;
		(void)dv_copy(freed.profile, sizeof(freed.profile),
			      cluster->grid->profiles[p].name);
		if (dv_vec_push(&plan->freed, freed) < 0)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	return 0;
}

/* Tenants that stand and move, in this packing. */
static unsigned count_moved(const struct dv_task *task, const struct dv_packing *packing)
{
	unsigned count = 0;

	for (size_t i = 0; i < task->wants.len; i++)
		count += dv_plan_is_moved(&task->wants.items[i], &packing->places[i]);
	return count;
}

/* Cells that one profile alone could still have, of all profiles together: what is shown of it. */
static uint64_t open_cells(const struct cluster *cluster)
{
	uint32_t rooms[DV_GRID_PROFILES_MOST];
	uint64_t sum = 0;

	count_rooms(cluster, rooms);
	for (unsigned p = 0; p < cluster->grid->profile_count; p++)
		sum += (uint64_t)rooms[p] * cluster->grid->profiles[p].size;
	return sum;
}

/* The moves found, up to the last after which more can be made than ever before: nobody moves for
 * what cannot be seen, nor for more GPUs in use. */
static int do_moves(struct cluster *cluster, struct dv_error *err)
{
	const struct dv_task *task = cluster->task;
	struct dv_packing was = {0};
	uint64_t most = open_cells(cluster);
	unsigned worth = 0;
	int r = dv_packing_init(&was, task, err);

	if (r < 0)
		return r;
	dv_packing_copy(task, cluster->packing, &was);
	for (unsigned m = 0; m < cluster->found.count; m++) {
		uint64_t now;

		if (!do_move(cluster, &cluster->found.moves[m]))
			break;
		now = open_cells(cluster);
		dv_pack_count(task, cluster->packing);
		if (now <= most || cluster->packing->score.gpus > was.score.gpus)
			continue;
		most = now;
		worth = m + 1;
	}
	dv_packing_copy(task, &was, cluster->packing);
	dv_packing_fini(&was);
	for (unsigned m = 0; m < worth; m++)
		(void)do_move(cluster, &cluster->found.moves[m]);
	return 0;
}

static int defragment(const struct dv_task *task, const struct dv_grid *grid,
		      struct dv_packing *packing, struct dv_plan *plan, struct dv_error *err)
{
	dv_cleanup(cluster_freep) struct cluster *cluster = calloc(1, sizeof(*cluster));
	struct dv_defragment_wish wish = {.profile = -1, .most = task->moves};
	unsigned moved = count_moved(task, packing);
	uint32_t before[DV_GRID_PROFILES_MOST];
	int r;

	if (!cluster)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	cluster->grid = grid;
	r = read_cluster(task, packing, cluster, err);
	if (r < 0 || !cluster->count || moved >= task->moves)
		return r;
	wish.most -= moved;
	r = dv_grid_defragment(grid, cluster->gpus, cluster->count, &wish, &cluster->found, NULL);
	if (r < 0) /* too odd: then it stays as it is */
		return r == -ENOMEM ? dv_error_set(err, r, "no memory for the plan") : 0;
	count_rooms(cluster, before);
	r = do_moves(cluster, err);
	return r < 0 ? r : say_freed(cluster, before, plan, err);
}

int dv_plan_defragment(const struct dv_task *task, struct dv_packing *packing, struct dv_plan *plan,
		       struct dv_error *err)
{
	struct dv_task free_task = *task;
	int r = 0;

	/* It is asked for: then the fleet's number, if it says one, is a limit and no permission.
	 */
	if (!free_task.moves)
		free_task.moves = DV_DEFRAGMENT_MOVES_MOST;
	plan->defragments = true;
	for (size_t k = 0; k < task->grids.len && r == 0; k++)
		r = defragment(&free_task, task->grids.items[k], packing, plan, err);
	dv_pack_count(task, packing);
	return r;
}
