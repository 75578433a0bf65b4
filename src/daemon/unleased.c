/* SPDX-License-Identifier: Apache-2.0 */
/* The driver is asked, by a worker, GPU after GPU. Who is seen twice in a row computes there: what
 * comes and goes, as the probe of `divvy run` does, is nobody's business. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "daemon/daemon.h"
#include "daemon/peer.h"
#include "model/tree.h"
#include "model/units.h"

enum { LOOKS_TO_TELL = 2, SIGHTINGS_MOST = 1024 };

struct dv_sighting {
	char gpu[DV_UUID_SIZE];
	uint64_t start; /* with the pid it means one process */
	unsigned looks; /* in which it was seen */
	bool seen;	/* in the one under way */
	struct dv_gpu_unleased process;
};

struct look {
	struct dv_daemon *daemon;
	char gpu[DV_UUID_SIZE];
};

/* Has the lease slices of an NVIDIA GPU's time? */
static bool shares(const struct dv_lease *lease, const struct dv_gpu *gpu)
{
	return gpu->kind == DV_GPU_NVIDIA && lease->method == DV_METHOD_SLICE &&
	       strcmp(lease->gpu_uuid, gpu->uuid) == 0;
}

static bool is_shared(const struct dv_daemon *daemon, const struct dv_gpu *gpu)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);

	for (size_t i = 0; i < leases->len; i++)
		if (shares(&leases->items[i], gpu))
			return true;
	return false;
}

/* Is it where this slice of the GPU is: on all of it, or in its partition? */
static bool is_beside(const struct dv_gpu *gpu, const struct dv_lease *lease, int instance)
{
	const struct dv_mig_instance *there;
	struct dv_node node;

	if (dv_node_parse(lease->node, &node, NULL) < 0)
		return false;
	if (!node.has_partition)
		return true;
	there = dv_mig_instance_at(&gpu->mig, node.start, node.size);
	return there && instance == (int)there->id;
}

/* What is known of a process. */
enum whose { WHOSE_OTHERS, WHOSE_LEASES, WHOSE_UNKNOWN };

static enum whose is_tenant(const struct dv_daemon *daemon, const struct dv_lease *lease, pid_t pid,
			    struct dv_gate_stats *stats)
{
	pid_t launchers[DV_LEASE_PIDS_MOST];
	unsigned count = dv_launchers_pids(daemon, lease->id, launchers, DV_ARRAY_LEN(launchers));

	for (unsigned i = 0; i < count; i++)
		if (launchers[i] == pid)
			return WHOSE_LEASES;
	if (dv_gate_stats(daemon->gate, lease->id, stats, NULL) < 0)
		return WHOSE_UNKNOWN;
	for (unsigned i = 0; i < stats->client_listed; i++)
		if (stats->clients[i].pid == pid)
			return WHOSE_LEASES;
	/* More than are listed: it may be one of them. */
	return stats->client_count > stats->client_listed ? WHOSE_UNKNOWN : WHOSE_OTHERS;
}

/* The lease whose process it is, or NULL. *ret_unleased: it computes beside slices, and is surely
 * no tenant's. */
static const struct dv_lease *lease_of(const struct dv_daemon *daemon, const struct dv_gpu *gpu,
				       const struct dv_holder *holder, bool *ret_unleased)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	dv_autofree struct dv_gate_stats *stats = malloc(sizeof(*stats));
	bool beside = false, unknown = !stats;

	*ret_unleased = false;
	for (size_t i = 0; stats && i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		enum whose whose;

		if (!shares(lease, gpu))
			continue;
		beside = beside || is_beside(gpu, lease, holder->instance);
		whose = is_tenant(daemon, lease, holder->pid, stats);
		if (whose == WHOSE_LEASES)
			return lease;
		unknown = unknown || whose == WHOSE_UNKNOWN;
	}
	*ret_unleased = beside && !unknown;
	return NULL;
}

/* Forget what was seen on the GPU before; with NULL all. */
static void forget_memory(struct dv_daemon *daemon, const char *gpu)
{
	for (size_t i = daemon->memory_seen.len; i > 0; i--)
		if (!gpu || strcmp(daemon->memory_seen.items[i - 1].gpu, gpu) == 0)
			dv_vec_remove(&daemon->memory_seen, i - 1);
}

