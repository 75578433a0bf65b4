/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

enum stage {
	STAGE_WAITING, /* for a free place */
	STAGE_RUNNING, /* for its answer */
	STAGE_TOLD,    /* the caller knows; only the process is to be reaped */
};

struct job {
	struct job *next;
	struct dv_workers *workers;
	enum stage stage;
	bool ended; /* by us */
	dv_worker_fn fn;
	void *arg;
	struct dv_worker_request *request; /* until it is sent */
	struct dv_worker_answer *heard;	   /* of its answer, so far */
	size_t heard_len;
	pid_t pid;
	int fd, pid_fd;
	sd_event_source *answer, *end, *timer;
};

struct dv_workers {
	sd_event *event;
	struct dv_workers_config config;
	char cache[320];  /* "POCL_CACHE_DIR=..." */
	int program_fd;	  /* the program as it was at the start, or -1 */
	struct job *jobs; /* oldest first */
	unsigned running, waiting;
};

static void start_next(struct dv_workers *workers);

static void job_free(struct job *job)
{
	struct job **at = &job->workers->jobs;

	while (*at && *at != job)
		at = &(*at)->next;
	if (*at)
		*at = job->next;
	(void)sd_event_source_disable_unref(job->answer);
	(void)sd_event_source_disable_unref(job->end);
	(void)sd_event_source_disable_unref(job->timer);
	if (job->fd >= 0)
		close(job->fd);
	if (job->pid_fd >= 0)
		close(job->pid_fd);
	free(job->request);
	free(job->heard);
	free(job);
}

/* Tell the caller, once; the process may live on. */
static void tell(struct job *job, const struct dv_worker_outcome *outcome)
{
	struct dv_workers *workers = job->workers;
	bool first = job->stage != STAGE_TOLD;

	if (!first)
		return;
	job->stage = STAGE_TOLD;
	(void)sd_event_source_set_enabled(job->answer, SD_EVENT_OFF);
	workers->running--;
	job->fn(job->arg, outcome);
	start_next(workers);
}

static void tell_failure(struct job *job, int r, bool left_behind, struct dv_error *err)
{
	tell(job, &(struct dv_worker_outcome){.r = r, .err = err, .left_behind = left_behind});
}

static void arm(struct job *job, unsigned ms)
{
	(void)sd_event_source_set_time_relative(job->timer, ms * 1000ull);
	(void)sd_event_source_set_enabled(job->timer, SD_EVENT_ONESHOT);
}

static const char *what_of(enum dv_worker_what what)
{
	static const char *const names[DV_WORKER_WHAT_END] = {
		[DV_WORKER_PROBE] = "looking for GPUs",
		[DV_WORKER_COMMIT] = "a step",
		[DV_WORKER_UNDO] = "undoing a step",
		[DV_WORKER_HOLDERS] = "looking for holders",
		[DV_WORKER_USERS] = "looking for users of a GPU",
		[DV_WORKER_END_USER] = "ending a process",
		[DV_WORKER_ENTER] = "entering a cgroup",
		[DV_WORKER_WATCH] = "listening to the driver",
	};

	return what < DV_WORKER_WHAT_END && names[what] ? names[what] : "work";
}

static unsigned deadline_ms(const struct job *job)
{
	return job->request->what == DV_WORKER_PROBE ? job->workers->config.probe_ms
						     : job->workers->config.step_ms;
}

/* Its children too: it leads a process group. */
static void end_process(struct job *job)
{
	if (kill(-job->pid, SIGKILL) < 0)
		(void)kill(job->pid, SIGKILL);
	job->ended = true;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct job *job = arg;
	struct dv_error err = {0};
	int r;

	if (!job->ended) {
		end_process(job);
		arm(job, job->workers->config.kill_ms);
		return 0;
	}
	/* It hangs in the kernel, perhaps for ever. */
	dv_log(DV_LOG_ERROR, "worker %d (%s) does not end, not even when killed: left behind",
	       (int)job->pid, what_of(job->request->what));
	r = dv_error_set(&err, -ETIMEDOUT,
			 "%s took longer than %u ms, and its process %d hangs in the kernel",
			 what_of(job->request->what), deadline_ms(job), (int)job->pid);
	tell_failure(job, r, true, &err);
	return 0;
}

