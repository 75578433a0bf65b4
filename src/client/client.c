/* SPDX-License-Identifier: Apache-2.0 */
#include "client/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/dirs.h"
#include "base/str.h"
#include "config.h"

DV_EXPORT const char *divvy_version(void)
{
	return DV_VERSION;
}

/* The public record is apart from dv_error so that the inner one can change. */
static int answer(int r, const struct dv_error *err, struct divvy_error *ret)
{
	const struct dv_error_class *class;

	if (r >= 0 || !ret)
		return r;
	class = dv_error_class(r);
	memset(ret, 0, sizeof(*ret));
	ret->code = r;
	ret->exit_status = dv_error_exit(err);
	ret->line = err->line;
	ret->column = err->column;
	(void)dv_copy(ret->name, sizeof(ret->name), class->name);
	(void)dv_copy(ret->rule, sizeof(ret->rule), err->rule);
	(void)dv_copy(ret->message, sizeof(ret->message), err->msg);
	(void)dv_copy(ret->fix, sizeof(ret->fix), err->fix);
	(void)dv_copy(ret->file, sizeof(ret->file), err->file);
	return r;
}

DV_DEFINE_FREEP(struct divvy_client, divvy_close)

static int set_path(struct divvy_client *client, const char *path, struct dv_error *err)
{
	if (!dv_copy(client->path, sizeof(client->path), path))
		return dv_error_set(err, -EINVAL,
				    "a socket's name has at most %zu characters: %.60s...",
				    sizeof(client->path) - 1, path);
	return 0;
}

static int dial_given(struct divvy_client *client, const char *path, struct dv_error *err)
{
	int r = set_path(client, path, err);

	if (r < 0)
		return r;
	r = dv_client_dial(path, err);
	if (r == -ECONNREFUSED)
		dv_error_fix(err, r, "check the name after --socket, and that divvyd runs there");
	return r;
}

static int dial_any(struct divvy_client *client, unsigned flags, struct dv_error *err)
{
	static const char system_path[] = DV_SYSTEM_RUN_DIR "/" DV_SOCKET_NAME;
	struct dv_error ignored = {0};
	int fd = dv_client_dial(system_path, &ignored);

	if (fd >= 0) {
		(void)dv_copy(client->path, sizeof(client->path), system_path);
		return fd;
	}
	return dv_client_dial_own(&(struct dv_client_own){NULL}, client->path, sizeof(client->path),
				  !(flags & DIVVY_CONNECT_NO_START), err);
}

/* `path` first, else `own`, else whichever there is. */
static int connect_client(const char *path, const struct dv_client_own *own, unsigned flags,
			  struct divvy_client **ret_client, struct dv_error *err)
{
	dv_cleanup(divvy_closep) struct divvy_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return dv_error_set(err, -ENOMEM, "no memory for a connection");
	if (path)
		r = dial_given(client, path, err);
	else if (own)
		r = dv_client_dial_own(own, client->path, sizeof(client->path), true, err);
	else
		r = dial_any(client, flags, err);
	if (r < 0)
		return r;
	/* It was only to see who listens: libcurl opens its own when a request comes. */
	close(r);
	r = dv_client_http_init(client, err);
	if (r < 0)
		return r;
	*ret_client = take_ptr(client);
	return 0;
}

DV_EXPORT int divvy_connect(const char *socket_path, unsigned flags,
			    struct divvy_client **ret_client, struct divvy_error *error)
{
	struct dv_error err = {0};

	return answer(connect_client(socket_path, NULL, flags, ret_client, &err), &err, error);
}

DV_EXPORT int divvy_connect_private(const char *run_dir, const char *const *options,
				    struct divvy_client **ret_client, struct divvy_error *error)
{
	const struct dv_client_own own = {run_dir, options};
	struct dv_error err = {0};

	return answer(connect_client(NULL, &own, 0, ret_client, &err), &err, error);
}

DV_EXPORT void divvy_close(struct divvy_client *client)
{
	if (!client)
		return;
	if (client->curl)
		curl_easy_cleanup(client->curl);
	free(client);
}

DV_EXPORT const char *divvy_socket_path(const struct divvy_client *client)
{
	return client->path;
}

DV_EXPORT int divvy_call(struct divvy_client *client, const char *verb, const char *path,
			 const char *body, char **ret_answer, struct divvy_error *error)
{
	struct dv_error err = {0};

	return answer(dv_client_http_call(client, verb, path, body, ret_answer, &err), &err, error);
}

DV_EXPORT void divvy_free(void *text)
{
	free(text);
}
