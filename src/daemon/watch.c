/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/watch.h"

#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

/* Before it is tried again: at first, at most; and how much at once is heard in one turn of the
 * loop. */
enum { RETRY_FIRST_S = 2, RETRY_MOST_S = 600, HEAR_MOST = 32 };

struct dv_watch {
	sd_event *event;
	const struct dv_workers *workers;
	dv_watch_fn fn;
	void *arg;
	pid_t pid; /* 0: none */
	int fd, pid_fd;
	unsigned retry_s;
	char why[192]; /* that was said last */
	sd_event_source *news, *end, *retry;
};

static void forget_process(struct dv_watch *watch)
{
	watch->news = sd_event_source_disable_unref(watch->news);
	watch->end = sd_event_source_disable_unref(watch->end);
	dv_closep(&watch->fd);
	dv_closep(&watch->pid_fd);
	watch->fd = watch->pid_fd = -1;
	watch->pid = 0;
}

static void end_process(const struct dv_watch *watch)
{
	if (watch->pid && kill(-watch->pid, SIGKILL) < 0)
		(void)kill(watch->pid, SIGKILL);
}

static void retry_later(struct dv_watch *watch)
{
	(void)sd_event_source_set_time_relative(watch->retry, watch->retry_s * 1000000ull);
	(void)sd_event_source_set_enabled(watch->retry, SD_EVENT_ONESHOT);
	watch->retry_s = DV_MIN(watch->retry_s * 2, (unsigned)RETRY_MOST_S);
}

/* Once for each reason. */
static void say_why(struct dv_watch *watch, const char *why)
{
	if (strcmp(watch->why, why) == 0)
		return;
	(void)dv_copy(watch->why, sizeof(watch->why), why);
	dv_log(DV_LOG_INFO,
	       "NVIDIA's driver is not listened to (%s): changes are found by looking now and then",
	       why);
}

static bool hear_one(struct dv_watch *watch)
{
	struct dv_worker_news news;
	ssize_t n = recv(watch->fd, &news, sizeof(news), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return false;
	if (n != (ssize_t)sizeof(news) || news.build != dv_worker_build()) {
		/* A hang-up, or nothing of ours: its end is what comes next. */
		(void)sd_event_source_set_enabled(watch->news, SD_EVENT_OFF);
		if (n > 0)
			end_process(watch);
		return false;
	}
	news.gpu[sizeof(news.gpu) - 1] = news.why[sizeof(news.why) - 1] = '\0';
	if (news.tells == DV_WORKER_DEAF) {
		say_why(watch, news.why);
		return true;
	}
	if (news.tells == DV_WORKER_LISTENS) {
		watch->retry_s = RETRY_FIRST_S;
		watch->why[0] = '\0';
	}
	watch->fn(watch->arg, &news);
	return true;
}

static int on_news(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct dv_watch *watch = arg;

	for (unsigned i = 0; i < HEAR_MOST && hear_one(watch); i++)
		;
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct dv_watch *watch = arg;
	siginfo_t info = {0};

	if (waitid(P_PIDFD, (id_t)watch->pid_fd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return 0;
	while (hear_one(watch))
		;
	if (info.si_code != CLD_EXITED)
		say_why(watch, "the process that does it crashed");
	forget_process(watch);
	retry_later(watch);
	return 0;
}

static int launch(struct dv_watch *watch, struct dv_error *err)
{
	dv_autofree struct dv_worker_request *request = calloc(1, sizeof(*request));
	int r;

	if (!request)
		return dv_error_set(err, -ENOMEM, "no memory for a worker's request");
	request->what = DV_WORKER_WATCH;
	dv_workers_address(watch->workers, request);
	r = dv_workers_spawn(watch->workers, request, &watch->pid, &watch->fd, err);
	if (r < 0)
		return r;
	watch->pid_fd = pidfd_open(watch->pid, 0);
	r = watch->pid_fd < 0 ? -errno
			      : sd_event_add_io(watch->event, &watch->news, watch->fd, EPOLLIN,
						on_news, watch);
	r = r < 0 ? r
		  : sd_event_add_io(watch->event, &watch->end, watch->pid_fd, EPOLLIN, on_end,
				    watch);
	if (r < 0) {
		end_process(watch);
		(void)waitpid(watch->pid, NULL, 0);
		forget_process(watch);
		return dv_error_errno(err, -r, "watching the worker that listens");
	}
	return 0;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *arg)
{
	struct dv_watch *watch = arg;
	struct dv_error err = {0};

	if (launch(watch, &err) == 0)
		return 0;
	say_why(watch, err.msg);
	retry_later(watch);
	return 0;
}

void dv_watch_start(struct dv_watch *watch)
{
	if (!watch->pid && sd_event_source_get_enabled(watch->retry, NULL) <= 0)
		(void)on_retry(watch->retry, 0, watch);
}

int dv_watch_new(sd_event *event, const struct dv_workers *workers, dv_watch_fn fn, void *arg,
		 struct dv_watch **ret, struct dv_error *err)
{
	dv_cleanup(dv_watch_freep) struct dv_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return dv_error_set(err, -ENOMEM, "no memory to listen to the driver");
	*watch = (struct dv_watch){.event = event,
				   .workers = workers,
				   .fn = fn,
				   .arg = arg,
				   .fd = -1,
				   .pid_fd = -1,
				   .retry_s = RETRY_FIRST_S};
	r = sd_event_add_time(event, &watch->retry, CLOCK_MONOTONIC, 0, 100000, on_retry, watch);
	r = r < 0 ? r : sd_event_source_set_enabled(watch->retry, SD_EVENT_OFF);
	if (r < 0)
		return dv_error_errno(err, -r, "the event loop");
	*ret = take_ptr(watch);
	return 0;
}

void dv_watch_free(struct dv_watch *watch)
{
	if (!watch)
		return;
	/* Not waited for: its parent's end reaps it. */
	end_process(watch);
	forget_process(watch);
	(void)sd_event_source_disable_unref(watch->retry);
	free(watch);
}
