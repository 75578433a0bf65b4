/* SPDX-License-Identifier: Apache-2.0 */
/* Errors, status and the log. */
#include "api/api.h"
#include "api/document.h"

int dv_api_error_encode(const struct dv_error *error, char **ret_text)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/error/1");
	dv_api_put_text(&out, "code", dv_error_class(error->code)->name);
	dv_api_put_opt(&out, "rule", error->rule);
	dv_api_put_text(&out, "message", error->msg);
	dv_api_put_opt(&out, "fix", error->fix);
	dv_api_put_opt(&out, "file", error->file);
	dv_api_put_json(&out, "line", error->line > 0 ? json_integer(error->line) : json_null());
	dv_api_put_json(&out, "column",
			error->column > 0 ? json_integer(error->column) : json_null());
	return dv_api_print(dv_api_done(&out), ret_text, NULL);
}

int dv_api_error_decode(const char *text, struct dv_error *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	const struct dv_error_class *class;
	struct dv_error error = {0};
	uint32_t line = 0, column = 0;
	char code[24] = "";
	int r = dv_api_load(text, strlen(text), "error", -EPROTO, &root, err);

	if (r < 0)
		return r;
	struct dv_api_in in = {root, -EPROTO, err};

	r = dv_api_need_text(&in, "code", code, sizeof(code));
	r = r < 0 ? r : dv_api_need_text(&in, "message", error.msg, sizeof(error.msg));
	r = r < 0 ? r : dv_api_get_text(&in, "rule", error.rule, sizeof(error.rule));
	r = r < 0 ? r : dv_api_get_text(&in, "fix", error.fix, sizeof(error.fix));
	r = r < 0 ? r : dv_api_get_text(&in, "file", error.file, sizeof(error.file));
	r = r < 0 ? r : dv_api_get_unsigned(&in, "line", INT32_MAX, &line);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "column", INT32_MAX, &column);
	if (r < 0)
		return r;
	/* A newer divvyd may know more codes; the message still says what it was. */
	class = dv_error_class_by_name(code);
	error.code = class ? class->code : -EIO;
	error.domain = line ? DV_DOMAIN_FILE : error.rule[0] ? DV_DOMAIN_RULE : DV_DOMAIN_NONE;
	error.line = (int)line;
	error.column = (int)column;
	*ret = error;
	return 0;
}

int dv_api_status_encode(const struct dv_api_status *status, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();
	json_t *warnings = json_array();

	dv_api_put_text(&out, "schema", "divvy/status/1");
	dv_api_put_text(&out, "version", status->version);
	dv_api_put_text(&out, "socket", status->socket);
	dv_api_put_bool(&out, "system", status->system);
	dv_api_put_int(&out, "pid", status->pid);
	dv_api_put_gpus(&out, status->gpus.items, status->gpus.len);
	dv_api_put_leases(&out, status->leases.items, status->leases.len);
	for (size_t i = 0; i < status->warnings.len; i++)
		dv_api_append(&out, warnings, json_string(status->warnings.items[i]));
	dv_api_put_json(&out, "warnings", warnings);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int warnings_get(const struct dv_api_in *in, struct dv_api_status *status)
{
	const json_t *list = NULL;
	int r = dv_api_get_list(in, "warnings", DV_API_WARNINGS_MOST, &list);

	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		dv_autofree char *copy = text ? strdup(text) : NULL;

		if (!text)
			return dv_error_set(in->err, in->code, "warnings[%zu] is not text", i);
		if (!copy || dv_vec_push(&status->warnings, copy) < 0)
			return dv_error_set(in->err, -ENOMEM, "no memory for warnings");
		copy = NULL;
	}
	return r;
}

