/* SPDX-License-Identifier: Apache-2.0 */
/* Beside a device's lock, each divvyd that owns it keeps a list of its tenants' processes, in a
 * file of its own: DEVICE.UID.PLACE, where PLACE stands for its state directory. When a divvyd is
 * killed its lock is free at once, but its tenants run on; another one finds the list and waits for
 * their end, or for the first one's return.
 *
 * The directory is everybody's, so a list is hostile input: it counts only in a file of the user in
 * its name, and only for processes of that user (root's, for all). What it can do at most is to
 * keep others from the device, which a lock can do too. All descriptors are the caller's. */
#pragma once

#include "base/root.h"
#include "base/vec.h"

struct dv_own_tenant {
	pid_t pid;
	uint64_t start; /* see dv_peer_start */
};

struct dv_own_tenants {
	DV_VEC(struct dv_own_tenant);
};

enum { DV_TENANTS_FILE_SIZE = 96, DV_TENANTS_LISTED_MOST = 4096 };

/* Name of this divvyd's list for the device with that lock. */
void dv_tenants_name(const char *lock, const char *place, char ret[DV_TENANTS_FILE_SIZE]);

/* Make the list anew, empty; returns a descriptor, or -EPERM (rule S03) where somebody else's file
 * is in the way. */
int dv_tenants_make(int dir_fd, const char *file, struct dv_error *err) DV_MUST_CHECK;

/* Write who the tenants are now. `tenants` is what was written before, and becomes what is written
 * now; nothing is done when that is the same. What cannot be written is not said. */
void dv_tenants_write(int fd, const struct dv_root *root, const pid_t *pids, size_t count,
		      struct dv_own_tenants *tenants);

struct dv_tenant_found {
	pid_t pid;
	uid_t uid; /* whose divvyd it is of */
	char file[DV_TENANTS_FILE_SIZE];
};

/* Look for a tenant that lives, in all lists of the device but `own`. 1: found; 0: none. -EPERM
 * (rule S03) when there are too many files to be looked at. */
int dv_tenants_find(int dir_fd, const struct dv_root *root, const char *lock, const char *own,
		    struct dv_tenant_found *ret, struct dv_error *err) DV_MUST_CHECK;
