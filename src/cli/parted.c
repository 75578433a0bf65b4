/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/parted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/remote.h"
#include "cli/show.h"

/* A config beside what it is held against. */
struct reading {
	struct dv_mig_parted parted;
	struct dv_api_status status;
	struct dv_parted_match match;
};

static void reading_finip(struct reading *reading)
{
	dv_parted_match_fini(&reading->match);
	dv_api_status_fini(&reading->status);
	dv_mig_parted_fini(&reading->parted);
}

bool dv_parted_is(const struct dv_api_wish *wish)
{
	return dv_mig_parted_is(wish->text, strlen(wish->text));
}

static void tell(struct dv_cli *cli, const struct dv_parted_match *match)
{
	for (unsigned i = 0; i < match->note_count; i++) {
		struct dv_error note = {0};

		(void)dv_copy(note.msg, sizeof(note.msg), match->notes[i]);
		dv_warning(cli, &note);
	}
}

static int read_config(struct dv_cli *cli, const struct dv_parted_question *question,
		       struct reading *ret, struct dv_error *err)
{
	dv_cleanup(dv_answer_freep) char *answer = NULL;
	const struct dv_api_wish *wish = question->wish;
	const struct dv_mig_parted_config *config = NULL;
	struct dv_parted_machine machine;
	int r = dv_mig_parted_parse(wish->text, strlen(wish->text), wish->file, &ret->parted, err);

	if (r == 0)
		r = dv_mig_parted_find(&ret->parted, question->config ? question->config : "",
				       &config, err);
	if (r == 0)
		r = dv_remote_get(cli, &answer, err, "/v1/status");
	if (r == 0)
		r = dv_api_status_decode(answer, &ret->status, err);
	machine = (struct dv_parted_machine){ret->status.gpus.items, ret->status.gpus.len,
					     &ret->status.leases};
	if (r == 0)
		r = dv_parted_match(&ret->parted, config, &machine, &ret->match, err);
	if (r == 0 && !question->quiet)
		tell(cli, &ret->match);
	return r;
}

/* It names a config where there is none. */
static int refuse_name(const struct dv_api_wish *wish, const char *config, struct dv_error *err)
{
	int r = dv_error_rule(err, -EINVAL, "F12",
			      "--config %.64s: %.120s is no file of mig-parted, which has configs",
			      config, wish->file);

	return dv_error_fix(err, r, "leave --config out, or name the file with mig-configs");
}

int dv_parted_resolve(struct dv_cli *cli, const char *config, struct dv_api_wish *wish,
		      struct dv_error *err)
{
	const struct dv_parted_question question = {.wish = wish, .config = config};
	dv_cleanup(reading_finip) struct reading reading = {0};
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0};
	char *text = NULL;
	int r;

	if (!dv_parted_is(wish))
		return config ? refuse_name(wish, config, err) : 0;
	r = read_config(cli, &question, &reading, err);
	if (r == 0)
		r = dv_parted_fleet(&reading.match, &fleet, err);
	if (r == 0)
		r = dv_fleet_print(&fleet, &text, err);
	if (r < 0)
		return r;
	free(wish->text);
	wish->text = text;
	(void)snprintf(wish->file, sizeof(wish->file), "config %s of %.110s",
		       reading.match.config->name, reading.parted.file);
	return 0;
}

int dv_parted_compare(struct dv_cli *cli, const struct dv_parted_question *question,
		      struct dv_differences *ret, char ret_name[DV_NAME_SIZE], struct dv_error *err)
{
	dv_cleanup(reading_finip) struct reading reading = {0};
	int r = read_config(cli, question, &reading, err);

	if (r == 0)
		r = dv_parted_diff(&reading.match, ret, err);
	if (r == 0)
		(void)dv_copy(ret_name, DV_NAME_SIZE, reading.match.config->name);
	return r;
}
