/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a file the configs are. YAML of Kubernetes is several documents, and a ConfigMap carries
 * a file as a block of text. What is read is cut out of the text with all lines before it emptied,
 * so that the reader's lines and columns stay true. */
#include <string.h>

#include "base/str.h"
#include "model/mig-parted-read.h"
#include "model/mig-parted.h"
#include "model/yaml-document.h"

enum { DOCUMENTS_MOST = 64 };

struct span {
	const char *from, *to;
};

/* The line that begins there, without its end; *ret_next is the next one's beginning. */
static struct span line_at(const char *from, const char *end, const char **ret_next)
{
	const char *stop = memchr(from, '\n', (size_t)(end - from));

	*ret_next = stop ? stop + 1 : end;
	return (struct span){from, stop ? stop : end};
}

static const char *skip_blanks(struct span line)
{
	while (line.from < line.to && (*line.from == ' ' || *line.from == '\t'))
		line.from++;
	return line.from;
}

/* "mig-configs:", quoted or not */
static bool is_key(struct span line)
{
	static const char key[] = "mig-configs";
	const size_t len = sizeof(key) - 1;
	const char *at = skip_blanks(line);
	char quote = at < line.to && (*at == '"' || *at == '\'') ? *at : 0;

	at += quote ? 1 : 0;
	if ((size_t)(line.to - at) < len || memcmp(at, key, len) != 0)
		return false;
	at += len;
	if (quote && (at == line.to || *at++ != quote))
		return false;
	line.from = at;
	at = skip_blanks(line);
	return at < line.to && *at == ':';
}

static bool is_config_map(struct span line)
{
	static const char kind[] = "kind: ConfigMap";

	return (size_t)(line.to - line.from) >= sizeof(kind) - 1 &&
	       memcmp(line.from, kind, sizeof(kind) - 1) == 0;
}

bool dv_mig_parted_is(const char *text, size_t len)
{
	const char *end = text + len, *next = text;
	bool named = memmem(text, len, "mig-configs", 11) != NULL;

	while (named && next < end) {
		struct span line = line_at(next, end, &next);

		/* Quoted in a ConfigMap it has no line of its own. */
		if (is_key(line) || is_config_map(line))
			return true;
	}
	/* JSON, perhaps all on one line. */
	for (next = text; next < end && strchr(" \t\r\n-", *next);)
		next++;
	return next < end && *next == '{' && memmem(text, len, "\"mig-configs\"", 13) != NULL;
}

/* "---" begins a document, wherever it stands at the beginning of a line. */
static bool is_border(struct span line)
{
	return line.to - line.from >= 3 && memcmp(line.from, "---", 3) == 0 &&
	       (line.to - line.from == 3 || strchr(" \t\r", line.from[3]));
}

/* Parse the span alone, as if every line before it were empty. */
static int parse_span(const char *text, struct span span, const char *file, struct dv_yaml **ret,
		      struct dv_error *err)
{
	dv_autofree char *copy = NULL;
	size_t lines = 0, len = (size_t)(span.to - span.from), indent = 0;

	for (const char *p = text; p < span.from; p++) {
		indent = *p == '\n' ? 0 : indent + 1;
		lines += *p == '\n';
	}
	/* The dashes before a document, which are no part of it. */
	copy = malloc(lines + indent + len + 1);
	if (!copy)
		return dv_error_set(err, -ENOMEM, "no memory to read %s", file);
	memset(copy, '\n', lines);
	memset(copy + lines, ' ', indent);
	memcpy(copy + lines + indent, span.from, len);
	return dv_yaml_parse(copy, lines + indent + len, DV_FILE_MOST, file, ret, err);
}

static bool is_blank(struct span line)
{
	const char *at = skip_blanks(line);

	return at == line.to || *at == '\r';
}

static size_t indent_of(struct span line)
{
	return (size_t)(skip_blanks(line) - line.from);
}

/* The lines below a key's '|' that are indented like the first of them, or more. */
static struct span block_below(const char *text, const char *end, int line)
{
	const char *next = text;
	struct span block;
	size_t indent = 0;

