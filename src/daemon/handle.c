/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that change nothing: status, GPUs, who holds one, the log. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "daemon/daemon.h"
#include "device/proc.h"

/* The answer, or the failure to make it. */
static void answer(struct dv_request *request, int r, char *text, const struct dv_error *err)
{
	if (r < 0)
		dv_request_fail(request, err);
	else
		dv_request_answer(request, 200, text);
}

static DV_PRINTF(2, 3) int warn(struct dv_api_status *status, const char *fmt, ...)
{
	struct dv_buf text = {0};
	va_list args;
	char line[512], *warning = NULL;

	if (status->warnings.len >= DV_API_WARNINGS_MOST)
		return 0;
	va_start(args, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	dv_buf_add(&text, line);
	if (dv_buf_take(&text, &warning) < 0)
		return -ENOMEM;
	if (dv_vec_push(&status->warnings, warning) < 0) {
		free(warning);
		return -ENOMEM;
	}
	return 0;
}

static int warn_of_daemon(const struct dv_daemon *daemon, struct dv_api_status *status)
{
	int r = 0;

	if (daemon->probe_failure[0])
		r = warn(status, "GPUs could not be looked for: %s", daemon->probe_failure);
	else if (!status->gpus.len)
		r = warn(status, "no GPU was found, and the CPU device is not enabled");
	if (r == 0 && daemon->place.state_in_run)
		r = warn(status, "leases are kept in %s and do not outlive the next boot",
			 daemon->place.state_dir);
	return r;
}

static int warn_of_what_is_seen(struct dv_api_status *status)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < status->gpus.len; i++) {
		const struct dv_gpu *gpu = &status->gpus.items[i];

		if (gpu->quarantine[0])
			r = warn(status, "GPU %s is quarantined: %s", gpu->id, gpu->quarantine);
		if (r == 0 && gpu->owned_by[0])
			r = warn(status, "GPU %s is owned by another divvyd (%s)", gpu->id,
				 gpu->owned_by);
	}
	for (size_t i = 0; r == 0 && i < status->leases.len; i++) {
		const struct dv_lease *lease = &status->leases.items[i];

		if (lease->state == DV_LEASE_UNENFORCED)
			r = warn(status,
				 "a process of lease %s goes round the gate: its limits "
				 "do not hold",
				 lease->name);
		else if (lease->missing)
			r = warn(status,
				 "the partition of lease %s (%s) is not there: a reset, a new "
				 "driver or somebody else took it; apply its fleet, or release it",
				 lease->name, lease->profile);
		else if (lease->state == DV_LEASE_BROKEN)
			r = warn(status,
				 "lease %s is broken: a step failed and could not be undone",
				 lease->name);
	}
	return r;
}

static int fill_status(const struct dv_daemon *daemon, struct dv_api_status *status,
		       struct dv_error *err)
{
	int r;

	(void)dv_copy(status->version, sizeof(status->version), DV_VERSION);
	(void)dv_copy(status->socket, sizeof(status->socket), daemon->place.socket);
	status->system = geteuid() == 0;
	status->pid = (unsigned)getpid();
	r = dv_observe_gpus(daemon, &status->gpus, err);
	r = r < 0 ? r : dv_observe_leases(daemon, NULL, &status->leases, err);
	if (r < 0)
		return r;
	r = warn_of_daemon(daemon, status);
	r = r < 0 ? r : warn_of_what_is_seen(status);
	return r < 0 ? dv_error_set(err, r, "no memory for warnings") : 0;
}

void dv_handle_status(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_api_status status = {0};
	struct dv_error err = {0};
	char *text = NULL;
	int r = fill_status(daemon, &status, &err);

	r = r < 0 ? r : dv_api_status_encode(&status, &text, &err);
	dv_api_status_fini(&status);
	answer(request, r, text, &err);
}

