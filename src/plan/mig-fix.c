/* SPDX-License-Identifier: Apache-2.0 */
/* Of a tenant that has no partition: what binds, and what would make it fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "model/tree.h"
#include "model/units.h"
#include "plan/grid-defragment.h"
#include "plan/grid-inside.h"
#include "plan/mig.h"

enum { GPUS_LOOKED_AT = 64, NAMED_MOST = 3 };

/* The first GPU that it may be on, as far as its name and the fleet go, and that has a grid. */
static const struct dv_room *room_of(const struct dv_task *task, const struct dv_want *want)
{
	for (size_t g = 0; g < task->rooms.len; g++) {
		const struct dv_room *room = &task->rooms.items[g];

		if (room->grid && room->allowed && dv_room_named(room, want))
			return room;
	}
	return NULL;
}

/* ---- what is refused wherever it would go ---- */

/* "2g.20gb+me": 2 and 20. */
static bool parse_profile(const char *name, unsigned *ret_slices, unsigned *ret_gb)
{
	return sscanf(name, "%ug.%ugb", ret_slices, ret_gb) == 2;
}

static bool is_plain(const char *name)
{
	return !strpbrk(name, "+-");
}

/* The nearest profile by compute, then memory, then outfit; -1: the name says nothing. */
static int nearest(const struct dv_grid *grid, const char *name)
{
	unsigned slices, gb, best_far = 0;
	int best = -1;

	if (!parse_profile(name, &slices, &gb))
		return -1;
	for (unsigned p = 0; p < grid->profile_count; p++) {
		unsigned has_slices, has_gb, far;

		if (!parse_profile(grid->profiles[p].name, &has_slices, &has_gb))
			continue;
		far = (unsigned)abs((int)has_slices - (int)slices) * 10000 +
		      (unsigned)abs((int)has_gb - (int)gb) * 2 +
		      (is_plain(grid->profiles[p].name) != is_plain(name));
		if (best < 0 || far < best_far) {
			best = (int)p;
			best_far = far;
		}
	}
	return best;
}

static void fix_unknown(const struct dv_room *room, const struct dv_want *want, char *buf,
			size_t size)
{
	const char *name;
	int p;

	(void)dv_mig_part_slices(want->tenant->profile, &name);
	p = nearest(room->grid, name);
	if (p >= 0)
		(void)snprintf(buf, size,
			       "the nearest here is '%.40s'; or say needs: {memory: ...} and leave "
			       "the profile out",
			       room->grid->profiles[p].name);
	else
		(void)snprintf(buf, size,
			       "name one of these, or say needs: {memory: ...} and leave the "
			       "profile out");
}

static void fix_place(const struct dv_grid_profile *profile, char *buf, size_t size)
{
	size_t len = (size_t)snprintf(buf, size, "say 'start:' with one of");

	for (unsigned c = 0; c < DV_GRID_CELLS_MOST && len < size; c++)
		if (profile->starts >> c & 1)
			len += (size_t)snprintf(buf + len, size - len, " %u", c);
	if (len < size)
		(void)snprintf(buf + len, size - len, ", or leave it out");
}

/* The smallest plain profile that has what is asked for, and the largest there is. */
static void fix_needs(const struct dv_room *room, const struct dv_want *want, char *buf,
		      size_t size)
{
	struct dv_tenant tenant = *want->tenant;
	struct dv_want any = *want;
	int small = -1, large = 0;
	char memory[32];

	tenant.profile[0] = '\0';
	any.tenant = &tenant;
	for (unsigned p = 0; p < room->grid->profile_count; p++) {
		if (room->grid->profiles[p].size > room->grid->profiles[large].size)
			large = (int)p;
		if (dv_plan_mig_serves(room, &any, p) &&
		    (small < 0 || room->grid->profiles[p].size < room->grid->profiles[small].size))
			small = (int)p;
	}
	if (small >= 0) {
		(void)snprintf(buf, size, "'%.40s' has it: name that, or leave the profile out",
			       room->grid->profiles[small].name);
		return;
	}
	(void)dv_size_print((uint64_t)dv_plan_mig_profile(room, large)->memory_mib * DV_MIB, memory,
			    sizeof(memory));
	(void)snprintf(buf, size,
		       "the largest, '%.40s', has %s: ask for no more, or for a whole GPU "
		       "(gpus: 1)",
		       room->grid->profiles[large].name, memory);
}

