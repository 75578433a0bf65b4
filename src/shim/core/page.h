/* SPDX-License-Identifier: Apache-2.0 */
/* The grant and the counters page of this process. Both addresses stay for the process's life;
 * what lies there changes in one step: divvyd's pages while attached, else local ones that say
 * "gated, not held", so that a launch needs no other look than at the grant's flags to be fast, and
 * comes to the slow path when anything is out of the ordinary.
 *
 * A page is swapped by mremap: a thread that reads meanwhile sees the old or the new one. */
#pragma once

#include <stdint.h>

#include "base/macro.h"
#include "wire/gate.h"

struct dv_shim_pages {
	const struct dv_grant *grant;
	struct dv_counters *counters;
};

/* Reserve the two places, with local pages. */
int dv_shim_pages_init(struct dv_shim_pages *pages) DV_MUST_CHECK;
/* Put divvyd's pages there; the counters go on counting. The descriptors stay the caller's.
 * -EPROTO: too small, or not what it should be. */
int dv_shim_pages_adopt(struct dv_shim_pages *pages, int grant_fd, int counters_fd) DV_MUST_CHECK;
/* divvyd is gone: keep its limits, whether launches wait for it, and the counts, in local pages. */
int dv_shim_pages_part(struct dv_shim_pages *pages);
/* In the child of a fork: blank local pages; the parent's are no longer reachable. */
int dv_shim_pages_forget(struct dv_shim_pages *pages) DV_MUST_CHECK;

/* Read the grant as it was at one moment. If divvyd never finishes a change (it died in it): not
 * held. */
void dv_shim_grant_read(const struct dv_grant *page, struct dv_grant *ret);

static inline uint32_t dv_shim_grant_flags(const struct dv_grant *page)
{
	return __atomic_load_n(&page->flags, __ATOMIC_SEQ_CST);
}

/* May a launch go on without any bookkeeping? */
static inline int dv_shim_flags_free(uint32_t flags)
{
	return !(flags & DV_GRANT_GATED) ||
	       (flags & (DV_GRANT_HELD | DV_GRANT_ENDLESS)) == (DV_GRANT_HELD | DV_GRANT_ENDLESS);
}

static inline void dv_shim_count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static inline void dv_shim_uncount(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_sub(counter, n, __ATOMIC_RELAXED);
}
