/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "model/units.h"

struct dv_api_out dv_api_begin(void)
{
	json_t *obj = json_object();

	return (struct dv_api_out){obj, !obj};
}

void dv_api_put_json(struct dv_api_out *out, const char *key, json_t *value_take)
{
	/* Takes the value on failure too. */
	if (json_object_set_new(out->obj, key, value_take) < 0)
		out->failed = true;
}

static json_t *replacing(const char *text, bool keep_controls)
{
	dv_autofree char *copy = strdup(text);
	json_t *string;

	if (!copy)
		return NULL;
	for (char *c = copy; *c && !keep_controls; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	string = json_string(copy);
	if (string)
		return string;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(copy);
}

/* Drivers and processes name themselves as they like: what a reader would refuse is '?'. */
static json_t *lossy_string(const char *text)
{
	return replacing(text, false);
}

void dv_api_put_file(struct dv_api_out *out, const char *key, const char *text)
{
	dv_api_put_json(out, key, replacing(text, true));
}

void dv_api_put_text(struct dv_api_out *out, const char *key, const char *text)
{
	dv_api_put_json(out, key, lossy_string(text));
}

void dv_api_put_opt(struct dv_api_out *out, const char *key, const char *text)
{
	dv_api_put_json(out, key, text[0] ? lossy_string(text) : json_null());
}

void dv_api_put_int(struct dv_api_out *out, const char *key, int64_t value)
{
	dv_api_put_json(out, key, json_integer(value));
}

void dv_api_put_bool(struct dv_api_out *out, const char *key, bool value)
{
	dv_api_put_json(out, key, json_boolean(value));
}

void dv_api_put_scaled(struct dv_api_out *out, const char *key, uint64_t value, uint64_t unit)
{
	dv_api_put_json(out, key,
			value % unit ? json_real((double)value / (double)unit)
				     : json_integer((json_int_t)(value / unit)));
}

void dv_api_put_memory(struct dv_api_out *out, const char *key, uint64_t bytes)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s_mib", key);
	dv_api_put_scaled(out, name, bytes, DV_MIB);
	(void)snprintf(name, sizeof(name), "%s_bytes", key);
	dv_api_put_int(out, name, (int64_t)bytes);
}

void dv_api_put_texts(struct dv_api_out *out, const char *key, const char *rows, size_t size,
		      unsigned count)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < count; i++)
		dv_api_append(out, list, lossy_string(rows + i * size));
	dv_api_put_json(out, key, list);
}

void dv_api_append(struct dv_api_out *out, json_t *list, json_t *value_take)
{
	if (json_array_append_new(list, value_take) < 0)
		out->failed = true;
}

json_t *dv_api_done(struct dv_api_out *out)
{
	json_t *obj = take_ptr(out->obj);

	if (!out->failed)
		return obj;
	json_decref(obj);
	return NULL;
}

static int append(const char *data, size_t len, void *arg)
{
	struct dv_buf *buf = arg;

	dv_buf_add_n(buf, data, len);
	return buf->failed ? -1 : 0;
}

int dv_api_print(json_t *json_take, char **ret_text, struct dv_error *err)
{
	dv_autojson json_t *json = json_take;
	struct dv_buf buf = {0};
	int r = -1;

	/* jansson forgets a failure to print a key (2.14): the buffer remembers it. */
	if (json)
		r = json_dump_callback(json, append, &buf, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (r == 0 && dv_buf_take(&buf, ret_text) == 0)
		return 0;
	dv_buf_fini(&buf);
	return dv_error_set(err, -ENOMEM, "no memory for a JSON document");
}
