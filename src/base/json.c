/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void dv_json_init(struct dv_json *json, struct dv_buf *buf)
{
	memset(json, 0, sizeof(*json));
	json->buf = buf;
}

static void add_string(struct dv_buf *buf, const char *text)
{
	const char *p = text;

	dv_buf_add(buf, "\"");
	while (*p) {
		unsigned char c = (unsigned char)*p;
		size_t n = dv_utf8_len(p);

		if (c == '"' || c == '\\')
			dv_buf_addf(buf, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			dv_buf_addf(buf, "\\u%04x", c);
		else if (n)
			dv_buf_add_n(buf, p, n);
		else
			dv_buf_add(buf, "\\ufffd");
		p += n ? n : 1;
	}
	dv_buf_add(buf, "\"");
}

/* Comma and name of the value that comes next. */
static void lead(struct dv_json *json, const char *key)
{
	if (json->depth) {
		if (json->inner[json->depth - 1])
			dv_buf_add(json->buf, ", ");
		json->inner[json->depth - 1] = true;
	}
	if (key) {
		add_string(json->buf, key);
		dv_buf_add(json->buf, ": ");
	}
}

static void open_level(struct dv_json *json, const char *key, const char *opener, char closer)
{
	lead(json, key);
	if (json->depth == DV_JSON_DEPTH_MOST) {
		json->buf->failed = true;
		return;
	}
	dv_buf_add(json->buf, opener);
	json->inner[json->depth] = false;
	json->closer[json->depth++] = closer;
}

void dv_json_object(struct dv_json *json, const char *key)
{
	open_level(json, key, "{", '}');
}

void dv_json_array(struct dv_json *json, const char *key)
{
	open_level(json, key, "[", ']');
}

void dv_json_end(struct dv_json *json)
{
	if (json->depth)
		dv_buf_add_n(json->buf, &json->closer[--json->depth], 1);
}

void dv_json_text(struct dv_json *json, const char *key, const char *text)
{
	if (!text) {
		dv_json_null(json, key);
		return;
	}
	lead(json, key);
	add_string(json->buf, text);
}

void dv_json_u64(struct dv_json *json, const char *key, uint64_t value)
{
	lead(json, key);
	dv_buf_addf(json->buf, "%" PRIu64, value);
}

void dv_json_i64(struct dv_json *json, const char *key, int64_t value)
{
	lead(json, key);
	dv_buf_addf(json->buf, "%" PRId64, value);
}

void dv_json_number(struct dv_json *json, const char *key, double value, int decimals)
{
	char text[64];
	char *end;

	if (!isfinite(value) || fabs(value) >= 1e18) {
		dv_json_null(json, key);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.*f", DV_MAX(0, DV_MIN(decimals, 12)), value);
	/* A program in a locale may print a decimal comma. */
	for (char *p = text; *p; p++)
		if (*p == ',')
			*p = '.';
	end = text + strlen(text);
	if (strchr(text, '.')) {
		while (end[-1] == '0')
			*--end = '\0';
		if (end[-1] == '.')
			*--end = '\0';
	}
	lead(json, key);
	dv_buf_add(json->buf, strcmp(text, "-0") == 0 ? "0" : text);
}

void dv_json_bool(struct dv_json *json, const char *key, bool value)
{
	lead(json, key);
	dv_buf_add(json->buf, value ? "true" : "false");
}

void dv_json_null(struct dv_json *json, const char *key)
{
	lead(json, key);
	dv_buf_add(json->buf, "null");
}
