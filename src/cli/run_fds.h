/* SPDX-License-Identifier: Apache-2.0 */
/* The open descriptors that divvy was given, so that a command it starts gets these and no others:
 * a library may open some of its own without close-on-exec (libcurl's wake-up pair). The list is
 * the caller's to free with dv_vec_fini. */
#pragma once

#include "base/root.h"
#include "base/vec.h"

struct dv_fds {
	DV_VEC(int);
};

/* List the descriptors that an exec would hand on now: at the start, what the caller passed. */
int dv_fds_read(const struct dv_root *root, struct dv_fds *ret, struct dv_error *err) DV_MUST_CHECK;

/* Let an exec hand on only those of `given` from now on; nothing is closed before. */
int dv_fds_keep(const struct dv_root *root, const struct dv_fds *given,
		struct dv_error *err) DV_MUST_CHECK;
