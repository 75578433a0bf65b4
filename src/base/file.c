/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"

static int open_for_read(const char *path, struct dv_error *err)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? dv_error_errno(err, errno, "%s", path) : fd;
}

int dv_file_read(const char *path, size_t most, char **ret_data, size_t *ret_len,
		 struct dv_error *err)
{
	dv_cleanup(dv_buf_fini) struct dv_buf buf = {0};
	dv_autoclose int fd = open_for_read(path, err);
	char chunk[16384];
	size_t len;
	ssize_t n;

	if (fd < 0)
		return fd;
	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return dv_error_errno(err, errno, "%s", path);
		if (n == 0)
			break;
		if (buf.len + (size_t)n > most)
			return dv_error_set(err, -E2BIG, "%s is larger than the limit of %zu KiB",
					    path, most / 1024);
		dv_buf_add_n(&buf, chunk, (size_t)n);
	}
	len = buf.len;
	if (dv_buf_take(&buf, ret_data) < 0)
		return dv_error_set(err, -ENOMEM, "no memory to read %s", path);
	if (ret_len)
		*ret_len = len;
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (!dv_copy(dir, sizeof(dir), path))
		return -ENAMETOOLONG;
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	dv_autoclose int fd = open(slash ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int dv_file_write(const char *path, const void *data, size_t len, mode_t mode, struct dv_error *err)
{
	char temp[PATH_MAX];
	int r;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return dv_error_errno(err, ENAMETOOLONG, "%s", path);
	dv_autoclose int fd = mkostemp(temp, O_CLOEXEC);

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	r = write_all(fd, data, len);
	if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(temp, path) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlink(temp);
		return dv_error_errno(err, -r, "%s", path);
	}
	r = sync_parent(path);
	return r < 0 ? dv_error_errno(err, -r, "%s", path) : 0;
}

static int check_private(const char *path, struct dv_error *err)
{
	struct stat st;
	int r;

	if (lstat(path, &st) < 0)
		return dv_error_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		r = dv_error_rule(err, -EPERM, "S03", "%s is not a directory", path);
		return dv_error_fix(err, r, "move it away, or name another directory");
	}
	if (st.st_uid != geteuid()) {
		r = dv_error_rule(err, -EPERM, "S03", "%s belongs to user %u, not to you", path,
				  st.st_uid);
		return dv_error_fix(err, r,
				    "name another directory (a user's own is below "
				    "XDG_RUNTIME_DIR), or have that one removed");
	}
	if (st.st_mode & 022) {
		r = dv_error_rule(err, -EPERM, "S03", "%s can be written by others (mode %04o)",
				  path, st.st_mode & 07777);
		return dv_error_fix(
			err, r, "look that nobody put anything there, then: chmod go-w %s", path);
	}
	return 0;
}

int dv_dir_private(const char *path, struct dv_error *err)
{
	char part[PATH_MAX];

	if (!dv_copy(part, sizeof(part), path) || path[0] != '/')
		return dv_error_set(err, -EINVAL, "'%s' is not an absolute path", path);
	for (char *slash = part + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return dv_error_errno(err, errno, "making %s", part);
		*slash = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return dv_error_errno(err, errno, "making %s", path);
	return check_private(path, err);
}

int dv_file_each(const char *directory, const char *suffix, size_t most, dv_file_fn fn, void *arg,
		 struct dv_error *err)
{
	const size_t end = strlen(suffix);
	struct dirent *entry;
	DIR *dir = opendir(directory);
	char path[PATH_MAX];
	int r = 0;

	if (!dir)
		return dv_error_errno(err, errno, "%s", directory);
	while (r == 0 && (entry = readdir(dir))) {
		dv_autofree char *text = NULL;
		size_t n = strlen(entry->d_name), len = 0;

		if (n <= end || strcmp(entry->d_name + n - end, suffix) != 0 ||
		    snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		r = dv_file_read(path, most, &text, &len, err);
		if (r == 0)
			r = fn(arg, text, len, path, err);
	}
	closedir(dir);
	return r;
}