/* "name one of this machine's: 0, 1, 2": of those where it could be if it did not name one. */
static void fix_gpu(const struct dv_task *task, const struct dv_want *want, char *buf, size_t size)
{
	struct dv_tenant tenant = *want->tenant;
	struct dv_want any = *want;
	char why[sizeof(any.reason)];
	size_t len = 0;

	tenant.gpu[0] = '\0';
	any.tenant = &tenant;
	for (size_t g = 0; g < task->rooms.len && len < size; g++)
		if (!dv_room_forbids(&task->rooms.items[g], &any, why, sizeof(why)))
			len += (size_t)snprintf(buf + len, size - len, "%s %s",
						len ? "," : "name one of this machine's:",
						task->rooms.items[g].gpu->id);
}

static void fix_refused(const struct dv_task *task, const struct dv_want *want,
			struct dv_unplaced *to)
{
	const struct dv_room *room = room_of(task, want);
	const char *name;
	int profile;

	if (strcmp(want->rule, "S18") == 0 && want->tenant->gpu[0])
		fix_gpu(task, want, to->fix, sizeof(to->fix));
	if (strcmp(want->rule, "M07") == 0)
		(void)snprintf(to->fix, sizeof(to->fix), "update NVIDIA's driver");
	if (!room || want->rule[0] != 'M')
		return;
	(void)dv_mig_part_slices(want->tenant->profile, &name);
	profile = name[0] ? dv_grid_find(room->grid, name) : -1;
	if (strcmp(want->rule, "M01") == 0 && profile < 0)
		fix_unknown(room, want, to->fix, sizeof(to->fix));
	else if (strcmp(want->rule, "M04") != 0)
		return;
	else if (profile >= 0 && want->tenant->start >= 0 &&
		 dv_grid_place_at(room->grid, (unsigned)profile, (unsigned)want->tenant->start) < 0)
		fix_place(&room->grid->profiles[profile], to->fix, sizeof(to->fix));
	else
		fix_needs(room, want, to->fix, sizeof(to->fix));
}

/* ---- what finds no room ---- */

/* Who is on one GPU, each with a name. */
struct holders {
	unsigned count;
	struct dv_grid_instance instances[DV_GRID_INSTANCES_MOST];
	char who[DV_GRID_INSTANCES_MOST][DV_NAME_SIZE + 16];
};

struct look {
	const struct dv_task *task;
	const struct dv_packing *packing;
	const struct dv_grid *grid;
	unsigned count;
	unsigned rooms[GPUS_LOOKED_AT];
	struct dv_grid_gpu gpus[GPUS_LOOKED_AT];
	struct holders holders[GPUS_LOOKED_AT];
};

static uint32_t cells_of(const struct dv_grid_instance *it)
{
	return (uint32_t)(((UINT64_C(1) << it->size) - 1) << it->start);
}

static void add(struct holders *holders, const struct dv_grid_instance *it, const char *who)
{
	for (unsigned i = 0; i < holders->count; i++)
		if (cells_of(&holders->instances[i]) & cells_of(it))
			return; /* a part of what is there already */
	if (holders->count == DV_GRID_INSTANCES_MOST)
		return;
	holders->instances[holders->count] = *it;
	(void)snprintf(holders->who[holders->count], sizeof(holders->who[0]), "%s", who);
	holders->count++;
}

/* The fleet's own, as planned: they have their right to be there. */
static void add_wants(const struct look *look, unsigned room, struct holders *holders)
{
	for (size_t i = 0; i < look->task->wants.len; i++) {
		const struct dv_place *place = &look->packing->places[i];
		struct dv_grid_instance it = {.profile = place->profile,
					      .start = (uint32_t)place->start,
					      .size = (uint32_t)place->size,
					      .pinned = true};

		if (place->gpu == (int)room && dv_want_on_mig(&look->task->wants.items[i]))
			add(holders, &it, look->task->wants.items[i].name);
	}
}

/* Other leases, which somebody could release. */
static void add_leases(const struct look *look, unsigned room, struct holders *holders)
{
	const struct dv_leases *leases = look->task->input->leases;
	const struct dv_gpu *gpu = look->packing->rooms[room].gpu;
	char who[DV_NAME_SIZE + 16];

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		const char *whole;
		struct dv_node node;
		struct dv_grid_instance it = {0};

		if (strcmp(lease->gpu_uuid, gpu->uuid) != 0 || !dv_lease_on_mig(lease) ||
		    dv_node_parse(lease->node, &node, NULL) < 0 || !node.has_partition)
			continue;
		(void)dv_mig_part_slices(lease->profile, &whole);
		it = (struct dv_grid_instance){
			.profile = dv_grid_find(look->grid, whole),
			.start = node.start,
			.size = node.size,
			.weight = dv_grid_weight(dv_lease_in_use(lease), 1, 0)};
		(void)snprintf(who, sizeof(who), "'%s'%s", lease->name,
			       dv_lease_in_use(lease) ? " (in use)" : "");
		if (cells_of(&it) & look->packing->rooms[room].cells.cells)
			add(holders, &it, who);
	}
}