/* Looking anew takes a worker and time, so it is for those who may use what is found. */
static bool look_anew(struct dv_daemon *daemon, struct dv_request *request)
{
	const char *refresh = dv_request_query(request, "refresh");
	struct dv_error err = {0};

	if (!refresh || strcmp(refresh, "1") != 0 || request->again || !request->who.allowed)
		return false;
	request->again = true;
	if (dv_daemon_probe(daemon, &err) < 0)
		dv_request_fail(request, &err);
	else
		dv_daemon_wait(daemon, request);
	return true;
}

/* A partition that was just made has no id yet: it comes with the probe that is at work. */
static bool wait_for_ids(struct dv_daemon *daemon, struct dv_request *request)
{
	size_t count = 0;
	const struct dv_gpu *gpus = dv_engine_gpus(daemon->engine, &count);

	if (!daemon->probing || request->again)
		return false;
	for (size_t i = 0; i < count; i++)
		for (unsigned k = 0; k < gpus[i].mig.instance_count; k++)
			if (gpus[i].mig.instances[k].id == UINT32_MAX) {
				request->again = true;
				dv_daemon_wait(daemon, request);
				return true;
			}
	return false;
}

void dv_handle_gpus(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};
	struct dv_gpus gpus = {0};
	char *text = NULL;
	int r;

	if (look_anew(daemon, request) || wait_for_ids(daemon, request))
		return;
	r = dv_observe_gpus(daemon, &gpus, &err);
	r = r < 0 ? r : dv_api_gpus_encode(gpus.items, gpus.len, &text, &err);
	dv_vec_fini(&gpus);
	answer(request, r, text, &err);
}

struct who_job {
	struct dv_daemon *daemon;
	struct dv_request *request;
	char gpu[DV_UUID_SIZE];
};

static const char *lease_of(const struct dv_leases *leases, pid_t pid)
{
	for (size_t i = 0; i < leases->len; i++) {
		const struct dv_lease *lease = &leases->items[i];

		for (unsigned k = 0; k < lease->pid_count && k < DV_LEASE_PIDS_MOST; k++)
			if (lease->pids[k] == pid)
				return lease->name;
		for (unsigned k = 0; k < lease->user_count && k < DV_LEASE_USERS_MOST; k++)
			if (lease->users[k].pid == pid)
				return lease->name;
	}
	return "";
}

static bool is_listed(const struct dv_api_who *who, pid_t pid)
{
	for (unsigned i = 0; i < who->count; i++)
		if (who->holders[i].pid == pid)
			return true;
	return false;
}

/* Who is in a lease of the GPU without using the device, as far as is seen. */
static void add_users(const struct who_job *job, const struct dv_lease *lease,
		      struct dv_api_who *who)
{
	unsigned listed = DV_MIN(lease->user_count, (unsigned)DV_LEASE_USERS_MOST);

	who->more += lease->user_count - listed;
	for (unsigned i = 0; i < listed; i++) {
		const struct dv_lease_user *user = &lease->users[i];
		struct dv_api_holder holder = {.pid = user->pid, .uid = lease->uid};

		if (is_listed(who, user->pid))
			continue;
		if (who->count == DV_API_HOLDERS_MOST) {
			who->more++;
			continue;
		}
		(void)!dv_proc_uid(&job->daemon->root, user->pid, &holder.uid, NULL);
		(void)dv_copy(holder.command, sizeof(holder.command), user->command);
		(void)dv_copy(holder.what, sizeof(holder.what),
			      user->member ? "runs in the lease's partition"
					   : "was started in the lease");
		(void)dv_copy(holder.lease, sizeof(holder.lease), lease->name);
		who->holders[who->count++] = holder;
	}
}

static int fill_who(const struct who_job *job, const struct dv_worker_outcome *outcome,
		    struct dv_api_who *who, struct dv_error *err)
{
	struct dv_leases leases = {0};
	int r = dv_observe_leases(job->daemon, NULL, &leases, err);

