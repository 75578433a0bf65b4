/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/macro.h"
#include "bench/burn-cuda/work.h"

enum { PIECES = 48, FILL_MOST = 4096 };

struct held {
	struct burn_cuda *cuda;
	unsigned count;
	uint64_t asked;
	union {
		dv_cu_ptr at;
		unsigned long long handle;
		struct dv_cu_context *context;
	} pieces[FILL_MOST];
};

struct way {
	const char *name;
	int (*take)(struct held *held, uint64_t bytes, struct dv_error *err);
	int (*give)(struct held *held, unsigned i, struct dv_error *err);
	unsigned pieces;
};

#define TRY(call)                                                                                  \
	do {                                                                                       \
		int r_ = burn_cuda_check(held->cuda->call, #call, err);                            \
                                                                                                   \
		if (r_ < 0)                                                                        \
			return r_;                                                                 \
	} while (0)

static int give_at(struct held *held, unsigned i, struct dv_error *err)
{
	TRY(cuMemFree_v2(held->pieces[i].at));
	return 0;
}

static int take_alloc(struct held *held, uint64_t bytes, struct dv_error *err)
{
	TRY(cuMemAlloc_v2(&held->pieces[held->count].at, bytes));
	held->asked += bytes;
	return 0;
}

static int take_managed(struct held *held, uint64_t bytes, struct dv_error *err)
{
	TRY(cuMemAllocManaged(&held->pieces[held->count].at, bytes, DV_CU_MEM_ATTACH_GLOBAL));
	held->asked += bytes;
	return 0;
}

/* Counted with the driver's pitch. */
static int take_pitch(struct held *held, uint64_t bytes, struct dv_error *err)
{
	const size_t width = 1000, height = DV_MAX(bytes / width, 1u);
	size_t pitch = 0;

	TRY(cuMemAllocPitch_v2(&held->pieces[held->count].at, &pitch, width, height, 4));
	held->asked += pitch * height;
	return 0;
}

static const struct dv_cu_alloc_prop pinned = {
	.type = DV_CU_MEM_ALLOCATION_TYPE_PINNED,
	.location = {.type = DV_CU_MEM_LOCATION_TYPE_DEVICE},
};

static int take_handle(struct held *held, uint64_t bytes, struct dv_error *err)
{
	size_t page = 0;

	TRY(cuMemGetAllocationGranularity(&page, &pinned, DV_CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	bytes = (bytes + page - 1) / page * page;
	TRY(cuMemCreate(&held->pieces[held->count].handle, bytes, &pinned, 0));
	held->asked += bytes;
	return 0;
}

static int give_handle(struct held *held, unsigned i, struct dv_error *err)
{
	TRY(cuMemRelease(held->pieces[i].handle));
	return 0;
}

/* What the pool keeps is what counts. */
static int take_async(struct held *held, uint64_t bytes, struct dv_error *err)
{
	struct dv_cu_pool *pool = NULL;

	TRY(cuMemAllocAsync(&held->pieces[held->count].at, bytes, held->cuda->stream));
	TRY(cuDeviceGetDefaultMemPool(&pool, 0));
	TRY(cuMemPoolGetAttribute(pool, DV_CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &held->asked));
	return 0;
}

static int give_async(struct held *held, unsigned i, struct dv_error *err)
{
	struct dv_cu_pool *pool = NULL;

	TRY(cuMemFreeAsync(held->pieces[i].at, held->cuda->stream));
	TRY(cuStreamSynchronize(held->cuda->stream));
	TRY(cuDeviceGetDefaultMemPool(&pool, 0));
	TRY(cuMemPoolTrimTo(pool, 0));
	return 0;
}

static int take_context(struct held *held, uint64_t bytes DV_UNUSED, struct dv_error *err)
{
	TRY(cuCtxCreate_v2(&held->pieces[held->count].context, 0, 0));
	TRY(cuCtxSetCurrent(held->cuda->context));
	return 0;
}

static int give_context(struct held *held, unsigned i, struct dv_error *err)
{
	TRY(cuCtxDestroy_v2(held->pieces[i].context));
	TRY(cuCtxSetCurrent(held->cuda->context));
	return 0;
}

static const struct way ways[] = {
	{"alloc", take_alloc, give_at, PIECES},	    {"pitch", take_pitch, give_at, PIECES},
	{"managed", take_managed, give_at, PIECES}, {"handle", take_handle, give_handle, PIECES},
	{"async", take_async, give_async, PIECES},  {"context", take_context, give_context, 1},
	{"fill", take_alloc, give_at, 0},
};

/* Of the slice, or of the driver below it. */
static int left(struct burn_cuda *cuda, bool below, int64_t *ret, struct dv_error *err)
{
	dv_cuMemGetInfo_v2_fn *under = NULL;
	size_t available = 0, total = 0;
	enum dv_cu_result result;
	int r;

	if (below)
		*(void **)&under = burn_cuda_below("cuMemGetInfo_v2");
	if (under)
		result = under(&available, &total);
	else
		result = cuda->cuMemGetInfo_v2(&available, &total);
	r = burn_cuda_check(result, "cuMemGetInfo", err);
	if (r == 0)
		*ret = (int64_t)available;
	return r;
}

static int take_piece(const struct way *way, struct held *held, uint64_t bytes,
		      struct dv_error *err)
{
	int r;

	if (held->count == FILL_MOST)
		return dv_error_set(err, -E2BIG, "it takes more than %d pieces", FILL_MOST);
	r = way->take(held, bytes, err);
	held->count += r == 0;
	return r;
}

/* Pieces of 1 to 5 MiB and some odd bytes; the same in every run. */
static int take_pieces(const struct way *way, struct held *held, struct dv_error *err)
{
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < way->pieces; i++)
		r = take_piece(way, held, (1 << 20) + i * 7919 % 4096 * 1021 + 1, err);
	return r;
}

/* As long as a single byte is given. */
static int fill(const struct way *way, struct held *held, uint64_t bytes, struct dv_error *err)
{
	int r = 0;

	for (uint64_t piece = bytes; piece;) {
		r = take_piece(way, held, piece, NULL);
		if (r == -E2BIG)
			return take_piece(way, held, piece, err);
		if (r < 0)
			piece /= 2;
	}
	return 0;
}

static int measure(const struct way *way, struct held *held, struct dv_cuda_record *ret,
		   struct dv_error *err)
{
	int64_t slice = 0, driver = 0, slice_then = 0, driver_then = 0, slice_last = 0;
	int r = left(held->cuda, false, &slice, err);

	if (r == 0)
		r = left(held->cuda, true, &driver, err);
	if (r == 0)
		r = way->pieces ? take_pieces(way, held, err)
				: fill(way, held, (uint64_t)slice + 1, err);
	if (r == 0)
		r = left(held->cuda, false, &slice_then, err);
	if (r == 0)
		r = left(held->cuda, true, &driver_then, err);
	for (unsigned i = 0; r == 0 && i < held->count; i++)
		r = way->give(held, i, err);
	if (r == 0)
		r = left(held->cuda, false, &slice_last, err);
	ret->asked_bytes = (int64_t)held->asked;
	ret->charged_bytes = slice - slice_then;
	ret->driver_bytes = driver - driver_then;
	ret->left_bytes = slice - slice_last;
	ret->each = held->count;
	/* Of a full slice: what was there to be had. */
	if (!way->pieces)
		ret->charged_bytes = slice;
	return r;
}

int burn_cuda_memory(struct burn_cuda *cuda, const char *name, struct dv_cuda_record *ret,
		     struct dv_error *err)
{
	dv_autofree struct held *held = calloc(1, sizeof(*held));

	if (!held)
		return dv_error_set(err, -ENOMEM, "no memory");
	held->cuda = cuda;
	for (size_t i = 0; i < DV_ARRAY_LEN(ways); i++)
		if (strcmp(ways[i].name, name) == 0)
			return measure(&ways[i], held, ret, err);
	return dv_error_set(err, -EINVAL, "no way to allocate is called '%.40s'", name);
}
