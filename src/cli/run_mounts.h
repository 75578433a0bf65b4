/* SPDX-License-Identifier: Apache-2.0 */
/* A mount namespace of the tenant's own, in which the paths where the driver's libraries are looked
 * for lead to ours: who loads one by an absolute path comes to the layer, too. The files
 * themselves, under the names of their versions, stay as they are: ours need them. Plain data. */
#pragma once

#include <limits.h>
#include <stdbool.h>

enum { DV_COVERS_MOST = 2 };

/* Of one library: where it was found, what it is in the end, and what stands in its place. */
struct dv_cover {
	const char *name, *plain; /* "libcuda.so.1", "libcuda.so" */
	char dir[PATH_MAX];
	char real[PATH_MAX];
	char layer[256];
};

struct dv_mounts {
	bool must; /* also by a user namespace; without it the command is not started */
	unsigned count;
	struct dv_cover covers[DV_COVERS_MOST];
};

/* In the tenant's new process: enter one, and cover the paths; with NULL leave it where it is. Says
 * in its environment what came of it: DIVVY_MOUNTS is "private" or "shared". A positive errno only
 * if it must, or 0. */
int dv_mounts_enter(const struct dv_mounts *mounts);
