/* SPDX-License-Identifier: Apache-2.0 */
/* Text that grows, and bounded copies. The buffer owns its memory; after an allocation failure it
 * stays failed, so that a chain of appends is checked once, at the end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/macro.h"

struct dv_buf {
	char *data; /* always NUL-terminated once something was appended */
	size_t len, cap;
	bool failed;
};

void dv_buf_fini(struct dv_buf *buf);
void dv_buf_add(struct dv_buf *buf, const char *text);
void dv_buf_add_n(struct dv_buf *buf, const void *data, size_t len);
void dv_buf_addf(struct dv_buf *buf, const char *fmt, ...) DV_PRINTF(2, 3);

/* Hand the text over (never NULL) to *ret_text, the caller frees; -ENOMEM if any append failed. */
int dv_buf_take(struct dv_buf *buf, char **ret_text) DV_MUST_CHECK;

/* Copy what fits; returns false if `src` was cut. */
bool dv_copy(char *dst, size_t size, const char *src);

/* Is `text` 1 to `most` characters of [A-Za-z0-9._-], not beginning with '.' or '-'? The names of
 * tenants, leases and fleets: safe as a file's name, in a URL and on a terminal. */
bool dv_is_name(const char *text, size_t most);

/* Bytes of the well-formed UTF-8 character that `text` begins with (1 to 4; no surrogates, nothing
 * overlong), or 0. */
size_t dv_utf8_len(const char *text);

/* The one of `words` (ended by NULL) that somebody who typed `word` most likely meant: a typing
 * error or a beginning away; NULL when none is near. */
const char *dv_nearest(const char *word, const char *const *words);

/* Is version `a` older (< 0), the same (0) or newer (> 0) than `b`? Number by number, three of
 * them; one that is not there is 0. */
int dv_version_compare(const char *a, const char *b);

/* "s", or "" for one: ("%u CPU%s", n, dv_plural(n)). */
static inline DV_UNUSED const char *dv_plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* FNV-1a, 64 bits: for state hashes and tables, never for secrets. Start with DV_HASH_INIT. */
#define DV_HASH_INIT UINT64_C(0xcbf29ce484222325)
uint64_t dv_hash(uint64_t hash, const void *data, size_t len);
