/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files: compare what a function makes of each input with the file that says what it should.
 * With DV_TEST_REGENERATE=1 in the environment the files are written instead of compared. */
#pragma once

#include <stddef.h>

/* Make the text for one input (its file name and content); the caller frees. NULL: no memory. */
typedef char *(*golden_fn)(const char *name, const char *text, size_t len);

/* Run `fn` on each file of `dir` that ends in `suffix`, in the order of their names, and compare
 * with the file of the same name that ends in ".expected" instead. Returns the exit status of the
 * test: 0 when all are the same, and there was at least one. Differences go to standard output. */
int golden_run(const char *dir, const char *suffix, golden_fn fn);
