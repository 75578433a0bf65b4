/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "base/str.h"
#include "cli/remote.h"
#include "cli/verbs.h"

enum { OPT_AS };

static const struct dv_option options[] = {
	[OPT_AS] = {"as", 0, "FORM", "env (if not given): KEY=VALUE lines; cdi: a CDI file"},
	{NULL},
};

static int check_form(const char *form, bool *ret_cdi, struct dv_error *err)
{
	static const char *const later[] = {"libvirt", "qemu", "proxmox", "kubevirt", "vmware"};

	*ret_cdi = form && strcmp(form, "cdi") == 0;
	if (!form || *ret_cdi || strcmp(form, "env") == 0)
		return 0;
	for (size_t i = 0; i < DV_ARRAY_LEN(later); i++)
		if (strcmp(form, later[i]) == 0)
			return dv_error_fix(
				err,
				dv_error_rule(err, -EOPNOTSUPP, "G09",
					      "this divvy cannot write the form '%s' yet", form),
				"divvy attach NAME --as env, or --as cdi");
	return dv_error_fix(err,
			    dv_error_rule(err, -EINVAL, "F11", "--as: '%.64s' is no form", form),
			    "write env or cdi");
}

/* What the CDI runtime hands out itself, and must not be asked for a second time by name. */
static bool is_by_name(const char *env)
{
	return strncmp(env, "NVIDIA_VISIBLE_DEVICES=", 23) == 0;
}

/* Container Device Interface, version 0.6.0: one device of kind divvy/lease. */
static void write_cdi(const struct dv_api_grant *grant, struct dv_json *json)
{
	dv_json_object(json, NULL);
	dv_json_text(json, "cdiVersion", "0.6.0");
	dv_json_text(json, "kind", "divvy/lease");
	dv_json_array(json, "devices");
	dv_json_object(json, NULL);
	dv_json_text(json, "name", grant->lease.name);
	dv_json_object(json, "containerEdits");
	dv_json_array(json, "env");
	for (unsigned i = 0; i < grant->env_count; i++)
		dv_json_text(json, NULL,
			     is_by_name(grant->env[i]) ? "NVIDIA_VISIBLE_DEVICES=void"
						       : grant->env[i]);
	dv_json_end(json);
	dv_json_array(json, "deviceNodes");
	for (unsigned i = 0; i < grant->device_count; i++) {
		dv_json_object(json, NULL);
		dv_json_text(json, "path", grant->devices[i]);
		dv_json_end(json);
	}
	dv_json_end(json);
	dv_json_end(json);
	dv_json_end(json);
	dv_json_end(json);
	dv_json_end(json);
}

static int print_cdi(struct dv_cli *cli, const struct dv_api_grant *grant, struct dv_error *err)
{
	struct dv_buf buf = {0};
	dv_autofree char *text = NULL;
	struct dv_json json;

	if (!grant->device_count)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EOPNOTSUPP, "G09",
				      "the device nodes of lease '%s' (%s) are not known",
				      grant->lease.name, dv_method_name(grant->lease.method)),
			"a CDI file is for MIG partitions whose capabilities divvyd can read in "
			"/proc/driver/nvidia/capabilities; for others: divvy attach %s --as env",
			grant->lease.name);
	dv_json_init(&json, &buf);
	write_cdi(grant, &json);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the CDI file");
	dv_outf(&cli->out, "%s\n", text);
	return 0;
}

static void warn(struct dv_cli *cli, const struct dv_api_grant *grant)
{
	struct dv_error note = {0};

	if (!grant->note[0])
		return;
	dv_error_set(&note, -EAGAIN, "%s", grant->note);
	dv_warning(cli, &note);
}

static int run_attach(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_autofree struct dv_api_grant *grant = calloc(1, sizeof(*grant));
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	bool cdi = false;
	int r = check_form(args->given.value[OPT_AS], &cdi, err);

	if (!grant)
		return dv_error_set(err, -ENOMEM, "no memory for a grant");
	if (r == 0)
		r = dv_remote_check_name(args->words[0], err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/leases/%s/attach", args->words[0]);
	if (r == 0)
		r = dv_api_grant_decode(answer, grant, err);
	if (r < 0)
		return r;
	warn(cli, grant);
	if (cdi)
		return print_cdi(cli, grant, err);
	if (cli->json) {
		dv_remote_print(cli, answer);
		return 0;
	}
	for (unsigned i = 0; i < grant->env_count; i++)
		dv_outf(&cli->out, "%s\n", grant->env[i]);
	return 0;
}

const struct dv_verb dv_verb_attach = {
	.name = "attach",
	.args = "NAME",
	.least = 1,
	.most = 1,
	.help = "what to hand to a lease's container or process",
	.text = "With --as cdi a file for /etc/cdi or /run/cdi, by which a runtime gives a "
		"container the environment and exactly the device nodes of its MIG partition, as "
		"device divvy/lease=NAME; the driver's libraries are not in it. With --json "
		"the whole grant, but for --as cdi.",
	.options = options,
	.run = run_attach,
};
