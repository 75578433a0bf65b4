/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/wish.h"
#include "plan/diff.h"

enum { DIFFERS = 4 };

static void differences_finip(struct dv_differences *differences)
{
	dv_vec_fini(differences);
}

static void leases_finip(struct dv_leases *leases)
{
	dv_vec_fini(leases);
}

static int make(struct dv_cli *cli, const char *path, struct dv_differences *ret,
		struct dv_plan *plan, struct dv_error *err)
{
	dv_cleanup(dv_api_wish_finip) struct dv_api_wish wish = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_cleanup(leases_finip) struct dv_leases leases = {0};
	int r = dv_wish_read(path, &wish, err);

	if (r == 0)
		r = dv_wish_plan(cli, &wish, plan, NULL, err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/leases");
	if (r == 0)
		r = dv_api_leases_decode(answer, &leases, err);
	return r < 0 ? r : dv_diff_make(plan, &leases, ret, err);
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
	dv_cleanup(dv_table_finip) struct dv_table table = {0};

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

static int run(struct dv_cli *cli, const char *path, bool quiet, struct dv_error *err)
{
	dv_cleanup(differences_finip) struct dv_differences differences = {0};
	dv_cleanup(dv_wish_plan_finip) struct dv_plan plan = {0};
	int r = make(cli, path, &differences, &plan, err);

	if (r < 0)
		return r;
	if (cli->json)
		r = print_document(cli, &differences, err);
	else if (!quiet)
		r = print_table(&cli->out, &differences, err);
	else if (differences.len)
		dv_outf(&cli->err, "divvy: %s is not as %s wants it; divvy diff %s says how\n",
			plan.fleet, plan.file, path);
	return r < 0 ? r : differences.len ? DIFFERS : 0;
}

static int run_diff(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	return run(cli, args->words[0], false, err);
}

static int run_assert(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	return run(cli, args->words[0], true, err);
}

const struct dv_verb dv_verb_diff = {
	.name = "diff",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.help = "what a fleet file wants against what there is",
	.text = "The status is 0 when nothing differs, and 4 when something does.",
	.run = run_diff,
};

const struct dv_verb dv_verb_assert = {
	.name = "assert",
	.args = "FILE",
	.least = 1,
	.most = 1,
	.help = "is everything as a fleet file wants it? 0 yes, 4 no",
	.text = "Prints nothing when it is; for scripts.",
	.run = run_assert,
};
