/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/attach_cdi.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "model/cdi.h"

enum { OPT_AS, OPT_OUT, OPT_LIBRARY_PATH };

static const struct dv_option options[] = {
	[OPT_AS] = {"as", 0, "FORM", "env (if not given): KEY=VALUE lines; cdi: a CDI file"},
	[OPT_OUT] = {"out", 'o', "FILE",
		     "into this file, whole and for its owner only; - is standard output"},
	[OPT_LIBRARY_PATH] = {"library-path", 0, "DIRS",
			      "of --as cdi: what the image has in LD_LIBRARY_PATH, to stand behind "
			      "divvy's directory"},
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

/* The loader would take an empty one for the directory in which the program is. */
static int check_library_path(const char *path, bool cdi, struct dv_error *err)
{
	size_t len = path ? strlen(path) : 0;

	if (!path)
		return 0;
	if (!cdi)
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F12", "--library-path is about containers"),
			"leave it out, or say --as cdi");
	for (size_t i = 0; i <= len; i++)
		if ((i == 0 || path[i - 1] == ':') && path[i] != '/')
			return dv_error_fix(
				err,
				dv_error_rule(err, -EINVAL, "F11",
					      "--library-path: '%.200s' has a directory that is "
					      "not an absolute path",
					      path),
				"write absolute paths with ':' between them");
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

/* Whoever reads it may be in the lease, if the socket lets him: for its owner only. */
static int put_out(struct dv_cli *cli, const char *out, const char *text, struct dv_error *err)
{
	if (out && strcmp(out, "-") != 0)
		return dv_file_write(out, text, strlen(text), 0600, err);
	dv_outf(&cli->out, "%s", text);
	return 0;
}

static bool has_cuda_layer(const struct dv_api_grant *grant)
{
	for (unsigned i = 0; i < grant->env_count; i++)
		if (strncmp(grant->env[i], "DIVVY_CUDA_LAYER=", 17) == 0)
			return true;
	return false;
}

static int put_env(struct dv_cli *cli, const char *out, const char *answer,
		   const struct dv_api_grant *grant, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};

	if (cli->json)
		dv_buf_addf(&buf, "%s\n", answer);
	for (unsigned i = 0; !cli->json && i < grant->env_count; i++)
		dv_buf_addf(&buf, "%s\n", grant->env[i]);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the environment");
	if (!cli->json && has_cuda_layer(grant))
		dv_outf(&cli->err,
			"divvy: by these alone no program is in the slice: start it by divvy run "
			"--name %s, which puts divvy's library in the driver's place, or in a "
			"container by --as cdi\n",
			grant->lease.name);
	return put_out(cli, out, text, err);
}

static int put_cdi(struct dv_cli *cli, const char *const *value, const struct dv_api_grant *grant,
		   struct dv_error *err)
{
	dv_autofree char *text = NULL;
	int r = dv_attach_cdi(cli, grant, value[OPT_LIBRARY_PATH], &text, err);

	r = r < 0 ? r : put_out(cli, value[OPT_OUT], text, err);
	if (r == 0 && !cli->json)
		dv_outf(&cli->err,
			"divvy: for podman: --device " DV_CDI_KIND "=%s, and none of NVIDIA's own "
			"devices beside it; take the file away when the lease is released\n",
			grant->lease.name);
	return r;
}

static int run_attach(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_autofree struct dv_api_grant *grant = calloc(1, sizeof(*grant));
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	const char *const *value = args->given.value;
	bool cdi = false;
	int r = check_form(value[OPT_AS], &cdi, err);

	if (!grant)
		return dv_error_set(err, -ENOMEM, "no memory for a grant");
	r = r < 0 ? r : check_library_path(value[OPT_LIBRARY_PATH], cdi, err);
	r = r < 0 ? r : dv_remote_check_name(args->words[0], err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/leases/%s/attach", args->words[0]);
	if (r == 0)
		r = dv_api_grant_decode(answer, grant, err);
	if (r < 0)
		return r;
	warn(cli, grant);
	return cdi ? put_cdi(cli, value, grant, err)
		   : put_env(cli, value[OPT_OUT], answer, grant, err);
}

const struct dv_verb dv_verb_attach = {
	.name = "attach",
	.args = "NAME",
	.least = 1,
	.most = 1,
	.help = "what to hand to a lease's container or process",
	.text = "With --as cdi a file for /etc/cdi or /run/cdi, by which a runtime gives a "
		"container its slice of an NVIDIA GPU or its MIG partition, as device " DV_CDI_KIND
		"=NAME: exactly the device nodes, the host driver's libraries with "
		"divvy's in their place, the lease's socket and the environment. For a slice "
		"divvy first makes sure that the layer reports to divvyd, else there is no file "
		"(rule G03). The file is as good as the lease: the driver, divvy and the lease "
		"must be those that it was written for.\n\n"
		"The lines of --as env alone put no program into a slice of an NVIDIA GPU: divvy "
		"run --name NAME does, by the library that it puts in the driver's place.\n\n"
		"With --json the whole grant, but for --as cdi.",
	.options = options,
	.run = run_attach,
};
