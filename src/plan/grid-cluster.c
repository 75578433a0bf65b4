/* SPDX-License-Identifier: Apache-2.0 */
#include "plan/grid-cluster.h"

#include <math.h>
#include <stdlib.h>

#include "plan/grid-value.h"

/* How scarce room is where the cluster has room for n: exp(-n / RARE), and a little that stays.
 * Found by simulation; the result is flat around both. */
#define RARE 6.0f
#define STAYS 0.1f

/* Classes are weighed a few at a time: the arrays' strides are multiples of it. */
enum { LANES = 4, BLOCK = 4 * LANES };
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));

static size_t stride_of(uint32_t class_count)
{
	return ((size_t)class_count + BLOCK - 1) / BLOCK * BLOCK;
}

static void make_scarcity(struct dv_online *online)
{
	for (unsigned n = 0; n < DV_CLUSTER_MANY; n++)
		online->scarcity[n] = expf(-(float)n / RARE) + STAYS;
	online->scarcity[DV_CLUSTER_MANY] = STAYS;
}

void dv_cluster_weigh(struct dv_online *online)
{
	unsigned count = online->grid.profile_count;
	bool changed = false;

	if (!online->stale)
		return;
	online->stale = false;
	for (unsigned p = 0; p < count; p++) {
		float scarce =
			(float)online->grid.profiles[p].size *
			online->scarcity[DV_MIN(online->total_rooms[p], (uint64_t)DV_CLUSTER_MANY)];

		changed = changed || scarce != online->scarce[p];
		online->scarce[p] = scarce;
	}
	if (!changed || !online->layouts)
		return;
	/* four sums at a time: one alone would wait for itself */
	for (uint32_t c = 0; c < online->stride; c += BLOCK) {
		lanes a = {0}, b = {0}, d = {0}, e = {0};

		for (unsigned p = 0; p < count; p++) {
			const float *from = &online->features[p * online->stride + c];
			float scarce = online->scarce[p];

			a += scarce * *(const lanes *)from;
			b += scarce * *(const lanes *)(from + LANES);
			d += scarce * *(const lanes *)(from + (ptrdiff_t)2 * LANES);
			e += scarce * *(const lanes *)(from + (ptrdiff_t)3 * LANES);
		}
		*(lanes *)&online->worths[c] = a;
		*(lanes *)&online->worths[c + LANES] = b;
		*(lanes *)&online->worths[c + 2 * LANES] = d;
		*(lanes *)&online->worths[c + 3 * LANES] = e;
	}
}

/* ---- spots ---- */

bool dv_spot_add(const struct dv_online *online, struct dv_spot *spot, unsigned place)
{
	uint32_t to;

	if (!online->layouts) {
		if (!dv_grid_fits(&online->grid, &spot->state, place))
			return false;
		dv_grid_take(&online->grid, &spot->state, place);
		return true;
	}
	to = online->edges[(size_t)spot->class * online->grid.place_count + place];
	if (to == DV_CLUSTER_NONE || (online->classes[spot->class].places >> place & 1))
		return false;
	spot->class = to;
	return true;
}

void dv_spot_drop(const struct dv_online *online, struct dv_spot *spot, unsigned place)
{
	if (online->layouts)
		spot->class = online->edges[(size_t)spot->class * online->grid.place_count + place];
	else
		dv_grid_give(&online->grid, &spot->state, place);
}

float dv_spot_worth(const struct dv_online *online, const struct dv_spot *spot)
{
	float sum = 0;

	if (online->layouts)
		return online->worths[spot->class];
	for (unsigned p = 0; p < online->grid.profile_count; p++)
		sum += online->scarce[p] * (float)online->mix[p] *
		       (float)dv_grid_room(&online->grid, &spot->state, p);
	return sum;
}

/* ---- classes ---- */

static int grow(struct dv_online *online, uint32_t count)
{
	size_t places = online->grid.place_count, profiles = online->grid.profile_count;
	void *p;

#define GROW(array, n)                                                                             \
	do {                                                                                       \
		p = reallocarray(online->array, (n), sizeof(*online->array));                      \
		if (!p)                                                                            \
			return -ENOMEM;                                                            \
		online->array = p;                                                                 \
	} while (0)
	GROW(classes, count);
	GROW(edges, count * places);
	GROW(rooms, count * profiles);
	GROW(worths, stride_of(count));
	GROW(live, count);
#undef GROW
	return 0;
}

/* The kind's classes follow those that are there. Features are strided by the number of classes: a
 * new array, with all kinds' anew. */
