/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

enum { SET_STEP = 0x1000, FIRST_VALUE = 0x10000 };

struct parser {
	struct option longs[2 * DV_OPTIONS_MOST + 1];
	const char *names[2 * DV_OPTIONS_MOST + 1];
	char shorts[4 * DV_OPTIONS_MOST + 4];
	int by_letter[128]; /* the same values as in `longs`, or 0 */
};

static void build(struct parser *p, const struct dv_option_set sets[2], bool stop_at_word)
{
	char *s = p->shorts;
	size_t n = 0;

	memset(p, 0, sizeof(*p));
	if (stop_at_word)
		*s++ = '+';
	*s++ = ':';
	for (int set = 0; set < 2; set++) {
		const struct dv_option *o = sets[set].options;

		for (int i = 0; o && o[i].name && i < DV_OPTIONS_MOST; i++) {
			int value = FIRST_VALUE + set * SET_STEP + i;

			p->names[n] = o[i].name;
			p->longs[n++] = (struct option){
				o[i].name, o[i].value ? required_argument : no_argument, NULL,
				value};
			if (!o[i].letter)
				continue;
			p->by_letter[(unsigned char)o[i].letter & 127] = value;
			*s++ = o[i].letter;
			if (o[i].value)
				*s++ = ':';
		}
	}
}

/* The word of argv that getopt did not like. */
static int complain(const struct parser *p, int c, const char *word, struct dv_error *err)
{
	char name[64];
	const char *near;

	if (c == ':')
		return dv_error_set(err, -EINVAL, "option '%s' needs a value", word);
	if (strncmp(word, "--", 2) != 0)
		return dv_error_set(err, -EINVAL, "there is no option '-%c'", optopt);
	(void)dv_copy(name, sizeof(name), word + 2);
	name[strcspn(name, "=")] = '\0';
	if (optopt >= FIRST_VALUE)
		return dv_error_set(err, -EINVAL, "option '--%s' takes no value", name);
	near = dv_nearest(name, p->names);
	if (near)
		return dv_error_set(err, -EINVAL, "there is no option '--%s'; is '--%s' meant?",
				    name, near);
	return dv_error_set(err, -EINVAL, "there is no option '--%s'", name);
}

/* No option takes an empty value: a variable of a script that is not set, most often. */
static int check_value(const struct dv_option *option, const char *value, struct dv_error *err)
{
	if (!option->value || (value && *value))
		return 0;
	return dv_error_set(err, -EINVAL, "option '--%s' needs a value (%s), not an empty one",
			    option->name, option->value);
}

int dv_options_parse(const struct dv_option_set sets[2], int argc, char **argv, bool stop_at_word,
		     int *ret_first, struct dv_error *err)
{
	struct parser parser;
	int c, r;

	build(&parser, sets, stop_at_word);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	for (;;) {
		/* Where a bad word stands: getopt moves on before it says so. */
		optopt = 0;
		c = getopt_long(argc, argv, parser.shorts, parser.longs, NULL);
		if (c == -1)
			break;
		if (c == '?' || c == ':')
			return complain(&parser, c, argv[optind - 1], err);
		if (c < FIRST_VALUE)
			c = parser.by_letter[c & 127];
		c -= FIRST_VALUE;
		r = check_value(&sets[c / SET_STEP].options[c % SET_STEP], optarg, err);
		if (r < 0)
			return r;
		sets[c / SET_STEP].given->value[c % SET_STEP] = optarg ? optarg : "";
	}
	*ret_first = optind;
	return 0;
}
