/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways of sharing cost on this machine.
 *
 *   costs futex     E6: from a write to another process's being awake
 *   costs notify    E7: a system call that a supervisor lets go on (seccomp's notification)
 *   costs markers   E9: an event behind every Kth launch, for each launch */
#include <errno.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda-load.h"
#include "say.h"

enum { ROUNDS = 2000, LAUNCHES = 4000, TRIES = 9, SYNC_EACH = 500 };

/* --- E6 --- */

struct shared {
	uint32_t turn;
	uint64_t woken_ns;
};

static void sleeper(struct shared *shared)
{
	for (uint32_t seen = 0; seen < ROUNDS; seen++) {
		while (__atomic_load_n(&shared->turn, __ATOMIC_ACQUIRE) == seen)
			(void)syscall(SYS_futex, &shared->turn, FUTEX_WAIT, seen, NULL, NULL, 0);
		__atomic_store_n(&shared->woken_ns, now_ns(), __ATOMIC_RELEASE);
	}
	_exit(0);
}

static int measure_futex(void)
{
	static double times[ROUNDS];
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = shared == MAP_FAILED ? -1 : fork();

	if (pid < 0)
		return say_failed("E6", "fork", errno);
	if (pid == 0)
		sleeper(shared);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t from_ns;

		nap_us(200); /* it sleeps by now */
		__atomic_store_n(&shared->woken_ns, 0, __ATOMIC_RELAXED);
		from_ns = now_ns();
		__atomic_fetch_add(&shared->turn, 1, __ATOMIC_RELEASE);
		(void)syscall(SYS_futex, &shared->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
		while (!__atomic_load_n(&shared->woken_ns, __ATOMIC_ACQUIRE))
			continue;
		times[i] = (double)(shared->woken_ns - from_ns) / 1e3;
	}
	(void)waitpid(pid, NULL, 0);
	say("E6 from a futex's wake to running, median", say_percentile(times, ROUNDS, 50), "us",
	    "");
	say("E6 the same, 99th of a hundred", say_percentile(times, ROUNDS, 99), "us", "");
	(void)munmap(shared, sizeof(*shared));
	return 0;
}

/* --- E7 --- */

static int listener = -1;
static double plain_us, watched_us;

static double ioctls_us(void)
{
	static double times[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		const uint64_t from_ns = now_ns();

		(void)ioctl(-1, 0x4642, NULL); /* no such file */
		times[i] = (double)(now_ns() - from_ns) / 1e3;
	}
	return say_percentile(times, ROUNDS, 50);
}

static void *watched(void *arg)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
	int fd;

	(void)arg;
	plain_us = ioctls_us();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
			  &program);
	__atomic_store_n(&listener, fd < 0 ? -2 : fd, __ATOMIC_RELEASE);
	if (fd >= 0)
		watched_us = ioctls_us();
	return NULL;
}

static int measure_notify(void)
{
	struct seccomp_notif asked;
	struct seccomp_notif_resp answer;
	pthread_t thread;
	int fd;

	if (pthread_create(&thread, NULL, watched, NULL) != 0)
		return say_failed("E7", "a thread", errno);
	while ((fd = __atomic_load_n(&listener, __ATOMIC_ACQUIRE)) == -1)
		nap_us(100);
	for (unsigned i = 0; fd >= 0 && i < ROUNDS; i++) {
		memset(&asked, 0, sizeof(asked));
		if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
			break;
		answer = (struct seccomp_notif_resp){.id = asked.id,
						     .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
		(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	if (fd < 0)
		(void)say_skipped("E7 a supervised ioctl", "this kernel gives no notification");
	else
		(void)close(fd); /* whoever waits still goes on, with an error */
	(void)pthread_join(thread, NULL);
	if (fd >= 0) {
		say("E7 an ioctl, median", plain_us, "us", "");
		say("E7 an ioctl that a supervisor lets go on, median", watched_us, "us", "");
	}
	return 0;
}

/* --- E9 --- */

struct device {
	struct cuda cu;
	struct dv_cu_stream *stream;
	struct dv_cu_function *kernel;
	struct dv_cu_event *event;
};

static int begin(struct device *d)
{
	struct dv_cu_context *context = NULL;
	struct dv_cu_module *module = NULL;
	enum dv_cu_result r;

	if (!cuda_load("libcuda.so.1", &d->cu))
		return say_failed("E9", "no driver", 0);
	r = d->cu.cuInit(0);
	if (r == DV_CUDA_SUCCESS)
		r = d->cu.cuCtxCreate_v2(&context, 0, 0);
	if (r == DV_CUDA_SUCCESS)
		r = d->cu.cuStreamCreate(&d->stream, DV_CU_STREAM_NON_BLOCKING);
	if (r == DV_CUDA_SUCCESS)
		r = d->cu.cuEventCreate(&d->event, DV_CU_EVENT_DISABLE_TIMING);
	if (r == DV_CUDA_SUCCESS)
		r = d->cu.cuModuleLoadData(&module, cuda_kernels);
	if (r == DV_CUDA_SUCCESS)
		r = d->cu.cuModuleGetFunction(&d->kernel, module, "dv_spin");
	return r == DV_CUDA_SUCCESS ? 0 : say_failed("E9", "CUDA", (int)r);
}

/* ns for one launch; `each` 0: no event. */
static double launches_ns(struct device *d, unsigned each)
{
	unsigned long long ns = 0;
	void *params[] = {&ns};
	uint64_t spent_ns = 0;

	for (unsigned i = 0; i < LAUNCHES; i += SYNC_EACH) {
		const uint64_t from_ns = now_ns();

		for (unsigned j = 0; j < SYNC_EACH; j++) {
			(void)d->cu.cuLaunchKernel(d->kernel, 1, 1, 1, 1, 1, 1, 0, d->stream,
						   params, NULL);
			if (each && (i + j) % each == 0)
				(void)d->cu.cuEventRecord(d->event, d->stream);
		}
		spent_ns += now_ns() - from_ns;
		(void)d->cu.cuStreamSynchronize(d->stream);
	}
	return (double)spent_ns / LAUNCHES;
}

static int measure_markers(void)
{
	static const unsigned each[] = {0, 64, 16, 4, 1};
	double times[sizeof(each) / sizeof(each[0])][TRIES], none = 0, median;
	struct device d = {0};
	char what[64];

	if (begin(&d) != 0)
		return 1;
	(void)launches_ns(&d, 1);
	for (unsigned try = 0; try < TRIES; try++)
		for (unsigned k = 0; k < sizeof(each) / sizeof(each[0]); k++)
			times[k][try] = launches_ns(&d, each[k]);
	for (unsigned k = 0; k < sizeof(each) / sizeof(each[0]); k++) {
		median = say_percentile(times[k], TRIES, 50);
		none = k ? none : median;
		if (k)
			(void)snprintf(what, sizeof(what), "E9 an event behind each %u launches",
				       each[k]);
		else
			(void)snprintf(what, sizeof(what), "E9 a launch");
		say(what, k ? median - none : median, k ? "ns a launch more" : "ns", "");
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "futex") == 0)
		return measure_futex();
	if (strcmp(what, "notify") == 0)
		return measure_notify();
	if (strcmp(what, "markers") == 0)
		return measure_markers();
	(void)fprintf(stderr, "costs futex|notify|markers\n");
	return 2;
}
