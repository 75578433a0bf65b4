/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "gate/inside.h"

/* A lease's socket lies in a directory of the lease's own. A container is given that one: it stays
 * the same when divvyd starts anew, where the socket is made again, and nobody else's is in it. */

#define SOCKET "/sock"

enum { BACKLOG = 64, NAME_SIZE = 64 };

void dv_gate_socket_name(int64_t lease_id, char *buf, size_t size)
{
	(void)snprintf(buf, size, "lease-%" PRId64 SOCKET, lease_id);
}

static void directory_name(int64_t lease_id, char *buf, size_t size)
{
	(void)snprintf(buf, size, "lease-%" PRId64, lease_id);
}

/* Open to all who may pass through: who may connect, the socket's own mode says. Whatever the
 * umask is. */
static int make_directory(int run_fd, int64_t lease_id)
{
	char name[NAME_SIZE];

	directory_name(lease_id, name, sizeof(name));
	if (mkdirat(run_fd, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	return fchmodat(run_fd, name, 0711, 0) < 0 ? -errno : 0;
}

static void remove_directory(int run_fd, int64_t lease_id)
{
	char name[NAME_SIZE];

	directory_name(lease_id, name, sizeof(name));
	(void)unlinkat(run_fd, name, AT_REMOVEDIR);
}

void dv_gate_door_close(const struct dv_gate *gate, int64_t lease_id, bool gone)
{
	char name[NAME_SIZE];

	dv_gate_socket_name(lease_id, name, sizeof(name));
	(void)unlinkat(gate->config.run_fd, name, 0);
	if (gone)
		remove_directory(gate->config.run_fd, lease_id);
}

/* Nobody can connect between bind and listen, so the rights are set in that gap. */
static int listen_at(int run_fd, const char *name, uid_t uid, int *ret_fd)
{
	dv_autoclose int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", run_fd,
		       name);
	if (fd < 0)
		return -errno;
	(void)unlinkat(run_fd, name, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(run_fd, name, 0600, 0) < 0 ||
	    (uid != geteuid() && fchownat(run_fd, name, uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0) ||
	    listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = take_fd(fd);
	return 0;
}

int dv_gate_door_open(const struct dv_gate *gate, const struct dv_gate_lease *lease, int *ret_fd,
		      struct dv_error *err)
{
	char name[NAME_SIZE];
	int r = make_directory(gate->config.run_fd, lease->id);

	dv_gate_socket_name(lease->id, name, sizeof(name));
	r = r < 0 ? r : listen_at(gate->config.run_fd, name, lease->uid, ret_fd);
	if (r == 0)
		return 0;
	dv_gate_door_close(gate, lease->id, true);
	return dv_error_errno(err, -r, "cannot open the socket %s/%s to user %u",
			      gate->config.run_path, name, lease->uid);
}

static bool stands(const struct dv_leases *leases, int64_t lease_id)
{
	for (size_t i = 0; i < leases->len; i++)
		if (leases->items[i].id == lease_id)
			return true;
	return false;
}

void dv_gate_sweep(const struct dv_gate *gate, const struct dv_leases *leases)
{
	int fd = openat(gate->config.run_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	char name[NAME_SIZE];
	long long id;

	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "lease-", 6) != 0)
			continue;
		id = strtoll(entry->d_name + 6, NULL, 10);
		directory_name(id, name, sizeof(name));
		if (strcmp(name, entry->d_name) == 0 && !stands(leases, id))
			dv_gate_door_close(gate, id, true);
	}
	if (dir)
		(void)closedir(dir);
}
