/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"

#include <stdarg.h>
#include <string.h>

#include "base/limits.h"
#include "cli/machine.h"

int dv_remote_adopt(const struct divvy_error *from, int r, struct dv_error *err)
{
	if (from->rule[0])
		r = dv_error_rule(err, r, from->rule, "%s", from->message);
	else
		r = dv_error_set(err, r, "%s", from->message);
	if (from->line)
		r = dv_error_at(err, r, from->file, from->line, from->column);
	return from->fix[0] ? dv_error_fix(err, r, "%s", from->fix) : r;
}

static int connect_once(struct dv_cli *cli, struct dv_error *err)
{
	struct divvy_error error = {0};
	int r;

	if (cli->client)
		return 0;
	if (cli->machine)
		return dv_machine_connect(cli, err);
	r = divvy_connect(cli->socket, 0, &cli->client, &error);
	return r < 0 ? dv_remote_adopt(&error, r, err) : 0;
}

static int call_once(struct dv_cli *cli, const char *verb, const char *path, const char *body,
		     char **ret_answer, struct dv_error *err)
{
	struct divvy_error error = {0};
	int r = connect_once(cli, err);

	if (r < 0)
		return r;
	r = divvy_call(cli->client, verb, path, body, ret_answer, &error);
	cli->answered |= r != -ECONNREFUSED;
	return r < 0 ? dv_remote_adopt(&error, r, err) : 0;
}

int dv_remote_call(struct dv_cli *cli, const char *verb, const char *path, const char *body,
		   char **ret_answer, struct dv_error *err)
{
	struct dv_error lost = {0};
	int r = call_once(cli, verb, path, body, ret_answer, &lost);

	if (r == -ECONNREFUSED && cli->client && !cli->answered && strcmp(verb, "GET") == 0) {
		divvy_close(cli->client);
		cli->client = NULL;
		return call_once(cli, verb, path, body, ret_answer, err);
	}
	if (r < 0 && err)
		*err = lost;
	return r;
}

int dv_remote_get(struct dv_cli *cli, char **ret_answer, struct dv_error *err, const char *fmt, ...)
{
	char path[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(path))
		return dv_error_set(err, -EINVAL, "the request is too long");
	return dv_remote_call(cli, "GET", path, NULL, ret_answer, err);
}

void dv_remote_print(struct dv_cli *cli, const char *document)
{
	size_t len = strlen(document);

	(void)fprintf(cli->out.file, "%s%s", document,
		      len && document[len - 1] == '\n' ? "" : "\n");
}

int dv_remote_check_name(const char *name, struct dv_error *err)
{
	if (dv_is_name(name, DV_NAME_MOST))
		return 0;
	return dv_error_fix(err, dv_error_rule(err, -EINVAL, "F08", "'%.100s' is not a name", name),
			    "use 1 to %d letters, digits, '.', '_' or '-', not beginning with '.' "
			    "or '-'",
			    DV_NAME_MOST);
}