static void add_strangers(const struct look *look, unsigned room, struct holders *holders)
{
	const struct dv_mig *mig = &look->packing->rooms[room].gpu->mig;
	char who[64];

	for (unsigned i = 0; i < mig->instance_count; i++) {
		const struct dv_mig_instance *instance = &mig->instances[i];
		const struct dv_grid_instance it = {
			.profile = dv_grid_find_id(look->grid, instance->profile_id),
			.start = instance->start,
			.size = instance->size,
			.weight = dv_grid_weight(false, 2, 0)};

		(void)snprintf(who, sizeof(who), "the partition at %u that no lease stands for",
			       it.start);
		if (cells_of(&it) & look->packing->rooms[room].cells.cells)
			add(holders, &it, who);
	}
}

/* May partitions be made there for it? */
static bool may_look(const struct dv_room *room, const struct dv_want *want)
{
	return dv_room_may(room, want) && dv_plan_mig_cells(room, want) && !room->wholes &&
	       !room->slices;
}

static void look_at(struct look *look, unsigned g)
{
	struct holders *holders = &look->holders[look->count];

	add_wants(look, g, holders);
	add_leases(look, g, holders);
	add_strangers(look, g, holders);
	look->gpus[look->count] = (struct dv_grid_gpu){holders->instances, holders->count};
	look->rooms[look->count++] = g;
}

/* GPUs of the grid that it may be on, the first of them decides which grid. Those with the most
 * free come first: what is said of all of them is true of the others too. */
static void read_look(const struct dv_want *want, struct look *look)
{
	const struct dv_room *rooms = look->packing->rooms;
	unsigned count = (unsigned)look->task->rooms.len;

	for (unsigned g = 0; g < count && !look->grid; g++)
		if (may_look(&rooms[g], want))
			look->grid = rooms[g].grid;
	for (unsigned free = look->grid ? look->grid->cells + 1 : 0; free-- > 0;)
		for (unsigned g = 0; g < count && look->count < GPUS_LOOKED_AT; g++)
			if (rooms[g].grid == look->grid &&
			    dv_plan_mig_free_cells(&rooms[g]) == free && may_look(&rooms[g], want))
				look_at(look, g);
}

/* The profile that it would get. */
static unsigned smallest(const struct dv_room *room, const struct dv_want *want)
{
	unsigned cells = dv_plan_mig_cells(room, want), p = 0;

	while (room->grid->profiles[p].size != cells || !dv_plan_mig_serves(room, want, p))
		p++;
	return p;
}

/* "'x', 'y' and 2 more" */
static size_t name_ends(const struct holders *holders, uint32_t end, char *buf, size_t size)
{
	unsigned named = 0;
	size_t len = 0;

	for (unsigned i = 0; i < holders->count && len < size; i++) {
		if (!(end >> i & 1))
			continue;
		if (named++ < NAMED_MOST)
			len += (size_t)snprintf(buf + len, size - len, "%s%.48s",
						named > 1 ? ", " : "", holders->who[i]);
	}
	if (named > NAMED_MOST && len < size)
		len += (size_t)snprintf(buf + len, size - len, " and %u more", named - NAMED_MOST);
	return len;
}

/* Its very place is taken: by whom, and which others are free. */
static void explain_place(const struct look *look, const struct dv_want *want, unsigned profile,
			  struct dv_unplaced *to)
{
	const struct dv_grid_instance at = {.start = (uint32_t)want->tenant->start,
					    .size = look->grid->profiles[profile].size};
	const struct holders *holders = &look->holders[0];
	uint32_t way = 0;
	size_t len;

	for (unsigned i = 0; i < holders->count; i++)
		if (cells_of(&holders->instances[i]) & cells_of(&at))
			way |= UINT32_C(1) << i;
	len = (size_t)snprintf(to->reason, sizeof(to->reason),
			       "the place at %d is taken on every GPU that it may use%s",
			       want->tenant->start, way ? ": on GPU " : "");
	if (way && len < sizeof(to->reason))
		len += (size_t)snprintf(to->reason + len, sizeof(to->reason) - len, "%s by ",
					look->packing->rooms[look->rooms[0]].gpu->id);
	if (way && len < sizeof(to->reason))
		(void)name_ends(holders, way, to->reason + len, sizeof(to->reason) - len);
	for (unsigned n = 0; n < look->count && !to->fix[0]; n++) {
		const struct dv_room *room = &look->packing->rooms[look->rooms[n]];
		uint32_t starts = dv_grid_starts(look->grid, &room->cells, profile);

		if (starts)
			(void)snprintf(to->fix, sizeof(to->fix),
				       "'start: %d' is free on GPU %s; or leave 'start' out",
				       __builtin_ctz(starts), room->gpu->id);
	}
}

