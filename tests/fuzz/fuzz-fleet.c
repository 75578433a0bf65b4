/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a fleet file: refused with a place, or a fleet that prints and reads back. */
#include <string.h>

#include "fuzz.h"
#include "model/fleet.h"

static void check_refusal(int r, const struct dv_error *err)
{
	FUZZ_REQUIRE(r == -EBADMSG || r == -E2BIG || r == -ENOMEM);
	FUZZ_REQUIRE(err->code == r);
	FUZZ_REQUIRE(err->msg[0]);
	if (r == -ENOMEM)
		return;
	FUZZ_REQUIRE(err->rule[0] && err->fix[0]);
	FUZZ_REQUIRE(r == -E2BIG || (err->line > 0 && err->column > 0));
	/* It is shown on a terminal as it is. */
	for (const char *s = err->msg; *s; s++)
		FUZZ_REQUIRE((unsigned char)*s >= ' ' && *s != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_cleanup(dv_fleet_fini) struct dv_fleet fleet = {0}, again = {0};
	dv_autofree char *text = NULL, *twice = NULL;
	struct dv_error err = {0};
	int r = dv_fleet_parse((const char *)data, size, "x", &fleet, &err);

	if (r < 0) {
		check_refusal(r, &err);
		return 0;
	}
	FUZZ_REQUIRE(dv_fleet_print(&fleet, &text, NULL) == 0);
	/* Defaults are printed with each tenant, so that it may be longer than a file can be. */
	if (strlen(text) > DV_FILE_MOST)
		return 0;
	FUZZ_REQUIRE(dv_fleet_parse(text, strlen(text), "y", &again, NULL) == 0);
	FUZZ_REQUIRE(dv_fleet_print(&again, &twice, NULL) == 0);
	FUZZ_REQUIRE(strcmp(text, twice) == 0);
	return 0;
}
