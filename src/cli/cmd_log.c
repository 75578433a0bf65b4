/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/remote.h"
#include "cli/show.h"
#include "cli/verbs.h"

enum { OPT_LINES, OPT_AFTER };

static const struct dv_option options[] = {
	[OPT_LINES] = {"lines", 'n', "N", "the last N entries; 50 if not given"},
	[OPT_AFTER] = {"after", 0, "ID", "only entries after that one"},
	{NULL},
};

static int number(const char *what, const char *text, unsigned long long most,
		  unsigned long long *ret, struct dv_error *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || value > most)
		return dv_error_fix(err,
				    dv_error_set(err, -EINVAL,
						 "--%s: '%.64s' is no number from 0 to %llu", what,
						 text, most),
				    "write a whole number, such as --%s 20", what);
	*ret = value;
	return 0;
}

static const struct dv_column columns[] = {
	{"ID", .right = true},
	{"TIME"},
	{"USER"},
	{"WHAT"},
	{"ON"},
	{"OUTCOME", .least = 20, .wrap = true},
};

static int print_log(struct dv_out *out, const struct dv_api_log *log, struct dv_error *err)
{
	dv_cleanup(dv_table_fini) struct dv_table table = {0};
	char buf[DV_SHOW_SIZE];

	dv_table_init(&table, columns, DV_ARRAY_LEN(columns));
	for (size_t i = 0; i < log->len; i++) {
		const struct dv_api_log_entry *entry = &log->items[i];

		dv_table_add(&table, "%lld", (long long)entry->id);
		dv_table_add(&table, "%s", dv_show_time(entry->time_s, buf));
		dv_table_add(&table, "%s", dv_show_user(entry->uid, buf));
		dv_table_add(&table, "%s", entry->verb);
		dv_table_add(&table, "%s", entry->subject);
		dv_table_add(&table, "%s", entry->text);
	}
	return dv_table_print(&table, out, 0, err);
}

static void log_finip(struct dv_api_log *log)
{
	dv_vec_fini(log);
}

static int run_log(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err)
{
	const char *const *given = args->given.value;
	dv_cleanup(log_finip) struct dv_api_log log = {0};
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	unsigned long long lines = 50, after = 0;
	int r = 0;

	if (given[OPT_LINES])
		r = number("lines", given[OPT_LINES], DV_API_LOG_MOST, &lines, err);
	if (r == 0 && given[OPT_AFTER])
		r = number("after", given[OPT_AFTER], INT64_MAX, &after, err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/log?after=%llu&most=%llu", after, lines);
	if (r < 0)
		return r;
	if (cli->json) {
		dv_remote_print(cli, answer);
		return 0;
	}
	r = dv_api_log_decode(answer, &log, err);
	return r < 0 ? r : print_log(&cli->out, &log, err);
}

const struct dv_verb dv_verb_log = {
	.name = "log",
	.args = "",
	.help = "journal and audit: who did what, and how it ended",
	.text = "",
	.options = options,
	.run = run_log,
};
