/* SPDX-License-Identifier: Apache-2.0 */
/* A machine's /sys, /proc and /etc as files in a temporary directory, for tests. The tree owns the
 * directory and removes it. Any failure to build it fails the test. */
#pragma once

#include "base/root.h"

struct tree {
	char path[64];
	struct dv_root root;
};

void tree_init(struct tree *tree);
void tree_fini(struct tree *tree);

/* Make a file with its parent directories; `path` is relative to the tree. */
void tree_file(struct tree *tree, const char *path, const char *text);
void tree_link(struct tree *tree, const char *path, const char *target);
void tree_directory(struct tree *tree, const char *path);
bool tree_has(const struct tree *tree, const char *path);

/* From now on the tree answers as a cgroup file system: a new directory has its control files, and
 * can be removed while no process lives in it. `effective` is what the kernel is to report as a new
 * directory's CPUs instead of what was written, or NULL. `version` is 1 or 2. */
void tree_act_as_cgroups(struct tree *tree, int version, const char *effective);
