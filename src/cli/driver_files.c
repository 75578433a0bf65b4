/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/driver_files.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"

#define CUDA "libcuda.so."

/* As NVIDIA's container toolkit has them, under "compute" and "utility". */
static const char *const stems[] = {
	"libcudadebugger",
	"libnvidia-allocator",
	"libnvidia-cfg",
	"libnvidia-gpucomp",
	"libnvidia-nvvm",
	"libnvidia-nvvm70",
	"libnvidia-pkcs11",
	"libnvidia-pkcs11-openssl3",
	"libnvidia-ptxjitcompiler",
	"libnvidia-sandboxutils",
	"libnvidia-tileiras",
};

/* "580.95.05": numbers and points between them, two numbers at least ("1" is an interface's). */
static bool is_version(const char *text)
{
	bool point = false;

	if (!isdigit((unsigned char)text[0]))
		return false;
	for (; *text; text++) {
		if (*text == '.' && isdigit((unsigned char)text[1]))
			point = true;
		else if (!isdigit((unsigned char)*text))
			return false;
	}
	return point;
}

static bool version_in(const char *path, char *buf, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return strncmp(name, CUDA, strlen(CUDA)) == 0 && is_version(name + strlen(CUDA)) &&
	       dv_copy(buf, size, name + strlen(CUDA));
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

bool dv_driver_version(const char *cuda, char *buf, size_t size)
{
	dv_autofree char *real = realpath(cuda, NULL);
	const char *slash = strrchr(cuda, '/');
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX + 2];
	const struct dirent *entry;
	bool found = false;
	struct stat st;
	DIR *list;

	if (!real || !slash || stat(real, &st) < 0)
		return false;
	if (version_in(real, buf, size))
		return true;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - cuda), cuda);
	list = opendir(slash == cuda ? "/" : dir);
	while (!found && list && (entry = readdir(list))) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		found = same_file(path, &st) && version_in(path, buf, size);
	}
	if (list)
		(void)closedir(list);
	return found;
}

struct found {
	const char *dir, *stem;
	const struct stat *st;
	const char *real;
};

/* Is this a name of the library: "STEM.so", "STEM.so.4", "STEM.so.580.95.05"? */
static bool is_name_of(const struct found *found, const char *name)
{
	char path[PATH_MAX + NAME_MAX + 2];
	size_t len = strlen(found->stem);

	if (strncmp(name, found->stem, len) != 0 || strncmp(name + len, ".so", 3) != 0 ||
	    (name[len + 3] && name[len + 3] != '.'))
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s", found->dir, name);
	return same_file(path, found->st);
}

static int tell(const struct found *found, struct dirent *const *entries, int count,
		dv_driver_fn fn, void *arg)
{
	int r = 0;

	for (int i = 0; r >= 0 && i < count; i++)
		if (is_name_of(found, entries[i]->d_name))
			r = fn(arg, entries[i]->d_name, found->real);
	return r;
}

static int tell_stem(const char *dir, const char *stem, const char *version,
		     struct dirent *const *entries, int count, dv_driver_fn fn, void *arg)
{
	char path[PATH_MAX + NAME_MAX + 2];
	dv_autofree char *real = NULL;
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/%s.so.%s", dir, stem, version);
	real = realpath(path, NULL);
	if (!real || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return tell(&(struct found){dir, stem, &st, real}, entries, count, fn, arg);
}

int dv_driver_libraries(const char *dir, const char *version, dv_driver_fn fn, void *arg,
			struct dv_error *err)
{
	struct dirent **entries = NULL;
	int count = scandir(dir, &entries, NULL, alphasort), r = 0;

	if (count < 0)
		return dv_error_errno(err, errno, "%s", dir);
	for (size_t i = 0; r >= 0 && i < DV_ARRAY_LEN(stems); i++)
		r = tell_stem(dir, stems[i], version, entries, count, fn, arg);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free((void *)entries);
	return r < 0 ? dv_error_set(err, r, "no memory for the driver's libraries") : 0;
}
