/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "cli/input.h"
#include "cli/verbs.h"
#include "report/report.h"

enum { OPTION_OUT };

static const struct dv_option options[] = {
	[OPTION_OUT] = {"out", 'o', "FILE", "where the page goes; - is standard output"},
	{NULL},
};

/* A document says in its first member what it is; try the one, then the other. */
static int page_of(const char *text, size_t len, const char *file, char **ret_html,
		   struct dv_error *err)
{
	struct dv_error as_bench = {0}, as_plan = {0};
	struct dv_bench bench = {0};
	struct dv_plan plan = {0};
	int r = dv_api_bench_decode(text, len, &bench, &as_bench);

	if (r == 0) {
		r = dv_report_bench(&bench, ret_html, err);
		dv_vec_fini(&bench.results);
		return r;
	}
	r = dv_api_plan_decode(text, len, &plan, &as_plan);
	if (r == 0) {
		r = dv_report_plan(&plan, ret_html, err);
		dv_plan_fini(&plan);
		return r;
	}
	if (strcmp(as_bench.msg, as_plan.msg) == 0)
		r = dv_error_set(err, -EBADMSG, "%s is neither a bench nor a plan: %s", file,
				 as_plan.msg);
	else
		r = dv_error_set(err, -EBADMSG, "%s is neither a bench (%s) nor a plan (%s)", file,
				 as_bench.msg, as_plan.msg);
	return dv_error_fix(
		err, r, "write one with: divvy bench -o bench.json, or divvy plan FILE -o PLAN");
}

static int run_report(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	const char *out = args->given.value[OPTION_OUT];
	dv_autofree char *text = NULL;
	dv_autofree char *html = NULL;
	size_t len = 0;
	int r;

	if (!out)
		return dv_error_fix(err, dv_error_set(err, -EINVAL, "no place for the page"),
				    "divvy report %s -o FILE.html", args->words[0]);
	r = dv_input_read(args->words[0], DV_HTTP_BODY_MOST, &text, &len, err);
	if (r == 0)
		r = page_of(text, len, args->words[0], &html, err);
	if (r < 0)
		return r;
	if (strcmp(out, "-") == 0) {
		(void)fputs(html, cli->out.file);
		return 0;
	}
	return dv_file_write(out, html, strlen(html), 0644, err);
}

const struct dv_verb dv_verb_report = {
	.name = "report",
	.args = "PLAN|BENCH",
	.least = 1,
	.most = 1,
	.help = "one self-contained page from a plan or a bench",
	.text = "The page needs nothing but itself: no script, nothing fetched. PLAN is what divvy "
		"plan "
		"-o wrote, BENCH what divvy bench -o wrote; - reads standard input.",
	.options = options,
	.run = run_report,
};
