/* SPDX-License-Identifier: Apache-2.0 */
#include "model/yaml.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <yaml.h>

#include "base/limits.h"
#include "base/str.h"
#include "model/yaml-document.h"

enum { BLOCK_SIZE = 16 << 10 };

/* A map or list that is being read. */
struct level {
	struct dv_yaml_node *node; /* never NULL below the builder's depth */
	struct dv_yaml_node *last; /* child or key */
	bool has_key;		   /* the map's last key waits for its value */
};

struct builder {
	struct dv_yaml *doc;
	struct level levels[DV_FILE_DEPTH_MOST];
	unsigned depth;
	unsigned documents;
};

static int no_memory(struct dv_error *err)
{
	return dv_error_set(err, -ENOMEM, "no memory to read a YAML file");
}

static void *take_room(struct dv_yaml *doc, size_t size)
{
	struct dv_yaml_block *block = doc->blocks;
	size_t align = _Alignof(max_align_t);
	void *room;

	size = (size + align - 1) / align * align;
	if (!block || block->size - block->used < size) {
		size_t want = DV_MAX(size, (size_t)BLOCK_SIZE);

		block = malloc(sizeof(*block) + want);
		if (!block)
			return NULL;
		*block = (struct dv_yaml_block){.next = doc->blocks, .size = want};
		doc->blocks = block;
	}
	room = block->data + block->used;
	block->used += size;
	return room;
}

static struct dv_yaml_node *new_node(struct dv_yaml *doc, enum dv_yaml_type type, yaml_mark_t mark)
{
	struct dv_yaml_node *node = take_room(doc, sizeof(*node));

	if (node)
		*node = (struct dv_yaml_node){
			.type = type,
			.line = (int)DV_MIN(mark.line + 1, (size_t)INT_MAX),
			.column = (int)DV_MIN(mark.column + 1, (size_t)INT_MAX),
		};
	return node;
}

static int fail_at_mark(const struct dv_yaml *doc, yaml_mark_t mark, const char *rule,
			const char *what, struct dv_error *err)
{
	struct dv_yaml_place place = {doc->file, (int)mark.line + 1, (int)mark.column + 1};

	return dv_yaml_fail_at(place, -EBADMSG, rule, err, "%s", what);
}

/* Put a node where the document expects one: as the root, a list's child, a map's key or value. */
static int attach(struct builder *b, struct dv_yaml_node *node, struct dv_error *err)
{
	struct level *level;

	if (b->depth == 0) {
		b->doc->root = node;
		return 0;
	}
	level = &b->levels[b->depth - 1];
	if (level->has_key) {
		level->last->value = node;
		level->has_key = false;
		return 0;
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	if (level->node->type == DV_YAML_MAP && node->type != DV_YAML_SCALAR)
		return dv_yaml_fail(b->doc, node, "F06", err,
				    "a key must be a word, not a list or a map");
	if (level->last)
		level->last->next = node;
	else
		level->node->first = node;
	level->last = node;
	level->node->count++;
	level->has_key = level->node->type == DV_YAML_MAP;
	return 0;
}

/* Every message that quotes a text ends on a terminal: no control characters, also not escaped. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];

		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return false;
		if (c == 0xc2 && next >= 0x80 && next < 0xa0)
			return false;
	}
	return true;
}

static int on_scalar(struct builder *b, const yaml_event_t *event, struct dv_error *err)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct dv_yaml_node *node;
	char *copy;

	if (event->data.scalar.anchor || event->data.scalar.tag)
		return fail_at_mark(b->doc, event->start_mark, "F04",
				    "anchors (&x) and tags (!x) are not allowed", err);
	if (!is_clean(text, len))
		return fail_at_mark(b->doc, event->start_mark, "F01",
				    "control characters are not allowed in a text", err);
	node = new_node(b->doc, DV_YAML_SCALAR, event->start_mark);
	copy = take_room(b->doc, len + 1);
	if (!node || !copy)
		return no_memory(err);
	memcpy(copy, text, len);
	copy[len] = '\0';
	node->text = copy;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return attach(b, node, err);
}

static int on_open(struct builder *b, const yaml_event_t *event, enum dv_yaml_type type,
		   struct dv_error *err)
{
	struct dv_yaml_node *node;
	int r;

	if (type == DV_YAML_MAP
		    ? event->data.mapping_start.anchor || event->data.mapping_start.tag
		    : event->data.sequence_start.anchor || event->data.sequence_start.tag)
		return fail_at_mark(b->doc, event->start_mark, "F04",
				    "anchors (&x) and tags (!x) are not allowed", err);
	if (b->depth == DV_FILE_DEPTH_MOST)
		return dv_yaml_fail_at((struct dv_yaml_place){b->doc->file,
							      (int)event->start_mark.line + 1,
							      (int)event->start_mark.column + 1},
				       -EBADMSG, "F03", err, "nested too deep: more than %d levels",
				       DV_FILE_DEPTH_MOST);
	node = new_node(b->doc, type, event->start_mark);
	if (!node)
		return no_memory(err);
	r = attach(b, node, err);
	if (r == 0)
		b->levels[b->depth++] = (struct level){.node = node};
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	const struct dv_yaml_node *m = *(struct dv_yaml_node *const *)a;
	const struct dv_yaml_node *n = *(struct dv_yaml_node *const *)b;
	int order = strcmp(m->text, n->text);

	if (order == 0)
		order = (m->line > n->line) - (m->line < n->line);
	if (order == 0)
		order = (m->column > n->column) - (m->column < n->column);
	return order;
}

/* Sorted, so that a map of 100,000 keys takes no longer than its share; a table of hashes would
 * need a secret to be safe from keys that were chosen to collide. */
static int refuse_doubled(struct builder *b, const struct dv_yaml_node *map, struct dv_error *err)
{
	const struct dv_yaml_node **keys, *first = NULL, *again = NULL;
	dv_autofree void *room = NULL;
	size_t n = 0;

	if (map->count < 2)
		return 0;
	room = reallocarray(NULL, map->count, sizeof(*keys));
	if (!room)
		return no_memory(err);
	keys = room;
	for (const struct dv_yaml_node *key = map->first; key; key = key->next)
		keys[n++] = key;
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(keys[i - 1]->text, keys[i]->text) != 0)
			continue;
		if (again && again->line <= keys[i]->line)
			continue;
		first = keys[i - 1];
		again = keys[i];
	}
	if (!again)
		return 0;
	return dv_yaml_fail(b->doc, again, "F02", err,
			    "key '%.64s' appears twice, first in line %d", again->text,
			    first->line);
}

