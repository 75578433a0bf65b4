/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wish.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/input.h"
#include "cli/remote.h"
#include "model/mig-parted.h"

/* A fleet is YAML and begins with a key, a saved plan is JSON and begins with a brace. */
static bool is_document(const char *text, size_t len)
{
	return text[strspn(text, " \t\r\n")] == '{' && !dv_mig_parted_is(text, len);
}

/* YAML is UTF-8, and JSON, in which it travels, is too. */
static int check_text(const char *path, const char *text, size_t len, struct dv_error *err)
{
	int line = 1, column = 1;

	for (const char *p = text; p < text + len; column++) {
		size_t n = dv_utf8_len(p);

		if (!n) {
			int r = dv_error_rule(err, -EBADMSG, "F01",
					      "a byte that is no text: 0x%02x", (unsigned char)*p);

			r = dv_error_at(err, r, path, line, column);
			return dv_error_fix(err, r, "save the file as UTF-8");
		}
		if (*p == '\n') {
			line++;
			column = 0;
		}
		p += n;
	}
	return 0;
}

static int from_plan(const char *path, const char *text, size_t len, struct dv_api_wish *ret,
		     struct dv_error *err)
{
	dv_cleanup(dv_plan_fini) struct dv_plan plan = {0};
	int r = dv_api_plan_decode(text, len, &plan, err);

	if (r < 0)
		return dv_error_prefix(err, r, "%s", path);
	if (!plan.source) {
		r = dv_error_set(err, -EBADMSG, "%s: a plan without its fleet can't be used", path);
		return dv_error_fix(err, r, "make it anew: divvy plan FILE -o %s", path);
	}
	(void)dv_copy(ret->file, sizeof(ret->file), plan.file);
	(void)dv_copy(ret->state, sizeof(ret->state), plan.state);
	ret->defragment = plan.defragments;
	ret->text = take_ptr(plan.source);
	return 0;
}

int dv_wish_read(const char *path, struct dv_api_wish *ret, struct dv_error *err)
{
	dv_cleanup(dv_api_wish_fini) struct dv_api_wish wish = {0};
	dv_autofree char *text = NULL;
	size_t len = 0;
	int r = dv_input_read(path, DV_HTTP_BODY_MOST, &text, &len, err);

	if (r < 0)
		return r;
	if (is_document(text, len)) {
		r = from_plan(path, text, len, &wish, err);
		if (r < 0)
			return r;
	} else {
		if (len > DV_FILE_MOST)
			return dv_error_fix(err,
					    dv_error_rule(err, -E2BIG, "F14",
							  "%s is larger than the limit of %d KiB",
							  path, DV_FILE_MOST >> 10),
					    "check that %s is the file you mean", path);
		r = check_text(path, text, len, err);
		if (r < 0)
			return r;
		(void)dv_copy(wish.file, sizeof(wish.file),
			      strcmp(path, "-") == 0 ? "standard input" : path);
		wish.text = take_ptr(text);
	}
	*ret = wish;
	wish.text = NULL;
	return 0;
}

int dv_wish_plan(struct dv_cli *cli, const struct dv_api_wish *wish, struct dv_plan *ret,
		 char **ret_text, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_autofree char *body = NULL;
	dv_autofree char *copy = NULL;
	int r = dv_api_wish_encode(wish, &body, err);

	if (r == 0)
		r = dv_remote_call(cli, "POST", "/v1/plan", body, &answer, err);
	if (r < 0)
		return r;
	if (ret_text) {
		copy = strdup(answer);
		if (!copy)
			return dv_error_set(err, -ENOMEM, "no memory for the plan");
	}
	r = dv_api_plan_decode(answer, strlen(answer), ret, err);
	if (r == 0 && ret_text)
		*ret_text = take_ptr(copy);
	return r;
}
