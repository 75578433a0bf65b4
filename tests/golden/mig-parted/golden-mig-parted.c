/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a mig-parted file: all of it as it is printed, or what is said against it. */
#include <stdio.h>

#include "base/str.h"
#include "golden.h"
#include "model/mig-parted.h"

static char *take(struct dv_buf *buf)
{
	char *text;

	return dv_buf_take(buf, &text) == 0 ? text : NULL;
}

static char *describe(const char *name, const char *text, size_t len)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0};
	struct dv_error err = {0};
	struct dv_buf buf = {0};
	char *printed;

	if (!dv_mig_parted_is(text, len))
		dv_buf_add(&buf, "not taken for one\n");
	if (dv_mig_parted_parse(text, len, name, &parted, &err) == 0) {
		if (dv_mig_parted_print(&parted, &printed, &err) < 0)
			return NULL;
		dv_buf_add(&buf, printed);
		free(printed);
		return take(&buf);
	}
	dv_buf_addf(&buf, "%s\nrule: %s\ncode: %s\n", err.msg, err.rule,
		    dv_error_class(err.code)->name);
	if (err.fix[0])
		dv_buf_addf(&buf, "fix: %s\n", err.fix);
	return take(&buf);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
		return 2;
	}
	return golden_run(argv[1], ".yaml", describe);
}
