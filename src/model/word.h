/* SPDX-License-Identifier: Apache-2.0 */
/* Closed lists of words: from a word to its place in the list, with help on a typing error. No
 * ownership; the lists are the callers' constants, ended by NULL. */
#pragma once

#include "base/error.h"

/* The place of `text` in `words`, or -EINVAL (rule F11) with the nearest word and all that is
 * allowed. `what` is what such a word names ("method"). */
int dv_word_parse(const char *what, const char *const *words, const char *text,
		  struct dv_error *err) DV_MUST_CHECK;

/* Write "a, b, c" to `buf`, cut to `size`; returns `buf`. */
const char *dv_word_list(const char *const *words, char *buf, size_t size);
