/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics, as Prometheus reads it: base units, one family after the other. */
#include <string.h>

#include "config.h"
#include "daemon/daemon.h"

struct page {
	struct dv_buf text;
	struct dv_gpus gpus;
	struct dv_leases leases;
	struct dv_gate_stats *stats; /* of leases.items[i], where known[i] */
	bool *known;
};

static void page_fini(struct page *page)
{
	dv_buf_fini(&page->text);
	dv_vec_fini(&page->gpus);
	dv_vec_fini(&page->leases);
	free(page->stats);
	free(page->known);
}

static void family(struct page *page, const char *name, const char *type, const char *help)
{
	dv_buf_addf(&page->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value; what divvy names itself needs no escape, what a driver says may. */
static void value_of_label(struct dv_buf *text, const char *value)
{
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\')
			dv_buf_add(text, "\\");
		if (*c == '\n')
			dv_buf_add(text, "\\n");
		else
			dv_buf_add_n(text, c, 1);
	}
}

static void begin_gpu(struct page *page, const char *name, const struct dv_gpu *gpu)
{
	dv_buf_addf(&page->text, "%s{gpu=\"", name);
	value_of_label(&page->text, gpu->id);
	dv_buf_add(&page->text, "\",uuid=\"");
	value_of_label(&page->text, gpu->uuid);
}

static void gpus(struct page *page)
{
	family(page, "divvy_gpu_info", "gauge", "A device and how it is divided.");
	for (size_t i = 0; i < page->gpus.len; i++) {
		const struct dv_gpu *gpu = &page->gpus.items[i];

		begin_gpu(page, "divvy_gpu_info", gpu);
		dv_buf_add(&page->text, "\",model=\"");
		value_of_label(&page->text, gpu->model);
		dv_buf_addf(&page->text, "\",division=\"%s\"} 1\n",
			    dv_division_name(gpu->division));
	}
	family(page, "divvy_gpu_memory_bytes", "gauge", "Memory of a device that can be given.");
	for (size_t i = 0; i < page->gpus.len; i++) {
		begin_gpu(page, "divvy_gpu_memory_bytes", &page->gpus.items[i]);
		dv_buf_addf(&page->text, "\"} %llu\n",
			    (unsigned long long)page->gpus.items[i].memory_bytes);
	}
	family(page, "divvy_gpu_quarantined", "gauge", "1: nothing new is placed on the device.");
	for (size_t i = 0; i < page->gpus.len; i++) {
		begin_gpu(page, "divvy_gpu_quarantined", &page->gpus.items[i]);
		dv_buf_addf(&page->text, "\"} %d\n", page->gpus.items[i].quarantine[0] != '\0');
	}
	family(page, "divvy_gpu_unleased_processes", "gauge",
	       "Processes that compute on a shared GPU without a lease.");
	for (size_t i = 0; i < page->gpus.len; i++) {
		begin_gpu(page, "divvy_gpu_unleased_processes", &page->gpus.items[i]);
		dv_buf_addf(&page->text, "\"} %u\n", page->gpus.items[i].unleased_count);
	}
}

/* One number of a lease: the same family for all of them. */
struct measure {
	const char *name, *type, *help;
	bool of_gate; /* only where the gate knows the lease */
	double (*get)(const struct dv_lease *lease, const struct dv_gate_stats *stats);
};

static double memory_limit(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)lease->memory_bytes;
}

static double memory_used(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->memory_used_bytes;
}

static double memory_seen(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)lease->memory_seen_bytes;
}

static double memory_denied(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->memory_denied;
}

static double share_wanted(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return lease->compute_mpct / 100000.0;
}

static double share_got(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return stats->got_mpct / 100000.0;
}

static double device_seconds(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->sched.used_ns / 1e9;
}

static double wait_seconds(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->sched.wait_ns / 1e9;
}

static double waits(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->sched.waits;
}

