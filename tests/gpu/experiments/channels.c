/* SPDX-License-Identifier: Apache-2.0 */
/* The driver's channel groups of this process, below CUDA: found by looking at what its library
 * asks of the kernel (this program's ioctl stands before libc's).
 *
 *   channels                  E1: how many, their time slice, how long asking takes
 *   channels --hold           prints "PID FD CLIENT GROUP" of one, and stays until its input ends
 *   channels --from PID FD CLIENT GROUP   E4: asks the same by another process's descriptor
 *
 * and, only where the caller asks for it, of its own groups alone, for its own lifetime:
 *
 *   channels --set US SECONDS START_NS   E1: sets the time slice, then launches for so long
 *   channels --pause                     E3: takes them off the device under a kernel, and back
 *
 * Layouts of the calls: nvos.h and ctrla06c.h of NVIDIA's open kernel modules, 580. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cuda-load.h"
#include "say.h"

enum { MAGIC = 'F', CONTROL = 0x2a, ALLOC = 0x2b, GROUP_CLASS = 0xa06c, GROUPS_MOST = 64 };
enum { TRIES = 101, KERNEL_MS = 20, PAUSE_MS = 60 };

#define SCHEDULE 0xa06c0101u
#define SET_TIMESLICE 0xa06c0103u
#define GET_TIMESLICE 0xa06c0104u

/* What both forms of an allocation begin with. */
struct alloc {
	uint32_t client, parent, object, class;
};

struct control {
	uint32_t client, object, command, flags;
	uint64_t params;
	uint32_t size, status;
};

static struct group {
	int fd;
	uint32_t client, object;
} groups[GROUPS_MOST];
static unsigned group_count;

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
	const struct alloc *alloc;
	va_list list;
	void *arg;
	int r;

	va_start(list, request);
	arg = va_arg(list, void *);
	va_end(list);
	r = (int)syscall(SYS_ioctl, fd, request, arg);
	alloc = arg;
	if (r == 0 && _IOC_TYPE(request) == MAGIC && _IOC_NR(request) == ALLOC &&
	    alloc->class == GROUP_CLASS && group_count < GROUPS_MOST)
		groups[group_count++] = (struct group){fd, alloc->client, alloc->object};
	return r;
}

/* The driver's status; 0x10000 and errno: the kernel's. */
static unsigned control(const struct group *group, uint32_t command, void *params, uint32_t size)
{
	struct control call = {.client = group->client,
			       .object = group->object,
			       .command = command,
			       .params = (uintptr_t)params,
			       .size = size};

	if (syscall(SYS_ioctl, group->fd, _IOWR(MAGIC, CONTROL, struct control), &call) < 0)
		return 0x10000u + (unsigned)errno;
	return call.status;
}

static unsigned get_slice(const struct group *group, uint64_t *ret_us)
{
	return control(group, GET_TIMESLICE, ret_us, sizeof(*ret_us));
}

/* --- CUDA --- */

static struct cuda cu;
static struct dv_cu_function *spin;
static struct dv_cu_stream *stream;

static int begin(void)
{
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;
	enum dv_cu_result r;

	if (!cuda_load("libcuda.so.1", &cu))
		return say_failed("E1", "no driver", 0);
	r = cu.cuInit(0);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuCtxCreate_v2(&context, 0, 0);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuStreamCreate(&stream, DV_CU_STREAM_NON_BLOCKING);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuModuleLoadData(&module, cuda_kernels);
	if (r == DV_CUDA_SUCCESS)
		r = cu.cuModuleGetFunction(&spin, module, "dv_spin");
	return r == DV_CUDA_SUCCESS ? 0 : say_failed("E1", "CUDA", (int)r);
}

static int launch(unsigned long long ns)
{
	void *params[] = {&ns};

	return (int)cu.cuLaunchKernel(spin, 1, 1, 1, 1, 1, 1, 0, stream, params, NULL);
}

/* --- what is asked --- */

static int look(void)
{
	static double times[TRIES];
	uint64_t us = 0;
	char note[64];
	unsigned status = 0;

	say("E1 channel groups of a process with one context", group_count, "", "");
	for (unsigned i = 0; i < group_count; i++) {
		status = get_slice(&groups[i], &us);
		(void)snprintf(note, sizeof(note), "group %u, status 0x%x", i, status);
		say("E1 its time slice", (double)us, "us", note);
	}
	for (unsigned i = 0; group_count && i < TRIES; i++) {
		const uint64_t from_ns = now_ns();

		(void)get_slice(&groups[0], &us);
		times[i] = (double)(now_ns() - from_ns) / 1e3;
	}
	if (group_count)
		say("E1 asking the driver once, median", say_percentile(times, TRIES, 50), "us",
		    "");
	return 0;
}

