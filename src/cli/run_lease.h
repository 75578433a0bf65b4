/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` asks divvyd about its lease. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

/* The lease as divvyd sees it now. */
int dv_run_lease(struct dv_cli *cli, const char *name, struct dv_lease *ret,
		 struct dv_error *err) DV_MUST_CHECK;
/* Did that process report? True, too, when divvyd has more processes than it lists. */
bool dv_run_lease_has(const struct dv_lease *lease, pid_t pid);
/* Put a process that waits where the lease's processes belong. Nothing to do without a cgroup. */
int dv_run_enter(struct dv_cli *cli, const struct dv_api_grant *grant, pid_t pid,
		 struct dv_error *err) DV_MUST_CHECK;
/* Tell divvyd that the process goes round the gate, and how. */
int dv_run_unenforced(struct dv_cli *cli, const char *name, pid_t pid, const char *text,
		      struct dv_error *err) DV_MUST_CHECK;