static double wait_p99(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->wait_p99_ns / 1e9;
}

static double evictions(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return (double)stats->sched.evictions;
}

static double processes(const struct dv_lease *lease, const struct dv_gate_stats *stats)
{
	return stats->client_count;
}

static const struct measure measures[] = {
	{"divvy_lease_memory_limit_bytes", "gauge", "Memory limit; 0: none of its own.", false,
	 memory_limit},
	{"divvy_lease_memory_used_bytes", "gauge", "Device memory in use.", true, memory_used},
	{"divvy_lease_memory_seen_bytes", "gauge",
	 "What the driver says its processes have; 0: not known.", true, memory_seen},
	{"divvy_lease_memory_denied_total", "counter", "Allocations refused over the limit.", true,
	 memory_denied},
	{"divvy_lease_share_wanted_ratio", "gauge",
	 "Share of the device's time that was asked for.", false, share_wanted},
	{"divvy_lease_share_got_ratio", "gauge", "Share of the device's time, of late.", true,
	 share_got},
	{"divvy_lease_device_seconds_total", "counter", "Time the device was held.", true,
	 device_seconds},
	{"divvy_lease_wait_seconds_total", "counter", "Time waited for the device.", true,
	 wait_seconds},
	{"divvy_lease_waits_total", "counter", "Times the device was waited for.", true, waits},
	{"divvy_lease_wait_p99_seconds", "gauge", "99 % of late waits were shorter.", true,
	 wait_p99},
	{"divvy_lease_evictions_total", "counter", "Times it did not let go of the device in time.",
	 true, evictions},
	{"divvy_lease_processes", "gauge", "Processes attached.", true, processes},
};

static void leases(struct page *page)
{
	for (size_t m = 0; m < DV_ARRAY_LEN(measures); m++) {
		const struct measure *measure = &measures[m];

		family(page, measure->name, measure->type, measure->help);
		for (size_t i = 0; i < page->leases.len; i++) {
			const struct dv_lease *lease = &page->leases.items[i];

			if (measure->of_gate && !page->known[i])
				continue;
			dv_buf_addf(&page->text,
				    "%s{lease=\"%s\",method=\"%s\",uid=\"%u\"} %.17g\n",
				    measure->name, lease->name, dv_method_name(lease->method),
				    lease->uid, measure->get(lease, &page->stats[i]));
		}
	}
}

static int fill(const struct dv_daemon *daemon, struct page *page, struct dv_error *err)
{
	int r = dv_observe_gpus(daemon, &page->gpus, err);

	r = r < 0 ? r : dv_observe_leases(daemon, NULL, &page->leases, err);
	if (r < 0)
		return r;
	page->stats = calloc(page->leases.len + 1, sizeof(*page->stats));
	page->known = calloc(page->leases.len + 1, sizeof(*page->known));
	if (!page->stats || !page->known)
		return dv_error_set(err, -ENOMEM, "no memory for metrics");
	for (size_t i = 0; i < page->leases.len; i++)
		page->known[i] = dv_gate_stats(daemon->gate, page->leases.items[i].id,
					       &page->stats[i], NULL) == 0;
	return 0;
}

void dv_handle_metrics(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct page page = {0};
	struct dv_error err = {0};
	char *text = NULL;
	int r = fill(daemon, &page, &err);

	if (r == 0) {
		family(&page, "divvy_build_info", "gauge", "The version of divvyd.");
		dv_buf_addf(&page.text, "divvy_build_info{version=\"%s\"} 1\n", DV_VERSION);
		gpus(&page);
		leases(&page);
		if (dv_buf_take(&page.text, &text) < 0)
			r = dv_error_set(&err, -ENOMEM, "no memory for metrics");
	}
	page_fini(&page);
	if (r < 0)
		dv_request_fail(request, &err);
	else
		dv_request_answer_text(request, "text/plain; version=0.0.4; charset=utf-8", text);
}
