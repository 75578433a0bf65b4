/* SPDX-License-Identifier: Apache-2.0 */
/* Writes one JSON document into a buffer, for those who need no more than to print (the command
 * line, benches); reading and checking is the api floor's. The buffer is the caller's.
 *
 * `key` is the member's name inside an object, NULL inside an array and at the top. Text that is
 * not UTF-8 is written with U+FFFD in place of each wrong byte. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { DV_JSON_DEPTH_MOST = 16 };

struct dv_json {
	struct dv_buf *buf;
	unsigned depth;
	bool inner[DV_JSON_DEPTH_MOST]; /* something stands in this level already */
	char closer[DV_JSON_DEPTH_MOST];
};

void dv_json_init(struct dv_json *json, struct dv_buf *buf);
void dv_json_object(struct dv_json *json, const char *key);
void dv_json_array(struct dv_json *json, const char *key);
/* Close the innermost object or array. */
void dv_json_end(struct dv_json *json);

void dv_json_text(struct dv_json *json, const char *key, const char *text); /* NULL: null */
void dv_json_u64(struct dv_json *json, const char *key, uint64_t value);
void dv_json_i64(struct dv_json *json, const char *key, int64_t value);
/* At most `decimals` after the point; not a number or infinite: null. */
void dv_json_number(struct dv_json *json, const char *key, double value, int decimals);
void dv_json_bool(struct dv_json *json, const char *key, bool value);
void dv_json_null(struct dv_json *json, const char *key);
