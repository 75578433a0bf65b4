/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/file.h"
#include "cli/parted.h"
#include "cli/plan_show.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/wish.h"

enum { OPT_OUT, OPT_DEFRAGMENT, OPT_CONFIG };

static const struct dv_option options[] = {
	[OPT_OUT] = {"out", 'o', "PLAN", "also write the plan to this file, for apply and report"},
	[OPT_DEFRAGMENT] = {"defragment", 0, NULL, "also put together room that lies in pieces"},
	[OPT_CONFIG] = DV_OPTION_CONFIG,
	{NULL},
};

enum { NOT_ALL_PLACED = 3 };

static int run_plan(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_api_wish_fini) struct dv_api_wish wish = {0};
	dv_cleanup(dv_plan_fini) struct dv_plan plan = {0};
	const char *out = args->given.value[OPT_OUT];
	dv_autofree char *document = NULL;
	int r = dv_wish_read(args->words[0], &wish, err);

	wish.defragment = wish.defragment || args->given.value[OPT_DEFRAGMENT];
	if (r == 0)
		r = dv_parted_resolve(cli, args->given.value[OPT_CONFIG], &wish, err);
	if (r == 0)
		r = dv_wish_plan(cli, &wish, &plan, &document, err);
	if (r == 0 && out)
		r = dv_file_write(out, document, strlen(document), 0644, err);
	if (r < 0)
		return r;
	if (cli->json)
		dv_remote_print(cli, document);
	else
		r = dv_plan_show(&cli->out, &plan, err);
	return r < 0 ? r : plan.unplaced.len ? NOT_ALL_PLACED : 0;
}

const struct dv_verb dv_verb_plan = {
	.name = "plan",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.help = "where each tenant of a fleet goes, and the steps; changes nothing",
	.text = "FILE is a fleet file, see divvy-fleet(5), or one of mig-parted with --config; - "
		"is "
		"standard input. The steps lead from "
		"today's state to the wanted one and say whom they disturb. The status is 3 when a "
		"tenant could not be placed.\n\n"
		"With --defragment what may move (see move in divvy-fleet(5)) moves, as long as "
		"that leaves more room in one piece, and the plan says what that frees; at most so "
		"many as the fleet's moves, if it says a number. Nothing is moved before such a "
		"plan, written with -o, is applied.",
	.options = options,
	.run = run_plan,
};
