/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/place.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/dirs.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

enum { BACKLOG = 128 };

static int print(char *buf, size_t size, struct dv_error *err, const char *dir, const char *name)
{
	char path[512];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    !dv_copy(buf, size, path))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s", dir);
	return 0;
}

static int run_names(struct dv_place *place, const char *given, struct dv_error *err)
{
	int r = 0;

	if (!given)
		r = dv_dirs_run(place->run_dir, sizeof(place->run_dir), err);
	else if (!dv_copy(place->run_dir, sizeof(place->run_dir), given))
		r = dv_error_set(err, -E2BIG, "the directory's name is too long: %s", given);
	r = r < 0 ? r
		  : print(place->socket, sizeof(place->socket), err, place->run_dir,
			  DV_SOCKET_NAME);
	return r < 0 ? r
		     : print(place->leases_dir, sizeof(place->leases_dir), err, place->run_dir,
			     "leases");
}

static int state_names(struct dv_place *place, struct dv_error *err)
{
	int r = print(place->store, sizeof(place->store), err, place->state_dir, "state.db");

	r = r < 0 ? r
		  : print(place->cache_dir, sizeof(place->cache_dir), err, place->state_dir,
			  "cache");
	return r < 0 ? r
		     : print(place->worker_cache, sizeof(place->worker_cache), err,
			     place->cache_dir, "worker");
}

/* Private for the moment of its making, then open for passing through as far as tenants' processes
 * need it: the files inside have modes of their own. */
static int make_dir(const char *path, mode_t mode, struct dv_error *err)
{
	int r = dv_dir_private(path, err);

	if (r < 0)
		return r;
	return chmod(path, mode) < 0 ? dv_error_errno(err, errno, "%s", path) : 0;
}

/* 1: another divvyd holds it. */
static int lock(struct dv_place *place, struct dv_error *err)
{
	char path[128];
	int r = print(path, sizeof(path), err, place->run_dir, "divvyd.lock");

	if (r < 0)
		return r;
	place->lock_fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	if (place->lock_fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	if (flock(place->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : dv_error_errno(err, errno, "%s", path);
}

static int make_state(struct dv_place *place, const char *given, struct dv_error *err)
{
	const mode_t mode = geteuid() == 0 ? 0711 : 0700;
	struct dv_error why = {0};
	int r;

	if (given && !dv_copy(place->state_dir, sizeof(place->state_dir), given))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s", given);
	r = given ? 0 : dv_dirs_state(place->state_dir, sizeof(place->state_dir), &why);
	r = r < 0 ? r : make_dir(place->state_dir, mode, &why);
	if (r < 0 && (given || geteuid() == 0)) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0) {
		/* A user without a home still gets leases, until the next boot. */
		dv_log_error(DV_LOG_WARNING, &why, "keeping the state in the run directory");
		(void)dv_copy(place->state_dir, sizeof(place->state_dir), place->run_dir);
		place->state_in_run = true;
	}
	r = state_names(place, err);
	r = r < 0 ? r : make_dir(place->cache_dir, mode, err);
	return r < 0 ? r : make_dir(place->worker_cache, 0700, err);
}

int dv_place_open(const struct dv_daemon_options *options, struct dv_place *ret,
		  struct dv_error *err)
{
	const mode_t mode = geteuid() == 0 ? 0711 : 0700;
	struct dv_place place = {.lock_fd = -1, .leases_fd = -1};
	int r = run_names(&place, options->run_dir, err);

	r = r < 0 ? r : make_dir(place.run_dir, mode, err);
	r = r < 0 ? r : lock(&place, err);
	if (r == 0)
		r = make_state(&place, options->state_dir, err);
	if (r == 0)
		r = make_dir(place.leases_dir, mode, err);
	if (r == 0) {
		place.leases_fd =
			open(place.leases_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (place.leases_fd < 0)
			r = dv_error_errno(err, errno, "%s", place.leases_dir);
	}
	if (r != 0) {
		dv_place_fini(&place);
		return r;
	}
	*ret = place;
	return 0;
}

void dv_place_fini(struct dv_place *place)
{
	if (place->listening)
		(void)unlink(place->socket);
	if (place->leases_fd >= 0)
		close(place->leases_fd);
	if (place->lock_fd >= 0)
		close(place->lock_fd);
	place->lock_fd = place->leases_fd = -1;
	place->listening = false;
}

/* Who may connect is decided by the file's mode; what they may do, by who they are. */
static int open_to_clients(const struct dv_place *place, const struct dv_config *config,
			   struct dv_error *err)
{
	mode_t mode = 0600;

	if (geteuid() == 0) {
		if (config->has_gid && chown(place->socket, 0, config->gid) < 0)
			return dv_error_errno(err, errno, "%s", place->socket);
		mode = config->others_read ? 0666 : config->has_gid ? 0660 : 0600;
	}
	return chmod(place->socket, mode) < 0 ? dv_error_errno(err, errno, "%s", place->socket) : 0;
}

int dv_place_listen(struct dv_place *place, const struct dv_config *config, struct dv_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	dv_autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t before;
	int r;

	if (fd < 0)
		return dv_error_errno(err, errno, "a socket");
	if (!dv_copy(address.sun_path, sizeof(address.sun_path), place->socket))
		return dv_error_set(err, -E2BIG, "the socket's name is too long: %s",
				    place->socket);
	/* What an earlier divvyd left: it is gone, as we hold the lock. */
	(void)unlink(place->socket);
	before = umask(0177);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	(void)umask(before);
	if (r < 0)
		return dv_error_errno(err, errno, "%s", place->socket);
	place->listening = true;
	r = open_to_clients(place, config, err);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) < 0)
		return dv_error_errno(err, errno, "%s", place->socket);
	return take_fd(fd);
}

bool dv_place_retire(struct dv_place *place, int listen_fd)
{
	struct pollfd waiting = {.fd = listen_fd, .events = POLLIN};
	char aside[128];

	if (snprintf(aside, sizeof(aside), "%s.old", place->socket) >= (int)sizeof(aside) ||
	    rename(place->socket, aside) < 0)
		return false;
	/* Whoever found the name before is in the queue by now. */
	if (poll(&waiting, 1, 1) != 0) {
		if (rename(aside, place->socket) == 0)
			return false;
		dv_log(DV_LOG_WARNING, "%s is lost: %s", place->socket, strerror(errno));
	}
	(void)unlink(aside);
	place->listening = false;
	return true;
}

int dv_place_cache(const struct dv_place *place, uid_t uid, gid_t gid, char *buf, size_t size,
		   struct dv_error *err)
{
	struct stat st;
	char name[16];
	int r;

	(void)snprintf(name, sizeof(name), "%u", uid);
	r = print(buf, size, err, place->cache_dir, name);
	if (r < 0)
		return r;
	if (mkdir(buf, 0700) < 0 && errno != EEXIST)
		return dv_error_errno(err, errno, "%s", buf);
	/* Only root's divvyd has users other than itself; the parent is nobody else's to change. */
	if (lstat(buf, &st) < 0 || !S_ISDIR(st.st_mode))
		return dv_error_fix(err,
				    dv_error_rule(err, -EPERM, "S03", "%s is not a directory", buf),
				    "remove it; divvyd makes a directory there");
	if (st.st_uid != uid && lchown(buf, uid, gid) < 0)
		return dv_error_errno(err, errno, "%s", buf);
	return 0;
}