static int status_get(const struct dv_api_in *in, struct dv_api_status *status)
{
	int r = dv_api_get_text(in, "version", status->version, sizeof(status->version));

	r = r < 0 ? r : dv_api_get_text(in, "socket", status->socket, sizeof(status->socket));
	r = r < 0 ? r : dv_api_get_bool(in, "system", &status->system);
	r = r < 0 ? r : dv_api_get_unsigned(in, "pid", INT32_MAX, &status->pid);
	r = r < 0 ? r : dv_api_get_gpus(in, &status->gpus);
	r = r < 0 ? r : dv_api_get_leases(in, &status->leases);
	return r < 0 ? r : warnings_get(in, status);
}

int dv_api_status_decode(const char *text, struct dv_api_status *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_api_status status = {0};
	int r = dv_api_load(text, strlen(text), "status", -EPROTO, &root, err);

	if (r < 0)
		return r;
	r = status_get(&(struct dv_api_in){root, -EPROTO, err}, &status);
	if (r < 0) {
		dv_api_status_fini(&status);
		return r;
	}
	*ret = status;
	return 0;
}

void dv_api_status_fini(struct dv_api_status *status)
{
	for (size_t i = 0; i < status->warnings.len; i++)
		free(status->warnings.items[i]);
	dv_vec_fini(&status->warnings);
	dv_vec_fini(&status->gpus);
	dv_vec_fini(&status->leases);
}

static json_t *log_entry_put(const struct dv_api_log_entry *entry)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_int(&out, "id", entry->id);
	dv_api_put_int(&out, "time_s", entry->time_s);
	dv_api_put_int(&out, "uid", entry->uid);
	dv_api_put_int(&out, "pid", entry->pid);
	dv_api_put_text(&out, "verb", entry->verb);
	dv_api_put_opt(&out, "subject", entry->subject);
	dv_api_put_opt(&out, "text", entry->text);
	return dv_api_done(&out);
}

int dv_api_log_encode(const struct dv_api_log *log, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();
	json_t *entries = json_array();

	dv_api_put_text(&out, "schema", "divvy/log/1");
	for (size_t i = 0; i < log->len; i++)
		dv_api_append(&out, entries, log_entry_put(&log->items[i]));
	dv_api_put_json(&out, "entries", entries);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int log_entry_get(const struct dv_api_in *from, const json_t *value,
			 struct dv_api_log_entry *ret)
{
	struct dv_api_log_entry entry = {0};
	struct dv_api_in in;
	int64_t pid = 0;
	int r = dv_api_enter(from, value, "a log entry", &in);

	r = r < 0 ? r : dv_api_get_int(&in, "id", 0, INT64_MAX, &entry.id);
	r = r < 0 ? r : dv_api_get_int(&in, "time_s", 0, INT64_MAX, &entry.time_s);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "uid", UINT32_MAX, &entry.uid);
	r = r < 0 ? r : dv_api_get_int(&in, "pid", 0, INT32_MAX, &pid);
	r = r < 0 ? r : dv_api_need_text(&in, "verb", entry.verb, sizeof(entry.verb));
	r = r < 0 ? r : dv_api_get_text(&in, "subject", entry.subject, sizeof(entry.subject));
	r = r < 0 ? r : dv_api_get_text(&in, "text", entry.text, sizeof(entry.text));
	if (r < 0)
		return r;
	entry.pid = (pid_t)pid;
	*ret = entry;
	return 0;
}

int dv_api_log_decode(const char *text, struct dv_api_log *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_api_log log = {0};
	struct dv_api_log_entry entry;
	const json_t *list = NULL;
	int r = dv_api_load(text, strlen(text), "log", -EPROTO, &root, err);

	if (r < 0)
		return r;
	struct dv_api_in in = {root, -EPROTO, err};

	r = dv_api_get_list(&in, "entries", DV_API_LOG_MOST, &list);
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
		r = log_entry_get(&in, json_array_get(list, i), &entry);
		if (r == 0 && dv_vec_push(&log, entry) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory for the log");
	}
	if (r < 0) {
		dv_vec_fini(&log);
		return r;
	}
	*ret = log;
	return 0;
}
