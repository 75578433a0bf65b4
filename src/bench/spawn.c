/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"

enum { REFUSED = 3 };

void dv_bench_arg(struct dv_bench_args *args, const char *fmt, ...)
{
	va_list list;

	if (args->count >= DV_BENCH_ARGS_MOST)
		return;
	va_start(list, fmt);
	(void)vsnprintf(args->text[args->count], DV_BENCH_ARG_SIZE, fmt, list);
	va_end(list);
	args->list[args->count] = args->text[args->count];
	args->list[++args->count] = NULL;
}

/* Without affinity both of PoCL's workers may land on one CPU, and what is measured is luck; a
 * slice of divvy's gets it by divvy. */
pid_t dv_bench_spawn(const struct dv_bench_env *env, char *const argv[], unsigned slot,
		     const char *out, struct dv_error *err)
{
	char message[192];
	pid_t pid;

	(void)snprintf(message, sizeof(message), "%s/message-%u", env->dir, slot);
	pid = fork();
	if (pid < 0)
		return dv_error_errno(err, errno, "starting %s", argv[0]);
	if (pid == 0) {
		int err_fd = open(message, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		int out_fd = open(out ? out : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				  0600);

		sigset_t none;

		/* Whoever hears of signals by stop_fd has them blocked. */
		(void)sigemptyset(&none);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)setenv("POCL_AFFINITY", "1", 0);
		if (err_fd < 0 || out_fd < 0 || dup2(out_fd, STDOUT_FILENO) < 0 ||
		    dup2(err_fd, STDERR_FILENO) < 0)
			_exit(127);
		execv(argv[0], argv);
		_exit(127);
	}
	return pid;
}

/* A refusal of `divvy run`, not of the program that it ran, is no failure: this machine does not
 * allow the case. (Rules of state are about what went on before: the device is taken, or broken.)
 */
static int say_why(const struct dv_bench_env *env, unsigned slot, const char *what, int status,
		   struct dv_error *err)
{
	static const char refusal[] = "divvy: ", state_rule[] = "\n  rule: S";
	bool refused = WIFEXITED(status) && WEXITSTATUS(status) == REFUSED;
	dv_autofree char *text = NULL;
	char path[192];

	(void)snprintf(path, sizeof(path), "%s/message-%u", env->dir, slot);
	if (dv_file_read(path, 4096, &text, NULL, NULL) == 0) {
		char *end = strchr(text, '\n');

		refused = refused && strncmp(text, refusal, strlen(refusal)) == 0 &&
			  !strstr(text, state_rule);
		if (end)
			*end = '\0';
	}
	if (refused && text)
		return dv_error_set(err, -EOPNOTSUPP, "refused: %s", text + strlen(refusal));
	return dv_error_set(err, -EIO, "%s ended with %d%s%s", what,
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
			    text && *text ? ": " : "", text ? text : "");
}

int dv_bench_reap(const struct dv_bench_env *env, pid_t pid, unsigned slot, const char *what,
		  uint64_t deadline_ns, struct dv_error *err)
{
	dv_autoclose int fd = pidfd_open(pid, 0);
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN},
			       {.fd = env->stop_fd, .events = POLLIN}};
	uint64_t now = dv_now_ns();
	int status = 0, n;

	if (fd < 0)
		return dv_error_errno(err, errno, "watching %s", what);
	n = poll(fds, 2, now < deadline_ns ? (int)((deadline_ns - now) / DV_NS_PER_MS) : 0);
	if (n <= 0 || fds[1].revents)
		(void)kill(pid, SIGTERM);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n <= 0)
		return dv_error_set(err, -ETIMEDOUT, "%s did not end in time", what);
	return status ? say_why(env, slot, what, status, err) : 0;
}
