/* SPDX-License-Identifier: Apache-2.0 */
#include "base/root.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/limits.h"

static ssize_t real_read(const struct dv_root *root, const char *path, void *buf, size_t size)
{
	dv_autoclose int fd = openat(root->fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t len = 0;

	if (fd < 0)
		return -errno;
	while (len < size) {
		ssize_t n = read(fd, (char *)buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static ssize_t real_write(const struct dv_root *root, const char *path, const void *buf,
			  size_t size)
{
	dv_autoclose int fd = openat(root->fd, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = write(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t real_readlink(const struct dv_root *root, const char *path, char *buf, size_t size)
{
	ssize_t n = readlinkat(root->fd, path, buf, size);

	return n < 0 ? -errno : n;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int real_list(const struct dv_root *root, const char *path, dv_entry_fn fn, void *arg,
		     struct dv_error *err)
{
	dv_autoclose int fd = openat(root->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dv_cleanup(closedirp) DIR *dir = NULL;
	struct dirent *entry;
	unsigned count = 0;

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	dir = fdopendir(fd);
	if (!dir)
		return dv_error_errno(err, errno, "%s", path);
	(void)take_fd(fd);
	while ((entry = readdir(dir))) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (++count > DV_SYSFS_ENTRIES_MOST)
			return dv_error_set(err, -E2BIG, "%s has more than %d entries", path,
					    DV_SYSFS_ENTRIES_MOST);
		r = fn(entry->d_name, arg, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int real_mkdir(const struct dv_root *root, const char *path, mode_t mode)
{
	return mkdirat(root->fd, path, mode) < 0 ? -errno : 0;
}

static int real_rmdir(const struct dv_root *root, const char *path)
{
	return unlinkat(root->fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

const struct dv_fs_ops dv_fs_real = {
	.read = real_read,
	.write = real_write,
	.readlink = real_readlink,
	.list = real_list,
	.mkdir = real_mkdir,
	.rmdir = real_rmdir,
};

int dv_root_open(const char *path, struct dv_root *ret_root, struct dv_error *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	*ret_root = (struct dv_root){.fd = fd, .ops = &dv_fs_real};
	return 0;
}

void dv_root_fini(struct dv_root *root)
{
	if (root->fd >= 0)
		close(root->fd);
	root->fd = -1;
}

int dv_root_read(const struct dv_root *root, const char *path, char *buf, size_t size,
		 struct dv_error *err)
{
	ssize_t n = root->ops->read(root, path, buf, size);

	if (n < 0)
		return dv_error_errno(err, (int)-n, "%s", path);
	if ((size_t)n >= size)
		return dv_error_set(err, -E2BIG, "%s has more than %zu bytes", path, size - 1);
	while (n > 0 && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return 0;
}

int dv_root_write(const struct dv_root *root, const char *path, const char *text,
		  struct dv_error *err)
{
	ssize_t n = root->ops->write(root, path, text, strlen(text));

	if (n < 0)
		return dv_error_errno(err, (int)-n, "writing '%s' to %s", text, path);
	if ((size_t)n != strlen(text))
		return dv_error_set(err, -EIO, "%s took only %zd bytes of '%s'", path, n, text);
	return 0;
}

int dv_root_read_u64(const struct dv_root *root, const char *path, uint64_t *ret_value,
		     struct dv_error *err)
{
	char text[64], *end;
	unsigned long long value;
	int r = dv_root_read(root, path, text, sizeof(text), err);

	if (r < 0)
		return r;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-')
		return dv_error_set(err, -EPROTO, "%s says '%s', not a number", path, text);
	*ret_value = value;
	return 0;
}

int dv_root_readlink_base(const struct dv_root *root, const char *path, char *buf, size_t size,
			  struct dv_error *err)
{
	char link[1024];
	ssize_t n = root->ops->readlink(root, path, link, sizeof(link) - 1);
	const char *base;

	if (n < 0)
		return dv_error_errno(err, (int)-n, "%s", path);
	link[n] = '\0';
	base = strrchr(link, '/');
	base = base ? base + 1 : link;
	if (strlen(base) >= size)
		return dv_error_set(err, -E2BIG, "%s points to a name longer than %zu bytes", path,
				    size - 1);
	memcpy(buf, base, strlen(base) + 1);
	return 0;
}

int dv_root_list(const struct dv_root *root, const char *path, dv_entry_fn fn, void *arg,
		 struct dv_error *err)
{
	return root->ops->list(root, path, fn, arg, err);
}

int dv_root_mkdir(const struct dv_root *root, const char *path, mode_t mode, struct dv_error *err)
{
	int r = root->ops->mkdir(root, path, mode);

	return r < 0 ? dv_error_errno(err, -r, "making %s", path) : 0;
}

int dv_root_rmdir(const struct dv_root *root, const char *path, struct dv_error *err)
{
	int r = root->ops->rmdir(root, path);

	return r < 0 ? dv_error_errno(err, -r, "removing %s", path) : 0;
}
