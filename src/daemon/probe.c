/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/facts.h"

static void serve_waiting(struct dv_daemon *daemon)
{
	/* A request may wait again, for a probe of its own. */
	size_t count = daemon->waiting.len;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		dv_daemon_http_ops.serve(daemon, daemon->waiting.items[i]);
	memmove(daemon->waiting.items, daemon->waiting.items + count,
		(daemon->waiting.len - count) * sizeof(daemon->waiting.items[0]));
	daemon->waiting.len -= count;
}

/* A reset, a new driver or somebody else may take partitions at any time, and nobody says so. */
static void look_later(struct dv_daemon *daemon)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	bool any = false;

	for (size_t i = 0; i < leases->len && !any; i++)
		any = dv_lease_on_mig(&leases->items[i]);
	(void)sd_event_source_set_time_relative(daemon->look, daemon->config.mig_look_ns / 1000);
	(void)sd_event_source_set_enabled(daemon->look, any ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

int dv_daemon_on_look(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_error err = {0};

	if (dv_daemon_probe(arg, &err) < 0) {
		dv_log_error(DV_LOG_WARNING, &err, "looking for partitions");
		look_later(arg);
	}
	return 0;
}

static void recovered(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	struct dv_daemon *daemon = arg;

	if (r < 0)
		dv_log_error(DV_LOG_ERROR, err, "bringing back what was there before the start");
	dv_daemon_open_missing(daemon);
	daemon->recovering = false;
	daemon->up = true;
	dv_gate_sweep(daemon->gate, dv_engine_leases(daemon->engine));
	dv_launchers_recover(daemon);
	serve_waiting(daemon);
	dv_daemon_touch(daemon);
}

static int set_found(struct dv_daemon *daemon, const struct dv_gpu *found, size_t count,
		     struct dv_error *err)
{
	dv_autofree struct dv_gpu *gpus = calloc(count + 1, sizeof(*gpus));

	if (!gpus)
		return dv_error_set(err, -ENOMEM, "no memory for the list of GPUs");
	if (count)
		memcpy(gpus, found, count * sizeof(*gpus));
	dv_daemon_add_facts(&daemon->catalog, gpus, count);
	return dv_engine_set_gpus(daemon->engine, gpus, count, err);
}

/* GPUs that could not be looked for are no GPUs, and the reason is shown. */
static void set_gpus(struct dv_daemon *daemon, const struct dv_worker_outcome *outcome)
{
	struct dv_error err = {0};
	int r = outcome->r;

	daemon->probe_failure[0] = '\0';
	if (r < 0)
		err = *outcome->err;
	else
		r = set_found(daemon, outcome->gpus, outcome->gpu_count, &err);
	if (r < 0) {
		dv_log_error(DV_LOG_ERROR, &err, "looking for GPUs");
		(void)dv_copy(daemon->probe_failure, sizeof(daemon->probe_failure), err.msg);
	}
}

/* Where there are GPUs whose driver may tell something. */
static void listen_to_gpus(struct dv_daemon *daemon)
{
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);

	for (size_t i = 0; i < count; i++)
		if (gpus[i].kind == DV_GPU_NVIDIA) {
			dv_watch_start(daemon->watch);
			return;
		}
}

/* What it saw may be from before a step or from the midst of one. The engine knows what its steps
 * made, and the operation is looked at when it is over. */
static bool is_overtaken(const struct dv_daemon *daemon)
{
	return daemon->up && (daemon->mig_steps || daemon->mig_turn != daemon->probe_turn);
}

static void probed(void *arg, const struct dv_worker_outcome *outcome)
{
	struct dv_daemon *daemon = arg;
	struct dv_error err = {0};
	int r;

	daemon->probing = false;
	if (daemon->probe_again && dv_daemon_probe(daemon, &err) == 0)
		return;
	if (is_overtaken(daemon)) {
		daemon->look_anew = true;
	} else {
		set_gpus(daemon, outcome);
		dv_daemon_name_devices(daemon);
		listen_to_gpus(daemon);
	}
	look_later(daemon);
	if (daemon->up) {
		serve_waiting(daemon);
		dv_daemon_touch(daemon);
		return;
	}
	daemon->recovering = true;
	r = dv_engine_recover(daemon->engine, recovered, daemon, &err);
	if (r < 0)
		recovered(daemon, r, NULL, &err);
}

int dv_daemon_probe(struct dv_daemon *daemon, struct dv_error *err)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));
	int r;

	daemon->probe_again = daemon->probing && daemon->up;
	if (daemon->probing)
		return 0;
	if (!request)
		return dv_error_set(err, -ENOMEM, "no memory to look for GPUs");
	request->what = DV_WORKER_PROBE;
	request->cpu = daemon->config.cpu;
	r = dv_workers_start(daemon->workers, request, probed, daemon, err);
	daemon->probing = r == 0;
	daemon->probe_turn = daemon->mig_turn;
	return r;
}

void dv_daemon_wait(struct dv_daemon *daemon, struct dv_request *request)
{
	struct dv_error err = {0};

	/* Bounded by the number of connections. */
	if (dv_vec_push(&daemon->waiting, request) == 0)
		return;
	dv_error_set(&err, -ENOMEM, "no memory for another request");
	dv_request_fail(request, &err);
}