static int hold(void)
{
	struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};

	if (!group_count)
		return say_skipped("E4", "no channel group was seen");
	(void)printf("held %d %d %u %u\n", (int)getpid(), groups[0].fd, groups[0].client,
		     groups[0].object);
	(void)fflush(stdout);
	(void)poll(&end, 1, 60000);
	return 0;
}

static int from(char **words)
{
	const pid_t pid = (pid_t)strtol(words[0], NULL, 10);
	struct group group = {.client = (uint32_t)strtoul(words[2], NULL, 10),
			      .object = (uint32_t)strtoul(words[3], NULL, 10)};
	int pidfd = pidfd_open(pid, 0);
	uint64_t us = 0;
	unsigned status;
	char note[64];

	group.fd = pidfd < 0 ? -1 : pidfd_getfd(pidfd, (int)strtol(words[1], NULL, 10), 0);
	if (group.fd < 0)
		return say_failed("E4", "taking another process's descriptor", errno);
	status = get_slice(&group, &us);
	(void)snprintf(note, sizeof(note), "status 0x%x, time slice %llu us", status,
		       (unsigned long long)us);
	say("E4 asking by another process's descriptor is allowed", status == 0, "", note);
	(void)close(group.fd);
	(void)close(pidfd);
	return 0;
}

static int set(uint64_t us, uint64_t seconds, uint64_t start_ns)
{
	const uint64_t end_ns = start_ns + seconds * 1000000000u;
	uint64_t got = 0, took_ns = 0;
	unsigned status = 0;
	unsigned long count = 0;
	char note[96];

	for (unsigned i = 0; i < group_count; i++) {
		const uint64_t from_ns = now_ns();

		got = us;
		status |= control(&groups[i], SET_TIMESLICE, &got, sizeof(got));
		took_ns += now_ns() - from_ns;
	}
	while (now_ns() < start_ns)
		nap_us(100);
	for (; now_ns() < end_ns && launch(1000000) == 0; count++)
		(void)cu.cuStreamSynchronize(stream);
	(void)snprintf(note, sizeof(note), "%u groups, status 0x%x, %.1f us each to set",
		       group_count, status, group_count ? (double)took_ns / 1e3 / group_count : 0);
	(void)snprintf(note + strlen(note), sizeof(note) - strlen(note), "; asked %llu us",
		       (unsigned long long)us);
	say("E1 kernels of 1 ms with a time slice of its own", (double)count, "", note);
	return 0;
}

/* The sizes that the parameters had, by version. */
static unsigned schedule(const struct group *group, bool on)
{
	unsigned status = 0;
	unsigned char params[4] = {on};

	for (uint32_t size = 2; size <= 3; size++) {
		status = control(group, SCHEDULE, params, size);
		if (status == 0)
			break;
	}
	return status;
}

static int pause_them(void)
{
	uint64_t from_ns = now_ns(), off_ns, on_ns;
	unsigned off = 0, on = 0;
	bool still;
	char note[96];

	if (!group_count)
		return say_skipped("E3", "no channel group was seen");
	(void)launch(KERNEL_MS * 1000000ull);
	off_ns = now_ns();
	for (unsigned i = 0; i < group_count; i++)
		off |= schedule(&groups[i], false);
	off_ns = now_ns() - off_ns;
	nap_us(PAUSE_MS * 1000);
	still = cu.cuStreamQuery(stream) == DV_CUDA_ERROR_NOT_READY;
	on_ns = now_ns();
	for (unsigned i = 0; i < group_count; i++)
		on |= schedule(&groups[i], true);
	on_ns = now_ns() - on_ns;
	(void)snprintf(note, sizeof(note), "status 0x%x off, 0x%x on; %u groups", off, on,
		       group_count);
	say("E3 a kernel of 20 ms was still there after 60 ms off the device", still, "", note);
	say("E3 taking them off", (double)off_ns / 1e3, "us", "");
	say("E3 putting them back", (double)on_ns / 1e3, "us", "");
	(void)snprintf(note, sizeof(note), "after %.1f ms in all",
		       (double)(now_ns() - from_ns) / 1e6);
	say("E3 the stream's result then", (int)cu.cuStreamSynchronize(stream), "", note);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "--from") == 0 && argc == 6)
		return from(argv + 2);
	if (begin() != 0)
		return 1;
	if (strcmp(what, "--hold") == 0)
		return hold();
	if (strcmp(what, "--pause") == 0)
		return pause_them();
	if (strcmp(what, "--set") == 0 && argc == 5)
		return set(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10),
			   strtoull(argv[4], NULL, 10));
	return look();
}
