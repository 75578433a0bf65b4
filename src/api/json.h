/* SPDX-License-Identifier: Apache-2.0 */
/* Checked reading and writing of JSON for the documents of api.h; private to this module. A reader
 * borrows the JSON value it looks into, a writer owns the object it builds. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"

static inline void dv_api_decrefp(json_t **json)
{
	json_decref(*json);
}

#define dv_autojson dv_cleanup(dv_api_decrefp)

/* What is being read, and the code of every complaint: -EPROTO for an answer of divvyd, -EBADMSG
 * for what a client sent. */
struct dv_api_in {
	const json_t *obj;
	int code;
	struct dv_error *err;
};

/* Parse an object whose "schema" is divvy/<what>/1; *ret_json is the caller's. */
int dv_api_load(const char *text, size_t len, const char *what, int code, json_t **ret_json,
		struct dv_error *err) DV_MUST_CHECK;

/* Any object: of a short body that says nothing but what its path is about. */
int dv_api_load_plain(const char *text, size_t len, int code, json_t **ret_json,
		      struct dv_error *err) DV_MUST_CHECK;

/* Look into `value`, which must be an object. */
int dv_api_enter(const struct dv_api_in *from, const json_t *value, const char *what,
		 struct dv_api_in *ret) DV_MUST_CHECK;

/* Members: a missing one and null are the same, and leave the output as it was. Text is refused
 * when it does not fit or has control characters; a number when out of range. */
int dv_api_get_text(const struct dv_api_in *in, const char *key, char *buf,
		    size_t size) DV_MUST_CHECK;
int dv_api_need_text(const struct dv_api_in *in, const char *key, char *buf,
		     size_t size) DV_MUST_CHECK;
int dv_api_get_int(const struct dv_api_in *in, const char *key, int64_t least, int64_t most,
		   int64_t *ret) DV_MUST_CHECK;
int dv_api_get_unsigned(const struct dv_api_in *in, const char *key, uint32_t most,
			uint32_t *ret) DV_MUST_CHECK;
int dv_api_get_bool(const struct dv_api_in *in, const char *key, bool *ret) DV_MUST_CHECK;
/* A number, whole or not, times `unit`, rounded: memory in MiB, shares in percent, times in ms. */
int dv_api_get_scaled(const struct dv_api_in *in, const char *key, double unit, uint64_t most,
		      uint64_t *ret) DV_MUST_CHECK;
int dv_api_get_share(const struct dv_api_in *in, const char *key, uint32_t *ret_mpct) DV_MUST_CHECK;
/* <key>_bytes exactly, else <key>_mib. */
int dv_api_get_memory(const struct dv_api_in *in, const char *key,
		      uint64_t *ret_bytes) DV_MUST_CHECK;
/* A list, or *ret_list NULL when there is none; at most `most` items. */
int dv_api_get_list(const struct dv_api_in *in, const char *key, size_t most,
		    const json_t **ret_list) DV_MUST_CHECK;
/* A list of short texts into rows of `size` bytes. */
int dv_api_get_texts(const struct dv_api_in *in, const char *key, char *rows, size_t size,
		     unsigned most, unsigned *ret_count) DV_MUST_CHECK;
/* Only these members (NULL-terminated): one that nobody reads would be a wish that nobody fulfils.
 * Rule F05. */
int dv_api_only_members(const struct dv_api_in *in, const char *const *known,
			const char *what) DV_MUST_CHECK;
/* A word of a closed list, by the model's parser. */
#define dv_api_get_word(in, key, parse, ret)                                                       \
	({                                                                                         \
		char word_[64] = "";                                                               \
		int r_ = dv_api_get_text(in, key, word_, sizeof(word_));                           \
		if (r_ == 0 && word_[0] && (parse)(word_, ret, NULL) < 0)                          \
			r_ = dv_error_set((in)->err, (in)->code, "'%s' is not a known %s", word_,  \
					  key);                                                    \
		r_;                                                                                \
	})

/* An object being built. After a failure it stays failed; dv_api_done tells. */
struct dv_api_out {
	json_t *obj;
	bool failed;
};

struct dv_api_out dv_api_begin(void);
void dv_api_put_json(struct dv_api_out *out, const char *key, json_t *value_take);
/* Bytes that are no UTF-8 become '?'. */
void dv_api_put_text(struct dv_api_out *out, const char *key, const char *text);
/* The text of a file, with its line ends. */
void dv_api_put_file(struct dv_api_out *out, const char *key, const char *text);
/* "" becomes null. */
void dv_api_put_opt(struct dv_api_out *out, const char *key, const char *text);
void dv_api_put_int(struct dv_api_out *out, const char *key, int64_t value);
void dv_api_put_bool(struct dv_api_out *out, const char *key, bool value);
/* value / unit, as a whole number where it is one. */
void dv_api_put_scaled(struct dv_api_out *out, const char *key, uint64_t value, uint64_t unit);
/* <key>_mib to read and <key>_bytes to compute with. */
void dv_api_put_memory(struct dv_api_out *out, const char *key, uint64_t bytes);
void dv_api_put_texts(struct dv_api_out *out, const char *key, const char *rows, size_t size,
		      unsigned count);
/* Append to a list; counts as the object's failure. */
void dv_api_append(struct dv_api_out *out, json_t *list, json_t *value_take);
/* The object, or NULL when anything failed; `out` no longer owns it. */
json_t *dv_api_done(struct dv_api_out *out);

/* Print the document and free it; NULL (a failed build) is -ENOMEM. */
int dv_api_print(json_t *json_take, char **ret_text, struct dv_error *err) DV_MUST_CHECK;
