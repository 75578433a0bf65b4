/* SPDX-License-Identifier: Apache-2.0 */
/* Fleet files and saved plans, as `plan`, `apply`, `diff` and `assert` take them, and the plan that
 * divvyd makes of them. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

/* Read a fleet file, one of mig-parted (cli/parted.h), or a plan that `plan -o` wrote ("-":
 * standard input). Of a plan the fleet's text and the state it was made for are taken. */
int dv_wish_read(const char *path, struct dv_api_wish *ret, struct dv_error *err) DV_MUST_CHECK;

/* What divvyd would do: the plan, and with `ret_text` (may be NULL) its document, both the
 * caller's. */
int dv_wish_plan(struct dv_cli *cli, const struct dv_api_wish *wish, struct dv_plan *ret,
		 char **ret_text, struct dv_error *err) DV_MUST_CHECK;
