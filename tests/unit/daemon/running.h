/* SPDX-License-Identifier: Apache-2.0 */
/* A divvyd of its own for a test: temporary directories, a real process, its answers. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../temporary.h"
#include "base/where.h"
#include "wire.h"

struct spawned {
	char top[32], run[64], state[64], lock[64], sock[96], conf[64];
	pid_t pid;
};

static inline bool spawned_dirs(struct spawned *s)
{
	if (temporary_make(s->top, sizeof(s->top), "dvd") < 0 || chmod(s->top, 0755) < 0)
		return false;
	(void)snprintf(s->run, sizeof(s->run), "%s/run", s->top);
	(void)snprintf(s->state, sizeof(s->state), "%s/state", s->top);
	(void)snprintf(s->lock, sizeof(s->lock), "%s/lock", s->top);
	(void)snprintf(s->sock, sizeof(s->sock), "%s/run/divvyd.sock", s->top);
	(void)snprintf(s->conf, sizeof(s->conf), "%s/divvyd.yaml", s->top);
	return true;
}

static inline bool spawned_config(const struct spawned *s, const char *text)
{
	int fd = open(s->conf, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	return fd >= 0 && close(fd) == 0 && ok;
}

/* Start it (`more` are further words, NULL-terminated) and hear what it says on --ready-fd. With
 * --auto, s->pid is the process that ends at once. */
static inline bool spawned_start(struct spawned *s, const char *const *more, char *said,
				 size_t size)
{
	char *argv[24] = {(char *)"divvyd", (char *)"--run-dir",  s->run,     (char *)"--state-dir",
			  s->state,	    (char *)"--lock-dir", s->lock,    (char *)"--config",
			  s->conf,	    (char *)"--ready-fd", (char *)"3"};
	posix_spawn_file_actions_t actions;
	int ends[2], argc = 11, r;
	size_t len = 0;
	ssize_t n;

	for (; more && *more && argc < 23; more++)
		argv[argc++] = (char *)*more;
	if (access(s->conf, F_OK) < 0 && !spawned_config(s, "version: 1\n"))
		return false;
	if (pipe2(ends, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions))
		return false;
	r = posix_spawn_file_actions_adddup2(&actions, ends[1], 3);
	r = r ? r : posix_spawn_file_actions_addclosefrom_np(&actions, 4);
	r = r ? r : posix_spawn(&s->pid, dv_where(DV_WHERE_DIVVYD), &actions, NULL, argv, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	while (r == 0 && len < size - 1 && (n = read(ends[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(ends[0]);
	return r == 0;
}

static inline int spawned_wait(struct spawned *s)
{
	int status = -1;

	(void)waitpid(s->pid, &status, 0);
	s->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int spawned_end(struct spawned *s, int signo)
{
	(void)kill(s->pid, signo);
	return spawned_wait(s);
}

static inline void spawned_fini(struct spawned *s)
{
	if (s->pid > 0)
		(void)spawned_end(s, SIGKILL);
	(void)temporary_remove(s->top);
}

/* One request on a connection of its own; returns the HTTP status, the body is in `buf`. */
static inline int spawned_ask(const struct spawned *s, const char *verb, const char *path,
			      const char *body, char *buf, size_t size)
{
	int fd = wire_connect(s->sock), status;
	char head[512];
	const char *end;

	if (fd < 0)
		return -2;
	(void)snprintf(head, sizeof(head),
		       "%s %s HTTP/1.1\r\nHost: d\r\nContent-Length: %zu\r\n\r\n", verb, path,
		       strlen(body));
	(void)wire_send(fd, head, strlen(head));
	(void)wire_send(fd, body, strlen(body));
	status = wire_answer(fd, buf, size);
	close(fd);
	end = strstr(buf, "\r\n\r\n");
	if (end)
		memmove(buf, end + 4, strlen(end + 4) + 1);
	return status;
}
