/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/parted.h"
#include "cli/plan_show.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/wish.h"

enum { OPT_YES, OPT_CONFIG };

static const struct dv_option options[] = {
	[OPT_YES] = {"yes", 'y', NULL, "do it even if somebody who runs is disturbed"},
	[OPT_CONFIG] = DV_OPTION_CONFIG,
	{NULL},
};

enum { WHOM_SIZE = 400 };

static int refuse(const char *whom, const char *path, struct dv_error *err)
{
	int r = dv_error_rule(err, -EBUSY, "S14", "this would disturb %s; nothing was changed",
			      whom);

	return dv_error_fix(err, r, "wait for their end, or: divvy apply %s --yes", path);
}

/* Nobody who runs is disturbed without a word: asked on a terminal, refused elsewhere. */
static int get_consent(struct dv_cli *cli, const struct dv_plan *plan, const char *path,
		       bool *ret_consent, struct dv_error *err)
{
	char line[16] = "", whom[WHOM_SIZE];
	int r;

	if (plan->unplaced.len || !*dv_plan_disturbed(plan, whom, sizeof(whom)))
		return 0;
	if (!cli->err.terminal || !isatty(STDIN_FILENO) || cli->json)
		return refuse(whom, path, err);
	r = dv_plan_show(&cli->err, plan, err);
	if (r < 0)
		return r;
	dv_outf(&cli->err, "\nThis disturbs %s. Do it? [y/N] ", whom);
	(void)fflush(cli->err.file);
	if (!fgets(line, sizeof(line), stdin))
		dv_outf(&cli->err, "\n");
	if (line[0] != 'y' && line[0] != 'Y')
		return refuse(whom, path, err);
	*ret_consent = true;
	return 0;
}

/* What was handed to divvyd goes on there: whoever stops waiting hears of it. */
static void on_interrupt(int signo)
{
	static const char text[] =
		"\ndivvy: divvyd goes on with it; divvy log says how it ends, and "
		"divvy diff FILE whether all is as wanted\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)raise(signo); /* again, as if it were not caught: when this ends */
}

/* Not where somebody ignores it, as a shell does for what it runs in the background. */
static bool warn_when_interrupted(void)
{
	struct sigaction was, action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};

	return sigaction(SIGINT, NULL, &was) == 0 && was.sa_handler == SIG_DFL &&
	       sigaction(SIGINT, &action, NULL) == 0;
}

static int send(struct dv_cli *cli, const struct dv_api_wish *wish, char **ret_answer,
		struct dv_error *err)
{
	dv_autofree char *body = NULL;
	bool warns;
	int r = dv_api_wish_encode(wish, &body, err);

	if (r < 0)
		return r;
	warns = !cli->json && warn_when_interrupted();
	r = dv_remote_call(cli, "POST", "/v1/apply", body, ret_answer, err);
	if (warns)
		(void)signal(SIGINT, SIG_DFL);
	return r;
}

static void tell(struct dv_cli *cli, const struct dv_plan *plan)
{
	if (!plan->steps.len && !plan->kept)
		dv_outf(&cli->out, "%s: as wanted already, without tenants\n", plan->fleet);
	else if (!plan->steps.len)
		dv_outf(&cli->out, "%s: as wanted already, %u tenant%s stand%s\n", plan->fleet,
			plan->kept, dv_plural(plan->kept), plan->kept == 1 ? "s" : "");
	else if (!plan->assignments.len)
		dv_outf(&cli->out, "%s: done in %zu step%s, no tenants are left\n", plan->fleet,
			plan->steps.len, dv_plural(plan->steps.len));
	else
		dv_outf(&cli->out, "%s: done in %zu step%s, %zu tenant%s placed\n", plan->fleet,
			plan->steps.len, dv_plural(plan->steps.len), plan->assignments.len,
			dv_plural(plan->assignments.len));
}

/* What is looked at is what is done: the state of the first answer goes with the second question.
 */
static int run_apply(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_cleanup(dv_api_wish_fini) struct dv_api_wish wish = {0};
	dv_cleanup(dv_plan_fini) struct dv_plan plan = {0};
	const char *path = args->words[0], *config = args->given.value[OPT_CONFIG];
	char again[384];
	int r = dv_wish_read(path, &wish, err);

	(void)snprintf(again, sizeof(again), "%.256s%s%.64s", path, config ? " --config " : "",
		       config ? config : "");

	r = r < 0 ? r : dv_parted_resolve(cli, config, &wish, err);
	r = r < 0 ? r : dv_wish_plan(cli, &wish, &plan, NULL, err);
	if (r < 0)
		return r;
	wish.consent = args->given.value[OPT_YES] != NULL;
	if (!wish.consent)
		r = get_consent(cli, &plan, again, &wish.consent, err);
	if (!wish.state[0])
		(void)dv_copy(wish.state, sizeof(wish.state), plan.state);
	r = r < 0 ? r : send(cli, &wish, &answer, err);
	if (r < 0)
		return r;
	if (cli->json)
		dv_remote_print(cli, answer);
	else
		tell(cli, &plan);
	return 0;
}

const struct dv_verb dv_verb_apply = {
	.name = "apply",
	.args = "FILE|PLAN",
	.least = 1,
	.most = 1,
	.help = "make a fleet so: each step in a journal, all of it or nothing",
	.text = "FILE is a fleet file, or one of mig-parted with --config; PLAN is what divvy plan "
		"-o "
		"wrote; a PLAN is refused when the "
		"machine changed since it was made. Only what an earlier apply of the same fleet "
		"made is changed or removed. When a step fails, those before it are undone.\n\n"
		"A change that disturbs a running tenant is asked about on a terminal, and refused "
		"elsewhere (status 3) unless --yes is given. Status 3 also when a tenant could not "
		"be placed; then nothing is changed.",
	.options = options,
	.run = run_apply,
};
