/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cuda.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

enum { CACHE_MOST = 16 << 20 };

/* What the loader knows without being told, and where drivers are put that it is told of. */
static const char *const usual[] = {
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib",
	"/usr/local/nvidia/lib64",   "/usr/lib/wsl/lib",	   NULL};

const char *dv_cuda_library(const char *nvml, char *buf, size_t size)
{
	const char *slash = strrchr(nvml, '/');

	if (!slash ||
	    snprintf(buf, size, "%.*s/" DV_CUDA_LIBRARY, (int)(slash - nvml), nvml) >= (int)size)
		return DV_CUDA_LIBRARY;
	return buf;
}

/* A library of this machine's own kind, not of its 32-bit one. */
static bool is_library(const char *path)
{
	unsigned char ident[EI_NIDENT] = {0};
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, ident, sizeof(ident)) == (ssize_t)sizeof(ident) &&
	       memcmp(ident, ELFMAG, SELFMAG) == 0 && ident[EI_CLASS] == ELFCLASS64;
}

/* The cache holds the paths as texts that end with NUL; whatever stands around them is not read. */
static bool in_cache(const char *cache)
{
	static const char name[] = "/" DV_CUDA_LIBRARY; /* with its NUL */
	dv_autofree char *text = NULL;
	size_t len = 0, from;

	if (dv_file_read(cache, CACHE_MOST, &text, &len, NULL) < 0)
		return false;
	for (char *at = text; (at = memmem(at, len - (size_t)(at - text), name, sizeof(name)));
	     at += sizeof(name)) {
		from = (size_t)(at - text);
		while (from > 0 && text[from - 1])
			from--;
		if (text[from] == '/' && is_library(text + from))
			return true;
	}
	return false;
}

int dv_cuda_find_in(const char *cache, const char *const *dirs, struct dv_error *err)
{
	char path[PATH_MAX], looked[200] = "";
	size_t used = 0;
	int r;

	if (in_cache(cache))
		return 0;
	for (; *dirs; dirs++) {
		(void)snprintf(path, sizeof(path), "%s/" DV_CUDA_LIBRARY, *dirs);
		if (is_library(path))
			return 0;
		if (used < sizeof(looked))
			used += (size_t)snprintf(looked + used, sizeof(looked) - used, "%s%s",
						 used ? ", " : "", *dirs);
	}
	r = dv_error_set(err, -ENOENT,
			 DV_CUDA_LIBRARY " is neither in the loader's cache nor in %s", looked);
	return dv_error_fix(err, r, "install the driver's libraries for CUDA, then ldconfig");
}

int dv_cuda_find(const char *nvml, struct dv_error *err)
{
	char buf[PATH_MAX];
	const char *library = dv_cuda_library(nvml, buf, sizeof(buf));

	if (library != buf)
		return dv_cuda_find_in("/etc/ld.so.cache", usual, err);
	return is_library(buf) ? 0 : dv_error_set(err, -ENOENT, "%s is not there", buf);
}
