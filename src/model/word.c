/* SPDX-License-Identifier: Apache-2.0 */
#include "model/word.h"

#include <string.h>

#include "base/str.h"

const char *dv_word_list(const char *const *words, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; words[i] && at + 1 < size; i++) {
		if (i)
			(void)dv_copy(buf + at, size - at, ", ");
		at += strlen(buf + at);
		(void)dv_copy(buf + at, size - at, words[i]);
		at += strlen(buf + at);
	}
	return buf;
}

int dv_word_parse(const char *what, const char *const *words, const char *text,
		  struct dv_error *err)
{
	const char *nearest;
	char allowed[256];
	int r;

	for (size_t i = 0; words[i]; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	nearest = dv_nearest(text, words);
	(void)dv_word_list(words, allowed, sizeof(allowed));
	if (nearest)
		r = dv_error_rule(err, -EINVAL, "F11",
				  "unknown %s '%.64s'; did you mean '%s'? allowed: %s", what, text,
				  nearest, allowed);
	else
		r = dv_error_rule(err, -EINVAL, "F11", "unknown %s '%.64s'; allowed: %s", what,
				  text, allowed);
	return dv_error_fix(err, r, "write one of: %s", allowed);
}
