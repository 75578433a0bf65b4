/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: show, take, hand out, give back. */
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/where.h"
#include "daemon/daemon.h"
#include "daemon/peer.h"
#include "device/cuda.h"
#include "method/method.h"

static void answer_leases(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_leases leases = {0};
	struct dv_error err = {0};
	char *text = NULL;
	int r = dv_observe_leases(daemon, name, &leases, &err);

	r = r < 0 ? r : dv_api_leases_encode(leases.items, leases.len, &text, &err);
	dv_vec_fini(&leases);
	if (r < 0)
		dv_request_fail(request, &err);
	else
		dv_request_answer(request, 200, text);
}

void dv_handle_leases(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	answer_leases(daemon, request, NULL);
}

void dv_handle_lease(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	answer_leases(daemon, request, name);
}

static const struct dv_gpu *gpu_of(const struct dv_daemon *daemon, const struct dv_lease *lease,
				   struct dv_error *err)
{
	const struct dv_gpu *gpu = dv_observe_gpu(daemon, lease->gpu_uuid);

	if (gpu)
		return gpu;
	dv_error_set(err, -ENODEV, "the GPU %s of lease %s is gone", lease->gpu_uuid, lease->name);
	return NULL;
}

/* What a process of the lease needs, by its method. */
static int attach(const struct dv_daemon *daemon, const struct dv_lease *lease, gid_t gid,
		  struct dv_attach *ret, struct dv_error *err)
{
	const struct dv_method_ops *ops = dv_method_ops(lease->method);
	const struct dv_gpu *gpu = gpu_of(daemon, lease, err);
	struct dv_attach_paths paths = {.opencl_layer = dv_where(DV_WHERE_OPENCL_LAYER),
					.cuda_layer = dv_where(DV_WHERE_CUDA_LAYER),
					.nvml_layer = dv_where(DV_WHERE_NVML_LAYER),
					.nvml_driver = daemon->nvml};
	char socket[192], cache[256], driver[256];
	int r;

	if (!gpu)
		return -ENODEV;
	if (!ops || !ops->attach)
		return dv_error_set(err, -EOPNOTSUPP,
				    "a process cannot be attached to a lease by %s",
				    dv_method_name(lease->method));
	r = dv_place_cache(&daemon->place, lease->uid, gid, cache, sizeof(cache), err);
	if (r < 0)
		return r;
	paths.socket = dv_gate_socket(daemon->gate, lease->id, socket, sizeof(socket));
	paths.cache_dir = cache;
	paths.cuda_driver = dv_cuda_library(daemon->nvml, driver, sizeof(driver));
	return ops->attach(gpu, lease, &paths, ret, err);
}

static int encode_grant(const struct dv_daemon *daemon, const struct dv_lease *lease, gid_t gid,
			char **ret_text, struct dv_error *err)
{
	dv_autofree struct dv_api_grant *grant = calloc(1, sizeof(*grant));
	dv_autofree struct dv_attach *found = calloc(1, sizeof(*found));
	int r;

	static_assert(DV_ARRAY_LEN(grant->env) == DV_ARRAY_LEN(found->env) &&
			      sizeof(grant->env) == sizeof(found->env) &&
			      sizeof(grant->devices) == sizeof(found->devices),
		      "the method's and the API's environments have one shape");
	if (!grant || !found)
		return dv_error_set(err, -ENOMEM, "no memory for a grant");
	r = attach(daemon, lease, gid, found, err);
	if (r < 0)
		return r;
	grant->lease = *lease;
	grant->env_count = found->env_count;
	memcpy(grant->env, found->env, sizeof(grant->env));
	grant->device_count = found->device_count;
	memcpy(grant->devices, found->devices, sizeof(grant->devices));
	(void)dv_copy(grant->note, sizeof(grant->note), found->note);
	if (found->device_count)
		(void)dv_copy(grant->nvml, sizeof(grant->nvml), daemon->nvml);
	(void)dv_copy(grant->cgroup, sizeof(grant->cgroup), found->cgroup);
	(void)dv_copy(grant->cpus, sizeof(grant->cpus), found->cpus);
	grant->gated = found->gated;
	grant->stop_unenforced = daemon->config.stop_unenforced;
	return dv_api_grant_encode(grant, ret_text, err);
}