static void say_end(const struct job *job, const siginfo_t *info, struct dv_error *err)
{
	if (job->ended)
		dv_error_set(err, -ETIMEDOUT, "%s took longer than %u ms and was ended",
			     what_of(job->request->what), deadline_ms(job));
	else if (info->si_code == CLD_EXITED)
		dv_error_set(err, -EPROTO, "the worker for %s ended (status %d) without an answer",
			     what_of(job->request->what), info->si_status);
	else
		dv_error_set(err, -EPROTO, "the worker for %s crashed (%s)",
			     what_of(job->request->what), strsignal(info->si_status));
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct job *job = arg;
	siginfo_t info = {0};
	struct dv_error err = {0};

	if (waitid(P_PIDFD, (id_t)job->pid_fd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
		return 0;
	/* Its answer may have come in the same moment; that is heard first (see priorities). */
	say_end(job, &info, &err);
	tell_failure(job, err.code, false, &err);
	job_free(job);
	return 0;
}

static void hear(struct job *job)
{
	const struct dv_worker_answer *answer = job->heard;
	struct dv_worker_outcome outcome = {.r = answer->r, .err = &answer->err};

	outcome.gpus = (const struct dv_gpu *)(answer + 1);
	outcome.gpu_count = answer->gpu_count;
	outcome.holders = (const struct dv_holder *)(outcome.gpus + answer->gpu_count);
	outcome.holder_count = answer->holder_count;
	outcome.holders_more = answer->holders_more;
	outcome.holders_unreadable = answer->holders_unreadable;
	tell(job, &outcome);
}

/* From here on it only has to go. */
static void heard_all(struct job *job, int r, struct dv_error *err)
{
	(void)sd_event_source_set_enabled(job->answer, SD_EVENT_OFF);
	arm(job, job->workers->config.kill_ms);
	if (r < 0)
		tell_failure(job, r, false, err);
	else
		hear(job);
}

static int on_answer(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct job *job = arg;
	struct dv_error err = {0};
	size_t room, size;
	ssize_t n;

	if (!job->heard)
		job->heard = malloc(DV_WORKER_ANSWER_MOST);
	if (!job->heard) {
		end_process(job);
		heard_all(job, dv_error_set(&err, -ENOMEM, "no memory for a worker's answer"),
			  &err);
		return 0;
	}
	room = DV_MIN(DV_WORKER_ANSWER_MOST - job->heard_len, (size_t)DV_WORKER_MESSAGE_MOST);
	n = recv(fd, (char *)job->heard + job->heard_len, room, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return 0;
	/* An empty message is the hang-up; its end says more. */
	if (n == 0) {
		(void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
		return 0;
	}
	job->heard_len += DV_MIN((size_t)n, room);
	size = dv_worker_answer_size(job->heard, job->heard_len);
	if (size && (size_t)n <= room && job->heard_len < size)
		return 0;
	if ((size_t)n > room || job->heard_len != size)
		dv_error_set(&err, -EPROTO,
			     "the worker's answer cannot be read: is it of this version of divvy?");
	heard_all(job, err.code, &err);
	return 0;
}

static int spawn(const struct dv_workers *workers, int worker_fd, pid_t *ret_pid)
{
	char *const argv[] = {(char *)"divvy-worker", NULL};
	char *const env[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C.UTF-8",
			     (char *)workers->cache, NULL};
	const char *program = workers->config.program;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	char opened[64];
	int r;

	/* Not by its name: that may be another version's by now, which would not understand us. The
	 * child has closed what it does not need by then, so it is reached through its parent. */
	if (workers->program_fd >= 0) {
		(void)snprintf(opened, sizeof(opened), "/proc/%d/fd/%d", (int)getpid(),
			       workers->program_fd);
		if (access(opened, X_OK) == 0)
			program = opened;
	}
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return r;
	r = posix_spawnattr_init(&attr);
	if (r) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return r;
	}
	r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
						    POSIX_SPAWN_SETPGROUP);
	r = r ? r : posix_spawnattr_setsigmask(&attr, &none);
	r = r ? r : posix_spawnattr_setsigdefault(&attr, &all);
	r = r ? r
	      : posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, worker_fd, DV_WORKER_FD);
	r = r ? r : posix_spawn_file_actions_addclosefrom_np(&actions, DV_WORKER_FD + 1);
	r = r ? r : posix_spawn_file_actions_addchdir_np(&actions, "/");
	r = r ? r : posix_spawn(ret_pid, program, &actions, &attr, argv, env);
	(void)posix_spawnattr_destroy(&attr);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

static int watch(struct job *job, struct dv_error *err)
{
	sd_event *event = job->workers->event;
	int r;

	job->pid_fd = pidfd_open(job->pid, 0);
	if (job->pid_fd < 0)
		return dv_error_errno(err, errno, "watching the worker");
	r = sd_event_add_io(event, &job->answer, job->fd, EPOLLIN, on_answer, job);
	r = r < 0 ? r : sd_event_add_io(event, &job->end, job->pid_fd, EPOLLIN, on_end, job);
	/* What it said counts more than that it ended. */
	r = r < 0 ? r : sd_event_source_set_priority(job->end, SD_EVENT_PRIORITY_IDLE);
	r = r < 0 ? r
		  : sd_event_add_time(event, &job->timer, CLOCK_MONOTONIC, 0, 10000, on_timer, job);
	return r < 0 ? dv_error_errno(err, -r, "watching the worker") : 0;
}

int dv_workers_spawn(const struct dv_workers *workers, const struct dv_worker_request *request,
		     pid_t *ret_pid, int *ret_fd, struct dv_error *err)
{
	const size_t size = sizeof(*request);
	const int room = (int)size + 4096;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return dv_error_errno(err, errno, "a socket pair");
	dv_autoclose int ours = pair[0], worker_fd = pair[1];

	(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (send(ours, request, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		return dv_error_errno(err, errno, "asking the worker");
	r = spawn(workers, worker_fd, ret_pid);
	if (r)
		return dv_error_errno(err, r, "starting %s", workers->config.program);
	*ret_fd = take_fd(ours);
	return 0;
}

/* Start the process of a job and send it its request. */
static int launch(struct job *job, struct dv_error *err)
{
	int r = dv_workers_spawn(job->workers, job->request, &job->pid, &job->fd, err);

	if (r < 0)
		return r;
	r = watch(job, err);
	if (r < 0) {
		end_process(job);
		(void)waitpid(job->pid, NULL, 0);
		job->pid = 0;
		return r;
	}
	arm(job, deadline_ms(job));
	return 0;
}

/* A job that waited and can't be started is told so from the loop. */
static int on_failed_launch(sd_event_source *source, void *arg)
{
	struct job *job = arg;
	struct dv_error err = {0};

	dv_error_set(&err, -EIO, "the worker could not be started");
	tell_failure(job, err.code, false, &err);
	job_free(job);
	return 0;
}

static int run(struct job *job, struct dv_error *err)
{
	int r = launch(job, err);

	if (r < 0)
		return r;
	job->stage = STAGE_RUNNING;
	job->workers->running++;
	return 0;
}

static void start_next(struct dv_workers *workers)
{
	struct job *job = workers->jobs;
	struct dv_error err = {0};

	while (job && job->stage != STAGE_WAITING)
		job = job->next;
	if (!job || workers->running >= DV_WORKERS_MOST)
		return;
	workers->waiting--;
	if (run(job, &err) == 0)
		return;
	dv_log_error(DV_LOG_ERROR, &err, "worker");
	job->stage = STAGE_RUNNING;
	workers->running++;
	if (sd_event_add_defer(workers->event, &job->end, on_failed_launch, job) < 0)
		(void)on_failed_launch(NULL, job);
}

void dv_workers_address(const struct dv_workers *workers, struct dv_worker_request *request)
{
	request->build = dv_worker_build();
	(void)dv_copy(request->root, sizeof(request->root), workers->config.root);
	(void)dv_copy(request->nvml, sizeof(request->nvml), workers->config.nvml);
}

int dv_workers_start(struct dv_workers *workers, const struct dv_worker_request *request,
		     dv_worker_fn fn, void *arg, struct dv_error *err)
{
	struct job *job, **at = &workers->jobs;
	int r = 0;

	if (workers->waiting >= DV_WORKERS_WAITING_MOST)
		return dv_error_fix(err,
				    dv_error_rule(err, -EBUSY, "S19",
						  "%u steps wait for a worker already",
						  workers->waiting),
				    "try again in a moment");
	if (strlen(workers->config.root) >= sizeof(request->root) ||
	    strlen(workers->config.nvml) >= sizeof(request->nvml))
		return dv_error_set(err, -E2BIG, "the names of --root and --nvml are too long");
	job = calloc(1, sizeof(*job));
	if (job)
		job->request = malloc(sizeof(*request));
	if (!job || !job->request) {
		free(job);
		return dv_error_set(err, -ENOMEM, "no memory for a worker's request");
	}
	*job->request = *request;
	dv_workers_address(workers, job->request);
	job->workers = workers;
	job->fn = fn;
	job->arg = arg;
	job->fd = job->pid_fd = -1;
	while (*at)
		at = &(*at)->next;
	*at = job;
	if (workers->running >= DV_WORKERS_MOST)
		workers->waiting++;
	else
		r = run(job, err);
	if (r < 0)
		job_free(job);
	return r;
}

unsigned dv_workers_busy(const struct dv_workers *workers)
{
	return workers->running + workers->waiting;
}

int dv_workers_new(sd_event *event, const struct dv_workers_config *config, struct dv_workers **ret,
		   struct dv_error *err)
{
	dv_cleanup(dv_workers_freep) struct dv_workers *workers = calloc(1, sizeof(*workers));

	if (!workers)
		return dv_error_set(err, -ENOMEM, "no memory for workers");
	workers->event = event;
	workers->program_fd = -1;
	workers->config = *config;
	if (snprintf(workers->cache, sizeof(workers->cache), "POCL_CACHE_DIR=%s",
		     config->cache_dir) >= (int)sizeof(workers->cache))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s",
				    config->cache_dir);
	/* Where it is not there, starting it will say so. */
	workers->program_fd = open(config->program, O_PATH | O_CLOEXEC);
	*ret = take_ptr(workers);
	return 0;
}

void dv_workers_free(struct dv_workers *workers)
{
	if (!workers)
		return;
	while (workers->jobs) {
		struct job *job = workers->jobs;

		/* Not waited for: its parent's end reaps it. */
		if (job->pid > 0)
			end_process(job);
		job_free(job);
	}
	dv_closep(&workers->program_fd);
	free(workers);
}
