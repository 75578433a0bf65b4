/* SPDX-License-Identifier: Apache-2.0 */
#include "tree.h"

#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../temporary.h"

/* How a new cgroup directory is to look. */
static int version;
static const char *effective;

void tree_init(struct tree *tree)
{
	struct dv_error err = {0};

	assert_int_equal(temporary_make(tree->path, sizeof(tree->path), "tree"), 0);
	assert_int_equal(dv_root_open(tree->path, &tree->root, &err), 0);
}

void tree_fini(struct tree *tree)
{
	dv_root_fini(&tree->root);
	assert_int_equal(temporary_remove(tree->path), 0);
}

static void make_parents(int root, const char *path)
{
	char part[512];

	assert_true(snprintf(part, sizeof(part), "%s", path) < (int)sizeof(part));
	for (char *slash = part; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdirat(root, part, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
}

static void write_file(int root, const char *path, const char *text)
{
	dv_autoclose int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

void tree_file(struct tree *tree, const char *path, const char *text)
{
	make_parents(tree->root.fd, path);
	write_file(tree->root.fd, path, text);
}

void tree_link(struct tree *tree, const char *path, const char *target)
{
	make_parents(tree->root.fd, path);
	assert_int_equal(symlinkat(target, tree->root.fd, path), 0);
}

void tree_directory(struct tree *tree, const char *path)
{
	make_parents(tree->root.fd, path);
	assert_int_equal(mkdirat(tree->root.fd, path, 0755), 0);
}

bool tree_has(const struct tree *tree, const char *path)
{
	return faccessat(tree->root.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static const char *const controls[] = {"cpuset.cpus", "cpuset.mems", "cgroup.procs",
				       "cpuset.cpus.effective", "cgroup.subtree_control"};

static int cgroup_mkdir(const struct dv_root *root, const char *path, mode_t mode)
{
	char file[512];

	if (mkdirat(root->fd, path, mode) < 0)
		return -errno;
	for (size_t i = 0; i < DV_ARRAY_LEN(controls) - (version == 1 ? 2 : 0); i++) {
		assert_true(snprintf(file, sizeof(file), "%s/%s", path, controls[i]) <
			    (int)sizeof(file));
		write_file(root->fd, file, "");
	}
	return 0;
}

static int cgroup_rmdir(const struct dv_root *root, const char *path)
{
	char file[512], one;

	assert_true(snprintf(file, sizeof(file), "%s/cgroup.procs", path) < (int)sizeof(file));
	if (dv_fs_real.read(root, file, &one, 1) > 0)
		return -EBUSY;
	for (size_t i = 0; i < DV_ARRAY_LEN(controls); i++) {
		assert_true(snprintf(file, sizeof(file), "%s/%s", path, controls[i]) <
			    (int)sizeof(file));
		(void)unlinkat(root->fd, file, 0);
	}
	if (unlinkat(root->fd, path, AT_REMOVEDIR) == 0)
		return 0;
	if (errno != ENOTEMPTY)
		return -errno;
	/* Directories live in it: put the control files back. */
	for (size_t i = 0; i < DV_ARRAY_LEN(controls) - (version == 1 ? 2 : 0); i++) {
		assert_true(snprintf(file, sizeof(file), "%s/%s", path, controls[i]) <
			    (int)sizeof(file));
		write_file(root->fd, file, "");
	}
	return -EBUSY;
}

static ssize_t cgroup_write(const struct dv_root *root, const char *path, const void *buf,
			    size_t size)
{
	ssize_t n = dv_fs_real.write(root, path, buf, size);
	const char *end = strstr(path, "/cpuset.cpus");
	const char *held = effective;
	char file[512], text[512];

	/* The kernel's own idea of the CPUs, beside what was written. */
	if (n < 0 || !end || end[strlen("/cpuset.cpus")])
		return n;
	if (!held) {
		(void)snprintf(text, sizeof(text), "%.*s\n", (int)size, (const char *)buf);
		held = text;
	}
	(void)snprintf(file, sizeof(file), "%s%s", path, version == 1 ? "" : ".effective");
	write_file(root->fd, file, held);
	return n;
}

void tree_act_as_cgroups(struct tree *tree, int as_version, const char *as_effective)
{
	static struct dv_fs_ops ops;

	ops = dv_fs_real;
	ops.mkdir = cgroup_mkdir;
	ops.rmdir = cgroup_rmdir;
	ops.write = cgroup_write;
	version = as_version;
	effective = as_effective;
	tree->root.ops = &ops;
}
