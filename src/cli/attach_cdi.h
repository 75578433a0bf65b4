/* SPDX-License-Identifier: Apache-2.0 */
/* What a container of a lease needs, out of divvyd's grant and what lies on this machine. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

/* The CDI file of a grant; the caller frees. `library_path`: what the image itself has in
 * LD_LIBRARY_PATH, or NULL. For a slice the layer is tried first, as `divvy run` does. Refusals:
 * S21 of a command's own lease, G09 where there is nothing that a file could say, G03 as of `run`.
 */
int dv_attach_cdi(struct dv_cli *cli, const struct dv_api_grant *grant, const char *library_path,
		  char **ret_text, struct dv_error *err) DV_MUST_CHECK;