static int add_classes(struct dv_online *online, const struct dv_layouts *layouts, uint32_t first)
{
	const struct dv_grid *grid = &online->grid;
	int r = grow(online, first + layouts->count);

	if (r < 0)
		return r;
	for (unsigned at = 0; at < layouts->count; at++) {
		online->classes[first + at] = (struct dv_cluster_class){
			.places = layouts->places[at],
			.first = DV_CLUSTER_NONE,
			.free = grid->cells -
				(unsigned)__builtin_popcount(layouts->states[at].cells),
		};
		for (unsigned p = 0; p < grid->profile_count; p++)
			online->rooms[(size_t)(first + at) * grid->profile_count + p] =
				(uint8_t)dv_grid_room(grid, &layouts->states[at], p);
		for (unsigned i = 0; i < grid->place_count; i++) {
			uint16_t to = dv_layout_edge(layouts, at, i);

			online->edges[(size_t)(first + at) * grid->place_count + i] =
				to == DV_LAYOUT_NONE ? DV_CLUSTER_NONE : first + to;
		}
	}
	return 0;
}

static int make_features(const struct dv_online *online, uint32_t class_count, const double *mix,
			 float **ret, struct dv_error *err)
{
	dv_autofree float *features =
		calloc(stride_of(class_count) * online->grid.profile_count, sizeof(*features));
	int r = 0;

	if (!features)
		return dv_error_set(err, -ENOMEM, "no memory for the values of layouts");
	for (size_t k = 0; r == 0 && k < online->kinds.len; k++) {
		const struct dv_cluster_kind *kind = &online->kinds.items[k];
		struct dv_layouts layouts = {0};

		r = dv_layouts_make(&online->grid, kind->blocked, &layouts, err);
		if (r == 0)
			r = dv_layouts_value(&online->grid, &layouts, mix, features + kind->first,
					     stride_of(class_count), err);
		dv_layouts_fini(&layouts);
	}
	if (r == 0)
		*ret = take_ptr(features);
	return r;
}

static int add_kind(struct dv_online *online, uint32_t blocked, struct dv_error *err)
{
	struct dv_layouts layouts = {0};
	struct dv_cluster_kind kind = {.blocked = blocked, .first = online->class_count};
	float *features = NULL;
	int r;

	if (online->kinds.len == DV_CLUSTER_KINDS_MOST)
		return dv_error_set(err, -E2BIG, "instances of others in too many ways");
	r = dv_layouts_make(&online->grid, blocked, &layouts, err);
	if (r != 0)
		return r;
	kind.count = layouts.count;
	r = add_classes(online, &layouts, kind.first);
	dv_layouts_fini(&layouts);
	if (r == 0)
		r = dv_vec_push(&online->kinds, kind);
	if (r < 0)
		return dv_error_set(err, r, "no memory for the layouts of a cluster");
	r = make_features(online, kind.first + kind.count, online->mix, &features, err);
	if (r < 0) {
		online->kinds.len--;
		return r;
	}
	free(online->features);
	online->features = features;
	online->class_count = kind.first + kind.count;
	online->stride = stride_of(online->class_count);
	online->scarce[0] = -1; /* weigh all of them */
	return 0;
}

static const struct dv_cluster_kind *kind_of(const struct dv_online *online, uint32_t blocked)
{
	for (size_t k = 0; k < online->kinds.len; k++)
		if (online->kinds.items[k].blocked == blocked)
			return &online->kinds.items[k];
	return NULL;
}

static uint32_t cells_of_places(const struct dv_online *online, const struct dv_cluster_gpu *gpu)
{
	uint32_t cells = 0;

	for (unsigned i = 0; i < online->grid.place_count; i++)
		if (dv_gpu_has(gpu, i))
			cells |= online->grid.places[i].cells;
	return cells;
}

static uint32_t find_class(const struct dv_online *online, const struct dv_cluster_gpu *gpu,
			   const struct dv_cluster_kind *kind)
{
	uint32_t class = kind->first;

	for (unsigned i = 0; i < online->grid.place_count; i++)
		if (dv_gpu_has(gpu, i)) {
			class = online->edges[(size_t) class * online->grid.place_count + i];
			if (class == DV_CLUSTER_NONE)
				return class;
		}
	return class;
}

static void count_rooms(struct dv_online *online, unsigned gpu, bool add)
{
	const struct dv_grid *grid = &online->grid;
	uint32_t class = online->gpus[gpu].class;

	for (unsigned p = 0; p < grid->profile_count; p++) {
		unsigned room = online->layouts
					? online->rooms[(size_t) class * grid->profile_count + p]
					: dv_grid_room(grid, &online->gpus[gpu].state, p);

		online->total_rooms[p] += add ? room : -(uint64_t)room;
	}
	online->stale = true;
}

static void link_gpu(struct dv_online *online, unsigned i)
{
	struct dv_cluster_gpu *gpu = &online->gpus[i];
	struct dv_cluster_class *class = &online->classes[gpu->class];

	gpu->before = DV_CLUSTER_NONE;
	gpu->next = class->first;
	if (class->first != DV_CLUSTER_NONE)
		online->gpus[class->first].before = i;
	class->first = i;
	if (class->count++ == 0) {
		class->at = online->live_count;
		online->live[online->live_count++] = gpu->class;
	}
}

