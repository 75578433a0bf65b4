/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a command line, from const tables: `--help`, man page and completions come from the
 * same ones. Values point into argv. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

enum { DV_OPTIONS_MOST = 16 };

struct dv_option {
	const char *name;  /* long name without dashes; NULL ends a table */
	char letter;	   /* short name, or 0 */
	const char *value; /* what stands for its value ("SIZE"), or NULL for a flag */
	const char *help;  /* one line */
};

/* What was given: value[i] belongs to row i of the table, "" for a flag, NULL when not given; the
 * last of several wins. */
struct dv_given {
	const char *value[DV_OPTIONS_MOST];
};

struct dv_option_set {
	const struct dv_option *options;
	struct dv_given *given;
};

/* Parse argv[1..] against two tables at once (a verb's own options and those of divvy). With
 * `stop_at_word` the first word that is no option ends it, else options may stand anywhere; "--"
 * ends it always. A value is never empty. `ret_first` is the index of the first word; argv may be
 * reordered. -EINVAL. Not thread-safe (getopt). */
int dv_options_parse(const struct dv_option_set sets[2], int argc, char **argv, bool stop_at_word,
		     int *ret_first, struct dv_error *err) DV_MUST_CHECK;
