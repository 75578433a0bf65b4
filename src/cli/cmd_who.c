/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/str.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"

static const struct dv_column columns[] = {
	{"PID", .right = true},
	{"USER"},
	{"COMMAND", .least = 8},
	{"LEASE", .least = 8, .whole = true},
	{"WHAT"},
};

static int print_who(struct dv_cli *cli, const struct dv_api_who *who, struct dv_error *err)
{
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char user[DV_SHOW_SIZE];

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (unsigned i = 0; i < who->count; i++) {
		const struct dv_api_holder *holder = &who->holders[i];

		dv_table_add(&table, "%d", (int)holder->pid);
		dv_table_add(&table, "%s", dv_show_user(holder->uid, user));
		dv_table_add(&table, "%s", holder->command);
		dv_table_add_style(&table, holder->lease[0] ? DV_STYLE_NONE : DV_STYLE_WARN, "%s",
				   holder->lease[0] ? holder->lease : "none");
		dv_table_add(&table, "%s", holder->what);
	}
	if (!who->count)
		dv_outf(&cli->out, "nobody that can be seen\n");
	else if (dv_table_print(&table, &cli->out, 0, err) < 0)
		return -ENOMEM;
	if (who->more)
		dv_outf(&cli->out, "and %u more\n", who->more);
	if (who->unreadable)
		dv_outf(&cli->out, "processes that could not be looked into: %u\n",
			who->unreadable);
	return 0;
}

/* A GPU's name goes into a path: letters, digits and what stands in uuids and addresses. */
static int check_gpu(const char *text, struct dv_error *err)
{
	int r;

	if (*text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_.:") == strlen(text))
		return 0;
	r = dv_error_set(err, -EINVAL, "'%.100s' is no GPU's number, uuid, address or model", text);
	return dv_error_fix(err, r, "`divvy gpus` lists what was found");
}

static int run_who(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_autofree struct dv_api_who *who = calloc(1, sizeof(*who));
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	int r = check_gpu(args->words[0], err);

	if (r < 0)
		return r;
	if (!who)
		return dv_error_set(err, -ENOMEM, "no memory for the list of holders");
	r = dv_remote_get(cli, &answer, err, "/v1/gpus/%s/holders", args->words[0]);
	if (r < 0)
		return r;
	if (cli->json) {
		dv_remote_print(cli, answer);
		return 0;
	}
	r = dv_api_who_decode(answer, who, err);
	return r < 0 ? r : print_who(cli, who, err);
}

const struct dv_verb dv_verb_who = {
	.name = "who",
	.args = "GPU",
	.least = 1,
	.most = 1,
	.help = "processes that hold a GPU, with a lease and without",
	.text = "One without a lease is not divided by anything: stop it, or start it by divvy "
		"run. "
		"A process of another user is seen only by root's divvyd.",
	.run = run_who,
};
