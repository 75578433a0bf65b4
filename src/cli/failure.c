/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"

static void add_place(struct dv_json *json, const struct dv_error *err)
{
	if (!err->line) {
		dv_json_null(json, "file");
		dv_json_null(json, "line");
		dv_json_null(json, "column");
		return;
	}
	dv_json_text(json, "file", err->file);
	dv_json_i64(json, "line", err->line);
	dv_json_i64(json, "column", err->column);
}

static void print_document(struct dv_cli *cli, const struct dv_error *err)
{
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/error/1");
	dv_json_text(&json, "code", dv_error_class(err->code)->name);
	dv_json_text(&json, "rule", err->rule[0] ? err->rule : NULL);
	dv_json_text(&json, "message", err->msg);
	dv_json_text(&json, "fix", err->fix[0] ? err->fix : NULL);
	add_place(&json, err);
	dv_json_end(&json);
	if (dv_buf_take(&buf, &text) == 0)
		(void)fprintf(cli->out.file, "%s\n", text);
}

/* Lines are wrapped for a person who looks at a terminal; in a file one message is one line, and
 * what is to be copied is never broken. */
static void put_message(struct dv_out *out, unsigned at, const char *text)
{
	if (out->terminal)
		dv_out_wrap(out, DV_STYLE_NONE, 2, at, text);
	else
		dv_outf(out, "%s\n", text);
}

static void print_text(struct dv_out *out, const struct dv_error *err, bool warning)
{
	unsigned at = warning ? 16 : 7; /* after "divvy: " */
	char place[256] = "";

	if (err->line && strncmp(err->msg, err->file, strlen(err->file)) != 0)
		(void)snprintf(place, sizeof(place), "%s:%d:%d: ", err->file, err->line,
			       err->column);
	dv_out_style(out, warning ? DV_STYLE_WARN : DV_STYLE_BAD,
		     warning ? "divvy: warning:" : "divvy:");
	dv_outf(out, " %s", place);
	put_message(out, at + (unsigned)strlen(place), err->msg);
	if (err->fix[0])
		dv_outf(out, "  fix: %s\n", err->fix);
	if (err->rule[0])
		dv_outf(out, "  rule: %s (divvy explain %s)\n", err->rule, err->rule);
}

int dv_failure(struct dv_cli *cli, const struct dv_error *err)
{
	if (cli->json)
		print_document(cli, err);
	else
		print_text(&cli->err, err, false);
	return dv_error_exit(err);
}

void dv_warning(struct dv_cli *cli, const struct dv_error *err)
{
	print_text(&cli->err, err, true);
	(void)fflush(cli->err.file);
}
