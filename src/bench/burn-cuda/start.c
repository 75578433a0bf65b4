/* SPDX-License-Identifier: Apache-2.0 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "bench/burn-cuda/work.h"

extern char **environ;

/* Each process leaves the moment at which it was ready, at its place. */
int burn_cuda_start_one(const char *said_fd, const char *at, bool context, struct dv_error *err)
{
	struct burn_cuda cuda = {0};
	struct dv_cu_context *made = NULL;
	const long place = strtol(at, NULL, 10);
	char name[128];
	uint64_t ready_ns;
	int count = 0, r = burn_cuda_load(&cuda, err);

	if (r == 0)
		r = burn_cuda_check(cuda.cuDeviceGetCount(&count), "cuDeviceGetCount", err);
	if (r == 0)
		r = burn_cuda_check(cuda.cuDeviceGetName(name, sizeof(name), 0), "cuDeviceGetName",
				    err);
	if (r == 0 && context)
		r = burn_cuda_check(cuda.cuCtxCreate_v2(&made, 0, 0), "cuCtxCreate", err);
	if (r < 0)
		return r;
	ready_ns = dv_now_ns();
	if (pwrite((int)strtol(said_fd, NULL, 10), &ready_ns, sizeof(ready_ns),
		   place * (long)sizeof(ready_ns)) != sizeof(ready_ns))
		return dv_error_errno(err, errno, "saying so");
	return 0;
}

static int spawn_one(int fd, unsigned at, bool context, pid_t *ret, struct dv_error *err)
{
	char fd_text[16], at_text[16];
	char *argv[] = {(char *)"divvy-burn-cuda",
			(char *)"--start-fd",
			fd_text,
			(char *)"--start-one",
			at_text,
			context ? (char *)"--contexts" : NULL,
			NULL};
	int r;

	(void)snprintf(fd_text, sizeof(fd_text), "%d", fd);
	(void)snprintf(at_text, sizeof(at_text), "%u", at);
	r = posix_spawn(ret, "/proc/self/exe", NULL, NULL, argv, environ);
	return r ? dv_error_errno(err, r, "starting a process") : 0;
}

static int reap(pid_t pid, struct dv_error *err)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (status == 0)
		return 0;
	return dv_error_set(err, -EIO, "a process ended with %d",
			    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int start_all(int fd, unsigned count, bool apart, bool contexts, uint64_t *begun,
		     pid_t *pids, struct dv_error *err)
{
	unsigned started = 0, ended = 0;
	int r = 0;

	for (; r == 0 && started < count; started++) {
		begun[started] = dv_now_ns();
		r = spawn_one(fd, started, contexts, &pids[started], err);
		if (r < 0)
			break;
		if (apart)
			r = reap(pids[ended++], err);
	}
	for (; ended < started; ended++) {
		int q = reap(pids[ended], r < 0 ? NULL : err);

		r = r < 0 ? r : q;
	}
	return r;
}

int burn_cuda_start(unsigned count, bool apart, bool contexts, uint64_t *times,
		    struct dv_error *err)
{
	dv_autofree uint64_t *begun = calloc(count, sizeof(*begun));
	dv_autofree pid_t *pids = calloc(count, sizeof(*pids));
	const size_t size = count * sizeof(*times);
	dv_autoclose int fd = memfd_create("started", 0);
	int r;

	if (!begun || !pids)
		return dv_error_set(err, -ENOMEM, "no memory for %u processes", count);
	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return dv_error_errno(err, errno, "a file for the processes");
	r = start_all(fd, count, apart, contexts, begun, pids, err);
	if (r == 0 && pread(fd, times, size, 0) != (ssize_t)size)
		r = dv_error_errno(err, errno, "reading what the processes said");
	for (unsigned i = 0; r == 0 && i < count; i++)
		times[i] -= begun[i];
	return r;
}
