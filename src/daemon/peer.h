/* SPDX-License-Identifier: Apache-2.0 */
/* Who is at the other end of a socket, as the kernel says. Plain data. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/root.h"

enum { DV_PEER_GROUPS_MOST = 256 };

struct dv_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* 0: not in our pid namespace */
	unsigned group_count;
	gid_t groups[DV_PEER_GROUPS_MOST]; /* supplementary; more than fit are not counted */
};

/* The credentials it had when it connected; no name service is asked. */
int dv_peer_read(int fd, struct dv_peer *ret, struct dv_error *err) DV_MUST_CHECK;
bool dv_peer_in_group(const struct dv_peer *peer, gid_t gid);

/* What makes a pid unique: a hash over its start time and this boot; 0 when there is no such
 * process. Only to be compared. */
uint64_t dv_peer_start(const struct dv_root *root, pid_t pid);
