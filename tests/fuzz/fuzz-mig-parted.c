/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of mig-parted: refused with a place, or one that prints and reads back. */
#include <string.h>

#include "fuzz.h"
#include "model/mig-parted.h"

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

/* Every config is found by its name, and what is said of one that is not there can be shown. */
static void check_names(const struct dv_mig_parted *parted)
{
	const struct dv_mig_parted_config *found;
	struct dv_error err = {0};

	FUZZ_REQUIRE(parted->configs.len > 0);
	for (size_t i = 0; i < parted->configs.len; i++) {
		const struct dv_mig_parted_config *config = &parted->configs.items[i];

		FUZZ_REQUIRE(config->entries.len > 0);
		FUZZ_REQUIRE(dv_mig_parted_find(parted, config->name, &found, NULL) == 0);
		FUZZ_REQUIRE(found == config);
	}
	FUZZ_REQUIRE(dv_mig_parted_find(parted, "\x01", &found, &err) == -EINVAL);
	FUZZ_REQUIRE(err.fix[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	dv_cleanup(dv_mig_parted_fini) struct dv_mig_parted parted = {0}, again = {0};
	dv_autofree char *text = NULL, *twice = NULL;
	struct dv_error err = {0};
	int r = dv_mig_parted_parse((const char *)data, size, "x", &parted, &err);

	if (r < 0) {
		check_refusal(r, &err);
		return 0;
	}
	check_names(&parted);
	FUZZ_REQUIRE(dv_mig_parted_print(&parted, &text, NULL) == 0);
	if (strlen(text) > DV_FILE_MOST)
		return 0;
	FUZZ_REQUIRE(dv_mig_parted_is(text, strlen(text)));
	FUZZ_REQUIRE(dv_mig_parted_parse(text, strlen(text), "y", &again, &err) == 0);
	FUZZ_REQUIRE(dv_mig_parted_print(&again, &twice, NULL) == 0);
	FUZZ_REQUIRE(strcmp(text, twice) == 0);
	return 0;
}
