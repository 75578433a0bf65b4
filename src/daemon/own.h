/* SPDX-License-Identifier: Apache-2.0 */
/* Which divvyd owns a device: it holds an flock on the device's lock file. The directory is shared
 * by all users (sticky), so nothing in it is trusted: no link is followed, nothing is opened that
 * could block, and a file is only written to by the user it belongs to. The record owns the
 * directory's descriptor and the locks; a lock ends with its process, however that ends. */
#pragma once

#include "base/error.h"
#include "base/vec.h"
#include "model/gpu.h"

#define DV_OWN_DIR "/run/lock/divvy"

struct dv_own_lock {
	char name[64];
	int fd;
};

struct dv_own {
	char dir[192];
	DV_VEC(struct dv_own_lock) locks;
};

/* `dir` is made (mode 1777) by the first take that misses it. */
int dv_own_init(struct dv_own *own, const char *dir, struct dv_error *err) DV_MUST_CHECK;
/* Gives every lock back. */
void dv_own_fini(struct dv_own *own);

/* Own the device; 0 too when it is owned already. -EBUSY with rule S05 and who has it, -EPERM with
 * rule S03 for a directory or file that cannot be trusted. Does not wait. */
int dv_own_take(struct dv_own *own, const struct dv_gpu *gpu, struct dv_error *err) DV_MUST_CHECK;
void dv_own_drop(struct dv_own *own, const struct dv_gpu *gpu);

/* Print who else owns it ("user alice, pid 123"), or "" when nobody does or we do. */
void dv_own_holder(const struct dv_own *own, const struct dv_gpu *gpu, char *buf, size_t size);
