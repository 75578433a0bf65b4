/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "config.h"

static const struct dv_option no_options[] = {{NULL}};

/* Was --json given at all? Wrong usage must be answered as a document then, too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

static int use_globals(struct dv_cli *cli, const struct dv_given *globals, struct dv_error *err)
{
	int r;

	cli->json = globals->value[DV_GLOBAL_JSON];
	cli->socket = globals->value[DV_GLOBAL_SOCKET];
	cli->machine = globals->value[DV_GLOBAL_MACHINE];
	if (!cli->machine || !cli->socket)
		return 0;
	r = dv_error_set(err, -EINVAL, "--machine and --socket each name a divvyd; give one");
	return dv_error_fix(err, r, "leave --socket out: a simulated machine has its own divvyd");
}

/* A file, a GPU or a name is never empty; a command's own words may be. */
static int check_words(const struct dv_verb *verb, const struct dv_args *args, struct dv_error *err)
{
	for (int i = 0; i < args->count && verb->most >= 0; i++)
		if (!*args->words[i])
			return dv_error_fix(
				err,
				dv_error_set(err, -EINVAL,
					     "'%s' was given an empty word; it takes %s",
					     verb->name, verb->args),
				"divvy %s --help", verb->name);
	return 0;
}

static int check_count(const struct dv_verb *verb, int count, struct dv_error *err)
{
	int r;

	if (count >= verb->least && (verb->most < 0 || count <= verb->most))
		return 0;
	if (count < verb->least)
		r = dv_error_set(err, -EINVAL, "'%s' needs %s", verb->name, verb->args);
	else if (!verb->most)
		r = dv_error_set(err, -EINVAL, "'%s' takes no words after it", verb->name);
	else
		r = dv_error_set(err, -EINVAL, "'%s' takes at most %d: %s", verb->name, verb->most,
				 verb->args);
	return dv_error_fix(err, r, "divvy %s --help", verb->name);
}

/* --help and --version are answered whatever else stands there: 1, or 0 when neither does. */
static int answer(struct dv_cli *cli, const struct dv_given *globals, const struct dv_verb *verb,
		  struct dv_error *err)
{
	dv_autofree char *text = NULL;
	int r;

	if (!globals->value[DV_GLOBAL_HELP] && !globals->value[DV_GLOBAL_VERSION])
		return 0;
	if (globals->value[DV_GLOBAL_JSON]) {
		r = dv_help_document(verb, &text, err);
		if (r < 0)
			return r;
		dv_outf(&cli->out, "%s\n", text);
	} else if (globals->value[DV_GLOBAL_HELP]) {
		dv_help(&cli->out, verb);
	} else {
		dv_outf(&cli->out, "divvy %s\n", DV_VERSION);
	}
	return 1;
}

static int run_verb(struct dv_cli *cli, const struct dv_verb *verb, struct dv_given *globals,
		    int argc, char **argv, struct dv_error *err)
{
	struct dv_args args = {0};
	const struct dv_option_set sets[2] = {
		{verb->options ? verb->options : no_options, &args.given}, {dv_globals, globals}};
	int first, r;

	r = dv_options_parse(sets, argc, argv, verb->most < 0, &first, err);
	if (r < 0)
		return dv_error_fix(err, r, "divvy %s --help", verb->name);
	r = answer(cli, globals, verb, err);
	if (r)
		return DV_MIN(r, 0);
	args.count = argc - first;
	args.words = argv + first;
	r = use_globals(cli, globals, err);
	if (r == 0)
		r = check_count(verb, args.count, err);
	if (r == 0)
		r = check_words(verb, &args, err);
	return r < 0 ? r : verb->run(cli, &args, err);
}

static int run_command(struct dv_cli *cli, int argc, char **argv, struct dv_error *err)
{
	struct dv_given globals = {0}, none = {0};
	const struct dv_option_set sets[2] = {{no_options, &none}, {dv_globals, &globals}};
	char *plain[] = {argv[0], NULL};
	const struct dv_verb *verb;
	int first, r;

	r = dv_options_parse(sets, argc, argv, true, &first, err);
	if (r < 0)
		return dv_error_fix(err, r, "divvy --help");
	if (first >= argc) {
		r = answer(cli, &globals, NULL, err);
		if (r)
			return DV_MIN(r, 0);
	}
	verb = dv_verb_find(first < argc ? argv[first] : DV_VERB_PLAIN);
	if (!verb)
		return dv_verb_unknown(argv[first], err);
	if (first >= argc)
		return run_verb(cli, verb, &globals, 1, plain, err);
	return run_verb(cli, verb, &globals, argc - first, argv + first, err);
}

/* What was printed must have arrived: a full disk behind a redirection is a failure. */
static int close_streams(struct dv_cli *cli, int status)
{
	bool lost = fflush(cli->out.file) != 0 || ferror(cli->out.file);

	if (lost && status == 0) {
		dv_outf(&cli->err, "divvy: writing the output failed: %s\n", strerror(errno));
		status = 1;
	} else if (cli->out.failed && status == 0) {
		(void)fputs("divvy: memory ran out, the output is not whole\n", cli->err.file);
		status = 1;
	}
	(void)fflush(cli->err.file);
	return status;
}

int dv_cli_main(int argc, char **argv, const struct dv_cli_env *env)
{
	struct dv_cli cli = {.root = env->root, .patience_ms = env->patience_ms};
	struct dv_error error = {0};
	int r;

	dv_out_init(&cli.out, env->out);
	dv_out_init(&cli.err, env->err);
	cli.json = wants_json(argc, argv);
	r = run_command(&cli, argc, argv, &error);
	if (r < 0) {
		if (!error.code)
			(void)dv_error_set(&error, r, "failed for an unknown reason");
		r = dv_failure(&cli, &error);
	}
	divvy_close(cli.client);
	return close_streams(&cli, r);
}
