/* SPDX-License-Identifier: Apache-2.0 */
#include "model/word.h"

#include <string.h>

#include "base/str.h"

/* No word of ours is longer; a longer text is no typing error of one. */
enum { WORD_MOST = 32, DISTANCE_MOST = 2 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	return DV_MIN(DV_MIN(a, b), c);
}

/* Edits (insert, delete, replace, swap of neighbours) from `a` to `b`. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned rows[3][WORD_MOST + 1] = {0};
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= b_len; j++)
		last[j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *spare = before;

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			row[j] = min3(last[j] + 1, row[j - 1] + 1,
				      last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = DV_MIN(row[j], before[j - 2] + 1);
		}
		before = last;
		last = row;
		row = spare;
	}
	return last[b_len];
}

const char *dv_word_nearest(const char *text, const char *const *words, size_t count)
{
	size_t len = strnlen(text, WORD_MOST + 1);
	unsigned best = DISTANCE_MOST + 1;
	const char *nearest = NULL;

	if (len > WORD_MOST)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t word_len = strnlen(words[i], WORD_MOST);
		unsigned d = distance(text, len, words[i], word_len);

		/* A short word is not "near" when most of it is different. */
		if (d < best && 2 * d < word_len) {
			best = d;
			nearest = words[i];
		}
	}
	return nearest;
}

const char *dv_word_list(const char *const *words, size_t count, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < count && at + 1 < size; i++) {
		if (i)
			(void)dv_copy(buf + at, size - at, ", ");
		at += strlen(buf + at);
		(void)dv_copy(buf + at, size - at, words[i]);
		at += strlen(buf + at);
	}
	return buf;
}

int dv_word_parse(const char *what, const char *const *words, size_t count, const char *text,
		  struct dv_error *err)
{
	const char *nearest;
	char allowed[256];
	int r;

	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	nearest = dv_word_nearest(text, words, count);
	(void)dv_word_list(words, count, allowed, sizeof(allowed));
	if (nearest)
		r = dv_error_rule(err, -EINVAL, "F11",
				  "unknown %s '%.64s'; did you mean '%s'? allowed: %s", what, text,
				  nearest, allowed);
	else
		r = dv_error_rule(err, -EINVAL, "F11", "unknown %s '%.64s'; allowed: %s", what,
				  text, allowed);
	return dv_error_fix(err, r, "write one of: %s", allowed);
}
