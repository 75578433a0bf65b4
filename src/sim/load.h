/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a machine's file with the catalogue beside it. */
#pragma once

#include "sim/machine.h"

/* Read `<data>/machines/<name>.yaml`, or the file of that path if the name has a '/' or ends in
 * ".yaml". -ENOENT names the machines that there are. */
int dv_sim_load(const char *data, const char *name, struct dv_sim_machine *ret,
		struct dv_error *err) DV_MUST_CHECK;
