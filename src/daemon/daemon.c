/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include "catalog/catalog.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/where.h"
#include "device/nvml.h"

enum { REATTACH_GRACE_MS = 2000, RETRY_S = 5 };

static bool is_idle(const struct dv_daemon *daemon)
{
	return daemon->up && dv_engine_leases(daemon->engine)->len == 0 &&
	       dv_engine_idle(daemon->engine) && dv_http_requests(daemon->http) == 0 &&
	       dv_workers_busy(daemon->workers) == 0;
}

/* What could not be written is tried again now and then: a full disk may have room by then. */
static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_daemon *daemon = arg;

	dv_engine_retry(daemon->engine);
	dv_launchers_look(daemon);
	dv_daemon_touch(daemon);
	return 0;
}

static void retry_later(struct dv_daemon *daemon)
{
	/* Signs of life do not put it off. */
	if (sd_event_source_get_enabled(daemon->retry, NULL) > 0)
		return;
	(void)sd_event_source_set_time_relative(daemon->retry, RETRY_S * 1000000ull);
	(void)sd_event_source_set_enabled(daemon->retry, SD_EVENT_ONESHOT);
}

void dv_daemon_touch(struct dv_daemon *daemon)
{
	if (daemon->engine)
		dv_daemon_look_anew(daemon);
	if (daemon->engine && daemon->up)
		dv_unleased_touch(daemon);
	if (daemon->engine && (dv_engine_stalled(daemon->engine) || dv_launchers_failed(daemon)))
		retry_later(daemon);
	if (!daemon->automatic || !daemon->http)
		return;
	/* Each sign of life begins the wait anew. */
	if (is_idle(daemon))
		(void)sd_event_source_set_time_relative(daemon->idle, daemon->idle_s * 1000000ull);
	(void)sd_event_source_set_enabled(daemon->idle,
					  is_idle(daemon) ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

static int on_idle(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_daemon *daemon = arg;

	/* Somebody may have come in this very moment. */
	if (!is_idle(daemon) || !dv_place_retire(&daemon->place, daemon->listen_fd)) {
		dv_daemon_touch(daemon);
		return 0;
	}
	dv_log(DV_LOG_INFO, "nothing to do for %u s: ending", daemon->idle_s);
	return sd_event_exit(daemon->event, 0);
}

static int on_gate_changes(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct dv_daemon *daemon = arg;

	dv_gate_changes_clear(daemon->gate);
	dv_observe_changes(daemon);
	dv_launchers_look(daemon);
	return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	/* Leases stay: the next divvyd brings them back. */
	dv_log(DV_LOG_INFO, "ending (signal %u)", info->ssi_signo);
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int open_gate(struct dv_daemon *daemon, struct dv_error *err)
{
	const struct dv_gate_config config = {.run_fd = daemon->place.leases_fd,
					      .run_path = daemon->place.leases_dir,
					      .sched = daemon->config.sched,
					      .gate_copies = daemon->config.gate_copies,
					      .away_waits = daemon->config.away_waits,
					      .reattach_grace_ns = REATTACH_GRACE_MS *
								   DV_NS_PER_MS};

	return dv_gate_new(&config, &daemon->gate, err);
}

static int open_parts(struct dv_daemon *daemon, const struct dv_daemon_options *options,
		      struct dv_error *err)
{
	const struct dv_workers_config workers = {.program = dv_where(DV_WHERE_WORKER),
						  .root = options->root ? options->root : "/",
						  .nvml = options->nvml ? options->nvml
									: DV_NVML_LIBRARY,
						  .cache_dir = daemon->place.worker_cache,
						  .probe_ms = DV_PROBE_MS,
						  .step_ms = DV_STEP_MS,
						  .kill_ms = DV_KILL_MS};
	int r = dv_config_read(options->config, &daemon->config, err);

	daemon->nvml = workers.nvml;
	r = r < 0 ? r : dv_root_open("/", &daemon->root, err);
	if (r < 0)
		return r;
	dv_users_init(&daemon->users, &daemon->config, &daemon->root);
	r = dv_own_init(&daemon->own, options->lock_dir ? options->lock_dir : DV_OWN_DIR,
			&daemon->root, daemon->place.state_dir, err);
	r = r < 0 ? r : dv_store_open(daemon->place.store, &daemon->store, err);
	r = r < 0 ? r : open_gate(daemon, err);
	r = r < 0 ? r : dv_workers_new(daemon->event, &workers, &daemon->workers, err);
	r = r < 0 ? r
		  : dv_watch_new(daemon->event, daemon->workers, dv_daemon_hear, daemon,
				 &daemon->watch, err);
	r = r < 0 ? r : dv_planner_new(daemon->event, &daemon->planner, err);
	r = r < 0 ? r
		  : dv_engine_new(daemon->store, &dv_daemon_engine_ops, daemon, &daemon->engine,
				  err);
	if (r == 0)
		dv_engine_set_drift(daemon->engine, daemon->config.report_drift);
	return r;
}

static int add_sources(struct dv_daemon *daemon, struct dv_error *err)
{
	int r = sd_event_add_io(daemon->event, &daemon->gate_changes,
				dv_gate_changes_fd(daemon->gate), EPOLLIN, on_gate_changes, daemon);

	r = r < 0 ? r
		  : sd_event_add_time(daemon->event, &daemon->idle, CLOCK_MONOTONIC, 0, 1000000,
				      on_idle, daemon);
	r = r < 0 ? r : sd_event_source_set_enabled(daemon->idle, SD_EVENT_OFF);
	r = r < 0 ? r
		  : sd_event_add_time(daemon->event, &daemon->retry, CLOCK_MONOTONIC, 0, 1000000,
				      on_retry, daemon);
	r = r < 0 ? r : sd_event_source_set_enabled(daemon->retry, SD_EVENT_OFF);
	r = r < 0 ? r
		  : sd_event_add_time(daemon->event, &daemon->look, CLOCK_MONOTONIC, 0, 1000000,
				      dv_daemon_on_look, daemon);
	r = r < 0 ? r : sd_event_source_set_enabled(daemon->look, SD_EVENT_OFF);
	r = r < 0 ? r
		  : sd_event_add_time(daemon->event, &daemon->change, CLOCK_MONOTONIC, 0, 10000,
				      dv_daemon_on_change, daemon);
	r = r < 0 ? r : sd_event_source_set_enabled(daemon->change, SD_EVENT_OFF);
	r = r < 0 ? r
		  : sd_event_add_time(daemon->event, &daemon->unleased, CLOCK_MONOTONIC, 0, 100000,
				      dv_unleased_on_look, daemon);
	r = r < 0 ? r : sd_event_source_set_enabled(daemon->unleased, SD_EVENT_OFF);
	r = r < 0 ? r : sd_event_add_signal(daemon->event, NULL, SIGTERM, on_signal, daemon);
	r = r < 0 ? r : sd_event_add_signal(daemon->event, NULL, SIGINT, on_signal, daemon);
	return r < 0 ? dv_error_errno(err, -r, "the event loop") : 0;
}

static int listen_for_clients(struct dv_daemon *daemon, struct dv_error *err)
{
	int fd = dv_place_listen(&daemon->place, &daemon->config, err);

	if (fd < 0)
		return fd;
	daemon->listen_fd = fd;
	return dv_http_new(daemon->event, fd, &dv_http_default_limits, &dv_daemon_http_ops, daemon,
			   &daemon->http, err);
}

/* Each client is some descriptors. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Before the first thread, so that it is so in all of them. */
static int block_signals(struct dv_error *err)
{
	sigset_t mask;

	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGTERM);
	(void)sigaddset(&mask, SIGINT);
	if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return dv_error_errno(err, errno, "signals");
	return 0;
}

static int start(struct dv_daemon *daemon, const struct dv_daemon_options *options,
		 struct dv_error *err)
{
	int r = sd_event_new(&daemon->event);

	if (r < 0)
		return dv_error_errno(err, -r, "the event loop");
	r = block_signals(err);
	r = r < 0 ? r : open_parts(daemon, options, err);
	r = r < 0 ? r : add_sources(daemon, err);
	r = r < 0 ? r : listen_for_clients(daemon, err);
	return r < 0 ? r : dv_daemon_probe(daemon, err);
}

int dv_daemon_new(const struct dv_daemon_options *options, struct dv_place *place_take,
		  struct dv_daemon **ret, struct dv_error *err)
{
	dv_cleanup(dv_daemon_freep) struct dv_daemon *daemon = calloc(1, sizeof(*daemon));
	int r;

	if (!daemon) {
		dv_place_fini(place_take);
		return dv_error_set(err, -ENOMEM, "no memory for divvyd");
	}
	daemon->place = *place_take;
	*place_take = (struct dv_place){.leases_fd = -1, .lock_fd = -1};
	daemon->root.fd = -1;
	daemon->automatic = options->automatic;
	daemon->idle_s = options->idle_s;
	raise_limits();
	r = start(daemon, options, err);
	if (r < 0)
		return r;
	*ret = take_ptr(daemon);
	return 0;
}

void dv_daemon_free(struct dv_daemon *daemon)
{
	if (!daemon)
		return;
	/* First those who wait, then what they waited for. */
	dv_http_free(daemon->http);
	dv_planner_free(daemon->planner);
	dv_watch_free(daemon->watch);
	dv_workers_free(daemon->workers);
	dv_launchers_fini(daemon);
	dv_engine_free(daemon->engine);
	dv_gate_free(daemon->gate);
	dv_store_free(daemon->store);
	dv_own_fini(&daemon->own);
	dv_users_fini(&daemon->users);
	dv_vec_fini(&daemon->waiting);
	dv_config_fini(&daemon->config);
	dv_root_fini(&daemon->root);
	(void)sd_event_source_disable_unref(daemon->gate_changes);
	(void)sd_event_source_disable_unref(daemon->idle);
	(void)sd_event_source_disable_unref(daemon->retry);
	dv_catalog_free(daemon->catalog);
	(void)sd_event_source_disable_unref(daemon->look);
	(void)sd_event_source_disable_unref(daemon->unleased);
	dv_unleased_fini(daemon);
	(void)sd_event_source_disable_unref(daemon->change);
	sd_event_unref(daemon->event);
	dv_place_fini(&daemon->place);
	free(daemon);
}
