/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded reader of the YAML that people write for divvy: mappings, sequences, scalars; no
 * anchors, aliases or tags. Every node knows its line and column. The document owns its nodes.
 * Bounds: DV_FILE_DEPTH_MOST levels, `most` bytes; time linear in the input. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct dv_yaml; /* a document */

enum dv_yaml_type { DV_YAML_SCALAR, DV_YAML_MAP, DV_YAML_LIST };

struct dv_yaml_node {
	enum dv_yaml_type type;
	bool plain;		    /* an unquoted scalar: may be a number, a boolean or null */
	int line, column;	    /* 1-based */
	const char *text;	    /* of a scalar, NUL-terminated, no NUL inside */
	struct dv_yaml_node *first; /* child of a list, or key of a map (its value is key->value) */
	struct dv_yaml_node *next;  /* sibling */
	struct dv_yaml_node *value; /* of a key */
	size_t count;		    /* children of a list, keys of a map */
};

/* Parse `len` bytes called `file` in messages. -EBADMSG (rule F01: not YAML, F02: doubled key,
 * F03: too deep, F04: alias, anchor or tag), -E2BIG over `most`. */
int dv_yaml_parse(const char *text, size_t len, size_t most, const char *file,
		  struct dv_yaml **ret_doc, struct dv_error *err) DV_MUST_CHECK;
void dv_yaml_free(struct dv_yaml *doc);
DV_DEFINE_FREEP(struct dv_yaml, dv_yaml_free)

const struct dv_yaml_node *dv_yaml_root(const struct dv_yaml *doc);
const char *dv_yaml_file(const struct dv_yaml *doc);

/* The value of that key of a map, or NULL. */
const struct dv_yaml_node *dv_yaml_get(const struct dv_yaml_node *map, const char *key);

/* Fail at that node: "FILE:LINE:COLUMN: message". Returns -EBADMSG. */
int dv_yaml_fail(const struct dv_yaml *doc, const struct dv_yaml_node *node, const char *rule,
		 struct dv_error *err, const char *fmt, ...) DV_PRINTF(5, 6);

/* Only these keys (NULL-terminated) are allowed; names the nearest on a typing error. Rule F05. */
int dv_yaml_only_keys(const struct dv_yaml *doc, const struct dv_yaml_node *map,
		      const char *const *keys, struct dv_error *err) DV_MUST_CHECK;

/* Typed scalars; wrong type is rule F06. */
int dv_yaml_u64(const struct dv_yaml *doc, const struct dv_yaml_node *node, uint64_t least,
		uint64_t most, uint64_t *ret, struct dv_error *err) DV_MUST_CHECK;
int dv_yaml_bool(const struct dv_yaml *doc, const struct dv_yaml_node *node, bool *ret,
		 struct dv_error *err) DV_MUST_CHECK;
int dv_yaml_text(const struct dv_yaml *doc, const struct dv_yaml_node *node, char *buf, size_t size,
		 struct dv_error *err) DV_MUST_CHECK;

#if defined(__clang_analyzer__) && !defined(DV_YAML_IMPLEMENTATION)
/* As in base/error.h: the analyzer is told what always comes out. */
#define dv_yaml_fail(doc, node, ...) (dv_error_used(doc, node, __VA_ARGS__), -EBADMSG)
#endif
