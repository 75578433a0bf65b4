/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process meets its lease, and how contexts and streams come and go. */
#include <semaphore.h>

#include "every.h"

/* divvyd hears of the program's first call. */
static void attaches(const struct every_row *row)
{
	every_begin_only();
	CHECK(every_stats().hellos == 0);
	DOES(row->call(row));
	CHECK(every_stats().hellos == 1);
}

static enum dv_cu_result init(const struct every_row *row)
{
	return THIS(cuInit)(0);
}

/* What is asked for is ours. */
static void answers(const struct every_row *row)
{
	every_begin();
	DOES(row->call(row));
	CHECK(every.host == every_entry("cuMemAlloc_v2") &&
	      every.host != every_driver("cuMemAlloc_v2"));
}

static enum dv_cu_result get(const struct every_row *row)
{
	return THIS(cuGetProcAddress)("cuMemAlloc", &every.host, 12000, 0);
}

static enum dv_cu_result get_2(const struct every_row *row)
{
	enum dv_cu_symbol_status status;

	return THIS(cuGetProcAddress_v2)("cuMemAlloc", &every.host, 12000, 0, &status);
}

/* --- contexts --- */

static void charges_context(const struct every_row *row)
{
	every_begin();
	DOES(row->call(row));
	every_charged(CONTEXT_BYTES);
	row->undo();
	every_charged(0);
	fake_set_limit(every.fake, every.base + CONTEXT_BYTES - 1);
	CHECK(row->call(row) == OOM);
	every_charged(0);
}

/* It goes, and what was allocated in it. */
static void ends_context(const struct every_row *row)
{
	every_begin();
	row->prepare();
	DOES(CU(cuCtxSetCurrent)(every.made_context));
	DOES(CU(cuMemAlloc_v2)(&every.ptr, SIZE));
	every_charged(CONTEXT_BYTES + SIZE);
	DOES(row->call(row));
	every_charged(0);
}

/* A green one holds the primary one, and what was allocated in it is that one's: with the last
 * green one all of it goes. */
static void ends_green(const struct every_row *row)
{
	every_begin();
	row->prepare();
	every_charged(CONTEXT_BYTES);
	DOES(row->call(row));
	every_charged(0);
}

#define CALL(name, symbol, args)                                                                   \
	static enum dv_cu_result name(const struct every_row *row)                                 \
	{                                                                                          \
		return THIS(symbol) args;                                                          \
	}
#define STEP(name, call)                                                                           \
	static void name(void)                                                                     \
	{                                                                                          \
		DOES(call);                                                                        \
	}

CALL(create, cuCtxCreate, (&every.made_context, 0, 0))
CALL(create_2, cuCtxCreate_v2, (&every.made_context, 0, 0))
CALL(create_3, cuCtxCreate_v3, (&every.made_context, NULL, 0, 0, 0))
CALL(create_4, cuCtxCreate_v4, (&every.made_context, NULL, 0, 0))
CALL(destroy, cuCtxDestroy, (every.made_context))
CALL(retain, cuDevicePrimaryCtxRetain, (&every.made_context, 0))
CALL(release, cuDevicePrimaryCtxRelease, (0))
CALL(make_green_ctx, cuGreenCtxCreate, (&every.green, NULL, 0, 0))
CALL(destroy_green, cuGreenCtxDestroy, (every.green))
STEP(make, CU(cuCtxCreate_v2)(&every.made_context, 0, 0))
STEP(unmake, CU(cuCtxDestroy_v2)(every.made_context))
STEP(make_primary, CU(cuDevicePrimaryCtxRetain)(&every.made_context, 0))
STEP(unmake_primary, CU(cuDevicePrimaryCtxRelease_v2)(0))
STEP(make_green, CU(cuGreenCtxCreate)(&every.green, NULL, 0, 0))
STEP(unmake_green, CU(cuGreenCtxDestroy)(every.green))

/* --- what is followed --- */

static bool have_drained(const struct fake_stats *stats, uint64_t count)
{
	return stats->drained >= count;
}

static sem_t release_work;

static void hold_up(void *nothing)
{
	(void)sem_wait(&release_work);
}

