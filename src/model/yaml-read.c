/* SPDX-License-Identifier: Apache-2.0 */
#define DV_YAML_IMPLEMENTATION
#include "model/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/word.h"
#include "model/yaml-document.h"

const struct dv_yaml_node *dv_yaml_root(const struct dv_yaml *doc)
{
	return doc->root;
}

const char *dv_yaml_file(const struct dv_yaml *doc)
{
	return doc->file;
}

const struct dv_yaml_node *dv_yaml_get(const struct dv_yaml_node *map, const char *key)
{
	if (map->type != DV_YAML_MAP)
		return NULL;
	for (const struct dv_yaml_node *k = map->first; k; k = k->next)
		if (strcmp(k->text, key) == 0)
			return k->value;
	return NULL;
}

/* What a file holds is quoted in messages, perhaps cut in the midst of a character. */
static void tidy(char *text)
{
	for (char *s = text; *s;) {
		size_t len = dv_utf8_len(s);

		if (len == 0 || (unsigned char)*s < 0x20)
			*s = '?';
		s += len ? len : 1;
	}
}

DV_PRINTF(5, 0)
static int fail_va(struct dv_yaml_place place, int code, const char *rule, struct dv_error *err,
		   const char *fmt, va_list args)
{
	char what[sizeof(err->msg)];

	(void)vsnprintf(what, sizeof(what), fmt, args);
	tidy(what);
	(void)dv_error_rule(err, code, rule, "%.160s:%d:%d: %s", place.file, place.line,
			    place.column, what);
	return dv_error_at(err, code, place.file, place.line, place.column);
}

int dv_yaml_fail_at(struct dv_yaml_place place, int code, const char *rule, struct dv_error *err,
		    const char *fmt, ...)
{
	va_list args;
	int r;

	va_start(args, fmt);
	r = fail_va(place, code, rule, err, fmt, args);
	va_end(args);
	return r;
}

int dv_yaml_fail(const struct dv_yaml *doc, const struct dv_yaml_node *node, const char *rule,
		 struct dv_error *err, const char *fmt, ...)
{
	struct dv_yaml_place place = {doc->file, node->line, node->column};
	va_list args;
	int r;

	va_start(args, fmt);
	r = fail_va(place, -EBADMSG, rule, err, fmt, args);
	va_end(args);
	return r;
}

static bool is_null(const struct dv_yaml_node *node)
{
	return node->plain &&
	       (!node->text[0] || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

/* What stands there, in a person's words. */
static const char *what_is(const struct dv_yaml_node *node)
{
	switch (node->type) {
	case DV_YAML_MAP:
		return "a map";
	case DV_YAML_LIST:
		return "a list";
	case DV_YAML_SCALAR:
		break;
	}
	return is_null(node) ? "nothing" : "a text";
}

int dv_yaml_only_keys(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      const char *const *keys, struct dv_error *err)
{
	char allowed[320];

	(void)dv_word_list(keys, allowed, sizeof(allowed));
	if (map->type != DV_YAML_MAP)
		return dv_yaml_fail(doc, map, "F06", err, "here is %s; wanted a map with: %s",
				    what_is(map), allowed);
	for (const struct dv_yaml_node *key = map->first; key; key = key->next) {
		size_t i = 0;
		const char *nearest;

		while (keys[i] && strcmp(keys[i], key->text) != 0)
			i++;
		if (keys[i])
			continue;
		nearest = dv_nearest(key->text, keys);
		if (nearest)
			return dv_yaml_fail(doc, key, "F05", err,
					    "unknown key '%.64s'; did you mean '%s'? allowed: %s",
					    key->text, nearest, allowed);
		return dv_yaml_fail(doc, key, "F05", err, "unknown key '%.64s'; allowed: %s",
				    key->text, allowed);
	}
	return 0;
}

static int want_scalar(const struct dv_yaml *doc, const struct dv_yaml_node *node,
		       const char *wanted, struct dv_error *err)
{
	if (node->type == DV_YAML_SCALAR && !is_null(node))
		return 0;
	return dv_yaml_fail(doc, node, "F06", err, "here is %s; wanted %s", what_is(node), wanted);
}

int dv_yaml_u64(const struct dv_yaml *doc, const struct dv_yaml_node *node, uint64_t least,
		uint64_t most, uint64_t *ret, struct dv_error *err)
{
	uint64_t value = 0;
	bool over = false;
	int r = want_scalar(doc, node, "a whole number", err);

	if (r < 0)
		return r;
	if (!node->plain || node->text[strspn(node->text, "0123456789")])
		return dv_yaml_fail(doc, node, "F06", err,
				    "'%.64s' is not a whole number (digits only, no quotes)",
				    node->text);
	for (const char *s = node->text; *s && !over; s++)
		over = __builtin_mul_overflow(value, 10, &value) ||
		       __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value);
	if (over || value < least || value > most)
		return dv_yaml_fail(doc, node, "F07", err, "%.64s is out of range: %llu to %llu",
				    node->text, (unsigned long long)least,
				    (unsigned long long)most);
	*ret = value;
	return 0;
}

int dv_yaml_bool(const struct dv_yaml *doc, const struct dv_yaml_node *node, bool *ret,
		 struct dv_error *err)
{
	int r = want_scalar(doc, node, "true or false", err);
	bool value;

	if (r < 0)
		return r;
	value = strcmp(node->text, "true") == 0;
	if (!node->plain || (!value && strcmp(node->text, "false") != 0))
		return dv_yaml_fail(doc, node, "F06", err,
				    "'%.64s' is neither true nor false (no quotes)", node->text);
	*ret = value;
	return 0;
}

int dv_yaml_text(const struct dv_yaml *doc, const struct dv_yaml_node *node, char *buf, size_t size,
		 struct dv_error *err)
{
	int r = want_scalar(doc, node, "a text", err);

	if (r < 0)
		return r;
	if (strlen(node->text) >= size)
		return dv_yaml_fail(doc, node, "F14", err,
				    "the text is longer than the limit of %zu bytes", size - 1);
	(void)dv_copy(buf, size, node->text);
	return 0;
}
