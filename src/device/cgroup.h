/* SPDX-License-Identifier: Apache-2.0 */
/* cpuset cgroups, version 1, version 2 and both at once: <base>/divvy/<name>, a directory for each
 * partition of the CPU device. The kernel keeps the processes of such a directory on its CPUs.
 * Everything here is the machine's state; the structs are plain data. */
#pragma once

#include <sys/types.h>

#include "base/root.h"

enum dv_cgroup_kind { DV_CGROUP_NONE, DV_CGROUP_V1, DV_CGROUP_V2 };

struct dv_cgroup {
	enum dv_cgroup_kind kind;
	char base[80]; /* of divvy's own directory, relative to /: ".../divvy" */
	char why[192]; /* kind NONE: why no cpuset cgroup can be made here */
};

/* CPUs and memory nodes of one directory, as lists. */
struct dv_cgroup_set {
	char cpus[2048];
	char mems[256];
};

/* Find where cpuset cgroups can be made. That none can be is an answer (kind NONE), no failure.
 * Whether this user may is not asked. */
int dv_cgroup_find(const struct dv_root *root, struct dv_cgroup *ret,
		   struct dv_error *err) DV_MUST_CHECK;

/* Make <base>/<name>, or correct it, and read back that the kernel took it. `mems` "" means those
 * of the directory above. On failure nothing new is left. -EPERM, -EBUSY, -EIO. */
int dv_cgroup_make(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		   const struct dv_cgroup_set *want, struct dv_error *err) DV_MUST_CHECK;

/* Remove it; one that is not there is fine. -EBUSY, naming processes, when some live in it. With
 * the last one divvy's own directory goes too. */
int dv_cgroup_remove(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		     struct dv_error *err) DV_MUST_CHECK;

/* What it holds now; -ENOENT. */
int dv_cgroup_read(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		   struct dv_cgroup_set *ret, struct dv_error *err) DV_MUST_CHECK;

/* Call `fn` for each that there is; none at all is fine. */
int dv_cgroup_list(const struct dv_root *root, const struct dv_cgroup *cgroup, dv_entry_fn fn,
		   void *arg, struct dv_error *err) DV_MUST_CHECK;

/* The processes that live in <base>/<name>, at most `most` of them; *ret_count may be greater, and
 * is a lower bound then. Those in directories below it are not looked for. -ENOENT. */
int dv_cgroup_members(const struct dv_root *root, const char *base, const char *name, pid_t *pids,
		      unsigned most, unsigned *ret_count, struct dv_error *err) DV_MUST_CHECK;

/* Move a process into it. -ENOENT, -EPERM. */
int dv_cgroup_enter(const struct dv_root *root, const struct dv_cgroup *cgroup, const char *name,
		    pid_t pid, struct dv_error *err) DV_MUST_CHECK;