static void add_memory(struct dv_daemon *daemon, const struct dv_lease *lease, uint64_t bytes)
{
	struct dv_memory_seen seen = {.lease_id = lease->id, .bytes = bytes};

	for (size_t i = 0; i < daemon->memory_seen.len; i++)
		if (daemon->memory_seen.items[i].lease_id == lease->id) {
			daemon->memory_seen.items[i].bytes += bytes;
			return;
		}
	(void)dv_copy(seen.gpu, sizeof(seen.gpu), lease->gpu_uuid);
	/* Without memory it is not known. */
	(void)!dv_vec_push(&daemon->memory_seen, seen);
}

uint64_t dv_unleased_memory(const struct dv_daemon *daemon, int64_t lease_id)
{
	for (size_t i = 0; i < daemon->memory_seen.len; i++)
		if (daemon->memory_seen.items[i].lease_id == lease_id)
			return daemon->memory_seen.items[i].bytes;
	return 0;
}

static struct dv_sighting *find(const struct dv_daemon *daemon, const char *gpu, pid_t pid,
				uint64_t start)
{
	for (size_t i = 0; i < daemon->sightings.len; i++) {
		struct dv_sighting *sighting = daemon->sightings.items[i];

		if (sighting->process.pid == pid && sighting->start == start &&
		    strcmp(sighting->gpu, gpu) == 0)
			return sighting;
	}
	return NULL;
}

static struct dv_sighting *add(struct dv_daemon *daemon, const char *gpu, pid_t pid, uint64_t start)
{
	struct dv_sighting *sighting = NULL;

	if (daemon->sightings.len < SIGHTINGS_MOST && dv_vec_reserve(&daemon->sightings) == 0)
		sighting = calloc(1, sizeof(*sighting));
	if (!sighting)
		return NULL;
	(void)dv_copy(sighting->gpu, sizeof(sighting->gpu), gpu);
	sighting->start = start;
	sighting->process.pid = pid;
	daemon->sightings.items[daemon->sightings.len++] = sighting;
	return sighting;
}

static void note(struct dv_daemon *daemon, const struct dv_gpu *gpu,
		 const struct dv_sighting *sighting)
{
	const struct dv_gpu_unleased *process = &sighting->process;
	struct dv_audit audit = {.time_s = dv_now_s(), .uid = process->uid, .verb = "unleased"};
	struct dv_error err = {0};
	char memory[32];

	(void)snprintf(audit.subject, sizeof(audit.subject), "GPU %s", gpu->id);
	(void)snprintf(audit.text, sizeof(audit.text),
		       "process %d (%s) of user %u computes on it without a lease, with %s%s",
		       (int)process->pid, process->command, process->uid,
		       process->memory_bytes
			       ? dv_size_print(process->memory_bytes, memory, sizeof(memory))
			       : "memory that is not known",
		       daemon->config.end_unleased ? ": it is told to end" : "");
	dv_log(DV_LOG_WARNING, "%s: %s", audit.subject, audit.text);
	if (dv_store_audit_add(daemon->store, &audit, &err) < 0)
		dv_log_error(DV_LOG_WARNING, &err, "writing down who has no lease");
}

static void ended(void *arg, const struct dv_worker_outcome *outcome)
{
	if (outcome->r < 0)
		dv_log_error(DV_LOG_WARNING, outcome->err, "ending who has no lease");
}

static void end(struct dv_daemon *daemon, const struct dv_gpu *gpu,
		const struct dv_sighting *sighting)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));
	struct dv_error err = {0};

	if (!request)
		return; /* at the next look */
	request->what = DV_WORKER_END_USER;
	request->gpu = *gpu;
	request->pid = sighting->process.pid;
	request->hard = sighting->looks > LOOKS_TO_TELL;
	if (dv_workers_start(daemon->workers, request, ended, daemon, &err) < 0)
		dv_log_error(DV_LOG_WARNING, &err, "ending who has no lease");
}

static void see(struct dv_daemon *daemon, const struct dv_gpu *gpu, const struct dv_holder *holder)
{
	uint64_t start = dv_peer_start(&daemon->root, holder->pid);
	struct dv_sighting *sighting = find(daemon, gpu->uuid, holder->pid, start);

	if (!sighting)
		sighting = add(daemon, gpu->uuid, holder->pid, start);
	if (!sighting)
		return;
	sighting->process.uid = holder->uid;
	sighting->process.memory_bytes = holder->memory_bytes;
	(void)dv_copy(sighting->process.command, sizeof(sighting->process.command),
		      holder->command);
	sighting->seen = true;
	sighting->looks++;
	if (sighting->looks == LOOKS_TO_TELL)
		note(daemon, gpu, sighting);
	if (sighting->looks >= LOOKS_TO_TELL && daemon->config.end_unleased)
		end(daemon, gpu, sighting);
}

