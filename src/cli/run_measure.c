/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_measure.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/show.h"
#include "model/units.h"

void dv_measure_add(struct dv_measure *measure, const struct dv_lease *lease)
{
	measure->samples++;
	measure->wanted_mpct = lease->compute_mpct;
	measure->limit_bytes = lease->memory_bytes;
	measure->peak_bytes = DV_MAX(measure->peak_bytes, lease->memory_used_bytes);
	measure->wait_p99_ns = DV_MAX(measure->wait_p99_ns, lease->wait_p99_ns);
	/* Nobody attached: it was not there to get anything. */
	if (!lease->window_ms || !lease->pid_count)
		return;
	measure->shares++;
	measure->got_sum += lease->got_mpct;
}

static uint32_t got(const struct dv_measure *measure)
{
	return measure->shares ? (uint32_t)(measure->got_sum / measure->shares) : 0;
}

static void print_line(const struct dv_measure *measure, struct dv_out *out, const char *lease,
		       double seconds)
{
	char a[DV_SHOW_SIZE], b[DV_SHOW_SIZE];

	dv_outf(out, "divvy: %s ran %.1f s", lease, seconds);
	if (measure->shares)
		dv_outf(out, "; got %s of the time, of %s wanted",
			got(measure) ? dv_show_share(got(measure), a) : "0%",
			dv_show_share(measure->wanted_mpct, b));
	if (measure->limit_bytes)
		dv_outf(out, "; at most %s of %s",
			measure->peak_bytes ? dv_show_size(measure->peak_bytes, a) : "0",
			dv_show_size(measure->limit_bytes, b));
	if (measure->wait_p99_ns)
		dv_outf(out, "; 99 of 100 waits below %.2f ms", (double)measure->wait_p99_ns / 1e6);
	dv_outf(out, " (%u look%s)\n", measure->samples, dv_plural(measure->samples));
}

int dv_measure_print(const struct dv_measure *measure, struct dv_cli *cli, const char *lease,
		     int status, uint64_t now_ns, struct dv_error *err)
{
	double seconds = (double)(now_ns - measure->begun_ns) / (double)DV_NS_PER_S;
	dv_autofree char *text = NULL;
	struct dv_buf buf = {0};
	struct dv_json json;

	if (!cli->json) {
		print_line(measure, &cli->err, lease, seconds);
		return 0;
	}
	dv_json_init(&json, &buf);
	dv_json_object(&json, NULL);
	dv_json_text(&json, "schema", "divvy/measure/1");
	dv_json_text(&json, "lease", lease);
	dv_json_i64(&json, "status", status);
	dv_json_number(&json, "seconds", seconds, 3);
	dv_json_u64(&json, "samples", measure->samples);
	dv_json_number(&json, "wanted_pct", measure->wanted_mpct / 1e3, 3);
	if (measure->shares)
		dv_json_number(&json, "got_pct", got(measure) / 1e3, 3);
	else
		dv_json_null(&json, "got_pct");
	dv_json_number(&json, "memory_peak_mib", (double)measure->peak_bytes / DV_MIB, 3);
	dv_json_number(&json, "memory_limit_mib", (double)measure->limit_bytes / DV_MIB, 3);
	dv_json_number(&json, "wait_p99_ms", (double)measure->wait_p99_ns / 1e6, 3);
	dv_json_end(&json);
	if (dv_buf_take(&buf, &text) < 0)
		return dv_error_set(err, -ENOMEM, "no memory for the document");
	(void)fprintf(cli->out.file, "%s\n", text);
	return 0;
}
