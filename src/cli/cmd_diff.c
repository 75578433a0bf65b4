/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/parted.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/wish.h"
#include "plan/diff.h"

enum { DIFFERS = 4 };

enum { OPT_CONFIG };

static const struct dv_option options[] = {
	[OPT_CONFIG] = DV_OPTION_CONFIG,
	{NULL},
};

static void leases_finip(struct dv_leases *leases)
{
	dv_vec_fini(leases);
}

/* What is compared, and who is said to differ from what. */
struct comparison {
	const char *path, *config;
	bool quiet;
	struct dv_differences differences;
	char who[DV_NAME_SIZE], wish[280], how[280];
};

static int compare_parted(struct dv_cli *cli, const struct dv_api_wish *wish, struct comparison *c,
			  struct dv_error *err)
{
	const struct dv_parted_question question = {
		.wish = wish, .config = c->config, .quiet = c->quiet};
	char name[DV_NAME_SIZE];
	int r = dv_parted_compare(cli, &question, &c->differences, name, err);

	if (r < 0)
		return r;
	(void)dv_copy(c->who, sizeof(c->who), "this machine");
	(void)snprintf(c->wish, sizeof(c->wish), "config %s of %.160s", name, wish->file);
	(void)snprintf(c->how, sizeof(c->how), "%.160s --config %s", c->path, name);
	return 0;
}

static int compare_fleet(struct dv_cli *cli, const struct dv_api_wish *wish, struct comparison *c,
			 struct dv_error *err)
{
	dv_cleanup(dv_plan_fini) struct dv_plan plan = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_cleanup(leases_finip) struct dv_leases leases = {0};
	int r = dv_wish_plan(cli, wish, &plan, NULL, err);

	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/leases");
	if (r == 0)
		r = dv_api_leases_decode(answer, &leases, err);
	if (r == 0)
		r = dv_diff_make(&plan, &leases, &c->differences, err);
	if (r < 0)
		return r;
	(void)dv_copy(c->who, sizeof(c->who), plan.fleet);
	(void)dv_copy(c->wish, sizeof(c->wish), plan.file);
	(void)dv_copy(c->how, sizeof(c->how), c->path);
	return 0;
}

static int make(struct dv_cli *cli, struct comparison *c, struct dv_error *err)
{
	dv_cleanup(dv_api_wish_fini) struct dv_api_wish wish = {0};
	int r = dv_wish_read(c->path, &wish, err);

	if (r < 0)
		return r;
	if (dv_parted_is(&wish))
		return compare_parted(cli, &wish, c, err);
	/* Any other has no configs: that is said here. */
	r = dv_parted_resolve(cli, c->config, &wish, err);
	return r < 0 ? r : compare_fleet(cli, &wish, c, err);
}

static int print_document(struct dv_cli *cli, const struct dv_differences *differences,
			  struct dv_error *err)
{
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;

	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/diff/1");
	dv_json_array(&json, "diff");
	for (size_t i = 0; i < differences->len; i++) {
		const struct dv_difference *d = &differences->items[i];

		dv_json_object(&json, NULL);
		dv_json_text(&json, "tenant", d->tenant);
		dv_json_text(&json, "what", d->what);
		dv_json_text(&json, "wanted", d->wanted);
		dv_json_text(&json, "actual", d->actual);
		dv_json_end(&json);
	}
	dv_json_end(&json);
	dv_json_end(&json);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the document");
	dv_remote_print(cli, text);
	return 0;
}

static int print_table(struct dv_out *out, const struct dv_differences *differences,
		       struct dv_error *err)
{
	static const struct dv_column columns[] = {{"TENANT", .least = 8, .whole = true},
						   {"WHAT"},
						   {"WANTED", .least = 12},
						   {"ACTUAL", .least = 12}};
	dv_cleanup(dv_table_fini) struct dv_table table = {0};

	if (!differences->len)
		return 0;
	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < differences->len; i++) {
		const struct dv_difference *d = &differences->items[i];

		dv_table_add(&table, "%s", d->tenant);
		dv_table_add(&table, "%s", d->what);
		dv_table_add(&table, "%s", d->wanted);
		dv_table_add(&table, "%s", d->actual);
	}
	return dv_table_print(&table, out, 0, err);
}

static void comparison_finip(struct comparison *c)
{
	dv_vec_fini(&c->differences);
}

static int run(struct dv_cli *cli, const struct dv_args *args, bool quiet, struct dv_error *err)
{
	dv_cleanup(comparison_finip) struct comparison c = {
		.path = args->words[0], .config = args->given.value[OPT_CONFIG], .quiet = quiet};
	int r = make(cli, &c, err);

	if (r < 0)
		return r;
	if (cli->json)
		r = print_document(cli, &c.differences, err);
	else if (!quiet)
		r = print_table(&cli->out, &c.differences, err);
	else if (c.differences.len)
		dv_outf(&cli->err, "divvy: %s is not as %s wants it; divvy diff %s says how\n",
			c.who, c.wish, c.how);
	return r < 0 ? r : c.differences.len ? DIFFERS : 0;
}

static int run_diff(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	return run(cli, args, false, err);
}

static int run_assert(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	return run(cli, args, true, err);
}

const struct dv_verb dv_verb_diff = {
	.name = "diff",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.help = "what a fleet file wants against what there is",
	.text = "FILE may be one of mig-parted, with --config: then the modes and partitions that "
		"there are count, whoever made them. The status is 0 when nothing differs, and 4 "
		"when something does.",
	.options = options,
	.run = run_diff,
};

const struct dv_verb dv_verb_assert = {
	.name = "assert",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.help = "is everything as a fleet file wants it? 0 yes, 4 no",
	.text = "Prints nothing when it is; for scripts. FILE may be one of mig-parted, as for "
		"diff.",
	.options = options,
	.run = run_assert,
};
