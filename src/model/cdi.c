/* SPDX-License-Identifier: Apache-2.0 */
#include "model/cdi.h"

#include <ctype.h>
#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"

static int push_text(char ***items, size_t *len, size_t *cap, char *text)
{
	int r = text ? dv_vec_grow((void **)items, *len, cap, sizeof(**items)) : -ENOMEM;

	if (r < 0)
		free(text);
	else
		(*items)[(*len)++] = text;
	return r;
}

int dv_cdi_env(struct dv_cdi *cdi, const char *name, const char *value)
{
	char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0)
		return -ENOMEM;
	return push_text(&cdi->env.items, &cdi->env.len, &cdi->env.cap, text);
}

int dv_cdi_node(struct dv_cdi *cdi, const char *path)
{
	return push_text(&cdi->nodes.items, &cdi->nodes.len, &cdi->nodes.cap, strdup(path));
}

int dv_cdi_mount(struct dv_cdi *cdi, const char *from, const char *to, bool writable)
{
	struct dv_cdi_mount mount = {strdup(from), strdup(to), writable};

	if (mount.from && mount.to && dv_vec_push(&cdi->mounts, mount) == 0)
		return 0;
	free(mount.from);
	free(mount.to);
	return -ENOMEM;
}

void dv_cdi_fini(struct dv_cdi *cdi)
{
	for (size_t i = 0; i < cdi->env.len; i++)
		free(cdi->env.items[i]);
	for (size_t i = 0; i < cdi->nodes.len; i++)
		free(cdi->nodes.items[i]);
	for (size_t i = 0; i < cdi->mounts.len; i++) {
		free(cdi->mounts.items[i].from);
		free(cdi->mounts.items[i].to);
	}
	dv_vec_fini(&cdi->env);
	dv_vec_fini(&cdi->nodes);
	dv_vec_fini(&cdi->mounts);
}

static int check_name(const char *name, struct dv_error *err)
{
	size_t len = strlen(name);

	if (dv_is_name(name, DV_NAME_MOST) && isalnum((unsigned char)name[0]) &&
	    isalnum((unsigned char)name[len - 1]))
		return 0;
	return dv_error_fix(err,
			    dv_error_rule(err, -EINVAL, "F08",
					  "no device of a container can be called '%.64s'", name),
			    "give the tenant a name that begins and ends with a letter or a digit");
}

static int check_path(const char *path, struct dv_error *err)
{
	return path[0] == '/'
		       ? 0
		       : dv_error_set(err, -EINVAL, "'%.200s' is not an absolute path", path);
}

static int check(const struct dv_cdi *cdi, struct dv_error *err)
{
	int r = check_name(cdi->name, err);

	for (size_t i = 0; r == 0 && i < cdi->nodes.len; i++)
		r = check_path(cdi->nodes.items[i], err);
	for (size_t i = 0; r == 0 && i < cdi->mounts.len; i++) {
		r = check_path(cdi->mounts.items[i].from, err);
		r = r < 0 ? r : check_path(cdi->mounts.items[i].to, err);
	}
	return r;
}

static void write_node(const char *path, struct dv_json *json)
{
	dv_json_object(json, NULL);
	dv_json_text(json, "path", path);
	dv_json_end(json);
}

/* Not `noexec`, which would forbid to map a library. */
static void write_mount(const struct dv_cdi_mount *mount, struct dv_json *json)
{
	static const char *const options[] = {"bind", "nosuid", "nodev"};

	dv_json_object(json, NULL);
	dv_json_text(json, "hostPath", mount->from);
	dv_json_text(json, "containerPath", mount->to);
	dv_json_array(json, "options");
	dv_json_text(json, NULL, mount->writable ? "rw" : "ro");
	for (size_t i = 0; i < DV_ARRAY_LEN(options); i++)
		dv_json_text(json, NULL, options[i]);
	dv_json_end(json);
	dv_json_end(json);
}

static void write_edits(const struct dv_cdi *cdi, struct dv_json *json)
{
	dv_json_object(json, "containerEdits");
	dv_json_array(json, "env");
	for (size_t i = 0; i < cdi->env.len; i++)
		dv_json_text(json, NULL, cdi->env.items[i]);
	dv_json_end(json);
	dv_json_array(json, "deviceNodes");
	for (size_t i = 0; i < cdi->nodes.len; i++)
		write_node(cdi->nodes.items[i], json);
	dv_json_end(json);
	dv_json_array(json, "mounts");
	for (size_t i = 0; i < cdi->mounts.len; i++)
		write_mount(&cdi->mounts.items[i], json);
	dv_json_end(json);
	dv_json_end(json);
}

int dv_cdi_print(const struct dv_cdi *cdi, char **ret_text, struct dv_error *err)
{
	struct dv_buf buf = {0};
	struct dv_json json;
	int r = check(cdi, err);

	if (r < 0)
		return r;
	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "cdiVersion", "0.5.0");
	dv_json_text(&json, "kind", DV_CDI_KIND);
	dv_json_array(&json, "devices");
	dv_json_object(&json, NULL);
	dv_json_text(&json, "name", cdi->name);
	write_edits(cdi, &json);
	dv_json_end(&json);
	dv_json_end(&json);
	dv_json_end(&json);
	dv_buf_add(&buf, "\n");
	return dv_buf_take(&buf, ret_text) < 0
		       ? dv_error_set(err, -ENOMEM, "no memory for the CDI file")
		       : 0;
}
