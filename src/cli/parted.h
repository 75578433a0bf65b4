/* SPDX-License-Identifier: Apache-2.0 */
/* Files of mig-parted where a fleet file is wanted: a config of them becomes a fleet, and is
 * compared with what there is. */
#pragma once

#include "cli/wish.h"
#include "plan/mig-parted.h"

/* The option of the verbs that take such files. */
#define DV_OPTION_CONFIG                                                                           \
	{                                                                                          \
		"config", 'c', "CONFIG", "of a file of mig-parted: the config that is meant"       \
	}

/* Is what was read such a file? */
bool dv_parted_is(const struct dv_api_wish *wish);

/* Make a wish that is such a file the fleet that its config is on this machine, with notes on
 * cli->err. Any other is left as it is, and then there may be no config (rule F12; NULL: none). */
int dv_parted_resolve(struct dv_cli *cli, const char *config, struct dv_api_wish *wish,
		      struct dv_error *err) DV_MUST_CHECK;

/* How the machine differs from that config; its name to `ret_name`. Notes unless `quiet`. */
struct dv_parted_question {
	const struct dv_api_wish *wish;
	const char *config; /* or NULL */
	bool quiet;
};
int dv_parted_compare(struct dv_cli *cli, const struct dv_parted_question *question,
		      struct dv_differences *ret, char ret_name[DV_NAME_SIZE],
		      struct dv_error *err) DV_MUST_CHECK;
