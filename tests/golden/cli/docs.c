/* SPDX-License-Identifier: Apache-2.0 */
#include "docs.h"

#include <ctype.h>
#include <string.h>

#include "cli/cli.h"

/* What can stand for a value or a word, told by how the tables call it. */
enum kind { KIND_NONE, KIND_FILE, KIND_WORDS, KIND_LEASE, KIND_VERB, KIND_COMMAND, KIND_TOPIC };

static const struct {
	const char *name;
	enum kind kind;
	const char *words;
} values[] = {
	{"PATH", KIND_FILE, NULL},
	{"FILE", KIND_FILE, NULL},
	{"PLAN", KIND_FILE, NULL},
	{"BENCH", KIND_FILE, NULL},
	{"POLICY", KIND_WORDS, "best-effort equal-share fixed-share latency"},
	{"METHOD", KIND_WORDS, "slice partition passthrough"},
	{"WHAT", KIND_WORDS, "stop warn"},
	{"WAY", KIND_WORDS, "private shared"},
	{"FORMAT", KIND_WORDS, "divvy mig-parted"},
	{"NAME", KIND_LEASE, NULL},
	{"VERB", KIND_VERB, NULL},
	{"COMMAND", KIND_COMMAND, NULL},
	{"TOPIC", KIND_TOPIC, NULL},
};

/* The first of the names that stands as a word in "FILE|PLAN", "[VERB]", ... */
static enum kind kind_of(const char *text, const char **ret_words)
{
	if (text && strstr(text, "FILE"))
		return KIND_FILE;
	while (text && *text) {
		size_t len = 0;

		while (isupper((unsigned char)text[len]))
			len++;
		for (size_t i = 0; len && i < DV_ARRAY_LEN(values); i++) {
			if (strlen(values[i].name) != len || memcmp(values[i].name, text, len) != 0)
				continue;
			*ret_words = values[i].words;
			return values[i].kind;
		}
		text += len ? len : 1;
	}
	return KIND_NONE;
}

/* Text of a man page: scdoc's signs are escaped. */
static void add_scd(struct dv_buf *buf, const char *text)
{
	for (; *text; text++) {
		if (strchr("_*\\<>#`~", *text))
			dv_buf_add(buf, "\\");
		dv_buf_add_n(buf, text, 1);
	}
}

static void man_option(struct dv_buf *buf, const struct dv_option *o)
{
	if (o->letter)
		dv_buf_addf(buf, "*-%c*, ", o->letter);
	dv_buf_addf(buf, "*--%s*", o->name);
	if (o->value)
		dv_buf_addf(buf, " _%s_", o->value);
}

static void man_verb(struct dv_buf *buf, const struct dv_verb *verb)
{
	const char *text = verb->text;

	dv_buf_addf(buf, "*%s*%s%s%s\n\t", verb->name, verb->options ? " [OPTIONS]" : "",
		    *verb->args ? " " : "", verb->args);
	add_scd(buf, verb->help);
	dv_buf_add(buf, "\n\n");
	while (*text) {
		size_t len = strcspn(text, "\n");

		if (len) {
			dv_autofree char *line = strndup(text, len);

			dv_buf_add(buf, "\t");
			add_scd(buf, line ? line : "");
			dv_buf_add(buf, "\n\n");
		}
		text += len + (text[len] == '\n');
	}
	for (const struct dv_option *o = verb->options; o && o->name; o++) {
		dv_buf_add(buf, "\t");
		man_option(buf, o);
		dv_buf_add(buf, "\n\t\t");
		add_scd(buf, o->help);
		dv_buf_add(buf, "\n\n");
	}
}

void docs_man(struct dv_buf *buf)
{
	dv_buf_add(buf, "# OPTIONS\n\nThey may stand before the verb or after it.\n\n");
	for (const struct dv_option *o = dv_globals; o->name; o++) {
		man_option(buf, o);
		dv_buf_add(buf, "\n\t");
		add_scd(buf, o->help);
		dv_buf_add(buf, "\n\n");
	}
	dv_buf_add(buf, "# VERBS\n\n");
	for (size_t i = 0; dv_verbs[i]; i++)
		man_verb(buf, dv_verbs[i]);
}

