/* SPDX-License-Identifier: Apache-2.0 */
/* A test's own directory below $TMPDIR, which `make check` looks into afterwards: nothing may be
 * left there. */
#pragma once

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sockets are made below it, and their paths have a limit. */
enum { TEMPORARY_MOST = 16 };

static inline const char *temporary_top(void)
{
	const char *top = getenv("TMPDIR");

	return top && top[0] == '/' && strlen(top) <= TEMPORARY_MOST ? top : "/tmp";
}

/* Make one, TEMPORARY_MOST + 11 + strlen(name) + 1 characters at most. 0 or -1. */
static inline int temporary_make(char *buf, size_t size, const char *name)
{
	if (snprintf(buf, size, "%s/dv-%s-XXXXXX", temporary_top(), name) >= (int)size)
		return -1;
	return mkdtemp(buf) ? 0 : -1;
}

static inline int temporary_remove_one(const char *path, const struct stat *st, int type,
				       struct FTW *ftw)
{
	return remove(path);
}

/* With all that is in it. 0 or -1. */
static inline int temporary_remove(const char *dir)
{
	return nftw(dir, temporary_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