struct take_job {
	struct dv_daemon *daemon;
	struct dv_request *request;
	gid_t gid;
	int pid_fd; /* of the launcher, or -1 */
};

static void job_freep(struct take_job **job)
{
	if (*job && (*job)->pid_fd >= 0)
		close((*job)->pid_fd);
	free(*job);
}

static void taken(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	dv_cleanup(job_freep) struct take_job *job = arg;
	struct dv_daemon *daemon = job->daemon;
	struct dv_error why = {0};
	char *text = NULL;

	if (r < 0) {
		dv_request_fail(job->request, err);
		return;
	}
	if (lease->ephemeral)
		dv_launcher_watch(daemon, lease, job->request->who.pid, take_fd(job->pid_fd));
	/* The lease stands; if its owner can't be told how to use it, it may ask again. */
	r = encode_grant(daemon, lease, job->gid, &text, &why);
	if (r < 0)
		dv_request_fail(job->request, &why);
	else
		dv_request_answer(job->request, 201, text);
}

/* Be sure that the pid is still the process that asked: it waits for us, but a child of it might
 * have been handed the connection. */
static int watch_asker(const struct dv_daemon *daemon, const struct dv_identity *who, int *ret_fd,
		       struct dv_error *err)
{
	dv_autoclose int fd = who->pid > 0 ? pidfd_open(who->pid, 0) : -1;

	if (fd < 0 || dv_peer_start(&daemon->root, who->pid) != who->pid_start)
		return dv_error_set(err, -EINVAL,
				    "a lease that ends with its process needs a process that "
				    "divvyd can see, and yours (pid %d) is gone or in another "
				    "container",
				    (int)who->pid);
	*ret_fd = take_fd(fd);
	return 0;
}

/* A user's own divvyd cannot hand sockets and directories to anybody else, and root had better not
 * run code out of a user's directories. */
static int check_taker(const struct dv_identity *who, struct dv_error *err)
{
	int r;

	if (geteuid() == 0 || who->uid == geteuid())
		return 0;
	r = dv_error_rule(err, -EPERM, "S10",
			  "this divvyd is user %u's own and gives leases to that user only",
			  geteuid());
	return dv_error_fix(err, r, "ask the machine's divvyd, or as user %u", geteuid());
}

static int take(struct dv_daemon *daemon, struct dv_request *request, struct dv_error *err)
{
	dv_cleanup(job_freep) struct take_job *job = calloc(1, sizeof(*job));
	struct dv_lease_request wanted = {0};
	int r;

	if (!job)
		return dv_error_set(err, -ENOMEM, "no memory for a request");
	*job = (struct take_job){daemon, request, request->who.gid, -1};
	r = check_taker(&request->who, err);
	r = r < 0 ? r : dv_api_request_decode(request->body, request->body_len, &wanted, err);
	if (r == 0 && wanted.ephemeral)
		r = watch_asker(daemon, &request->who, &job->pid_fd, err);
	if (r < 0)
		return r;
	r = dv_engine_take(daemon->engine, &wanted, &request->who, taken, job, err);
	if (r >= 0)
		(void)take_ptr(job); /* `taken` has it, or had it */
	return r;
}

void dv_handle_take(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (take(daemon, request, &err) < 0)
		dv_request_fail(request, &err);
}

struct release_job {
	struct dv_daemon *daemon;
	struct dv_request *request;
	char name[DV_NAME_SIZE];
};

