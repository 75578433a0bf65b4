/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "cli/top.h"
#include "cli/verbs.h"
#include "model/units.h"

enum { OPT_ONCE, OPT_EVERY };
enum { EVERY_MS = 1000, EVERY_LEAST_MS = 100 };

static const struct dv_option options[] = {
	[OPT_ONCE] = {"once", '1', NULL, "print one page and end"},
	[OPT_EVERY] = {"every", 'd', "TIME", "look again after this time: 500ms; 1s if not given"},
	{NULL},
};

static int print_once(struct dv_cli *cli, struct dv_error *err)
{
	dv_cleanup(dv_api_status_fini) struct dv_api_status status = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	dv_autofree char *text = NULL;
	int r = dv_remote_get(cli, &answer, err, "/v1/status");

	r = r < 0 ? r : dv_api_status_decode(answer, &status, err);
	if (r < 0)
		return r;
	if (!cli->json)
		return dv_top_print(&cli->out, &status, DV_TOP_BY_GOT, err);
	r = dv_top_document(&status, &text, err);
	if (r == 0)
		dv_remote_print(cli, text);
	return r;
}

static int run_top(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	const char *const *given = args->given.value;
	uint64_t every_ns = EVERY_MS * DV_NS_PER_MS;
	int r = 0;

	if (given[OPT_EVERY]) {
		r = dv_time_parse(given[OPT_EVERY], &every_ns, err);
		if (r == 0 && every_ns < EVERY_LEAST_MS * DV_NS_PER_MS)
			r = dv_error_fix(
				err,
				dv_error_rule(err, -EINVAL, "F07",
					      "'%s' is too short: the screen is drawn anew "
					      "every %d ms at most",
					      given[OPT_EVERY], EVERY_LEAST_MS),
				"write %dms or more", EVERY_LEAST_MS);
		if (r < 0)
			return dv_error_prefix(err, r, "--every");
	}
	if (given[OPT_EVERY] && (given[OPT_ONCE] || cli->json))
		return dv_error_fix(
			err,
			dv_error_rule(err, -EINVAL, "F12",
				      "--every goes with the live screen, and %s prints one "
				      "page",
				      given[OPT_ONCE] ? "--once" : "--json"),
			"leave one of them out");
	if (given[OPT_ONCE] || cli->json || !cli->out.terminal)
		return print_once(cli, err);
	return dv_top_live(cli, (unsigned)(every_ns / DV_NS_PER_MS), err);
}

const struct dv_verb dv_verb_top = {
	.name = "top",
	.args = "",
	.help = "live: devices and tenants, shares wanted and got, memory, waiting",
	.text = "GOT is the share of the device's time in the last seconds, WAIT P99 what 99 of "
		"100 "
		"waits for the device stayed below. Keys: g, m, n put the tenants in the order of "
		"what they got, memory or name; up and down move; q ends. Where the output is no "
		"terminal one page is printed.",
	.options = options,
	.run = run_top,
};
