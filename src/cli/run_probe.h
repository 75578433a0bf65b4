/* SPDX-License-Identifier: Apache-2.0 */
/* Before a command is called a tenant: does OpenCL, or CUDA, in its environment load divvy's layer,
 * and does the layer report to divvyd? OpenCL's loader skips a layer that it can't load and says
 * nothing; and who knows what else stands in the way of CUDA's. */
#pragma once

#include "cli/cli.h"
#include "cli/run_child.h"

struct dv_probe {
	bool skipped;	/* there is no OpenCL to go through the layer */
	bool same_pids; /* divvyd knows the probe by the same process number */
};

/* Start a process like that of `command`, let it make one call, and see whether divvyd hears of it.
 * -EBUSY with rule G03 when it does not. */
int dv_probe_layer(struct dv_cli *cli, const struct dv_child_spec *command, struct dv_probe *ret,
		   struct dv_error *err) DV_MUST_CHECK;
