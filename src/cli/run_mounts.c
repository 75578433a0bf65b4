/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macro.h"

#define VARIABLE "DIVVY_MOUNTS"

/* Where programs look that bring a path of their own. */
static const char *const usual[] = {"/usr/lib/x86_64-linux-gnu",
				    "/usr/lib/aarch64-linux-gnu",
				    "/usr/lib64",
				    "/usr/lib",
				    "/usr/local/nvidia/lib64",
				    "/usr/lib/wsl/lib"};

static int write_text(const char *path, const char *text)
{
	dv_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
}

/* Everybody keeps his number in it; others have none. */
static int map_self(uid_t uid, gid_t gid)
{
	char text[64];
	int r = write_text("/proc/self/setgroups", "deny");

	(void)snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	r = r ? r : write_text("/proc/self/uid_map", text);
	(void)snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	return r ? r : write_text("/proc/self/gid_map", text);
}

static int enter(bool by_user)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	int r;

	if (unshare(CLONE_NEWNS) < 0) {
		if (!by_user || errno != EPERM)
			return errno;
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return errno;
		r = map_self(uid, gid);
		if (r)
			return r;
	}
	/* What the machine mounts later is seen here, and nothing of ours there. */
	return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? errno : 0;
}

/* Does this path lead to the driver's file? */
static bool leads_to(const char *path, const struct dv_cover *what)
{
	char real[PATH_MAX];

	return realpath(path, real) && strcmp(real, what->real) == 0;
}

/* A link that does gets our library upon itself: the link, not the file. */
static int cover(const char *dir, const char *name, const struct dv_cover *what)
{
	char path[PATH_MAX + 64], self[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || !leads_to(path, what))
		return 0;
	dv_autoclose int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno;
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	return mount(what->layer, self, NULL, MS_BIND, NULL) < 0 ? errno : 0;
}

static int cover_in(const char *dir, const struct dv_cover *what)
{
	int r = cover(dir, what->name, what);

	return r ? r : cover(dir, what->plain, what);
}

static int cover_all(const struct dv_mounts *mounts)
{
	char path[PATH_MAX + 64];
	int r = 0;

	for (unsigned i = 0; r == 0 && i < mounts->count; i++) {
		const struct dv_cover *what = &mounts->covers[i];

		r = cover_in(what->dir, what);
		for (size_t k = 0; r == 0 && k < DV_ARRAY_LEN(usual); k++)
			r = cover_in(usual[k], what);
		(void)snprintf(path, sizeof(path), "%s/%s", what->dir, what->name);
		/* No link, but the file itself: under it ours would have nothing left to need. */
		if (r == 0 && leads_to(path, what))
			r = ENOTSUP;
	}
	return r;
}

int dv_mounts_enter(const struct dv_mounts *mounts)
{
	int r = mounts ? enter(mounts->must) : ENOSYS;

	r = r ? r : cover_all(mounts);
	if (setenv(VARIABLE, r ? "shared" : "private", 1) < 0)
		return errno;
	return mounts && mounts->must ? r : 0;
}