/* Without layouts all GPUs are live, always. */
void dv_cluster_join(struct dv_online *online, unsigned gpu, uint32_t class)
{
	online->gpus[gpu].class = class;
	if (online->layouts)
		link_gpu(online, gpu);
	count_rooms(online, gpu, true);
}

int dv_cluster_enter(struct dv_online *online, unsigned i, struct dv_error *err)
{
	struct dv_cluster_gpu *gpu = &online->gpus[i];
	uint32_t blocked = gpu->state.cells & ~cells_of_places(online, gpu);
	int r = 0;

	gpu->class = i;
	if (online->layouts) {
		const struct dv_cluster_kind *kind = kind_of(online, blocked);

		if (!kind) {
			r = add_kind(online, blocked, err);
			kind = kind_of(online, blocked);
		}
		if (!kind)
			return r < 0 ? r : dv_error_set(err, -E2BIG, "too many layouts of a GPU");
		gpu->class = find_class(online, gpu, kind);
		if (gpu->class == DV_CLUSTER_NONE)
			return dv_error_set(err, -EINVAL, "a layout that the GPU cannot have");
	}
	dv_cluster_join(online, i, gpu->class);
	return 0;
}

void dv_cluster_leave(struct dv_online *online, unsigned i)
{
	const struct dv_cluster_gpu *gpu = &online->gpus[i];
	struct dv_cluster_class *class;

	count_rooms(online, i, false);
	if (!online->layouts)
		return;
	class = &online->classes[gpu->class];
	if (gpu->next != DV_CLUSTER_NONE)
		online->gpus[gpu->next].before = gpu->before;
	if (gpu->before != DV_CLUSTER_NONE)
		online->gpus[gpu->before].next = gpu->next;
	else
		class->first = gpu->next;
	if (--class->count == 0) {
		uint32_t last = online->live[--online->live_count];

		online->live[class->at] = last;
		online->classes[last].at = class->at;
	}
}

/* ---- the object ---- */

static void set_mix(struct dv_online *online, const double *mix)
{
	double sum = 0;

	for (unsigned p = 0; p < online->grid.profile_count; p++)
		sum += mix ? mix[p] : 1;
	for (unsigned p = 0; p < online->grid.profile_count; p++)
		online->mix[p] = sum > 0 ? (mix ? mix[p] : 1) / sum
					 : 1.0 / online->grid.profile_count;
}

static int fill(struct dv_online *online, struct dv_error *err)
{
	int r = add_kind(online, 0, err);

	if (r < 0)
		return r;
	online->layouts = r == 0;
	if (!online->layouts) {
		free(online->live);
		online->live = calloc(online->gpu_count, sizeof(*online->live));
		if (!online->live)
			return dv_error_set(err, -ENOMEM, "no memory for %u GPUs",
					    online->gpu_count);
		online->live_count = online->gpu_count;
	}
	for (unsigned i = 0; i < online->gpu_count; i++) {
		if (!online->layouts)
			online->live[i] = i;
		r = dv_cluster_enter(online, i, err);
		if (r < 0)
			return r;
	}
	online->scarce[0] = -1;
	online->stale = true;
	return 0;
}

int dv_online_new(const struct dv_grid *grid, const double *mix, unsigned gpu_count,
		  struct dv_online **ret, struct dv_error *err)
{
	dv_cleanup(dv_online_freep) struct dv_online *online = NULL;
	int r;

	if (gpu_count == 0 || gpu_count > DV_ONLINE_GPUS_MOST)
		return dv_error_set(err, gpu_count ? -E2BIG : -EINVAL,
				    "a cluster has 1 to %d GPUs, not %u", DV_ONLINE_GPUS_MOST,
				    gpu_count);
	online = calloc(1, sizeof(*online));
	if (!online)
		return dv_error_set(err, -ENOMEM, "no memory for a cluster");
	online->gpus = calloc(gpu_count, sizeof(*online->gpus));
	if (!online->gpus)
		return dv_error_set(err, -ENOMEM, "no memory for %u GPUs", gpu_count);
	online->grid = *grid;
	online->gpu_count = gpu_count;
	set_mix(online, mix);
	make_scarcity(online);
	online->layouts = true;
	r = fill(online, err);
	if (r < 0)
		return r;
	*ret = take_ptr(online);
	return 0;
}

void dv_online_free(struct dv_online *online)
{
	if (!online)
		return;
	dv_vec_fini(&online->kinds);
	free(online->gpus);
	free(online->classes);
	free(online->edges);
	free(online->rooms);
	free(online->features);
	free(online->worths);
	free(online->live);
	free(online);
}

int dv_online_learn(struct dv_online *online, const double *mix, struct dv_error *err)
{
	float *features = NULL;
	int r = online->layouts ? make_features(online, online->class_count, mix, &features, err)
				: 0;

	if (r < 0)
		return r;
	set_mix(online, mix);
	if (online->layouts) {
		free(online->features);
		online->features = features;
	}
	online->scarce[0] = -1;
	online->stale = true;
	return 0;
}
