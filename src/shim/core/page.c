/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/core/page.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* Holds a whole page on every architecture; a mapping of a smaller file ends after its page. */
enum { PLACE_BYTES = 65536, READ_TRIES = 1000 };

static void *map(size_t bytes, int prot, int flags, int fd)
{
	void *p = mmap(NULL, bytes, prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Move what is mapped at `from` over `place`. */
static int install(void *from, const void *place)
{
	if (mremap(from, DV_WIRE_PAGE_BYTES, DV_WIRE_PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
		   place) == MAP_FAILED) {
		int r = -errno;

		munmap(from, DV_WIRE_PAGE_BYTES);
		return r;
	}
	return 0;
}

static int install_local_grant(const struct dv_shim_pages *pages, const struct dv_grant *from)
{
	struct dv_grant *local =
		map(DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (!local)
		return -ENOMEM;
	*local = *from;
	memcpy(local->device, pages->grant->device, sizeof(local->device));
	local->flags = DV_GRANT_GATED | (from->flags & DV_GRANT_AWAY_WAITS);
	local->epoch = 0;
	return install(local, pages->grant);
}

enum {
	COUNTERS = sizeof(struct dv_counters) / sizeof(uint64_t),
	COUNTERS_FIRST = offsetof(struct dv_counters, launches) / sizeof(uint64_t),
	COUNTERS_LEVEL = offsetof(struct dv_counters, inflight) / sizeof(uint64_t),
};

/* The counters go on while their page changes: what was counted on the old one after it was copied
 * is carried over. The old page must be a shared mapping, else it has no second address. */
static int install_counters(const struct dv_shim_pages *pages, struct dv_counters *fresh)
{
	uint64_t *old = mremap(pages->counters, 0, DV_WIRE_PAGE_BYTES, MREMAP_MAYMOVE);
	uint64_t *place = (uint64_t *)pages->counters;
	uint64_t then[COUNTERS] = {0};
	int r;

	for (size_t i = COUNTERS_FIRST; i < COUNTERS; i++)
		then[i] = __atomic_load_n(&place[i], __ATOMIC_RELAXED);
	memcpy(fresh, then, sizeof(then));
	fresh->magic = DV_WIRE_MAGIC;
	fresh->version = DV_WIRE_VERSION;
	r = install(fresh, place);
	if (old == MAP_FAILED)
		return r;
	for (size_t i = COUNTERS_FIRST; r == 0 && i < COUNTERS; i++)
		if (i != COUNTERS_LEVEL) /* set, not counted */
			dv_shim_count(&place[i],
				      __atomic_load_n(&old[i], __ATOMIC_RELAXED) - then[i]);
	munmap(old, DV_WIRE_PAGE_BYTES);
	return r;
}

static struct dv_counters *local_counters(void)
{
	return map(DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
}

int dv_shim_pages_init(struct dv_shim_pages *pages)
{
	char *area = map((size_t)2 * PLACE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1);
	struct dv_grant *grant = (void *)area;

	if (!area)
		return -ENOMEM;
	grant->flags = DV_GRANT_GATED;
	*pages = (struct dv_shim_pages){.grant = grant, .counters = (void *)(area + PLACE_BYTES)};
	return 0;
}

static int big_enough(int fd)
{
	struct stat st;

	/* Beyond the end of a file a mapping raises SIGBUS. */
	return fstat(fd, &st) == 0 && st.st_size >= (off_t)DV_WIRE_PAGE_BYTES;
}

static void unmap(void **page)
{
	if (*page)
		munmap(*page, DV_WIRE_PAGE_BYTES);
}

int dv_shim_pages_adopt(struct dv_shim_pages *pages, int grant_fd, int counters_fd)
{
	dv_cleanup(unmap) void *grant = NULL;
	dv_cleanup(unmap) void *counters = NULL;
	int r;

	if (!big_enough(grant_fd) || !big_enough(counters_fd))
		return -EPROTO;
	grant = map(DV_WIRE_PAGE_BYTES, PROT_READ, MAP_SHARED, grant_fd);
	counters = map(DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, counters_fd);
	if (!grant || !counters)
		return -ENOMEM;
	if (((struct dv_grant *)grant)->magic != DV_WIRE_MAGIC ||
	    ((struct dv_grant *)grant)->version != DV_WIRE_VERSION)
		return -EPROTO;
	r = install_counters(pages, take_ptr(counters));
	if (r < 0)
		return r;
	return install(take_ptr(grant), pages->grant);
}

int dv_shim_pages_part(struct dv_shim_pages *pages)
{
	struct dv_counters *counters = local_counters();
	struct dv_grant last;
	int r;

	dv_shim_grant_read(pages->grant, &last);
	if (!counters)
		return -ENOMEM;
	r = install_counters(pages, counters);
	if (r < 0)
		return r;
	return install_local_grant(pages, &last);
}

int dv_shim_pages_forget(struct dv_shim_pages *pages)
{
	struct dv_counters *counters = local_counters();
	struct dv_grant last;
	int r;

	dv_shim_grant_read(pages->grant, &last);
	if (!counters)
		return -ENOMEM;
	r = install(counters, pages->counters);
	if (r < 0)
		return r;
	return install_local_grant(pages, &last);
}

#define LOAD(field) __atomic_load_n(&page->field, __ATOMIC_ACQUIRE)

void dv_shim_grant_read(const struct dv_grant *page, struct dv_grant *ret)
{
	struct dv_grant got = {.flags = DV_GRANT_GATED};

	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t epoch = LOAD(epoch);

		/* Loads that acquire keep their order: the last look at the epoch is the last. */
		got = (struct dv_grant){.magic = LOAD(magic),
					.version = LOAD(version),
					.epoch = epoch,
					.flags = dv_shim_grant_flags(page),
					.until_ns = LOAD(until_ns),
					.inflight_ns = LOAD(inflight_ns),
					.linger_ns = LOAD(linger_ns),
					.memory_limit_bytes = LOAD(memory_limit_bytes),
					.memory_used_bytes = LOAD(memory_used_bytes),
					.device_memory_bytes = LOAD(device_memory_bytes),
					.compute_units = LOAD(compute_units),
					.compute_mpct = LOAD(compute_mpct),
					.lease_id = LOAD(lease_id),
					.server_ns = LOAD(server_ns)};
		if (!(epoch & 1) && LOAD(epoch) == epoch) {
			*ret = got;
			return;
		}
		if (i > 50)
			sched_yield();
	}
	got.flags = DV_GRANT_GATED | (got.flags & DV_GRANT_AWAY_WAITS);
	*ret = got;
}
