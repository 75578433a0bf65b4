/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench_words.h"

#include <string.h>

static int check_word(const struct dv_bench_family *family, const struct dv_bench_options *all,
		      const char *word, struct dv_error *err)
{
	struct dv_bench_options one = {.prefixes = &word, .prefix_count = 1};
	int r;

	if (!family->any(&one)) {
		r = dv_error_rule(err, -EINVAL, "F11", "no case begins with '%.64s'", word);
		return dv_error_fix(err, r, "`divvy bench --list %s` lists them", family->prefix);
	}
	one.quick = all->quick;
	if (family->any(&one))
		return 0;
	r = dv_error_rule(err, -EINVAL, "F12", "no case of --quick begins with '%.64s'", word);
	return dv_error_fix(err, r, "leave --quick out");
}

int dv_bench_family_asked(const struct dv_bench_family *family,
			  const struct dv_bench_options *options, bool *ret, struct dv_error *err)
{
	size_t ours = 0;
	int r = 0;

	for (size_t i = 0; i < options->prefix_count; i++)
		ours += strncmp(options->prefixes[i], family->prefix, strlen(family->prefix)) == 0;
	if (ours && ours < options->prefix_count) {
		r = dv_error_rule(err, -EINVAL, "F12", "cases %s (%s) run alone: %s", family->what,
				  family->prefix, family->why);
		return dv_error_fix(err, r, "run them on their own");
	}
	for (size_t i = 0; r == 0 && i < ours; i++)
		r = check_word(family, options, options->prefixes[i], err);
	if (r == 0)
		*ret = ours > 0;
	return r;
}
