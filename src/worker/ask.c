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

/* What a child is to find out: `answer` fills in the reply, of which the child has its own copy. */
struct question {
	int (*answer)(const struct question *question, void *reply, struct dv_error *err);
	const char *library;
	const char *cache; /* a directory of its own, or "" */
	const char *driver, *rule, *fix;
	size_t size;
};

/* How every reply begins. */
struct head {
	int r;
	struct dv_error err;
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

static bool write_whole(int to, const void *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = write(to, (const char *)data + at, size - at);

		if (n < 0 && errno != EINTR)
			return false;
		at += n > 0 ? (size_t)n : 0;
	}
	return true;
}

static _Noreturn void child(const struct question *question, void *reply, int to, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct head *head = reply;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	/* Drivers print what they think. */
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(null, STDERR_FILENO) < 0)
		_exit(1);
	if (question->cache[0] && setenv("POCL_CACHE_DIR", question->cache, 1) < 0)
		_exit(1);
	head->r = question->answer(question, reply, &head->err);
	_exit(write_whole(to, reply, question->size) ? 0 : 1);
}

/* The child's whole reply; false: it ended, or the time was over, before that. */
static bool read_reply(int from, uint64_t deadline_ns, void *ret, size_t size)
{
	struct pollfd poll_fd = {.fd = from, .events = POLLIN};
	size_t len = 0;

	while (len < size) {
		uint64_t now = dv_now_ns();
		ssize_t n;

		if (now >= deadline_ns)
			return false;
		n = poll(&poll_fd, 1, (int)((deadline_ns - now) / DV_NS_PER_MS) + 1);
		if (n <= 0)
			continue;
		n = read(from, (char *)ret + len, size - len);
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

static int no_reply(const struct question *question, pid_t pid, uint64_t deadline_ns,
		    unsigned deadline_ms, struct dv_error *err)
{
	bool late = dv_now_ns() >= deadline_ns;
	int status = 0, r;

	if (late)
		(void)kill(pid, SIGKILL);
	r = reap(pid, &status);
	if (late)
		dv_error_rule(err, r = -ETIMEDOUT, question->rule,
			      "the %s driver did not answer within %u ms", question->driver,
			      deadline_ms);
	else if (r == 0 && WIFSIGNALED(status))
		dv_error_rule(err, r = -EIO, question->rule, "the %s driver crashed: %s",
			      question->driver, strsignal(WTERMSIG(status)));
	else
		dv_error_rule(err, r = -EIO, question->rule,
			      "the %s driver ended the program that asked for its devices",
			      question->driver);
	return dv_error_fix(err, r, "%s", question->fix);
}

/* `reply` has room for question->size bytes, zeroed, and begins with a head. */
static int ask(const struct question *question, unsigned deadline_ms, void *reply,
	       struct dv_error *err)
{
	uint64_t deadline_ns = dv_now_ns() + deadline_ms * DV_NS_PER_MS;
	const struct head *head = reply;
	pid_t pid, parent = getpid();
	int ends[2], r, status;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "making a pipe");
	dv_autoclose int from = ends[0], to = ends[1];

	pid = fork();
	if (pid == 0)
		child(question, reply, to, parent);
	if (pid < 0)
		return dv_error_errno(err, errno, "starting a process");
	close(take_fd(to));
	if (!read_reply(from, deadline_ns, reply, question->size))
		return no_reply(question, pid, deadline_ns, deadline_ms, err);
	(void)kill(pid, SIGKILL);
	(void)reap(pid, &status);
	r = head->r;
	if (r < 0 && err && !err->code)
		*err = head->err;
	return r;
}

struct opencl_reply {
	struct head head;
	struct dv_opencl_device device;
};

static int answer_opencl(const struct question *question, void *reply, struct dv_error *err)
{
	return dv_opencl_find_cpu(question->library, &((struct opencl_reply *)reply)->device, err);
}

int dv_worker_ask_opencl(const char *library, unsigned deadline_ms, struct dv_opencl_device *ret,
			 struct dv_error *err)
{
	char cache[512];
	const struct question question = {
		.answer = answer_opencl,
		.library = library,
		.cache = cache,
		.driver = "OpenCL",
		.rule = "G05",
		.fix = "run clinfo to see it fail, and reinstall pocl-opencl-icd",
		.size = sizeof(struct opencl_reply)};
	struct opencl_reply reply = {0};
	int r = make_cache(cache, sizeof(cache), err);

	if (r < 0)
		return r;
	r = ask(&question, deadline_ms, &reply, err);
	remove_directory(cache);
	if (r == 0)
		*ret = reply.device;
	return r;
}

struct nvml_reply {
	struct head head;
	struct dv_worker_nvml found;
};

static int answer_nvml(const struct question *question, void *reply, struct dv_error *err)
{
	struct dv_worker_nvml *found = &((struct nvml_reply *)reply)->found;
	dv_cleanup(dv_nvml_closep) struct dv_nvml *nvml = NULL;
	struct dv_nvml_gpus gpus = {0};
	int r = dv_nvml_open(question->library, &nvml, err);

	if (r == 0)
		r = dv_nvml_driver(nvml, found->driver, sizeof(found->driver), err);
	if (r == 0)
		r = dv_nvml_observe(nvml, &gpus, err);
	if (r == 0 && gpus.len > DV_WORKER_GPUS_MOST)
		r = dv_error_set(err, -E2BIG, "this machine has more than %d GPUs",
				 DV_WORKER_GPUS_MOST);
	for (size_t i = 0; r == 0 && i < gpus.len; i++)
		found->gpus[found->count++] = gpus.items[i];
	dv_vec_fini(&gpus);
	return r;
}

int dv_worker_ask_nvml(const char *library, unsigned deadline_ms, struct dv_worker_nvml *ret,
		       struct dv_error *err)
{
	const struct question question = {
		.answer = answer_nvml,
		.library = library,
		.cache = "",
		.driver = "NVIDIA",
		.rule = "M09",
		.fix = "run nvidia-smi to see it fail; boot, if the driver hangs",
		.size = sizeof(struct nvml_reply)};
	dv_autofree struct nvml_reply *reply = calloc(1, sizeof(*reply));
	int r;

	if (!reply)
		return dv_error_set(err, -ENOMEM, "no memory to ask for NVIDIA's GPUs");
	r = ask(&question, deadline_ms, reply, err);
	if (r == 0)
		*ret = reply->found;
	return r;
}
