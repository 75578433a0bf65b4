/* SPDX-License-Identifier: Apache-2.0 */
/* The divvy command: one const table of verbs, and what every verb is given. A verb returns 0, a
 * positive exit status of its own (3, 4, or that of a command it ran), or a negative code with the
 * record set, which main prints. Verbs print through `out`; messages go to `err`. */
#pragma once

#include "cli/options.h"
#include "cli/output.h"
#include "divvy/divvy.h"

struct dv_cli {
	struct dv_out out, err;
	bool json;
	const char *root; /* of /proc and /sys */
	unsigned patience_ms;
	const char *socket;	     /* --socket, or NULL */
	const char *machine;	     /* --machine, or NULL */
	struct divvy_client *client; /* see dv_remote_call; NULL until then */
	bool answered;		     /* on it */
	const char *driver_dir;	     /* where its GPUs' driver lies, or NULL: where programs look */
	const char *whose;	     /* that divvyd is, where it cannot say it itself; or NULL */
};

struct dv_args {
	struct dv_given given; /* of the verb's own options */
	int count;
	char **words;
};

struct dv_verb {
	const char *name;
	const char *args; /* as in the usage line: "[GPU]", or "" */
	int least, most;  /* how many words; most < 0: a command, all that follows is its own */
	const char *help; /* one line, without a full stop, as it stands in the list of verbs */
	const char *text; /* paragraphs parted by an empty line; "" for none */
	const struct dv_option *options; /* or NULL */
	int (*run)(struct dv_cli *cli, const struct dv_args *args, struct dv_error *err);
};

/* All verbs, in the order of the help; NULL ends them. A new verb is a file cmd_<verb>.c, a
 * declaration in verbs.h and a row in verbs.c. */
enum { DV_VERBS_MOST = 40 };
#define DV_VERB_PLAIN "status" /* what divvy does without a verb */
extern const struct dv_verb *const dv_verbs[];

/* Options that every verb takes, before it or after. */
enum dv_global {
	DV_GLOBAL_JSON,
	DV_GLOBAL_SOCKET,
	DV_GLOBAL_MACHINE,
	DV_GLOBAL_HELP,
	DV_GLOBAL_VERSION
};
extern const struct dv_option dv_globals[];

const struct dv_verb *dv_verb_find(const char *name);
/* -EINVAL that names the nearest verb. */
int dv_verb_unknown(const char *name, struct dv_error *err);

/* The help of divvy (`verb` NULL) or of one verb. */
void dv_help(struct dv_out *out, const struct dv_verb *verb);
/* The same as a document, divvy/help/1, which also says the version; the caller frees. */
int dv_help_document(const struct dv_verb *only, char **ret_text,
		     struct dv_error *err) DV_MUST_CHECK;

/* Print a failure: for a person on cli->err, or with --json a document on cli->out. Returns the
 * exit status. */
int dv_failure(struct dv_cli *cli, const struct dv_error *err);

/* Say on cli->err what is worth knowing and stops nothing; the same words for all. */
void dv_warning(struct dv_cli *cli, const struct dv_error *err);

/* Where the command runs; tests bring their own. */
struct dv_cli_env {
	FILE *out, *err;
	const char *root;     /* of /proc and /sys: "/" */
	unsigned patience_ms; /* how long a process may take to report to divvyd: DV_PATIENCE_MS */
};
enum { DV_PATIENCE_MS = 2000 };

/* The whole command; returns the exit status. */
int dv_cli_main(int argc, char **argv, const struct dv_cli_env *env);
