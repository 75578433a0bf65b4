/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/verbs.h"

const struct dv_option dv_globals[] = {
	[DV_GLOBAL_JSON] = {"json", 0, NULL, "print one JSON document on standard output"},
	[DV_GLOBAL_SOCKET] = {"socket", 0, "PATH", "divvyd's socket, if not the usual one"},
	[DV_GLOBAL_MACHINE] = {"machine", 0, "NAME|FILE",
			       "work on a simulated machine: its name, or a file"},
	[DV_GLOBAL_HELP] = {"help", 'h', NULL, "show what a verb does and its options"},
	[DV_GLOBAL_VERSION] = {"version", 0, NULL, "show the version"},
	{NULL},
};

const struct dv_verb *const dv_verbs[] = {
	/* clang-format off */
	&dv_verb_status,
	&dv_verb_gpus,
	&dv_verb_who,
	&dv_verb_profiles,
	&dv_verb_run,
	&dv_verb_leases,
	&dv_verb_release,
	&dv_verb_attach,
	&dv_verb_top,
	&dv_verb_plan,
	&dv_verb_apply,
	&dv_verb_diff,
	&dv_verb_assert,
	&dv_verb_export,
	&dv_verb_log,
	&dv_verb_bench,
	&dv_verb_report,
	&dv_verb_explain,
	&dv_verb_help,
	NULL,
	/* clang-format on */
};

const struct dv_verb *dv_verb_find(const char *name)
{
	for (size_t i = 0; dv_verbs[i]; i++)
		if (strcmp(dv_verbs[i]->name, name) == 0)
			return dv_verbs[i];
	return NULL;
}

int dv_verb_unknown(const char *name, struct dv_error *err)
{
	const char *names[DV_VERBS_MOST + 1] = {NULL};
	const char *near;
	int r;

	for (size_t i = 0; dv_verbs[i] && i < DV_VERBS_MOST; i++)
		names[i] = dv_verbs[i]->name;
	near = dv_nearest(name, names);
	if (near)
		r = dv_error_set(err, -EINVAL, "there is no verb '%s'; is '%s' meant?", name, near);
	else
		r = dv_error_set(err, -EINVAL, "there is no verb '%s'", name);
	return dv_error_fix(err, r, "divvy --help lists the verbs");
}
