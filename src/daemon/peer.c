/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/peer.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

int dv_peer_read(int fd, struct dv_peer *ret, struct dv_error *err)
{
	struct dv_peer peer = {0};
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return dv_error_errno(err, errno, "asking who connected");
	peer.uid = cred.uid;
	peer.gid = cred.gid;
	peer.pid = cred.pid;
	len = sizeof(peer.groups);
	/* A user with more groups than fit has none: it may then be told less than it could. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups, &len) == 0)
		peer.group_count = len / sizeof(gid_t);
	*ret = peer;
	return 0;
}

bool dv_peer_in_group(const struct dv_peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (unsigned i = 0; i < peer->group_count; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

/* Field 22 of /proc/PID/stat, counted from after the command, which may hold anything. */
static const char *start_field(const char *stat)
{
	const char *at = strrchr(stat, ')');

	for (unsigned field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? at + 1 : NULL;
}

uint64_t dv_peer_start(const struct dv_root *root, pid_t pid)
{
	char path[64], stat[1024], boot[64];
	const char *start;
	uint64_t hash;

	(void)snprintf(path, sizeof(path), "proc/%d/stat", (int)pid);
	if (pid <= 0 || dv_root_read(root, path, stat, sizeof(stat), NULL) < 0 ||
	    dv_root_read(root, "proc/sys/kernel/random/boot_id", boot, sizeof(boot), NULL) < 0)
		return 0;
	start = start_field(stat);
	if (!start)
		return 0;
	hash = dv_hash(DV_HASH_INIT, start, strcspn(start, " "));
	hash = dv_hash(hash, boot, strlen(boot));
	return hash ? hash : 1;
}
