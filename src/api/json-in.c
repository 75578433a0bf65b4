/* SPDX-License-Identifier: Apache-2.0 */
#include "api/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/units.h"

/* What a message quotes is not ours, and goes on to terminals and logs. */
static int scrubbed(struct dv_error *err, int r)
{
	for (char *c = err ? err->msg : NULL; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return r;
}

static int check_schema(const json_t *root, const char *what, int code, struct dv_error *err)
{
	const char *schema = json_string_value(json_object_get(root, "schema"));
	char want[64];

	(void)snprintf(want, sizeof(want), "divvy/%s/1", what);
	if (!schema)
		return dv_error_set(err, code, "\"schema\" is missing; wanted \"%s\"", want);
	if (strcmp(schema, want) != 0)
		return scrubbed(err,
				dv_error_set(err, code, "the schema is not \"%s\" but \"%.63s\"",
					     want, schema));
	return 0;
}

int dv_api_load_plain(const char *text, size_t len, int code, json_t **ret_json,
		      struct dv_error *err)
{
	json_error_t where;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);

	/* Without memory jansson sometimes says so, and sometimes nothing. */
	if (!root && (!where.text[0] || json_error_code(&where) == json_error_out_of_memory))
		return dv_error_set(err, -ENOMEM, "no memory to read a JSON document");
	if (!root)
		return scrubbed(err, dv_error_set(err, code, "not JSON: line %d, column %d: %s",
						  where.line, where.column, where.text));
	if (!json_is_object(root)) {
		json_decref(root);
		return dv_error_set(err, code, "not a JSON object");
	}
	*ret_json = root;
	return 0;
}

int dv_api_load(const char *text, size_t len, const char *what, int code, json_t **ret_json,
		struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	int r = dv_api_load_plain(text, len, code, &root, err);

	r = r < 0 ? r : check_schema(root, what, code, err);
	if (r < 0)
		return r;
	*ret_json = take_ptr(root);
	return 0;
}

int dv_api_enter(const struct dv_api_in *from, const json_t *value, const char *what,
		 struct dv_api_in *ret)
{
	if (!json_is_object(value))
		return dv_error_set(from->err, from->code, "%s is not an object", what);
	*ret = (struct dv_api_in){value, from->code, from->err};
	return 0;
}

static const json_t *member(const struct dv_api_in *in, const char *key)
{
	const json_t *value = json_object_get(in->obj, key);

	return json_is_null(value) ? NULL : value;
}

static int wrong_type(const struct dv_api_in *in, const char *key, const char *wanted)
{
	return dv_error_set(in->err, in->code, "\"%s\" is not %s", key, wanted);
}

/* Text goes on to terminals and logs. */
static bool has_control(const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return true;
	return false;
}

static int copy_text(const struct dv_api_in *in, const char *key, const json_t *value, char *buf,
		     size_t size)
{
	const char *text = json_string_value(value);

	if (!text)
		return wrong_type(in, key, "text");
	if (strlen(text) >= size)
		return dv_error_set(in->err, in->code, "\"%s\" is longer than %zu bytes", key,
				    size - 1);
	if (has_control(text))
		return dv_error_set(in->err, in->code, "\"%s\" has control characters", key);
	memcpy(buf, text, strlen(text) + 1);
	return 0;
}

int dv_api_get_text(const struct dv_api_in *in, const char *key, char *buf, size_t size)
{
	const json_t *value = member(in, key);

	return value ? copy_text(in, key, value, buf, size) : 0;
}

int dv_api_need_text(const struct dv_api_in *in, const char *key, char *buf, size_t size)
{
	const json_t *value = member(in, key);

	if (!value)
		return dv_error_set(in->err, in->code, "\"%s\" is missing", key);
	return copy_text(in, key, value, buf, size);
}

