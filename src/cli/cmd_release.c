/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"
#include "cli/verbs.h"

static int run_release(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	const char *name = args->words[0];
	char path[128];
	int r = dv_remote_check_name(name, err);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/v1/leases/%s", name);
	r = dv_remote_call(cli, "DELETE", path, NULL, &answer, err);
	if (r < 0)
		return r;
	if (cli->json)
		dv_remote_print(cli, answer);
	else
		dv_outf(&cli->out, "released %s\n", name);
	return 0;
}

const struct dv_verb dv_verb_release = {
	.name = "release",
	.args = "NAME",
	.least = 1,
	.most = 1,
	.help = "give a lease back",
	.text = "Processes of the tenant that still use the device are cut off: what they hold is "
		"given back and they get nothing new. A file that `divvy attach --as cdi` wrote is "
		"good for nothing then, and is yours to remove. Only the owner of a lease and an "
		"administrator may release it.",
	.run = run_release,
};