/* Unseen, as the device is ours for ever; and it can't end yet. */
static void launch_on(struct dv_cu_stream *stream)
{
	CHECK(sem_init(&release_work, 0, 0) == 0);
	DOES(DRIVER(cuLaunchHostFunc)(stream, hold_up, NULL));
	every_launch(stream);
}

/* It is known when the device is taken away: that is given back when the work has ended. */
static void is_followed(void)
{
	fake_grant(every.fake, NOT_HELD, 0);
	usleep(20000);
	CHECK(every_stats().drained == 0);
	(void)sem_post(&release_work);
	CHECK(fake_wait(every.fake, have_drained, 1));
}

static void knows_context(const struct every_row *row)
{
	every_begin();
	DOES(DRIVER(cuCtxCreate_v2)(&every.made_context, 0, 0));
	DOES(DRIVER(cuCtxPopCurrent_v2)(&every.made_context));
	fake_grant(every.fake, ENDLESS, 0);
	DOES(row->call(row));
	launch_on(NULL);
	is_followed();
}

static void knows_stream(const struct every_row *row)
{
	every_begin();
	if (row->prepare)
		row->prepare();
	DOES(row->call(row));
	fake_grant(every.fake, ENDLESS, 0);
	launch_on(every.made_stream);
	is_followed();
}

/* What was put on it goes on. */
static void leaves_stream(const struct every_row *row)
{
	every_begin();
	DOES(CU(cuStreamCreate)(&every.made_stream, DV_CU_STREAM_NON_BLOCKING));
	fake_grant(every.fake, ENDLESS, 0);
	launch_on(every.made_stream);
	DOES(row->call(row));
	is_followed();
}

CALL(set_current, cuCtxSetCurrent, (every.made_context))
CALL(push, cuCtxPushCurrent, (every.made_context))
CALL(stream, cuStreamCreate, (&every.made_stream, DV_CU_STREAM_NON_BLOCKING))
CALL(stream_of_priority, cuStreamCreateWithPriority,
     (&every.made_stream, DV_CU_STREAM_NON_BLOCKING, -1))
CALL(stream_of_green, cuGreenCtxStreamCreate,
     (&every.made_stream, every.green, DV_CU_STREAM_NON_BLOCKING, 0))
CALL(stream_destroy, cuStreamDestroy, (every.made_stream))

const struct every_row every_life[] = {
	PLAIN(cuInit, attaches, init),
	PLAIN(cuGetProcAddress, answers, get),
	PLAIN(cuGetProcAddress_v2, answers, get_2),
	PLAIN(cuCtxCreate, charges_context, create, NULL, unmake),
	PLAIN(cuCtxCreate_v2, charges_context, create_2, NULL, unmake),
	PLAIN(cuCtxCreate_v3, charges_context, create_3, NULL, unmake),
	PLAIN(cuCtxCreate_v4, charges_context, create_4, NULL, unmake),
	PLAIN(cuCtxDestroy, ends_context, destroy, make),
	PLAIN(cuCtxDestroy_v2, ends_context, destroy, make),
	PLAIN(cuDevicePrimaryCtxRetain, charges_context, retain, NULL, unmake_primary),
	PLAIN(cuDevicePrimaryCtxRelease, ends_context, release, make_primary),
	PLAIN(cuDevicePrimaryCtxRelease_v2, ends_context, release, make_primary),
	PLAIN(cuDevicePrimaryCtxReset, ends_context, release, make_primary),
	PLAIN(cuDevicePrimaryCtxReset_v2, ends_context, release, make_primary),
	PLAIN(cuGreenCtxCreate, charges_context, make_green_ctx, NULL, unmake_green),
	PLAIN(cuGreenCtxDestroy, ends_green, destroy_green, make_green),
	PLAIN(cuCtxSetCurrent, knows_context, set_current),
	PLAIN(cuCtxPushCurrent, knows_context, push),
	PLAIN(cuCtxPushCurrent_v2, knows_context, push),
	PLAIN(cuStreamCreate, knows_stream, stream),
	PLAIN(cuStreamCreateWithPriority, knows_stream, stream_of_priority),
	PLAIN(cuGreenCtxStreamCreate, knows_stream, stream_of_green, make_green),
	PLAIN(cuStreamDestroy, leaves_stream, stream_destroy),
	PLAIN(cuStreamDestroy_v2, leaves_stream, stream_destroy),
	{NULL},
};
