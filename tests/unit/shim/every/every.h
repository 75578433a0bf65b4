/* SPDX-License-Identifier: Apache-2.0 */
/* Every entry point that the CUDA shim hooks, called through it, with what it does for the slice
 * looked at: one row each, in a process of its own. The driver is the simulated one, with what that
 * lacks made of what it has (sim-more.c). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../fake-cuda.h"
#include "../fake-divvyd.h"
#include "../process.h"
#include "base/macro.h"

#define OK DV_CUDA_SUCCESS
#define OOM DV_CUDA_ERROR_OUT_OF_MEMORY
#define MS UINT64_C(1000000)
#define MIB UINT64_C(1048576)

enum {
	NOT_HELD = DV_GRANT_GATED,
	HELD = DV_GRANT_GATED | DV_GRANT_HELD,
	ENDLESS = DV_GRANT_GATED | DV_GRANT_HELD | DV_GRANT_ENDLESS,
	CONTEXT_BYTES = 4096, /* as noted for the shim */
	SIZE = 4096,	      /* of what is allocated and copied */
	PHYSICAL = 2 << 20,
	POOL_STEP = 32 << 20, /* of the simulated driver's pools */
	LONG_NS = 60000000,   /* of every.kernel */
};

struct every_row {
	const char *symbol;
	void (*check)(const struct every_row *row);
	/* The call itself, with the objects below. */
	enum dv_cu_result (*call)(const struct every_row *row);
	void (*prepare)(void);
	void (*undo)(void);
	uint64_t bytes; /* charged */
};

/* What calls work on, there before each. */
extern struct every {
	uint64_t limit_bytes; /* to be set before; 0: none */
	struct fake *fake;
	struct dv_cu_context *context;
	struct dv_cu_stream *stream;   /* does not block */
	struct dv_cu_function *kernel; /* takes LONG_NS */
	dv_cu_ptr a, b;		       /* SIZE bytes each */
	uint64_t base;		       /* charged for all this */
	/* Of a row. */
	dv_cu_ptr ptr;
	unsigned long long handle, again;
	struct dv_cu_stream *made_stream;
	struct dv_cu_context *made_context;
	struct dv_cu_array *array, *array_to;
	struct dv_cu_mipmap *mipmap;
	struct dv_cu_green *green;
	struct dv_cu_pool *pool;
	struct dv_cu_graph *graph;
	struct dv_cu_exec *exec;
	void *host;
} every;

/* Through the shim, and round it. */
void *every_entry(const char *symbol);
void *every_driver(const char *symbol);
#define CU(symbol) ((dv_##symbol##_fn *)every_entry(#symbol))
#define DRIVER(symbol) ((dv_##symbol##_fn *)every_driver(#symbol))
/* The row's own symbol, of which `first` is the first variant. */
#define THIS(first) ((dv_##first##_fn *)every_entry(row->symbol))
#define DOES(call) CHECK((call) == OK)

/* A process whose lease is there, and which has the shim; and the whole world of a row, with the
 * device not granted yet. */
void every_begin_only(void);
void every_begin(void);
/* The row's call in a thread of its own that has the context: it waits until the device is held. */
void every_waits(const struct every_row *row);
/* So much is charged beside every.base, or comes to be within some seconds. */
void every_charged(uint64_t bytes);
struct fake_stats every_stats(void);
/* A variant for threads' own streams takes NULL for that. */
bool every_is_own(const struct every_row *row);
/* every.kernel on it, by the shim. */
void every_launch(struct dv_cu_stream *stream);

/* Tables; each ends with a row without a symbol. */
extern const struct every_row every_launches[], every_copies[], every_memory[], every_life[];

#define PLAIN(symbol, ...)                                                                         \
	{                                                                                          \
#symbol, __VA_ARGS__                                                               \
	}
#define BOTH(symbol, end, ...)                                                                     \
	{#symbol, __VA_ARGS__},                                                                    \
	{                                                                                          \
#symbol end, __VA_ARGS__                                                           \
	}
