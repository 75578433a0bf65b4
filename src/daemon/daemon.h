/* SPDX-License-Identifier: Apache-2.0 */
/* divvyd whole: what its files share. The daemon owns everything in it; all of it lives in the one
 * thread of the event loop (the gate has threads of its own). */
#pragma once

#include <systemd/sd-event.h>

#include "api/api.h"
#include "base/root.h"
#include "daemon/conf.h"
#include "daemon/http.h"
#include "daemon/options.h"
#include "daemon/own.h"
#include "daemon/place.h"
#include "daemon/planner.h"
#include "daemon/users.h"
#include "daemon/watch.h"
#include "daemon/worker.h"
#include "engine/engine.h"
#include "gate/gate.h"
#include "store/store.h"

enum {
	DV_PROBE_MS = 20000,
	DV_STEP_MS = 10000,
	DV_KILL_MS = 2000,
	DV_LAUNCHERS_MOST = DV_LEASES_MOST,
};

struct dv_launcher;
struct dv_sighting;

/* What the driver says the processes of a lease have. */
struct dv_memory_seen {
	int64_t lease_id;
	char gpu[DV_UUID_SIZE];
	uint64_t bytes;
};

struct dv_daemon {
	struct dv_config config;
	struct dv_place place;
	struct dv_root root;
	struct dv_users users;
	struct dv_own own;
	struct dv_store *store;
	struct dv_engine *engine;
	struct dv_catalog *catalog; /* NULL until a GPU needs it */
	struct dv_gate *gate;
	struct dv_workers *workers;
	struct dv_watch *watch;
	struct dv_planner *planner;
	struct dv_http *http;
	int listen_fd; /* http's; to see who waits */

	const char *nvml; /* NVIDIA's library */

	sd_event *event;
	sd_event_source *gate_changes, *idle, *retry, *look, *change, *unleased;

	bool automatic; /* ends when idle */
	unsigned idle_s;
	uint64_t xids_since_ns; /* so many since then */
	unsigned xids;
	bool probing;		 /* a worker looks for GPUs */
	bool probe_again;	 /* and is to do so once more: it began before somebody asked */
	unsigned mig_steps;	 /* under way */
	uint64_t mig_turn;	 /* up with each beginning and end of one */
	uint64_t probe_turn;	 /* as it was when the probe began */
	bool look_anew;		 /* when nothing is at work: steps changed a GPU */
	bool recovering;	 /* leases of an earlier divvyd come back */
	bool up;		 /* both are over: requests that need GPUs are served */
	char probe_failure[256]; /* why GPUs could not be looked for, or "" */
	DV_VEC(struct dv_request *) waiting; /* for `up`, or for a new probe */
	DV_VEC(struct dv_launcher *) launchers;
	DV_VEC(struct dv_sighting *) sightings;
	DV_VEC(struct dv_memory_seen) memory_seen;
	size_t unleased_at; /* the GPU that is looked at next; 0: a round begins */
};

/* daemon.c: start everything; `place` is swallowed. Then run sd_event_loop and free. */
int dv_daemon_new(const struct dv_daemon_options *options, struct dv_place *place_take,
		  struct dv_daemon **ret, struct dv_error *err) DV_MUST_CHECK;
void dv_daemon_free(struct dv_daemon *daemon);
DV_DEFINE_FREEP(struct dv_daemon, dv_daemon_free)
/* Something began or ended: see whether divvyd is idle now. */
void dv_daemon_touch(struct dv_daemon *daemon);

/* probe.c: look for GPUs, and after the first time bring back what was there before a restart. */
int dv_daemon_probe(struct dv_daemon *daemon, struct dv_error *err) DV_MUST_CHECK;
/* The timer that looks now and then whether partitions are there still; armed by a probe where
 * there are any. */
int dv_daemon_on_look(sd_event_source *source, uint64_t usec, void *arg);
/* Serve the request when the probe under way is over. */
void dv_daemon_wait(struct dv_daemon *daemon, struct dv_request *request);

/* steps.c: what the engine asks for. */
extern const struct dv_engine_ops dv_daemon_engine_ops;
/* Tell the gate what the driver calls partitions: a probe knows it, a step does not. */
void dv_daemon_name_devices(struct dv_daemon *daemon);
/* Look for GPUs if steps changed one and nothing is at work. */
void dv_daemon_look_anew(struct dv_daemon *daemon);
/* Open the gates of slices whose partition is not there: left so for now, it may be made again by
 * others who have slices in it. */
