/* SPDX-License-Identifier: Apache-2.0 */
/* Facts line by line ("name N", "env K V", "node P", "ro FROM TO", "rw FROM TO"), and the CDI file
 * of them, or why there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "model/cdi.h"

static int add(struct dv_cdi *cdi, char name[64], const char *line)
{
	char what[8] = "", first[256] = "", second[256] = "";

	(void)sscanf(line, "%7s %255s %255[^\n]", what, first, second);
	if (strcmp(what, "name") == 0)
		return snprintf(name, 64, "%s", first) < 0;
	if (strcmp(what, "env") == 0)
		return dv_cdi_env(cdi, first, second);
	if (strcmp(what, "node") == 0)
		return dv_cdi_node(cdi, first);
	return dv_cdi_mount(cdi, first, second, strcmp(what, "rw") == 0);
}

static char *refusal(const struct dv_error *err)
{
	char *text = NULL;

	return asprintf(&text, "%s: %s\n%s\n", err->rule, err->msg, err->fix) < 0 ? NULL : text;
}

static char *print(const char *file, const char *text, size_t len)
{
	char name[64] = "", *copy = strndup(text, len), *rest = copy, *line, *out = NULL;
	struct dv_cdi cdi = {.name = name};
	struct dv_error err = {0};
	int r = copy ? 0 : -ENOMEM;

	while (r == 0 && (line = strsep(&rest, "\n")))
		r = line[0] ? add(&cdi, name, line) : 0;
	if (r == 0 && dv_cdi_print(&cdi, &out, &err) < 0)
		out = refusal(&err);
	dv_cdi_fini(&cdi);
	free(copy);
	return out;
}

int main(int argc, char **argv)
{
	return argc == 2 ? golden_run(argv[1], ".facts", print) : 2;
}
