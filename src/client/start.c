/* SPDX-License-Identifier: Apache-2.0 */
/* Start the caller's own divvyd. It goes to the background by itself and then tells through a pipe
 * that it is ready, that another one was faster, or why it could not start. */
#include "client/internal.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/dirs.h"
#include "base/file.h"
#include "base/str.h"
#include "base/where.h"

extern char **environ;

/* START_MS: for one that is not seen to live. One that lives may need long on a busy machine. */
enum {
	START_MS = 5000,
	ALIVE_MS = 60000,
	POLL_MS = 10,
	AGAIN_MS = 250,
	AGAIN_MOST_MS = 4000,
	LOG_MOST = 1 << 20
};

/* The descriptor on which divvyd answers; see daemon/ready.h. */
enum { READY_FD = 3, OPTIONS_MOST = 16 };

static int open_log(const char *dir, char *path, size_t size, struct dv_error *err)
{
	struct stat st;
	int fd;

	if (snprintf(path, size, "%s/divvyd.log", dir) >= (int)size)
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return dv_error_errno(err, errno, "%s", path);
	/* Old news go when there are too many of them. */
	if (fstat(fd, &st) == 0 && st.st_size > LOG_MOST)
		(void)!ftruncate(fd, 0);
	return fd;
}

static int spawn(const struct dv_client_own *own, int log_fd, int ready_fd, pid_t *ret_pid)
{
	char *argv[OPTIONS_MOST + 8] = {(char *)"divvyd", (char *)"--auto", (char *)"--ready-fd",
					(char *)"3"};
	posix_spawn_file_actions_t actions;
	unsigned count = 4;
	int r;

	if (own->dir) {
		argv[count++] = (char *)"--run-dir";
		argv[count++] = (char *)own->dir;
	}
	for (unsigned i = 0; own->options && own->options[i]; i++) {
		if (i == OPTIONS_MOST)
			return E2BIG;
		argv[count++] = (char *)own->options[i];
	}
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return r;
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, log_fd, STDOUT_FILENO);
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, log_fd, STDERR_FILENO);
	/* dup2 onto itself clears close-on-exec, so READY_FD may be what it is already. */
	r = r ? r : posix_spawn_file_actions_adddup2(&actions, ready_fd, READY_FD);
	r = r ? r : posix_spawn_file_actions_addclosefrom_np(&actions, READY_FD + 1);
	r = r ? r : posix_spawn(ret_pid, dv_where(DV_WHERE_DIVVYD), &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Read what divvyd says until it closes the pipe, as it does when it ends. False: it is there
 * still, and has not said all. */
static bool hear(int fd, char *buf, size_t size, uint64_t until_ns)
{
	bool closed = false;
	size_t len = 0;

	while (len < size - 1 && !closed) {
		uint64_t now = dv_now_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (now >= until_ns)
			break;
		n = poll(&p, 1, (int)((until_ns - now) / DV_NS_PER_MS) + 1);
		if (n > 0)
			n = read(fd, buf + len, size - 1 - len);
		else if (n == 0 || errno == EINTR)
			continue;
		if (n > 0)
			len += (size_t)n;
		else
			closed = true;
	}
	buf[len] = '\0';
	return closed || len == size - 1;
}

/* The last line of the log, for a divvyd that died without a word. */
static void last_words(const char *path, char *buf, size_t size)
{
	dv_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char tail[1024];
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	ssize_t n;
	char *line;

	(void)dv_copy(buf, size, "it left no message");
	if (end <= 0)
		return;
	n = pread(fd, tail, sizeof(tail) - 1, end > 1023 ? end - 1023 : 0);
	if (n <= 0)
		return;
	tail[n] = '\0';
	while (n > 0 && tail[n - 1] == '\n')
		tail[--n] = '\0';
	line = strrchr(tail, '\n');
	(void)dv_copy(buf, size, line ? line + 1 : tail);
}

static int not_started(const char *said, const char *log_path, struct dv_error *err)
{
	struct dv_error why = {0}, ignored = {0};
	char words[256];
	int r;

	if (dv_api_error_decode(said, &why, &ignored) == 0) {
		if (err)
			*err = why;
		return dv_error_prefix(err, why.code, "starting divvyd");
	}
	last_words(log_path, words, sizeof(words));
	r = dv_error_set(err, -ECONNREFUSED, "divvyd did not start: %s", words);
	return dv_error_fix(err, r, "see %s", log_path);
}

/* 0: it is up; 1: another one was faster, and may not be up yet; the caller dials. */
static int start(const struct dv_client_own *own, const char *dir, struct dv_error *err)
{
	char log_path[256], said[2048];
	dv_autoclose int log_fd = open_log(dir, log_path, sizeof(log_path), err);
	int ends[2], status, r;
	bool whole;
	pid_t pid;

	if (log_fd < 0)
		return log_fd;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "a pipe");
	dv_autoclose int hear_fd = ends[0];
	dv_autoclose int say_fd = ends[1];

	r = spawn(own, log_fd, say_fd, &pid);
	if (r) {
		r = dv_error_set(err, -ECONNREFUSED, "divvyd can't be started: %s: %s",
				 dv_where(DV_WHERE_DIVVYD), strerror(r));
		return dv_error_fix(err, r,
				    "install divvy whole, or name a divvyd that runs with "
				    "--socket");
	}
	close(take_fd(say_fd));
	whole = hear(hear_fd, said, sizeof(said), dv_now_ns() + ALIVE_MS * DV_NS_PER_MS);
	/* The process we started ends as soon as the one in the background is on its way. */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (strcmp(said, "ready\n") == 0)
		return 0;
	if (strcmp(said, "taken\n") == 0)
		return 1;
	if (!whole) {
		r = dv_error_set(err, -ECONNREFUSED,
				 "divvyd has been starting for %d s and is not up yet",
				 ALIVE_MS / 1000);
		return dv_error_fix(err, r, "see %s, and try again", log_path);
	}
	return not_started(said, log_path, err);
}