void dv_daemon_open_missing(struct dv_daemon *daemon);

/* launchers.c: whoever starts a command in a lease. While one of them runs, the lease is in use. An
 * ephemeral lease ends with its launchers (who took it, and who came to share it), once nobody is
 * in it. */
/* Watch one of them; `pid_fd` is swallowed. */
void dv_launcher_watch(struct dv_daemon *daemon, const struct dv_lease *lease, pid_t pid,
		       int pid_fd_take);
/* This one has done with the lease. True: others have not. */
bool dv_launcher_leave(struct dv_daemon *daemon, int64_t lease_id, pid_t pid);
/* A lease without launchers could not be released; dv_launchers_look tries again. */
bool dv_launchers_failed(const struct dv_daemon *daemon);
/* Watch the launchers of the leases that an earlier divvyd gave. */
void dv_launchers_recover(struct dv_daemon *daemon);
/* Clients came or went: release what only waited for them. */
void dv_launchers_look(struct dv_daemon *daemon);
/* Those that run now: their commands, or themselves before they started one. `ret` has room for
 * `most`; returns how many there are. */
unsigned dv_launchers_of(const struct dv_daemon *daemon, int64_t lease_id,
			 struct dv_lease_user *ret, unsigned most);
/* The launchers themselves; returns how many are filled in. */
unsigned dv_launchers_pids(const struct dv_daemon *daemon, int64_t lease_id, pid_t *ret,
			   unsigned most);
void dv_launchers_fini(struct dv_daemon *daemon);

/* unleased.c: processes that compute on a GPU which slices share: what the driver says that
 * tenants' have, and those without a lease there. They are looked at now and then while there are
 * such slices. */
int dv_unleased_on_look(sd_event_source *source, uint64_t usec, void *arg);
/* Begin to look, or end it, by the leases there are now. */
void dv_unleased_touch(struct dv_daemon *daemon);
/* What the lease's processes had at the last look; 0: not known. */
uint64_t dv_unleased_memory(const struct dv_daemon *daemon, int64_t lease_id);
/* Those of this GPU into its `unleased`. */
void dv_unleased_show(const struct dv_daemon *daemon, struct dv_gpu *gpu);
void dv_unleased_fini(struct dv_daemon *daemon);

/* news.c: what the driver told; and the timer after it. */
void dv_daemon_hear(void *arg, const struct dv_worker_news *news);
int dv_daemon_on_change(sd_event_source *source, uint64_t usec, void *arg);

/* observe.c: what is seen of GPUs and leases right now, for documents. The caller frees the lists.
 */
int dv_observe_gpus(const struct dv_daemon *daemon, struct dv_gpus *ret,
		    struct dv_error *err) DV_MUST_CHECK;
/* `name` NULL: all. */
int dv_observe_leases(const struct dv_daemon *daemon, const char *name, struct dv_leases *ret,
		      struct dv_error *err) DV_MUST_CHECK;
/* Who is in the lease, whether or not they use the device: fill in users. */
void dv_observe_users(const struct dv_daemon *daemon, struct dv_lease *lease);
/* Tell the engine which leases are in use, and whoever comes after us by which processes. */
void dv_observe_changes(struct dv_daemon *daemon);
/* The GPU of that uuid, or NULL: "", or it is gone. */
const struct dv_gpu *dv_observe_gpu(const struct dv_daemon *daemon, const char *uuid);
/* Which GPU a client means; -ENODEV with rule S18. */
const struct dv_gpu *dv_observe_find_gpu(const struct dv_daemon *daemon, const char *text,
					 struct dv_error *err);

/* routes.c: find what to do for a request. */
extern const struct dv_http_ops dv_daemon_http_ops;

/* Handlers. Each answers its request, at once or later; `name` is the path's variable part. */
void dv_handle_status(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_gpus(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_who(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_log(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_plan(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_apply(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_metrics(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_leases(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_lease(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_take(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_release(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_attach(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_enter(struct dv_daemon *daemon, struct dv_request *request, const char *name);
void dv_handle_unenforced(struct dv_daemon *daemon, struct dv_request *request, const char *name);
