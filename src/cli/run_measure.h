/* SPDX-License-Identifier: Apache-2.0 */
/* What a command got of its lease, by looking at it now and then. Plain data. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

struct dv_measure {
	uint64_t begun_ns;
	unsigned samples;
	/* Looks whose window lies within the command's time: windows together, and what it had of
	 * the device in them, in thousandths of a percent of a ms. */
	uint64_t window_ms, got_sum;
	/* A look whose window began before the command did: what it had, as a share of its own
	 * time. Said where there is no other. */
	bool early;
	uint32_t early_mpct;
	uint32_t wanted_mpct;
	uint64_t limit_bytes, peak_bytes;
	uint64_t wait_p99_ns; /* the worst that was seen */
};

/* Take one look into account. */
void dv_measure_add(struct dv_measure *measure, const struct dv_lease *lease, uint64_t now_ns);
/* What it got of the device's time, in thousandths of a percent; false where it is not known. */
bool dv_measure_got(const struct dv_measure *measure, uint32_t *ret_mpct);

/* Say it in a line on cli->err, or with --json in a document (divvy/measure/1) on cli->out. */
int dv_measure_print(const struct dv_measure *measure, struct dv_cli *cli, const char *lease,
		     int status, uint64_t now_ns, struct dv_error *err) DV_MUST_CHECK;
