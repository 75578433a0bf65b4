/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "config.h"

/* Where the right column begins. */
enum { VERBS_AT = 12, OPTIONS_AT = 24 };

static void put_row(struct dv_out *out, unsigned column, const char *left, const char *right)
{
	unsigned at = 2 + dv_out_width(left);

	dv_outf(out, "  %s", left);
	if (at + 1 > column) {
		dv_outf(out, "\n");
		at = 0;
	}
	dv_outf(out, "%*s", (int)(column - at), "");
	dv_out_wrap(out, DV_STYLE_NONE, column, column, right);
}

static void put_options(struct dv_out *out, const char *title, const struct dv_option *options)
{
	char left[64], letter[8];

	dv_outf(out, "\n");
	dv_out_style(out, DV_STYLE_HEAD, "%s\n", title);
	for (; options->name; options++) {
		if (options->letter)
			(void)snprintf(letter, sizeof(letter), "-%c, ", options->letter);
		else
			letter[0] = '\0';
		(void)snprintf(left, sizeof(left), "%s--%s%s%s", letter, options->name,
			       options->value ? " " : "", options->value ? options->value : "");
		put_row(out, OPTIONS_AT, left, options->help);
	}
}

static void put_text(struct dv_out *out, const char *text)
{
	dv_autofree char *copy = strdup(text);
	char *paragraph = copy, *end;

	out->failed |= !copy;
	while (paragraph && *paragraph) {
		end = strstr(paragraph, "\n\n");
		if (end)
			*end = '\0';
		dv_outf(out, "\n");
		dv_out_wrap(out, DV_STYLE_NONE, 0, 0, paragraph);
		paragraph = end ? end + 2 : NULL;
	}
}

static void help_verb(struct dv_out *out, const struct dv_verb *verb)
{
	dv_outf(out, "Usage: divvy %s%s%s%s\n\n", verb->name, verb->options ? " [OPTIONS]" : "",
		*verb->args ? " " : "", verb->args);
	dv_outf(out, "%s: ", verb->name);
	dv_out_wrap(out, DV_STYLE_NONE, 0, (unsigned)strlen(verb->name) + 2, verb->help);
	put_text(out, verb->text);
	if (verb->options)
		put_options(out, "Options:", verb->options);
	put_options(out, "Options of every verb:", dv_globals);
}

void dv_help(struct dv_out *out, const struct dv_verb *verb)
{
	if (verb) {
		help_verb(out, verb);
		return;
	}
	dv_outf(out, "Usage: divvy [OPTIONS] VERB ...\n\ndivvy divides GPUs among tenants.\n\n");
	dv_out_style(out, DV_STYLE_HEAD, "Verbs:\n");
	for (size_t i = 0; dv_verbs[i]; i++)
		put_row(out, VERBS_AT, dv_verbs[i]->name, dv_verbs[i]->help);
	put_options(out, "Options:", dv_globals);
	dv_outf(out, "\n");
	dv_out_wrap(out, DV_STYLE_NONE, 0, 0,
		    "\"divvy VERB --help\" says more of a verb; so does the manual, man divvy.");
}

static void json_options(struct dv_json *json, const struct dv_option *options)
{
	char letter[2] = "";

	dv_json_array(json, "options");
	for (; options && options->name; options++) {
		letter[0] = options->letter;
		dv_json_object(json, NULL);
		dv_json_text(json, "name", options->name);
		dv_json_text(json, "letter", letter[0] ? letter : NULL);
		dv_json_text(json, "value", options->value);
		dv_json_text(json, "help", options->help);
		dv_json_end(json);
	}
	dv_json_end(json);
}

int dv_help_document(const struct dv_verb *only, char **ret_text, struct dv_error *err)
{
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/help/1");
	dv_json_text(&json, "version", DV_VERSION);
	json_options(&json, dv_globals);
	dv_json_array(&json, "verbs");
	for (size_t i = 0; dv_verbs[i]; i++) {
		const struct dv_verb *verb = dv_verbs[i];

		if (only && only != verb)
			continue;
		dv_json_object(&json, NULL);
		dv_json_text(&json, "name", verb->name);
		dv_json_text(&json, "args", verb->args);
		dv_json_text(&json, "help", verb->help);
		dv_json_text(&json, "text", verb->text);
		json_options(&json, verb->options);
		dv_json_end(&json);
	}
	dv_json_end(&json);
	dv_json_end(&json);
	if (dv_buf_take(&buf, ret_text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the document");
	return 0;
}
