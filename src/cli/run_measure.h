/* SPDX-License-Identifier: Apache-2.0 */
/* What a command got of its lease, by looking at it now and then. Plain data. */
#pragma once

#include "api/api.h"
#include "cli/cli.h"

struct dv_measure {
	uint64_t begun_ns;
	unsigned samples;
	unsigned shares;  /* samples in which its share of the time was known */
	uint64_t got_sum; /* of these, in thousandths of a percent */
	uint32_t wanted_mpct;
	uint64_t limit_bytes, peak_bytes;
	uint64_t wait_p99_ns; /* the worst that was seen */
};

/* Take one look into account. */
void dv_measure_add(struct dv_measure *measure, const struct dv_lease *lease);

/* Say it in a line on cli->err, or with --json in a document (divvy/measure/1) on cli->out. */
int dv_measure_print(const struct dv_measure *measure, struct dv_cli *cli, const char *lease,
		     int status, uint64_t now_ns, struct dv_error *err) DV_MUST_CHECK;
