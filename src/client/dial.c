/* SPDX-License-Identifier: Apache-2.0 */
#include "client/internal.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"

/* A full queue of a busy divvyd is waited for, for a moment; a stopped one must not hang us. */
static void limit_wait(int fd)
{
	const struct timeval most = {.tv_sec = 2};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
}

int dv_client_check_peer(int fd, const char *path, struct dv_error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return dv_error_errno(err, errno, "asking who listens at %s", path);
	if (peer.uid == 0 || peer.uid == geteuid())
		return 0;
	r = dv_error_rule(err, -EPERM, "S03",
			  "the socket %s is user %u's, neither root's nor yours: whoever listens "
			  "there could hand you anything",
			  path, peer.uid);
	return dv_error_fix(err, r, "use --socket with your own divvyd, or ask who user %u is",
			    peer.uid);
}

int dv_client_dial(const char *path, struct dv_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	dv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return dv_error_errno(err, errno, "a socket");
	if (!dv_copy(address.sun_path, sizeof(address.sun_path), path))
		return dv_error_set(err, -EINVAL, "the socket's name is too long: %.60s...", path);
	limit_wait(fd);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EACCES || errno == EPERM)
			return dv_error_errno(err, errno, "divvyd at %s", path);
		return dv_error_set(err, -ECONNREFUSED, "divvyd can't be reached at %s: %s", path,
				    strerror(errno));
	}
	r = dv_client_check_peer(fd, path, err);
	return r < 0 ? r : take_fd(fd);
}