static void sleep_ms(long ms)
{
	const struct timespec t = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&t, NULL);
}

int dv_client_dial_own(const struct dv_client_own *own, char *path, size_t size, bool may_start,
		       struct dv_error *err)
{
	const uint64_t from_ns = dv_now_ns();
	uint64_t until_ns = from_ns + START_MS * DV_NS_PER_MS;
	uint64_t again_ns = 0, again_ms = AGAIN_MS;
	char dir[DV_CLIENT_PATH_SIZE];
	int r = own->dir ? 0 : dv_dirs_run(dir, sizeof(dir), err);

	if (r < 0)
		return r;
	if (own->dir && !dv_copy(dir, sizeof(dir), own->dir))
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s", own->dir);
	if (snprintf(path, size, "%s/%s", dir, DV_SOCKET_NAME) >= (int)size)
		return dv_error_set(err, -E2BIG, "the directory's name is too long: %s", dir);
	/* A directory that others can change may hold anybody's socket. */
	r = may_start ? dv_dir_private(dir, err) : 0;
	if (r < 0)
		return r;
	for (;;) {
		struct dv_error why = {0};
		uint64_t now = dv_now_ns();
		int fd = dv_client_dial(path, &why);

		if (fd >= 0)
			return fd;
		if (fd != -ECONNREFUSED || !may_start || now >= until_ns) {
			if (err)
				*err = why;
			return dv_error_fix(err, fd,
					    "start divvyd, or name its socket with "
					    "--socket");
		}
		if (now >= again_ns) {
			r = start(own, dir, err);
			if (r < 0)
				return r;
			/* A divvyd lives, ours or another's. */
			until_ns = r > 0 ? from_ns + ALIVE_MS * DV_NS_PER_MS
					 : dv_now_ns() + START_MS * DV_NS_PER_MS;
			again_ns = dv_now_ns() + again_ms * DV_NS_PER_MS;
			again_ms = DV_MIN(2 * again_ms, (uint64_t)AGAIN_MOST_MS);
		} else {
			sleep_ms(POLL_MS);
		}
	}
}