int dv_api_get_int(const struct dv_api_in *in, const char *key, int64_t least, int64_t most,
		   int64_t *ret)
{
	const json_t *value = member(in, key);

	if (!value)
		return 0;
	if (!json_is_integer(value))
		return wrong_type(in, key, "a whole number");
	if (json_integer_value(value) < least || json_integer_value(value) > most)
		return dv_error_set(in->err, in->code, "\"%s\" is out of range (%lld to %lld)", key,
				    (long long)least, (long long)most);
	*ret = json_integer_value(value);
	return 0;
}

int dv_api_get_unsigned(const struct dv_api_in *in, const char *key, uint32_t most, uint32_t *ret)
{
	int64_t value = *ret;
	int r = dv_api_get_int(in, key, 0, most, &value);

	if (r < 0)
		return r;
	*ret = (uint32_t)value;
	return 0;
}

int dv_api_get_bool(const struct dv_api_in *in, const char *key, bool *ret)
{
	const json_t *value = member(in, key);

	if (!value)
		return 0;
	if (!json_is_boolean(value))
		return wrong_type(in, key, "true or false");
	*ret = json_is_true(value);
	return 0;
}

int dv_api_get_scaled(const struct dv_api_in *in, const char *key, double unit, uint64_t most,
		      uint64_t *ret)
{
	const json_t *value = member(in, key);
	double scaled;

	if (!value)
		return 0;
	if (!json_is_number(value))
		return wrong_type(in, key, "a number");
	scaled = round(json_number_value(value) * unit);
	if (!(scaled >= 0 && scaled <= (double)most))
		return dv_error_set(in->err, in->code, "\"%s\" is out of range (0 to %.15g)", key,
				    (double)most / unit);
	*ret = (uint64_t)scaled;
	return 0;
}

int dv_api_get_share(const struct dv_api_in *in, const char *key, uint32_t *ret_mpct)
{
	uint64_t mpct = *ret_mpct;
	int r = dv_api_get_scaled(in, key, 1000, DV_MPCT_WHOLE, &mpct);

	if (r < 0)
		return r;
	*ret_mpct = (uint32_t)mpct;
	return 0;
}

int dv_api_get_memory(const struct dv_api_in *in, const char *key, uint64_t *ret_bytes)
{
	const int64_t most = (INT64_C(1) << 62) - 1;
	char name[64];
	int64_t bytes = 0;
	int r;

	(void)snprintf(name, sizeof(name), "%s_bytes", key);
	r = dv_api_get_int(in, name, 0, most, &bytes);
	if (r < 0)
		return r;
	if (member(in, name)) {
		*ret_bytes = (uint64_t)bytes;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "%s_mib", key);
	/* A double holds whole KiB up to 2^62 exactly; the bound stays below the rounding up. */
	return dv_api_get_scaled(in, name, (double)DV_MIB, (uint64_t)most - 1023, ret_bytes);
}

int dv_api_get_list(const struct dv_api_in *in, const char *key, size_t most,
		    const json_t **ret_list)
{
	const json_t *value = member(in, key);

	if (value && !json_is_array(value))
		return wrong_type(in, key, "a list");
	if (json_array_size(value) > most)
		return dv_error_set(in->err, in->code, "\"%s\" has more than %zu items", key, most);
	*ret_list = value;
	return 0;
}

int dv_api_get_texts(const struct dv_api_in *in, const char *key, char *rows, size_t size,
		     unsigned most, unsigned *ret_count)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, key, most, &list);
	unsigned count = 0;

	if (r < 0)
		return r;
	for (; count < json_array_size(list); count++) {
		r = copy_text(in, key, json_array_get(list, count), rows + count * size, size);
		if (r < 0)
			return r;
	}
	*ret_count = count;
	return 0;
}

int dv_api_only_members(const struct dv_api_in *in, const char *const *known, const char *what)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)in->obj, key, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], key) != 0)
			i++;
		if (!known[i])
			return scrubbed(in->err,
					dv_error_rule(in->err, in->code, "F05",
						      "%s has no member \"%.63s\"", what, key));
	}
	return 0;
}
