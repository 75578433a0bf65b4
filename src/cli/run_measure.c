/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_measure.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/show.h"
#include "model/units.h"

/* A window goes back to the last look but one, whoever looked: in a lease that was there before,
 * also into the time when the command was not. */
static void add_share(struct dv_measure *measure, const struct dv_lease *lease, uint64_t now_ns)
{
	uint64_t ran_ms = (now_ns - measure->begun_ns) / DV_NS_PER_MS;
	uint64_t got = (uint64_t)lease->got_mpct * lease->window_ms;

	if (lease->window_ms <= ran_ms) {
		measure->window_ms += lease->window_ms;
		measure->got_sum += got;
	} else if (ran_ms) {
		measure->early = true;
		measure->early_mpct = (uint32_t)DV_MIN(got / ran_ms, (uint64_t)DV_MPCT_WHOLE);
	}
}

void dv_measure_add(struct dv_measure *measure, const struct dv_lease *lease, uint64_t now_ns)
{
	measure->samples++;
	measure->wanted_mpct = lease->compute_mpct;
	measure->limit_bytes = lease->memory_bytes;
	measure->peak_bytes = DV_MAX(measure->peak_bytes, lease->memory_used_bytes);
	measure->wait_p99_ns = DV_MAX(measure->wait_p99_ns, lease->wait_p99_ns);
	/* Nobody attached: it was not there to get anything. */
	if (lease->window_ms && lease->pid_count)
		add_share(measure, lease, now_ns);
}

bool dv_measure_got(const struct dv_measure *measure, uint32_t *ret_mpct)
{
	if (!measure->window_ms && !measure->early)
		return false;
	*ret_mpct = measure->window_ms ? (uint32_t)(measure->got_sum / measure->window_ms)
				       : measure->early_mpct;
	return true;
}

static void print_line(const struct dv_measure *measure, struct dv_out *out, const char *lease,
		       double seconds)
{
	char a[DV_SHOW_SIZE], b[DV_SHOW_SIZE];
	uint32_t got;

	dv_outf(out, "divvy: %s ran %.1f s", lease, seconds);
	if (dv_measure_got(measure, &got))
		dv_outf(out, "; got %s of the time, of %s wanted",
			got ? dv_show_share(got, a) : "0%", dv_show_share(measure->wanted_mpct, b));
	if (measure->limit_bytes)
		dv_outf(out, "; at most %s of %s",
			measure->peak_bytes ? dv_show_size(measure->peak_bytes, a) : "0",
			dv_show_size(measure->limit_bytes, b));
	/* Less than can be shown is no wait. */
	if (measure->wait_p99_ns >= DV_NS_PER_MS / 100)
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
	uint32_t got;

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
	if (dv_measure_got(measure, &got))
		dv_json_number(&json, "got_pct", got / 1e3, 3);
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