static void released(void *arg, int r, const struct dv_lease *lease, const struct dv_error *err)
{
	dv_autofree struct release_job *job = arg;
	struct dv_error why = {0};
	char *text = NULL;

	if (r < 0) {
		dv_request_fail(job->request, err);
		return;
	}
	r = dv_api_done_encode("release", job->name, &text, &why);
	if (r < 0)
		dv_request_fail(job->request, &why);
	else
		dv_request_answer(job->request, 200, text);
}

/* The lease, if it is the asker's; root may act for anybody. */
static const struct dv_lease *own_lease(const struct dv_daemon *daemon,
					const struct dv_request *request, const char *name,
					struct dv_error *err)
{
	const struct dv_lease *lease = dv_engine_lease(daemon->engine, name);

	if (!lease) {
		dv_error_rule(err, -ENOENT, "S09", "there is no lease '%.63s'", name);
		dv_error_fix(err, -ENOENT, "`divvy leases` lists them");
		return NULL;
	}
	if (lease->uid != request->who.uid && !request->who.admin) {
		dv_error_rule(err, -EPERM, "S10", "lease %s is user %u's, not yours", name,
			      lease->uid);
		dv_error_fix(err, -EPERM, "choose another name, or ask user %u", lease->uid);
		return NULL;
	}
	return lease;
}

static int release(struct dv_daemon *daemon, struct dv_request *request, const char *name,
		   struct dv_error *err)
{
	dv_autofree struct release_job *job = calloc(1, sizeof(*job));
	int64_t id = 0, leave = 0;
	int r = dv_request_number(request, "id", INT64_MAX, 0, &id, err);

	r = r < 0 ? r : dv_request_number(request, "leave", 1, 0, &leave, err);
	if (r < 0)
		return r;
	if (!job)
		return dv_error_set(err, -ENOMEM, "no memory for a request");
	*job = (struct release_job){.daemon = daemon, .request = request};
	if (!dv_copy(job->name, sizeof(job->name), name))
		return dv_error_fix(
			err,
			dv_error_rule(err, -ENOENT, "S09", "there is no lease '%.63s...'", name),
			"`divvy leases` lists them");
	if (leave && !own_lease(daemon, request, name, err))
		return -ENOENT;
	if (leave && dv_launcher_leave(daemon, id, request->who.pid)) {
		released(take_ptr(job), 0, NULL, NULL);
		return 0;
	}
	r = id ? dv_engine_release_id(daemon->engine, id, &request->who, released, job, err)
	       : dv_engine_release(daemon->engine, job->name, &request->who, released, job, err);
	if (r >= 0)
		(void)take_ptr(job);
	return r;
}

void dv_handle_release(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (release(daemon, request, name, &err) < 0)
		dv_request_fail(request, &err);
}

/* Whoever asks is about to run something in it: it is in use, and an ephemeral one stays, until
 * that is over, if that can be seen. */
static void share(struct dv_daemon *daemon, const struct dv_lease *lease,
		  const struct dv_identity *who)
{
	int fd = -1;

	if (watch_asker(daemon, who, &fd, NULL) == 0)
		dv_launcher_watch(daemon, lease, who->pid, fd);
}

static int check_ready(const struct dv_lease *lease, struct dv_error *err)
{
	const char *what = dv_lease_state_name(lease->state);

	if (lease->state != DV_LEASE_PENDING && lease->state != DV_LEASE_RELEASING &&
	    lease->state != DV_LEASE_BROKEN)
		return 0;
	dv_error_rule(err, -EBUSY, "S20", "nothing can be started in the lease %s: it is %s",
		      lease->name, what);
	if (lease->state == DV_LEASE_BROKEN)
		return dv_error_fix(err, -EBUSY, "divvy release %s, then take it anew",
				    lease->name);
	return dv_error_fix(err, -EBUSY, "try again in a moment");
}

