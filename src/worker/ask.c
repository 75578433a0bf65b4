/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ask.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"

enum { REAP_MS = 500, FTW_DESCRIPTORS = 8, STALE_S = 600 };

#define PREFIX "divvy-probe-"

struct reply {
	int r;
	struct dv_error err;
	struct dv_opencl_device device;
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)remove(path);
	return 0;
}

/* PoCL refuses to show a device when it has nowhere to write. */
static void remove_directory(char *path)
{
	if (path[0])
		(void)nftw(path, remove_one, FTW_DESCRIPTORS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A worker that was killed could not remove its directory; no probe lasts this long. */
static void remove_stale(const char *where)
{
	DIR *dir = opendir(where);
	time_t now = time(NULL);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[512];
		struct stat st;

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    now - st.st_mtime < STALE_S ||
		    snprintf(path, sizeof(path), "%s/%s", where, entry->d_name) >=
			    (int)sizeof(path))
			continue;
		remove_directory(path);
	}
	if (dir)
		closedir(dir);
}

/* A directory for what the library writes: in divvyd's own, where that is and has room. */
static int make_cache(char *buf, size_t size, struct dv_error *err)
{
	const char *own = getenv("POCL_CACHE_DIR");

	if (own && *own && snprintf(buf, size, "%s/" PREFIX "XXXXXX", own) < (int)size) {
		remove_stale(own);
		if (mkdtemp(buf))
			return 0;
	}
	(void)snprintf(buf, size, "/tmp/" PREFIX "XXXXXX");
	return mkdtemp(buf) ? 0 : dv_error_errno(err, errno, "making a directory in /tmp");
}

static _Noreturn void child(const char *library, const char *cache, int to, pid_t parent)
{
	struct reply reply = {0};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Drivers print what they think. */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(1);
	if (setenv("POCL_CACHE_DIR", cache, 1) < 0)
		_exit(1);
	reply.r = dv_opencl_find_cpu(library, &reply.device, &reply.err);
	_exit(write(to, &reply, sizeof(reply)) == (ssize_t)sizeof(reply) ? 0 : 1);
}

/* The child's whole reply; false: it ended, or the time was over, before that. */
static bool read_reply(int from, uint64_t deadline_ns, struct reply *ret)
{
	struct pollfd poll_fd = {.fd = from, .events = POLLIN};
	size_t len = 0;

	while (len < sizeof(*ret)) {
		uint64_t now = dv_now_ns();
		ssize_t n;

		if (now >= deadline_ns)
			return false;
		n = poll(&poll_fd, 1, (int)((deadline_ns - now) / DV_NS_PER_MS) + 1);
		if (n <= 0)
			continue;
		n = read(from, (char *)ret + len, sizeof(*ret) - len);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		len += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* End the child and learn how it ended; one that hangs in the kernel is left behind. */
static int reap(pid_t pid, int *ret_status)
{
	for (unsigned ms = 0; ms < REAP_MS; ms++) {
		pid_t r = waitpid(pid, ret_status, WNOHANG);

		if (r == pid)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		/* It may just be ending by itself: that status says more. */
		if (ms == 20)
			(void)kill(pid, SIGKILL);
		(void)usleep(1000);
	}
	return -ETIMEDOUT;
}

static int no_reply(pid_t pid, uint64_t deadline_ns, unsigned deadline_ms, struct dv_error *err)
{
	bool late = dv_now_ns() >= deadline_ns;
	int status = 0, r;

	if (late)
		(void)kill(pid, SIGKILL);
	r = reap(pid, &status);
	if (late)
		dv_error_rule(err, r = -ETIMEDOUT, "G05",
			      "the OpenCL driver did not answer within %u ms", deadline_ms);
	else if (r == 0 && WIFSIGNALED(status))
		dv_error_rule(err, r = -EIO, "G05", "the OpenCL driver crashed: %s",
			      strsignal(WTERMSIG(status)));
	else
		dv_error_rule(err, r = -EIO, "G05",
			      "the OpenCL driver ended the program that "
			      "asked for its devices");
	return dv_error_fix(err, r, "run clinfo to see it fail, and reinstall pocl-opencl-icd");
}

int dv_worker_ask_opencl(const char *library, unsigned deadline_ms, struct dv_opencl_device *ret,
			 struct dv_error *err)
{
	uint64_t deadline_ns = dv_now_ns() + deadline_ms * DV_NS_PER_MS;
	char cache[320];
	struct reply reply = {0};
	int ends[2], r, status;
	pid_t pid, parent = getpid();

	if (pipe2(ends, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "making a pipe");
	dv_autoclose int from = ends[0], to = ends[1];

	r = make_cache(cache, sizeof(cache), err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		child(library, cache, to, parent);
	if (pid < 0) {
		r = dv_error_errno(err, errno, "starting a process");
	} else {
		close(take_fd(to));
		if (read_reply(from, deadline_ns, &reply)) {
			(void)kill(pid, SIGKILL);
			(void)reap(pid, &status);
			r = reply.r;
			if (r < 0 && err && !err->code)
				*err = reply.err;
		} else {
			r = no_reply(pid, deadline_ns, deadline_ms, err);
		}
	}
	remove_directory(cache);
	if (r == 0)
		*ret = reply.device;
	return r;
}