static const char head[] = "# SPDX-License-Identifier: Apache-2.0\n"
			   "# Made from the command's tables; DV_TEST_REGENERATE=1 on the golden "
			   "tests makes it anew.\n";

/* Names of leases, asked only of a divvyd that runs: a completion starts none. */
static const char leases_of_sh[] =
	"	local run\n"
	"	for run in /run/divvy \"${XDG_RUNTIME_DIR:-/nonexistent}/divvy\" "
	"\"/tmp/divvy-$UID\"; do\n"
	"		[ -S \"$run/divvyd.sock\" ] || continue\n"
	"		divvy --json --socket \"$run/divvyd.sock\" leases 2>/dev/null |\n"
	"			grep -o '\"name\": *\"[^\"]*\"' | sed "
	"'s/.*\"\\([^\"]*\\)\"$/\\1/'\n"
	"		return\n"
	"	done\n";

static void add_flags(struct dv_buf *buf, const struct dv_option *o)
{
	for (; o && o->name; o++) {
		if (o->letter)
			dv_buf_addf(buf, " -%c", o->letter);
		dv_buf_addf(buf, " --%s", o->name);
	}
}

static void add_verbs(struct dv_buf *buf)
{
	for (size_t i = 0; dv_verbs[i]; i++)
		dv_buf_addf(buf, "%s%s", i ? " " : "", dv_verbs[i]->name);
}

