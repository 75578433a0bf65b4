/* SPDX-License-Identifier: Apache-2.0 */
/* The way to /sys, /proc and /dev: always under an injected root descriptor, so that tests and
 * simulated machines bring their own tree. Reads are bounded, and nothing of the tree is trusted.
 *
 * `path` is relative to the root ("sys/bus/pci/devices"). The real operations are openat, read and
 * write; a fake tree's operations answer bind, unbind and the like. The root owns its descriptor.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/vec.h"

struct dv_root;

/* Called for each entry of a directory, "." and ".." left out; negative ends the walk. */
typedef int (*dv_entry_fn)(const char *name, void *arg, struct dv_error *err);

struct dv_fs_ops {
	/* Read at most `size` bytes; returns how many, or a negative errno. */
	ssize_t (*read)(const struct dv_root *root, const char *path, void *buf, size_t size);
	ssize_t (*write)(const struct dv_root *root, const char *path, const void *buf,
			 size_t size);
	/* Where the link points, cut to `size`; returns the length, or a negative errno. */
	ssize_t (*readlink)(const struct dv_root *root, const char *path, char *buf, size_t size);
	int (*list)(const struct dv_root *root, const char *path, dv_entry_fn fn, void *arg,
		    struct dv_error *err);
	int (*mkdir)(const struct dv_root *root, const char *path, mode_t mode);
	int (*rmdir)(const struct dv_root *root, const char *path);
};

struct dv_root {
	int fd;
	const struct dv_fs_ops *ops;
	void *data; /* of a fake tree */
};

extern const struct dv_fs_ops dv_fs_real;

/* Open a real directory as the root ("/" in the product). */
int dv_root_open(const char *path, struct dv_root *ret_root, struct dv_error *err) DV_MUST_CHECK;
void dv_root_fini(struct dv_root *root);

/* Read a small file as text, trailing newline removed, NUL-terminated; -E2BIG if it does not fit.
 */
int dv_root_read(const struct dv_root *root, const char *path, char *buf, size_t size,
		 struct dv_error *err) DV_MUST_CHECK;

/* Write a value in one write, as sysfs wants it. */
int dv_root_write(const struct dv_root *root, const char *path, const char *text,
		  struct dv_error *err) DV_MUST_CHECK;

/* Read a number in C notation (0x for hexadecimal). */
int dv_root_read_u64(const struct dv_root *root, const char *path, uint64_t *ret_value,
		     struct dv_error *err) DV_MUST_CHECK;

/* Last component of where a link points. */
int dv_root_readlink_base(const struct dv_root *root, const char *path, char *buf, size_t size,
			  struct dv_error *err) DV_MUST_CHECK;

int dv_root_list(const struct dv_root *root, const char *path, dv_entry_fn fn, void *arg,
		 struct dv_error *err) DV_MUST_CHECK;
int dv_root_mkdir(const struct dv_root *root, const char *path, mode_t mode,
		  struct dv_error *err) DV_MUST_CHECK;
int dv_root_rmdir(const struct dv_root *root, const char *path, struct dv_error *err) DV_MUST_CHECK;