	for (int i = 0; i < line && next < end; i++)
		(void)line_at(next, end, &next);
	block = (struct span){next, next};
	while (next < end) {
		struct span here = line_at(next, end, &next);

		if (!is_blank(here)) {
			indent = indent ? indent : indent_of(here);
			if (indent_of(here) < indent || !indent)
				break;
		}
		block.to = next;
	}
	return block;
}

/* The text of a ConfigMap that holds configs, or NULL. */
static const struct dv_yaml_node *carried(const struct dv_yaml *doc)
{
	const struct dv_yaml_node *data = dv_yaml_get(dv_yaml_root(doc), "data");

	if (!data || data->type != DV_YAML_MAP)
		return NULL;
	for (const struct dv_yaml_node *key = data->first; key; key = key->next) {
		const struct dv_yaml_node *value = key->value;

		if (value && value->type == DV_YAML_SCALAR &&
		    dv_mig_parted_is(value->text, strlen(value->text)))
			return value;
	}
	return NULL;
}

static int open_carried(const char *text, size_t len, const struct dv_yaml *map,
			const struct dv_yaml_node *value, struct dv_yaml **ret,
			struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	struct span block = block_below(text, text + len, value->line), line = {text, text};
	const char *next = text;
	int r;

	for (int i = 0; i < value->line && next < text + len; i++)
		line = line_at(next, text + len, &next);
	if (value->column > line.to - line.from || line.from[value->column - 1] != '|')
		return dv_error_fix(err,
				    dv_yaml_fail(map, value, "F06", err,
						 "the configs of a ConfigMap are read as a block "
						 "of lines only"),
				    "write them below 'config.yaml: |', indented");
	r = parse_span(text, block, dv_yaml_file(map), &doc, err);
	if (r < 0)
		return r;
	if (!dv_yaml_get(dv_yaml_root(doc), "mig-configs"))
		return dv_error_fix(err,
				    dv_yaml_fail(doc, dv_yaml_root(doc), "F10", err,
						 "there are no mig-configs at the top of what "
						 "the ConfigMap carries"),
				    "indent 'mig-configs' like 'version'");
	*ret = take_ptr(doc);
	return 0;
}

/* One document of the file. 0: found; 1: it is another one. */
static int open_document(const char *text, size_t len, struct span span, const char *file,
			 struct dv_yaml **ret, struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	const struct dv_yaml_node *value;
	int r = parse_span(text, span, file, &doc, err);

	if (r < 0)
		return r;
	value = carried(doc);
	if (value)
		return open_carried(text, len, doc, value, ret, err);
	if (!dv_yaml_get(dv_yaml_root(doc), "mig-configs"))
		return 1;
	*ret = take_ptr(doc);
	return 0;
}

int dv_mig_parted_open(const char *text, size_t len, const char *file, struct dv_yaml **ret,
		       struct dv_error *err)
{
	const char *end = text + len, *next = text;
	struct span span = {text, text};
	unsigned documents = 1;
	int r = 1;

	if (len > DV_FILE_MOST)
		return dv_error_fix(err,
				    dv_error_rule(err, -E2BIG, "F14",
						  "%s is larger than the limit of %d KiB", file,
						  DV_FILE_MOST >> 10),
				    "check that %s is the file you mean", file);
	while (r == 1 && span.to < end) {
		struct span line = line_at(next, end, &next);
		bool border = is_border(line);

		span.to = border ? line.from : next;
		if ((border || next == end) &&
		    dv_mig_parted_is(span.from, (size_t)(span.to - span.from)))
			r = open_document(text, len, span, file, ret, err);
		if (!border || r != 1)
			continue;
		if (++documents > DOCUMENTS_MOST)
			return dv_error_fix(err,
					    dv_error_rule(err, -E2BIG, "F14",
							  "%s has more than the limit of %d "
							  "documents",
							  file, DOCUMENTS_MOST),
					    "read the one with mig-configs alone");
		span.from = line.from + 3;
	}
	if (r != 1)
		return r;
	return dv_error_fix(
		err,
		dv_yaml_fail_at((struct dv_yaml_place){file, 1, 1}, -EBADMSG, "F10", err,
				"there are no mig-configs at the top of the file, nor in a "
				"ConfigMap"),
		"begin it with 'version: v1', then 'mig-configs:', neither of them indented");
}
