/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a fleet file: the fleet as it is printed, or all that is said against it. */
#include <stdio.h>

#include "base/str.h"
#include "golden.h"
#include "model/fleet.h"

static char *take(struct dv_buf *buf)
{
	char *text;

	return dv_buf_take(buf, &text) == 0 ? text : NULL;
}

static char *describe(const char *name, const char *text, size_t len)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0};
	struct dv_error err = {0};
	struct dv_buf buf = {0};
	char *printed;

	if (dv_fleet_parse(text, len, name, &fleet, &err) == 0)
		return dv_fleet_print(&fleet, &printed, &err) == 0 ? printed : NULL;
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
