/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void dv_buf_fini(struct dv_buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

static bool reserve(struct dv_buf *buf, size_t more)
{
	size_t want = buf->cap ? buf->cap : 128;
	char *p;

	if (buf->failed)
		return false;
	if (more >= SIZE_MAX / 2 - buf->len) {
		buf->failed = true;
		return false;
	}
	while (want < buf->len + more + 1)
		want *= 2;
	if (want == buf->cap)
		return true;
	p = realloc(buf->data, want);
	if (!p) {
		buf->failed = true;
		return false;
	}
	buf->data = p;
	buf->cap = want;
	return true;
}

void dv_buf_add_n(struct dv_buf *buf, const void *data, size_t len)
{
	if (!reserve(buf, len))
		return;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void dv_buf_add(struct dv_buf *buf, const char *text)
{
	dv_buf_add_n(buf, text, strlen(text));
}

void dv_buf_addf(struct dv_buf *buf, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (n < 0 || !reserve(buf, (size_t)n)) {
		buf->failed = true;
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf(buf->data + buf->len, (size_t)n + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)n;
}

int dv_buf_take(struct dv_buf *buf, char **ret_text)
{
	if (!reserve(buf, 0)) {
		dv_buf_fini(buf);
		return -ENOMEM;
	}
	buf->data[buf->len] = '\0';
	*ret_text = buf->data;
	memset(buf, 0, sizeof(*buf));
	return 0;
}

bool dv_copy(char *dst, size_t size, const char *src)
{
	size_t len = strnlen(src, size);
	bool whole = len < size;

	if (!whole)
		len = size - 1;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return whole;
}

bool dv_is_name(const char *text, size_t most)
{
	size_t len = strnlen(text, most + 1);

	if (len == 0 || len > most || text[0] == '.' || text[0] == '-')
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
	       len;
}

static bool continues(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t dv_utf8_len(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	bool ok;

	if (s[0] < 0x80)
		return s[0] ? 1 : 0;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		return continues(s[1]) ? 2 : 0;
	if ((s[0] & 0xf0) == 0xe0) {
		ok = continues(s[1]) && (s[0] != 0xe0 || s[1] >= 0xa0) &&
		     (s[0] != 0xed || s[1] < 0xa0);
		return ok && continues(s[2]) ? 3 : 0;
	}
	if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		ok = continues(s[1]) && (s[0] != 0xf0 || s[1] >= 0x90) &&
		     (s[0] != 0xf4 || s[1] < 0x90);
		return ok && continues(s[2]) && continues(s[3]) ? 4 : 0;
	}
	return 0;
}

enum { WORD_MOST = 63 };

/* How many letters must be put in, left out, changed or swapped with the next one. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][WORD_MOST + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2], *spare;

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			now[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			now[j] = DV_MIN(now[j], DV_MIN(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = DV_MIN(now[j], before[j - 2] + 1);
		}
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

const char *dv_nearest(const char *word, const char *const *words)
{
	size_t len = strnlen(word, WORD_MOST + 1), best = SIZE_MAX;
	const char *nearest = NULL;

	if (len == 0 || len > WORD_MOST)
		return NULL;
	for (; *words; words++) {
		size_t have = strnlen(*words, WORD_MOST + 1), d;

		if (have > WORD_MOST)
			continue;
		d = distance(word, len, *words, have);
		if (d > DV_MAX((size_t)1, len / 3) || d >= have)
			d = len >= 2 && strncmp(word, *words, len) == 0 ? WORD_MOST : SIZE_MAX;
		if (d < best) {
			best = d;
			nearest = *words;
		}
	}
	return nearest;
}

uint64_t dv_hash(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

int dv_version_compare(const char *a, const char *b)
{
	unsigned x[3] = {0}, y[3] = {0};

	(void)sscanf(a, "%u.%u.%u", &x[0], &x[1], &x[2]);
	(void)sscanf(b, "%u.%u.%u", &y[0], &y[1], &y[2]);
	for (int i = 0; i < 3; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}