	if (r < 0)
		return r;
	(void)dv_copy(who->gpu, sizeof(who->gpu), job->gpu);
	who->more = outcome->holders_more;
	who->unreadable = outcome->holders_unreadable;
	for (; who->count < outcome->holder_count && who->count < DV_API_HOLDERS_MOST;
	     who->count++) {
		const struct dv_holder *from = &outcome->holders[who->count];
		struct dv_api_holder *to = &who->holders[who->count];

		to->pid = from->pid;
		to->uid = from->uid;
		(void)dv_copy(to->command, sizeof(to->command), from->command);
		(void)dv_copy(to->what, sizeof(to->what), from->what);
		(void)dv_copy(to->lease, sizeof(to->lease), lease_of(&leases, from->pid));
	}
	for (size_t i = 0; i < leases.len; i++)
		if (strcmp(leases.items[i].gpu_uuid, job->gpu) == 0)
			add_users(job, &leases.items[i], who);
	dv_vec_fini(&leases);
	return 0;
}

static void who_is_found(void *arg, const struct dv_worker_outcome *outcome)
{
	dv_autofree struct who_job *job = arg;
	dv_autofree struct dv_api_who *who = calloc(1, sizeof(*who));
	struct dv_error err = {0};
	char *text = NULL;
	int r = outcome->r;

	if (r < 0)
		err = *outcome->err;
	else if (!who)
		r = dv_error_set(&err, -ENOMEM, "no memory for the list of holders");
	r = r < 0 ? r : fill_who(job, outcome, who, &err);
	r = r < 0 ? r : dv_api_who_encode(who, &text, &err);
	answer(job->request, r, text, &err);
}

static int ask_who(struct dv_daemon *daemon, struct dv_request *request, const char *name,
		   struct dv_error *err)
{
	const struct dv_gpu *gpu = dv_observe_find_gpu(daemon, name, err);
	dv_autofree struct dv_worker_request *ask = calloc(1, sizeof(*ask));
	dv_autofree struct who_job *job = calloc(1, sizeof(*job));
	int r;

	if (!gpu)
		return -ENODEV;
	if (!ask || !job)
		return dv_error_set(err, -ENOMEM, "no memory to look for holders");
	*job = (struct who_job){.daemon = daemon, .request = request};
	(void)dv_copy(job->gpu, sizeof(job->gpu), gpu->uuid);
	ask->what = DV_WORKER_HOLDERS;
	ask->gpu = *gpu;
	r = dv_workers_start(daemon->workers, ask, who_is_found, job, err);
	if (r == 0)
		(void)take_ptr(job);
	return r;
}

void dv_handle_who(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_error err = {0};

	if (ask_who(daemon, request, name, &err) < 0)
		dv_request_fail(request, &err);
}

static int fill_log(struct dv_daemon *daemon, const struct dv_request *request,
		    struct dv_api_log *log, struct dv_error *err)
{
	/* Others' doings are the administrator's to see. */
	const uid_t *only = request->who.admin ? NULL : &request->who.uid;
	struct dv_audits audits = {0};
	int64_t after = 0, most = 0;
	int r = dv_request_number(request, "after", INT64_MAX, 0, &after, err);

	r = r < 0 ? r : dv_request_number(request, "most", DV_API_LOG_MOST, 100, &most, err);
	r = r < 0 ? r : dv_store_audits(daemon->store, only, after, (unsigned)most, &audits, err);
	for (size_t i = 0; r == 0 && i < audits.len; i++) {
		const struct dv_audit *from = &audits.items[i];
		struct dv_api_log_entry to = {
			.id = from->id, .time_s = from->time_s, .uid = from->uid, .pid = from->pid};

		(void)dv_copy(to.verb, sizeof(to.verb), from->verb);
		(void)dv_copy(to.subject, sizeof(to.subject), from->subject);
		(void)dv_copy(to.text, sizeof(to.text), from->text);
		if (dv_vec_push(log, to) < 0)
			r = dv_error_set(err, -ENOMEM, "no memory for the log");
	}
	dv_vec_fini(&audits);
	return r;
}

void dv_handle_log(struct dv_daemon *daemon, struct dv_request *request, const char *name)
{
	struct dv_api_log log = {0};
	struct dv_error err = {0};
	char *text = NULL;
	int r = fill_log(daemon, request, &log, &err);

	r = r < 0 ? r : dv_api_log_encode(&log, &text, &err);
	dv_vec_fini(&log);
	answer(request, r, text, &err);
}
