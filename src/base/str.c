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

uint64_t dv_hash(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}
