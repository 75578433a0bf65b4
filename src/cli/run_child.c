/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_child.h"

#include "cli/run_cuda.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Where a new process failed, and why: written over a pipe that a successful exec closes. */
enum stage { STAGE_ENV, STAGE_MOUNTS, STAGE_CPUS, STAGE_SECCOMP, STAGE_EXEC };
struct failure {
	enum stage stage;
	int errnum;
};

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
#define OTHER_SETAFFINITY 241
#define NUMBER_MASK 0xbfffffffu /* x32 has the same numbers with this bit set */
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
#define OTHER_SETAFFINITY 241
#define NUMBER_MASK 0xffffffffu
#endif

/* Deny sched_setaffinity from now on, to this process and all it starts: without a cgroup nothing
 * else keeps a tenant on its CPUs. */
static int deny_setaffinity(void)
{
#ifdef NATIVE_ARCH
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OTHER_ARCH, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, NUMBER_MASK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_sched_setaffinity, 2, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OTHER_SETAFFINITY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {DV_ARRAY_LEN(code), code};

	/* No new privileges: else a program with more of them could be fooled by this. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
		return -errno;
	return 0;
#else
	return -ENOSYS;
#endif
}

/* "0-2,5" as a set. */
static int parse_cpus(const char *text, cpu_set_t *set)
{
	char *end;

	CPU_ZERO(set);
	while (*text) {
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (end == text)
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			last = strtoul(text, &end, 10);
			if (end == text)
				return -EINVAL;
		}
		if (first > last || last >= CPU_SETSIZE)
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, set);
		text = end + (*end == ',');
		if (*end && *end != ',')
			return -EINVAL;
	}
	return 0;
}

static struct failure settle(const struct dv_child_spec *spec)
{
	const struct dv_api_grant *grant = spec->grant;
	cpu_set_t set;
	int r;

	for (unsigned i = 0; i < grant->env_count; i++)
		/* The grant outlives this process's copy of it. */
		if (putenv((char *)grant->env[i]) != 0)
			return (struct failure){STAGE_ENV, errno};
	r = spec->cuda_dir     ? dv_cuda_place_enter(spec->cuda_dir)
	    : spec->driver_dir ? dv_cuda_place_enter(spec->driver_dir)
			       : 0;
	if (r)
		return (struct failure){STAGE_ENV, r};
	r = spec->cuda_dir ? dv_mounts_enter(spec->mounts) : 0;
	if (r)
		return (struct failure){STAGE_MOUNTS, r};
	if (!grant->cpus[0])
		return (struct failure){0};
	r = parse_cpus(grant->cpus, &set);
	if (r == 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
		r = -errno;
	if (r < 0)
		return (struct failure){STAGE_CPUS, -r};
	r = deny_setaffinity();
	return (struct failure){STAGE_SECCOMP, -r};
}

static void fail_with(int fd, struct failure failure)
{
	(void)!write(fd, &failure, sizeof(failure));
	_exit(DV_CHILD_NOT_RUN);
}

static void run_child(const struct dv_child_spec *spec, int go_fd, int failed_fd)
{
	struct failure failure;
	char go;

	if (read(go_fd, &go, 1) != 1)
		_exit(DV_CHILD_NOT_RUN);
	failure = settle(spec);
	if (failure.errnum)
		fail_with(failed_fd, failure);
	/* The parent waits for signals in its own way. */
	(void)sigprocmask(SIG_SETMASK, spec->mask, NULL);
	if (!spec->command) {
		close(failed_fd);
		_exit(spec->body(spec->arg));
	}
	(void)execvp(spec->command[0], spec->command);
	fail_with(failed_fd, (struct failure){STAGE_EXEC, errno});
}

int dv_child_start(const struct dv_child_spec *spec, struct dv_child *ret_child,
		   struct dv_error *err)
{
	int go[2], failed[2];
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "making a pipe");
	dv_autoclose int go_read = go[0];
	dv_autoclose int go_write = go[1];

	if (pipe2(failed, O_CLOEXEC) < 0)
		return dv_error_errno(err, errno, "making a pipe");
	dv_autoclose int failed_read = failed[0];
	dv_autoclose int failed_write = failed[1];

	pid = fork();
	if (pid < 0)
		return dv_error_errno(err, errno, "starting a process");
	if (pid == 0) {
		close(go_write);
		close(failed_read);
		run_child(spec, go_read, failed_write);
	}
	*ret_child = (struct dv_child){pid, take_fd(go_write), take_fd(failed_read)};
	return 0;
}

static int say_why(const struct failure *failure, const char *name, int *ret_status,
		   struct dv_error *err)
{
	int r;

	switch (failure->stage) {
	case STAGE_ENV:
		return dv_error_errno(err, failure->errnum, "setting the command's environment");
	case STAGE_MOUNTS:
		r = dv_error_rule(err, -EOPNOTSUPP, "G03",
				  "the command cannot have mounts of its own: %s; nothing was "
				  "started",
				  strerror(failure->errnum));
		return dv_error_fix(err, r, "leave --mounts private out, or run it as root");
	case STAGE_CPUS:
		return dv_error_errno(err, failure->errnum,
				      "binding the command to the CPUs of its partition");
	case STAGE_SECCOMP:
		r = dv_error_errno(err, failure->errnum,
				   "keeping the command on the CPUs of its partition (seccomp)");
		return dv_error_fix(err, r,
				    "let root's divvyd make the partition: it uses cgroups");
	case STAGE_EXEC:
		break;
	}
	*ret_status = failure->errnum == ENOENT ? DV_CHILD_NOT_FOUND : DV_CHILD_NOT_RUN;
	return dv_error_errno(err, failure->errnum, "%s", name);
}

int dv_child_go(struct dv_child *child, const char *name, int *ret_status, struct dv_error *err)
{
	struct failure failure;
	ssize_t n;

	*ret_status = 0;
	if (write(child->go_fd, "", 1) != 1)
		return dv_error_errno(err, errno, "starting the command");
	close(child->go_fd);
	child->go_fd = -1;
	do
		n = read(child->failed_fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	close(child->failed_fd);
	child->failed_fd = -1;
	if (n == 0)
		return 0;
	(void)waitpid(child->pid, NULL, 0);
	child->pid = 0;
	if (n != (ssize_t)sizeof(failure))
		return dv_error_set(err, -EIO, "the new process ended before it could start");
	return say_why(&failure, name, ret_status, err);
}

void dv_child_end(struct dv_child *child)
{
	if (child->go_fd >= 0)
		close(child->go_fd);
	if (child->failed_fd >= 0)
		close(child->failed_fd);
	child->go_fd = child->failed_fd = -1;
	if (child->pid > 0)
		(void)waitpid(child->pid, NULL, 0);
	child->pid = 0;
}
