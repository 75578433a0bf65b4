/* SPDX-License-Identifier: Apache-2.0 */
/* --machine: a simulated machine, and the private divvyd that works on it. The machine is made when
 * it is first named, and stays as it is left in <run directory>/machines/<name>. */
#pragma once

#include "cli/cli.h"

/* Connect cli->client to the divvyd of cli->machine. -ENOENT names the machines that there are. */
int dv_machine_connect(struct dv_cli *cli, struct dv_error *err) DV_MUST_CHECK;
