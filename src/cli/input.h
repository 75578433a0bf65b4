/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a person names on the command line. */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* Read it whole ("-": standard input); the caller's, NUL-terminated. Whatever hinders that is an
 * unreadable input, -EBADMSG; -E2BIG with rule F14 over `most` bytes. */
int dv_input_read(const char *path, size_t most, char **ret_text, size_t *ret_len,
		  struct dv_error *err) DV_MUST_CHECK;
