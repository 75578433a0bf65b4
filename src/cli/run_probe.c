/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_probe.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/where.h"
#include "cli/run_cuda.h"
#include "cli/run_lease.h"

enum {
	PROBE_MS = 30000, /* a cold start of a driver on a busy machine takes long */
	REPORT_STEP_MS = 10,
};

/* What the probe says: no loader, loaded, and how many platforms were found. */
enum said {
	SAID_NO_LOADER = DV_CUDA_SAID_NOTHING_THERE,
	SAID_NO_PLATFORM = 'z',
	SAID_DONE = DV_CUDA_SAID_DONE
};

struct pipes {
	int said[2], hold[2];
	const char *cuda_dir;
};

/* In the probe: the first call makes the loader load drivers and layers. */
static int probe(void *arg)
{
	const struct pipes *pipes = arg;
	int (*get_platforms)(unsigned entries, void *platforms, unsigned *count) = NULL;
	void *loader = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
	char said = SAID_NO_LOADER, ignored;
	unsigned count = 0;

	close(pipes->said[0]);
	close(pipes->hold[1]);
	if (loader)
		*(void **)&get_platforms = dlsym(loader, "clGetPlatformIDs");
	if (get_platforms) {
		(void)get_platforms(0, NULL, &count);
		said = count ? SAID_DONE : SAID_NO_PLATFORM;
	}
	if (write(pipes->said[1], &said, 1) != 1)
		return 1;
	/* Stay until divvyd was asked. */
	(void)!read(pipes->hold[0], &ignored, 1);
	return 0;
}

static bool hand_on(int fd, char *buf, size_t size)
{
	(void)snprintf(buf, size, "%d", fd);
	return fcntl(fd, F_SETFD, 0) == 0;
}

/* The same for CUDA: the loader reads where to look when a program starts, so one is started. */
static int probe_cuda(void *arg)
{
	const struct pipes *pipes = arg;
	char said[12], hold[12];

	if (hand_on(pipes->said[1], said, sizeof(said)) &&
	    hand_on(pipes->hold[0], hold, sizeof(hold)))
		(void)execl(dv_where(DV_WHERE_DIVVY), "divvy", DV_CUDA_PROBE, said, hold,
			    pipes->cuda_dir, NULL);
	return 1;
}

static void pipes_close(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		if (pipes->said[i] >= 0)
			close(pipes->said[i]);
		if (pipes->hold[i] >= 0)
			close(pipes->hold[i]);
		pipes->said[i] = pipes->hold[i] = -1;
	}
}

static int pipes_open(struct pipes *ret, struct dv_error *err)
{
	struct pipes pipes = {{-1, -1}, {-1, -1}, NULL};

	if (pipe2(pipes.said, O_CLOEXEC) < 0 || pipe2(pipes.hold, O_CLOEXEC) < 0) {
		int r = dv_error_errno(err, errno, "making a pipe");

		pipes_close(&pipes);
		return r;
	}
	*ret = pipes;
	return 0;
}

static int refuse(struct dv_error *err, bool cuda, const char *fmt, ...) DV_PRINTF(3, 4);
static int refuse(struct dv_error *err, bool cuda, const char *fmt, ...)
{
	char why[256];
	va_list args;
	int r;

	va_start(args, fmt);
	(void)vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	r = dv_error_rule(err, -EBUSY, "G03",
			  "%s, so the limits would not hold; nothing was started", why);
	if (cuda)
		return dv_error_fix(err, r,
				    "see that no other libcuda.so.1 is found before divvy's: LD_* "
				    "variables, and what the driver's directories hold");
	return dv_error_fix(err, r,
			    "see that OCL_ICD_*, OPENCL_* and LD_* variables are not set, and that "
			    "libOpenCL.so.1 loads layers (ocl-icd 2.3 or Khronos' loader)");
}

/* What the probe said, or 0 when it ended or was too slow. */
static char hear(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	char said = 0;
	int n;

	do
		n = poll(&pollfd, 1, PROBE_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0 || read(fd, &said, 1) != 1)
		return 0;
	return said;
}

struct judged {
	struct dv_cli *cli;
	const struct dv_lease *lease; /* as it was before */
	bool cuda;
};

/* Wait until divvyd lists the probe. */
static int wait_for_report(const struct judged *judged, pid_t pid, struct dv_probe *ret,
			   struct dv_error *err)
{
	const struct timespec step = {.tv_nsec = REPORT_STEP_MS * (long)DV_NS_PER_MS};
	uint64_t end_ns = dv_now_ns() + judged->cli->patience_ms * DV_NS_PER_MS;
	struct dv_lease lease;
	int r;

	for (;;) {
		r = dv_run_lease(judged->cli, judged->lease->name, &lease, err);
		if (r < 0)
			return r;
		if (dv_run_lease_has(&lease, pid)) {
			ret->same_pids = true;
			return 0;
		}
		if (dv_now_ns() > end_ns)
			break;
		(void)nanosleep(&step, NULL);
	}
	/* Another pid namespace: it has some other number there. */
	if (lease.pid_count > judged->lease->pid_count) {
		ret->same_pids = false;
		return 0;
	}
	return refuse(err, judged->cuda,
		      "%s was used in the lease's environment, but divvy's layer did not report "
		      "to divvyd",
		      judged->cuda ? "CUDA" : "OpenCL");
}

static int judge(const struct judged *judged, const struct dv_child *child, int said_fd,
		 struct dv_probe *ret, struct dv_error *err)
{
	switch (hear(said_fd)) {
	case SAID_NO_LOADER:
		if (judged->cuda)
			return refuse(err, true,
				      "libcuda.so.1 cannot be loaded in the lease's environment");
		/* fall through */
	case SAID_NO_PLATFORM:
		*ret = (struct dv_probe){.skipped = true, .same_pids = true};
		return 0;
	case SAID_DONE:
		return wait_for_report(judged, child->pid, ret, err);
	default:
		break;
	}
	return refuse(err, judged->cuda,
		      "%s did not come up in the lease's environment within %d s",
		      judged->cuda ? "CUDA" : "OpenCL", PROBE_MS / 1000);
}

int dv_probe_layer(struct dv_cli *cli, const struct dv_child_spec *command, struct dv_probe *ret,
		   struct dv_error *err)
{
	const struct dv_api_grant *grant = command->grant;
	const struct judged judged = {cli, &grant->lease, command->cuda_dir != NULL};
	struct dv_child_spec spec = *command;
	struct pipes pipes;
	struct dv_child child;
	int status, r = pipes_open(&pipes, err);

	if (r < 0)
		return r;
	pipes.cuda_dir = command->cuda_dir;
	spec.command = NULL;
	spec.body = judged.cuda ? probe_cuda : probe;
	spec.arg = &pipes;
	r = dv_child_start(&spec, &child, err);
	if (r == 0) {
		r = dv_run_enter(cli, grant, child.pid, err);
		if (r == 0)
			r = dv_child_go(&child, "a probe of the layer", &status, err);
		close(take_fd(pipes.said[1]));
		if (r == 0)
			r = judge(&judged, &child, pipes.said[0], ret, err);
	}
	/* Closed pipes end a probe that waits; one that hangs in a driver has to be ended. */
	pipes_close(&pipes);
	if (r < 0 && child.pid > 0)
		(void)kill(child.pid, SIGKILL);
	dv_child_end(&child);
	return r;
}
