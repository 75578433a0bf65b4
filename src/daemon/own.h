/* SPDX-License-Identifier: Apache-2.0 */
/* Which divvyd owns a device: it holds an flock on the device's lock file. The directory is shared
 * by all users (sticky), so nothing in it is trusted: no link is followed, nothing is opened that
 * could block, and a file is only written to by the user it belongs to. The record owns the
 * directory's descriptor and the locks; a lock ends with its process, however that ends. Its
 * tenants may not: see own-tenants.h. */
#pragma once

#include "base/error.h"
#include "daemon/own-tenants.h"
#include "model/gpu.h"

#define DV_OWN_DIR "/run/lock/divvy"

struct dv_own_lock {
	char name[64];
	int fd;
	int list_fd; /* of the tenants, as written last */
	struct dv_own_tenants tenants;
};

struct dv_own {
	char dir[192];
	const struct dv_root *root; /* borrowed */
	const char *place;	    /* borrowed: tells this divvyd from the user's others */
	DV_VEC(struct dv_own_lock) locks;
};

/* `dir` is made (mode 1777) by the first take that misses it; `place` is the state directory. */
int dv_own_init(struct dv_own *own, const char *dir, const struct dv_root *root, const char *place,
		struct dv_error *err) DV_MUST_CHECK;
/* Gives every lock back; the lists of tenants stay where there are some. */
void dv_own_fini(struct dv_own *own);

/* Own the device; 0 too when it is owned already. -EBUSY with rule S05 and who has it, or whose
 * tenants still use it; -EPERM with rule S03 for a directory or file that cannot be trusted. Does
 * not wait. */
int dv_own_take(struct dv_own *own, const struct dv_gpu *gpu, struct dv_error *err) DV_MUST_CHECK;
/* Give it back; the list of its tenants stays if there are any. */
void dv_own_drop(struct dv_own *own, const struct dv_gpu *gpu);
/* These processes use the device now, should this divvyd be killed; nothing when it is not owned.
 */
void dv_own_note(struct dv_own *own, const struct dv_gpu *gpu, const pid_t *pids, size_t count);

/* Print who else owns it ("user 1000, pid 123"; "user 1000, tenant 123" when that one's divvyd
 * ended and its tenants did not), or "" when nobody does or we do. */
void dv_own_holder(const struct dv_own *own, const struct dv_gpu *gpu, char *buf, size_t size);
