/* SPDX-License-Identifier: Apache-2.0 */
/* How a step of the engine is done: what divvyd's gate keeps is done here and now, everything else
 * by a worker. A lease of a device that has a gate also has a socket there, opened after its node
 * was made and closed before it is unmade; but after that of a slice of a MIG partition, which is
 * refused where somebody computes in it: those must not lose their way to the device by that. */
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/peer.h"
#include "method/method.h"
#include "model/tree.h"

struct step_job {
	struct dv_daemon *daemon;
	uint64_t token;
	bool opens, closes; /* the gate, when the worker has done it */
	struct dv_step step;
	struct dv_gpu gpu;
};

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* Does it make the lease's node (or undo its unmaking)? */
static bool makes(const struct dv_step *step, bool undo)
{
	return undo ? ends_in(step->op, ".destroy") : ends_in(step->op, ".create");
}

/* Leases whose programs reach the device through a layer of ours. */
static bool is_gated(const struct dv_gpu *gpu, const struct dv_step *step)
{
	return gpu->kind == DV_GPU_CPU || step->lease.method == DV_METHOD_SLICE;
}

/* Is there something to do on the machine, beside the gate? */
static bool needs_worker(const struct dv_step *step, const struct dv_gpu *gpu)
{
	return !is_gated(gpu, step) || step->lease.method == DV_METHOD_PARTITION ||
	       dv_lease_on_mig(&step->lease);
}

/* The compute units of the node's parent. */
static uint32_t units_of(const struct dv_gpu *gpu, const struct dv_lease *lease,
			 const struct dv_node *node)
{
	const struct dv_mig_profile *profile =
		dv_lease_on_mig(lease) ? dv_mig_find(&gpu->mig, lease->profile) : NULL;

	if (profile)
		return profile->multiprocessors;
	return node->has_partition ? node->size : gpu->compute_units;
}

/* Open already is as good: a partition that went and was made again, or was not ended. */
static int open_gate(struct dv_daemon *daemon, const struct dv_lease *lease,
		     const struct dv_gpu *gpu, struct dv_error *err)
{
	struct dv_gate_lease gate = {.id = lease->id,
				     .uid = lease->uid,
				     .memory_limit_bytes = lease->memory_bytes,
				     .compute_mpct = lease->compute_mpct,
				     .policy = lease->policy,
				     .timed = lease->method == DV_METHOD_SLICE};
	struct dv_error why = {0};
	struct dv_node node;
	int r = dv_node_parse(lease->node, &node, err);

	if (r < 0)
		return r;
	gate.device_memory_bytes = lease->memory_bytes ? lease->memory_bytes : gpu->memory_bytes;
	gate.compute_units = dv_lease_compute_units(lease, units_of(gpu, lease, &node));
	(void)dv_copy(gate.node, sizeof(gate.node), lease->node);
	(void)dv_copy(gate.name, sizeof(gate.name), lease->name);
	(void)dv_copy(gate.nonce, sizeof(gate.nonce), lease->nonce);
	(void)dv_copy(gate.device, sizeof(gate.device), dv_method_device(gpu, lease));
	node.has_slice = false;
	(void)dv_node_print(&node, gate.parent, sizeof(gate.parent));
	r = dv_gate_open(daemon->gate, &gate, daemon->recovering, &why);
	if (r == -EEXIST)
		return 0;
	if (r < 0 && err)
		*err = why;
	return r;
}

void dv_daemon_open_missing(struct dv_daemon *daemon)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		const struct dv_gpu *gpu = dv_observe_gpu(daemon, lease->gpu_uuid);
		struct dv_error err = {0};

		if (gpu && lease->missing && lease->method == DV_METHOD_SLICE &&
		    open_gate(daemon, lease, gpu, &err) < 0)
			dv_log_error(DV_LOG_WARNING, &err, "opening a lease's gate");
	}
}

/* Gone already is as good. */
static void close_gate(struct dv_daemon *daemon, int64_t lease_id)
{
	struct dv_error err = {0};

	if (dv_gate_close(daemon->gate, lease_id, &err) < 0 && err.code != -ENOENT)
		dv_log_error(DV_LOG_WARNING, &err, "closing a lease's gate");
}

void dv_daemon_name_devices(struct dv_daemon *daemon)
{
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);

	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];
		const struct dv_gpu *gpu = dv_observe_gpu(daemon, lease->gpu_uuid);

		/* One that is not open yet is named when it is. */
		if (gpu && lease->method == DV_METHOD_SLICE && dv_lease_on_mig(lease))
			(void)!dv_gate_name_device(daemon->gate, lease->id,
						   dv_method_device(gpu, lease), NULL);
	}
}

/* What a GPU's driver made of the steps (ids, names of devices), only a probe tells. */
void dv_daemon_look_anew(struct dv_daemon *daemon)
{
	struct dv_error err = {0};

	if (!daemon->look_anew || !dv_engine_idle(daemon->engine))
		return;
	daemon->look_anew = false;
	if (dv_daemon_probe(daemon, &err) < 0)
		dv_log_error(DV_LOG_WARNING, &err, "looking for what has changed");
}

