/* SPDX-License-Identifier: Apache-2.0 */
/* The clock of a device. It is a figure of its own: work begins when what was before it ended, or
 * when it was ready, and takes exactly its time, however late the thread that accounts for it wakes
 * up. So nothing drifts, and a busy machine does not make the shares of its devices unfair. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/macro.h"
#include "sim/cuda/share.h"

static void wake(struct dv_share_tenant *tenant)
{
	atomic_fetch_add(&tenant->word, 1);
	(void)syscall(SYS_futex, &tenant->word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Unlocked while asleep; woken by others, at the latest at that time. */
static void sleep_until(struct dv_share *share, struct dv_share_tenant *tenant, uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / 1000000000u),
				 .tv_nsec = (long)(until_ns % 1000000000u)};
	uint32_t word = atomic_load(&tenant->word);

	dv_share_unlock(share);
	(void)syscall(SYS_futex, &tenant->word, FUTEX_WAIT_BITSET, word, &until, NULL,
		      FUTEX_BITSET_MATCH_ANY);
	dv_share_lock(share);
}

/* Who has waited longest; -1: nobody. */
static int next_of(const struct dv_share *share, const struct dv_share_unit *unit)
{
	int next = -1;

	for (int i = 0; i < (int)share->high; i++) {
		const struct dv_share_tenant *tenant = &share->tenants[i];

		if (tenant->used && tenant->ticket && &share->units[tenant->unit] == unit &&
		    (next < 0 || tenant->ticket < share->tenants[next].ticket))
			next = i;
	}
	return next;
}

void dv_share_pass_on(struct dv_share *share, struct dv_share_unit *unit, uint64_t at_ns)
{
	int next = next_of(share, unit);

	unit->clock_ns = DV_MAX(unit->clock_ns, at_ns);
	unit->epoch++;
	unit->owner = next;
	unit->slice_end_ns = 0;
	if (next < 0)
		return;
	share->tenants[next].ticket = 0;
	unit->turn_ns = dv_now_ns();
	if (next_of(share, unit) >= 0)
		unit->slice_end_ns = unit->clock_ns + DV_SHARE_SLICE_NS;
	wake(&share->tenants[next]);
}

/* From now on the owner has no more than the rest of its slice. */
static void ask(struct dv_share *share, struct dv_share_unit *unit)
{
	uint64_t now = dv_now_ns(), had = now > unit->turn_ns ? now - unit->turn_ns : 0;

	if (unit->slice_end_ns)
		return;
	unit->slice_end_ns = now + DV_SHARE_SLICE_NS - had % DV_SHARE_SLICE_NS;
	wake(&share->tenants[unit->owner]);
}

/* An owner that was killed, or is stopped, is passed over. */
static void pass_over(struct dv_share *share, struct dv_share_unit *unit)
{
	uint64_t due = DV_MAX(unit->slice_end_ns, unit->turn_ns + DV_SHARE_SLICE_NS);

	if (unit->owner < 0 || !unit->slice_end_ns || dv_now_ns() < due + DV_SHARE_GRACE_NS)
		return;
	share->tenants[unit->owner].lost_at_ns = unit->slice_end_ns;
	dv_share_pass_on(share, unit, unit->slice_end_ns);
}

static void wait_for_turn(struct dv_share *share, struct dv_share_unit *unit, int tenant)
{
	struct dv_share_tenant *is = &share->tenants[tenant];

	if (unit->owner < 0) {
		unit->owner = tenant;
		unit->epoch++;
		unit->slice_end_ns = 0;
		unit->turn_ns = dv_now_ns();
		return;
	}
	is->ticket = unit->next_ticket++;
	while (unit->owner != tenant) {
		/* It was given the turn, woke late, and was passed over. */
		if (!is->ticket)
			is->ticket = unit->next_ticket++;
		if (unit->owner < 0) { /* its owner left, and nobody passed it on */
			dv_share_pass_on(share, unit, unit->clock_ns);
			continue;
		}
		ask(share, unit);
		pass_over(share, unit);
		if (unit->owner != tenant)
			sleep_until(share, is,
				    DV_MAX(unit->slice_end_ns, dv_now_ns()) + DV_SHARE_GRACE_NS);
	}
}

/* One turn's part of the work, or less. True: all of it is done, at *end_ns. */
static bool run_turn(struct dv_share *share, struct dv_share_unit *unit, int tenant,
		     uint64_t *left_ns, uint64_t *ready_ns)
{
	struct dv_share_tenant *is = &share->tenants[tenant];
	uint64_t begin = DV_MAX(unit->clock_ns, *ready_ns), until = begin + *left_ns;
	uint32_t epoch = unit->epoch;

	if (unit->slice_end_ns && until > unit->slice_end_ns) {
		if (next_of(share, unit) < 0)
			unit->slice_end_ns = 0;
		else
			until = DV_MAX(begin, unit->slice_end_ns);
	}
	if (until > dv_now_ns() + DV_SHARE_AHEAD_NS) {
		sleep_until(share, is, until);
		if (unit->owner == tenant && unit->epoch == epoch)
			return false; /* look again: somebody may have come */
		until = DV_MIN(until, DV_MAX(begin, is->lost_at_ns));
	} else {
		unit->clock_ns = until;
	}
	*left_ns -= DV_MIN(*left_ns, until - begin);
	*ready_ns = until;
	if (*left_ns && unit->owner == tenant && unit->epoch == epoch)
		dv_share_pass_on(share, unit, until);
	return *left_ns == 0;
}

uint64_t dv_share_run(struct dv_share *share, int tenant, uint64_t ready_ns, uint64_t duration_ns)
{
	struct dv_share_unit *unit;
	bool done = false;

	dv_share_lock(share);
	unit = &share->units[share->tenants[tenant].unit];
	while (!done) {
		if (unit->owner != tenant)
			wait_for_turn(share, unit, tenant);
		done = run_turn(share, unit, tenant, &duration_ns, &ready_ns);
	}
	dv_share_unlock(share);
	return ready_ns;
}

void dv_share_idle(struct dv_share *share, int tenant)
{
	struct dv_share_unit *unit;

	dv_share_lock(share);
	unit = &share->units[share->tenants[tenant].unit];
	if (unit->owner == tenant)
		dv_share_pass_on(share, unit, unit->clock_ns);
	dv_share_unlock(share);
}
