/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: who holds a GPU, and which one a client speaks of. */
#include "api/api.h"
#include "api/document.h"

static json_t *holder_put(const struct dv_api_holder *holder)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_int(&out, "pid", holder->pid);
	dv_api_put_int(&out, "uid", holder->uid);
	dv_api_put_opt(&out, "command", holder->command);
	dv_api_put_opt(&out, "what", holder->what);
	dv_api_put_opt(&out, "lease", holder->lease);
	return dv_api_done(&out);
}

int dv_api_who_encode(const struct dv_api_who *who, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();
	json_t *holders = json_array();

	for (unsigned i = 0; i < who->count && i < DV_API_HOLDERS_MOST; i++)
		dv_api_append(&out, holders, holder_put(&who->holders[i]));
	dv_api_put_text(&out, "schema", "divvy/who/1");
	dv_api_put_text(&out, "gpu", who->gpu);
	dv_api_put_json(&out, "holders", holders);
	dv_api_put_int(&out, "more", who->more);
	dv_api_put_int(&out, "unreadable", who->unreadable);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

static int pid_get(const struct dv_api_in *in, pid_t *ret)
{
	int64_t pid = 0;
	int r = dv_api_get_int(in, "pid", 1, INT32_MAX, &pid);

	if (r == 0 && pid == 0)
		r = dv_error_set(in->err, in->code, "\"pid\" is missing");
	if (r < 0)
		return r;
	*ret = (pid_t)pid;
	return 0;
}

static int holder_get(const struct dv_api_in *from, const json_t *value, struct dv_api_holder *ret)
{
	struct dv_api_in in;
	int r = dv_api_enter(from, value, "a holder", &in);

	r = r < 0 ? r : pid_get(&in, &ret->pid);
	r = r < 0 ? r : dv_api_get_unsigned(&in, "uid", UINT32_MAX, &ret->uid);
	r = r < 0 ? r : dv_api_get_text(&in, "command", ret->command, sizeof(ret->command));
	r = r < 0 ? r : dv_api_get_text(&in, "what", ret->what, sizeof(ret->what));
	return r < 0 ? r : dv_api_get_text(&in, "lease", ret->lease, sizeof(ret->lease));
}

static int who_get(const struct dv_api_in *in, struct dv_api_who *who)
{
	const json_t *list = NULL;
	int r = dv_api_need_text(in, "gpu", who->gpu, sizeof(who->gpu));

	r = r < 0 ? r : dv_api_get_unsigned(in, "more", UINT32_MAX, &who->more);
	r = r < 0 ? r : dv_api_get_unsigned(in, "unreadable", UINT32_MAX, &who->unreadable);
	r = r < 0 ? r : dv_api_get_list(in, "holders", DV_API_HOLDERS_MOST, &list);
	for (; r == 0 && who->count < json_array_size(list); who->count++)
		r = holder_get(in, json_array_get(list, who->count), &who->holders[who->count]);
	return r;
}

int dv_api_who_decode(const char *text, struct dv_api_who *ret, struct dv_error *err)
{
	dv_autofree struct dv_api_who *who = calloc(1, sizeof(*who));
	dv_autojson json_t *root = NULL;
	int r;

	if (!who)
		return dv_error_set(err, -ENOMEM, "no memory for the list of holders");
	r = dv_api_load(text, strlen(text), "who", -EPROTO, &root, err);
	r = r < 0 ? r : who_get(&(struct dv_api_in){root, -EPROTO, err}, who);
	if (r < 0)
		return r;
	*ret = *who;
	return 0;
}

int dv_api_process_encode(const struct dv_api_process *process, char **ret_text,
			  struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/process/1");
	dv_api_put_int(&out, "pid", process->pid);
	dv_api_put_opt(&out, "text", process->text);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

int dv_api_process_decode(const char *text, size_t len, struct dv_api_process *ret,
			  struct dv_error *err)
{
	struct dv_api_process process = {0};
	dv_autojson json_t *root = NULL;
	int r = dv_api_load_plain(text, len, -EBADMSG, &root, err);

	if (r < 0)
		return r;
	struct dv_api_in in = {root, -EBADMSG, err};

	r = pid_get(&in, &process.pid);
	r = r < 0 ? r : dv_api_get_text(&in, "text", process.text, sizeof(process.text));
	if (r < 0)
		return r;
	*ret = process;
	return 0;
}

int dv_api_done_encode(const char *verb, const char *subject, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/done/1");
	dv_api_put_text(&out, "done", verb);
	dv_api_put_text(&out, "subject", subject);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}
