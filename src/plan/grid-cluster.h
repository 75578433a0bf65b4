/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct dv_online, for grid-cluster.c, grid-online.c and grid-move.c. */
#pragma once

#include "base/vec.h"
#include "plan/grid-layout.h"
#include "plan/grid-online.h"

#define DV_CLUSTER_NONE UINT32_MAX
enum {
	DV_CLUSTER_WORDS = DV_GRID_PLACES_MOST / 64,
	DV_CLUSTER_KINDS_MOST = 1024,
	DV_CLUSTER_MANY = 64
};

/* GPUs with the same cells blocked by others; `count` classes from `first` on are its layouts. */
struct dv_cluster_kind {
	uint32_t blocked;
	uint32_t first, count;
};

struct dv_cluster_gpu {
	struct dv_grid_state state;
	uint64_t places[DV_CLUSTER_WORDS]; /* bit i: an instance is at place i of the grid */
	uint32_t pinned;		   /* cells */
	uint32_t class;			   /* a layout of a kind; without layouts the GPU itself */
	uint32_t next, before;		   /* GPUs of the same class */
};

struct dv_cluster_class {
	uint64_t places;
	uint32_t first, count; /* GPUs */
	uint32_t at;	       /* in `live`, if it has any */
	uint32_t free;	       /* cells */
};

struct dv_online {
	struct dv_grid grid;
	double mix[DV_GRID_PROFILES_MOST];
	bool layouts; /* the grid has few enough */
	struct {
		DV_VEC(struct dv_cluster_kind);
	} kinds;
	unsigned gpu_count;
	struct dv_cluster_gpu *gpus;

	/* of classes; without layouts only `live` */
	uint32_t class_count;
	struct dv_cluster_class *classes;
	uint32_t *edges; /* [class * places + place]: with the place toggled, or NONE */
	uint8_t *rooms;	 /* [class * profiles + p]: instances that it has room for */
	size_t stride;	 /* class_count, rounded up */
	float *features; /* [p * stride + class] */
	float *worths;	 /* [class]: features weighted by `scarce` */
	uint32_t *live;	 /* classes that have GPUs */
	uint32_t live_count;

	uint64_t total_rooms[DV_GRID_PROFILES_MOST];
	float scarcity[DV_CLUSTER_MANY + 1]; /* of room for n instances; the last: for more */
	float scarce[DV_GRID_PROFILES_MOST];
	bool stale; /* `scarce` and `worths` are of before the last change */
};

/* A GPU that is, or could be: what placements and moves are tried on. */
struct dv_spot {
	uint32_t class;		    /* with layouts */
	struct dv_grid_state state; /* without */
};

/* The class of a GPU follows from what is on it. */
int dv_cluster_enter(struct dv_online *online, unsigned gpu, struct dv_error *err) DV_MUST_CHECK;
/* The same where the class is known. */
void dv_cluster_join(struct dv_online *online, unsigned gpu, uint32_t class);
void dv_cluster_leave(struct dv_online *online, unsigned gpu);
/* Weigh anew, if something changed. */
void dv_cluster_weigh(struct dv_online *online);

/* Add an instance at a place, or end one; false: it may not be. */
bool dv_spot_add(const struct dv_online *online, struct dv_spot *spot, unsigned place);
void dv_spot_drop(const struct dv_online *online, struct dv_spot *spot, unsigned place);
float dv_spot_worth(const struct dv_online *online, const struct dv_spot *spot);

static inline void dv_spot_of(const struct dv_online *online, unsigned live, struct dv_spot *ret)
{
	ret->class = online->live[live];
	if (!online->layouts)
		ret->state = online->gpus[ret->class].state;
}

static inline bool dv_gpu_has(const struct dv_cluster_gpu *gpu, unsigned place)
{
	return gpu->places[place / 64] >> (place % 64) & 1;
}

/* The first GPU of a live class, and how many it has. */
static inline unsigned dv_class_gpu(const struct dv_online *online, uint32_t class)
{
	return online->layouts ? online->classes[class].first : class;
}

static inline unsigned dv_class_count(const struct dv_online *online, uint32_t class)
{
	return online->layouts ? online->classes[class].count : 1;
}
