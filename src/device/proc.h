/* SPDX-License-Identifier: Apache-2.0 */
/* Who uses a device right now, as /proc shows it: processes that have a library of its driver
 * mapped, or its device node open. A snapshot; the caller's array is filled. */
#pragma once

#include <sys/types.h>

#include "base/root.h"

struct dv_holder {
	pid_t pid;
	uid_t uid;
	char command[64];
	char what[128]; /* "uses the OpenCL device", "has /dev/nvidia0 open" */
	/* Where the driver was asked, what it says. */
	int instance;	       /* of MIG, its id; -1: the whole GPU */
	uint64_t memory_bytes; /* 0: not known */
};

/* What makes a process a holder. NULL-terminated lists, either may be NULL. */
struct dv_proc_signs {
	const char *const *libraries; /* beginnings of file names: "libpocl.so" */
	const char *library_what;     /* what such a process does: "uses the OpenCL device" */
	const char *const *nodes;     /* absolute paths: "/dev/nvidia0" */
};

struct dv_proc_found {
	unsigned count;	     /* filled in */
	unsigned more;	     /* holders that did not fit */
	unsigned unreadable; /* processes that this user may not look into */
};

/* Look through all processes but the caller's own; kernel threads hold nothing. One that ends
 * meanwhile is left out. */
int dv_proc_holders(const struct dv_root *root, const struct dv_proc_signs *signs,
		    struct dv_holder *holders, unsigned most, struct dv_proc_found *ret,
		    struct dv_error *err) DV_MUST_CHECK;

/* Is this process one? Then *ret is what is known of it. false also where it may not be looked
 * into, and of the caller's own. */
bool dv_proc_is_holder(const struct dv_root *root, const struct dv_proc_signs *signs, pid_t pid,
		       struct dv_holder *ret);

/* Its name for itself, of plain characters; "" when it is gone. */
void dv_proc_command(const struct dv_root *root, pid_t pid, char *buf, size_t size);
/* A process that it started and that is there still, or 0. */
pid_t dv_proc_child(const struct dv_root *root, pid_t pid);

/* Whose process it is; -ENOENT. */
int dv_proc_uid(const struct dv_root *root, pid_t pid, uid_t *ret,
		struct dv_error *err) DV_MUST_CHECK;