static int on_close(struct builder *b, struct dv_error *err)
{
	const struct dv_yaml_node *node = b->levels[--b->depth].node;

	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
	return node->type == DV_YAML_MAP ? refuse_doubled(b, node, err) : 0;
}

static int on_document(struct builder *b, const yaml_event_t *event, struct dv_error *err)
{
	if (event->data.document_start.tag_directives.start !=
	    event->data.document_start.tag_directives.end)
		return fail_at_mark(b->doc, event->start_mark, "F04", "tags (%TAG) are not allowed",
				    err);
	if (b->documents++)
		return fail_at_mark(b->doc, event->start_mark, "F01",
				    "a second document begins here; only one is read", err);
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *event, struct dv_error *err)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(b, event, err);
	case YAML_SEQUENCE_START_EVENT:
		return on_open(b, event, DV_YAML_LIST, err);
	case YAML_MAPPING_START_EVENT:
		return on_open(b, event, DV_YAML_MAP, err);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_close(b, err);
	case YAML_ALIAS_EVENT:
		return fail_at_mark(b->doc, event->start_mark, "F04",
				    "aliases (*x) are not allowed", err);
	case YAML_DOCUMENT_START_EVENT:
		return on_document(b, event, err);
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		break;
	}
	return 0;
}

/* Line and column of a byte, for faults that come without: not UTF-8. */
static struct dv_yaml_place place_of(const char *file, const char *text, size_t offset)
{
	struct dv_yaml_place place = {file, 1, 1};

	for (size_t i = 0; i < offset; i++) {
		place.column++;
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		}
	}
	return place;
}

static int fail_parser(const struct builder *b, const yaml_parser_t *parser, const char *text,
		       size_t len, struct dv_error *err)
{
	struct dv_yaml_place place = {b->doc->file, (int)parser->problem_mark.line + 1,
				      (int)parser->problem_mark.column + 1};
	const char *problem = parser->problem ? parser->problem : "not understood";
	size_t index = parser->problem_mark.index;
	int r;

	if (parser->error == YAML_MEMORY_ERROR)
		return no_memory(err);
	if (parser->error == YAML_READER_ERROR)
		place = place_of(b->doc->file, text, DV_MIN(parser->problem_offset, len));
	r = dv_yaml_fail_at(place, -EBADMSG, "F01", err, "not readable as YAML: %s%s%s%s", problem,
			    parser->context ? " (" : "", parser->context ? parser->context : "",
			    parser->context ? ")" : "");
	if (index < len && text[index] == '\t')
		r = dv_error_fix(err, r, "indent with spaces: YAML does not allow tabs there");
	return r;
}

static int read_events(struct builder *b, yaml_parser_t *parser, const char *text, size_t len,
		       struct dv_error *err)
{
	bool end = false;

	while (!end) {
		yaml_event_t event;
		int r;

		if (!yaml_parser_parse(parser, &event))
			return fail_parser(b, parser, text, len, err);
		end = event.type == YAML_STREAM_END_EVENT;
		r = on_event(b, &event, err);
		yaml_event_delete(&event);
		if (r < 0)
			return r;
	}
	if (!b->doc->root)
		return dv_yaml_fail_at((struct dv_yaml_place){b->doc->file, 1, 1}, -EBADMSG, "F01",
				       err, "the file is empty");
	return 0;
}

int dv_yaml_parse(const char *text, size_t len, size_t most, const char *file,
		  struct dv_yaml **ret_doc, struct dv_error *err)
{
	dv_cleanup(dv_yaml_freep) struct dv_yaml *doc = NULL;
	struct builder b = {0};
	yaml_parser_t parser;
	int r;

	if (len > most)
		return dv_error_fix(err,
				    dv_error_rule(err, -E2BIG, "F14",
						  "%s is larger than the limit of %zu KiB", file,
						  most / 1024),
				    "check that %s is the file you mean", file);
	doc = calloc(1, sizeof(*doc));
	if (!doc || !yaml_parser_initialize(&parser))
		return no_memory(err);
	(void)dv_copy(doc->file, sizeof(doc->file), file);
	b.doc = doc;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	r = read_events(&b, &parser, text, len, err);
	yaml_parser_delete(&parser);
	if (r == 0)
		*ret_doc = take_ptr(doc);
	return r;
}

void dv_yaml_free(struct dv_yaml *doc)
{
	if (!doc)
		return;
	while (doc->blocks) {
		struct dv_yaml_block *next = doc->blocks->next;

		free(doc->blocks);
		doc->blocks = next;
	}
	free(doc);
}