static void say_limit(const struct look *look, const struct dv_grid_why *why,
		      struct dv_unplaced *to)
{
	const struct dv_grid_limit *limit = &look->grid->limits[why->limit];
	const char *gpu = look->packing->rooms[look->rooms[why->gpu]].gpu->id;
	char what[96];

	if (limit->kind == DV_GRID_LIMIT_PAIR)
		(void)snprintf(to->reason, sizeof(to->reason),
			       "memory slices are free on GPU %s, but halves with unlike compute "
			       "are not there together before driver 510",
			       gpu);
	else
		(void)snprintf(to->reason, sizeof(to->reason),
			       "memory slices are free on GPU %s, but another limit of it is "
			       "reached: %.90s, %u at most",
			       gpu, dv_grid_limit_text(look->grid, limit, what, sizeof(what)),
			       limit->total);
}

static void explain_room(const struct look *look, const struct dv_grid_why *why, unsigned profile,
			 struct dv_unplaced *to)
{
	const struct dv_grid_profile *p = &look->grid->profiles[profile];
	const char *gpu = look->packing->rooms[look->rooms[why->gpu]].gpu->id;
	size_t len = 0;

	if (why->kind == DV_GRID_WHY_CELLS && !why->free)
		(void)snprintf(to->reason, sizeof(to->reason),
			       "%.40s needs %u memory slice%s of a GPU, and none is free", p->name,
			       p->size, dv_plural(p->size));
	else if (why->kind == DV_GRID_WHY_CELLS)
		(void)snprintf(to->reason, sizeof(to->reason),
			       "%.40s needs %u memory slice%s of a GPU, and at most %u %s free on "
			       "one",
			       p->name, p->size, dv_plural(p->size), why->free,
			       why->free == 1 ? "is" : "are");
	else if (why->kind == DV_GRID_WHY_FRAGMENTED)
		(void)snprintf(to->reason, sizeof(to->reason),
			       "%u memory slice%s free on GPU %s, but not %sat a place "
			       "where %.40s may stand",
			       why->free, why->free == 1 ? " is" : "s are", gpu,
			       why->free == 1 ? "" : "together ", p->name);
	else
		say_limit(look, why, to);
	if (why->end) {
		len = (size_t)snprintf(to->fix, sizeof(to->fix),
				       "on GPU %s these would have to end: ", gpu);
		len += name_ends(&look->holders[why->gpu], why->end, to->fix + len,
				 sizeof(to->fix) - len);
	}
	if (why->instead >= 0 && len < sizeof(to->fix))
		(void)snprintf(to->fix + len, sizeof(to->fix) - len, "%s'%.40s' fits now",
			       len ? "; or take less: " : "take less: ",
			       look->grid->profiles[why->instead].name);
	if (!to->fix[0])
		(void)snprintf(to->fix, sizeof(to->fix),
			       "take out of the fleet what it needs less");
}

static void explain_unplaced(struct look *look, const struct dv_want *want, struct dv_unplaced *to)
{
	struct dv_grid_why why;
	unsigned profile;

	read_look(want, look);
	if (!look->count)
		return;
	profile = smallest(&look->packing->rooms[look->rooms[0]], want);
	if (want->tenant->start >= 0)
		explain_place(look, want, profile, to);
	else if (dv_grid_explain(look->grid, look->gpus, look->count, profile, &why, NULL) == 0 &&
		 why.kind != DV_GRID_WHY_FITS && why.kind != DV_GRID_WHY_NO_GPU)
		explain_room(look, &why, profile, to);
}

int dv_plan_mig_fix(const struct dv_task *task, const struct dv_packing *packing, size_t i,
		    struct dv_unplaced *to, struct dv_error *err)
{
	const struct dv_want *want = &task->wants.items[i];
	dv_autofree struct look *look = NULL;
	uint64_t memory;
	uint32_t mpct;

	if (want->rule[0]) {
		fix_refused(task, want, to);
		return 0;
	}
	/* What shares a partition has reasons of its own. */
	if (dv_want_is_part(want) ||
	    (dv_want_is_inner(want) && dv_plan_inner_left(task, packing, want, &memory, &mpct)))
		return 0;
	look = calloc(1, sizeof(*look));
	if (!look)
		return dv_error_set(err, -ENOMEM, "no memory for the plan");
	look->task = task;
	look->packing = packing;
	explain_unplaced(look, want, to);
	return 0;
}