void dv_handle_attach(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};
	const struct dv_lease *lease = own_lease(daemon, request, name, &err);
	struct dv_leases seen = {0};
	char *text = NULL;
	int r;

	/* A partition that was just made has no name yet to hand over. */
	if (lease && dv_lease_on_mig(lease) && daemon->probing && !request->again) {
		request->again = true;
		dv_daemon_wait(daemon, request);
		return;
	}
	r = lease ? dv_observe_leases(daemon, name, &seen, &err) : err.code;

	if (r == 0)
		r = check_ready(lease, &err);
	if (r == 0)
		r = encode_grant(daemon, &seen.items[0], request->who.gid, &text, &err);
	dv_vec_fini(&seen);
	if (r < 0) {
		dv_request_fail(request, &err);
		return;
	}
	share(daemon, lease, &request->who);
	dv_request_answer(request, 200, text);
}

static void entered(void *arg, const struct dv_worker_outcome *outcome)
{
	dv_autofree struct release_job *job = arg;
	struct dv_error err = {0};
	char *text = NULL;

	if (outcome->r < 0)
		dv_request_fail(job->request, outcome->err);
	else if (dv_api_done_encode("enter", job->name, &text, &err) < 0)
		dv_request_fail(job->request, &err);
	else
		dv_request_answer(job->request, 200, text);
}

static int enter(struct dv_daemon *daemon, struct dv_request *request, const char *name,
		 struct dv_error *err)
{
	dv_autofree struct dv_worker_request *ask = calloc(1, sizeof(*ask));
	dv_autofree struct release_job *job = calloc(1, sizeof(*job));
	const struct dv_lease *lease = own_lease(daemon, request, name, err);
	const struct dv_gpu *gpu = lease ? gpu_of(daemon, lease, err) : NULL;
	struct dv_api_process process = {0};
	int r;

	if (!lease || !gpu)
		return lease ? -ENODEV : -ENOENT;
	if (!ask || !job)
		return dv_error_set(err, -ENOMEM, "no memory for a request");
	r = dv_api_process_decode(request->body, request->body_len, &process, err);
	if (r < 0)
		return r;
	*job = (struct release_job){.daemon = daemon, .request = request};
	(void)dv_copy(job->name, sizeof(job->name), name);
	ask->what = DV_WORKER_ENTER;
	ask->gpu = *gpu;
	ask->step.lease = *lease;
	ask->pid = process.pid;
	r = dv_workers_start(daemon->workers, ask, entered, job, err);
	if (r == 0)
		(void)take_ptr(job);
	return r;
}

void dv_handle_enter(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (enter(daemon, request, name, &err) < 0)
		dv_request_fail(request, &err);
}

static int unenforced(struct dv_daemon *daemon, const struct dv_request *request, const char *name,
		      struct dv_error *err)
{
	const struct dv_lease *lease = own_lease(daemon, request, name, err);
	struct dv_audit audit = {.time_s = dv_now_s(),
				 .uid = request->who.uid,
				 .pid = request->who.pid,
				 .verb = "unenforced"};
	struct dv_api_process process = {0};
	int r;

	if (!lease)
		return -ENOENT;
	r = dv_api_process_decode(request->body, request->body_len, &process, err);
	if (r < 0)
		return r;
	(void)dv_copy(audit.subject, sizeof(audit.subject), lease->name);
	(void)snprintf(audit.text, sizeof(audit.text), "process %d goes round the gate%s%s",
		       (int)process.pid, process.text[0] ? ": " : "", process.text);
	dv_log(DV_LOG_WARNING, "lease %s: %s", lease->name, audit.text);
	dv_engine_lease_seen(daemon->engine, lease->id, DV_LEASE_UNENFORCED);
	return dv_store_audit_add(daemon->store, &audit, err);
}

void dv_handle_unenforced(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};
	char *text = NULL;
	int r = unenforced(daemon, request, name, &err);

	r = r < 0 ? r : dv_api_done_encode("unenforced", name, &text, &err);
	if (r < 0)
		dv_request_fail(request, &err);
	else
		dv_request_answer(request, 200, text);
}
