/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/page.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

/* A tenant chooses how many of its threads sleep on its page: waking is bounded. */
enum { WAKE_MOST = 1024 };

_Static_assert(sizeof(struct dv_grant) <= DV_WIRE_PAGE_BYTES, "the grant fits its page");
_Static_assert(sizeof(struct dv_counters) <= DV_WIRE_PAGE_BYTES, "the counters fit their page");
_Static_assert(sizeof(struct dv_msg) == 72, "a message has the same size on every architecture");

static int memory_file(const char *name, int *ret_fd, struct dv_error *err)
{
	dv_autoclose int fd = memfd_create(name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return dv_error_errno(err, errno, "cannot make the memory file %s", name);
	if (ftruncate(fd, DV_WIRE_PAGE_BYTES) < 0)
		return dv_error_errno(err, errno, "cannot size the memory file %s", name);
	*ret_fd = take_fd(fd);
	return 0;
}

int dv_gate_pages_init(struct dv_gate_pages *pages, struct dv_error *err)
{
	dv_autoclose int grant_fd = -1, counters_fd = -1;
	struct dv_grant *grant;
	int r;

	r = memory_file("divvy-grant", &grant_fd, err);
	if (r < 0)
		return r;
	r = memory_file("divvy-counters", &counters_fd, err);
	if (r < 0)
		return r;
	grant = mmap(NULL, DV_WIRE_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, grant_fd, 0);
	if (grant == MAP_FAILED)
		return dv_error_errno(err, errno, "cannot map a grant page");
	if (fcntl(grant_fd, F_ADD_SEALS,
		  F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ||
	    fcntl(counters_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		r = dv_error_errno(err, errno, "cannot seal the pages of a client");
		(void)munmap(grant, DV_WIRE_PAGE_BYTES);
		return r;
	}
	grant->magic = DV_WIRE_MAGIC;
	grant->version = DV_WIRE_VERSION;
	pages->grant = grant;
	pages->grant_fd = take_fd(grant_fd);
	pages->counters_fd = take_fd(counters_fd);
	return 0;
}

void dv_gate_pages_fini(struct dv_gate_pages *pages)
{
	if (pages->grant)
		(void)munmap(pages->grant, DV_WIRE_PAGE_BYTES);
	dv_closep(&pages->grant_fd);
	dv_closep(&pages->counters_fd);
	pages->grant = NULL;
	pages->grant_fd = pages->counters_fd = -1;
}

void dv_gate_pages_handed_over(struct dv_gate_pages *pages)
{
	dv_closep(&pages->grant_fd);
	pages->grant_fd = -1;
}

uint32_t dv_gate_pages_publish(struct dv_gate_pages *pages, uint32_t flags, uint64_t until_ns,
			       uint64_t now_ns)
{
	struct dv_grant *grant = pages->grant;
	uint32_t epoch = grant->epoch;

	/* A seqlock with one writer: odd while being written. The releases keep the odd epoch
	 * before what follows it. */
	__atomic_store_n(&grant->epoch, epoch + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&grant->flags, flags, __ATOMIC_RELEASE);
	__atomic_store_n(&grant->until_ns, until_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&grant->server_ns, now_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&grant->epoch, epoch + 2, __ATOMIC_RELEASE);
	return epoch + 2;
}

void dv_gate_pages_wake(struct dv_gate_pages *pages)
{
	(void)syscall(SYS_futex, &pages->grant->epoch, FUTEX_WAKE, WAKE_MOST, NULL, NULL, 0);
}

void dv_gate_pages_name(struct dv_gate_pages *pages, const char *device)
{
	char *to = pages->grant->device;
	size_t len = strnlen(device, sizeof(pages->grant->device) - 1);

	if (to[0] || !len)
		return;
	/* Its first character last: whoever reads it has all of it, or nothing. */
	memcpy(to + 1, device + 1, len - 1);
	__atomic_store_n(to, device[0], __ATOMIC_RELEASE);
}

void dv_gate_pages_set_used(struct dv_gate_pages *pages, uint64_t bytes)
{
	__atomic_store_n(&pages->grant->memory_used_bytes, bytes, __ATOMIC_RELAXED);
}

bool dv_gate_pages_counters(const struct dv_gate_pages *pages, struct dv_counters *ret)
{
	struct dv_counters counters;

	if (pread(pages->counters_fd, &counters, sizeof(counters), 0) != sizeof(counters))
		return false;
	if (counters.magic != DV_WIRE_MAGIC || counters.version != DV_WIRE_VERSION)
		return false;
	*ret = counters;
	return true;
}
