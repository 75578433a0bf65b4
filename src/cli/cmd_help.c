/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/remote.h"
#include "cli/verbs.h"

static int print_document(struct dv_cli *cli, const struct dv_verb *verb, struct dv_error *err)
{
	dv_autofree char *text = NULL;
	int r = dv_help_document(verb, &text, err);

	if (r == 0)
		dv_remote_print(cli, text);
	return r;
}

static int run_help(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	const struct dv_verb *verb = NULL;

	if (args->count) {
		verb = dv_verb_find(args->words[0]);
		if (!verb)
			return dv_verb_unknown(args->words[0], err);
	}
	if (cli->json)
		return print_document(cli, verb, err);
	dv_help(&cli->out, verb);
	return 0;
}

const struct dv_verb dv_verb_help = {
	.name = "help",
	.args = "[VERB]",
	.most = 1,
	.help = "how to use divvy, or one of its verbs",
	.text = "The same as --help, alone or after a verb.",
	.run = run_help,
};