/* Forget those of the GPU who were not seen; with NULL all of all. */
static void forget(struct dv_daemon *daemon, const char *gpu)
{
	for (size_t i = daemon->sightings.len; i > 0; i--) {
		struct dv_sighting *sighting = daemon->sightings.items[i - 1];

		if (gpu && (sighting->seen || strcmp(sighting->gpu, gpu) != 0)) {
			sighting->seen = false;
			continue;
		}
		free(sighting);
		dv_vec_remove(&daemon->sightings, i - 1);
	}
}

static void see_one(struct dv_daemon *daemon, const struct dv_gpu *gpu,
		    const struct dv_holder *holder)
{
	bool unleased;
	const struct dv_lease *lease = lease_of(daemon, gpu, holder, &unleased);

	if (lease)
		add_memory(daemon, lease, holder->memory_bytes);
	else if (unleased)
		see(daemon, gpu, holder);
}

static void look_at_next(struct dv_daemon *daemon);

static void looked(void *arg, const struct dv_worker_outcome *outcome)
{
	dv_autofree struct look *look = arg;
	struct dv_daemon *daemon = look->daemon;
	const struct dv_gpu *gpu = dv_observe_gpu(daemon, look->gpu);

	if (outcome->r < 0)
		dv_log_error(DV_LOG_DEBUG, outcome->err, "looking for who has no lease");
	forget_memory(daemon, look->gpu);
	for (unsigned i = 0; gpu && outcome->r == 0 && i < outcome->holder_count; i++)
		see_one(daemon, gpu, &outcome->holders[i]);
	forget(daemon, look->gpu);
	look_at_next(daemon);
}

static int ask(struct dv_daemon *daemon, const struct dv_gpu *gpu, struct dv_error *err)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));
	dv_autofree struct look *look = calloc(1, sizeof(*look));
	int r;

	if (!request || !look)
		return dv_error_set(err, -ENOMEM, "no memory to look at a GPU");
	*look = (struct look){.daemon = daemon};
	(void)dv_copy(look->gpu, sizeof(look->gpu), gpu->uuid);
	request->what = DV_WORKER_USERS;
	request->gpu = *gpu;
	r = dv_workers_start(daemon->workers, request, looked, look, err);
	if (r == 0)
		(void)take_ptr(look);
	return r;
}

static void look_later(struct dv_daemon *daemon)
{
	daemon->unleased_at = 0;
	(void)sd_event_source_set_time_relative(daemon->unleased,
						daemon->config.unleased_look_ns / 1000);
	(void)sd_event_source_set_enabled(daemon->unleased, SD_EVENT_ONESHOT);
}

static void look_at_next(struct dv_daemon *daemon)
{
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);
	struct dv_error err = {0};

	while (daemon->unleased_at < count) {
		const struct dv_gpu *gpu = &gpus[daemon->unleased_at++];

		if (!is_shared(daemon, gpu))
			continue;
		if (ask(daemon, gpu, &err) == 0)
			return;
		dv_log_error(DV_LOG_WARNING, &err, "looking for who has no lease");
	}
	look_later(daemon);
	dv_unleased_touch(daemon);
}

int dv_unleased_on_look(sd_event_source *source, uint64_t usec, void *arg)
{
	look_at_next(arg);
	return 0;
}

void dv_unleased_touch(struct dv_daemon *daemon)
{
	bool any = false, armed = sd_event_source_get_enabled(daemon->unleased, NULL) > 0;
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);

	if (daemon->unleased_at)
		return; /* a round is under way */
	for (size_t i = 0; i < count && !any; i++)
		any = is_shared(daemon, &gpus[i]);
	if (any && !armed)
		look_later(daemon);
	if (any)
		return;
	(void)sd_event_source_set_enabled(daemon->unleased, SD_EVENT_OFF);
	forget(daemon, NULL);
	forget_memory(daemon, NULL);
}

void dv_unleased_show(const struct dv_daemon *daemon, struct dv_gpu *gpu)
{
	for (size_t i = 0; i < daemon->sightings.len; i++) {
		const struct dv_sighting *sighting = daemon->sightings.items[i];

		if (sighting->looks < LOOKS_TO_TELL || strcmp(sighting->gpu, gpu->uuid) != 0)
			continue;
		if (gpu->unleased_count < DV_GPU_UNLEASED_MOST)
			gpu->unleased[gpu->unleased_count] = sighting->process;
		gpu->unleased_count++;
	}
}

void dv_unleased_fini(struct dv_daemon *daemon)
{
	forget(daemon, NULL);
	dv_vec_fini(&daemon->sightings);
	dv_vec_fini(&daemon->memory_seen);
}
