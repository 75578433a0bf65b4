/* SPDX-License-Identifier: Apache-2.0 */
/* Ordinary files: whole reads with a bound, atomic writes, private directories. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Read a whole file of at most `most` bytes ("-" is standard input); NUL-terminated, the caller
 * frees *ret_data. -E2BIG over the bound. */
int dv_file_read(const char *path, size_t most, char **ret_data, size_t *ret_len,
		 struct dv_error *err) DV_MUST_CHECK;

/* Each file of a directory whose name ends in `suffix`, whole and with the same bound; `fn` gets
 * its text and path. A negative answer of fn ends it. */
typedef int (*dv_file_fn)(void *arg, const char *text, size_t len, const char *path,
			  struct dv_error *err);
int dv_file_each(const char *directory, const char *suffix, size_t most, dv_file_fn fn, void *arg,
		 struct dv_error *err) DV_MUST_CHECK;

/* Replace a file whole: write beside it, fsync, rename. On failure the old file is untouched. */
int dv_file_write(const char *path, const void *data, size_t len, mode_t mode,
		  struct dv_error *err) DV_MUST_CHECK;

/* Make `path` (its parents too) a directory of mode 0700 owned by the caller, or refuse (-EPERM)
 * when it is a link, somebody else's, or open to others. */
int dv_dir_private(const char *path, struct dv_error *err) DV_MUST_CHECK;
