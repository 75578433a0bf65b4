/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

static int add(const char *name, void *arg, struct dv_error *err)
{
	int fd = (int)strtol(name, NULL, 10), flags = fcntl(fd, F_GETFD);

	/* The one that the list is read through closes by itself, too. */
	if (flags < 0 || (flags & FD_CLOEXEC))
		return 0;
	if (dv_vec_push((struct dv_fds *)arg, fd) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the list of descriptors");
	return 0;
}

int dv_fds_read(const struct dv_root *root, struct dv_fds *ret, struct dv_error *err)
{
	struct dv_fds fds = {0};
	int r = dv_root_list(root, "proc/self/fd", add, &fds, err);

	if (r < 0) {
		dv_vec_fini(&fds);
		return r;
	}
	*ret = fds;
	return 0;
}

static bool has(const struct dv_fds *fds, int fd)
{
	for (size_t i = 0; i < fds->len; i++)
		if (fds->items[i] == fd)
			return true;
	return false;
}

int dv_fds_keep(const struct dv_root *root, const struct dv_fds *given, struct dv_error *err)
{
	struct dv_fds now = {0};
	int r = dv_fds_read(root, &now, err);

	for (size_t i = 0; r == 0 && i < now.len; i++)
		if (!has(given, now.items[i]) && fcntl(now.items[i], F_SETFD, FD_CLOEXEC) < 0)
			r = dv_error_errno(err, errno, "descriptor %d", now.items[i]);
	dv_vec_fini(&now);
	return r;
}
