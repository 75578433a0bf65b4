/* SPDX-License-Identifier: Apache-2.0 */
/* A fleet file on its way to divvyd. */
#include <string.h>

#include "api/api.h"
#include "api/document.h"

int dv_api_wish_encode(const struct dv_api_wish *wish, char **ret_text, struct dv_error *err)
{
	struct dv_api_out out = dv_api_begin();

	dv_api_put_text(&out, "schema", "divvy/fleet/1");
	dv_api_put_opt(&out, "file", wish->file);
	dv_api_put_file(&out, "text", wish->text);
	dv_api_put_opt(&out, "state", wish->state);
	dv_api_put_bool(&out, "consent", wish->consent);
	dv_api_put_bool(&out, "defragment", wish->defragment);
	return dv_api_print(dv_api_done(&out), ret_text, err);
}

/* The file's text is long, has line ends, and is read by a parser of its own. */
static int text_get(const struct dv_api_in *in, char **ret)
{
	const json_t *value = json_object_get(in->obj, "text");
	const char *text = json_string_value(value);

	if (!text)
		return dv_error_set(in->err, in->code, "\"text\" is not the text of a fleet file");
	*ret = strdup(text);
	return *ret ? 0 : dv_error_set(in->err, -ENOMEM, "no memory for a fleet file");
}

int dv_api_wish_decode(const char *text, size_t len, struct dv_api_wish *ret, struct dv_error *err)
{
	dv_autojson json_t *root = NULL;
	struct dv_api_wish wish = {0};
	struct dv_api_in in;
	int r = dv_api_load(text, len, "fleet", -EBADMSG, &root, err);

	if (r < 0)
		return r;
	in = (struct dv_api_in){root, -EBADMSG, err};
	r = dv_api_get_text(&in, "file", wish.file, sizeof(wish.file));
	r = r < 0 ? r : dv_api_get_text(&in, "state", wish.state, sizeof(wish.state));
	r = r < 0 ? r : dv_api_get_bool(&in, "consent", &wish.consent);
	r = r < 0 ? r : dv_api_get_bool(&in, "defragment", &wish.defragment);
	r = r < 0 ? r : text_get(&in, &wish.text);
	if (r < 0)
		return r;
	*ret = wish;
	return 0;
}

void dv_api_wish_fini(struct dv_api_wish *wish)
{
	free(wish->text);
	wish->text = NULL;
}