static void bash_words(struct dv_buf *buf, enum kind kind, const char *words)
{
	switch (kind) {
	case KIND_FILE:
		dv_buf_add(buf, "COMPREPLY=($(compgen -f -- \"$cur\"))");
		break;
	case KIND_WORDS:
		dv_buf_addf(buf, "COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
		break;
	case KIND_LEASE:
		dv_buf_add(buf, "COMPREPLY=($(compgen -W \"$(_divvy_leases)\" -- \"$cur\"))");
		break;
	case KIND_VERB:
		dv_buf_add(buf, "COMPREPLY=($(compgen -W '");
		add_verbs(buf);
		dv_buf_add(buf, "' -- \"$cur\"))");
		break;
	case KIND_COMMAND:
		dv_buf_add(buf, "COMPREPLY=($(compgen -c -- \"$cur\"))");
		break;
	case KIND_TOPIC:
	case KIND_NONE:
		dv_buf_add(buf, "COMPREPLY=()");
		break;
	}
}

/* What stands after an option that takes a value, in one case list for all verbs. */
static void bash_values(struct dv_buf *buf, const char *verb, const struct dv_option *o)
{
	for (; o && o->name; o++) {
		const char *words = NULL;
		enum kind kind = o->value ? kind_of(o->value, &words) : KIND_NONE;

		if (!o->value)
			continue;
		dv_buf_addf(buf, "	%s:--%s)", verb, o->name);
		dv_buf_add(buf, " ");
		bash_words(buf, kind, words);
		dv_buf_add(buf, "; return ;;\n");
		if (!o->letter)
			continue;
		dv_buf_addf(buf, "	%s:-%c) ", verb, o->letter);
		bash_words(buf, kind, words);
		dv_buf_add(buf, "; return ;;\n");
	}
}

void docs_bash(struct dv_buf *buf)
{
	dv_buf_addf(buf, "%s\n_divvy_leases()\n{\n%s}\n\n", head, leases_of_sh);
	dv_buf_add(buf,
		   "_divvy()\n{\n"
		   "	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
		   "	local verb= i\n"
		   "	for ((i = 1; i < COMP_CWORD; i++)); do\n"
		   "		case ${COMP_WORDS[i]} in\n"
		   "		--socket | --machine) ((i++)) ;;\n"
		   "		-*) ;;\n"
		   "		*) verb=${COMP_WORDS[i]}; break ;;\n"
		   "		esac\n"
		   "	done\n"
		   "	case $verb:$prev in\n");
	bash_values(buf, "*", dv_globals);
	for (size_t i = 0; dv_verbs[i]; i++)
		bash_values(buf, dv_verbs[i]->name, dv_verbs[i]->options);
	dv_buf_add(buf, "	esac\n	case $verb:$cur in\n	:-*) COMPREPLY=($(compgen -W '");
	add_flags(buf, dv_globals);
	dv_buf_add(buf, "' -- \"$cur\")) ;;\n	:*) ");
	bash_words(buf, KIND_VERB, NULL);
	dv_buf_add(buf, " ;;\n");
	for (size_t i = 0; dv_verbs[i]; i++) {
		const struct dv_verb *verb = dv_verbs[i];
		const char *words = NULL;

		dv_buf_addf(buf, "	%s:-*) COMPREPLY=($(compgen -W '", verb->name);
		add_flags(buf, verb->options);
		add_flags(buf, dv_globals);
		dv_buf_addf(buf, "' -- \"$cur\")) ;;\n	%s:*) ", verb->name);
		bash_words(buf, kind_of(verb->args, &words), words);
		dv_buf_add(buf, " ;;\n");
	}
	dv_buf_add(buf, "	esac\n}\n\ncomplete -o filenames -F _divvy divvy\n");
}

/* In single quotes of zsh or fish. */
static void add_quoted(struct dv_buf *buf, const char *text, const char *escaped)
{
	for (; *text; text++) {
		if (*text == '\'')
			dv_buf_add(buf, "'\\'");
		else if (strchr(escaped, *text))
			dv_buf_add(buf, "\\");
		dv_buf_add_n(buf, text, 1);
	}
}

static const char *zsh_action(enum kind kind)
{
	switch (kind) {
	case KIND_FILE:
		return "_files";
	case KIND_LEASE:
		return "_divvy_lease_names";
	case KIND_VERB:
		return "_divvy_verbs";
	case KIND_COMMAND:
		return "_command_names -e";
	case KIND_WORDS:
	case KIND_TOPIC:
	case KIND_NONE:
		break;
	}
	return "";
}

static void zsh_option(struct dv_buf *buf, const struct dv_option *o)
{
	const char *words = NULL;
	enum kind kind = kind_of(o->value, &words);

	for (int form = o->letter ? 0 : 1; form < 2; form++) {
		dv_buf_add(buf, " \\\n			'");
		if (form == 0)
			dv_buf_addf(buf, "-%c", o->letter);
		else
			dv_buf_addf(buf, "--%s", o->name);
		dv_buf_add(buf, "[");
		add_quoted(buf, o->help, "[]:");
		dv_buf_add(buf, "]");
		if (o->value) {
			dv_buf_addf(buf, ":%s:", o->value);
			if (kind == KIND_WORDS)
				dv_buf_addf(buf, "(%s)", words);
			else
				dv_buf_add(buf, zsh_action(kind));
		}
		dv_buf_add(buf, "'");
	}
}

static void zsh_verb(struct dv_buf *buf, const struct dv_verb *verb)
{
	const char *words = NULL;
	enum kind kind = kind_of(verb->args, &words);

	dv_buf_addf(buf, "	%s)\n		_arguments -s", verb->name);
	for (const struct dv_option *o = verb->options; o && o->name; o++)
		zsh_option(buf, o);
	for (const struct dv_option *o = dv_globals; o->name; o++)
		zsh_option(buf, o);
	if (kind == KIND_COMMAND)
		dv_buf_add(buf, " \\\n			'(-)1:command: _command_names -e' "
				"'*::arguments:_normal'");
	else if (*verb->args)
		dv_buf_addf(buf, " \\\n			'*:%s:%s'", verb->name, zsh_action(kind));
	dv_buf_add(buf, "\n		;;\n");
}

void docs_zsh(struct dv_buf *buf)
{
	dv_buf_addf(buf, "#compdef divvy\n%s\n_divvy_leases()\n{\n%s}\n\n", head, leases_of_sh);
	dv_buf_add(buf, "_divvy_lease_names()\n{\n"
			"	local -a names\n	names=(${(f)\"$(_divvy_leases)\"})\n"
			"	compadd -a names\n}\n\n"
			"_divvy_verbs()\n{\n	local -a verbs\n	verbs=(\n");
	for (size_t i = 0; dv_verbs[i]; i++) {
		dv_buf_addf(buf, "		'%s:", dv_verbs[i]->name);
		add_quoted(buf, dv_verbs[i]->help, ":");
		dv_buf_add(buf, "'\n");
	}
	dv_buf_add(buf, "	)\n	_describe verb verbs\n}\n\n"
			"_divvy()\n{\n	local curcontext=$curcontext state line\n"
			"	_arguments -C");
	for (const struct dv_option *o = dv_globals; o->name; o++)
		zsh_option(buf, o);
	dv_buf_add(buf, " \\\n			'1:verb:_divvy_verbs' '*::words:->words'\n"
			"	[[ $state == words ]] || return\n	case $line[1] in\n");
	for (size_t i = 0; dv_verbs[i]; i++)
		zsh_verb(buf, dv_verbs[i]);
	dv_buf_add(buf, "	esac\n}\n\n_divvy \"$@\"\n");
}

static void fish_options(struct dv_buf *buf, const char *when, const struct dv_option *o)
{
	for (; o && o->name; o++) {
		const char *words = NULL;
		enum kind kind = kind_of(o->value, &words);

		dv_buf_addf(buf, "complete -c divvy%s -l %s", when, o->name);
		if (o->letter)
			dv_buf_addf(buf, " -s %c", o->letter);
		if (o->value)
			dv_buf_add(buf, kind == KIND_FILE ? " -r -F" : " -x");
		if (kind == KIND_WORDS)
			dv_buf_addf(buf, " -a '%s'", words);
		else if (kind == KIND_LEASE)
			dv_buf_add(buf, " -a '(__divvy_leases)'");
		dv_buf_add(buf, " -d '");
		add_quoted(buf, o->help, "\\");
		dv_buf_add(buf, "'\n");
	}
}

static void fish_words(struct dv_buf *buf, const char *when, const struct dv_verb *verb)
{
	const char *words = NULL;

	switch (kind_of(verb->args, &words)) {
	case KIND_FILE:
		dv_buf_addf(buf, "complete -c divvy%s -F\n", when);
		break;
	case KIND_LEASE:
		dv_buf_addf(buf, "complete -c divvy%s -a '(__divvy_leases)'\n", when);
		break;
	case KIND_VERB:
		dv_buf_addf(buf, "complete -c divvy%s -a '", when);
		add_verbs(buf);
		dv_buf_add(buf, "'\n");
		break;
	case KIND_COMMAND:
		dv_buf_addf(buf,
			    "complete -c divvy%s -a '(__fish_complete_subcommand "
			    "--fcs-skip=2)'\n",
			    when);
		break;
	case KIND_WORDS:
	case KIND_TOPIC:
	case KIND_NONE:
		break;
	}
}

void docs_fish(struct dv_buf *buf)
{
	dv_buf_addf(buf,
		    "%s\nfunction __divvy_leases\n"
		    "	for run in /run/divvy $XDG_RUNTIME_DIR/divvy /tmp/divvy-(id -u)\n"
		    "		test -S $run/divvyd.sock; or continue\n"
		    "		divvy --json --socket $run/divvyd.sock leases 2>/dev/null |\n"
		    "			string match -ar '\"name\": *\"[^\"]*\"' |\n"
		    "			string replace -r '.*\"([^\"]*)\"$' '$1'\n"
		    "		return\n	end\nend\n\ncomplete -c divvy -f\n",
		    head);
	fish_options(buf, "", dv_globals);
	for (size_t i = 0; dv_verbs[i]; i++) {
		dv_buf_addf(buf, "complete -c divvy -n __fish_use_subcommand -a %s -d '",
			    dv_verbs[i]->name);
		add_quoted(buf, dv_verbs[i]->help, "\\");
		dv_buf_add(buf, "'\n");
	}
	for (size_t i = 0; dv_verbs[i]; i++) {
		char when[96];

		(void)snprintf(when, sizeof(when), " -n '__fish_seen_subcommand_from %s'",
			       dv_verbs[i]->name);
		fish_options(buf, when, dv_verbs[i]->options);
		fish_words(buf, when, dv_verbs[i]);
	}
}