static void step_is_done(void *arg, const struct dv_worker_outcome *outcome)
{
	dv_autofree struct step_job *job = arg;
	struct dv_daemon *daemon = job->daemon;
	struct dv_error err = {0};
	int r = outcome->r;

	if (r < 0)
		err = *outcome->err;
	/* To the engine a time-out means that it may still be going on, so that undoing it is not
	 * safe; a worker that was ended is over, however late. */
	if (r == -ETIMEDOUT && !outcome->left_behind)
		err.code = r = -EIO;
	/* Nobody knows any more what is there. */
	if ((r == 0 || r == -ETIMEDOUT) && job->closes)
		close_gate(daemon, job->step.lease.id);
	if (r == 0 && job->opens)
		r = open_gate(daemon, &job->step.lease, &job->gpu, &err);
	if (dv_lease_on_mig(&job->step.lease)) {
		daemon->look_anew = true;
		daemon->mig_steps--;
		daemon->mig_turn++;
	}
	dv_engine_step_done(daemon->engine, job->token, r, &err);
	dv_daemon_touch(daemon);
}

static int ask_worker(struct dv_daemon *daemon, const struct dv_step *step,
		      const struct dv_gpu *gpu, bool undo, uint64_t token, struct dv_error *err)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));
	dv_autofree struct step_job *job = calloc(1, sizeof(*job));
	int r;

	if (!request || !job)
		return dv_error_set(err, -ENOMEM, "no memory for a step");
	request->what = undo ? DV_WORKER_UNDO : DV_WORKER_COMMIT;
	request->cpu = daemon->config.cpu;
	request->gpu = *gpu;
	request->step = *step;
	*job = (struct step_job){.daemon = daemon,
				 .token = token,
				 .opens = is_gated(gpu, step) && makes(step, undo),
				 .closes = is_gated(gpu, step) && !makes(step, undo),
				 .step = *step,
				 .gpu = *gpu};
	r = dv_workers_start(daemon->workers, request, step_is_done, job, err);
	if (r == 0 && dv_lease_on_mig(&step->lease)) {
		daemon->mig_steps++;
		daemon->mig_turn++;
	}
	if (r == 0)
		(void)take_ptr(job);
	return r;
}

static int on_step(void *data, const struct dv_step *step, const struct dv_gpu *gpu, bool undo,
		   uint64_t token, struct dv_error *err)
{
	struct dv_daemon *daemon = data;
	struct dv_error why = {0};
	int r = 0;

	if (is_gated(gpu, step) && !makes(step, undo) && !dv_lease_on_mig(&step->lease))
		close_gate(daemon, step->lease.id);
	if (needs_worker(step, gpu))
		return ask_worker(daemon, step, gpu, undo, token, err);
	if (makes(step, undo))
		r = open_gate(daemon, &step->lease, gpu, &why);
	dv_engine_step_done(daemon->engine, token, r, &why);
	return 0;
}

static int on_own(void *data, const struct dv_gpu *gpu, struct dv_error *err)
{
	struct dv_daemon *daemon = data;

	return dv_own_take(&daemon->own, gpu, err);
}

static void on_disown(void *data, const struct dv_gpu *gpu)
{
	struct dv_daemon *daemon = data;
	const struct dv_leases *leases = dv_engine_leases(daemon->engine);
	bool leased = false;

	for (size_t i = 0; i < leases->len; i++)
		leased = leased || strcmp(leases->items[i].gpu_uuid, gpu->uuid) == 0;
	/* Whoever ran in the last lease is nobody's tenant any more, though it may run on. */
	if (!leased)
		dv_own_note(&daemon->own, gpu, NULL, 0);
	dv_own_drop(&daemon->own, gpu);
}

static int on_random(void *data, void *buf, size_t size)
{
	return getrandom(buf, size, 0) == (ssize_t)size ? 0 : -EIO;
}

static int64_t on_now_s(void *data)
{
	return dv_now_s();
}

static void on_quota(void *data, uid_t uid, struct dv_quota *ret)
{
	const struct dv_daemon *daemon = data;

	/* A user's own divvyd, and root, set themselves no limits. */
	*ret = (struct dv_quota){0};
	if (uid != geteuid())
		dv_users_quota(&daemon->users, uid, ret);
}

static bool on_launcher_alive(void *data, const struct dv_lease *lease)
{
	const struct dv_daemon *daemon = data;

	return lease->launcher_start &&
	       dv_peer_start(&daemon->root, lease->launcher) == lease->launcher_start;
}

static bool on_in_use(void *data, const struct dv_lease *lease, char *who, size_t size)
{
	struct dv_daemon *daemon = data;
	struct dv_leases seen = {0};
	bool used;

	if (dv_observe_leases(daemon, lease->name, &seen, NULL) < 0)
		return false;
	used = dv_lease_in_use(&seen.items[0]);
	(void)dv_lease_users_print(&seen.items[0], who, size);
	dv_vec_fini(&seen);
	return used;
}

const struct dv_engine_ops dv_daemon_engine_ops = {
	.step = on_step,
	.own = on_own,
	.disown = on_disown,
	.random = on_random,
	.now_s = on_now_s,
	.quota = on_quota,
	.launcher_alive = on_launcher_alive,
	.in_use = on_in_use,
};
